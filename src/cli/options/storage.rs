//! What is mounted into a container.

use clap::Args;
use outcrop_engine::mount::{self, MountError, Place, Short};
use serde_json::{Map, Value, json};

use super::{Body, invalid, pairs, set};
use crate::cli::Failure;

/// Options of mounts.
#[derive(Args)]
#[command(next_help_heading = "Storage")]
pub(super) struct Mounts {
    /// Mount: TARGET, SOURCE:TARGET or SOURCE:TARGET:MODE, a volume's name or a folder of the host as the source
    #[arg(short, long, value_name = "VOLUME")]
    volume: Vec<String>,
    /// Mount: type=volume|bind|tmpfs,src=...,dst=...[,readonly...]
    #[arg(long, value_name = "MOUNT")]
    mount: Vec<String>,
    /// Mount memory: TARGET or TARGET:OPTIONS
    #[arg(long, value_name = "TMPFS")]
    tmpfs: Vec<String>,
    /// Mount what another container has: CONTAINER or CONTAINER:ro
    #[arg(long, value_name = "CONTAINER")]
    volumes_from: Vec<String>,
    /// Driver of volumes that are created
    #[arg(long, value_name = "DRIVER", default_value = "", hide_default_value = true)]
    volume_driver: String,
    /// Mount the root file system read-only
    #[arg(long)]
    read_only: bool,
    /// Size of /dev/shm
    #[arg(long, value_name = "BYTES")]
    shm_size: Option<String>,
    /// Option of the storage driver: KEY=VALUE
    #[arg(long, value_name = "OPTION")]
    storage_opt: Vec<String>,
}

/// Docker's words, and what to write instead on a second line.
fn with_hint(error: MountError) -> String {
    match error.hint {
        Some(hint) => format!("{}\n{hint}", error.message),
        None => error.message,
    }
}

impl Mounts {
    pub(super) fn apply(&self, body: &mut Body, place: &Place<'_>) -> Result<(), Failure> {
        let (mut binds, mut anonymous) = (Vec::new(), Map::new());
        for text in &self.volume {
            let read = mount::parse_short(text).map_err(|error| Failure::new(with_hint(error)))?;
            match read.absolute(place) {
                Short::Anonymous(target) => {
                    anonymous.insert(target, json!({}));
                }
                Short::Bind(spec) | Short::Volume(spec) => binds.push(spec),
            }
        }
        let mut mounts = Vec::new();
        for text in &self.mount {
            let read =
                mount::parse_long(text).map_err(|error| Failure::usage(with_hint(error.of_flag("--mount", text))))?;
            let json = serde_json::to_value(read.absolute(place));
            mounts.push(json.map_err(|error| Failure::new(error.to_string()))?);
        }
        let tmpfs: Map<String, Value> = self
            .tmpfs
            .iter()
            .map(|text| mount::parse_tmpfs(text))
            .map(|(path, options)| (path, options.into()))
            .collect();
        if self.storage_opt.iter().any(|option| !option.contains('=')) {
            return Err(Failure::new("invalid storage option"));
        }
        if let Some(size) = &self.shm_size {
            let bytes = mount::ram_in_bytes(size).map_err(|why| invalid("--shm-size", size, why))?;
            set(&mut body.host, "ShmSize", bytes);
        }
        set(&mut body.config, "Volumes", anonymous);
        set(&mut body.host, "Binds", binds);
        set(&mut body.host, "Mounts", mounts);
        set(&mut body.host, "Tmpfs", tmpfs);
        set(&mut body.host, "VolumesFrom", self.volumes_from.as_slice());
        set(&mut body.host, "VolumeDriver", self.volume_driver.as_str());
        set(&mut body.host, "ReadonlyRootfs", self.read_only);
        set(&mut body.host, "StorageOpt", pairs(&self.storage_opt));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{body, field};
    use super::*;

    #[test]
    fn reads_both_syntaxes() {
        let line = [
            "-v",
            "data:/d",
            "-v",
            "./x:/x:ro",
            "-v",
            "/a",
            "--mount",
            "type=bind,src=./y,dst=/y",
            "--tmpfs",
            "/t:size=1m",
        ];
        assert_eq!(field(&line, "/HostConfig/Binds"), json!(["data:/d", "/work/x:/x:ro"]));
        assert_eq!(field(&line, "/Volumes"), json!({"/a": {}}));
        assert_eq!(field(&line, "/HostConfig/Mounts"), json!([{"Type": "bind", "Source": "/work/y", "Target": "/y"}]));
        assert_eq!(field(&line, "/HostConfig/Tmpfs"), json!({"/t": "size=1m"}));
        assert_eq!(field(&["--shm-size", "64m"], "/HostConfig/ShmSize"), 64 << 20);
    }

    #[test]
    fn refuses_with_a_hint() {
        let said = body(&["-v", "vv::/x"]).unwrap_err();
        assert!(said.starts_with("invalid spec: vv::/x: empty section between colons\nwrite "), "{said}");
        let said = body(&["--mount", "type=bind"]).unwrap_err();
        assert!(said.starts_with(r#"invalid argument "type=bind" for "--mount" flag: target is required"#), "{said}");
        assert_eq!(body(&["--storage-opt", "x"]), Err("invalid storage option".into()));
        let said = body(&["--shm-size", "x"]).unwrap_err();
        assert_eq!(said, r#"invalid argument "x" for "--shm-size" flag: invalid size: 'x'"#);
    }
}
