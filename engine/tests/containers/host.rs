//! A data root with one image of busybox, and what tests do with containers on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use outcrop_engine::container::{Attached, ContainerError, Containers, CreateBody, ExecConfig, Message};
use outcrop_engine::image::ImportOptions;
use outcrop_engine::progress::{Cancel, Ctx};
use outcrop_engine::{Engine, OpenOptions};
use serde_json::{Value, json};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n";
pub(crate) const GROUP: &str = "root:x:0:\nalice:x:1000:\nstaff:x:50:alice\n";

/// A data root with one image, `bb`.
pub(crate) struct Host {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) engine: Option<Engine>,
    pub(crate) containers: Containers,
    pub(crate) image: String,
    /// IDs of all containers ever.
    pub(crate) created: std::sync::Mutex<Vec<String>>,
}

/// What a run gave.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    pub(crate) id: String,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl Ran {
    /// Takes what a process says until it has ended.
    pub(crate) fn listen(&mut self, attached: &mut Attached) {
        while let Some(message) = attached.receive().expect("a message") {
            match message {
                Message::Stdout(bytes) => self.out.push_str(&String::from_utf8_lossy(&bytes)),
                Message::Stderr(bytes) => self.err.push_str(&String::from_utf8_lossy(&bytes)),
                Message::Exited(code, _) => {
                    self.code = code;
                    break;
                }
                _ => {}
            }
        }
    }
}

impl Host {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let files = directory.path().join("files");
        for name in ["bin", "etc", "root", "tmp", "home/alice"] {
            fs::create_dir_all(files.join(name)).expect("a directory");
        }
        fs::copy("/bin/busybox", files.join("bin/busybox")).expect("busybox-static");
        let list = Command::new("/bin/busybox").arg("--list").output().expect("busybox");
        for name in String::from_utf8_lossy(&list.stdout).lines().filter(|name| *name != "busybox") {
            std::os::unix::fs::symlink("busybox", files.join("bin").join(name)).expect("a link");
        }
        fs::write(files.join("etc/passwd"), PASSWD).expect("a file");
        fs::write(files.join("etc/group"), GROUP).expect("a file");
        let tar = directory.path().join("bb.tar");
        let made = Command::new("tar").arg("-C").arg(&files).arg("-cf").arg(&tar).arg(".").status().expect("tar");
        assert!(made.success());
        let root = directory.path().join("root");
        let engine = Engine::open(&OpenOptions::new(&root)).expect("a data root");
        let options = ImportOptions {
            reference: Some("bb".into()),
            changes: vec!["CMD [\"sh\"]".into(), "ENV FOO=bar".into()],
            ..ImportOptions::default()
        };
        let cancel = Cancel::new();
        let ctx = Ctx { progress: &|_| {}, cancel: &cancel };
        let image = engine.images().import(fs::File::open(&tar).expect("the tar"), &options, ctx).expect("an image");
        let containers = Containers::new(&root, Some(shim()), false);
        Self {
            directory,
            engine: Some(engine),
            containers,
            image: image.to_string(),
            created: std::sync::Mutex::default(),
        }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    pub(crate) fn create(&self, name: &str, body: Value) -> Result<String, ContainerError> {
        let mut body = body;
        if body["HostConfig"]["NetworkMode"].is_null() {
            body["HostConfig"]["NetworkMode"] = "none".into();
        }
        let body = CreateBody::parse(body.to_string().as_bytes())?;
        let image = self.containers.image(&self.image)?;
        let id = self.containers.create(name, body, &image)?.id;
        self.created.lock().expect("a list").push(id.clone());
        Ok(id)
    }

    /// Creates, attaches, starts, and reads to the end.
    pub(crate) fn run(&self, body: Value) -> Ran {
        let id = self.create("", body).expect("created");
        self.go(&id, b"")
    }

    pub(crate) fn go(&self, id: &str, input: &[u8]) -> Ran {
        let mut attached = self.containers.attach(id, !input.is_empty(), true, true).expect("attached");
        if !input.is_empty() {
            attached.send(input).expect("sent");
            attached.end_stdin().expect("ended");
        }
        let mut ran = Ran { id: id.into(), ..Ran::default() };
        if let Err(error) = self.containers.start(id) {
            ran.err = error.to_string();
            ran.code = -1;
            return ran;
        }
        ran.listen(&mut attached);
        ran
    }

    pub(crate) fn sh(&self, script: &str) -> Ran {
        self.run(json!({ "Cmd": ["sh", "-c", script] }))
    }

    pub(crate) fn sleeper(&self, name: &str) -> String {
        let id = self.create(name, json!({ "Cmd": ["sleep", "1000"] })).expect("created");
        self.containers.start(&id).expect("started");
        id
    }

    pub(crate) fn exec(&self, id: &str, config: ExecConfig) -> Ran {
        let exec = self.containers.exec_create(id, config).expect("an exec");
        let mut ran = Ran::default();
        let mut attached = match self.containers.exec_start(&exec, None) {
            Ok(attached) => attached,
            Err(error) => return Ran { err: error.to_string(), code: -1, ..ran },
        };
        ran.listen(&mut attached);
        assert_eq!(self.containers.exec(&exec).expect("an exec").exit_code, Some(ran.code));
        ran
    }

    /// Whatever of this root is mounted, runs, or is in a control group.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let root = self.root().to_string_lossy().into_owned();
        let mut all: Vec<String> = fs::read_to_string("/proc/self/mounts")
            .expect("mounts")
            .lines()
            .filter(|line| line.contains(&root))
            .map(str::to_owned)
            .collect();
        for process in fs::read_dir("/proc").expect("processes").flatten() {
            let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            if words.contains("--shim") && words.contains(&root) {
                all.push(words);
            }
        }
        for id in self.created.lock().expect("a list").iter() {
            for controller in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
                let group = controller.path().join(format!("outcrop-{id}"));
                if group.exists() {
                    all.push(group.display().to_string());
                }
            }
        }
        for place in ["outcrop/run", "containers", "image/overlay2/layerdb/mounts", "outcrop/txn"] {
            for entry in fs::read_dir(self.root().join(place)).into_iter().flatten().flatten() {
                all.push(entry.path().display().to_string());
            }
        }
        all
    }

    pub(crate) fn remove_all(&self) {
        for id in fs::read_dir(self.root().join("containers")).into_iter().flatten().flatten() {
            let id = id.file_name().into_string().expect("an ID");
            self.containers.remove(&id, true, true).expect("removed");
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nothing of a failed test goes on either.
            for id in fs::read_dir(self.root().join("containers")).into_iter().flatten().flatten() {
                let _ = self.containers.remove(&id.file_name().to_string_lossy(), true, true);
            }
        } else {
            self.remove_all();
            assert_eq!(settled(|| self.leftovers()), Vec::<String>::new());
        }
    }
}

/// Waits a moment for something to become empty.
pub(crate) fn settled(look: impl Fn() -> Vec<String>) -> Vec<String> {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let found = look();
        if found.is_empty() || Instant::now() > until {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn shim() -> PathBuf {
    let test = std::env::current_exe().expect("this program");
    let target = test.parent().and_then(Path::parent).expect("a target directory");
    let shim = target.join("examples/shim");
    assert!(shim.is_file(), "{} is built by `cargo test`", shim.display());
    shim
}

/// A small generator, so that a failure can be repeated from the seed it prints.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded() -> Self {
        let seed = std::env::var("OUTCROP_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_nanos() as u64);
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
