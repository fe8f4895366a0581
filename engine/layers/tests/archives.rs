//! Layers read from image archives made for the purpose.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;

use outcrop_layers::digest::{DiffId, Digest};
use outcrop_layers::index::LayerIndex;
use outcrop_layers::index::cache::IndexCache;
use outcrop_layers::source::archive::{ArchiveSource, spool};
use outcrop_layers::source::{LayerSource, SourceError};
use tar::{EntryType, Header};

/// A layer's tar from words: `path=content`, `path/`, `path=>hard link`, `path->link`; anything else is an empty file.
fn layer(words: &[&str]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for word in words {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(0);
        let (path, content) = if let Some((path, link)) = word.split_once("=>") {
            header.set_entry_type(EntryType::Link);
            header.set_link_name(link).expect("link");
            (path, "")
        } else if let Some((path, link)) = word.split_once("->") {
            header.set_entry_type(EntryType::Symlink);
            header.set_link_name(link).expect("link");
            (path, "")
        } else if word.ends_with('/') {
            header.set_entry_type(EntryType::Directory);
            (*word, "")
        } else {
            word.split_once('=').unwrap_or((word, ""))
        };
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content.as_bytes()).expect("entry");
    }
    builder.into_inner().expect("finished")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

/// What `docker save` writes, as the bytes of a tar. The diff IDs are those of `tars`, whatever `stored` is.
fn archive(tars: &[Vec<u8>], stored: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<DiffId> = tars.iter().map(|tar| DiffId(Digest::of(tar))).collect();
    let config =
        serde_json::json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let names: Vec<String> = (0..stored.len()).map(|n| format!("{n}/layer.tar")).collect();
    let manifest = serde_json::json!([{"Config": "config.json", "RepoTags": ["x:1"], "Layers": names}]);
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, bytes).expect("member");
    };
    for (name, layer) in std::iter::zip(&names, stored) {
        add(name, layer);
    }
    add("config.json", config.to_string().as_bytes());
    add("manifest.json", manifest.to_string().as_bytes());
    builder.into_inner().expect("finished")
}

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("temporary folder") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self, archive: &[u8], cache: Option<&IndexCache>) -> ArchiveSource {
        fs::write(self.path("image.tar"), archive).expect("written");
        let mut sources = ArchiveSource::open(&self.path("image.tar"), None, self.folder.path(), cache).expect("opens");
        sources.pop().expect("an image")
    }
}

fn list(index: &LayerIndex) -> Vec<String> {
    index.entries().map(|e| format!("{} {:?}", e.path().escape_ascii(), e.kind())).collect()
}

fn text(source: &ArchiveSource, layer: usize, path: &str) -> String {
    let mut text = String::new();
    source.open(layer, path.as_bytes()).expect(path).read_to_string(&mut text).expect(path);
    text
}

#[test]
fn reads_layers_plain_and_packed() {
    let long = "x".repeat(200_000);
    let words =
        ["d/", &format!("d/long={long}"), "d/b=>d/long", "twice=first", "twice=second", "s->../../etc/passwd", "empty"];
    let upper = ["d/.wh.long", "e/.wh..wh..opq", "e/f=content", ".wh..wh.aufs"];
    let tars = [layer(&words), layer(&upper)];
    let files = Files::new();
    for stored in [tars.clone(), tars.clone().map(|tar| gzip(&tar))] {
        let source = files.open(&archive(&tars, &stored), None);
        let lower = source.index(0, &|_| (), &|| false).expect("index");
        let expected = [
            "d Directory",
            "d/b File(200000 B, disk None)",
            "d/long Hardlink(d/b)",
            "empty File(0 B, disk None)",
            "s Symlink(../../etc/passwd)",
            "twice File(6 B, disk None)",
        ];
        assert_eq!(list(&lower), expected);
        let upper = source.index(1, &|_| (), &|| false).expect("index");
        assert_eq!(list(&upper), ["d/long Whiteout", "e/f File(7 B, disk None)"]);
        assert!(upper.find(b"e").expect("implied").is_opaque());
        assert_eq!(text(&source, 0, "d/b"), long);
        assert_eq!(text(&source, 0, "d/long"), long);
        assert_eq!(text(&source, 0, "twice"), "second");
        assert_eq!(text(&source, 0, "empty"), "");
        assert_eq!(text(&source, 1, "e/f"), "content");
        for (path, error) in [
            ("d", "d in layer 1 is a folder, not a file that can be read"),
            ("s", "s in layer 1 is a symbolic link, not a file that can be read"),
            ("no", "layer 1 has no no"),
        ] {
            assert_eq!(source.open(0, path.as_bytes()).map(|_| ()).expect_err(path).to_string(), error);
        }
    }
}

#[test]
fn reads_sparse_files_with_their_holes() {
    let mut header = Header::new_gnu();
    header.set_path("sparse").expect("name");
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(6);
    header.set_mode(0o644);
    let gnu = header.as_gnu_mut().expect("GNU");
    for (slot, (offset, length)) in gnu.sparse.iter_mut().zip([(0, 3), (1000, 3), (2000, 0)]) {
        slot.set_offset(offset);
        slot.set_length(length);
    }
    gnu.set_real_size(2000);
    header.set_cksum();
    let mut tar = header.as_bytes().to_vec();
    tar.extend_from_slice(b"abcdef");
    tar.resize(512 * 4, 0);
    let source = Files::new();
    let source = source.open(&archive(&[tar.clone()], &[tar]), None);
    let mut expected = vec![0; 2000];
    expected[..3].copy_from_slice(b"abc");
    expected[1000..1003].copy_from_slice(b"def");
    assert_eq!(text(&source, 0, "sparse").as_bytes(), expected);
}

#[test]
fn a_wrong_layer_is_named_with_both_digests() {
    let right = layer(&["a=1"]);
    let wrong = layer(&["a=2"]);
    let files = Files::new();
    let source = files.open(&archive(&[right.clone(), right.clone()], &[right.clone(), gzip(&wrong)]), None);
    assert!(source.index(0, &|_| (), &|| false).is_ok());
    let error = source.index(1, &|_| (), &|| false).expect_err("wrong");
    assert!(matches!(error, SourceError::Digest { .. }), "{error:?}");
    let (expected, found) = (Digest::of(&right), Digest::of(&wrong));
    assert_eq!(error.to_string(), format!("layer 2 is not what the image says: expected {expected}, found {found}"));
    let cut = files.open(&archive(std::slice::from_ref(&right), &[gzip(&right)[..30].to_vec()]), None);
    let error = cut.index(0, &|_| (), &|| false).expect_err("cut off").to_string();
    assert!(error.starts_with("layer 1 (sha256:") && error.contains("at byte 30"), "{error}");
}

#[test]
fn cancels_and_tells_how_far_it_is() {
    let tar = layer(&[&format!("big={}", "x".repeat(3 << 20))]);
    let files = Files::new();
    let bytes = archive(std::slice::from_ref(&tar), std::slice::from_ref(&tar));
    let source = files.open(&bytes, None);
    assert!(matches!(source.index(0, &|_| (), &|| true), Err(SourceError::Cancelled)));
    let most = std::cell::Cell::new(0);
    source.index(0, &|done| most.set(done), &|| false).expect("index");
    assert!(most.get() >= 2 << 20, "{}", most.get());
    let stopped = spool(&bytes[..], files.folder.path(), None, &|_| (), &|| true);
    assert!(matches!(stopped, Err(SourceError::Cancelled)));
}

#[test]
fn an_engines_export_leaves_no_file_behind() {
    let tar = layer(&["a=exported"]);
    let files = Files::new();
    let bytes = archive(std::slice::from_ref(&tar), std::slice::from_ref(&tar));
    let sources = spool(&bytes[..], files.folder.path(), None, &|_| (), &|| false).expect("spooled");
    assert_eq!(fs::read_dir(files.folder.path()).expect("folder").count(), 0);
    assert_eq!(text(&sources[0], 0, "a"), "exported");
}

#[test]
fn a_cached_index_finds_content_too() {
    let tar = layer(&["a=1", "b=2"]);
    let files = Files::new();
    let cache = IndexCache::new(files.path("cache"));
    let bytes = archive(std::slice::from_ref(&tar), &[gzip(&tar)]);
    let first = files.open(&bytes, Some(&cache)).index(0, &|_| (), &|| false).expect("index");
    assert_eq!(fs::read_dir(files.path("cache")).expect("folder").count(), 1);
    let again = files.open(&bytes, Some(&cache));
    assert_eq!(list(&again.index(0, &|_| (), &|| panic!("is not read")).expect("index")), list(&first));
    assert_eq!(text(&again, 0, "b"), "2");
}

#[test]
fn comparing_content_decides_what_metadata_cannot() {
    use outcrop_layers::source::indexes;
    use outcrop_layers::tree::Tree;
    use outcrop_layers::verify;
    use outcrop_layers::version::{Change, Evidence};

    let tars = [
        layer(&["same=1234", "other=1234", "x/a=twice", "alone=56789"]),
        layer(&["same=1234", "other=4321", "x/b=twice"]),
    ];
    let files = Files::new();
    for stored in [tars.clone(), tars.clone().map(|tar| gzip(&tar))] {
        let source = files.open(&archive(&tars, &stored), None);
        let indexes = indexes(&source, &|_, _| (), &|| false).expect("indexes");
        let mut tree = Tree::build(&indexes.into_iter().collect::<Result<Vec<_>, _>>().expect("whole"));
        assert_eq!(tree.doubts().count(), 2);
        let all = std::cell::Cell::new((0, 0));
        let findings = verify::doubts(&tree, &source, &|done, of| all.set((done, of)), &|| false).expect("compared");
        assert_eq!(all.get(), (16, 16));
        for finding in findings {
            tree.settle(finding.node, finding.layer, finding.same);
        }
        let told = |path: &[u8]| {
            let version = tree.versions(tree.find(path).expect("path"))[1];
            assert_eq!(version.evidence, Evidence::Compared);
            version.change
        };
        assert_eq!((told(b"same"), told(b"other")), (Change::Identical, Change::Content));
        let duplicates = verify::duplicates(&tree, &source, &|_, _| (), &|| false).expect("compared");
        let paths: Vec<_> = duplicates[0].files.iter().map(|n| tree.path(*n)).collect();
        assert_eq!((duplicates.len(), duplicates[0].bytes(), paths), (1, 5, vec![b"x/a".to_vec(), b"x/b".to_vec()]));
        let stopped = verify::duplicates(&tree, &source, &|_, _| (), &|| true);
        assert!(matches!(stopped, Err(SourceError::Cancelled)));
    }
}
