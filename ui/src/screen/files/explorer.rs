//! A file tree with the file that is selected in it: what a container changed, what is in a volume.

use std::sync::Arc;
use std::time::Duration;

use outcrop_layers::index::FileType;
use ratatui::layout::Rect;

use crate::action::Action;
use crate::content::{Content, Reading};
use crate::job::generation;
use crate::message::{Data, Request};
use crate::pen::{Look, Pen};
use crate::popup::{Choice, Input, Menu, Popup, Purpose};
use crate::screen::Context;
use crate::screen::files::file::{FilePane, FileView};
use crate::screen::files::rows::{FileSort, is_folder};
use crate::screen::files::{Files, Tab};
use crate::size::{count, plural};
use crate::theme::{Role, Stratum};

/// How long a file stays selected before it is looked into.
const BEFORE_PEEKING: Duration = Duration::from_millis(40);

/// The tree and the file.
#[derive(Default)]
pub(crate) struct Explorer {
    pub(crate) files: Files,
    file: FilePane,
    wait: u64,
    /// The layer that is a container's own.
    pub(crate) writable: Option<usize>,
    /// Whether the file has the keys rather than the tree.
    pub(crate) in_file: bool,
}

impl Explorer {
    /// Shows what was read, or nothing: all of it, or what a container's own layer changes. `origins` is how the layers below look,
    /// where they were read.
    pub(crate) fn set(
        &mut self,
        content: Option<Arc<Content>>,
        writable: Option<usize>,
        origins: Option<Vec<Stratum>>,
        cx: &mut Context<'_>,
    ) {
        self.writable = writable;
        self.files.origins = origins;
        self.in_file = false;
        self.files.tab = if writable.is_some() { Tab::Layer } else { Tab::Whole };
        self.files.set_content(content, writable.unwrap_or(0), 20, cx.requests);
        self.follow(cx);
    }

    /// Shows a newer state of the same, with the same folders open and the same path selected.
    pub(crate) fn renew(
        &mut self,
        content: &Arc<Content>,
        writable: Option<usize>,
        origins: Option<Vec<Stratum>>,
        cx: &mut Context<'_>,
    ) {
        self.writable = writable;
        self.files.origins = origins;
        self.files.renew(content, writable.unwrap_or(0), 20, cx.requests);
        self.file.node = None;
        self.follow(cx);
    }

    /// Selects a path, all folders above it open; says whether it is there.
    pub(crate) fn go_to(&mut self, path: &[u8], area: Rect, cx: &mut Context<'_>) -> bool {
        let height = self.parts(area).0.height.saturating_sub(3);
        let Some(content) = self.files.content.clone() else { return false };
        let node = content.tree.find(path).filter(|node| content.tree.seen(*node, self.files.view()).is_some());
        let Some(node) = node else { return false };
        self.files.leave_search(height);
        self.files.reveal(node, height, cx.requests);
        self.follow(cx);
        true
    }

    pub(crate) fn content(&self) -> Option<&Arc<Content>> {
        self.files.content.as_ref()
    }

    /// The tree's and the file's room.
    fn parts(&self, area: Rect) -> (Rect, Rect) {
        if area.width < 78 {
            return if self.in_file { (Rect::default(), area) } else { (area, Rect::default()) };
        }
        let width = area.width * 2 / 5;
        (Rect { width: area.width - width, ..area }, Rect { x: area.right() - width, width, ..area })
    }

    /// Handles an action in a pane of this size; says whether it was one for files.
    pub(crate) fn act(&mut self, action: Action, area: Rect, looks: &[Stratum], cx: &mut Context<'_>) -> bool {
        let Some(content) = self.files.content.clone() else { return false };
        let height = self.parts(area).0.height.saturating_sub(3);
        let done = if self.in_file {
            self.act_in_file(action, area, looks, cx.look)
        } else {
            self.act_in_tree(action, height, &content, cx)
        };
        let done = done || self.act_on_file(action, &content, cx);
        self.follow(cx);
        done
    }

    fn act_in_tree(&mut self, action: Action, height: u16, content: &Content, cx: &mut Context<'_>) -> bool {
        match action {
            Action::NextTab | Action::PreviousTab | Action::OnlyChanged => return false,
            Action::Back => return self.files.leave_search(height),
            Action::Open => {
                let folder = self.files.node().is_some_and(|node| is_folder(&content.tree, node, self.files.view()));
                if folder || self.files.found.is_some() {
                    self.files.toggle(None, height, cx.requests);
                } else if self.files.node().is_some() {
                    self.in_file = true;
                }
            }
            Action::Sort => {
                let mut menu = Menu::new("Sort files");
                for (n, (sort, letter)) in FileSort::ALL.iter().zip(['s', 'n', 'w']).enumerate() {
                    menu = menu.with(letter, sort.word(), "", Choice::SortFiles(n));
                }
                let at = FileSort::ALL.iter().position(|sort| *sort == self.files.sort).unwrap_or(0);
                cx.popups.push(Popup::Menu(menu.on(at)));
            }
            Action::NextMatch | Action::PreviousMatch if self.files.found.is_some() => {
                let step = if action == Action::NextMatch { Action::Down } else { Action::Up };
                self.files.act(step, height, cx.requests);
            }
            Action::Filter => {
                let text = self.files.found.as_ref().map(|found| found.text.clone()).unwrap_or_default();
                let input =
                    Input::new("/", "any part of a path, fuzzy; enter goes there, esc ends", text, Purpose::Find);
                cx.popups.push(Popup::Input(input));
            }
            action => return self.files.act(action, height, cx.requests),
        }
        true
    }

    fn act_in_file(&mut self, action: Action, area: Rect, looks: &[Stratum], look: &Look) -> bool {
        let room = self.view(looks).map_or(1, |view| view.peek_room(look, self.parts(area).1));
        match action {
            Action::Back => self.in_file = false,
            Action::Left if self.file.left == 0 => self.in_file = false,
            action => return self.file.scroll(action, usize::from(room)),
        }
        true
    }

    fn act_on_file(&mut self, action: Action, content: &Arc<Content>, cx: &mut Context<'_>) -> bool {
        let Some(node) = self.files.node() else { return false };
        let path = content.tree.path(node);
        match action {
            Action::Diff => {
                let written = content.tree.versions(node).iter().filter(|version| !version.change.is_removal());
                let written: Vec<usize> = written.map(|version| version.layer as usize).collect();
                match written[..] {
                    [.., from, to] => {
                        cx.requests.push(Request::Diff { content: content.clone(), path, from, to });
                    }
                    _ => cx.say("there is one version only: nothing to compare with"),
                }
            }
            Action::Save => {
                let Some(seen) = content.tree.seen(node, self.files.view()) else { return false };
                let name = crate::safe_text::from_bytes(content.tree.name(node)).replace(['/', '\0'], "_");
                let to = cx.save_to.join(name).display().to_string();
                let purpose = Purpose::SaveFile { layer: seen.layer, path };
                let hint = "an existing file is never replaced";
                cx.popups.push(Popup::Input(Input::new("Save the file to this machine", hint, to, purpose)));
            }
            _ => return false,
        }
        true
    }

    /// A text for it was typed so far.
    pub(crate) fn typed(&mut self, text: &str, cx: &mut Context<'_>) {
        self.files.find(text, cx.requests);
    }

    /// A text for it was left.
    pub(crate) fn left(&mut self, cx: &mut Context<'_>) {
        self.files.leave_search(20);
        self.follow(cx);
    }

    /// Saves the file to a place that was typed.
    pub(crate) fn save(&self, layer: usize, path: Vec<u8>, to: &str, cx: &mut Context<'_>) {
        let Some(content) = self.files.content.clone() else { return };
        let (job, cancel) = cx.jobs.start(format!("save {}", to.rsplit('/').next().unwrap_or(to)), false);
        cx.requests.push(Request::SaveFile { job, cancel, content, layer, path, to: to.into() });
    }

    pub(crate) fn sort(&mut self, sort: usize, cx: &mut Context<'_>) {
        self.files.set_sort(FileSort::ALL[sort % FileSort::ALL.len()], 20, cx.requests);
    }

    /// Takes an answer that is meant for it.
    pub(crate) fn data(&mut self, data: Data, cx: &mut Context<'_>) -> Option<Data> {
        let data = match data {
            Data::Rows { generation, rows } => {
                self.files.built(generation, rows, 20).map(|rows| Data::Rows { generation, rows })
            }
            Data::Found { generation, nodes, total } => {
                self.files.set_found(generation, nodes, total, 20).map(|nodes| Data::Found { generation, nodes, total })
            }
            Data::Peek { generation, result } if generation == self.file.generation => {
                self.file.peek = Some(result);
                None
            }
            other => Some(other),
        };
        if data.is_none() {
            self.follow(cx);
        }
        data
    }

    /// Has the selected file looked into, after a moment.
    fn follow(&mut self, cx: &mut Context<'_>) {
        let node = self.files.node().filter(|_| self.files.content.is_some());
        if self.file.node == node && node.is_some() {
            return;
        }
        self.file = FilePane { node, generation: generation(), ..FilePane::default() };
        if node.is_some() {
            self.wait = generation();
            cx.requests.push(Request::Wait(BEFORE_PEEKING, self.wait));
        }
    }

    pub(crate) fn waited(&mut self, token: u64, cx: &mut Context<'_>) {
        let (Some(content), Some(node)) = (self.files.content.clone(), self.file.node) else { return };
        if token != self.wait {
            return;
        }
        let Some(seen) = content.tree.seen(node, self.files.view()) else { return };
        if matches!(seen.entry.file_type(), FileType::File | FileType::Hardlink) && seen.entry.size() > 0 {
            let (layer, path) = (seen.layer, content.tree.path(node));
            cx.requests.push(Request::Peek { generation: self.file.generation, content, layer, path });
        }
    }

    /// Selects the line at a place of the pane; a click on the selected folder opens or closes it.
    pub(crate) fn click(&mut self, x: u16, y: u16, area: Rect, cx: &mut Context<'_>) {
        let (tree, file) = self.parts(area);
        self.in_file = file.width > 0 && x >= file.x;
        let height = tree.height.saturating_sub(3);
        let Some(line) = y.checked_sub(tree.y + 1).filter(|line| !self.in_file && *line < height) else { return };
        let at = self.files.cursor.first(self.files.len(), height) + usize::from(line);
        if at < self.files.len() {
            if self.files.cursor.at == at {
                self.files.toggle(None, height, cx.requests);
            } else {
                let len = self.files.len();
                self.files.cursor.set(at, len, height);
            }
        }
        self.follow(cx);
    }

    pub(crate) fn wheel(&mut self, lines: isize, x: u16, area: Rect, cx: &mut Context<'_>) {
        let (tree, file) = self.parts(area);
        if file.width > 0 && x >= file.x {
            self.file.top = self.file.top.saturating_add_signed(lines);
        } else {
            let len = self.files.len();
            self.files.cursor.wheel(lines, len, tree.height.saturating_sub(3));
            self.follow(cx);
        }
    }

    fn view<'a>(&'a self, looks: &'a [Stratum]) -> Option<FileView<'a>> {
        Some(FileView {
            content: self.files.content.as_ref()?,
            node: self.files.node()?,
            view: self.files.view(),
            pane: &self.file,
            looks,
            writable: self.writable,
            layered: self.files.origins.is_some(),
        })
    }

    /// Draws tree and file; `title` stands on the tree's border, `foot` below its lines.
    pub(crate) fn draw(
        &self,
        pen: &mut Pen<'_>,
        area: Rect,
        title: &[(&str, ratatui::style::Style)],
        foot: &str,
        focused: bool,
        looks: &[Stratum],
    ) {
        let (tree, file) = self.parts(area);
        if tree.width > 0 {
            let inner = pen.frame(tree, title, focused && !self.in_file);
            self.draw_tree(pen, tree, inner, foot);
        }
        if file.width == 0 {
            return;
        }
        if let Some(view) = self.view(looks) {
            view.draw(pen, file, focused && self.in_file);
        } else {
            let head = pen.look.style(Role::Strong);
            pen.frame(file, &[("File", head)], focused && self.in_file);
        }
    }

    fn draw_tree(&self, pen: &mut Pen<'_>, area: Rect, inner: Rect, foot: &str) {
        let Some(content) = self.files.content.as_ref().filter(|_| inner.height >= 2) else { return };
        let dim = pen.look.style(Role::Dim);
        let room = Rect { height: inner.height - 1, ..inner };
        pen.position(area, self.files.cursor.at, self.files.len(), room.height);
        self.files.draw(pen, room, content);
        let found = self.files.found.as_ref().map(|found| match (found.pending, found.total) {
            (true, _) => "searching".to_owned(),
            (false, 0) => "no path matches".into(),
            (false, total) if total > found.nodes.len() => {
                format!("the best {} of {} paths", count(found.nodes.len() as u64), count(total as u64))
            }
            (false, total) => plural(total as u64, "path", "paths"),
        });
        let foot = found.as_deref().unwrap_or(foot);
        pen.text(inner.x + 1, inner.bottom() - 1, inner.width.saturating_sub(2), foot, dim);
    }
}

/// Says in an empty pane how far the reading is; what `enter` would do stands in `offer`.
pub(crate) fn draw_reading(pen: &mut Pen<'_>, inner: Rect, reading: &Reading, offer: &str) {
    let [dim, bad, key, text] = [Role::Dim, Role::Bad, Role::Accent, Role::Text].map(|role| pen.look.style(role));
    let (x, y, width) = (inner.x + 2, inner.y + 1, inner.width.saturating_sub(4));
    match reading {
        Reading::Not | Reading::Ready(_) => {}
        Reading::Running => {
            pen.text(x, y, width, "reading", dim);
        }
        Reading::NeedsExport(why) | Reading::Failed(why) => {
            let why_style = if matches!(reading, Reading::Failed(_)) { bad } else { dim };
            let lines = crate::safe_text::wrap(why, usize::from(width).max(20));
            for (line, y) in lines.iter().zip(y..inner.bottom()) {
                pen.text(x, y, width, line, why_style);
            }
            let y = y + lines.len() as u16 + 1;
            if y < inner.bottom() && !offer.is_empty() {
                pen.pieces(x, y, width, &[("enter", key), (" ", text), (offer, text)]);
            }
        }
    }
}
