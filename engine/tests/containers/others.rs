//! Other programs on the same data root and the same bundle.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::host::Host;

/// A private dockerd on a data root; ended by its process ID.
struct Dockerd {
    process: std::process::Child,
    socket: String,
}

impl Dockerd {
    fn start(root: &Path, scratch: &Path) -> Self {
        let socket = format!("unix://{}", scratch.join("docker.sock").display());
        let log = fs::File::create(scratch.join("dockerd.log")).expect("a file");
        let process = Command::new("dockerd")
            .args(["--bridge=none", "--iptables=false", "--storage-driver=overlay2", "--host", &socket])
            .arg("--data-root")
            .arg(root)
            .arg("--exec-root")
            .arg(scratch.join("exec"))
            .arg("--pidfile")
            .arg(scratch.join("docker.pid"))
            .stderr(log)
            .spawn()
            .expect("apt-get install docker.io");
        let dockerd = Self { process, socket };
        let until = Instant::now() + Duration::from_mins(1);
        while !dockerd.docker(&["version"]).status.success() {
            assert!(Instant::now() < until, "dockerd does not come up");
            std::thread::sleep(Duration::from_millis(200));
        }
        dockerd
    }

    fn docker(&self, words: &[&str]) -> std::process::Output {
        Command::new("docker").args(["--host", &self.socket]).args(words).output().expect("docker")
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn dockerd_starts_our_container_with_the_same_rights() {
    let mut host = Host::new();
    let probe = "grep -E '^(Cap|NoNew|Seccomp:|Groups)' /proc/self/status; env | sort; id; ls /dev; \
        for file in acpi kcore keys timer_list scsi sysrq-trigger sys bus fs irq; do \
        if echo x 2>/dev/null > /proc/$file/x; then echo $file writable; fi; wc -c < /proc/$file 2>&1; done; \
        cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range; \
        mount -t tmpfs x /tmp 2>&1; unshare -U true 2>&1; touch /sys/x 2>&1; mknod /tmp/n b 8 0; cat /tmp/n 2>&1; \
        cat /etc/hosts; ls -la /etc/mtab /.dockerenv | cut -c1-10; pwd; cat /proc/self/oom_score_adj";
    let body = json!({ "Cmd": ["sh", "-c", probe], "User": "alice", "Hostname": "same", "Env": ["X=y"] });
    let id = host.create("probe", body).expect("created");
    let root = host.create("probe-root", json!({ "Cmd": ["sh", "-c", probe], "Hostname": "same" })).expect("created");
    let ours = [host.go(&id, b"").out, host.go(&root, b"").out];
    host.engine = None;
    let scratch = host.directory.path().join("docker");
    fs::create_dir(&scratch).expect("a directory");
    let dockerd = Dockerd::start(&host.root(), &scratch);
    assert!(host.containers.start("probe").expect_err("dockerd has the root").to_string().contains("dockerd"));
    for (name, ours) in ["probe", "probe-root"].into_iter().zip(&ours) {
        let output = dockerd.docker(&["start", "--attach", name]);
        let theirs = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(*ours, theirs, "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    drop(dockerd);
    assert_eq!(host.containers.record("probe").expect("a record").state.status(), "exited");
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn other_runtimes_take_the_same_bundle() {
    let host = Host::new();
    let runc = "/usr/sbin/runc";
    let body = json!({ "Cmd": ["sh", "-c", "grep -E 'CapEff|Seccomp:' /proc/self/status; exit 6"],
        "HostConfig": { "Runtime": runc } });
    let ran = host.run(body);
    assert!(
        ran.out.contains("CapEff:\t00000000a80425fb\n") && ran.out.contains("Seccomp:\t2"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert_eq!(ran.code, 6);
    let ran = host.run(json!({ "Cmd": ["nope"], "HostConfig": { "Runtime": runc } }));
    assert!(ran.err.contains("executable file not found in $PATH"), "{}", ran.err);
}
