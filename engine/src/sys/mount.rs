//! Mounting overlays, and unmounting.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, UnmountFlags};

/// Longest value the kernel takes for one option of a new mount, in bytes.
const LONGEST_VALUE: usize = 255;

/// Smallest page of any machine, in bytes: `mount(2)` takes so many bytes of options.
const PAGE: usize = 4096;

/// An overlay to be mounted.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// A directory that the paths below may be relative to.
    pub base: PathBuf,
    /// Lower directories, topmost first.
    pub lowers: Vec<PathBuf>,
    /// Upper and work directory; without them the overlay is read-only.
    pub upper: Option<(PathBuf, PathBuf)>,
    /// Whether overlayfs keeps its attributes as `user.overlay.*`, as it must in a user namespace.
    pub userxattr: bool,
}

impl Overlay {
    /// Mounts it at `target`.
    ///
    /// # Errors
    /// Those of the kernel, with what overlayfs itself says about it where it says something.
    pub fn mount(&self, target: &Path) -> io::Result<()> {
        match self.tree() {
            Ok(tree) => attach(&tree, target),
            Err(error) if needs_old_way(&error) => self.mount_old(target),
            Err(error) => Err(error),
        }
    }

    /// Mounts it where nobody sees it, or on an old kernel for a moment at `target`, and takes it away again.
    pub fn try_out(&self, target: &Path) -> io::Result<()> {
        match self.tree() {
            Err(error) if needs_old_way(&error) => {
                self.mount_old(target)?;
                unmount(target)
            }
            made => made.map(drop),
        }
    }

    /// Makes the mount without a place in the tree of files: it vanishes when the descriptor is closed (Linux 6.5 and later).
    pub fn tree(&self) -> io::Result<OwnedFd> {
        let base = rustix::fs::open(&self.base, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let new = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        let told = |error: Errno| told(&new, error);
        let set = |key: &str, value: &[u8]| rustix::mount::fsconfig_set_string(&new, key, value);
        set("source", b"overlay").map_err(told)?;
        for lower in &self.lowers {
            set("lowerdir+", &self.short(base.as_fd(), lower)).map_err(told)?;
        }
        if let Some((upper, work)) = &self.upper {
            set("upperdir", &self.short(base.as_fd(), upper)).map_err(told)?;
            set("workdir", &self.short(base.as_fd(), work)).map_err(told)?;
        }
        if self.userxattr {
            rustix::mount::fsconfig_set_flag(&new, "userxattr").map_err(told)?;
        } else {
            // Upper directories must stay readable without this kernel; an unknown option is no harm then.
            for key in ["index", "redirect_dir", "metacopy"] {
                let _ = set(key, b"off");
            }
        }
        rustix::mount::fsconfig_create(&new).map_err(told)?;
        let flags = if self.upper.is_none() { MountAttrFlags::MOUNT_ATTR_RDONLY } else { MountAttrFlags::empty() };
        Ok(rustix::mount::fsmount(&new, FsMountFlags::FSMOUNT_CLOEXEC, flags)?)
    }

    /// The path itself where the kernel takes it, else one through the descriptor of the base directory.
    fn short(&self, base: BorrowedFd<'_>, path: &Path) -> Vec<u8> {
        let whole = self.base.join(path);
        if whole.as_os_str().len() <= LONGEST_VALUE {
            return whole.into_os_string().as_bytes().to_vec();
        }
        let path = path.strip_prefix(&self.base).unwrap_or(path);
        Path::new(&super::fd::in_proc(base)).join(path).into_os_string().as_bytes().to_vec()
    }

    /// `mount(2)`, all options in one page: paths relative to the base directory, in a thread with its own working directory.
    fn mount_old(&self, target: &Path) -> io::Result<()> {
        let target = std::path::absolute(target)?;
        let options = self.options();
        if options.len() >= PAGE {
            return Err(io::Error::new(
                io::ErrorKind::ArgumentListTooLong,
                format!("{} lower directories do not fit into one page of mount options", self.lowers.len()),
            ));
        }
        let data = std::ffi::CString::new(options)?;
        let flags = if self.upper.is_none() { MountFlags::RDONLY } else { MountFlags::empty() };
        std::thread::scope(|scope| {
            let mounted = scope.spawn(|| {
                own_working_directory()?;
                rustix::process::chdir(&self.base)?;
                Ok(rustix::mount::mount("overlay", &target, "overlay", flags, &*data)?)
            });
            mounted.join().unwrap_or_else(|_| Err(io::Error::other("the mounting thread ended")))
        })
    }

    fn options(&self) -> Vec<u8> {
        let relative = |path: &Path| escape(path.strip_prefix(&self.base).unwrap_or(path).as_os_str());
        let mut options = b"lowerdir=".to_vec();
        for (n, lower) in self.lowers.iter().enumerate() {
            if n > 0 {
                options.push(b':');
            }
            options.extend(relative(lower));
        }
        if let Some((upper, work)) = &self.upper {
            options.extend([b",upperdir=".to_vec(), relative(upper), b",workdir=".to_vec(), relative(work)].concat());
        }
        options.extend_from_slice(if self.userxattr { b",userxattr" } else { b",index=off" });
        options
    }
}

/// Puts a mount into the tree of files.
fn attach(tree: &OwnedFd, target: &Path) -> io::Result<()> {
    Ok(rustix::mount::move_mount(tree, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// Shows the directory `from` also at `target`; read-only on request.
pub fn bind(from: &Path, target: &Path, read_only: bool) -> io::Result<()> {
    rustix::mount::mount_bind(from, target)?;
    if !read_only {
        return Ok(());
    }
    let flags = MountFlags::BIND | MountFlags::RDONLY;
    rustix::mount::mount_remount(target, flags, "").map_err(|error| {
        // What cannot be made read-only must not stay.
        let _ = unmount(target);
        error.into()
    })
}

/// Shows what `from` is open at also at `target`, with all mounts below it where `recursive`: whatever became of its path.
///
/// `from` must have been opened in this process's mount namespace.
pub fn bind_descriptor(from: impl AsFd, target: &Path, recursive: bool) -> io::Result<()> {
    use rustix::mount::OpenTreeFlags;
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let tree = rustix::mount::open_tree(from, "", flags)?;
    attach(&tree, target)
}

/// Takes the topmost mount away from `target`, also while it is in use. That there is none is no error.
pub fn unmount(target: &Path) -> io::Result<()> {
    match rustix::mount::unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the kernel does not know this way to mount: before Linux 5.2 at all, before 6.5 for overlays.
fn needs_old_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || error.get_ref().and_then(|e| e.downcast_ref::<Told>()).is_some_and(|told| told.text.contains("lowerdir+"))
        || error.raw_os_error() == Some(Errno::INVAL.raw_os_error())
}

/// What the kernel said about a mount that failed.
#[derive(Debug, thiserror::Error)]
#[error("{error} ({text})")]
struct Told {
    error: io::Error,
    text: String,
}

/// Adds the messages that the kernel left at the descriptor (`fsopen(2)`, "Message retrieval").
fn told(new: &OwnedFd, error: Errno) -> io::Error {
    let mut texts = Vec::new();
    let mut line = [0; 1024];
    if let Ok(copy) = new.try_clone() {
        let mut messages = std::fs::File::from(copy);
        while let Ok(n @ 1..) = messages.read(&mut line) {
            let text = String::from_utf8_lossy(&line[..n]);
            texts.push(text.trim_start_matches(['e', 'w', 'i', ' ']).trim_end().to_owned());
        }
    }
    if texts.is_empty() {
        return error.into();
    }
    let error = io::Error::from(error);
    io::Error::new(error.kind(), Told { text: texts.join("; "), error })
}

fn escape(path: &OsStr) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for &byte in path.as_bytes() {
        if matches!(byte, b':' | b'\\' | b',') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out
}

/// Gives the calling thread a working directory and umask of its own.
fn own_working_directory() -> io::Result<()> {
    #[expect(unsafe_code, reason = "rustix declares all kinds of unsharing unsafe")]
    // SAFETY: only `UnshareFlags::FILES` affects descriptors, and it is not given.
    let unshared = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FS) };
    Ok(unshared?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_old_way() {
        let overlay = Overlay {
            base: "/r".into(),
            lowers: vec!["/r/l/A".into(), "l/B".into(), "/x:y,z".into()],
            upper: Some(("/r/u/diff".into(), "/r/u/work".into())),
            userxattr: true,
        };
        let expected = r"lowerdir=l/A:l/B:/x\:y\,z,upperdir=u/diff,workdir=u/work,userxattr";
        assert_eq!(String::from_utf8(overlay.options()).expect("text"), expected);
    }

    #[test]
    #[ignore = "needs root: run by .ci/run"]
    fn both_ways_mount() {
        let dir = tempfile::tempdir().expect("directory");
        for name in ["low", "up/diff", "up/work", "at"] {
            std::fs::create_dir_all(dir.path().join(name)).expect("directory");
        }
        std::fs::write(dir.path().join("low/file"), "x").expect("file");
        let upper = Some((dir.path().join("up/diff"), dir.path().join("up/work")));
        let overlay =
            Overlay { base: dir.path().into(), lowers: vec![dir.path().join("low")], upper, userxattr: false };
        let at = dir.path().join("at");
        for old in [false, true] {
            if old { overlay.mount_old(&at) } else { overlay.mount(&at) }.expect("mounts");
            assert_eq!(std::fs::read_to_string(at.join("file")).expect("file"), "x");
            unmount(&at).expect("unmounts");
            assert!(!at.join("file").exists());
        }
        let broken = Overlay { lowers: vec![dir.path().join("none")], ..overlay };
        assert!(broken.mount(&at).is_err());
    }
}
