//! The build screen of the built program: the two Dockerfiles of the lesson on layers are planned, built, and share what they share.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::base;
use crate::dockerd::Dockerd;
use crate::outcrop::Outcrop;
use crate::terminal::Terminal;

/// The lesson's first Dockerfile, with steps that need no network.
const FIRST: &str = "FROM base

RUN mkdir -p /usr/lib && seq 1 4000 > /usr/lib/python

RUN seq 1 2000 > /usr/lib/flask && echo flask is in''stalled

COPY . /opt/source-code

ENTRYPOINT FLASK_APP=/opt/source-code/app.py flask run
";

/// A folder called `seed` with both Dockerfiles, one that fails, and one that takes long.
fn seed(outcrop: &Outcrop) -> PathBuf {
    let folder = outcrop.scratch("seed");
    fs::create_dir(&folder).expect("directory");
    let second = FIRST.replace("COPY .", "COPY app2.py").replace("app.py flask", "app2.py flask");
    let files = [
        ("Dockerfile", FIRST),
        ("Dockerfile2", &second),
        ("app.py", "print(1)\n"),
        ("app2.py", "print(2)\n"),
        ("fails.Dockerfile", "FROM base\nRUN echo last wo''rds; exit 3\nRUN true\n"),
        ("slow.Dockerfile", "FROM base\nRUN echo be''gun; sleep 600\n"),
    ];
    for (name, content) in files {
        fs::write(folder.join(name), content).expect("writes");
    }
    folder
}

fn start(mut command: Command, folder: &PathBuf) -> Terminal {
    Terminal::start(command.current_dir(folder), 120, 40, &[])
}

/// The diff IDs of an image's layers.
fn layers(inspected: &str) -> Vec<String> {
    let images: serde_json::Value = serde_json::from_str(inspected).expect("JSON");
    let layers = images[0]["RootFS"]["Layers"].as_array().expect("layers");
    layers.iter().map(|layer| layer.as_str().expect("a digest").to_owned()).collect()
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn two_dockerfiles_are_planned_and_built_and_share_three_layers() {
    let outcrop = Outcrop::new();
    outcrop.feed(["import", "--change", "CMD [\"sh\"]", "-", "base"], &base());
    let folder = seed(&outcrop);
    let terminal = start(outcrop.command::<&str>([]), &folder);
    // What would be done is said before anything runs.
    terminal.shows("base:latest").press("b").shows("1 step is reused, 4 will run");
    terminal.shows("nothing was built on the step before it yet").shows("2 will run RUN mkdir");
    assert_eq!(outcrop.ok(["images", "-aq"]).lines().count(), 1, "a plan makes nothing");
    terminal.press("b").shows("build seed: seed is built").shows("3 ran      RUN seq");
    // Its words, with the step's.
    terminal.press("\tkk").shows("Step 3  line 5").shows("flask is installed").press("5");
    // The second one beside it: three steps are the same.
    terminal.press("R").shows("5 steps are reused, 0 will run").press("j").shows("3 steps are reused, 2 will run");
    terminal.press("k j").shows("3 shared with Dockerfile").press("b").shows("build seed-2: seed-2 is built");
    terminal.shows("3 reused   RUN seq").shows("4 ran      COPY app2.py");
    // It is the one selected in the list of images.
    terminal.press("1").shows("▸ seed-2").press("q");
    terminal.ends();
    let (first, second) = (layers(&outcrop.ok(["inspect", "seed"])), layers(&outcrop.ok(["inspect", "seed-2"])));
    assert_eq!((first.len(), &first[..3]), (4, &second[..3]));
    assert_ne!(first[3], second[3]);
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_build_that_fails_and_one_that_is_cancelled() {
    let outcrop = Outcrop::new();
    outcrop.feed(["import", "-", "base"], &base());
    let folder = seed(&outcrop);
    let terminal = start(outcrop.command::<&str>([]), &folder);
    terminal
        .shows("base:latest")
        .press("5")
        .shows("fails.Dockerfile")
        .press("jj")
        .shows("1 step is reused, 2 will run");
    terminal.press("b").shows("FAILED").shows("last words").shows("non-zero code: 3").shows("3 not run");
    terminal
        .press("j")
        .shows("1 step is reused, 1 will run")
        .press("b")
        .shows("begun")
        .press("x")
        .shows("cancelled: what was done");
    terminal.press("q");
    terminal.ends();
    assert_eq!(outcrop.ok(["ps", "-aq"]), "", "no container of the builds is left");
    assert_eq!(outcrop.ok(["images", "-aq"]).lines().count(), 1);
}

#[test]
#[ignore = "needs root and dockerd: run by .ci/run"]
fn dockerd_tells_no_plan_and_builds() {
    let dockerd = Dockerd::start();
    dockerd.feed(["import", "-", "base"], &base());
    let outcrop = Outcrop::new();
    let folder = seed(&outcrop);
    let terminal = start(outcrop.command(["-H", &dockerd.host()]), &folder);
    terminal.shows("base:latest").press("5").shows("does not tell beforehand").shows("b builds it all the same");
    terminal.press("b").shows("build seed: seed is built").shows("4 ran      COPY . /opt");
    terminal.press("\tkk").shows("flask is installed").press("5j").shows("does not tell beforehand");
    terminal.press("b").shows("build seed-2: seed-2 is built").shows("3 reused   RUN seq");
    terminal.press("1").shows("▸ seed-2").press("4").shows("in one of 3 images").press("q");
    terminal.ends();
    let (first, second) = (layers(&dockerd.ok(["inspect", "seed"])), layers(&dockerd.ok(["inspect", "seed-2"])));
    assert_eq!((first.len(), &first[..3]), (4, &second[..3]));
}

/// Bytes of all files of all layers.
fn stored(outcrop: &Outcrop) -> u64 {
    fn below(folder: &std::path::Path) -> u64 {
        let entries = fs::read_dir(folder).expect("reads").map(|entry| entry.expect("reads"));
        let bytes = entries.map(|entry| match entry.metadata().expect("is there") {
            about if about.is_dir() => below(&entry.path()),
            about if about.is_file() => about.len(),
            _ => 0,
        });
        bytes.sum()
    }
    let layers = fs::read_dir(outcrop.root().join("overlay2")).expect("reads");
    let diffs = layers.map(|layer| layer.expect("reads").path().join("diff"));
    diffs.filter(|diff| diff.is_dir()).map(|diff| below(&diff)).sum()
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn the_disk_screen_frees_what_it_says() {
    let outcrop = Outcrop::new();
    outcrop.feed(["import", "-", "base"], &base());
    let folder = outcrop.scratch("two");
    fs::create_dir(&folder).expect("directory");
    for (name, bytes) in [("one", 2_000_000), ("two", 3_000_000)] {
        fs::write(folder.join(name), vec![b'x'; bytes]).expect("writes");
        fs::write(folder.join("Dockerfile"), format!("FROM base\nCOPY {name} /{name}\n")).expect("writes");
        outcrop.ok(["build", "-q", "-t", name, folder.to_str().expect("utf-8")]);
    }
    let before = stored(&outcrop);
    let terminal = start(outcrop.command::<&str>([]), &folder);
    terminal.shows("base:latest").press("4").shows("in one of 3 images").shows("two:latest");
    // The larger two are first: what they share with the base stays.
    terminal.press("  ").shows("2 things marked").shows("frees 5.00 MB").shows("of their layers stay in other images");
    terminal.press("\x1b[3~").shows("Remove 2 things?");
    // What is typed before the dialog could be read is dropped.
    std::thread::sleep(std::time::Duration::from_millis(150));
    terminal.press("y").shows("remove 2 things: removed").shows("in one of 1 image").press("q");
    terminal.ends();
    assert_eq!(before - stored(&outcrop), 5_000_000);
}
