//! Pushing to a registry that takes several layers at once, and has its weak moments.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::*;
use crate::image::LoadOptions;
use crate::{Engine, OpenOptions};

/// What the registry has, and what it went through.
#[derive(Default)]
struct Store {
    blobs: HashMap<String, Vec<u8>>,
    manifests: HashMap<String, Vec<u8>>,
    /// Uploads that are under way, and the most that were.
    under_way: usize,
    most: usize,
    /// What failed once already.
    failed: HashSet<String>,
}

/// A registry; every request that changes something fails the first time if it is `weak`.
struct Server {
    host: String,
    state: Arc<(Mutex<Store>, Condvar)>,
}

impl Server {
    fn start(weak: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let host = listener.local_addr().expect("has an address").to_string();
        let state = Arc::<(Mutex<Store>, Condvar)>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that goes away ends it.
                std::thread::spawn(move || while serve(&stream, &state, weak).is_ok() {});
            }
        });
        Self { host, state }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(mut stream: &TcpStream, state: &(Mutex<Store>, Condvar), weak: bool) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let (method, path) = line.split_once(' ').map(|(m, rest)| (m.to_owned(), rest.to_owned())).unwrap_or_default();
    let path = path.split(' ').next().unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap_or(0);
        }
    }
    let (lock, changed) = state;
    let is_layer = method == "PUT" && path.contains("/uploads/");
    if is_layer && length > 10_000 {
        // Nobody's upload ends before another one has begun.
        let mut store = lock.lock().unwrap_or_else(PoisonError::into_inner);
        store.under_way += 1;
        store.most = store.most.max(store.under_way);
        changed.notify_all();
        let waited = changed.wait_timeout_while(store, Duration::from_secs(5), |store| store.most < 2);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut store = lock.lock().unwrap_or_else(PoisonError::into_inner);
    if is_layer && length > 10_000 {
        store.under_way -= 1;
    }
    let key = path.rsplit(['/', '=']).next().unwrap_or_default().replace("%3A", ":");
    let fails = weak && method != "HEAD" && path != "/v2/" && store.failed.insert(format!("{method} {key}"));
    let (status, more) = match method.as_str() {
        _ if fails => (503, String::new()),
        "HEAD" => match store.blobs.get(&key) {
            Some(blob) => (200, format!("Content-Length: {}\r\n", blob.len())),
            None => (404, String::new()),
        },
        "POST" => (202, "Location: /v2/app/blobs/uploads/one\r\n".into()),
        "PUT" if is_layer => (if Digest::of(&body).to_string() == key { 201 } else { 400 }, String::new()),
        "PUT" => (201, String::new()),
        _ => (200, String::new()),
    };
    if status == 201 {
        if is_layer {
            store.blobs.insert(key, body)
        } else {
            store.manifests.insert(key, body)
        };
    }
    drop(store);
    let end = if method == "HEAD" && status == 200 { "" } else { "Content-Length: 0\r\n" };
    write!(stream, "HTTP/1.1 {status} X\r\n{more}{end}\r\n")
}

/// A root with an image of several layers, called `<host>/app:1`.
fn root(host: &str, layers: usize) -> (tempfile::TempDir, Engine) {
    let scratch = tempfile::tempdir().expect("temporary directory");
    let rootless = !rustix::process::geteuid().is_root();
    let options = OpenOptions { rootless, ..OpenOptions::new(scratch.path().join("root")) };
    let engine = Engine::open(&options).expect("opens");
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content).expect("packs");
    };
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    let mut diffs = Vec::new();
    for n in 0..layers {
        let content: Vec<u8> = std::iter::repeat_with(&mut noise).take(200_000).collect();
        let mut layer = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        layer.append_data(&mut header, format!("file{n}"), &content[..]).expect("packs");
        let layer = layer.into_inner().expect("packs");
        diffs.push(Digest::of(&layer).to_string());
        add(&format!("{n}.tar"), &layer);
    }
    let config =
        serde_json::json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diffs}});
    add("config.json", config.to_string().as_bytes());
    let names: Vec<_> = (0..layers).map(|n| format!("{n}.tar")).collect();
    let manifest =
        serde_json::json!([{"Config": "config.json", "RepoTags": [format!("{host}/app:1")], "Layers": names}]);
    add("manifest.json", manifest.to_string().as_bytes());
    let ctx = Ctx { progress: &|_| {}, cancel: &Cancel::new() };
    let archive = archive.into_inner().expect("packs");
    engine.images().load(&archive[..], &LoadOptions::default(), ctx).expect("loads");
    (scratch, engine)
}

fn push(engine: &Engine, host: &str) -> (Result<(), ImageError>, Vec<String>) {
    let limits = Limits { pause: Duration::from_millis(5), ..Limits::default() };
    let reference = Reference::parse(&format!("{host}/app:1")).expect("is one");
    let options = PushOptions { reference, credentials: Credentials::default() };
    let told = std::cell::RefCell::new(Vec::new());
    let progress = |step: Progress| told.borrow_mut().push(step.status);
    let ctx = Ctx { progress: &progress, cancel: &Cancel::new() };
    let done = engine.images().push_within(&options, limits, &|_| {}, ctx);
    (done, told.into_inner())
}

#[test]
fn layers_are_sent_at_once_and_again_when_the_registry_fails() {
    for weak in [false, true] {
        let server = Server::start(weak);
        let (_scratch, engine) = root(&server.host, 7);
        let (done, told) = push(&engine, &server.host);
        done.expect("pushes");
        let count = |status: &str| told.iter().filter(|told| *told == status).count();
        assert_eq!((count("Pushed"), count("Layer already exists")), (7, 0), "{told:?}");
        {
            let store = server.store();
            assert!((2..=5).contains(&store.most), "{} at once", store.most);
            assert_eq!((store.blobs.len(), store.manifests.len()), (8, 1));
            let manifest: serde_json::Value = serde_json::from_slice(&store.manifests["1"]).expect("is JSON");
            // In their order, whichever was there first.
            let content = |layer: &serde_json::Value| {
                let blob = &store.blobs[layer["digest"].as_str().expect("a digest")];
                let mut tar = Vec::new();
                outcrop_layers::compress::decoder(&blob[..]).expect("gzip").read_to_end(&mut tar).expect("gzip");
                Digest::of(&tar)
            };
            let layers: Vec<_> = manifest["layers"].as_array().expect("layers").iter().map(content).collect();
            let image = engine.images().resolve(&format!("{}/app:1", server.host)).expect("is there");
            assert_eq!(layers, image.layers().iter().map(|diff| diff.0).collect::<Vec<_>>());
        }
        let (again, told) = push(&engine, &server.host);
        again.expect("pushes");
        assert_eq!(told.iter().filter(|told| *told == "Layer already exists").count(), 7, "{told:?}");
    }
}

#[test]
fn a_registry_that_always_fails_is_named() {
    let server = Server::start(false);
    let (_scratch, engine) = root(&server.host, 2);
    let dead = TcpListener::bind("127.0.0.1:0").expect("binds");
    let host = dead.local_addr().expect("has an address").to_string();
    std::thread::spawn(move || {
        for mut stream in dead.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 500 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let image = engine.images().resolve(&format!("{}/app:1", server.host)).expect("is there");
    engine.images().tag(&image, &Reference::parse(&format!("{host}/app:1")).expect("is one")).expect("tags");
    let error = push(&engine, &host).0.expect_err("fails").to_string();
    assert!(error.contains(&format!("registry {host}: ")) && error.contains("500"), "{error}");
    let left = crate::root::files::names(&engine.root().join("outcrop/txn")).expect("lists");
    assert_eq!(left, Vec::<String>::new());
}
