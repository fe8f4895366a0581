//! Builds beside dockerd's classic builder: the same Dockerfiles, the same images.

mod cache;
mod download;
mod pull;
mod screen;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::docker_cli::Serve;
use crate::dockerd::{Dockerd, docker};
use crate::outcrop::{feed, text};

/// The programs that Dockerfiles of the tests run.
const APPLETS: &[&str] = &[
    "sh", "ls", "cat", "echo", "mkdir", "rm", "true", "false", "chmod", "chown", "cp", "mv", "ln", "touch", "id",
    "env", "sort", "find", "mkfifo", "test", "sleep", "pwd", "stat", "seq",
];

/// A small root file system with accounts.
pub(crate) fn base() -> Vec<u8> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().map(Path::new).find(|path| path.exists());
    let content = fs::read(busybox.expect("apt-get install busybox-static")).expect("reads busybox");
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, kind, mode, content: &[u8], link: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_700_000_000);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        if link.is_empty() {
            tar.append_data(&mut header, name, content).expect("memory");
        } else {
            tar.append_link(&mut header, name, link).expect("memory");
        }
    };
    for name in ["bin/", "etc/", "tmp/", "var/", "opt/", "home/", "home/alice/"] {
        add(name, tar::EntryType::Directory, if name == "tmp/" { 0o1777 } else { 0o755 }, b"", "");
    }
    add("bin/busybox", tar::EntryType::Regular, 0o755, &content, "");
    for applet in APPLETS {
        add(&format!("bin/{applet}"), tar::EntryType::Symlink, 0o777, b"", "busybox");
    }
    let passwd = b"root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n";
    add("etc/passwd", tar::EntryType::Regular, 0o644, passwd, "");
    add("etc/group", tar::EntryType::Regular, 0o644, b"root:x:0:\nalice:x:1000:\n", "");
    tar.into_inner().expect("memory")
}

/// A build context with files of every kind.
pub(crate) fn context() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("temporary directory");
    let at = |name: &str| directory.path().join(name);
    for name in ["sub/deep", "modes"] {
        fs::create_dir_all(at(name)).expect("directory");
    }
    for (name, content, mode) in [
        ("a.txt", "a\n", 0o644),
        ("b.txt", "b\n", 0o600),
        ("sp ace.txt", "space\n", 0o644),
        ("run.sh", "#!/bin/sh\necho run\n", 0o755),
        ("sub/b", "b\n", 0o640),
        ("sub/deep/c", "c\n", 0o644),
        ("modes/setuid", "x\n", 0o4755),
        ("modes/none", "y\n", 0o000),
        ("modes/shared", "z\n", 0o2664),
    ] {
        fs::write(at(name), content).expect("file");
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).expect("mode");
    }
    fs::set_permissions(at("sub/deep"), fs::Permissions::from_mode(0o1711)).expect("mode");
    fs::hard_link(at("modes/shared"), at("modes/again")).expect("link");
    symlink("b", at("sub/link")).expect("link");
    symlink("sub/deep", at("linked")).expect("link");
    let archive = |name: &str, compress: bool| {
        let mut command = std::process::Command::new("tar");
        command.arg("-C").arg(directory.path()).args(["--owner=11", "--group=12", "--mtime=@1600000000"]);
        command.arg(if compress { "-czf" } else { "-cf" }).arg(at(name)).args(["sub", "run.sh"]);
        assert!(command.status().expect("tar").success());
    };
    archive("ar.tar.gz", true);
    archive("plain.tar", false);
    directory
}

/// What `# word:` at the beginning of a Dockerfile of the tests says.
fn note<'a>(dockerfile: &'a str, word: &str) -> Vec<&'a str> {
    let prefix = format!("# {word}: ");
    dockerfile
        .lines()
        .find_map(|line| line.strip_prefix(prefix.as_str()))
        .unwrap_or_default()
        .split_whitespace()
        .collect()
}

fn build(host: &str, name: &str, context: &Path, extra: &[&str]) -> Output {
    let mut words = vec!["build", "--network", "none", "-t", name];
    words.extend(extra);
    docker(host, words.iter().map(|&word| word.to_owned()).chain([context.display().to_string()]))
        .output()
        .expect("docker")
}

/// An image's configuration without what is another's by nature.
pub(crate) fn config(host: &str, name: &str) -> Value {
    let output = docker(host, ["inspect", "--format", "{{json .Config}}", name]).output().expect("docker");
    let mut config: Value = serde_json::from_str(&text(&output)).expect("JSON");
    config["Image"] = Value::Null;
    config["Hostname"] = Value::Null;
    if let Some(parts) = config.as_object_mut() {
        parts.retain(|_, value| {
            !(value.is_null() || value == &serde_json::json!([]) || value == &serde_json::json!({}))
        });
    }
    config
}

pub(crate) fn history(host: &str, name: &str, mask: bool) -> Vec<String> {
    let mut output =
        docker(host, ["history", "--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", name]);
    let shown = text(&output.output().expect("docker"));
    // Digests of what is copied: 64 digits after `file:`, `dir:` or `multi:`.
    let masked = |word: &str| match word.rsplit_once(':') {
        Some((kind, sum)) if mask && sum.len() == 64 => format!("{kind}:…"),
        _ => word.to_owned(),
    };
    shown.lines().map(|line| line.split(' ').map(masked).collect::<Vec<_>>().join(" ")).collect()
}

/// Every layer of an image as lines, one an entry: all of its metadata and the digest of its content.
pub(crate) fn layers(host: &str, name: &str) -> Vec<Vec<String>> {
    let output = docker(host, ["save", name]).output().expect("docker");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut members: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for entry in tar::Archive::new(output.stdout.as_slice()).entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("content");
        members.insert(entry.path().expect("a path").into_owned(), content);
    }
    let manifest: Value = serde_json::from_slice(&members[Path::new("manifest.json")]).expect("JSON");
    let paths = manifest[0]["Layers"].as_array().expect("layers");
    paths.iter().map(|path| lines(&members[Path::new(path.as_str().expect("a path"))])).collect()
}

fn lines(layer: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in tar::Archive::new(layer).entries().expect("a layer") {
        let mut entry = entry.expect("an entry");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("content");
        let header = entry.header().clone();
        // Times of what a step makes itself are the step's; those of copied files count.
        let time = header.mtime().expect("a time");
        let time = if time < 1_700_000_000 { time.to_string() } else { "now".into() };
        let path = entry.path_bytes().into_owned();
        let is_link = header.entry_type().is_symlink() || header.entry_type().is_hard_link();
        let link = entry.link_name_bytes().filter(|_| is_link);
        let link = link.map(|link| String::from_utf8_lossy(&link).into_owned());
        lines.push(format!(
            "{} {:?} {:o} {}:{} {time} {link:?} {}",
            String::from_utf8_lossy(&path),
            header.entry_type(),
            header.mode().expect("a mode") & 0o7777,
            header.uid().expect("an owner"),
            header.gid().expect("a group"),
            hex::encode(&Sha256::digest(&content)[..6]),
        ));
    }
    lines.sort();
    lines
}

/// All that has to be the same.
fn compare(name: &str, dockerfile: &str, hosts: [&str; 2]) -> Vec<String> {
    let context = context();
    fs::write(context.path().join("Dockerfile"), dockerfile).expect("writes");
    let ignore = note(dockerfile, "ignore");
    if !ignore.is_empty() {
        fs::write(context.path().join(".dockerignore"), ignore.join("\n")).expect("writes");
    }
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_mins(25_000_000);
    for entry in fs::read_dir(context.path()).expect("reads") {
        let path = entry.expect("an entry").path();
        if path.is_file() && !path.is_symlink() {
            fs::File::open(&path).and_then(|file| file.set_modified(old)).expect("a time");
        }
    }
    let extra = note(dockerfile, "build");
    let outputs = hosts.map(|host| build(host, name, context.path(), &extra));
    let mut wrong = Vec::new();
    for (output, who) in outputs.iter().zip(["dockerd", "outcrop"]) {
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            wrong.push(format!("{name}: {who}: {}", said.lines().rev().take(4).collect::<Vec<_>>().join(" | ")));
        }
    }
    if !wrong.is_empty() {
        return wrong;
    }
    let mut differ = |what: &str, theirs: String, ours: String| {
        if theirs != ours {
            wrong.push(format!("{name}: {what}\n  dockerd {theirs}\n  outcrop {ours}"));
        }
    };
    let [theirs, ours] = hosts.map(|host| config(host, name).to_string());
    differ("configuration", theirs, ours);
    // Docker follows links when it sums up a directory, and so misses a link that changed: there the sums differ.
    // It also counts what its host calls the owners of files that stages made.
    let owned = dockerfile.contains("--from") && dockerfile.contains("chown");
    let mask = owned || dockerfile.contains("COPY") && has_links(dockerfile);
    let [theirs, ours] = hosts.map(|host| history(host, name, mask).join("\n    "));
    differ("history", theirs, ours);
    let [theirs, ours] = hosts.map(|host| layers(host, name));
    differ("number of layers", theirs.len().to_string(), ours.len().to_string());
    for (at, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
        let only = |of: &[String], other: &[String]| {
            of.iter().filter(|line| !other.contains(line)).cloned().collect::<Vec<_>>().join("\n    ")
        };
        differ(&format!("layer {at}"), only(theirs, ours), only(ours, theirs));
    }
    wrong
}

/// Whether a directory with links in it is copied.
fn has_links(dockerfile: &str) -> bool {
    [" . ", " sub", "[a-b]", "sub/?"].iter().any(|part| dockerfile.contains(part)) || dockerfile.contains("linked")
}

/// The Dockerfiles of the tests.
fn dockerfiles() -> Vec<(String, String)> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dockerfiles");
    let mut all: Vec<(String, String)> = fs::read_dir(home)
        .expect("Dockerfiles")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a Dockerfile"))
        })
        .collect();
    all.sort();
    all
}

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn builds_what_dockerd_builds() {
    let dockerd = Dockerd::start();
    let serve = Serve::start();
    for host in [&dockerd.host(), &serve.host] {
        let imported = feed(docker(host, ["import", "--change", "CMD [\"sh\"]", "-", "base:1"]), &base());
        assert!(imported.status.success(), "{imported:?}");
    }
    let all = dockerfiles();
    assert!(all.len() >= 40, "{} Dockerfiles", all.len());
    let wrong: Vec<String> =
        all.iter().flat_map(|(name, text)| compare(name, text, [&dockerd.host(), &serve.host])).collect();
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

const SHARED: &str = "FROM base:1
ARG A=1
ENV B=c
RUN echo $A > /a
COPY a.txt sub /copied/
WORKDIR /made
RUN [\"/bin/sh\", \"-c\", \"echo b\"]
LABEL l=m
EXPOSE 80
HEALTHCHECK --interval=3s CMD true
ENTRYPOINT [\"/bin/sh\"]
CMD x
";

/// Builds with `command` before PATH; how many steps were reused.
fn reused(output: &Output) -> usize {
    text(output).matches("---> Using cache").count()
}

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn the_cache_is_one_with_dockerds() {
    let context = context();
    fs::remove_file(context.path().join("sub/link")).expect("removes");
    fs::write(context.path().join("Dockerfile"), SHARED).expect("writes");
    let folder = context.path().to_str().expect("utf-8");
    for ours_first in [true, false] {
        let outcrop = crate::outcrop::Outcrop::new();
        outcrop.feed(["import", "-", "base:1"], &base());
        let ours = || outcrop.run(["build", "--network", "none", "-t", "app", folder]);
        let theirs = || {
            let mut dockerd = Dockerd::on(outcrop.root());
            let output = build(&dockerd.host(), "app", context.path(), &[]);
            dockerd.stop();
            output
        };
        let (first, second) = if ours_first { (ours(), theirs()) } else { (theirs(), ours()) };
        assert_eq!((reused(&first), reused(&second)), (0, 11), "{ours_first}: {}", text(&second));
    }
}
