//! Making, listing, finding, removing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use outcrop_engine::filters::Filters;
use outcrop_engine::mount::{MountError, Request, merge};
use outcrop_engine::volume::{Create, VolumeError};

use super::{Root, map, named, open};

#[test]
fn a_volume_is_a_folder_with_labels_in_metadata_db() {
    let root = Root::new();
    let request = Create { labels: Some(map(&[("a", "b")])), ..named("data") };
    let made = root.volumes().create(&request).unwrap();
    assert_eq!(made.mountpoint, root.path("volumes/data/_data"));
    let mode = |path: &str| fs::metadata(root.path(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("volumes/data"), mode("volumes/data/_data")), (0o701, 0o755));
    assert!(made.created > 1_700_000_000);
    assert_eq!(root.volumes().inspect("data").unwrap(), made);
    // Made again it is found, whatever else is asked for.
    assert_eq!(root.volumes().create(&named("data")).unwrap(), made);
    let plain = root.volumes().create(&named("plain")).unwrap();
    assert_eq!((plain.labels, plain.options), (None, None));
    // Another process finds the same.
    assert_eq!(open(root.directory.path()).volumes().inspect("data").unwrap(), made);
    root.nothing_left();
}

#[test]
fn nobody_names_an_anonymous_volume() {
    let root = Root::new();
    let made = root.volumes().create(&Create::default()).unwrap();
    assert_eq!(made.name.len(), 64);
    assert!(made.is_anonymous());
    assert_eq!(made.labels.unwrap().keys().collect::<Vec<_>>(), ["com.docker.volume.anonymous"]);
    assert!(!root.volumes().create(&named("named")).unwrap().is_anonymous());
}

#[test]
fn refuses_in_dockers_words() {
    let root = Root::new();
    let volumes = root.volumes();
    let error = |request: &Create| volumes.create(request).unwrap_err().to_string();
    assert!(
        error(&named("../x")).starts_with("create ../x: \"../x\" includes invalid characters for a local volume name")
    );
    assert_eq!(
        error(&Create { driver: "nope".into(), ..named("vol") }),
        "create vol: error looking up volume plugin nope: plugin \"nope\" not found"
    );
    let options = Some(map(&[("bogus", "1")]));
    assert_eq!(error(&Create { options, ..named("vol") }), "create vol: invalid option: \"bogus\"");
    assert_eq!(volumes.inspect("nope").unwrap_err().to_string(), "get nope: no such volume");
    assert_eq!(volumes.remove("nope", false).unwrap_err().to_string(), "get nope: no such volume");
    volumes.remove("nope", true).unwrap();
    for name in ["../x", "..", "/etc", "a/b", ""] {
        assert!(matches!(volumes.remove(name, false), Err(VolumeError::NotFound(_))), "{name}");
        assert!(volumes.attach(name, "").is_err());
    }
    assert!(fs::read_dir(root.path("volumes")).unwrap().all(|entry| !entry.unwrap().path().is_dir()));
}

#[test]
fn a_folder_that_is_a_link_is_no_volume() {
    let root = Root::new();
    let outside = root.directory.path().join("outside");
    fs::create_dir_all(outside.join("_data")).unwrap();
    fs::create_dir(root.path("volumes/linked")).unwrap();
    std::os::unix::fs::symlink(outside.join("_data"), root.path("volumes/linked/_data")).unwrap();
    std::os::unix::fs::symlink(&outside, root.path("volumes/whole")).unwrap();
    let volumes = root.volumes();
    assert!(volumes.attach("linked", "").is_err());
    assert!(volumes.attach("whole", "").is_err());
    assert!(volumes.remove("linked", false).is_err());
    assert!(outside.join("_data").is_dir());
}

/// Filters, and the names that pass them.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn lists_with_filters() {
    let root = Root::new();
    let volumes = root.volumes();
    for (name, labels) in
        [("alpha", Some(map(&[("env", "dev"), ("x", "")]))), ("beta", Some(map(&[("env", "prod")]))), ("gamma", None)]
    {
        volumes.create(&Create { labels, ..named(name) }).unwrap();
    }
    root.container("c1", "web", "beta", false);
    let list = |pairs: &[(&str, &str)]| {
        let filters = pairs.iter().fold(Filters::default(), |filters, (name, value)| filters.with(name, value));
        volumes.list(&filters).map(|found| found.into_iter().map(|volume| volume.name).collect::<Vec<_>>())
    };
    let table: &[Case] = &[
        (&[], &["alpha", "beta", "gamma"]),
        (&[("label", "env")], &["alpha", "beta"]),
        (&[("label", "env=dev"), ("label", "x")], &["alpha"]),
        (&[("dangling", "true")], &["alpha", "gamma"]),
        (&[("dangling", "0")], &["beta"]),
        (&[("driver", "local")], &["alpha", "beta", "gamma"]),
        (&[("driver", "nfs")], &[]),
        (&[("name", "a")], &["alpha", "beta", "gamma"]),
        (&[("name", "^b"), ("name", "gam")], &["beta", "gamma"]),
        (&[("name", "^a$")], &[]),
    ];
    for (filters, expected) in table {
        assert_eq!(list(filters).unwrap(), *expected, "{filters:?}");
    }
    assert!(list(&[("bogus", "1")]).is_err());
    assert!(list(&[("dangling", "maybe")]).is_err());
}

#[test]
fn a_volume_in_use_stays_and_its_containers_are_named() {
    let root = Root::new();
    let volumes = root.volumes();
    volumes.create(&named("data")).unwrap();
    root.container("c0ffee", "web", "data", false);
    let error = volumes.remove("data", true).unwrap_err();
    assert_eq!(error.to_string(), "remove data: volume is in use - [c0ffee]");
    assert_eq!(error.hint().as_deref(), Some("used by web: remove it first"));
    fs::remove_dir_all(root.path("containers/c0ffee")).unwrap();
    fs::write(root.path("volumes/data/_data/file"), "x").unwrap();
    volumes.remove("data", false).unwrap();
    assert!(!root.path("volumes/data").exists());
    assert!(matches!(volumes.inspect("data"), Err(VolumeError::NotFound(_))));
    root.nothing_left();
    // The name is free, and the old labels are gone.
    volumes.create(&Create { labels: Some(map(&[("old", "")])), ..named("again") }).unwrap();
    volumes.remove("again", false).unwrap();
    assert_eq!(volumes.create(&named("again")).unwrap().labels, None);
}

#[test]
fn prunes_what_nobody_named_unless_all_is_said() {
    let root = Root::new();
    let volumes = root.volumes();
    let anonymous = volumes.create(&Create::default()).unwrap().name;
    let used = volumes.create(&Create::default()).unwrap().name;
    root.container("c1", "web", &used, true);
    volumes.create(&named("named")).unwrap();
    volumes.create(&Create { labels: Some(map(&[("keep", "1")])), ..named("kept") }).unwrap();
    fs::write(root.path("volumes").join(&anonymous).join("_data/file"), [0; 1000]).unwrap();
    let pruned = volumes.prune(&Filters::default()).unwrap();
    assert_eq!((pruned.names.as_slice(), pruned.bytes, pruned.kept.len()), (&[anonymous][..], 1000, 0));
    let filters = Filters::default().with("all", "true").with("label!", "keep");
    assert_eq!(volumes.prune(&filters).unwrap().names, ["named"]);
    let left: Vec<_> = volumes.list(&Filters::default()).unwrap().into_iter().map(|volume| volume.name).collect();
    assert_eq!(left.len(), 2);
    assert!(left.contains(&used) && left.contains(&"kept".to_owned()));
}

#[test]
fn a_containers_volumes_are_provided() {
    let root = Root::new();
    let volumes = root.volumes();
    volumes.create(&named("there")).unwrap();
    let binds = ["there:/a".to_owned(), "fresh:/b:ro".to_owned()];
    let image = ["/c".to_owned()];
    let request = Request { binds: &binds, image_volumes: &image, ..Request::default() };
    let mut none = |_: &str| Err(MountError { message: "none".into(), hint: None });
    let mut points = merge(&request, &mut none).unwrap().points;
    let provided = volumes.provide(&mut points).unwrap();
    assert_eq!(provided.created.len(), 2);
    assert!(points.iter().all(|point| point.driver == "local" && point.source.ends_with("/_data")));
    let view = serde_json::to_string(&points[0].view()).unwrap();
    let source = root.path("volumes/there/_data");
    assert_eq!(
        view,
        format!(
            r#"{{"Type":"volume","Name":"there","Source":"{}","Destination":"/a","Driver":"local","Mode":"z","RW":true,"Propagation":""}}"#,
            source.display()
        )
    );
    // The container was not made after all.
    volumes.take_back(&provided);
    let left: Vec<_> = volumes.list(&Filters::default()).unwrap().into_iter().map(|volume| volume.name).collect();
    assert_eq!(left, ["there"]);
    root.nothing_left();
}

#[test]
fn a_damaged_metadata_db_takes_labels_away_not_volumes() {
    let root = Root::new();
    let volumes = root.volumes();
    volumes.create(&Create { labels: Some(map(&[("a", "b")])), ..named("data") }).unwrap();
    let path = root.path("volumes/metadata.db");
    let whole = fs::read(&path).unwrap();
    for broken in [Vec::new(), vec![0; whole.len()], whole[..5000].to_vec()] {
        fs::write(&path, &broken).unwrap();
        assert_eq!(volumes.list(&Filters::default()).unwrap().len(), 1);
        assert_eq!(volumes.inspect("data").unwrap().labels, None);
        let error = volumes.create(&named("more")).unwrap_err();
        assert!(error.to_string().contains("metadata.db"), "{error}");
        assert!(!volumes.exists("more"));
        assert_eq!(fs::read(&path).unwrap(), broken, "nothing is written over what may be repaired");
    }
    fs::write(&path, whole).unwrap();
    assert_eq!(volumes.inspect("data").unwrap().labels, Some(map(&[("a", "b")])));
    root.nothing_left();
}

#[test]
fn many_at_once() {
    let root = Root::new();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let volumes = open(root.directory.path()).volumes();
            scope.spawn(move || {
                for n in 0..10 {
                    let request = Create {
                        labels: Some(map(&[("by", &worker.to_string())])),
                        ..named(&format!("v-{worker}-{n}"))
                    };
                    volumes.create(&request).unwrap();
                    volumes.create(&named("shared")).unwrap();
                    if n % 2 == 0 {
                        volumes.remove(&request.name, false).unwrap();
                    }
                }
            });
        }
    });
    let found = root.volumes().list(&Filters::default().with("label", "by")).unwrap();
    assert_eq!(found.len(), 20);
    root.nothing_left();
}
