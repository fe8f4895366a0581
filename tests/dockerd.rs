//! A real dockerd with a data root and socket of its own: the oracle.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::outcrop::{feed, text};

/// A running dockerd; ended when dropped.
pub(crate) struct Dockerd {
    child: Option<Child>,
    directory: tempfile::TempDir,
    root: PathBuf,
}

impl Dockerd {
    /// Starts one on a root of its own.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let root = directory.path().join("root");
        Self::spawn(directory, root)
    }

    /// Starts one on `root`.
    pub(crate) fn on(root: &Path) -> Self {
        Self::spawn(tempfile::tempdir().expect("temporary directory"), root.to_owned())
    }

    fn spawn(directory: tempfile::TempDir, root: PathBuf) -> Self {
        let at = |name: &str| directory.path().join(name);
        let log = fs::File::create(at("log")).expect("log");
        let child = Command::new("dockerd")
            .arg("--data-root")
            .arg(&root)
            .arg("--host")
            .arg(format!("unix://{}", at("sock").display()))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .args(["--bridge=none", "--iptables=false", "--storage-driver=overlay2"])
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .expect("dockerd starts: apt-get install docker.io");
        let mut dockerd = Self { child: Some(child), directory, root };
        dockerd.wait_until_up();
        dockerd
    }

    fn wait_until_up(&mut self) {
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            let up = self.command(["version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
            if up.expect("docker starts: apt-get install docker.io").success() {
                return;
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("waits"));
            assert!(ended.is_none() && Instant::now() < end, "dockerd did not come up:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Its data root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Its address.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.directory.path().join("sock").display())
    }

    /// A place for files of the test.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The docker CLI on this dockerd.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        docker(&self.host(), arguments)
    }

    /// Runs the docker CLI and returns everything.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        self.command(arguments).output().expect("docker starts")
    }

    /// Runs the docker CLI, insists on success and returns standard output.
    pub(crate) fn ok<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        text(&self.run(arguments))
    }

    /// The same with `input` on standard input.
    pub(crate) fn feed<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>, input: &[u8]) -> String {
        text(&feed(self.command(arguments), input))
    }

    /// Builds `dockerfile` with the classic builder; `files` are the context.
    pub(crate) fn build(&self, tag: &str, dockerfile: &str, files: &[(&str, &str)]) {
        let context = tempfile::tempdir().expect("temporary directory");
        fs::write(context.path().join("Dockerfile"), dockerfile).expect("writes");
        for (name, content) in files {
            fs::write(context.path().join(name), content).expect("writes");
        }
        let mut command = self.command(["build", "--network", "none", "-q", "-t", tag]);
        text(&command.arg(context.path()).output().expect("docker starts"));
    }

    /// Ends it and waits.
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let pid = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = child.wait();
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The docker CLI on `host`, with no settings of the caller.
pub(crate) fn docker<A: AsRef<OsStr>>(host: &str, arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments).env("DOCKER_HOST", host).env("DOCKER_BUILDKIT", "0").env_remove("DOCKER_CONTEXT");
    command.env("DOCKER_CONFIG", "/nonexistent").stdin(Stdio::null());
    command
}
