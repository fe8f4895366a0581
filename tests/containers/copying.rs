//! `cp`, `export`, `diff`: files out of containers and into them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::Machine;
use crate::dockerd::Dockerd;
use crate::rootfs;

/// All paths below a folder, sorted.
fn listing(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder_now) = open.pop() {
        for entry in fs::read_dir(folder_now).expect("reads").flatten() {
            found.push(entry.path().strip_prefix(folder).expect("below").display().to_string());
            if entry.file_type().expect("type").is_dir() {
                open.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn copies_both_ways() {
    let machine = Machine::new();
    machine.start("up", &[], "exec busybox sleep 100");
    machine.ok(&["create", "--name", "idle", "base:1"]);
    let here = machine.outcrop.scratch("here");
    fs::create_dir_all(here.join("src/sub")).expect("creates");
    fs::write(here.join("src/f"), "one\n").expect("writes");
    fs::write(here.join("src/sub/g"), "two\n").expect("writes");
    symlink("f", here.join("src/l")).expect("links");
    let at = |name: &str| format!("{}/{name}", here.display());
    for name in ["up", "idle"] {
        machine.ok(&["cp", &at("src"), &format!("{name}:/var")]);
        machine.ok(&["cp", &at("src/."), &format!("{name}:/var/new")]);
        machine.ok(&["cp", &at("src/f"), &format!("{name}:/var/renamed")]);
        machine.ok(&["cp", "-L", &at("src/l"), &format!("{name}:/var/followed")]);
        let out = at(name);
        machine.ok(&["cp", &format!("{name}:/var"), &out]);
        let all = [
            "followed",
            "new",
            "new/f",
            "new/l",
            "new/sub",
            "new/sub/g",
            "renamed",
            "src",
            "src/f",
            "src/l",
            "src/sub",
            "src/sub/g",
        ];
        assert_eq!(listing(Path::new(&out)), all);
        assert_eq!(fs::read_to_string(format!("{out}/followed")).expect("reads"), "one\n");
        machine.ok(&["cp", &format!("{name}:/var/src/."), &out]);
        assert_eq!(fs::read_to_string(format!("{out}/sub/g")).expect("reads"), "two\n");
        machine.ok(&["cp", "-L", &format!("{name}:/var/src/l"), &at("l")]);
        assert!(fs::symlink_metadata(at("l")).expect("there").is_file());
        fs::remove_file(at("l")).expect("removes");
    }
    let tar = machine.outcrop.run(["cp", "idle:/var/src", "-"]).stdout;
    let (code, _, said) = machine.fed(&["cp", "-", "up:/tmp"], &tar);
    assert_eq!(code, 0, "{said}");
    assert_eq!(machine.ok(&["exec", "up", "cat", "/tmp/src/sub/g"]), "two\n");
    let exported = machine.outcrop.run(["export", "idle"]).stdout;
    let mut tar = tar::Archive::new(&exported[..]);
    let names: Vec<_> = tar
        .entries()
        .expect("a tar")
        .map(|entry| entry.expect("good").path().expect("path").display().to_string())
        .collect();
    assert!(names.contains(&"var/renamed".to_owned()) && names.contains(&"bin/busybox".to_owned()), "{names:?}");
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn copying_refuses_and_stays_inside() {
    let machine = Machine::new();
    machine.ok(&["create", "--name", "box", "base:1"]);
    let here = machine.outcrop.scratch("here");
    fs::create_dir(&here).expect("creates");
    fs::set_permissions(&here, fs::Permissions::from_mode(0o700)).expect("chmod");
    fs::write(here.join("f"), "x").expect("writes");
    let at = |name: &str| format!("{}/{name}", here.display());
    for (from, to, words) in [
        ("box:/nope".to_owned(), at(""), "Could not find the file /nope in container box"),
        (at("nope"), "box:/".to_owned(), "no such file or directory"),
        (at("f"), "box:/nope/x".to_owned(), "Could not find the file /nope in container box"),
        (at(""), "box:/etc/passwd".to_owned(), "cannot copy directory"),
        ("box:/etc".to_owned(), at("f"), "cannot copy directory"),
        ("box:/etc/passwd".to_owned(), at("none/"), "no such directory"),
        ("box:/etc/passwd".to_owned(), at("none/x"), "does not exist"),
        ("box:/a".to_owned(), "box:/b".to_owned(), "copying between containers is not supported"),
        (at("f"), at("g"), "must specify at least one container source"),
    ] {
        let (code, _, said) = machine.ends(&["cp", &from, &to]);
        assert!(code == 1 && said.contains(words), "cp {from} {to}: {code} {said}");
    }
    assert_eq!(listing(&here), ["f"], "nothing was left");
    // A folder of the container with a link that leads out of it: the link comes as it is, and nothing goes through it.
    let away = machine.outcrop.scratch("away");
    fs::create_dir(&away).expect("creates");
    let evil = here.join("evil");
    fs::create_dir(&evil).expect("creates");
    symlink(&away, evil.join("d")).expect("links");
    machine.ok(&["cp", &at("evil"), "box:/"]);
    fs::remove_dir_all(&evil).expect("removes");
    machine.ok(&["cp", "box:/evil", &at("")]);
    assert_eq!(fs::read_link(at("evil/d")).expect("a link"), away);
    machine.ok(&["cp", "box:/etc/passwd", &at("evil/d2")]);
    assert_eq!(listing(&away), [""; 0]);
    assert_eq!(fs::metadata(&here).expect("stat").permissions().mode() & 0o777, 0o700);
}

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn tells_the_changes_that_docker_tells() {
    const SCRIPT: &str = "echo x >> /etc/passwd; rm /etc/shadow; mkdir -p /new/deep; echo y > /new/deep/f; chmod 700 /tmp; \
        rm -r /usr/lib; mkdir /usr/lib; echo z > /usr/lib/file-001; mv /bin/setuid /bin/moved; ln -s a /var/link; ln /etc/passwd /etc/hard; \
        touch /tmp/pipe; chmod 600 /bin/moved";
    let machine = Machine::new();
    let dockerd = Dockerd::start();
    dockerd.feed(["import", "-", "base:1"], &rootfs::busybox());
    let run = ["run", "--name", "changed", "--network", "none", "-v", "/data", "base:1", "sh", "-c", SCRIPT];
    dockerd.ok(run);
    machine.ok(&run);
    let sorted = |text: String| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let (theirs, ours) = (sorted(dockerd.ok(["diff", "changed"])), sorted(machine.ok(&["diff", "changed"])));
    assert!(theirs.len() > 200, "{theirs:?}");
    assert_eq!(ours, theirs);
}
