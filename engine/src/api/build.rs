//! `/build`: the classic builder's protocol, and plans of builds.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outcrop_layers::digest::ImageId;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::body::{self, BodyReader, BodyWriter, Line};
use super::error::{ApiError, JSON};
use super::query::Params;
use super::{Api, json as answer};
use crate::build::prune::{self, CacheItem};
use crate::build::{BuildError, BuildOptions, PlannedStep, Said, shared};
use crate::container::{HostConfig, Ulimit};
use crate::progress::Ctx;
use crate::registry::Credentials;

/// The header with secrets: base64 of JSON, names to base64. Not in the address, which is logged in many places.
const SECRETS: &str = "x-outcrop-secrets";

/// Reads a parameter that is JSON; a default where it is not there.
fn parsed<T: DeserializeOwned + Default>(params: &Params, name: &str) -> Result<T, ApiError> {
    let Some(text) = params.some(name).filter(|text| text != "null") else { return Ok(T::default()) };
    serde_json::from_str(&text).map_err(|error| ApiError::invalid(format!("invalid {name}: {error}")))
}

fn number(params: &Params, name: &str) -> Result<i64, ApiError> {
    let Some(text) = params.some(name) else { return Ok(0) };
    text.parse().map_err(|_| ApiError::invalid(format!("invalid {name}: {text:?} is no number")))
}

fn secrets(headers: &HeaderMap) -> Result<BTreeMap<String, Vec<u8>>, ApiError> {
    let Some(header) = headers.get(SECRETS) else { return Ok(BTreeMap::new()) };
    let wrong = || ApiError::invalid(format!("{SECRETS} is not base64 of JSON"));
    let bytes = STANDARD.decode(header.as_bytes()).map_err(|_| wrong())?;
    let texts: BTreeMap<String, String> = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
    texts.into_iter().map(|(id, text)| Ok((id, STANDARD.decode(text).map_err(|_| wrong())?))).collect()
}

/// Who pulls images, by registry: the header `X-Registry-Config`.
fn credentials(headers: &HeaderMap) -> Result<BTreeMap<String, Credentials>, ApiError> {
    let Some(header) = headers.get("x-registry-config") else { return Ok(BTreeMap::new()) };
    let found = header.to_str().ok().and_then(Credentials::all_from_header);
    found.ok_or_else(|| ApiError::invalid("invalid X-Registry-Config header: it must be JSON in base 64"))
}

fn host_config(params: &Params) -> Result<HostConfig, ApiError> {
    Ok(HostConfig {
        memory: number(params, "memory")?,
        memory_swap: number(params, "memswap")?,
        cpu_shares: number(params, "cpushares")?,
        cpu_period: number(params, "cpuperiod")?,
        cpu_quota: number(params, "cpuquota")?,
        cpuset_cpus: params.text("cpusetcpus").into(),
        cpuset_mems: params.text("cpusetmems").into(),
        shm_size: number(params, "shmsize")?,
        cgroup_parent: params.text("cgroupparent").into(),
        ulimits: parsed::<Option<Vec<Ulimit>>>(params, "ulimits")?,
        extra_hosts: Some(params.every("extrahosts")).filter(|hosts| !hosts.is_empty()),
        ..HostConfig::default()
    })
}

/// What the client asks for; what cannot be is refused before anything is read.
fn options(params: &Params, headers: &HeaderMap) -> Result<BuildOptions, ApiError> {
    if params.text("version") == "2" {
        return Err(ApiError::invalid(
            "BuildKit's protocol is not spoken here: set DOCKER_BUILDKIT=0, or use outcrop build",
        ));
    }
    if let Some(remote) = params.some("remote") {
        return Err(ApiError::invalid(format!(
            "{remote}: a context is not fetched from an address: fetch it, and build the folder or its tar"
        )));
    }
    if params.on("squash") {
        return Err(ApiError::invalid("squash is not possible: the layers are what there is to see"));
    }
    let dockerfile = params.some("dockerfile").unwrap_or_else(|| "Dockerfile".into());
    Ok(BuildOptions {
        dockerfile,
        tags: params.every("t"),
        arguments: parsed(params, "buildargs")?,
        labels: parsed(params, "labels")?,
        target: params.text("target").into(),
        no_cache: params.on("nocache"),
        pull: params.on("pull"),
        credentials: credentials(headers)?,
        platform: params.platform()?,
        network: params.text("networkmode").into(),
        secrets: secrets(headers)?,
        host_config: host_config(params)?,
    })
}

/// `POST /build`; with `plan=1` tells what would be done, also for each Dockerfile in `against`.
pub(super) async fn build(
    State(api): State<Api>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let options = match options(&params, &headers) {
        Ok(options) => options,
        Err(error) => {
            body::drain(body).await;
            return Err(error);
        }
    };
    if params.on("plan") {
        return Ok(lines(plan(&api, options, params.every("against"), body)));
    }
    let quiet = params.on("q");
    let context = BodyReader::new(body);
    let engine = api.engine.clone();
    let answer = body::stream(&api.work, move |out, cancel| {
        let teller = Mutex::new(Teller { out, quiet, cut: Vec::new(), kept: String::new() });
        let lock = || teller.lock().unwrap_or_else(PoisonError::into_inner);
        let done = engine.builder().build(context, &options, &|said| lock().tell(said), cancel);
        lock().end(&done);
    });
    Ok(lines(answer))
}

fn lines(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Hands on what a build says.
struct Teller {
    out: BodyWriter,
    quiet: bool,
    /// Bytes of a character that is not complete.
    cut: Vec<u8>,
    /// What was said quietly.
    kept: String,
}

/// Said quietly, at most, in bytes: the end of it.
const KEPT: usize = 64 << 10;

impl Teller {
    fn tell(&mut self, said: Said<'_>) {
        match said {
            Said::Text(text) => self.stream(text.to_owned()),
            Said::Step(step) if !self.quiet => self.out.step(step),
            Said::Output(bytes) => {
                self.cut.extend_from_slice(bytes);
                let whole = match std::str::from_utf8(&self.cut) {
                    Err(error) if error.error_len().is_none() => error.valid_up_to(),
                    _ => self.cut.len(),
                };
                let text: Vec<u8> = self.cut.drain(..whole).collect();
                if !text.is_empty() {
                    self.stream(String::from_utf8_lossy(&text).into_owned());
                }
            }
            Said::Image(id) if !self.quiet => self.out.line(&Line::aux(json!({"ID": id}))),
            Said::Step(_) | Said::Image(_) => {}
        }
    }

    fn stream(&mut self, text: String) {
        if !self.quiet {
            return self.out.line(&Line::stream(text));
        }
        self.kept.push_str(&text);
        if self.kept.len() > 2 * KEPT {
            let from = self.kept.ceil_char_boundary(self.kept.len() - KEPT);
            self.kept.drain(..from);
        }
    }

    fn end(&mut self, done: &Result<ImageId, BuildError>) {
        if let (Ok(id), true) = (done, self.quiet) {
            self.out.line(&Line::stream(format!("{id}\n")));
        }
        if let Err(error) = done {
            if self.quiet && !self.kept.is_empty() {
                let kept = std::mem::take(&mut self.kept);
                self.out.line(&Line::stream(kept));
            }
            let code = if let BuildError::Command { code, .. } = &error { Some(*code) } else { None };
            self.out.line(&Line::failed(&error.to_string(), code));
        }
    }
}

/// Answers with one line a Dockerfile, whose text is the plan in JSON: a client that can read a build's answer can read this one.
fn plan(api: &Api, options: BuildOptions, others: Vec<String>, body: Body) -> Body {
    let context = BodyReader::new(body);
    let engine = api.engine.clone();
    body::stream(&api.work, move |mut out, cancel| {
        let names: Vec<String> = std::iter::once(&options.dockerfile).chain(&others).cloned().collect();
        match engine.builder().plan(context, &options, &others, cancel) {
            Err(error) => out.line(&Line::error(&error.to_string())),
            Ok(plans) => {
                let first = plans.first().map(Vec::as_slice).unwrap_or_default();
                for (name, steps) in names.iter().zip(&plans) {
                    let shown: Vec<Value> = steps.iter().map(step).collect();
                    let plan = json!({"Dockerfile": name, "Shared": shared(first, steps), "Steps": shown});
                    out.line(&Line::stream(plan.to_string()));
                }
            }
        }
    })
}

fn step(step: &PlannedStep) -> Value {
    json!({
        "Number": step.number,
        "Of": step.of,
        "Line": step.line,
        "Instruction": step.instruction,
        "Reused": step.reused,
        "Why": step.why,
        "Image": step.image,
        "Layer": step.layer.map(|(chain, _)| chain),
        "Size": step.layer.map(|(_, size)| size),
    })
}

/// One thing in the build cache, for `/system/df`.
pub(super) fn cached(item: &CacheItem) -> Value {
    let time = jiff::Timestamp::from_second(item.created).unwrap_or_default().to_string();
    json!({
        "ID": item.id,
        "Parent": item.parent.map(|id| id.to_string()).unwrap_or_default(),
        "Parents": item.parent.map(|id| vec![id.to_string()]),
        "Type": item.kind,
        "Description": item.description,
        "InUse": item.in_use,
        "Shared": item.shared,
        "Size": item.size,
        "CreatedAt": time,
        "LastUsedAt": time,
        "UsageCount": 1,
    })
}

/// `POST /build/prune`.
pub(super) async fn prune_cache(State(api): State<Api>, params: Params) -> Result<Response, ApiError> {
    let filters = params.filters(&["until", "id", "type"])?;
    let all = params.on("all");
    let engine = api.engine.clone();
    let pruned = body::whole(&api.work, move |cancel| {
        prune::prune(engine.images(), all, &filters, Ctx { progress: &|_| {}, cancel })
    });
    let pruned = pruned.await??;
    let ids = Some(pruned.ids).filter(|ids| !ids.is_empty());
    answer(&json!({"CachesDeleted": ids, "SpaceReclaimed": pruned.bytes}))
}
