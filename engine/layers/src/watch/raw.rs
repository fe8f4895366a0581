//! What fanotify reports, out of its bytes.

use crate::sys::fanotify::mask;

/// One event of a group that reports directory, name and target. Everything borrows from the bytes that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Raw<'a> {
    /// What happened: several bits where the kernel has merged events of one file and process.
    pub(crate) mask: u64,
    /// The process, 0 when the group may not know.
    pub(crate) pid: i32,
    /// Handle of the directory; of the new one for a rename.
    pub(crate) dir: &'a [u8],
    /// Name in it; `.` or empty when it is about the directory itself.
    pub(crate) name: &'a [u8],
    /// Handle and name before a rename.
    pub(crate) old: Option<(&'a [u8], &'a [u8])>,
    /// Handle of the file itself.
    pub(crate) target: &'a [u8],
}

impl Raw<'_> {
    /// Whether one of `bits` is set.
    pub(crate) fn is(&self, bits: u64) -> bool {
        self.mask & bits != 0
    }

    /// Whether the target is a directory.
    pub(crate) fn is_dir(&self) -> bool {
        self.is(mask::ONDIR)
    }
}

/// Bytes of `struct fanotify_event_metadata`.
const METADATA: usize = 24;
/// Bytes of `struct fanotify_event_info_fid` before the handle's own bytes.
const INFO: usize = 20;

/// The events in `bytes`, as `read(2)` returned them.
pub(crate) fn events(mut bytes: &[u8]) -> impl Iterator<Item = Raw<'_>> {
    std::iter::from_fn(move || {
        let length = u32_at(bytes, 0)? as usize;
        if length < METADATA || length > bytes.len() {
            return None;
        }
        let (event, rest) = bytes.split_at(length);
        bytes = rest;
        one(event)
    })
}

fn one(event: &[u8]) -> Option<Raw<'_>> {
    let mask = u64::from_ne_bytes(event.get(8..16)?.try_into().ok()?);
    let pid = u32_at(event, 20)? as i32;
    let mut raw = Raw { mask, pid, ..Raw::default() };
    let mut infos = event.get(usize::from(u16::from_ne_bytes([event[6], event[7]]))..)?;
    while infos.len() >= INFO {
        let length = usize::from(u16::from_ne_bytes([infos[2], infos[3]]));
        if length < INFO || length > infos.len() {
            break;
        }
        let (info, rest) = infos.split_at(length);
        infos = rest;
        let end = INFO + u32_at(info, 12)? as usize;
        let (Some(handle), Some(name)) = (info.get(16..end), info.get(end..)) else { break };
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        match info[0] {
            libc::FAN_EVENT_INFO_TYPE_FID => raw.target = handle,
            libc::FAN_EVENT_INFO_TYPE_OLD_DFID_NAME => raw.old = Some((handle, name)),
            libc::FAN_EVENT_INFO_TYPE_DFID_NAME
            | libc::FAN_EVENT_INFO_TYPE_DFID
            | libc::FAN_EVENT_INFO_TYPE_NEW_DFID_NAME => (raw.dir, raw.name) = (handle, name),
            _ => {}
        }
    }
    Some(raw)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct fanotify_event_info_fid` with a handle and a name.
    fn info(kind: u8, handle: &[u8], name: &[u8]) -> Vec<u8> {
        let length = INFO + handle.len() + name.len() + 1;
        let mut bytes = vec![kind, 0];
        bytes.extend((length as u16).to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend((handle.len() as u32).to_ne_bytes());
        bytes.extend([[1, 0, 0, 0].as_slice(), handle, name, b"\0"].concat());
        bytes
    }

    fn event(mask: u64, pid: i32, infos: &[Vec<u8>]) -> Vec<u8> {
        let infos = infos.concat();
        let mut bytes = ((METADATA + infos.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend([3, 0]);
        bytes.extend((METADATA as u16).to_ne_bytes());
        bytes.extend(mask.to_ne_bytes());
        bytes.extend((-1i32).to_ne_bytes());
        bytes.extend(pid.to_ne_bytes());
        bytes.extend(infos);
        bytes
    }

    #[test]
    fn reads_events() {
        let created = event(mask::CREATE, 7, &[info(2, b"dir", b"name"), info(1, b"file", b"")]);
        let renamed = event(
            mask::RENAME | mask::ONDIR,
            8,
            &[info(10, b"old", b"from"), info(12, b"new", b"to"), info(1, b"file", b"")],
        );
        let bytes = [created, renamed].concat();
        let all: Vec<Raw<'_>> = events(&bytes).collect();
        let [one, other] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(
            (one.pid, one.dir, one.name, one.target),
            (7, &b"\x01\0\0\0dir"[..], &b"name"[..], &b"\x01\0\0\0file"[..])
        );
        assert!(one.is(mask::CREATE) && !one.is_dir() && one.old.is_none());
        assert_eq!((other.dir, other.name), (&b"\x01\0\0\0new"[..], &b"to"[..]));
        assert_eq!(other.old, Some((&b"\x01\0\0\0old"[..], &b"from"[..])));
        assert!(other.is_dir());
        // Cut anywhere, it yields whole events or nothing.
        for end in 0..bytes.len() {
            assert!(events(&bytes[..end]).count() <= 1);
        }
        let lying: Vec<u8> = bytes.iter().map(|_| 0xff).collect();
        assert_eq!(events(&lying).count(), 0);
    }
}
