//! The API inside the process, with real containers: streams both ways, waiting, changes in detail.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use outcrop_engine::api::{Api, transport};
use outcrop_engine::{Engine, OpenOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// An engine with the image `bb`. All its containers are removed at the end.
struct Scene {
    api: Api,
    _directory: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let files = directory.path().join("files");
        std::fs::create_dir_all(files.join("bin")).expect("a directory");
        std::fs::copy("/bin/busybox", files.join("bin/busybox")).expect("busybox-static");
        for name in ["sh", "cat", "sleep", "echo", "chmod", "rm"] {
            std::os::unix::fs::symlink("busybox", files.join("bin").join(name)).expect("a link");
        }
        for (name, content) in [("grows", "ab"), ("mode", "same"), ("gone", "x")] {
            std::fs::write(files.join(name), content).expect("a file");
        }
        let tar = Command::new("tar").arg("-C").arg(&files).args(["-c", "."]).output().expect("tar").stdout;
        let options = OpenOptions { shim: Some(shim()), ..OpenOptions::new(directory.path().join("root")) };
        let scene = Self { api: Api::new(Engine::open(&options).expect("opens")), _directory: directory };
        let (status, text) = scene.ask("POST /images/create?fromSrc=-&repo=bb", tar).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        scene
    }

    async fn send(&self, request: &str, body: impl Into<Body>, upgrade: bool) -> Response<Incoming> {
        let (method, path) = request.split_once(' ').expect("method and path");
        let mut builder = Request::builder().method(method).uri(path).header("host", "engine");
        if upgrade {
            builder = builder.header("connection", "Upgrade").header("upgrade", "tcp");
        }
        let request = builder.body(body.into()).expect("a request");
        transport::send(self.api.service(), request).await.expect("an answer")
    }

    async fn ask(&self, request: &str, body: impl Into<Body>) -> (StatusCode, String) {
        let response = self.send(request, body, false).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn json(&self, request: &str, body: &Value) -> Value {
        let (status, text) = self.ask(request, body.to_string()).await;
        assert!(status.is_success(), "{request}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn create(&self, body: Value) -> String {
        let mut body = body;
        body["Image"] = "bb".into();
        body["HostConfig"]["NetworkMode"] = "none".into();
        self.json("POST /containers/create", &body).await["Id"].as_str().expect("an ID").to_owned()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let containers = self.api.engine().containers();
        for container in containers
            .list(&outcrop_engine::container::ListOptions { all: true, ..Default::default() })
            .expect("a list")
        {
            containers.remove(container["Id"].as_str().expect("an ID"), true, true).expect("removed");
        }
    }
}

/// The program beside containers: `examples/shim.rs`, which cargo builds with the tests.
fn shim() -> PathBuf {
    let own = std::env::current_exe().expect("this program");
    own.parent().and_then(|deps| deps.parent()).expect("a target directory").join("examples/shim")
}

/// Sends `input`, ends it, and reads all that comes.
async fn talk(response: Response<Incoming>, input: &[u8]) -> Vec<u8> {
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let stream = TokioIo::new(hyper::upgrade::on(response).await.expect("upgrades"));
    let (mut from, mut to) = tokio::io::split(stream);
    let sending = async {
        to.write_all(input).await.expect("writes");
        to.shutdown().await.expect("ends its half");
    };
    let mut output = Vec::new();
    let both = async { tokio::join!(sending, from.read_to_end(&mut output)).1 };
    tokio::time::timeout(Duration::from_secs(30), both).await.expect("ends").expect("reads");
    output
}

fn frame(stream: u8, text: &str) -> Vec<u8> {
    [&[stream, 0, 0, 0][..], &(text.len() as u32).to_be_bytes(), text.as_bytes()].concat()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and busybox-static: run by .ci/run"]
async fn attach_and_exec_end_one_half_and_hear_the_other() {
    let scene = Scene::new().await;
    let id = scene.create(json!({ "Cmd": ["cat"], "OpenStdin": true, "StdinOnce": true, "AttachStdin": true })).await;
    let attach = format!("POST /containers/{id}/attach?stream=1&stdin=1&stdout=1&stderr=1");
    let attached = scene.send(&attach, "", true).await;
    let media_type = attached.headers()["content-type"].to_str().expect("text").to_owned();
    assert_eq!(media_type, "application/vnd.docker.multiplexed-stream");
    // The head of the answer comes before the container ends.
    let waiting = scene.send(&format!("POST /containers/{id}/wait?condition=next-exit"), "", false).await;
    scene.json(&format!("POST /containers/{id}/start"), &Value::Null).await;
    assert_eq!(talk(attached, b"to and fro").await, frame(1, "to and fro"));
    let ended = waiting.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(ended, "{\"StatusCode\":0}\n");
    let (status, _) = scene.ask(&format!("POST /containers/{id}/stop"), "").await;
    assert_eq!(status, StatusCode::NOT_MODIFIED);

    let id = scene.create(json!({ "Cmd": ["sleep", "1000"] })).await;
    scene.json(&format!("POST /containers/{id}/start"), &Value::Null).await;
    let config = json!({ "Cmd": ["sh", "-c", "cat; echo late >&2; exit 3"], "AttachStdin": true, "AttachStdout": true, "AttachStderr": true });
    let exec =
        scene.json(&format!("POST /containers/{id}/exec"), &config).await["Id"].as_str().expect("an ID").to_owned();
    let started = scene.send(&format!("POST /exec/{exec}/start"), json!({ "Detach": false }).to_string(), true).await;
    assert_eq!(talk(started, b"in").await, [frame(1, "in"), frame(2, "late\n")].concat());
    assert_eq!(scene.json(&format!("GET /exec/{exec}/json"), &Value::Null).await["ExitCode"], 3);
    // Without an upgrade the output is the body.
    let exec = scene
        .json(&format!("POST /containers/{id}/exec"), &json!({ "Cmd": ["echo", "a"], "AttachStdout": true }))
        .await;
    let exec = exec["Id"].as_str().expect("an ID");
    let (status, text) = scene.ask(&format!("POST /exec/{exec}/start"), "{}").await;
    assert_eq!((status, text.as_bytes()), (StatusCode::OK, &frame(1, "a\n")[..]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and busybox-static: run by .ci/run"]
async fn more_input_than_is_buffered_may_come_before_the_start() {
    let scene = Scene::new().await;
    let id = scene.create(json!({ "Cmd": ["cat"], "OpenStdin": true, "StdinOnce": true })).await;
    let attach = format!("POST /containers/{id}/attach?stream=1&stdin=1&stdout=1");
    let attached = scene.send(&attach, "", true).await;
    let input: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    let sent = input.clone();
    let talking = tokio::spawn(async move { talk(attached, &sent).await });
    // Until nothing more is taken.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let start = format!("POST /containers/{id}/start");
    let started = tokio::time::timeout(Duration::from_secs(20), scene.ask(&start, "")).await;
    assert_eq!(started.expect("starts").0, StatusCode::NO_CONTENT);
    let output = talking.await.expect("talks");
    let (mut rest, mut content) = (&output[..], Vec::new());
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        content.extend_from_slice(&after[..length]);
        rest = &after[length..];
    }
    assert!(content == input, "{} of {} bytes came back", content.len(), input.len());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and busybox-static: run by .ci/run"]
async fn who_waits_for_one_that_ends_just_then_is_told() {
    let scene = Scene::new().await;
    let id = scene.create(json!({ "Cmd": ["sh", "-c", "exit 4"] })).await;
    for round in 0..20 {
        scene.json(&format!("POST /containers/{id}/start"), &Value::Null).await;
        let wait = format!("POST /containers/{id}/wait");
        let waited = tokio::time::timeout(Duration::from_secs(15), scene.ask(&wait, "")).await;
        assert_eq!(waited.unwrap_or_else(|_| panic!("round {round}")).1, "{\"StatusCode\":4}\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and busybox-static: run by .ci/run"]
async fn changes_in_detail_name_kind_bytes_and_layer() {
    let scene = Scene::new().await;
    let script = "echo more >> /grows; chmod 600 /mode; rm /gone; echo 12345 > /new";
    let id = scene.create(json!({ "Cmd": ["sh", "-c", script] })).await;
    scene.json(&format!("POST /containers/{id}/start"), &Value::Null).await;
    scene.json(&format!("POST /containers/{id}/wait"), &Value::Null).await;
    let changes = scene.json(&format!("GET /outcrop/containers/{id}/changes"), &Value::Null).await;
    let image = scene.json("GET /images/bb/json", &Value::Null).await;
    let layer = &image["RootFS"]["Layers"][0];
    let row = |path: &str| {
        let rows = changes.as_array().expect("a list");
        rows.iter().find(|row| row["Path"] == path).unwrap_or_else(|| panic!("{path} in {changes}"))
    };
    for (path, kind, what, size, copied) in [
        ("/grows", "copy-up", json!(["content", "time"]), 7, 2),
        ("/mode", "metadata", json!(["mode"]), 4, 4),
        ("/gone", "deleted", json!([]), 0, 0),
    ] {
        let row = row(path);
        assert_eq!((&row["Kind"], &row["What"]), (&json!(kind), &what), "{row}");
        assert_eq!((&row["Size"], &row["Copied"]), (&json!(size), &json!(copied)), "{row}");
        assert_eq!((&row["From"]["Layer"], &row["From"]["DiffID"]), (&json!(1), layer), "{row}");
    }
    assert_eq!((&row("/new")["Kind"], &row("/new")["From"]), (&json!("new"), &Value::Null));
}
