//! A real terminal on a container: its own program, or a shell beside it.

use crossterm::event::KeyEvent;
use ratatui::layout::{Margin, Rect};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::job::generation;
use crate::message::{Request, TerminalInput, TerminalKind, TerminalNews};
use crate::pen::{Pen, Sign};
use crate::screen::Context;
use crate::screen::containers::{Containers, Pane, Panes, Tab};
use crate::theme::Role;
use crate::widget::program;

/// Lines above the screen that are kept.
const SCROLLBACK: usize = 2000;

/// A program in a terminal.
pub(super) struct Session {
    generation: u64,
    parser: vt100::Parser,
    input: UnboundedSender<TerminalInput>,
    size: (u16, u16),
    /// What runs.
    what: String,
    /// How it ended.
    pub(super) ended: Option<String>,
    /// Whether it has the keys.
    has_keys: bool,
}

impl Containers {
    /// Opens a terminal on the selected container, or goes back into the one that is open.
    pub(super) fn open_terminal(&mut self, kind: TerminalKind, cx: &mut Context<'_>) {
        let Some(row) = self.list.current() else { return };
        // Whether it runs the engine knows best: the list may be a moment behind.
        let (id, name) = (row.id.clone(), row.name.clone());
        self.focus = Pane::Detail;
        self.set_tab(Tab::Terminal, cx);
        let shell = kind == TerminalKind::Shell;
        self.shell_in_front = shell;
        if let Some(session) = self.sessions.get_mut(&(id.clone(), shell)).filter(|session| session.ended.is_none()) {
            session.has_keys = true;
            return;
        }
        if cx.is_read_only() {
            return;
        }
        match kind {
            TerminalKind::Shell => cx.log.add(&["exec", "-it", &name, "sh"]),
            TerminalKind::Attach { start: true } => cx.log.add(&["start", "-ai", &name]),
            TerminalKind::Attach { start: false } => cx.log.add(&["attach", &name]),
        }
        let size = self.terminal_size(cx.area);
        let (sender, input) = unbounded_channel();
        let number = generation();
        let session = Session {
            generation: number,
            parser: vt100::Parser::new(size.1, size.0, SCROLLBACK),
            input: sender,
            size,
            what: String::new(),
            ended: None,
            has_keys: true,
        };
        self.sessions.insert((id.clone(), shell), session);
        cx.requests.push(Request::Terminal { generation: number, container: id, kind, size, input });
    }

    /// Columns and rows inside the pane.
    fn terminal_size(&self, area: Rect) -> (u16, u16) {
        let inner = Panes::of(self, area).detail.inner(Margin::new(1, 1));
        (inner.width.max(10), inner.height.max(3))
    }

    /// The selected container's terminal.
    fn session(&self) -> Option<&Session> {
        self.sessions.get(&self.session_key()?)
    }

    fn session_mut(&mut self) -> Option<&mut Session> {
        let key = self.session_key()?;
        self.sessions.get_mut(&key)
    }

    /// The one in front, or the only one there is.
    fn session_key(&self) -> Option<(String, bool)> {
        let id = self.list.current()?.id.clone();
        let front = (id, self.shell_in_front);
        if self.sessions.contains_key(&front) {
            return Some(front);
        }
        let other = (front.0, !front.1);
        self.sessions.contains_key(&other).then_some(other)
    }

    /// Goes back into the terminal that is seen, or opens a shell.
    pub(super) fn enter_terminal(&mut self, cx: &mut Context<'_>) {
        match self.session_mut().filter(|session| session.ended.is_none()) {
            Some(session) => session.has_keys = true,
            None => self.open_terminal(TerminalKind::Shell, cx),
        }
    }

    /// Whether a program has the keys.
    pub(super) fn is_in_terminal(&self) -> bool {
        let in_sight = self.focus == Pane::Detail && self.tab == Tab::Terminal;
        in_sight && self.session().is_some_and(|session| session.has_keys && session.ended.is_none())
    }

    pub(super) fn terminal_key(&mut self, key: KeyEvent) {
        let Some(session) = self.session_mut() else { return };
        if program::leaves(key) {
            session.has_keys = false;
            return;
        }
        session.parser.screen_mut().set_scrollback(0);
        let bytes = program::encode(key, session.parser.screen().application_cursor());
        // The other end is gone when the program has just ended: news of that come.
        let _ = session.input.send(TerminalInput::Bytes(bytes));
    }

    pub(super) fn terminal_paste(&mut self, text: &str) {
        if !self.is_in_terminal() {
            return;
        }
        let Some(session) = self.session_mut() else { return };
        // An end of the paste inside of it would let the rest act as typed.
        let text = text.replace("\x1b[201~", "").replace('\n', "\r");
        let text = if session.parser.screen().bracketed_paste() { format!("\x1b[200~{text}\x1b[201~") } else { text };
        let _ = session.input.send(TerminalInput::Bytes(text.into_bytes()));
    }

    pub(super) fn terminal_wheel(&mut self, lines: isize) {
        if let Some(session) = self.session_mut() {
            let screen = session.parser.screen_mut();
            let back = screen.scrollback().saturating_add_signed(-lines);
            screen.set_scrollback(back);
        }
    }

    /// Tells a program the room it has.
    pub(super) fn fit_terminal(&mut self, area: Rect) {
        if self.tab != Tab::Terminal {
            return;
        }
        let size = self.terminal_size(area);
        if let Some(session) = self.session_mut().filter(|session| session.size != size) {
            session.size = size;
            session.parser.screen_mut().set_size(size.1, size.0);
            let _ = session.input.send(TerminalInput::Resize(size.0, size.1));
        }
    }

    /// News of a program; they may be of one that was closed.
    pub(super) fn terminal_news(&mut self, number: u64, news: TerminalNews) {
        let Some(session) = self.sessions.values_mut().find(|session| session.generation == number) else { return };
        match news {
            TerminalNews::Started(what) => session.what = what,
            TerminalNews::Output(bytes) => session.parser.process(&bytes),
            TerminalNews::Ended(how) => session.ended = Some(how),
        }
    }

    pub(super) fn draw_terminal(&self, pen: &mut Pen<'_>, area: Rect) -> Option<(u16, u16)> {
        let focused = self.focus == Pane::Detail;
        let (dim, accent, text) = (pen.look.style(Role::Dim), pen.look.style(Role::Accent), pen.look.style(Role::Text));
        let title = self.tab_title(pen.look, area);
        let mut pieces: Vec<_> = title.iter().map(|(t, s)| (t.as_str(), *s)).collect();
        let session = self.session();
        let dot = pen.look.sign(Sign::Separator);
        let what =
            session.map(|s| format!("{dot}{}", s.what)).filter(|what| what.len() > dot.len()).unwrap_or_default();
        pieces.push((&what, dim));
        let inner = pen.frame(area, &pieces, focused);
        let Some(session) = session else {
            self.draw_no_terminal(pen, inner);
            return None;
        };
        let cursor = program::draw(pen, inner, session.parser.screen());
        let (words, style) = match (&session.ended, self.is_in_terminal()) {
            (Some(how), _) => (format!(" {how}{dot}enter opens another "), dim),
            (None, true) => (" ctrl-\\ or F12 leaves it ".to_owned(), accent),
            (None, false) => (" enter goes back into it ".to_owned(), text),
        };
        pen.right(area.right() - 2, area.bottom() - 1, area.width.saturating_sub(4), &words, style);
        cursor.filter(|_| self.is_in_terminal())
    }

    fn draw_no_terminal(&self, pen: &mut Pen<'_>, inner: Rect) {
        let Some(row) = self.list.current() else { return };
        let (key, text, dim) = (pen.look.style(Role::Accent), pen.look.style(Role::Text), pen.look.style(Role::Dim));
        let width = inner.width.saturating_sub(4);
        let lines: [&[(&str, ratatui::style::Style)]; 2] = if row.state.is_alive() {
            [
                &[("enter", key), (" opens a shell in it: bash, or else sh", text)],
                &[("a", key), (" attaches to its own program", text)],
            ]
        } else {
            [
                &[("it does not run", dim)],
                &[("r", key), (" starts it", text), ("   a", key), (" starts it and attaches", text)],
            ]
        };
        for (line, y) in lines.iter().zip(inner.y + 1..inner.bottom()) {
            pen.pieces(inner.x + 2, y, width, line);
        }
    }
}
