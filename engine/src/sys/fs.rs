//! File systems as a whole.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Writes all that is unwritten of the file system that `fd` is on to its disk (`syncfs(2)`).
///
/// # Errors
/// Since Linux 5.8 also an earlier write error of that file system.
pub fn syncfs(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fd)?)
}

/// What is free on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// Bytes that an ordinary user may still write.
    pub bytes: u64,
    /// Bytes of the whole file system.
    pub total: u64,
    /// Files that may still be made; `None` when the file system has no such limit.
    pub files: Option<u64>,
}

/// What is free on the file system that `fd` is on.
pub fn free(fd: impl AsFd) -> io::Result<Free> {
    let stat = rustix::fs::fstatvfs(fd)?;
    let files = (stat.f_files > 0).then_some(stat.f_favail);
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Ok(Free { bytes: bytes(stat.f_bavail), total: bytes(stat.f_blocks), files })
}

/// An empty file without a name on the file system of the directory `dir`; it is gone when it is closed.
pub fn nameless_file(dir: impl AsFd) -> io::Result<std::fs::File> {
    use rustix::fs::{AtFlags, Mode, OFlags};
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::openat(&dir, ".", OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC, mode) {
        // Some file systems cannot; there it has a name for a moment.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            let name = format!(".{}", hex::encode(random));
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&dir, &name, flags, mode)?;
            rustix::fs::unlinkat(&dir, &name, AtFlags::empty())?;
            Ok(file.into())
        }
        file => Ok(file?.into()),
    }
}

/// A line of `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Where it is mounted.
    pub at: String,
    /// Type of the file system (`ext4`).
    pub kind: String,
    /// Options of the file system.
    pub options: String,
    /// Whether what is mounted there spreads to others.
    pub shared: bool,
    /// Whether what others mount spreads to it.
    pub slave: bool,
}

impl std::fmt::Display for Mounted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.kind, self.at)
    }
}

/// The mount that `fd` was opened through. Needs `/proc`.
pub fn mounted(fd: impl AsFd) -> io::Result<Mounted> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd()))?;
    let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:")).map(str::trim).unwrap_or_default();
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    let found = table.lines().find(|line| line.split(' ').next() == Some(id)).and_then(parse);
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "its mount is not in /proc/self/mountinfo"))
}

/// The umask of this process, read without changing it. Needs `/proc`.
pub fn umask() -> io::Result<u16> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|text| u16::from_str_radix(text.trim(), 8).ok()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn parse(line: &str) -> Option<Mounted> {
    let (mount, system) = line.split_once(" - ")?;
    let mut system = system.split(' ');
    let kind = system.next()?.to_owned();
    let options = system.nth(1)?.to_owned();
    let spreads = |tag: &str| mount.split(' ').skip(6).any(|field| field.starts_with(tag));
    let (shared, slave) = (spreads("shared:"), spreads("master:"));
    Some(Mounted { at: unescape(mount.split(' ').nth(4)?), kind, options, shared, slave })
}

/// Undoes the kernel's `\040` for a space and the like.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let Some((&first, rest)) = bytes.split_first() {
        let code = rest.get(..3).and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| u8::from_str_radix(d, 8).ok());
        if let (b'\\', Some(code)) = (first, code) {
            out.push(code);
            bytes = &rest[3..];
        } else {
            out.push(first);
            bytes = rest;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_lines() {
        let line = r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue";
        let mut expected = Mounted {
            at: "/mnt 2".into(),
            kind: "ext3".into(),
            options: "rw,errors=continue".into(),
            shared: true,
            slave: true,
        };
        assert_eq!(parse(line), Some(expected.clone()));
        (expected.shared, expected.slave) = (false, false);
        assert_eq!(parse(&line.replace(" master:1 shared:2", "")), Some(expected));
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn says_where_a_file_is() {
        let file = std::fs::File::open("/proc/self/status").expect("proc");
        let found = mounted(&file).expect("mounted");
        assert_eq!((found.kind.as_str(), found.at.as_str()), ("proc", "/proc"));
        assert!(umask().expect("umask") <= 0o777);
    }
}
