//! What the launch form has to know, and the container that comes of it.

use std::collections::HashMap;
use std::sync::Arc;

use bollard::models::{
    ContainerCreateBody, HostConfig, Mount as ApiMount, MountBindOptions, MountBindOptionsPropagationEnum,
    MountTmpfsOptions, MountType, MountVolumeOptions, PortBinding,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, ListNetworksOptions, ListVolumesOptions,
};
use outcrop_layers::watch::NOTIFY;
use tokio::task::spawn_blocking;

use crate::client::EngineClient;
use crate::client::engine::say;
use crate::job::{Cancel, JobId, JobNews};
use crate::launch::check::Seen;
use crate::launch::{Ground, Launch, Looked, Mount, MountKind, Port, Syntax};
use crate::message::Data;

/// Most entries of a folder that are listed.
const MOST_ENTRIES: usize = 5000;

impl EngineClient {
    pub(super) async fn ground(&self, image: String) {
        let containers = ListContainersOptionsBuilder::default().all(true).build();
        let (inspect, volumes, networks, containers) = tokio::join!(
            self.docker.inspect_image(&image),
            self.docker.list_volumes(None::<ListVolumesOptions>),
            self.docker.list_networks(None::<ListNetworksOptions>),
            self.docker.list_containers(Some(containers)),
        );
        let names =
            containers.unwrap_or_default().into_iter().flat_map(|container| container.names.unwrap_or_default());
        let volumes = volumes.ok().and_then(|list| list.volumes).unwrap_or_default();
        let networks = networks.unwrap_or_default().into_iter().filter_map(|network| network.name);
        let sorted = |list: &mut Vec<String>| list.sort();
        let mut ground = Ground {
            image,
            volumes: volumes.into_iter().map(|volume| volume.name).collect(),
            networks: networks.collect(),
            containers: names.map(|name| name.trim_start_matches('/').to_owned()).collect(),
            local: self.local,
            asked_who: self.asked_who,
            ..Ground::default()
        };
        sorted(&mut ground.volumes);
        sorted(&mut ground.networks);
        let mut id = String::new();
        match inspect {
            Ok(inspect) => {
                id = inspect.id.unwrap_or_default();
                let config = inspect.config.unwrap_or_default();
                ground.entrypoint = config.entrypoint.unwrap_or_default();
                ground.command = config.cmd.unwrap_or_default();
                ground.user = config.user.unwrap_or_default();
                ground.workdir = config.working_dir.unwrap_or_default();
                ground.ports = config.exposed_ports.unwrap_or_default();
                ground.declared = config.volumes.unwrap_or_default();
                sorted(&mut ground.ports);
                sorted(&mut ground.declared);
            }
            Err(error) => self.out.data(Data::Failed(format!("{}: {}", ground.image, say(&error)))),
        }
        self.out.data(Data::Ground(Box::new(ground.clone())));
        // Reading the image's tree may take a while; the form works without it.
        let Ok(root) = self.local_root().await else { return };
        let reader = self.reader.clone();
        let read = spawn_blocking(move || {
            let source = reader.in_place(&root, &id)?;
            reader.tree(JobId(0), &Cancel::default(), &id, source, false)
        });
        if let Ok(Ok(content)) = read.await {
            ground.content = Some(Arc::new(content));
            self.out.data(Data::Ground(Box::new(ground)));
        }
    }

    /// Looks at a path of this machine.
    pub(super) async fn look(&self, path: String) {
        let looked = spawn_blocking(move || look(path)).await;
        if let Ok(looked) = looked {
            self.out.data(Data::Looked(looked));
        }
    }

    pub(super) async fn launch(&self, job: JobId, launch: Launch) {
        let (name, terminal) = (launch.name.clone(), launch.terminal);
        let options = CreateContainerOptionsBuilder::default();
        let options = if name.is_empty() { options } else { options.name(&name) };
        let what = if name.is_empty() { launch.image.clone() } else { name.clone() };
        let created = match self.docker.create_container(Some(options.build()), body(launch)).await {
            Ok(created) => created,
            Err(error) => return self.out.job(job, JobNews::Failed(format!("cannot run {what}: {}", say(&error)))),
        };
        // In a terminal it is started once that is attached, so that nothing it says is missed.
        if !terminal && let Err(error) = self.docker.start_container(&created.id, None).await {
            let text = format!("{what} was created, but does not start: {}", say(&error));
            self.out.job(job, JobNews::Failed(text));
            self.out.data(Data::Changed);
            return;
        }
        self.out.job(job, JobNews::Done("created".into()));
        let name = if name.is_empty() { crate::model::short(&created.id).to_owned() } else { name };
        self.out.data(Data::Launched { container: created.id, name, terminal });
        self.out.data(Data::Changed);
    }
}

fn look(path: String) -> Looked {
    let seen = match std::fs::metadata(&path) {
        Ok(_) => Seen::There,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Seen::Missing,
        Err(error) => Seen::Failed(error.to_string()),
    };
    let entries = std::fs::read_dir(&path).into_iter().flatten().flatten().take(MOST_ENTRIES);
    let mut entries: Vec<(String, bool)> = entries
        .filter_map(|entry| {
            // What is no UTF-8 cannot be written in a command either.
            let name = entry.file_name().into_string().ok()?;
            let folder = entry.path().is_dir();
            Some((name, folder))
        })
        .collect();
    entries.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Looked { path, seen, entries }
}

fn body(launch: Launch) -> ContainerCreateBody {
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let list = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
    let exposed = launch.ports.iter().map(port_key).collect();
    let host = host_config(&launch);
    ContainerCreateBody {
        image: Some(launch.image),
        cmd: list(launch.command),
        env: list(launch.env),
        user: some(launch.user),
        working_dir: some(launch.workdir),
        tty: Some(launch.terminal),
        open_stdin: Some(launch.terminal),
        stdin_once: Some(launch.terminal),
        attach_stdin: Some(launch.terminal),
        attach_stdout: Some(launch.terminal),
        attach_stderr: Some(launch.terminal),
        exposed_ports: list(exposed),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

fn port_key(port: &Port) -> String {
    format!("{}/{}", port.container, port.protocol)
}

fn host_config(launch: &Launch) -> HostConfig {
    let mut ports: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in &launch.ports {
        let binding = PortBinding { host_ip: Some(port.address.clone()), host_port: Some(port.host.clone()) };
        ports.entry(port_key(port)).or_default().get_or_insert_default().push(binding);
    }
    let (mut binds, mut mounts, mut tmpfs) = (Vec::new(), Vec::new(), HashMap::new());
    for mount in &launch.mounts {
        // As the command that was shown says it: a short bind makes the folder, a long one wants it to be there.
        match mount.short().filter(|_| launch.syntax == Syntax::Short && !mount.source.is_empty()) {
            Some(("-v", value)) => binds.push(value),
            _ if launch.syntax == Syntax::Short && mount.kind == MountKind::Tmpfs => {
                let options = mount.short().map(|(_, value)| value).unwrap_or_default();
                let options = options.strip_prefix(&mount.target).unwrap_or("").trim_start_matches(':').to_owned();
                tmpfs.insert(mount.target.clone(), options);
            }
            _ => mounts.push(api_mount(mount)),
        }
    }
    HostConfig {
        annotations: launch.tell_who.then(|| HashMap::from([(NOTIFY.to_owned(), "true".to_owned())])),
        auto_remove: Some(launch.remove),
        network_mode: Some(launch.network.clone()).filter(|network| !network.is_empty()),
        memory: launch.memory.and_then(|bytes| i64::try_from(bytes).ok()),
        nano_cpus: launch.cpus.and_then(|cpus| i64::try_from(cpus).ok()),
        port_bindings: (!ports.is_empty()).then_some(ports),
        binds: (!binds.is_empty()).then_some(binds),
        mounts: (!mounts.is_empty()).then_some(mounts),
        tmpfs: (!tmpfs.is_empty()).then_some(tmpfs),
        ..HostConfig::default()
    }
}

fn api_mount(mount: &Mount) -> ApiMount {
    let kind = match mount.kind {
        MountKind::Volume => MountType::VOLUME,
        MountKind::Bind => MountType::BIND,
        MountKind::Tmpfs => MountType::TMPFS,
    };
    let propagation: Option<MountBindOptionsPropagationEnum> = mount.propagation.parse().ok();
    let volume = MountVolumeOptions {
        no_copy: mount.no_copy.then_some(true),
        subpath: Some(mount.subpath.clone()).filter(|path| !path.is_empty()),
        ..MountVolumeOptions::default()
    };
    let tmpfs = MountTmpfsOptions {
        size_bytes: mount.size.and_then(|size| i64::try_from(size).ok()),
        mode: mount.mode.map(i64::from),
        ..MountTmpfsOptions::default()
    };
    ApiMount {
        target: Some(mount.target.clone()),
        source: Some(mount.source.clone()).filter(|source| !source.is_empty()),
        typ: Some(kind),
        read_only: mount.read_only.then_some(true),
        bind_options: propagation
            .filter(|_| mount.kind == MountKind::Bind)
            .map(|propagation| MountBindOptions { propagation: Some(propagation), ..MountBindOptions::default() }),
        volume_options: (volume != MountVolumeOptions::default()).then_some(volume),
        tmpfs_options: (tmpfs != MountTmpfsOptions::default()).then_some(tmpfs),
        ..ApiMount::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind() -> Mount {
        Mount {
            kind: MountKind::Bind,
            source: "/src".into(),
            target: "/dst".into(),
            read_only: true,
            ..Mount::default()
        }
    }

    #[test]
    fn the_request_says_what_the_command_says() {
        let tmpfs = Mount { kind: MountKind::Tmpfs, target: "/t".into(), size: Some(64 << 20), ..Mount::default() };
        let mut launch =
            Launch { image: "a".into(), mounts: vec![bind(), tmpfs], syntax: Syntax::Short, ..Launch::default() };
        let host = host_config(&launch);
        assert_eq!(host.binds.as_deref(), Some(&["/src:/dst:ro".to_owned()][..]));
        assert_eq!(host.tmpfs.and_then(|map| map.get("/t").cloned()).as_deref(), Some("size=64m"));
        assert!(host.mounts.is_none());
        assert!(host.annotations.is_none());
        (launch.syntax, launch.tell_who) = (Syntax::Mount, true);
        let host = host_config(&launch);
        let mounts = host.mounts.expect("are there");
        assert_eq!(mounts.len(), 2);
        assert_eq!((mounts[0].source.as_deref(), mounts[0].read_only), (Some("/src"), Some(true)));
        assert_eq!(mounts[1].tmpfs_options.as_ref().and_then(|options| options.size_bytes), Some(64 << 20));
        assert!(host.binds.is_none() && host.tmpfs.is_none());
        let annotations = host.annotations.expect("are there");
        assert_eq!(annotations.get("outcrop.notify").map(String::as_str), Some("true"));
    }

    #[test]
    fn looks_at_folders() {
        let folder = tempfile::tempdir().expect("makes a folder");
        std::fs::write(folder.path().join("a"), "").expect("writes");
        std::fs::create_dir(folder.path().join("z")).expect("makes it");
        let looked = look(folder.path().display().to_string());
        assert_eq!(looked.seen, Seen::There);
        assert_eq!(looked.entries, [("z".to_owned(), true), ("a".to_owned(), false)]);
        assert_eq!(look("/no/such/folder".into()).seen, Seen::Missing);
    }
}
