//! A whole Debian system and images built on it: the screen beside `docker history`, and the lesson's two Dockerfiles with a network.

use std::path::Path;
use std::process::Command;

use crate::dockerd::Dockerd;
use crate::outcrop::Outcrop;
use crate::terminal::Terminal;

/// Two Dockerfiles that share their first three layers, and a third that hides and copies files of its base.
const IMAGES: [(&str, &str); 3] = [
    (
        "app1",
        "FROM ubuntu\n\
         RUN seq 1 200000 > /usr/share/python && chmod 700 /usr/bin/perl && rm -rf /usr/share/doc\n\
         RUN mkdir -p /usr/lib/flask && seq 1 100000 > /usr/lib/flask/mysql.py\n\
         COPY app.py /opt/source-code/\n\
         ENTRYPOINT FLASK_APP=/opt/source-code/app.py flask run\n",
    ),
    (
        "app2",
        "FROM ubuntu\n\
         RUN seq 1 200000 > /usr/share/python && chmod 700 /usr/bin/perl && rm -rf /usr/share/doc\n\
         RUN mkdir -p /usr/lib/flask && seq 1 100000 > /usr/lib/flask/mysql.py\n\
         COPY app2.py /opt/source-code/\n\
         ENTRYPOINT FLASK_APP=/opt/source-code/app2.py flask run\n",
    ),
    (
        "tools",
        "FROM ubuntu\nRUN rm -rf /usr/share/locale\nENV A=1\nRUN chown -R 1:1 /usr/share/zoneinfo\nCMD [\"bash\"]\n",
    ),
];

/// The root file system of a minimal Debian, as a tar.
fn debian(directory: &Path) -> Vec<u8> {
    let root = directory.join("debian");
    let made = Command::new("debootstrap")
        .args(["--variant=minbase", "stable"])
        .arg(&root)
        .output()
        .expect("apt-get install debootstrap");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    let packed = Command::new("tar").arg("-C").arg(&root).args(["-c", "."]).output().expect("tar starts");
    assert!(packed.status.success(), "{packed:?}");
    packed.stdout
}

/// Steps that stored something: the last word of the instruction, and the size as the screen writes it.
fn steps(history: &str) -> Vec<(String, String)> {
    let row = |line: &str| {
        let (size, step) = line.split_once('|')?;
        let (number, unit) = size.split_at(size.find(char::is_alphabetic)?);
        let word = step.split_whitespace().next_back().unwrap_or("FROM");
        (number != "0").then(|| (word.to_owned(), format!("{number} {unit}")))
    };
    history.lines().filter_map(row).collect()
}

#[test]
#[ignore = "needs root, dockerd, and debootstrap with a Debian mirror: run by .ci/run"]
fn the_screen_agrees_with_docker_history() {
    let (dockerd, outcrop) = (Dockerd::start(), Outcrop::new());
    dockerd.feed(["import", "-", "ubuntu"], &debian(outcrop.scratch("").as_path()));
    for (tag, dockerfile) in IMAGES {
        dockerd.build(tag, dockerfile, &[("app.py", "print(1)\n"), ("app2.py", "print(2)\n")]);
    }
    let archive = outcrop.scratch("four.tar");
    dockerd.ok(["save", "-o", archive.to_str().expect("utf-8"), "ubuntu", "app1", "app2", "tools"]);
    outcrop.ok(["load", "-q", "-i", archive.to_str().expect("utf-8")]);
    for (tag, _) in IMAGES {
        let format = ["history", "--no-trunc", "--format", "{{.Size}}|{{.CreatedBy}}", tag];
        let (theirs, ours) = (dockerd.ok(format), outcrop.ok(format));
        assert_eq!(ours, theirs, "{tag}");
        let terminal = Terminal::start(&outcrop.command([tag]), 200, 60, &[]);
        terminal.shows("Files").shows(tag).shows("files");
        terminal.shows("added ·");
        let screen = terminal.text();
        let steps = steps(&theirs);
        assert!(steps.len() >= 2, "{theirs}");
        for (word, size) in steps {
            let here = |line: &str| line.contains(&size) && line.contains(&word);
            assert!(screen.lines().any(here), "{tag}: {word} {size} in\n{screen}");
        }
        if tag == "app1" {
            assert_eq!(screen.matches("= app2").count(), 3, "three layers are shared, and seen to be:\n{screen}");
        }
        terminal.press("q");
        terminal.ends();
    }
}

/// The lesson's first Dockerfile, as it stands there: with `python3` and its `pip`, as Debian calls them.
const FIRST: &str = "FROM ubuntu

RUN apt-get update && apt-get -y install python3 python3-pip

RUN pip install flask flask-mysql

COPY . /opt/source-code

ENTRYPOINT FLASK_APP=/opt/source-code/app.py flask run
";

/// A minimal Debian that installs no more than it is told, and trusts whom this machine trusts.
fn base(directory: &Path) -> Vec<u8> {
    let mut tar = debian(directory);
    // Without the blocks of zeros that end it: more follows.
    let end = tar.iter().rposition(|&byte| byte != 0).map_or(0, |last| (last + 1).next_multiple_of(512));
    tar.truncate(end);
    let mut more = tar::Builder::new(tar);
    let mut add = |path: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        more.append_data(&mut header, path, content).expect("memory");
    };
    add("./etc/apt/apt.conf.d/90small", b"APT::Install-Recommends \"false\";\n");
    let mut pip = "[global]\nbreak-system-packages = true\n".to_owned();
    if let Ok(authorities) = std::fs::read("/etc/ssl/certs/ca-certificates.crt") {
        add("./etc/ssl/authorities.pem", &authorities);
        pip.push_str("cert = /etc/ssl/authorities.pem\n");
    }
    add("./etc/pip.conf", pip.as_bytes());
    more.into_inner().expect("memory")
}

#[test]
#[ignore = "needs root, debootstrap, a Debian mirror and a Python package index: run by .ci/run"]
fn the_lessons_dockerfiles_share_three_layers_on_a_whole_system() {
    let outcrop = Outcrop::new();
    outcrop.feed(["import", "-", "ubuntu"], &base(outcrop.scratch("").as_path()));
    let folder = outcrop.scratch("lesson");
    std::fs::create_dir(&folder).expect("makes");
    let second = FIRST.replace("COPY .", "COPY app2.py").replace("app.py flask", "app2.py flask");
    for (name, text) in
        [("Dockerfile", FIRST), ("Dockerfile2", &second), ("app.py", "print(1)\n"), ("app2.py", "print(2)\n")]
    {
        std::fs::write(folder.join(name), text).expect("writes");
    }
    let (folder, other) = (folder.to_str().expect("utf-8"), folder.join("Dockerfile2"));
    let file = ["-f", other.to_str().expect("utf-8")];
    outcrop.ok(["build", "-q", "--network", "host", "-t", "app1", folder]);
    // Said before: only the last two steps run.
    let plan = outcrop.ok(["build", "--plan", "--network", "host"].into_iter().chain(file).chain([folder]));
    assert!(plan.contains("3 steps are reused, 2 run"), "{plan}");
    let built = outcrop.ok(["build", "--network", "host", "-t", "app2"].into_iter().chain(file).chain([folder]));
    assert_eq!(built.matches("Using cache").count(), 2, "{built}");
    let layers = |name: &str| -> Vec<String> {
        serde_json::from_str(&outcrop.ok(["inspect", "--format", "{{json .RootFS.Layers}}", name])).expect("JSON")
    };
    let (one, two) = (layers("app1"), layers("app2"));
    assert_eq!((one.len(), two.len(), &one[..3]), (4, 4, &two[..3]));
    assert_ne!(one[3], two[3]);
    let stored = std::fs::read_dir(outcrop.root().join("image/overlay2/layerdb/sha256")).expect("layers").count();
    assert_eq!(stored, 5, "three that both have, and one of each");
    let flask = outcrop.ok(["run", "--rm", "--network", "none", "--entrypoint", "flask", "app2", "--version"]);
    assert!(flask.contains("Flask "), "{flask}");
    // The second one names no folder: the file itself is called so.
    let cat =
        |name: &str, path: &str| outcrop.ok(["run", "--rm", "--network", "none", "--entrypoint", "cat", name, path]);
    assert_eq!(cat("app1", "/opt/source-code/app.py"), "print(1)\n");
    assert_eq!(cat("app2", "/opt/source-code"), "print(2)\n");
}
