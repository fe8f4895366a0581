//! Options of the `local` driver: a file system that is mounted over the volume's folder.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::path::Path;

use rustix::mount::MountFlags;
use serde::{Deserialize, Serialize};

use crate::mount::{MountError, quote};

/// `opts.json`, as dockerd writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Options {
    /// `tmpfs`, `nfs`, `none` with the option `bind`, or any file system of the kernel.
    pub(super) mount_type: String,
    /// The options, between commas.
    pub(super) mount_opts: String,
    /// A device, a folder, or `:/path` of a server.
    pub(super) mount_device: String,
    quota: Quota,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Quota {
    size: u64,
}

impl Options {
    /// Checks what `volume create --opt` gave.
    pub(super) fn check(volume: &str, given: &BTreeMap<String, String>) -> Result<Option<Self>, MountError> {
        let error = |why: String| MountError::new(format!("create {volume}: {why}"));
        if let Some(unknown) = given.keys().find(|key| !matches!(key.as_str(), "type" | "o" | "device" | "size")) {
            return Err(error(format!("invalid option: {}", quote(unknown))).hint("known options: type, device, o"));
        }
        let example = "for example: --opt type=tmpfs --opt device=tmpfs --opt o=size=64m";
        for (given_key, needed) in [("o", "device"), ("o", "type"), ("device", "type"), ("type", "device")] {
            if given.contains_key(given_key) && !given.contains_key(needed) {
                return Err(error(format!("missing required option: \"{needed}\"")).hint(example));
            }
        }
        if given.contains_key("size") {
            return Err(error("quota size requested but no quota support".to_owned())
                .hint("a tmpfs has a size: --opt type=tmpfs --opt device=tmpfs --opt o=size=64m"));
        }
        let value = |key: &str| given.get(key).cloned().unwrap_or_default();
        let options = Self {
            mount_type: value("type"),
            mount_opts: value("o"),
            mount_device: value("device"),
            quota: Quota::default(),
        };
        Ok((!given.is_empty()).then_some(options))
    }

    /// The options again as they were given.
    pub(super) fn given(&self) -> BTreeMap<String, String> {
        let pairs = [("type", &self.mount_type), ("o", &self.mount_opts), ("device", &self.mount_device)];
        pairs
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect()
    }

    /// Whether there is anything to mount.
    pub(super) fn mounts(&self) -> bool {
        !self.mount_device.is_empty() && !self.mount_type.is_empty()
    }

    /// Mounts it over a folder. Every part goes to the kernel as it is; `addr=` of an NFS server must be an address.
    pub(super) fn mount(&self, target: &Path) -> io::Result<()> {
        let (flags, data, propagation) = split(&self.mount_opts);
        let data = CString::new(data).map_err(io::Error::other)?;
        rustix::mount::mount(self.mount_device.as_str(), target, self.mount_type.as_str(), flags, data.as_c_str())?;
        let again = flags & !MountFlags::BIND & !MountFlags::REC;
        if flags.contains(MountFlags::BIND) && flags.contains(MountFlags::RDONLY) {
            // A bind takes its other flags only when it is mounted again.
            rustix::mount::mount_remount(target, again | MountFlags::BIND, "")?;
        }
        if let Some(propagation) = propagation {
            rustix::mount::mount_change(target, propagation)?;
        }
        Ok(())
    }
}

/// Words for the kernel's flags and what remains for the file system, as mount(8) tells them apart.
fn split(words: &str) -> (MountFlags, String, Option<rustix::mount::MountPropagationFlags>) {
    use rustix::mount::MountPropagationFlags as Spread;
    let mut flags = MountFlags::empty();
    let mut rest = Vec::new();
    let mut spread = None;
    for word in words.split(',').filter(|word| !word.is_empty() && *word != "defaults") {
        let (flag, set) = match word {
            "ro" => (MountFlags::RDONLY, true),
            "rw" => (MountFlags::RDONLY, false),
            "nosuid" => (MountFlags::NOSUID, true),
            "suid" => (MountFlags::NOSUID, false),
            "nodev" => (MountFlags::NODEV, true),
            "dev" => (MountFlags::NODEV, false),
            "noexec" => (MountFlags::NOEXEC, true),
            "exec" => (MountFlags::NOEXEC, false),
            "sync" => (MountFlags::SYNCHRONOUS, true),
            "async" => (MountFlags::SYNCHRONOUS, false),
            "dirsync" => (MountFlags::DIRSYNC, true),
            "noatime" => (MountFlags::NOATIME, true),
            "atime" => (MountFlags::NOATIME, false),
            "nodiratime" => (MountFlags::NODIRATIME, true),
            "diratime" => (MountFlags::NODIRATIME, false),
            "relatime" => (MountFlags::RELATIME, true),
            "norelatime" => (MountFlags::RELATIME, false),
            "strictatime" => (MountFlags::STRICTATIME, true),
            "bind" => (MountFlags::BIND, true),
            "rbind" => (MountFlags::BIND.union(MountFlags::REC), true),
            "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => {
                let kind = match word.trim_start_matches('r') {
                    "private" => Spread::PRIVATE,
                    "shared" => Spread::SHARED,
                    _ => Spread::DOWNSTREAM,
                };
                spread = Some(if word.starts_with('r') { kind | Spread::REC } else { kind });
                continue;
            }
            other => {
                rest.push(other);
                continue;
            }
        };
        flags.set(flag, set);
    }
    (flags, rest.join(","), spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn answers_as_docker_does() {
        assert_eq!(Options::check("vol", &map(&[])), Ok(None));
        for (given, expected) in [
            (map(&[("bogus", "1")]), "create vol: invalid option: \"bogus\""),
            (map(&[("o", "size=1m")]), "create vol: missing required option: \"device\""),
            (map(&[("o", "x"), ("device", "y")]), "create vol: missing required option: \"type\""),
            (map(&[("device", "/x")]), "create vol: missing required option: \"type\""),
            (map(&[("type", "tmpfs")]), "create vol: missing required option: \"device\""),
            (map(&[("size", "10m")]), "create vol: quota size requested but no quota support"),
        ] {
            let error = Options::check("vol", &given).unwrap_err();
            assert_eq!(error.message, expected);
            assert!(error.hint.is_some());
        }
    }

    #[test]
    fn is_stored_as_dockerd_stores_it() {
        let given = map(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m")]);
        let options = Options::check("vol", &given).unwrap().unwrap();
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(text, r#"{"MountType":"tmpfs","MountOpts":"size=1m","MountDevice":"tmpfs","Quota":{"Size":0}}"#);
        assert_eq!(serde_json::from_str::<Options>(&text).unwrap().given(), given);
        assert!(options.mounts());
    }

    #[test]
    fn tells_flags_from_data() {
        let (flags, data, spread) = split("addr=10.0.0.1,ro,nosuid,rw,nfsvers=4,defaults,rslave");
        assert_eq!((flags, data.as_str()), (MountFlags::NOSUID, "addr=10.0.0.1,nfsvers=4"));
        assert!(spread.is_some());
        assert_eq!(split("bind,ro").0, MountFlags::BIND | MountFlags::RDONLY);
    }
}
