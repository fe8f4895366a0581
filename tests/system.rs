//! A whole Debian system and images built on it: the screen beside `docker history`.

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
