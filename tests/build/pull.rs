//! Builds that pull the images which they name, from Debian's registry on this machine: the built program, the docker CLI, dockerd.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use super::{base, config, history, layers};
use crate::docker_cli::Serve;
use crate::dockerd::{Dockerd, docker};
use crate::outcrop::{Outcrop, text};
use crate::registry::server::{Cutter, Registry};
use crate::registry::{left, tar};

/// A registry with the images that Dockerfiles of these tests name: `base:1`, and `tools:1` with the file `tool`.
struct Place {
    registry: Registry,
    maker: Outcrop,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            registry: Registry::start(),
            maker: Outcrop::new(),
            folder: tempfile::tempdir().expect("temporary directory"),
        };
        place.push("base:1", &base());
        place.push("tools:1", &tar("tool", b"tool\n"));
        place
    }

    fn push(&self, name: &str, tar: &[u8]) {
        let name = format!("{}/{name}", self.registry.host);
        self.maker.feed(["import", "--change", "CMD [\"sh\"]", "-", &name], tar);
        self.maker.ok(["push", "-q", &name]);
    }

    /// Writes a Dockerfile in which `REG` is the registry; gives the folder.
    fn dockerfile(&self, text: &str) -> String {
        let path = self.folder.path().join("Dockerfile");
        fs::write(path, text.replace("REG", &self.registry.host)).expect("writes");
        self.folder.path().to_str().expect("utf-8").to_owned()
    }
}

const NAMED: &str = "FROM REG/base:1 AS first
RUN echo a > /a
FROM REG/base:1
COPY --from=first /a /b
COPY --from=REG/tools:1 /tool /tool
CMD x
";

fn build(host: &str, words: &[&str], folder: &str) -> Output {
    docker(host, ["build", "--network", "none", "-t", "app"].iter().chain(words).chain([&folder]))
        .output()
        .expect("docker starts")
}

/// Nothing is left of pulls and builds.
fn clean(outcrop: &Outcrop) {
    assert_eq!(left(outcrop), Vec::<String>::new());
}

#[test]
#[ignore = "needs root, docker-registry, dockerd and busybox-static: run by .ci/run"]
fn docker_build_pulls_as_dockerd_does() {
    let place = Place::new();
    let (dockerd, serve) = (Dockerd::start(), Serve::start());
    let hosts = [dockerd.host(), serve.host.clone()];
    let folder = place.dockerfile(NAMED);
    let said = hosts.each_ref().map(|host| text(&build(host, &[], &folder)));
    for said in &said {
        for want in ["1: Pulling from base", ": Pull complete", "Status: Downloaded newer image for", "/tools:1\n"] {
            assert!(said.contains(want), "{want}: {said}");
        }
        // Named twice, pulled once.
        assert_eq!(said.matches("1: Pulling from base").count(), 1, "{said}");
    }
    let images = hosts.each_ref().map(|host| (config(host, "app"), history(host, "app", true), layers(host, "app")));
    assert_eq!(images[0].0, images[1].0);
    assert_eq!(images[0].1, images[1].1);
    assert_eq!(images[0].2.len(), images[1].2.len());
    for (theirs, ours) in images[0].2.iter().zip(&images[1].2) {
        assert_eq!(theirs, ours);
    }
    // The registry has something newer under the same name: only `--pull` sees it.
    place.push("base:1", &[&base()[..base().len() - 1024], &tar("newer", b"newer\n")].concat());
    for (host, who) in hosts.iter().zip(["dockerd", "outcrop"]) {
        let old = text(&build(host, &[], &folder));
        assert!(old.contains("Using cache") && !old.contains("Pulling from"), "{who}: {old}");
        let new = text(&build(host, &["--pull"], &folder));
        assert!(new.contains("1: Pulling from base") && new.contains("Downloaded newer image"), "{who}: {new}");
        let lines = layers(host, "app").concat();
        assert!(lines.iter().any(|line| line.starts_with("newer ")), "{who}: {lines:?}");
        let again = text(&build(host, &["--pull"], &folder));
        assert!(again.contains("Status: Image is up to date for"), "{who}: {again}");
        assert!(again.contains("Using cache") && !again.contains("Running in"), "{who}: {again}");
        let quiet = text(&build(host, &["--pull", "-q"], &folder));
        assert!(quiet.starts_with("sha256:") && quiet.lines().count() == 1, "{who}: {quiet}");
    }
    // What is not there, and a registry that is not there.
    for (dockerfile, want) in [
        ("FROM REG/none:1\n", "manifest unknown"),
        ("FROM REG/base:1\nCOPY --from=REG/none:1 /a /a\n", "manifest unknown"),
        ("FROM 127.0.0.1:1/none\n", "connection refused"),
    ] {
        let folder = place.dockerfile(dockerfile);
        for (host, who) in hosts.iter().zip(["dockerd", "outcrop"]) {
            let output = build(host, &[], &folder);
            let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
            assert!(!output.status.success() && said.contains(want), "{who}: {dockerfile}: {said}");
        }
    }
    clean(&serve.outcrop);
}

#[test]
#[ignore = "needs root, docker-registry and busybox-static: run by .ci/run"]
fn a_plan_says_what_would_be_pulled() {
    let place = Place::new();
    let outcrop = Outcrop::new();
    let text = "FROM REG/base:1\nRUN --mount=from=REG/tools:1,source=/tool,target=/t cat /t > /c\nCOPY --from=REG/tools:1 /tool /\n";
    let folder = place.dockerfile(text);
    let plan = || {
        let said = outcrop.ok(["build", "--plan", "--json", &folder]);
        let plan: serde_json::Value = serde_json::from_str(said.trim()).expect("JSON");
        let of = |step: &serde_json::Value| {
            let why = step["Why"].as_str().expect("words").to_owned();
            (step["Reused"].as_bool().expect("is one"), why)
        };
        plan["Steps"].as_array().expect("steps").iter().map(of).collect::<Vec<_>>()
    };
    let before = plan();
    assert_eq!(before[0], (false, "it is not here: it would be pulled".into()));
    assert!(before[1..].iter().all(|step| *step == (false, "a step before it runs".into())), "{before:?}");
    assert_eq!(outcrop.ok(["images", "-aq"]), "", "a plan fetches nothing");
    outcrop.ok(["build", "--network", "none", "-t", "app", &folder]);
    assert_eq!(outcrop.ok(["run", "--rm", "--network", "none", "app", "cat", "/c", "/tool"]), "tool\ntool\n");
    assert!(plan().iter().all(|(reused, _)| *reused), "{:?}", plan());
    let said = outcrop.ok(["build", "--plan", "--pull", &folder]);
    assert!(said.contains("it is here; the registry is asked for a newer one"), "{said}");
    clean(&outcrop);
}

#[test]
#[ignore = "needs root, docker-registry and busybox-static: run by .ci/run"]
fn builds_pull_as_the_user_who_builds() {
    let registry = Registry::start_for_users();
    let maker = Outcrop::new();
    let name = format!("{}/base:1", registry.host);
    maker.feed(["import", "-", &name], &base());
    let log_in = |outcrop: &Outcrop| outcrop.ok(["login", "-u", "me", "-p", "secret", &registry.host]);
    log_in(&maker);
    maker.ok(["push", "-q", &name]);
    let folder = tempfile::tempdir().expect("temporary directory");
    fs::write(folder.path().join("Dockerfile"), format!("FROM {name}\nENV A=1\n")).expect("writes");
    let folder = folder.path().to_str().expect("utf-8");
    let outcrop = Outcrop::new();
    let refused = outcrop.run(["build", folder]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("may require 'outcrop login'"), "{said}");
    log_in(&outcrop);
    outcrop.ok(["build", "-q", folder]);
    // The docker CLI sends its users too.
    let serve = Serve::start();
    let build = |config: PathBuf| {
        let mut command = docker(&serve.host, ["build", "-q", folder]);
        command.env("DOCKER_CONFIG", config).output().expect("docker starts")
    };
    assert!(!build("/nonexistent".into()).status.success());
    text(&build(outcrop.scratch("docker-config")));
}

/// The platform that is asked for is the one that is pulled, also where another one is here under that name.
#[test]
#[ignore = "needs root and docker-registry: run by .ci/run"]
fn platforms_are_pulled() {
    let place = Place::new();
    let strange = format!("{}/strange:1", place.registry.host);
    let maker = &place.maker;
    maker.feed(["import", "--platform", "linux/s390x", "-", &strange], &tar("a", b"a"));
    maker.ok(["push", "-q", &strange]);
    let outcrop = Outcrop::new();
    outcrop.feed(["import", "-", &strange], &tar("b", b"b"));
    let folder =
        place.dockerfile("FROM --platform=linux/s390x REG/strange:1\nARG TARGETARCH\nLABEL arch=$TARGETARCH\n");
    assert!(outcrop.ok(["build", "--plan", &folder]).contains("it would be pulled"));
    outcrop.ok(["build", "-t", "app", &folder]);
    let arch = ["inspect", "--format", "{{.Architecture}} {{.Config.Labels.arch}}", "app"];
    assert!(outcrop.ok(arch).starts_with("s390x "));
    let folder = place.dockerfile("FROM REG/strange:1\nARG TARGETARCH\nLABEL arch=$TARGETARCH\n");
    outcrop.ok(["build", "--platform", "linux/s390x", "-t", "app", &folder]);
    assert_eq!(outcrop.ok(arch).trim(), "s390x s390x");
    // The registry has none for it: both facts are told.
    let folder = place.dockerfile("FROM --platform=linux/arm64 REG/strange:1\n");
    let output = outcrop.run(["build", &folder]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("was found but does not match") && said.contains("cannot be pulled"), "{said}");
    clean(&outcrop);
}

/// Killed or stopped while it pulls, a build leaves nothing but what the next one goes on with.
#[test]
#[ignore = "needs root, docker-registry and busybox-static: run by .ci/run"]
fn builds_that_are_killed_while_they_pull() {
    let place = Place::new();
    place.push("large:1", &[&base()[..base().len() - 1024], &tar("noise", &crate::registry::noise(4 << 20))].concat());
    let cutter = Cutter::start(&place.registry.host);
    let folder = place.dockerfile(&format!("FROM {}/large:1\nRUN echo a > /a\n", cutter.host));
    let outcrop = Outcrop::new();
    let spawn = || {
        let mut command = outcrop.command(["build", "--network", "none", "-t", "app", &folder]);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("starts")
    };
    let only_downloads = |when: &str| {
        outcrop.ok(["images"]);
        let left = left(&outcrop);
        assert!(left.iter().all(|name| name.len() == 64), "{when}: {left:?}");
    };
    let mut random = crate::kill::Random::seeded();
    cutter.slow_down(30);
    for kill in 0..8 {
        let mut build = spawn();
        std::thread::sleep(std::time::Duration::from_millis(random.below(300)));
        build.kill().expect("kills");
        build.wait().expect("ends");
        only_downloads(&format!("kill {kill}"));
    }
    cutter.slow_down(0);
    cutter.hang_after(1);
    let mut build = spawn();
    cutter.wait_until_hanging();
    let interrupt = rustix::process::Signal::INT;
    rustix::process::kill_process(rustix::process::Pid::from_child(&build), interrupt).expect("signals");
    assert_eq!(build.wait().expect("ends").code(), Some(130));
    only_downloads("after an interrupt");
    cutter.let_through();
    outcrop.ok(["build", "--network", "none", "-t", "app", &folder]);
    clean(&outcrop);
    crate::kill::sound(outcrop.root(), "after kills");
}
