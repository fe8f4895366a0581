//! Images as an archive describes them.

use super::platform::Platform;
use crate::config::ImageConfig;
use crate::digest::{DiffId, Digest, ImageId};

/// One image of an archive; everything in it is checked, the layers' bytes are not yet.
#[derive(Clone, Debug)]
pub struct ImageInArchive {
    /// The configuration's bytes, verbatim; their digest is the image ID.
    pub config: Vec<u8>,
    /// Digest of `config`.
    pub config_digest: Digest,
    /// The same, parsed. Has exactly as many diff IDs as `layers`.
    pub parsed: ImageConfig,
    /// The layers, base first.
    pub layers: Vec<LayerBlob>,
    /// Names with tags, as the archive has them: not checked, not normalised.
    pub tags: Vec<String>,
    /// What the configuration says it runs on.
    pub platform: Platform,
    /// Digest and bytes of the manifest, if the archive has one (OCI layouts do).
    pub manifest: Option<(Digest, Vec<u8>)>,
}

impl ImageInArchive {
    /// The image ID.
    pub fn id(&self) -> ImageId {
        ImageId(self.config_digest)
    }
}

/// One layer of an image, and where it is in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerBlob {
    /// Name of the member or file that holds it, links resolved, in the form of `Entry::path`.
    pub name: String,
    /// Digest of the uncompressed tar, as the configuration claims.
    pub diff_id: DiffId,
    /// Digest of the bytes as they are in the archive, if a manifest or the name tells.
    pub digest: Option<Digest>,
    /// Size of those bytes, if it is known before they are read.
    pub size: Option<u64>,
}
