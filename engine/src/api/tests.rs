//! The API without a socket, on a data root of its own.

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::Api;
use crate::{Engine, OpenOptions};

struct Scene {
    api: Api,
    _scratch: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let scratch = tempfile::tempdir().expect("temporary directory");
        let options = OpenOptions { rootless: true, ..OpenOptions::new(scratch.path().join("root")) };
        Self { api: Api::new(Engine::open(&options).expect("opens")), _scratch: scratch }
    }

    async fn ask(&self, request: &str, body: impl Into<Body>) -> (StatusCode, String) {
        let (method, path) = request.split_once(' ').expect("method and path");
        let request = Request::builder().method(method).uri(path).body(body.into()).expect("is a request");
        let response = self.api.service().oneshot(request).await.expect("answers");
        let status = response.status();
        let body = response.into_body().collect().await.expect("reads").to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}

/// Every error is `{"message"}` with Docker's status.
#[tokio::test]
async fn errors_are_dockers() {
    let scene = Scene::new();
    for (request, body, status) in [
        ("GET /images/nothing/json", "", 404),
        ("GET /v1.41/images/nothing/history", "", 404),
        ("GET /images/get?names=nothing", "", 404),
        ("GET /images/localhost:5000/a/b:c/json", "", 404),
        ("DELETE /images/nothing", "", 404),
        ("POST /images/nothing/tag?repo=a", "", 404),
        ("POST /images/nothing/tag?repo=UPPER", "", 400),
        ("GET /images/json?filters=x", "", 400),
        ("GET /images/json?filters=%7B%22bogus%22:%5B%221%22%5D%7D", "", 400),
        ("GET /containers/nothing/json", "", 404),
        ("GET /volumes/nothing", "", 404),
        ("GET /networks/nothing", "", 404),
        ("POST /volumes/create", "{bad", 400),
        ("POST /volumes/create", r#"{"Name":"../x"}"#, 400),
        ("POST /containers/create", "", 400),
        ("POST /containers/create", "{}", 400),
        ("POST /containers/create", r#"{"Image":"nothing"}"#, 404),
        ("POST /containers/nothing/start", "", 404),
        ("POST /containers/nothing/attach", "", 404),
        ("POST /containers/nothing/wait?condition=whenever", "", 400),
        ("GET /containers/nothing/logs", "", 400),
        ("GET /containers/nothing/logs?stdout=1", "", 404),
        ("GET /containers/nothing/archive", "", 400),
        ("PUT /containers/nothing/archive?path=/", "", 404),
        ("DELETE /containers/nothing", "", 404),
        ("POST /containers/nothing/exec", r#"{"Cmd":["x"]}"#, 404),
        ("POST /containers/nothing/exec", r#"{"Cmd":["x"],"DetachKeys":"xy"}"#, 400),
        ("POST /exec/nothing/start", "", 404),
        ("GET /exec/nothing/json", "", 404),
        ("POST /images/create?fromImage=a", "", 501),
        ("POST /images/create", "", 400),
        ("GET /events?since=5&until=1", "", 400),
        ("GET /events?since=yesterday", "", 400),
        ("GET /nothing", "", 404),
        ("PATCH /version", "", 404),
        ("GET /v1.99/version", "", 400),
        ("GET /v1.1/version", "", 400),
        ("GET /swarm", "", 503),
    ] {
        let (got, text) = scene.ask(request, body).await;
        assert_eq!(got.as_u16(), status, "{request}: {text}");
        let message: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{request}: {text:?} is no JSON"));
        assert!(message["message"].as_str().is_some_and(|message| !message.is_empty()), "{request}: {text}");
    }
}

#[tokio::test]
async fn a_large_body_is_cut() {
    let scene = Scene::new();
    let endless =
        futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(bytes::Bytes::from(vec![b' '; 1 << 16])));
    let (status, text) = scene.ask("POST /volumes/create", Body::from_stream(endless)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
}

#[tokio::test]
async fn what_is_no_archive_is_the_last_line() {
    let scene = Scene::new();
    for body in ["", "no archive at all"] {
        let (status, text) = scene.ask("POST /images/load", body).await;
        assert_eq!(status, StatusCode::OK);
        let line: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).expect("is JSON");
        assert_eq!(line["error"], line["errorDetail"]["message"]);
        assert!(line["error"].as_str().is_some_and(|error| error.contains("archive")), "{text}");
    }
    let idle = scene.api.work().idle();
    tokio::time::timeout(std::time::Duration::from_secs(5), idle).await.expect("nothing is left under way");
}

#[tokio::test]
async fn lists_are_there_in_both_shapes() {
    let scene = Scene::new();
    for path in ["/images/json", "/v1.24/images/json", "/containers/json?all=1", "/plugins"] {
        assert_eq!(scene.ask(&format!("GET {path}"), "").await, (StatusCode::OK, "[]\n".into()), "{path}");
    }
    for (path, key, there) in [
        ("/system/df", "ImageUsage", true),
        ("/v1.47/system/df", "ImageUsage", false),
        ("/v1.47/system/df", "LayersSize", true),
    ] {
        let (_, text) = scene.ask(&format!("GET {path}"), "").await;
        let answer: Value = serde_json::from_str(&text).expect("is JSON");
        assert_eq!(answer.get(key).is_some(), there, "{path} {key}");
    }
}

#[tokio::test]
async fn events_end_when_the_time_is_over_and_when_the_api_stops() {
    let scene = Scene::new();
    assert_eq!(scene.ask("GET /events?since=1&until=2", "").await, (StatusCode::OK, String::new()));
    let api = scene.api.clone();
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        api.stop();
    });
    let endless = tokio::time::timeout(std::time::Duration::from_secs(5), scene.ask("GET /events", "")).await;
    assert_eq!(endless.expect("ends"), (StatusCode::OK, String::new()));
}
