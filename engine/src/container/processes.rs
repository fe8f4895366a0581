//! A container's processes and what they use, where no control groups tell: by their process namespace.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use super::stats::{TICK, cpus, host_memory, system_cpu};

/// IDs of all processes in the process namespace of `first`, that one first; it alone where that is this process's own namespace.
pub(crate) fn beside(first: i32) -> Vec<i32> {
    let namespace = |process: &str| fs::metadata(format!("/proc/{process}/ns/pid")).map(|meta| meta.ino()).ok();
    let mut all = vec![first];
    let theirs = namespace(&first.to_string());
    if theirs.is_none() || theirs == namespace("self") {
        return all;
    }
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if pid != first && namespace(&pid.to_string()) == theirs {
            all.push(pid);
        }
    }
    all
}

/// `cpu_stats`, `memory_stats` and `pids_stats` of these processes. Times are those of their ended children too; memory that several
/// of them share counts for each.
pub(crate) fn used(processes: &[i32]) -> (Value, Value, Value) {
    let (mut user, mut kernel, mut memory) = (0, 0, 0);
    for pid in processes {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name is in parentheses and may hold anything; from the state on, times are the 12th to 15th field (`proc_pid_stat(5)`).
        let fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().skip(11);
        let times: Vec<u64> = fields.take(4).filter_map(|field| field.parse().ok()).collect();
        if let [own_user, own_kernel, children_user, children_kernel] = times[..] {
            user += (own_user + children_user) * TICK;
            kernel += (own_kernel + children_kernel) * TICK;
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
        memory += resident.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024;
    }
    let cpu = json!({
        "cpu_usage": { "total_usage": user + kernel, "usage_in_usermode": user, "usage_in_kernelmode": kernel },
        "system_cpu_usage": system_cpu(),
        "online_cpus": cpus(),
        "throttling_data": { "periods": 0, "throttled_periods": 0, "throttled_time": 0 },
    });
    (cpu, json!({ "usage": memory, "limit": host_memory(), "stats": {} }), json!({ "current": processes.len() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_uses() {
        let pid = std::process::id() as i32;
        assert_eq!(beside(pid), [pid]);
        let (cpu, memory, pids) = used(&[pid]);
        assert!(memory["usage"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{memory}");
        assert!(cpu["cpu_usage"]["total_usage"].is_u64() && cpu["system_cpu_usage"].as_u64() > Some(0), "{cpu}");
        assert_eq!(pids, json!({ "current": 1 }));
        assert_eq!(used(&[i32::MAX]).1["usage"], 0);
    }
}
