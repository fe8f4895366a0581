//! The help: what the keys of the focused pane do, and those that do the same everywhere.

use crate::app::App;
use crate::keymap::Scope;
use crate::popup::{Line, Text};
use crate::safe_text::wrap;
use crate::theme::Role;

/// Cells of the column of keys in the help.
const KEYS: usize = 19;

impl App {
    pub(super) fn help(&self) -> Text {
        let scope = self.scope();
        let mut lines = Vec::new();
        // The keys' column and the box stand beside the words.
        let room = usize::from(self.area.width.min(110)).saturating_sub(KEYS + 6);
        for scope in [scope, Scope::Global] {
            if !lines.is_empty() {
                lines.push(Line::default());
            }
            lines.push(Line::of(scope.title(), Role::Strong));
            for (action, keys) in self.setup.keys.bound(scope) {
                let mut keys = format!("  {keys:<width$}", width = KEYS - 2);
                for part in wrap(action.describe(), room) {
                    lines.push(
                        Line::of(std::mem::replace(&mut keys, " ".repeat(KEYS)), Role::Accent).and(part, Role::Text),
                    );
                }
            }
        }
        Text::new(format!("Keys: {}", scope.title()), lines)
    }
}
