//! The dialogs, fields and menus of the containers screen.

use std::collections::HashMap;

use crate::message::Request;
use crate::model::{ContainerRow, short};
use crate::popup::{Choice, Confirm, Input, Line, Menu, Popup, Purpose};
use crate::screen::Context;
use crate::screen::containers::mounts::fate;
use crate::screen::containers::{Containers, Sort};
use crate::size::{count, plural};
use crate::theme::Role;
use crate::work::{Named, Task, Verb, Work};

/// What is asked once the bytes that would go are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    Remove,
    Prune,
}

impl Containers {
    /// Stops at once, unless something is lost by it.
    pub(super) fn ask_stop(&mut self, verb: Verb, cx: &mut Context<'_>) {
        if cx.is_read_only() {
            return;
        }
        let Some(task) = self.each_task(verb) else { return };
        let chosen = self.list.chosen();
        if chosen.iter().all(|row| !row.state.is_alive()) {
            return cx.say("it does not run");
        }
        let goes = self.current_detail().is_some_and(|detail| detail.auto_remove && chosen.len() == 1);
        if verb == Verb::Stop && !goes && chosen.len() == 1 {
            return cx.begin(task);
        }
        let mut lines: Vec<Line> = chosen.iter().map(|row| self.row_line(row, &HashMap::new(), cx)).collect();
        lines.push(Line::default());
        lines.push(Line::plain(match verb {
            Verb::Kill => "ends its processes at once: what they hold in memory is lost",
            _ => "asks its processes to end, and ends them after ten seconds",
        }));
        if goes {
            lines.push(Line::of("it was started with --rm: it is removed then, with all it wrote", Role::Bad));
        }
        let command: Vec<&str> = task.commands[0].iter().map(String::as_str).collect();
        lines.extend([Line::default(), Line::of(cx.log.command(&command), Role::Dim)]);
        let mut title = format!("{}?", task.title);
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        cx.popups.push(Popup::Confirm(Confirm::new(title, lines, vec![Request::Begin(task)])));
    }

    fn row_line(&self, row: &ContainerRow, sizes: &HashMap<String, u64>, cx: &Context<'_>) -> Line {
        let known = self.current_detail().filter(|detail| detail.id == row.id).and_then(|detail| detail.written);
        let line = Line::of(&row.name, Role::Strong).and(format!("   {}   {}", row.image, row.brief()), Role::Dim);
        match sizes.get(&row.id).copied().or(known) {
            Some(bytes) => line.and(format!("   {} written", cx.look.size(bytes)), Role::Text),
            None => line,
        }
    }

    pub(super) fn ask_remove(&mut self, cx: &mut Context<'_>) {
        if !cx.is_read_only() && !self.list.chosen().is_empty() {
            let ids = self.list.chosen().iter().map(|row| row.id.clone()).collect();
            cx.requests.push(Request::ContainerSizes(Asking::Remove, ids));
        }
    }

    pub(super) fn ask_prune(&mut self, cx: &mut Context<'_>) {
        if cx.is_read_only() {
            return;
        }
        let ids: Vec<String> =
            self.list.rows.iter().filter(|row| !row.state.is_alive()).map(|row| row.id.clone()).collect();
        if ids.is_empty() {
            return cx.say("nothing to prune: every container runs");
        }
        cx.requests.push(Request::ContainerSizes(Asking::Prune, ids));
    }

    /// The bytes are known: asks.
    pub(super) fn ask_with_sizes(&mut self, asking: Asking, sizes: &HashMap<String, u64>, cx: &mut Context<'_>) {
        match asking {
            Asking::Remove => self.ask_remove_with(sizes, cx),
            Asking::Prune => self.ask_prune_with(sizes, cx),
        }
    }

    fn ask_remove_with(&self, sizes: &HashMap<String, u64>, cx: &mut Context<'_>) {
        let chosen = self.list.chosen();
        let Some(first) = chosen.first() else { return };
        let alive: Vec<_> = chosen.iter().filter(|row| row.state.is_alive()).collect();
        let mut lines: Vec<Line> = chosen.iter().map(|row| self.row_line(row, sizes, cx)).collect();
        lines.push(Line::default());
        lines.extend(self.lost_lines(&chosen, sizes, cx));
        if !alive.is_empty() {
            lines.push(Line::default());
            lines.push(Line::of("it runs: its processes are killed first", Role::Bad));
        }
        let force = !alive.is_empty();
        let containers: Vec<Named> = chosen.iter().map(|row| Self::named(row)).collect();
        let task = removal(containers, force);
        let command: Vec<&str> = task.commands[0].iter().map(String::as_str).collect();
        lines.extend([Line::default(), Line::of(cx.log.command(&command), Role::Dim)]);
        let title = format!("Remove {}?", plural(chosen.len() as u64, "container", "containers"));
        let confirm = Confirm::new(title, lines, vec![Request::Begin(task)]);
        let confirm = if force { confirm.typing(&first.name) } else { confirm };
        cx.popups.push(Popup::Confirm(confirm));
    }

    /// What goes with containers, and what outlives them.
    fn lost_lines(&self, chosen: &[&ContainerRow], sizes: &HashMap<String, u64>, cx: &Context<'_>) -> Vec<Line> {
        let bytes: u64 = chosen.iter().filter_map(|row| sizes.get(&row.id)).sum();
        let whole = chosen.iter().all(|row| sizes.contains_key(&row.id));
        let about = if whole { "" } else { "at least " };
        let mut lines = vec![
            Line::of("goes   ", Role::Bad)
                .and(format!("{about}{}", cx.look.size(bytes)), Role::Accent)
                .and(" of writable layers and what was said in logs", Role::Text),
        ];
        if let [only] = chosen
            && self.tally.known
            && self.followed.as_ref() == Some(&only.id)
        {
            let tally = &self.tally;
            let text = format!(
                "       {} copied up, {} new, {} deleted",
                count(tally.copied),
                count(tally.new),
                count(tally.deleted)
            );
            lines.push(Line::of(text, Role::Dim));
        }
        let mut seen = std::collections::BTreeSet::new();
        for mount in chosen.iter().flat_map(|row| &row.mounts) {
            if !seen.insert((mount.kind.clone(), mount.what().to_owned())) {
                continue;
            }
            let (word, role) = fate(mount, false);
            let what = if mount.is_anonymous() { "a volume without a name" } else { mount.what() };
            lines.push(
                Line::of(format!("{word:<7}"), role)
                    .and(format!("{} ", mount.kind), Role::Dim)
                    .and(what, Role::Text)
                    .and(format!("  {}", mount.target), Role::Dim),
            );
            if seen.len() == 8 {
                lines.push(Line::of("       and more", Role::Dim));
                break;
            }
        }
        if seen.is_empty() {
            lines.push(Line::of("       it has no volume: nothing of it stays", Role::Dim));
        }
        lines
    }

    fn ask_prune_with(&self, sizes: &HashMap<String, u64>, cx: &mut Context<'_>) {
        let going: Vec<&ContainerRow> = self.list.rows.iter().filter(|row| !row.state.is_alive()).collect();
        let mut lines: Vec<Line> = going.iter().map(|row| self.row_line(row, sizes, cx)).collect();
        let bytes: u64 = going.iter().filter_map(|row| sizes.get(&row.id)).sum();
        lines.push(Line::default());
        lines.push(
            Line::plain("frees ").and(cx.look.size(bytes), Role::Accent).and("; volumes and images stay", Role::Text),
        );
        lines.push(Line::default());
        lines.push(Line::of(cx.log.command(&["container", "prune"]), Role::Dim));
        let what = plural(going.len() as u64, "container that does not run", "containers that do not run");
        let title = format!("Remove {what}?");
        // What was listed goes, and nothing that ended meanwhile.
        let task = removal(going.iter().map(|row| Self::named(row)).collect(), false);
        cx.popups.push(Popup::Confirm(Confirm::new(title, lines, vec![Request::Begin(task)])));
    }

    fn input(&self, cx: &mut Context<'_>, title: &str, hint: &str, text: String, purpose: impl Fn(Named) -> Purpose) {
        if cx.is_read_only() {
            return;
        }
        let Some(row) = self.list.current() else { return };
        let title = format!("{title} {}", row.name);
        cx.popups.push(Popup::Input(Input::new(title, hint, text, purpose(Self::named(row)))));
    }

    pub(super) fn open_rename(&self, cx: &mut Context<'_>) {
        let name = self.list.current().map(|row| row.name.clone()).unwrap_or_default();
        self.input(cx, "Another name for", "letters, digits, _ . and -", name, Purpose::Rename);
    }

    pub(super) fn open_commit(&self, cx: &mut Context<'_>) {
        let hint = "name:tag of the image that its writable layer becomes the top layer of";
        self.input(cx, "Commit", hint, String::new(), Purpose::Commit);
    }

    pub(super) fn open_export(&self, cx: &mut Context<'_>) {
        let Some(row) = self.list.current() else { return };
        let path = cx.save_to.join(format!("{}.tar", row.name.replace('/', "_"))).display().to_string();
        let hint = "its whole file system as a tar; an existing file is never replaced";
        let base = self.current_detail().and_then(|detail| detail.base.as_ref());
        let expected = base.map_or(0, |base| (0..base.layers.len()).map(|layer| base.layer_size(layer)).sum());
        let purpose = Purpose::ExportContainer(Self::named(row), expected);
        cx.popups.push(Popup::Input(Input::new(format!("Export {}", row.name), hint, path, purpose)));
    }

    pub(super) fn open_copy_files(&self, cx: &mut Context<'_>) {
        if self.list.current().is_some() {
            let menu = Menu::new("Copy files")
                .with('o', "out of it", "to this machine, as a tar", Choice::CopyOut)
                .with('i', "into it", "a file, a folder or a tar of this machine", Choice::CopyIn);
            cx.popups.push(Popup::Menu(menu));
        }
    }

    pub(super) fn open_copy(&self, cx: &mut Context<'_>) {
        let Some(row) = self.list.current() else { return };
        let mut menu = Menu::new("Copy")
            .with('n', "name", row.name.clone(), Choice::Copy(row.name.clone()))
            .with('i', "container ID", short(&row.id), Choice::Copy(row.id.clone()))
            .with('m', "image", row.image.clone(), Choice::Copy(row.image.clone()));
        let commands: [(char, &str, &[&str]); 4] = [
            ('x', "command: exec", &["exec", "-it", &row.name, "sh"]),
            ('l', "command: logs", &["logs", "-f", &row.name]),
            ('d', "command: diff", &["diff", &row.name]),
            ('s', "command: inspect", &["inspect", &row.name]),
        ];
        for (letter, name, arguments) in commands {
            let command = cx.log.command(arguments);
            menu = menu.with(letter, name, command.clone(), Choice::Copy(command));
        }
        cx.popups.push(Popup::Menu(menu));
    }

    /// A line of a menu was chosen.
    pub(super) fn take_choice(&mut self, choice: Choice, cx: &mut Context<'_>) {
        let path = |name: &str| format!("{}/{name}", cx.save_to.display());
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
            Choice::SortFiles(n) => self.changes.sort(n, cx),
            Choice::Compare(id) => self.compare_with(&id, cx),
            Choice::Restart => self.each(Verb::Restart, cx),
            Choice::CopyOut => {
                let from = "/".to_owned();
                self.input(cx, "Which path of", "a file or a folder in the container", from, Purpose::CopyOutFrom);
            }
            Choice::CopyIn => {
                let from = path("");
                self.input(
                    cx,
                    "What goes into",
                    "a file, a folder or a .tar of this machine",
                    from,
                    Purpose::CopyInFrom,
                );
            }
            _ => {}
        }
    }

    /// The engine would not remove them as they are.
    pub(super) fn ask_force(containers: Vec<Named>, why: &str, cx: &mut Context<'_>) {
        let Some(first) = containers.first().cloned() else { return };
        let mut lines: Vec<Line> =
            crate::safe_text::wrap(why, 72).into_iter().map(|line| Line::of(line, Role::Bad)).collect();
        lines.push(Line::default());
        lines.push(Line::plain("By force its processes are killed first."));
        let task = removal(containers, true);
        let command: Vec<&str> = task.commands[0].iter().map(String::as_str).collect();
        lines.extend([Line::default(), Line::of(cx.log.command(&command), Role::Dim)]);
        let confirm = Confirm::new(format!("Remove {} by force?", first.name), lines, vec![Request::Begin(task)]);
        cx.popups.push(Popup::Confirm(confirm.typing(first.name)));
    }
}

fn removal(containers: Vec<Named>, force: bool) -> Task {
    let title = match &containers[..] {
        [only] => format!("remove {}", only.name),
        many => format!("remove {} containers", many.len()),
    };
    let mut command = vec!["rm".to_owned()];
    command.extend(force.then(|| "-f".to_owned()));
    command.extend(containers.iter().map(|container| container.name.clone()));
    Task { title, commands: vec![command], work: Work::RemoveContainers { containers, force } }
}
