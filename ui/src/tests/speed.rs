//! What a key costs on an image of 135,000 entries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::KeyEvent;
use outcrop_layers::entry::{Entry, Kind, Time};
use outcrop_layers::index::{IndexBuilder, LayerIndex};
use outcrop_layers::source::archive::ArchiveSource;
use outcrop_layers::tree::Tree;

use super::fixture::FAMILY;
use super::{COLOUR, Kit, Screen};
use crate::content::{Content, Reading};
use crate::keymap::Chord;
use crate::message::{Data, Message};

const ENTRIES: usize = 135_000;

fn layer(from: usize, entries: usize) -> Arc<LayerIndex> {
    let mut builder = IndexBuilder::new();
    for number in from..from + entries {
        let path =
            format!("usr/lib/part{}/package-{}/module{}/file-{number}.py", number % 7, number % 211, number % 13);
        let kind = Kind::File { size: (number as u64 * 7919) % 100_000, disk: None };
        let (path, mtime) = (path.into_bytes().into(), Time::default());
        let entry = Entry { path, kind, mode: 0o644, uid: 0, gid: 0, mtime, xattrs: Vec::new() };
        builder.entry(&entry).expect("fits");
    }
    Arc::new(builder.finish())
}

/// A screen on an image of four layers, a part of them written twice.
fn large(kit: Kit) -> Screen {
    let mut screen = Screen::open(Some(FAMILY), kit);
    let quarter = ENTRIES / 4;
    let layers: Vec<_> = (0..4).map(|n| layer(n * quarter * 9 / 10, quarter)).collect();
    let tree = Tree::build(&layers);
    let path = screen.folder.path().join("images.tar");
    let source = ArchiveSource::open(&path, None, screen.folder.path(), None).expect("opens").swap_remove(1);
    let image = source.image().id().to_string();
    let content = Content::new(image.clone(), tree, Arc::new(source), Vec::new());
    screen.take(Message::Data(Data::Content { image, reading: Reading::Ready(Arc::new(content)) }));
    screen
}

/// The time from the key to the frame; work beside the screen is not part of it.
fn cost(screen: &mut Screen, key: &str) -> Duration {
    let event: KeyEvent = Chord::parse(key).expect("is a key").event();
    let start = Instant::now();
    screen.app.update(Message::Key(event));
    let _ = screen.buffer();
    let spent = start.elapsed();
    screen.settle();
    spent
}

#[test]
#[ignore = "a measurement: cargo test --release -p outcrop-ui -- --ignored measured --nocapture"]
fn measured_no_key_takes_longer_than_a_frame() {
    let bound = Duration::from_millis(16);
    let mut screen = large(Kit { size: (200, 60), ..COLOUR });
    screen.keys("enter enter");
    let keys = "j j enter down l l pagedown end home ] ] ] [ [ [ S n S s c c w j k G g w * G g j left right left ] [ tab tab / f i l e 9 9 \
                esc / p a r t enter enter j k - * ] z z esc esc";
    let mut worst = (Duration::ZERO, "");
    for key in keys.split_whitespace() {
        worst = worst.max((cost(&mut screen, key), key));
    }
    eprintln!("slowest key: {} in {:?}", worst.1, worst.0);
    assert!(worst.0 <= bound, "{} took {:?}", worst.1, worst.0);
}

/// A screen on a thousand containers, each with a volume.
fn many() -> Screen {
    use super::objects::{container, detail, id, mounts, volumes};
    let mut screen = Screen::open(None, Kit { size: (200, 60), engine: true, ..COLOUR });
    let rows = (1..=1000).map(|n| {
        let state = crate::model::State::parse(["running", "exited", "created"][n % 3]);
        let mut row = container(n, &format!("container-{n}-of-a-project"), state, "Up 4 minutes");
        row.mounts = mounts();
        row
    });
    screen.keys("2").give(Data::Containers(Ok(rows.collect())));
    screen.give(Data::Container(Box::new(detail(1))));
    let rows = (0..1000).map(|n| {
        let mut row = volumes().swap_remove(0);
        row.name = format!("volume-{n}");
        row.users.iter_mut().for_each(|user| user.id = id(n));
        row
    });
    screen.keys("3").give(Data::Volumes(Ok(rows.collect())));
    let sizes = (0..1000).map(|n| (format!("volume-{n}"), n * 7919 % 100_000));
    screen.give(Data::VolumeSizes(Ok(sizes.collect())));
    screen
}

#[test]
#[ignore = "a measurement: cargo test --release -p outcrop-ui -- --ignored measured --nocapture"]
fn measured_no_key_takes_longer_than_a_frame_on_a_thousand_containers_and_volumes() {
    let bound = Duration::from_millis(16);
    let mut screen = many();
    let keys = "2 j j G k g pagedown / c 9 9 enter S n S i S r esc o o space ctrl-a esc enter ] ] ] ] ] ] [ tab tab z z \
                3 j G g / 7 7 esc S s S u S n enter tab esc space ctrl-a esc P n esc 1 2 3";
    let mut worst = (Duration::ZERO, "");
    for key in keys.split_whitespace() {
        worst = worst.max((cost(&mut screen, key), key));
    }
    eprintln!("slowest key: {} in {:?}", worst.1, worst.0);
    assert!(worst.0 <= bound, "{} took {:?}", worst.1, worst.0);
}

#[test]
#[ignore = "a measurement: cargo test --release -p outcrop-ui -- --ignored measured --nocapture"]
fn measured_no_key_takes_longer_than_a_frame_on_a_full_feed() {
    let bound = Duration::from_millis(16);
    let mut screen = super::live::full();
    let keys = "up pageup g G / p a c k a g e - 2 enter j k g esc / ! p y ctrl-u f i l e space 9 9 enter esc space p S S S z z \
                down home end tab tab v";
    let mut worst = (Duration::ZERO, "");
    for key in keys.split_whitespace() {
        worst = worst.max((cost(&mut screen, key), key));
    }
    eprintln!("slowest key: {} in {:?}", worst.1, worst.0);
    assert!(worst.0 <= bound, "{} took {:?}", worst.1, worst.0);
}
