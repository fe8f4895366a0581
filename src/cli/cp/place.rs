//! Where copied files go, and under which name: docker's rules.

use std::path::{Path, PathBuf};

use hyper::HeaderMap;
use outcrop_engine::mount::clean;
use serde::Deserialize;

use super::Failure;

/// What the engine tells of a path in a container.
#[derive(Debug, Deserialize)]
pub(super) struct Stat {
    /// Type and permissions as Go's `os.FileMode` has them.
    mode: u32,
    /// Where a symbolic link leads to.
    #[serde(rename = "linkTarget", default)]
    pub(super) link_target: String,
}

impl Stat {
    /// Reads the header that comes with every answer about a path.
    pub(super) fn of_header(headers: &HeaderMap) -> Result<Self, Failure> {
        let wrong = || Failure::new("the engine did not say what is at the path");
        let value = headers.get("X-Docker-Container-Path-Stat").ok_or_else(wrong)?;
        let json = decode(value.as_bytes()).ok_or_else(wrong)?;
        serde_json::from_slice(&json).map_err(|_| wrong())
    }

    pub(super) fn is_directory(&self) -> bool {
        self.mode >> 31 == 1
    }

    pub(super) fn is_link(&self) -> bool {
        self.mode >> 27 & 1 == 1
    }

    pub(super) fn is_file(&self) -> bool {
        // None of the bits for directories, links, devices, FIFOs, sockets.
        self.mode & (1 << 31 | 1 << 27 | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19) == 0
    }
}

/// Base64 with padding.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> = text
        .iter()
        .filter(|byte| **byte != b'=')
        .map(|byte| DIGITS.iter().position(|digit| digit == byte).map(|at| at as u32))
        .collect::<Option<_>>()?;
    let mut bytes = Vec::with_capacity(text.len());
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bytes.extend(bits.to_be_bytes()[1..].iter().take(group.len() - 1));
    }
    Some(bytes)
}

/// Whether a path asserts to be a folder: it ends in a slash or in `/.`, or is empty.
pub(super) fn is_asserted(path: &str) -> bool {
    path.is_empty() || path.ends_with('/') || path == "." || path.ends_with("/.")
}

/// The path without its last component; of `/a/b/.` that is `/a/b`.
pub(super) fn parent(path: &str) -> String {
    if path == "." || path.ends_with("/.") {
        return clean(path);
    }
    let cleaned = clean(path);
    match cleaned.rsplit_once('/') {
        Some(("", _)) => "/".into(),
        Some((parent, _)) => parent.to_owned(),
        None => ".".into(),
    }
}

/// The last component; `.` of `/a/b/.`.
pub(in crate::cli) fn base(path: &str) -> String {
    if path == "." || path.ends_with("/.") {
        return ".".into();
    }
    let cleaned = clean(path);
    cleaned.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("/").to_owned()
}

/// Where a link at `path` leads to.
pub(super) fn target(path: &str, link: &str) -> String {
    if link.starts_with('/') { link.to_owned() } else { clean(&format!("{}/{link}", parent(path))) }
}

/// Where an archive is unpacked, and as what.
#[derive(Debug, PartialEq)]
pub(in crate::cli) struct Plan {
    /// The folder it goes into.
    pub(in crate::cli) directory: PathBuf,
    /// The name that what is copied gets there; `None` for its own. `.` puts what is in a folder right into the other.
    pub(in crate::cli) name: Option<String>,
}

/// Decides by what is there already; `destination` is clean but for a slash that asserts a folder.
pub(in crate::cli) fn plan(
    source: &str,
    source_is_directory: bool,
    destination: &Path,
    exists: bool,
    is_directory: bool,
) -> Result<Plan, Failure> {
    let text = destination.to_string_lossy();
    if exists && is_directory {
        let contents = base(source) == ".";
        return Ok(Plan { directory: destination.to_owned(), name: contents.then(|| ".".to_owned()) });
    }
    if exists && source_is_directory {
        return Err(Failure::new(format!(
            "cannot copy directory\n{text} is a file: name a folder, or a path that is not there."
        )));
    }
    if !exists && !source_is_directory && is_asserted(&text) {
        return Err(Failure::new(format!(
            "no such directory\n{text} is not there: create it first, or leave the slash out."
        )));
    }
    Ok(Plan { directory: parent(&text).into(), name: Some(base(&text)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_engine_tells() {
        assert_eq!(decode(b"aGVsbG8=").as_deref(), Some(&b"hello"[..]));
        assert_eq!(decode(b"aGVsbG8h").as_deref(), Some(&b"hello!"[..]));
        assert_eq!(decode(b"aA==").as_deref(), Some(&b"h"[..]));
        assert_eq!(decode(b"!"), None);
        let mut headers = HeaderMap::new();
        assert!(Stat::of_header(&headers).is_err());
        // {"mode":2147484141,"linkTarget":""}
        headers.insert(
            "X-Docker-Container-Path-Stat",
            "eyJtb2RlIjoyMTQ3NDg0MTQxLCJsaW5rVGFyZ2V0IjoiIn0=".parse().expect("ASCII"),
        );
        let stat = Stat::of_header(&headers).expect("good");
        assert!(stat.is_directory() && !stat.is_link() && !stat.is_file());
    }

    #[test]
    fn names_as_docker() {
        assert_eq!((parent("/a/b/."), base("/a/b/.")), ("/a/b".to_owned(), ".".to_owned()));
        let go = |source: &str, directory: bool, to: &str, exists: bool, is_directory: bool| {
            plan(source, directory, Path::new(to), exists, is_directory)
                .map(|plan| format!("{} {}", plan.directory.display(), plan.name.as_deref().unwrap_or("-")))
                .map_err(|failure| failure.message().lines().next().unwrap_or_default().to_owned())
        };
        assert_eq!(go("/etc", true, "/to", true, true).as_deref(), Ok("/to -"));
        assert_eq!(go("/etc/.", true, "/to", true, true).as_deref(), Ok("/to ."));
        assert_eq!(go("/etc", true, "/to/new", false, false).as_deref(), Ok("/to new"));
        assert_eq!(go("/etc/.", true, "/to/new/", false, false).as_deref(), Ok("/to new"));
        assert_eq!(go("/f", false, "/to/g", true, false).as_deref(), Ok("/to g"));
        assert_eq!(go("/f", false, "/to/g", false, false).as_deref(), Ok("/to g"));
        assert_eq!(go("/f", false, "/g", false, false).as_deref(), Ok("/ g"));
        assert_eq!(go("/f", false, "/to/g/", false, false), Err("no such directory".into()));
        assert_eq!(go("/etc", true, "/f", true, false), Err("cannot copy directory".into()));
        assert_eq!([target("/a/l", "x/../y"), target("/a/l", "/z")], ["/a/y", "/z"]);
    }
}
