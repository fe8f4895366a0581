//! `kill -9` of a shim and of what it runs, at random moments: the state shown is the true one, and nothing is left.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::host::{Host, Random, settled};

/// How often something is killed.
const KILLS: u64 = 100;

/// Longest time from the start of a container to a kill, in microseconds: most fall before its process runs.
const LATEST: u64 = 60_000;

/// Processes whose command line has `word`, and what it is. What has ended and is not reaped has none.
fn processes(word: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("processes").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        if words.contains(word) && pid != std::process::id() {
            found.push((pid, words));
        }
    }
    found
}

fn kill(pid: u32) {
    // It may just have ended.
    let _ = Command::new("kill").args(["-9", &pid.to_string()]).output();
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn killed_at_random_moments() {
    let host = Host::new();
    let mut random = Random::seeded();
    let (mut killed, mut round) = (0, 0);
    // A round finds nobody when the moment comes before there is a process.
    while killed < KILLS {
        round += 1;
        assert!(round <= 5 * KILLS, "only {killed} of {round} rounds found somebody to kill");
        let mark = format!("mark-{round}-{}", std::process::id());
        // What is told on the standard output was on the disk before.
        let script = format!(
            ": {mark}; n=0; while true; do n=$((n+1)); echo {round}.$n | dd of=/v/log oflag=append conv=notrunc,fsync 2>/dev/null; echo {round}.$n; done"
        );
        let body = json!({ "Cmd": ["sh", "-c", script], "HostConfig": { "Binds": ["kept:/v"] } });
        let id = host.create("", body).expect("created");
        let containers = host.containers.clone();
        let starting = {
            let id = id.clone();
            thread::spawn(move || containers.start(&id))
        };
        thread::sleep(Duration::from_micros(random.below(LATEST)));
        let wanted = if random.below(2) == 0 { "--shim" } else { &mark };
        for (pid, words) in processes(if wanted == "--shim" { &id } else { &mark }) {
            if words.contains("--shim") == (wanted == "--shim") {
                kill(pid);
                killed += 1;
            }
        }
        let started = starting.join().expect("a thread");
        truth(&host, &id, &mark, &format!("round {round}, {wanted} killed, start said {started:?}"));
        host.containers.remove(&id, true, false).expect("removed");
        assert_eq!(settled(|| processes(&mark).into_iter().map(|(_, words)| words).collect()), Vec::<String>::new());
    }
}

/// Waits until the state shown agrees with the processes there are, and compares the log with the volume.
fn truth(host: &Host, id: &str, mark: &str, when: &str) {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let state = host.containers.record(id).expect("a record").state;
        let runs = processes(mark).iter().any(|(_, words)| !words.contains("--shim"));
        if state.running == runs && (state.pid != 0) == runs {
            let status = state.status();
            assert!(
                runs == (status == "running") && ["created", "running", "exited"].contains(&status),
                "{when}: {status}"
            );
            break;
        }
        assert!(Instant::now() < until, "{when}: shown {}, a process is there: {runs}", state.status());
        thread::sleep(Duration::from_millis(5));
    }
    let record = host.containers.record(id).expect("a record");
    let log = fs::read_to_string(&record.log_path).unwrap_or_default();
    let told = log.lines().filter_map(|line| line.strip_prefix("{\"log\":\"")?.split('\\').next());
    let kept = fs::read_to_string(host.root().join("volumes/kept/_data/log")).unwrap_or_default();
    for line in told {
        assert!(kept.lines().any(|there| there == line), "{when}: the volume lacks {line}");
    }
}
