//! `/_ping`, `/version`, `/info`, `/system/df`.

use axum::Extension;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::images::Summary;
use super::query::Params;
use super::version::{Asked, HIGHEST, LOWEST};
use super::{Api, volumes};
use crate::build::prune::CacheItem;
use crate::container::ListOptions;
use crate::info::Info;
use crate::registry::{HUB, Registries};
use crate::root::Access;
use crate::usage::DiskUsage;

/// `GET` and `HEAD /_ping`: what every client asks first.
pub(super) async fn ping() -> Response {
    let headers = [
        (HeaderName::from_static("builder-version"), "1"),
        (HeaderName::from_static("swarm"), "inactive"),
        (CACHE_CONTROL, "no-cache, no-store, must-revalidate"),
        (PRAGMA, "no-cache"),
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
    ];
    (StatusCode::OK, headers, "OK").into_response()
}

/// `GET /version`.
pub(super) async fn version(State(api): State<Api>) -> Result<Response, ApiError> {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    let info = api.blocking(|engine| Ok(engine.info())).await?;
    super::json(&json!({
        "Platform": {"Name": "outcrop"},
        "Components": [{
            "Name": "Engine",
            "Version": VERSION,
            "Details": {
                "ApiVersion": format!("1.{HIGHEST}"),
                "Arch": info.architecture,
                "Experimental": "false",
                "KernelVersion": info.kernel,
                "MinAPIVersion": format!("1.{LOWEST}"),
                "Os": "linux",
            },
        }],
        "Version": VERSION,
        "ApiVersion": format!("1.{HIGHEST}"),
        "MinAPIVersion": format!("1.{LOWEST}"),
        "GitCommit": "",
        "GoVersion": "",
        "Os": "linux",
        "Arch": info.architecture,
        "KernelVersion": info.kernel,
        "BuildTime": "",
    }))
}

/// `GET /info`.
pub(super) async fn info(State(api): State<Api>) -> Result<Response, ApiError> {
    let (info, access) = api.blocking(|engine| Ok((engine.info(), engine.access().clone()))).await?;
    super::json(&described(&info, &access))
}

fn described(info: &Info, access: &Access) -> Value {
    let [http_proxy, https_proxy, no_proxy] = info.registries.proxies.shown();
    let mut warnings = info.warnings.clone();
    if let Access::ReadOnly { why } = access
        && !warnings.iter().any(|warning| warning.contains(why.as_str()))
    {
        warnings.insert(0, format!("the data root is open for reading only: {why}"));
    }
    let mut all = json!({
        "ID": info.id,
        "Containers": info.containers,
        "ContainersRunning": info.running,
        "ContainersPaused": info.paused,
        "ContainersStopped": info.containers.saturating_sub(info.running + info.paused),
        "Images": info.images,
        "Driver": info.driver,
        "DriverStatus": info.driver_status.iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>(),
        "SystemTime": jiff::Timestamp::now().to_string(),
        "KernelVersion": info.kernel,
        "OperatingSystem": info.operating_system,
        "OSVersion": info.os_version,
        "OSType": "linux",
        "Architecture": info.machine,
        "NCPU": info.cpus,
        "MemTotal": info.memory,
        "CgroupVersion": info.cgroup_version.to_string(),
        "SecurityOptions": info.security_options,
        "DockerRootDir": info.root,
        "Name": info.name,
        "ServerVersion": concat!("outcrop ", env!("CARGO_PKG_VERSION")),
        "RegistryConfig": registry_config(&info.registries),
        "HttpProxy": http_proxy, "HttpsProxy": https_proxy, "NoProxy": no_proxy,
        "Warnings": warnings,
    });
    if let (Some(all), Value::Object(constant)) = (all.as_object_mut(), unchanging()) {
        all.extend(constant);
        if info.rootless {
            for limit in ["MemoryLimit", "SwapLimit", "CpuCfsPeriod", "CpuCfsQuota", "CPUShares", "CPUSet", "PidsLimit"]
            {
                all.insert(limit.into(), false.into());
            }
            all.insert("CgroupDriver".into(), "none".into());
        }
    }
    all
}

/// How registries are reached, as dockerd tells it: networks apart, hosts as indices.
fn registry_config(settings: &Registries) -> Value {
    let (networks, hosts): (Vec<&String>, Vec<&String>) =
        settings.insecure.iter().partition(|entry| entry.contains('/'));
    let index = |name: &str, mirrors: &[String], secure: bool| json!({"Name": name, "Mirrors": mirrors, "Secure": secure, "Official": name == HUB});
    let mut indices = Map::from_iter([(HUB.to_owned(), index(HUB, &settings.mirrors, true))]);
    indices.extend(hosts.into_iter().map(|host| (host.clone(), index(host, &[], false))));
    json!({"InsecureRegistryCIDRs": networks, "IndexConfigs": indices, "Mirrors": settings.mirrors})
}

/// What is the same for every root: fields that clients expect to be there.
fn unchanging() -> Value {
    json!({
        "Plugins": {"Volume": ["local"], "Network": ["bridge", "host", "null"], "Authorization": null, "Log": ["json-file", "none"]},
        "MemoryLimit": true, "SwapLimit": true, "CpuCfsPeriod": true, "CpuCfsQuota": true, "CPUShares": true,
        "CPUSet": true, "PidsLimit": true, "IPv4Forwarding": true, "OomKillDisable": false,
        "Debug": false, "NFd": 0, "NGoroutines": 0, "NEventsListener": 0,
        "LoggingDriver": "json-file", "CgroupDriver": "cgroupfs",
        "IndexServerAddress": "",
        "GenericResources": null,
        "Labels": [],
        "ExperimentalBuild": false,
        // The name that is recorded with containers for the embedded runtime, so that dockerd can start them.
        "Runtimes": {"runc": {"path": "outcrop"}}, "DefaultRuntime": "runc",
        "Swarm": {"NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "", "RemoteManagers": null},
        "LiveRestoreEnabled": false,
        "Isolation": "", "InitBinary": "",
        "ContainerdCommit": {"ID": ""}, "RuncCommit": {"ID": ""}, "InitCommit": {"ID": ""},
        "CDISpecDirs": [],
    })
}

/// `GET /system/df`. A client that names no version also gets the totals of API 1.52, beside the older lists.
pub(super) async fn df(
    State(api): State<Api>,
    Extension(Asked(asked)): Extension<Asked>,
    params: Params,
) -> Result<Response, ApiError> {
    let types = params.every("type");
    let wanted = |name: &str| types.is_empty() || types.iter().any(|kind| kind == name);
    if let Some(unknown) = types.iter().find(|t| !["container", "image", "volume", "build-cache"].contains(&t.as_str()))
    {
        return Err(ApiError::invalid(format!("unknown object type: {unknown}")));
    }
    let usage = api.blocking(crate::Engine::usage).await?;
    let mut answer = Map::new();
    let mut put = |name: &str, value: Value| answer.insert(name.into(), value);
    if wanted("image") {
        let images: Vec<_> = usage.images.iter().map(|image| json!(Summary::new(image, asked))).collect();
        put("LayersSize", usage.layers_size.into());
        put("ImageUsage", images_total(&usage, &images));
        put("Images", images.into());
    }
    if wanted("container") {
        let options = ListOptions { all: true, size: true, ..ListOptions::default() };
        let list = api.containers(move |containers| containers.list(&options)).await?;
        let size = |container: &Value| container["SizeRw"].as_u64().unwrap_or(0);
        let idle = list.iter().filter(|c| c["State"] != "running" && c["State"] != "paused");
        let free: u64 = idle.clone().map(size).sum();
        put("ContainerUsage", total(list.len() - idle.count(), list.iter().map(size).sum(), free, &list));
        put("Containers", list.into());
    }
    if wanted("volume") {
        let list: Vec<_> = usage.volumes.iter().map(volumes::used).collect();
        let size: u64 = usage.volumes.iter().map(|volume| volume.size).sum();
        let idle = usage.volumes.iter().filter(|volume| volume.ref_count == 0);
        let free: u64 = idle.clone().map(|volume| volume.size).sum();
        put("VolumeUsage", total(list.len() - idle.count(), size, free, &list));
        put("Volumes", list.into());
    }
    if wanted("build-cache") {
        let items = &usage.build_cache;
        let list: Vec<_> = items.iter().map(super::build::cached).collect();
        let size = |counts: &dyn Fn(&CacheItem) -> bool| -> u64 {
            items.iter().filter(|item| !item.shared && counts(item)).map(|item| item.size).sum()
        };
        let active = items.iter().filter(|item| item.in_use).count();
        put("BuildCacheUsage", total(active, size(&|_| true), size(&|item| !item.in_use), &list));
        put("BuildCache", list.into());
    }
    if asked.is_some() {
        for name in ["ImageUsage", "ContainerUsage", "VolumeUsage", "BuildCacheUsage"] {
            answer.remove(name);
        }
    }
    super::json(&answer)
}

fn total(active: usize, size: u64, free: u64, items: &[Value]) -> Value {
    json!({"ActiveCount": active, "TotalCount": items.len(), "TotalSize": size, "Reclaimable": free, "Items": items})
}

/// As Docker counts: what goes when all images go that no container uses.
fn images_total(usage: &DiskUsage, items: &[Value]) -> Value {
    let used = usage.images.iter().filter(|image| image.containers.unwrap_or(0) > 0);
    let held: u64 = used.clone().map(|image| image.size.saturating_sub(image.shared_size.unwrap_or(0))).sum();
    let shared = used.clone().map(|image| image.shared_size.unwrap_or(0)).max().unwrap_or(0);
    let free = usage.layers_size.saturating_sub(held + shared);
    total(used.count(), usage.layers_size, free, items)
}
