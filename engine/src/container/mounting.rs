//! A container's mounts: joined and checked when it is created, opened and held when it starts.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Containers;
use super::config::{Config, lenient_value};
use super::error::{ContainerError, Doing, Result};
use super::host_config::HostConfig;
use super::record::{MountPoint, Record};
use super::run_directory::{RunDirectory, make};
use crate::mount::{self, MountError, MountSpec, Request};
use crate::progress::Cancel;
use crate::sys::mount::{bind_descriptor, unmount};
use crate::volume::{Attached, Provided, Volumes};

/// What a new container's mounts came to.
#[derive(Debug, Default)]
pub(crate) struct NewMounts {
    /// By target.
    pub(crate) points: BTreeMap<String, MountPoint>,
    /// Volumes that get the image's content when they are empty, and where.
    pub(crate) fill: Vec<(String, String)>,
    /// Volumes that were made for it.
    pub(crate) provided: Provided,
    /// What the user should know.
    pub(crate) warnings: Vec<String>,
}

impl Containers {
    /// Joins what was asked for with what the image wants, checks it, and makes the volumes that are missing.
    pub(crate) fn new_mounts(&self, asked: &Config, image: &Config, host: &HostConfig) -> Result<NewMounts> {
        let keys = |config: &Config| config.volumes.iter().flatten().map(|(path, _)| path.clone()).collect::<Vec<_>>();
        let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
        let (volumes, image_volumes) = (keys(asked), keys(image));
        let (binds, volumes_from) = (list(&host.binds), list(&host.volumes_from));
        let mounts: Vec<MountSpec> = host
            .mounts
            .iter()
            .flatten()
            .cloned()
            .map(lenient_value)
            .collect::<Result<_, _>>()
            .map_err(|error: serde_json::Error| ContainerError::Invalid(error.to_string()))?;
        let request = Request {
            binds: &binds,
            mounts: &mounts,
            tmpfs: host.tmpfs.as_ref(),
            volumes_from: &volumes_from,
            volumes: &volumes,
            image_volumes: &image_volumes,
            driver: &host.volume_driver,
        };
        let merged = mount::merge(&request, &mut |name| self.mounts_of(name)).map_err(|error| wrong(&error))?;
        let mut points = merged.points;
        mount::resolve::check_sources(&mut points, self.root()).map_err(|error| wrong(&error))?;
        let volumes = Volumes::of_root(self.root());
        let provided = volumes.provide(&mut points).map_err(|error| ContainerError::Invalid(error.to_string()))?;
        let fill = points.iter().filter(|point| point.copy_up && point.kind == mount::Kind::Volume);
        let fill = fill.map(|point| (point.name.clone(), point.destination.clone())).collect();
        let points = points.iter().map(ours).collect::<Result<_>>()?;
        Ok(NewMounts { points, fill, provided, warnings: merged.warnings })
    }

    /// The mounts of another container, for `--volumes-from`.
    fn mounts_of(&self, name: &str) -> Result<Vec<mount::MountPoint>, MountError> {
        let record = self.record(name).map_err(|error| MountError::new(error.to_string()))?;
        record.mount_points.values().map(|point| theirs(point).map_err(MountError::new)).collect()
    }

    /// Copies the image's content into new volumes; `rootfs` is the container's.
    pub(crate) fn fill_volumes(&self, mounts: &NewMounts, rootfs: impl AsFd) -> Result<()> {
        let volumes = Volumes::of_root(self.root());
        for (name, target) in &mounts.fill {
            let filled = volumes.fill(name, rootfs.as_fd(), target, &Cancel::new());
            filled.map_err(|error| ContainerError::Start(error.to_string()))?;
        }
        Ok(())
    }

    /// Removes what [`Containers::new_mounts`] made.
    pub(crate) fn take_back(&self, mounts: &NewMounts) {
        Volumes::of_root(self.root()).take_back(&mounts.provided);
    }
}

fn wrong(error: &MountError) -> ContainerError {
    ContainerError::Invalid(error.to_string())
}

fn ours(point: &mount::MountPoint) -> Result<(String, MountPoint)> {
    let value = serde_json::to_value(point).and_then(lenient_value);
    let point: MountPoint = value.map_err(|error| ContainerError::Invalid(error.to_string()))?;
    Ok((point.destination.clone(), point))
}

pub(super) fn theirs(point: &MountPoint) -> Result<mount::MountPoint, String> {
    let value: Value = serde_json::to_value(point).map_err(|error| error.to_string())?;
    lenient_value(value).map_err(|error| error.to_string())
}

/// Refuses a bind that is to send or to get mounts, where the mount that its source is on does not.
fn spreads(point: &MountPoint) -> Result<(), String> {
    let wanted = point.propagation.trim_start_matches('r');
    let asked = point.spec.pointer("/BindOptions/Propagation").and_then(Value::as_str).unwrap_or_default();
    if !matches!(wanted, "shared" | "slave") || asked.is_empty() {
        return Ok(());
    }
    let source = mount::resolve::open_bind(&theirs(point)?).map_err(|error| error.to_string())?;
    let on = crate::sys::fs::mounted(&source.fd).map_err(|error| format!("{}: {error}", point.source))?;
    let lacks = match wanted {
        "shared" if !on.shared => "shared mount",
        "slave" if !on.shared && !on.slave => "shared or slave mount",
        _ => return Ok(()),
    };
    Err(format!("path {} is mounted on {} but it is not a {lacks}", point.source, on.at))
}

/// The sources of a running container's mounts, held so that what is mounted is what was checked.
#[derive(Default)]
pub(crate) struct Sources {
    /// Volumes in use.
    volumes: Vec<Attached>,
    /// Where they are mounted for the runtime, in the shim's own mount namespace.
    staged: Vec<PathBuf>,
}

impl Sources {
    /// Takes the volumes into use: in the mount namespace that all containers share.
    pub(crate) fn attach(root: &Path, record: &Record, rootless: bool) -> Result<Self, String> {
        // What an ordinary user shares reaches nobody, and harms nobody.
        for point in record.mount_points.values().filter(|point| point.kind == "bind" && !rootless) {
            spreads(point)?;
        }
        let volumes = Volumes::of_root(root);
        let mut sources = Self::default();
        for point in record.mount_points.values().filter(|point| point.kind == "volume" && !point.name.is_empty()) {
            sources.volumes.push(volumes.attach(&point.name, "").map_err(|error| error.to_string())?);
        }
        Ok(sources)
    }

    /// Mounts every source where only this process sees it and notes that place in `record`: in this process's own mount
    /// namespace.
    pub(crate) fn stage(&mut self, root: &Path, run: &RunDirectory, record: &mut Record) -> Result<(), String> {
        let volumes = Volumes::of_root(root);
        for (at, point) in record.mount_points.values_mut().enumerate() {
            let recursive = point.spec.pointer("/BindOptions/NonRecursive") != Some(&Value::Bool(true));
            let place = run.file("sources").join(at.to_string());
            match point.kind.as_str() {
                "volume" if !point.name.is_empty() => {
                    let subpath =
                        point.spec.pointer("/VolumeOptions/Subpath").and_then(Value::as_str).unwrap_or_default();
                    let volume = volumes.attach(&point.name, subpath).map_err(|error| error.to_string())?;
                    self.show(volume.fd(), volume.is_directory(), &place, recursive)?;
                    self.volumes.push(volume);
                }
                "bind" => {
                    let source = mount::resolve::open_bind(&theirs(point)?).map_err(|error| error.to_string())?;
                    self.show(source.fd.as_fd(), source.directory, &place, recursive)?;
                }
                _ => continue,
            }
            point.source = place.to_string_lossy().into_owned();
        }
        Ok(())
    }

    fn show(&mut self, source: impl AsFd, directory: bool, place: &Path, recursive: bool) -> Result<(), String> {
        let parent = place.parent().unwrap_or(place);
        make(parent).map_err(|error| error.to_string())?;
        let made = if directory { fs::create_dir(place) } else { File::create(place).map(drop) };
        match made {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(format!("{}: {error}", place.display()));
            }
            _ => {}
        }
        bind_descriptor(source, place, recursive).doing("mount", place).map_err(|error| error.to_string())?;
        self.staged.push(place.into());
        Ok(())
    }

    /// Takes the mounts away; the volumes stay in use.
    pub(crate) fn unstage(&mut self) {
        for place in self.staged.drain(..) {
            let _ = unmount(&place);
            let _ = fs::remove_dir(&place).or_else(|_| fs::remove_file(&place));
        }
    }
}
