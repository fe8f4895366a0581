//! Checksums of what is copied: Docker's `tarsum.v1` (moby `pkg/tarsum`), which counts all of a tar's header but the time.

use outcrop_layers::entry::{Kind, Xattr};
use sha2::{Digest as _, Sha256};

/// What of a file counts.
pub(crate) struct Header<'a> {
    /// Its name in the tar; that of a directory ends with a slash.
    pub(crate) name: &'a [u8],
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// What owner and group are called there: nothing in contexts; elsewhere the names that [`name`] gives.
    pub(crate) owner: &'a [u8],
    pub(crate) group: &'a [u8],
    pub(crate) kind: &'a Kind,
    pub(crate) xattrs: &'a [Xattr],
}

/// What dockerd calls an owner or group outside of contexts, where it looks for names on its host: root everywhere, nothing
/// for the others, so that the sum is the same on every host.
pub(crate) fn name(id: u32) -> &'static [u8] {
    if id == 0 { b"root" } else { b"" }
}

/// A hash in which the header is already; the content follows.
pub(crate) fn begin(header: &Header<'_>) -> Sha256 {
    let mut hash = Sha256::new();
    let none: &[u8] = b"";
    let (flag, link, device) = match header.kind {
        Kind::Hardlink { target } => (b'1', &**target, (0, 0)),
        Kind::Symlink { target } => (b'2', &**target, (0, 0)),
        Kind::CharDevice { major, minor } => (b'3', none, (*major, *minor)),
        Kind::BlockDevice { major, minor } => (b'4', none, (*major, *minor)),
        Kind::Directory { .. } => (b'5', none, (0, 0)),
        Kind::Fifo => (b'6', none, (0, 0)),
        Kind::File { .. } | Kind::Socket | Kind::Whiteout => (b'0', none, (0, 0)),
    };
    let mut put = |key: &[u8], value: &[u8]| {
        hash.update(key);
        hash.update(value);
    };
    put(b"name", header.name);
    put(b"mode", header.mode.to_string().as_bytes());
    put(b"uid", header.uid.to_string().as_bytes());
    put(b"gid", header.gid.to_string().as_bytes());
    put(b"size", header.kind.size().to_string().as_bytes());
    put(b"typeflag", &[flag]);
    put(b"linkname", link);
    put(b"uname", header.owner);
    put(b"gname", header.group);
    put(b"devmajor", device.0.to_string().as_bytes());
    put(b"devminor", device.1.to_string().as_bytes());
    for (key, value) in header.xattrs {
        put(key, value);
    }
    hash
}

/// The digits of a finished one.
pub(crate) fn end(hash: Sha256) -> String {
    hex::encode(hash.finalize())
}

/// `kind:` and one sum for several, as Docker joins them.
pub(crate) fn join(kind: &str, sums: &[String]) -> String {
    format!("{kind}:{}", hex::encode(Sha256::digest(sums.join(",").as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_no_part_but_all_else_is() {
        let file = Kind::File { size: 2, disk: None };
        let sum = |name: &[u8], mode, uid, kind: &Kind, content: &[u8]| {
            let mut hash = begin(&Header { name, mode, uid, gid: 0, owner: b"", group: b"", kind, xattrs: &[] });
            hash.update(content);
            end(hash)
        };
        // sha256 of "namea" "mode420" "uid0" "gid0" "size2" "typeflag0" "linkname" "uname" "gname" "devmajor0" "devminor0" "hi"
        let expected =
            hex::encode(Sha256::digest(b"nameamode420uid0gid0size2typeflag0linknameunamegnamedevmajor0devminor0hi"));
        assert_eq!(sum(b"a", 0o644, 0, &file, b"hi"), expected);
        let link = Kind::Symlink { target: (*b"x").into() };
        let others = [
            sum(b"b", 0o644, 0, &file, b"hi"),
            sum(b"a", 0o755, 0, &file, b"hi"),
            sum(b"a", 0o644, 1, &file, b"hi"),
            sum(b"a", 0o644, 0, &file, b"ho"),
            sum(b"a", 0o644, 0, &link, b""),
        ];
        assert!(others.iter().all(|other| *other != expected));
    }
}
