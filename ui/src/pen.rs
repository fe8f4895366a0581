//! Draws text into the buffer: the only way to it, so that everything drawn has passed [`safe_text`](crate::safe_text).

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::safe_text::{Charset, cut, cut_left, visible, width};
use crate::size::{Units, count, date};
use crate::theme::{Level, Role, Theme};

/// How things look in this run.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) theme: Theme,
    pub(crate) charset: Charset,
    pub(crate) units: Units,
    /// Seconds that the clock here is before UTC's.
    pub(crate) zone: i32,
}

/// The signs the screens use; each has an ASCII form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Cursor,
    Open,
    Closed,
    Marked,
    Ellipsis,
    Separator,
    Full,
    Line,
    Arrow,
    Minus,
    /// The open, writable surface.
    Wave,
    /// A line that divides.
    Dash,
    /// Copied up.
    Up,
    /// Running.
    On,
    /// Not running.
    Off,
}

impl Look {
    pub(crate) fn unicode(&self) -> bool {
        self.charset == Charset::Unicode
    }

    pub(crate) fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    pub(crate) fn sign(&self, sign: Sign) -> &'static str {
        let (unicode, ascii) = match sign {
            Sign::Open => ("▾", "v"),
            Sign::Cursor | Sign::Closed => ("▸", ">"),
            Sign::Ellipsis => ("…", ".."),
            Sign::Separator => (" · ", " - "),
            Sign::Full => ("█", "#"),
            Sign::Line => ("━", "="),
            Sign::Arrow => ("→", "->"),
            Sign::Minus => ("−", "-"),
            Sign::Wave => ("≈", "~"),
            Sign::Dash => ("┄", "-"),
            Sign::Up => ("▲", "^"),
            Sign::Marked | Sign::On => ("●", "*"),
            Sign::Off => ("○", "o"),
        };
        if self.unicode() { unicode } else { ascii }
    }

    /// A time in seconds since 1970, as the clock here shows it.
    pub(crate) fn date(&self, seconds: i64) -> String {
        date(seconds.saturating_add(i64::from(self.zone)))
    }

    pub(crate) fn size(&self, bytes: u64) -> String {
        self.units.size(bytes)
    }

    /// Width of `text` as it will be drawn, in cells.
    pub(crate) fn width(&self, text: &str) -> u16 {
        width(&visible(text, self.charset))
    }
}

/// Draws into one buffer.
pub(crate) struct Pen<'a> {
    buffer: &'a mut Buffer,
    pub(crate) look: &'a Look,
}

impl<'a> Pen<'a> {
    pub(crate) fn new(buffer: &'a mut Buffer, look: &'a Look) -> Self {
        Self { buffer, look }
    }

    /// Draws `text` in at most `room` cells, with an ellipsis where something is lost; says how many cells it took.
    pub(crate) fn text(&mut self, x: u16, y: u16, room: u16, text: &str, style: Style) -> u16 {
        let shown = visible(text, self.look.charset);
        let shown = cut(&shown, room, self.look.sign(Sign::Ellipsis));
        self.put(x, y, room, &shown, style)
    }

    /// Draws what a program's terminal has in one cell; what would take more room than it has becomes a mark.
    pub(crate) fn cell(&mut self, x: u16, y: u16, room: u16, text: &str, style: Style) {
        let shown = visible(text, self.look.charset);
        let shown = if width(&shown) > room { "?".into() } else { shown };
        self.put(x, y, room, &shown, style);
    }

    /// As [`Pen::text`], but what is lost is lost at the left, as fits a path.
    pub(crate) fn path(&mut self, x: u16, y: u16, room: u16, text: &str, style: Style) -> u16 {
        let shown = visible(text, self.look.charset);
        let shown = cut_left(&shown, room, self.look.sign(Sign::Ellipsis));
        self.put(x, y, room, &shown, style)
    }

    /// Draws `text` so that it ends before `end`; says where it begins.
    pub(crate) fn right(&mut self, end: u16, y: u16, room: u16, text: &str, style: Style) -> u16 {
        let w = self.look.width(text).min(room);
        let x = end.saturating_sub(w);
        self.text(x, y, w, text, style);
        x
    }

    /// Draws pieces one after the other; says how many cells they took.
    pub(crate) fn pieces(&mut self, x: u16, y: u16, room: u16, pieces: &[(&str, Style)]) -> u16 {
        let mut used = 0;
        for (text, style) in pieces {
            if used >= room {
                break;
            }
            used += self.text(x + used, y, room - used, text, *style);
        }
        used
    }

    fn put(&mut self, x: u16, y: u16, room: u16, safe: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() || room == 0 {
            return 0;
        }
        let mut style = style;
        if self.look.theme.level() <= Level::Sixteen && self.buffer[(x, y)].modifier.contains(Modifier::REVERSED) {
            // On a reversed line colours would become blocks of ground.
            style = style.fg(Color::Reset).bg(Color::Reset).remove_modifier(Modifier::DIM);
        }
        let (end, _) = self.buffer.set_stringn(x, y, safe, usize::from(room.min(area.right() - x)), style);
        end - x
    }

    /// Repeats one sign along a row.
    pub(crate) fn repeat(&mut self, x: u16, y: u16, times: u16, sign: &str, style: Style) {
        for at in 0..times {
            self.put(x + at, y, 1, sign, style);
        }
    }

    /// Lays a style over an area, leaving its text.
    pub(crate) fn tint(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area.intersection(self.buffer.area), style);
    }

    /// Empties an area.
    pub(crate) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                self.buffer[(x, y)].reset();
            }
        }
    }

    /// Draws a frame with a title of several pieces; gives the room inside it.
    pub(crate) fn frame(&mut self, area: Rect, title: &[(&str, Style)], focused: bool) -> Rect {
        if area.width < 2 || area.height < 2 {
            return Rect::new(area.x, area.y, 0, 0);
        }
        let style = self.look.style(if focused { Role::Focus } else { Role::Border });
        let [tl, tr, bl, br, h, v] = if self.look.unicode() {
            ["╭", "╮", "╰", "╯", "─", "│"]
        } else {
            ["+", "+", "+", "+", "-", "|"]
        };
        let (right, bottom) = (area.right() - 1, area.bottom() - 1);
        self.repeat(area.x + 1, area.y, area.width - 2, h, style);
        self.repeat(area.x + 1, bottom, area.width - 2, h, style);
        for y in area.y + 1..bottom {
            self.put(area.x, y, 1, v, style);
            self.put(right, y, 1, v, style);
        }
        for (x, y, sign) in [(area.x, area.y, tl), (right, area.y, tr), (area.x, bottom, bl), (right, bottom, br)] {
            self.put(x, y, 1, sign, style);
        }
        if area.width > 6 && !title.is_empty() {
            let used = self.pieces(area.x + 3, area.y, area.width - 6, title);
            self.put(area.x + 2, area.y, 1, " ", style);
            self.put(area.x + 3 + used, area.y, 1, " ", style);
        }
        Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2)
    }

    /// Says on the lower border which of how many lines is selected, where not all can be seen.
    pub(crate) fn position(&mut self, area: Rect, at: usize, len: usize, room: u16) {
        if len > usize::from(room) && area.width > 16 {
            let text = format!(" {} of {} ", count(at as u64 + 1), count(len as u64));
            let style = self.look.style(Role::Dim);
            self.right(area.right() - 2, area.bottom() - 1, 24, &text, style);
        }
    }

    /// Draws a bar of `part` in `whole`, to an eighth of a cell where the charset has them.
    pub(crate) fn bar(&mut self, x: u16, y: u16, cells: u16, part: u64, whole: u64, style: Style) {
        if whole == 0 || part == 0 || cells == 0 {
            return;
        }
        let eighths =
            (u128::from(part) * u128::from(cells) * 8 / u128::from(whole)).clamp(1, u128::from(cells) * 8) as u16;
        self.repeat(x, y, eighths / 8, self.look.sign(Sign::Full), style);
        let rest = eighths % 8;
        if rest > 0 && self.look.unicode() {
            let sign = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][usize::from(rest)];
            self.put(x + eighths / 8, y, 1, sign, style);
        } else if eighths < 8 {
            self.put(x, y, 1, self.look.sign(Sign::Full), style);
        }
    }
}
