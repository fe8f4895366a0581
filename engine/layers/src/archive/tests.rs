mod refused;

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
    assert!(error(&made).contains("no image is in the archive: index.json lists none"));
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
