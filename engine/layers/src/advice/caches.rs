//! Folders whose content no image needs.

use super::{About, Advice};
use crate::tree::{NodeId, Tree};
use crate::view::View;

/// Folder, and what is in it, in the plural.
const CACHES: [(&str, &str); 14] = [
    ("var/lib/apt/lists", "apt lists"),
    ("var/cache/apt/archives", "downloaded packages of apt"),
    ("var/cache/apk", "downloaded packages of apk"),
    ("var/cache/dnf", "downloads of dnf"),
    ("var/cache/yum", "downloads of yum"),
    ("var/cache/zypp", "downloads of zypper"),
    ("var/cache/pacman/pkg", "downloaded packages of pacman"),
    ("root/.cache/pip", "downloads of pip"),
    ("root/.cache/uv", "downloads of uv"),
    ("root/.npm/_cacache", "downloads of npm"),
    ("usr/local/share/.cache/yarn", "downloads of yarn"),
    ("root/.cache/go-build", "build caches of go"),
    ("root/.m2/repository", "downloads of maven"),
    ("usr/local/cargo/registry", "downloads of cargo"),
];

/// What a file's cache is called.
pub(super) fn of(path: &[u8]) -> Option<&'static str> {
    let is_in = |folder: &str| path.strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"));
    CACHES.iter().find(|(folder, _)| is_in(folder)).map(|(_, what)| *what)
}

/// Caches that the finished image still has.
pub(super) fn left(tree: &Tree) -> impl Iterator<Item = Advice> {
    CACHES.iter().filter_map(|(folder, what)| {
        let at = tree.find(folder.as_bytes())?;
        let totals = tree.totals(at, View::Whole);
        let layer = most_of(tree, at)?;
        Some(Advice {
            bytes: totals.size,
            files: totals.files as usize,
            about: About::Left(what),
            layer,
            stored: layer,
            at,
            guess: false,
        })
    })
}

/// The layer that stores the most of it.
fn most_of(tree: &Tree, at: NodeId) -> Option<usize> {
    tree.touched_by(at).max_by_key(|layer| (tree.totals(at, View::Layer(*layer)).size, std::cmp::Reverse(*layer)))
}
