//! The socket of a container that is watched without root: processes send the listeners of their filters, and those who watch
//! get what the processes are about to do.
//!
//! A call that waits is answered at once, and before that told to those who watch: without any, nothing is looked at. Who does not
//! take what is told loses the oldest of it and is told so; nobody is waited for.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use outcrop_layers::watch::Notice;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg, sockopt,
};

use super::observed;
use super::runtime::Runtime;
use crate::container::bundle::Rights;
use crate::container::record::Directory;
use crate::container::seccomp::notify::{self, Call};
use crate::container::socket;
use crate::sys::notify::Listener;

/// Most notices that wait for one who watches.
const MOST_WAITING: usize = 16_384;
/// Most processes' filters and watchers at once.
const MOST_PEERS: usize = 1024;
/// Rounds of answers before something else gets its turn.
const ROUNDS: usize = 64;
/// What a process sends with its listener.
const LISTENER: &[u8] = b"L";
/// What one who watches sends.
const WATCHER: u8 = b'W';
/// The socket itself among those that are waited for.
const SOCKET: u64 = 0;
/// Bytes that the kernel may keep for one who watches, if it gives so many.
const ROOM: usize = 1 << 20;

/// The socket, and who came.
pub(super) struct Notices {
    socket: UnixListener,
    events: OwnedFd,
    peers: BTreeMap<u64, Peer>,
    next: u64,
    calls: HashMap<(u32, u32), Call>,
    /// The device number of the container's root file system.
    device: Option<u64>,
}

enum Peer {
    /// Has not said what it is.
    New(UnixStream),
    Listener(Listener),
    Watcher(Box<Watcher>),
}

struct Watcher {
    stream: UnixStream,
    /// What has been begun to be sent.
    line: Vec<u8>,
    waiting: VecDeque<Notice>,
    lost: u64,
    /// Whether the kernel tells when there is room again.
    waits: bool,
}

impl Notices {
    /// Listens at `path`, where the container `id` wants its calls to be told (see `HostConfig::tells_calls`) and nothing is lost by
    /// it: another runtime starts the processes itself, and a filter that asks a tracer or logs would do so no more.
    pub(super) fn wanted(root: &Path, id: &str, path: &Path) -> Option<Self> {
        let host = Directory::of(root, id).host_config().ok()?;
        let hidden = |rights: Rights| rights.filter.is_some_and(|filter| notify::hides(&filter));
        let possible = host.tells_calls()
            && Runtime::named(&host.runtime) == Ok(Runtime::Embedded)
            && !Rights::of(&host).is_ok_and(hidden);
        if !possible {
            return None;
        }
        let bound = Self::bind(path);
        // The container runs without it too.
        bound.inspect_err(|error| drop(writeln!(io::stderr(), "cannot tell its calls: {error}"))).ok()
    }

    /// Listens at `path`.
    ///
    /// # Errors
    /// No descriptors, or the directory cannot be written to.
    fn bind(path: &Path) -> io::Result<Self> {
        let _ = std::fs::remove_file(path);
        let socket = socket::bind(path)?;
        socket.set_nonblocking(true)?;
        let events = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&events, &socket, EventData::new_u64(SOCKET), EventFlags::IN)?;
        let (peers, calls) = (BTreeMap::new(), notify::calls());
        Ok(Self { socket, events, peers, next: SOCKET + 1, calls, device: None })
    }

    /// Says what the container's root file system is: what happens in others is not told.
    pub(super) fn set_root(&mut self, root: BorrowedFd<'_>) {
        self.device = observed::number(root);
    }

    /// Does what there is to do, without waiting.
    pub(super) fn serve(&mut self) {
        for _ in 0..ROUNDS {
            let mut space = [MaybeUninit::<Event>::uninit(); 32];
            let Ok((ready, _)) = epoll::wait(&self.events, &mut space, Some(&rustix::event::Timespec::default()))
            else {
                return;
            };
            if ready.is_empty() {
                return;
            }
            for event in ready {
                let (key, flags) = (event.data.u64(), event.flags);
                match key {
                    SOCKET => self.accept(),
                    key => self.serve_peer(key, flags),
                }
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.socket.accept() {
            if self.peers.len() < MOST_PEERS && stream.set_nonblocking(true).is_ok() {
                let _ = sockopt::set_socket_send_buffer_size(&stream, ROOM);
                self.add(Peer::New(stream));
            }
        }
    }

    fn add(&mut self, peer: Peer) {
        let key = self.next;
        self.next += 1;
        if epoll::add(&self.events, peer.as_fd(), EventData::new_u64(key), EventFlags::IN).is_ok() {
            self.peers.insert(key, peer);
        }
    }

    fn serve_peer(&mut self, key: u64, flags: EventFlags) {
        let Some(mut peer) = self.peers.remove(&key) else { return };
        let stays = match &mut peer {
            Peer::New(stream) => match introduced(stream) {
                Ok(Introduced::Listener(listener)) => {
                    self.add(Peer::Listener(listener));
                    false
                }
                Ok(Introduced::Watcher) => {
                    self.watch(key, peer);
                    return;
                }
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            },
            Peer::Listener(listener) => {
                if flags.contains(EventFlags::IN) {
                    self.answer(listener);
                    true
                } else {
                    false // none of its processes is left
                }
            }
            Peer::Watcher(watcher) => !watcher.has_gone() && watcher.send(key, &self.events),
        };
        if stays {
            self.peers.insert(key, peer);
        } else {
            let _ = epoll::delete(&self.events, peer.as_fd());
        }
    }

    fn watch(&mut self, key: u64, peer: Peer) {
        if let Peer::New(stream) = peer {
            let (line, waiting) = (Vec::new(), VecDeque::new());
            let watcher = Watcher { stream, line, waiting, lost: 0, waits: false };
            self.peers.insert(key, Peer::Watcher(Box::new(watcher)));
        }
    }

    /// Tells those who watch what a process is about to do, and lets it.
    fn answer(&mut self, listener: &Listener) {
        let Ok(request) = listener.receive() else { return };
        let call = self.calls.get(&(request.architecture, request.number));
        let watched = self.peers.values().any(|peer| matches!(peer, Peer::Watcher(_)));
        if let (true, Some(call), Some(device)) = (watched, call, self.device)
            && let Some(notice) = observed::notice(listener, &request, call, device)
        {
            for (key, peer) in &mut self.peers {
                if let Peer::Watcher(watcher) = peer {
                    watcher.add(notice.clone());
                    // One that has gone is noticed when its turn comes.
                    watcher.send(*key, &self.events);
                }
            }
        }
        // It fails for a process that was killed.
        let _ = listener.resume(&request);
    }
}

impl AsFd for Notices {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::New(stream) => stream.as_fd(),
            Self::Listener(listener) => listener.as_fd(),
            Self::Watcher(watcher) => watcher.stream.as_fd(),
        }
    }
}

impl Watcher {
    fn add(&mut self, notice: Notice) {
        if self.waiting.len() >= MOST_WAITING {
            self.waiting.pop_front();
            self.lost += 1;
        }
        self.waiting.push_back(notice);
    }

    /// Whether it closed its end: it has nothing to say.
    fn has_gone(&mut self) -> bool {
        let mut bytes = [0; 64];
        match self.stream.read(&mut bytes) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    /// Sends what there is room for; false when it has gone.
    fn send(&mut self, key: u64, events: &OwnedFd) -> bool {
        loop {
            if self.line.is_empty() {
                let Some(mut notice) = self.waiting.pop_front() else { break };
                (notice.lost, notice.more) = (std::mem::take(&mut self.lost), !self.waiting.is_empty());
                self.line = serde_json::to_vec(&notice).unwrap_or_default();
                self.line.push(b'\n');
            }
            match self.stream.write(&self.line) {
                Ok(0) => return false,
                Ok(written) => drop(self.line.drain(..written)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        let waits = !self.line.is_empty();
        if waits != self.waits {
            let flags = if waits { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            self.waits = epoll::modify(events, &self.stream, EventData::new_u64(key), flags).is_ok() && waits;
        }
        true
    }
}

enum Introduced {
    Listener(Listener),
    Watcher,
}

fn introduced(stream: &UnixStream) -> io::Result<Introduced> {
    let mut bytes = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(stream, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    match descriptors.next() {
        Some(descriptor) => Ok(Introduced::Listener(Listener::of(descriptor))),
        None if received.bytes == 1 && bytes[0] == WATCHER => Ok(Introduced::Watcher),
        None => Err(ErrorKind::UnexpectedEof.into()),
    }
}

/// Sends a process's listener to the socket of its container.
pub(crate) fn send(listener: &Listener, socket: &UnixStream) -> io::Result<()> {
    let descriptors = [listener.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(socket, &[IoSlice::new(LISTENER)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}
