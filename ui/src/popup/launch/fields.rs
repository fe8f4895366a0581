//! The fields of text.

use crossterm::event::{KeyCode, KeyEvent};

use crate::widget::edit::Edit;

/// Which field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Image,
    Name,
    Command,
    Env,
    User,
    Workdir,
    Network,
    Ports,
    Memory,
    Cpus,
}

impl Field {
    /// Those below the mounts, in order.
    pub(super) const REST: [Self; 7] =
        [Self::Env, Self::User, Self::Workdir, Self::Network, Self::Ports, Self::Memory, Self::Cpus];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Name => "name",
            Self::Command => "command",
            Self::Env => "env",
            Self::User => "user",
            Self::Workdir => "workdir",
            Self::Network => "network",
            Self::Ports => "ports",
            Self::Memory => "memory",
            Self::Cpus => "cpus",
        }
    }

    /// What stands in it while it is empty.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Image => "name:tag",
            Self::Name => "the engine makes one up",
            Self::Command => "what the image says",
            Self::Env => "NAME=value NAME=value",
            Self::User | Self::Workdir => "the image's",
            Self::Network => "the engine's own",
            Self::Ports => "8080:80",
            Self::Memory => "no limit",
            Self::Cpus => "all",
        }
    }
}

/// All of them.
pub(super) struct Fields([Edit; 10]);

impl Fields {
    pub(super) fn new(image: &str) -> Self {
        let mut fields = Self(Default::default());
        *fields.edit_mut(Field::Image) = Edit::new(image);
        fields
    }

    pub(super) fn edit(&self, field: Field) -> &Edit {
        &self.0[field as usize]
    }

    pub(super) fn edit_mut(&mut self, field: Field) -> &mut Edit {
        &mut self.0[field as usize]
    }

    pub(super) fn text(&self, field: Field) -> &str {
        self.edit(field).text()
    }

    /// A key; at the end of the text the right arrow takes the completion.
    pub(super) fn key(&mut self, field: Field, key: KeyEvent, choices: &[String]) {
        let edit = self.edit_mut(field);
        if let Some(rest) = completion(edit, choices).filter(|_| key.code == KeyCode::Right) {
            edit.insert(&rest);
        } else {
            edit.key(key);
        }
    }
}

/// What would complete the text, while the cursor is at its end.
pub(super) fn completion(edit: &Edit, choices: &[String]) -> Option<String> {
    let text = edit.text();
    if text.is_empty() || edit.before() != text {
        return None;
    }
    choices.iter().find_map(|choice| choice.strip_prefix(text)).filter(|rest| !rest.is_empty()).map(str::to_owned)
}
