//! Pulling from a registry that behaves, and from ones that do not.

mod server;

use std::sync::Mutex;
use std::time::Duration;

use flate2::write::GzEncoder;
use outcrop_layers::digest::Digest;
use serde_json::json;
use server::{Answer, Asked, Content, Server, name};

use super::PullOptions;
use crate::image::{ErrorKind, ImageError, Pulled, Reference};
use crate::progress::{Cancel, Ctx};
use crate::registry::{Credentials, Limits, Registries};
use crate::{Engine, OpenOptions};

/// A data root.
struct Root {
    scratch: tempfile::TempDir,
    registries: Registries,
}

impl Root {
    fn new() -> Self {
        Self { scratch: tempfile::tempdir().expect("temporary directory"), registries: Registries::default() }
    }

    fn open(&self) -> Engine {
        let rootless = !rustix::process::geteuid().is_root();
        let registries = self.registries.clone();
        let options = OpenOptions { rootless, registries, ..OpenOptions::new(self.scratch.path().join("root")) };
        Engine::open(&options).expect("opens")
    }

    /// Pulls with little patience; gives what was told too.
    fn pull(&self, text: &str) -> (Result<Pulled, ImageError>, Vec<String>) {
        self.pull_as(text, Credentials::default(), &Cancel::new())
    }

    fn pull_as(
        &self,
        text: &str,
        credentials: Credentials,
        cancel: &Cancel,
    ) -> (Result<Pulled, ImageError>, Vec<String>) {
        let limits = Limits {
            connect: Duration::from_secs(5),
            head: Duration::from_secs(2),
            document: Duration::from_secs(2),
            stall: Duration::from_millis(600),
            pause: Duration::from_millis(10),
            ..Limits::default()
        };
        let reference = Reference::parse(text).expect("is a reference");
        let options = PullOptions { reference, platform: Some("linux/amd64".into()), credentials };
        let told = Mutex::new(Vec::new());
        let progress = |step: crate::progress::Progress| {
            told.lock().expect("one thread").push(format!("{}: {}", step.id, step.status));
        };
        let ctx = Ctx { progress: &progress, cancel };
        let pulled = self.open().images().pull_within(&options, limits, ctx);
        (pulled, told.into_inner().expect("one thread"))
    }

    /// Files of downloads and transactions that are left, and registered images.
    fn left(&self) -> (Vec<String>, usize) {
        let root = self.scratch.path().join("root");
        let names = |path: &str| crate::root::files::names(&root.join(path)).expect("lists");
        let mut left = names("outcrop/downloads");
        left.extend(names("outcrop/txn"));
        (left, names("image/overlay2/imagedb/content/sha256").len())
    }
}

/// An image of two layers behind an index, tagged `1`.
struct Image {
    content: Content,
    layers: Vec<Vec<u8>>,
    index: Vec<u8>,
    config: Vec<u8>,
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut gzip, bytes).expect("compresses");
    gzip.finish().expect("compresses")
}

fn image(twist: impl Fn(&mut serde_json::Value, &mut serde_json::Value)) -> Image {
    let tar = |file: &str, size: usize| {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(size as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, file, &vec![file.as_bytes()[0]; size][..]).expect("packs");
        tar.into_inner().expect("packs")
    };
    let tars = [tar("a", 40_000), tar("b", 30_000)];
    let layers: Vec<_> = tars.iter().map(|tar| gzip(tar)).collect();
    let mut config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": tars.iter().map(|tar| name(tar)).collect::<Vec<_>>()},
    });
    let layer = |blob: &Vec<u8>| {
        json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": name(blob), "size": blob.len(),
            "urls": ["http://127.0.0.1:1/elsewhere"]})
    };
    let mut manifest = json!({"schemaVersion": 2, "layers": layers.iter().map(layer).collect::<Vec<_>>()});
    twist(&mut config, &mut manifest);
    let config = config.to_string().into_bytes();
    let kind = "application/vnd.oci.image.config.v1+json";
    manifest["config"] = json!({"mediaType": kind, "digest": name(&config), "size": config.len()});
    let manifest = manifest.to_string().into_bytes();
    let platform = |arch: &str, digest: &str| {
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": manifest.len(),
            "platform": {"os": "linux", "architecture": arch}})
    };
    let other = name(b"another manifest");
    let index =
        json!({"schemaVersion": 2, "manifests": [platform("arm64", &other), platform("amd64", &name(&manifest))]});
    let index = index.to_string().into_bytes();
    let mut content = Content::new();
    for bytes in layers.iter().chain([&config, &manifest, &index]) {
        content.insert(name(bytes), bytes.clone());
    }
    content.insert("1".into(), index.clone());
    Image { content, layers, index, config }
}

fn plain() -> Image {
    image(|_, _| {})
}

impl Image {
    /// Whether a layer is asked for.
    fn is_layer(&self) -> impl Fn(&Asked) -> bool + Send + Sync + 'static {
        let names: Vec<_> = self.layers.iter().map(|layer| name(layer)).collect();
        move |asked| names.iter().any(|name| asked.path.ends_with(name))
    }
}

#[test]
fn pulls_what_serves_the_platform_and_fetches_nothing_twice() {
    let image = plain();
    let server = Server::start(image.content.clone(), |_| Answer::Well);
    let root = Root::new();
    let text = format!("{}/team/app:1", server.host);
    let (pulled, told) = root.pull(&text);
    let pulled = pulled.expect("pulls");
    assert_eq!((pulled.id.0, pulled.digest, pulled.newer), (Digest::of(&image.config), Digest::of(&image.index), true));
    let id = Digest::of(&image.layers[0]).short();
    for want in ["1: Pulling from team/app", &format!("{id}: Pulling fs layer"), &format!("{id}: Pull complete")] {
        assert!(told.iter().any(|told| told == want), "{want}: {told:?}");
    }
    assert_eq!(root.left(), (Vec::new(), 1));
    let found = root.open().images().resolve(&text).expect("is there");
    assert_eq!(found.digests, [format!("{}/team/app@{}", server.host, pulled.digest)]);
    assert_eq!(found.problems, Vec::<String>::new());
    server.forget();
    let (again, told) = root.pull(&text);
    assert!(!again.expect("pulls").newer && told.contains(&format!("{id}: Already exists")), "{told:?}");
    assert_eq!(server.ranges().len(), 1, "only the configuration");
    // By digest, it has no other name.
    let other = Root::new();
    other.pull(&format!("{}/team/app@{}", server.host, pulled.digest)).0.expect("pulls");
    let found = other.open().images().get(pulled.id).expect("is there");
    assert_eq!((found.tags, found.digests.len()), (Vec::new(), 1));
}

#[test]
fn a_damaged_layer_is_fetched_anew() {
    let image = plain();
    let server = Server::start(image.content.clone(), |_| Answer::Well);
    let root = Root::new();
    let text = format!("{}/app:1", server.host);
    root.pull(&text).0.expect("pulls");
    let data = root.scratch.path().join("root/overlay2");
    let damaged =
        crate::root::files::names(&data).expect("lists").into_iter().find(|n| data.join(n).join("diff/b").exists());
    std::fs::write(data.join(damaged.expect("is there")).join("diff/b"), "broken").expect("writes");
    server.forget();
    root.pull(&text).0.expect("pulls");
    assert_eq!(server.ranges().len(), 2, "the configuration and one layer");
    let content = crate::root::files::names(&data).expect("lists").into_iter().map(|n| data.join(n).join("diff/b"));
    let mut sizes = content.filter_map(|path| std::fs::metadata(path).ok()).map(|about| about.len());
    assert_eq!(sizes.next(), Some(30_000));
}

#[test]
fn what_is_cut_off_is_continued() {
    let image = plain();
    let is_layer = image.is_layer();
    let server = Server::start(
        image.content.clone(),
        move |asked| if is_layer(asked) { Answer::Cut(16_000) } else { Answer::Well },
    );
    let root = Root::new();
    root.pull(&format!("{}/app:1", server.host)).0.expect("pulls");
    let ranges = server.ranges();
    assert!(ranges.contains(&16_000) && ranges.contains(&32_000), "{ranges:?}");
    assert_eq!(root.left(), (Vec::new(), 1));
}

#[test]
fn the_next_pull_continues_what_the_last_one_left() {
    let image = plain();
    let is_layer = image.is_layer();
    let broken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_broken = std::sync::Arc::clone(&broken);
    let server = Server::start(image.content.clone(), move |asked| {
        match (is_layer(asked), is_broken.load(std::sync::atomic::Ordering::Relaxed)) {
            (true, true) if asked.range.is_none() => Answer::Cut(20_000),
            (true, true) => Answer::Cut(0),
            _ => Answer::Well,
        }
    });
    let root = Root::new();
    let text = format!("{}/app:1", server.host);
    let error = root.pull(&text).0.expect_err("never comes").to_string();
    assert!(error.contains(&server.host) && error.contains("broke off"), "{error}");
    let (left, images) = root.left();
    assert!(!left.is_empty() && images == 0, "{left:?}");
    broken.store(false, std::sync::atomic::Ordering::Relaxed);
    server.forget();
    root.pull(&text).0.expect("pulls");
    assert!(server.ranges().contains(&20_000), "{:?}", server.ranges());
    assert_eq!(root.left(), (Vec::new(), 1));
    // What was left may be wrong: then it is fetched from its beginning.
    let other = Root::new();
    drop(other.open());
    let downloads = other.scratch.path().join("root/outcrop/downloads");
    std::fs::create_dir(&downloads).expect("makes");
    std::fs::write(downloads.join(Digest::of(&image.layers[0]).hex()), vec![0; 9_000]).expect("writes");
    other.pull(&text).0.expect("pulls");
    assert_eq!(other.left(), (Vec::new(), 1));
}

/// Whatever a registry does, the error says which one and why; nothing is registered and nothing left over.
#[test]
fn hostile_registries() {
    type Twist = fn(&Asked) -> Answer;
    let layers: [(&str, Twist); 6] = [
        ("digest differs", |_| Answer::Wrong),
        ("ends after", |asked| Answer::This(200, Vec::new(), vec![7; 100 + asked.before])),
        ("too slow", |_| Answer::Slow),
        ("no answer within", |_| Answer::Silence),
        ("is longer than its", |_| Answer::Endless),
        ("is not https", |_| Answer::This(307, vec![("Location", "http://example.com/x".into())], Vec::new())),
    ];
    let manifests: [(&str, Twist); 9] = [
        ("no answer within", |_| Answer::Silence),
        ("too slowly", |_| Answer::Slow),
        ("more than 4194304 bytes", |_| Answer::Endless),
        ("cannot be read", |_| Answer::This(200, Vec::new(), b"<html>".to_vec())),
        ("leads elsewhere more than 5", |asked| Answer::This(302, vec![("Location", asked.path.clone())], Vec::new())),
        ("not found: manifest unknown", |_| {
            Answer::This(404, Vec::new(), br#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#.to_vec())
        }),
        ("realm of its tokens", |_| {
            let challenge = r#"Bearer realm="http://evil.example/token",service="s""#;
            Answer::This(401, vec![("WWW-Authenticate", challenge.into())], Vec::new())
        }),
        ("does not say what it wants", |_| Answer::This(401, Vec::new(), Vec::new())),
        ("pull access denied for", |_| {
            Answer::This(403, Vec::new(), br#"{"errors":[{"code":"DENIED","message":"no"}]}"#.to_vec())
        }),
    ];
    let check = |image: &Image, of_layers: bool, why: &str, twist: Twist| {
        let is_layer = image.is_layer();
        let server = Server::start(image.content.clone(), move |asked| {
            let hit = if of_layers { is_layer(asked) } else { asked.path.ends_with("/manifests/1") };
            if hit { twist(asked) } else { Answer::Well }
        });
        let root = Root::new();
        let error = root.pull(&format!("{}/app:1", server.host)).0.expect_err(why).to_string();
        assert!(error.contains(why) && error.contains(&server.host), "{why}: {error}");
        assert_eq!(root.left().1, 0, "{why}");
        assert!(root.left().0.iter().all(|name| name.len() == 64), "{why}: {:?}", root.left());
    };
    for (why, twist) in layers {
        check(&plain(), true, why, twist);
    }
    for (why, twist) in manifests {
        check(&plain(), false, why, twist);
    }
}

/// What is said of an image must fit together.
#[test]
fn images_that_do_not_fit() {
    type Twist = fn(&mut serde_json::Value, &mut serde_json::Value);
    let cases: [(&str, Twist); 5] = [
        ("diff ID differs", |config, _| config["rootfs"]["diff_ids"][1] = name(b"other").into()),
        ("the configuration names 1", |config, _| config["rootfs"]["diff_ids"] = json!([name(b"one")])),
        ("another operating system", |config, _| config["os"] = "windows".into()),
        ("but linux/amd64 was asked for", |config, _| config["architecture"] = "s390x".into()),
        ("not found", |_, manifest| manifest["layers"][0]["digest"] = name(b"missing").into()),
    ];
    for (why, twist) in cases {
        let server = Server::start(image(twist).content, |_| Answer::Well);
        let root = Root::new();
        let error = root.pull(&format!("{}/app:1", server.host)).0.expect_err(why).to_string();
        assert!(error.contains(why), "{why}: {error}");
        assert_eq!(root.left().1, 0, "{why}");
    }
    let image = plain();
    let mut content = image.content.clone();
    let pinned = name(&image.index);
    content.insert(pinned.clone(), b"{}".to_vec());
    let server = Server::start(content, |_| Answer::Well);
    let error = Root::new().pull(&format!("{}/app@{pinned}", server.host)).0.expect_err("is another").to_string();
    assert!(error.contains("digest differs"), "{error}");
}

#[test]
fn tokens_are_fetched_and_passwords_go_nowhere_else() {
    let image = plain();
    let cdn = Server::start(image.content.clone(), |_| Answer::Well);
    let (is_layer, elsewhere) = (image.is_layer(), cdn.host.clone());
    let server = Server::start(image.content.clone(), move |asked| {
        if asked.path.starts_with("/token?") {
            let well = asked.authorization.as_deref() == Some("Basic bWU6c2VjcmV0")
                && asked.path.contains("scope=repository%3Aapp%3Apull")
                && asked.path.contains("service=s");
            return if well {
                Answer::This(200, Vec::new(), br#"{"token":"t"}"#.to_vec())
            } else {
                Answer::This(401, Vec::new(), Vec::new())
            };
        }
        if asked.path == "/v2/" || asked.authorization.as_deref() == Some("Bearer t") {
            if is_layer(asked) {
                return Answer::This(307, vec![("Location", format!("http://{elsewhere}{}", asked.path))], Vec::new());
            }
            return Answer::Well;
        }
        Answer::This(
            401,
            vec![("WWW-Authenticate", format!(r#"Bearer realm="http://{}/token",service="s""#, asked.host))],
            Vec::new(),
        )
    });
    let text = format!("{}/app:1", server.host);
    let root = Root::new();
    let wrong = Credentials { username: "me".into(), password: "wrong".into(), ..Credentials::default() };
    let error = root.pull_as(&text, wrong, &Cancel::new()).0.expect_err("is refused");
    assert!(error.kind() == ErrorKind::Unauthorized && error.to_string().contains("incorrect username"), "{error}");
    let right = Credentials { username: "me".into(), password: "secret".into(), ..Credentials::default() };
    root.pull_as(&text, right, &Cancel::new()).0.expect("pulls");
    let log = cdn.log.lock().expect("not poisoned");
    let blobs: Vec<_> = log.iter().filter(|asked| asked.path.contains("/blobs/")).collect();
    assert!(blobs.len() == 2 && blobs.iter().all(|asked| asked.authorization.is_none()), "{blobs:?}");
}

#[test]
fn cancelling_and_two_at_once() {
    let image = plain();
    let is_layer = image.is_layer();
    let slow =
        Server::start(image.content.clone(), move |asked| if is_layer(asked) { Answer::Silence } else { Answer::Well });
    let root = Root::new();
    let cancel = Cancel::new();
    let (other, text) = (cancel.clone(), format!("{}/app:1", slow.host));
    let canceller = std::thread::spawn(move || {
        while slow.ranges().len() < 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        other.cancel();
    });
    let error = root.pull_as(&text, Credentials::default(), &cancel).0.expect_err("is cancelled");
    canceller.join().expect("ends");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert_eq!(root.left(), (Vec::new(), 0));
    let server = Server::start(image.content.clone(), |_| Answer::Well);
    let text = format!("{}/app:1", server.host);
    std::thread::scope(|scope| {
        let pulls = [(); 4].map(|()| scope.spawn(|| root.pull(&text).0));
        for pull in pulls {
            pull.join().expect("ends").expect("pulls");
        }
    });
    assert_eq!(root.left(), (Vec::new(), 1));
    assert_eq!(root.open().images().resolve(&text).expect("is there").problems, Vec::<String>::new());
}

#[test]
fn mirrors_stand_for_docker_hub() {
    let image = plain();
    let dead = Server::start(Content::new(), |_| Answer::Well);
    let server = Server::start(image.content.clone(), |_| Answer::Well);
    let mut root = Root::new();
    root.registries.mirrors = vec![format!("http://{}", dead.host), format!("http://{}", server.host)];
    root.pull("team/app:1").0.expect("pulls");
    let found = root.open().images().resolve("team/app:1").expect("is there");
    assert_eq!(found.digests, [format!("team/app@{}", name(&image.index))]);
}
