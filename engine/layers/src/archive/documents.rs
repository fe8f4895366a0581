//! Archives that pass by once: what is small and JSON is kept, layers go to whoever unpacks them.

use std::borrow::Cow;
use std::io::{self, Chain, Cursor, Read};

use super::error::ArchiveError;
use super::image::ImageInArchive;
use super::json::{check, too_large};
use super::members::{MOST_DOCUMENT_BYTES, Members, Names, clean, link_target};
use super::platform::Platform;
use super::{CUT_OFF, STARTS, is_blob_name, is_layer_like, is_root_name, resolve};
use crate::config::LARGEST_DOCUMENT;
use crate::digest::DiffId;
use crate::entry::Kind;
use crate::tar::{Member, TarError};

/// Collects what a stream has besides layers, for the images to be found when it has ended.
///
/// ```text
/// while let Some(entry) = tar.next()? {
///     let member = entry.header.clone();
///     if let Part::Layer { name, content } = documents.take(&member, entry)? {
///         let diff_id = unpack(content)?;
///         documents.layer(name, diff_id, size)?;
///     }
/// }
/// let images = documents.resolve(platform)?;
/// ```
#[derive(Debug)]
pub struct Documents {
    names: Names<Held>,
    bytes: usize,
    members: u64,
    has_blobs: bool,
}

#[derive(Debug)]
enum Held {
    Document(Vec<u8>),
    /// A document above the limit: its size.
    Large(u64),
    /// One that did not fit in besides the others.
    Dropped,
    Layer {
        diff_id: DiffId,
        size: u64,
    },
}

/// What the first bytes of an attestation have.
const ATTESTATION: &[u8] = b"https://in-toto.io/Statement";

/// What became of a member.
pub enum Part<R> {
    /// It was kept if it can matter.
    Taken,
    /// It is a layer, perhaps compressed: unpack it, then call [`Documents::layer`].
    Layer {
        /// Its name, in the form of `Entry::path`.
        name: String,
        /// All of its bytes.
        content: Chain<Cursor<Vec<u8>>, R>,
    },
}

impl Default for Documents {
    fn default() -> Self {
        Self::new()
    }
}

impl Documents {
    /// Starts with nothing.
    pub fn new() -> Self {
        Self { names: Names::new(), bytes: 0, members: 0, has_blobs: false }
    }

    /// Looks at a member by its first bytes: keeps a document, remembers a link, hands a layer back.
    ///
    /// # Errors
    /// When its content cannot be read, or there are too many members.
    pub fn take<R: Read>(&mut self, member: &Member, mut content: R) -> Result<Part<R>, ArchiveError> {
        self.members += 1;
        let Some(name) = std::str::from_utf8(&member.name).ok().and_then(clean) else { return Ok(Part::Taken) };
        self.has_blobs |= is_blob_name(&name);
        if is_root_name(&name) {
            // A root filesystem: what is packed in it is no layer.
            return Ok(Part::Taken);
        }
        match &member.kind {
            Kind::File { size, .. } => {
                let mut head = Vec::with_capacity(512);
                (&mut content).take(512).read_to_end(&mut head).map_err(|source| failed(&name, source))?;
                if is_layer_like(&head) || *size == 0 && name.ends_with("/layer.tar") {
                    return Ok(Part::Layer { name, content: Cursor::new(head).chain(content) });
                }
                let first = head.iter().find(|b| !b.is_ascii_whitespace());
                // Attestations may be large, and no image needs them.
                let is_statement = head.windows(ATTESTATION.len()).any(|part| part == ATTESTATION);
                if matches!(first, Some(b'{' | b'[')) && !is_statement {
                    self.document(name, *size, Cursor::new(head).chain(content))?;
                }
            }
            Kind::Hardlink { target } => {
                if let Ok(target) = std::str::from_utf8(target) {
                    self.names.link(name, target.into())?;
                }
            }
            Kind::Symlink { target } => {
                if let Some(target) = link_target(&name, target) {
                    self.names.link(name, target)?;
                }
            }
            _ => {}
        }
        Ok(Part::Taken)
    }

    /// Adds a document, as [`Documents::take`] does with those it recognises.
    ///
    /// # Errors
    /// When there are too many members.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let Some(name) = clean(name) else { return Ok(()) };
        let size = bytes.len() as u64;
        self.document(name, size, Cursor::new(bytes))
    }

    /// Tells that a layer has been unpacked: the digest of its tar, and its size in the archive.
    ///
    /// # Errors
    /// When there are too many members.
    pub fn layer(&mut self, name: &str, diff_id: DiffId, size: u64) -> Result<(), ArchiveError> {
        match clean(name) {
            Some(name) => self.names.add(name, Held::Layer { diff_id, size }),
            None => Ok(()),
        }
    }

    /// The images, once all members have passed. Each layer's diff ID is as the configuration claims: whoever unpacked the
    /// layer compares it.
    ///
    /// # Errors
    /// When it is no image archive, something is missing or damaged, or none is for `platform`.
    pub fn resolve(&self, platform: Option<&Platform>) -> Result<Vec<ImageInArchive>, ArchiveError> {
        let images = resolve::images(self, platform);
        match images {
            Err(ArchiveError::NotAnImage { hint: "" }) if self.members == 0 => {
                Err(ArchiveError::NotAnImage { hint: ": it is an empty tar" })
            }
            Err(ArchiveError::NotAnImage { hint: "" }) if self.has_blobs => {
                Err(ArchiveError::NotAnImage { hint: CUT_OFF })
            }
            Err(ArchiveError::NotAnImage { hint: "" }) => {
                Err(ArchiveError::NotAnImage { hint: "; a root filesystem is taken by import instead" })
            }
            images => images,
        }
    }

    /// Says what a broken stream means for whoever gave it: what is no tar from its first byte is no image archive.
    pub fn explain(&self, error: TarError) -> ArchiveError {
        match error {
            TarError::Truncated { at: 0, .. } => ArchiveError::Empty,
            TarError::Checksum { at: 0 } | TarError::Truncated { at: 1..512, .. } if self.members == 0 => {
                ArchiveError::NotAnImage { hint: ": the input is no tar" }
            }
            error => ArchiveError::Tar(error),
        }
    }

    fn document(&mut self, name: String, size: u64, content: impl Read) -> Result<(), ArchiveError> {
        let is_start = STARTS.contains(&name.as_str());
        let held = if size > LARGEST_DOCUMENT as u64 {
            if is_start {
                return too_large(&name, size);
            }
            Held::Large(size)
        } else if self.bytes + size as usize > MOST_DOCUMENT_BYTES {
            Held::Dropped
        } else {
            let mut bytes = Vec::new();
            content.take(size).read_to_end(&mut bytes).map_err(|source| failed(&name, source))?;
            self.bytes += bytes.len();
            if is_start {
                // It will be read in any case: no need to wait with this.
                check(&name, &bytes)?;
            }
            Held::Document(bytes)
        };
        self.names.add(name, held)
    }
}

impl Members for Documents {
    fn find(&self, name: &str) -> Option<(String, u64)> {
        match self.names.find(name)? {
            (name, Held::Layer { size, .. }) => Some((name.into(), *size)),
            _ => None,
        }
    }

    fn document(&self, name: &str) -> Result<Option<Cow<'_, [u8]>>, ArchiveError> {
        match self.names.find(name) {
            Some((_, Held::Document(bytes))) => Ok(Some(bytes.into())),
            Some((_, Held::Large(size))) => too_large(name, *size),
            Some((_, Held::Dropped)) => Err(ArchiveError::Limit {
                name: name.into(),
                what: "comes after so many documents that there are".into(),
                limit: format!("{MOST_DOCUMENT_BYTES} bytes of JSON in an archive"),
            }),
            Some((_, Held::Layer { .. })) => {
                Err(ArchiveError::Document { name: name.into(), why: "it is a layer, no document".into() })
            }
            None => Ok(None),
        }
    }

    fn diff_id(&self, name: &str) -> Result<Option<DiffId>, ArchiveError> {
        Ok(match self.names.find(name) {
            Some((_, Held::Layer { diff_id, .. })) => Some(*diff_id),
            _ => None,
        })
    }
}

/// An error below a member's content: ours if it is one of a tar.
fn failed(name: &str, source: io::Error) -> ArchiveError {
    match source.downcast::<TarError>() {
        Ok(error) => ArchiveError::Tar(error),
        Err(source) => ArchiveError::Io { path: name.into(), source },
    }
}
