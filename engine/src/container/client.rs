//! The other end of a shim's socket.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::error::{ContainerError, Doing, Result};
use super::protocol::{self, Hello, Kind};
use super::run_directory::{RunDirectory, make};
use super::shim::{ARGUMENT, Greeting, Task};
use super::socket;
use crate::sys::{fd, program};

/// How long a shim may take to come, or to go.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to a container's shim: its streams, and how it goes on.
#[derive(Debug)]
pub struct Attached {
    stream: UnixStream,
}

/// What comes from a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Bytes of its standard output, or of its terminal.
    Stdout(Vec<u8>),
    /// Bytes of its standard error.
    Stderr(Vec<u8>),
    /// Its process runs, with this ID on the host.
    Started(i32),
    /// It could not be started: why.
    Failed(String),
    /// It ended: the exit code, and what is not known about it.
    Exited(i32, String),
    /// It was removed.
    Removed,
}

impl Attached {
    /// Connects to the shim of `task`, which is started with `program` when there is none, and says what is wanted.
    pub(crate) fn open(task: &Task, program: &Path, hello: Hello) -> Result<Self> {
        let until = Instant::now() + PATIENCE;
        let here = directory(task);
        loop {
            let stream = match socket::connect(&here.join("attach.sock")) {
                Ok(stream) => Some(stream),
                Err(_) => spawn(task, program, &here)?,
            };
            if let Some(mut stream) = stream
                && greet(&mut stream, hello).is_ok()
            {
                return Ok(Self { stream });
            }
            if Instant::now() > until {
                let why = io::Error::from(ErrorKind::TimedOut);
                return Err(ContainerError::Io { what: "reach the shim in", path: here, source: why });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Connects to the shim of `task` where there is one.
    pub(crate) fn existing(task: &Task, hello: Hello) -> Option<Self> {
        let mut stream = socket::connect(&directory(task).join("attach.sock")).ok()?;
        greet(&mut stream, hello).ok()?;
        Some(Self { stream })
    }

    /// A second handle of the same connection, so that one thread reads and another writes.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { stream: self.stream.try_clone()? })
    }

    /// The connection itself, for those who speak the shim's protocol without a thread.
    pub(crate) fn into_stream(self) -> UnixStream {
        self.stream
    }

    /// Waits for the next message; nothing when the shim has gone.
    pub fn receive(&mut self) -> io::Result<Option<Message>> {
        loop {
            let Some(frame) = protocol::read(&mut self.stream)? else { return Ok(None) };
            return Ok(Some(match frame.kind {
                Kind::Stdout => Message::Stdout(frame.content),
                Kind::Stderr => Message::Stderr(frame.content),
                Kind::Started => Message::Started(frame.text().parse().unwrap_or(0)),
                Kind::Failed => Message::Failed(frame.text()),
                Kind::Exit => {
                    let exit = frame.exit();
                    Message::Exited(exit.code, exit.error)
                }
                Kind::Removed => Message::Removed,
                _ => continue,
            }));
        }
    }

    /// As [`Attached::receive`], but gives up at `until` with the error `TimedOut`. A message that has begun is lost then.
    pub fn receive_until(&mut self, until: Instant) -> io::Result<Option<Message>> {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left))?;
        let message = self.receive();
        self.stream.set_read_timeout(None)?;
        message.map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
            _ => error,
        })
    }

    /// Sends bytes to the standard input.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        bytes.chunks(protocol::LARGEST).try_for_each(|chunk| protocol::write(&mut self.stream, Kind::Stdin, chunk))
    }

    /// Says that the standard input ends.
    pub fn end_stdin(&mut self) -> io::Result<()> {
        protocol::write(&mut self.stream, Kind::EndOfStdin, b"")
    }

    /// Sets the terminal's size.
    pub fn resize(&mut self, rows: u16, columns: u16) -> io::Result<()> {
        protocol::write(&mut self.stream, Kind::Resize, &[rows.to_be_bytes(), columns.to_be_bytes()].concat())
    }

    /// Sends a signal to the process.
    pub fn signal(&mut self, number: u8) -> io::Result<()> {
        protocol::write(&mut self.stream, Kind::Signal, &[number])
    }

    /// Ends the connection, also for a thread that waits in [`Attached::receive`].
    pub fn shutdown(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

fn directory(task: &Task) -> PathBuf {
    let run = RunDirectory::of(&task.root, &task.id);
    match &task.exec {
        None => run.path().into(),
        Some(exec) => run.exec(exec),
    }
}

/// Says what is wanted, and waits until the shim has seen it.
fn greet(stream: &mut UnixStream, hello: Hello) -> io::Result<()> {
    let text = serde_json::to_vec(&hello)?;
    protocol::write(stream, Kind::Hello, &text)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let answer = protocol::read(stream);
    stream.set_read_timeout(None)?;
    match answer? {
        Some(frame) if frame.kind == Kind::Ready => Ok(()),
        _ => Err(ErrorKind::ConnectionReset.into()),
    }
}

/// Starts a shim and connects to it; nothing when there is another one, which comes or goes.
fn spawn(task: &Task, path: &Path, here: &Path) -> Result<Option<UnixStream>> {
    make(here)?;
    let log_path = here.join("shim.log");
    let log = File::options().append(true).create(true).mode(0o600).open(&log_path).doing("open", &log_path)?;
    let text = serde_json::to_string(task).map_err(io::Error::from).doing("describe", here)?;
    // What a container may find of the shim's program through /proc cannot be written to. A shim that starts another runs
    // such a file already, and cannot make it anew.
    let sealed = program::sealed(path).ok();
    let program = sealed.as_ref().map_or_else(|| path.to_path_buf(), |file| fd::in_proc(file.as_fd()).into());
    let mut child = Command::new(&program)
        .arg(ARGUMENT)
        .arg(text)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .doing("run", path)?;
    let mut greeting = String::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(16).read_to_string(&mut greeting).doing("read from", path)?;
    }
    child.wait().doing("wait for", path)?;
    if greeting == Greeting::Ready.text() {
        return socket::connect(&here.join("attach.sock")).map(Some).doing("connect to the shim in", here);
    }
    if greeting == Greeting::Busy.text() {
        return Ok(None);
    }
    let said = std::fs::read_to_string(&log_path).unwrap_or_default();
    let last = said.lines().last().unwrap_or("it said nothing");
    Err(ContainerError::Start(format!("the container's shim did not start: {last}")))
}
