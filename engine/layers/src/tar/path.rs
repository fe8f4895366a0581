//! Names of entries: paths inside the layer, and the marks that layers make of names.

use super::TarError;
use super::error::shown;

/// What a name means in a layer (OCI image specification, "Whiteouts"; moby `pkg/archive`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `.wh.NAME`: removes NAME of the lower layers.
    Whiteout {
        /// The path that is removed, in the form of `Entry::path`.
        path: Box<[u8]>,
    },
    /// `.wh..wh..opq`: hides all that lower layers have in the directory.
    Opaque {
        /// The directory, in the form of `Entry::path`.
        directory: Box<[u8]>,
    },
    /// Bookkeeping of the old aufs driver (`.wh..wh.plnk` and the like), no content of the layer.
    Bookkeeping,
    /// `.wh.`, `.wh..` or `.wh...`, which would remove a directory itself or its parent.
    Refused,
    /// An ordinary name.
    None,
}

/// Brings a name into the form of `Entry::path`: no leading `/` or `./`, no trailing `/`, and `..` resolved as text.
///
/// # Errors
/// When `..` leads above the layer's root, or there is a zero byte in it.
pub fn clean_path(name: &[u8]) -> Result<Box<[u8]>, TarError> {
    if name.contains(&0) {
        return Err(TarError::Name { name: shown(name) });
    }
    let mut path = Vec::with_capacity(name.len());
    for part in name.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." if path.is_empty() => return Err(TarError::Escapes { name: shown(name) }),
            b".." => path.truncate(path.iter().rposition(|b| *b == b'/').unwrap_or(0)),
            part => {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(part);
            }
        }
    }
    Ok(path.into())
}

/// Tells what a clean path means in a layer.
pub fn mark(path: &[u8]) -> Mark {
    let (directory, base) = match path.iter().rposition(|b| *b == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[][..], path),
    };
    if base == b".wh..wh..opq" {
        return Mark::Opaque { directory: directory.into() };
    }
    if path.starts_with(b".wh..wh.") || base.starts_with(b".wh..wh.") {
        return Mark::Bookkeeping;
    }
    match base.strip_prefix(b".wh.") {
        None => Mark::None,
        Some(b"" | b"." | b"..") => Mark::Refused,
        Some(name) if directory.is_empty() => Mark::Whiteout { path: name.into() },
        Some(name) => Mark::Whiteout { path: [directory, b"/", name].concat().into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let table = [
            ("", Some("")),
            ("/", Some("")),
            ("./", Some("")),
            (".", Some("")),
            ("./etc/passwd", Some("etc/passwd")),
            ("/etc//passwd/", Some("etc/passwd")),
            ("a/./b/../c", Some("a/c")),
            ("a/..", Some("")),
            ("a/../../b", None),
            ("..", None),
            ("../../etc/x", None),
            ("/../x", None),
            ("..a/b..", Some("..a/b..")),
            ("a\0b", None),
        ];
        for (name, expected) in table {
            assert_eq!(clean_path(name.as_bytes()).ok().as_deref(), expected.map(str::as_bytes), "{name:?}");
        }
    }

    #[test]
    fn marks() {
        let whiteout = |path: &str| Mark::Whiteout { path: path.as_bytes().into() };
        let opaque = |directory: &str| Mark::Opaque { directory: directory.as_bytes().into() };
        let table = [
            ("a/.wh.b", whiteout("a/b")),
            (".wh.b", whiteout("b")),
            ("a/.wh..hidden", whiteout("a/.hidden")),
            ("a/.wh....", whiteout("a/...")),
            ("a/.wh..wh..opq", opaque("a")),
            (".wh..wh..opq", opaque("")),
            (".wh..wh.plnk/12.3", Mark::Bookkeeping),
            (".wh..wh.aufs", Mark::Bookkeeping),
            ("a/.wh.", Mark::Refused),
            ("a/.wh..", Mark::Refused),
            ("a/.wh...", Mark::Refused),
            ("a/b.wh.", Mark::None),
            ("", Mark::None),
        ];
        for (path, expected) in table {
            assert_eq!(mark(path.as_bytes()), expected, "{path}");
        }
    }
}
