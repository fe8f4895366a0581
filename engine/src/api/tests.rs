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
        let (status, bytes) = self.bytes(request, body).await;
        (status, String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn bytes(&self, request: &str, body: impl Into<Body>) -> (StatusCode, bytes::Bytes) {
        let (method, path) = request.split_once(' ').expect("method and path");
        let request = Request::builder().method(method).uri(path).body(body.into()).expect("is a request");
        let response = self.api.service().oneshot(request).await.expect("answers");
        let status = response.status();
        (status, response.into_body().collect().await.expect("reads").to_bytes())
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
        ("GET /outcrop/containers/nothing/changes", "", 404),
        ("GET /outcrop/volumes/nothing/archive", "", 404),
        ("GET /outcrop/volumes/nothing/archive?compression=rar", "", 400),
        ("POST /outcrop/volumes/nothing/archive", "no archive", 400),
        ("POST /outcrop/volumes/nothing/clone", "", 400),
        ("POST /outcrop/volumes/nothing/clone?to=new", "", 404),
        ("GET /outcrop/volumes/nothing/tree", "", 404),
        ("GET /outcrop/volumes/nothing/size", "", 404),
        ("GET /outcrop/volumes/nothing/folder", "", 404),
        ("PUT /outcrop/volumes/nothing/folder", "", 404),
        ("GET /outcrop/volumes/nothing/file?path=x", "", 404),
        ("POST /networks/create", "{}", 501),
        ("DELETE /networks/host", "", 403),
        ("POST /commit?container=nothing", "", 404),
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

#[tokio::test]
async fn volumes_go_out_and_come_back() {
    let scene = Scene::new();
    let ask = async |request: &str, body: &[u8]| {
        let (status, answer) = scene.bytes(request, body.to_vec()).await;
        assert!(status.is_success(), "{request}: {status} {}", String::from_utf8_lossy(&answer));
        answer
    };
    let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("is JSON");
    ask("POST /volumes/create", br#"{"Name":"one","Labels":{"a":"b"}}"#).await;
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in [("d/f", &b"content"[..]), ("g", b"more")] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        let id = |id: u32| u64::from(id);
        header.set_uid(id(rustix::process::geteuid().as_raw()));
        header.set_gid(id(rustix::process::getegid().as_raw()));
        tar.append_data(&mut header, name, content).expect("memory");
    }
    ask("PUT /outcrop/volumes/one/folder", &tar.into_inner().expect("memory")).await;
    let tree = value(&ask("GET /outcrop/volumes/one/tree?depth=2", b"").await);
    let paths: Vec<_> =
        tree.as_array().expect("a list").iter().map(|item| item["Path"].as_str().expect("text")).collect();
    assert_eq!(paths, ["d", "d/f", "g"]);
    assert_eq!(ask("GET /outcrop/volumes/one/file?path=d/f", b"").await, "content");
    for compression in ["zstd", "gzip", "none"] {
        let archive = ask(&format!("GET /outcrop/volumes/one/archive?compression={compression}"), b"").await;
        let restored = ask(&format!("POST /outcrop/volumes/{compression}/archive?label=x=y"), &archive).await;
        assert_eq!(value(&restored)["Labels"]["x"], "y");
        assert_eq!(ask(&format!("GET /outcrop/volumes/{compression}/file?path=d/f"), b"").await, "content");
    }
    assert_eq!(value(&ask("POST /outcrop/volumes/one/clone?to=two", b"").await)["Labels"]["a"], "b");
    assert_eq!(value(&ask("GET /outcrop/volumes/two/size", b"").await)["Bytes"], 11);
    let folder = ask("GET /outcrop/volumes/two/folder?path=d", b"").await;
    let mut folder = tar::Archive::new(&folder[..]);
    let names: Vec<_> =
        folder.entries().expect("a tar").map(|e| e.expect("an entry").path().expect("a path").into_owned()).collect();
    assert_eq!(names, [std::path::Path::new("./"), std::path::Path::new("f")]);
    assert_eq!(scene.ask("POST /outcrop/volumes/one/clone?to=two", "").await.0, StatusCode::CONFLICT);
}

#[tokio::test]
async fn three_networks_are_always_there() {
    let scene = Scene::new();
    let (_, text) = scene.ask("GET /networks", "").await;
    let all: Value = serde_json::from_str(&text).expect("is JSON");
    let names: Vec<_> =
        all.as_array().expect("a list").iter().map(|network| network["Name"].as_str().expect("text")).collect();
    assert_eq!(names, ["bridge", "host", "none"]);
    let id = all[2]["Id"].as_str().expect("an ID");
    for name in ["none", id, &id[..12]] {
        let (status, text) = scene.ask(&format!("GET /networks/{name}"), "").await;
        assert!(status.is_success() && text.contains("\"Driver\":\"null\""), "{text}");
    }
}

/// What goes wrong before anything is told of a pull or a push has a status.
#[tokio::test]
async fn registries_that_cannot_be_asked() {
    let scene = Scene::new();
    for (request, body, want) in [
        ("POST /images/create?fromImage=localhost:1/a", "", 500),
        ("POST /images/create?fromImage=UPPER&tag=1", "", 400),
        ("POST /images/create?fromImage=localhost:1/a&tag=1", "", 500),
        ("POST /images/nothing/push?tag=1", "", 404),
        ("POST /images/nothing/push?tag=-", "", 400),
        ("POST /auth", "{", 400),
    ] {
        let (status, text) = scene.ask(request, body).await;
        assert_eq!(status.as_u16(), want, "{request}: {text}");
        let json: Value = serde_json::from_str(&text).expect("is JSON");
        assert!(json["message"].as_str().is_some_and(|message| !message.is_empty()), "{request}: {text}");
    }
}
