//! `kill -9` of the program at random moments of what it does with containers and volumes: what it shows afterwards is true, and
//! what remains can be removed until nothing is left.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::Machine;
use crate::kill::{Random, sound};

/// The container of the commands, which a script with this word in it runs.
const NAME: &str = "killed";

/// How often the program is killed.
const KILLS: u32 = 100;

/// Names in a directory of the data root.
fn names(machine: &Machine, directory: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(machine.outcrop.root().join(directory)).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Process IDs of living processes with `word` in their command line.
pub(super) fn processes(word: &str) -> Vec<i32> {
    let process = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let words = fs::read(entry.path().join("cmdline")).ok()?;
        String::from_utf8_lossy(&words).replace('\0', " ").contains(word).then_some(pid)
    };
    fs::read_dir("/proc")
        .expect("processes")
        .flatten()
        .filter_map(process)
        .filter(|&pid| pid != std::process::id() as i32)
        .collect()
}

/// The commands, each with those that prepare it.
fn commands(script: &str) -> [(Vec<Vec<&str>>, Vec<&str>); 6] {
    let run =
        ["run", "-d", "--network", "none", "--name", NAME, "-v", "kept:/v", "base:1", "sh", "-c", script].to_vec();
    let mut create = run.clone();
    create.splice(0..2, ["create"]);
    [
        (vec![], run.clone()),
        (vec![], create.clone()),
        (vec![create], vec!["start", NAME]),
        (vec![run.clone()], vec!["rm", "-f", "-v", NAME]),
        (vec![run], vec!["restart", "-t", "0", NAME]),
        (vec![vec!["volume", "rm", "-f", "other"]], vec!["volume", "create", "--label", "a=b", "other"]),
    ]
}

/// Waits until what is shown of the container agrees with the processes there are.
fn truth(machine: &Machine, mark: &str, when: &str) {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let shown = machine.ok(&["ps", "-a", "--format", "{{.State}}"]);
        let runs = !processes(mark).is_empty();
        if shown.lines().all(|state| (state == "running") == runs) && (runs <= !shown.is_empty()) {
            return;
        }
        assert!(Instant::now() < until, "{when}: shown {shown:?}, a process is there: {runs}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Removes all containers, and insists that nothing of them is left.
fn clear(machine: &Machine, mark: &str, when: &str) {
    let ids = machine.ok(&["ps", "-aq"]);
    for id in ids.split_whitespace() {
        machine.ok(&["rm", "-f", "-v", id]);
    }
    let root = machine.outcrop.root().to_string_lossy().into_owned();
    let until = Instant::now() + Duration::from_secs(10);
    let left = || {
        let mut left: Vec<String> = ["containers", "outcrop/run", "outcrop/txn", "image/overlay2/layerdb/mounts"]
            .iter()
            .flat_map(|place| names(machine, place).into_iter().map(move |name| format!("{place}/{name}")))
            .collect();
        left.extend([mark, &root].iter().flat_map(|word| processes(word)).map(|pid| format!("process {pid}")));
        let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
        left.extend(mounts.lines().filter(|line| line.contains(&root)).map(str::to_owned));
        left
    };
    while !left().is_empty() {
        assert!(Instant::now() < until, "{when}: left over: {:?}", left());
        thread::sleep(Duration::from_millis(10));
    }
    sound(machine.outcrop.root(), when);
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn the_program_is_killed_at_random_moments() {
    let machine = Machine::new();
    let mut random = Random::seeded();
    let mark = format!("mark-{}", std::process::id());
    let script = format!(": {mark}; echo kept >> /v/log; while true; do sleep 1; done");
    machine.sh(&["-v", "kept:/v"], "echo synced > /v/first; sync");
    let mut killed = 0;
    let mut round = 0;
    while killed < KILLS {
        let (before, command) = &commands(&script)[round % 6];
        round += 1;
        assert!(
            round < 10 * KILLS as usize,
            "only {killed} of {round} commands were still running when they were killed"
        );
        for command in before {
            machine.ok(command);
        }
        let mut child =
            machine.outcrop.command(command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        let delay = random.below(80_000);
        thread::sleep(Duration::from_micros(delay));
        let _ = child.kill();
        killed += u32::from(!child.wait().expect("waits").success());
        let when = format!("round {round}: {} killed after {delay} us", command[..2].join(" "));
        truth(&machine, &mark, &when);
        clear(&machine, &mark, &when);
        assert_eq!(machine.sh(&["-v", "kept:/v"], "cat /v/first"), "synced\n", "{when}");
    }
    let volumes = names(&machine, "volumes");
    assert!(volumes.iter().all(|name| ["kept", "other", "metadata.db"].contains(&name.as_str())), "{volumes:?}");
    assert!(machine.ok(&["volume", "create", "--label", "a=b", "other"]).contains("other"));
}
