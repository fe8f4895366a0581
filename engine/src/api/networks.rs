//! `/networks`: the three that are always there. Others are not made here.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{any, get, post};
use serde_json::{Map, Value, json};

use super::Api;
use super::error::{self, ApiError};
use super::query::Params;
use crate::container::{ContainerError, Containers, ListOptions, Network};
use crate::filters::Filters;

/// What `/networks` may be filtered by.
const FILTERS: [&str; 7] = ["dangling", "driver", "id", "label", "name", "scope", "type"];

/// Every endpoint of networks.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/networks", get(list))
        .route("/networks/create", post(error::not_yet))
        .route("/networks/prune", post(prune))
        .route("/networks/{id}", get(inspect).delete(remove))
        .route("/networks/{id}/{*rest}", any(error::not_yet))
}

fn described(network: &Network, containers: &Value) -> Value {
    json!({
        "Name": network.name, "Id": network.id(), "Created": "0001-01-01T00:00:00Z", "Scope": "local",
        "Driver": network.driver, "EnableIPv4": true, "EnableIPv6": false,
        "IPAM": { "Driver": "default", "Options": null, "Config": [] },
        "Internal": false, "Attachable": false, "Ingress": false, "ConfigFrom": { "Network": "" }, "ConfigOnly": false,
        "Containers": containers, "Options": {}, "Labels": {},
    })
}

/// `GET /networks`.
async fn list(params: Params) -> Result<Response, ApiError> {
    let filters = params.filters(&FILTERS)?;
    let dangling = filters.flag("dangling", false)?;
    let fits = |network: &&Network| {
        let any = |filter: &str, fits: &dyn Fn(&str) -> bool| !filters.has(filter) || filters.get(filter).any(fits);
        any("name", &|wanted| network.name.contains(wanted))
            && any("id", &|wanted| network.id().starts_with(wanted))
            && filters.allows("driver", network.driver)
            && filters.allows("scope", "local")
            && filters.allows("type", "builtin")
            && filters.labels_match("label", &std::collections::BTreeMap::new())
            && !dangling
    };
    super::json(&Network::ALL.iter().filter(fits).map(|network| described(network, &json!({}))).collect::<Vec<_>>())
}

/// The network that `text` names: its name, or the beginning of its ID.
fn find(text: &str) -> Result<&'static Network, ApiError> {
    let by_name = Network::ALL.iter().find(|network| network.name == text);
    let mut by_id = Network::ALL.iter().filter(|network| !text.is_empty() && network.id().starts_with(text));
    by_name.or_else(|| by_id.next()).ok_or_else(|| ApiError::not_found(format!("network {text} not found")))
}

/// `GET /networks/{id}`, with the containers that run in it.
async fn inspect(State(api): State<Api>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let network = find(&id)?;
    let members = api.containers(|containers| members(containers, network)).await?;
    super::json(&described(network, &members.into()))
}

fn members(containers: &Containers, network: &Network) -> Result<Map<String, Value>, ContainerError> {
    let options = ListOptions { filters: Filters::default().with("network", network.name), ..ListOptions::default() };
    let member = |container: Value| {
        let id = container["Id"].as_str()?.to_owned();
        let name = container["Names"][0].as_str()?.trim_start_matches('/').to_owned();
        Some((id, json!({ "Name": name, "EndpointID": "", "MacAddress": "", "IPv4Address": "", "IPv6Address": "" })))
    };
    Ok(containers.list(&options)?.into_iter().filter_map(member).collect())
}

/// `DELETE /networks/{id}`: none of them can be.
async fn remove(Path(id): Path<String>) -> Result<Response, ApiError> {
    let name = find(&id)?.name;
    Err(ApiError::new(StatusCode::FORBIDDEN, format!("{name} is a pre-defined network and cannot be removed")))
}

/// `POST /networks/prune`: there are none that could go.
async fn prune() -> Result<Response, ApiError> {
    super::json(&json!({ "NetworksDeleted": null }))
}
