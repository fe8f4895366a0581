//! The real docker CLI against `outcrop serve`, its output compared with the same commands against dockerd.

mod containers;
mod persistent;
mod script;

use std::process::{Child, Output};

use crate::archive::{Image, Member, pack};
use crate::dockerd::{Dockerd, docker};
use crate::outcrop::{Outcrop, feed};
use crate::rootfs;

/// A running `outcrop serve`; ended when dropped.
pub(crate) struct Serve {
    pub(crate) outcrop: Outcrop,
    pub(crate) host: String,
    child: Child,
}

impl Serve {
    /// Starts on a new root and waits until it answers.
    pub(crate) fn start() -> Self {
        let outcrop = Outcrop::new();
        let host = format!("unix://{}", outcrop.scratch("sock").display());
        let child = outcrop.command(["serve", "--host", &host]).spawn().expect("starts");
        let mut serve = Self { outcrop, host, child };
        serve.wait_until_up();
        serve
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // Containers outlive it.
        if let Ok(output) = docker(&self.host, ["ps", "-aq"]).output() {
            let ids = String::from_utf8_lossy(&output.stdout).into_owned();
            if !ids.trim().is_empty() {
                let _ = docker(&self.host, ["rm", "-f"].into_iter().chain(ids.split_whitespace())).output();
            }
        }
        self.end();
    }
}

impl Serve {
    /// Starts again, on the same root.
    pub(crate) fn restart(&mut self) {
        self.end();
        self.child = self.outcrop.command(["serve", "--host", &self.host]).spawn().expect("starts");
        self.wait_until_up();
    }

    fn wait_until_up(&mut self) {
        while !docker(&self.host, ["version"]).output().expect("docker").status.success() {
            assert!(self.child.try_wait().expect("waits").is_none(), "serve ended");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Ends it and leaves its containers.
    pub(crate) fn end(&mut self) {
        let _ =
            rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// What of an output has to be the same: exit code, both streams, times and ids of images that differ by their time left out.
fn comparable(output: &Output, forget: &[&str]) -> String {
    let mut text = format!(
        "{:?}\n{}{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    for word in forget {
        text = text.replace(word, "…");
    }
    // dockerd 20.10 says these three in words that later ones have dropped
    for (old, new) in
        [("Invalid filter", "invalid filter"), ("no such image: nothing: No", "No"), ("nothing:latest", "nothing")]
    {
        text = text.replace(old, new);
    }
    // images of the same second stand in no order, and the second may have passed
    let mut lines: Vec<String> = text
        .replace("Less than a second ago", "now")
        .replace("1 second ago", "now")
        .lines()
        .map(|line| {
            line.split_whitespace()
                .map(|word| if word == "seconds" { "now" } else { word })
                .collect::<Vec<_>>()
                .join(" ")
        })
        .map(|line| line.replace("2 now ago", "now").replace("3 now ago", "now").replace("4 now ago", "now"))
        .collect();
    lines.sort();
    lines.join("\n")
}

/// The image ID that a name has on `host`.
fn id(host: &str, name: &str) -> String {
    let output = docker(host, ["inspect", "--format", "{{.Id}}", name]).output().expect("docker");
    String::from_utf8_lossy(&output.stdout).trim().trim_start_matches("sha256:").to_owned()
}

/// The commands whose whole output must agree, in this order.
const SCRIPT: &[&str] = &[
    "images",
    "images -a --no-trunc",
    "images --digests",
    "images -q base",
    "images --filter dangling=true",
    "images --filter reference=ba*",
    "images --filter label=a=b",
    "images --filter since=base:1",
    "images --filter bogus=1",
    "image ls --format {{.Repository}}:{{.Tag}},{{.Size}}",
    "history base:1 --human=false --format {{.Size}}|{{.CreatedBy}}|{{.Comment}}",
    "history --no-trunc --format {{.ID}}|{{.CreatedBy}}|{{.Size}} one:1",
    "history nothing",
    "inspect nothing",
    "image inspect nothing",
    "inspect --type image --format {{json.RootFS}} one:1",
    "inspect --format {{json.Config.Env}}{{.Architecture}}{{.Os}}{{.Size}}{{json.RepoTags}} one:1",
    "tag one:1 two:2",
    "tag one:1 localhost:5000/a/b:c",
    "tag one:1 UPPER:x",
    "tag nothing one:2",
    "images two",
    "rmi two:2",
    "rmi two:2",
    "rmi localhost:5000/a/b:c",
    "tag one:1 three:3",
    "rmi -f three:3",
    "save nothing",
    "tag base:1 one:1",
    "image prune -f",
    "images -a --no-trunc",
    "load -i /nonexistent",
    "rmi base:1 one:1",
    "images",
    "image prune -a -f",
    "rmi nothing",
];

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn says_what_it_says_against_dockerd() {
    let dockerd = Dockerd::start();
    let serve = Serve::start();
    let one =
        Image::of("one:1", vec![pack(vec![Member::file("a", "b")]), pack(vec![Member::file("c", "d")])]).archive();
    let mut differences = Vec::new();
    let mut outputs = [&dockerd.host(), &serve.host].map(|host| {
        let import = ["import", "--change", "CMD [\"sh\"]", "--change", "ENV A=b", "--message", "hello", "-", "base:1"];
        let imported = feed(docker(host, import), &rootfs::busybox());
        assert!(imported.status.success(), "{imported:?}");
        let loaded = feed(docker(host, ["load"]), &one);
        let base = id(host, "base:1");
        let forget = [base.as_str(), &base[..12]];
        let mut outputs = vec![("load".to_owned(), comparable(&loaded, &forget))];
        for line in SCRIPT {
            let words: Vec<String> = line.split(' ').map(|word| word.replace("{{json.", "{{json .")).collect();
            let output = docker(host, &words).output().expect("docker");
            outputs.push((words.join(" "), comparable(&output, &forget)));
        }
        outputs.into_iter()
    });
    while let (Some(theirs), Some(ours)) = (outputs[0].next(), outputs[1].next()) {
        if theirs != ours {
            differences.push(format!("docker {}\n--- dockerd\n{}\n--- outcrop\n{}", theirs.0, theirs.1, ours.1));
        }
    }
    assert!(differences.is_empty(), "{} commands differ:\n\n{}", differences.len(), differences.join("\n\n"));
}

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn the_rest_works() {
    let serve = Serve::start();
    let docker = |arguments: &[&str]| crate::outcrop::text(&docker(&serve.host, arguments).output().expect("docker"));
    feed(crate::dockerd::docker(&serve.host, ["import", "-", "base:1"]), &rootfs::busybox());
    assert!(docker(&["version"]).contains("Server:"));
    let info = docker(&["info", "--format", "{{.Driver}} {{.DockerRootDir}} {{.Images}}"]);
    assert_eq!(info.trim(), format!("overlay2 {} 1", serve.outcrop.root().display()));
    assert!(docker(&["info"]).contains("Storage Driver: overlay2"));
    let df = docker(&["system", "df"]);
    assert!(df.lines().any(|line| line.starts_with("Images") && line.split_whitespace().nth(1) == Some("1")), "{df}");
    assert!(docker(&["system", "df", "-v"]).contains("base"));
    docker(&["tag", "base:1", "again:2"]);
    docker(&["rmi", "again:2"]);
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs() + 1;
    let events = docker(&["events", "--since", "1h", "--until", &now.to_string(), "--format", "{{.Type}} {{.Action}}"]);
    assert_eq!(events, "image import\nimage tag\nimage untag\n");
    let saved = serve.outcrop.scratch("saved.tar");
    docker(&["save", "-o", saved.to_str().expect("utf-8"), "base:1"]);
    docker(&["rmi", "base:1"]);
    docker(&["load", "-i", saved.to_str().expect("utf-8")]);
    assert!(docker(&["images"]).contains("base"));
}
