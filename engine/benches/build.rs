//! How long builds take, here and with dockerd's classic builder, both asked by the docker command: ten steps that are all in the
//! cache, and ten trivial commands. As root: `cargo bench -p outcrop-engine --bench build`. Needs busybox-static and docker.io.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use outcrop_engine::api::Api;
use outcrop_engine::api::serve::{Address, Listener, serve};
use outcrop_engine::container::shim;
use outcrop_engine::{Engine, OpenOptions};

const RUNS: usize = 7;

fn main() {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if shim::main(&arguments).is_some() {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let tar = base(directory.path());
    let context = directory.path().join("context");
    fs::create_dir(&context).expect("a directory");
    let commands: Vec<String> = (0..10).map(|n| format!("RUN echo {n}\n")).collect();
    fs::write(context.join("commands"), format!("FROM base:1\n{}", commands.concat())).expect("a file");
    fs::write(context.join("mixed"), "FROM base:1\nENV A=1\nRUN echo 1\nCOPY . /x\nWORKDIR /y\nRUN echo 2\nLABEL a=b\nRUN echo 3\nEXPOSE 80\nCMD x\nUSER 1\n").expect("a file");

    let ours = format!("unix://{}", directory.path().join("ours").display());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    let engine = Engine::open(&OpenOptions::new(directory.path().join("root"))).expect("a data root");
    let api = Api::new(engine);
    let socket = directory.path().join("ours");
    runtime.spawn(async move {
        let address = Address::Unix { path: socket, group: None };
        let listener = Listener::bind(&address).await.expect("a socket");
        serve(&api, listener, std::future::pending()).await;
    });
    let outcrop = measure("outcrop", &ours, &tar, &context);
    let Some((mut child, theirs)) = dockerd(directory.path()) else {
        println!("dockerd is not installed: nothing to compare with");
        return;
    };
    let dockerd = measure("dockerd", &theirs, &tar, &context);
    println!("ten commands: {:.1} times as fast as dockerd", dockerd.as_secs_f64() / outcrop.as_secs_f64());
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    let _ = child.wait();
}

fn base(directory: &Path) -> std::path::PathBuf {
    let files = directory.join("files");
    fs::create_dir_all(files.join("bin")).expect("a directory");
    fs::copy("/bin/busybox", files.join("bin/busybox")).expect("busybox-static");
    std::os::unix::fs::symlink("busybox", files.join("bin/sh")).expect("a link");
    let tar = directory.join("base.tar");
    let made = Command::new("tar").arg("-C").arg(&files).arg("-cf").arg(&tar).arg(".").status().expect("tar");
    assert!(made.success());
    tar
}

fn docker(host: &str, words: &[&str]) -> bool {
    let mut command = Command::new("docker");
    command.args(words).env("DOCKER_HOST", host).env("DOCKER_BUILDKIT", "0").env("DOCKER_CONFIG", "/nonexistent");
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("docker").success()
}

/// Prints both; gives the middle one of the commands' times.
fn measure(name: &str, host: &str, tar: &Path, context: &Path) -> Duration {
    let until = Instant::now() + Duration::from_secs(30);
    while !docker(host, &["version"]) {
        assert!(Instant::now() < until, "{host} does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(docker(host, &["import", tar.to_str().expect("utf-8"), "base:1"]));
    let context = context.to_str().expect("utf-8");
    let file = |name: &str| format!("{context}/{name}");
    let (mixed, commands) = (file("mixed"), file("commands"));
    assert!(docker(host, &["build", "--network", "none", "-f", &mixed, context]));
    let cached = middle(|| docker(host, &["build", "--network", "none", "-f", &mixed, context]));
    let run = middle(|| docker(host, &["build", "--no-cache", "--network", "none", "-f", &commands, context]));
    let nothing = middle(|| docker(host, &["version"]));
    println!("{name}: ten cached steps {cached:?}, ten commands {run:?} (the docker command alone: {nothing:?})");
    run
}

fn middle(mut run: impl FnMut() -> bool) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let begun = Instant::now();
            assert!(run());
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[RUNS / 2]
}

fn dockerd(directory: &Path) -> Option<(Child, String)> {
    let at = |name: &str| directory.join(name);
    let host = format!("unix://{}", at("theirs").display());
    let child = Command::new("dockerd")
        .arg("--data-root")
        .arg(at("dockerd"))
        .arg("--exec-root")
        .arg(at("exec"))
        .arg("--pidfile")
        .arg(at("pid"))
        .arg("--host")
        .arg(&host)
        .args(["--bridge=none", "--iptables=false", "--storage-driver=overlay2"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    Some((child, host))
}
