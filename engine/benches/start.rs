//! How long `true` takes in a container, from create to its removal: here, with crun and runc from the same kind of bundle, and
//! with dockerd. As root: `cargo bench -p outcrop-engine --bench start`. Others that are not installed are left out.
//!
//! All of it runs in a mount namespace of its own, without cgroup version 2 where a hybrid host has both: crun refuses those.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use outcrop_engine::container::{Containers, CreateBody, Message, shim};
use outcrop_engine::image::ImportOptions;
use outcrop_engine::progress::{Cancel, Ctx};
use outcrop_engine::{Engine, OpenOptions};
use serde_json::json;

const RUNS: usize = 40;

fn main() {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if shim::main(&arguments).is_some() {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    outcrop_engine::sys::program::own_mounts().expect("a mount namespace");
    outcrop_engine::sys::mount::unmount(Path::new("/sys/fs/cgroup/unified")).expect("unmounted");
    let directory = tempfile::tempdir().expect("a directory");
    let files = directory.path().join("files");
    fs::create_dir_all(files.join("bin")).expect("a directory");
    fs::copy("/bin/busybox", files.join("bin/busybox")).expect("busybox-static");
    std::os::unix::fs::symlink("busybox", files.join("bin/true")).expect("a link");
    let tar = directory.path().join("bb.tar");
    let made = Command::new("tar").arg("-C").arg(&files).arg("-cf").arg(&tar).arg(".").status().expect("tar");
    assert!(made.success());
    let root = directory.path().join("root");
    let engine = Engine::open(&OpenOptions::new(&root)).expect("a data root");
    let cancel = Cancel::new();
    let ctx = Ctx { progress: &|_| {}, cancel: &cancel };
    let options = ImportOptions { reference: Some("bb".into()), ..ImportOptions::default() };
    let image = engine.images().import(fs::File::open(&tar).expect("the tar"), &options, ctx).expect("an image");
    let containers = engine.containers();
    measure("outcrop: create, start, end, remove", || ours(&containers, &image.to_string(), ""));
    let filter = filter(&containers, &image.to_string());
    for name in ["crun", "runc"] {
        if let Some(program) = find(name) {
            measure(&format!("outcrop with --runtime {name}"), || {
                ours(&containers, &image.to_string(), &program.to_string_lossy())
            });
            for (what, filter) in [("Docker's", &filter), ("no", &serde_json::Value::Null)] {
                bundle(directory.path(), &files, filter);
                measure(&format!("{name} alone, {what} seccomp filter, no network, no log"), || {
                    alone(&program, directory.path())
                });
            }
        }
    }
    drop((containers, engine));
    with_dockerd(&root, directory.path());
}

fn ours(containers: &Containers, image: &str, runtime: &str) -> bool {
    let body =
        json!({ "Cmd": ["true"], "HostConfig": { "AutoRemove": true, "NetworkMode": "none", "Runtime": runtime } });
    let body = CreateBody::parse(body.to_string().as_bytes()).expect("a body");
    let image = containers.image(image).expect("the image");
    let id = containers.create("", body, &image).expect("created").id;
    let mut attached = containers.attach(&id, false, true, true).expect("attached");
    if containers.start(&id).is_err() {
        return false;
    }
    let mut code = None;
    while let Ok(Some(message)) = attached.receive() {
        if let Message::Exited(got, _) = message {
            code = Some(got);
        }
    }
    code == Some(0)
}

/// Docker's filter as another runtime gets it, taken from the bundle of a running container.
fn filter(containers: &Containers, image: &str) -> serde_json::Value {
    let runc = find("runc").expect("apt-get install runc");
    let body = json!({ "Cmd": ["true"], "HostConfig": { "NetworkMode": "none", "Runtime": runc } });
    let body = CreateBody::parse(body.to_string().as_bytes()).expect("a body");
    let id = containers.create("", body, &containers.image(image).expect("the image")).expect("created").id;
    let mut attached = containers.attach(&id, false, true, true).expect("attached");
    containers.start(&id).expect("started");
    while let Ok(Some(_)) = attached.receive() {}
    let text = fs::read(containers.root().join("outcrop/run").join(&id).join("config.json")).expect("its bundle");
    containers.remove(&id, true, true).expect("removed");
    let spec: serde_json::Value = serde_json::from_slice(&text).expect("its bundle");
    assert!(spec["linux"]["seccomp"]["syscalls"].is_array(), "a filter");
    spec["linux"]["seccomp"].clone()
}

/// Writes runc's own example of a bundle, with `filter`, for `true`.
fn bundle(directory: &Path, files: &Path, filter: &serde_json::Value) {
    let bundle = directory.join("bundle");
    let _ = fs::remove_dir_all(&bundle);
    fs::create_dir(&bundle).expect("a directory");
    let made = Command::new(find("runc").expect("apt-get install runc")).arg("spec").current_dir(&bundle).status();
    assert!(made.is_ok_and(|status| status.success()));
    let path = bundle.join("config.json");
    let text = fs::read_to_string(&path).expect("a bundle");
    let mut spec: serde_json::Value = serde_json::from_str(&text).expect("a bundle");
    spec["root"]["path"] = json!(files);
    spec["process"]["args"] = json!(["true"]);
    spec["process"]["terminal"] = json!(false);
    if !filter.is_null() {
        spec["linux"]["seccomp"] = filter.clone();
    }
    fs::write(path, spec.to_string()).expect("written");
}

fn alone(program: &Path, directory: &Path) -> bool {
    let bundle = directory.join("bundle");
    let status = Command::new(program)
        .args(["run", "--bundle"])
        .arg(&bundle)
        .arg("outcrop-bench")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn with_dockerd(root: &Path, directory: &Path) {
    let Some(program) = find("dockerd") else { return eprintln!("skipped: dockerd is not installed") };
    let socket = format!("unix://{}", directory.join("docker.sock").display());
    let mut dockerd = Command::new(program)
        .args(["--bridge=none", "--iptables=false", "--storage-driver=overlay2", "--host", &socket])
        .arg("--data-root")
        .arg(root)
        .arg("--exec-root")
        .arg(directory.join("exec"))
        .arg("--pidfile")
        .arg(directory.join("docker.pid"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("dockerd");
    let docker = |words: &[&str]| {
        let status = Command::new("docker")
            .args(["--host", &socket])
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    };
    let until = Instant::now() + Duration::from_mins(1);
    while !docker(&["version"]) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(200));
    }
    measure("docker run --rm --network none, with dockerd", || {
        docker(&["run", "--rm", "--network", "none", "bb", "true"])
    });
    let _ = Command::new("kill").arg(dockerd.id().to_string()).status();
    let _ = dockerd.wait();
}

fn find(name: &str) -> Option<PathBuf> {
    ["/usr/bin", "/usr/sbin"].map(|directory| Path::new(directory).join(name)).into_iter().find(|path| path.exists())
}

fn measure(what: &str, mut run: impl FnMut() -> bool) {
    if !run() {
        return println!("{what}: does not work on this host");
    }
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            assert!(run(), "{what} failed");
            began.elapsed()
        })
        .collect();
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("{what}: median {:.1} ms, least {:.1} ms", ms(times[RUNS / 2]), ms(times[0]));
}
