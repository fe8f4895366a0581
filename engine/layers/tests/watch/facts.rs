//! The facts of the scripted workload, and the events that tell them.

use std::collections::{BTreeMap, HashMap};

use outcrop_layers::watch::{Certainty, Event, Evidence, How, Kind};

/// What one fact is about: process, kind, path, and for copy-ups layer and bytes, for renames whether a whiteout stayed.
pub(crate) type Fact = (u32, String, String, String);

/// The facts that the workload printed.
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
