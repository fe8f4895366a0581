//! Writing what is copied into a new layer: as a tar that is unpacked in-root, the same way as any other.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};

use outcrop_layers::compress::decoder;
use outcrop_layers::entry::{Entry, Kind, Time};
use outcrop_layers::tar::looks_like_tar;

use super::gather::{below, excluded};
use super::{Content, Item, Placed, Wanted, place};
use crate::build::builder::Build;
use crate::build::error::{BuildError, Result};
use crate::build::instruction::Instruction;
use crate::build::tree::{self, Writable};
use crate::image::ImageError;
use crate::layer::apply::{self, ApplyOptions};
use crate::layer::diff::PaxWriter;
use crate::sys::{beneath, node};

/// What is written to.
pub(crate) type Tar = PaxWriter<BufWriter<io::PipeWriter>>;

/// Who everything belongs to, and with what bits.
struct Dress<'a> {
    owner: Option<(u32, u32)>,
    wanted: &'a Wanted,
    now: i64,
}

impl Dress<'_> {
    fn put(&self, mut entry: Entry) -> Entry {
        if let Some((uid, gid)) = self.owner {
            (entry.uid, entry.gid) = (uid, gid);
            // A file that gets another owner loses what gives that owner's rights away (chown(2)), in Docker too.
            if matches!(entry.kind, Kind::File { .. }) {
                entry.xattrs.retain(|(key, _)| **key != *b"security.capability");
                let group = if entry.mode & 0o010 != 0 { 0o2000 } else { 0 };
                entry.mode &= !(0o4000 | group);
            }
        }
        if let Some(change) = &self.wanted.chmod
            && !matches!(entry.kind, Kind::Symlink { .. })
        {
            entry.mode = change.apply(entry.mode, matches!(entry.kind, Kind::Directory { .. }));
        }
        entry
    }

    /// A directory that a path needs.
    fn directory(&self, path: &[u8]) -> Entry {
        let (uid, gid) = self.owner.unwrap_or((0, 0));
        let mtime = Time { seconds: self.now, nanoseconds: 0 };
        let kind = Kind::Directory { opaque: false };
        Entry { path: path.into(), kind, mode: 0o755, uid, gid, mtime, xattrs: Vec::new() }
    }

    /// A file that comes from no file system.
    fn file(&self, path: &[u8], size: u64, mode: u16) -> Entry {
        Entry { kind: Kind::File { size, disk: None }, mode, ..self.directory(path) }
    }
}

impl Build<'_> {
    /// Unpacks into a new layer the tar that `make` writes.
    pub(crate) fn write(
        &self,
        writable: &Writable,
        make: impl FnOnce(&mut Tar) -> io::Result<()> + Send,
    ) -> Result<()> {
        let (reader, writer) = io::pipe().map_err(BuildError::io("make a pipe for", &writable.upper))?;
        let (made, unpacked) = std::thread::scope(|scope| {
            let making = scope.spawn(move || {
                let mut tar = PaxWriter::new(BufWriter::with_capacity(256 << 10, writer));
                make(&mut tar)?;
                tar.finish().map(drop)
            });
            let unpacked = self.extract(reader, writable.as_fd());
            (making.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), unpacked)
        });
        match (made, unpacked) {
            // A pipe that breaks says only that the other side gave up.
            (Err(error), _) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(BuildError::Invalid(format!("cannot copy: {error}")))
            }
            (_, unpacked) => unpacked,
        }
    }

    fn extract(&self, tar: impl Read + Send, target: BorrowedFd<'_>) -> Result<()> {
        let root = self.images.layout().root();
        let file_system = File::open(root).map_err(BuildError::io("open", root))?;
        let options = ApplyOptions {
            rootless: self.images.shared.root.rootless(),
            floor: apply::floor(&file_system),
            cancel: self.cancel,
            on_bytes: &|_| {},
        };
        apply::extract(tar, target, &options)
            .map(drop)
            .map_err(|error| ImageError::apply("copied files", root, error).into())
    }

    /// Writes all sources.
    pub(super) fn write_items(
        &self,
        items: &[Item],
        wanted: &Wanted,
        writable: &Writable,
        step: &Instruction,
    ) -> Result<()> {
        let owner = match &wanted.chown {
            Some(text) => {
                let (passwd, group) =
                    (tree::text(writable.as_fd(), "etc/passwd"), tree::text(writable.as_fd(), "etc/group"));
                let owner = crate::container::owner(text, &passwd, &group);
                Some(owner.map_err(|why| {
                    step.place.problem(text, format!("unable to convert uid/gid chown string to host mapping: {why}"))
                })?)
            }
            None if matches!(wanted.from, super::From::Context) => Some((0, 0)),
            None => None,
        };
        let dress = Dress { owner, wanted, now: jiff::Timestamp::now().as_second() };
        for item in items {
            self.write_item(item, &dress, writable, step)?;
        }
        Ok(())
    }

    fn write_item(&self, item: &Item, dress: &Dress<'_>, writable: &Writable, step: &Instruction) -> Result<()> {
        let wanted = dress.wanted;
        let no_directory = |error: io::Error| {
            let why = if error.kind() == io::ErrorKind::NotADirectory {
                "it is below a file".into()
            } else {
                error.to_string()
            };
            BuildError::Dockerfile(step.place.problem(&wanted.target, format!("cannot copy to {}: {why}", wanted.path)))
        };
        let mut target = wanted.path.trim_matches('/').as_bytes().to_vec();
        if wanted.parents {
            target = join(&target, &item.parents);
        }
        let root = wanted.root(self.context.root());
        let found = match (&item.content, root) {
            (Content::Path { real, is_directory: false }, Some(root)) if wanted.unpack => archive_at(root, real),
            (Content::File { file, .. }, _) if wanted.unpack_downloads => file.try_clone().and_then(archive),
            _ => Ok(None),
        };
        if let Some(archive) = found.map_err(BuildError::io("read", String::from_utf8_lossy(&item.name).as_ref()))? {
            let placed = place(writable.as_fd(), &target).map_err(no_directory)?;
            let plain = Dress { owner: Some((0, 0)), wanted, now: dress.now };
            self.write(writable, |tar| placed.missing.iter().try_for_each(|path| tar.entry(&plain.directory(path))))?;
            let directory = beneath::open_directory(writable.as_fd(), &placed.path).map_err(no_directory)?;
            return self.extract(archive, directory.as_fd()).map_err(|error| match error {
                BuildError::Image(ImageError::Layer { detail, .. }) => {
                    let name = String::from_utf8_lossy(&item.name).into_owned();
                    step.place.problem(&name, format!("cannot unpack {name}: {detail}")).into()
                }
                error => error,
            });
        }
        let placed = target_of(item, wanted, writable, &target).map_err(no_directory)?;
        self.write(writable, |tar| {
            placed.missing.iter().try_for_each(|path| tar.entry(&dress.directory(path)))?;
            match (&item.content, root) {
                (Content::Path { real, is_directory: true }, Some(root)) => {
                    copy_directory(root, real, &placed.path, dress, tar)
                }
                (Content::Path { real, .. }, Some(root)) => copy_file(root, real, placed.path.clone(), dress, tar),
                (Content::Path { .. }, None) => Ok(()),
                (Content::Text(text), _) => {
                    tar.entry(&dress.put(dress.file(&placed.path, text.len() as u64, 0o644)))?;
                    tar.write_all(text)
                }
                (Content::File { file, size, modified }, _) => {
                    let mut file = file.try_clone()?;
                    file.rewind()?;
                    let mtime = Time { seconds: *modified, nanoseconds: 0 };
                    tar.entry(&dress.put(Entry { mtime, ..dress.file(&placed.path, *size, 0o600) }))?;
                    fill(file, *size, tar)
                }
            }
        })
    }
}

/// Where an item goes: into a directory that is there or asked for, else to the path itself.
fn target_of(item: &Item, wanted: &Wanted, writable: &Writable, target: &[u8]) -> io::Result<Placed> {
    let is_directory = matches!(item.content, Content::Path { is_directory: true, .. });
    let mut placed = place(writable.as_fd(), target)?;
    if is_directory && wanted.parents {
        placed = place(writable.as_fd(), &join(target, &item.name))?;
    } else if !is_directory && (placed.is_directory || wanted.path.ends_with('/') || wanted.parents) {
        placed = place(writable.as_fd(), &join(&placed.path, &item.name))?;
    }
    if is_directory && placed.missing.is_empty() && !placed.is_directory {
        return Err(io::Error::other("it is no directory"));
    }
    if !is_directory {
        // The last one is the file itself.
        placed.missing.pop();
    }
    Ok(placed)
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    match (directory.is_empty(), name.is_empty()) {
        (true, _) => name.to_vec(),
        (_, true) => directory.to_vec(),
        _ => [directory, b"/", name].concat(),
    }
}

/// The uncompressed stream of a file of a tree, if that is a tar.
fn archive_at(root: BorrowedFd<'_>, path: &[u8]) -> io::Result<Option<Box<dyn Read + Send>>> {
    let (parent, name) = beneath::parent_and_name(path);
    let parent = beneath::open_directory(root, parent)?;
    node::open_file(&parent, name).map_or(Ok(None), archive)
}

/// The uncompressed stream of a file, if that is a tar.
fn archive(mut file: File) -> io::Result<Option<Box<dyn Read + Send>>> {
    file.rewind()?;
    let mut first = Vec::new();
    let Ok(mut stream) = decoder(file) else { return Ok(None) };
    if (&mut stream).take(512).read_to_end(&mut first).is_err() {
        return Ok(None);
    }
    // A file of zeros would be an archive of nothing.
    if first.iter().all(|&b| b == 0) || !looks_like_tar(&first) {
        return Ok(None);
    }
    Ok(Some(Box::new(io::Cursor::new(first).chain(stream))))
}

/// Writes exactly `size` bytes, whatever became of the file meanwhile.
fn fill(file: impl Read, size: u64, tar: &mut Tar) -> io::Result<()> {
    let copied = io::copy(&mut file.take(size), tar)?;
    io::copy(&mut io::repeat(0).take(size - copied), tar).map(drop)
}

fn copy_file(root: BorrowedFd<'_>, from: &[u8], to: Vec<u8>, dress: &Dress<'_>, tar: &mut Tar) -> io::Result<()> {
    let (parent, name) = beneath::parent_and_name(from);
    let parent = beneath::open_directory(root, parent)?;
    let stat = node::stat(&parent, name)?;
    let Some(entry) = tree::entry(parent.as_fd(), name, &stat, to)? else { return Ok(()) };
    let size = entry.kind.size();
    let is_file = matches!(entry.kind, Kind::File { .. });
    tar.entry(&dress.put(entry))?;
    if is_file { fill(node::open_file(&parent, name)?, size, tar) } else { Ok(()) }
}

fn copy_directory(root: BorrowedFd<'_>, from: &[u8], to: &[u8], dress: &Dress<'_>, tar: &mut Tar) -> io::Result<()> {
    let mut linked: HashMap<(u64, u64), Vec<u8>> = HashMap::new();
    for path in below(root, from).map_err(io::Error::other)? {
        let relative = path[from.len()..].strip_prefix(b"/").unwrap_or(&path[from.len()..]);
        let target = join(to, relative);
        if excluded(dress.wanted, &path, from) {
            continue;
        }
        let stat = tree::stat(root, &path)?;
        let is_directory = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir();
        if !is_directory && stat.st_nlink > 1 {
            let first = linked.entry((stat.st_dev, stat.st_ino)).or_insert_with(|| target.clone());
            if *first != target {
                let kind = Kind::Hardlink { target: first.clone().into() };
                tar.entry(&Entry { kind, ..dress.directory(&target) })?;
                continue;
            }
        }
        copy_file(root, &path, target, dress, tar)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::From;
    use super::*;

    #[test]
    fn another_owner_takes_rights_away() {
        let wanted = Wanted { from: From::Nothing, ..Wanted::of_context() };
        let entry = || Entry {
            path: (*b"a").into(),
            kind: Kind::File { size: 0, disk: None },
            mode: 0o6755,
            uid: 5,
            gid: 5,
            mtime: Time::default(),
            xattrs: vec![((*b"security.capability").into(), (*b"x").into()), ((*b"user.kept").into(), (*b"y").into())],
        };
        let put = |owner| Dress { owner, wanted: &wanted, now: 0 }.put(entry());
        let (kept, taken) = (put(None), put(Some((0, 0))));
        assert_eq!((kept.mode, kept.xattrs.len(), kept.uid), (0o6755, 2, 5));
        assert_eq!((taken.mode, taken.xattrs.len(), taken.uid), (0o755, 1, 0));
        assert_eq!(&*taken.xattrs[0].0, b"user.kept");
    }
}
