//! Where in a container nothing is mounted: over the file systems in which the kernel shows itself.
//!
//! A mount over `/proc` would hide what keeps a container in (its masked files, its security labels), and programs would believe
//! what the mount says. runc refuses `/proc` for the same reason; here `/sys` is refused too, except for the host's own `/sys`.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::OFlags;

use super::record::MountPoint;
use crate::sys::beneath;

/// Files below `/proc` that tools which show a container's own figures are mounted over, as runc allows.
const FIGURES: &[&str] = &[
    "cpuinfo",
    "diskstats",
    "loadavg",
    "meminfo",
    "net/dev",
    "slabinfo",
    "stat",
    "swaps",
    "sys/crypto/fips_enabled",
    "sys/kernel/ns_last_pid",
    "uptime",
];

/// Longest chain of links that is followed, as in the kernel.
const LINKS: usize = 40;

/// Refuses a mount over `/proc` or `/sys`, also through links of the image whose root is `root`.
///
/// # Errors
/// The text for the user.
pub(crate) fn check(root: impl AsFd, target: &str, point: Option<&MountPoint>) -> Result<(), String> {
    let place = resolved(root, target)?;
    let refused = |of: &str| {
        let leads = if place == target { String::new() } else { format!(", which leads to {place}") };
        Err(format!("nothing can be mounted over {of} of a container: choose another target than {target}{leads}"))
    };
    if let Ok(file) = Path::new(&place).strip_prefix("/proc") {
        return if FIGURES.iter().any(|known| file == Path::new(known)) { Ok(()) } else { refused("/proc") };
    }
    let own = point.is_some_and(|point| point.kind == "bind" && Path::new(&point.source).starts_with("/sys"));
    if Path::new(&place).starts_with("/sys") && !own { refused("/sys") } else { Ok(()) }
}

/// Refuses a folder over a file and a file over a folder, which no kernel mounts; `name` is what the user calls the source.
///
/// # Errors
/// The text for the user.
pub(crate) fn check_kind(root: impl AsFd, point: &MountPoint, name: &str) -> Result<(), String> {
    let target = &point.destination;
    let place = resolved(&root, target)?;
    // What is not there is made.
    let Ok(there) = beneath::open(&root, place.trim_start_matches('/').as_bytes(), OFlags::PATH) else { return Ok(()) };
    let stat = rustix::fs::fstat(there).map_err(|error| format!("{target}: {error}"))?;
    let directory = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir();
    let source = match point.kind.as_str() {
        "tmpfs" => true,
        _ => std::fs::metadata(&point.source).map_err(|error| format!("{name}: {error}"))?.is_dir(),
    };
    let what = |directory| if directory { "a directory" } else { "a file" };
    if source == directory {
        return Ok(());
    }
    Err(format!(
        "cannot mount {} at {target}: not a directory: {} cannot be mounted over {}. Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type",
        if name.is_empty() { &point.kind } else { name },
        what(source),
        what(directory),
    ))
}

/// The path in the container that `target` leads to, also where links lead to what is not there before `/proc` is mounted.
pub(super) fn resolved(root: impl AsFd, target: &str) -> Result<String, String> {
    let parts = |path: &str| path.rsplit('/').map(str::to_owned).collect::<Vec<_>>();
    let (mut left, mut done, mut links) = (parts(target), Vec::<String>::new(), 0);
    while let Some(part) = left.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                done.pop();
                continue;
            }
            _ => done.push(part),
        }
        let here = beneath::open(&root, done.join("/").as_bytes(), OFlags::PATH | OFlags::NOFOLLOW);
        let link = here.and_then(|here| Ok(rustix::fs::readlinkat(here, "", Vec::new())?));
        let Ok(link) = link else { continue };
        links += 1;
        if links > LINKS {
            return Err(format!("{target}: too many symbolic links in the image on the way to this target"));
        }
        let link = link.to_string_lossy();
        done.pop();
        if link.starts_with('/') {
            done.clear();
        }
        left.extend(parts(&link));
    }
    Ok(format!("/{}", done.join("/")))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_over_the_kernels_own() {
        let directory = tempfile::tempdir().expect("a directory");
        let rootfs = directory.path();
        for name in ["proc", "sys", "data"] {
            fs::create_dir(rootfs.join(name)).expect("a directory");
        }
        symlink("/proc", rootfs.join("p")).expect("a link");
        symlink("../../sys", rootfs.join("data/s")).expect("a link");
        symlink("/proc/self/attr", rootfs.join("dangling")).expect("a link");
        symlink("loop", rootfs.join("loop")).expect("a link");
        symlink("/etc", rootfs.join("out")).expect("a link");
        let root = fs::File::open(rootfs).expect("opens");
        let bind = |source: &str| MountPoint { kind: "bind".into(), source: source.into(), ..MountPoint::default() };
        for (target, source, allowed) in [
            ("/proc", "/x", false),
            ("/proc/sys/kernel", "/x", false),
            ("/proc/meminfo", "/x", true),
            ("/p/self/attr", "/x", false),
            ("/p/meminfo", "/x", true),
            ("/sys", "/x", false),
            ("/sys/fs/cgroup", "/sys/fs/cgroup", true),
            ("/data/s/kernel", "/x", false),
            ("/data/new/deep", "/x", true),
            ("/process", "/x", true),
            ("/dangling", "/x", false),
            ("/dangling/../../meminfo", "/x", true),
            ("/loop/x", "/x", false),
            ("/out/passwd", "/x", true),
        ] {
            let answer = check(&root, target, Some(&bind(source)));
            assert_eq!(answer.is_ok(), allowed, "{target}: {answer:?}");
        }
        let through = check(&root, "/p/sys", None).expect_err("refused");
        assert!(through.contains("/p/sys, which leads to /proc/sys"), "{through}");
    }
}
