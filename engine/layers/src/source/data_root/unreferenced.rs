//! Layer folders that no image and no container refers to: what killed processes and failed removals left.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{DataRoot, Driver, image, read_document};
use crate::source::folder;

/// Largest record of BuildKit's snapshots that is read, in bytes.
const LARGEST_RECORD: u64 = 64 << 20;

/// A layer folder that nothing refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreferenced {
    /// The folder below the driver's.
    pub path: PathBuf,
    /// Bytes of the files in it.
    pub bytes: u64,
}

impl DataRoot {
    /// Finds the layer folders that neither `layerdb` nor BuildKit's record of its snapshots knows, the largest first.
    ///
    /// An engine makes a layer's folder long before it registers the layer, so only those are told that nobody has changed for the
    /// time `untouched`.
    ///
    /// # Errors
    /// When the driver's folder or the register cannot be read: then nothing can be said.
    pub fn unreferenced(&self, untouched: Duration, cancel: &dyn Fn() -> bool) -> io::Result<Vec<Unreferenced>> {
        let folder = self.root.join(self.driver.folder());
        // The folders first: one that is registered meanwhile is then found in the register.
        let there = names(&folder)?;
        let known = self.known_layers()?;
        let snapshots = self.snapshots()?;
        let mut found = Vec::new();
        for name in there {
            let path = folder.join(&name);
            let is_layer = image::layer_name(name.as_bytes()).is_some() && name != "l" && path.is_dir();
            let by_buildkit = || snapshots.windows(name.len()).any(|window| window == name.as_bytes());
            if !is_layer || known.contains(&name) || by_buildkit() || !is_older(&path, untouched) {
                continue;
            }
            let content = if self.driver == Driver::Overlay2 { path.join("diff") } else { path.clone() };
            let bytes = fs::File::open(content).ok().and_then(|folder| folder::index(folder, &|_| {}, cancel).ok());
            found.push(Unreferenced { path, bytes: bytes.map_or(0, |index| index.bytes()) });
        }
        found.sort_by_key(|one| (std::cmp::Reverse(one.bytes), one.path.clone()));
        Ok(found)
    }

    /// The folders that images' layers and containers have.
    fn known_layers(&self) -> io::Result<HashSet<String>> {
        let register = self.folder().join("layerdb");
        let mut known = HashSet::new();
        let records = [("sha256", &["cache-id"][..]), ("mounts", &["mount-id", "init-id"][..])];
        for (part, files) in records {
            for record in names(&register.join(part))? {
                for file in files {
                    let text = read_document(&register.join(part).join(&record).join(file));
                    known.extend(text.ok().and_then(|text| image::layer_name(&text)));
                }
            }
        }
        Ok(known)
    }

    /// BuildKit keeps snapshots of its own beside the register; their folders' names stand in its record.
    fn snapshots(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match fs::File::open(self.root.join("buildkit/snapshots.db")) {
            Ok(file) => file.take(LARGEST_RECORD).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(bytes)
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Whether neither a layer's folder nor the top of its content has changed for so long.
fn is_older(path: &Path, age: Duration) -> bool {
    let changed = |path: &Path| fs::symlink_metadata(path).ok().map(|about| about.ctime());
    let newest = changed(path).max(changed(&path.join("diff"))).unwrap_or(i64::MAX);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    u64::try_from(newest).is_ok_and(|newest| newest.saturating_add(age.as_secs()) <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_record_names_is_told() {
        let root = tempfile::tempdir().expect("makes a folder");
        let at = |path: &str| root.path().join(path);
        let write = |path: &str, text: &str| {
            let path = at(path);
            fs::create_dir_all(path.parent().expect("is below")).expect("makes it");
            fs::write(path, text).expect("writes");
        };
        for layer in ["image1", "mount1", "mount1-init", "snapshot1", "lost1", "lost2"] {
            write(&format!("overlay2/{layer}/diff/file"), &"x".repeat(if layer == "lost2" { 30 } else { 10 }));
        }
        write("overlay2/l/SHORT", "");
        write("overlay2/backingFsBlockDev", "");
        write("image/overlay2/layerdb/sha256/aa/cache-id", "image1");
        write("image/overlay2/layerdb/mounts/cc/mount-id", "mount1");
        write("image/overlay2/layerdb/mounts/cc/init-id", "mount1-init");
        write("buildkit/snapshots.db", "\0\u{1}snapshot1\0");
        let opened = DataRoot::open(root.path()).expect("opens");
        let found = opened.unreferenced(Duration::ZERO, &|| false).expect("reads");
        let one = |name: &str, bytes| Unreferenced { path: at("overlay2").join(name), bytes };
        assert_eq!(found, [one("lost2", 30), one("lost1", 10)]);
        assert_eq!(opened.unreferenced(Duration::from_hours(1), &|| false).expect("reads"), [], "all of it is new");
    }
}
