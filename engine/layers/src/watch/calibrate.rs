//! Finding out what the kernel tells: one copy-up in an overlay made for that.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::beneath;
use super::raw;
use super::watcher::Watcher;
use crate::sys::fanotify::mask;

/// What the kernel was seen to tell about one copy-up and the write after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calibration {
    /// The copy in the work directory, and that it became a file of the upper one.
    pub(crate) structure: bool,
    /// The write to the copy.
    pub(crate) writes: bool,
    /// That the lower file was opened for it.
    pub(crate) opens: bool,
}

/// Tries it on the filesystem of `upper`, in one of the `scratch` directories that are on it, else beside `upper`.
///
/// # Errors
/// No overlay could be made there.
pub(crate) fn calibrate(watcher: &dyn Watcher, upper: &Path, scratch: &[PathBuf]) -> io::Result<Calibration> {
    let device = fs::metadata(upper)?.dev();
    let on_it = |dir: &&PathBuf| fs::metadata(dir).is_ok_and(|it| it.is_dir() && it.dev() == device);
    let beside = upper.parent().unwrap_or(upper).to_owned();
    let folder = Folder::new(scratch.iter().find(on_it).unwrap_or(&beside))?;
    for name in ["lower", "upper", "work"] {
        fs::create_dir(folder.0.join(name))?;
    }
    fs::write(folder.0.join("lower/file"), "lower")?;
    let overlay = mount(&folder.0)?;
    let dirs = ["lower", "upper", "work/work"].map(|name| handle(&folder.0.join(name)));
    let [lower, upper, work] = [dirs[0].as_ref(), dirs[1].as_ref(), dirs[2].as_ref()];
    let mut buffer = vec![0; 64 << 10];
    // What making the files was reported as must be gone: the kernel would merge the rest with it.
    while let Ok(1..) = rustix::io::read(watcher.descriptor(), &mut buffer[..]) {}
    let file = rustix::fs::openat(&overlay, "file", OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC, Mode::empty())?;
    fs::File::from(file).write_all(b"upper")?;
    let (mut staged, mut seen) = (Vec::new(), Calibration::default());
    while let Ok(n @ 1..) = rustix::io::read(watcher.descriptor(), &mut buffer[..]) {
        for event in raw::events(&buffer[..n]) {
            let is_in = |dir: Option<&Vec<u8>>| dir.is_some_and(|dir| dir == event.dir);
            if is_in(work) {
                staged.push(event.target.to_vec());
                // Linux 6.5 to 6.12 name the copy by its place before.
                seen.writes |= seen.structure && event.is(mask::MODIFY);
            } else if is_in(upper) && event.name == b"file" {
                seen.structure |= event.is(mask::CREATE) && staged.iter().any(|file| file == event.target);
                seen.writes |= event.is(mask::MODIFY);
            } else if is_in(lower) && event.name == b"file" {
                seen.opens |= event.is(mask::OPEN) && !staged.is_empty();
            }
        }
    }
    Ok(seen)
}

fn handle(dir: &Path) -> Option<Vec<u8>> {
    let dir = beneath::directory(dir).ok()?;
    beneath::identity(dir.as_fd(), b"").ok().map(Vec::from)
}

/// An overlay that is in no tree of files: it goes with its descriptor.
fn mount(folder: &Path) -> io::Result<OwnedFd> {
    let new = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, name) in [("lowerdir", "lower"), ("upperdir", "upper"), ("workdir", "work")] {
        rustix::mount::fsconfig_set_string(&new, key, folder.join(name))?;
    }
    rustix::mount::fsconfig_create(&new)?;
    Ok(rustix::mount::fsmount(&new, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}

/// A directory that is removed again.
struct Folder(PathBuf);

impl Folder {
    fn new(within: &Path) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = within.join(format!(".outcrop-watch-{}-{number}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A few empty files that stay do no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}
