//! Containers by the docker CLI: every answer compared with dockerd's.

use super::Serve;
use super::script::{Engine, differences};
use crate::dockerd::{Dockerd, docker};
use crate::outcrop::feed;
use crate::rootfs;

/// Runs a script on both engines, which get the same image.
fn compare(script: &str) {
    let dockerd = Dockerd::start();
    let serve = Serve::start();
    let theirs = Engine { host: dockerd.host(), root: dockerd.root(), work: dockerd.scratch("work") };
    let ours = Engine { host: serve.host.clone(), root: serve.outcrop.root(), work: serve.outcrop.scratch("work") };
    for engine in [&theirs, &ours] {
        let imported =
            feed(docker(&engine.host, ["import", "--change", "CMD [\"sh\"]", "-", "base:1"]), &rootfs::busybox());
        assert!(imported.status.success(), "{imported:?}");
    }
    let found = differences(script, &theirs, &ours);
    assert!(found.is_empty(), "{} commands differ:\n\n{}", found.len(), found.join("\n\n"));
}

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn lifecycle_is_dockers() {
    compare(include_str!("scripts/lifecycle.txt"));
}

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn options_of_run_are_dockers() {
    compare(include_str!("scripts/run.txt"));
}

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn volumes_are_dockers() {
    compare(include_str!("scripts/volumes.txt"));
}

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn files_are_dockers() {
    compare(include_str!("scripts/files.txt"));
}

#[test]
#[ignore = "needs root, dockerd and busybox-static: run by .ci/run"]
fn streams_are_dockers() {
    compare(include_str!("scripts/streams.txt"));
}
