//! A path of this machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use outcrop_engine::mount::clean;

use super::Failure;
use super::place::{is_asserted, parent};

/// What is at a path.
pub(in crate::cli) struct Local {
    /// Absolute and clean; a slash at its end, or `/.`, is kept.
    pub(in crate::cli) path: PathBuf,
    pub(in crate::cli) exists: bool,
    pub(in crate::cli) is_directory: bool,
}

impl Local {
    /// Looks; a symbolic link as the last component is followed if `follow`, or if the path asserts to be a folder.
    pub(in crate::cli) fn find(text: &str, follow: bool) -> Result<Self, Failure> {
        let path = absolute(text)?;
        let about = if follow || is_asserted(text) { fs::metadata(&path) } else { fs::symlink_metadata(&path) };
        match about {
            Ok(about) => Ok(Self { path, exists: true, is_directory: about.is_dir() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { path, exists: false, is_directory: false })
            }
            Err(error) => Err(Failure::io("look at", &path, &error)),
        }
    }

    /// Refuses a source that is not there.
    pub(in crate::cli) fn must_exist(&self, text: &str) -> Result<(), Failure> {
        let path = self.path.display();
        if !self.exists {
            return Err(Failure::new(format!("lstat {path}: no such file or directory")));
        }
        if is_asserted(text) && !self.is_directory {
            return Err(Failure::new(format!("{path}: not a directory")));
        }
        Ok(())
    }
}

/// Refuses a destination whose folder is not there.
pub(in crate::cli) fn check_parent(text: &str) -> Result<(), Failure> {
    let path = absolute(text)?;
    let directory = parent(&path.to_string_lossy());
    if Path::new(&directory).is_dir() {
        return Ok(());
    }
    Err(Failure::new(format!("invalid output path: directory {directory:?} does not exist")))
}

fn absolute(text: &str) -> Result<PathBuf, Failure> {
    let path = if text.starts_with('/') {
        text.to_owned()
    } else {
        let here = std::env::current_dir().map_err(|error| Failure::new(format!("no working directory: {error}")))?;
        format!("{}/{text}", here.display())
    };
    let end = match () {
        () if text.ends_with("/.") => "/.",
        () if text.ends_with('/') && clean(&path) != "/" => "/",
        () => "",
    };
    Ok((clean(&path) + end).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_paths() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let at = |name: &str| format!("{}/{name}", directory.path().display());
        fs::write(at("file"), "x").expect("writes");
        std::os::unix::fs::symlink(directory.path(), at("link")).expect("links");
        let find = |name: &str, follow| {
            let found = Local::find(&at(name), follow).expect("looks");
            (found.exists, found.is_directory)
        };
        assert_eq!(find("", true), (true, true));
        assert_eq!(find("file", false), (true, false));
        assert_eq!(find("none", false), (false, false));
        assert_eq!(
            [find("link", false), find("link", true), find("link/", false)],
            [(true, false), (true, true), (true, true)]
        );
        assert_eq!(absolute("/a//b/../c/").expect("path"), Path::new("/a/c/"));
        assert_eq!(absolute("/a/.").expect("path").as_os_str(), "/a/.");
        assert!(check_parent(&at("none/x")).unwrap_err().message().starts_with("invalid output path: directory"));
        assert!(check_parent(&at("x")).is_ok());
    }
}
