//! The cache, plans, failures, builds that are killed: the built program on its own engine.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Output};
use std::time::Duration;

use super::base;
use crate::kill::sound;
use crate::outcrop::{Outcrop, text};

/// An engine with `base:1`, and a folder to build.
struct Place {
    outcrop: Outcrop,
    folder: PathBuf,
}

impl Place {
    fn new(dockerfile: &str) -> Self {
        let outcrop = Outcrop::new();
        outcrop.feed(["import", "--change", "CMD [\"sh\"]", "-", "base:1"], &base());
        let folder = outcrop.scratch("folder");
        fs::create_dir_all(folder.join("sub")).expect("directory");
        let place = Self { outcrop, folder };
        for (name, content) in [("a.txt", "a\n"), ("b.txt", "b\n"), ("sub/c.txt", "c\n"), ("Dockerfile", dockerfile)] {
            place.write(name, content);
        }
        place
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.folder.join(name), content).expect("writes");
    }

    fn run(&self, words: &[&str]) -> Output {
        let folder = self.folder.to_str().expect("utf-8");
        let words = ["build", "--network", "none"].iter().chain(words).copied().chain([folder]);
        self.outcrop.run(words)
    }

    fn spawn(&self, words: &[&str]) -> Child {
        let mut command = self.outcrop.command(["build", "--network", "none"]);
        command.args(words).arg(&self.folder);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("starts")
    }

    /// Builds; the ID, and how many steps were reused.
    fn build(&self, words: &[&str]) -> (String, usize) {
        let said = text(&self.run(words));
        let id = said.lines().find_map(|line| line.strip_prefix("Successfully built ")).expect("an ID").to_owned();
        (id, said.matches("---> Using cache").count())
    }

    /// The numbers of the steps that a plan says will run, and the reason of the first.
    fn plan(&self, words: &[&str]) -> (Vec<u64>, String) {
        let said = text(&self.run(&[&["--plan", "--json"], words].concat()));
        let plan: serde_json::Value = serde_json::from_str(said.lines().next().expect("a plan")).expect("JSON");
        let runs = plan["Steps"].as_array().expect("steps").iter().filter(|step| step["Reused"] == false);
        let why = runs.clone().next().map(|step| step["Why"].as_str().expect("words").to_owned());
        (runs.map(|step| step["Number"].as_u64().expect("a number")).collect(), why.unwrap_or_default())
    }

    fn fails(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.run(words);
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// A file of an image.
    fn cat(&self, image: &str, path: &str) -> Option<Vec<u8>> {
        let mut found = None;
        for (name, _, content) in self.files(image) {
            if name == path {
                found = Some(content);
            }
        }
        found
    }

    /// Path, mode and content of all files of all layers, base first.
    fn files(&self, image: &str) -> Vec<(String, u32, Vec<u8>)> {
        let archive = self.outcrop.scratch("saved.tar");
        self.outcrop.ok(["save", "-o", archive.to_str().expect("utf-8"), image]);
        let bytes = fs::read(&archive).expect("reads");
        let mut members = std::collections::BTreeMap::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().expect("an archive") {
            let mut entry = entry.expect("an entry");
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("content");
            members.insert(entry.path().expect("a path").into_owned(), content);
        }
        let manifest: serde_json::Value = serde_json::from_slice(&members[Path::new("manifest.json")]).expect("JSON");
        let mut files = Vec::new();
        for layer in manifest[0]["Layers"].as_array().expect("layers") {
            let layer = &members[Path::new(layer.as_str().expect("a path"))];
            for entry in tar::Archive::new(layer.as_slice()).entries().expect("a layer") {
                let mut entry = entry.expect("an entry");
                let mut content = Vec::new();
                entry.read_to_end(&mut content).expect("content");
                let path = entry.path().expect("a path").to_string_lossy().into_owned();
                files.push((path, entry.header().mode().expect("a mode") & 0o7777, content));
            }
        }
        files
    }

    /// Nothing of a build is left: no container, marker, transaction, process or mount, and every layer belongs to an image.
    fn nothing_left(&self, when: &str) {
        self.outcrop.ok(["images"]);
        let root = self.outcrop.root();
        for place in ["containers", "outcrop/builds", "outcrop/txn", "outcrop/run", "image/overlay2/layerdb/mounts"] {
            let found = std::process::Command::new("find").arg(root.join(place)).args(["-mindepth", "1"]).output();
            let left = String::from_utf8_lossy(&found.expect("find").stdout).into_owned();
            assert_eq!(left, "", "{when}");
        }
        let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
        let name = root.to_str().expect("utf-8");
        assert!(!mounts.contains(name), "{when}: {mounts}");
        sound(root, when);
    }
}

const FIVE: &str = "FROM base:1\nRUN echo one > /one\nCOPY a.txt /a\nRUN echo two > /two\nCOPY sub /sub\nENV X=1\n";

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn a_change_runs_its_step_and_all_after_it() {
    let place = Place::new(FIVE);
    assert_eq!(place.plan(&[]).0, [2, 3, 4, 5, 6]);
    let (first, reused) = place.build(&["-t", "app"]);
    assert_eq!(reused, 0);
    assert_eq!(place.plan(&[]), (vec![], String::new()));
    assert_eq!(place.build(&[]), (first.clone(), 5));
    // Times are no content, and a file that nothing copies is nobody's.
    fs::File::open(place.folder.join("a.txt")).and_then(|f| f.set_modified(std::time::UNIX_EPOCH)).expect("a time");
    place.write("b.txt", "changed\n");
    assert_eq!(place.build(&[]), (first.clone(), 5));
    for (name, content, runs, why) in [
        ("sub/c.txt", "changed\n", vec![5, 6], "COPY: sub/c.txt changed since"),
        ("a.txt", "changed\n", vec![3, 4, 5, 6], "COPY: a.txt changed since"),
    ] {
        place.write(name, content);
        let (planned, reason) = place.plan(&[]);
        assert_eq!((planned, reason.as_str()), (runs.clone(), why));
        assert_eq!(place.build(&[]).1, 5 - runs.len());
    }
    place.write("Dockerfile", &FIVE.replace("echo two", "echo three"));
    assert_eq!(place.plan(&[]).0, [4, 5, 6]);
    assert_eq!(place.build(&[]).1, 2);
    // Docker's own cache does not look at these two.
    place.write("Dockerfile", &FIVE.replace("COPY a.txt", "SHELL [\"/bin/sh\", \"-c\"]\nCOPY a.txt"));
    assert_eq!(place.plan(&[]).0.first(), Some(&3));
    place.write("Dockerfile", FIVE);
    place.write("a.txt", "a\n");
    place.write("sub/c.txt", "c\n");
    assert_eq!(place.build(&[]), (first, 5), "what was built once is found again");
    assert_eq!(place.build(&["--no-cache"]).1, 0);
    place.nothing_left("after builds");
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn two_dockerfiles_share_their_first_layers() {
    let one = "FROM base:1\nRUN mkdir -p /lib && seq 1 500 > /lib/python\nRUN echo flask > /lib/flask\nCOPY . /opt/source-code\nENTRYPOINT run /opt/source-code/a.txt\n";
    let place = Place::new(one);
    place.write("Dockerfile.two", &one.replace("COPY .", "COPY b.txt").replace("a.txt", "b.txt"));
    let told = text(&place.run(&["--plan", "--against", "Dockerfile.two"]));
    assert!(told.contains("the first 3 steps are those of Dockerfile"), "{told}");
    assert!(told.contains("differs from Dockerfile here"), "{told}");
    place.build(&["-t", "app1"]);
    let two = place.folder.join("Dockerfile.two");
    let file = ["-f", two.to_str().expect("utf-8")];
    assert_eq!(place.plan(&file).0, [4, 5], "said before");
    let (_, reused) = place.build(&[&file[..], &["-t", "app2"]].concat());
    assert_eq!(reused, 2);
    let layers = |name: &str| -> Vec<String> {
        let shown = place.outcrop.ok(["inspect", "--format", "{{json .RootFS.Layers}}", name]);
        serde_json::from_str(&shown).expect("JSON")
    };
    let (one, two) = (layers("app1"), layers("app2"));
    assert_eq!((one.len(), two.len()), (4, 4));
    assert_eq!(one[..3], two[..3]);
    assert_ne!(one[3], two[3]);
    let stored = fs::read_dir(place.outcrop.root().join("image/overlay2/layerdb/sha256")).expect("layers").count();
    assert_eq!(stored, 5, "three that both have, and one of each");
    place.nothing_left("after builds");
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn a_failing_step_keeps_those_before_it() {
    let place = Place::new("FROM base:1\nRUN echo one > /one\nENV A=1\nRUN echo hello; exit 3\nRUN echo never\n");
    for _ in 0..2 {
        let (code, said) = place.fails(&["-t", "no"]);
        assert_eq!(code, Some(3));
        assert!(said.contains("The command '/bin/sh -c echo hello; exit 3' returned a non-zero code: 3"), "{said}");
        assert!(said.contains("Dockerfile:4:") && said.contains("the steps before it are kept"), "{said}");
        place.nothing_left("after a failure");
    }
    assert_eq!(place.plan(&[]).0, [4, 5]);
    assert!(!place.outcrop.ok(["images"]).contains("no "));
    place.write("Dockerfile", "FROM base:1\nRUN echo one > /one\nENV A=1\nRUN [\"/nothing\"]\n");
    let (_, said) = place.fails(&[]);
    assert!(said.contains("Dockerfile:4:") && said.contains("/nothing"), "{said}");
    place.nothing_left("after a command that is not there");
    let file = place.outcrop.scratch("iid");
    fs::write(&file, "of an earlier build").expect("writes");
    let quiet = place.run(&["-q", "--iidfile", file.to_str().expect("utf-8")]);
    assert!(!quiet.status.success() && !file.exists());
    let nameless = place.run(&["--build-arg", "=x"]);
    assert_eq!(nameless.status.code(), Some(125));
    place.outcrop.ok(["builder", "prune", "-f"]);
    assert_eq!(place.plan(&[]).0, [2, 3, 4]);
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn mistakes_name_line_and_word() {
    let place = Place::new("");
    place.write(".dockerignore", "b.txt\n");
    std::os::unix::fs::symlink("nowhere", place.folder.join("lost")).expect("link");
    let lost = "Dockerfile:2: COPY failed: file not found in build context or excluded by .dockerignore: stat lost: file does not exist; it is a link to something that is not there\n";
    for (dockerfile, said) in [
        ("", "Dockerfile: has no instructions"),
        (
            "FROM base:1\nRUNN x\n",
            "Dockerfile:2: unknown instruction: RUNN (did you mean RUN?)\n  2 | RUNN x\n    | ^^^^",
        ),
        ("FROM base:1\nCOPY ../x /\n", "Dockerfile:2: COPY failed: forbidden path outside the build context: ../x"),
        (
            "FROM base:1\nCOPY a.tx /\n",
            "stat a.tx: file does not exist; did you mean a.txt?\n  2 | COPY a.tx /\n    |      ^^^^",
        ),
        ("FROM base:1\nCOPY b.txt /\n", "; .dockerignore leaves it out"),
        ("FROM base:1\nCOPY lost /\n", lost),
        ("FROM base:1\nCOPY l*t /\n", lost),
        (
            "FROM base:1\nCOPY --from=7 a /\n",
            "Dockerfile:2: invalid from flag value 7: there is no stage of that number",
        ),
        ("FROM base:1\nWORKDIR $NOTHING\n", "Dockerfile:2: WORKDIR: cannot normalize nothing"),
        ("FROM base:1\nCOPY a.txt sub /x\n", "the destination must be a directory and end with a /"),
        ("FROM base:1\nCOPY --chown=bob a.txt /x\n", "can't find uid for user bob"),
        ("FROM base:1\nCOPY a.txt /etc/passwd/\n", "cannot copy to /etc/passwd/"),
        (
            "FROM 127.0.0.1:1/nothing:1\n",
            "Dockerfile:1: there is no image 127.0.0.1:1/nothing:1 here, and it cannot be pulled: registry 127.0.0.1:1: ",
        ),
        ("FROM base:1\nRUN <<EOF\necho\n", "Dockerfile:2: unterminated heredoc"),
        ("FROM base:1\nENV A=${B:?needed}\n", "B: needed"),
        ("FROM base:1\nSTOPSIGNAL nine\n", "Invalid signal: nine"),
        ("FROM scratch\n", "No image was generated"),
        ("FROM scratch\nRUN x\n", "there is no program to run"),
    ] {
        place.write("Dockerfile", dockerfile);
        let (_, error) = place.fails(&[]);
        assert!(error.contains(said), "{dockerfile}\n{error}");
    }
    // Without any network: nobody is asked who could know.
    place.write("Dockerfile", "FROM base:1 AS tools\nFROM base:1\nCOPY --from=tols /a /b\n");
    let mut alone = std::process::Command::new("unshare");
    let build = place.outcrop.command(["build"]);
    alone.arg("--net").arg(build.get_program()).args(build.get_args()).arg(&place.folder);
    let said = String::from_utf8_lossy(&alone.output().expect("unshare").stderr).into_owned();
    assert!(said.contains("(did you mean the stage tools?), and it cannot be pulled: registry"), "{said}");
    place.write("Dockerfile", "\u{feff}FROM base:1\r\nRUN echo a \\\r\n > /crlf\r\n");
    place.build(&["-t", "crlf"]);
    assert_eq!(place.cat("crlf", "crlf"), Some(b"a\n".to_vec()));
    place.nothing_left("after mistakes");
}

/// Everything that only BuildKit has.
const KIT: &str = "# syntax=docker/dockerfile:1
FROM base:1 AS tools
RUN mkdir /out && echo tool > /out/tool
FROM base:1
ARG TARGETARCH
RUN <<EOF
echo $TARGETARCH > /arch
echo here > /heredoc
EOF
RUN <<-SCRIPT
\t#!/bin/cat
\tscript
SCRIPT
RUN cat <<A > /cat
text
A
COPY <<one.txt <<\"two.txt\" /docs/
arch $TARGETARCH \"quoted\"
one.txt
raw $TARGETARCH
two.txt
COPY --chmod=0750 --link a.txt /chmod
COPY --chmod=u=rwX,go= sub /symbolic
COPY --exclude=*.txt --exclude=sub . /excluded/
COPY --parents sub/c.txt /parents/
ADD --checksum=sha256:SUM http://ADDRESS/get/file.bin /
ADD --unpack=false a.txt /plain
RUN --mount=type=cache,target=/cache,id=c echo x > /cache/x
RUN --mount=type=cache,target=/elsewhere,id=c cat /elsewhere/x > /from-cache
RUN --mount=type=bind,source=sub,target=/ctx --mount=from=tools,source=/out,target=/tools,rw cat /ctx/c.txt /tools/tool > /bound && echo y > /tools/more
RUN --mount=type=tmpfs,target=/mem,size=1m stat -f -c %T /mem > /tmpfs; echo z > /mem/z
RUN --mount=type=secret,id=s,required=true cat /run/secrets/s > /dev/null
RUN --mount=type=secret,id=s,env=TOKEN test ${#TOKEN} = 6
RUN --network=none ls /sys/class/net > /net
";

fn check_kit(place: &Place) {
    let arch = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    for (path, content) in [
        ("arch", format!("{arch}\n")),
        ("heredoc", "here\n".into()),
        ("cat", "text\n".into()),
        ("docs/one.txt", format!("arch {arch} \"quoted\"\n")),
        ("docs/two.txt", "raw $TARGETARCH\n".into()),
        ("parents/sub/c.txt", "c\n".into()),
        ("file.bin", "file".into()),
        ("from-cache", "x\n".into()),
        ("bound", "c\ntool\n".into()),
        ("tmpfs", "tmpfs\n".into()),
        ("net", "lo\n".into()),
    ] {
        let found = place.cat("kit", path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert_eq!(found.as_deref(), Some(content.as_str()), "{path}");
    }
    let files = place.files("kit");
    let mode =
        |path: &str| files.iter().find(|(name, ..)| name.trim_end_matches('/') == path).map(|(_, mode, _)| *mode);
    assert_eq!((mode("chmod"), mode("symbolic/c.txt")), (Some(0o750), Some(0o600)));
    assert_eq!((mode("excluded/Dockerfile"), mode("excluded/a.txt"), mode("excluded/sub")), (Some(0o644), None, None));
    // What was mounted left nothing, and the secret is nowhere.
    for gone in ["cache", "elsewhere", "ctx", "tools", "mem", "run/secrets", "run/secrets/s", "dev/pipes"] {
        assert_eq!(mode(gone), None, "{gone}");
    }
    assert!(!files.iter().any(|(.., content)| String::from_utf8_lossy(content).contains("geheim")));
    assert!(!place.outcrop.ok(["inspect", "kit"]).contains("geheim"));
    let root = place.outcrop.root().to_str().expect("utf-8").to_owned();
    let found = std::process::Command::new("grep").args(["-rl", "geheim", &root]).output().expect("grep");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn what_only_buildkit_has() {
    let place = Place::new("");
    place.write("secret", "geheim");
    place.write(".dockerignore", "secret\n");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nfile");
        }
    });
    let sum = "3b9c358f36f0a31b6ad3e14f309c7cf198ac9246e8316f9ce543d5b19ac02b80";
    let dockerfile = KIT.replace("SUM", sum).replace("ADDRESS", &address.to_string());
    place.write("Dockerfile", &dockerfile);
    let secret = format!("id=s,src={}", place.folder.join("secret").display());
    let output = place.run(&["-t", "kit"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("secret s is required"), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("\nscript\n"), "what a script without a shell said");
    let words = ["-t", "kit", "--secret", &secret];
    text(&place.run(&words));
    check_kit(&place);
    // All of it is found again; a bind mount's content counts.
    assert_eq!(place.plan(&words[2..]).0, Vec::<u64>::new());
    place.write("sub/c.txt", "changed\n");
    assert!(!place.plan(&words[2..]).0.is_empty());
    place.write("Dockerfile", &format!("FROM base:1\nADD --checksum=sha256:{} http://{address}/f /\n", "0".repeat(64)));
    let (_, error) = place.fails(&[]);
    assert!(error.contains("digest mismatch"), "{error}");
    place.nothing_left("after builds");
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn builds_at_once_do_not_disturb_each_other() {
    let place = Place::new(FIVE);
    let mut builds: Vec<Child> = (0..4)
        .map(|n| place.spawn(&["-t", &format!("app{n}"), if n > 1 { "--no-cache" } else { "--quiet" }]))
        .collect();
    for build in &mut builds {
        assert!(build.wait().expect("waits").success());
    }
    assert_eq!(place.build(&[]).1, 5);
    place.nothing_left("after four builds");
    for n in 0..4 {
        place.outcrop.ok(["rmi", &format!("app{n}")]);
    }
    place.outcrop.ok(["builder", "prune", "-f"]);
    let stored = fs::read_dir(place.outcrop.root().join("image/overlay2/layerdb/sha256")).expect("layers").count();
    assert_eq!(stored, 1, "only the base is left");
    place.nothing_left("after removing all");
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn killed_builds_leave_nothing() {
    let slow = FIVE.replace("echo two", "sleep 0.1; echo two");
    let place = Place::new(&slow);
    let mut random = crate::kill::Random::seeded();
    for n in 0..50 {
        let mut build = place.spawn(&["--no-cache", "-t", "killed"]);
        std::thread::sleep(Duration::from_millis(random.below(400)));
        build.kill().expect("kills");
        build.wait().expect("waits");
        place.nothing_left(&format!("kill {n}"));
    }
    let (id, _) = place.build(&["-t", "whole"]);
    assert_eq!(place.build(&[]), (id, 5), "the cache is right");
    assert_eq!(place.cat("whole", "two"), Some(b"two\n".to_vec()));
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn a_full_disk_is_told() {
    let small = tempfile::tempdir().expect("temporary directory");
    let mounted =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=40m", "tmpfs"]).arg(small.path()).status();
    assert!(mounted.expect("mount").success());
    let outcrop = Outcrop::on(&small.path().join("root"));
    outcrop.feed(["import", "-", "base:1"], &base());
    let folder = outcrop.scratch("folder");
    fs::create_dir(&folder).expect("directory");
    fs::write(folder.join("Dockerfile"), "FROM base:1\nRUN echo kept > /kept\nRUN cat /dev/zero > /large\n")
        .expect("writes");
    let place = Place { outcrop, folder };
    let (_, error) = place.fails(&[]);
    assert!(error.contains("returned a non-zero code: 1"), "{error}");
    place.nothing_left("after a command filled the disk");
    assert_eq!(place.plan(&[]).0, [3]);
    place.write("Dockerfile", "FROM base:1\nCOPY large /\n");
    fs::File::create(place.folder.join("large")).and_then(|file| file.set_len(60 << 20)).expect("a file");
    let (_, error) = place.fails(&[]);
    assert!(error.contains("space"), "{error}");
    place.nothing_left("after a context that is too large");
    let _ = std::process::Command::new("umount").arg("-l").arg(small.path()).status();
}
