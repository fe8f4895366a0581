//! One file: which layers wrote it, what it is, and its content.

use outcrop_layers::index::{EntryRef, FileType};
use outcrop_layers::tree::NodeId;
use outcrop_layers::version::{Change, Evidence, Version};
use outcrop_layers::view::View;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::action::Action;
use crate::content::Content;
use crate::message::Peek;
use crate::pen::{Look, Pen, Sign};
use crate::popup::Line;
use crate::safe_text::from_bytes;
use crate::size::{count, plural};
use crate::theme::{Level, Role, Stratum};

/// The pane's state.
#[derive(Debug, Default)]
pub(crate) struct FilePane {
    pub(crate) node: Option<NodeId>,
    pub(crate) peek: Option<Result<Peek, String>>,
    pub(crate) generation: u64,
    pub(crate) top: usize,
    pub(crate) left: usize,
}

/// What is drawn of a path, whichever screen it is on.
pub(crate) struct FileView<'a> {
    pub(crate) content: &'a Content,
    pub(crate) node: NodeId,
    pub(crate) view: View,
    pub(crate) pane: &'a FilePane,
    /// How the layers look, base first.
    pub(crate) looks: &'a [Stratum],
    /// The layer that is a container's own, if any.
    pub(crate) writable: Option<usize>,
    /// Whether there are layers at all: a volume has none.
    pub(crate) layered: bool,
}

impl FileView<'_> {
    pub(crate) fn draw(&self, pen: &mut Pen<'_>, area: Rect, focused: bool) {
        let head = pen.look.style(if focused { Role::Accent } else { Role::Strong });
        let name = match self.content.tree.name(self.node) {
            b"" => "/".into(),
            name => from_bytes(name),
        };
        let inner = pen.frame(area, &[(&name, head)], focused);
        if inner.height == 0 {
            return;
        }
        let facts = self.facts(pen.look);
        let top = u16::from(facts.len() + 4 < usize::from(inner.height));
        let mut y = inner.y + top;
        let (x, width) = (inner.x + 1, inner.width.saturating_sub(2));
        for (swatch, line) in &facts {
            if y >= inner.bottom() {
                return;
            }
            let mut at = x;
            if let Some(layer) = *swatch {
                draw_swatch(pen, x, y, self.looks.get(layer).copied());
                at += 2;
            }
            let pieces: Vec<(&str, Style)> = line.0.iter().map(|(t, r)| (t.as_str(), pen.look.style(*r))).collect();
            pen.pieces(at, y, width.saturating_sub(at - x), &pieces);
            y += 1;
        }
        let rest = Rect::new(x, y + 1, width, inner.bottom().saturating_sub(y + 1));
        self.pane.draw_peek(pen, rest);
    }

    /// Lines of content that fit below the facts: what paging moves by.
    pub(crate) fn peek_room(&self, look: &Look, area: Rect) -> u16 {
        area.height.saturating_sub(self.facts(look).len() as u16 + 4).max(1)
    }

    fn facts(&self, look: &Look) -> Vec<(Option<usize>, Line)> {
        let mut out = Vec::new();
        let tree = &self.content.tree;
        let versions = tree.versions(self.node);
        if self.is_directory() {
            self.folder_facts(look, &mut out);
        } else if self.layered {
            out.push((None, Line::of("history of this file", Role::Dim)));
        }
        if self.layered {
            self.history(look, versions, &mut out);
        }
        if let Some(last) = versions.iter().rev().find(|v| !v.change.is_removal()) {
            if !out.is_empty() {
                out.push((None, Line::default()));
            }
            out.extend(entry_lines(look, &tree.entry(last)).into_iter().map(|l| (None, l)));
        }
        out
    }

    fn history(&self, look: &Look, versions: &[Version], out: &mut Vec<(Option<usize>, Line)>) {
        let room = if versions.len() > 8 { versions.len() - 8 } else { 0 };
        if room > 0 {
            out.push((None, Line::of(format!("{} before these", plural(room as u64, "layer", "layers")), Role::Dim)));
        }
        for version in &versions[room..] {
            let writable = self.writable == Some(version.layer as usize);
            out.push((Some(version.layer as usize), history_line(look, self.content, version, writable)));
            if stored_again(self.content, version) {
                let text = if writable { "  copied up whole" } else { "  whole file stored again" };
                out.push((None, Line::of(text, Role::Bad)));
            }
        }
    }

    fn is_directory(&self) -> bool {
        let seen = self.content.tree.seen(self.node, self.view);
        seen.is_some_and(|s| s.entry.file_type() == FileType::Directory)
    }

    fn folder_facts(&self, look: &Look, out: &mut Vec<(Option<usize>, Line)>) {
        let totals = self.content.tree.totals(self.node, self.view);
        let sum = format!("{} in {}", look.size(totals.size), plural(totals.files, "file", "files"));
        out.push((None, Line::plain(sum)));
        if totals.hidden > 0 {
            out.push((None, Line::of(format!("hides {} of lower layers", look.size(totals.hidden)), Role::Bad)));
        }
        if self.layered {
            out.push((None, Line::default()));
            out.push((None, Line::of("history of this folder", Role::Dim)));
        }
    }
}

/// A cell in a layer's colour and texture; the writable layer has the accent.
pub(crate) fn draw_swatch(pen: &mut Pen<'_>, x: u16, y: u16, look: Option<Stratum>) {
    let Some(look) = look else {
        let accent = pen.look.style(Role::Badge);
        let sign = pen.look.sign(Sign::Wave);
        pen.text(x, y, 1, sign, accent);
        return;
    };
    let band = pen.look.theme.band(look);
    let texture = if pen.look.theme.level() >= Level::Sixteen { ' ' } else { look.texture(pen.look.unicode()) };
    pen.text(x, y, 1, texture.encode_utf8(&mut [0; 4]), band);
}

impl FilePane {
    /// Scrolls its content; says whether the action was one of that.
    pub(crate) fn scroll(&mut self, action: Action, room: usize) -> bool {
        let lines = match &self.peek {
            Some(Ok(peek)) => peek.lines.len(),
            _ => 0,
        };
        let last = lines.saturating_sub(room);
        let top = self.top.min(last);
        match action {
            Action::Up => self.top = top.saturating_sub(1),
            Action::Down => self.top = (top + 1).min(last),
            Action::PageUp => self.top = top.saturating_sub(room),
            Action::PageDown => self.top = (top + room).min(last),
            Action::Top => self.top = 0,
            Action::Bottom => self.top = last,
            Action::Left => self.left = self.left.saturating_sub(8),
            Action::Right => self.left = (self.left + 8).min(4096),
            _ => return false,
        }
        true
    }

    fn draw_peek(&self, pen: &mut Pen<'_>, area: Rect) {
        let (dim, text, bad) = (pen.look.style(Role::Dim), pen.look.style(Role::Text), pen.look.style(Role::Bad));
        let faint = pen.look.style(Role::Border);
        let lines = match &self.peek {
            None => return,
            Some(Err(error)) => {
                pen.text(area.x, area.y, area.width, error, bad);
                return;
            }
            Some(Ok(peek)) => peek,
        };
        let mut y = area.y;
        for about in &lines.about {
            if y < area.bottom() {
                pen.text(area.x, y, area.width, about, dim);
            }
            y += 1;
        }
        let room = usize::from(area.bottom().saturating_sub(y));
        let top = self.top.min(lines.lines.len().saturating_sub(room));
        for (number, line) in lines.lines.iter().enumerate().skip(top).take(room) {
            let x = if lines.numbered {
                let number = format!("{:>4} ", number + 1);
                area.x + pen.text(area.x, y, 6, &number, faint)
            } else {
                area.x
            };
            let shown: String = line.chars().skip(self.left).take(usize::from(area.width) + 1).collect();
            pen.text(x, y, area.right().saturating_sub(x), &shown, text);
            y += 1;
        }
    }
}

fn history_line(look: &Look, content: &Content, version: &Version, writable: bool) -> Line {
    let size = content.tree.entry(version).size();
    let folder = content.tree.entry(version).file_type() == FileType::Directory;
    let what = match words(version) {
        // What is done in a folder changes its time, and has archives name it again.
        text if folder && matches!(text.as_str(), "time" | "same again") => "changed inside".into(),
        text => text,
    };
    let guess = if version.evidence == Evidence::Guess { "?" } else { "" };
    let role = if version.change.is_removal() { Role::Bad } else { Role::Text };
    let layer = if writable { "writable ".into() } else { format!("layer {:<3}", version.layer + 1) };
    let line = Line::of(layer, Role::Text).and(format!("{what}{guess}"), role);
    match (size, version.change.is_removal()) {
        (0, _) => line,
        (size, true) => line.and(format!("  {}{}", look.sign(Sign::Minus), look.size(size)), Role::Dim),
        (size, false) => line.and(format!("  {}", look.size(size)), Role::Dim),
    }
}

/// What a version did, in words.
pub(crate) fn words(version: &Version) -> String {
    let differs = version.differs.to_string();
    match version.change {
        Change::Added => "added".into(),
        Change::Content if differs.is_empty() || differs == "time" => "new content".into(),
        Change::Content => format!("new content, {differs}"),
        Change::Metadata => differs,
        Change::Identical => "same again".into(),
        Change::TypeChanged => "became something else".into(),
        Change::Whiteout => "removed".into(),
        Change::RemovedWithFolder => "removed with its folder".into(),
        Change::Opaque => "hidden by an opaque folder".into(),
        Change::Replaced => "gone: its folder was replaced".into(),
    }
}

fn stored_again(content: &Content, version: &Version) -> bool {
    matches!(version.change, Change::Metadata | Change::Identical) && content.tree.entry(version).size() > 0
}

fn entry_lines(look: &Look, entry: &EntryRef<'_>) -> Vec<Line> {
    let size = match entry.device() {
        Some((major, minor)) => format!("device {major}:{minor}"),
        None if entry.file_type() == FileType::Directory => String::new(),
        None => format!("{} B", count(entry.size())),
    };
    let mut lines = vec![
        Line::of(format!("{}  {}:{}  {size}", mode_text(entry), entry.uid(), entry.gid()), Role::Dim),
        Line::of(format!("written {}", look.date(entry.mtime().seconds)), Role::Dim),
    ];
    if let Some(target) = entry.target() {
        let kind = if entry.file_type() == FileType::Symlink { "link to" } else { "same file as" };
        lines.push(Line::of(format!("{kind} {}", from_bytes(&target)), Role::Text));
    }
    if let Some(disk) = entry.disk().filter(|d| *d > 0) {
        lines.push(Line::of(format!("{} on disk", look.size(disk)), Role::Dim));
    }
    for (name, value) in entry.xattrs().iter().take(4) {
        lines.push(Line::of(format!("{} ({} B)", from_bytes(name), value.len()), Role::Dim));
    }
    lines
}

/// `-rwsr-xr-x`.
fn mode_text(entry: &EntryRef<'_>) -> String {
    let kind = match entry.file_type() {
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::CharDevice => 'c',
        FileType::BlockDevice => 'b',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        FileType::File | FileType::Hardlink | FileType::Whiteout => '-',
    };
    permissions(kind, entry.mode())
}

fn permissions(kind: char, mode: u16) -> String {
    let mut out = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_as_ls_writes_them() {
        let table = [
            (0o644, "-rw-r--r--"),
            (0o4755, "-rwsr-xr-x"),
            (0o1777, "-rwxrwxrwt"),
            (0o2640, "-rw-r-S---"),
            (0, "----------"),
        ];
        for (mode, text) in table {
            assert_eq!(permissions('-', mode), text);
        }
    }
}
