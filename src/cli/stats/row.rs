//! What a container uses, in one row.

use crate::cli::images::id;
use crate::report::units;
use crate::report::value::Value;

/// All fields of a row; `asked` is how the container was called for.
pub(super) fn row(stats: &Value, asked: &str, short: bool) -> Value {
    let (used, limit) = (memory(stats), stats.float("memory_stats.limit"));
    let of_limit = if limit == 0.0 { 0.0 } else { used / limit * 100.0 };
    // Podman writes it with a capital.
    let whole_id = if stats.text("id").is_empty() { stats.text("Id") } else { stats.text("id") };
    let asked = if asked == whole_id { id(asked, short) } else { asked.to_owned() };
    let pair = |a: f64, b: f64, size: fn(f64) -> String| format!("{} / {}", size(a), size(b));
    let (received, sent) = network(stats);
    let (read, written) = disk(stats);
    Value::object([
        ("BlockIO", pair(read, written, units::short_size).into()),
        ("CPUPerc", format!("{:.2}%", cpu(stats)).into()),
        ("Container", asked.into()),
        ("ID", id(whole_id, short).into()),
        ("MemPerc", format!("{of_limit:.2}%").into()),
        ("MemUsage", pair(used, limit, units::binary_size).into()),
        ("Name", stats.text("name").trim_start_matches('/').into()),
        ("NetIO", pair(received, sent, units::short_size).into()),
        ("PIDs", format!("{}", stats.float("pids_stats.current")).into()),
    ])
}

/// Per cent of one CPU since the measurement before.
fn cpu(stats: &Value) -> f64 {
    let used = stats.float("cpu_stats.cpu_usage.total_usage") - stats.float("precpu_stats.cpu_usage.total_usage");
    let all = stats.float("cpu_stats.system_cpu_usage") - stats.float("precpu_stats.system_cpu_usage");
    let mut cpus = stats.float("cpu_stats.online_cpus");
    if cpus == 0.0 {
        cpus = match stats.at("cpu_stats.cpu_usage.percpu_usage") {
            Value::List(each) => each.len() as f64,
            _ => 0.0,
        };
    }
    if used > 0.0 && all > 0.0 { used / all * cpus * 100.0 } else { 0.0 }
}

/// Bytes in use without those that the kernel would give back at once: total_inactive_file of cgroup v1, inactive_file of v2.
fn memory(stats: &Value) -> f64 {
    let usage = stats.float("memory_stats.usage");
    let idle = ["total_inactive_file", "inactive_file"]
        .into_iter()
        .find(|name| stats.at("memory_stats.stats").get(name).is_some())
        .map_or(0.0, |name| stats.float(&format!("memory_stats.stats.{name}")));
    if idle < usage { usage - idle } else { usage }
}

fn network(stats: &Value) -> (f64, f64) {
    let sum = |field: &str| stats.map("networks").iter().map(|(_, network)| network.float(field)).sum();
    (sum("rx_bytes"), sum("tx_bytes"))
}

fn disk(stats: &Value) -> (f64, f64) {
    let Value::List(entries) = stats.at("blkio_stats.io_service_bytes_recursive") else { return (0.0, 0.0) };
    let sum = |first: char| {
        let of_kind = entries.iter().filter(|entry| entry.text("op").to_lowercase().starts_with(first));
        of_kind.map(|entry| entry.float("value")).sum()
    };
    (sum('r'), sum('w'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_docker() {
        let stats: Value = serde_json::from_str(
            r#"{"name":"/c1","id":"508a7230c6ddea97","pids_stats":{"current":3},
            "cpu_stats":{"cpu_usage":{"total_usage":300},"system_cpu_usage":2000,"online_cpus":2},
            "precpu_stats":{"cpu_usage":{"total_usage":100},"system_cpu_usage":1000},
            "memory_stats":{"usage":2097152,"limit":4194304,"stats":{"inactive_file":1048576}},
            "networks":{"eth0":{"rx_bytes":1000,"tx_bytes":2000},"eth1":{"rx_bytes":500,"tx_bytes":0}},
            "blkio_stats":{"io_service_bytes_recursive":[{"op":"Read","value":10},{"op":"write","value":20},{"op":"Total","value":30}]}}"#,
        )
        .expect("is JSON");
        let row = row(&stats, "508a7230c6ddea97", true);
        let texts = ["Container", "ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"]
            .map(|f| row.text(f));
        let want =
            ["508a7230c6dd", "508a7230c6dd", "c1", "40.00%", "1MiB / 4MiB", "25.00%", "1.5kB / 2kB", "10B / 20B", "3"];
        assert_eq!(texts, want);
        let none = super::row(&Value::Null, "x", true);
        assert_eq!((none.text("CPUPerc"), none.text("MemUsage"), none.text("PIDs")), ("0.00%", "0B / 0B", "0"));
    }
}
