//! Emptying the kernel's queues: one thread that does nothing else.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags};

use super::out::now;
use super::run::Message;

/// Bytes read at a time.
const AT_ONCE: usize = 256 << 10;
/// More bytes than these were waiting: the kernel may have merged events.
const LATE: usize = 4 << 10;

/// How much a thread steps back (`nice(1)`): it still gets a tenth of a busy processor.
const NICE: i32 = 10;

/// Lets those who are watched go first. By Linux's reading of `setpriority(2)` this is about the calling thread only.
pub(crate) fn step_back() {
    // Without the right to, it takes its turn like everybody.
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// The queues, read by whoever comes first.
pub(crate) struct Pump {
    sources: Mutex<Sources>,
    sender: Sender<Message>,
    wake: OwnedFd,
    /// Read side of `wake`.
    woken: OwnedFd,
    closed: AtomicBool,
    /// Whether the thread is to step back.
    back: AtomicBool,
}

/// What is read from, and the room to read into.
#[derive(Default)]
struct Sources {
    queues: Vec<(usize, OwnedFd)>,
    bytes: Vec<u8>,
}

/// What else the thread waits for.
pub(crate) struct Others {
    /// Become readable when many processes have begun and ended.
    pub(crate) rings: Vec<OwnedFd>,
    /// The list of mounts, which becomes urgent when it changes.
    pub(crate) mounts: Option<OwnedFd>,
}

impl Pump {
    pub(crate) fn new(sender: Sender<Message>) -> io::Result<Arc<Self>> {
        let (woken, wake) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK)?;
        Ok(Arc::new(Self {
            sources: Mutex::default(),
            sender,
            wake,
            woken,
            closed: AtomicBool::new(false),
            back: AtomicBool::new(false),
        }))
    }

    /// Adds the queue of group `group`.
    pub(crate) fn add(&self, group: usize, queue: BorrowedFd<'_>) -> io::Result<()> {
        let queue = queue.try_clone_to_owned()?;
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).queues.push((group, queue));
        self.wake();
        Ok(())
    }

    /// Makes the thread step back.
    pub(crate) fn step_back(&self) {
        self.back.store(true, Ordering::Release);
        self.wake();
    }

    /// Ends the thread.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake();
    }

    /// Makes the thread look at the list of queues again.
    fn wake(&self) {
        // A full pipe wakes it too.
        let _ = rustix::io::write(&self.wake, b"x");
    }

    /// Hands on all that is waiting; what this returns after has been sent.
    pub(crate) fn drain(&self) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let Sources { queues, bytes } = &mut *sources;
        bytes.resize(AT_ONCE, 0);
        for (group, queue) in queues.iter() {
            while let Ok(n @ 1..) = rustix::io::read(queue, &mut bytes[..]) {
                let message = Message::Read { group: *group, bytes: bytes[..n].into(), at: now(), late: n > LATE };
                if self.sender.send(message).is_err() {
                    return;
                }
            }
        }
    }

    /// Empties the queues until it is closed.
    pub(crate) fn run(&self, others: &Others) {
        while !self.closed.load(Ordering::Acquire) {
            if self.back.swap(false, Ordering::AcqRel) {
                step_back();
            }
            let queues: Vec<OwnedFd> = {
                let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
                sources.queues.iter().filter_map(|(_, queue)| queue.try_clone().ok()).collect()
            };
            if self.wait(&queues, others).is_err() {
                return;
            }
        }
    }

    /// Waits and hands on, until it is woken.
    fn wait(&self, queues: &[OwnedFd], others: &Others) -> io::Result<()> {
        loop {
            let readable = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
            let mut all = vec![readable(self.woken.as_fd())];
            all.extend(queues.iter().map(|queue| readable(queue.as_fd())));
            all.extend(others.rings.iter().map(|ring| readable(ring.as_fd())));
            all.extend(others.mounts.iter().map(|mounts| PollFd::from_borrowed_fd(mounts.as_fd(), PollFlags::PRI)));
            match rustix::event::poll(&mut all, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let ready = |range: std::ops::Range<usize>| all[range].iter().any(|one| !one.revents().is_empty());
            let (queues_end, rings_end) = (1 + queues.len(), 1 + queues.len() + others.rings.len());
            if ready(1..queues_end) {
                self.drain();
            }
            if ready(queues_end..rings_end) {
                self.send(Message::Names)?;
            }
            if ready(rings_end..all.len()) {
                self.send(Message::Mounts)?;
            }
            if ready(0..1) {
                let mut bytes = [0; 64];
                while let Ok(1..) = rustix::io::read(&self.woken, &mut bytes[..]) {}
                return Ok(());
            }
        }
    }

    fn send(&self, message: Message) -> io::Result<()> {
        self.sender.send(message).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
