//! The form that starts a container: what docker run can say, checked as it is typed, with the command that says the same.

mod draw;
mod editor;
mod fields;

use std::collections::HashMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::keymap::Keymap;
use crate::launch::check::Seen;
use crate::launch::{Ground, Launch, Looked, Mount, MountKind, Syntax, check, command, words};
use crate::message::{Data, Request};
use crate::popup::Outcome;
use crate::popup::browser::{Browser, Step};
use crate::safe_text::shell_quote;
use crate::work::{Task, Work};

use editor::Editor;
use fields::{Field, Fields};

/// Where the cursor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    Field(Field),
    Terminal,
    Remove,
    Mount(usize),
    Add,
    Start,
}

/// The form.
pub(crate) struct LaunchForm {
    fields: Fields,
    terminal: bool,
    remove: bool,
    mounts: Vec<Mount>,
    syntax: Syntax,
    spot: Spot,
    editor: Option<Editor>,
    browser: Option<Browser>,
    ground: Option<Ground>,
    /// The image that the ground was asked for.
    asked: String,
    looked: HashMap<String, Looked>,
    /// What was copied or refused last.
    note: String,
}

impl LaunchForm {
    /// Opens for an image; the requests ask for what the form has to know.
    pub(crate) fn new(image: String) -> (Self, Vec<Request>) {
        let spot = Spot::Field(if image.is_empty() { Field::Image } else { Field::Name });
        let form = Self {
            fields: Fields::new(&image),
            terminal: true,
            remove: false,
            mounts: Vec::new(),
            syntax: Syntax::default(),
            spot,
            editor: None,
            browser: None,
            ground: None,
            asked: image.clone(),
            looked: HashMap::new(),
            note: String::new(),
        };
        let requests = if image.is_empty() { Vec::new() } else { vec![Request::Ground(image)] };
        (form, requests)
    }

    /// Takes an answer that is meant for it.
    pub(crate) fn data(&mut self, data: Data) -> Option<Data> {
        match data {
            Data::Ground(ground) if ground.image == self.asked => self.ground = Some(*ground),
            Data::Looked(looked) => {
                if let Some(browser) = &mut self.browser {
                    browser.take(&looked);
                }
                self.looked.insert(looked.path.clone(), looked);
            }
            other => return Some(other),
        }
        None
    }

    /// Every spot, in the order of the tab key.
    fn spots(&self) -> Vec<Spot> {
        let mut spots = vec![Spot::Field(Field::Image), Spot::Field(Field::Name), Spot::Field(Field::Command)];
        spots.extend([Spot::Terminal, Spot::Remove]);
        spots.extend((0..self.mounts.len()).map(Spot::Mount));
        spots.push(Spot::Add);
        spots.extend(Field::REST.map(Spot::Field));
        spots.push(Spot::Start);
        spots
    }

    fn go(&mut self, by: isize) {
        let spots = self.spots();
        let at = spots.iter().position(|spot| *spot == self.spot).unwrap_or(0) as isize;
        self.spot = spots[(at + by).rem_euclid(spots.len() as isize) as usize];
    }

    pub(crate) fn key(&mut self, key: KeyEvent, _keys: &Keymap, _area: ratatui::layout::Rect) -> Outcome {
        self.note.clear();
        let outcome = if self.browser.is_some() {
            self.key_in_browser(key)
        } else if self.editor.is_some() {
            self.key_in_editor(key)
        } else {
            self.key_in_form(key)
        };
        match outcome {
            Outcome::Stays => self.ask(),
            outcome => outcome,
        }
    }

    pub(crate) fn paste(&mut self, text: &str) -> Outcome {
        match (&mut self.editor, self.spot) {
            (Some(editor), _) => editor.paste(text),
            (None, Spot::Field(field)) => self.fields.edit_mut(field).insert(text),
            _ => {}
        }
        self.ask()
    }

    /// Asks for what became of interest: another image, a path of the host.
    fn ask(&mut self) -> Outcome {
        let mut requests = Vec::new();
        let image = self.fields.text(Field::Image).to_owned();
        if image != self.asked && self.spot != Spot::Field(Field::Image) && !image.is_empty() {
            self.asked.clone_from(&image);
            self.ground = None;
            requests.push(Request::Ground(image));
        }
        if self.ground.as_ref().is_some_and(|ground| ground.local) {
            let mut paths = self.editor.as_ref().map(Editor::paths).unwrap_or_default();
            paths.extend(self.browser.as_ref().map(|browser| browser.path().to_owned()));
            for path in paths {
                if !self.looked.contains_key(&path) {
                    self.looked.insert(path.clone(), Looked { path: path.clone(), ..Looked::default() });
                    requests.push(Request::Look(path));
                }
            }
        }
        if requests.is_empty() { Outcome::Stays } else { Outcome::Asks(requests) }
    }

    fn key_in_form(&mut self, key: KeyEvent) -> Outcome {
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let in_text = matches!(self.spot, Spot::Field(_));
        match key.code {
            KeyCode::Esc => return Outcome::Closes,
            KeyCode::Tab | KeyCode::Down => self.go(1),
            KeyCode::BackTab | KeyCode::Up => self.go(-1),
            KeyCode::Char('s') if ctrl => return self.start(),
            KeyCode::Char('v') if alt || !in_text => self.switch(),
            KeyCode::Char('c') if alt || !in_text => {
                self.note = "copied".into();
                return Outcome::Asks(vec![Request::Copy(self.command_text())]);
            }
            KeyCode::Char('a' | '+') if !in_text => self.edit_mount(None),
            _ => return self.key_at_spot(key),
        }
        Outcome::Stays
    }

    fn key_at_spot(&mut self, key: KeyEvent) -> Outcome {
        match self.spot {
            Spot::Field(_) if key.code == KeyCode::Enter => self.go(1),
            Spot::Field(field) => {
                let choices = self.choices(field);
                self.fields.key(field, key, &choices);
            }
            Spot::Terminal if is_press(key) => self.terminal = !self.terminal,
            Spot::Remove if is_press(key) => self.remove = !self.remove,
            Spot::Add if is_press(key) => self.edit_mount(None),
            Spot::Start if is_press(key) => return self.start(),
            Spot::Mount(at) => match key.code {
                KeyCode::Enter => self.edit_mount(Some(at)),
                KeyCode::Delete | KeyCode::Backspace | KeyCode::Char('d' | 'x') => {
                    self.mounts.remove(at);
                    self.spot = if at < self.mounts.len() { Spot::Mount(at) } else { Spot::Add };
                }
                _ => {}
            },
            _ => {}
        }
        Outcome::Stays
    }

    /// What a field can be completed to.
    fn choices(&self, field: Field) -> Vec<String> {
        let Some(ground) = &self.ground else { return Vec::new() };
        match field {
            Field::Network => {
                let own = ["none".to_owned(), "host".to_owned(), "bridge".to_owned()];
                let shared = ground.containers.iter().map(|name| format!("container:{name}"));
                own.into_iter().chain(ground.networks.iter().cloned()).chain(shared).collect()
            }
            _ => Vec::new(),
        }
    }

    fn switch(&mut self) {
        self.syntax = if self.syntax == Syntax::Mount { Syntax::Short } else { Syntax::Mount };
    }

    fn edit_mount(&mut self, at: Option<usize>) {
        let mount = at.and_then(|at| self.mounts.get(at)).cloned().unwrap_or_default();
        self.editor = Some(Editor::new(at, &mount));
    }

    fn key_in_editor(&mut self, key: KeyEvent) -> Outcome {
        let Some(editor) = &mut self.editor else { return Outcome::Stays };
        match editor.key(key, self.ground.as_ref(), &self.looked) {
            editor::Step::Stays => {}
            editor::Step::Closes => self.editor = None,
            editor::Step::Browses(path) => self.browser = Some(Browser::new(&path)),
            editor::Step::Done => {
                let (mount, options) = (editor.mount(), editor.options_problem());
                let at = editor.at.filter(|at| *at < self.mounts.len());
                let others = self.targets(at);
                let others: Vec<&str> = others.iter().map(String::as_str).collect();
                let wrong = check::mount(&mount, &others, &self.seen(&mount.source), self.syntax == Syntax::Short);
                if wrong.is_none() && options.is_none() {
                    match at {
                        Some(at) => self.mounts[at] = mount,
                        None => self.mounts.push(mount),
                    }
                    self.spot = Spot::Mount(at.unwrap_or(self.mounts.len() - 1));
                    self.editor = None;
                }
            }
        }
        Outcome::Stays
    }

    fn key_in_browser(&mut self, key: KeyEvent) -> Outcome {
        let Some(browser) = &mut self.browser else { return Outcome::Stays };
        match browser.key(key) {
            Step::Stays => {
                if let Some(looked) = self.looked.get(browser.path()) {
                    browser.take(looked);
                }
            }
            Step::Closes => self.browser = None,
            Step::Takes(path) => {
                if let Some(editor) = &mut self.editor {
                    editor.set_source(&path);
                }
                self.browser = None;
            }
        }
        Outcome::Stays
    }

    /// The targets of the mounts, without that of one.
    fn targets(&self, but: Option<usize>) -> Vec<String> {
        let others = self.mounts.iter().enumerate().filter(|(at, _)| Some(*at) != but);
        others.map(|(_, mount)| mount.target.clone()).collect()
    }

    fn seen(&self, path: &str) -> Seen {
        self.looked.get(path).map(|looked| looked.seen.clone()).unwrap_or_default()
    }

    /// What is wrong with a mount of the table.
    fn mount_problem(&self, at: usize) -> Option<String> {
        let mount = self.mounts.get(at)?;
        let others = self.targets(Some(at));
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        check::mount(mount, &others, &self.seen(&mount.source), self.syntax == Syntax::Short)
    }

    /// What is wrong with a field.
    fn field_problem(&self, field: Field) -> Option<String> {
        let text = self.fields.text(field);
        match field {
            Field::Image if text.is_empty() => Some("which image?".into()),
            Field::Memory | Field::Cpus if text.is_empty() => None,
            Field::Image | Field::User => None,
            Field::Name => check::name(text, self.ground.as_ref().map_or(&[], |ground| &ground.containers)),
            Field::Command => words::split(text).is_none().then(|| "a quote has no end".into()),
            Field::Env => check::env(text).err(),
            Field::Workdir => {
                (!text.is_empty() && !text.starts_with('/')).then(|| "an absolute path, from / on".into())
            }
            Field::Network => self.network_problem(text),
            Field::Memory => match check::memory(text) {
                None => Some("a size such as 64m or 1.5g".into()),
                Some(bytes) if bytes < check::LEAST_MEMORY => Some("6m is the least an engine takes".into()),
                Some(_) => None,
            },
            Field::Cpus => check::cpus(text).is_none().then(|| "a number such as 0.5 or 2".into()),
            Field::Ports => check::ports(text).err(),
        }
    }

    fn network_problem(&self, text: &str) -> Option<String> {
        let ground = self.ground.as_ref()?;
        if text.is_empty() || matches!(text, "none" | "host" | "bridge" | "default") {
            return None;
        }
        match text.strip_prefix("container:") {
            Some(name) if ground.containers.iter().any(|other| other == name) => None,
            Some(_) => Some("there is no such container".into()),
            None if ground.networks.iter().any(|network| network == text) => None,
            None => Some("there is no such network: none, host, bridge or container:NAME".into()),
        }
    }

    /// The first thing that is wrong, and where.
    fn problem(&self) -> Option<(Spot, String)> {
        self.spots().into_iter().find_map(|spot| {
            let problem = match spot {
                Spot::Field(field) => self.field_problem(field),
                Spot::Mount(at) => self.mount_problem(at),
                _ => None,
            };
            problem.map(|text| (spot, text))
        })
    }

    /// What is chosen so far; what cannot be read counts as empty.
    fn launch(&self) -> Launch {
        let text = |field| self.fields.text(field).trim().to_owned();
        Launch {
            image: text(Field::Image),
            name: text(Field::Name),
            command: words::split(self.fields.text(Field::Command)).unwrap_or_default(),
            terminal: self.terminal,
            remove: self.remove,
            mounts: self.mounts.clone(),
            syntax: self.syntax,
            env: check::env(self.fields.text(Field::Env)).unwrap_or_default(),
            user: text(Field::User),
            workdir: text(Field::Workdir),
            network: text(Field::Network),
            memory: check::memory(self.fields.text(Field::Memory)),
            cpus: check::cpus(self.fields.text(Field::Cpus)),
            ports: check::ports(self.fields.text(Field::Ports)).unwrap_or_default(),
            tell_who: self.ground.as_ref().is_some_and(|ground| ground.asked_who),
        }
    }

    /// The pieces of the command, each quoted for a shell, an option together with its value.
    fn command_words(&self) -> Vec<String> {
        let mut out = vec!["docker".to_owned()];
        let mut takes_value = false;
        for word in command(&self.launch()) {
            let quoted = shell_quote(&word);
            match out.last_mut().filter(|_| takes_value) {
                Some(option) => *option = format!("{option} {quoted}"),
                None => out.push(quoted.into_owned()),
            }
            takes_value = !takes_value && word.starts_with('-') && !matches!(word.as_str(), "-it" | "-d" | "--rm");
        }
        out
    }

    fn command_text(&self) -> String {
        self.command_words().join(" ")
    }

    fn start(&mut self) -> Outcome {
        if let Some((spot, text)) = self.problem() {
            self.spot = spot;
            self.note = text;
            return Outcome::Stays;
        }
        let launch = self.launch();
        let what = if launch.name.is_empty() { &launch.image } else { &launch.name };
        let task = Task {
            title: format!("run {what}"),
            commands: vec![command(&launch)],
            work: Work::Launch(Box::new(launch.clone())),
        };
        Outcome::Requests(vec![Request::Begin(task)])
    }

    /// What a mount does to the files that the image has there.
    fn hides(&self, mount: &Mount) -> Option<String> {
        let ground = self.ground.as_ref()?;
        let content = ground.content.as_ref().filter(|_| !mount.target.is_empty())?;
        let path = check::clean(&mount.target);
        let node = content.tree.find(path.trim_start_matches('/').as_bytes())?;
        let view = outcrop_layers::view::View::Whole;
        let files = content.tree.totals(node, view).files;
        if files == 0 {
            return None;
        }
        let files_text = crate::size::plural(files, "file", "files");
        let known = ground.volumes.contains(&mount.source);
        if mount.kind == MountKind::Volume && !known && !mount.no_copy && mount.subpath.is_empty() {
            let are = if files == 1 { "is" } else { "are" };
            return Some(format!("the image's {files_text} {are} copied into it"));
        }
        let mut layers: Vec<usize> = content.tree.touched_by(node).map(|layer| layer + 1).collect();
        layers.dedup();
        let of = match layers[..] {
            [one] => format!(" of layer {one}"),
            [first, .., last] => format!(" of layers {first} to {last}"),
            [] => String::new(),
        };
        Some(format!("hides {files_text}{of}"))
    }
}

fn is_press(key: KeyEvent) -> bool {
    matches!(key.code, KeyCode::Enter | KeyCode::Char(' '))
}
