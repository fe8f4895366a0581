//! Draws the form.

use ratatui::layout::Rect;

use crate::keymap::Keymap;
use crate::launch::{MountKind, Syntax, check};
use crate::pen::{Pen, Sign};
use crate::popup::form::draw_edit;
use crate::popup::launch::editor::{Editor, Line as EditorLine};
use crate::popup::launch::fields::{Field, completion};
use crate::popup::launch::{LaunchForm, Spot};
use crate::popup::{centred, open_box};
use crate::theme::Role;

/// Width of the labels.
const LABEL: u16 = 9;

impl LaunchForm {
    /// Draws it; gives where the text cursor is.
    pub(crate) fn draw(&self, pen: &mut Pen<'_>, area: Rect, _keys: &Keymap) -> Option<(u16, u16)> {
        let height = (self.mounts.len() as u16 + self.declared().len() as u16 + 24).min(area.height);
        let title = format!("Run {}", self.fields.text(Field::Image));
        let inner = open_box(pen, centred(area, 124, height), &title);
        let mut cursor = None;
        let x = inner.x + 1;
        let width = inner.width.saturating_sub(2);
        let mut y = inner.y;
        for field in [Field::Image, Field::Name, Field::Command] {
            self.draw_field(pen, Rect::new(x, y, width, 1), field, &mut cursor);
            y += 1;
        }
        self.draw_switches(pen, x + LABEL, y);
        y += 2;
        y = self.draw_mounts(pen, Rect::new(x, y, width, inner.bottom().saturating_sub(y + 11).max(2)));
        y += 1;
        self.draw_field(pen, Rect::new(x, y, width, 1), Field::Env, &mut cursor);
        let half = width / 2;
        let pairs = [[Field::User, Field::Workdir], [Field::Network, Field::Ports], [Field::Memory, Field::Cpus]];
        for (at, [left, right]) in pairs.into_iter().enumerate() {
            let y = y + 1 + at as u16;
            self.draw_field(pen, Rect::new(x, y, half - 1, 1), left, &mut cursor);
            self.draw_field(pen, Rect::new(x + half, y, width - half, 1), right, &mut cursor);
        }
        self.draw_command(pen, inner, y + 4);
        if let Some(editor) = &self.editor {
            cursor = self.draw_editor(pen, area, editor);
        }
        if let Some(browser) = &self.browser {
            let local = self.ground.as_ref().is_some_and(|ground| ground.local);
            browser.draw(pen, area, local);
            cursor = None;
        }
        cursor
    }

    /// Folders that the image declares as volumes and no mount takes.
    fn declared(&self) -> Vec<&str> {
        let Some(ground) = &self.ground else { return Vec::new() };
        let taken: Vec<String> = self.mounts.iter().map(|mount| check::clean(&mount.target)).collect();
        ground.declared.iter().map(String::as_str).filter(|path| !taken.contains(&check::clean(path))).collect()
    }

    fn draw_field(&self, pen: &mut Pen<'_>, line: Rect, field: Field, cursor: &mut Option<(u16, u16)>) {
        let focused = self.spot == Spot::Field(field);
        let label = pen.look.style(if focused { Role::Accent } else { Role::Dim });
        pen.text(line.x, line.y, LABEL, field.label(), label);
        let (dim, bad) = (pen.look.style(Role::Border), pen.look.style(Role::Bad));
        let problem = self.field_problem(field).filter(|_| !self.fields.text(field).is_empty() || focused);
        // What is wrong stands beside the field, and has as much room as it needs.
        let room = line.width.saturating_sub(LABEL);
        let said = problem.as_ref().map_or(0, |text| pen.look.width(text) + 2).min(room * 2 / 3);
        let edit = self.fields.edit(field);
        let place = Rect::new(line.x + LABEL, line.y, room - said, 1);
        let end = draw_edit(pen, place, edit, focused);
        if edit.text().is_empty() {
            let hint = self.hint(field);
            pen.text(place.x + u16::from(focused), place.y, place.width.saturating_sub(1), &hint, dim);
        } else if let Some(rest) = completion(edit, &self.choices(field)).filter(|_| focused) {
            pen.text(end, place.y, place.right().saturating_sub(end), &rest, dim);
        }
        if let Some(problem) = &problem {
            pen.text(place.right() + 1, line.y, said.saturating_sub(1), problem, bad);
        }
        if focused {
            *cursor = Some((end, place.y));
        }
    }

    /// What stands in an empty field: what the image says, where it says something.
    fn hint(&self, field: Field) -> String {
        let ground = self.ground.as_ref();
        let text = match field {
            Field::Command => ground.map(|ground| crate::launch::words::join(&ground.command)),
            Field::User => ground.map(|ground| ground.user.clone()),
            Field::Workdir => ground.map(|ground| ground.workdir.clone()),
            Field::Ports => ground
                .filter(|ground| !ground.ports.is_empty())
                .map(|ground| format!("the image names {}", ground.ports.join(" "))),
            _ => None,
        };
        text.filter(|text| !text.is_empty()).unwrap_or_else(|| field.hint().to_owned())
    }

    fn draw_switches(&self, pen: &mut Pen<'_>, x: u16, y: u16) {
        let mut at = x;
        let switches =
            [(Spot::Terminal, self.terminal, "terminal"), (Spot::Remove, self.remove, "remove when it exits")];
        for (spot, on, words) in switches {
            let role = if self.spot == spot { Role::Accent } else { Role::Text };
            let style = pen.look.style(role);
            let text = format!("[{}] {words}", if on { "x" } else { " " });
            at += pen.text(at, y, 40, &text, style) + 3;
        }
    }

    fn draw_mounts(&self, pen: &mut Pen<'_>, area: Rect) -> u16 {
        let (dim, text, key) = (pen.look.style(Role::Dim), pen.look.style(Role::Text), pen.look.style(Role::Accent));
        let columns =
            [LABEL, LABEL + 8, LABEL + 8 + (area.width - LABEL) * 3 / 10, LABEL + 8 + (area.width - LABEL) * 11 / 20];
        let heads = ["type", "source", "target", "options"];
        pen.text(area.x, area.y, LABEL, "mounts", dim);
        for (head, column) in heads.iter().zip(columns) {
            pen.text(area.x + column, area.y, 10, head, dim);
        }
        let mut y = area.y + 1;
        // The selected mount is always seen.
        let room = usize::from(area.height.saturating_sub(2)).max(1);
        let at = if let Spot::Mount(at) = self.spot { at } else { self.mounts.len().saturating_sub(1) };
        let first = (at + 1).saturating_sub(room);
        for at in (first..self.mounts.len()).take(room) {
            self.draw_mount(pen, Rect::new(area.x, y, area.width, 1), at, columns);
            y += 1;
        }
        for path in self.declared() {
            if y + 1 >= area.bottom() {
                break;
            }
            pen.text(area.x + columns[0], y, 8, "volume", dim);
            pen.text(area.x + columns[1], y, columns[2] - columns[1] - 1, "(no name)", dim);
            pen.text(area.x + columns[2], y, columns[3] - columns[2] - 1, path, dim);
            pen.text(area.x + columns[3], y, area.width - columns[3], "declared by the image", dim);
            y += 1;
        }
        let style = if self.spot == Spot::Add { key } else { text };
        pen.pieces(area.x + LABEL, y, area.width, &[("[ ", style), ("a", key), (" add a mount ]", style)]);
        if matches!(self.spot, Spot::Mount(_)) {
            let keys = [("   enter", key), (" change  ", dim), ("delete", key), (" take away", dim)];
            pen.pieces(area.x + LABEL + 18, y, area.width.saturating_sub(LABEL + 18), &keys);
        }
        y + 1
    }

    fn draw_mount(&self, pen: &mut Pen<'_>, line: Rect, at: usize, columns: [u16; 4]) {
        let mount = &self.mounts[at];
        let selected = self.spot == Spot::Mount(at);
        if selected {
            let style = pen.look.style(Role::Selected);
            pen.tint(line, style);
            let accent = pen.look.style(Role::Accent);
            pen.text(line.x + LABEL - 2, line.y, 1, pen.look.sign(Sign::Cursor), accent);
        }
        let (kind, text, dim, bad, good) = (
            pen.look.style(Role::Change),
            pen.look.style(if selected { Role::Strong } else { Role::Text }),
            pen.look.style(Role::Dim),
            pen.look.style(Role::Bad),
            pen.look.style(Role::Good),
        );
        pen.text(line.x + columns[0], line.y, 7, mount.kind.word(), kind);
        let source = match mount.kind {
            MountKind::Tmpfs => "memory".to_owned(),
            MountKind::Volume if mount.source.is_empty() => "(no name)".into(),
            _ => mount.source.clone(),
        };
        let room = columns[2] - columns[1] - 1;
        let used = pen.path(line.x + columns[1], line.y, room, &source, text);
        let is_new = self.ground.as_ref().is_some_and(|ground| {
            mount.kind == MountKind::Volume && !mount.source.is_empty() && !ground.volumes.contains(&mount.source)
        });
        if is_new {
            pen.text(line.x + columns[1] + used + 1, line.y, room.saturating_sub(used + 1), "(new)", good);
        }
        pen.path(line.x + columns[2], line.y, columns[3] - columns[2] - 1, &mount.target, text);
        let (x, width) = (line.x + columns[3], line.width - columns[3]);
        if let Some(problem) = self.mount_problem(at) {
            pen.text(x, line.y, width, &problem, bad);
            return;
        }
        let options = mount.options().join(",");
        let used = pen.text(x, line.y, width, &options, text);
        let used = used + u16::from(used > 0) * 2;
        if let Some(hides) = self.hides(mount) {
            pen.text(x + used, line.y, width.saturating_sub(used), &hides, dim);
        }
    }

    /// The command that says the same, the keys, and what is wrong.
    fn draw_command(&self, pen: &mut Pen<'_>, inner: Rect, y: u16) {
        let (faint, dim, text, key, bad) = (
            pen.look.style(Role::Border),
            pen.look.style(Role::Dim),
            pen.look.style(Role::Text),
            pen.look.style(Role::Accent),
            pen.look.style(Role::Bad),
        );
        if y >= inner.bottom() {
            return;
        }
        pen.repeat(inner.x, y, inner.width, pen.look.sign(Sign::Dash), faint);
        let form = if self.syntax == Syntax::Mount {
            " the same as, in the long form "
        } else {
            " the same as, in the short form "
        };
        pen.text(inner.x + 2, y, inner.width.saturating_sub(4), form, dim);
        let last = inner.bottom().saturating_sub(1);
        let room = last.saturating_sub(y + 1);
        let width = usize::from(inner.width.saturating_sub(4)).max(10);
        let mut lines: Vec<String> = vec![String::new()];
        for word in self.command_words() {
            let line = lines.last_mut().expect("has one");
            if !line.is_empty() && line.chars().count() + word.chars().count() + 3 > width {
                line.push_str(" \\");
                lines.push(format!("  {word}"));
            } else {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(&word);
            }
        }
        for (line, y) in lines.iter().take(usize::from(room)).zip(y + 1..) {
            pen.text(inner.x + 1, y, inner.width.saturating_sub(2), line, text);
        }
        let in_text = matches!(self.spot, Spot::Field(_));
        let (v, c) = if in_text { ("alt-v", "alt-c") } else { ("v", "c") };
        let start = if self.spot == Spot::Start { key } else { text };
        let mut pieces = vec![("[ start it ]", start), (" ctrl-s", key)];
        if self.note.is_empty() {
            pieces.extend([
                ("   ", dim),
                (v, key),
                (" other form  ", dim),
                (c, key),
                (" copy  ", dim),
                ("tab", key),
                (" next  ", dim),
                ("esc", key),
                (" leave", dim),
            ]);
        } else {
            let style = if self.note == "copied" { dim } else { bad };
            pieces.extend([("   ", dim), (self.note.as_str(), style)]);
        }
        pen.pieces(inner.x + 1, last, inner.width.saturating_sub(2), &pieces);
    }

    fn draw_editor(&self, pen: &mut Pen<'_>, area: Rect, editor: &Editor) -> Option<(u16, u16)> {
        let title = if editor.at.is_some() { "Change a mount" } else { "Add a mount" };
        let inner = open_box(pen, centred(area, 84, 18), title);
        let (dim, key, bad, good) = (
            pen.look.style(Role::Dim),
            pen.look.style(Role::Accent),
            pen.look.style(Role::Bad),
            pen.look.style(Role::Good),
        );
        let (x, width) = (inner.x + 2, inner.width.saturating_sub(4));
        let mut cursor = None;
        let mount = editor.mount();
        let others = self.targets(editor.at);
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let makes = self.syntax == Syntax::Short;
        let notes: [(Option<String>, String); 4] = [
            (None, format!("{}; space changes it", kind_note(editor.kind))),
            match editor.kind {
                MountKind::Volume => (check::volume(&mount.source), self.volume_note(&mount.source)),
                MountKind::Bind => {
                    (check::bind(&mount.source, &self.seen(&mount.source), makes), "ctrl-o chooses one".into())
                }
                MountKind::Tmpfs => (None, "memory has no source".into()),
            },
            (check::target(&mount.target, &others), self.hides(&mount).unwrap_or_default()),
            (editor.options_problem(), mount.known().to_owned()),
        ];
        for ((at, line), (problem, note)) in EditorLine::ALL.iter().enumerate().zip(notes) {
            let y = inner.y + at as u16 * 2;
            let focused = editor.line == *line;
            let style = if focused { key } else { dim };
            pen.text(x, y, LABEL, ["type", "source", "target", "options"][at], style);
            let place = Rect::new(x + LABEL, y, width.saturating_sub(LABEL), 1);
            if let Some(edit) = [None, Some(&editor.source), Some(&editor.target), Some(&editor.options)][at] {
                if *line != EditorLine::Source || editor.kind != MountKind::Tmpfs {
                    let end = draw_edit(pen, place, edit, focused);
                    cursor = if focused { Some((end, y)) } else { cursor };
                }
            } else {
                self.draw_kinds(pen, place, editor);
            }
            let untouched = [true, mount.source.is_empty(), mount.target.is_empty(), false][at] && !focused;
            match problem.filter(|_| !untouched) {
                Some(problem) => pen.text(place.x, y + 1, place.width, &problem, bad),
                None => {
                    pen.text(place.x, y + 1, place.width, &note, if note.contains("new volume") { good } else { dim })
                }
            };
        }
        self.draw_proposals(pen, Rect::new(x + LABEL, inner.y + 8, width.saturating_sub(LABEL), 7), editor);
        let keys = [("enter", " next   "), ("tab", " complete   "), ("ctrl-s", " take it   "), ("esc", " leave")];
        let keys = keys.map(|(name, what)| [(name, key), (what, dim)]).concat();
        pen.pieces(x, inner.bottom().saturating_sub(1), width, &keys);
        cursor
    }

    fn volume_note(&self, name: &str) -> String {
        let Some(ground) = &self.ground else { return String::new() };
        match name {
            "" => "without a name: the engine makes one up".into(),
            name if ground.volumes.iter().any(|other| other == name) => "a volume there is".into(),
            _ => "a new volume".into(),
        }
    }

    #[expect(clippy::unused_self, reason = "reads as one of the editor's parts")]
    fn draw_kinds(&self, pen: &mut Pen<'_>, place: Rect, editor: &Editor) {
        let (dim, badge) = (pen.look.style(Role::Dim), pen.look.style(Role::Badge));
        let mut x = place.x;
        for kind in MountKind::ALL {
            let style = if kind == editor.kind { badge } else { dim };
            let word = kind.word();
            let text = if kind == editor.kind { format!("[{word}]") } else { format!(" {word} ") };
            x += pen.text(x, place.y, 10, &text, style) + 1;
        }
    }

    fn draw_proposals(&self, pen: &mut Pen<'_>, area: Rect, editor: &Editor) {
        let (dim, text, key) = (pen.look.style(Role::Dim), pen.look.style(Role::Text), pen.look.style(Role::Accent));
        let proposals = editor.proposals(self.ground.as_ref(), &self.looked);
        for ((at, proposal), y) in proposals.iter().enumerate().zip(area.y + 1..area.bottom()) {
            let picked = at == editor.picked.min(proposals.len() - 1);
            let sign = if picked { pen.look.sign(Sign::Cursor) } else { " " };
            pen.pieces(area.x, y, area.width, &[(sign, key), (" ", dim), (proposal, if picked { text } else { dim })]);
        }
    }
}

/// What a kind of mount is.
fn kind_note(kind: MountKind) -> &'static str {
    match kind {
        MountKind::Volume => "the engine's folder, which outlives containers",
        MountKind::Bind => "a folder of the host",
        MountKind::Tmpfs => "memory, which goes with the container",
    }
}
