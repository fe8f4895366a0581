//! Unix sockets at paths of any length: named by the directory's descriptor.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Listens at `path`; the socket is for its owner alone from the start.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    let (_directory, short) = short(path)?;
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(short);
    rustix::process::umask(before);
    listener
}

/// Connects to `path`.
pub(crate) fn connect(path: &Path) -> io::Result<UnixStream> {
    let (_directory, short) = short(path)?;
    UnixStream::connect(short)
}

fn short(path: &Path) -> io::Result<(File, PathBuf)> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = File::open(parent)?;
    let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    Ok((directory, short))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn long_paths_work() {
        let directory = tempfile::tempdir().expect("a directory");
        let deep = directory.path().join("d".repeat(100)).join("e".repeat(100));
        std::fs::create_dir_all(&deep).expect("directories");
        let path = deep.join("socket");
        let _listener = bind(&path).expect("listening");
        connect(&path).expect("connected");
        assert_eq!(std::fs::metadata(&path).expect("a socket").permissions().mode() & 0o777, 0o600);
    }
}
