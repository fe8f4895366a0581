//! A container on disk: `containers/<id>/config.v2.json` and `hostconfig.json`, in Docker's form.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::config::{Config, lenient};
use super::error::{ContainerError, Doing, Result};
use super::host_config::HostConfig;
use super::state::State;

/// Largest accepted file, in bytes.
const LARGEST: u64 = 8 << 20;

/// `config.v2.json`. Keys that are not named here are kept as they came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Record {
    /// What it is doing.
    pub state: State,
    /// 64 hexadecimal digits.
    #[serde(rename = "ID")]
    pub id: String,
    /// When it was created, RFC 3339.
    pub created: String,
    /// The program: the first word of entry point and command.
    pub path: String,
    /// The other words.
    pub args: Vec<String>,
    /// What it runs.
    pub config: Config,
    /// Image ID (`sha256:…`).
    pub image: String,
    /// Networks, as Docker has them. An entry of `Networks` must not be an empty object: dockerd fails on it.
    pub network_settings: Value,
    /// Log file; empty before the first start.
    pub log_path: String,
    /// Name, with a slash before it.
    pub name: String,
    /// Storage driver.
    pub driver: String,
    /// Operating system.
    #[serde(rename = "OS")]
    pub os: String,
    /// SELinux label of its mounts.
    pub mount_label: String,
    /// SELinux label of its processes.
    pub process_label: String,
    /// How often its restart policy started it.
    pub restart_count: i64,
    /// Whether it was started before.
    pub has_been_started_before: bool,
    /// Whether it was stopped by a user: `unless-stopped` leaves it alone then.
    pub has_been_manually_stopped: bool,
    /// Its mounts by target.
    pub mount_points: BTreeMap<String, MountPoint>,
    /// AppArmor profile.
    pub app_armor_profile: String,
    /// The file mounted on /etc/hostname.
    pub hostname_path: String,
    /// The file mounted on /etc/hosts.
    pub hosts_path: String,
    /// The file mounted on /etc/resolv.conf.
    pub resolv_conf_path: String,
    /// `unconfined`, a profile's text, or empty for the default.
    pub seccomp_profile: String,
    /// Whether its processes can gain no privileges.
    pub no_new_privileges: bool,
    /// Everything else, as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A mount of a container, as Docker records it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountPoint {
    /// Path on the host; empty for tmpfs.
    pub source: String,
    /// Path in the container.
    pub destination: String,
    /// Whether it is writable.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// Volume name; empty where it is none.
    pub name: String,
    /// Volume driver.
    pub driver: String,
    /// `volume`, `bind` or `tmpfs`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The mode the user gave (`z`, `ro`, …).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub relabel: String,
    /// `rprivate`, `rslave`, …; empty for the default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub propagation: String,
    /// The specification it was made from.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub spec: Value,
    /// Everything else, as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The directory of one container in the data root.
#[derive(Clone, Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// `containers/<id>` of the data root `root`.
    pub(crate) fn of(root: &Path, id: &str) -> Self {
        Self(root.join("containers").join(id))
    }

    /// The one at `path`.
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.into())
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Reads `config.v2.json`.
    pub(crate) fn record(&self) -> Result<Record> {
        read(&self.file("config.v2.json"))
    }

    /// Reads `hostconfig.json`.
    pub(crate) fn host_config(&self) -> Result<HostConfig> {
        read(&self.file("hostconfig.json"))
    }

    /// Changes `config.v2.json`: read, changed and replaced while no other process does the same.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Record) -> T) -> Result<T> {
        let _lock = self.lock()?;
        let mut record = self.record()?;
        let answer = change(&mut record);
        self.write_record(&record)?;
        Ok(answer)
    }

    /// Takes the container's lock, held until the file is dropped.
    pub(crate) fn lock(&self) -> Result<File> {
        let directory = File::open(&self.0).doing("open", &self.0)?;
        directory.lock().doing("lock", &self.0)?;
        Ok(directory)
    }

    /// Writes `config.v2.json`.
    pub(crate) fn write_record(&self, record: &Record) -> Result<()> {
        replace(&self.file("config.v2.json"), &to_json(record), 0o600)
    }

    /// Writes `hostconfig.json`.
    pub(crate) fn write_host_config(&self, host: &HostConfig) -> Result<()> {
        replace(&self.file("hostconfig.json"), &to_json(host), 0o644)
    }
}

impl Record {
    /// Notes which ports of the host lead to the container, as `NetworkSettings.Ports` says it.
    pub(crate) fn set_ports(&mut self, ports: Value) {
        if let Some(settings) = self.network_settings.as_object_mut() {
            settings.insert("Ports".into(), ports);
        }
    }

    /// One of a new container.
    pub(crate) fn new(id: &str) -> Self {
        let mut other = Map::new();
        other.insert("StreamConfig".into(), json!({}));
        other.insert("Managed".into(), json!(false));
        other.insert("SecretReferences".into(), Value::Null);
        other.insert("ConfigReferences".into(), Value::Null);
        other.insert("ShmPath".into(), json!(""));
        Self {
            id: id.into(),
            created: super::state::now(),
            driver: "overlay2".into(),
            os: "linux".into(),
            other,
            ..Self::default()
        }
    }

    /// The name without its slash.
    pub fn plain_name(&self) -> &str {
        self.name.trim_start_matches('/')
    }
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("these types have text keys only")
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    use std::io::Read;
    let file = File::open(path).doing("open", path)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).doing("read", path)?;
    if bytes.len() as u64 > LARGEST {
        return Err(ContainerError::Damaged { path: path.into(), reason: format!("more than {LARGEST} bytes") });
    }
    lenient(&bytes).map_err(|error| ContainerError::Damaged { path: path.into(), reason: error.to_string() })
}

/// Writes a file beside `path` and renames it there, so that a reader sees the old or the new one whole.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&temporary)
        .doing("create", &temporary)?;
    let written = file.write_all(bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.doing("write", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys that dockerd 20.10 writes, some of which are none of ours.
    const DOCKER: &str = r#"{"StreamConfig":{},"State":{"Running":false,"Paused":false,"Restarting":false,"OOMKilled":false,
        "RemovalInProgress":false,"Dead":false,"Pid":0,"ExitCode":3,"Error":"","StartedAt":"2026-11-23T19:18:23.482205994Z",
        "FinishedAt":"2026-11-23T19:18:23.481740113Z","Health":null},"ID":"be","Managed":false,"Path":"sh","Args":["-c"],
        "Config":{"Hostname":"becd","Env":["FOO=bar"],"Cmd":["sh"],"Image":"bb:1","Volumes":null,"Entrypoint":null,
        "OnBuild":null,"Labels":{}},"Image":"sha256:9f","NetworkSettings":{"Networks":{"none":{"NetworkID":"62"}}},
        "Name":"/two","Driver":"overlay2","MountPoints":{"/data":{"Source":"/s","Destination":"/data","RW":true,"Name":"v",
        "Driver":"local","Type":"volume","Relabel":"z","Spec":{"Type":"volume"},"SkipMountpointCreation":false}},
        "LocalLogCacheMeta":{"HaveNotifyEnabled":true}}"#;

    #[test]
    fn what_dockerd_wrote_survives() {
        let directory = tempfile::tempdir().expect("a directory");
        let directory = Directory(directory.path().to_path_buf());
        fs::create_dir_all(directory.path()).expect("a directory");
        fs::write(directory.file("config.v2.json"), DOCKER).expect("a file");
        directory.update(|record| record.state.exit_code = 4).expect("an update");
        let record = directory.record().expect("a record");
        assert_eq!(record.state.exit_code, 4);
        assert_eq!(record.plain_name(), "two");
        assert_eq!(record.other["LocalLogCacheMeta"]["HaveNotifyEnabled"], true);
        assert_eq!(record.mount_points["/data"].other["SkipMountpointCreation"], false);
        let left = fs::read_dir(directory.path()).expect("a directory").count();
        assert_eq!(left, 1, "no temporary file");
        let _ = fs::remove_dir_all(directory.path());
    }

    #[test]
    fn damage_names_the_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let directory = Directory(directory.path().to_path_buf());
        fs::create_dir_all(directory.path()).expect("a directory");
        fs::write(directory.file("config.v2.json"), "{\"State\":").expect("a file");
        let error = directory.record().expect_err("damaged").to_string();
        assert!(error.contains("config.v2.json"), "{error}");
        let _ = fs::remove_dir_all(directory.path());
    }
}
