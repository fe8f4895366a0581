//! The same images in dockerd and here, in both directions.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::dockerd::{Dockerd, docker};
use crate::outcrop::Outcrop;
use crate::rootfs;

/// Three images, two of which share their first three layers.
fn build_three(dockerd: &Dockerd) {
    dockerd.feed(["import", "--change", "CMD [\"sh\"]", "-", "base:1"], &rootfs::busybox());
    let shared = "FROM base:1\n\
        RUN mkdir -p /usr/share/py && seq 1 20000 > /usr/share/py/lib && rm /etc/shadow\n\
        RUN mkdir -p /opt && seq 1 5000 > /opt/flask && chmod 700 /usr/share/py/lib && rm -r /usr/lib && mkdir /usr/lib\n";
    dockerd.build(
        "app1:latest",
        &format!("{shared}COPY app.py /opt/source-code/\nENV A=1\nCMD cat /opt/source-code/app.py\n"),
        &[("app.py", "print(1)\n")],
    );
    dockerd.build(
        "app2:latest",
        &format!("{shared}COPY app2.py /opt/source-code/\nCMD cat /opt/source-code/app2.py\n"),
        &[("app2.py", "print(2)\n")],
    );
}

const IMAGES: [&str; 3] = ["base:1", "app1:latest", "app2:latest"];

/// Image ID and the digest of every layer's tar, by tag, of a `docker save` archive.
fn digests(archive: &Path) -> BTreeMap<String, Vec<String>> {
    let mut members = BTreeMap::new();
    let mut links = BTreeMap::new();
    let mut manifest = Vec::new();
    let mut tar = tar::Archive::new(fs::File::open(archive).expect("opens"));
    for entry in tar.entries().expect("is a tar") {
        let mut entry = entry.expect("is a tar");
        let name = entry.path().expect("path").to_string_lossy().into_owned();
        if let Some(target) = entry.link_name().expect("link") {
            links.insert(name, target.to_string_lossy().trim_start_matches("../").to_owned());
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("reads");
        members.insert(name.clone(), hex::encode(Sha256::digest(&content)));
        if name == "manifest.json" {
            manifest = content;
        }
    }
    let digest = |name: &str| members.get(links.get(name).map_or(name, String::as_str)).expect(name).clone();
    let manifest: Vec<serde_json::Value> = serde_json::from_slice(&manifest).expect("manifest.json");
    let mut images = BTreeMap::new();
    for image in manifest {
        let mut found = vec![digest(image["Config"].as_str().expect("Config"))];
        found.extend(image["Layers"].as_array().expect("Layers").iter().map(|l| digest(l.as_str().expect("name"))));
        for tag in image["RepoTags"].as_array().expect("RepoTags") {
            images.insert(tag.as_str().expect("tag").to_owned(), found.clone());
        }
    }
    images
}

fn columns(listing: &str, skip: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = listing
        .lines()
        .map(|line| line.split_whitespace().filter(|word| !skip.contains(word)).collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    lines
}

const HISTORY: [&str; 4] = ["history", "--no-trunc", "--format", "{{.ID}} {{.Size}} {{.CreatedBy}} {{.Comment}}"];
const LIST: [&str; 4] = ["images", "--no-trunc", "--format", "{{.Repository}} {{.Tag}} {{.ID}} {{.Size}}"];

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn saved_by_dockerd_loaded_and_saved_again_is_the_same() {
    let dockerd = Dockerd::start();
    build_three(&dockerd);
    let outcrop = Outcrop::new();
    let (theirs, ours) = (outcrop.scratch("theirs.tar"), outcrop.scratch("ours.tar"));
    dockerd.ok(["save", "-o", theirs.to_str().expect("utf-8")].iter().chain(&IMAGES));
    outcrop.ok(["load", "-i", theirs.to_str().expect("utf-8")]);
    assert_eq!(columns(&outcrop.ok(LIST), &[]), columns(&dockerd.ok(LIST), &[]));
    outcrop.ok(["save", "-o", ours.to_str().expect("utf-8")].iter().chain(&IMAGES));
    let expected = digests(&theirs);
    assert_eq!(expected.len(), 3, "{expected:?}");
    assert_eq!(digests(&ours), expected);

    dockerd.ok(["rmi"].iter().chain(&IMAGES));
    dockerd.ok(["load", "-i", ours.to_str().expect("utf-8")]);
    dockerd.ok(["save", "-o", theirs.to_str().expect("utf-8")].iter().chain(&IMAGES));
    assert_eq!(digests(&theirs), expected);
    assert_eq!(dockerd.ok(["run", "--rm", "--network", "none", "app1"]), "print(1)\n");
}

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn dockerd_opens_our_root() {
    let outcrop = Outcrop::new();
    {
        let source = Dockerd::start();
        build_three(&source);
        let archive = outcrop.scratch("three.tar");
        source.ok(["save", "-o", archive.to_str().expect("utf-8")].iter().chain(&IMAGES));
        outcrop.ok(["load", "-i", archive.to_str().expect("utf-8")]);
    }
    let listed = columns(&outcrop.ok(LIST), &[]);
    let history = IMAGES.map(|image| outcrop.ok(HISTORY.iter().chain(&[image])));
    let dockerd = Dockerd::on(outcrop.root());
    assert_eq!(columns(&dockerd.ok(LIST), &[]), listed);
    assert_eq!(IMAGES.map(|image| dockerd.ok(HISTORY.iter().chain(&[image]))), history);
    assert_eq!(dockerd.ok(["run", "--rm", "--network", "none", "app2"]), "print(2)\n");
    assert_eq!(
        dockerd.ok(["run", "--rm", "--network", "none", "app2", "ls", "/usr/lib", "/etc"]),
        "/etc:\ngroup\nhostname\nhosts\nmtab\npasswd\nresolv.conf\n\n/usr/lib:\n"
    );
}

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn we_open_a_root_that_dockerd_wrote() {
    let mut dockerd = Dockerd::start();
    build_three(&dockerd);
    let archive = dockerd.scratch("theirs.tar");
    dockerd.ok(["save", "-o", archive.to_str().expect("utf-8")].iter().chain(&IMAGES));
    let listed = columns(&dockerd.ok(LIST), &[]);
    let history = IMAGES.map(|image| dockerd.ok(HISTORY.iter().chain(&[image])));
    let outcrop = Outcrop::on(dockerd.root());

    // alive: it may be read, and only read
    assert_eq!(columns(&outcrop.ok(LIST), &[]), listed);
    let refused = outcrop.run(["tag", "app1", "app3"]);
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && message.contains("dockerd"), "{message}");

    dockerd.stop();
    assert_eq!(columns(&outcrop.ok(LIST), &[]), listed);
    assert_eq!(IMAGES.map(|image| outcrop.ok(HISTORY.iter().chain(&[image]))), history);
    let ours = outcrop.scratch("ours.tar");
    outcrop.ok(["save", "-o", ours.to_str().expect("utf-8")].iter().chain(&IMAGES));
    assert_eq!(digests(&ours), digests(&archive));
    outcrop.ok(["tag", "app1", "app3"]);
    outcrop.ok(["rmi", "app2"]);
    let dockerd = Dockerd::on(outcrop.root());
    assert_eq!(dockerd.ok(["run", "--rm", "--network", "none", "app3"]), "print(1)\n");
    assert!(!dockerd.run(["inspect", "app2"]).status.success());
}

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn a_root_in_use_by_us_is_refused_by_dockerd() {
    let outcrop = Outcrop::new();
    let socket = outcrop.scratch("sock");
    outcrop.ok(["images"]);
    let host = format!("unix://{}", socket.display());
    let mut serve = outcrop.command(["serve", "--host", &host]).spawn().expect("starts");
    while !docker(&host, ["version"]).output().expect("docker").status.success() {
        assert!(serve.try_wait().expect("waits").is_none(), "serve ended");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let output = std::process::Command::new("timeout")
        .args(["20", "dockerd", "--bridge=none", "--iptables=false", "--data-root"])
        .arg(outcrop.root())
        .arg("--host")
        .arg(format!("unix://{}", outcrop.scratch("d.sock").display()))
        .arg("--exec-root")
        .arg(outcrop.scratch("exec"))
        .arg("--pidfile")
        .arg(outcrop.scratch("pid"))
        .output()
        .expect("dockerd");
    let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&serve), rustix::process::Signal::TERM);
    assert!(serve.wait().expect("waits").success(), "serve ends cleanly on SIGTERM");
    assert!(!socket.exists(), "the socket is gone");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && log.contains("metadata database: timeout"), "{log}");
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn names_without_tags_and_folders_are_archives_too() {
    let outcrop = Outcrop::new();
    let archive = |names: &[&str]| {
        let path = outcrop.scratch("all.tar");
        outcrop.ok([&["save", "-o", path.to_str().expect("utf-8")], names].concat());
        path
    };
    for tag in ["1", "2"] {
        outcrop.feed(["import", "-m", tag, "-", &format!("reg.test:5000/app:{tag}")], &rootfs::busybox());
    }
    let folder = outcrop.scratch("layout");
    fs::create_dir_all(&folder).expect("makes");
    let nothing = outcrop.run([OsStr::new("load"), OsStr::new("-i"), folder.as_os_str()]);
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("is a directory"), "{nothing:?}");
    let all = fs::File::open(archive(&["reg.test:5000/app"])).expect("opens");
    tar::Archive::new(all).unpack(&folder).expect("unpacks");
    let other = Outcrop::new();
    let said = other.ok([OsStr::new("load"), OsStr::new("-i"), folder.as_os_str()]);
    assert_eq!(said, "Loaded image: reg.test:5000/app:1\nLoaded image: reg.test:5000/app:2\n");
    for tag in ["1", "2"] {
        let id = ["inspect", "--format", "{{.Id}}", &format!("reg.test:5000/app:{tag}")];
        assert_eq!(outcrop.ok(id), other.ok(id));
    }
    let wrong = outcrop.run(["save", "--platform", "linux/s390x", "reg.test:5000/app"]);
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        !wrong.status.success() && wrong.stdout.is_empty() && said.contains("wanted linux/s390x, actual: linux/"),
        "{said}"
    );
}
