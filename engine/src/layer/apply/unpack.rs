//! Makes the entries of a layer, one after the other.

mod replace;

use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use outcrop_layers::entry::{Entry, Kind, Time};
use outcrop_layers::tar::{LayerItem, Member, Record, TarEntry, TarError, is_overlay_xattr};
use outcrop_layers::tarsplit::Kept;
use rustix::fs::FileType;

use super::loss::{Loss, Told};
use super::space::Space;
use super::{ApplyError, ApplyOptions, Unpacked, from_tar, shown};
use crate::sys::dirs::{Directory, Dirs};
use crate::sys::{beneath, fs, node};

/// Bytes written at once.
const BUFFER: usize = 1 << 20;

/// A directory's default ACL would change the modes of what is made in it, so it is set last.
const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

pub(super) struct Unpacker<'a> {
    dirs: Dirs,
    space: Space<'a>,
    rootless: bool,
    /// Whether `.wh.` names mean what they mean in layers.
    marks: bool,
    opaque: &'static [u8],
    umask: u16,
    /// Owner that new files get by themselves, once one was made.
    born: Option<(u32, u32)>,
    /// Whether directories pass their group on.
    inherits_group: bool,
    late: Vec<Late>,
    /// Whether something was removed again, so that paths of `late` may be something else by now.
    replaced: bool,
    told: Told,
    /// Content that the layer's record needs although it is replaced.
    kept: Kept,
    /// Where files really are that were made by a path with links: the record does not know them by that name.
    elsewhere: HashSet<Box<[u8]>>,
    size: u64,
    entries: u64,
    buffer: Vec<u8>,
}

/// What is set on a directory when nothing is made in it any more.
struct Late {
    path: Box<[u8]>,
    time: Time,
    acl: Option<Box<[u8]>>,
}

/// Reads a member as what it says it is, whatever its name means in a layer.
fn plain(member: Member) -> Result<LayerItem, TarError> {
    let path = member.path()?;
    let Member { kind, mode, uid, gid, mtime, mut xattrs, .. } = member;
    xattrs.retain(|(name, _)| !is_overlay_xattr(name));
    Ok(LayerItem::Entry(Entry { path, kind, mode, uid, gid, mtime, xattrs }))
}

/// Gives an error the entry it is about.
struct At<'a> {
    path: &'a [u8],
}

impl At<'_> {
    fn error(&self, doing: &'static str) -> impl FnOnce(io::Error) -> ApplyError {
        let path = shown(self.path);
        move |source| ApplyError::Entry { path, doing, source }
    }
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(target: BorrowedFd<'a>, options: &ApplyOptions<'_>, marks: bool) -> io::Result<Self> {
        let stat = rustix::fs::fstat(target)?;
        let keep_in = target.try_clone_to_owned()?;
        // With `grpid` all directories of a file system pass their group on, as one with the set-group-ID bit does.
        let mount = fs::mounted(target).map(|m| m.options).unwrap_or_default();
        let grpid = mount.split(',').any(|option| matches!(option, "grpid" | "bsdgroups"));
        Ok(Self {
            dirs: Dirs::new(target)?,
            space: Space::new(target, options.floor),
            rootless: options.rootless,
            marks,
            opaque: if options.rootless { b"user.overlay.opaque" } else { b"trusted.overlay.opaque" },
            umask: fs::umask().unwrap_or(0o777),
            born: None,
            // What is in the directory of a plain archive already may pass its group on anywhere.
            inherits_group: !marks || grpid || stat.st_mode & 0o2000 != 0,
            late: Vec::new(),
            replaced: false,
            told: Told::default(),
            kept: Kept::new(move || fs::nameless_file(&keep_in)),
            elsewhere: HashSet::new(),
            size: 0,
            entries: 0,
            buffer: vec![0; BUFFER],
        })
    }

    /// Makes one entry.
    pub(super) fn entry<R: Read, S: Record>(&mut self, entry: &mut TarEntry<'_, R, S>) -> Result<(), ApplyError> {
        self.entries += 1;
        if let Some((name, _)) = entry.header.xattrs.iter().find(|(name, _)| is_overlay_xattr(name)) {
            self.told.tell(Loss::OverlayXattr, &entry.header.name, &name.escape_ascii().to_string());
        }
        let sparse = entry.header.sparse.is_some();
        let member = entry.header.clone();
        let item = if self.marks { member.layer_item() } else { plain(member).map(Some) };
        match item.map_err(from_tar)? {
            None => Ok(()),
            Some(LayerItem::Opaque { directory }) => self.mark_opaque(&directory),
            Some(LayerItem::Entry(made)) if made.path.is_empty() => self.root(&made),
            Some(LayerItem::Entry(made)) => match &made.kind {
                Kind::File { size, .. } => self.file(&made, *size, sparse, entry),
                Kind::Directory { .. } => self.directory(made),
                Kind::Whiteout => self.whiteout(&made),
                Kind::Hardlink { target } => self.hardlink(&made.path, target),
                Kind::Symlink { target } => self.symlink(&made, target),
                Kind::CharDevice { major, minor } => self.special(&made, FileType::CharacterDevice, *major, *minor),
                Kind::BlockDevice { major, minor } => self.special(&made, FileType::BlockDevice, *major, *minor),
                Kind::Fifo => self.special(&made, FileType::Fifo, 0, 0),
                Kind::Socket => self.special(&made, FileType::Socket, 0, 0),
            },
        }
    }

    /// Sets what had to wait.
    pub(super) fn finish(mut self) -> Result<(Unpacked, Kept), ApplyError> {
        for late in std::mem::take(&mut self.late) {
            let at = At { path: &late.path };
            let (parent, name) = beneath::parent_and_name(&late.path);
            let name = if name.is_empty() { b"." } else { name };
            let found = self.dirs.find(parent).and_then(|dir| {
                let is_directory = !self.replaced || FileType::from_raw_mode(node::stat(&dir, name)?.st_mode).is_dir();
                Ok(is_directory.then_some(dir))
            });
            let Ok(Some(dir)) = found else { continue };
            if let Some(acl) = &late.acl {
                let set = node::set_xattr(&dir, name, DEFAULT_ACL, acl);
                self.kept(set, Loss::Xattr, &late.path, "system.posix_acl_default", "set its default ACL")?;
            }
            node::set_times(&dir, name, late.time.seconds, late.time.nanoseconds).map_err(at.error("set its times"))?;
        }
        let unpacked = Unpacked { size: self.size, entries: self.entries, warnings: self.told.into_texts() };
        Ok((unpacked, self.kept))
    }

    fn file<R: Read, S: Record>(
        &mut self,
        made: &Entry,
        size: u64,
        sparse: bool,
        content: &mut TarEntry<'_, R, S>,
    ) -> Result<(), ApplyError> {
        let at = At { path: &made.path };
        // Also a sparse file needs its whole size free: whoever copies it may well write the zeros.
        self.space.take(size)?;
        let fd = self.create(&made.path, |dir, name| node::create_file(dir, name, made.mode & 0o777))?;
        let mut file = std::fs::File::from(fd);
        if sparse {
            let extents = content.header.sparse.clone().unwrap_or_default();
            for extent in extents {
                file.seek(SeekFrom::Start(extent.offset)).map_err(at.error("write"))?;
                self.copy(&mut file, content, extent.length, &at)?;
            }
            file.set_len(size).map_err(at.error("write"))?;
        } else {
            self.copy(&mut file, content, size, &at)?;
        }
        self.size += size;
        self.owner_and_mode(&OwnedFd::from(file), made)?;
        let (dir, name) = self.place(&made.path)?;
        if let Some(real) = dir.real(name).filter(|_| self.marks) {
            // Its name in the layer may lead elsewhere in the end.
            if !sparse {
                self.keep(&dir, name, &made.path, size)?;
            }
            self.elsewhere.insert(real);
        }
        Ok(())
    }

    /// Writes `length` bytes of stored content.
    fn copy<R: Read, S: Record>(
        &mut self,
        file: &mut std::fs::File,
        content: &mut TarEntry<'_, R, S>,
        length: u64,
        at: &At<'_>,
    ) -> Result<(), ApplyError> {
        let mut left = length;
        while left > 0 {
            let wanted = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let mut filled = 0;
            while filled < wanted {
                match content.read_stored(&mut self.buffer[filled..wanted]) {
                    Ok(0) => return Err(at.error("read its content")(io::ErrorKind::UnexpectedEof.into())),
                    Ok(n) => filled += n,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(content_error(error, at)),
                }
            }
            if let Err(error) = file.write_all(&self.buffer[..filled]) {
                return Err(self.no_space(error, left, "write", at));
            }
            left -= filled as u64;
        }
        Ok(())
    }

    /// Sets owner, mode, attributes and times of a file that was just made: in this order, since each may undo the ones before.
    fn owner_and_mode(&mut self, fd: &OwnedFd, made: &Entry) -> Result<(), ApplyError> {
        let at = At { path: &made.path };
        let born = if let Some(born) = self.born {
            born
        } else {
            let stat = rustix::fs::fstat(fd).map_err(|e| at.error("read its owner")(e.into()))?;
            *self.born.insert((stat.st_uid, stat.st_gid))
        };
        if self.inherits_group || born != (made.uid, made.gid) {
            let set = node::fchown(fd, made.uid, made.gid);
            self.owned(set, made)?;
        }
        if made.mode & 0o7000 != 0 || made.mode & self.umask != 0 {
            node::fchmod(fd, made.mode).map_err(at.error("set its mode"))?;
        }
        for (key, value) in &made.xattrs {
            let set = node::fset_xattr(fd, key, value);
            self.attribute(set, made, key)?;
        }
        node::fset_times(fd, made.mtime.seconds, made.mtime.nanoseconds).map_err(at.error("set its times"))
    }

    /// The entry of the layer's root: only its metadata counts.
    fn root(&mut self, made: &Entry) -> Result<(), ApplyError> {
        if !made.kind.is_directory() {
            return Err(ApplyError::Refused { path: "\"/\"".into(), why: "the root of a layer must be a directory" });
        }
        let fd = node::open_directory(self.dirs.root(), b".").map_err(ApplyError::Target)?;
        self.directory_metadata(&fd, made)?;
        self.delay(made);
        Ok(())
    }

    fn directory(&mut self, made: Entry) -> Result<(), ApplyError> {
        self.space.take(0)?;
        let at = At { path: &made.path };
        let (dir, name) = self.place(&made.path)?;
        let mut opaque = false;
        if let Err(error) = node::create_directory(&dir, name) {
            if error.kind() != io::ErrorKind::AlreadyExists {
                return Err(self.no_space(error, 0, "make the directory", &at));
            }
            let there = node::stat(&dir, name).map_err(at.error("look at what is there"))?;
            if !FileType::from_raw_mode(there.st_mode).is_dir() {
                // Over a whiteout of the same layer: what lower layers have in it stays hidden.
                opaque = node::is_whiteout(&there);
                self.replace(&dir, &made.path)?;
                node::create_directory(&dir, name).map_err(at.error("make the directory"))?;
            }
        }
        let fd = node::open_directory(&dir, name).map_err(at.error("open the directory"))?;
        self.directory_metadata(&fd, &made)?;
        if opaque {
            node::fset_xattr(&fd, self.opaque, b"y").map_err(at.error("mark it opaque"))?;
        }
        self.delay(&made);
        self.dirs.remember(made.path, &dir, fd);
        Ok(())
    }

    fn directory_metadata(&mut self, fd: &OwnedFd, made: &Entry) -> Result<(), ApplyError> {
        let at = At { path: &made.path };
        if self.inherits_group || self.born != Some((made.uid, made.gid)) {
            let set = node::fchown(fd, made.uid, made.gid);
            self.owned(set, made)?;
        }
        node::fchmod(fd, made.mode).map_err(at.error("set its mode"))?;
        self.inherits_group |= made.mode & 0o2000 != 0;
        for (key, value) in made.xattrs.iter().filter(|(key, _)| **key != *DEFAULT_ACL) {
            let set = node::fset_xattr(fd, key, value);
            self.attribute(set, made, key)?;
        }
        Ok(())
    }

    fn delay(&mut self, made: &Entry) {
        let acl = made.xattrs.iter().find(|(key, _)| **key == *DEFAULT_ACL).map(|(_, value)| value.clone());
        self.late.push(Late { path: made.path.clone(), time: made.mtime, acl });
    }

    /// Hides what lower layers have at `path`; what this layer has there stays.
    fn whiteout(&mut self, made: &Entry) -> Result<(), ApplyError> {
        self.space.take(0)?;
        let at = At { path: &made.path };
        let (dir, name) = self.place(&made.path)?;
        let Err(error) = node::create_whiteout(&dir, name) else {
            return self.metadata_by_name(made, None);
        };
        if error.kind() != io::ErrorKind::AlreadyExists {
            return Err(self.no_space(error, 0, "make the whiteout", &at));
        }
        let there = node::stat(&dir, name).map_err(at.error("look at what is there"))?;
        if FileType::from_raw_mode(there.st_mode).is_dir() {
            let fd = node::open_directory(&dir, name).map_err(at.error("open the directory"))?;
            node::fset_xattr(&fd, self.opaque, b"y").map_err(at.error("mark it opaque"))?;
        }
        Ok(())
    }

    fn mark_opaque(&mut self, directory: &[u8]) -> Result<(), ApplyError> {
        self.space.take(0)?;
        let at = At { path: directory };
        if directory.is_empty() {
            self.told.tell(Loss::OpaqueRoot, b"/", "");
        }
        let found = self.dirs.find_or_make(directory).map_err(at.error("find the directory"))?;
        let fd = node::open_directory(&found, b".").map_err(at.error("open the directory"))?;
        node::fset_xattr(&fd, self.opaque, b"y").map_err(at.error("mark it opaque"))
    }

    fn hardlink(&mut self, path: &[u8], target: &[u8]) -> Result<(), ApplyError> {
        let at = At { path };
        if path == target {
            return Err(ApplyError::Refused { path: shown(path), why: "it is a hard link to itself" });
        }
        let (parent, old) = beneath::parent_and_name(target);
        let found = self.dirs.find(parent).map_err(at.error("find the target of the hard link"))?;
        let stat = node::stat(&found, old).map_err(at.error("find the target of the hard link"))?;
        if FileType::from_raw_mode(stat.st_mode).is_dir() || node::is_whiteout(&stat) {
            return Err(ApplyError::Refused { path: shown(path), why: "it is a hard link to what is no file" });
        }
        self.space.take(0)?;
        self.create(path, |dir, name| node::create_hardlink(&found, old, dir, name)).map(drop)
    }

    fn symlink(&mut self, made: &Entry, target: &[u8]) -> Result<(), ApplyError> {
        self.space.take(0)?;
        self.create(&made.path, |dir, name| node::create_symlink(dir, name, target))?;
        self.size += target.len() as u64;
        self.metadata_by_name(made, None)
    }

    fn special(&mut self, made: &Entry, kind: FileType, major: u32, minor: u32) -> Result<(), ApplyError> {
        self.space.take(0)?;
        match self.create(&made.path, |dir, name| node::create_special(dir, name, kind, major, minor)) {
            Err(ApplyError::Entry { source, .. })
                if self.rootless && source.kind() == io::ErrorKind::PermissionDenied =>
            {
                self.told.tell(Loss::Device, &made.path, &format!("{major}:{minor}"));
                Ok(())
            }
            Err(error) => Err(error),
            Ok(()) => self.metadata_by_name(made, Some(made.mode)),
        }
    }

    /// Metadata of what cannot be opened without an effect.
    fn metadata_by_name(&mut self, made: &Entry, mode: Option<u16>) -> Result<(), ApplyError> {
        let at = At { path: &made.path };
        let (dir, name) = self.place(&made.path)?;
        let set = node::chown(&dir, name, made.uid, made.gid);
        self.owned(set, made)?;
        if let Some(mode) = mode {
            node::chmod(&dir, name, mode).map_err(at.error("set its mode"))?;
        }
        for (key, value) in &made.xattrs {
            let set = node::set_xattr(&dir, name, key, value);
            self.attribute(set, made, key)?;
        }
        node::set_times(&dir, name, made.mtime.seconds, made.mtime.nanoseconds).map_err(at.error("set its times"))
    }

    /// The open parent directory of an entry, and the entry's name in it.
    fn place<'p>(&mut self, path: &'p [u8]) -> Result<(Directory, &'p [u8]), ApplyError> {
        let (parent, name) = beneath::parent_and_name(path);
        match self.dirs.find_or_make(parent) {
            Ok(dir) => Ok((dir, name)),
            Err(error) => Err(self.no_space(error, 0, "find the directory it is in", &At { path })),
        }
    }

    /// Creates something that is no directory, in place of whatever is there.
    fn create<T>(
        &mut self,
        path: &[u8],
        create: impl Fn(BorrowedFd<'_>, &[u8]) -> io::Result<T>,
    ) -> Result<T, ApplyError> {
        let (dir, name) = self.place(path)?;
        let mut created = create(dir.as_fd(), name);
        if created.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists) {
            self.replace(&dir, path)?;
            created = create(dir.as_fd(), name);
        }
        created.map_err(|error| self.no_space(error, 0, "create", &At { path }))
    }

    fn no_space(&self, error: io::Error, needed: u64, doing: &'static str, at: &At<'_>) -> ApplyError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => self.space.full(needed),
            _ => at.error(doing)(error),
        }
    }

    /// Lets a failed change of owner pass where it has to be expected.
    fn owned(&mut self, set: io::Result<()>, made: &Entry) -> Result<(), ApplyError> {
        self.kept(set, Loss::Owner, &made.path, &format!("{}:{}", made.uid, made.gid), "set its owner")
    }

    fn attribute(&mut self, set: io::Result<()>, made: &Entry, key: &[u8]) -> Result<(), ApplyError> {
        if set.is_ok() {
            return Ok(());
        }
        self.kept(set, Loss::Xattr, &made.path, &key.escape_ascii().to_string(), "set an extended attribute")
    }

    /// What an ordinary user may not do, and attributes that a file system does not have, are told but do not fail.
    fn kept(
        &mut self,
        set: io::Result<()>,
        loss: Loss,
        path: &[u8],
        what: &str,
        doing: &'static str,
    ) -> Result<(), ApplyError> {
        let Err(error) = set else { return Ok(()) };
        let expected = match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::NOTSUP | rustix::io::Errno::PERM) => loss == Loss::Xattr || self.rootless,
            // A user namespace has no such ID.
            Some(rustix::io::Errno::INVAL) => self.rootless,
            _ => false,
        };
        if !expected {
            return Err(self.no_space(error, 0, doing, &At { path }));
        }
        self.told.tell(loss, path, what);
        Ok(())
    }
}

fn content_error(error: io::Error, at: &At<'_>) -> ApplyError {
    match error.downcast::<TarError>() {
        Ok(error) => from_tar(error),
        Err(error) => at.error("read its content")(error),
    }
}
