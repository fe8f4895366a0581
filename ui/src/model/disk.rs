//! What an engine keeps on the disk, and what removing some of it would free.

use std::collections::{BTreeSet, HashMap};

use outcrop_layers::digest::ChainId;

/// An image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DiskImage {
    pub(crate) id: String,
    /// Its names; none for a step of a build that no name stands on.
    pub(crate) tags: Vec<String>,
    /// Its layers, base first, with their bytes.
    pub(crate) layers: Vec<(ChainId, u64)>,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DiskContainer {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Its image's ID.
    pub(crate) image: String,
    pub(crate) runs: bool,
    /// Bytes of the writable layer.
    pub(crate) bytes: u64,
    /// Bytes of the log, where that can be seen.
    pub(crate) log: u64,
    /// Names of its volumes.
    pub(crate) volumes: Vec<String>,
}

/// A volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DiskVolume {
    pub(crate) name: String,
    pub(crate) is_anonymous: bool,
    /// Bytes, where the engine measured them.
    pub(crate) bytes: Option<u64>,
}

/// A layer folder that no image and no container has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DiskFolder {
    pub(crate) path: String,
    pub(crate) bytes: u64,
}

/// Everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) images: Vec<DiskImage>,
    pub(crate) containers: Vec<DiskContainer>,
    pub(crate) volumes: Vec<DiskVolume>,
    /// What nothing refers to; none where the engine's files cannot be looked at.
    pub(crate) folders: Option<Vec<DiskFolder>>,
}

/// One thing on the disk: an image or a container by ID, a volume by name, a folder by its path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Thing {
    Image(String),
    Container(String),
    Volume(String),
    Folder(String),
}

/// What removing things would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Freed {
    /// Bytes that would be free.
    pub(crate) bytes: u64,
    /// Bytes of layers of what goes that stay, since others have them too.
    pub(crate) stays: u64,
    /// What cannot go, and why.
    pub(crate) kept: Vec<String>,
    /// What goes.
    pub(crate) going: BTreeSet<Thing>,
}

impl Disk {
    /// Bytes of all layers, each once, and those of them that more than one image has.
    pub(crate) fn layers(&self) -> (u64, u64) {
        let users = self.users(|_| true);
        let sum = |least: usize| users.values().filter(|(count, _)| *count >= least).map(|(_, bytes)| bytes).sum();
        (sum(1), sum(2))
    }

    /// How many of some images have a layer, and its bytes.
    fn users(&self, counts: impl Fn(&DiskImage) -> bool) -> HashMap<ChainId, (usize, u64)> {
        let mut users: HashMap<ChainId, (usize, u64)> = HashMap::new();
        for (chain, bytes) in self.images.iter().filter(|image| counts(image)).flat_map(|image| &image.layers) {
            let user = users.entry(*chain).or_insert((0, *bytes));
            user.0 += 1;
        }
        users
    }

    /// Bytes of an image, and those that no other image has.
    pub(crate) fn image_bytes(&self, image: &DiskImage) -> (u64, u64) {
        let others = self.users(|other| other.id != image.id);
        let own = image.layers.iter().filter(|(chain, _)| !others.contains_key(chain));
        (image.layers.iter().map(|(_, bytes)| bytes).sum(), own.map(|(_, bytes)| bytes).sum())
    }

    /// What removing the marked things would free: containers go first, then volumes, then images. A layer is counted once, and
    /// only if no image that stays has it.
    pub(crate) fn freed(&self, marks: &BTreeSet<Thing>) -> Freed {
        let mut freed = Freed::default();
        for container in &self.containers {
            let thing = Thing::Container(container.id.clone());
            if !marks.contains(&thing) {
                continue;
            }
            if container.runs {
                freed.kept.push(format!("{} runs", container.name));
                continue;
            }
            freed.bytes += container.bytes + container.log;
            freed.going.insert(thing);
        }
        let stay = |freed: &Freed, used: &dyn Fn(&DiskContainer) -> bool| {
            let stays = |other: &&DiskContainer| !freed.going.contains(&Thing::Container(other.id.clone()));
            self.containers.iter().filter(stays).find(|other| used(other)).map(|other| other.name.clone())
        };
        for volume in &self.volumes {
            let thing = Thing::Volume(volume.name.clone());
            if !marks.contains(&thing) {
                continue;
            }
            if let Some(user) = stay(&freed, &|other| other.volumes.contains(&volume.name)) {
                freed.kept.push(format!("{} is mounted in {user}", volume.name));
                continue;
            }
            freed.bytes += volume.bytes.unwrap_or(0);
            freed.going.insert(thing);
        }
        for image in &self.images {
            let thing = Thing::Image(image.id.clone());
            if !marks.contains(&thing) {
                continue;
            }
            if let Some(user) = stay(&freed, &|other| other.image == image.id) {
                freed.kept.push(format!("{} is what {user} stands on", image.name()));
                continue;
            }
            freed.going.insert(thing);
        }
        for folder in self.folders.iter().flatten() {
            if marks.contains(&Thing::Folder(folder.path.clone())) {
                freed.kept.push(format!("{}: no engine has a command for it", folder.path));
            }
        }
        let goes = |image: &DiskImage| freed.going.contains(&Thing::Image(image.id.clone()));
        let (staying, going) = (self.users(|image| !goes(image)), self.users(goes));
        let bytes = |stays: bool| {
            let layers = going.iter().filter(|(chain, _)| staying.contains_key(chain) == stays);
            layers.map(|(_, (_, bytes))| bytes).sum::<u64>()
        };
        let (layers, stays) = (bytes(false), bytes(true));
        (freed.bytes, freed.stays) = (freed.bytes + layers, stays);
        freed
    }

    /// What nothing refers to: containers that do not run, images without a name, volumes without a name that nobody mounts.
    pub(crate) fn unreferenced(&self) -> BTreeSet<Thing> {
        let containers = self.containers.iter().filter(|container| !container.runs);
        let images = self.images.iter().filter(|image| image.tags.is_empty());
        let volumes = self.volumes.iter().filter(|volume| volume.is_anonymous);
        let all = containers
            .map(|container| Thing::Container(container.id.clone()))
            .chain(images.map(|image| Thing::Image(image.id.clone())))
            .chain(volumes.map(|volume| Thing::Volume(volume.name.clone())))
            .collect();
        self.freed(&all).going
    }
}

impl DiskImage {
    /// The first name, or the short ID.
    pub(crate) fn name(&self) -> &str {
        self.tags.first().map_or_else(|| super::short(&self.id), String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use outcrop_layers::digest::{DiffId, Digest};

    use super::*;

    fn image(id: &str, layers: &[(&str, u64)]) -> DiskImage {
        let digest = |name: &str| format!("sha256:{}", Digest::of(name.as_bytes()).hex());
        let diffs: Vec<DiffId> = layers.iter().map(|(name, _)| digest(name).parse().expect("is a digest")).collect();
        let layers = ChainId::all(&diffs).into_iter().zip(layers.iter().map(|layer| layer.1)).collect();
        let tags = if id.starts_with("none") { Vec::new() } else { vec![format!("{id}:latest")] };
        DiskImage { id: id.into(), tags, layers }
    }

    /// Two applications on one base, a step without a name, a container that runs and one that does not, three volumes.
    pub(crate) fn disk() -> Disk {
        let (base, python) = (("base", 100), ("python", 50));
        let container = |id: &str, image: &str, runs, volume: &str| DiskContainer {
            id: id.into(),
            name: id.into(),
            image: image.into(),
            runs,
            bytes: 7,
            log: 1,
            volumes: vec![volume.into()],
        };
        let volume = |name: &str, is_anonymous| DiskVolume { name: name.into(), is_anonymous, bytes: Some(10) };
        Disk {
            images: vec![
                image("base", &[base]),
                image("app1", &[base, python, ("one", 3)]),
                image("app2", &[base, python, ("two", 4)]),
                image("none", &[base, ("lost", 20)]),
            ],
            containers: vec![container("web", "app1", true, "db"), container("old", "app2", false, "anonymous")],
            volumes: vec![volume("db", false), volume("anonymous", true), volume("free", false)],
            folders: Some(vec![DiskFolder { path: "/r/overlay2/lost".into(), bytes: 5 }]),
        }
    }

    fn freed(things: &[Thing]) -> (u64, u64, Vec<String>) {
        let freed = disk().freed(&things.iter().cloned().collect());
        (freed.bytes, freed.stays, freed.kept)
    }

    fn of(list: &[&str]) -> Vec<Thing> {
        let thing = |name: &&str| match *name {
            "web" | "old" => Thing::Container((*name).into()),
            "db" | "anonymous" | "free" => Thing::Volume((*name).into()),
            _ => Thing::Image((*name).into()),
        };
        list.iter().map(thing).collect()
    }

    #[test]
    fn a_layer_is_counted_once_and_only_if_it_goes() {
        let none = Vec::<String>::new();
        assert_eq!(disk().layers(), (177, 150));
        assert_eq!(disk().image_bytes(&disk().images[1]), (153, 3));
        assert_eq!(freed(&[]), (0, 0, none.clone()));
        assert_eq!(freed(&of(&["base"])), (0, 100, none.clone()), "everything stands on it");
        assert_eq!(freed(&of(&["none"])), (20, 100, none.clone()));
        assert_eq!(freed(&of(&["app2"])), (0, 0, vec!["app2:latest is what old stands on".into()]));
        assert_eq!(freed(&of(&["app2", "old"])), (4 + 8, 150, none.clone()));
        assert_eq!(freed(&of(&["app1"])), (0, 0, vec!["app1:latest is what web stands on".into()]));
        assert_eq!(freed(&of(&["web", "app1"])).2.len(), 2);
        let mut quiet = disk();
        quiet.containers.clear();
        let all: BTreeSet<Thing> = of(&["base", "app1", "app2", "none"]).into_iter().collect();
        assert_eq!((quiet.freed(&all).bytes, quiet.freed(&all).stays), (177, 0), "each layer once");
    }

    #[test]
    fn a_volume_in_use_stays() {
        assert_eq!(freed(&of(&["db"])), (0, 0, vec!["db is mounted in web".into()]));
        assert_eq!(freed(&of(&["free", "anonymous", "old"])), (10 + 10 + 8, 0, Vec::new()));
    }

    #[test]
    fn a_folder_without_a_command_stays() {
        let (bytes, _, kept) = freed(&[Thing::Folder("/r/overlay2/lost".into())]);
        assert_eq!((bytes, kept), (0, vec!["/r/overlay2/lost: no engine has a command for it".to_owned()]));
    }

    #[test]
    fn what_nothing_refers_to() {
        let found: Vec<Thing> = disk().unreferenced().into_iter().collect();
        assert_eq!(found, of(&["none", "old", "anonymous"]));
    }
}
