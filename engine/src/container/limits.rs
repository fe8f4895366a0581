//! Limits of a container: what they may be, and what becomes of them where there are no control groups.

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
    if host.nano_cpus < 0 {
        return invalid("NanoCPUs cannot be negative");
    }
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as i64);
    if host.nano_cpus > cpus * 1_000_000_000 {
        return Err(ContainerError::Invalid(format!(
            "range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"
        )));
    }
    if host.nano_cpus > 0 && (host.cpu_period > 0 || host.cpu_quota > 0) {
        return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
    }
    if host.shm_size < 0 {
        return invalid("SHM size can not be less than 0");
    }
    if host.oom_score_adj < -1000 || host.oom_score_adj > 1000 {
        return invalid("Invalid value, range for oom score adj is [-1000, 1000]");
    }
    Ok(())
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
