//! `outcrop watch` beside a real Podman.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use outcrop_layers::watch::Event;

use super::{Watching, assert_workload, prepared, workload};
use crate::outcrop::{Outcrop, text};

/// Podman with a storage of its own, and its API on a socket; all of it goes when dropped.
struct Podman {
    directory: tempfile::TempDir,
    service: Option<Child>,
}

impl Podman {
    fn start() -> Self {
        let mut podman = Self { directory: tempfile::tempdir_in("/var/tmp").expect("temporary folder"), service: None };
        let service = podman.command(["system", "service", "--time", "0", &podman.host()]).spawn();
        podman.service = Some(service.expect("apt-get install podman"));
        let until = Instant::now() + Duration::from_secs(30);
        while std::os::unix::net::UnixStream::connect(podman.at("socket")).is_err() {
            assert!(Instant::now() < until, "podman does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        podman
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn host(&self) -> String {
        format!("unix://{}", self.at("socket").display())
    }

    /// With runc, as crun refuses hosts that have both versions of control groups.
    fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new("podman");
        for (option, name) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(option).arg(self.at(name));
        }
        command.args(["--storage-driver", "overlay", "--cgroup-manager", "cgroupfs", "--events-backend", "none"]);
        command.args(["--runtime", "runc"]).args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// The control group that its containers are in.
    fn group(&self) -> String {
        let name = self.directory.path().file_name().expect("a name").to_string_lossy();
        format!("/outcrop-test-{}", name.trim_start_matches('.'))
    }

    fn ok<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        text(&self.command(arguments).output().expect("podman starts"))
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if let Some(mut service) = self.service.take() {
            let _ = service.kill();
            let _ = service.wait();
        }
        let _ = self.command(["rm", "--all", "--force", "--time", "0"]).output();
        for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            let group = hierarchy.path().join(&self.group()[1..]);
            for left in fs::read_dir(&group).into_iter().flatten().flatten() {
                let _ = fs::remove_dir(left.path()); // files stay, and go with it
            }
            let _ = fs::remove_dir(group);
        }
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let here = self.directory.path().to_path_buf();
        for at in mounts.lines().rev().filter_map(|line| line.split(' ').nth(1)) {
            if Path::new(at).starts_with(&here) {
                let _ = Command::new("umount").args(["-l", at]).status();
            }
        }
    }
}

#[test]
#[ignore = "needs root, podman and runc: run by .ci/run"]
fn a_container_of_podman_is_told_exactly() {
    let (podman, outcrop) = (Podman::start(), Outcrop::new());
    let context = podman.at("context");
    prepared(&context);
    podman.ok(["build", "-q", "--layers", "-t", "workload", context.to_str().expect("text")]);
    let mut create = podman.command(["create", "--name", "web", "--network", "host", "--pid", "host"]);
    create.arg("--cgroup-parent").arg(podman.group());
    // The limits that Podman would set may be above those of this process.
    create.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]);
    for host in ["/lib", "/lib64", "/usr"] {
        create.args(["-v", &format!("{host}:{host}:ro")]);
    }
    create.arg("-v").arg(format!("{}:/workload:ro", workload().display())).args(["workload", "/workload", "run", "/"]);
    text(&create.output().expect("podman starts"));
    let watching = Watching::start(outcrop.command(["-H", &podman.host(), "watch", "web", "--json", "--until-exit"]));
    let output = podman.ok(["start", "--attach", "web"]);
    let events: Vec<Event> = watching.events();
    assert_workload(&output, &events);
}
