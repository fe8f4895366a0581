//! Copy-on-write on the screen, over what a watch told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use outcrop_layers::watch::{
    Attached, Certainty, Data as Copied, Event, Evidence, How, Kind, Lower, LowerLayer, Node, RawPath, Update, Who,
};
use ratatui::style::Color;

use super::objects::{changes, containers, detail, id};
use super::{COLOUR, Kit, Screen};
use crate::live::{Batch, Kept};
use crate::message::{Data, Message, Request};
use crate::safe_text::Charset;
use crate::theme::Level;

const ENGINE: Kit = Kit { engine: true, ..COLOUR };
/// 2026-11-23 14:02:11 UTC.
const TIME: u64 = 1_795_442_531;

pub(crate) fn attached() -> Update {
    let words = ["COPY rootfs /", "RUN apt-get -y install python", "RUN pip install flask"];
    let lower = |words: &&str| LowerLayer { path: "/layers".into(), created_by: Some((*words).into()) };
    Update::Attached(Attached {
        overlay: 0,
        name: "web".into(),
        upper: "/upper".into(),
        lowers: words.iter().map(lower).collect(),
        method: Evidence::Fanotify,
        names_processes: true,
        infers_processes: false,
        notes: Vec::new(),
        entries: 3,
    })
}

fn told(seq: u64, millis: u64, path: &[u8], kind: Kind, who: (&str, u32)) -> Event {
    Event {
        seq,
        time: TIME * 1_000_000_000 + millis * 1_000_000,
        overlay: 0,
        path: path.into(),
        kind,
        who: Some(Who { pid: who.1, name: Some(RawPath(who.0.as_bytes().into())), by: None }),
        evidence: Evidence::Fanotify,
        certainty: Certainty::Exact,
    }
}

fn copy_up(layer: usize, path: &str, copied: u64) -> Kind {
    let lower = Lower { layer, path: path.as_bytes().into(), size: copied, how: How::Handle };
    Kind::CopyUp { node: Node::File, lower: Some(lower), data: Copied::Full, copied }
}

/// A copy-up of a file of the base.
pub(crate) fn event(seq: u64, path: &str, copied: u64) -> Update {
    Update::Event(told(seq, seq, path.as_bytes(), copy_up(0, path, copied), ("sh", 4211)))
}

/// What a container did, one of each kind.
fn session() -> Vec<Update> {
    let write = |changed| Kind::Write { size: Some(2_136), changed: Some(changed), mapped: false };
    let rename = Kind::Rename {
        node: Node::File,
        from: RawPath(b"srv/a"[..].into()),
        left_whiteout: false,
        exchange: false,
        redirect: None,
    };
    let libc = "usr/lib/libc.so";
    let mut events = vec![
        told(1, 204, b"etc/passwd", copy_up(0, "etc/passwd", 2_100), ("sh", 4211)),
        told(2, 204, b"etc/passwd", write(36), ("sh", 4211)),
        told(3, 310, b"bin/busybox", copy_up(0, "bin/busybox", 1_900_000), ("chmod", 4215)),
        told(4, 310, b"bin/busybox", Kind::Attributes { mode: Some(0o700), owner: None }, ("chmod", 4215)),
        told(5, 512, b"bin/foo", Kind::Create { node: Node::File, over_whiteout: false }, ("sh", 4211)),
        told(6, 1001, b"bin/vi", Kind::Whiteout { dropped: false }, ("rm", 4217)),
        told(7, 1440, libc.as_bytes(), copy_up(1, libc, 2_200_000), ("dpkg", 4230)),
        told(8, 1441, libc.as_bytes(), write(2_245), ("dpkg", 4230)),
        told(9, 1980, b"var/cache/apt", Kind::Opaque, ("apt", 4229)),
        told(10, 2102, b"srv/b", rename, ("mv", 4244)),
    ];
    events[7].certainty = Certainty::Coalesced;
    events[8].certainty = Certainty::Inferred;
    std::iter::once(attached()).chain(events.into_iter().map(Update::Event)).collect()
}

/// The screen with the tab in sight, and the number of the watch that was asked for.
fn open(kit: Kit) -> (Screen, u64) {
    let mut screen = Screen::open(None, kit);
    screen.keys("2").give(Data::Containers(Ok(containers())));
    screen.give(Data::Container(Box::new(detail(1))));
    let reading = changes(&screen);
    screen.give(Data::Changes { container: id(1), reading });
    let number = watched(&mut screen).expect("it is watched");
    screen.keys("v");
    (screen, number)
}

/// The newest watch that was asked for.
fn watched(screen: &mut Screen) -> Option<u64> {
    screen.sent.iter().rev().find_map(|request| match request {
        Request::Live { generation, .. } => Some(*generation),
        _ => None,
    })
}

/// Whether somebody still wants the newest watch.
fn is_wanted(screen: &mut Screen) -> bool {
    let last = screen.sent.iter_mut().rev().find_map(|request| match request {
        Request::Live { stop, .. } => Some(stop),
        _ => None,
    });
    matches!(last.expect("one was asked for").try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Empty))
}

/// What a watch tells, as the thread that takes it in makes it.
fn batch(screen: &Screen, updates: Vec<Update>) -> Batch {
    Kept::new(screen.folder.path()).take(updates)
}

fn recorded(kit: Kit) -> Screen {
    let (mut screen, number) = open(kit);
    let batch = batch(&screen, session());
    screen.give(Data::Live(number, batch));
    screen
}

#[test]
fn live_at_80x24() {
    insta::assert_snapshot!(recorded(Kit { size: (80, 24), ..ENGINE }).text());
}

#[test]
fn live_at_120x40() {
    insta::assert_snapshot!(recorded(ENGINE).text());
}

#[test]
fn live_at_200x60() {
    insta::assert_snapshot!(recorded(Kit { size: (200, 60), ..ENGINE }).keys("up up up").text());
}

#[test]
fn live_without_colours_and_in_ascii() {
    let mut screen = recorded(Kit { level: Level::None, charset: Charset::Ascii, ..ENGINE });
    insta::assert_snapshot!(screen.text());
    let buffer = screen.buffer();
    assert!(buffer.content.iter().all(|cell| cell.symbol().is_ascii()));
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
}

#[test]
fn the_strata_count_and_flash_as_it_happens_and_are_read_again_when_it_is_quiet() {
    let (mut screen, number) = open(ENGINE);
    assert!(screen.text().contains("▲ 2 files copied up") && screen.text().contains("3 copied up   2 new   1 deleted"));
    let told = batch(&screen, vec![attached(), event(1, "etc/group", 700)]);
    // Not settled: a wait is over only later.
    screen.app.update(Message::Data(Data::Live(number, told)));
    let text = screen.text();
    assert!(text.contains("▲▲ 3 files copied up") && text.contains("4 copied up   2 new   1 deleted"), "{text}");
    assert!(text.contains("700 B copied up to change nothing"), "{text}");
    let _ = screen.asked();
    screen.settle();
    let text = screen.text();
    assert!(!text.contains("▲▲") && text.contains("▲ 3 files copied up") && text.contains("0 B/s"), "{text}");
    assert!(screen.asked().contains("Changes {"), "what was told is compared with what is there");
    let reading = changes(&screen);
    let text = screen.give(Data::Changes { container: id(1), reading }).text();
    assert!(text.contains("▲ 2 files copied up"), "what was read is the truth\n{text}");
}

#[test]
fn it_is_watched_only_while_it_runs_and_is_seen() {
    let (mut screen, first) = open(ENGINE);
    assert!(is_wanted(&mut screen));
    screen.keys("1");
    assert!(!is_wanted(&mut screen), "out of sight");
    screen.keys("2");
    assert!(is_wanted(&mut screen) && watched(&mut screen) != Some(first), "a new one, in sight again");
    screen.keys("tab z");
    assert!(!is_wanted(&mut screen), "neither its strata nor its feed are seen");
    screen.keys("z");
    assert!(is_wanted(&mut screen));
    let mut rows = containers();
    rows[0].state = crate::model::State::Exited;
    screen.give(Data::Containers(Ok(rows)));
    assert!(!is_wanted(&mut screen), "it ended");
    screen.give(Data::Containers(Ok(containers())));
    assert!(is_wanted(&mut screen));
    screen.keys("down");
    screen.give(Data::Live(first, Batch { updates: vec![event(1, "stranger", 1)], ..Batch::default() }));
    assert!(!screen.keys("v").text().contains("stranger"), "news of a watch that was left change nothing");
}

#[test]
fn what_cannot_be_watched_is_said_and_tried_again_when_asked() {
    let (mut screen, number) = open(ENGINE);
    let end = Some("cannot look at /x\u{1b}[2J: permission denied".into());
    screen.give(Data::Live(number, Batch { end, ..Batch::default() }));
    let text = screen.text();
    assert!(
        text.contains("it cannot be watched: cannot look at /x\\x1b[2J") && text.contains("R tries again"),
        "{text}"
    );
    let _ = screen.asked();
    screen.keys("j k");
    assert!(!screen.asked().contains("Live {"), "not again and again");
    screen.keys("R");
    assert!(screen.asked().contains("Live {"));
}

#[test]
fn what_is_not_promised_is_said() {
    let (mut screen, number) = open(ENGINE);
    let Update::Attached(mut told) = attached() else { panic!("it is one") };
    told.method = Evidence::Directories;
    told.names_processes = false;
    told.notes = vec!["a whole filesystem can be watched by root only".into()];
    let first = batch(&screen, vec![Update::Attached(told.clone())]);
    let text = screen.give(Data::Live(number, first)).text();
    assert!(text.contains("no processes") && text.contains("by root only"), "{text}");
    let more = batch(&screen, vec![event(1, "etc/passwd", 1)]);
    let text = screen.give(Data::Live(number, more)).text();
    assert!(text.contains("by root only"), "it stays said\n{text}");
    let (mut screen, number) = open(ENGINE);
    told.infers_processes = true;
    let Update::Event(mut inferred) = event(1, "etc/passwd", 1) else { panic!("it is one") };
    inferred.who = Some(Who { pid: 7, name: Some(RawPath(b"chmod"[..].into())), by: Some(Evidence::Seccomp) });
    let first = batch(&screen, vec![Update::Attached(told), Update::Event(inferred)]);
    let text = screen.give(Data::Live(number, first)).text();
    assert!(text.contains("who by seccomp") && text.contains("~chmod 7"), "{text}");
    let text = screen.keys("space g").text();
    assert!(text.contains("probably by chmod 7"), "{text}");
}

#[test]
fn pausing_loses_nothing() {
    let mut screen = recorded(ENGINE);
    let number = watched(&mut screen).expect("one");
    let text = screen.keys("space").text();
    assert!(text.contains("paused"), "{text}");
    let more: Vec<_> = (0..250).map(|n| event(n, &format!("later-{n}"), 10)).collect();
    let more = batch(&screen, more);
    let text = screen.give(Data::Live(number, more)).text();
    assert!(text.contains("250 more") && !text.contains("copy-up /later-"), "{text}");
    let text = screen.keys("p").text();
    assert!(text.contains("later-249") && text.contains("following") && !text.contains("250 more"), "{text}");
    let text = screen.keys("g").text();
    assert!(text.contains("1 of 260") && text.contains("from layer 1 (COPY rootfs /)"), "{text}");
    let text = screen.keys("G").text();
    assert!(text.contains("following"), "{text}");
}

#[test]
fn the_ring_is_bounded_and_says_what_went() {
    let (mut screen, number) = open(ENGINE);
    let kept = Kept::new(screen.folder.path());
    for part in 0..13 {
        let updates = (0..8_000).map(|n| event(n, &format!("f{part}-{n}"), 1)).collect();
        screen.app.update(Message::Data(Data::Live(number, kept.take(updates))));
    }
    let text = screen.text();
    assert!(text.contains("4 000 older let go") && text.contains("f12-7999"), "{text}");
    assert!(text.contains("104 kB copied up"), "the sums have all\n{text}");
    let text = screen.keys("g").text();
    assert!(text.contains("f0-4000") && text.contains("1 of 100 000"), "{text}");
}

#[test]
fn the_filter_takes_words_of_everything_shown() {
    let mut screen = recorded(ENGINE);
    let text = screen.keys("/ text:dpkg enter").text();
    assert!(text.contains("libc.so") && !text.contains("14:02:11.204") && text.contains("/dpkg"), "{text}");
    let number = watched(&mut screen).expect("one");
    let more = batch(&screen, vec![event(11, "of-sh", 10)]);
    assert!(!screen.give(Data::Live(number, more)).text().contains("copy-up /of-sh"));
    assert!(screen.keys("esc").text().contains("copy-up /of-sh"));
    let text = screen.keys("/ text:layer").keys("enter").text();
    assert!(text.contains("copy-up /of-sh") && !text.contains("bin/foo"), "{text}");
    screen.keys("/ ctrl-u text:!copy-up enter");
    let text = screen.text();
    assert!(text.contains("bin/foo") && !text.contains("copy-up /of-sh"), "{text}");
    let text = screen.keys("/ ctrl-u text:zzz enter").text();
    assert!(text.contains("nothing matches"), "{text}");
}

#[test]
fn an_event_leads_to_its_file_and_to_what_differs() {
    let mut screen = recorded(ENGINE);
    // The last but two is the second event of libc.so.
    let _ = screen.keys("up up d").asked();
    let reading = changes(&screen);
    let text = screen.give(Data::Changes { container: id(1), reading }).text();
    assert!(text.contains("[Changes]") && text.contains("libc.so"), "{text}");
    assert!(!text.contains("not among"), "{text}");
    screen.keys("v g enter");
    let reading = changes(&screen);
    let text = screen.give(Data::Changes { container: id(1), reading }).text();
    assert!(text.contains("╭─ passwd"), "it is selected\n{text}");
    screen.keys("v G up enter");
    let reading = changes(&screen);
    let text = screen.give(Data::Changes { container: id(1), reading }).text();
    assert!(text.contains("/var/cache/apt is not among what the container changed"), "{text}");
}

#[test]
fn what_most_was_copied_for_least() {
    let mut screen = recorded(ENGINE);
    let text = screen.text();
    assert!(text.contains("by file") && text.contains("/bin/busybox") && text.contains("×980"), "{text}");
    assert!(screen.keys("S").text().contains("by folder"));
    assert!(screen.keys("S").text().contains("by process") && screen.text().contains("dpkg"));
    assert!(screen.keys("S").text().contains("layer 2  RUN apt-get"), "{}", screen.text());
    let text = screen.text();
    assert!(text.contains("copied (1.90 MB) to change no content"), "advice\n{text}");
}

#[test]
fn a_recording_is_saved_and_opened() {
    let (mut screen, number) = open(ENGINE);
    let kept = screen.sent.iter().find_map(|request| match request {
        Request::Live { kept, .. } => Some(Arc::clone(kept)),
        _ => None,
    });
    let told = kept.expect("one").take(session());
    screen.give(Data::Live(number, told));
    let text = screen.keys("s enter").text();
    assert!(text.contains("outcrop watch --replay shows it"), "{text}");
    let path = screen.folder.path().join("web.watch.jsonl");
    assert_eq!(std::fs::read_to_string(&path).expect("is there").lines().count(), 12);
    let text = screen.keys("o text:web.watch.jsonl enter").text();
    assert!(
        text.contains("· recording") && text.contains("web.watch.jsonl") && text.contains("/srv/a → /srv/b"),
        "{text}"
    );
    let text = screen.keys("esc").text();
    assert!(!text.contains("· recording") && text.contains("following"), "{text}");
    std::fs::write(screen.folder.path().join("none"), "no recording\n").expect("writes");
    let text = screen.keys("o text:none enter").text();
    assert!(text.contains("cannot read") && text.contains("line 1"), "{text}");
}

#[test]
fn hostile_names_in_the_feed_are_harmless() {
    for charset in [Charset::Unicode, Charset::Ascii] {
        let (mut screen, number) = open(Kit { charset, ..ENGINE });
        let evil: &[u8] = b"etc/\x1b[31m\xff\n\xe2\x80\xaeevil";
        let kind = copy_up(9_999, "x", u64::MAX / 4);
        let mut updates = vec![attached(), Update::Note("note \u{1b}[2J".into())];
        updates.push(Update::Event(told(1, 1, evil, kind, ("\u{1b}]0;x\u{7}", u32::MAX))));
        let told = batch(&screen, updates);
        screen.give(Data::Live(number, told));
        for keys in ["", "up", "S", "S", "S", "/ text:evil enter"] {
            screen.keys(keys);
            assert!(super::is_clean(&screen.buffer(), charset), "{}", screen.text());
        }
    }
}

static SEED: AtomicU64 = AtomicU64::new(1);

/// A screen on as many events as are kept, of many files and processes.
pub(super) fn full() -> Screen {
    let (mut screen, number) = open(Kit { size: (200, 60), ..ENGINE });
    let kept = Kept::new(screen.folder.path());
    for _ in 0..13 {
        let updates = (0..8_000).map(|_| {
            let n = SEED.fetch_add(7919, Ordering::Relaxed);
            let path = format!("usr/lib/part{}/package-{}/file-{n}.py", n % 7, n % 211);
            event(n, &path, n % 100_000)
        });
        let updates: Vec<_> = updates.collect();
        screen.app.update(Message::Data(Data::Live(number, kept.take(updates))));
        screen.settle();
    }
    screen
}
