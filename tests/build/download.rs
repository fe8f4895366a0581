//! `ADD` from web servers, beside dockerd and over TLS.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{base, config, history, layers};
use crate::docker_cli::Serve;
use crate::dockerd::{Dockerd, docker};
use crate::outcrop::{Outcrop, feed, text};
use crate::web::{Answer, Authority, Web};

const ADDED: &str = "FROM base:1
ADD http://WEB/dir/file.txt /
ADD http://WEB/dir/file.txt?version=2 /named
ADD http://WEB/dir/file.txt /made/for/it/
ADD http://WEB/archive.tar /archives/
ADD http://WEB/called/ /called/
ADD http://WEB/nameless/ /nameless
ADD http://WEB/a%20b.txt /spaces/
ADD --chown=1000:1000 http://WEB/dir/file.txt /owned/
ADD http://WEB/old /old
ADD http://WEB/moved /moved/
";

/// What the server has; `changes` tells which text `/dir/file.txt` is.
fn answer(path: &str, changes: u32) -> Answer {
    let date = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    match path {
        "/dir/file.txt" | "/dir/file.txt?version=2" => (200, date.into(), format!("text {changes}\n").into_bytes()),
        "/archive.tar" => (200, String::new(), crate::registry::tar("inner", b"x")),
        "/called/" => (200, "Content-Disposition: attachment; filename=\"given.txt\"\r\n".into(), b"given\n".to_vec()),
        "/nameless/" => (200, String::new(), b"nameless\n".to_vec()),
        "/a%20b.txt" => (200, date.into(), b"space\n".to_vec()),
        "/old" => (200, "Last-Modified: yesterday\r\n".into(), b"old\n".to_vec()),
        "/moved" => (302, "Location: /dir/file.txt\r\n".into(), Vec::new()),
        _ => (404, String::new(), b"no\n".to_vec()),
    }
}

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn files_of_web_servers_are_what_dockerd_makes_of_them() {
    let changes = Arc::new(AtomicU32::new(1));
    let seen = Arc::clone(&changes);
    let web = Web::start(None, move |path| answer(path, seen.load(Ordering::Relaxed)));
    let (dockerd, serve) = (Dockerd::start(), Serve::start());
    let hosts = [dockerd.host(), serve.host.clone()];
    let folder = tempfile::tempdir().expect("temporary directory");
    let write =
        |text: &str| fs::write(folder.path().join("Dockerfile"), text.replace("WEB", &web.host)).expect("writes");
    let path = folder.path().to_str().expect("utf-8");
    let build = |host: &str| docker(host, ["build", "--network", "none", "-t", "app", path]).output().expect("starts");
    for host in &hosts {
        text(&feed(docker(host, ["import", "-", "base:1"]), &base()));
    }
    write(ADDED);
    for host in &hosts {
        text(&build(host));
    }
    let [theirs, ours] = hosts.each_ref().map(|host| config(host, "app"));
    assert_eq!(theirs, ours);
    // The checksums too: dockerd finds what we built.
    let [theirs, ours] = hosts.each_ref().map(|host| history(host, "app", false));
    assert_eq!(theirs, ours);
    let [theirs, ours] = hosts.each_ref().map(|host| layers(host, "app"));
    assert_eq!(theirs, ours);
    assert!(ours.concat().iter().any(|line| line.starts_with("file.txt") && line.contains(" 600 0:0 784111777 ")));
    // Fetched again, found again; another content is another step.
    for (content, reused) in [(1, 10), (2, 0)] {
        changes.store(content, Ordering::Relaxed);
        for (host, who) in hosts.iter().zip(["dockerd", "outcrop"]) {
            let said = text(&build(host));
            assert_eq!(said.matches("Using cache").count(), reused, "{who}: {said}");
            // What is fetched is not hidden, and an answer that is no terminal's has no bars.
            assert!(!said.contains("Downloading"), "{who}: {said}");
        }
    }
    for (dockerfile, want) in [
        ("FROM base:1\nADD http://WEB/none /\n", "404"),
        ("FROM base:1\nADD http://WEB/nameless/ /d/\n", "cannot determine filename for source"),
        ("FROM base:1\nADD http://127.0.0.1:1/x /\n", "onnection refused"),
        ("FROM base:1\nCOPY http://WEB/old /\n", "COPY"),
    ] {
        write(dockerfile);
        for (host, who) in hosts.iter().zip(["dockerd", "outcrop"]) {
            let output = build(host);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && said.contains(want), "{who}: {dockerfile}: {said}");
        }
    }
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn files_come_over_tls() {
    let authority = Authority::new();
    let plain = Web::start(None, |path| answer(path, 1));
    let to_plain = plain.host.clone();
    let web = Web::start(Some(&authority), move |path| match path {
        "/away" => (302, format!("Location: http://{to_plain}/old\r\n"), Vec::new()),
        path => answer(path, 1),
    });
    let outcrop = Outcrop::new();
    outcrop.feed(["import", "-", "base:1"], &base());
    let file = outcrop.scratch("authority.pem");
    fs::write(&file, authority.pem()).expect("writes");
    let folder = outcrop.scratch("folder");
    fs::create_dir(&folder).expect("makes");
    let build = |dockerfile: &str, trusted: bool| {
        fs::write(folder.join("Dockerfile"), dockerfile.replace("WEB", &web.host)).expect("writes");
        let mut command = outcrop.command(["build", "--network", "none", "-t", "app"]);
        if trusted {
            command.env("SSL_CERT_FILE", &file);
        }
        command.arg(&folder).output().expect("starts")
    };
    let cat = |path: &str| outcrop.ok(["run", "--rm", "--network", "none", "app", "cat", path]);
    text(&build("FROM base:1\nADD https://WEB/dir/file.txt /\nADD --unpack https://WEB/archive.tar /out/\n", true));
    assert_eq!(cat("/file.txt") + &cat("/out/inner"), "text 1\nx");
    let old = "sha256:15bc52fa86d93bc54d4bebe3e4eb2f47e7a8c3aaaf8b9e3e2c8a7a3d0e3a7e4d";
    for (dockerfile, trusted, want) in [
        ("FROM base:1\nADD https://WEB/dir/file.txt /\n", false, "nobody whom this machine trusts signed it"),
        ("FROM base:1\nADD https://WEB/away /\n", true, "which is not https"),
        ("FROM base:1\nADD --checksum=OLD https://WEB/old /\n", true, "digest mismatch: expected sha256:15bc"),
    ] {
        let output = build(&dockerfile.replace("OLD", old), trusted);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(want) && said.contains("Dockerfile:2:"), "{said}");
    }
    // Who knows what comes may be led anywhere.
    let sum = crate::registry::sum(b"old\n");
    text(&build(&format!("FROM base:1\nADD --checksum={sum} https://WEB/away /\n"), true));
    assert_eq!(cat("/away"), "old\n");
    assert_eq!(crate::registry::left(&outcrop), Vec::<String>::new());
}
