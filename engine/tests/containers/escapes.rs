//! Ways out of a container that were open elsewhere: each is closed here.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use outcrop_engine::container::{CommitOptions, ContainerError, ExecConfig};
use outcrop_engine::progress::{Cancel, Ctx};
use serde_json::{Value, json};

use crate::host::Host;

/// What no container may read, outside the data root.
const SECRET: &str = "only for the host";

/// A directory of the host with a secret in it.
fn outside(host: &Host) -> PathBuf {
    let path = host.directory.path().join("outside");
    fs::create_dir(&path).expect("a directory");
    fs::write(path.join("secret"), SECRET).expect("a file");
    path
}

/// Insists that the directory is as it was made.
fn untouched(outside: &Path) {
    let names: Vec<_> = fs::read_dir(outside).expect("a directory").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["secret"]);
    assert_eq!(fs::read_to_string(outside.join("secret")).expect("a file"), SECRET);
}

/// Makes the image one that `script` has changed.
fn change_image(host: &mut Host, script: &str) {
    let ran = host.sh(script);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let cancel = Cancel::new();
    let ctx = Ctx { progress: &|_| {}, cancel: &cancel };
    let images = host.engine.as_ref().expect("open").images();
    let image = host.containers.commit(&ran.id, &CommitOptions::default(), images, ctx).expect("an image");
    host.image = image.to_string();
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn targets_that_are_links_stay_in_the_container() {
    let mut host = Host::new();
    let outside = outside(&host);
    let out = outside.display();
    change_image(
        &mut host,
        &format!("ln -s {out} /abs; ln -s ../../../../../../..{out} /up; ln -s /proc /p; ln -s /sys /s"),
    );
    let bound = host.directory.path().join("bound");
    fs::create_dir(&bound).expect("a directory");
    for target in ["/abs", "/up", "/abs/new/deep", "/up/new"] {
        for mount in [
            json!({ "Type": "volume", "Source": "vol", "Target": target }),
            json!({ "Type": "bind", "Source": bound, "Target": target }),
            json!({ "Type": "tmpfs", "Target": target }),
        ] {
            let script = format!("echo mine > {target}/mine && cat {target}/mine; cat {target}/secret");
            let ran = host.run(json!({ "Cmd": ["sh", "-c", script], "HostConfig": { "Mounts": [mount] } }));
            assert!(!ran.out.contains(SECRET), "{target}: {}", ran.out);
            untouched(&outside);
        }
        let body = json!({ "Cmd": ["cat", "secret"], "WorkingDir": target });
        assert!(!host.run(body).out.contains(SECRET), "{target}");
        untouched(&outside);
    }
    // Nothing goes over the kernel's own file systems, however the path is written.
    for target in
        ["/proc", "/proc/sys", "/proc/self/attr", "/sys", "/sys/kernel", "/p", "/p/sys", "/s/fs", "/abs/../proc"]
    {
        let body = json!({ "Cmd": ["sh", "-c", "grep -c ' /proc/' /proc/mounts; cat /proc/self/comm"], "HostConfig": {
            "Mounts": [{ "Type": "bind", "Source": bound, "Target": target }] } });
        let (before, ran) = match host.create("", body) {
            Ok(id) => ("start", host.go(&id, b"")),
            Err(ContainerError::Invalid(why)) => {
                ("create", crate::host::Ran { err: why, code: -1, ..Default::default() })
            }
            Err(error) => panic!("{target}: {error}"),
        };
        assert!(ran.code != 0 && ran.out.is_empty(), "{target} was mounted over, after {before}: {ran:?}");
    }
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn descriptors_of_the_shim_are_no_way_out() {
    let host = Host::new();
    let outside = outside(&host);
    let from = |number: u32| format!("/proc/self/fd/{number}");
    let script = format!(
        "cat ../../../../../../../..{0}/secret ../../../..{0}/secret; ls -d ../../../../../../{0}",
        outside.display()
    );
    let sleeper = host.sleeper("");
    for number in 3..20 {
        let ran = host.run(json!({ "Cmd": ["sh", "-c", script], "WorkingDir": from(number) }));
        assert!(!ran.out.contains(SECRET) && !ran.out.contains("outside"), "descriptor {number}: {}", ran.out);
        let config = ExecConfig {
            cmd: ["sh", "-c", &script].map(str::to_owned).to_vec(),
            working_dir: from(number),
            attach_stdout: true,
            attach_stderr: true,
            ..ExecConfig::default()
        };
        let ran = host.exec(&sleeper, config);
        assert!(!ran.out.contains(SECRET) && !ran.out.contains("outside"), "exec, descriptor {number}: {}", ran.out);
    }
    // Without a pipe, which the shell has open, too, for as long as it makes it.
    let ran = host.sh("ls /proc/self/fd /proc/1/fd");
    let numbers: Vec<u32> = ran.out.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(!numbers.is_empty() && numbers.iter().all(|&number| number <= 3), "{}", ran.out);
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn the_program_cannot_be_overwritten_from_inside() {
    let host = Host::new();
    let program = crate::host::shim();
    let before = fs::read(&program).expect("the shim");
    // What the runtime starts is for a moment the program itself, seen from inside as /proc/self/exe.
    for command in ["/proc/self/exe", "/proc/1/exe"] {
        let ran = host.run(json!({ "Cmd": [command, "--version"] }));
        assert!(ran.code != 0, "{command}: {ran:?}");
    }
    let script = "for n in $(seq 200); do for exe in /proc/[0-9]*/exe; do ( : > $exe ) 2>/dev/null && echo wrote $exe; done; done";
    let id = host.create("", json!({ "Cmd": ["sh", "-c", script] })).expect("created");
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..30 {
                let cmd = vec!["true".to_owned()];
                let _ = host.containers.exec_create(&id, ExecConfig { cmd, ..ExecConfig::default() }).map(|exec| {
                    host.containers
                        .exec_start(&exec, None)
                        .map(|mut attached| while let Ok(Some(_)) = attached.receive() {})
                });
            }
        });
        host.go(&id, b"");
    });
    assert!(fs::read(&program).expect("the shim") == before, "{} was changed", program.display());
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn names_of_volumes_are_names() {
    let host = Host::new();
    for name in ["../x", "..", ".", "a/b", "/../x", "a\0b", "-x", "x\n", "%2e%2e"] {
        for host_config in [
            json!({ "Mounts": [{ "Type": "volume", "Source": name, "Target": "/v" }] }),
            json!({ "Mounts": [{ "Type": "volume", "Source": "vv", "Target": "/v", "VolumeOptions": { "Subpath": name.replace('x', "../..") } }] }),
        ] {
            let refused =
                host.create("", json!({ "Cmd": ["true"], "HostConfig": host_config })).map(|id| host.go(&id, b"").code);
            assert!(refused.as_ref().map_or(true, |&code| code != 0) || name == ".", "{name:?} was taken: {refused:?}");
        }
    }
    for entry in fs::read_dir(host.root().join("volumes")).expect("volumes").flatten() {
        let name = entry.file_name();
        assert!(["vv", "metadata.db"].contains(&name.to_str().expect("UTF-8")), "{name:?}");
    }
}

/// Turns `path` from a directory into a link and back until the work is done.
fn while_swapped<T>(path: &Path, target: &Path, work: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    let (real, link) = (path.with_extension("real"), path.with_extension("link"));
    fs::create_dir_all(&real).expect("a directory");
    symlink(target, &link).expect("a link");
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for this in [&real, &link] {
                    let _ = fs::rename(this, path);
                    thread::yield_now();
                    let _ = fs::rename(path, this);
                }
            }
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        done
    })
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_folder_of_a_volume_that_is_swapped_for_a_link() {
    let host = Host::new();
    let outside = outside(&host);
    let mount = |subpath: &str| -> Value {
        json!({ "Mounts": [{ "Type": "volume", "Source": "swapped", "Target": "/in", "VolumeOptions": { "Subpath": subpath } }] })
    };
    host.run(json!({ "Cmd": ["mkdir", "/v/sub"], "HostConfig": { "Binds": ["swapped:/v"] } }));
    let sub = host.root().join("volumes/swapped/_data/sub");
    let id = host
        .create("", json!({ "Cmd": ["sh", "-c", "cat /in/secret; echo x > /in/mine"], "HostConfig": mount("sub") }))
        .expect("created");
    fs::remove_dir(&sub).expect("removed");
    let mut good = 0;
    while_swapped(&sub, &outside, || {
        for _ in 0..60 {
            let ran = host.go(&id, b"");
            assert!(!ran.out.contains(SECRET), "{ran:?}");
            untouched(&outside);
            good += i32::from(ran.code == 0);
        }
    });
    eprintln!("{good} of 60 starts found the folder");
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_bound_folder_that_goes_or_changes_its_kind() {
    let host = Host::new();
    let bound = host.directory.path().join("bound");
    let body = || json!({ "Cmd": ["ls", "/in"], "HostConfig": { "Mounts": [{ "Type": "bind", "Source": bound, "Target": "/in" }] } });
    fs::create_dir(&bound).expect("a directory");
    let id = host.create("", body()).expect("created");
    fs::remove_dir(&bound).expect("removed");
    let ran = host.go(&id, b"");
    assert!(ran.code != 0 && ran.err.contains("bound"), "{ran:?}");
    assert!(!bound.exists(), "a source of --mount is not made");
    assert_eq!(host.containers.record(&id).expect("a record").state.status(), "created");
    // A file where the first start made a folder in the container.
    fs::create_dir(&bound).expect("a directory");
    fs::write(bound.join("x"), "").expect("a file");
    assert_eq!(host.go(&id, b"").out, "x\n");
    fs::remove_dir_all(&bound).expect("removed");
    fs::write(&bound, "a file now").expect("a file");
    let ran = host.go(&id, b"");
    assert!(ran.code != 0 && !ran.err.is_empty(), "{ran:?}");
}
