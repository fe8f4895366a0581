//! What the map is made of: every layer once, however many images have it, writable layers, volumes, and what nothing has.

use std::collections::{BTreeSet, HashMap};

use crate::model::{Disk as Kept, Thing};
use crate::size::plural;
use crate::theme::{Stratum, Theme};

/// What a tile stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Layer(Stratum),
    Writable,
    Volume,
    Folder,
    /// What is too small for tiles of its own.
    Rest,
}

/// A part of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) kind: Kind,
    /// What it is called where there is little room, and in a sentence.
    pub(super) short: String,
    pub(super) name: String,
    pub(super) bytes: u64,
    /// What would all have to go for its bytes to be free.
    pub(super) things: BTreeSet<Thing>,
}

/// The tiles, the largest first.
pub(super) fn tiles(kept: &Kept, theme: &Theme) -> Vec<Tile> {
    let mut tiles = layers(kept, theme);
    tiles.extend(kept.containers.iter().map(|container| Tile {
        kind: Kind::Writable,
        short: container.name.clone(),
        name: format!("what {} has written, with its log", container.name),
        bytes: container.bytes + container.log,
        things: BTreeSet::from([Thing::Container(container.id.clone())]),
    }));
    tiles.extend(kept.volumes.iter().map(|volume| Tile {
        kind: Kind::Volume,
        short: volume.name.clone(),
        name: format!("volume {}", volume.name),
        bytes: volume.bytes.unwrap_or(0),
        things: BTreeSet::from([Thing::Volume(volume.name.clone())]),
    }));
    tiles.extend(kept.folders.iter().flatten().map(|folder| Tile {
        kind: Kind::Folder,
        short: "unreferenced".into(),
        name: format!("{}, which nothing refers to", folder.path),
        bytes: folder.bytes,
        things: BTreeSet::from([Thing::Folder(folder.path.clone())]),
    }));
    tiles.retain(|tile| tile.bytes > 0);
    tiles.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    tiles
}

fn layers(kept: &Kept, theme: &Theme) -> Vec<Tile> {
    let mut at: HashMap<_, usize> = HashMap::new();
    let mut tiles: Vec<(Tile, Vec<(bool, &str)>)> = Vec::new();
    for image in &kept.images {
        let mut below = None;
        for (number, (chain, bytes)) in image.layers.iter().enumerate() {
            let look = theme.stratum(chain.0.as_bytes(), below);
            below = Some(look);
            let place = *at.entry(*chain).or_insert_with(|| {
                let tile = Tile {
                    kind: Kind::Layer(look),
                    short: format!("{}", number + 1),
                    name: format!("layer {}", number + 1),
                    bytes: *bytes,
                    things: BTreeSet::new(),
                };
                tiles.push((tile, Vec::new()));
                tiles.len() - 1
            });
            let (tile, names) = &mut tiles[place];
            if tile.things.insert(Thing::Image(image.id.clone())) {
                let name = image.name();
                names.push((image.tags.is_empty(), name.strip_suffix(":latest").unwrap_or(name)));
            }
        }
    }
    let named = |(mut tile, mut names): (Tile, Vec<(bool, &str)>)| {
        // Images that have a name come first.
        names.sort_unstable();
        let mut names: Vec<&str> = names.into_iter().map(|(_, name)| name).collect();
        let more = if names.len() > 1 { format!(" +{}", names.len() - 1) } else { String::new() };
        tile.short = format!("{} {}{more}", tile.short, names[0]);
        let rest = names.len().saturating_sub(3);
        names.truncate(3);
        let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        tile.name = format!("{} of {}{rest}", tile.name, names.join(", "));
        tile
    };
    tiles.into_iter().map(named).collect()
}

/// One tile for all that are too small; to be marked they are in the list.
pub(super) fn rest(tiles: &[Tile]) -> Tile {
    let name = plural(tiles.len() as u64, "smaller one", "smaller ones");
    Tile {
        kind: Kind::Rest,
        short: format!("+{}", tiles.len()),
        name,
        bytes: tiles.iter().map(|tile| tile.bytes).sum(),
        things: BTreeSet::new(),
    }
}
