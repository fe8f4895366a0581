//! What opens over the screen: a stack, of which the top one has the keys.

mod browser;
mod confirm;
mod form;
mod input;
mod launch;
mod menu;
mod palette;
mod text;

use crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};

use crate::action::Action;
use crate::keymap::{Keymap, Scope};
use crate::message::{Data, Request};
use crate::pen::Pen;
use crate::theme::Role;

pub(crate) use browser::Browse;
pub(crate) use confirm::Confirm;
pub(crate) use form::{Form, FormPurpose};
pub(crate) use input::{Input, Purpose};
pub(crate) use launch::LaunchForm;
pub(crate) use menu::{Choice, Menu, letters};
pub(crate) use palette::Palette;
pub(crate) use text::{Line, Text};

/// One of them.
pub(crate) enum Popup {
    Text(Text),
    Confirm(Confirm),
    Input(Input),
    Menu(Menu),
    Palette(Palette),
    Launch(Box<LaunchForm>),
    Form(Form),
    Browse(Browse),
}

/// What came of a key in a popup.
pub(crate) enum Outcome {
    /// It stays.
    Stays,
    /// It closes.
    Closes,
    /// It closes, and this is to be done.
    Does(Action),
    /// It stays, and these requests go out.
    Asks(Vec<Request>),
    /// It closes, and these requests go out.
    Requests(Vec<Request>),
    /// It closes with a choice of a menu.
    Chose(Choice),
    /// The browser opens in its place, in this folder, for the same purpose.
    Browses(Purpose, String),
    /// Its text changed.
    Typed(Purpose, String),
    /// It closes with a text.
    Entered(Purpose, String),
    /// It closes without one.
    Left(Purpose),
    /// It closes with the texts of its fields.
    Filled(FormPurpose, Vec<String>),
}

impl Popup {
    pub(crate) fn key(&mut self, key: KeyEvent, keys: &Keymap, area: Rect) -> Outcome {
        match self {
            Self::Text(popup) => popup.key(key, keys, area),
            Self::Confirm(popup) => popup.key(key, keys, area),
            Self::Input(popup) => popup.key(key),
            Self::Menu(popup) => popup.key(key, keys),
            Self::Palette(popup) => popup.key(key, keys, area),
            Self::Launch(popup) => popup.key(key, keys, area),
            Self::Form(popup) => popup.key(key),
            Self::Browse(popup) => popup.key(key),
        }
    }

    pub(crate) fn paste(&mut self, text: &str) -> Outcome {
        match self {
            Self::Input(popup) => popup.paste(text),
            Self::Palette(popup) => popup.paste(text),
            Self::Launch(popup) => popup.paste(text),
            Self::Form(popup) => popup.paste(text),
            _ => Outcome::Stays,
        }
    }

    /// Takes an answer that is meant for it, and gives back any other.
    pub(crate) fn data(&mut self, data: Data) -> Option<Data> {
        match self {
            Self::Launch(popup) => popup.data(data),
            Self::Browse(popup) => popup.data(data),
            _ => Some(data),
        }
    }

    /// The keys that have a meaning in it, where it does not name them itself.
    pub(crate) fn hints(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Text(_) => &[("up down", "scroll"), ("esc", "close")],
            Self::Menu(_) => &[("up down", "move"), ("enter", "choose"), ("esc", "close")],
            Self::Palette(_) => &[("up down", "move"), ("enter", "do it"), ("esc", "close")],
            _ => &[],
        }
    }

    /// A click: on a line it chooses that line, beside the box it closes what only shows or offers something.
    pub(crate) fn click(&mut self, at: Position, area: Rect) -> Outcome {
        let (inside, line) = match self {
            Self::Text(popup) => (popup.area(area), None),
            Self::Menu(popup) => (popup.area(area), popup.line_at(at, area)),
            Self::Palette(popup) => (Palette::area(area), popup.line_at(at, area)),
            _ => return Outcome::Stays,
        };
        match line {
            Some(outcome) => outcome,
            None if inside.contains(at) => Outcome::Stays,
            None => Outcome::Closes,
        }
    }

    pub(crate) fn wheel(&mut self, lines: isize, area: Rect) {
        match self {
            Self::Text(popup) => popup.wheel(lines, area),
            Self::Palette(popup) => popup.wheel(lines, area),
            Self::Menu(popup) => popup.wheel(lines.signum()),
            _ => {}
        }
    }

    /// Draws it over `area`; gives where the text cursor is.
    pub(crate) fn draw(&self, pen: &mut Pen<'_>, area: Rect, keys: &Keymap) -> Option<(u16, u16)> {
        match self {
            Self::Text(popup) => popup.draw(pen, area),
            Self::Confirm(popup) => popup.draw(pen, area, keys),
            Self::Input(popup) => return Some(popup.draw(pen, area)),
            Self::Menu(popup) => popup.draw(pen, area),
            Self::Browse(popup) => popup.draw(pen, area),
            Self::Palette(popup) => return Some(popup.draw(pen, area, keys)),
            Self::Launch(popup) => return popup.draw(pen, area, keys),
            Self::Form(popup) => return Some(popup.draw(pen, area)),
        }
        None
    }
}

/// A box in the middle of `area`, at most as large as it.
fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height)
}

/// Empties the box and frames it.
fn open_box(pen: &mut Pen<'_>, area: Rect, title: &str) -> Rect {
    pen.clear(area);
    let style = pen.look.style(Role::Strong);
    pen.frame(area, &[(title, style)], true)
}

/// Whether a key does `action` in a popup; esc always goes back.
fn action(key: KeyEvent, keys: &Keymap, scope: Scope) -> Option<Action> {
    keys.action(scope, crate::keymap::Chord::of(key))
}
