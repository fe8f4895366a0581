//! The keymap: the only place that knows keys. Help, palette and documentation are made from it.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde::Deserialize;

use crate::action::Action;

const DEFAULT: &str = include_str!("../../assets/keys.toml");
const DIVE: &str = include_str!("../../assets/keys-dive.toml");

/// Where a key means what it means; a pane's own keys come before the global ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Everywhere but in dialogs and text fields.
    Global,
    /// The list of images.
    Images,
    /// The strata of an image.
    Strata,
    /// The file tree.
    Files,
    /// The pane of one file.
    File,
    /// The waste view.
    Waste,
    /// Two images side by side.
    Compare,
    /// The list of containers.
    Containers,
    /// What a container changed.
    Changes,
    /// What a container writes, as it happens.
    Live,
    /// A container's terminal, while it does not have the keys.
    Terminal,
    /// A container's log.
    Logs,
    /// Mounts, processes and all else of a container.
    Container,
    /// The list of volumes.
    Volumes,
    /// What is in a volume.
    Volume,
    /// What holds the disk.
    Disk,
    /// The Dockerfiles of a folder.
    Build,
    /// The steps of a build, and what they say.
    Steps,
    /// The form that starts a container.
    Launch,
    /// A text that is only read.
    Text,
    /// A dialog that asks before it destroys.
    Confirm,
}

impl Scope {
    /// All of them, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::Global,
        Self::Images,
        Self::Strata,
        Self::Files,
        Self::File,
        Self::Waste,
        Self::Compare,
        Self::Containers,
        Self::Changes,
        Self::Live,
        Self::Terminal,
        Self::Logs,
        Self::Container,
        Self::Volumes,
        Self::Volume,
        Self::Disk,
        Self::Build,
        Self::Steps,
        Self::Launch,
        Self::Text,
        Self::Confirm,
    ];

    /// What it is called in help and documentation.
    pub fn title(self) -> &'static str {
        match self {
            Self::Global => "everywhere",
            Self::Images => "images",
            Self::Strata => "strata",
            Self::Files => "files",
            Self::File => "file",
            Self::Waste => "waste",
            Self::Compare => "compare",
            Self::Containers => "containers",
            Self::Changes => "changes",
            Self::Live => "live",
            Self::Terminal => "terminal",
            Self::Logs => "logs",
            Self::Container => "container",
            Self::Volumes => "volumes",
            Self::Volume => "volume",
            Self::Disk => "disk",
            Self::Build => "build",
            Self::Steps => "steps of a build",
            Self::Launch => "launch form",
            Self::Text => "text",
            Self::Confirm => "dialog",
        }
    }
}

/// One key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Chord {
    /// The chord of a key event; shift on a character is in the character already.
    pub fn of(event: KeyEvent) -> Self {
        let mut modifiers = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let code = match event.code {
            KeyCode::Char(c) if modifiers.contains(KeyModifiers::CONTROL) => {
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::Char(c.to_ascii_lowercase())
            }
            KeyCode::Char(c) => {
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::Char(c)
            }
            KeyCode::Tab if modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            code => code,
        };
        if code == KeyCode::BackTab {
            modifiers -= KeyModifiers::SHIFT;
        }
        Self { code, modifiers }
    }

    /// The event of pressing it.
    #[cfg(test)]
    pub(crate) fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, self.modifiers)
    }

    /// Parses `ctrl-p`, `shift-tab`, `G`, `space`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        loop {
            let (modifier, after) = if let Some(after) = rest.strip_prefix("ctrl-") {
                (KeyModifiers::CONTROL, after)
            } else if let Some(after) = rest.strip_prefix("alt-") {
                (KeyModifiers::ALT, after)
            } else if let Some(after) = rest.strip_prefix("shift-") {
                (KeyModifiers::SHIFT, after)
            } else {
                break;
            };
            if after.is_empty() {
                break;
            }
            modifiers |= modifier;
            rest = after;
        }
        let code = named(rest).or_else(|| {
            let mut chars = rest.chars();
            chars.next().filter(|_| chars.next().is_none()).map(KeyCode::Char)
        })?;
        Some(Self::of(KeyEvent::new(code, modifiers)))
    }
}

const NAMES: &[(&str, KeyCode)] = &[
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("shift-tab", KeyCode::BackTab),
    ("space", KeyCode::Char(' ')),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
];

fn named(text: &str) -> Option<KeyCode> {
    if let Some((_, code)) = NAMES.iter().find(|(name, _)| *name == text) {
        return Some(*code);
    }
    let number = text.strip_prefix('f')?.parse().ok()?;
    (1..=12).contains(&number).then_some(KeyCode::F(number))
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, name) in
            [(KeyModifiers::CONTROL, "ctrl-"), (KeyModifiers::ALT, "alt-"), (KeyModifiers::SHIFT, "shift-")]
        {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        if let Some((name, _)) = NAMES.iter().find(|(_, code)| *code == self.code) {
            return f.write_str(name);
        }
        match self.code {
            KeyCode::Char(c) => f.write_char(c),
            KeyCode::F(n) => write!(f, "f{n}"),
            _ => f.write_str("?"),
        }
    }
}

/// Which key does what where.
#[derive(Clone, Debug)]
pub struct Keymap {
    scopes: BTreeMap<Scope, Vec<(Chord, Action)>>,
}

/// Says what is wrong in a key file.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// No TOML, or an unknown action or pane.
    #[error("keys: {0}")]
    Toml(#[from] toml::de::Error),
    /// A key that is none.
    #[error("keys: [{scope}] {key:?} is no key; write for example ctrl-p, shift-tab, space, f1 or G")]
    Key {
        /// The section.
        scope: &'static str,
        /// The text.
        key: String,
    },
    /// An action that is none.
    #[error("keys: [{scope}] {key} = {action:?} is no command; `outcrop keys` lists them")]
    Action {
        /// The section.
        scope: &'static str,
        /// The key.
        key: String,
        /// The text.
        action: String,
    },
    /// A key that cannot be bound to something else.
    #[error("keys: [{scope}] {key} cannot be changed")]
    Reserved {
        /// The section.
        scope: &'static str,
        /// The key.
        key: String,
    },
}

impl Default for Keymap {
    fn default() -> Self {
        let mut keymap = Self { scopes: BTreeMap::new() };
        keymap.read(DEFAULT, false).expect("the built-in keys are checked by a test");
        keymap
    }
}

impl Keymap {
    /// The keys of dive where they can be had.
    pub fn dive() -> Self {
        let mut keymap = Self::default();
        keymap.read(DIVE, false).expect("the built-in keys are checked by a test");
        keymap
    }

    /// Changes keys as a key file says; keys it does not name stay.
    pub fn apply(&mut self, text: &str) -> Result<(), KeysError> {
        let mut next = self.clone();
        next.read(text, true)?;
        *self = next;
        Ok(())
    }

    fn read(&mut self, text: &str, users: bool) -> Result<(), KeysError> {
        let file: BTreeMap<Scope, BTreeMap<String, String>> = toml::from_str(text)?;
        for (scope, keys) in file {
            for (key, action) in keys {
                let title = scope.title();
                let chord = Chord::parse(&key).ok_or_else(|| KeysError::Key { scope: title, key: key.clone() })?;
                let reserved = chord.code == KeyCode::Esc || chord == Chord::parse("ctrl-c").expect("is a key");
                if users && (reserved || scope == Scope::Confirm) {
                    return Err(KeysError::Reserved { scope: title, key });
                }
                let bound = self.scopes.entry(scope).or_default();
                bound.retain(|(c, _)| *c != chord);
                if action.is_empty() {
                    continue;
                }
                let parsed = Action::ALL.iter().find(|a| a.name() == action);
                bound.push((chord, *parsed.ok_or(KeysError::Action { scope: title, key, action })?));
            }
        }
        Ok(())
    }

    /// What a key does in a pane.
    pub fn action(&self, scope: Scope, chord: Chord) -> Option<Action> {
        let find = |scope| self.scopes.get(&scope)?.iter().find(|(c, _)| *c == chord).map(|(_, a)| *a);
        match scope {
            Scope::Confirm => find(scope),
            _ => find(scope).or_else(|| find(Scope::Global)),
        }
    }

    /// The shortest key of an action in a pane, to show it.
    pub fn key(&self, scope: Scope, action: Action) -> Option<String> {
        let own = self.scopes.get(&scope).map_or(&[][..], Vec::as_slice);
        let of = |scope: Scope| {
            let keys = self.scopes.get(&scope)?.iter().filter(|(_, a)| *a == action);
            // A key that means something else here does not do it here.
            let keys =
                keys.filter(|(c, a)| own.iter().all(|(other, b)| other != c || a == b)).map(|(c, _)| c.to_string());
            keys.min_by_key(|k| (k.len() > 5, k.len() != 1 && k.starts_with("ctrl"), k.len()))
        };
        of(scope).or_else(|| of(Scope::Global))
    }

    /// What is bound in exactly this scope: each action once, with all its keys, in the order of [`Action::ALL`].
    pub fn bound(&self, scope: Scope) -> Vec<(Action, String)> {
        let Some(keys) = self.scopes.get(&scope) else { return Vec::new() };
        let names = |action: Action| {
            let mut names: Vec<_> = keys.iter().filter(|(_, a)| *a == action).map(|(c, _)| c.to_string()).collect();
            names.sort_by_key(String::len);
            names.join(" ")
        };
        Action::ALL.iter().map(|a| (*a, names(*a))).filter(|(_, keys)| !keys.is_empty()).collect()
    }

    /// The whole table as text: scope, keys, command and what it does, one a line.
    pub fn table(&self) -> String {
        let mut out = String::new();
        for scope in Scope::ALL {
            let bound = self.bound(*scope);
            if bound.is_empty() {
                continue;
            }
            let _ = writeln!(out, "{}{}", if out.is_empty() { "" } else { "\n" }, scope.title());
            for (action, keys) in bound {
                let _ = writeln!(out, "  {keys:<18} {:<14} {}", action.name(), action.describe());
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_keys_are_valid() {
        let keys = Keymap::default();
        assert_eq!(keys.key(Scope::Images, Action::Help).as_deref(), Some("?"));
        assert_eq!(keys.key(Scope::Images, Action::Remove).as_deref(), Some("delete"));
        let _ = Keymap::dive();
    }

    #[test]
    fn a_pane_comes_before_the_whole() {
        let mut keys = Keymap::default();
        keys.apply("[files]\nj = \"save\"\n[global]\nq = \"\"").expect("is valid");
        let j = Chord::parse("j").expect("is a key");
        assert_eq!(keys.action(Scope::Files, j), Some(Action::Save));
        assert_eq!(keys.action(Scope::Images, j), Some(Action::Down));
        assert_eq!(keys.action(Scope::Images, Chord::parse("q").expect("is a key")), None);
    }

    #[test]
    fn nothing_but_its_own_keys_works_in_a_dialog() {
        let keys = Keymap::default();
        for key in ["enter", "space", "j", "Y", "delete"] {
            assert_eq!(keys.action(Scope::Confirm, Chord::parse(key).expect("is a key")), None, "{key}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("[files]\nfoo-bar = \"save\"", "is no key"),
            ("[files]\na = \"explode\"", "is no command"),
            ("[nowhere]\na = \"save\"", "nowhere"),
            ("[global]\nesc = \"quit\"", "cannot be changed"),
            ("[confirm]\nenter = \"confirm\"", "cannot be changed"),
        ] {
            let error = Keymap::default().apply(text).expect_err("is wrong").to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn chords_print_as_they_are_written() {
        for text in ["ctrl-p", "shift-tab", "space", "G", "?", "f5", "alt-left", "ctrl-space", "-", "ctrl--"] {
            assert_eq!(Chord::parse(text).map(|c| c.to_string()).as_deref(), Some(text));
        }
    }
}
