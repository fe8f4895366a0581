//! Lines instead of screens, for screen readers and for terminals that cannot do more: a question a line, an answer in sentences.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use outcrop_layers::index::cache::IndexCache;
use outcrop_layers::view::View;
use tokio::io::{AsyncBufRead, AsyncBufReadExt};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::client::content::Reader;
use crate::client::find::find;
use crate::client::{ArchiveClient, Client, EngineClient, Out};
use crate::content::{Content, Reading};
use crate::job::{Cancel, JobId};
use crate::message::{Data, Message, Request};
use crate::model::{Detail, ImageRow};
use crate::options::{Backend, Error, Lent, Options};
use crate::safe_text::{Charset, from_bytes, visible};
use crate::screen::files::rows::{FileSort, Open, Spec, children};
use crate::size::{Units, plural};

const HELP: &str = "\
images          lists the images
image NAME      reads an image; its number in the list will do
layers          tells the layers of that image, base first
files LAYER     tells the largest changes of a layer; files alone tells the whole image
find TEXT       finds paths
file PATH       tells which layers wrote a file, and how it begins
waste           tells what is stored and not seen, and what mends it
quit            leaves";

/// Most lines of an answer.
const MOST: usize = 40;

/// Answers lines until `quit` or the end of `input`.
///
/// # Errors
/// When `output` cannot be written or there is no engine.
pub async fn plain<I, O>(options: Options, input: I, output: O) -> Result<(), Error>
where
    I: AsyncBufRead + Unpin,
    O: Write,
{
    let (sender, messages) = mpsc::unbounded_channel();
    let reader = Reader { out: Out(sender), cache: options.cache.map(IndexCache::new), spool: options.spool };
    let client = match options.backend {
        Backend::Engine(docker) => {
            Client::Engine(EngineClient::new(docker, reader, &options.connection, Lent::default()))
        }
        Backend::Archive(path) => Client::Archive(ArchiveClient::new(path, reader)),
        Backend::None => {
            let tried: Vec<String> =
                options.tried.iter().map(|t| format!("{} ({}): {}", t.place, t.why, t.error)).collect();
            return Err(Error::Engine(format!("no engine answers; tried {}", tried.join("; "))));
        }
    };
    let mut plain = Plain {
        client,
        messages,
        output,
        charset: options.charset,
        units: options.units,
        rows: Vec::new(),
        details: HashMap::new(),
        content: None,
    };
    plain.images().await?;
    if let Some(name) = options.select {
        plain.image(&name).await?;
    }
    plain.answer(input).await
}

struct Plain<O> {
    client: Client,
    messages: UnboundedReceiver<Message>,
    output: O,
    charset: Charset,
    units: Units,
    rows: Vec<ImageRow>,
    details: HashMap<String, Detail>,
    content: Option<Arc<Content>>,
}

impl<O: Write> Plain<O> {
    async fn answer(&mut self, input: impl AsyncBufRead + Unpin) -> Result<(), Error> {
        let mut lines = input.lines();
        loop {
            write!(self.output, "> ")?;
            self.output.flush()?;
            let Some(line) = lines.next_line().await? else { return Ok(()) };
            let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            match (word, rest.trim()) {
                ("", _) => {}
                ("quit" | "exit" | "q", _) => return Ok(()),
                ("images" | "list", _) => self.images().await?,
                ("image" | "open", name) => self.image(name).await?,
                ("layers" | "history", _) => self.layers()?,
                ("files", layer) => self.files(layer)?,
                ("find", text) => self.find(text)?,
                ("file", path) => self.file(path)?,
                ("waste", _) => self.waste()?,
                ("help" | "?", _) => self.say(HELP)?,
                (other, _) => self.say(&format!("there is no command {other}; help lists them"))?,
            }
        }
    }

    /// Writes text, each line made safe.
    fn say(&mut self, text: &str) -> Result<(), Error> {
        for line in text.lines() {
            writeln!(self.output, "{}", visible(line, self.charset))?;
        }
        Ok(())
    }

    /// Waits for an answer; what failed is said.
    async fn wait<T>(&mut self, mut wanted: impl FnMut(Data) -> Option<T>) -> Result<Option<T>, Error> {
        while let Some(message) = self.messages.recv().await {
            match message {
                Message::Data(Data::Failed(error)) => {
                    self.say(&error)?;
                    return Ok(None);
                }
                Message::Data(data) => {
                    if let Some(answer) = wanted(data) {
                        return Ok(Some(answer));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }

    async fn images(&mut self) -> Result<(), Error> {
        self.client.start(Request::List);
        let rows = self.wait(|data| if let Data::Images(rows) = data { Some(rows) } else { None }).await?;
        self.rows = rows.unwrap_or_default();
        self.rows.sort_by(|a, b| (a.tags.is_empty(), a.name()).cmp(&(b.tags.is_empty(), b.name())));
        let ids: Vec<String> =
            self.rows.iter().map(|r| r.id.clone()).filter(|id| !self.details.contains_key(id)).collect();
        for id in ids {
            // One question, one answer, which is empty for an image that has gone meanwhile.
            self.client.start(Request::Details(vec![id]));
            let details =
                self.wait(|data| if let Data::Details(details) = data { Some(details) } else { None }).await?;
            self.details.extend(details.into_iter().flatten().map(|d| (d.id.clone(), d)));
        }
        self.say(&plural(self.rows.len() as u64, "image", "images"))?;
        let lines: Vec<String> = self.rows.iter().enumerate().map(|(at, row)| self.image_line(at, row)).collect();
        self.say(&lines.join("\n"))
    }

    fn image_line(&self, at: usize, row: &ImageRow) -> String {
        let name =
            if row.tags.is_empty() { format!("unnamed {}", crate::model::short(&row.id)) } else { row.tags.join(", ") };
        let Some(detail) = self.details.get(&row.id) else { return format!("{}. {name}", at + 1) };
        let layers = plural(detail.layers.len() as u64, "layer", "layers");
        format!("{}. {name}: {}, {layers}", at + 1, self.units.size(row.size))
    }

    async fn image(&mut self, name: &str) -> Result<(), Error> {
        let by_number = name.parse::<usize>().ok().and_then(|n| self.rows.get(n.checked_sub(1)?));
        let row = by_number.or_else(|| self.rows.iter().find(|r| crate::screen::images::is_named(r, name)));
        let Some(row) = row.cloned() else { return self.say(&format!("there is no image {name}")) };
        let (job, cancel) = (JobId(0), Cancel::default());
        self.client.start(Request::Content { job, cancel: cancel.clone(), image: row.id.clone(), export: false });
        let mut reading = self.reading().await?;
        if let Some(Reading::NeedsExport(why)) = &reading {
            self.say(&format!("{why}; the engine exports the image, this takes a while"))?;
            self.client.start(Request::Content { job, cancel, image: row.id.clone(), export: true });
            reading = self.reading().await?;
        }
        match reading {
            Some(Reading::Ready(content)) => {
                self.content = Some(content);
                self.layers()
            }
            Some(Reading::Failed(error)) => self.say(&error),
            _ => Ok(()),
        }
    }

    async fn reading(&mut self) -> Result<Option<Reading>, Error> {
        self.wait(|data| if let Data::Content { reading, .. } = data { Some(reading) } else { None }).await
    }

    /// The image that was read, or a word about how to.
    fn opened(&mut self) -> Result<Option<Arc<Content>>, Error> {
        if self.content.is_none() {
            self.say("read an image first: image NAME")?;
        }
        Ok(self.content.clone())
    }

    fn layers(&mut self) -> Result<(), Error> {
        let Some(content) = self.opened()? else { return Ok(()) };
        let Some(detail) = self.details.get(&content.image) else { return Ok(()) };
        let mut lines = Vec::new();
        for step in &detail.steps {
            let Some(layer) = step.layer else {
                lines.push(format!("no files: {}", step.instruction));
                continue;
            };
            let (added, changed, removed) = content.counts(layer);
            let chain = detail.chains.get(layer);
            let others: Vec<&str> = self
                .rows
                .iter()
                .filter(|r| {
                    r.id != content.image && self.details.get(&r.id).is_some_and(|d| d.chains.get(layer) == chain)
                })
                .map(ImageRow::name)
                .collect();
            let shared = if others.is_empty() { String::new() } else { format!("; also in {}", others.join(", ")) };
            let size = self.units.size(content.tree.layer(layer).bytes());
            let counts = format!("{added} added, {changed} changed, {removed} removed");
            lines.push(format!("layer {}: {size}; {counts}; {}{shared}", layer + 1, step.instruction));
        }
        self.say(&lines.join("\n"))
    }

    fn files(&mut self, layer: &str) -> Result<(), Error> {
        let Some(content) = self.opened()? else { return Ok(()) };
        let view = match layer.parse::<usize>() {
            Ok(layer) if (1..=content.tree.layers()).contains(&layer) => View::Layer(layer - 1),
            _ if layer.is_empty() => View::Whole,
            _ => return self.say(&format!("there is no layer {layer}; it has {}", content.tree.layers())),
        };
        let spec = Spec { view, sort: FileSort::Size, only_changed: view != View::Whole, open: Open::default() };
        let mut lines = Vec::new();
        let mut stack = children(&content.tree, content.tree.root(), 0, &spec);
        stack.reverse();
        while let Some(row) = stack.pop() {
            if lines.len() == MOST {
                lines.push("and more".to_owned());
                break;
            }
            let Some(seen) = content.tree.seen(row.node, view) else { continue };
            let totals = content.tree.totals(row.node, view);
            let mark = format!("{:?}", seen.mark).to_lowercase();
            let bytes = self.units.size(totals.size.max(if totals.size == 0 { totals.hidden } else { 0 }));
            lines.push(format!("{mark} /{}: {bytes}", from_bytes(&content.tree.path(row.node))));
            // Only what is large is opened: the rest is told by its folder.
            if totals.files > 1 && lines.len() < MOST / 2 {
                let mut inner = children(&content.tree, row.node, row.depth + 1, &spec);
                inner.truncate(10);
                inner.reverse();
                stack.append(&mut inner);
            }
        }
        if lines.is_empty() {
            lines.push("this layer changes no files".to_owned());
        }
        self.say(&lines.join("\n"))
    }

    fn find(&mut self, text: &str) -> Result<(), Error> {
        let Some(content) = self.opened()? else { return Ok(()) };
        let spec = Spec { view: View::Whole, sort: FileSort::Name, only_changed: false, open: Open::default() };
        let (nodes, total) = find(&content.tree, &spec, text, &Cancel::default()).unwrap_or_default();
        let mut lines = vec![plural(total as u64, "path", "paths")];
        lines.extend(nodes.iter().take(MOST).map(|n| format!("/{}", from_bytes(&content.tree.path(*n)))));
        self.say(&lines.join("\n"))
    }

    fn file(&mut self, path: &str) -> Result<(), Error> {
        let Some(content) = self.opened()? else { return Ok(()) };
        let Some(node) = content.tree.find(path.as_bytes()) else { return self.say(&format!("there is no {path}")) };
        let mut lines: Vec<String> = content
            .tree
            .versions(node)
            .iter()
            .map(|v| {
                let size = self.units.size(content.tree.entry(v).size());
                format!("layer {}: {}, {size}", v.layer + 1, crate::screen::files::file::words(v))
            })
            .collect();
        if let Some(seen) = content.tree.seen(node, View::Whole) {
            match Reader::peek(&content, seen.layer, &content.tree.path(node)) {
                Ok(peek) => {
                    lines.push("it begins:".to_owned());
                    lines.extend(peek.lines.into_iter().take(MOST / 4));
                }
                Err(error) => lines.push(error),
            }
        }
        self.say(&lines.join("\n"))
    }

    fn waste(&mut self) -> Result<(), Error> {
        let Some(content) = self.opened()? else { return Ok(()) };
        let waste = &content.waste;
        let units = self.units;
        let share = crate::screen::images::percent(waste.efficiency());
        let mut lines =
            vec![format!("{} of {} wasted, efficiency {share}", units.size(waste.wasted), units.size(waste.total))];
        lines.extend(content.advice.iter().map(|a| a.text(&content.tree, &content.layers, &|bytes| units.size(bytes))));
        for item in waste.items.iter().take(MOST / 2) {
            let path = content.tree.path(item.node);
            let about = format!("{}, layer {} by layer {}", item.cause, item.layer + 1, item.by + 1);
            lines.push(format!("/{}: {}, {about}", from_bytes(&path), units.size(item.bytes)));
        }
        self.say(&lines.join("\n"))
    }
}
