//! Volumes with storage of their own: mounted for the first user, unmounted after the last.

use std::fs;
use std::path::Path;

use outcrop_engine::volume::{Create, VolumeError};

use super::{Root, map, named};

fn mounts(path: &Path) -> usize {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("reads");
    table.lines().filter(|line| line.split(' ').nth(4) == path.to_str()).count()
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_tmpfs_is_there_while_it_is_used() {
    let root = Root::new();
    let volumes = root.volumes();
    let options = Some(map(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m,mode=750")]));
    let made = volumes.create(&Create { options: options.clone(), ..named("mem") }).unwrap();
    assert_eq!(made.options, options);
    let data = root.path("volumes/mem/_data");
    assert_eq!(mounts(&data), 0, "mounted on first use, not before");
    let first = volumes.attach("mem", "").unwrap();
    let second = volumes.attach("mem", "").unwrap();
    assert_eq!(mounts(&data), 1, "once for all users");
    fs::write(data.join("file"), "x").unwrap();
    assert!(matches!(volumes.remove("mem", true), Err(VolumeError::Mounted { .. })));
    drop(first);
    assert!(data.join("file").exists());
    drop(second);
    assert_eq!((mounts(&data), data.join("file").exists()), (0, false));
    volumes.remove("mem", false).unwrap();
    root.nothing_left();
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn removing_a_bound_volume_never_touches_what_it_is_bound_to() {
    let root = Root::new();
    let volumes = root.volumes();
    let host = root.directory.path().join("host");
    fs::create_dir(&host).unwrap();
    fs::write(host.join("precious"), "x").unwrap();
    let options = Some(map(&[("type", "none"), ("device", host.to_str().unwrap()), ("o", "bind")]));
    volumes.create(&Create { options, ..named("bound") }).unwrap();
    let data = root.path("volumes/bound/_data");
    let attached = volumes.attach("bound", "").unwrap();
    assert!(data.join("precious").exists());
    // A user that was killed: its lock is gone, its mount is not.
    std::mem::forget(attached.fd().try_clone_to_owned().unwrap());
    drop(attached);
    rustix::mount::mount_bind(&host, &data).unwrap();
    volumes.remove("bound", false).unwrap();
    assert_eq!((mounts(&data), host.join("precious").exists()), (0, true));
    // And what somebody mounted there by hand is left alone.
    volumes.create(&named("plain")).unwrap();
    let data = root.path("volumes/plain/_data");
    rustix::mount::mount_bind(&host, &data).unwrap();
    assert!(matches!(volumes.remove("plain", true), Err(VolumeError::Mounted { .. })));
    rustix::mount::unmount(&data, rustix::mount::UnmountFlags::DETACH).unwrap();
    assert!(host.join("precious").exists());
    volumes.remove("plain", false).unwrap();
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_mount_that_fails_says_so_in_dockers_words() {
    let root = Root::new();
    let volumes = root.volumes();
    let options = Some(map(&[("type", "none"), ("device", "/nothing/there"), ("o", "bind")]));
    volumes.create(&Create { options, ..named("bound") }).unwrap();
    let data = root.path("volumes/bound/_data");
    let error = volumes.attach("bound", "").unwrap_err().to_string();
    let expected = format!(
        "error while mounting volume '{0}': failed to mount local volume: mount /nothing/there:{0}, data: bind: No such file",
        data.display()
    );
    assert!(error.starts_with(&expected), "{error}");
    volumes.remove("bound", false).unwrap();
    root.nothing_left();
}
