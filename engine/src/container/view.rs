//! What the API shows of containers: lists and inspection, in Docker's JSON.

use serde_json::{Map, Value, json};

use super::error::{ContainerError, Result};
use super::filter::{Ports, check, matches};
use super::layers::{Layers, from_driver};
use super::record::{Directory, MountPoint, Record};
use super::{Containers, exec, lookup, port, remove};
use crate::driver::Driver;
use crate::driver::overlay2::Overlay2;
use crate::filters::Filters;

/// What a list of containers is to have.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// Also those that do not run.
    pub all: bool,
    /// At most so many of the newest, running or not; zero for no limit.
    pub limit: usize,
    /// Whether to measure their layers.
    pub size: bool,
    /// `id`, `name`, `status`, `label`, `exited`, `ancestor`, `volume`, `before`, `since`, `health`, `network`.
    pub filters: Filters,
}

impl Containers {
    /// The list of `GET /containers/json`, newest first. Containers whose files are damaged are left out.
    pub fn list(&self, options: &ListOptions) -> Result<Vec<Value>> {
        check(&options.filters)?;
        remove::reconcile(self.root())?;
        let filters = &options.filters;
        let all = options.all || options.limit > 0 || filters.has("status") || filters.has("exited");
        let mut records: Vec<Record> = lookup::ids(self.root())?
            .iter()
            .filter_map(|id| Directory::of(self.root(), id).record().ok())
            .filter(|record| all || record.state.running)
            .collect();
        records.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        let bounds = self.bounds(filters)?;
        let ports = Ports::of(filters)?;
        records.retain(|record| matches(record, filters, &bounds) && ports.match_those_of(self.root(), record));
        if options.limit > 0 {
            records.truncate(options.limit);
        }
        records.iter().map(|record| self.summary(record, options.size)).collect()
    }

    /// Creation times that `before` and `since` name.
    fn bounds(&self, filters: &Filters) -> Result<(Option<String>, Option<String>)> {
        let time = |name: &str| filters.get(name).next().map(|text| self.record(text).map(|r| r.created)).transpose();
        Ok((time("before")?, time("since")?))
    }

    fn summary(&self, record: &Record, size: bool) -> Result<Value> {
        let host = Directory::of(self.root(), &record.id).host_config().unwrap_or_default();
        let created: Option<jiff::Timestamp> = record.created.parse().ok();
        let mut summary = json!({
            "Id": record.id,
            "Names": [record.name],
            "Image": record.config.image,
            "ImageID": record.image,
            "Command": command(record),
            "Created": created.map_or(0, jiff::Timestamp::as_second),
            "Ports": if record.state.running { port::list(&record.network_settings["Ports"]) } else { Vec::new() },
            "Labels": record.config.labels.clone().unwrap_or_default(),
            "State": record.state.status(),
            "Status": record.state.sentence(jiff::Timestamp::now()),
            "HostConfig": { "NetworkMode": host.network_mode },
            "NetworkSettings": { "Networks": networks(record) },
            "Mounts": mounts(record),
        });
        if size {
            let (own, all) = self.sizes(record)?;
            summary["SizeRw"] = own.into();
            summary["SizeRootFs"] = all.into();
        }
        Ok(summary)
    }

    /// Bytes of the container's own layer, and of that with all layers below.
    fn sizes(&self, record: &Record) -> Result<(u64, u64)> {
        let driver = Overlay2::new(self.root(), self.rootless());
        let layers = Layers::of(self.root(), &record.id)?;
        let own = driver.usage(&layers.mount).map_err(from_driver)?.apparent;
        let parent = self.root().join("image/overlay2/layerdb/mounts").join(&record.id).join("parent");
        let mut chain = std::fs::read_to_string(parent).ok();
        let mut all = own;
        while let Some(text) = chain {
            let entry = self.root().join("image/overlay2/layerdb").join(text.trim().replace(':', "/"));
            all += std::fs::read_to_string(entry.join("size"))
                .ok()
                .and_then(|s| s.trim().parse::<u64>().ok())
                .unwrap_or(0);
            chain = std::fs::read_to_string(entry.join("parent")).ok();
        }
        Ok((own, all))
    }

    /// `GET /containers/{id}/json`.
    pub fn inspect(&self, name: &str, size: bool) -> Result<Value> {
        let record = self.record(name)?;
        let host = Directory::of(self.root(), &record.id).host_config()?;
        let mut state = serde_json::to_value(&record.state).unwrap_or_default();
        state["Status"] = record.state.status().into();
        if let Some(members) = state.as_object_mut() {
            members.remove("RemovalInProgress");
            if record.state.health.is_none() {
                members.remove("Health");
            }
        }
        let execs = exec::running(self.root(), &record.id);
        let mut view = json!({
            "Id": record.id,
            "Created": record.created,
            "Path": record.path,
            "Args": record.args,
            "State": state,
            "Image": record.image,
            "ResolvConfPath": record.resolv_conf_path,
            "HostnamePath": record.hostname_path,
            "HostsPath": record.hosts_path,
            "LogPath": record.log_path,
            "Name": record.name,
            "RestartCount": record.restart_count,
            "Driver": record.driver,
            "Platform": record.os,
            "MountLabel": record.mount_label,
            "ProcessLabel": record.process_label,
            "AppArmorProfile": record.app_armor_profile,
            "ExecIDs": if execs.is_empty() { Value::Null } else { json!(execs) },
            "HostConfig": host,
            "GraphDriver": self.graph_driver(&record.id),
            "Mounts": mounts(&record),
            "Config": record.config,
            "NetworkSettings": network_settings(&record),
        });
        if size {
            let (own, all) = self.sizes(&record)?;
            view["SizeRw"] = own.into();
            view["SizeRootFs"] = all.into();
        }
        Ok(view)
    }

    /// The directories of its layers.
    fn graph_driver(&self, id: &str) -> Value {
        let driver = Overlay2::new(self.root(), self.rootless());
        let Ok(layers) = Layers::of(self.root(), id) else { return json!({ "Name": "overlay2", "Data": null }) };
        let own = driver.diff_dir(&layers.mount);
        let lowers: Vec<String> = driver
            .parents(&layers.mount)
            .unwrap_or_default()
            .iter()
            .map(|id| driver.diff_dir(id).to_string_lossy().into_owned())
            .collect();
        json!({
            "Name": "overlay2",
            "Data": {
                "LowerDir": lowers.join(":"),
                "MergedDir": own.with_file_name("merged"),
                "UpperDir": own,
                "WorkDir": own.with_file_name("work"),
            }
        })
    }

    /// Removes the containers that do not run and fit the filters `until` and `label`: their IDs, and the bytes freed.
    pub fn prune(&self, filters: &Filters) -> Result<(Vec<String>, u64)> {
        filters.accept(&["until", "label", "label!"]).map_err(|error| ContainerError::Invalid(error.to_string()))?;
        let now = jiff::Timestamp::now().as_nanosecond();
        let until = filters.get("until").next().map(|text| crate::filters::parse_time(text, now)).transpose();
        let until = until.map_err(ContainerError::Invalid)?;
        remove::reconcile(self.root())?;
        let (mut removed, mut freed) = (Vec::new(), 0);
        for id in lookup::ids(self.root())? {
            let Ok(record) = Directory::of(self.root(), &id).record() else { continue };
            let created = record.created.parse::<jiff::Timestamp>().map_or(now, jiff::Timestamp::as_nanosecond);
            let labels = record.config.labels.clone().unwrap_or_default();
            let kept = filters.has("label!") && filters.labels_match("label!", &labels);
            if record.state.running
                || until.is_some_and(|until| created > until)
                || kept
                || !filters.labels_match("label", &labels)
            {
                continue;
            }
            let bytes = self.sizes(&record).map_or(0, |(own, _)| own);
            match self.remove(&id, false, false) {
                Ok(()) => {
                    freed += bytes;
                    removed.push(id);
                }
                // Somebody started or removed it meanwhile.
                Err(ContainerError::Conflict(_) | ContainerError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((removed, freed))
    }
}

/// The command line as `ps` shows it.
fn command(record: &Record) -> String {
    let word = |word: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
        if word.is_empty() || !word.chars().all(plain) { format!("'{word}'") } else { word.clone() }
    };
    std::iter::once(record.path.clone()).chain(record.args.iter().map(word)).collect::<Vec<_>>().join(" ")
}

fn mounts(record: &Record) -> Vec<Value> {
    record.mount_points.values().map(mount).collect()
}

fn mount(point: &MountPoint) -> Value {
    let mut view = Map::new();
    view.insert("Type".into(), json!(point.kind));
    if !point.name.is_empty() {
        view.insert("Name".into(), json!(point.name));
    }
    view.insert("Source".into(), json!(point.source));
    view.insert("Destination".into(), json!(point.destination));
    if !point.driver.is_empty() {
        view.insert("Driver".into(), json!(point.driver));
    }
    view.insert("Mode".into(), json!(point.relabel));
    view.insert("RW".into(), json!(point.rw));
    let propagation =
        if point.kind == "bind" && point.propagation.is_empty() { "rprivate" } else { &point.propagation };
    view.insert("Propagation".into(), json!(propagation));
    view.into()
}

fn networks(record: &Record) -> Value {
    let networks = record.network_settings["Networks"].clone();
    if networks.is_null() { json!({}) } else { networks }
}

fn network_settings(record: &Record) -> Value {
    let published = record.network_settings["Ports"].as_object().filter(|_| record.state.running);
    let ports = published.cloned().unwrap_or_default();
    json!({
        "Bridge": "", "SandboxID": "", "SandboxKey": "", "HairpinMode": false, "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0, "Ports": ports, "SecondaryIPAddresses": null, "SecondaryIPv6Addresses": null,
        "EndpointID": "", "Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "IPAddress": "",
        "IPPrefixLen": 0, "IPv6Gateway": "", "MacAddress": "", "Networks": networks(record),
    })
}
