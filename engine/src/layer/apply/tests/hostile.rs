//! Layers that want out, want more than there is, or are no layers.

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use outcrop_layers::entry::Kind;
use outcrop_layers::tar::TarError;

use super::support::{Unpacked, checksum, directory, entry, file, hardlink, symlink, tar, unpack, unpack_with};
use crate::layer::apply::ApplyError;
use crate::sys::node;

/// Unpacks beside a file that must stay as it is, with an absolute path given to `items`.
fn beside_a_host(items: impl Fn(&str) -> Vec<super::support::Item>) -> Unpacked {
    let host = tempfile::tempdir().expect("directory");
    let victim = host.path().join("victim");
    fs::write(&victim, "host").expect("file");
    fs::set_permissions(&victim, std::os::unix::fs::PermissionsExt::from_mode(0o604)).expect("mode");
    let state = || {
        let meta = fs::symlink_metadata(&victim).expect("still there");
        (meta.mode(), meta.mtime(), meta.nlink(), meta.uid(), meta.ctime_nsec(), fs::read(&victim).expect("readable"))
    };
    let before = state();
    let path = host.path().to_str().expect("text");
    let unpacked = unpack(&tar(&items(path)));
    assert_eq!(state(), before, "the host's file was touched");
    assert_eq!(fs::read_dir(host.path()).expect("host").count(), 1, "something was put beside the host's file");
    unpacked
}

#[test]
fn names_that_lead_out() {
    for name in ["../../etc/outcrop-x", "a/../../x", "..", "/../x"] {
        let Unpacked { dir, result } = unpack(&tar(&[file(name, b"x")]));
        let error = result.expect_err(name);
        assert!(matches!(error, ApplyError::Tar(TarError::Escapes { .. })), "{name}: {error}");
        assert_eq!(fs::read_dir(dir.path()).expect("root").count(), 0);
    }
    let Unpacked { dir, result } = unpack(&tar(&[file("/etc/outcrop-x", b"x")]));
    result.expect("an absolute name is one inside the layer");
    assert!(dir.path().join("etc/outcrop-x").exists());
    assert!(!fs::exists("/etc/outcrop-x").expect("looks"));
}

#[test]
fn writing_through_a_link() {
    // Written through: the link's text is looked up below the root, where it leads nowhere.
    let result = beside_a_host(|host| vec![symlink("out", host.as_bytes()), file("out/victim", b"gone")]).result;
    assert!(matches!(result, Err(ApplyError::Entry { .. })), "{result:?}");
    let up = "../../../../../../../../../../..";
    let result =
        beside_a_host(|host| vec![symlink("out", format!("{up}{host}").as_bytes()), file("out/victim", b"")]).result;
    assert!(result.is_err());
    // Replaced: a file over a link is a new file.
    let unpacked =
        beside_a_host(|host| vec![symlink("victim", format!("{host}/victim").as_bytes()), file("victim", b"mine")]);
    unpacked.result.expect("applies");
    assert_eq!(fs::read(unpacked.dir.path().join("victim")).expect("file"), b"mine");
    assert!(!unpacked.dir.path().join("victim").is_symlink());
}

#[test]
fn a_directory_replaced_by_a_link_is_not_remembered() {
    let unpacked = beside_a_host(|host| {
        let mut items = vec![directory("d"), file("d/a", b"")];
        items.extend([symlink("d", host.as_bytes()), file("d/victim", b"gone")]);
        items
    });
    assert!(unpacked.result.is_err());
    assert!(unpacked.dir.path().join("d").is_symlink());
    let inside = vec![directory("other"), directory("d"), file("d/a", b""), symlink("d", b"/other"), file("d/b", b"")];
    let Unpacked { dir, result } = unpack(&tar(&inside));
    result.expect("applies");
    assert!(dir.path().join("other/b").exists());
}

#[test]
fn hard_links() {
    for target in ["/victim", "../victim", "../../../../victim"] {
        let result = beside_a_host(|host| vec![hardlink("h", &format!("{host}{target}"))]).result;
        assert!(result.is_err(), "{target}");
    }
    let result = beside_a_host(|host| vec![symlink("d", host.as_bytes()), hardlink("h", "d/victim")]).result;
    assert!(result.is_err());
    // To a link: the link itself gets a second name, and what is written there replaces it.
    let unpacked = beside_a_host(|host| {
        vec![symlink("s", format!("{host}/victim").as_bytes()), hardlink("h", "s"), file("h", b"mine")]
    });
    unpacked.result.expect("applies");
    assert_eq!(fs::read(unpacked.dir.path().join("h")).expect("file"), b"mine");
    for (what, items) in [
        ("to itself", vec![file("a", b""), hardlink("a", "a")]),
        ("to a directory", vec![directory("d"), hardlink("h", "d")]),
        ("to a whiteout", vec![file(".wh.w", b""), hardlink("h", "w")]),
        ("to the root", vec![hardlink("h", ".")]),
        ("to nothing", vec![hardlink("h", "later"), file("later", b"")]),
    ] {
        assert!(unpack(&tar(&items)).result.is_err(), "{what}");
    }
}

#[test]
fn metadata_through_a_link() {
    // chmod, chown, times and attributes of links and of what follows them.
    let unpacked = beside_a_host(|host| {
        let mut link = symlink("s", format!("{host}/victim").as_bytes());
        link.0.mode = 0o777;
        link.0.xattrs = vec![(b"user.x"[..].into(), b"y"[..].into())];
        let mut again = hardlink("t", "s");
        again.0.mode = 0o777;
        vec![link, again]
    });
    unpacked.result.expect("applies; a link takes no such attribute, which is told");
    // A directory over a link is a new directory.
    let unpacked = beside_a_host(|host| {
        let mut over = directory("d");
        over.0.mode = 0o777;
        vec![symlink("d", host.as_bytes()), over]
    });
    unpacked.result.expect("applies");
    assert!(!unpacked.dir.path().join("d").is_symlink());
    // An opaque mark and a whiteout behind a link stay inside.
    for name in ["d/.wh..wh..opq", "d/.wh.victim"] {
        let result = beside_a_host(|host| vec![symlink("d", host.as_bytes()), file(name, b"")]).result;
        assert!(result.is_err(), "{name}");
    }
}

#[test]
fn attributes_of_overlayfs() {
    let mut dir = directory("d");
    let keys: [&[u8]; 4] =
        [b"trusted.overlay.opaque", b"user.overlay.opaque", b"trusted.overlay.redirect", b"user.overlay.metacopy"];
    dir.0.xattrs = keys.iter().map(|&key| (key.into(), b"y"[..].into())).collect();
    let Unpacked { dir, result } = unpack(&tar(&[dir]));
    let warnings = result.expect("applies").warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("overlayfs"), "{warnings:?}");
    let fd = fs::File::open(dir.path()).expect("root");
    let names = node::xattr_names(&fd, b"d").expect("reads");
    assert!(names.iter().all(|name| !keys.contains(&name.as_slice())), "{names:?}");
}

#[test]
fn whiteouts_that_are_none() {
    for name in [".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh..."] {
        let result = unpack(&tar(&[directory("d"), file(name, b"")])).result;
        assert!(matches!(result, Err(ApplyError::Tar(TarError::Whiteout { .. }))), "{name}: {result:?}");
    }
    let device = entry("x", Kind::CharDevice { major: 0, minor: 0 });
    let result = unpack(&tar(&[device])).result;
    assert!(matches!(result, Err(ApplyError::Tar(TarError::Device { .. }))), "{result:?}");
}

#[test]
fn the_root_stays_a_directory() {
    for item in [file("", b"x"), symlink(".", b"/"), entry("./", Kind::Fifo)] {
        let Unpacked { dir, result } = unpack(&tar(&[item]));
        assert!(matches!(result, Err(ApplyError::Refused { .. })), "{result:?}");
        assert!(dir.path().is_dir());
    }
}

#[test]
fn a_pipe_or_file_where_a_directory_is_needed() {
    for item in [entry("p", Kind::Fifo), file("p", b""), symlink("p", b"p")] {
        let result = unpack(&tar(&[item, file("p/x", b"")])).result;
        assert!(matches!(result, Err(ApplyError::Entry { .. })), "{result:?}");
    }
}

#[test]
fn a_pipe_is_replaced_not_written_to() {
    let Unpacked { dir, result } = unpack(&tar(&[entry("p", Kind::Fifo), file("p", b"x")]));
    result.expect("applies without waiting for a reader");
    assert_eq!(fs::read(dir.path().join("p")).expect("file"), b"x");
}

/// A header that claims more than there is.
fn claiming(size: u64) -> Vec<u8> {
    let mut bytes = tar(&[file("big", b"")]);
    let mut number = [0; 12];
    number[0] = 0x80;
    number[4..].copy_from_slice(&size.to_be_bytes());
    bytes[124..136].copy_from_slice(&number);
    checksum(&mut bytes);
    bytes
}

#[test]
fn claimed_sizes() {
    for size in [1 << 62, (1 << 63) - 1, 1 << 50] {
        let Unpacked { dir, result } = unpack(&claiming(size));
        let Err(ApplyError::Space { needed, free, .. }) = &result else { panic!("{size}: {result:?}") };
        assert!(*needed == size && *free > 0 && *free < 1 << 50);
        assert_eq!(fs::read_dir(dir.path()).expect("root").count(), 0, "nothing is made");
    }
    assert!(unpack(&claiming(1 << 63)).result.is_err());
    let result = unpack(&claiming(1 << 20)).result;
    assert!(matches!(result, Err(ApplyError::Tar(TarError::Truncated { .. }))), "{result:?}");
}

#[test]
fn a_sparse_terabyte() {
    let sparse = |size: u64| {
        let mut records = Vec::new();
        for (key, value) in
            [("major", "1".into()), ("minor", "0".into()), ("name", "s".into()), ("realsize", size.to_string())]
        {
            let rest = format!(" GNU.sparse.{key}={value}\n");
            let length = (1..1000).find(|n: &usize| n.to_string().len() + rest.len() == *n).expect("a length");
            records.extend(format!("{length}{rest}").bytes());
        }
        let mut pax = tar(&[file("PaxHeader", &records)]);
        pax.truncate(512 + records.len().next_multiple_of(512));
        pax[156] = b'x';
        checksum(&mut pax);
        let mut content = b"1\n4096\n5\n".to_vec();
        content.resize(512, 0);
        content.extend_from_slice(b"hello");
        [pax, tar(&[file("GNUSparseFile.0/s", &content)])].concat()
    };
    let result = unpack(&sparse(1 << 50)).result;
    assert!(matches!(result, Err(ApplyError::Space { needed: 0x4_0000_0000_0000, .. })), "{result:?}");
    let Unpacked { dir, result } = unpack(&sparse(64 << 20));
    assert_eq!(result.expect("applies").size, 64 << 20);
    let meta = fs::metadata(dir.path().join("s")).expect("file");
    assert_eq!(meta.len(), 64 << 20);
    assert!(meta.blocks() * 512 < 1 << 20, "holes stay holes");
    let mut content = Vec::new();
    fs::File::open(dir.path().join("s")).expect("file").take(5000).read_to_end(&mut content).expect("reads");
    assert_eq!((&content[4096..4101], content.iter().filter(|&&b| b != 0).count()), (&b"hello"[..], 5));
}

/// As a few bytes of gzip unpack to.
#[test]
fn zeros_stop_at_the_floor() {
    let free = crate::sys::fs::free(fs::File::open(std::env::temp_dir()).expect("directory")).expect("free").bytes;
    // So that the disk need not be filled, the floor is set just below what is free.
    let bytes = [&claiming(300 << 20)[..512], &vec![0; 1 << 20]].concat();
    let result = unpack_with(&bytes[..], free.saturating_sub(100 << 20), &|_| {}).result;
    let Err(error @ ApplyError::Space { .. }) = result else { panic!("{result:?}") };
    let text = error.to_string();
    assert!(text.contains(&(300u64 << 20).to_string()) && text.contains(" at /"), "{text}");
}

#[test]
fn strange_names() {
    let names: [&[u8]; 6] =
        [b"\x1b[31mred", b"new\nline", b"\xff\xfe", "\u{202e}gnp.exe".as_bytes(), b"-rf", b"a\\b c"];
    let items: Vec<_> = names.iter().map(|name| file(name, name)).collect();
    let Unpacked { dir, result } = unpack(&tar(&items));
    result.expect("applies");
    for name in names {
        assert_eq!(fs::read(dir.path().join(std::ffi::OsStr::from_bytes(name))).expect("file"), name);
    }
    let item = entry([b"\x1b[31m", &[b'x'; 300][..]].concat(), Kind::Fifo);
    let text = unpack(&tar(&[item])).result.expect_err("too long").to_string();
    assert!(!text.contains('\x1b') && text.len() < 700, "{text:?}");
}

#[test]
fn names_of_a_mebibyte() {
    let flat = vec![b'x'; (1 << 20) - 20];
    assert!(matches!(unpack(&tar(&[file(&flat, b"")])).result, Err(ApplyError::Entry { .. })));
    let over = vec![b'x'; 1 << 20];
    assert!(matches!(unpack(&tar(&[file(&over, b"")])).result, Err(ApplyError::Tar(TarError::Large { .. }))));
}

#[test]
fn four_thousand_directories_deep() {
    let deep = vec!["d"; 4000].join("/");
    let Unpacked { dir, result } =
        unpack(&tar(&[file(format!("{deep}/f"), b"x"), directory(&deep), file(format!("{deep}/g"), b"")]));
    result.expect("applies");
    let root = fs::File::open(dir.path()).expect("root");
    crate::sys::beneath::open_file(&root, format!("{deep}/g").as_bytes()).expect("the deepest file");
    assert_eq!(crate::driver::usage(&root).expect("usage").files, 4002);
    crate::sys::walk::remove_tree(&root, b"d").expect("removes");
    assert_eq!(fs::read_dir(dir.path()).expect("root").count(), 0);
}

struct Broken;
impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("the line went dead"))
    }
}

#[test]
fn what_is_no_layer() {
    let text = b"just some text, no tar at all\n".repeat(100);
    assert!(matches!(unpack(&text).result, Err(ApplyError::Tar(_))));
    let whole = tar(&[file("a", &[1; 5000])]);
    for cut in [100, 512, 700, 5511] {
        let result = unpack(&whole[..cut]).result;
        assert!(matches!(result, Err(ApplyError::Tar(TarError::Truncated { .. }))), "{cut}: {result:?}");
    }
    let text = unpack_with(Read::chain(&whole[..700], Broken), 0, &|_| {}).result.expect_err("fails").to_string();
    assert!(text.contains("the line went dead"), "{text}");
}

/// Runs on a small tmpfs of its own.
#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_full_disk() {
    let dir = tempfile::tempdir().expect("directory");
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=16m", "outcrop-test"])
        .arg(dir.path())
        .status();
    assert!(mounted.expect("runs mount").success());
    let target = fs::File::open(dir.path()).expect("target");
    let cancel = crate::progress::Cancel::new();
    let apply = |floor| {
        let options = crate::layer::apply::ApplyOptions { rootless: false, floor, cancel: &cancel, on_bytes: &|_| {} };
        let items: Vec<_> = (0..5).map(|n| file(format!("f{n}"), &vec![1; 4 << 20])).collect();
        crate::layer::apply::apply(&tar(&items)[..], std::os::fd::AsFd::as_fd(&target), &options, std::io::sink())
    };
    let results = [apply(0), apply(8 << 20)];
    drop(target);
    crate::sys::mount::unmount(dir.path()).expect("unmounts");
    for result in results {
        let Err(ApplyError::Space { filesystem, .. }) = &result else { panic!("{result:?}") };
        assert!(filesystem.starts_with("tmpfs at /"), "{filesystem}");
    }
}
