//! Recordings are given back as they were, and wrong ones refused.

use std::io::Cursor;

use outcrop_layers::watch::{
    Adviser, Attached, Certainty, Data, Event, Evidence, How, Kind, Lower, LowerLayer, Node, RawPath, Recorder, Replay,
    Totals, Update, WatchError, Who,
};

fn event(seq: u64, path: &[u8], kind: Kind) -> Update {
    let who = Some(Who { pid: 7, name: Some(RawPath(b"chmod"[..].into())), by: None });
    let (evidence, certainty) = (Evidence::Fanotify, Certainty::Exact);
    Update::Event(Event {
        seq,
        time: 1_795_000_000_000_000_000 + seq,
        overlay: 0,
        path: path.into(),
        kind,
        who,
        evidence,
        certainty,
    })
}

fn copy_up(copied: u64) -> Kind {
    let lower = Lower { layer: 0, path: b"bin/busybox"[..].into(), size: copied, how: How::Handle };
    Kind::CopyUp { node: Node::File, lower: Some(lower), data: Data::Full, copied }
}

fn updates() -> Vec<Update> {
    let lowers = vec![LowerLayer { path: "/layers/1".into(), created_by: Some("ADD rootfs /".into()) }];
    let attached = Attached {
        overlay: 0,
        name: "web".into(),
        upper: "/upper".into(),
        lowers,
        method: Evidence::Fanotify,
        names_processes: true,
        infers_processes: false,
        notes: vec![],
        entries: 3,
    };
    vec![
        Update::Attached(attached),
        event(1, b"bin/busybox", copy_up(1_900_000)),
        event(2, b"bin/busybox", Kind::Attributes { mode: Some(0o755), owner: None }),
        event(3, b"bin/\xff\x1b[31m", Kind::Create { node: Node::File, over_whiteout: true }),
        event(4, b"etc/passwd", copy_up(2000)),
        event(5, b"etc/passwd", Kind::Write { size: Some(2010), changed: Some(10), mapped: false }),
        event(6, b"etc/passwd", Kind::Write { size: Some(2030), changed: Some(30), mapped: true }),
        event(
            7,
            b"etc/shadow",
            Kind::Rename {
                node: Node::File,
                from: b"etc/passwd"[..].into(),
                left_whiteout: true,
                exchange: false,
                redirect: None,
            },
        ),
        Update::Note("a note".into()),
        Update::Detached { overlay: 0, agrees: Some(true) },
    ]
}

fn recorded(updates: &[Update]) -> Vec<u8> {
    let mut recorder = Recorder::new(Vec::new()).expect("begins");
    for update in updates {
        recorder.add(update).expect("added");
    }
    recorder.into_inner()
}

#[test]
fn gives_back_what_was_recorded() {
    let bytes = recorded(&updates());
    assert!(bytes.is_ascii(), "a path that is no text is written as one");
    let read: Result<Vec<_>, _> = Replay::new(Cursor::new(&bytes)).expect("is one").collect();
    assert_eq!(read.expect("is readable"), updates());
    let cut = &bytes[..bytes.len() - 5];
    let read: Result<Vec<_>, _> = Replay::new(Cursor::new(cut)).expect("is one").collect();
    assert_eq!(read.expect("a killed recorder leaves a readable file"), updates()[..updates().len() - 1]);
}

#[test]
fn refuses_what_is_none() {
    let begin = |bytes: &[u8]| Replay::new(Cursor::new(bytes.to_vec())).map(drop).expect_err("is none").to_string();
    assert!(begin(b"").contains("line 1"));
    assert!(begin(b"not JSON\n").contains("line 1"));
    assert!(begin(br#"{"format":"other","version":1}"#).contains("other"));
    assert!(begin(br#"{"format":"outcrop-watch","version":2}"#).contains("version 2"));
    let mut bytes = recorded(&updates()[..2]);
    bytes.extend(b"{\"event\":{}}\n");
    let last = Replay::new(Cursor::new(bytes)).expect("is one").last().expect("three lines");
    assert!(matches!(last, Err(WatchError::Record { line: 4, .. })), "{last:?}");
}

#[test]
fn sums_and_advice_come_from_updates() {
    let (mut totals, mut adviser) = (Totals::default(), Adviser::default());
    for update in updates() {
        totals.add(&update);
        adviser.add(&update);
    }
    assert_eq!((totals.bytes.copied, totals.bytes.written), (1_902_000, 30));
    assert_eq!(totals.bytes.amplification().map(f64::round), Some(63_400.0));
    let counts = totals.counts;
    assert_eq!((counts.events, counts.copy_ups, counts.writes, counts.attributes, counts.renames), (7, 2, 2, 1, 1));
    assert_eq!(totals.layers[&(0, 0)].copied, 1_902_000);
    let top: Vec<String> = totals.top(5).iter().map(|((_, path), _)| path.to_string()).collect();
    assert_eq!(top, ["bin/busybox", "etc/shadow"]);
    assert_eq!(totals.folders()[&(0, b"etc"[..].into())].bytes.copied, 2000);
    let process = totals.processes.values().next().expect("one");
    assert_eq!((process.events, process.bytes.written), (7, 30));
    let advice: Vec<String> = adviser.advice().iter().map(|one| one.text(&|bytes| format!("{bytes} B"))).collect();
    assert_eq!(advice.len(), 1, "{advice:?}");
    assert!(
        advice[0].contains("/bin") && advice[0].contains("1900000 B") && advice[0].contains("--chmod"),
        "{advice:?}"
    );
}
