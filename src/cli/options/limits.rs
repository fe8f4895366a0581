//! How much of the machine a container gets.

use clap::Args;
use outcrop_engine::mount::ram_in_bytes;
use serde_json::{Map, Value};

use super::{Body, invalid, set, ulimit};
use crate::cli::Failure;

/// Limits that `update` changes too.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// Most memory: 64m, 1g
    #[arg(short, long, value_name = "BYTES")]
    memory: Option<String>,
    /// Memory that is given back first when there is little
    #[arg(long, value_name = "BYTES")]
    memory_reservation: Option<String>,
    /// Most memory and swap together; -1 is without limit
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    memory_swap: Option<String>,
    /// How many CPUs, with a fraction
    #[arg(long, value_name = "NUMBER")]
    cpus: Option<String>,
    /// Share of the CPUs, beside 1024 of each other
    #[arg(short, long, value_name = "SHARES", default_value_t = 0, hide_default_value = true)]
    cpu_shares: i64,
    /// Period of the CPU scheduler in microseconds
    #[arg(long, value_name = "US", default_value_t = 0, hide_default_value = true)]
    cpu_period: i64,
    /// CPU time in each period in microseconds
    #[arg(long, value_name = "US", default_value_t = 0, hide_default_value = true, allow_negative_numbers = true)]
    cpu_quota: i64,
    /// CPUs it may run on: 0-3, 0,1
    #[arg(long, value_name = "CPUS", default_value = "", hide_default_value = true)]
    cpuset_cpus: String,
    /// Memory nodes it may use: 0-3, 0,1
    #[arg(long, value_name = "NODES", default_value = "", hide_default_value = true)]
    cpuset_mems: String,
    /// Most processes; -1 is without limit
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pids_limit: Option<i64>,
    /// Share of disk access, 10 to 1000
    #[arg(long, value_name = "WEIGHT", default_value_t = 0, hide_default_value = true)]
    blkio_weight: u16,
}

/// Limits that are set once.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct More {
    /// Limit of the process: NAME=SOFT or NAME=SOFT:HARD
    #[arg(long, value_name = "ULIMIT")]
    ulimit: Vec<String>,
    /// How early it is swapped, 0 to 100
    #[arg(long, value_name = "NUMBER", default_value_t = -1, hide_default_value = true, allow_negative_numbers = true)]
    memory_swappiness: i64,
    /// Do not kill it when memory is short
    #[arg(long)]
    oom_kill_disable: bool,
    /// How soon it is killed when memory is short, -1000 to 1000
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true, allow_negative_numbers = true)]
    oom_score_adj: i64,
}

impl Limits {
    /// Sets the fields of `HostConfig`, or of an update.
    pub(crate) fn apply(&self, host: &mut Map<String, Value>) -> Result<(), Failure> {
        for (field, flag, text) in [
            ("Memory", "-m, --memory", &self.memory),
            ("MemoryReservation", "--memory-reservation", &self.memory_reservation),
            ("MemorySwap", "--memory-swap", &self.memory_swap),
        ] {
            let Some(text) = text else { continue };
            let unlimited = text == "-1" && field == "MemorySwap";
            let bytes = if unlimited { Ok(-1) } else { ram_in_bytes(text) };
            set(host, field, bytes.map_err(|why| invalid(flag, text, why))?);
        }
        if let Some(text) = &self.cpus {
            set(host, "NanoCpus", nano_cpus(text).map_err(|why| invalid("--cpus", text, why))?);
        }
        set(host, "CpuShares", self.cpu_shares);
        set(host, "CpuPeriod", self.cpu_period);
        set(host, "CpuQuota", self.cpu_quota);
        set(host, "CpusetCpus", self.cpuset_cpus.as_str());
        set(host, "CpusetMems", self.cpuset_mems.as_str());
        set(host, "BlkioWeight", self.blkio_weight);
        if let Some(limit) = self.pids_limit {
            host.insert("PidsLimit".into(), limit.into());
        }
        Ok(())
    }
}

impl More {
    pub(super) fn apply(&self, body: &mut Body) -> Result<(), Failure> {
        let mut ulimits: Vec<Value> = Vec::new();
        for text in &self.ulimit {
            let limit = ulimit::parse(text).map_err(|why| invalid("--ulimit", text, why))?;
            ulimits.retain(|known| known["Name"] != limit["Name"]);
            ulimits.push(limit);
        }
        set(&mut body.host, "Ulimits", ulimits);
        let swappiness = self.memory_swappiness;
        if swappiness != -1 && !(0..=100).contains(&swappiness) {
            return Err(Failure::new(format!("invalid value: {swappiness}. Valid memory swappiness range is 0-100")));
        }
        if swappiness != -1 {
            body.host.insert("MemorySwappiness".into(), swappiness.into());
        }
        set(&mut body.host, "OomKillDisable", self.oom_kill_disable);
        set(&mut body.host, "OomScoreAdj", self.oom_score_adj);
        Ok(())
    }
}

/// A decimal number, or a fraction, of CPUs in billionths.
fn nano_cpus(text: &str) -> Result<i64, String> {
    let wrong = || format!("failed to parse {text} as a rational number");
    let (above, below) = text.split_once('/').unwrap_or((text, "1"));
    let below: i128 = below.parse().ok().filter(|below| *below > 0).ok_or_else(wrong)?;
    let (whole, fraction) = above.split_once('.').unwrap_or((above, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(wrong());
    }
    let fraction = fraction.trim_end_matches('0');
    let precise = || "value is too precise".to_owned();
    if fraction.len() > 9 {
        return Err(precise());
    }
    let number: i128 = format!("0{whole}{fraction:0<9}").parse().map_err(|_| wrong())?;
    if number % below != 0 {
        return Err(precise());
    }
    i64::try_from(number / below).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{body, field};
    use super::*;

    #[test]
    fn reads_cpus() {
        for (text, want) in [
            ("1", 1_000_000_000),
            ("0.5", 500_000_000),
            (".25", 250_000_000),
            ("3/2", 1_500_000_000),
            ("2.", 2_000_000_000),
        ] {
            assert_eq!(nano_cpus(text), Ok(want), "{text}");
        }
        assert_eq!(nano_cpus("0.0000000001"), Err("value is too precise".into()));
        for bad in ["x", "", ".", "-1", "1/0", "1e3"] {
            assert_eq!(nano_cpus(bad), Err(format!("failed to parse {bad} as a rational number")));
        }
    }

    #[test]
    fn reads_limits() {
        let line = [
            "-m",
            "64m",
            "--memory-swap",
            "-1",
            "--pids-limit",
            "-1",
            "--oom-score-adj",
            "-5",
            "--ulimit",
            "core=1",
            "--ulimit",
            "core=2",
        ];
        assert_eq!(field(&line, "/HostConfig/Memory"), 64 << 20);
        assert_eq!(field(&line, "/HostConfig/MemorySwap"), -1);
        assert_eq!(field(&line, "/HostConfig/PidsLimit"), -1);
        assert_eq!(field(&line, "/HostConfig/OomScoreAdj"), -5);
        assert_eq!(field(&line, "/HostConfig/Ulimits"), json!([{"Name": "core", "Soft": 2, "Hard": 2}]));
        let said = body(&["-m", "5x"]).unwrap_err();
        assert_eq!(said, r#"invalid argument "5x" for "-m, --memory" flag: invalid suffix: 'x'"#);
        assert_eq!(
            body(&["--memory-swappiness", "200"]),
            Err("invalid value: 200. Valid memory swappiness range is 0-100".into())
        );
        assert_eq!(field(&["--memory-swappiness", "0"], "/HostConfig/MemorySwappiness"), 0);
    }
}
