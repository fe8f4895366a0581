//! From created to removed: states, waiting, restarts, health.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use outcrop_engine::container::{ContainerError, ExecConfig, ListOptions, Until};
use outcrop_engine::filters::Filters;
use serde_json::json;

use crate::host::{Host, settled};

#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_life() {
    let host = Host::new();
    let id = host.sleeper("rock");
    assert!(matches!(host.containers.start("rock"), Err(ContainerError::NotModified(_))));
    assert!(matches!(host.create("rock", json!({})), Err(ContainerError::Conflict(_))));
    assert!(matches!(host.containers.remove("rock", false, false), Err(ContainerError::Conflict(_))));
    host.containers.rename("rock", "stone").expect("renamed");
    assert_eq!(host.containers.find("stone").expect("found"), id);
    assert_eq!(host.containers.find(&id[..8]).expect("found"), id);
    host.containers.pause("stone").expect("paused");
    assert_eq!(host.containers.record(&id).expect("a record").state.status(), "paused");
    host.containers.unpause("stone").expect("unpaused");
    let top = host.containers.top("stone", "").expect("top");
    assert!(top["Processes"].to_string().contains("sleep 1000"), "{top}");
    let stats = host.containers.stats("stone").expect("stats");
    assert!(stats["memory_stats"]["usage"].as_u64() > Some(0) && stats["pids_stats"]["current"] == 1, "{stats}");
    let list = host.containers.list(&ListOptions { size: true, ..ListOptions::default() }).expect("a list");
    assert_eq!((list.len(), &list[0]["Names"][0]), (1, &json!("/stone")));
    let filters = Filters::from_json(r#"{"status":["exited"]}"#).expect("filters");
    assert!(host.containers.list(&ListOptions { filters, ..ListOptions::default() }).expect("a list").is_empty());
    // sleep is the first process and has no handler for SIGTERM: only the timeout ends it.
    let began = Instant::now();
    host.containers.stop("stone", Some(1), None).expect("stopped");
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(host.containers.record(&id).expect("a record").state.exit_code, 137);
    host.containers.restart("stone", None, None).expect("restarted");
    host.containers.kill("stone", "").expect("killed");
    assert_eq!(host.containers.wait("stone", Until::NotRunning, || {}).expect("waited").code, 137);
    assert_eq!(host.containers.prune(&Filters::default()).expect("pruned").0, [id]);
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn wait_before_start_and_removal() {
    let host = Host::new();
    let id = host
        .create("", json!({ "Cmd": ["sh", "-c", "exit 9"], "HostConfig": { "AutoRemove": true } }))
        .expect("created");
    std::thread::scope(|scope| {
        let (ready, is_ready) = std::sync::mpsc::channel();
        let waiting = scope.spawn(|| host.containers.wait(&id, Until::Removed, move || ready.send(()).expect("sent")));
        let next = scope.spawn(|| host.containers.wait(&id, Until::NextExit, || {}));
        is_ready.recv().expect("ready");
        std::thread::sleep(Duration::from_millis(50));
        host.containers.start(&id).expect("started");
        assert_eq!(next.join().expect("a thread").expect("waited").code, 9);
        waiting.join().expect("a thread").expect("waited");
    });
    assert!(matches!(host.containers.record(&id), Err(ContainerError::NotFound(_))));
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_killed_shim_is_noticed() {
    let host = Host::new();
    let id = host.sleeper("");
    let pid = host.containers.record(&id).expect("a record").state.pid;
    let parent = fs::read_to_string(format!("/proc/{pid}/status")).expect("the first process");
    let parent = parent.lines().find_map(|line| line.strip_prefix("PPid:\t")).expect("a parent").to_owned();
    let killed = Command::new("kill").args(["-9", &parent]).status().expect("kill");
    assert!(killed.success());
    let until = Instant::now() + Duration::from_secs(5);
    while host.containers.record(&id).expect("a record").state.running && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    let state = host.containers.record(&id).expect("a record").state;
    assert_eq!((state.status(), state.exit_code), ("exited", 137));
    assert!(state.error.contains("shim was killed"), "{}", state.error);
    let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Its new parent may take a moment to reap it.
    assert_eq!(settled(|| Some(stat()).filter(|s| !s.is_empty() && !s.contains(") Z")).into_iter().collect()), [""; 0]);
    assert!(!Path::new("/sys/fs/cgroup/memory").join(format!("outcrop-{id}")).exists());
    host.containers.start(&id).expect("it starts again");
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn restart_policies() {
    let host = Host::new();
    let body = json!({ "Cmd": ["sh", "-c", "echo again; exit 1"],
        "HostConfig": { "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 2 } } });
    let id = host.create("", body).expect("created");
    host.containers.start(&id).expect("started");
    let until = Instant::now() + Duration::from_secs(20);
    while host.containers.record(&id).expect("a record").state.running && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    let record = host.containers.record(&id).expect("a record");
    assert_eq!((record.restart_count, record.state.status(), record.state.exit_code), (2, "exited", 1));
    let log = fs::read_to_string(&record.log_path).expect("the log");
    assert_eq!(log.lines().count(), 3);
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn health() {
    let host = Host::new();
    let body = json!({ "Cmd": ["sleep", "1000"], "Healthcheck": { "Test": ["CMD-SHELL", "test -e /well"],
        "Interval": 100_000_000, "Retries": 2 } });
    let id = host.create("", body).expect("created");
    host.containers.start(&id).expect("started");
    let status = || host.containers.record(&id).expect("a record").state.health.map(|health| health.status);
    let becomes = |wanted: &str| {
        let until = Instant::now() + Duration::from_secs(10);
        while status().as_deref() != Some(wanted) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(status().as_deref(), Some(wanted));
    };
    becomes("unhealthy");
    let config = ExecConfig { cmd: vec!["touch".into(), "/well".into()], attach_stdout: true, ..ExecConfig::default() };
    assert_eq!(host.exec(&id, config).code, 0);
    becomes("healthy");
}
