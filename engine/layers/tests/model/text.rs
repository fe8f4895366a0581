//! Layers as text: one line a layer, one word an entry.
//!
//! | word | entry |
//! |---|---|
//! | `a/b=100` | a file of 100 bytes |
//! | `a/` | a folder |
//! | `a/!` | an opaque folder |
//! | `-a/b` | a whiteout |
//! | `a->b` | a symbolic link with the text `b` |
//! | `a=>b` | a hard link to `b` |
//! | `a\|` | a named pipe |
//! | `a%1:3` | a character device |
//!
//! After a word: `@7` modification time, `*600` mode in octal, `^5` owner, `$x` an extended attribute.

use std::sync::Arc;

use outcrop_layers::entry::{Entry, Kind, Time};
use outcrop_layers::index::{IndexBuilder, LayerIndex};
use outcrop_layers::tree::Tree;

/// Reads one entry.
pub(crate) fn entry(word: &str) -> Entry {
    let end = word.find(['@', '*', '^', '$']).unwrap_or(word.len());
    let (what, attributes) = word.split_at(end);
    let (path, kind) = what_is(what);
    let mut mode = if kind.is_directory() { 0o755 } else { 0o644 };
    let (mut uid, mut seconds, mut xattrs) = (0, 0, Vec::new());
    for attribute in attributes.split_inclusive(['@', '*', '^', '$']).collect::<Vec<_>>().windows(2) {
        let value = attribute[1].trim_end_matches(['@', '*', '^', '$']);
        match attribute[0].chars().last() {
            Some('@') => seconds = value.parse().expect("time"),
            Some('*') => mode = u16::from_str_radix(value, 8).expect("mode"),
            Some('^') => uid = value.parse().expect("owner"),
            _ => xattrs.push((b"user.test"[..].into(), value.as_bytes().into())),
        }
    }
    let mtime = Time { seconds, nanoseconds: 0 };
    Entry { path: path.as_bytes().into(), kind, mode, uid, gid: uid, mtime, xattrs }
}

fn what_is(what: &str) -> (&str, Kind) {
    if let Some(path) = what.strip_prefix('-') {
        return (path, Kind::Whiteout);
    }
    if let Some((path, target)) = what.split_once("->") {
        return (path, Kind::Symlink { target: target.as_bytes().into() });
    }
    if let Some((path, target)) = what.split_once("=>") {
        return (path, Kind::Hardlink { target: target.as_bytes().into() });
    }
    if let Some((path, numbers)) = what.split_once('%') {
        let (major, minor) = numbers.split_once(':').expect("major:minor");
        let number = |text: &str| text.parse().expect("device number");
        return (path, Kind::CharDevice { major: number(major), minor: number(minor) });
    }
    if let Some((path, size)) = what.split_once('=') {
        return (path, Kind::File { size: size.parse().expect("size"), disk: None });
    }
    if let Some(path) = what.strip_suffix("/!") {
        return (path, Kind::Directory { opaque: true });
    }
    if let Some(path) = what.strip_suffix('|') {
        return (path, Kind::Fifo);
    }
    (what.strip_suffix('/').expect("a folder ends in /"), Kind::Directory { opaque: false })
}

/// Reads one layer.
pub(crate) fn layer(line: &str) -> Arc<LayerIndex> {
    let mut builder = IndexBuilder::new();
    for word in line.split_whitespace() {
        builder.entry(&entry(word)).expect("fits");
    }
    Arc::new(builder.finish())
}

/// Reads an image: base first, one line a layer.
pub(crate) fn tree(lines: &str) -> Tree {
    Tree::build(&lines.lines().map(str::trim).filter(|l| !l.is_empty()).map(layer).collect::<Vec<_>>())
}

/// A path as text.
pub(crate) fn shown(path: &[u8]) -> String {
    path.escape_ascii().to_string()
}
