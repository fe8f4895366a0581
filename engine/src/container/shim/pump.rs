//! Bytes between a process, its log and its clients.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::notices::Notices;
use crate::container::log_file::{LogFile, Stream};
use crate::container::protocol::{self, Exit, Frame, Hello, Kind};

/// Most bytes that wait for a slow client, or for a process that does not read: beyond, the other side waits.
const MOST_WAITING: usize = 1 << 20;
/// Most clients at once.
const MOST_CLIENTS: usize = 512;
/// How long a process's outputs may stay open after its end: something else has them then.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// The ends of a process's pipes, or of its terminal, that the shim has.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    /// The terminal's other end.
    pub(crate) terminal: Option<OwnedFd>,
    /// Writing end of the standard input.
    pub(crate) stdin: Option<OwnedFd>,
    /// Reading end of the standard output.
    pub(crate) stdout: Option<OwnedFd>,
    /// Reading end of the standard error.
    pub(crate) stderr: Option<OwnedFd>,
    /// Whether the standard input ends with the first client that had it.
    pub(crate) stdin_once: bool,
}

struct Client {
    stream: UnixStream,
    received: Vec<u8>,
    waiting: VecDeque<u8>,
    hello: Option<Hello>,
    gone: bool,
}

/// Serves clients, before, while and after a process runs.
pub(crate) struct Pump {
    listener: UnixListener,
    clients: Vec<Client>,
    pipes: Pipes,
    /// For the standard input or the terminal.
    input: VecDeque<u8>,
    input_ends: bool,
    log: Option<LogFile>,
    process: Option<OwnedFd>,
    start_asked: bool,
    /// Its process ID, as text.
    pid: Option<String>,
    /// Whether it is about to go: who comes now must ask another shim.
    closing: bool,
    size: Option<(u16, u16)>,
    /// Where its processes' calls are told, if they are.
    pub(super) notices: Option<Notices>,
}

/// What made [`Pump::run`] return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The process ended.
    Process,
    /// The time is over.
    Time,
}

impl Pump {
    /// Serves who connects to `listener`.
    pub(crate) fn new(listener: UnixListener) -> Self {
        Self {
            listener,
            clients: Vec::new(),
            pipes: Pipes::default(),
            input: VecDeque::new(),
            input_ends: false,
            log: None,
            process: None,
            start_asked: false,
            pid: None,
            closing: false,
            size: None,
            notices: None,
        }
    }

    /// Serves until a client asks for the start; not for ever when none comes, nor when all went.
    pub(crate) fn wait_for_start(&mut self, patience: Duration) -> bool {
        let mut until = Instant::now() + patience;
        while !self.start_asked {
            if !self.clients.is_empty() {
                until = Instant::now() + patience;
            } else if Instant::now() > until {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            self.turn(Some(left.max(Duration::from_millis(1))));
        }
        self.start_asked = false;
        true
    }

    /// Takes a process over: its pipes, its log and the descriptor that tells its end.
    pub(crate) fn attach(&mut self, pipes: Pipes, log: Option<LogFile>, process: OwnedFd) {
        for pipe in [&pipes.terminal, &pipes.stdin, &pipes.stdout, &pipes.stderr].into_iter().flatten() {
            let _ = rustix::io::ioctl_fionbio(pipe, true);
        }
        self.pipes = pipes;
        self.log = log;
        self.process = Some(process);
        if let Some((rows, columns)) = self.size {
            self.resize(rows, columns);
        }
    }

    /// Serves until the process ends or `until` has come.
    pub(crate) fn run(&mut self, until: Option<Instant>) -> Ended {
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if self.turn(left) {
                return Ended::Process;
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Ended::Time;
            }
        }
    }

    /// Reads what the ended process left in its pipes and lets go of them.
    pub(crate) fn drain(&mut self) {
        let until = Instant::now() + AFTERWARDS;
        self.process = None;
        self.pid = None;
        while self.has_output() && Instant::now() < until {
            self.turn(Some(Duration::from_millis(50)));
        }
        if let Some(mut log) = self.log.take() {
            let _ = log.flush();
        }
        self.pipes = Pipes::default();
        self.input.clear();
        self.input_ends = false;
    }

    fn has_output(&self) -> bool {
        self.pipes.terminal.is_some() || self.pipes.stdout.is_some() || self.pipes.stderr.is_some()
    }

    /// Tells all clients.
    pub(crate) fn tell(&mut self, kind: Kind, content: &[u8]) {
        let content = &content[..content.len().min(protocol::LARGEST)];
        for client in &mut self.clients {
            client.waiting.extend(protocol::encode(kind, content));
        }
    }

    /// Tells all clients that the process runs, and those who ask for its start later.
    pub(crate) fn tell_start(&mut self, pid: i32) {
        let pid = pid.to_string();
        self.tell(Kind::Started, pid.as_bytes());
        self.pid = Some(pid);
    }

    /// Takes no more clients: who connects from now on gets no answer and tries again.
    pub(crate) fn stop_listening(&mut self) {
        self.closing = true;
    }

    /// Tells all clients how the process ended.
    pub(crate) fn tell_exit(&mut self, exit: &Exit) {
        self.tell(Kind::Exit, &serde_json::to_vec(exit).unwrap_or_default());
    }

    /// Sends what waits, but not for ever, and closes all.
    pub(crate) fn close(&mut self) {
        self.closing = true;
        let until = Instant::now() + AFTERWARDS;
        while Instant::now() < until && self.clients.iter().any(|client| !client.waiting.is_empty() && !client.gone) {
            self.turn(Some(Duration::from_millis(50)));
        }
        self.clients.clear();
    }

    /// Waits for something to do, at most `timeout`, and does it. True when the process ended.
    fn turn(&mut self, timeout: Option<Duration>) -> bool {
        let slow = self.clients.iter().any(|client| client.waiting.len() > MOST_WAITING);
        let full = self.input.len() > MOST_WAITING;
        let mut fds = Vec::new();
        let mut what = Vec::new();
        let mut add = |fd, flags, source| {
            fds.push(PollFd::from_borrowed_fd(fd, flags));
            what.push(source);
        };
        if self.clients.len() < MOST_CLIENTS && !self.closing {
            add(self.listener.as_fd(), PollFlags::IN, Source::Listener);
        }
        if let Some(process) = &self.process {
            add(process.as_fd(), PollFlags::IN, Source::Process);
        }
        if let Some(notices) = &self.notices {
            add(notices.as_fd(), PollFlags::IN, Source::Notices);
        }
        if !slow {
            for (pipe, source) in [
                (&self.pipes.terminal, Source::Terminal),
                (&self.pipes.stdout, Source::Stdout),
                (&self.pipes.stderr, Source::Stderr),
            ] {
                if let Some(pipe) = pipe {
                    add(pipe.as_fd(), PollFlags::IN, source);
                }
            }
        }
        if let Some(input) = self.pipes.stdin.as_ref().or(self.pipes.terminal.as_ref())
            && !self.input.is_empty()
        {
            add(input.as_fd(), PollFlags::OUT, Source::Input);
        }
        for (at, client) in self.clients.iter().enumerate() {
            // Only who sends input waits for the process to read: others may ask for its start, or its end.
            let held = full && client.hello.is_some_and(|hello| hello.stdin);
            let mut flags = if held { PollFlags::empty() } else { PollFlags::IN };
            if !client.waiting.is_empty() {
                flags |= PollFlags::OUT;
            }
            add(client.stream.as_fd(), flags, Source::Client(at));
        }
        let timeout = timeout.map(|t| Timespec { tv_sec: t.as_secs() as i64, tv_nsec: i64::from(t.subsec_nanos()) });
        if poll(&mut fds, timeout.as_ref()).is_err() {
            return false;
        }
        let ready: Vec<(Source, PollFlags)> =
            fds.iter().zip(&what).map(|(fd, source)| (*source, fd.revents())).filter(|(_, f)| !f.is_empty()).collect();
        drop(fds);
        self.serve(&ready)
    }

    fn serve(&mut self, ready: &[(Source, PollFlags)]) -> bool {
        let mut ended = false;
        for &(source, flags) in ready {
            match source {
                Source::Listener => self.accept(),
                Source::Process => ended = true,
                Source::Terminal | Source::Stdout | Source::Stderr => self.read_output(source),
                Source::Input => self.write_input(),
                Source::Notices => self.notices.iter_mut().for_each(Notices::serve),
                Source::Client(at) => self.serve_client(at, flags),
            }
        }
        self.end_input();
        let stdin_once = self.pipes.stdin_once;
        let mut input_ends = false;
        self.clients.retain(|client| {
            input_ends |= client.gone && stdin_once && client.hello.is_some_and(|hello| hello.stdin);
            !client.gone
        });
        self.input_ends |= input_ends;
        self.end_input();
        ended
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if stream.set_nonblocking(true).is_ok() {
                self.clients.push(Client {
                    stream,
                    received: Vec::new(),
                    waiting: VecDeque::new(),
                    hello: None,
                    gone: false,
                });
            }
        }
    }

    fn read_output(&mut self, source: Source) {
        let pipe = match source {
            Source::Terminal => &mut self.pipes.terminal,
            Source::Stdout => &mut self.pipes.stdout,
            _ => &mut self.pipes.stderr,
        };
        let mut bytes = [0; 16 << 10];
        let read = match pipe.as_ref().map(|pipe| rustix::io::read(pipe, &mut bytes)) {
            Some(Ok(read)) if read > 0 => read,
            Some(Err(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            // The end; a terminal whose last user went says EIO.
            _ => {
                *pipe = None;
                return;
            }
        };
        let stream = if source == Source::Stderr { Stream::Stderr } else { Stream::Stdout };
        if let Some(log) = &mut self.log
            && let Err(error) = log.write(stream, &bytes[..read])
        {
            let _ = writeln!(io::stderr(), "cannot write the log: {error}");
        }
        let kind = if stream == Stream::Stdout { Kind::Stdout } else { Kind::Stderr };
        let frame = protocol::encode(kind, &bytes[..read]);
        for client in &mut self.clients {
            let wants = client.hello.is_some_and(|h| if stream == Stream::Stdout { h.stdout } else { h.stderr });
            if wants {
                client.waiting.extend(&frame);
                client.send();
            }
        }
    }

    fn write_input(&mut self) {
        let Some(pipe) = self.pipes.stdin.as_ref().or(self.pipes.terminal.as_ref()) else { return };
        let (bytes, _) = self.input.as_slices();
        match rustix::io::write(pipe, bytes) {
            Ok(written) => drop(self.input.drain(..written)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => {
                self.input.clear();
                self.pipes.stdin = None;
            }
        }
    }

    fn end_input(&mut self) {
        if self.input_ends && self.input.is_empty() {
            self.pipes.stdin = None;
        }
    }

    fn serve_client(&mut self, at: usize, flags: PollFlags) {
        if flags.contains(PollFlags::OUT) {
            self.clients[at].send();
        }
        if !flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            return;
        }
        self.clients[at].receive();
        loop {
            match protocol::take(&mut self.clients[at].received) {
                Ok(Some(frame)) => self.obey(at, &frame),
                Ok(None) => return,
                Err(_) => {
                    self.clients[at].gone = true;
                    return;
                }
            }
        }
    }

    fn obey(&mut self, at: usize, frame: &Frame) {
        match frame.kind {
            Kind::Hello if self.closing => self.clients[at].gone = true,
            Kind::Hello => {
                let hello: Hello = serde_json::from_slice(&frame.content).unwrap_or_default();
                self.start_asked |= hello.start;
                let client = &mut self.clients[at];
                client.hello = Some(hello);
                client.waiting.extend(protocol::encode(Kind::Ready, b""));
                if let Some(pid) = self.pid.as_ref().filter(|_| hello.start) {
                    client.waiting.extend(protocol::encode(Kind::Started, pid.as_bytes()));
                }
                client.send();
            }
            Kind::Stdin if self.clients[at].hello.is_some_and(|hello| hello.stdin) => self.input.extend(&frame.content),
            Kind::EndOfStdin if self.pipes.stdin_once || self.process.is_none() => self.input_ends = true,
            Kind::Resize => {
                if let [a, b, c, d] = frame.content[..] {
                    let (rows, columns) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                    self.size = Some((rows, columns));
                    self.resize(rows, columns);
                }
            }
            Kind::Signal => {
                if let (Some(process), Some(&number)) = (&self.process, frame.content.first()) {
                    let _ = crate::sys::signals::send(process, i32::from(number));
                }
            }
            _ => {}
        }
    }

    fn resize(&self, rows: u16, columns: u16) {
        if let Some(terminal) = &self.pipes.terminal {
            let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            let _ = rustix::termios::tcsetwinsize(terminal, size);
        }
    }
}

impl Client {
    fn send(&mut self) {
        while !self.waiting.is_empty() {
            let (bytes, _) = self.waiting.as_slices();
            match self.stream.write(bytes) {
                Ok(0) => break,
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => break,
                Err(_) => {
                    self.gone = true;
                    self.waiting.clear();
                }
            }
        }
    }

    fn receive(&mut self) {
        let mut bytes = [0; 16 << 10];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.gone = true,
            Ok(read) => self.received.extend(&bytes[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.gone = true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Listener,
    Process,
    Terminal,
    Stdout,
    Stderr,
    Input,
    Notices,
    Client(usize),
}
