//! Hostile and broken input to `load` and `import`: refused or contained, within 5 s and 256 MB, nothing left, nothing outside.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::json;
use tar::EntryType;

use crate::archive::{Image, Member, architecture, pack};
use crate::kill::sound;
use crate::outcrop::Outcrop;

/// What a run showed.
struct Run {
    status: ExitStatus,
    stderr: String,
    stdout: String,
}

#[expect(clippy::zombie_processes, reason = "wait4 waits for it, and tells its memory")]
/// Runs with `input`, and insists on less than 5 s and 256 MB.
fn bounded(mut command: Command, input: &[u8]) -> Run {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut stdin = child.stdin.take().expect("piped");
    let (mut out, mut err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        out.read_to_end(&mut text).expect("reads");
        String::from_utf8_lossy(&text).into_owned()
    });
    let pid = child.id().cast_signed();
    let killer = std::thread::spawn(move || {
        let mut text = Vec::new();
        err.read_to_end(&mut text).expect("reads");
        String::from_utf8_lossy(&text).into_owned()
    });
    let started = std::time::Instant::now();
    let (mut status, mut usage) = (0, unsafe_zeroed());
    loop {
        // SAFETY: the pointers are to live values of the right types, and the child is ours and not waited for elsewhere.
        let waited = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage) };
        if waited == pid {
            break;
        }
        if started.elapsed() > Duration::from_secs(5) {
            // SAFETY: the child is ours and has not been waited for, so the pid is its own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            panic!("still running after 5 s");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(usage.ru_maxrss < 256 << 10, "used {} kB of memory", usage.ru_maxrss);
    writer.join().expect("writer");
    let status = ExitStatus::from_raw(status);
    Run { status, stdout: reader.join().expect("reader"), stderr: killer.join().expect("reader") }
}

fn unsafe_zeroed() -> libc::rusage {
    // SAFETY: all-zero bytes are a valid `rusage`, which is a struct of integers.
    unsafe { std::mem::zeroed() }
}

/// Loads `archive`, which must be refused with a message that has all of `words`, and leave nothing.
fn refused(case: &str, archive: &[u8], words: &[&str]) {
    let outcrop = Outcrop::new();
    outcrop.ok(["images"]);
    let run = bounded(outcrop.command(["load"]), archive);
    assert!(!run.status.success(), "{case}: accepted\n{}", run.stdout);
    assert!(run.status.code().is_some(), "{case}: ended by a signal: {:?}", run.status);
    for word in words {
        assert!(run.stderr.contains(word), "{case}: the message lacks {word:?}:\n{}", run.stderr);
    }
    clean_text(case, &run.stderr);
    assert_eq!(outcrop.ok(["images", "-aq"]), "", "{case}");
    sound(outcrop.root(), case);
}

/// Loads `archive`, which must succeed, and returns the program with its root.
fn accepted(case: &str, archive: &[u8]) -> Outcrop {
    let outcrop = Outcrop::new();
    let run = bounded(outcrop.command(["load"]), archive);
    assert!(run.status.success(), "{case}: {}", run.stderr);
    sound(outcrop.root(), case);
    outcrop
}

/// What a terminal gets must hold no control characters but line ends.
fn clean_text(case: &str, text: &str) {
    assert!(text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()), "{case}: {text:?}");
}

fn one(members: Vec<Member>) -> Vec<u8> {
    Image::of("hostile:1", vec![pack(members)]).archive()
}

#[test]
fn what_is_no_archive() {
    refused("text", b"just some text\n".repeat(100).as_slice(), &["archive"]);
    refused("empty", b"", &["archive"]);
    refused("empty tar", &pack(vec![]), &["manifest.json"]);
    refused("no manifest", &pack(vec![Member::file("a", "b")]), &["manifest.json"]);
    for kind in [EntryType::Fifo, EntryType::Directory, EntryType::Char, EntryType::Symlink] {
        refused("manifest.json is no file", &pack(vec![Member::new("manifest.json", kind)]), &["manifest.json"]);
    }
    refused("cut", &one(vec![Member::file("a", vec![7; 100_000])])[..50_000], &[]);
}

#[test]
fn documents_beyond_the_limits() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    refused("deep manifest", &pack(vec![Member::file("manifest.json", &deep)]), &["manifest.json"]);
    let mut image = Image::of("deep:1", vec![pack(vec![])]);
    image.config = json!({"x": "y"});
    let mut members = image.members();
    members.push(Member::file(
        "manifest.json",
        format!(r#"[{{"Config":"c","RepoTags":["a:1"],"Layers":[],"X":{deep}}}]"#),
    ));
    refused("deep second manifest", &pack(members), &[]);
    refused("50 MB manifest", &pack(vec![Member::file("manifest.json", vec![b' '; 50 << 20])]), &["manifest.json"]);
    let layer = pack(vec![]);
    let many = Image::of("many:1", vec![layer; 129]);
    refused("129 layers", &many.archive(), &["129"]);
    let index = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.index.v1+json", "size": 1,
        "digest": format!("sha256:{}", "0".repeat(64))}]});
    let own = Member::file(format!("blobs/sha256/{}", "0".repeat(64)), index.to_string());
    refused(
        "index pointing at itself",
        &pack(vec![
            Member::file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#),
            own,
            Member::file("index.json", index.to_string()),
        ]),
        &[],
    );
}

#[test]
fn digests_are_checked() {
    let layer = pack(vec![Member::file("a", "b")]);
    let mut image = Image::of("wrong:1", vec![layer.clone()]);
    let claimed = format!("sha256:{}", "1".repeat(64));
    image.diff_ids = Some(vec![claimed.clone()]);
    refused("diff ID", &image.archive(), &[&claimed, &crate::archive::sha256(&layer)]);
    for bad in ["sha256:../../../../etc", "sha256:AB", "md5:00", ""] {
        image.diff_ids = Some(vec![bad.into()]);
        refused("diff ID that is none", &image.archive(), &[]);
    }
}

#[test]
fn paths_stay_inside() {
    let outside = tempfile::tempdir().expect("temporary directory");
    let target = outside.path().join("written");
    let name = target.to_str().expect("utf-8");
    let up = format!("../../../../../../../..{name}");
    let cases: Vec<(&str, Vec<Member>)> = vec![
        ("dot dot", vec![Member::file(&up, "x")]),
        ("absolute", vec![Member::file(name, "x")]),
        ("absolute hard link", vec![Member::link("a", EntryType::Link, "/etc/passwd"), Member::file("a", "x")]),
        ("hard link upwards", vec![Member::link("a", EntryType::Link, "../../../../../../../etc/passwd")]),
        (
            "through a symlink",
            vec![
                Member::link("d", EntryType::Symlink, outside.path().to_str().expect("utf-8")),
                Member::file("d/written", "x"),
            ],
        ),
        (
            "through two",
            vec![
                Member::link("e", EntryType::Symlink, "/"),
                Member::link("d", EntryType::Symlink, &format!("e/{}", outside.path().display())),
                Member::file("d/written", "x"),
            ],
        ),
        (
            "hard link to a symlink",
            vec![
                Member::link("s", EntryType::Symlink, name),
                Member::link("h", EntryType::Link, "s"),
                Member::file("h", "x"),
            ],
        ),
        (
            "mode through a symlink",
            vec![
                Member::link("d", EntryType::Symlink, outside.path().to_str().expect("utf-8")),
                Member::new("d/", EntryType::Directory).with(|h| h.set_mode(0o777)),
            ],
        ),
        ("whiteout upwards", vec![Member::file("../../../../.wh.etc", "")]),
    ];
    let mode = fs::metadata(outside.path()).expect("there").permissions();
    for (case, members) in cases {
        let outcrop = Outcrop::new();
        let run = bounded(outcrop.command(["load"]), &one(members));
        assert!(run.status.code().is_some(), "{case}: {:?}", run.status);
        assert_eq!(fs::read_dir(outside.path()).expect("there").count(), 0, "{case}: wrote outside");
        assert_eq!(fs::metadata(outside.path()).expect("there").permissions(), mode, "{case}");
        sound(outcrop.root(), case);
    }
}

#[test]
fn odd_members() {
    refused(
        "device 0:0",
        &one(vec![Member::new("a", EntryType::Char).with(|h| {
            h.set_device_major(0).expect("gnu");
            h.set_device_minor(0).expect("gnu");
        })]),
        &["a"],
    );
    for name in [".wh.", ".wh..", ".wh..."] {
        refused("whiteout of nothing", &one(vec![Member::file(name, "")]), &[name]);
    }
    refused("8 EiB", &one(vec![Member::new("a", EntryType::Regular).with(|h| h.set_size(u64::MAX / 2))]), &[]);
    let long = vec![b'n'; 2 << 20];
    refused("2 MiB name", &one(vec![Member::file(long, "")]), &[]);
    let names: Vec<Member> = [&b"a\x1b[31mred"[..], b"new\nline", b"\xff\xfe", "\u{202e}bidi".as_bytes(), b"\x7f"]
        .iter()
        .map(|n| Member::file(n, "x"))
        .collect();
    accepted("odd names", &one(names));
    let deep: String = "d/".repeat(2000);
    let outcrop = accepted("2000 directories", &one(vec![Member::new(deep, EntryType::Directory)]));
    outcrop.ok(["rmi", "hostile:1"]);
    sound(outcrop.root(), "removed");
}

#[test]
fn platforms() {
    let mut image = Image::of("windows:1", vec![pack(vec![])]);
    image.config = json!({"os": "windows"});
    refused("Windows", &image.archive(), &["windows"]);
    let other = if architecture() == "arm64" { "amd64" } else { "arm64" };
    image.config = json!({"architecture": other});
    let outcrop = accepted("other architecture", &image.archive());
    assert!(outcrop.ok(["images"]).contains("windows"));
}

#[test]
fn tags() {
    let layer = pack(vec![]);
    refused("upper case", &Image::of("UPPER:x", vec![layer.clone()]).archive(), &["lower"]);
    let outcrop = accepted("sound", &Image::of("sound:1", vec![layer]).archive());
    let run = outcrop.run(["tag", "sound:1", "UPPER:x"]);
    let message = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(!run.status.success() && message.contains("upper:x"), "{message}");
}

#[test]
fn compressed_layers_cut_short() {
    use std::process::Stdio;
    let layer = pack(vec![Member::file("a", (0..200_000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>())]);
    let mut gzip = Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip");
    let mut stdin = gzip.stdin.take().expect("piped");
    let copy = layer.clone();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&copy)));
    let packed = gzip.wait_with_output().expect("gzip").stdout;
    writer.join().expect("writer");
    let mut image = Image::of("gzip:1", vec![packed.clone()]);
    image.diff_ids = Some(vec![format!("sha256:{}", crate::archive::sha256(&layer))]);
    accepted("gzip", &image.archive());
    image.layers[0].truncate(packed.len() / 2);
    refused("truncated gzip", &image.archive(), &["layer"]);
}

#[test]
#[ignore = "needs root to mount a small file system: run by .ci/run"]
fn bombs_stop_at_the_floor_and_a_full_disk_is_told() {
    let outcrop = Outcrop::new();
    let root = outcrop.root().to_owned();
    fs::create_dir(&root).expect("creates");
    let mount = |args: &[&str]| assert!(Command::new("mount").args(args).arg(&root).status().expect("mount").success());
    mount(&["-t", "tmpfs", "-o", "size=16m", "tmpfs"]);
    let small = Image::of("small:1", vec![pack(vec![Member::file("a", "b")])]);
    let loaded = bounded(outcrop.command(["load"]), &small.archive());
    let zeros = one(vec![Member::file("zeros", vec![0; 24 << 20])]);
    let big = bounded(outcrop.command(["load"]), &zeros);
    let listed = outcrop.run(["images", "-q"]);
    let when = "full disk";
    sound(&root, when);
    let removed = outcrop.run(["rmi", "small:1"]);
    assert!(Command::new("umount").arg(&root).status().expect("umount").success());
    assert!(loaded.status.success(), "{}", loaded.stderr);
    assert!(!big.status.success() && big.stderr.contains("space"), "{}", big.stderr);
    assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().count(), 1, "reads still work");
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
}
