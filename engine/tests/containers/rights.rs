//! What a container may do, and where it cannot reach.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::host::Host;
use crate::tars::tar_of;

#[test]
#[ignore = "needs root: run by .ci/run"]
fn rights_are_docker_s_default() {
    let host = Host::new();
    let probe = "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status; mount -t tmpfs x /tmp; unshare -U true; \
        echo x > /proc/sys/kernel/hostname; cat /proc/kcore; mknod /tmp/sda b 8 0; cat /tmp/sda; \
        echo 1 > /sys/fs/cgroup/memory/x; touch /sys/x";
    let ran = host.sh(probe);
    for wanted in [
        "CapInh:\t0000000000000000",
        "CapPrm:\t00000000a80425fb",
        "CapEff:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t0",
        "Seccomp:\t2",
    ] {
        assert!(ran.out.contains(wanted), "{wanted} in {}", ran.out);
    }
    for wanted in
        ["mount: permission denied", "unshare", "hostname: Read-only", "/tmp/sda': Operation not permitted", "/sys/x"]
    {
        assert!(ran.err.contains(wanted), "{wanted} in {}", ran.err);
    }
    let ran = host.run(json!({ "User": "alice", "Cmd": ["sh", "-c", "id; grep Cap /proc/self/status"] }));
    assert!(ran.out.contains("uid=1000(alice) gid=1000(alice) groups=50(staff),1000(alice)"), "{}", ran.out);
    assert!(
        ran.out.contains("CapEff:\t0000000000000000") && ran.out.contains("CapBnd:\t00000000a80425fb"),
        "{}",
        ran.out
    );
    let ran = host.run(json!({ "User": "4242:7", "Cmd": ["id"] }));
    assert_eq!(ran.out, "uid=4242 gid=7 groups=7\n");
    let drop_all = json!({ "Cmd": ["grep", "CapBnd", "/proc/self/status"], "HostConfig": { "CapDrop": ["ALL"], "CapAdd": ["CHOWN"],
        "SecurityOpt": ["no-new-privileges"] } });
    assert_eq!(host.run(drop_all).out, "CapBnd:\t0000000000000001\n");
    let privileged = json!({ "Cmd": ["sh", "-c", "mount -t tmpfs x /tmp && grep Seccomp: /proc/self/status"],
        "HostConfig": { "Privileged": true } });
    assert_eq!(host.run(privileged).out, "Seccomp:\t0\n");
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn links_lead_nowhere_but_into_the_container() {
    let host = Host::new();
    let outside = host.directory.path().join("outside");
    fs::create_dir(&outside).expect("a directory");
    let script = format!("ln -s {0} /out; ln -s ../../../../../../../..{0} /up; mkdir /in", outside.display());
    let ran = host.sh(&script);
    let mut tar = tar_of("x", b"from outside");
    for target in ["/out", "/up"] {
        assert!(host.containers.copy_to(&ran.id, target, &tar[..], false).is_err(), "{target}");
    }
    assert_eq!(fs::read_dir(&outside).expect("a directory").count(), 0);
    // The same while it runs, and a name that leads upwards.
    let id = host.create("", json!({ "Cmd": ["sh", "-c", format!("{script}; sleep 1000")] })).expect("created");
    host.containers.start(&id).expect("started");
    std::thread::sleep(Duration::from_millis(300));
    assert!(host.containers.copy_to(&id, "/out", &tar[..], false).is_err());
    tar = tar_of("../../../../../../../../../../tmp/outcrop-escaped", b"x");
    let _ = host.containers.copy_to(&id, "/in", &tar[..], false);
    assert!(!Path::new("/tmp/outcrop-escaped").exists());
    assert_eq!(fs::read_dir(&outside).expect("a directory").count(), 0);
    // An image's links at Docker's own mount points.
    let ran = host.run(json!({ "Cmd": ["sh", "-c", "readlink /etc/mtab; ls -l /etc/hosts"] }));
    assert!(ran.out.starts_with("/proc/mounts\n-"), "{}", ran.out);
}
