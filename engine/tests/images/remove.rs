//! Tagging, removing, pruning; messages are dockerd's.

use std::fs;
use std::path::Path;

use outcrop_engine::Engine;
use outcrop_engine::filters::Filters;
use outcrop_engine::image::{ErrorKind, ImageError, ListOptions, Removed};
use outcrop_engine::progress::{Cancel, Ctx};
use outcrop_layers::digest::ChainId;

use crate::support::{Image, Root, check_whole, diff_id, docker_archive, layer, load};

fn remove(engine: &Engine, name: &str, force: bool) -> Result<Vec<String>, ImageError> {
    let cancel = Cancel::new();
    let removed = engine.images().remove(name, force, true, Ctx { progress: &|_| {}, cancel: &cancel })?;
    Ok(removed.into_iter().map(text).collect())
}

fn text(removed: Removed) -> String {
    match removed {
        Removed::Untagged(name) => format!("untagged {name}"),
        Removed::Deleted(id) => format!("deleted {id}"),
    }
}

fn prune(engine: &Engine, filters: &Filters) -> (usize, u64) {
    let cancel = Cancel::new();
    let (removed, freed) = engine.images().prune(filters, Ctx { progress: &|_| {}, cancel: &cancel }).expect("prunes");
    (removed.len(), freed)
}

fn tag(engine: &Engine, image: &str, name: &str) {
    let image = engine.images().resolve(image).expect("is there");
    engine.images().tag(&image, &name.parse().expect("is a name")).expect("tags");
}

/// A container, as far as its files matter here.
fn container(root: &Path, id: &str, image: &str, chain: ChainId, running: bool) {
    let directory = root.join("containers").join(id);
    fs::create_dir_all(&directory).expect("creates");
    let config = serde_json::json!({
        "ID": id, "Name": "/box", "Image": image, "Args": null, "MountPoints": null,
        "State": {"Running": running, "StartedAt": "2026-01-01T00:00:00Z"},
    });
    fs::write(directory.join("config.v2.json"), config.to_string()).expect("writes");
    let mount = root.join("image/overlay2/layerdb/mounts").join(id);
    fs::create_dir_all(&mount).expect("creates");
    fs::write(mount.join("parent"), chain.to_string()).expect("writes");
}

#[test]
fn layers_go_with_the_last_image_that_has_them() {
    let root = Root::new();
    let engine = root.open();
    let [base, a, b] = [layer(&[("base", "1")]), layer(&[("a", "2")]), layer(&[("b", "3")])];
    let images = [Image::new(&["a:1"], &[base.clone(), a.clone()]), Image::new(&["b:1"], &[base.clone(), b])];
    let [a_id, b_id] = [images[0].id(), images[1].id()];
    load(&engine, &docker_archive(&images)).expect("loads");
    let chains = ChainId::all(&[diff_id(&base), diff_id(&a)]);
    assert_eq!(
        remove(&engine, "a:1", false).expect("removes"),
        ["untagged a:1".to_owned(), format!("deleted {a_id}"), format!("deleted {}", chains[1])]
    );
    check_whole(&root.path());
    let removed = remove(&engine, &b_id[7..19], false).expect("removes by ID");
    assert_eq!((removed.len(), removed[0].as_str()), (4, "untagged b:1"));
    check_whole(&root.path());
    assert!(engine.images().list(&ListOptions::default()).expect("lists").is_empty());
}

#[test]
fn names_go_one_by_one() {
    let root = Root::new();
    let engine = root.open();
    let image = Image::new(&["a:1"], &[layer(&[("x", "1")])]);
    let id = image.id();
    load(&engine, &docker_archive(&[image])).expect("loads");
    tag(&engine, "a:1", "host:5000/b");
    tag(&engine, &id[..20], "a:2");
    let short = &id[7..19];
    let error = remove(&engine, short, false).expect_err("has three names");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(
        error.to_string(),
        format!("conflict: unable to delete {short} (must be forced) - image is referenced in multiple repositories")
    );
    assert_eq!(remove(&engine, "a:1", false).expect("untags"), ["untagged a:1"]);
    assert_eq!(remove(&engine, "host:5000/b", false).expect("untags"), ["untagged host:5000/b:latest"]);
    assert_eq!(remove(&engine, "a:2", false).expect("deletes").len(), 3);
    for name in ["a:2", "a", short] {
        let error = remove(&engine, name, false).expect_err("is gone");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let shown = if name.contains(':') { name.to_owned() } else { format!("{name}:latest") };
        assert_eq!(error.to_string(), format!("No such image: {shown}"));
    }
    check_whole(&root.path());
}

#[test]
fn force_takes_all_names_but_not_a_running_container() {
    let root = Root::new();
    let engine = root.open();
    let base = layer(&[("x", "1")]);
    let image = Image::new(&["a:1", "b:1"], std::slice::from_ref(&base));
    let id = image.id();
    load(&engine, &docker_archive(&[image])).expect("loads");
    let chain = ChainId::on(None, diff_id(&base));
    let box_id = "0123456789abcdef".repeat(4);
    container(&root.path(), &box_id, &id, chain, true);
    let short = &id[7..19];
    for force in [false, true] {
        let error = remove(&engine, short, force).expect_err("is used").to_string();
        let why = "image is being used by running container 0123456789ab";
        assert_eq!(error, format!("conflict: unable to delete {short} (cannot be forced) - {why}"));
    }
    assert_eq!(remove(&engine, "b:1", false).expect("untags"), ["untagged b:1"]);
    let error = remove(&engine, "a:1", false).expect_err("last name").to_string();
    assert_eq!(
        error,
        format!(
            "conflict: unable to remove repository reference \"a:1\" (must force) - container 0123456789ab is using its \
             referenced image {short}"
        )
    );
    container(&root.path(), &box_id, &id, chain, false);
    let error = remove(&engine, short, false).expect_err("is used").to_string();
    let why = "image is being used by stopped container 0123456789ab";
    assert_eq!(error, format!("conflict: unable to delete {short} (must be forced) - {why}"));
    let removed = remove(&engine, short, true).expect("forced");
    assert_eq!(removed, ["untagged a:1".to_owned(), format!("deleted {id}")], "the container keeps the layer");
    assert!(root.path().join("image/overlay2/layerdb/sha256").join(chain.0.hex()).exists());
}

#[test]
fn children_protect_their_parents_and_take_them_along() {
    let root = Root::new();
    let engine = root.open();
    let [base, top] = [layer(&[("x", "1")]), layer(&[("y", "1")])];
    let images = [Image::new(&[], std::slice::from_ref(&base)), Image::new(&["child:1"], &[base, top])];
    let [parent, child] = [images[0].id(), images[1].id()];
    load(&engine, &docker_archive(&images)).expect("loads");
    let metadata = root.path().join("image/overlay2/imagedb/metadata/sha256").join(&child[7..]);
    fs::create_dir_all(&metadata).expect("creates");
    fs::write(metadata.join("parent"), &parent).expect("writes");
    let listed = |all| engine.images().list(&ListOptions { all, ..ListOptions::default() }).expect("lists").len();
    assert_eq!((listed(false), listed(true)), (1, 2));
    let error = remove(&engine, &parent, true).expect_err("has a child").to_string();
    let short = &parent[7..19];
    assert_eq!(
        error,
        format!("conflict: unable to delete {short} (cannot be forced) - image has dependent child images")
    );
    assert_eq!(prune(&engine, &Filters::default()), (0, 0), "the parent is no dangling image");
    let removed = remove(&engine, "child:1", false).expect("removes");
    assert!(removed.contains(&format!("deleted {parent}")), "{removed:?}");
    check_whole(&root.path());
}

#[test]
fn prune_takes_what_has_no_name_or_what_nothing_uses() {
    let root = Root::new();
    let engine = root.open();
    let images = [
        Image::new(&[], &[layer(&[("x", "12345")])]),
        Image::new(&["keep:1"], &[layer(&[("y", "123")])]),
        Image::new(&["other:1", "other:2"], &[layer(&[("z", "1")])]),
    ];
    load(&engine, &docker_archive(&images)).expect("loads");
    let labelled = Filters::default().with("label", "extra=nothing");
    assert_eq!(prune(&engine, &labelled), (0, 0));
    assert_eq!(prune(&engine, &Filters::default().with("until", "2020-01-01")), (0, 0));
    assert_eq!(prune(&engine, &Filters::default()), (2, 5));
    let all = Filters::default().with("dangling", "false").with("label!", "extra=keep:1");
    assert_eq!(prune(&engine, &all), (4, 1));
    let left = engine.images().list(&ListOptions::default()).expect("lists");
    assert_eq!(left.iter().map(|summary| summary.tags.clone()).collect::<Vec<_>>(), [["keep:1"]]);
    check_whole(&root.path());
}

#[test]
fn an_id_is_found_by_its_beginning_if_only_one_begins_so() {
    let root = Root::new();
    let engine = root.open();
    // Of seventeen IDs two begin with the same digit.
    let layer = layer(&[("x", "1")]);
    let names: Vec<&'static str> = (0..17).map(|n| &*format!("n{n}:1").leak()).collect();
    let images: Vec<Image> = names.iter().map(|name| Image::new(&[name], std::slice::from_ref(&layer))).collect();
    let ids: Vec<String> = images.iter().map(Image::id).collect();
    load(&engine, &docker_archive(&images)).expect("loads");
    for id in &ids {
        assert_eq!(engine.images().resolve(id).expect("whole ID").id.to_string(), *id);
        assert_eq!(engine.images().resolve(&id[7..]).expect("digits").id.to_string(), *id);
        assert_eq!(engine.images().resolve(&id[7..23]).expect("some digits").id.to_string(), *id);
    }
    let digit = |id: &String| id.as_bytes()[7];
    let twice = ids.iter().find(|id| ids.iter().filter(|other| digit(other) == digit(id)).count() > 1);
    let prefix = &twice.expect("pigeons")[7..8];
    let error = engine.images().resolve(prefix).expect_err("ambiguous");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().starts_with("ambiguous digest string"), "{error}");
}
