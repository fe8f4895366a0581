//! Limits of a container: control groups and `--ulimit`.

use serde_json::{Value, json};

use super::device::Device;
use crate::container::host_config::{HostConfig, Ulimit};

/// `linux.resources` of a bundle.
pub(super) fn resources(host: &HostConfig, devices: &[Device]) -> Result<Value, String> {
    let positive = |value: i64| (value > 0).then_some(value);
    let text = |value: &String| (!value.is_empty()).then(|| value.clone());
    let (quota, period) = match positive(host.nano_cpus) {
        Some(nano) => (Some(nano / 10_000), Some(100_000)),
        None => (Some(host.cpu_quota).filter(|&quota| quota != 0), positive(host.cpu_period)),
    };
    let mut all = json!({
        "devices": device_rules(host, devices)?,
        "memory": without_nulls(json!({
            "limit": positive(host.memory),
            "reservation": positive(host.memory_reservation),
            "swap": Some(host.memory_swap).filter(|&swap| swap != 0),
            "swappiness": host.memory_swappiness.filter(|&value| value >= 0),
            "disableOOMKiller": host.oom_kill_disable.filter(|&disable| disable),
        })),
        "cpu": without_nulls(json!({
            "shares": positive(host.cpu_shares), "quota": quota, "period": period,
            "cpus": text(&host.cpuset_cpus), "mems": text(&host.cpuset_mems),
        })),
    });
    if let Some(limit) = host.pids_limit.filter(|&limit| limit > 0) {
        all["pids"] = json!({ "limit": limit });
    }
    if host.blkio_weight > 0 {
        all["blockIO"] = json!({ "weight": host.blkio_weight });
    }
    Ok(all)
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}

/// Docker's rules: nothing but making nodes, the harmless devices, terminals, and what was asked for.
fn device_rules(host: &HostConfig, devices: &[Device]) -> Result<Value, String> {
    let rule = |kind: &str, major: Option<u64>, minor: Option<u64>, access: &str| {
        without_nulls(json!({ "allow": true, "type": kind, "major": major, "minor": minor, "access": access }))
    };
    if host.privileged {
        return Ok(json!([{ "allow": true, "access": "rwm" }]));
    }
    let mut rules =
        vec![json!({ "allow": false, "access": "rwm" }), rule("c", None, None, "m"), rule("b", None, None, "m")];
    for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)] {
        rules.push(rule("c", Some(major), Some(minor), "rwm"));
    }
    rules.push(rule("c", Some(136), None, "rwm"));
    for device in devices {
        rules.push(rule(&device.kind.to_string(), Some(device.major), Some(device.minor), &device.access));
    }
    for text in host.device_cgroup_rules.iter().flatten() {
        let wrong = || format!("invalid device cgroup rule format: '{text}'");
        let mut words = text.split_whitespace();
        let (Some(kind), Some(numbers), Some(access), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(wrong());
        };
        let (major, minor) = numbers.split_once(':').ok_or_else(wrong)?;
        let number = |text: &str| if text == "*" { Ok(None) } else { text.parse().map(Some).map_err(|_| wrong()) };
        if !matches!(kind, "a" | "b" | "c") || !access.bytes().all(|b| b"rwm".contains(&b)) {
            return Err(wrong());
        }
        rules.push(rule(kind, number(major)?, number(minor)?, access));
    }
    Ok(rules.into())
}

/// `process.rlimits` of a bundle.
pub(super) fn rlimits(host: &HostConfig) -> Result<Vec<Value>, String> {
    let mut all = Vec::new();
    for limit in host.ulimits.iter().flatten() {
        let name = limit.name.to_ascii_lowercase();
        // Docker's program does not offer `as`, its daemon takes it.
        if name != "as" && !Ulimit::NAMES.contains(&name.as_str()) {
            return Err(format!("invalid ulimit type: {}", limit.name));
        }
        let kind = format!("RLIMIT_{}", name.to_ascii_uppercase());
        let value = |value: i64| u64::try_from(value).unwrap_or(u64::MAX);
        all.push(json!({ "type": kind, "soft": value(limit.soft), "hard": value(limit.hard) }));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_become_resources() {
        let mut host =
            HostConfig { nano_cpus: 1_500_000_000, memory: 1 << 20, pids_limit: Some(7), ..HostConfig::default() };
        let got = resources(&host, &[]).expect("resources");
        assert_eq!(got["cpu"], json!({ "quota": 150_000, "period": 100_000 }));
        assert_eq!((&got["memory"], &got["pids"]), (&json!({ "limit": 1 << 20 }), &json!({ "limit": 7 })));
        host.device_cgroup_rules = Some(vec!["c 10:* rw".into()]);
        let got = resources(&host, &[]).expect("resources");
        let last = got["devices"].as_array().and_then(|rules| rules.last()).expect("rules");
        assert_eq!(last, &json!({ "allow": true, "type": "c", "major": 10, "access": "rw" }));
        for bad in ["c 10", "x 1:1 r", "c 1:1 q", "c a:1 r"] {
            host.device_cgroup_rules = Some(vec![bad.into()]);
            assert!(resources(&host, &[]).is_err(), "{bad}");
        }
    }
}
