//! Requests about volumes: the list, their sizes, and who used them.

use std::collections::{HashMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use bollard::models::{ContainerSummary, EventMessage, Volume};
use bollard::query_parameters::{
    DataUsageOptions, EventsOptionsBuilder, ListContainersOptionsBuilder, ListVolumesOptions,
};
use futures_util::StreamExt;

use crate::client::EngineClient;
use crate::client::engine::{HELPER, say};
use crate::message::Data;
use crate::model::{Past, State, User, VolumeRow, short};

impl EngineClient {
    pub(super) async fn list_volumes(&self) {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let (volumes, containers) = tokio::join!(
            self.docker.list_volumes(None::<ListVolumesOptions>),
            self.docker.list_containers(Some(options)),
        );
        let rows = match volumes {
            Ok(volumes) => {
                let mut users = users(containers.unwrap_or_default());
                let volumes = volumes.volumes.unwrap_or_default().into_iter();
                Ok(volumes.map(|volume| row(&volume, users.remove(&volume.name).unwrap_or_default())).collect())
            }
            Err(error) => Err(format!("cannot list the volumes: {}", say(&error))),
        };
        self.out.data(Data::Volumes(rows));
    }

    /// Has the engine measure every volume.
    pub(super) async fn volume_sizes(&self) {
        self.out.data(Data::VolumeSizes(self.measured_volumes().await));
    }

    /// Every volume's bytes, as the engine measures them.
    pub(super) async fn measured_volumes(&self) -> Result<Vec<(String, u64)>, String> {
        match self.measured().await {
            Ok(sizes) if sizes.is_empty() => self.measured_anew().await,
            sizes => sizes,
        }
    }

    /// `/system/df` as engines before API 1.52 answer it. The client only knows the newer answer; but the older one lists volumes just
    /// as the list of volumes does, with their usage, so it is read as such a list.
    async fn measured(&self) -> Result<Vec<(String, u64)>, String> {
        let docker = self.docker.clone().with_request_modifier(|mut request| {
            let uri = request.uri().to_string();
            let path = request.uri().path().to_owned();
            if let Some(head) = path.strip_suffix("/volumes")
                && let Ok(uri) = uri.replacen(&path, &format!("{head}/system/df"), 1).parse()
            {
                *request.uri_mut() = uri;
            }
            request
        });
        let answer = docker.list_volumes(None::<ListVolumesOptions>).await;
        let answer = answer.map_err(|error| format!("the engine did not measure: {}", say(&error)))?;
        Ok(answer.volumes.unwrap_or_default().iter().filter_map(measured).collect())
    }

    async fn measured_anew(&self) -> Result<Vec<(String, u64)>, String> {
        let options = DataUsageOptions { _type: Some(vec!["volume".to_owned()]), verbose: true };
        let usage = self.docker.df(Some(options)).await;
        let usage = usage.map_err(|error| format!("the engine did not measure: {}", say(&error)))?;
        let items = usage.volume_usage.and_then(|volumes| volumes.items).unwrap_or_default();
        let volumes = items.into_iter().filter_map(|item| serde_json::from_value::<Volume>(item).ok());
        Ok(volumes.filter_map(|volume| measured(&volume)).collect())
    }

    /// Asks the engine's past events who mounted volumes, and when those containers went. Engines remember only the last few hundred.
    pub(super) async fn volume_pasts(&self) {
        // To the end of this second: what happened in it counts, too.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() + 1);
        let filters = HashMap::from([("type", vec!["volume", "container"]), ("event", vec!["mount", "destroy"])]);
        let options = EventsOptionsBuilder::default().since("0").until(&now.to_string()).filters(&filters).build();
        let mut events = Box::pin(self.docker.events(Some(options)));
        let mut pasts = Pasts::default();
        while let Some(Ok(event)) = events.next().await {
            pasts.take(&event);
        }
        self.out.data(Data::VolumePasts(pasts.finish()));
    }
}

fn measured(volume: &Volume) -> Option<(String, u64)> {
    // -1: the driver does not say.
    let size = u64::try_from(volume.usage_data.as_ref()?.size).ok()?;
    Some((volume.name.clone(), size))
}

fn users(containers: Vec<ContainerSummary>) -> HashMap<String, Vec<User>> {
    let mut out: HashMap<String, Vec<User>> = HashMap::new();
    for container in containers {
        let names = container.names.unwrap_or_default();
        let name = names.first().map_or("", |name| name.trim_start_matches('/')).to_owned();
        let state = State::parse(&container.state.map(|state| state.to_string()).unwrap_or_default());
        for mount in container.mounts.unwrap_or_default() {
            if mount.typ.is_none_or(|kind| kind != "volume") {
                continue;
            }
            let Some(volume) = mount.name.filter(|name| !name.is_empty()) else { continue };
            out.entry(volume).or_default().push(User {
                id: container.id.clone().unwrap_or_default(),
                name: name.clone(),
                target: mount.destination.unwrap_or_default(),
                writable: mount.rw.unwrap_or(true),
                alive: state.is_alive(),
            });
        }
    }
    out
}

fn row(volume: &Volume, mut users: Vec<User>) -> VolumeRow {
    let sorted = |map: &HashMap<String, String>| {
        let mut pairs: Vec<(String, String)> = map.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        pairs.sort();
        pairs
    };
    users.sort_by(|a, b| b.alive.cmp(&a.alive).then_with(|| a.name.cmp(&b.name)));
    let inspect = serde_json::to_value(volume).ok();
    let created = inspect.as_ref().and_then(|value| value.get("CreatedAt")?.as_str().and_then(crate::size::parse_time));
    VolumeRow {
        name: volume.name.clone(),
        driver: volume.driver.clone(),
        mountpoint: volume.mountpoint.clone(),
        created: created.unwrap_or(0),
        labels: sorted(&volume.labels),
        options: sorted(&volume.options),
        users,
        inspect: inspect.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_default(),
    }
}

/// What events tell of volumes and containers that are gone.
#[derive(Default)]
struct Pasts {
    /// The mounts of each volume, the newest last: which container, and when.
    mounts: HashMap<String, Vec<(String, i64)>>,
    /// Containers that were removed: name, image, when.
    removed: HashMap<String, (String, String, i64)>,
    /// Containers that were made here only to copy files.
    helpers: HashSet<String>,
}

impl Pasts {
    fn take(&mut self, event: &EventMessage) {
        let Some(actor) = &event.actor else { return };
        let attribute =
            |name: &str| actor.attributes.as_ref().and_then(|all| all.get(name)).cloned().unwrap_or_default();
        let (Some(id), time) = (actor.id.clone(), event.time.unwrap_or(0)) else { return };
        match event.action.as_deref() {
            Some("mount") => {
                self.mounts.entry(id).or_default().push((attribute("container"), time));
            }
            Some("destroy") if !attribute(HELPER).is_empty() => {
                self.helpers.insert(id);
            }
            Some("destroy") => {
                let removed = (attribute("name"), attribute("image"), time);
                self.removed.insert(id, removed);
            }
            _ => {}
        }
    }

    fn finish(self) -> Vec<(String, Past)> {
        let past = |(volume, mounts): (String, Vec<(String, i64)>)| {
            let (container, mounted) = mounts.into_iter().rfind(|(container, _)| !self.helpers.contains(container))?;
            // One that is still there is known from the list.
            let (name, image, removed) = self.removed.get(&container)?;
            let name = if name.is_empty() { short(&container).to_owned() } else { name.clone() };
            Some((volume, Past { container: name, image: image.clone(), mounted, removed: Some(*removed) }))
        };
        self.mounts.into_iter().filter_map(past).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::EventActor;

    fn event(action: &str, id: &str, attributes: &[(&str, &str)], time: i64) -> EventMessage {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        EventMessage {
            action: Some(action.into()),
            actor: Some(EventActor { id: Some(id.into()), attributes: Some(attributes) }),
            time: Some(time),
            ..EventMessage::default()
        }
    }

    #[test]
    fn tells_who_wrote_a_volume_and_when_it_went() {
        let mut pasts = Pasts::default();
        pasts.take(&event("mount", "db", &[("container", "c1")], 10));
        pasts.take(&event("mount", "db", &[("container", "c3")], 15));
        pasts.take(&event("destroy", "c3", &[("name", "quiet"), (HELPER, "db")], 16));
        pasts.take(&event("mount", "other", &[("container", "c2")], 20));
        pasts.take(&event("destroy", "c1", &[("name", "web"), ("image", "app1")], 30));
        pasts.take(&event("start", "c2", &[], 40));
        let past = Past { container: "web".into(), image: "app1".into(), mounted: 10, removed: Some(30) };
        assert_eq!(pasts.finish(), [("db".to_owned(), past)]);
    }
}
