//! `update`: other limits and another restart policy for a container, running or not.

use std::fs;

use super::cgroup::Groups;
use super::create::check_restart;
use super::error::{ContainerError, Doing, Result};
use super::host_config::HostConfig;
use super::record::Directory;
use super::{Containers, events, limits};

impl Containers {
    /// Changes limits and restart policy: what is zero or empty in `change` stays as it is. Gives what the user should know.
    ///
    /// # Errors
    /// A limit that cannot be; the kernel's refusal of a running container's, after which nothing is changed on disk.
    pub fn update(&self, name: &str, change: &HostConfig) -> Result<Vec<String>> {
        let record = self.record(name)?;
        if record.state.removal_in_progress || record.state.dead {
            let text = "Container is marked for removal and cannot be \"update\".";
            return Err(ContainerError::Conflict(text.into()));
        }
        let directory = Directory::of(self.root(), &record.id);
        let lock = directory.lock()?;
        let old = directory.host_config()?;
        let mut new = merged(&old, change)?;
        let discarded = if self.rootless() { limits::discard(&mut new) } else { Vec::new() };
        if record.state.running && !self.rootless() {
            apply(&Groups::of(&record.id, &new), &old, &new)?;
        }
        directory.write_host_config(&new)?;
        drop(lock);
        events::note(self.root(), "update", &record, &[]);
        Ok(discarded)
    }
}

/// The configuration with the change.
fn merged(old: &HostConfig, change: &HostConfig) -> Result<HostConfig> {
    let invalid = |text: &str| Err(ContainerError::Invalid(text.into()));
    if change.nano_cpus > 0 && (old.cpu_period > 0 || old.cpu_quota > 0) {
        return invalid("Conflicting options: Nano CPUs cannot be updated as CPU Period or Quota has already been set");
    }
    if (change.cpu_period > 0 || change.cpu_quota > 0) && old.nano_cpus > 0 {
        return invalid("Conflicting options: CPU Period or Quota cannot be updated as NanoCPUs has already been set");
    }
    let mut new = old.clone();
    for (value, wanted) in [
        (&mut new.cpu_shares, change.cpu_shares),
        (&mut new.nano_cpus, change.nano_cpus),
        (&mut new.cpu_period, change.cpu_period),
        (&mut new.cpu_quota, change.cpu_quota),
        (&mut new.memory, change.memory),
        (&mut new.memory_swap, change.memory_swap),
        (&mut new.memory_reservation, change.memory_reservation),
    ] {
        if wanted != 0 {
            *value = wanted;
        }
    }
    if new.memory > 0 && new.memory_swap > 0 && new.memory > new.memory_swap && change.memory_swap == 0 {
        return invalid(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        );
    }
    for (value, wanted) in [(&mut new.cpuset_cpus, &change.cpuset_cpus), (&mut new.cpuset_mems, &change.cpuset_mems)] {
        if !wanted.is_empty() {
            value.clone_from(wanted);
        }
    }
    if change.pids_limit.is_some_and(|limit| limit != 0) {
        new.pids_limit = change.pids_limit;
    }
    if !change.restart_policy.name.is_empty() {
        if new.auto_remove && change.restart_policy.name != "no" {
            return invalid("Restart policy cannot be updated because AutoRemove is enabled for the container");
        }
        new.restart_policy = change.restart_policy.clone();
    }
    limits::check(&new)?;
    check_restart(&new)?;
    Ok(new)
}

/// Writes what changed to the control groups of a running container.
fn apply(groups: &Groups, old: &HostConfig, new: &HostConfig) -> Result<()> {
    for (controller, file, value) in files(groups.unified(), old, new) {
        let path = groups.directory(controller).join(file);
        fs::write(&path, &value).doing("write the limit to", &path)?;
    }
    Ok(())
}

/// Controller, file and value of each limit that changed.
fn files(unified: bool, old: &HostConfig, new: &HostConfig) -> Vec<(&'static str, &'static str, String)> {
    let mut all = Vec::new();
    let mut add =
        |controller, one, other, value: String| all.push((controller, if unified { one } else { other }, value));
    if new.cpu_shares != old.cpu_shares {
        // The scales have two ends in common: 2 to 262144, and 1 to 10000.
        let weight = 1 + ((new.cpu_shares.clamp(2, 262_144) - 2) * 9999) / 262_142;
        let value = if unified { weight } else { new.cpu_shares };
        add("cpu", "cpu.weight", "cpu.shares", value.to_string());
    }
    let (quota, period) = (quota(new), if new.cpu_period > 0 { new.cpu_period } else { 100_000 });
    if (quota, new.cpu_period) != (self::quota(old), old.cpu_period) {
        if unified {
            let most = if quota > 0 { quota.to_string() } else { "max".into() };
            add("cpu", "cpu.max", "", format!("{most} {period}"));
        } else {
            add("cpu", "", "cpu.cfs_period_us", period.to_string());
            add("cpu", "", "cpu.cfs_quota_us", if quota > 0 { quota } else { -1 }.to_string());
        }
    }
    let memory = |value: i64| {
        if value > 0 {
            value.to_string()
        } else if unified {
            "max".into()
        } else {
            "-1".into()
        }
    };
    let swap = new.memory_swap != old.memory_swap;
    let with_swap = if unified && new.memory_swap > 0 { new.memory_swap - new.memory } else { new.memory_swap };
    let mut both = Vec::new();
    if new.memory != old.memory {
        both.push(("memory.max", "memory.limit_in_bytes", memory(new.memory)));
    }
    if swap {
        both.push(("memory.swap.max", "memory.memsw.limit_in_bytes", memory(with_swap)));
    }
    // The sum may never be less than its part.
    if new.memory > old.memory && old.memory > 0 {
        both.reverse();
    }
    for (one, other, value) in both {
        add("memory", one, other, value);
    }
    if new.memory_reservation != old.memory_reservation {
        add("memory", "memory.low", "memory.soft_limit_in_bytes", new.memory_reservation.to_string());
    }
    for (one, was, file) in
        [(&new.cpuset_cpus, &old.cpuset_cpus, "cpuset.cpus"), (&new.cpuset_mems, &old.cpuset_mems, "cpuset.mems")]
    {
        if one != was {
            add("cpuset", file, file, one.clone());
        }
    }
    if new.pids_limit != old.pids_limit {
        let most = new.pids_limit.filter(|&limit| limit > 0).map_or_else(|| "max".into(), |limit| limit.to_string());
        add("pids", "pids.max", "pids.max", most);
    }
    all
}

/// Microseconds of processor time in a period; zero for no limit.
fn quota(host: &HostConfig) -> i64 {
    if host.nano_cpus > 0 { host.nano_cpus / 10_000 } else { host.cpu_quota }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_in_both_kinds_of_groups() {
        let old = HostConfig { memory: 8 << 20, memory_swap: 16 << 20, ..HostConfig::default() };
        let new = HostConfig {
            memory: 32 << 20,
            memory_swap: 64 << 20,
            nano_cpus: 500_000_000,
            pids_limit: Some(9),
            cpu_shares: 1024,
            ..HostConfig::default()
        };
        let of =
            |unified| files(unified, &old, &new).into_iter().map(|(_, f, v)| format!("{f}={v}")).collect::<Vec<_>>();
        assert_eq!(
            of(true),
            ["cpu.weight=39", "cpu.max=50000 100000", "memory.swap.max=33554432", "memory.max=33554432", "pids.max=9"]
        );
        assert_eq!(
            of(false),
            [
                "cpu.shares=1024",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=50000",
                "memory.memsw.limit_in_bytes=67108864",
                "memory.limit_in_bytes=33554432",
                "pids.max=9"
            ]
        );
        assert!(files(true, &new, &new).is_empty());
    }

    #[test]
    fn what_is_not_named_stays() {
        let old = HostConfig { memory: 8 << 20, memory_swap: 16 << 20, cpu_quota: 7_000, ..HostConfig::default() };
        let more = |memory| HostConfig { memory, ..HostConfig::default() };
        assert_eq!(merged(&old, &more(9 << 20)).expect("a limit").memory_swap, 16 << 20);
        for (change, text) in [
            (more(17 << 20), "memoryswap"),
            (more(1), "Minimum memory"),
            (HostConfig { nano_cpus: 1, ..HostConfig::default() }, "Nano CPUs"),
        ] {
            let error = merged(&old, &change).expect_err("refused").to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
