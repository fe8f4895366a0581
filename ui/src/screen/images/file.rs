//! The pane of one file: which layers of the image wrote it, and its content.

use ratatui::layout::Rect;

use crate::pen::{Look, Pen};
use crate::screen::files::file::FileView;
use crate::screen::images::{Images, Pane};
use crate::theme::Role;

impl Images {
    fn file_view(&self) -> Option<FileView<'_>> {
        Some(FileView {
            content: self.files.content.as_ref()?,
            node: self.selected_node()?,
            view: self.files.view(),
            pane: &self.file,
            looks: self.current_known().map_or(&[], |k| &k.looks),
            writable: None,
            layered: true,
        })
    }

    pub(super) fn draw_file_pane(&self, pen: &mut Pen<'_>, area: Rect) {
        if area.width == 0 {
            return;
        }
        let focused = self.focus == Pane::File;
        if let Some(view) = self.file_view() {
            view.draw(pen, area, focused);
        } else {
            let head = pen.look.style(if focused { Role::Accent } else { Role::Strong });
            pen.frame(area, &[("File", head)], focused);
        }
    }

    /// Lines of content that fit below the facts: what paging moves by.
    pub(super) fn peek_room(&self, look: &Look, area: Rect) -> u16 {
        self.file_view().map_or(1, |view| view.peek_room(look, area))
    }
}
