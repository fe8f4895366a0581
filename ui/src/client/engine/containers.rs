//! Requests about containers: the list, one of them, its log and its processes.

use std::collections::HashMap;

use bollard::errors::Error;
use bollard::models::{ContainerInspectResponse, ContainerSummary, HostConfig, MountPoint};
use bollard::query_parameters::{
    InspectContainerOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder, TopOptions,
};
use futures_util::StreamExt;

use crate::client::EngineClient;
use crate::client::engine::say;
use crate::job::Cancel;
use crate::message::{Data, Processes};
use crate::model::{ContainerDetail, ContainerRow, MountRow, State};
use crate::screen::containers::Asking;

/// Lines of a log that are asked for before it is followed.
const TAIL: &str = "1000";
/// Bytes of a log that are told at once.
const BATCH: usize = 64 << 10;

impl EngineClient {
    pub(super) async fn list_containers(&self) {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let rows = match self.docker.list_containers(Some(options)).await {
            Ok(rows) => Ok(rows.into_iter().map(row).collect()),
            Err(error) => Err(format!("cannot list the containers: {}", say(&error))),
        };
        self.out.data(Data::Containers(rows));
    }

    pub(super) async fn container_sizes(&self, asking: Asking, ids: &[String]) {
        let filters = HashMap::from([("id".to_owned(), ids.to_vec())]);
        let options = ListContainersOptionsBuilder::default().all(true).size(true).filters(&filters).build();
        // Without sizes the dialog still says what goes, only not how large it is.
        let rows = self.docker.list_containers(Some(options)).await.unwrap_or_default();
        let size = |row: ContainerSummary| {
            let bytes = u64::try_from(row.size_rw.unwrap_or(0)).unwrap_or(0);
            row.id.map(|id| (id, bytes))
        };
        self.out.data(Data::ContainerSizes(asking, rows.into_iter().filter_map(size).collect()));
    }

    pub(super) async fn container(&self, id: &str) {
        let options = |size| InspectContainerOptionsBuilder::default().size(size).build();
        // What it is comes at once; measuring its writable layer may take a while.
        let mut base = None;
        for size in [false, true] {
            match self.docker.inspect_container(id, Some(options(size))).await {
                Ok(inspect) => {
                    let mut detail = detail(&inspect);
                    if base.is_none() {
                        base = self.detail(&detail.image_id).await.ok();
                    }
                    detail.base.clone_from(&base);
                    self.out.data(Data::Container(Box::new(detail)));
                }
                // Gone between the list and now: the next list says so.
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => return,
                Err(error) => return self.failed("inspect the container", &error),
            }
        }
    }

    pub(super) async fn processes(&self, container: String) {
        let result = match self.docker.top_processes(&container, None::<TopOptions>).await {
            Ok(top) => {
                Ok(Processes { titles: top.titles.unwrap_or_default(), rows: top.processes.unwrap_or_default() })
            }
            Err(error) => Err(format!("cannot list its processes: {}", say(&error))),
        };
        self.out.data(Data::Processes { container, result });
    }

    pub(super) async fn logs(&self, generation: u64, cancel: Cancel, container: &str) {
        let options = LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).tail(TAIL).build();
        let mut stream = Box::pin(self.docker.logs(container, Some(options))).ready_chunks(512);
        let mut end = "it has ended".to_owned();
        while let Some(chunks) = stream.next().await {
            if cancel.is_cancelled() {
                return;
            }
            let mut bytes = Vec::new();
            for chunk in chunks {
                match chunk {
                    Ok(output) => bytes.extend_from_slice(output.as_ref()),
                    Err(error) => end = say(&error),
                }
                if bytes.len() >= BATCH {
                    self.out.data(Data::Logs { generation, bytes: std::mem::take(&mut bytes), end: None });
                }
            }
            self.out.data(Data::Logs { generation, bytes, end: None });
        }
        self.out.data(Data::Logs { generation, bytes: Vec::new(), end: Some(end) });
    }
}

fn row(container: ContainerSummary) -> ContainerRow {
    let name = container.names.unwrap_or_default().into_iter().map(|name| name.trim_start_matches('/').to_owned());
    // A name with a slash inside is an alias that a link made.
    let name = name.min_by_key(|name| name.contains('/')).unwrap_or_default();
    let status = container.status.unwrap_or_default();
    let health =
        ["unhealthy", "healthy", "health: starting"].into_iter().find(|word| status.contains(&format!("({word}")));
    let ports = container.ports.unwrap_or_default().into_iter().filter_map(|port| {
        let (from, to) = (port.public_port?, port.private_port);
        Some(format!("{from}->{to}"))
    });
    let mut ports: Vec<String> = ports.collect();
    ports.sort();
    ports.dedup();
    ContainerRow {
        id: container.id.unwrap_or_default(),
        name,
        image: container.image.unwrap_or_default(),
        state: State::parse(&container.state.map(|state| state.to_string()).unwrap_or_default()),
        health: health.map(|word| word.trim_start_matches("health: ").to_owned()).unwrap_or_default(),
        status,
        created: container.created.unwrap_or(0),
        ports: ports.join(" "),
        mounts: container.mounts.unwrap_or_default().into_iter().map(mount).collect(),
    }
}

fn mount(point: MountPoint) -> MountRow {
    MountRow {
        kind: point.typ.unwrap_or_default(),
        name: point.name.unwrap_or_default(),
        source: point.source.unwrap_or_default(),
        target: point.destination.unwrap_or_default(),
        writable: point.rw.unwrap_or(true),
        options: [point.mode, point.propagation]
            .into_iter()
            .flatten()
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// Mounts of memory that the list of mounts leaves out.
fn memory(host: &HostConfig) -> Vec<MountRow> {
    let tmpfs = host.tmpfs.iter().flatten().map(|(target, options)| MountRow {
        kind: "tmpfs".into(),
        target: target.clone(),
        writable: !options.split(',').any(|word| word == "ro"),
        options: options.clone(),
        ..MountRow::default()
    });
    tmpfs.collect()
}

fn detail(inspect: &ContainerInspectResponse) -> ContainerDetail {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let state = inspect.state.clone().unwrap_or_default();
    let host = inspect.host_config.clone().unwrap_or_default();
    let mut mounts: Vec<MountRow> = inspect.mounts.iter().flatten().cloned().map(mount).collect();
    for more in memory(&host) {
        if mounts.iter().all(|mount| mount.target != more.target) {
            mounts.push(more);
        }
    }
    mounts.sort_by(|a, b| a.target.cmp(&b.target));
    ContainerDetail {
        id: text(&inspect.id),
        image_id: text(&inspect.image),
        error: state.error.unwrap_or_default(),
        out_of_memory: state.oom_killed.unwrap_or(false),
        auto_remove: host.auto_remove.unwrap_or(false),
        written: inspect.size_rw.and_then(|bytes| u64::try_from(bytes).ok()),
        mounts,
        base: None,
        inspect: serde_json::to_string_pretty(inspect).unwrap_or_default(),
    }
}
