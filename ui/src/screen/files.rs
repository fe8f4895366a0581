//! The file tree of an image: one layer's changes, everything up to a layer, or the whole.

pub(crate) mod draw;
pub(crate) mod explorer;
pub(crate) mod file;
pub(crate) mod rows;

use std::sync::Arc;

use outcrop_layers::tree::NodeId;
use outcrop_layers::view::View;

use crate::action::Action;
use crate::content::Content;
use crate::job::{Cancel, generation};
use crate::message::Request;
use crate::screen::files::rows::{FileSort, Open, Row, Spec, build, children, end_of, is_folder};
use crate::theme::Stratum;
use crate::widget::cursor::Cursor;

/// What the pane shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tab {
    /// What the selected layer changes.
    #[default]
    Layer,
    /// The file system up to the selected layer.
    UpTo,
    /// The finished file system.
    Whole,
    /// Bytes that are stored but not seen.
    Waste,
}

impl Tab {
    pub(crate) const ALL: [Self; 4] = [Self::Layer, Self::UpTo, Self::Whole, Self::Waste];
}

/// Files found by a search.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) text: String,
    pub(crate) nodes: Arc<Vec<NodeId>>,
    pub(crate) total: usize,
    /// Whether the search still runs.
    pub(crate) pending: bool,
}

/// The pane.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) content: Option<Arc<Content>>,
    pub(crate) tab: Tab,
    layer: usize,
    pub(crate) sort: FileSort,
    pub(crate) only_changed: bool,
    open: Open,
    /// Whether the user opened or closed folders: then they stay as they are.
    touched: bool,
    pub(crate) rows: Vec<Row>,
    pub(crate) cursor: Cursor,
    pub(crate) found: Option<Found>,
    generation: u64,
    cancel: Cancel,
    pub(crate) pending: bool,
    /// How the layers look, where each line says which one its path comes from: of a container's changes.
    pub(crate) origins: Option<Vec<Stratum>>,
}

impl Files {
    pub(crate) fn view(&self) -> View {
        match self.tab {
            Tab::Layer => View::Layer(self.layer),
            Tab::UpTo => View::UpTo(self.layer),
            Tab::Whole | Tab::Waste => View::Whole,
        }
    }

    fn spec(&self) -> Spec {
        Spec { view: self.view(), sort: self.sort, only_changed: self.only_changed, open: self.open.clone() }
    }

    /// The lines shown: those of the search, or of the tree.
    pub(crate) fn len(&self) -> usize {
        self.found.as_ref().map_or(self.rows.len(), |f| f.nodes.len())
    }

    /// The selected path.
    pub(crate) fn node(&self) -> Option<NodeId> {
        match &self.found {
            Some(found) => found.nodes.get(self.cursor.at).copied(),
            None => self.rows.get(self.cursor.at).map(|r| r.node),
        }
    }

    /// Shows another image's files, or none.
    pub(crate) fn set_content(
        &mut self,
        content: Option<Arc<Content>>,
        layer: usize,
        height: u16,
        requests: &mut Vec<Request>,
    ) {
        let (tab, sort, only_changed, generation) = (self.tab, self.sort, self.only_changed, self.generation);
        let origins = self.origins.take();
        self.cancel.cancel();
        *self = Self { content, tab, layer, sort, only_changed, generation, origins, ..Self::default() };
        self.rebuild(height, requests);
    }

    /// Shows a newer state of the same files: folders stay open, the selected path stays selected.
    pub(crate) fn renew(&mut self, content: &Arc<Content>, layer: usize, height: u16, requests: &mut Vec<Request>) {
        let Some(old) = self.content.take() else { return };
        let selected = self.node().map(|node| old.tree.path(node));
        let find = |path: Vec<u8>| content.tree.find(&path);
        self.open.map(|node| find(old.tree.path(node)));
        self.rows.clear();
        self.content = Some(content.clone());
        self.layer = layer;
        // What was found is another tree's.
        let found = self.found.take();
        self.rebuild(height, requests);
        if let Some(at) = selected.and_then(find).and_then(|node| self.rows.iter().position(|row| row.node == node)) {
            self.cursor.set(at, self.rows.len(), height);
        }
        if let Some(found) = found {
            self.find(&found.text, requests);
        }
    }

    pub(crate) fn set_layer(&mut self, layer: usize, height: u16, requests: &mut Vec<Request>) {
        if self.layer != layer {
            self.layer = layer;
            if matches!(self.tab, Tab::Layer | Tab::UpTo) {
                self.rebuild(height, requests);
            }
        }
    }

    /// Makes all lines anew, keeping the selected path selected where it is still shown.
    pub(crate) fn rebuild(&mut self, height: u16, requests: &mut Vec<Request>) {
        self.generation = generation();
        self.cancel.cancel();
        self.cancel = Cancel::default();
        self.pending = false;
        if let Some(found) = self.found.clone() {
            self.find(&found.text, requests);
        }
        let Some(content) = self.content.clone() else {
            self.rows.clear();
            return;
        };
        if !self.touched {
            self.open = Open::default();
        }
        if self.open.is_small() {
            let rows = build(&content.tree, &self.spec(), &|| false);
            self.set_rows(rows, height);
            if !self.touched {
                self.open_largest(&content, height);
            }
        } else {
            self.pending = true;
            let (generation, spec, cancel) = (self.generation, self.spec(), self.cancel.clone());
            requests.push(Request::Rows { generation, content, spec, cancel });
        }
    }

    /// Lines made beside the screen; gives back those of another wish.
    pub(crate) fn built(&mut self, generation: u64, rows: Vec<Row>, height: u16) -> Option<Vec<Row>> {
        if generation != self.generation {
            return Some(rows);
        }
        self.pending = false;
        self.set_rows(rows, height);
        None
    }

    fn set_rows(&mut self, rows: Vec<Row>, height: u16) {
        let selected = self.rows.get(self.cursor.at).map(|r| r.node);
        self.rows = rows;
        let at = selected.and_then(|node| self.rows.iter().position(|r| r.node == node));
        if self.found.is_none() {
            self.cursor.set(at.unwrap_or(0), self.rows.len(), height);
        }
    }

    /// Opens what is largest as long as it fits: the first look should already tell something.
    fn open_largest(&mut self, content: &Content, height: u16) {
        let room = usize::from(height) * 2 / 3;
        for _ in 0..8 {
            let closed =
                |r: &&(usize, &Row)| is_folder(&content.tree, r.1.node, self.view()) && !self.open.is_open(r.1.node);
            let size = |row: &Row| content.tree.totals(row.node, self.view()).size;
            let Some(at) = self.rows.iter().enumerate().filter(|r| closed(&r)).max_by_key(|r| size(r.1)).map(|r| r.0)
            else {
                return;
            };
            let row = self.rows[at];
            let inner = children(&content.tree, row.node, row.depth + 1, &self.spec());
            if inner.is_empty() || self.rows.len() + inner.len() > room {
                return;
            }
            self.open.set(row.node, true);
            self.rows.splice(at + 1..=at, inner);
        }
    }

    /// Handles what moves in the tree or changes its form.
    pub(crate) fn act(&mut self, action: Action, height: u16, requests: &mut Vec<Request>) -> bool {
        let len = self.len();
        if self.cursor.act(action, len, height) {
            return true;
        }
        match action {
            Action::Right => self.toggle(Some(true), height, requests),
            Action::Left => self.toggle(Some(false), height, requests),
            Action::OnlyChanged => {
                self.only_changed = !self.only_changed;
                self.rebuild(height, requests);
            }
            Action::ExpandAll => {
                self.touched = true;
                self.open = Open::all();
                self.rebuild(height, requests);
            }
            Action::CollapseAll => {
                self.touched = true;
                self.open = Open::default();
                self.rebuild(height, requests);
            }
            Action::NextTab => self.turn(1, height, requests),
            Action::PreviousTab => self.turn(-1, height, requests),
            _ => return false,
        }
        true
    }

    fn turn(&mut self, by: isize, height: u16, requests: &mut Vec<Request>) {
        let at = Tab::ALL.iter().position(|t| *t == self.tab).unwrap_or(0) as isize;
        self.set_tab(Tab::ALL[(at + by).rem_euclid(Tab::ALL.len() as isize) as usize], height, requests);
    }

    pub(crate) fn set_tab(&mut self, tab: Tab, height: u16, requests: &mut Vec<Request>) {
        self.tab = tab;
        self.rebuild(height, requests);
    }

    pub(crate) fn set_sort(&mut self, sort: FileSort, height: u16, requests: &mut Vec<Request>) {
        self.sort = sort;
        self.rebuild(height, requests);
    }

    /// Opens or closes the selected folder; what cannot close goes to the folder it is in.
    pub(crate) fn toggle(&mut self, open: Option<bool>, height: u16, requests: &mut Vec<Request>) {
        if self.found.is_some() {
            if open != Some(false) {
                self.reveal_found(height, requests);
            }
            return;
        }
        let (Some(content), Some(row)) = (self.content.clone(), self.rows.get(self.cursor.at).copied()) else { return };
        let at = self.cursor.at;
        let is_open = self.open.is_open(row.node);
        let folder = is_folder(&content.tree, row.node, self.view());
        let to = open.unwrap_or(!is_open);
        if folder && to != is_open {
            self.touched = true;
            self.open.set(row.node, to);
            if to {
                let mut spec = self.spec();
                spec.open = Open::default();
                let inner = self.opened_below(&content, row, &spec);
                self.rows.splice(at + 1..=at, inner);
            } else {
                let end = end_of(&self.rows, at);
                self.rows.drain(at + 1..end);
            }
            self.cursor.clamp(self.rows.len(), height);
        } else if !to && let Some(parent) = self.rows[..at].iter().rposition(|r| r.depth < row.depth) {
            self.cursor.set(parent, self.rows.len(), height);
        }
    }

    /// What shows when a folder opens: its own lines, and those of folders in it that were left open.
    fn opened_below(&self, content: &Content, row: Row, spec: &Spec) -> Vec<Row> {
        let mut out = Vec::new();
        let mut stack = children(&content.tree, row.node, row.depth + 1, spec);
        stack.reverse();
        while let Some(row) = stack.pop() {
            out.push(row);
            if self.open.is_open(row.node) && is_folder(&content.tree, row.node, spec.view) {
                let mut inner = children(&content.tree, row.node, row.depth + 1, spec);
                inner.reverse();
                stack.append(&mut inner);
            }
        }
        out
    }

    pub(crate) fn is_open(&self, node: NodeId) -> bool {
        self.open.is_open(node)
    }

    /// Searches all paths of the view.
    pub(crate) fn find(&mut self, text: &str, requests: &mut Vec<Request>) {
        let text = text.trim();
        let Some(content) = self.content.clone().filter(|_| !text.is_empty()) else {
            self.found = None;
            return;
        };
        self.generation = generation();
        self.cancel.cancel();
        self.cancel = Cancel::default();
        let found = self.found.get_or_insert_with(Found::default);
        text.clone_into(&mut found.text);
        found.pending = true;
        let (generation, spec, cancel) = (self.generation, self.spec(), self.cancel.clone());
        requests.push(Request::Find { generation, content, spec, text: text.to_owned(), cancel });
    }

    /// What a search found; gives back what another found.
    pub(crate) fn set_found(
        &mut self,
        generation: u64,
        nodes: Vec<NodeId>,
        total: usize,
        height: u16,
    ) -> Option<Vec<NodeId>> {
        let Some(found) = self.found.as_mut().filter(|_| generation == self.generation) else { return Some(nodes) };
        found.nodes = Arc::new(nodes);
        found.total = total;
        found.pending = false;
        let len = self.len();
        self.cursor.set(0, len, height);
        None
    }

    /// Ends the search; says whether there was one.
    pub(crate) fn leave_search(&mut self, height: u16) -> bool {
        if self.found.take().is_none() {
            return false;
        }
        self.cursor.clamp(self.rows.len(), height);
        true
    }

    /// Goes from a found path to its place in the tree.
    fn reveal_found(&mut self, height: u16, requests: &mut Vec<Request>) {
        let Some(node) = self.node() else { return };
        self.found = None;
        self.reveal(node, height, requests);
    }

    /// Opens the folders above a path and selects it.
    pub(crate) fn reveal(&mut self, node: NodeId, height: u16, requests: &mut Vec<Request>) {
        let Some(content) = self.content.clone() else { return };
        self.touched = true;
        let mut above = content.tree.parent(node);
        while let Some(folder) = above {
            self.open.set(folder, true);
            above = content.tree.parent(folder);
        }
        if self.open.is_small() {
            self.rows = build(&content.tree, &self.spec(), &|| false);
        } else {
            self.rebuild(height, requests);
        }
        if let Some(at) = self.rows.iter().position(|r| r.node == node) {
            self.cursor.set(at, self.rows.len(), height);
        }
    }
}
