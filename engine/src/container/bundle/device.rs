//! Devices of a container: `--device`, and all of them for a privileged one.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::container::host_config::{DeviceMapping, HostConfig};

/// One device.
pub(super) struct Device {
    source: PathBuf,
    path: PathBuf,
    /// `b` or `c`.
    pub(super) kind: char,
    pub(super) major: u64,
    pub(super) minor: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    /// Of `r`, `w` and `m`.
    pub(super) access: String,
}

impl Device {
    /// Those that the container gets: with `every` all of the host, and what was asked for.
    ///
    /// # Errors
    /// The text for the user when one is not there.
    pub(super) fn all(host: &HostConfig, every: bool) -> Result<Vec<Self>, String> {
        let mut devices = Vec::new();
        if every {
            all_devices(Path::new("/dev"), &mut devices);
        }
        for mapping in host.devices.iter().flatten() {
            mapped_devices(mapping, &mut devices)?;
        }
        Ok(devices)
    }

    fn of(on_host: &Path, in_container: &Path, access: &str) -> Option<Self> {
        let meta = std::fs::metadata(on_host).ok()?;
        let kind = if meta.file_type().is_block_device() {
            'b'
        } else if meta.file_type().is_char_device() {
            'c'
        } else {
            return None;
        };
        let number = meta.rdev();
        Some(Self {
            source: on_host.into(),
            path: in_container.into(),
            kind,
            major: u64::from(rustix::fs::major(number)),
            minor: u64::from(rustix::fs::minor(number)),
            mode: meta.mode() & 0o777,
            uid: meta.uid(),
            gid: meta.gid(),
            access: access.into(),
        })
    }

    /// As a mount of the bundle.
    pub(super) fn to_mount(&self) -> Value {
        json!({ "destination": self.path, "type": "bind", "source": self.source, "options": ["bind", "nosuid", "noexec"] })
    }

    /// As a device of the bundle.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "path": self.path, "type": self.kind.to_string(), "major": self.major, "minor": self.minor,
            "fileMode": self.mode, "uid": self.uid, "gid": self.gid,
        })
    }
}

fn mapped_devices(mapping: &DeviceMapping, devices: &mut Vec<Device>) -> Result<(), String> {
    let on_host = Path::new(&mapping.path_on_host);
    let target = if mapping.path_in_container.is_empty() { &mapping.path_on_host } else { &mapping.path_in_container };
    let access = if mapping.cgroup_permissions.is_empty() { "rwm" } else { &mapping.cgroup_permissions };
    if on_host.is_dir() {
        let before = devices.len();
        all_devices(on_host, devices);
        for device in &mut devices[before..] {
            if let Ok(rest) = device.path.strip_prefix(on_host) {
                device.path = Path::new(target).join(rest);
            }
            access.clone_into(&mut device.access);
        }
        return Ok(());
    }
    let device = Device::of(on_host, Path::new(target), access);
    devices.push(device.ok_or_else(|| {
        let why = if on_host.exists() { "not a device node" } else { "no such file or directory" };
        format!("error gathering device information while adding custom device \"{}\": {why}", mapping.path_on_host)
    })?);
    Ok(())
}

/// Every device below `directory`, but terminals and what the container has of its own.
fn all_devices(directory: &Path, devices: &mut Vec<Device>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        let name = entry.file_name();
        if kind.is_dir() {
            let own = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"];
            if !own.iter().any(|own| name == *own) {
                all_devices(&path, devices);
            }
        } else if (kind.is_char_device() || kind.is_block_device()) && name != "console" {
            devices.extend(Device::of(&path, &path, "rwm"));
        }
    }
}
