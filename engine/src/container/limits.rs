//! Limits of a container: what they may be, and what becomes of them where there are no control groups.

use std::collections::BTreeSet;
use std::path::Path;

use super::cgroup;
use super::error::{ContainerError, Result};
use super::host_config::HostConfig;

/// Why there are none without root.
pub(crate) const NO_GROUPS: &str = "containers without root have no control groups";

/// Checks the limits.
pub(crate) fn check(host: &HostConfig) -> Result<()> {
    let invalid = |text: &str| Err(ContainerError::Invalid(text.into()));
    if host.memory < 0 || (host.memory > 0 && host.memory < 6 << 20) {
        return invalid("Minimum memory limit allowed is 6MB");
    }
    if host.memory > 0 && host.memory_swap > 0 && host.memory_swap < host.memory {
        return invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    if host.memory == 0 && host.memory_swap > 0 {
        return invalid("You should always set the Memory limit when using Memoryswap limit, see usage");
    }
    if host.memory > 0 && host.memory_reservation > host.memory {
        return invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
    }
    if host.memory_reservation < 0 || (host.memory_reservation > 0 && host.memory_reservation < 6 << 20) {
        return invalid("Minimum memory reservation allowed is 6MB");
    }
    check_processor(host)?;
    if host.blkio_weight > 0 && !(10..=1000).contains(&host.blkio_weight) && kernel_weighs() {
        return invalid("Range of blkio weight is from 10 to 1000");
    }
    if host.shm_size < 0 {
        return invalid("SHM size can not be less than 0");
    }
    if host.oom_score_adj < -1000 || host.oom_score_adj > 1000 {
        return Err(ContainerError::Invalid(format!(
            "Invalid value {}, range for oom score adj is [-1000, 1000]",
            host.oom_score_adj
        )));
    }
    if host.storage_opt.as_ref().is_some_and(|options| !options.is_empty()) {
        return invalid("--storage-opt is supported only for overlay over xfs with 'pquota' mount option");
    }
    Ok(())
}

/// Checks what limits the processor.
fn check_processor(host: &HostConfig) -> Result<()> {
    let invalid = |text: &str| Err(ContainerError::Invalid(text.into()));
    if host.nano_cpus < 0 {
        return invalid("NanoCPUs cannot be negative");
    }
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as i64);
    if host.nano_cpus > cpus * 1_000_000_000 {
        return Err(ContainerError::Invalid(format!(
            "range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"
        )));
    }
    if host.nano_cpus > 0 && host.cpu_period > 0 {
        return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
    }
    if host.nano_cpus > 0 && host.cpu_quota > 0 {
        return invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
    }
    if host.cpu_period != 0 && !(1_000..=1_000_000).contains(&host.cpu_period) {
        return invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
    }
    if host.cpu_quota > 0 && host.cpu_quota < 1_000 {
        return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    for (wanted, kind, what, online) in [
        (&host.cpuset_cpus, "cpus", "CPUs", "/sys/devices/system/cpu/online"),
        (&host.cpuset_mems, "mems", "memory nodes", "/sys/devices/system/node/online"),
    ] {
        let Some(numbers) = numbers(wanted) else {
            return Err(ContainerError::Invalid(format!(
                "Invalid value {wanted} for cpuset {kind}: invalid format: {wanted}"
            )));
        };
        // A kernel that does not say which there are refuses them itself.
        let Ok(there) = std::fs::read_to_string(online) else { continue };
        let there = there.trim();
        if !numbers.is_subset(&self::numbers(there).unwrap_or_default()) {
            return Err(ContainerError::Invalid(format!(
                "Requested {what} are not available - requested {wanted}, available: {there}"
            )));
        }
    }
    Ok(())
}

/// The numbers of a list such as `0-2,4`; nothing for what is none.
fn numbers(list: &str) -> Option<BTreeSet<u32>> {
    /// More than any machine has; a longer range only costs memory.
    const MOST: u32 = 1 << 14;
    let mut all = BTreeSet::new();
    for part in list.split(',').filter(|_| !list.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last >= MOST {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

/// Whether the kernel shares the disk by weights. On version 2 each group has the file, where the controller is on.
fn kernel_weighs() -> bool {
    let mounted = Path::new(cgroup::MOUNTED);
    cgroup::unified()
        || ["blkio.weight", "blkio.bfq.weight"].iter().any(|file| mounted.join("blkio").join(file).exists())
}

/// Takes away what this kernel cannot do, and says so; says also what is dangerous.
pub(crate) fn warn(host: &mut HostConfig) -> Vec<String> {
    let mut said = Vec::new();
    if host.blkio_weight > 0 && !kernel_weighs() {
        host.blkio_weight = 0;
        said.push(
            "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.".into(),
        );
    }
    if host.oom_kill_disable == Some(true) && host.memory == 0 {
        said.push(
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources."
                .into(),
        );
    }
    said
}

/// Takes all limits away that need control groups or root's rights, and says which, if any.
pub(crate) fn discard(host: &mut HostConfig) -> Vec<String> {
    let mut all = Vec::new();
    for (value, option) in [
        (&mut host.memory, "--memory"),
        (&mut host.memory_reservation, "--memory-reservation"),
        (&mut host.cpu_shares, "--cpu-shares"),
        (&mut host.cpu_period, "--cpu-period"),
        (&mut host.cpu_quota, "--cpu-quota"),
        (&mut host.nano_cpus, "--cpus"),
    ] {
        if std::mem::take(value) != 0 {
            all.push(option);
        }
    }
    // It goes with the memory, and is often worked out of that.
    host.memory_swap = 0;
    for (value, option) in [(&mut host.cpuset_cpus, "--cpuset-cpus"), (&mut host.cpuset_mems, "--cpuset-mems")] {
        if !std::mem::take(value).is_empty() {
            all.push(option);
        }
    }
    if host.memory_swappiness.take().is_some_and(|value| value >= 0) {
        all.push("--memory-swappiness");
    }
    if host.oom_kill_disable.take() == Some(true) {
        all.push("--oom-kill-disable");
    }
    if host.pids_limit.take().is_some_and(|limit| limit > 0) {
        all.push("--pids-limit");
    }
    if std::mem::take(&mut host.blkio_weight) != 0 {
        all.push("--blkio-weight");
    }
    let mut said = Vec::new();
    if !all.is_empty() {
        said.push(format!("{NO_GROUPS}: {} discarded", all.join(", ")));
    }
    if host.oom_score_adj < 0 {
        host.oom_score_adj = 0;
        said.push("only root can lower a score: --oom-score-adj discarded".into());
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_limit_can_be() {
        let base = HostConfig::default;
        for (host, text) in [
            (HostConfig { memory: 8 << 20, memory_reservation: 9 << 20, ..base() }, "less than memory reservation"),
            (HostConfig { memory_reservation: 1, ..base() }, "Minimum memory reservation"),
            (HostConfig { cpu_period: 10, ..base() }, "CPU cfs period"),
            (HostConfig { cpu_period: 1_000_001, ..base() }, "CPU cfs period"),
            (HostConfig { cpu_quota: 999, ..base() }, "CPU cfs quota"),
            (HostConfig { nano_cpus: 1, cpu_quota: 1000, ..base() }, "Nano CPUs and CPU Quota"),
            (HostConfig { cpuset_cpus: "x".into(), ..base() }, "Invalid value x for cpuset cpus"),
            (HostConfig { cpuset_cpus: "3-1".into(), ..base() }, "Invalid value 3-1"),
            (HostConfig { cpuset_cpus: "0,9999".into(), ..base() }, "requested 0,9999, available: 0"),
            (HostConfig { oom_score_adj: 1001, ..base() }, "Invalid value 1001"),
            (HostConfig { storage_opt: Some([("size".into(), "1g".into())].into()), ..base() }, "--storage-opt"),
        ] {
            let error = check(&host).expect_err(text).to_string();
            assert!(error.contains(text), "{error}");
        }
        check(&HostConfig { cpuset_cpus: "0".into(), cpu_quota: -1, ..base() }).expect("possible");
        assert_eq!(numbers("0-2,4"), Some([0, 1, 2, 4].into()));
        assert_eq!(numbers(""), Some([].into()));
        assert_eq!(numbers("0-4294967295"), None);
    }

    #[test]
    fn discarded_limits_are_named() {
        let mut host = HostConfig {
            memory: 8 << 20,
            memory_swap: 16 << 20,
            nano_cpus: 500_000_000,
            cpuset_cpus: "0".into(),
            pids_limit: Some(9),
            shm_size: 1 << 20,
            oom_score_adj: -1,
            ..HostConfig::default()
        };
        let said = discard(&mut host);
        assert_eq!(said.len(), 2);
        assert!(said[0].ends_with(": --memory, --cpus, --cpuset-cpus, --pids-limit discarded"), "{said:?}");
        assert_eq!(host, HostConfig { shm_size: 1 << 20, ..HostConfig::default() });
        assert!(discard(&mut host).is_empty());
    }
}
