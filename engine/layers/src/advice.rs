//! What would mend an image's waste, in sentences.

mod caches;

use std::collections::BTreeMap;

use crate::source::LayerInfo;
use crate::tree::{NodeId, Tree};
use crate::version::Differs;
use crate::waste::{Cause, Item, Waste};

/// Bytes below which nothing is advised.
const WORTH: u64 = 100_000;

/// One piece of advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Bytes that it would save.
    pub bytes: u64,
    /// How many files that is about.
    pub files: usize,
    /// What it is about.
    pub about: About,
    /// The layer whose instruction should change.
    pub layer: usize,
    /// The layer that stores the wasted bytes.
    pub stored: usize,
    /// Where most of it is: the folder or file that has all of it.
    pub at: NodeId,
    /// Whether the cause is a guess that comparing the content would decide.
    pub guess: bool,
}

/// What advice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// Metadata were changed of files that a lower layer has: they were copied.
    Metadata(Meta),
    /// Something was removed that a lower layer stores.
    Removed,
    /// Files of a well-known cache were removed that a lower layer stores.
    RemovedCache(&'static str),
    /// Files were written again with other content.
    Overwritten,
    /// Files were stored again unchanged.
    Rewritten,
    /// A folder or file was replaced as a whole.
    Replaced,
    /// A well-known cache is left in the finished image. This is not waste, nothing is unreachable, but nobody needs it.
    Left(&'static str),
}

/// Which metadata, as far as instructions tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meta {
    /// `chown`.
    Owner,
    /// `chmod`.
    Mode,
    /// `setfattr`, `setcap`.
    Xattr,
    /// `touch`.
    Time,
}

/// Finds what would save the most, first.
pub fn advice(tree: &Tree, waste: &Waste) -> Vec<Advice> {
    let mut groups: BTreeMap<(usize, usize, About), Vec<&Item>> = BTreeMap::new();
    for item in &waste.items {
        groups.entry((item.by, item.layer, about(tree, item))).or_default().push(item);
    }
    let mut advice: Vec<Advice> = groups
        .into_iter()
        .map(|((layer, stored, about), items)| Advice {
            bytes: items.iter().fold(0, |sum, i| sum.saturating_add(i.bytes)),
            files: items.len(),
            about,
            layer,
            stored,
            at: above_all(tree, &items),
            guess: items.iter().any(|i| i.is_guess()),
        })
        .chain(caches::left(tree))
        .filter(|advice| advice.bytes >= WORTH)
        .collect();
    advice.sort_by_key(|a| (std::cmp::Reverse(a.bytes), a.layer, a.stored));
    advice
}

fn about(tree: &Tree, item: &Item) -> About {
    let cache = || caches::of(&tree.path(item.node));
    match item.cause {
        Cause::MetadataCopyUp => About::Metadata(meta(item.ended.differs)),
        Cause::DeletedFile | Cause::DeletedDirectory => cache().map_or(About::Removed, About::RemovedCache),
        Cause::Overwritten => About::Overwritten,
        Cause::IdenticalRewrite => About::Rewritten,
        Cause::Opaque | Cause::TypeChange => About::Replaced,
    }
}

fn meta(differs: Differs) -> Meta {
    if differs.contains(Differs::OWNER) {
        Meta::Owner
    } else if differs.contains(Differs::MODE) {
        Meta::Mode
    } else if differs.contains(Differs::XATTR) {
        Meta::Xattr
    } else {
        Meta::Time
    }
}

/// The deepest path that has all of the items.
fn above_all(tree: &Tree, items: &[&Item]) -> NodeId {
    let nodes = || items.iter().map(|item| item.at);
    let (Some(first), Some(last)) = (nodes().min(), nodes().max()) else { return tree.root() };
    let up = std::iter::successors(Some(first), |n| tree.parent(*n));
    up.into_iter().find(|above| tree.contains(*above, last)).unwrap_or(tree.root())
}

impl Advice {
    /// The advice as a sentence. `size` writes bytes in the units of the reader's choice; layers are numbered from 1.
    pub fn text(&self, tree: &Tree, layers: &[LayerInfo], size: &dyn Fn(u64) -> String) -> String {
        let bytes = size(self.bytes);
        let path = format!("/{}", String::from_utf8_lossy(&tree.path(self.at)));
        let files = match self.files {
            1 if tree.children(self.at).is_empty() => path.clone(),
            1 => format!("1 file below {path}"),
            files => format!("{files} files below {path}"),
        };
        let (by, from) = (self.layer + 1, self.stored + 1);
        let instruction = |layer: usize| layers.get(layer).map_or("", |info| info.created_by.as_str());
        let copied = ["COPY", "ADD"].iter().any(|word| instruction(self.stored).starts_with(word));
        let base = self.stored == 0;
        match self.about {
            About::Metadata(meta) => {
                let (command, mend) = meta.mend(copied, from);
                format!("{command} in layer {by} copied {bytes} ({files}) to change no content; {mend}")
            }
            About::RemovedCache(what) if !base => format!(
                "{what} ({bytes}) are removed in layer {by}, later than layer {from} made them, so they stay in the image: remove them \
                 in the same RUN, or keep them out with --mount=type=cache"
            ),
            About::Removed | About::RemovedCache(_) if base => format!(
                "layer {by} removes {bytes} ({files}) that the base stores: that frees nothing; choose a base without \
                 them"
            ),
            About::Removed | About::RemovedCache(_) => format!(
                "layer {by} removes {bytes} ({files}) that layer {from} stores: they stay in the image; remove them in \
                 the instruction that makes them, or make them in a build stage and copy only what is needed"
            ),
            About::Overwritten if instruction(self.layer).contains("upgrade") => {
                format!("the upgrade in layer {by} replaces {bytes} ({files}) of layer {from}: use a newer base image")
            }
            About::Overwritten => format!(
                "layer {by} writes {bytes} ({files}) again that layer {from} wrote: write them once, in one instruction"
            ),
            About::Rewritten => format!(
                "layer {by} stores {bytes} ({files}) of layer {from} again unchanged: copy only what is new, with a \
                 narrower COPY or a .dockerignore"
            ),
            About::Replaced => format!(
                "layer {by} replaces {path} as a whole and hides {bytes} of layer {from}: make it right in one instruction"
            ),
            About::Left(what) => {
                format!(
                    "{what} ({bytes} in {path}) are left in the image: remove them in the RUN that makes them, layer {by}"
                )
            }
        }
    }
}

impl Meta {
    /// The command that does it, and what to do instead.
    fn mend(self, copied: bool, from: usize) -> (&'static str, String) {
        let (command, flag) = match self {
            Self::Owner => ("`chown`", Some("--chown")),
            Self::Mode => ("`chmod`", Some("--chmod")),
            Self::Xattr => ("setting attributes", None),
            Self::Time => ("`touch`", None),
        };
        let mend = match flag.filter(|_| copied) {
            Some(flag) => format!("use `COPY {flag}` in layer {from}"),
            None => format!("do it in the instruction of layer {from}, which makes them"),
        };
        (command, mend)
    }
}
