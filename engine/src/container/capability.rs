//! Capabilities: names, Docker's default set, `--cap-add` and `--cap-drop`.

use std::collections::BTreeSet;

/// Every capability, by its number in `linux/capability.h`.
pub(crate) const ALL: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// What a container has in Docker where nothing is said.
const DEFAULT: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// The capabilities of a container: Docker's rules of `--privileged`, `--cap-add` and `--cap-drop`, where `ALL` stands
/// for all and a name may leave `CAP_` out.
///
/// # Errors
/// The text for the user when a name is unknown.
pub(crate) fn resolve(privileged: bool, add: &[String], drop: &[String]) -> Result<BTreeSet<&'static str>, String> {
    if privileged {
        return Ok(ALL.iter().copied().filter(|name| available(name)).collect());
    }
    let add: Vec<&str> = add.iter().map(|name| normalise(name, "CapAdd")).collect::<Result<_, _>>()?;
    let drop: Vec<&str> = drop.iter().map(|name| normalise(name, "CapDrop")).collect::<Result<_, _>>()?;
    let (add_all, drop_all) = (add.contains(&"ALL"), drop.contains(&"ALL"));
    let base: BTreeSet<&'static str> = match (add_all, drop_all) {
        (true, false) => ALL.iter().copied().filter(|name| available(name) && !drop.contains(name)).collect(),
        (_, true) => BTreeSet::new(),
        (false, false) => DEFAULT.iter().copied().filter(|name| !drop.contains(name)).collect(),
    };
    let added = add.into_iter().filter(|&name| name != "ALL").filter_map(number).map(|at| ALL[usize::from(at)]);
    Ok(base.into_iter().chain(added).collect())
}

fn normalise(name: &str, key: &str) -> Result<&'static str, String> {
    let upper = name.trim().to_ascii_uppercase();
    if upper == "ALL" {
        return Ok("ALL");
    }
    let full = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
    ALL.iter()
        .copied()
        .find(|known| *known == full)
        .ok_or_else(|| format!("invalid {key}: unknown capability: \"{full}\""))
}

/// A capability's number.
pub(crate) fn number(name: &str) -> Option<u8> {
    ALL.iter().position(|known| *known == name).map(|at| at as u8)
}

/// A set as the bits that `/proc/<pid>/status` shows.
pub(crate) fn bits<'a>(names: impl IntoIterator<Item = &'a str>) -> u64 {
    names.into_iter().filter_map(number).fold(0, |bits, number| bits | 1 << number)
}

/// Whether this process could give it: the kernel knows it, and nobody took it away from all of this process's programs.
fn available(name: &str) -> bool {
    static BOUNDING: std::sync::LazyLock<u64> = std::sync::LazyLock::new(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bits = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
        bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(u64::MAX)
    });
    number(name).is_some_and(|number| *BOUNDING >> number & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(add: &[&str], drop: &[&str]) -> Result<BTreeSet<&'static str>, String> {
        let own = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        resolve(false, &own(add), &own(drop))
    }

    #[test]
    fn sets_are_docker_s() {
        assert_eq!(bits(of(&[], &[]).expect("the default")), 0xa804_25fb);
        assert_eq!(of(&[], &["all"]).expect("nothing").len(), 0);
        assert_eq!(of(&["net_admin"], &["ALL"]).expect("one"), BTreeSet::from(["CAP_NET_ADMIN"]));
        assert!(!of(&["ALL"], &["CAP_SYS_ADMIN"]).expect("but one").contains("CAP_SYS_ADMIN"));
        assert!(of(&["SYS_TIME"], &["chown"]).expect("a set").contains("CAP_SYS_TIME"));
        assert!(!of(&[], &["chown"]).expect("a set").contains("CAP_CHOWN"));
        assert!(of(&["nope"], &[]).expect_err("unknown").contains("CAP_NOPE"));
    }
}
