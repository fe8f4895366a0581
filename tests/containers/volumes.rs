//! What outcrop does with volumes beyond docker: copying in and out, clones, backups, trees; and the details of a diff.

use std::fs;

use super::Machine;

/// A volume `data` with a file, a folder, a link.
fn filled() -> Machine {
    let machine = Machine::new();
    machine.sh(
        &["-v", "data:/d"],
        "echo one > /d/file; mkdir -p /d/a/b; echo two > /d/a/b/deep; ln -s file /d/link; chmod 600 /d/file",
    );
    machine
}

fn tree(machine: &Machine, name: &str) -> String {
    let text = machine.ok(&["volume", "tree", "--depth", "9", name]);
    text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn clones_and_backups_have_everything() {
    let machine = filled();
    let want = "drwxr-xr-x 0:0 4B 1 a/\ndrwxr-xr-x 0:0 4B 1 b/\n-rw-r--r-- 0:0 4B deep\n-rw------- 0:0 4B file\nlrwxrwxrwx 0:0 0B link -> file\n";
    assert_eq!(tree(&machine, "data"), want);
    assert_eq!(machine.ok(&["volume", "clone", "data", "copy"]), "copy\n");
    assert_eq!(tree(&machine, "copy"), want);
    let file = machine.outcrop.scratch("backup");
    let path = file.to_str().expect("utf-8");
    for (compression, magic) in
        [("zstd", (0, &b"\x28\xb5\x2f\xfd"[..])), ("gzip", (0, b"\x1f\x8b")), ("none", (257, b"ustar"))]
    {
        machine.ok(&["volume", "backup", "--compression", compression, "-o", path, "data"]);
        assert!(fs::read(&file).expect("reads")[magic.0..].starts_with(magic.1), "{compression}");
        assert_eq!(
            machine.ok(&["volume", "restore", "--label", "a=b", "-i", path, compression]),
            format!("{compression}\n")
        );
        assert_eq!(tree(&machine, compression), want);
        assert_eq!(machine.ok(&["volume", "inspect", "-f", "{{json .Labels}}", compression]), "{\"a\":\"b\"}\n");
    }
    let piped = machine.outcrop.run(["volume", "backup", "data"]).stdout;
    assert_eq!(machine.fed(&["volume", "restore", "piped"], &piped).1, "piped\n");
    assert_eq!(tree(&machine, "piped"), want);
    for (line, words) in [
        (&["volume", "restore", "-i", path, "data"][..], "there is a volume of that name already"),
        (&["volume", "clone", "data", "copy"], "there is a volume of that name already"),
        (&["volume", "backup", "-o", "/nonexistent/x", "data"], "invalid output path"),
        (&["volume", "backup", "nope"], "no such volume"),
        (&["volume", "tree", "nope"], "no such volume"),
    ] {
        let (code, _, said) = machine.ends(line);
        assert!(code == 1 && said.contains(words), "{line:?}: {said}");
    }
    assert_eq!(machine.fed(&["volume", "restore", "cut"], &piped[..piped.len() / 2]).0, 1);
    assert!(!machine.ok(&["volume", "ls", "-q"]).contains("cut"), "half a volume is none");
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn volumes_are_copied_to_and_from() {
    let machine = filled();
    let here = machine.outcrop.scratch("here");
    fs::create_dir_all(here.join("in/sub")).expect("creates");
    fs::write(here.join("in/f"), "three\n").expect("writes");
    fs::write(here.join("in/sub/g"), "four\n").expect("writes");
    let at = |name: &str| format!("{}/{name}", here.display());
    let read = |name: &str| fs::read_to_string(here.join(name)).unwrap_or_default();
    machine.ok(&["volume", "cp", "data:/a", &at("")]);
    machine.ok(&["volume", "cp", "data:/a", &at("fresh")]);
    machine.ok(&["volume", "cp", "data:/a/.", &at("fresh")]);
    machine.ok(&["volume", "cp", "data:/file", &at("renamed")]);
    assert_eq!([read("a/b/deep"), read("fresh/b/deep"), read("renamed")], ["two\n", "two\n", "one\n"]);
    assert_eq!(machine.ok(&["volume", "cp", "data:/file", "-"]), "one\n");
    machine.ok(&["volume", "cp", &at("in"), "data:/"]);
    machine.ok(&["volume", "cp", &at("in/."), "data:/a"]);
    machine.ok(&["volume", "cp", &at("in/f"), "data:/a/renamed"]);
    let tar = machine.outcrop.run(["volume", "cp", "data:/in", "-"]).stdout;
    assert_eq!(machine.fed(&["volume", "cp", "-", "data:/a/b"], &tar).0, 0);
    let seen = machine.sh(&["-v", "data:/d"], "cat /d/in/sub/g /d/a/f /d/a/renamed /d/a/b/sub/g");
    assert_eq!(seen, "four\nthree\nthree\nfour\n");
    for (from, to, words) in [
        ("data:/nope".to_owned(), at("x"), "No such file"),
        ("nope:/x".to_owned(), at("x"), "no such volume"),
        (at("nope"), "data:/".to_owned(), "no such file or directory"),
        (at("in/f"), "data:/nope/x".to_owned(), "No such file"),
        ("data:/../../etc/passwd".to_owned(), at("x"), "No such file"),
    ] {
        let (code, _, said) = machine.ends(&["volume", "cp", &from, &to]);
        assert!(code == 1 && said.contains(words), "{from} {to}: {code} {said}");
        assert!(!here.join("x").exists(), "nothing was left of it");
    }
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn a_diff_tells_details() {
    let machine = Machine::new();
    let script = "echo x >> /usr/lib/file-000; chmod 700 /bin/setuid; rm /etc/shadow; echo new > /new";
    machine.ok(&["run", "--name", "changed", "--network", "none", "base:1", "sh", "-c", script]);
    let format = "{{.Kind}} {{.Path}} {{.What}} {{.Size}} {{.Copied}} {{.From}}";
    let text = machine.ok(&["diff", "--detail", "--format", format, "changed"]);
    for line in [
        "copy-up /usr/lib/file-000 content,time 9B 7B layer 1",
        "metadata /bin/setuid mode 10B 10B layer 1",
        "deleted /etc/shadow - - - layer 1",
        "new /new - 4B - -",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }
}
