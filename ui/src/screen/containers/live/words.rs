//! An event in words and signs.

use outcrop_layers::watch::{Attached, Certainty, Data, Event, Evidence, How, Kind, Node, Who};

use crate::pen::{Look, Sign};
use crate::theme::Role;

/// A kind's sign, its word and its colour.
pub(super) fn kind(kind: &Kind, look: &Look) -> (&'static str, &'static str, Role) {
    let sign = |unicode: &'static str, ascii: &'static str| if look.unicode() { unicode } else { ascii };
    match kind {
        Kind::CopyUp { .. } => (look.sign(Sign::Up), "copy-up", Role::Accent),
        Kind::Create { .. } => ("+", "new", Role::Good),
        Kind::Write { .. } => ("~", "write", Role::Change),
        Kind::Attributes { .. } => ("~", "mode", Role::Change),
        Kind::Whiteout { .. } => ("-", "delete", Role::Bad),
        Kind::Delete { .. } => ("-", "remove", Role::Bad),
        Kind::Opaque => (look.sign(Sign::Off), "opaque", Role::Bad),
        Kind::Rename { .. } => (sign("→", ">"), "rename", Role::Change),
        Kind::Link { .. } => ("&", "link", Role::Change),
        Kind::Compared { .. } => ("=", "changed", Role::Dim),
        Kind::Resynchronised { .. } => ("!", "resync", Role::Bad),
    }
}

/// The path, of a rename with where it was.
pub(super) fn path(event: &Event, look: &Look) -> String {
    let slash = if matches!(event.kind, Kind::CopyUp { node: Node::Directory, .. } | Kind::Opaque) { "/" } else { "" };
    match &event.kind {
        Kind::Rename { from, .. } => format!("/{from} {} /{}", look.sign(Sign::Arrow), event.path),
        Kind::Resynchronised { found: 0, .. } => "read again: all that was told is there".into(),
        Kind::Resynchronised { found, .. } => format!("read again: {found} differences, each told after this"),
        _ if event.path.0.is_empty() => "/".into(),
        _ => format!("/{}{slash}", event.path),
    }
}

/// The bytes that stand in a column of their own: copied, or really changed.
pub(super) fn bytes(event: &Event, look: &Look) -> String {
    match &event.kind {
        Kind::CopyUp { data: Data::Full, copied, .. } => look.size(*copied),
        Kind::CopyUp { data: Data::Metadata, .. } => "metadata".into(),
        Kind::CopyUp { data: Data::Truncated, .. } => look.size(0),
        Kind::Write { changed: Some(bytes), .. } | Kind::Compared { changed: bytes, .. } => look.size(*bytes),
        Kind::Attributes { mode: Some(mode), .. } => format!("{mode:04o}"),
        Kind::Attributes { owner: Some((user, group)), .. } => format!("{user}:{group}"),
        _ => String::new(),
    }
}

/// The layer that it was copied from.
pub(super) fn layer(event: &Event) -> Option<usize> {
    match &event.kind {
        Kind::CopyUp { lower: Some(lower), .. } => Some(lower.layer),
        _ => None,
    }
}

/// `layer 2`; the one that an engine puts between image and container, for what it mounts over, has no number there.
pub(super) fn layer_name(overlay: Option<&Attached>, layer: usize) -> String {
    let path = overlay.and_then(|overlay| overlay.lowers.get(layer)).map(|lower| lower.path.as_path());
    let folder = path.and_then(std::path::Path::parent).and_then(std::path::Path::file_name);
    if folder.is_some_and(|name| name.to_string_lossy().ends_with("-init")) {
        return "init".into();
    }
    format!("layer {}", layer + 1)
}

/// What the layer column says of an event without a layer of its own.
pub(super) fn beside(event: &Event) -> &'static str {
    match &event.kind {
        Kind::CopyUp { lower: None, .. } => "unknown",
        Kind::Whiteout { .. } | Kind::Create { over_whiteout: true, .. } | Kind::Rename { left_whiteout: true, .. } => {
            "whiteout"
        }
        Kind::Opaque => "hides all",
        _ => "",
    }
}

/// A sign where it is not exact.
pub(super) fn doubt(event: &Event, look: &Look) -> &'static str {
    match event.certainty {
        Certainty::Exact => " ",
        Certainty::Coalesced if look.unicode() => "≈",
        Certainty::Coalesced => "%",
        Certainty::Inferred => "?",
    }
}

/// A sign before a process that is inferred.
fn inferred(who: &Who) -> &'static str {
    if who.by.is_some() { "~" } else { "" }
}

/// `chmod 4215`, or that it is not known.
pub(super) fn process(event: &Event) -> String {
    match &event.who {
        Some(who) => match &who.name {
            Some(name) => format!("{}{name} {}", inferred(who), who.pid),
            None => format!("{}? {}", inferred(who), who.pid),
        },
        None => String::new(),
    }
}

/// The event as a sentence, with all that the columns have no room for.
pub(super) fn sentence(event: &Event, overlay: Option<&Attached>, look: &Look) -> String {
    let what = match &event.kind {
        Kind::CopyUp { lower, data, copied, .. } => {
            let amount = match data {
                Data::Full => format!("was copied whole, {}", look.size(*copied)),
                Data::Metadata => "was copied up without its content (metacopy)".into(),
                Data::Truncated => "was opened to be overwritten: nothing was copied".into(),
                Data::Nothing => "was copied up; it has no content".into(),
            };
            let from = lower.as_ref().map_or_else(String::new, |lower| {
                let made = overlay.and_then(|overlay| overlay.lowers.get(lower.layer));
                let made = made.and_then(|made| made.created_by.as_deref()).map(|made| format!(" ({made})"));
                let guess = if lower.how == How::Path { ", the topmost that has it" } else { "" };
                format!(", from {}{}{guess}", layer_name(overlay, lower.layer), made.unwrap_or_default())
            });
            amount + &from
        }
        Kind::Create { over_whiteout: true, .. } => "is new, over a file that was removed".into(),
        Kind::Create { .. } => "is new".into(),
        Kind::Write { size, changed, mapped } => {
            let changed = changed.map_or_else(String::new, |bytes| format!(": {} differ", look.size(bytes)));
            let size = size.map_or_else(String::new, |bytes| format!(", {} long", look.size(bytes)));
            format!("was written{}{changed}{size}", if *mapped { " through memory" } else { "" })
        }
        Kind::Attributes { .. } => format!("got another mode, owner, time or attribute: {}", bytes(event, look)),
        Kind::Whiteout { dropped: true } => "was removed: its copy is gone, a whiteout hides the layers'".into(),
        Kind::Whiteout { .. } => "was removed: a whiteout hides what lower layers have there".into(),
        Kind::Delete { .. } => "was removed; no lower layer had it".into(),
        Kind::Opaque => "hides all that lower layers have there".into(),
        Kind::Rename { exchange: true, .. } => "changed places".into(),
        Kind::Rename { left_whiteout: true, .. } => "was renamed; a whiteout hides its old name".into(),
        Kind::Rename { .. } => "was renamed".into(),
        Kind::Link { to } => to.as_ref().map_or("got another name".into(), |to| format!("is another name of /{to}")),
        Kind::Compared { changed, size } => {
            format!("was compared: {} of {} differ from the layer's", look.size(*changed), look.size(*size))
        }
        Kind::Resynchronised { reason, .. } => format!("({reason:?})"),
    };
    let doubt = match event.certainty {
        Certainty::Exact => "",
        Certainty::Coalesced => ". There may have been several in one",
        Certainty::Inferred => ". Found afterwards: not reported as it happened",
    };
    let by = match &event.who {
        None => String::new(),
        Some(Who { by: None, .. }) => format!(", by {}", process(event)),
        Some(_) => format!(", probably by {}", process(event).trim_start_matches('~')),
    };
    format!("{} {what}{by}{doubt}", path(event, look))
}

/// The mechanism in few words, and whether it tells everything.
pub(super) fn mechanism(attached: &Attached) -> &'static str {
    let probable = attached.infers_processes;
    match (attached.method, attached.names_processes) {
        (Evidence::Fanotify, _) => "fanotify, exact",
        (Evidence::Directories, true) => "fanotify by directory, exact",
        (Evidence::Directories, false) if probable => "fanotify by directory, who by seccomp",
        (Evidence::Directories, false) => "fanotify by directory, no processes",
        (Evidence::Inotify, _) if probable => "inotify: what changed between two looks, who by seccomp",
        (Evidence::Inotify, _) => "inotify: what changed between two looks, no processes",
        (Evidence::Scan | Evidence::Seccomp, _) => "reading again each second, no processes",
    }
}

/// `14:02:11.204` of a time in nanoseconds since 1970.
pub(super) fn time(nanoseconds: u64, look: &Look, short: bool) -> String {
    let seconds = (nanoseconds / 1_000_000_000) as i64 + i64::from(look.zone);
    let (day, millis) = (seconds.rem_euclid(86_400), nanoseconds / 1_000_000 % 1000);
    let text = format!("{:02}:{:02}:{:02}", day / 3600, day / 60 % 60, day % 60);
    if short { text } else { format!("{text}.{millis:03}") }
}
