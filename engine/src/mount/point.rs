//! One mount as a container has it.

use serde::{Deserialize, Serialize};

use super::check::{check, of_type};
use super::{BindOptions, DriverConfig, Kind, Mode, MountError, MountSpec, VolumeOptions, clean};

/// One mount of a container, with the field names of Docker's `config.v2.json` (`MountPoints`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountPoint {
    /// The path on the host: a bind's folder, a volume's `_data`; empty for memory and until a volume is found or made.
    pub source: String,
    /// The path in the container, clean.
    pub destination: String,
    /// Whether the container may write.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// The volume's name; empty for an anonymous volume that has none yet, and for what is no volume.
    pub name: String,
    /// The volume's driver; empty for `local` until the volume is there.
    pub driver: String,
    /// What is mounted.
    #[serde(rename = "Type")]
    pub kind: Kind,
    /// How mounts made later spread; empty for what is no bind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub propagation: String,
    /// The mode as it was written with `-v`. Docker stores it under its first name.
    #[serde(rename = "Relabel")]
    pub mode: String,
    /// The request that made it.
    pub spec: MountSpec,
    /// Whether a missing source is an error instead of a new folder.
    #[serde(rename = "SkipMountpointCreation")]
    pub source_must_exist: bool,
    /// Whether a new, empty volume gets the image's content of that path.
    #[serde(skip)]
    pub copy_up: bool,
}

/// A mount in the API's inspect form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MountPointView {
    /// What is mounted.
    #[serde(rename = "Type")]
    pub kind: Kind,
    /// The volume's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The path on the host.
    pub source: String,
    /// The path in the container.
    pub destination: String,
    /// The volume's driver.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// The mode as written.
    pub mode: String,
    /// Whether the container may write.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// How mounts made later spread.
    pub propagation: String,
}

impl MountPoint {
    /// The form that inspecting a container gives.
    pub fn view(&self) -> MountPointView {
        MountPointView {
            kind: self.kind.clone(),
            name: self.name.clone(),
            source: self.source.clone(),
            destination: self.destination.clone(),
            driver: self.driver.clone(),
            mode: self.mode.clone(),
            rw: self.rw,
            propagation: self.propagation.clone(),
        }
    }

    /// An anonymous volume for a path, as `-v /path` and an image's VOLUME ask for it.
    pub(super) fn anonymous(destination: String) -> Self {
        let spec = MountSpec::new(Kind::nothing(), "", "");
        Self { destination, rw: true, spec, copy_up: true, ..Self::default() }
    }
}

/// What a spec that passed [`check`] becomes in a container.
///
/// # Errors
/// What [`check`] says.
pub fn point_of(spec: &MountSpec) -> Result<MountPoint, MountError> {
    check(spec)?;
    let mut point = MountPoint {
        kind: spec.kind.clone(),
        destination: clean(&spec.target),
        rw: !spec.read_only,
        spec: spec.clone(),
        ..MountPoint::default()
    };
    match spec.kind {
        Kind::Bind => {
            point.source = clean(&spec.source);
            let asked = spec.bind_options.as_ref().map(|options| options.propagation.as_str()).unwrap_or_default();
            if asked.is_empty() { "rprivate" } else { asked }.clone_into(&mut point.propagation);
            point.source_must_exist = !spec.bind_options.as_ref().is_some_and(|options| options.create_mountpoint);
        }
        Kind::Volume => {
            spec.source.clone_into(&mut point.name);
            let options = spec.volume_options.as_ref();
            point.copy_up = !options.is_some_and(|options| options.no_copy);
            point.driver = options
                .and_then(|options| options.driver_config.as_ref())
                .map(|driver| driver.name.clone())
                .unwrap_or_default();
        }
        Kind::Tmpfs | Kind::Image | Kind::Other(_) => {}
    }
    Ok(point)
}

/// Reads an element of `HostConfig.Binds`, the engine's half of the `-v` grammar. `driver` is the driver that new volumes get.
///
/// # Errors
/// Docker's words: `invalid volume specification: '…'`, `invalid mode: …`.
pub fn parse_bind(raw: &str, driver: &str) -> Result<MountPoint, MountError> {
    let invalid = || MountError::new(format!("invalid volume specification: '{raw}'"));
    let parts: Vec<&str> = raw.splitn(4, ':').collect();
    let (source, target, mode) = match parts.as_slice() {
        [""] | ["", ..] | [_, _, _, _] => {
            return Err(invalid()
                .hint("write NAME:/path, /folder:/path or either with :MODE; a path with a colon needs --mount"));
        }
        [target] => ("", *target, ""),
        [target, mode] if Mode::parse(mode).is_ok() => {
            return Err(invalid().hint(format!(
                "a mode needs a source before it: NAME:{target}:{}",
                if mode.is_empty() { "MODE" } else { mode }
            )));
        }
        [source, target] => (*source, *target, ""),
        [source, target, mode] => (*source, *target, *mode),
        _ => return Err(invalid()),
    };
    let words = Mode::parse(mode)?;
    let kind = if source.starts_with('/') { Kind::Bind } else { Kind::Volume };
    let mut spec = MountSpec { read_only: words.read_only, ..MountSpec::new(kind, source, target) };
    if spec.kind == Kind::Volume && !driver.is_empty() {
        let config = DriverConfig { name: driver.to_owned(), ..DriverConfig::default() };
        spec.volume_options = Some(VolumeOptions { driver_config: Some(config), ..VolumeOptions::default() });
    }
    if words.no_copy {
        spec.volume_options.get_or_insert_with(VolumeOptions::default).no_copy = true;
    }
    if let Some(propagation) = words.propagation {
        spec.bind_options = Some(BindOptions { propagation, ..BindOptions::default() });
    }
    let mut point = point_of(&spec)
        .map_err(|error| MountError { message: format!("{}: {}", invalid().message, error.message), ..error })?;
    mode.clone_into(&mut point.mode);
    // With -v a missing folder is made.
    point.source_must_exist = false;
    Ok(point)
}

/// The error for a source that is not there.
pub(super) fn no_source(path: &str) -> MountError {
    let error = MountError::new(format!("bind source path does not exist: {path}"));
    of_type(&Kind::Bind, error)
        .hint(format!("create it first, or let -v create the folder: -v {}:TARGET", super::shell_quote(path)))
}
