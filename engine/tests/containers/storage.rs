//! What a container writes, and what outlives it.

use std::fs;

use outcrop_engine::container::{CommitOptions, ContainerError, CreateBody};
use outcrop_engine::progress::{Cancel, Ctx};
use serde_json::json;

use crate::host::{GROUP, Host};
use crate::tars::names_of;

#[test]
#[ignore = "needs root: run by .ci/run"]
fn volumes_and_binds() {
    let host = Host::new();
    let bind = host.directory.path().join("bound");
    fs::create_dir(&bind).expect("a directory");
    let bind_text = format!("{}:/b:ro", bind.display());
    fs::write(bind.join("from-host"), "host\n").expect("a file");
    let script = "cat /b/from-host; touch /b/x; ls /v; echo kept >> /v/log; cat /v/log";
    let body = json!({ "Cmd": ["sh", "-c", script], "HostConfig": { "Binds": ["some_persistent_volume:/v", bind_text],
        "AutoRemove": true } });
    let first = host.run(body.clone());
    assert_eq!(first.out, "host\nkept\n", "{}", first.err);
    assert!(first.err.contains("/b/x: Read-only file system"), "{}", first.err);
    assert_eq!(host.run(body).out, "host\nlog\nkept\nkept\n");
    let data = host.root().join("volumes/some_persistent_volume/_data/log");
    assert_eq!(fs::read_to_string(data).expect("the volume's file"), "kept\nkept\n");
    // A new volume gets the image's content; one that is anonymous goes with the container.
    let body = json!({ "Cmd": ["cat", "/etc/group"], "Volumes": { "/etc": {} } });
    let id = host.create("", body).expect("created");
    let name = host.containers.record(&id).expect("a record").mount_points["/etc"].name.clone();
    assert_eq!(host.go(&id, b"").out, GROUP);
    assert!(host.root().join("volumes").join(&name).is_dir());
    host.containers.remove(&id, false, true).expect("removed");
    assert!(!host.root().join("volumes").join(&name).exists());
    // A source that is swapped after the container was created is what is mounted at the start, and links in the
    // container lead nowhere.
    let body = json!({ "Cmd": ["sh", "-c", "cat /in/from-host"], "HostConfig": { "Mounts": [
        { "Type": "bind", "Source": bind, "Target": "/in" } ] } });
    assert_eq!(host.run(body).out, "host\n");
    let missing = json!({ "HostConfig": { "Mounts": [{ "Type": "bind", "Source": "/nope/nope", "Target": "/in" }] } });
    assert!(matches!(host.create("", missing), Err(ContainerError::Invalid(_))));
    let outside = json!({ "HostConfig": { "Mounts": [{ "Type": "volume", "Source": "some_persistent_volume",
        "Target": "/in", "VolumeOptions": { "Subpath": "../../.." } }] } });
    assert!(matches!(host.create("", outside), Err(ContainerError::Invalid(_))));
    let data = host.root().join("volumes/some_persistent_volume/_data");
    std::os::unix::fs::symlink("/etc", data.join("link")).expect("a link");
    let through_link = json!({ "Cmd": ["cat", "/in/shadow"], "HostConfig": { "Mounts": [{ "Type": "volume",
        "Source": "some_persistent_volume", "Target": "/in", "VolumeOptions": { "Subpath": "link" } }] } });
    let ran = host.run(through_link);
    assert_eq!((ran.out.as_str(), ran.code == 0), ("", false), "{}", ran.err);
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn changes_copies_and_images() {
    let host = Host::new();
    let ran = host.sh("echo new > /new; rm /etc/group; mkdir -p /d/e; echo deep > /d/e/f; ln -s /etc/passwd /d/link");
    let changes = host.containers.changes(&ran.id).expect("changes");
    let text: Vec<String> =
        changes.iter().map(|c| format!("{} {}", c.kind.letter(), String::from_utf8_lossy(&c.path))).collect();
    assert_eq!(text, ["A /d", "A /d/e", "A /d/e/f", "A /d/link", "C /etc", "D /etc/group", "A /new"]);
    let stat = host.containers.stat_path(&ran.id, "/d/link").expect("a stat");
    assert_eq!((stat.name.as_str(), stat.link_target.as_str()), ("link", "/etc/passwd"));
    let mut tar = Vec::new();
    host.containers.copy_from(&ran.id, "/d", &mut tar).expect("copied");
    let names = names_of(&tar);
    assert_eq!(names, ["d", "d/e", "d/e/f", "d/link"]);
    host.containers.copy_to(&ran.id, "/tmp", &tar[..], true).expect("copied");
    let mut out = Vec::new();
    host.containers.copy_from(&ran.id, "/tmp/d/e/f", &mut out).expect("copied");
    assert!(String::from_utf8_lossy(&out).contains("deep"));
    assert!(matches!(host.containers.copy_from(&ran.id, "/nope", &mut Vec::new()), Err(ContainerError::NoPath(_))));
    let mut export = Vec::new();
    host.containers.export(&ran.id, &mut export).expect("exported");
    let names = names_of(&export);
    assert!(names.contains(&"new".to_owned()) && !names.contains(&"etc/group".to_owned()));
    let cancel = Cancel::new();
    let ctx = Ctx { progress: &|_| {}, cancel: &cancel };
    let options = CommitOptions {
        reference: Some("two".into()),
        changes: vec!["CMD [\"cat\",\"/new\"]".into()],
        ..CommitOptions::default()
    };
    let image = host
        .containers
        .commit(&ran.id, &options, host.engine.as_ref().expect("open").images(), ctx)
        .expect("committed");
    let image = host.containers.image(&image.to_string()).expect("the image");
    let body = CreateBody::parse(br#"{"HostConfig":{"NetworkMode":"none"}}"#).expect("a body");
    let created = host.containers.create("", body, &image).expect("created");
    assert_eq!(host.go(&created.id, b"").out, "new\n");
}
