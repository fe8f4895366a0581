//! One mount being written: its type, source, target and options.

use std::collections::HashMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use outcrop_layers::index::FileType;
use outcrop_layers::view::View;

use crate::launch::{Ground, Looked, Mount, MountKind};
use crate::popup::browser::folder_of;
use crate::safe_text::from_bytes;
use crate::widget::edit::Edit;

/// Most proposals shown.
pub(super) const PROPOSALS: usize = 6;

/// What came of a key.
pub(super) enum Step {
    Stays,
    Closes,
    /// A folder of the host is to be chosen, from this one on.
    Browses(String),
    Done,
}

/// The lines of the editor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Kind,
    Source,
    Target,
    Options,
}

impl Line {
    pub(super) const ALL: [Self; 4] = [Self::Kind, Self::Source, Self::Target, Self::Options];
}

/// The editor.
pub(super) struct Editor {
    /// The mount of the table that is changed; none for a new one.
    pub(super) at: Option<usize>,
    pub(super) kind: MountKind,
    pub(super) source: Edit,
    pub(super) target: Edit,
    pub(super) options: Edit,
    pub(super) line: Line,
    /// Which proposal is picked.
    pub(super) picked: usize,
}

impl Editor {
    pub(super) fn new(at: Option<usize>, mount: &Mount) -> Self {
        Self {
            at,
            kind: mount.kind,
            source: Edit::new(mount.source.clone()),
            target: Edit::new(mount.target.clone()),
            options: Edit::new(mount.options().join(",")),
            line: Line::Kind,
            picked: 0,
        }
    }

    /// The mount as it stands.
    pub(super) fn mount(&self) -> Mount {
        let source = if self.kind == MountKind::Tmpfs { "" } else { self.source.text().trim() };
        let mut mount = Mount {
            kind: self.kind,
            source: source.to_owned(),
            target: self.target.text().trim().to_owned(),
            ..Mount::default()
        };
        // What is wrong with them is said beside the field, and nothing is taken over before that is mended.
        let _ = mount.set_options(self.options.text());
        mount
    }

    pub(super) fn options_problem(&self) -> Option<String> {
        let mut mount = Mount { kind: self.kind, ..Mount::default() };
        mount.set_options(self.options.text()).err()
    }

    pub(super) fn set_source(&mut self, path: &str) {
        self.source = Edit::new(path);
        self.line = Line::Target;
    }

    /// The paths of the host that it asks about: the source, and the folder that completes it.
    pub(super) fn paths(&self) -> Vec<String> {
        let text = self.source.text();
        if self.kind != MountKind::Bind || !text.starts_with('/') {
            return Vec::new();
        }
        vec![text.to_owned(), folder_of(text).to_owned()]
    }

    pub(super) fn paste(&mut self, text: &str) {
        if let Some(edit) = self.edit_mut() {
            edit.insert(text);
        }
    }

    pub(super) fn edit_mut(&mut self) -> Option<&mut Edit> {
        match self.line {
            Line::Kind => None,
            Line::Source => (self.kind != MountKind::Tmpfs).then_some(&mut self.source),
            Line::Target => Some(&mut self.target),
            Line::Options => Some(&mut self.options),
        }
    }

    /// What could stand in the line one is at.
    pub(super) fn proposals(&self, ground: Option<&Ground>, looked: &HashMap<String, Looked>) -> Vec<String> {
        let starts = |list: &[String], text: &str| -> Vec<String> {
            let fit = list.iter().filter(|item| item.starts_with(text) && item.as_str() != text);
            fit.take(PROPOSALS).cloned().collect()
        };
        match (self.line, self.kind) {
            (Line::Source, MountKind::Volume) => {
                ground.map(|ground| starts(&ground.volumes, self.source.text())).unwrap_or_default()
            }
            (Line::Source, MountKind::Bind) => {
                let text = self.source.text();
                let folder = folder_of(text);
                let Some(looked) = looked.get(folder) else { return Vec::new() };
                let head = folder.trim_end_matches('/');
                let paths: Vec<String> =
                    looked.entries.iter().filter(|entry| entry.1).map(|(name, _)| format!("{head}/{name}")).collect();
                starts(&paths, text)
            }
            (Line::Target, _) => ground.map(|ground| targets(ground, self.target.text())).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    pub(super) fn key(&mut self, key: KeyEvent, ground: Option<&Ground>, looked: &HashMap<String, Looked>) -> Step {
        let proposals = self.proposals(ground, looked);
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Step::Closes,
            KeyCode::Char('o') if ctrl && self.kind == MountKind::Bind => {
                let text = self.source.text();
                return Step::Browses(if text.starts_with('/') { folder_of(text).to_owned() } else { "/".into() });
            }
            KeyCode::Char('s') if ctrl => return Step::Done,
            KeyCode::Enter if self.picked > 0 && !proposals.is_empty() => self.take(&proposals),
            KeyCode::Enter if self.line == Line::Options || ctrl => return Step::Done,
            KeyCode::Down if !proposals.is_empty() && self.picked + 1 < proposals.len() => self.picked += 1,
            KeyCode::Up if !proposals.is_empty() && self.picked > 0 => self.picked -= 1,
            KeyCode::Tab if self.is_typed() && !proposals.is_empty() => self.take(&proposals),
            KeyCode::Enter | KeyCode::Tab | KeyCode::Down => self.go(1),
            KeyCode::BackTab | KeyCode::Up => self.go(-1),
            KeyCode::Right if self.at_end() && !proposals.is_empty() => self.take(&proposals),
            KeyCode::Left | KeyCode::Right | KeyCode::Char(' ') if self.line == Line::Kind => {
                let by = if key.code == KeyCode::Left { MountKind::ALL.len() - 1 } else { 1 };
                let at = MountKind::ALL.iter().position(|kind| *kind == self.kind).unwrap_or(0);
                self.kind = MountKind::ALL[(at + by) % MountKind::ALL.len()];
            }
            KeyCode::Char(c @ ('v' | 'b' | 't')) if self.line == Line::Kind => {
                let word = |kind: &&MountKind| kind.word().starts_with(c);
                self.kind = MountKind::ALL.iter().find(word).copied().unwrap_or(self.kind);
            }
            _ => {
                if let Some(edit) = self.edit_mut() {
                    edit.key(key);
                }
                self.picked = 0;
            }
        }
        Step::Stays
    }

    /// Puts the picked proposal in its line.
    fn take(&mut self, proposals: &[String]) {
        let proposal = proposals.get(self.picked).or(proposals.last());
        if let (Some(proposal), Some(edit)) = (proposal.cloned(), self.edit_mut()) {
            *edit = Edit::new(proposal);
        }
        self.picked = 0;
    }

    /// Whether something stands in the line, with the cursor behind it.
    fn is_typed(&mut self) -> bool {
        self.at_end() && self.edit_mut().is_some_and(|edit| !edit.text().is_empty())
    }

    fn at_end(&mut self) -> bool {
        self.edit_mut().is_some_and(|edit| edit.before() == edit.text())
    }

    fn go(&mut self, by: isize) {
        let at = Line::ALL.iter().position(|line| *line == self.line).unwrap_or(0) as isize;
        self.line = Line::ALL[(at + by).rem_euclid(Line::ALL.len() as isize) as usize];
        if self.line == Line::Source && self.kind == MountKind::Tmpfs {
            self.line = Line::ALL[(at + 2 * by).rem_euclid(Line::ALL.len() as isize) as usize];
        }
        self.picked = 0;
    }
}

/// Folders of the image that complete a target, the declared volumes first.
fn targets(ground: &Ground, text: &str) -> Vec<String> {
    let mut out: Vec<String> =
        ground.declared.iter().filter(|path| path.starts_with(text) && path.as_str() != text).cloned().collect();
    if let Some(content) = &ground.content {
        let tree = &content.tree;
        let folder = folder_of(if text.is_empty() { "/" } else { text });
        let Some(node) = tree.find(folder.trim_matches('/').as_bytes()) else { return out };
        let head = folder.trim_end_matches('/');
        for child in tree.children(node) {
            let is_folder =
                tree.seen(*child, View::Whole).is_some_and(|seen| seen.entry.file_type() == FileType::Directory);
            if !is_folder {
                continue;
            }
            let path = format!("{head}/{}", from_bytes(tree.name(*child)));
            if path.starts_with(text) && path != text && !out.contains(&path) {
                out.push(path);
                if out.len() >= PROPOSALS {
                    break;
                }
            }
        }
    }
    out.truncate(PROPOSALS);
    out
}
