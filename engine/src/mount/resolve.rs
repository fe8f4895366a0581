//! The one step that looks at the host: whether a bind's source is there, and what exactly it is.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};

use super::point::no_source;
use super::{BindOptions, Kind, MountError, MountPoint, quote};

/// A source that was found and is held, so that what is mounted is what was checked, whatever happens to its path.
#[derive(Debug)]
pub struct Source {
    /// A path descriptor (`O_PATH`) of it.
    pub fd: OwnedFd,
    /// Whether it is a folder; a target that is made for it must be one too.
    pub directory: bool,
}

/// Checks the bind sources of a new container: those of `--mount` must be there. Binds at or around the data root get the
/// propagation `rslave`, so that a container never keeps layers of others mounted.
///
/// # Errors
/// Docker's words; `invalid mount config …`.
pub fn check_sources(points: &mut [MountPoint], data_root: &Path) -> Result<(), MountError> {
    for point in points.iter_mut().filter(|point| point.kind == Kind::Bind) {
        if point.source_must_exist && fs::symlink_metadata(&point.source).is_err() {
            return Err(no_source(&point.source));
        }
        around_root(point, data_root)?;
    }
    Ok(())
}

fn around_root(point: &mut MountPoint, root: &Path) -> Result<(), MountError> {
    let source = Path::new(&point.source);
    if !source.starts_with(root) && !root.starts_with(source) {
        return Ok(());
    }
    let asked = point.spec.bind_options.as_ref().map_or("", |BindOptions { propagation, .. }| propagation);
    match asked {
        "" => "rslave".clone_into(&mut point.propagation),
        "rslave" | "rshared" => {}
        other => {
            return Err(MountError::new(format!(
                "invalid mount config: must use either propagation mode \"rslave\" or \"rshared\" when mount source is within the daemon root, daemon root: {}, bind mount source: {}, propagation: {}",
                quote(&root.to_string_lossy()),
                quote(&point.source),
                quote(other)
            ))
            .hint("leave the propagation out: rslave is the default there"));
        }
    }
    Ok(())
}

/// Opens a bind's source for mounting. One that is missing is made as a folder, if it came with `-v`.
///
/// # Errors
/// Docker's words: the source does not exist, or cannot be made.
pub fn open_bind(point: &MountPoint) -> Result<Source, MountError> {
    let path = &point.source;
    let fd = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && point.source_must_exist => {
            return Err(no_source(path));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = DirBuilder::new().recursive(true).mode(0o755).create(path);
            made.and_then(|()| open(path)).map_err(|error| {
                MountError::new(format!(
                    "error while creating mount source path '{path}': mkdir {path}: {}",
                    words(&error)
                ))
                .hint("create the folder yourself, or name one that you may write to")
            })?
        }
        other => other.map_err(|error| MountError::new(format!("bind source {path}: {}", words(&error))))?,
    };
    let stat = rustix::fs::fstat(&fd).map_err(|error| MountError::new(format!("bind source {path}: {error}")))?;
    Ok(Source { fd, directory: FileType::from_raw_mode(stat.st_mode).is_dir() })
}

/// Links in the path of a bind's source are followed: it is the user's own path on the host.
fn open(path: &str) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// An error of the system in the words and the case that Docker's texts have.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::super::{MountSpec, parse_bind, point_of};
    use super::*;

    #[test]
    fn a_missing_source_is_made_for_the_short_form_alone() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("a/b");
        let path = missing.to_str().unwrap();
        let spec = MountSpec::new(Kind::Bind, path, "/x");
        let mut points = [point_of(&spec).unwrap()];
        let error = check_sources(&mut points, Path::new("/nowhere")).unwrap_err();
        assert_eq!(
            error.message,
            format!("invalid mount config for type \"bind\": bind source path does not exist: {path}")
        );
        assert!(open_bind(&points[0]).is_err());
        let mut points = [parse_bind(&format!("{path}:/x"), "").unwrap()];
        check_sources(&mut points, Path::new("/nowhere")).unwrap();
        assert!(!missing.exists(), "made when it is mounted, not before");
        assert!(open_bind(&points[0]).unwrap().directory);
        assert!(missing.is_dir());
    }

    #[test]
    fn a_file_is_told_from_a_folder_and_held() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        let point = parse_bind(&format!("{}:/x", file.display()), "").unwrap();
        let source = open_bind(&point).unwrap();
        assert!(!source.directory);
        // Swapped after it was opened: the descriptor still is the old file.
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
        assert_eq!(rustix::fs::fstat(&source.fd).unwrap().st_size, 1);
        let under = parse_bind(&format!("{}/sub:/x", file.display()), "").unwrap();
        assert!(open_bind(&under).unwrap_err().message.contains("not a directory"));
    }

    #[test]
    fn binds_around_the_data_root_are_slaves() {
        let root = Path::new("/var/lib/outcrop");
        for (bind, expected) in [
            ("/var:/x", Ok("rslave")),
            ("/var/lib/outcrop/volumes:/x", Ok("rslave")),
            ("/var/lib/outcrop2:/x", Ok("rprivate")),
            ("/:/x:rshared", Ok("rshared")),
            ("/var/lib:/x:private", Err(())),
        ] {
            let mut points = [parse_bind(bind, "").unwrap()];
            let result = check_sources(&mut points, root).map(|()| points[0].propagation.as_str());
            assert_eq!(
                result.map_err(|error| assert!(error.message.contains("daemon root: \"/var/lib/outcrop\""))),
                expected,
                "{bind}"
            );
        }
    }
}
