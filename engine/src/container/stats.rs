//! `top` and `stats`: what a container's processes are and use.

use std::fs;

use serde_json::{Map, Value, json};

use super::cgroup::Groups;
use super::error::{ContainerError, Result};
use super::record::{Directory, Record};
use super::{Containers, processes, state};

/// Nanoseconds of one clock tick: the kernel tells user space 100 a second on every architecture it has.
pub(crate) const TICK: u64 = 10_000_000;

impl Containers {
    /// Process IDs on the host of all processes in a running container.
    pub fn processes(&self, name: &str) -> Result<Vec<i32>> {
        let record = self.running(name)?;
        let groups = Groups::of(&record.id, &Directory::of(self.root(), &record.id).host_config()?);
        let all = groups.processes();
        Ok(if all.is_empty() { processes::beside(record.state.pid) } else { all })
    }

    /// `GET /containers/{id}/top`: the host's `ps` with `arguments` (`-ef` where empty), the container's processes of it.
    pub fn top(&self, name: &str, arguments: &str) -> Result<Value> {
        let processes = self.processes(name)?;
        let arguments: Vec<&str> =
            if arguments.is_empty() { vec!["-ef"] } else { arguments.split_whitespace().collect() };
        let output = std::process::Command::new("ps").args(arguments).env("PATH", "/usr/bin:/bin").output();
        let Ok(output) = output else { return Ok(own_top(&processes)) };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(ContainerError::Invalid(format!("ps: {}", said.trim().lines().next().unwrap_or_default())));
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines();
        let titles: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
        let Some(pid_at) = titles.iter().position(|title| *title == "PID") else {
            return Err(ContainerError::Invalid("Couldn't find PID field in ps output".into()));
        };
        let mut rows = Vec::new();
        for line in lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            let pid = words.get(pid_at).and_then(|word| word.parse::<i32>().ok());
            if pid.is_some_and(|pid| processes.contains(&pid)) {
                let last = titles.len() - 1;
                let mut row: Vec<String> = words.iter().take(last).map(|&word| word.to_owned()).collect();
                row.push(words.get(last..).unwrap_or_default().join(" "));
                rows.push(row);
            }
        }
        Ok(json!({ "Titles": titles, "Processes": rows }))
    }

    /// One reading of `GET /containers/{id}/stats`, without `precpu_stats`. Of a container that does not run, all is zero.
    pub fn stats(&self, name: &str) -> Result<Value> {
        let record = self.record(name)?;
        let host = Directory::of(self.root(), &record.id).host_config()?;
        let groups = Groups::of(&record.id, &host);
        let mut stats = json!({
            "id": record.id,
            "name": record.name,
            "read": state::now(),
            "preread": state::NEVER,
            "num_procs": 0,
            "storage_stats": {},
            "pids_stats": {}, "blkio_stats": {}, "memory_stats": {}, "cpu_stats": {}, "precpu_stats": {},
        });
        if record.state.running && record.state.pid != 0 {
            if self.rootless() {
                let (cpu, memory, pids) = processes::used(&processes::beside(record.state.pid));
                (stats["cpu_stats"], stats["memory_stats"], stats["pids_stats"]) = (cpu, memory, pids);
            } else {
                stats["cpu_stats"] = cpu(&groups);
                stats["memory_stats"] = memory(&groups);
                stats["pids_stats"] = pids(&groups);
                stats["blkio_stats"] = blkio(&groups);
            }
            if host.network_mode != "host" {
                stats["networks"] = networks(&record);
            }
        }
        Ok(stats)
    }
}

/// Without `ps` on the host: what it would show with `-o pid,ppid,comm`.
fn own_top(processes: &[i32]) -> Value {
    let mut rows = Vec::new();
    for pid in processes {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let (Some(open), Some(close)) = (stat.find('('), stat.rfind(')')) else { continue };
        let parent = stat[close + 1..].split_ascii_whitespace().nth(1).unwrap_or("0").to_owned();
        rows.push(vec![pid.to_string(), parent, stat[open + 1..close].to_owned()]);
    }
    json!({ "Titles": ["PID", "PPID", "CMD"], "Processes": rows })
}

fn cpu(groups: &Groups) -> Value {
    let (total, user, kernel) = if groups.unified() {
        let table = groups.table("cpu", "cpu.stat");
        let of = |key: &str| table.get(key).map_or(0, |microseconds| microseconds * 1000);
        (of("usage_usec"), of("user_usec"), of("system_usec"))
    } else {
        let table = groups.table("cpuacct", "cpuacct.stat");
        let of = |key: &str| table.get(key).map_or(0, |ticks| ticks * TICK);
        (groups.number("cpuacct", "cpuacct.usage").unwrap_or(0), of("user"), of("system"))
    };
    let throttled = groups.table("cpu", "cpu.stat");
    let of = |key: &str| throttled.get(key).copied().unwrap_or(0);
    json!({
        "cpu_usage": { "total_usage": total, "usage_in_usermode": user, "usage_in_kernelmode": kernel },
        "system_cpu_usage": system_cpu(),
        "online_cpus": cpus(),
        "throttling_data": {
            "periods": of("nr_periods"), "throttled_periods": of("nr_throttled"),
            "throttled_time": if groups.unified() { of("throttled_usec") * 1000 } else { of("throttled_time") },
        },
    })
}

/// Nanoseconds that all CPUs of the host have spent, idle or not.
pub(crate) fn system_cpu() -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    line.split_whitespace().skip(1).take(7).filter_map(|word| word.parse::<u64>().ok()).sum::<u64>() * TICK
}

/// How many CPUs there are for this process.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The host's memory in bytes.
pub(crate) fn host_memory() -> u64 {
    let all = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    all.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn memory(groups: &Groups) -> Value {
    let host = host_memory();
    let (usage, limit, most) = if groups.unified() {
        ("memory.current", "memory.max", "memory.peak")
    } else {
        ("memory.usage_in_bytes", "memory.limit_in_bytes", "memory.max_usage_in_bytes")
    };
    let mut stats = json!({
        "usage": groups.number("memory", usage).unwrap_or(0),
        "limit": groups.number("memory", limit).unwrap_or(host).min(host),
        "stats": groups.table("memory", "memory.stat"),
    });
    if !groups.unified() {
        stats["max_usage"] = groups.number("memory", most).unwrap_or(0).into();
        stats["failcnt"] = groups.number("memory", "memory.failcnt").unwrap_or(0).into();
    }
    stats
}

fn pids(groups: &Groups) -> Value {
    let mut stats = json!({ "current": groups.number("pids", "pids.current").unwrap_or(0) });
    if let Some(limit) = groups.number("pids", "pids.max") {
        stats["limit"] = limit.into();
    }
    stats
}

/// Bytes read and written, by device.
fn blkio(groups: &Groups) -> Value {
    let mut entries = Vec::new();
    let mut add = |device: &str, op: &str, value: u64| {
        let (major, minor) = device.split_once(':').unwrap_or((device, "0"));
        let number = |text: &str| text.parse::<u64>().unwrap_or(0);
        entries.push(json!({ "major": number(major), "minor": number(minor), "op": op, "value": value }));
    };
    if groups.unified() {
        let text = fs::read_to_string(groups.directory("io").join("io.stat")).unwrap_or_default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let device = words.next().unwrap_or_default();
            for (key, value) in words.filter_map(|word| word.split_once('=')) {
                match (key, value.parse()) {
                    ("rbytes", Ok(bytes)) => add(device, "read", bytes),
                    ("wbytes", Ok(bytes)) => add(device, "write", bytes),
                    _ => {}
                }
            }
        }
    } else {
        let path = groups.directory("blkio").join("blkio.throttle.io_service_bytes_recursive");
        let text = fs::read_to_string(path).unwrap_or_default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [device, op @ ("Read" | "Write"), value] = words[..] {
                add(device, &op.to_ascii_lowercase(), value.parse().unwrap_or(0));
            }
        }
    }
    json!({
        "io_service_bytes_recursive": entries, "io_serviced_recursive": null, "io_queue_recursive": null,
        "io_service_time_recursive": null, "io_wait_time_recursive": null, "io_merged_recursive": null,
        "io_time_recursive": null, "sectors_recursive": null,
    })
}

/// The interfaces of the container's network namespace but the loopback one.
fn networks(record: &Record) -> Value {
    let text = fs::read_to_string(format!("/proc/{}/net/dev", record.state.pid)).unwrap_or_default();
    let mut all = Map::new();
    for line in text.lines().skip(2) {
        let Some((name, numbers)) = line.split_once(':') else { continue };
        let numbers: Vec<u64> = numbers.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        if name.trim() == "lo" || numbers.len() < 12 {
            continue;
        }
        all.insert(
            name.trim().into(),
            json!({
                "rx_bytes": numbers[0], "rx_packets": numbers[1], "rx_errors": numbers[2], "rx_dropped": numbers[3],
                "tx_bytes": numbers[8], "tx_packets": numbers[9], "tx_errors": numbers[10], "tx_dropped": numbers[11],
            }),
        );
    }
    all.into()
}
