//! The scripted workload: every structural fact once, with the right process, layer and bytes.

use std::collections::{BTreeMap, HashMap};
use std::process::Command;

use outcrop_layers::watch::{Certainty, Event, Evidence, How, Kind, Options, Update};

use crate::support::{Mounted, On, Watching, events, run, workload};

/// How often the workload runs.
const RUNS: usize = 10;

/// What one fact is about: process, kind, path, and for copy-ups layer and bytes, for renames whether a whiteout stayed.
type Fact = (u32, String, String, String);

pub(crate) fn expected(output: &str) -> Vec<Fact> {
    let fact = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        let mut next = || fields.next().expect("four fields");
        (next().parse().expect("process"), next(), next(), next())
    };
    output.lines().map(fact).collect()
}

/// The same of an event; `None` for a write, which may be merged.
fn fact(event: &Event) -> Option<Fact> {
    let (kind, more) = match &event.kind {
        Kind::CopyUp { lower, copied, .. } => match lower {
            Some(lower) if lower.size > 0 && *copied > 0 => ("copy-up", format!("{} {copied}", lower.layer)),
            _ => ("copy-up", String::new()),
        },
        Kind::Create { .. } => ("create", String::new()),
        Kind::Attributes { .. } => ("attributes", String::new()),
        Kind::Whiteout { .. } => ("whiteout", String::new()),
        Kind::Delete { .. } => ("delete", String::new()),
        Kind::Opaque => ("opaque", String::new()),
        Kind::Rename { left_whiteout, .. } => {
            ("rename", if *left_whiteout { "whiteout".into() } else { String::new() })
        }
        Kind::Link { .. } => ("link", String::new()),
        Kind::Write { .. } | Kind::Compared { .. } => return None,
        Kind::Resynchronised { .. } => ("resynchronised", String::new()),
    };
    let pid = event.who.as_ref().map_or(0, |who| who.pid);
    Some((pid, kind.into(), event.path.to_string(), more))
}

fn counted(facts: impl Iterator<Item = Fact>) -> BTreeMap<Fact, usize> {
    let mut counted = BTreeMap::new();
    facts.for_each(|fact| *counted.entry(fact).or_default() += 1);
    counted
}

/// Insists that `events` tell each structural fact of `expected` once, and nothing else; returns how many facts there were.
pub(crate) fn assert_exact(expected: &[Fact], events: &[Event]) -> usize {
    let structural = counted(expected.iter().filter(|fact| fact.1 != "write").cloned());
    let told = counted(events.iter().filter_map(fact));
    let missing: Vec<_> = structural.iter().filter(|(fact, n)| told.get(fact) != Some(n)).take(20).collect();
    let false_ones: Vec<_> = told.iter().filter(|(fact, n)| structural.get(fact) != Some(n)).take(20).collect();
    assert!(missing.is_empty() && false_ones.is_empty(), "not told: {missing:#?}\ntold without cause: {false_ones:#?}");
    for event in events {
        let name = event.who.as_ref().and_then(|who| who.name.as_ref()).map(ToString::to_string);
        assert_eq!(name.as_deref(), Some("workload"), "{event:?}");
        assert!(event.evidence != Evidence::Scan, "{event:?}");
        if let Kind::CopyUp { lower, copied: 1.., .. } = &event.kind {
            assert_eq!(lower.as_ref().map(|lower| lower.how), Some(How::Handle), "{event:?}");
        }
    }
    assert_writes(expected, events);
    expected.len()
}

/// Every write is told; several of one file may be told as one, which says so. The last says how many bytes differ.
fn assert_writes(expected: &[Fact], events: &[Event]) {
    let mut wanted: HashMap<&str, (usize, u64)> = HashMap::new();
    for (_, _, path, bytes) in expected.iter().filter(|fact| fact.1 == "write") {
        let file = wanted.entry(path).or_default();
        file.0 += 1;
        file.1 += bytes.parse::<u64>().expect("bytes");
    }
    let mut told: HashMap<String, Vec<&Event>> = HashMap::new();
    for event in events.iter().filter(|event| matches!(event.kind, Kind::Write { .. })) {
        told.entry(event.path.to_string()).or_default().push(event);
    }
    for (path, (times, bytes)) in &wanted {
        let writes = told.remove(*path).unwrap_or_default();
        let merged = writes.iter().any(|event| event.certainty == Certainty::Coalesced);
        assert!(writes.len() == *times || merged && (1..*times).contains(&writes.len()), "{path}: {writes:?}");
        if let Some(Kind::Write { changed: Some(changed), .. }) = writes.last().map(|event| &event.kind) {
            assert_eq!(changed, bytes, "{path}");
        }
    }
    assert!(told.is_empty(), "written by nobody: {told:?}");
}

fn watched_workload(mounted: &Mounted) -> (String, Vec<Update>) {
    let watch = Watching::start(Options::default());
    let attached = watch.attach(mounted.overlay()).expect("attaches");
    assert_eq!((attached.method, attached.notes.as_slice()), (Evidence::Fanotify, &[][..]));
    let output = Command::new(workload()).arg("run").arg(mounted.merged()).output().expect("workload");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8(output.stdout).expect("text"), watch.finished())
}

fn mounted(on: On, options: &str) -> Mounted {
    Mounted::new(on, options, |base| {
        run(workload().to_str().expect("text"), &["prepare", base.to_str().expect("text")])
    })
}

#[test]
#[ignore = "needs root and loop devices: run by .ci/run"]
fn every_fact_of_the_workload_is_told_once() {
    for run in 1..=RUNS {
        let mounted = mounted(On::Ext4, "");
        let (output, updates) = watched_workload(&mounted);
        let expected = expected(&output);
        let facts = assert_exact(&expected, &events(&updates));
        println!("run {run}: {facts} facts");
        assert!(facts >= 10_120);
    }
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn every_fact_is_told_once_on_other_filesystems() {
    for (on, options) in [(On::Tmpfs, ""), (On::Btrfs, ""), (On::Ext4, ",redirect_dir=on"), (On::Ext4, ",index=on")] {
        let mounted = mounted(on, options);
        let (output, updates) = watched_workload(&mounted);
        let facts = assert_exact(&expected(&output), &events(&updates));
        println!("{on:?} {options}: {facts} facts");
    }
}

#[test]
#[ignore = "needs root and loop devices: run by .ci/run"]
fn ten_overlays_at_once() {
    let mounted: Vec<Mounted> = (0..10).map(|_| mounted(On::Here, "")).collect();
    let watch = Watching::start(Options::default());
    let attached: Vec<_> = mounted.iter().map(|one| watch.attach(one.overlay()).expect("attaches").overlay).collect();
    let running: Vec<_> = mounted
        .iter()
        .map(|one| {
            let mut command = Command::new(workload());
            command.arg("run").arg(one.merged()).stdout(std::process::Stdio::piped()).spawn().expect("workload")
        })
        .collect();
    let outputs: Vec<_> = running.into_iter().map(|child| child.wait_with_output().expect("waits").stdout).collect();
    let events = events(&watch.finished());
    for (overlay, output) in attached.iter().zip(outputs) {
        let of_it: Vec<Event> = events.iter().filter(|event| event.overlay == *overlay).cloned().collect();
        assert_exact(&expected(&String::from_utf8(output).expect("text")), &of_it);
    }
}
