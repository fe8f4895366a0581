//! Volumes to archives and back, clones, and single paths in and out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use flate2::write::GzEncoder;
use outcrop_layers::compress::decoder;

use super::fill::copy_all;
use super::metadata::Entry;
use super::{Volume, VolumeError, Volumes, check_name};
use crate::layer::apply::{ApplyOptions, extract, floor};
use crate::layer::diff::plain_tar;
use crate::progress::{Cancel, Ctx};
use crate::root::files;

/// How a backup is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all: a plain tar.
    None,
    /// gzip.
    Gzip,
    /// zstd, level 3: smaller and faster than gzip.
    #[default]
    Zstd,
}

impl Volumes {
    /// Writes a volume's content to an archive: a tar with PAX headers that keeps owners, modes, times to the nanosecond, extended attributes,
    /// hard links, devices. Gives the bytes of the tar before compression.
    ///
    /// Containers may go on writing meanwhile; a file that changes while it is read has some of each.
    ///
    /// # Errors
    /// No such volume; a file cannot be read; the archive cannot be written.
    pub fn backup(&self, name: &str, compression: Compression, out: impl Write) -> Result<u64, VolumeError> {
        let attached = self.attach(name, "")?;
        let packed = |result| Result::map_err(result, VolumeError::Pack);
        let ended = VolumeError::io("write", "the archive");
        match compression {
            Compression::None => packed(plain_tar(attached.fd(), out)),
            Compression::Gzip => {
                let mut out = GzEncoder::new(out, flate2::Compression::default());
                let bytes = packed(plain_tar(attached.fd(), &mut out))?;
                out.finish().map_err(ended)?;
                Ok(bytes)
            }
            Compression::Zstd => {
                let mut out = zstd::Encoder::new(out, 3).map_err(VolumeError::io("write", "the archive"))?;
                let bytes = packed(plain_tar(attached.fd(), &mut out))?;
                out.finish().map_err(ended)?;
                Ok(bytes)
            }
        }
    }

    /// Makes a new volume from an archive, compressed in any way that is known. It becomes visible when it is complete.
    ///
    /// # Errors
    /// The name is bad or taken; the archive is damaged, hostile or too large for the disk: then there is no volume.
    pub fn restore(
        &self,
        name: &str,
        labels: Option<BTreeMap<String, String>>,
        archive: impl Read + Send,
        ctx: Ctx<'_>,
    ) -> Result<Volume, VolumeError> {
        check_name(name)?;
        if self.exists(name) {
            return Err(VolumeError::Exists(name.to_owned()));
        }
        let entry = Entry { name: name.to_owned(), driver: "local".into(), labels, options: None };
        self.publish(&entry, |data| {
            let folder = File::open(data).map_err(VolumeError::io("open", data))?;
            unpack(archive, &folder, ctx)?;
            files::sync_file_system(data).map_err(VolumeError::io("write", data))
        })?;
        self.log("create", name, &[]);
        self.inspect(name)
    }

    /// Makes a new volume with the content and the labels of another one. Blocks are shared where the file system can. It becomes visible
    /// when it is complete.
    ///
    /// # Errors
    /// No such volume; the new name is bad or taken; a file cannot be copied.
    pub fn clone_to(&self, name: &str, new: &str, cancel: &Cancel) -> Result<Volume, VolumeError> {
        check_name(new)?;
        let source = self.inspect(name)?;
        if self.exists(new) {
            return Err(VolumeError::Exists(new.to_owned()));
        }
        let attached = self.attach(name, "")?;
        let mut labels = source.labels;
        if let Some(labels) = &mut labels {
            // It has a name now.
            labels.remove(super::ANONYMOUS);
        }
        let entry = Entry { name: new.to_owned(), driver: "local".into(), labels, options: None };
        self.publish(&entry, |data| {
            let folder = File::open(data).map_err(VolumeError::io("open", data))?;
            copy_all(name, attached.fd(), &folder, cancel)?;
            files::sync_file_system(data).map_err(VolumeError::io("write", data))
        })?;
        self.log("create", new, &[]);
        self.inspect(new)
    }

    /// Writes the folder `path` of a volume to a tar, with names from that folder on.
    ///
    /// # Errors
    /// No such volume or folder; a file cannot be read.
    pub fn read_folder(&self, name: &str, path: &str, out: impl Write) -> Result<u64, VolumeError> {
        let attached = self.attach(name, path)?;
        plain_tar(attached.fd(), out).map_err(VolumeError::Pack)
    }

    /// Unpacks a tar into the folder `path` of a volume; what is there stays where the archive has nothing.
    ///
    /// Nothing in the archive leads out of the folder. It goes in file by file: containers see it come.
    ///
    /// # Errors
    /// No such volume or folder; the archive is damaged or hostile.
    pub fn write_folder(
        &self,
        name: &str,
        path: &str,
        archive: impl Read + Send,
        ctx: Ctx<'_>,
    ) -> Result<(), VolumeError> {
        self.writable()?;
        let attached = self.attach(name, path)?;
        let folder = attached.open().map_err(|source| VolumeError::Path {
            volume: name.to_owned(),
            path: path.to_owned(),
            source,
        })?;
        unpack(archive, &folder, ctx)
    }

    /// Opens a file of a volume for reading. Links are resolved inside the volume; pipes and devices are refused.
    ///
    /// # Errors
    /// No such volume or file.
    pub fn read_file(&self, name: &str, path: &str) -> Result<File, VolumeError> {
        let attached = self.attach(name, "")?;
        let wrong = |source| VolumeError::Path { volume: name.to_owned(), path: path.to_owned(), source };
        crate::sys::beneath::open_file(attached.fd(), path.as_bytes()).map_err(wrong)
    }
}

fn unpack(archive: impl Read + Send, folder: &(impl AsFd + ?Sized), ctx: Ctx<'_>) -> Result<(), VolumeError> {
    let tar = decoder(archive).map_err(VolumeError::io("read", Path::new("the archive")))?;
    let report = |bytes: u64| {
        (ctx.progress)(crate::progress::Progress { status: "Unpacking".into(), current: bytes, ..Default::default() });
    };
    let rootless = !rustix::process::geteuid().is_root();
    let options = ApplyOptions { rootless, floor: floor(folder), cancel: ctx.cancel, on_bytes: &report };
    let mut tar = tar;
    let applied = extract(&mut tar, folder.as_fd(), &options).map_err(VolumeError::Unpack)?;
    if applied.tar_bytes < 1024 || applied.entries == 0 {
        let nothing = io::Error::new(io::ErrorKind::InvalidData, "is no tar archive: there is not one entry in it");
        return Err(VolumeError::io("read", Path::new("the archive"))(nothing));
    }
    Ok(())
}
