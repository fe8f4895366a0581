//! `outcrop watch` without root's rights: of an ordinary user's own overlay, and of a container that tells its calls.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Stdio};

use outcrop_layers::watch::Evidence;
use rustix::process::Signal;

use super::Watching;
use crate::containers::Machine;
use crate::outcrop::{Outcrop, text};
use crate::user::User;

/// A user that nothing knows of.
const USER: u32 = 64321;

/// Shows the program where the user can run it, becomes the user, and root of a user namespace with mounts of its own.
const BECOME: &str = "mount --bind \"$1\" outcrop && exec setpriv --reuid \"$2\" --regid \"$2\" --clear-groups \
    unshare --user --map-root-user --mount sh -ec \"$3\"";

/// What the user does: mounts, watches, changes what is mounted, and ends the watch when the last change was told.
const WORK: &str = "at=$PWD
mount -t overlay overlay -o lowerdir=$at/lower,upperdir=$at/upper,workdir=$at/work,userxattr merged
./outcrop watch $at/merged --record record > out 2> err & watch=$!
until grep -q watching err; do sleep 0.05; done
cd merged
echo more >> passwd; chmod 600 group; rm shadow; mkdir new; mv hosts hostnames; seq 1000 > new/big; echo > last
until grep -q /last $at/out; do sleep 0.05; done
kill -INT $watch; wait $watch
cd $at; $at/outcrop watch --replay record --summary; umount merged";

#[test]
#[ignore = "needs root: run by .ci/run"]
fn an_ordinary_user_sees_what_changes_and_what_is_not_promised() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let at = |name: &str| folder.path().join(name);
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(at(name)).expect("made");
    }
    for name in ["passwd", "group", "shadow", "hosts"] {
        fs::write(at("lower").join(name), "of a layer\n").expect("written");
    }
    fs::write(at("outcrop"), "").expect("written");
    for name in ["", "lower", "upper", "work", "merged", "lower/passwd", "lower/group", "lower/shadow", "lower/hosts"] {
        chown(at(name), Some(USER), Some(USER)).expect("given");
    }
    fs::set_permissions(at("outcrop"), Permissions::from_mode(0o755)).expect("set");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", BECOME, "sh"]).arg(crate::outcrop::program()).arg(USER.to_string()).arg(WORK);
    let output = command.current_dir(folder.path()).env("HOME", folder.path()).output().expect("unshare");
    let read = |name: &str| fs::read_to_string(at(name)).unwrap_or_default();
    let (out, err) = (read("out"), read("err"));
    assert!(output.status.success(), "{output:?}\n{err}\n{out}");
    for said in ["without its process", "without root the kernel does not tell which process", "by root only"] {
        assert!(err.contains(said), "{said} is not in\n{err}");
    }
    for told in [
        "COPY-UP     /passwd",
        "ATTRIBUTES  /group  mode 0600",
        "DELETE      /shadow",
        "NEW         /new/big",
        "/hostnames",
    ] {
        assert_eq!(out.lines().filter(|line| line.contains(told)).count(), 1, "{told} in\n{out}");
    }
    let with_process = out
        .lines()
        .find(|line| line.contains("probably") || line.ends_with(')') && !line.ends_with("(found afterwards)"));
    assert_eq!(with_process, None, "a process that nobody told");
    let summary = text(&output);
    assert!(summary.contains("(unknown)") && summary.contains("1 whited out"), "{summary}");
}

/// The program without the right to mark a whole file system, though it may run containers: what an ordinary user gets.
fn unprivileged(command: &Command) -> Command {
    let mut less = Command::new("setpriv");
    less.args(["--bounding-set=-sys_admin,-perfmon", "--inh-caps=-all", "--reuid=0"]);
    less.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    less
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_container_goes_on_when_its_watchers_are_killed() {
    let outcrop = Outcrop::new();
    outcrop.feed(["import", "-", "base:1"], &crate::rootfs::busybox());
    let script = "n=0; until [ -e /end ]; do n=$((n + 1)); echo $n > /file; done; echo $n >> /etc/passwd; echo went on";
    let run =
        ["run", "-d", "--name", "web", "--network", "none", "--pid", "host", "--annotation", "outcrop.notify=true"];
    outcrop.ok(run.iter().chain(&["base:1", "sh", "-c", script]));
    let watch = |more: &[&str]| {
        let command = outcrop.command(["watch", "web", "--json"].iter().chain(more));
        Watching::start(unprivileged(&command))
    };
    let (killed, stopped, last) = (watch(&[]), watch(&[]), watch(&["--until-exit"]));
    killed.signal(Signal::KILL);
    stopped.signal(Signal::STOP);
    // It ends the container, which may end the exec before it could be asked how it ended.
    outcrop.run(["exec", "web", "touch", "/end"]);
    assert_eq!(outcrop.ok(["wait", "web"]), "0\n");
    assert_eq!(outcrop.ok(["logs", "web"]), "went on\n");
    stopped.signal(Signal::KILL);
    let events = last.events();
    for (path, name) in [("etc/passwd", "sh"), ("end", "touch")] {
        let told = events.iter().filter(|event| event.path.to_string() == path).find_map(|event| event.who.clone());
        let who = told.unwrap_or_else(|| panic!("nobody told of {path}"));
        assert_eq!((who.name.expect("named").to_string().as_str(), who.by), (name, Some(Evidence::Seccomp)), "{path}");
    }
    outcrop.ok(["rm", "web"]);
}

/// `run --watch` of an ordinary user has the container's calls told, and the processes that wrote are named.
#[test]
#[ignore = "needs root, busybox-static and newuidmap: run by .ci/run"]
fn run_of_an_ordinary_user_names_processes() {
    for user in [User::Ranges, User::Single] {
        let machine = Machine::of(user);
        let script = "echo more >> /etc/passwd; chmod 600 /etc/group; rm /etc/shadow; mkdir /new; touch /new/file";
        let run = ["run", "--rm", "--watch", "--network", "none", "base:1", "sh", "-c", script];
        let (code, out, told) = machine.ends(&run);
        assert_eq!((code, out.as_str()), (0, ""), "{told}");
        for said in ["with its probable process", "seccomp notification", "io_uring"] {
            assert!(told.contains(said), "{said} is not in\n{told}");
        }
        for (change, process) in [
            ("COPY-UP     /etc/passwd  ", "sh"),
            ("ATTRIBUTES  /etc/group  ", "chmod"),
            ("DELETE      /etc/shadow  ", "rm"),
            ("NEW         /new  ", "mkdir"),
            ("NEW         /new/file  ", "touch"),
        ] {
            let line = told.lines().find(|line| line.contains(change));
            let line = line.unwrap_or_else(|| panic!("{change} is not in\n{told}"));
            assert!(line.contains(&format!("probably {process} (")), "{line}");
        }
        assert!(!told.contains("REMOVE"), "{told}");
    }
}
