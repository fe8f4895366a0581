//! The same commands by docker's program and by this one, on one engine: the same words.

use std::process::Command;

use super::parts;
use crate::docker_cli::Serve;
use crate::dockerd::docker;
use crate::outcrop::feed;
use crate::rootfs;

/// The commands whose whole output must agree; they change nothing.
const SCRIPT: &[&str] = &[
    "ps",
    "ps -a",
    "ps -aq --no-trunc",
    "ps -a --no-trunc",
    "ps -n 1",
    "ps -l",
    "ps -a --format json",
    "ps -a --format {{.Names}}|{{.Mounts}}|{{.Labels}}|{{.LocalVolumes}}|{{.Networks}}|{{.State}}|{{.Ports}}|{{.CreatedAt}}",
    "ps -a --filter name=two",
    "ps -a --filter status=exited",
    "ps --filter bogus=1",
    "container ls -a",
    "volume ls",
    "volume ls -q",
    "volume ls --format json",
    "volume ls --filter label=a",
    "volume inspect data",
    "volume inspect nope",
    "network ls",
    "network ls --format json",
    "network inspect none",
    "network inspect nope",
    "diff one",
    "diff nope",
    "logs one",
    "logs -t one",
    "logs --tail 1 one",
    "logs nope",
    // not the share of the processor, which falls from one command to the next
    "top one -o pid,ppid,user,tty,args",
    "top one -o pid,args",
    "top two",
    "port one",
    "port one 80",
    "port nope",
    "inspect one two",
    "inspect --size one",
    "inspect --format {{.State.Status}}{{.HostConfig.Binds}}{{json.Config.Labels}} one",
    "container inspect nope",
    "stop nope",
    "kill two",
    "rm one",
    "rename nope x",
    "exec two ls",
    "exec one sh -c exit\\ 4",
    "pause two",
    "unpause one",
    "wait two",
    "attach two",
    "update one",
    "commit nope",
    "cp nope:/x .",
    "cp one:/nope .",
    "export nope",
    "volume rm data",
    "volume create a",
    "system df",
];

#[test]
#[ignore = "needs root, docker and busybox-static: run by .ci/run"]
fn says_what_docker_says() {
    let serve = Serve::start();
    feed(docker(&serve.host, ["import", "--change", "CMD [\"sh\"]", "-", "base:1"]), &rootfs::busybox());
    let ours = |words: &[String]| {
        let mut command = serve.outcrop.command(["-H", &serve.host]);
        command.args(words);
        command
    };
    let words = |line: &str| -> Vec<String> { line.split(' ').map(str::to_owned).collect() };
    for line in [
        "volume create --label a=b data",
        "run -d --name one --network none -l a=b -l c -v data:/data --expose 80 --expose 90-92/udp base:1 sh -c echo\u{a0}out;busybox\u{a0}touch\u{a0}/x;exec\u{a0}busybox\u{a0}sleep\u{a0}1000",
        "run --name two --network none base:1 true",
    ] {
        let words: Vec<String> = line.split(' ').map(|word| word.replace('\u{a0}', " ")).collect();
        let (code, _, said) = parts(&ours(&words).output().expect("outcrop"));
        assert_eq!(code, 0, "{line}: {said}");
    }
    until_it_sleeps(&serve.host);
    let run = |mut command: Command| {
        let (code, out, err) = parts(&command.output().expect("starts"));
        // the one adds a hint on a line of its own where the other says nothing more
        let err = err.lines().next().unwrap_or_default().to_owned();
        // a second may pass between the two
        let out: Vec<String> = out.lines().map(without_times).collect();
        format!("{code}\n{}\n{err}", out.join("\n"))
    };
    let mut differences = Vec::new();
    for line in SCRIPT {
        let words: Vec<String> = words(&line.replace("\\ ", "\u{a0}"))
            .iter()
            .map(|word| word.replace('\u{a0}', " ").replace("{{json.", "{{json ."))
            .collect();
        let (theirs, mine) = (run(docker(&serve.host, &words)), run(ours(&words)));
        if theirs != mine {
            differences.push(format!("{line}\n--- docker\n{theirs}\n--- outcrop\n{mine}"));
        }
    }
    let _ = ours(&words("rm -f one two")).output();
    assert!(differences.is_empty(), "{} commands differ:\n\n{}", differences.len(), differences.join("\n\n"));
}

/// The container's shell has written all that it writes, and is the one process that stays.
fn until_it_sleeps(host: &str) {
    let started = std::time::Instant::now();
    loop {
        let (_, processes, _) = parts(&docker(host, ["top", "one", "-o", "pid,args"]).output().expect("docker"));
        if processes.lines().nth(1).is_some_and(|line| line.ends_with(" busybox sleep 1000")) {
            return;
        }
        assert!(started.elapsed().as_secs() < 60, "{processes}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A line of a table without how long ago something was, and with one blank between words.
fn without_times(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut kept = Vec::new();
    let mut skip = 0;
    for (position, word) in words.iter().enumerate() {
        if skip > 0 {
            skip -= 1;
            continue;
        }
        let next = words.get(position + 1).copied().unwrap_or_default();
        if next.starts_with("second") || next.starts_with("minute") {
            kept.push("TIME");
            skip = 1;
        } else if (*word == "Less" && next == "than") || (*word == "About" && next.starts_with('a')) {
            kept.push("TIME");
            skip = if *word == "Less" { 3 } else { 2 };
        } else {
            kept.push(word);
        }
    }
    kept.join(" ")
}
