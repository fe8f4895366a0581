//! Archives made for tests, and a root to load them into.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use outcrop_engine::image::{LoadOptions, Loaded, SaveFormat};
use outcrop_engine::progress::{Cancel, Ctx};
use outcrop_engine::{Engine, OpenOptions};
use outcrop_layers::digest::{DiffId, Digest};
use serde_json::json;

/// Whether the tests run as root; then layers are stored as dockerd stores them.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn options(root: &Path) -> OpenOptions {
    OpenOptions { rootless: !is_root(), ..OpenOptions::new(root) }
}

/// A data root in a temporary directory.
pub(crate) struct Root {
    pub(crate) dir: tempfile::TempDir,
}

impl Root {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("temporary directory") }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub(crate) fn open(&self) -> Engine {
        Engine::open(&options(&self.path())).expect("opens")
    }
}

pub(crate) fn load(engine: &Engine, archive: &[u8]) -> Result<Vec<Loaded>, outcrop_engine::image::ImageError> {
    let cancel = Cancel::new();
    engine.images().load(archive, &LoadOptions::default(), Ctx { progress: &|_| {}, cancel: &cancel })
}

pub(crate) fn save(
    engine: &Engine,
    names: &[&str],
    format: SaveFormat,
) -> Result<Vec<u8>, outcrop_engine::image::ImageError> {
    let cancel = Cancel::new();
    let mut out = Vec::new();
    let names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
    engine.images().save(&names, &mut out, format, Ctx { progress: &|_| {}, cancel: &cancel })?;
    Ok(out)
}

/// A layer's tar: files with content, directories where the name ends with a slash.
pub(crate) fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(1_700_000_000);
        if name.ends_with('/') {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o755);
            header.set_size(0);
        } else {
            header.set_mode(0o640);
            header.set_size(content.len() as u64);
        }
        owner(&mut header);
        tar.append_data(&mut header, name, content.as_bytes()).expect("writes memory");
    }
    tar.into_inner().expect("writes memory")
}

/// Files belong to whoever runs the tests: an ordinary user cannot give them away.
fn owner(header: &mut tar::Header) {
    header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
    header.set_gid(u64::from(rustix::process::getegid().as_raw()));
}

pub(crate) fn diff_id(layer: &[u8]) -> DiffId {
    DiffId(Digest::of(layer))
}

/// A configuration of these layers.
pub(crate) fn config(layers: &[Vec<u8>], extra: &str) -> Vec<u8> {
    let ids: Vec<DiffId> = layers.iter().map(|layer| diff_id(layer)).collect();
    let history: Vec<_> =
        (0..ids.len()).map(|n| json!({"created": "2026-01-02T03:04:05Z", "created_by": format!("step {n}")})).collect();
    json!({
        "architecture": "amd64", "os": "linux", "created": "2026-01-02T03:04:05.6Z",
        "config": {"Cmd": ["sh"], "Labels": {"extra": extra}},
        "history": history,
        "rootfs": {"type": "layers", "diff_ids": ids},
    })
    .to_string()
    .into_bytes()
}

/// An image for an archive.
pub(crate) struct Image {
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<Vec<u8>>,
    pub(crate) tags: Vec<&'static str>,
}

impl Image {
    pub(crate) fn new(tags: &[&'static str], layers: &[Vec<u8>]) -> Self {
        Self { config: config(layers, tags.first().unwrap_or(&"")), layers: layers.to_vec(), tags: tags.to_vec() }
    }

    pub(crate) fn id(&self) -> String {
        Digest::of(&self.config).to_string()
    }
}

/// What `docker save` wrote before 25: `<name>/layer.tar`, `<id>.json`, `manifest.json`.
pub(crate) fn docker_archive(images: &[Image]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut items = Vec::new();
    let mut written = BTreeSet::new();
    for image in images {
        let mut names = Vec::new();
        for layer in &image.layers {
            let name = format!("{}/layer.tar", Digest::of(&[layer, &b"v1"[..]].concat()).hex());
            if written.insert(name.clone()) {
                add(&mut tar, &name, layer);
            }
            names.push(name);
        }
        let name = format!("{}.json", Digest::of(&image.config).hex());
        add(&mut tar, &name, &image.config);
        items.push(json!({"Config": name, "RepoTags": image.tags, "Layers": names}));
    }
    add(&mut tar, "manifest.json", json!(items).to_string().as_bytes());
    tar.into_inner().expect("writes memory")
}

pub(crate) fn add(tar: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, name, content).expect("writes memory");
}

/// The members of an archive by name.
pub(crate) fn members(archive: &[u8]) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut tar = tar::Archive::new(archive);
    let entries = tar.entries().expect("is a tar");
    entries
        .map(|entry| {
            let mut entry = entry.expect("is an entry");
            let name = entry.path().expect("has a path").to_string_lossy().into_owned();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).expect("reads");
            (name, content)
        })
        .collect()
}

/// Every path below the root that is not ours to keep: what must be the same before and after something that failed.
pub(crate) fn state(root: &Path) -> BTreeSet<String> {
    fn walk(root: &Path, at: &Path, out: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(at).expect("reads") {
            let path = entry.expect("entry").path();
            let name = path.strip_prefix(root).expect("is below").to_string_lossy().into_owned();
            if name.starts_with("outcrop/events") {
                continue;
            }
            if path.is_dir() && !path.is_symlink() {
                walk(root, &path, out);
            }
            out.insert(name);
        }
    }
    let mut out = BTreeSet::new();
    walk(root, root, &mut out);
    out
}

/// Checks that everything in the root belongs to something: no orphan, no half object, no temporary file.
pub(crate) fn check_whole(root: &Path) {
    let image = root.join("image/overlay2");
    let names = |path: PathBuf| -> BTreeSet<String> {
        std::fs::read_dir(&path)
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
            .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
            .collect()
    };
    let mut chains = BTreeSet::new();
    for id in names(image.join("imagedb/content/sha256")) {
        let raw = std::fs::read(image.join("imagedb/content/sha256").join(&id)).expect("reads");
        assert_eq!(Digest::of(&raw).hex(), id, "configuration");
        let config = outcrop_layers::config::ImageConfig::parse(&raw).expect("parses");
        chains.extend(outcrop_layers::digest::ChainId::all(&config.rootfs.diff_ids).iter().map(|c| c.0.hex()));
    }
    assert_eq!(names(image.join("layerdb/sha256")), chains, "registered layers are those of the images");
    let mut caches = BTreeSet::from(["l".to_owned()]);
    let mut links = BTreeSet::new();
    for chain in &chains {
        let entry = image.join("layerdb/sha256").join(chain);
        let cache = std::fs::read_to_string(entry.join("cache-id")).expect("cache-id");
        for file in ["diff", "size", "tar-split.json.gz"] {
            assert!(std::fs::metadata(entry.join(file)).is_ok_and(|m| m.len() > 0), "{file}");
        }
        assert!(root.join("overlay2").join(&cache).join("diff").is_dir());
        links.insert(std::fs::read_to_string(root.join("overlay2").join(&cache).join("link")).expect("link"));
        caches.insert(cache);
    }
    assert_eq!(names(root.join("overlay2")), caches, "content is that of the registered layers");
    assert_eq!(names(root.join("overlay2/l")), links, "links are those of the layers");
    for empty in ["outcrop/txn", "image/overlay2/layerdb/tmp", "tmp"] {
        assert_eq!(names(root.join(empty)), BTreeSet::new(), "{empty}");
    }
}
