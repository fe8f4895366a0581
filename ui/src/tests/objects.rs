//! Containers and volumes as an engine would tell them.

use std::collections::HashMap;
use std::sync::Arc;

use outcrop_layers::entry::{Entry, Kind, Time};
use outcrop_layers::index::{IndexBuilder, LayerIndex};
use outcrop_layers::source::archive::ArchiveSource;
use outcrop_layers::tree::Tree;

use super::fixture::FAMILY;
use super::{NOW, Screen};
use crate::content::{Content, Reading};
use crate::launch::Ground;
use crate::message::Data;
use crate::model::{ContainerDetail, ContainerRow, Detail, MountRow, Past, State, Step, User, VolumeRow};

pub(super) const ANONYMOUS: &str = "9eedd0c1b2a3f4e5d6c7b8a9f0e1d2c3b4a5f6e7d8c9b0a1f2e3d4c5b6a79880";

pub(super) fn id(number: usize) -> String {
    format!("{number:064x}")
}

fn mount(kind: &str, name: &str, source: &str, target: &str, writable: bool) -> MountRow {
    let [kind, name, source, target] = [kind, name, source, target].map(str::to_owned);
    MountRow { kind, name, source, target, writable, options: String::new() }
}

pub(super) fn mounts() -> Vec<MountRow> {
    vec![
        mount("bind", "", "/home/me/src", "/src", false),
        mount("tmpfs", "", "", "/tmp", true),
        mount("volume", ANONYMOUS, "/var/lib/x/_data", "/var/lib/data", true),
        mount("volume", "db", "/var/lib/db/_data", "/var/lib/mysql", true),
    ]
}

pub(super) fn container(number: usize, name: &str, state: State, status: &str) -> ContainerRow {
    ContainerRow {
        id: id(number),
        name: name.into(),
        image: "app1:latest".into(),
        state,
        status: status.into(),
        created: NOW - 60 * number as i64,
        ..ContainerRow::default()
    }
}

pub(super) fn containers() -> Vec<ContainerRow> {
    let mut web = container(1, "web", State::Running, "Up 4 minutes (healthy)");
    web.health = "healthy".into();
    web.ports = "8080->80".into();
    web.mounts = mounts();
    let mut sick = container(2, "cache", State::Running, "Up 2 hours (unhealthy)");
    sick.health = "unhealthy".into();
    vec![
        web,
        sick,
        container(3, "db", State::Exited, "Exited (0) 2 hours ago"),
        container(4, "job", State::Exited, "Exited (137) 3 days ago"),
        container(5, "next", State::Created, "Created"),
    ]
}

/// The image below the containers: three layers.
fn base() -> Detail {
    let layers: Vec<_> = (1..=3).map(|n| format!("sha256:{n:064x}").parse().expect("is a digest")).collect();
    let words = ["COPY rootfs /", "RUN apt-get -y install python", "RUN pip install flask"];
    let sizes = [78_000_000, 296_000_000, 38_000_000];
    let steps = words.iter().zip(sizes).enumerate().map(|(layer, (words, size))| Step {
        layer: Some(layer),
        instruction: (*words).to_owned(),
        size,
        created: 0,
    });
    Detail {
        id: format!("sha256:{:064x}", 7),
        chains: outcrop_layers::digest::ChainId::all(&layers),
        layers,
        steps: steps.collect(),
        sized: true,
        ..Detail::default()
    }
}

pub(super) fn detail(number: usize) -> ContainerDetail {
    ContainerDetail {
        id: id(number),
        image_id: format!("sha256:{:064x}", 7),
        written: Some(14_200_000),
        mounts: if number == 1 { mounts() } else { Vec::new() },
        base: Some(base()),
        inspect: "{\n  \"Id\": \"abc\",\n  \"Args\": []\n}".into(),
        ..ContainerDetail::default()
    }
}

fn layer(entries: &[(&str, Kind, u16)]) -> Arc<LayerIndex> {
    let mut builder = IndexBuilder::new();
    for (path, kind, mode) in entries {
        let (path, mtime) = (path.as_bytes().into(), Time { seconds: NOW - 86_400, nanoseconds: 0 });
        let entry = Entry { path, kind: kind.clone(), mode: *mode, uid: 0, gid: 0, mtime, xattrs: Vec::new() };
        builder.entry(&entry).expect("fits");
    }
    Arc::new(builder.finish())
}

fn file(size: u64) -> Kind {
    Kind::File { size, disk: None }
}

/// Three layers of an image, and what the first container did on top.
pub(super) fn changes(screen: &Screen) -> Reading {
    let top = layer(&[
        ("bin/busybox", file(1_900_000), 0o700),
        ("bin/vi", Kind::Whiteout, 0),
        ("bin/foo", file(2), 0o755),
        ("etc/passwd", file(2136), 0o644),
        ("usr/lib/libc.so", file(2_200_001), 0o755),
        ("var/log/new.log", file(12_000), 0o644),
    ]);
    on_the_image(screen, 1, top)
}

/// The same image, and what the third container did.
pub(super) fn other_changes(screen: &Screen) -> Reading {
    let top = layer(&[
        ("bin/vi", Kind::Whiteout, 0),
        ("bin/foo", file(2), 0o755),
        ("etc/passwd", file(9000), 0o644),
        ("srv/data.db", file(50_000), 0o600),
    ]);
    on_the_image(screen, 3, top)
}

fn on_the_image(screen: &Screen, container: usize, top: Arc<LayerIndex>) -> Reading {
    let layers = [
        layer(&[
            ("bin/busybox", file(1_900_000), 0o755),
            ("bin/vi", file(900), 0o755),
            ("etc/passwd", file(2100), 0o644),
        ]),
        layer(&[("usr/lib/libc.so", file(2_200_000), 0o755)]),
        layer(&[("opt/app.py", file(60), 0o644)]),
        top,
    ];
    Reading::Ready(Arc::new(content(screen, id(container), &layers)))
}

fn content(screen: &Screen, name: String, layers: &[Arc<LayerIndex>]) -> Content {
    let tree = Tree::build(layers);
    let path = super::fixture::write(screen.folder.path(), FAMILY);
    let source = ArchiveSource::open(&path, None, screen.folder.path(), None).expect("opens").swap_remove(1);
    Content::new(name, tree, Arc::new(source), Vec::new())
}

pub(super) fn volume_content(screen: &Screen) -> Reading {
    let layers = [layer(&[("mysql/user.frm", file(9_000), 0o600), ("ibdata1", file(12_582_912), 0o660)])];
    Reading::Ready(Arc::new(content(screen, "a volume".into(), &layers)))
}

pub(super) fn volumes() -> Vec<VolumeRow> {
    let volume = |name: &str, users: Vec<User>| VolumeRow {
        name: name.into(),
        driver: "local".into(),
        mountpoint: format!("/var/lib/docker/volumes/{name}/_data"),
        created: NOW - 3 * 86_400,
        users,
        ..VolumeRow::default()
    };
    let user = |number, name: &str, target: &str, alive| User {
        id: id(number),
        name: name.into(),
        target: target.into(),
        writable: alive,
        alive,
    };
    let mut db = volume("db", vec![user(1, "web", "/var/lib/mysql", true), user(3, "db", "/data", false)]);
    db.labels = vec![("team".into(), "web".into())];
    db.options = vec![("type".into(), "none".into())];
    vec![
        db,
        volume("logs", Vec::new()),
        volume(ANONYMOUS, vec![user(1, "web", "/var/lib/data", true)]),
        volume("old", Vec::new()),
    ]
}

pub(super) fn sizes() -> Vec<(String, u64)> {
    vec![("db".into(), 12_600_000), ("logs".into(), 6_000), (ANONYMOUS.into(), 0), ("old".into(), 1_200_000_000)]
}

pub(super) fn pasts() -> Vec<(String, Past)> {
    let past = Past {
        container: "scribe".into(),
        image: "base:latest".into(),
        mounted: NOW - 7200,
        removed: Some(NOW - 3600),
    };
    vec![("logs".into(), past)]
}

/// What a form for `app1:latest` knows.
pub(super) fn ground(screen: &Screen, local: bool) -> Data {
    let layers = [
        layer(&[
            ("etc/passwd", file(20), 0o644),
            ("var/lib/mysql/a", file(1), 0o644),
            ("var/lib/mysql/b", file(1), 0o644),
        ]),
        layer(&[("opt/app.py", file(60), 0o644)]),
    ];
    Data::Ground(Box::new(Ground {
        image: "app1:latest".into(),
        command: vec!["flask".into(), "run".into()],
        declared: vec!["/var/lib/data".into()],
        ports: vec!["5000/tcp".into()],
        volumes: vec!["db".into(), "logs".into()],
        networks: vec!["bridge".into(), "mine".into()],
        containers: vec!["web".into()],
        local,
        content: Some(Arc::new(content(screen, id(1), &layers))),
        ..Ground::default()
    }))
}

/// Bytes of writable layers, by container.
pub(super) fn written() -> HashMap<String, u64> {
    HashMap::from([(id(1), 14_200_000), (id(3), 1_000), (id(4), 0), (id(5), 0)])
}
