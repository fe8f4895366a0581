//! Creating a container: checks, layers, files.

use std::fs;
use std::path::Path;

use outcrop_layers::config::ImageConfig;
use outcrop_layers::digest::ChainId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::bundle::Rights;
use super::config::{Config, lenient_value};
use super::error::{ContainerError, Doing, Result};
use super::exec::new_id;
use super::host_config::HostConfig;
use super::layers::Layers;
use super::mounting::NewMounts;
use super::network::{Connection, HOST_INSTEAD, NO_PASTA};
use super::record::{Directory, Record};
use super::run_directory::{RunDirectory, make};
use super::shim::runtime::Runtime;
use super::{Containers, events, limits, log_attributes, log_file, lookup, names, pasta};
use crate::driver::Driver;
use crate::driver::overlay2::Overlay2;

/// The body of `POST /containers/create`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateBody {
    /// What it runs.
    #[serde(flatten)]
    pub config: Config,
    /// How it runs on this host.
    #[serde(rename = "HostConfig")]
    pub host_config: HostConfig,
    /// Networks: kept.
    #[serde(rename = "NetworkingConfig")]
    pub networking_config: Value,
}

/// The image that a container is created from.
#[derive(Clone, Debug)]
pub struct ImageForContainer {
    /// `sha256:…`.
    pub id: String,
    /// Chain ID of its top layer; nothing for an image without layers.
    pub chain: Option<ChainId>,
    /// Its execution parameters.
    pub config: Config,
}

/// A new container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Created {
    /// Its ID.
    pub id: String,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl CreateBody {
    /// Parses the API's body, in which any member may be null.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| ContainerError::Invalid(error.to_string()))?;
        lenient_value(value).map_err(|error| ContainerError::Invalid(error.to_string()))
    }
}

impl Containers {
    /// What containers of the image with this ID (`sha256:…`, or its 64 digits) start from.
    pub fn image(&self, id: &str) -> Result<ImageForContainer> {
        let hex = id.trim_start_matches("sha256:");
        if !lookup::is_id(hex) {
            return Err(ContainerError::Invalid(format!("{id} is no image ID")));
        }
        let path = self.root().join("image/overlay2/imagedb/content/sha256").join(hex);
        let bytes = fs::read(&path).doing("read", &path)?;
        let damaged = |reason: String| ContainerError::Damaged { path: path.clone(), reason };
        let parsed = ImageConfig::parse(&bytes).map_err(|error| damaged(error.to_string()))?;
        let config =
            parsed.config.clone().map(lenient_value).transpose().map_err(|error| damaged(error.to_string()))?;
        Ok(ImageForContainer {
            id: format!("sha256:{hex}"),
            chain: ChainId::all(&parsed.rootfs.diff_ids).pop(),
            config: config.unwrap_or_default(),
        })
    }

    /// Creates a container, without starting it. An empty name asks for an invented one.
    ///
    /// Volumes that it names and that are not there are made, and new ones get the image's content.
    pub fn create(&self, name: &str, body: CreateBody, image: &ImageForContainer) -> Result<Created> {
        let CreateBody { mut config, mut host_config, networking_config } = body;
        let asked = config.clone();
        config.inherit(&image.config);
        host_config.complete();
        let mut warnings = check(&config, &host_config)?;
        warnings.extend(self.check_network(&host_config)?);
        warnings.extend(if self.rootless() {
            limits::discard(&mut host_config)
        } else {
            limits::warn(&mut host_config)
        });
        let id = new_id()?;
        if config.hostname.is_empty() {
            // In the host's network it is called what the host is.
            let of_host = (host_config.network_mode == "host").then(rustix::system::uname);
            let name = of_host.as_ref().and_then(|host| host.nodename().to_str().ok()).unwrap_or(&id[..12]);
            name.clone_into(&mut config.hostname);
        }
        let mut words = config.entrypoint.iter().flatten().chain(config.cmd.iter().flatten()).cloned();
        let Some(path) = words.next() else {
            return Err(ContainerError::Invalid("no command specified".into()));
        };
        let args = words.collect();
        let mut record = Record { path, args, config, image: image.id.clone(), ..Record::new(&id) };
        log_attributes::attributes(&host_config.log_config.config, &record).map_err(ContainerError::Invalid)?;
        let mut mounts = self.new_mounts(&asked, &image.config, &host_config)?;
        warnings.append(&mut mounts.warnings);
        record.mount_points = std::mem::take(&mut mounts.points);
        record.network_settings = network_settings(&host_config, &networking_config);
        record.seccomp_profile = String::new();
        record.no_new_privileges = Rights::of(&host_config).is_ok_and(|rights| rights.no_new_privileges);
        if let Err(error) = self.store(name, &mut record, &host_config, image, &mounts) {
            self.take_back(&mounts);
            return Err(error);
        }
        events::note(self.root(), "create", &record, &[]);
        Ok(Created { id, warnings })
    }

    /// Checks the network, and says what the user should know of it.
    fn check_network(&self, host: &HostConfig) -> Result<Vec<String>> {
        let wanted = Connection::wants_pasta(host);
        let pasta = if wanted { pasta::working(self.root(), self.program()) } else { Ok(None) };
        let (pasta, problem) = match pasta {
            Ok(pasta) => (pasta, NO_PASTA.to_owned()),
            Err(why) => (None, why),
        };
        let network = Connection::of(host, pasta).map_err(ContainerError::Invalid)?;
        let mut warnings = Vec::new();
        if network.is_second_choice(host) {
            warnings.push(format!("{problem}: {HOST_INSTEAD}"));
            if host.port_bindings.iter().flatten().next().is_some() {
                warnings.push("Published ports are discarded when using host network mode".into());
            }
        }
        Ok(warnings)
    }

    /// Makes it visible: layers first, the container's directory last.
    fn store(
        &self,
        name: &str,
        record: &mut Record,
        host: &HostConfig,
        image: &ImageForContainer,
        volumes: &NewMounts,
    ) -> Result<()> {
        let (root, id) = (self.root(), record.id.clone());
        let run = RunDirectory::of(root, &id);
        let lock = run.create()?;
        let stored = self.store_locked(name, record, host, image, volumes, &run);
        drop(lock);
        if stored.is_err() {
            super::remove::reconcile_one(root, &id)?;
        }
        stored
    }

    fn store_locked(
        &self,
        name: &str,
        record: &mut Record,
        host: &HostConfig,
        image: &ImageForContainer,
        volumes: &NewMounts,
        run: &RunDirectory,
    ) -> Result<()> {
        let (root, id) = (self.root(), record.id.clone());
        let driver = Overlay2::new(root, self.rootless());
        driver.prepare().map_err(super::layers::from_driver)?;
        let top = image.chain.map(|chain| cache_id(root, chain)).transpose()?;
        let layers = Layers::random()?;
        fs::write(run.file("creating"), layers.mount.as_str()).doing("write", run.file("creating"))?;
        let staging = run.file("staging");
        make(&staging)?;
        layers.create(&driver, top.as_ref(), &staging, self.rootless())?;
        if !volumes.fill.is_empty() {
            self.fill_volumes(volumes, super::layers::overlay(&driver, &layers.mount, self.rootless())?)?;
        }
        let mounts = root.join("image/overlay2/layerdb/mounts");
        fs::create_dir_all(&mounts).doing("create", &mounts)?;
        let staged = staging.join("mount");
        fs::create_dir(&staged).doing("create", &staged)?;
        let parent = image.chain.map(|chain| chain.0.to_string()).unwrap_or_default();
        for (file, text) in
            [("mount-id", layers.mount.as_str()), ("init-id", layers.init.as_str()), ("parent", parent.as_str())]
        {
            if !text.is_empty() {
                fs::write(staged.join(file), text).doing("write", staged.join(file))?;
            }
        }
        fs::rename(&staged, mounts.join(&id)).doing("rename to", mounts.join(&id))?;
        // Names are given under one lock, so that none is given twice.
        let lock_path = root.join("outcrop/lock");
        let lock = fs::File::options().append(true).create(true).open(&lock_path).doing("open", &lock_path)?;
        lock.lock().doing("lock", &lock_path)?;
        record.name = format!("/{}", self.free_name(name)?);
        let staged = staging.join(&id);
        stage_directory(&staged, record, host)?;
        let containers = root.join("containers");
        fs::create_dir_all(&containers).doing("create", &containers)?;
        rustix::fs::chmod(&containers, rustix::fs::Mode::from_raw_mode(0o710))
            .doing("change the mode of", &containers)?;
        fs::rename(&staged, containers.join(&id)).doing("rename to", containers.join(&id))?;
        drop(lock);
        fs::remove_dir_all(&staging).doing("remove", &staging)?;
        fs::remove_file(run.file("creating")).doing("remove", run.file("creating"))
    }

    /// Checks a name, or invents one.
    pub(crate) fn free_name(&self, name: &str) -> Result<String> {
        let (given, name) = (name, name.trim_start_matches('/'));
        let ids = lookup::ids(self.root())?;
        if name.is_empty() {
            let taken: Vec<String> = ids
                .iter()
                .filter_map(|id| Directory::of(self.root(), id).record().ok())
                .map(|record| record.plain_name().to_owned())
                .collect();
            return names::invent(&taken);
        }
        if !names::is_valid(name) {
            return Err(ContainerError::Invalid(format!(
                "Invalid container name ({given}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
            )));
        }
        match lookup::by_name(self.root(), &ids, name) {
            None => Ok(name.to_owned()),
            Some(id) => Err(ContainerError::Conflict(format!(
                "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name."
            ))),
        }
    }
}

fn stage_directory(staged: &Path, record: &Record, host: &HostConfig) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    for (path, mode) in
        [(staged.to_path_buf(), 0o710), (staged.join("checkpoints"), 0o700), (staged.join("mounts"), 0o710)]
    {
        fs::DirBuilder::new().mode(mode).create(&path).doing("create", &path)?;
    }
    let directory = Directory::at(staged);
    directory.write_record(record)?;
    directory.write_host_config(host)
}

/// The directory of an image's top layer.
fn cache_id(root: &Path, chain: ChainId) -> Result<crate::driver::CacheId> {
    let path = root.join("image/overlay2/layerdb/sha256").join(chain.0.hex()).join("cache-id");
    let text = fs::read_to_string(&path).doing("read", &path)?;
    text.trim().parse().map_err(|error| ContainerError::Damaged { path, reason: format!("{error}") })
}

/// Checks what can be checked before the start, and says what the user should know.
fn check(config: &Config, host: &HostConfig) -> Result<Vec<String>> {
    let invalid = ContainerError::Invalid;
    Rights::of(host).map_err(invalid)?;
    Runtime::named(&host.runtime).map_err(invalid)?;
    log_file::options(&host.log_config).map_err(invalid)?;
    if !config.working_dir.is_empty() && !config.working_dir.starts_with('/') {
        return Err(invalid(format!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            config.working_dir
        )));
    }
    for entry in config.env.iter().flatten() {
        if entry.is_empty() || entry.starts_with('=') {
            return Err(invalid(format!("invalid environment variable: {entry}")));
        }
    }
    if !config.stop_signal.is_empty() && super::signal::parse(&config.stop_signal).is_none() {
        return Err(invalid(format!("invalid signal: {}", config.stop_signal)));
    }
    limits::check(host)?;
    check_restart(host)?;
    check_modes(config, host)?;
    if let Some(health) = &config.healthcheck {
        health.check().map_err(invalid)?;
    }
    Ok(Vec::new())
}

/// Checks whose namespaces it gets.
fn check_modes(config: &Config, host: &HostConfig) -> Result<()> {
    let invalid = |text: String| Err(ContainerError::Invalid(text));
    for (what, mode, known) in [
        ("IPC", &host.ipc_mode, &["none", "private", "shareable", "host"][..]),
        ("PID", &host.pid_mode, &["host"]),
        ("UTS", &host.uts_mode, &["host"]),
    ] {
        let joins = what != "UTS" && mode.strip_prefix("container:").is_some_and(|name| !name.is_empty());
        if !mode.is_empty() && !joins && !known.contains(&mode.as_str()) {
            return invalid(format!("Invalid {what} mode: {mode}"));
        }
    }
    if host.uts_mode == "host" && !config.hostname.is_empty() {
        return invalid("conflicting options: hostname and the UTS mode".into());
    }
    if !["", "default"].contains(&host.isolation.as_str()) {
        return invalid(format!("Invalid isolation: {:?} - linux only supports 'default'", host.isolation));
    }
    Ok(())
}

/// Checks the restart policy.
pub(crate) fn check_restart(host: &HostConfig) -> Result<()> {
    let invalid = ContainerError::Invalid;
    let policy = &host.restart_policy;
    if policy.maximum_retry_count < 0 {
        return Err(invalid("invalid restart policy: maximum retry count cannot be negative".into()));
    }
    match policy.name.as_str() {
        "no" | "always" | "unless-stopped" if policy.maximum_retry_count != 0 => {
            return Err(invalid(
                "invalid restart policy: maximum retry count can only be used with 'on-failure'".into(),
            ));
        }
        "" | "no" | "always" | "unless-stopped" | "on-failure" => {}
        other => {
            return Err(invalid(format!(
                "invalid restart policy: unknown policy '{other}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
            )));
        }
    }
    if host.auto_remove && policy.name != "no" {
        return Err(invalid("can't create 'AutoRemove' container with restart policy".into()));
    }
    Ok(())
}

/// The ID of a network that is always there.
fn network_id(name: &str) -> String {
    super::Network::ALL.iter().find(|network| network.name == name).map(super::Network::id).unwrap_or_default()
}

/// Docker's networks of a container; no entry may be an empty object.
fn network_settings(host: &HostConfig, networking: &Value) -> Value {
    let name = match host.network_mode.as_str() {
        "default" => "bridge",
        mode if mode.starts_with("container:") => "",
        mode => mode,
    };
    let mut networks = Map::new();
    if !name.is_empty() {
        let aliases = networking.pointer(&format!("/EndpointsConfig/{name}/Aliases")).cloned().unwrap_or_default();
        networks.insert(
            name.into(),
            json!({
                "IPAMConfig": null, "Links": null, "Aliases": aliases, "NetworkID": network_id(name), "EndpointID": "", "Gateway": "",
                "IPAddress": "", "IPPrefixLen": 0, "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0,
                "MacAddress": "", "DriverOpts": null
            }),
        );
    }
    json!({
        "Bridge": "", "SandboxID": "", "HairpinMode": false, "LinkLocalIPv6Address": "", "LinkLocalIPv6PrefixLen": 0,
        "Networks": networks, "Service": null, "Ports": null, "SandboxKey": "", "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null
    })
}
