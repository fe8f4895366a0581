//! The dialogs, fields and menus of the volumes screen.

use std::path::PathBuf;

use crate::launch::{check, words};
use crate::message::Request;
use crate::model::VolumeRow;
use crate::popup::{Choice, Confirm, Form, FormPurpose, Input, Line, Menu, Popup, Purpose};
use crate::screen::Context;
use crate::screen::volumes::draw::label;
use crate::screen::volumes::{Sizes, Sort, Volumes};
use crate::size::plural;
use crate::theme::Role;
use crate::work::{NewVolume, Task, Work};

/// Reads `NAME=value NAME=value`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let words = words::split(text).ok_or("a quote has no end")?;
    let pair = |word: &String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{word}: write NAME=value")),
    };
    words.iter().map(pair).collect()
}

/// What the local driver asks of its options.
fn options(text: &str) -> Option<String> {
    let pairs = match pairs(text) {
        Ok(pairs) => pairs,
        Err(wrong) => return Some(wrong),
    };
    let has = |wanted: &str| pairs.iter().any(|(name, _)| name == wanted);
    (has("o") && !has("device")).then(|| "o needs a device: type=none o=bind device=/folder".into())
}

impl Volumes {
    pub(super) fn open_new(cx: &mut Context<'_>) {
        if cx.is_read_only() {
            return;
        }
        let about = "a folder of the engine's that outlives containers";
        let form = Form::new("Create a volume", about, FormPurpose::NewVolume)
            .with("name", "empty: the engine makes one up", "", check::volume)
            .with("driver", "local, or a plugin's name", "local", |text| {
                text.trim().is_empty().then(|| "local, or a plugin's name".into())
            })
            .with("options", "type=none o=bind device=/folder   type=tmpfs device=tmpfs o=size=64m", "", options)
            .with("labels", "NAME=value NAME=value", "", |text| pairs(text).err());
        cx.popups.push(Popup::Form(form));
    }

    pub(super) fn take_form(texts: &[String], cx: &mut Context<'_>) {
        let [name, driver, options, labels] = texts else { return };
        let (Ok(options), Ok(labels)) = (pairs(options), pairs(labels)) else { return };
        let mut command = vec!["volume".to_owned(), "create".into()];
        if driver != "local" {
            command.extend(["--driver".into(), driver.clone()]);
        }
        for (flag, list) in [("--opt", &options), ("--label", &labels)] {
            command.extend(list.iter().flat_map(|(name, value)| [flag.to_owned(), format!("{name}={value}")]));
        }
        command.extend(Some(name.clone()).filter(|name| !name.is_empty()));
        let volume = NewVolume { name: name.clone(), driver: driver.clone(), options, labels };
        let title = format!("create volume {name}");
        cx.begin(Task { title, commands: vec![command], work: Work::CreateVolume(volume) });
    }

    fn bytes(&self, rows: &[&VolumeRow]) -> (u64, bool) {
        let sizes: Vec<Option<u64>> = rows.iter().map(|row| self.sizes.of(&row.name)).collect();
        (sizes.iter().flatten().sum(), sizes.iter().all(Option::is_some) && !matches!(self.sizes, Sizes::Not))
    }

    fn row_line(&self, row: &VolumeRow, cx: &Context<'_>) -> Line {
        let line = Line::of(label(&row.name), Role::Strong);
        match self.sizes.of(&row.name) {
            Some(bytes) => line.and(format!("   {}", cx.look.size(bytes)), Role::Text),
            None => line.and("   size not known yet", Role::Dim),
        }
    }

    pub(super) fn ask_remove(&self, cx: &mut Context<'_>) {
        if cx.is_read_only() {
            return;
        }
        let going = self.list.chosen();
        let Some(first) = going.first() else { return };
        let used: Vec<_> = going.iter().filter(|row| row.is_used()).collect();
        if let Some(row) = used.first() {
            let names: Vec<&str> = row.users.iter().map(|user| user.name.as_str()).collect();
            let text = format!("{} is mounted in {}: remove that first", label(&row.name), names.join(", "));
            return cx.refuse(text);
        }
        let title = format!("Remove {}?", plural(going.len() as u64, "volume", "volumes"));
        let word = if going.len() == 1 { first.name.clone() } else { "remove".to_owned() };
        self.ask(title, &going, word, cx);
    }

    /// Asks for the removal of exactly these, with `word` typed.
    fn ask(&self, title: String, going: &[&VolumeRow], word: String, cx: &mut Context<'_>) {
        let mut lines: Vec<Line> = going.iter().map(|row| self.row_line(row, cx)).collect();
        let (bytes, whole) = self.bytes(going);
        let about = if whole { "frees " } else { "frees at least " };
        lines.push(Line::default());
        lines.push(Line::plain(about).and(cx.look.size(bytes), Role::Accent));
        lines.push(Line::of("what is in a volume is nowhere else: nothing brings it back but a backup", Role::Bad));
        let names: Vec<String> = going.iter().map(|row| row.name.clone()).collect();
        let mut command = vec!["volume".to_owned(), "rm".into()];
        command.extend(names.iter().cloned());
        let shown: Vec<&str> = command.iter().map(String::as_str).collect();
        lines.extend([Line::default(), Line::of(cx.log.command(&shown), Role::Dim)]);
        let task = Task {
            title: format!("remove {}", plural(names.len() as u64, "volume", "volumes")),
            commands: vec![command],
            work: Work::RemoveVolumes { names },
        };
        let confirm = Confirm::new(title, lines, vec![Request::Begin(task)]).typing(word);
        cx.popups.push(Popup::Confirm(confirm));
    }

    pub(super) fn open_prune(&self, cx: &mut Context<'_>) {
        if cx.is_read_only() {
            return;
        }
        let unused: Vec<&VolumeRow> = self.list.rows.iter().filter(|row| !row.is_used()).collect();
        if unused.is_empty() {
            return cx.say("nothing to prune: every volume is mounted in a container");
        }
        let nameless: Vec<&VolumeRow> = unused.iter().copied().filter(|row| row.is_anonymous()).collect();
        let words = |rows: &[&VolumeRow]| {
            let (bytes, whole) = self.bytes(rows);
            let about = if whole { "" } else { "at least " };
            format!("{}, {about}{}", plural(rows.len() as u64, "volume", "volumes"), cx.look.size(bytes))
        };
        let menu = Menu::new("What no container mounts")
            .with('a', "only those without a name", words(&nameless), Choice::PruneVolumes { all: false })
            .with('n', "named ones, too", words(&unused), Choice::PruneVolumes { all: true });
        cx.popups.push(Popup::Menu(menu));
    }

    fn ask_prune(&self, all: bool, cx: &mut Context<'_>) {
        let unused = self.list.rows.iter().filter(|row| !row.is_used() && (all || row.is_anonymous()));
        let going: Vec<&VolumeRow> = unused.collect();
        if going.is_empty() {
            return cx.say("nothing to prune: every volume without a name is mounted in a container");
        }
        let kind = if all { "that nothing uses" } else { "without a name" };
        let title = format!("Remove {} {kind}?", plural(going.len() as u64, "volume", "volumes"));
        self.ask(title, &going, "remove".into(), cx);
    }

    pub(super) fn open_clone(&self, cx: &mut Context<'_>) {
        let Some(row) = self.list.current() else { return };
        if !cx.is_read_only() {
            let hint = "name of a new volume; its files are copied through a container that is never started";
            let purpose = Purpose::CloneVolume(row.name.clone());
            let title = format!("Clone {}", label(&row.name));
            cx.popups.push(Popup::Input(Input::new(title, hint, format!("{}-copy", label(&row.name)), purpose)));
        }
    }

    pub(super) fn open_backup(&self, cx: &mut Context<'_>) {
        let Some(row) = self.list.current() else { return };
        let path = cx.save_to.join(format!("{}.tar", label(&row.name))).display().to_string();
        let purpose = Purpose::BackupVolume(row.name.clone(), self.sizes.of(&row.name).unwrap_or(0));
        let title = format!("Back {} up", label(&row.name));
        cx.popups.push(Popup::Input(Input::new(title, "a tar; an existing file is never replaced", path, purpose)));
    }

    pub(super) fn open_restore(&self, cx: &mut Context<'_>) {
        let Some(row) = self.list.current() else { return };
        if !cx.is_read_only() {
            let purpose = Purpose::RestoreVolume(row.name.clone());
            let hint = "a tar of this machine; files of the same name in the volume are replaced";
            let title = format!("Restore into {}", label(&row.name));
            cx.popups.push(Popup::Input(Input::new(title, hint, format!("{}/", cx.save_to.display()), purpose)));
        }
    }

    pub(super) fn open_copy(&self, cx: &mut Context<'_>) {
        let Some(row) = self.list.current() else { return };
        let mount = format!("type=volume,source={},target=/data", row.name);
        let run = cx.log.command(&["run", "--rm", "-it", "--mount", &mount, "IMAGE"]);
        let inspect = cx.log.command(&["volume", "inspect", &row.name]);
        let menu = Menu::new("Copy")
            .with('n', "name", row.name.clone(), Choice::Copy(row.name.clone()))
            .with('f', "folder", row.mountpoint.clone(), Choice::Copy(row.mountpoint.clone()))
            .with('s', "command: inspect", inspect.clone(), Choice::Copy(inspect))
            .with('r', "command: run", run.clone(), Choice::Copy(run));
        cx.popups.push(Popup::Menu(menu));
    }

    pub(super) fn take_choice(&mut self, choice: Choice, cx: &mut Context<'_>) {
        match choice {
            Choice::Copy(text) => {
                cx.say(format!("copied {text}"));
                cx.requests.push(Request::Copy(text));
            }
            Choice::Sort(n) => {
                self.sort = Sort::ALL[n % Sort::ALL.len()];
                let selected = self.list.selected();
                self.arrange(selected.as_deref(), cx.area);
            }
            Choice::SortFiles(n) => self.files.sort(n, cx),
            Choice::PruneVolumes { all } => self.ask_prune(all, cx),
            _ => {}
        }
    }

    pub(super) fn take_text(&mut self, purpose: Purpose, text: &str, cx: &mut Context<'_>) {
        let trimmed = text.trim();
        let helper = |volume: &str| -> Vec<String> {
            ["create", "--name", "helper", "-v"]
                .map(str::to_owned)
                .into_iter()
                .chain([format!("{volume}:/volume"), "IMAGE".into()])
                .collect()
        };
        let task = match purpose {
            Purpose::Filter => return self.set_filter(text, cx),
            Purpose::SaveFile { layer, path } => return self.files.save(layer, path, text, cx),
            Purpose::CloneVolume(from) => {
                if trimmed.is_empty() || trimmed == from {
                    return cx.refuse("the copy needs a name of its own");
                }
                if let Some(wrong) = check::volume(trimmed) {
                    return cx.refuse(wrong);
                }
                let commands = vec![
                    ["volume", "create", trimmed].map(str::to_owned).to_vec(),
                    helper(&from),
                    ["cp", "helper:/volume/.", "-"].map(str::to_owned).to_vec(),
                ];
                let work = Work::CloneVolume { from: from.clone(), to: trimmed.to_owned() };
                Task { title: format!("clone {}", label(&from)), commands, work }
            }
            Purpose::BackupVolume(name, expected) => {
                let commands = vec![helper(&name), ["cp", "helper:/volume/.", "-"].map(str::to_owned).to_vec()];
                let work = Work::BackupVolume { name: name.clone(), path: PathBuf::from(text), expected };
                Task { title: format!("back up {}", label(&name)), commands, work }
            }
            Purpose::RestoreVolume(name) => {
                let commands = vec![helper(&name), ["cp", "-", "helper:/volume"].map(str::to_owned).to_vec()];
                let work = Work::RestoreVolume { name: name.clone(), path: PathBuf::from(text) };
                Task { title: format!("restore {}", label(&name)), commands, work }
            }
            _ => return,
        };
        if matches!(task.work, Work::BackupVolume { .. }) && cx.read_only.is_some() {
            return cx.refuse("a backup goes through a container, and nothing can be made here");
        }
        cx.begin(task);
    }
}
