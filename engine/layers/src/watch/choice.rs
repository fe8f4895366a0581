//! Which mechanism watches an overlay: the best that works, and why no better one.

use std::io;

use super::beneath;
use super::calibrate::{Calibration, calibrate};
use super::event::Evidence;
use super::overlay::Overlay;
use super::run::Options;
use super::watcher::{Directories, Filesystem, Inotify, Watcher};
use std::os::fd::AsFd;

/// A mechanism that may work.
pub(crate) struct Candidate {
    pub(crate) watcher: Option<Box<dyn Watcher>>,
    pub(crate) tells_opens: bool,
    pub(crate) notes: Vec<String>,
}

/// The mechanisms, best first.
pub(crate) const ORDER: [Evidence; 4] = [Evidence::Fanotify, Evidence::Directories, Evidence::Inotify, Evidence::Scan];

/// What is said where the kernel tells no processes, and nobody else does.
pub(crate) const NO_PROCESS: &str = "without root the kernel does not tell which process it was";
/// What is said where they are inferred.
pub(crate) const INFERRED: &str =
    "processes follow from their system calls (seccomp notification), which io_uring goes around";

/// Tries whether `method` can watch `overlay`.
///
/// # Errors
/// Why not, in words for people.
pub(crate) fn candidate(method: Evidence, overlay: &Overlay, options: &Options) -> Result<Candidate, String> {
    match method {
        Evidence::Fanotify => filesystem(overlay, options),
        Evidence::Directories => {
            let watcher = Directories::new().map_err(|error| format!("no fanotify: {error}"))?;
            let mut notes = Vec::new();
            if !watcher.names_processes() {
                notes.push(NO_PROCESS.into());
            }
            Ok(candidate_of(Box::new(watcher), notes))
        }
        Evidence::Inotify => {
            let watcher = Inotify::new().map_err(|error| format!("no inotify: {error}"))?;
            let note =
                "inotify tells neither processes nor what came and went between two looks: what is there is right";
            Ok(candidate_of(Box::new(watcher), vec![note.into()]))
        }
        Evidence::Seccomp => Err("seccomp notification tells who, not what".into()),
        Evidence::Scan => {
            let note = "the upper directory is read every second: what came and went between is not seen";
            Ok(Candidate { watcher: None, tells_opens: false, notes: vec![note.into()] })
        }
    }
}

fn candidate_of(watcher: Box<dyn Watcher>, notes: Vec<String>) -> Candidate {
    Candidate { watcher: Some(watcher), tells_opens: false, notes }
}

fn filesystem(overlay: &Overlay, options: &Options) -> Result<Candidate, String> {
    let upper = beneath::directory(&overlay.upper)
        .map_err(|error| format!("cannot open the upper directory {}: {error}", overlay.upper.display()))?;
    let watcher = Filesystem::new(upper.as_fd()).map_err(|error| refused(&error))?;
    match calibrate(&watcher, &overlay.upper, &options.scratch) {
        Ok(Calibration { structure: false, .. }) => Err("fanotify does not show copy-ups on this kernel".into()),
        Ok(Calibration { writes, opens, .. }) => {
            let mut notes = Vec::new();
            if !writes {
                notes.push(
                    "this kernel does not report writes to copied files: they are found when nothing happens".into(),
                );
            }
            Ok(Candidate { watcher: Some(Box::new(watcher)), tells_opens: opens, notes })
        }
        Err(error) => {
            let note = format!("no overlay could be made to try out what the kernel reports: {error}");
            Ok(Candidate { watcher: Some(Box::new(watcher)), tells_opens: false, notes: vec![note] })
        }
    }
}

fn refused(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM) => "a whole filesystem can be watched by root only".into(),
        Some(libc::EXDEV) => "a btrfs subvolume cannot be watched as a whole".into(),
        Some(libc::EOPNOTSUPP | libc::ENODEV) => "files of this filesystem have no handles".into(),
        Some(libc::EINVAL) => "the kernel is older than 5.17".into(),
        _ => format!("fanotify on the filesystem: {error}"),
    }
}
