//! Ordinary users, whom root becomes to run the program.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// An ordinary user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// One that has ranges in /etc/subuid and /etc/subgid: `nobody`, as `newuidmap` wants a user with a name.
    Ranges,
    /// One that nothing knows of: only their own ID can be mapped.
    Single,
}

/// Shows the tables of IDs and the program where the user can read them, to the command that follows alone.
const SCRIPT: &str = "mount --bind \"$1\" /etc/subuid && mount --bind \"$1\" /etc/subgid && mount --bind \"$2\" \"$3\" && \
    program=$3 id=$4 && shift 4 && exec setpriv --reuid \"$id\" --regid \"$id\" --clear-groups \"$program\" \"$@\"";

impl User {
    /// Their ID, and that of their group.
    pub(crate) fn id(self) -> u32 {
        match self {
            Self::Ranges => 65534,
            Self::Single => 64321,
        }
    }

    /// Gives them `directory`.
    pub(crate) fn settle(self, directory: &Path) {
        std::os::unix::fs::chown(directory, Some(self.id()), Some(self.id())).expect("root gives a directory");
        let table = match self {
            Self::Ranges => "65534:200000:65536\n",
            Self::Single => "",
        };
        for (name, text) in [("ids", table), ("outcrop", "")] {
            fs::write(directory.join(name), text).expect("writes");
            fs::set_permissions(directory.join(name), Permissions::from_mode(0o755)).expect("sets the mode");
        }
    }

    /// `program` run by this user, who has `directory`.
    pub(crate) fn command(self, directory: &Path, program: &OsStr) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", SCRIPT, "sh"]).arg(directory.join("ids")).arg(program);
        command.arg(directory.join("outcrop")).arg(self.id().to_string());
        command
            .env("HOME", directory)
            .env("TMPDIR", directory)
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_CACHE_HOME");
        command.env_remove("USER").env_remove("LOGNAME").env_remove("XDG_RUNTIME_DIR");
        command
    }
}
