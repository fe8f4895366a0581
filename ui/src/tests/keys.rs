//! Random keys, clicks and sizes: nothing panics, nothing unsafe is drawn.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::fixture::{FAMILY, HOSTILE};
use super::{COLOUR, Kit, Screen, is_clean};
use crate::message::{Data, Message};
use crate::safe_text::Charset;
use crate::theme::Level;

/// A small generator; its seed is told when a test fails.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn event(random: &mut Random, size: (u16, u16)) -> Message {
    const CODES: [KeyCode; 16] = [
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Delete,
        KeyCode::Backspace,
        KeyCode::Char(' '),
        KeyCode::F(1),
    ];
    match random.below(10) {
        0..4 => Message::Key(KeyEvent::from(CODES[random.below(16) as usize])),
        4..8 => Message::Key(KeyEvent::from(KeyCode::Char((b'!' + random.below(94) as u8) as char))),
        8 => {
            let kinds = [
                MouseEventKind::Down(MouseButton::Left),
                MouseEventKind::Drag(MouseButton::Left),
                MouseEventKind::Up(MouseButton::Left),
                MouseEventKind::ScrollDown,
                MouseEventKind::ScrollUp,
            ];
            let kind = kinds[random.below(5) as usize];
            let (column, row) =
                (random.below(u64::from(size.0) + 2) as u16, random.below(u64::from(size.1) + 2) as u16);
            Message::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
        }
        _ => Message::Paste("pasted \u{1b}[31m\n".into()),
    }
}

fn wander(images: &[super::fixture::Image<'_>], kit: Kit, seed: u64, steps: u32) {
    stroll(Screen::open(Some(images), kit), kit, seed, steps);
}

/// An engine with containers and volumes, each screen seen.
fn engine(kit: Kit) -> Screen {
    use super::objects::{changes, containers, detail, ground, id, pasts, sizes, volume_content, volumes};
    let mut screen = Screen::open(None, Kit { engine: true, ..kit });
    screen.keys("3").give(Data::Volumes(Ok(volumes()))).give(Data::VolumeSizes(Ok(sizes())));
    let reading = volume_content(&screen);
    screen.give(Data::VolumePasts(pasts())).give(Data::VolumeContent { volume: "db".into(), reading });
    screen.keys("2").give(Data::Containers(Ok(containers()))).give(Data::Container(Box::new(detail(1))));
    let reading = changes(&screen);
    screen.give(Data::Changes { container: id(1), reading }).keys("+");
    let ground = ground(&screen, true);
    screen.give(ground);
    screen
}

fn stroll(mut screen: Screen, kit: Kit, seed: u64, steps: u32) {
    let mut random = Random(seed);
    let mut size = kit.size;
    for step in 0..steps {
        if random.below(40) == 0 {
            size = (random.below(220) as u16, random.below(70) as u16);
            screen.resize(size.0, size.1);
        }
        match event(&mut random, size) {
            Message::Mouse(event) => screen.mouse(event),
            message => screen.take(message),
        }
        let buffer = screen.buffer();
        assert!(is_clean(&buffer, kit.charset), "seed {seed:#x}, step {step}\n{}", screen.text());
    }
}

#[test]
fn random_keys_never_panic() {
    for seed in [0x9e37_79b9, 0x1234_5678_9abc, 42] {
        wander(FAMILY, COLOUR, seed, 150);
        wander(HOSTILE, COLOUR, seed, 150);
        wander(HOSTILE, Kit { level: Level::None, charset: Charset::Ascii, ..COLOUR }, seed, 100);
    }
}

#[test]
fn random_keys_never_panic_on_an_engine() {
    for seed in [0x9e37_79b9, 0x1234_5678_9abc, 42, 7, 99] {
        stroll(engine(COLOUR), COLOUR, seed, 250);
        let kit = Kit { level: Level::None, charset: Charset::Ascii, size: (80, 24), ..COLOUR };
        stroll(engine(kit), kit, seed, 150);
        stroll(super::build::busy(COLOUR), COLOUR, seed, 150);
        stroll(super::build::busy(kit), kit, seed, 100);
        stroll(super::disk::open(Kit { engine: true, ..kit }), kit, seed, 100);
    }
}
