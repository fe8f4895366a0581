//! Where destinations are, in a tree with links.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use super::*;

#[test]
fn destinations_follow_links_also_to_what_is_not_there() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let root = directory.path();
    fs::create_dir_all(root.join("etc/deep")).expect("directory");
    fs::write(root.join("file"), "x").expect("file");
    for (target, link) in [
        ("/nowhere/yet", "lost"),
        ("../../../up", "etc/deep/far"),
        ("/lost/er", "more"),
        ("circle", "circle"),
        ("/etc", "conf"),
        ("nowhere/../b", "odd"),
    ] {
        symlink(target, root.join(link)).expect("link");
    }
    let tree = File::open(root).expect("opens");
    let place = |path: &str| {
        let placed = place(tree.as_fd(), path.as_bytes()).map_err(|error| error.to_string())?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Ok((text(placed.path), placed.missing.into_iter().map(text).collect::<Vec<_>>().join(" "), placed.is_directory))
    };
    let there = |path: &str, missing: &str, is_directory| Ok::<_, String>((path.into(), missing.into(), is_directory));
    assert_eq!(place(""), there("", "", true));
    assert_eq!(place("conf/deep"), there("etc/deep", "", true));
    assert_eq!(place("etc/./deep/../a"), there("etc/a", "etc/a", false));
    assert_eq!(place("../../etc"), there("etc", "", true));
    assert_eq!(place("file"), there("file", "", false));
    assert_eq!(place("lost"), there("nowhere/yet", "nowhere nowhere/yet", false));
    assert_eq!(place("lost/a"), there("nowhere/yet/a", "nowhere nowhere/yet nowhere/yet/a", false));
    assert_eq!(place("etc/deep/far/a"), there("up/a", "up up/a", false));
    assert_eq!(place("more"), there("nowhere/yet/er", "nowhere nowhere/yet nowhere/yet/er", false));
    assert_eq!(place("odd"), there("b", "b", false));
    assert!(place("file/a").is_err() && place("circle").is_err());
}
