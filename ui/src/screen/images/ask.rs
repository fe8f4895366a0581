//! The dialogs, fields and menus of the images screen, and what comes of them.

use std::path::PathBuf;

use outcrop_layers::tree::NodeId;

use crate::content::Content;
use crate::message::Request;
use crate::model::{short, split_tag};
use crate::popup::{Choice, Confirm, Input, Line, Menu, Popup, Purpose, Text};
use crate::safe_text::wrap;
use crate::screen::Context;
use crate::screen::files::rows::FileSort;
use crate::screen::images::{Images, Sort};
use crate::size::plural;
use crate::theme::Role;

impl Images {
    pub(super) fn open_save_file(&self, content: &Content, node: NodeId, cx: &mut Context<'_>) {
        let Some(layer) = self.peek_layer() else { return };
        let path = content.tree.path(node);
        let name = crate::safe_text::from_bytes(content.tree.name(node)).replace(['/', '\0'], "_");
        let to = cx.save_to.join(name).display().to_string();
        let hint = format!("as layer {} has it; an existing file is never replaced", layer + 1);
        cx.popups.push(Popup::Input(Input::new(
            "Save the file to this machine",
            hint,
            to,
            Purpose::SaveFile { layer, path },
        )));
    }

    pub(super) fn open_copy(&self, cx: &mut Context<'_>) {
        let Some(row) = self.list.current() else { return };
        let reference = row.reference();
        let history = cx.log.command(&["history", "--no-trunc", &reference]);
        let mut menu = Menu::new("Copy").with('n', "name", reference.clone(), Choice::Copy(reference.clone())).with(
            'i',
            "image ID",
            row.id.clone(),
            Choice::Copy(row.id.clone()),
        );
        if let (Some(layer), Some(known)) = (self.layer(), self.current_known()) {
            let (diff, chain) = (known.detail.layers[layer].to_string(), known.detail.chains[layer].to_string());
            menu = menu.with('d', "diff ID", diff.clone(), Choice::Copy(diff)).with(
                'c',
                "chain ID",
                chain.clone(),
                Choice::Copy(chain),
            );
        }
        if let (Some(index), Some(known)) = (self.step_index(), self.current_known()) {
            let text = known.detail.steps[index].instruction.clone();
            menu = menu.with('t', "instruction", text.clone(), Choice::Copy(text));
        }
        let run = cx.log.command(&["run", "--rm", "-it", &reference]);
        let inspect = cx.log.command(&["image", "inspect", &reference]);
        let menu = menu
            .with('h', "command: history", history.clone(), Choice::Copy(history))
            .with('s', "command: inspect", inspect.clone(), Choice::Copy(inspect))
            .with('r', "command: run", run.clone(), Choice::Copy(run));
        cx.popups.push(Popup::Menu(menu));
    }

    pub(super) fn open_inspect(&self, cx: &mut Context<'_>) {
        let (Some(row), Some(known)) = (self.list.current(), self.current_known()) else { return };
        cx.log.add(&["image", "inspect", &row.reference()]);
        let lines = known.detail.inspect.lines().map(Line::plain).collect();
        cx.popups.push(Popup::Text(Text::new(format!("Inspect {}", row.name()), lines).wide()));
    }

    pub(super) fn open_tag(&self, cx: &mut Context<'_>) {
        if cx.is_read_only() {
            return;
        }
        let Some(row) = self.list.current() else { return };
        let purpose = Purpose::Tag { image: row.id.clone() };
        let title = format!("Another name for {}", row.reference());
        cx.popups.push(Popup::Input(Input::new(title, "name:tag, for example app1:v2", "", purpose)));
    }

    pub(super) fn open_load(cx: &mut Context<'_>) {
        if cx.is_read_only() {
            return;
        }
        let folder = format!("{}/", cx.save_to.display());
        let hint = "an archive of docker save, or an OCI layout as tar";
        cx.popups.push(Popup::Input(Input::new("Load an image archive", hint, folder, Purpose::Load)));
    }

    pub(super) fn open_pull(&self, cx: &mut Context<'_>) {
        if cx.is_read_only() {
            return;
        }
        let name = self.list.current().and_then(|row| row.tags.first().cloned()).unwrap_or_default();
        let hint = "alpine, debian:12-slim, localhost:5000/team/app@sha256:…; without a tag it is latest";
        cx.popups.push(Popup::Input(Input::new("Fetch an image from its registry", hint, name, Purpose::Pull)));
    }

    pub(super) fn open_push(&self, cx: &mut Context<'_>) {
        if cx.is_read_only() {
            return;
        }
        let Some(name) = self.list.current().and_then(|row| row.tags.first().cloned()) else {
            return cx.refuse("the image has no name that says to which registry: t gives it one");
        };
        let hint = "the registry stands before the first slash; t gives the image a name at another one";
        cx.popups.push(Popup::Input(Input::new("Bring the image to its registry", hint, name, Purpose::Push)));
    }

    pub(super) fn open_save(&self, cx: &mut Context<'_>) {
        let chosen = self.list.chosen();
        let Some(first) = chosen.first() else { return };
        let references: Vec<String> = chosen.iter().map(|r| r.reference()).collect();
        let size = chosen.iter().map(|r| r.size).sum();
        let name = if chosen.len() == 1 { first.reference().replace(['/', ':'], "_") } else { "images".into() };
        let path = cx.save_to.join(format!("{name}.tar")).display().to_string();
        let title = format!(
            "Save {}",
            if chosen.len() == 1 { first.reference() } else { plural(chosen.len() as u64, "image", "images") }
        );
        let hint = format!("about {}; an existing file is never replaced", cx.look.size(size));
        cx.popups.push(Popup::Input(Input::new(title, hint, path, Purpose::SaveImages { references, size })));
    }

    /// Works out what removing would free: layers that no other image keeps, each once.
    fn freed(&self, going: &[&crate::model::ImageRow]) -> (u64, u64, bool) {
        let is_going = |at: usize| going.iter().any(|g| g.id == self.list.rows[at].id);
        let (mut bytes, mut layers) = (0, 0);
        let mut seen = std::collections::HashSet::new();
        let mut whole = true;
        for row in going {
            let Some(known) = self.known.get(&row.id) else {
                whole = false;
                continue;
            };
            for (layer, chain) in known.detail.chains.iter().enumerate() {
                let kept = self.users.get(chain).is_some_and(|u| u.iter().any(|at| !is_going(*at)));
                if !kept && seen.insert(*chain) {
                    bytes += known.detail.layer_size(layer);
                    layers += 1;
                }
            }
        }
        (bytes, layers, whole && !self.totals.partial)
    }

    pub(super) fn ask_remove(&self, cx: &mut Context<'_>) {
        if cx.is_read_only() {
            return;
        }
        let going = self.list.chosen();
        if going.is_empty() {
            return;
        }
        let mut references = Vec::new();
        let mut lines = Vec::new();
        for row in &going {
            if row.tags.is_empty() {
                references.push(row.id.clone());
            } else {
                references.extend(row.tags.iter().cloned());
            }
            let names = if row.tags.is_empty() { format!("<none> {}", short(&row.id)) } else { row.tags.join("  ") };
            let mut line = Line::of(names, Role::Strong).and(format!("   {}", cx.look.size(row.size)), Role::Dim);
            if let Some(used) = row.containers.filter(|c| *c > 0) {
                line = line.and(format!("   in use by {}", plural(used, "container", "containers")), Role::Bad);
            }
            lines.push(line);
        }
        let stays = |row: &&crate::model::ImageRow| row.containers.is_some_and(|users| users > 0);
        let (kept, free): (Vec<_>, Vec<_>) = going.iter().copied().partition(stays);
        let (bytes, layers, exact) = self.freed(&free);
        lines.push(Line::default());
        if !kept.is_empty() {
            lines.push(Line::of("what a container stands on stays until the container goes", Role::Bad));
        }
        let about = if exact { "frees " } else { "frees at least " };
        lines.push(
            Line::of(about, Role::Text)
                .and(cx.look.size(bytes), Role::Accent)
                .and(format!(" in {} that no other image uses", plural(layers, "layer", "layers")), Role::Text),
        );
        let title = format!("Remove {}?", plural(going.len() as u64, "image", "images"));
        let mut arguments = vec!["rmi"];
        arguments.extend(references.iter().map(String::as_str));
        lines.push(Line::default());
        lines.push(Line::of(cx.log.command(&arguments), Role::Dim));
        let request = Request::RemoveAsked { references, force: false };
        cx.popups.push(Popup::Confirm(Confirm::new(title, lines, vec![request])));
    }

    pub(super) fn ask_prune(&self, cx: &mut Context<'_>) {
        if cx.is_read_only() {
            return;
        }
        let parents: std::collections::HashSet<&str> = self.list.rows.iter().map(|r| r.parent.as_str()).collect();
        let going: Vec<_> = self
            .list
            .rows
            .iter()
            .filter(|r| r.tags.is_empty() && !parents.contains(r.id.as_str()) && r.containers.unwrap_or(0) == 0)
            .collect();
        if going.is_empty() {
            return cx.say("nothing to prune: every image has a name or is in use");
        }
        let mut lines: Vec<Line> = going
            .iter()
            .map(|r| {
                Line::of(format!("<none> {}", short(&r.id)), Role::Strong)
                    .and(format!("   {}", cx.look.size(r.size)), Role::Dim)
            })
            .collect();
        let (bytes, layers, _) = self.freed(&going);
        lines.push(Line::default());
        lines.push(
            Line::plain("frees at most ")
                .and(cx.look.size(bytes), Role::Accent)
                .and(format!(" in {}; named images stay", plural(layers, "layer", "layers")), Role::Text),
        );
        lines.push(Line::default());
        lines.push(Line::of(cx.log.command(&["image", "prune"]), Role::Dim));
        cx.popups.push(Popup::Confirm(Confirm::new("Remove images without a name?", lines, vec![Request::PruneAsked])));
    }

    /// A text is being typed.
    pub(super) fn take_typing(&mut self, purpose: &Purpose, text: &str, cx: &mut Context<'_>) {
        match purpose {
            Purpose::Filter => self.set_filter(text, cx),
            Purpose::Find => self.files.find(text, cx.requests),
            _ => {}
        }
    }

    /// A text was left without an end.
    pub(super) fn take_leaving(&mut self, purpose: &Purpose, cx: &mut Context<'_>) {
        match purpose {
            Purpose::Filter => self.set_filter("", cx),
            Purpose::Find => {
                let height = self.files_height(cx);
                self.files.leave_search(height);
            }
            _ => {}
        }
    }

    /// A text was typed to its end.
    pub(super) fn take_text(&mut self, purpose: Purpose, text: &str, cx: &mut Context<'_>) {
        match purpose {
            Purpose::Filter => self.set_filter(text, cx),
            Purpose::Tag { image } => {
                let (repository, tag) = split_tag(text.trim());
                if repository.is_empty() {
                    return;
                }
                if repository.chars().any(|c| c.is_ascii_uppercase()) {
                    return cx.refuse(format!("a name must be lower case: {}", repository.to_lowercase()));
                }
                cx.log.add(&["tag", short(&image), text.trim()]);
                let (repository, tag) = (repository.to_owned(), tag.to_owned());
                cx.requests.push(Request::Tag { image, repository, tag });
            }
            Purpose::Load => {
                let (job, cancel) = cx.jobs.start(format!("load {}", file_name(text)), false);
                cx.log.add(&["load", "-i", text]);
                cx.requests.push(Request::Load { job, cancel, path: PathBuf::from(text) });
            }
            Purpose::Pull => {
                let (name, tag) = split_tag(text.trim());
                if name.is_empty() {
                    return;
                }
                // A digest says more than any tag.
                let whole = if text.contains('@') { text.trim().to_owned() } else { format!("{name}:{tag}") };
                let (job, cancel) = cx.jobs.start(format!("pull {whole}"), false);
                cx.log.add(&["pull", &whole]);
                cx.requests.push(Request::Pull { job, cancel, name: whole });
            }
            Purpose::Push => {
                let (name, tag) = split_tag(text.trim());
                if name.is_empty() {
                    return;
                }
                let whole = format!("{name}:{tag}");
                let (job, cancel) = cx.jobs.start(format!("push {whole}"), false);
                cx.log.add(&["push", &whole]);
                cx.requests.push(Request::Push { job, cancel, name: whole });
            }
            Purpose::SaveImages { references, size } => {
                let (job, cancel) = cx.jobs.start(format!("save {}", file_name(text)), false);
                let mut arguments = vec!["save", "-o", text];
                arguments.extend(references.iter().map(String::as_str));
                cx.log.add(&arguments);
                cx.requests.push(Request::SaveImages {
                    job,
                    cancel,
                    references,
                    path: PathBuf::from(text),
                    expected: size,
                });
            }
            Purpose::SaveFile { layer, path } => {
                let Some(content) = self.files.content.clone() else { return };
                let (job, cancel) = cx.jobs.start(format!("save {}", file_name(text)), false);
                cx.requests.push(Request::SaveFile { job, cancel, content, layer, path, to: PathBuf::from(text) });
            }
            // The search ran while it was typed; other texts are not for the images.
            _ => {}
        }
    }

    /// A line of a menu was chosen.
    pub(super) fn take_choice(&mut self, choice: &Choice, cx: &mut Context<'_>) {
        match choice {
            Choice::Copy(text) => {
                cx.requests.push(Request::Copy(text.clone()));
                cx.say(format!("copied {text}"));
            }
            Choice::Compare(id) => self.compare_with(id, cx),
            Choice::SortFiles(n) => {
                let height = self.files_height(cx);
                self.files.set_sort(FileSort::ALL[*n % FileSort::ALL.len()], height, cx.requests);
            }
            Choice::Sort(n) => {
                self.sort = Sort::ALL[*n % Sort::ALL.len()];
                let selected = self.list.selected();
                self.arrange(selected.as_deref(), cx.area);
            }
            _ => {}
        }
    }
}

/// Asks for a forced removal: the name has to be typed.
pub(super) fn ask_force(references: Vec<String>, why: &str, cx: &mut Context<'_>) {
    let Some(first) = references.first().cloned() else { return };
    let mut arguments = vec!["rmi", "-f"];
    arguments.extend(references.iter().map(String::as_str));
    let mut lines: Vec<Line> = wrap(why, 72).into_iter().map(|l| Line::of(l, Role::Bad)).collect();
    lines.extend([
        Line::default(),
        Line::plain("Removing it by force takes its names away; containers keep their layers."),
        Line::default(),
        Line::of(cx.log.command(&arguments), Role::Dim),
    ]);
    let request = Request::RemoveAsked { references, force: true };
    cx.popups
        .push(Popup::Confirm(Confirm::new(format!("Remove {first} by force?"), lines, vec![request]).typing(first)));
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
