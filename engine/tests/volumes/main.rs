//! Volumes in a data root, through the engine's own functions; with root also their mounts, and dockerd on the same root.

mod content;
mod dockerd;
mod lifecycle;
mod mounted;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use outcrop_engine::progress::{Cancel, Ctx};
use outcrop_engine::volume::{Create, Volumes};
use outcrop_engine::{Engine, OpenOptions};

/// An engine on a new data root.
struct Root {
    engine: Engine,
    directory: tempfile::TempDir,
}

impl Root {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("directory");
        Self { engine: open(directory.path()), directory }
    }

    fn volumes(&self) -> Volumes {
        self.engine.volumes()
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.engine.root().join(below)
    }

    /// A container's record, as far as volumes look at it.
    fn container(&self, id: &str, name: &str, volume: &str, running: bool) {
        let folder = self.path("containers").join(id);
        fs::create_dir_all(&folder).expect("folder");
        let text = format!(
            r#"{{"ID":"{id}","Name":"/{name}","State":{{"Running":{running}}},"MountPoints":{{"/data":{{"Name":"{volume}","Type":"volume","Destination":"/data"}}}}}}"#
        );
        fs::write(folder.join("config.v2.json"), text).expect("record");
    }

    /// What no operation may leave behind.
    fn nothing_left(&self) {
        for below in ["outcrop/txn", "outcrop/volumes"] {
            let left: Vec<_> =
                fs::read_dir(self.path(below)).into_iter().flatten().flatten().map(|e| e.path()).collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }
}

fn open(root: &Path) -> Engine {
    let rootless = !rustix::process::geteuid().is_root();
    Engine::open(&OpenOptions { rootless, ..OpenOptions::new(root.join("root")) }).expect("opens")
}

fn named(name: &str) -> Create {
    Create { name: name.into(), ..Create::default() }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn quiet<T>(work: impl FnOnce(Ctx<'_>) -> T) -> T {
    work(Ctx { progress: &|_| {}, cancel: &Cancel::new() })
}
