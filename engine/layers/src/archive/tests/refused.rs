//! What is no archive, and archives that are damaged, incomplete or without end.

use super::*;

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
    assert!(error(&made).contains("no image is in the archive: manifest.json lists none"));
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
