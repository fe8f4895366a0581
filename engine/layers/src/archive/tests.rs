use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};

use super::*;
use crate::tar::random::{Random, seeds};
use crate::tar::write::Tar;

/// Files of an archive that is being made.
#[derive(Clone, Default)]
struct Made {
    files: BTreeMap<String, Vec<u8>>,
    links: Vec<(String, u8, String)>,
}

impl Made {
    fn put(&mut self, name: &str, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.files.insert(name.into(), bytes.into());
        self
    }

    fn json(&mut self, name: &str, value: &Value) -> &mut Self {
        self.put(name, value.to_string())
    }

    /// Puts a blob and tells its descriptor.
    fn blob(&mut self, media_type: &str, bytes: impl Into<Vec<u8>>) -> Value {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        self.put(&format!("blobs/sha256/{}", digest.hex()), bytes);
        descriptor
    }

    fn tar(&self) -> Vec<u8> {
        let mut tar = Tar::default();
        for (name, bytes) in &self.files {
            tar = tar.file(name, bytes);
        }
        for (name, flag, target) in &self.links {
            tar = tar.link(name, *flag, target);
        }
        tar.end()
    }

    fn directory(&self) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, bytes) in &self.files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, bytes).expect("written");
        }
        directory
    }
}

fn layer_tar(name: &str) -> Vec<u8> {
    Tar::default().file(name, name.as_bytes()).end()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("to memory");
    encoder.finish().expect("to memory")
}

fn config(layers: &[Vec<u8>], architecture: &str) -> Vec<u8> {
    let ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let rootfs = json!({"type": "layers", "diff_ids": ids});
    json!({"architecture": architecture, "os": "linux", "rootfs": rootfs}).to_string().into()
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An image as blobs; its manifest's descriptor.
fn oci_image(made: &mut Made, layers: &[Vec<u8>], architecture: &str) -> Value {
    let config = made.blob(CONFIG, config(layers, architecture));
    let layers: Vec<Value> = layers.iter().map(|layer| made.blob(LAYER, gzip(layer))).collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    made.blob(MANIFEST, manifest.to_string())
}

fn with(mut descriptor: Value, key: &str, value: Value) -> Value {
    descriptor[key] = value;
    descriptor
}

fn open(bytes: &[u8], platform: Option<&Platform>) -> Result<Archive, ArchiveError> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("archive");
    std::fs::write(&path, bytes).expect("written");
    Archive::open(&path, platform, directory.path())
}

/// Reads the same bytes as they pass by.
fn stream(bytes: &[u8], platform: Option<&Platform>) -> Result<Vec<ImageInArchive>, ArchiveError> {
    let mut documents = Documents::new();
    let mut tar = TarReader::new(decoder(bytes).expect("reads"));
    while let Some(entry) = tar.next().map_err(|error| documents.explain(error))? {
        let member = entry.header.clone();
        if let Part::Layer { name, content } = documents.take(&member, entry)? {
            let mut unpacked = Vec::new();
            decoder(content).expect("reads").read_to_end(&mut unpacked).expect("a layer");
            documents.layer(&name, DiffId(Digest::of(&unpacked)), member.stored)?;
        }
    }
    documents.resolve(platform)
}

fn content(archive: &Archive, image: usize) -> Vec<Vec<u8>> {
    let read = |layer| {
        let mut bytes = Vec::new();
        archive.layer(layer).expect("opens").read_to_end(&mut bytes).expect("reads");
        bytes
    };
    archive.images()[image].layers.iter().map(read).collect()
}

/// Opens it in both ways, and compares.
fn both(bytes: &[u8]) -> Archive {
    let archive = open(bytes, None).expect("opens");
    let streamed = stream(bytes, None).expect("streams");
    let summary = |images: &[ImageInArchive]| -> Vec<_> {
        images.iter().map(|i| (i.config_digest, i.layers.clone(), i.tags.clone(), i.manifest.clone())).collect()
    };
    assert_eq!(summary(archive.images()), summary(&streamed));
    archive
}

fn error(made: &Made) -> String {
    let bytes = made.tar();
    let opened = open(&bytes, None).expect_err("refused").to_string();
    assert_eq!(stream(&bytes, None).expect_err("refused").to_string(), opened);
    opened
}

fn two_layers() -> Vec<Vec<u8>> {
    vec![layer_tar("base"), layer_tar("top")]
}

/// As Docker 20.10 saves.
fn docker_old() -> Made {
    let layers = two_layers();
    let config = config(&layers, "amd64");
    let name = format!("{}.json", Digest::of(&config).hex());
    let mut made = Made::default();
    made.put("aa/VERSION", "1.0").json("aa/json", &json!({"id": "aa"})).put("aa/layer.tar", layers[0].clone());
    made.put("bb/VERSION", "1.0").json("bb/json", &json!({"id": "bb", "parent": "aa"}));
    made.put("bb/layer.tar", layers[1].clone()).put(&name, config).json("repositories", &json!({"t": {"1": "bb"}}));
    let layers = ["aa/layer.tar", "bb/layer.tar"];
    made.json("manifest.json", &json!([{"Config": name, "RepoTags": ["t:1"], "Layers": layers}]));
    made
}

fn oci() -> Made {
    let mut made = Made::default();
    let image = oci_image(&mut made, &two_layers(), "amd64");
    let names = json!({"io.containerd.image.name": "docker.io/library/t:1", "org.opencontainers.image.ref.name": "1"});
    made.json("index.json", &json!({"schemaVersion": 2, "manifests": [with(image, "annotations", names)]}));
    made.json("oci-layout", &json!({"imageLayoutVersion": "1.0.0"}));
    made
}

#[test]
fn docker_archives_before_25() {
    let archive = both(&docker_old().tar());
    assert_eq!(archive.images()[0].tags, ["t:1"]);
    assert_eq!(content(&archive, 0), two_layers());
    assert!(archive.layer(&archive.images()[0].layers[0]).expect("opens").is_seekable());
}

#[test]
fn docker_archives_since_25() {
    let mut made = oci();
    let manifest = |made: &Made| made.files.keys().filter(|name| name.starts_with("blobs")).count();
    assert_eq!(manifest(&made), 4);
    let layers = two_layers();
    let config = format!("blobs/sha256/{}", Digest::of(&config(&layers, "amd64")).hex());
    let layers: Vec<String> = layers.iter().map(|l| format!("blobs/sha256/{}", Digest::of(&gzip(l)).hex())).collect();
    made.json("manifest.json", &json!([{"Config": config, "RepoTags": ["t:1"], "Layers": layers}]));
    let archive = both(&made.tar());
    let image = &archive.images()[0];
    assert!(image.manifest.is_some() && image.layers.iter().all(|layer| layer.digest.is_some()));
    assert_eq!(content(&archive, 0), two_layers());
}

#[test]
fn links_to_layers() {
    let mut made = docker_old();
    let layer = made.files.remove("bb/layer.tar").expect("there");
    made.put("cc/layer.tar", layer);
    for (flag, target) in [(b'2', "../cc/layer.tar"), (b'2', "/cc/layer.tar"), (b'1', "cc/layer.tar")] {
        made.links = vec![("bb/layer.tar".into(), flag, target.into())];
        let archive = both(&made.tar());
        assert_eq!(archive.images()[0].layers[1].name, "cc/layer.tar");
        assert_eq!(content(&archive, 0), two_layers());
    }
    made.links = vec![("bb/layer.tar".into(), b'2', "../bb/layer.tar".into())];
    assert_eq!(error(&made), "incomplete image archive: layer bb/layer.tar is missing");
    made.links = vec![("bb/layer.tar".into(), b'2', "../../../etc/passwd".into())];
    assert_eq!(error(&made), "incomplete image archive: layer bb/layer.tar is missing");
}

#[test]
fn kanikos_names() {
    let layers = two_layers();
    let config = config(&layers, "amd64");
    let name = Digest::of(&config).to_string();
    let mut made = Made::default();
    let names: Vec<String> = layers.iter().map(|l| format!("{}.tar.gz", Digest::of(l).hex())).collect();
    for (name, layer) in names.iter().zip(&layers) {
        made.put(name, gzip(layer));
    }
    made.put(&name, config).json("manifest.json", &json!([{"Config": name, "RepoTags": null, "Layers": names}]));
    let archive = both(&made.tar());
    assert!(archive.images()[0].tags.is_empty());
    assert_eq!(content(&archive, 0), layers);
}

#[test]
fn oci_layouts_as_tar_directory_and_compressed() {
    let made = oci();
    for tar in [made.tar(), gzip(&made.tar())] {
        let archive = both(&tar);
        assert_eq!(archive.images()[0].tags, ["docker.io/library/t:1"]);
        assert_eq!(content(&archive, 0), two_layers());
    }
    let directory = made.directory();
    let archive = Archive::open(directory.path(), None, Path::new("/nonexistent")).expect("opens");
    assert_eq!(content(&archive, 0), two_layers());
}

#[test]
fn platforms_of_nested_indexes() {
    let mut made = Made::default();
    let architectures = ["s390x", "amd64", "arm64", "riscv64"];
    let mut manifests = Vec::new();
    for architecture in architectures {
        let image = oci_image(&mut made, &[layer_tar(architecture)], architecture);
        manifests.push(with(image, "platform", json!({"os": "linux", "architecture": architecture})));
    }
    let attestation = oci_image(&mut made, &[layer_tar("sbom")], "unknown");
    manifests.push(with(attestation, "platform", json!({"os": "unknown", "architecture": "unknown"})));
    let absent = json!({"mediaType": MANIFEST, "digest": Digest::of(b"absent"), "size": 1,
        "platform": {"os": "linux", "architecture": "mips"}});
    manifests.push(absent);
    let inner = made.blob(INDEX, json!({"schemaVersion": 2, "manifests": manifests}).to_string());
    let outer = made.blob(INDEX, json!({"schemaVersion": 2, "manifests": [inner]}).to_string());
    let named = with(outer, "annotations", json!({"org.opencontainers.image.ref.name": "t:1"}));
    made.json("index.json", &json!({"schemaVersion": 2, "manifests": [named]}));
    let bytes = made.tar();

    let archive = both(&bytes);
    assert_eq!((archive.images().len(), &archive.images()[0].platform), (1, &Platform::host()));
    assert_eq!(archive.images()[0].tags, ["t:1"]);
    let wanted = Platform::parse("linux/s390x");
    for images in [stream(&bytes, wanted.as_ref()), open(&bytes, wanted.as_ref()).map(|a| a.images().to_vec())] {
        assert_eq!(images.expect("has it")[0].platform.architecture, "s390x");
    }
    let other = Platform::parse("linux/mips");
    let message = stream(&bytes, other.as_ref()).expect_err("has not").to_string();
    assert_eq!(
        message,
        "index.json has no image for linux/mips; it has linux/s390x, linux/amd64, linux/arm64, linux/riscv64"
    );
}

#[test]
fn what_is_no_image_in_an_index_is_passed_over() {
    let mut made = oci();
    let chart = json!({"schemaVersion": 2, "config": made.blob("application/vnd.cncf.helm.config.v1+json", "{}"), "layers": []});
    let chart = made.blob(MANIFEST, chart.to_string());
    let signature = json!({"mediaType": "application/vnd.example", "digest": Digest::of(b"x"), "size": 1});
    let mut index: Value = serde_json::from_slice(&made.files["index.json"]).expect("ours");
    let list = index["manifests"].as_array_mut().expect("a list");
    list.insert(0, chart);
    list.push(signature);
    made.json("index.json", &index);
    assert_eq!(both(&made.tar()).images().len(), 1);
    made.json("index.json", &json!({"manifests": [index["manifests"][0]]}));
    assert!(error(&made).contains("index.json lists no image"));
}

#[test]
fn archives_before_1_10() {
    let layers = two_layers();
    let (base, top) = ("a".repeat(64), "b".repeat(64));
    let mut made = Made::default();
    let command = json!({"Cmd": ["/bin/sh", "-c", "touch top"]});
    let config = json!({"Env": ["A=b"]});
    made.json(&format!("{base}/json"), &json!({"id": base, "os": "linux", "created": "2014-01-01T00:00:00Z"}));
    made.json(
        &format!("{top}/json"),
        &json!({"id": top, "parent": base, "os": "linux", "architecture": "amd64",
            "created": "2014-01-02T00:00:00Z", "container_config": command, "config": config, "Size": 7}),
    );
    made.put(&format!("{base}/layer.tar"), layers[0].clone()).put(&format!("{top}/layer.tar"), layers[1].clone());
    made.json("repositories", &json!({"old": {"1": top, "2": top}}));
    let archive = both(&made.tar());
    let image = &archive.images()[0];
    assert_eq!(image.tags, ["old:1", "old:2"]);
    assert_eq!(image.parsed.history[1].created_by.as_deref(), Some("/bin/sh -c touch top"));
    assert_eq!(content(&archive, 0), layers);
    made.json("repositories", &json!({"old": {"1": "../../etc"}}));
    assert!(error(&made).contains("repositories is damaged"));
    let loop_to_itself = json!({"id": top, "parent": top});
    made.json(&format!("{top}/json"), &loop_to_itself).json("repositories", &json!({"old": {"1": top}}));
    assert!(error(&made).contains("has more layers, more than the limit of 125 layers"));
}

#[test]
fn root_filesystems() {
    let tar = Tar::default().directory("etc/").file("etc/os-release", b"NAME=x").file("index.json", b"[1]").end();
    for bytes in [tar.clone(), gzip(&tar)] {
        let archive = open(&bytes, None).expect("opens");
        assert_eq!(archive.images()[0].layers[0].diff_id, DiffId(Digest::of(&tar)));
        assert_eq!(content(&archive, 0)[0], tar);
    }
    let manual = gzip(b"no tar");
    let plain = Tar::default().file("etc/os-release", b"NAME=x").file("usr/share/man/a.1.gz", &manual).end();
    let refused = stream(&plain, None).expect_err("no image").to_string();
    assert!(refused.contains("neither manifest.json") && refused.contains("import"), "{refused}");
}

#[test]
fn what_is_no_archive() {
    let refused = |bytes: &[u8]| {
        let opened = open(bytes, None).expect_err("refused").to_string();
        let streamed = stream(bytes, None).expect_err("refused").to_string();
        (opened, streamed)
    };
    let (opened, streamed) = refused(b"");
    assert_eq!(opened, "no image archive: the input is empty");
    assert!(streamed.contains("no image archive"), "{streamed}");
    for text in [&b"hello"[..], &[b'x'; 5000], &gzip(b"hello")] {
        let (opened, streamed) = refused(text);
        assert!(opened.contains("neither manifest.json") && opened.contains("no tar"), "{opened}");
        assert!(streamed.contains("no tar"), "{streamed}");
    }
    assert!(refused(&[0; 10240]).0.contains("empty tar"));
    let whole = docker_old().tar();
    for cut in [whole.len() / 2, whole.len() / 2 - 100] {
        assert!(refused(&whole[..cut]).0.contains("cut off"), "{:?}", refused(&whole[..cut]));
        assert!(refused(&whole[..cut]).1.contains("cut off"), "{:?}", refused(&whole[..cut]));
    }
    let cut = gzip(&whole);
    assert!(refused(&cut[..cut.len() - 20]).1.contains("cut off"));
}

#[test]
fn pipes_are_not_opened() {
    let directory = oci().directory();
    let pipe = directory.path().join("manifest.json");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("made");
    assert!(matches!(Archive::open(&pipe, None, directory.path()), Err(ArchiveError::Unsuitable { .. })));
    let image = Archive::open(directory.path(), None, directory.path()).expect("index.json is there");
    assert_eq!(image.images().len(), 1);
}

#[test]
fn links_do_not_leave_a_directory() {
    let made = oci();
    let (outside, directory) = (made.directory(), made.directory());
    std::fs::remove_dir_all(directory.path().join("blobs")).expect("removed");
    std::os::unix::fs::symlink(outside.path().join("blobs"), directory.path().join("blobs")).expect("linked");
    let refused = Archive::open(directory.path(), None, outside.path()).expect_err("refused").to_string();
    assert!(refused.contains("manifest blobs/sha256/"), "{refused}");
}

#[test]
fn wrong_bytes_are_told() {
    let mut made = docker_old();
    let damaged = made.files.get_mut("bb/layer.tar").expect("there");
    damaged[600] ^= 1;
    let archive = open(&made.tar(), None).expect("only layers are damaged");
    let read = archive.layer(&archive.images()[0].layers[1]).expect("opens").read_to_end(&mut Vec::new());
    let message = read.expect_err("differs").to_string();
    assert!(message.contains("layer bb/layer.tar has wrong bytes: expected sha256:"), "{message}");

    let mut made = oci();
    for (name, bytes) in &mut made.files {
        if name.starts_with("blobs") && bytes.starts_with(&[0x1f, 0x8b]) {
            // Another operating system in the gzip header: the content is the same.
            bytes[9] ^= 1;
        }
    }
    let archive = open(&made.tar(), None).expect("only layers are damaged");
    let read = archive.layer(&archive.images()[0].layers[0]).expect("opens").read_to_end(&mut Vec::new());
    assert!(read.is_err_and(|e| e.to_string().contains("has wrong bytes")));

    for prefix in ["{\"architecture", "{\"config"] {
        let mut made = oci();
        let (_, bytes) = made.files.iter_mut().find(|(_, b)| b.starts_with(prefix.as_bytes())).expect("there");
        bytes.push(b' ');
        assert!(error(&made).contains("has wrong bytes"), "{prefix}");
    }
}

#[test]
fn truncated_layers_tell_where() {
    let mut made = docker_old();
    let layer = gzip(&layer_tar("top"));
    made.put("bb/layer.tar", layer[..layer.len() - 9].to_vec());
    let archive = open(&made.tar(), None).expect("layers are read later");
    let read = archive.layer(&archive.images()[0].layers[1]).expect("opens").read_to_end(&mut Vec::new());
    let message = read.expect_err("cut").to_string();
    assert!(message.contains(&format!("ends at byte {}", layer.len() - 9)), "{message}");
}

#[test]
fn incomplete_archives_name_what_is_missing() {
    for (name, expected) in
        [("bb/layer.tar", "layer bb/layer.tar is missing"), ("manifest.json", "repositories is damaged")]
    {
        let mut made = docker_old();
        made.files.remove(name);
        assert!(error(&made).contains(expected), "{}", error(&made));
    }
    let mut made = docker_old();
    made.files.retain(|name, _| name.starts_with("aa") || name == "manifest.json");
    assert!(error(&made).contains("image configuration"));
    made.json("manifest.json", &json!([]));
    assert!(error(&made).contains("manifest.json lists no image"));
    made.json("manifest.json", &json!({"a": 1}));
    assert!(error(&made).contains("manifest.json is damaged"));

    let mut made = Made::default();
    let image = oci_image(&mut made, &two_layers(), "amd64");
    made.json("index.json", &json!({"manifests": [image]}));
    let is_layer = |bytes: &[u8]| bytes.starts_with(&[0x1f, 0x8b]);
    made.files.retain(|_, bytes| !is_layer(bytes));
    assert!(error(&made).contains("incomplete image archive: layer blobs/sha256/"));
}

#[test]
fn foreign_layers_are_not_fetched() {
    let mut made = Made::default();
    let layers = two_layers();
    let config = made.blob(CONFIG, config(&layers, "amd64"));
    let base = made.blob(LAYER, gzip(&layers[0]));
    let foreign = json!({"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": Digest::of(b"elsewhere"), "size": 9, "urls": ["http://192.0.2.1/x"]});
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": [base, foreign]});
    let manifest = made.blob(MANIFEST, manifest.to_string());
    made.json("index.json", &json!({"manifests": [manifest]}));
    assert!(error(&made).contains("addresses to fetch it from, which are not followed"));
}

#[test]
fn limits_are_named() {
    let mut made = docker_old();
    made.put("manifest.json", "[".repeat(200_000));
    assert_eq!(error(&made), "manifest.json is nested deeper, more than the limit of 100 levels");
    made.put("manifest.json", [b"[".to_vec(), vec![b' '; 50 << 20]].concat());
    assert!(error(&made).contains("manifest.json has 52428801 bytes, more than the limit of 8388608"));

    let mut made = docker_old();
    let layers: Vec<Vec<u8>> = (0..128).map(|n| layer_tar(&n.to_string())).collect();
    made.put("c.json", config(&layers, "amd64"));
    made.json("manifest.json", &json!([{"Config": "c.json", "Layers": vec!["aa/layer.tar"; 128]}]));
    assert!(error(&made).contains("image has 128 layers"));
    made.json("manifest.json", &json!([{"Config": "c.json", "Layers": ["aa/layer.tar"]}]));
    made.put("c.json", config(&two_layers(), "amd64"));
    assert_eq!(error(&made), "manifest.json lists 1 layers, its image configuration 2");
}

#[test]
fn indexes_without_end() {
    let mut made = Made::default();
    let itself = json!({"mediaType": INDEX, "digest": Digest::of(b"itself"), "size": 1});
    let index = json!({"mediaType": INDEX, "manifests": [itself]});
    made.json(&format!("blobs/sha256/{}", Digest::of(b"itself").hex()), &index).json("index.json", &index);
    assert!(error(&made).contains("points at itself"), "{}", error(&made));

    let mut made = Made::default();
    let mut next = oci_image(&mut made, &two_layers(), "amd64");
    for _ in 0..=DEEPEST_INDEX {
        next = made.blob(INDEX, json!({"mediaType": INDEX, "manifests": [next]}).to_string());
    }
    made.json("index.json", &json!({"manifests": [next]}));
    assert!(error(&made).contains("nested deeper, more than the limit of 8 levels"));

    let mut made = Made::default();
    let mut next = oci_image(&mut made, &two_layers(), "amd64");
    for _ in 0..5 {
        next = made.blob(INDEX, json!({"mediaType": INDEX, "manifests": vec![next; 10]}).to_string());
    }
    made.json("index.json", &json!({"manifests": [next]}));
    assert!(error(&made).contains("leads to more manifests, more than the limit of 2000"));
}

#[test]
fn damage_is_survived() {
    let words = ["null", "[]", "{}", "-1", "\"sha256:\"", "1e999", "\"\\u0000\"", "\"../../x\""];
    for seed in seeds(80) {
        let mut random = Random::new(seed);
        let mut made = if random.below(2) == 0 { docker_old() } else { oci() };
        let names: Vec<String> = made.files.keys().cloned().collect();
        for _ in 0..=random.below(3) {
            let Some(bytes) = made.files.get_mut(&names[random.below(names.len())]) else { continue };
            let at = random.below(bytes.len());
            if bytes.is_empty() {
                continue;
            }
            match random.below(3) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes.truncate(at),
                _ => drop(bytes.splice(at..(at + random.below(20)).min(bytes.len()), words[random.below(8)].bytes())),
            }
        }
        let tar = made.tar();
        let Ok(archive) = open(&tar, None) else { continue };
        for layer in archive.images().iter().flat_map(|image| &image.layers) {
            let _ = archive.layer(layer).and_then(|mut layer| {
                io::copy(&mut layer, &mut io::sink())
                    .map_err(|source| ArchiveError::Io { path: PathBuf::from(seed.to_string()), source })
            });
        }
    }
}
