//! A folder of this machine as a layer: a container's writable layer on top of its image, or what is in a volume.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::config::ImageConfig;
use crate::digest::{ChainId, DiffId, Digest};
use crate::index::LayerIndex;
use crate::source::folder::{self, FolderError, NotOpened};
use crate::source::{LayerInfo, LayerSource, SourceError};

/// Layers with one folder more on top. The folder is read as it is at the first look; a later state needs a new stack.
///
/// The top layer was never given a digest, so its `diff_id` and `chain_id` are made of the folder's path and only tell it apart.
pub struct Stack {
    base: Option<Arc<dyn LayerSource>>,
    config: ImageConfig,
    folder: PathBuf,
    layers: Vec<LayerInfo>,
    top: OnceLock<Arc<LayerIndex>>,
}

impl Stack {
    /// Puts `folder` on top of `base`; without one it stands alone.
    pub fn new(base: Option<Arc<dyn LayerSource>>, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let mut layers = base.as_ref().map_or_else(Vec::new, |base| base.layers().to_vec());
        let stand_in = Digest::of(folder.as_os_str().as_encoded_bytes());
        layers.push(LayerInfo {
            diff_id: DiffId(stand_in),
            chain_id: ChainId(stand_in),
            size: None,
            created_by: String::new(),
            created: None,
            directory: Some(folder.clone()),
            cache_id: None,
            blob: None,
        });
        let config = base.as_ref().map_or_else(ImageConfig::default, |base| base.config().clone());
        Self { base, config, folder, layers, top: OnceLock::new() }
    }

    /// The folder on top.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn base(&self, layer: usize) -> Option<&dyn LayerSource> {
        (layer + 1 < self.layers.len()).then_some(self.base.as_deref()).flatten()
    }

    fn io(&self, source: io::Error) -> SourceError {
        SourceError::Io { path: self.folder.clone(), source }
    }

    fn check(&self, layer: usize) -> Result<(), SourceError> {
        let layers = self.layers.len();
        if layer < layers { Ok(()) } else { Err(SourceError::NoLayer { layer, layers }) }
    }
}

impl LayerSource for Stack {
    fn config(&self) -> &ImageConfig {
        &self.config
    }

    fn layers(&self) -> &[LayerInfo] {
        &self.layers
    }

    fn index(
        &self,
        layer: usize,
        progress: &dyn Fn(u64),
        cancel: &dyn Fn() -> bool,
    ) -> Result<Arc<LayerIndex>, SourceError> {
        self.check(layer)?;
        if let Some(base) = self.base(layer) {
            return base.index(layer, progress, cancel);
        }
        if let Some(index) = self.top.get() {
            return Ok(Arc::clone(index));
        }
        let root = folder::open_root(&self.folder).map_err(|errno| self.io(errno.into()))?;
        let index = folder::index(&root, progress, cancel).map_err(|error| match error {
            FolderError::Cancelled => SourceError::Cancelled,
            FolderError::Index(source) => SourceError::Index { layer: layer + 1, source },
            error => self.io(io::Error::other(error)),
        })?;
        Ok(Arc::clone(self.top.get_or_init(|| Arc::new(index))))
    }

    fn open(&self, layer: usize, path: &[u8]) -> Result<Box<dyn Read + Send>, SourceError> {
        self.check(layer)?;
        if let Some(base) = self.base(layer) {
            return base.open(layer, path);
        }
        let root = folder::open_root(&self.folder).map_err(|errno| self.io(errno.into()))?;
        let shown = || path.escape_ascii().to_string();
        folder::open(&root, path).map_err(|error| match error {
            NotOpened::Missing => SourceError::NoFile { layer: layer + 1, path: shown() },
            NotOpened::NotAFile(kind) => SourceError::NotAFile { layer: layer + 1, path: shown(), kind },
            NotOpened::Failed(errno) => SourceError::Io { path: self.folder.join(shown()), source: errno.into() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;
    use crate::view::{Mark, View};

    #[test]
    fn a_writable_layer_lies_on_what_is_below() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let (lower, upper) = (folder.path().join("lower"), folder.path().join("upper"));
        for (root, files) in [(&lower, ["etc/passwd", "bin/sh"]), (&upper, ["etc/passwd", "bin/foo"])] {
            for file in files {
                let path = root.join(file);
                std::fs::create_dir_all(path.parent().expect("has one")).expect("makes it");
                std::fs::write(path, format!("{file} in {}", root.display())).expect("writes");
            }
        }
        let base = Arc::new(Stack::new(None, &lower));
        let stack = Stack::new(Some(base), &upper);
        assert_eq!(stack.layers().len(), 2);
        let indexes: Vec<_> = (0..2).map(|n| stack.index(n, &|_| (), &|| false).expect("reads")).collect();
        let tree = Tree::build(&indexes);
        let mark = |path: &[u8]| {
            let node = tree.find(path).expect("is there");
            tree.seen(node, View::Layer(1)).map(|seen| seen.mark)
        };
        assert_eq!(mark(b"etc/passwd"), Some(Mark::Changed));
        assert_eq!(mark(b"bin/foo"), Some(Mark::Added));
        assert_eq!(mark(b"bin/sh"), None);
        let mut text = String::new();
        stack.open(0, b"etc/passwd").expect("opens").read_to_string(&mut text).expect("reads");
        assert!(text.ends_with("lower"), "{text}");
        assert!(matches!(stack.open(1, b"../lower/bin/sh"), Err(SourceError::NoFile { .. })));
        assert!(matches!(stack.open(2, b"x"), Err(SourceError::NoLayer { .. })));
        assert!(matches!(stack.index(5, &|_| (), &|| false), Err(SourceError::NoLayer { .. })));
        assert!(Stack::new(None, folder.path().join("none")).index(0, &|_| (), &|| false).is_err());
    }
}
