//! The kernel's record of processes that start, are named and end (`perf_event_open(2)`).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Bytes that hold the records of one processor until they are read: about 8,000 processes.
const RING: usize = 512 << 10;

/// One record. Times are nanoseconds of the monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// A thread was named: by what it executes, or by itself.
    Named { pid: u32, tid: u32, name: Box<[u8]>, time: u64 },
    /// A process or a thread began.
    Began { pid: u32, parent: u32, time: u64 },
    /// A thread ended.
    Ended { pid: u32, tid: u32, time: u64 },
    /// So many records did not fit.
    Lost(u64),
}

/// The record of one processor.
#[derive(Debug)]
pub(crate) struct Ring {
    event: OwnedFd,
    /// `struct perf_event_mmap_page`, and `RING` bytes after it.
    pages: *mut u8,
    page: usize,
}

// SAFETY: the mapping belongs to this value alone and is reached only through it.
#[expect(unsafe_code, reason = "a mapping is a raw pointer")]
unsafe impl Send for Ring {}

/// `struct perf_event_attr`, version 5.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    breakpoint: u32,
    config1: u64,
    config2: u64,
    branches: u64,
    user_registers: u64,
    user_stack: u32,
    clock: i32,
    registers: u64,
    aux: u32,
    stack: u16,
    reserved: u16,
}

const SOFTWARE: u32 = 1;
const DUMMY: u64 = 9;
const SAMPLE_TIME: u64 = 1 << 2;
/// comm, task, watermark, sample_id_all, comm_exec, use_clockid.
const FLAGS: u64 = 1 << 9 | 1 << 13 | 1 << 14 | 1 << 18 | 1 << 24 | 1 << 25;
const CLOSE_ON_EXEC: libc::c_ulong = 1 << 3;
/// Where `data_head` and `data_tail` are in the first page.
const HEAD: usize = 1024;
const TAIL: usize = 1032;

impl Ring {
    /// Begins to record the processes of the whole machine that run on `cpu`.
    ///
    /// # Errors
    /// EACCES or EPERM without CAP_PERFMON where `kernel.perf_event_paranoid` is above 0; ENODEV without such a processor.
    #[expect(unsafe_code, reason = "rustix has no perf_event_open")]
    pub(crate) fn open(cpu: u32) -> io::Result<Self> {
        let attributes = Attributes {
            kind: SOFTWARE,
            size: size_of::<Attributes>() as u32,
            config: DUMMY,
            sample_type: SAMPLE_TIME,
            flags: FLAGS,
            wakeup: (RING / 2) as u32,
            clock: libc::CLOCK_MONOTONIC,
            ..Attributes::default()
        };
        // SAFETY: the kernel reads `size` bytes of `attributes`; a result that is not negative is a new descriptor.
        let event = unsafe {
            let fd = libc::syscall(libc::SYS_perf_event_open, &raw const attributes, -1, cpu, -1, CLOSE_ON_EXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd as i32)
        };
        let page = rustix::param::page_size();
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of this program.
        let pages = unsafe {
            mmap(std::ptr::null_mut(), page + RING, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &event, 0)?
        };
        Ok(Self { event, pages: pages.cast(), page })
    }

    #[expect(unsafe_code, reason = "the kernel writes the counter from outside")]
    fn counter(&self, at: usize) -> &AtomicU64 {
        // SAFETY: both counters are aligned, inside the first page, and live as long as the mapping.
        unsafe { AtomicU64::from_ptr(self.pages.add(at).cast()) }
    }

    /// Takes all records that are there.
    pub(crate) fn take(&mut self, out: &mut Vec<Record>) {
        let end = self.counter(HEAD).load(Ordering::Acquire);
        let mut at = self.counter(TAIL).load(Ordering::Relaxed);
        while at < end {
            let header = self.bytes(at, 8);
            let size = usize::from(u16::from_ne_bytes([header[6], header[7]]));
            if size < 8 {
                break;
            }
            out.extend(parse(&self.bytes(at, size)));
            at += size as u64;
        }
        self.counter(TAIL).store(end, Ordering::Release);
    }

    #[expect(unsafe_code, reason = "the mapping is a raw pointer")]
    fn bytes(&self, at: u64, length: usize) -> Vec<u8> {
        let start = at as usize % RING;
        let first = length.min(RING - start);
        let mut out = vec![0; length];
        // SAFETY: `start + first <= RING` and `length - first <= start`, both behind the first page; the kernel does not
        // write what lies between tail and head.
        unsafe {
            let data = self.pages.add(self.page);
            std::ptr::copy_nonoverlapping(data.add(start), out.as_mut_ptr(), first);
            std::ptr::copy_nonoverlapping(data, out.as_mut_ptr().add(first), length - first);
        }
        out
    }
}

impl Drop for Ring {
    #[expect(unsafe_code, reason = "the mapping was made here")]
    fn drop(&mut self) {
        // SAFETY: the mapping has this address and length, and nothing borrows from it.
        let _ = unsafe { munmap(self.pages.cast(), self.page + RING) };
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

impl AsRawFd for Ring {
    fn as_raw_fd(&self) -> i32 {
        self.event.as_raw_fd()
    }
}

/// One record with its header, as it lies in the ring (`linux/perf_event.h`, `enum perf_event_type`).
fn parse(record: &[u8]) -> Option<Record> {
    let u32_at = |at: usize| record.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    let u64_at = |at: usize| record.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes);
    let last = record.len().checked_sub(8)?;
    match u32_at(0)? {
        2 => Some(Record::Lost(u64_at(16)?)),
        3 => {
            let name = record.get(16..last)?;
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default().into();
            Some(Record::Named { pid: u32_at(8)?, tid: u32_at(12)?, name, time: u64_at(last)? })
        }
        4 => Some(Record::Ended { pid: u32_at(8)?, tid: u32_at(16)?, time: u64_at(24)? }),
        7 => Some(Record::Began { pid: u32_at(8)?, parent: u32_at(12)?, time: u64_at(24)? }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_records() {
        let record = |kind: u32, words: &[u32], tail: &[u64]| {
            let mut bytes = kind.to_ne_bytes().to_vec();
            bytes.extend([0; 4]);
            bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
            bytes.extend(tail.iter().flat_map(|word| word.to_ne_bytes()));
            bytes
        };
        let comm = u32::from_ne_bytes(*b"sh\0\0");
        assert_eq!(
            parse(&record(3, &[7, 8, comm, 0], &[99])),
            Some(Record::Named { pid: 7, tid: 8, name: b"sh"[..].into(), time: 99 })
        );
        assert_eq!(parse(&record(7, &[7, 1, 7, 1], &[42, 99])), Some(Record::Began { pid: 7, parent: 1, time: 42 }));
        assert_eq!(parse(&record(4, &[7, 1, 8, 1], &[42, 99])), Some(Record::Ended { pid: 7, tid: 8, time: 42 }));
        assert_eq!(parse(&record(2, &[], &[1, 5, 99])), Some(Record::Lost(5)));
        assert_eq!(parse(&record(9, &[], &[])), None);
        assert_eq!(parse(&[3, 0, 0, 0]), None);
    }
}
