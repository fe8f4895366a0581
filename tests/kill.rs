//! `kill -9` at random moments and at every system call that changes the disk: nothing lost, nothing left over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::outcrop::{Outcrop, text};
use crate::rootfs;

/// System calls after which the disk differs; the program is killed when it enters the n-th of each.
const CHANGING: &str = "rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir,symlink,symlinkat,link,linkat,\
    fsync,fdatasync,syncfs,mknod,mknodat,ftruncate,fallocate,setxattr,fsetxattr,lsetxattr,flock";

/// A small generator, so that a failure can be repeated from the seed it prints.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded() -> Self {
        let seed = std::env::var("OUTCROP_TEST_SEED")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_nanos() as u64);
        eprintln!("OUTCROP_TEST_SEED={seed}");
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A root with `keep:1` in it, an archive of two further images, and a tar to import.
struct Scene {
    outcrop: Outcrop,
    archive: String,
    tar: String,
    saved: String,
}

impl Scene {
    fn new() -> Self {
        let outcrop = Outcrop::new();
        let path = |name: &str| outcrop.scratch(name).to_str().expect("utf-8").to_owned();
        let (archive, tar, saved) = (path("two.tar"), path("rootfs.tar"), path("saved.tar"));
        fs::write(&tar, rootfs::busybox()).expect("writes");
        let other = Outcrop::new();
        other.ok(["import", &tar, "one:1"]);
        other.feed(["import", "--change", "ENV A=1", "-", "two:1"], &small_tar());
        other.ok(["save", "-o", &archive, "one:1", "two:1"]);
        outcrop.feed(["import", "-", "keep:1"], &small_tar());
        Self { outcrop, archive, tar, saved }
    }

    /// The five commands, each with the command that undoes it first.
    fn commands(&self) -> [(Vec<&str>, Vec<&str>); 5] {
        [
            (vec!["rmi", "-f", "one:1", "two:1"], vec!["load", "-q", "-i", &self.archive]),
            (vec!["rmi", "-f", "one:1", "imported:1"], vec!["import", &self.tar, "imported:1"]),
            (vec!["import", &self.tar, "gone:1"], vec!["rmi", "gone:1"]),
            (vec!["rmi", "-f", "other:1"], vec!["tag", "keep:1", "other:1"]),
            (vec![], vec!["save", "-o", &self.saved, "keep:1"]),
        ]
    }

    /// Opens the root as anyone would next, looks for anything wrong, and repeats the command.
    fn check(&self, command: &[&str], when: &str) {
        let listed = self.outcrop.ok(["images"]);
        assert!(listed.contains("keep"), "{when}: {listed}");
        sound(self.outcrop.root(), when);
        let again = self.outcrop.run(command);
        let message = String::from_utf8_lossy(&again.stderr).into_owned();
        let gone = command[0] == "rmi" && message.contains("No such image");
        assert!(again.status.success() || gone, "{when}: {command:?} repeated: {message}");
        sound(self.outcrop.root(), when);
        let mut saved: Vec<_> = fs::read_dir(Path::new(&self.saved).parent().expect("parent"))
            .expect("reads")
            .map(|e| e.expect("entry").file_name())
            .collect();
        saved.retain(|name| {
            !["root", "two.tar", "rootfs.tar", "saved.tar", "docker-config"].iter().any(|known| name == known)
        });
        assert!(saved.is_empty(), "{when}: left beside the saved file: {saved:?}");
    }
}

fn small_tar() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for i in 0..5 {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(3);
        tar.append_data(&mut header, format!("small/{i}"), &b"abc"[..]).expect("memory");
    }
    tar.into_inner().expect("memory")
}

fn names(directory: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(directory) else { return BTreeSet::new() };
    entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect()
}

/// Insists that every directory and file under `root` belongs to something registered, and that everything registered is whole.
pub(crate) fn sound(root: &Path, when: &str) {
    let layerdb = root.join("image/overlay2/layerdb");
    let mut cached = BTreeSet::new();
    let mut links = BTreeSet::new();
    let chains = names(&layerdb.join("sha256"));
    for chain in &chains {
        let entry = layerdb.join("sha256").join(chain);
        let cache =
            fs::read_to_string(entry.join("cache-id")).unwrap_or_else(|e| panic!("{when}: {}: {e}", entry.display()));
        for needed in ["diff", "size", "tar-split.json.gz"] {
            assert!(entry.join(needed).exists(), "{when}: {chain} has no {needed}");
        }
        let directory = root.join("overlay2").join(&cache);
        assert!(directory.join("diff").is_dir(), "{when}: {chain} has no {}", directory.display());
        links.insert(fs::read_to_string(directory.join("link")).expect("link"));
        cached.insert(cache);
    }
    let mut found = names(&root.join("overlay2"));
    found.remove("l");
    found.remove("backingFsBlockDev");
    assert_eq!(found, cached, "{when}: layer directories and the layers registered");
    assert_eq!(names(&root.join("overlay2/l")), links, "{when}: short links");
    for empty in ["image/overlay2/layerdb/tmp", "outcrop/txn", "tmp"] {
        assert_eq!(names(&root.join(empty)), BTreeSet::new(), "{when}: {empty}");
    }
    let repositories =
        fs::read(root.join("image/overlay2/repositories.json")).unwrap_or(br#"{"Repositories":{}}"#.into());
    let repositories: serde_json::Value = serde_json::from_slice(&repositories).expect("repositories.json");
    let mut needed = BTreeSet::new();
    let images = names(&root.join("image/overlay2/imagedb/content/sha256"));
    for image in &images {
        let config = fs::read(root.join("image/overlay2/imagedb/content/sha256").join(image)).expect("config");
        let config: serde_json::Value =
            serde_json::from_slice(&config).unwrap_or_else(|e| panic!("{when}: {image}: {e}"));
        let mut below: Option<String> = None;
        for diff in config["rootfs"]["diff_ids"].as_array().expect("diff_ids") {
            let diff = diff.as_str().expect("text");
            let chain = below.map_or(diff.to_owned(), |below| {
                use sha2::Digest;
                format!("sha256:{}", hex::encode(sha2::Sha256::digest(format!("{below} {diff}"))))
            });
            let name = chain["sha256:".len()..].to_owned();
            assert!(chains.contains(&name), "{when}: image {image} lacks layer {name}");
            needed.insert(name);
            below = Some(chain);
        }
    }
    assert_eq!(chains, needed, "{when}: layers registered and layers of images");
    for tags in repositories["Repositories"].as_object().expect("map").values() {
        for (tag, id) in tags.as_object().expect("map") {
            let id = id.as_str().expect("text").trim_start_matches("sha256:");
            assert!(images.contains(id), "{when}: {tag} names {id}, which is not there");
        }
    }
    let temporary: Vec<_> = names(&root.join("image/overlay2")).into_iter().filter(|n| n.starts_with('.')).collect();
    assert!(temporary.is_empty(), "{when}: {temporary:?}");
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn killed_at_random_moments() {
    let scene = Scene::new();
    let mut random = Random::seeded();
    let kills: u32 = std::env::var("OUTCROP_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let mut killed = 0;
    for round in 0.. {
        let (before, command) = &scene.commands()[round % 5];
        if !before.is_empty() {
            scene.outcrop.run(before);
        }
        let started = Instant::now();
        text(&scene.outcrop.run(command));
        let whole = started.elapsed().as_micros() as u64;
        if !before.is_empty() {
            scene.outcrop.run(before);
        }
        let mut child =
            scene.outcrop.command(command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        let delay = random.below(whole + whole / 10);
        std::thread::sleep(Duration::from_micros(delay));
        let _ = child.kill();
        if !child.wait().expect("waits").success() {
            killed += 1;
        }
        scene.check(command, &format!("{command:?} killed after {delay} us"));
        if killed == kills {
            break;
        }
    }
}

/// The program under strace, which does to it what `arguments` say.
fn strace(scene: &Scene, command: &[&str], arguments: &[&str]) -> Command {
    let program = scene.outcrop.command(command);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq"]).args(arguments).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
    strace
}

/// How often a thread of `command` makes each of the calls that change the disk; the most of all threads.
fn counted(scene: &Scene, command: &[&str]) -> BTreeMap<String, usize> {
    let log = scene.outcrop.scratch("strace.log");
    let arguments = ["-o", log.to_str().expect("utf-8"), "-e", &format!("trace={CHANGING}")];
    assert!(strace(scene, command, &arguments).status().expect("apt-get install strace").success(), "{command:?}");
    let mut threads: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in fs::read_to_string(&log).expect("log").lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let Some((name, _)) = call.trim_start().split_once('(') else { continue };
        *threads.entry((thread.to_owned(), name.to_owned())).or_default() += 1;
    }
    fs::remove_file(log).expect("removes");
    let mut most = BTreeMap::new();
    for ((_, name), count) in threads {
        let known = most.entry(name).or_default();
        *known = count.max(*known);
    }
    most
}

#[test]
#[ignore = "needs root, strace and busybox-static: run by .ci/run"]
fn killed_at_every_change_of_the_disk() {
    let scene = Scene::new();
    let mut kills = 0;
    for (before, command) in &scene.commands() {
        let prepare = || drop((!before.is_empty()).then(|| scene.outcrop.run(before)));
        prepare();
        for (call, count) in counted(&scene, command) {
            // all of the first and the last, and some between: the two hundredth file is written as the first was
            let mut moments: BTreeSet<usize> = (1..=4).chain(count.saturating_sub(2)..=count).collect();
            moments.extend([count / 3, count / 2]);
            for nth in moments.range(1..=count) {
                prepare();
                let inject = format!("inject={call}:signal=SIGKILL:when={nth}");
                let arguments = ["-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject];
                let killed = !strace(&scene, command, &arguments).status().expect("strace").success();
                scene.check(command, &format!("{command:?} killed at {call} number {nth} of {count}"));
                kills += u32::from(killed);
            }
        }
    }
    eprintln!("{kills} kills");
    assert!(kills >= 100, "only {kills} kills");
}
