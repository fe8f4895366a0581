//! Persistent data, step by step: what outlives a container and what does not.

use std::fs;

use super::Machine;

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn volumes_outlive_containers() {
    let machine = Machine::new();
    assert_eq!(machine.ok(&["volume", "create", "some_persistent_volume"]), "some_persistent_volume\n");
    let data = machine.outcrop.root().join("volumes/some_persistent_volume/_data");
    assert!(data.is_dir());

    machine.sh(&["-v", "some_persistent_volume:/var/lib/mysql"], "echo row > /var/lib/mysql/table");
    assert_eq!(machine.ok(&["ps", "-aq"]), "", "the container has gone");
    assert_eq!(fs::read_to_string(data.join("table")).expect("reads"), "row\n");
    assert_eq!(machine.sh(&["-v", "some_persistent_volume:/d:ro"], "cat /d/table"), "row\n");

    machine.sh(&["-v", "made_on_the_way:/d"], "touch /d/here");
    assert_eq!(machine.ok(&["volume", "ls", "-q"]), "made_on_the_way\nsome_persistent_volume\n");
    assert!(machine.outcrop.root().join("volumes/made_on_the_way/_data/here").exists());

    machine.start("user", &["-v", "some_persistent_volume:/d"], "exec busybox sleep 100");
    let (code, _, said) = machine.ends(&["volume", "rm", "some_persistent_volume"]);
    assert!(code == 1 && said.contains("volume is in use"), "{said}");
    machine.ok(&["rm", "-f", "user"]);
    machine.ok(&["volume", "rm", "some_persistent_volume"]);
    assert!(!data.exists());
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn binds_show_on_the_host() {
    let machine = Machine::new();
    let folder = machine.outcrop.scratch("data/mysql");
    let source = folder.to_str().expect("utf-8");
    machine.sh(&["-v", &format!("{source}:/var/lib/mysql")], "echo row > /var/lib/mysql/table");
    assert_eq!(fs::read_to_string(folder.join("table")).expect("-v makes the folder"), "row\n");
    fs::write(folder.join("from-host"), "hello\n").expect("writes");
    let mount = format!("type=bind,source={source},target=/m,readonly");
    assert_eq!(
        machine.sh(&["--mount", &mount], "cat /m/from-host; touch /m/x || echo read-only"),
        "hello\nread-only\n"
    );
    let missing = format!("type=bind,source={source}/missing,target=/m");
    let (code, _, said) = machine.ends(&["run", "--rm", "--mount", &missing, "base:1", "true"]);
    assert!(code == 125 && said.contains("bind source path does not exist"), "{code} {said}");
    assert!(!folder.join("missing").exists());
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn both_syntaxes_give_the_same_container() {
    let machine = Machine::new();
    let folder = machine.outcrop.scratch("folder");
    fs::create_dir(&folder).expect("creates");
    let source = folder.to_str().expect("utf-8");
    machine.ok(&["volume", "create", "data"]);
    let short = [format!("{source}:/b:ro"), "data:/v".into()];
    let long = [format!("type=bind,src={source},dst=/b,readonly"), "type=volume,src=data,dst=/v".into()];
    machine.ok(&["create", "--name", "short", "-v", &short[0], "-v", &short[1], "base:1"]);
    machine.ok(&["create", "--name", "long", "--mount", &long[0], "--mount", &long[1], "base:1"]);
    let mounts = |name: &str| {
        let json: serde_json::Value =
            serde_json::from_str(&machine.ok(&["inspect", "--format", "{{json .Mounts}}", name])).expect("JSON");
        let mut mounts = json.as_array().expect("a list").clone();
        for mount in &mut mounts {
            // docker has the mode of `-v` here, and says `z` for a volume without one; nothing of it is in force
            mount["Mode"] = "".into();
        }
        mounts.sort_by_key(|mount| mount["Destination"].to_string());
        mounts
    };
    assert_eq!(mounts("short").len(), 2);
    assert_eq!(mounts("short"), mounts("long"));
}

#[test]
#[ignore = "needs root and busybox-static: run by .ci/run"]
fn containers_share_layers_and_not_what_they_write() {
    let machine = Machine::new();
    for (name, text) in [("one", "1"), ("two", "2")] {
        machine.start(name, &[], &format!("echo {text} > /etc/passwd; exec busybox sleep 100"));
    }
    let graph =
        |name: &str, key: &str| machine.ok(&["inspect", "--format", &format!("{{{{.GraphDriver.Data.{key}}}}}"), name]);
    let image_layer = |name: &str| graph(name, "LowerDir").trim().rsplit(':').next().map(str::to_owned);
    assert_eq!(image_layer("one"), image_layer("two"));
    assert_ne!(graph("one", "UpperDir"), graph("two", "UpperDir"));
    for (name, text) in [("one", "1\n"), ("two", "2\n")] {
        let upper = graph(name, "UpperDir");
        let copied = std::path::Path::new(upper.trim()).join("etc/passwd");
        while fs::read_to_string(&copied).ok().as_deref() != Some(text) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(machine.ok(&["exec", name, "cat", "/etc/passwd"]), text);
        assert_eq!(machine.ok(&["diff", name]), "C /etc\nC /etc/passwd\n");
    }
    assert!(machine.sh(&[], "cat /etc/passwd").starts_with("root:"), "the image is as it was");
}
