//! The built program with a data root of its own.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::user::User;

/// A data root in a temporary directory, and the program to run on it.
pub(crate) struct Outcrop {
    directory: tempfile::TempDir,
    root: PathBuf,
    user: Option<User>,
}

impl Outcrop {
    /// Starts with a root that does not exist yet.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let root = directory.path().join("root");
        Self { directory, root, user: None }
    }

    /// Uses an existing root, which is kept.
    pub(crate) fn on(root: &Path) -> Self {
        Self { directory: tempfile::tempdir().expect("temporary directory"), root: root.to_owned(), user: None }
    }

    /// As [`Outcrop::new`], with all commands run by an ordinary user.
    pub(crate) fn of(user: User) -> Self {
        let mut outcrop = Self::new();
        user.settle(outcrop.directory.path());
        outcrop.user = Some(user);
        outcrop
    }

    /// The data root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A place for files of the test.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The program with `--root` and nothing of the caller's Docker settings.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = match self.user {
            None => Command::new(program()),
            Some(user) => user.command(self.directory.path(), &program()),
        };
        command.arg("--root").arg(&self.root).args(arguments);
        for name in ["DOCKER_HOST", "DOCKER_CONTEXT", "OUTCROP_ROOT"] {
            command.env_remove(name);
        }
        command.env("DOCKER_CONFIG", self.directory.path().join("docker-config")).stdin(Stdio::null());
        command
    }

    /// Runs and returns everything.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// Runs, insists on success and returns standard output.
    pub(crate) fn ok<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        text(&self.run(arguments))
    }

    /// Runs with `input` on standard input, insists on success and returns standard output.
    pub(crate) fn feed<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>, input: &[u8]) -> String {
        text(&feed(self.command(arguments), input))
    }
}

/// Runs `command` with `input` on standard input.
pub(crate) fn feed(mut command: Command, input: &[u8]) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("command starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input); // a program that refuses early closes the pipe
    });
    let output = child.wait_with_output().expect("waits");
    writer.join().expect("writer");
    output
}

/// Insists on success and returns standard output as text.
pub(crate) fn text(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}\nstdout: {}\nstderr: {}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The program under test: the one just built, or the one that `OUTCROP_TEST_PROGRAM` names.
pub(crate) fn program() -> std::ffi::OsString {
    std::env::var_os("OUTCROP_TEST_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_outcrop").into())
}
