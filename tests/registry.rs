//! Images to and from Debian's registry on this machine, beside dockerd and skopeo.

mod proxy;
mod screen;
pub(crate) mod server;
mod tls;

use std::collections::BTreeMap;
use std::process::Command;

use server::{Cutter, Registry};

use crate::docker_cli::Serve;
use crate::dockerd::{Dockerd, docker};
use crate::outcrop::{Outcrop, text};
use crate::rootfs;

/// Bytes that no compression makes smaller.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

pub(crate) fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    tar.append_data(&mut header, name, content).expect("memory");
    tar.into_inner().expect("memory")
}

/// The digest of bytes.
pub(crate) fn sum(bytes: &[u8]) -> String {
    use sha2::Digest;
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

/// What tells an image: its ID and its layers.
fn inspect(outcrop: &Outcrop, name: &str) -> String {
    outcrop.ok(["inspect", "--format", "{{.Id}} {{json .RootFS.Layers}} {{json .RepoDigests}}", name])
}

/// The digest that a push printed.
fn pushed(output: &str) -> String {
    let digest = output.split("digest: ").nth(1).and_then(|rest| rest.split(' ').next());
    digest.unwrap_or_else(|| panic!("no digest: {output}")).to_owned()
}

pub(crate) fn left(outcrop: &Outcrop) -> Vec<String> {
    let names = |path: &str| std::fs::read_dir(outcrop.root().join(path)).into_iter().flatten().flatten();
    let all = names("outcrop/downloads").chain(names("outcrop/txn"));
    all.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
#[ignore = "needs root and docker-registry: run by .ci/run"]
fn what_was_pushed_comes_back() {
    let registry = Registry::start();
    let outcrop = Outcrop::new();
    let name = format!("{}/team/app:1", registry.host);
    outcrop.feed(["import", "-", &name], &rootfs::busybox());
    let first = outcrop.ok(["push", &name]);
    let digest = pushed(&first);
    assert!(first.contains(": Pushed\n"), "{first}");
    let before = inspect(&outcrop, &name);
    assert!(before.contains(&digest), "{before}");
    let again = outcrop.ok(["push", &name]);
    assert!(again.contains("Layer already exists") && pushed(&again) == digest, "{again}");
    let other = format!("{}/other/app:2", registry.host);
    outcrop.ok(["tag", &name, &other]);
    let mounted = outcrop.ok(["push", &other]);
    assert!(mounted.contains("Mounted from team/app") && pushed(&mounted) == digest, "{mounted}");
    outcrop.ok(["rmi", &name, &other]);
    let pulled = outcrop.ok(["pull", &name]);
    assert!(
        pulled.contains(&format!("Digest: {digest}\nStatus: Downloaded newer image for {name}\n{name}\n")),
        "{pulled}"
    );
    assert_eq!(inspect(&outcrop, &name), before);
    assert!(outcrop.ok(["pull", &name]).contains("Status: Image is up to date"));
    assert_eq!(left(&outcrop), Vec::<String>::new());
    // A machine that never saw the layer makes the same blob of it, and sends nothing.
    let saved = outcrop.run(["save", &name]).stdout;
    let second = Outcrop::new();
    second.feed(["load"], &saved);
    let same = second.ok(["push", &name]);
    assert!(same.contains("Layer already exists") && pushed(&same) == digest, "{same}");
    // A container of an image that is not there.
    let third = Outcrop::new();
    let run = third.run(["run", "--rm", "--network", "none", &name, "echo", "hello"]);
    assert_eq!(text(&run), "hello\n");
    assert!(String::from_utf8_lossy(&run.stderr).contains("Unable to find image"), "{run:?}");
    let never = third.run(["run", "--rm", "--pull", "never", &other, "true"]);
    assert_eq!(never.status.code(), Some(125), "{never:?}");
}

#[test]
#[ignore = "needs root, docker-registry, dockerd and skopeo: run by .ci/run"]
fn dockerd_and_skopeo_read_ours_and_we_theirs() {
    let registry = Registry::start();
    let outcrop = Outcrop::new();
    let dockerd = Dockerd::start();
    let ours = format!("{}/ours:1", registry.host);
    outcrop.feed(["import", "-", &ours], &rootfs::busybox());
    let digest = pushed(&outcrop.ok(["push", &ours]));
    assert!(dockerd.ok(["pull", &ours]).contains(&digest));
    let layers = ["inspect", "--format", "{{.Id}} {{json .RootFS.Layers}}"];
    let of = |name: &str| (dockerd.ok(layers.into_iter().chain([name])), outcrop.ok(layers.into_iter().chain([name])));
    let (theirs_of_ours, ours_of_ours) = of(&ours);
    assert_eq!(theirs_of_ours, ours_of_ours);
    let theirs = format!("{}/theirs:1", registry.host);
    dockerd.build(&theirs, &format!("FROM {ours}\nCOPY a /a\nRUN echo b > /b\n"), &[("a", "text")]);
    let digest = pushed(&dockerd.ok(["push", &theirs]));
    let pulled = outcrop.ok(["pull", &theirs]);
    assert!(pulled.contains(&digest) && pulled.contains("Already exists"), "{pulled}");
    let (a, b) = of(&theirs);
    assert_eq!(a, b);
    // As an OCI image, with other manifests.
    let skopeo = |arguments: &[&str]| text(&Command::new("skopeo").args(arguments).output().expect("skopeo"));
    let copy = format!("docker://{}/copy:1", registry.host);
    skopeo(&[
        "copy",
        "-q",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        "--format",
        "oci",
        &format!("docker://{theirs}"),
        &copy,
    ]);
    let copy = copy.trim_start_matches("docker://");
    dockerd.ok(["pull", copy]);
    outcrop.ok(["pull", copy]);
    let (a, b) = of(copy);
    assert_eq!(a, b);
    assert!(skopeo(&["inspect", "--tls-verify=false", &format!("docker://{ours}")]).contains("\"Architecture\""));
}

#[test]
#[ignore = "needs root, docker-registry and the docker CLI: run by .ci/run"]
fn the_docker_command_pulls_and_pushes() {
    let registry = Registry::start();
    let serve = Serve::start();
    let run = |arguments: &[&str]| text(&docker(&serve.host, arguments).output().expect("docker starts"));
    let name = format!("{}/app:1", registry.host);
    serve.outcrop.feed(["import", "-", &name], &rootfs::busybox());
    let digest = pushed(&run(&["push", &name]));
    run(&["rmi", &name]);
    let pulled = run(&["pull", &name]);
    for want in
        ["1: Pulling from app", ": Pull complete", &format!("Digest: {digest}"), "Status: Downloaded newer image"]
    {
        assert!(pulled.contains(want), "{want}: {pulled}");
    }
    let missing = docker(&serve.host, ["pull", &format!("{}/none:1", registry.host)]).output().expect("docker starts");
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(!missing.status.success() && said.contains("manifest unknown"), "{said}");
}

/// Killed in the middle, the next pull fetches no complete layer again.
#[test]
#[ignore = "needs root and docker-registry: run by .ci/run"]
fn a_killed_pull_goes_on() {
    let registry = Registry::start();
    let cutter = Cutter::start(&registry.host);
    let maker = Outcrop::new();
    let name = format!("{}/large:1", registry.host);
    maker.feed(["import", "-", &name], &tar("noise", &noise(6 << 20)));
    maker.ok(["push", &name]);
    let outcrop = Outcrop::new();
    let through = format!("{}/large:1", cutter.host);
    // The proxy lets so much through and then hangs.
    cutter.hang_after(3 << 20);
    let mut child = outcrop.command(["pull", "-q", &through]).spawn().expect("starts");
    cutter.wait_until_hanging();
    // What passed is on its way through buffers.
    let arrived = || {
        let entries = std::fs::read_dir(outcrop.root().join("outcrop/downloads")).into_iter().flatten().flatten();
        entries.map(|entry| entry.metadata().map_or(0, |about| about.len())).sum::<u64>()
    };
    while arrived() < 2 << 20 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.kill().expect("kills");
    child.wait().expect("ends");
    let partial = left(&outcrop);
    assert!(partial.iter().any(|name| name.len() == 64), "{partial:?}");
    cutter.let_through();
    outcrop.ok(["pull", "-q", &through]);
    let passed = cutter.passed();
    assert!(passed < 5 << 20, "{passed} bytes were fetched for the rest");
    assert_eq!(left(&outcrop), Vec::<String>::new());
    // Cut off again and again, it comes through in one pull.
    let other = Outcrop::new();
    cutter.cut_each(2 << 20);
    other.ok(["pull", "-q", &through]);
    assert_eq!(
        other.ok(["inspect", "--format", "{{.Id}}", &through]),
        maker.ok(["inspect", "--format", "{{.Id}}", &name])
    );
    assert_eq!(left(&other), Vec::<String>::new());
}

/// Killed ten times in the middle of an image of several layers: every pull goes on where the one before it was, byte for byte.
#[test]
#[ignore = "needs root and docker-registry: run by .ci/run"]
fn pulls_that_are_killed_fetch_nothing_twice() {
    const LAYERS: usize = 10;
    let registry = Registry::start();
    let cutter = Cutter::start(&registry.host);
    let maker = Outcrop::new();
    let folder = maker.scratch("folder");
    std::fs::create_dir(&folder).expect("makes");
    let bytes = noise(LAYERS << 20);
    let mut dockerfile = vec!["FROM scratch".to_owned()];
    for (n, part) in bytes.chunks(1 << 20).enumerate() {
        std::fs::write(folder.join(format!("file{n}")), part).expect("writes");
        dockerfile.push(format!("COPY file{n} /"));
    }
    std::fs::write(folder.join("Dockerfile"), dockerfile.join("\n")).expect("writes");
    let name = format!("{}/layers:1", registry.host);
    maker.ok(["build", "-q", "-t", &name, folder.to_str().expect("utf-8")]);
    maker.ok(["push", "-q", &name]);
    let outcrop = Outcrop::new();
    let through = format!("{}/layers:1", cutter.host);
    let downloads = outcrop.root().join("outcrop/downloads");
    let sizes = || -> BTreeMap<String, u64> {
        let entries = std::fs::read_dir(&downloads).into_iter().flatten().flatten();
        entries.map(|e| (e.file_name().to_string_lossy().into_owned(), e.metadata().expect("is there").len())).collect()
    };
    // What is whole: the layers are noise, and a little longer than it.
    let is_whole = |size: u64| size > 1 << 20;
    let mut random = crate::kill::Random::seeded();
    // Ten layers at three times 64 KiB in 60 ms take longer than ten pulls live.
    cutter.slow_down(60);
    let mut resumed = 0;
    for kill in 0..=10 {
        let before = sizes();
        cutter.asked();
        if kill == 10 {
            cutter.slow_down(0);
            outcrop.ok(["pull", "-q", &through]);
        } else {
            let mut child = outcrop.command(["pull", "-q", &through]).spawn().expect("starts");
            std::thread::sleep(std::time::Duration::from_millis(random.below(300)));
            assert!(child.try_wait().expect("waits").is_none(), "pull {kill} ended by itself");
            child.kill().expect("kills");
            child.wait().expect("ends");
        }
        for (blob, from) in cutter.asked() {
            // A configuration is read whole each time: it says what the layers are.
            let Some(&size) = before.get(&blob) else {
                assert_eq!(from, 0, "kill {kill}: {blob}");
                continue;
            };
            assert!(
                !is_whole(size),
                "kill {kill}: {blob} was whole with {size} bytes, and was asked for from {from} on"
            );
            assert_eq!(from, size, "kill {kill}: {blob}");
            resumed += usize::from(from > 0);
        }
    }
    assert!(resumed > 0, "no pull went on within a layer");
    assert_eq!(inspect(&outcrop, &through).split(' ').nth(1), inspect(&maker, &name).split(' ').nth(1));
    assert_eq!(left(&outcrop), Vec::<String>::new());
    crate::kill::sound(outcrop.root(), "after ten kills");
}

#[test]
#[ignore = "needs root and docker-registry: run by .ci/run"]
fn all_tags_are_pulled() {
    let registry = Registry::start();
    let maker = Outcrop::new();
    let name = format!("{}/team/app", registry.host);
    for tag in ["1", "2", "latest"] {
        maker.feed(["import", "-", &format!("{name}:{tag}")], &tar(&format!("file{tag}"), tag.as_bytes()));
    }
    maker.ok(["push", "-q", "--all-tags", &name]);
    let serve = Serve::start();
    let run = |arguments: &[&str]| text(&docker(&serve.host, arguments).output().expect("docker starts"));
    let tags = || {
        let mut tags: Vec<String> =
            run(&["images", "--format", "{{.Tag}}", &name]).lines().map(str::to_owned).collect();
        tags.sort();
        tags
    };
    let pulled = run(&["pull", "-a", &name]);
    assert_eq!(pulled.matches("Digest: sha256:").count(), 3, "{pulled}");
    assert!(pulled.contains("2: Pulling from team/app"), "{pulled}");
    assert!(pulled.contains(&format!("Status: Downloaded newer image for {name}\n")), "{pulled}");
    assert_eq!(tags(), ["1", "2", "latest"]);
    let again = run(&["pull", "--all-tags", &name]);
    assert!(again.contains(&format!("Status: Image is up to date for {name}\n")), "{again}");
    let outcrop = Outcrop::new();
    let pulled = outcrop.ok(["pull", "-a", &name]);
    assert!(pulled.ends_with(&format!("Status: Downloaded newer image for {name}\n{name}\n")), "{pulled}");
    assert_eq!(outcrop.ok(["images", "-q", &name]).lines().count(), 3);
    for (arguments, want) in [
        (vec!["pull", "-a", "x:1"], "tag can't be used with --all-tags/-a".to_owned()),
        (vec!["pull", "-a", &format!("{}/none", registry.host)], "not found".to_owned()),
    ] {
        let output = outcrop.run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(&want), "{arguments:?}: {said}");
    }
}
