//! A line of text asked for: in the bottom line for filters, in a box for names and files.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use crate::pen::Pen;
use crate::popup::browser::folder_of;
use crate::popup::form::draw_edit;
use crate::popup::{Outcome, centred, open_box};
use crate::theme::Role;
use crate::widget::edit::Edit;
use crate::work::Named;

/// What the text is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Filter of the images.
    Filter,
    /// Search in the file tree.
    Find,
    /// A further name of an image.
    Tag {
        image: String,
    },
    /// An archive to load.
    Load,
    /// An image to fetch from a registry.
    Pull,
    /// An image to bring to a registry.
    Push,
    /// Where to save images.
    SaveImages {
        references: Vec<String>,
        size: u64,
    },
    /// Where to save a file of a layer.
    SaveFile {
        layer: usize,
        path: Vec<u8>,
    },
    /// Search in a log.
    Search,
    /// Filter of what a watch tells.
    FilterFeed,
    /// Where to save the recording of a watch.
    SaveRecording,
    /// The recording to open.
    OpenRecording,
    Rename(Named),
    Commit(Named),
    /// Where to, and about how many bytes.
    ExportContainer(Named, u64),
    CopyOutFrom(Named),
    CopyOutTo(Named, String),
    CopyInFrom(Named),
    CopyInTo(Named, String),
    CloneVolume(String),
    /// Which volume, and about how many bytes.
    BackupVolume(String, u64),
    RestoreVolume(String),
    /// The folder or Dockerfile of a build.
    BuildFrom,
}

impl Purpose {
    fn is_prompt(&self) -> bool {
        matches!(self, Self::Filter | Self::Find | Self::Search | Self::FilterFeed)
    }

    /// Whether it is a file of this machine that has to be there.
    fn is_there(&self) -> bool {
        matches!(self, Self::Load | Self::RestoreVolume(_) | Self::CopyInFrom(_) | Self::OpenRecording)
    }
}

/// The field.
pub(crate) struct Input {
    title: String,
    hint: String,
    edit: Edit,
    purpose: Purpose,
}

impl Input {
    pub(crate) fn new(
        title: impl Into<String>,
        hint: impl Into<String>,
        text: impl Into<String>,
        purpose: Purpose,
    ) -> Self {
        Self { title: title.into(), hint: hint.into(), edit: Edit::new(text), purpose }
    }

    fn is_prompt(&self) -> bool {
        self.purpose.is_prompt()
    }

    pub(crate) fn key(&mut self, key: KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Esc => Outcome::Left(self.purpose.clone()),
            KeyCode::Tab if self.purpose.is_there() => self.browse(),
            KeyCode::Char('o') if self.purpose.is_there() && key.modifiers == KeyModifiers::CONTROL => self.browse(),
            KeyCode::Enter => Outcome::Entered(self.purpose.clone(), self.edit.text().to_owned()),
            _ if self.edit.key(key) => self.changed(),
            _ => Outcome::Stays,
        }
    }

    /// Goes on in the browser, in the folder that was typed so far.
    fn browse(&self) -> Outcome {
        let folder = folder_of(self.edit.text());
        Outcome::Browses(self.purpose.clone(), folder.to_owned())
    }

    pub(crate) fn paste(&mut self, text: &str) -> Outcome {
        self.edit.insert(text);
        self.changed()
    }

    fn changed(&self) -> Outcome {
        if self.is_prompt() {
            Outcome::Typed(self.purpose.clone(), self.edit.text().to_owned())
        } else {
            Outcome::Stays
        }
    }

    pub(crate) fn draw(&self, pen: &mut Pen<'_>, area: Rect) -> (u16, u16) {
        let (dim, key) = (pen.look.style(Role::Dim), pen.look.style(Role::Accent));
        if self.is_prompt() {
            let y = area.bottom().saturating_sub(1);
            let line = Rect::new(area.x, y, area.width, 1);
            pen.clear(line);
            let used = pen.pieces(area.x + 1, y, area.width.saturating_sub(1), &[(&self.title, key), (" ", dim)]);
            let end = draw_edit(
                pen,
                Rect::new(area.x + 1 + used, y, area.width.saturating_sub(used + 2), 1),
                &self.edit,
                false,
            );
            let rest = area.right().saturating_sub(end + 3);
            if pen.look.width(&self.hint) < rest {
                pen.right(area.right() - 1, y, rest, &self.hint, dim);
            }
            return (end, y);
        }
        let area = centred(area, 76, 7);
        let inner = open_box(pen, area, &self.title);
        if inner.height < 3 {
            return (inner.x, inner.y);
        }
        let width = inner.width.saturating_sub(4);
        let line = Rect::new(inner.x + 2, inner.y + 1, width, 1);
        let end = draw_edit(pen, line, &self.edit, true);
        pen.text(inner.x + 2, inner.y + 2, width, &self.hint, dim);
        if inner.height > 4 {
            let mut pieces = vec![("enter", key), (" go on   ", dim), ("esc", key), (" cancel", dim)];
            if self.purpose.is_there() {
                pieces.splice(2..2, [("tab", key), (" choose a file   ", dim)]);
            }
            pen.pieces(inner.x + 2, inner.y + 4, width, &pieces);
        }
        (end, line.y)
    }
}
