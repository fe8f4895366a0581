//! Updates as lines, for people or as JSON.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use outcrop_layers::watch::{Adviser, Attached, Certainty, Data, Event, How as Known, Kind, Reason, Totals, Update};

use super::summary;
use super::{Failure, How};
use crate::report::{safe, units};

/// Characters of an instruction that a line shows.
const INSTRUCTION: usize = 40;

/// What has been shown, and what the summary needs.
pub(super) struct Show {
    json: bool,
    summary: bool,
    out: BufWriter<Box<dyn Write + Send>>,
    overlays: HashMap<u32, Attached>,
    names: HashMap<PathBuf, String>,
    totals: Totals,
    adviser: Adviser,
    agrees: bool,
}

impl Show {
    pub(super) fn new(how: &How) -> Self {
        Self {
            json: how.json,
            summary: how.summary,
            out: BufWriter::new(if how.aside { Box::new(std::io::stderr()) } else { Box::new(std::io::stdout()) }),
            overlays: HashMap::new(),
            names: HashMap::new(),
            totals: Totals::default(),
            adviser: Adviser::default(),
            agrees: true,
        }
    }

    /// Gives containers' names to upper directories.
    pub(super) fn set_names(&mut self, names: Vec<(PathBuf, String)>) {
        self.names = names.into_iter().collect();
    }

    /// Takes in an update, and prints it unless only a summary is wanted.
    pub(super) fn update(&mut self, update: &Update) -> Result<(), Failure> {
        if self.summary {
            self.totals.add(update);
            self.adviser.add(update);
        }
        if let Update::Attached(attached) = update {
            let mut attached = attached.clone();
            if let Some(name) = self.names.get(&attached.upper) {
                attached.name.clone_from(name);
            }
            self.overlays.insert(attached.overlay, attached);
        }
        if let Update::Detached { agrees, .. } = update {
            self.agrees &= *agrees != Some(false);
        }
        if self.json && !self.summary {
            let line = serde_json::to_string(update).map_err(std::io::Error::from)?;
            writeln!(self.out, "{line}")?;
        } else {
            self.text(update)?;
        }
        Ok(())
    }

    fn text(&mut self, update: &Update) -> Result<(), Failure> {
        match update {
            Update::Attached(attached) => {
                let name = self.overlays.get(&attached.overlay).map_or(&attached.name, |known| &known.name);
                let mut text = format!("watching {}: {}", safe::word(name), method(attached));
                for note in &attached.notes {
                    let _ = write!(text, "\n  {}", safe::word(note));
                }
                safe::say(&text);
            }
            Update::Event(event) if !self.summary => {
                let line = self.line(event);
                writeln!(self.out, "{line}")?;
            }
            Update::Detached { overlay, agrees: Some(false) } => {
                let name = self.overlays.get(overlay).map_or("an overlay", |known| known.name.as_str());
                let text = "it was still being written at the end: the sums may lack the last changes";
                safe::say(&format!("{}: {text}", safe::word(name)));
            }
            Update::Note(note) => safe::say(note),
            _ => {}
        }
        Ok(())
    }

    /// `14:02:11.204  COPY-UP  /etc/passwd  2.1 kB from layer 1 (ADD rootfs /)  sh (4211)`
    fn line(&self, event: &Event) -> String {
        let time = jiff::Timestamp::from_nanosecond(event.time.into()).map(|time| {
            jiff::ZonedDateTime::new(time, jiff::tz::TimeZone::system()).strftime("%H:%M:%S.%3f").to_string()
        });
        let mut line = format!("{}  {:<10}  ", time.unwrap_or_default(), event.kind.word());
        if self.overlays.len() > 1
            && let Some(overlay) = self.overlays.get(&event.overlay)
        {
            let _ = write!(line, "{}  ", safe::word(&overlay.name));
        }
        let _ = write!(line, "{}", path(&event.path.text()));
        let what = self.what(event);
        if !what.is_empty() {
            let _ = write!(line, "  {what}");
        }
        if let Some(who) = &event.who {
            let name = who.name.as_ref().map_or_else(|| "?".into(), |name| name.text().into_owned());
            let doubt = if who.by.is_some() { "probably " } else { "" };
            let _ = write!(line, "  {doubt}{} ({})", safe::word(&name), who.pid);
        }
        match event.certainty {
            Certainty::Exact => {}
            Certainty::Coalesced => line += "  (perhaps several in one)",
            Certainty::Inferred => line += "  (found afterwards)",
        }
        line
    }

    fn what(&self, event: &Event) -> String {
        let size = |bytes: u64| units::human_size(bytes as f64);
        match &event.kind {
            Kind::CopyUp { lower, data, copied, .. } => {
                let amount = match data {
                    Data::Full => size(*copied),
                    Data::Metadata => "metadata only".into(),
                    Data::Truncated => "nothing (opened to be overwritten)".into(),
                    Data::Nothing => String::new(),
                };
                let from = lower.as_ref().map(|lower| {
                    let guess = if lower.how == Known::Path { " by its path" } else { "" };
                    format!("from layer {}{}{guess}", lower.layer + 1, self.instruction(event.overlay, lower.layer))
                });
                [amount, from.unwrap_or_default()]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            Kind::Create { over_whiteout: true, .. } => "over a removed file".into(),
            Kind::Write { size: now, changed, mapped } => {
                let size_now = now.map(|now| format!("{} long", size(now)));
                let changed = changed.map(|changed| format!("{} changed", size(changed)));
                let mapped = mapped.then(|| "through memory".to_owned());
                [size_now, changed, mapped].into_iter().flatten().collect::<Vec<_>>().join(", ")
            }
            Kind::Attributes { mode, owner } => {
                let mode = mode.map(|mode| format!("mode {mode:04o}"));
                let owner = owner.map(|(user, group)| format!("owner {user}:{group}"));
                [mode, owner].into_iter().flatten().collect::<Vec<_>>().join(", ")
            }
            Kind::Whiteout { dropped: true } => "whiteout over a lower layer, and the copy removed".into(),
            Kind::Whiteout { .. } => "whiteout over a lower layer".into(),
            Kind::Opaque => "hides what lower layers have there".into(),
            Kind::Rename { from, left_whiteout, exchange, .. } => {
                let mark = if *left_whiteout { ", which is whited out" } else { "" };
                let word = if *exchange { "exchanged with" } else { "from" };
                format!("{word} {}{mark}", path(&from.text()))
            }
            Kind::Link { to: Some(to) } => format!("to {}", path(&to.text())),
            Kind::Compared { changed, .. } => format!("{} changed", size(*changed)),
            Kind::Resynchronised { reason, found } => resynchronised(*reason, *found),
            Kind::Create { .. } | Kind::Delete { .. } | Kind::Link { to: None } => String::new(),
        }
    }

    fn instruction(&self, overlay: u32, layer: usize) -> String {
        let lower = self.overlays.get(&overlay).and_then(|overlay| overlay.lowers.get(layer));
        let Some(text) = lower.and_then(|lower| lower.created_by.as_deref()) else { return String::new() };
        let line = text.lines().next().unwrap_or_default();
        let short: String = line.chars().take(INSTRUCTION).collect();
        format!(" ({}{})", safe::word(&short), if short.len() < line.len() { "…" } else { "" })
    }

    /// Prints what waits.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    /// Prints the summary, if one is wanted.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        if self.summary {
            let text = if self.json {
                summary::json(&self.totals, &self.adviser, &self.overlays, self.agrees)
            } else {
                summary::text(&self.totals, &self.adviser, &self.overlays)
            };
            write!(self.out, "{text}")?;
        }
        self.flush()
    }
}

/// A path from the top, harmless on a terminal.
pub(super) fn path(text: &str) -> String {
    format!("/{}", safe::word(text))
}

/// Why all was read again, and what it showed.
fn resynchronised(reason: Reason, found: u64) -> String {
    let why = match reason {
        Reason::Overflow => "the kernel had no room for all reports",
        Reason::Idle => "nothing happened for a while",
        Reason::Stop => "the end of the watch",
    };
    let found = match found {
        0 => "nothing was missed".into(),
        1 => "1 difference follows".into(),
        n => format!("{n} differences follow"),
    };
    format!("{why}: read again, {found}")
}

fn method(attached: &Attached) -> &'static str {
    use outcrop_layers::watch::Evidence;
    let probable = attached.infers_processes;
    match (attached.method, attached.names_processes) {
        (Evidence::Fanotify, _) => "every change, with its process (fanotify on the filesystem)",
        (Evidence::Directories, true) => "every change, with its process (fanotify on each directory)",
        (Evidence::Directories, false) if probable => {
            "every change, with its probable process (fanotify on each directory)"
        }
        (Evidence::Directories, false) => "every change, without its process (fanotify on each directory)",
        (Evidence::Inotify, _) if probable => "what changed between two looks, with its probable process (inotify)",
        (Evidence::Inotify, _) => "what changed between two looks (inotify)",
        (Evidence::Scan | Evidence::Seccomp, _) => "what changed between two looks (reading the directory)",
    }
}
