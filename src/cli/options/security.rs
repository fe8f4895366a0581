//! Rights of a container.

use clap::Args;
use serde_json::{Value, json};

use super::device::{self, Device};
use super::{Body, invalid, pairs, set};
use crate::cli::Failure;

/// Options of rights.
#[derive(Args)]
#[command(next_help_heading = "Rights")]
pub(super) struct Rights {
    /// Give all rights: all capabilities, all devices, no seccomp
    #[arg(long)]
    privileged: bool,
    /// Add a capability
    #[arg(long, value_name = "CAP")]
    cap_add: Vec<String>,
    /// Drop a capability
    #[arg(long, value_name = "CAP")]
    cap_drop: Vec<String>,
    /// no-new-privileges, seccomp=FILE, seccomp=unconfined, apparmor=..., label=..., systempaths=unconfined
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<String>,
    /// Give a device of the host: SOURCE, SOURCE:TARGET or SOURCE:TARGET:rwm
    #[arg(long, value_name = "DEVICE")]
    device: Vec<String>,
    /// Allow devices: TYPE MAJOR:MINOR rwm
    #[arg(long, value_name = "RULE")]
    device_cgroup_rule: Vec<String>,
    /// Set a parameter of the kernel: KEY=VALUE
    #[arg(long, value_name = "SYSCTL")]
    sysctl: Vec<String>,
}

impl Rights {
    pub(super) fn apply(&self, body: &mut Body) -> Result<(), Failure> {
        let host = &mut body.host;
        set(host, "Privileged", self.privileged);
        set(host, "CapAdd", self.cap_add.as_slice());
        set(host, "CapDrop", self.cap_drop.as_slice());
        let mut options = Vec::new();
        for option in &self.security_opt {
            match option.as_str() {
                "systempaths=unconfined" => {
                    host.insert("MaskedPaths".into(), json!([]));
                    host.insert("ReadonlyPaths".into(), json!([]));
                }
                option => options.push(security_option(option)?),
            }
        }
        set(host, "SecurityOpt", options);
        let (mut nodes, mut names) = (Vec::new(), Vec::new());
        for text in &self.device {
            match device::parse(text).map_err(Failure::new)? {
                Device::Node(node) => nodes.push(node),
                Device::Interface(name) => names.push(name),
            }
        }
        set(host, "Devices", nodes);
        if !names.is_empty() {
            host.insert("DeviceRequests".into(), json!([{"Driver": "cdi", "DeviceIDs": names}]));
        }
        for rule in &self.device_cgroup_rule {
            if !is_rule(rule) {
                return Err(Failure::new(format!("invalid device cgroup format '{rule}'")));
            }
        }
        set(host, "DeviceCgroupRules", self.device_cgroup_rule.as_slice());
        for text in &self.sysctl {
            if !is_allowed(text) {
                return Err(invalid("--sysctl", text, format!("sysctl '{text}' is not allowed")));
            }
        }
        set(host, "Sysctls", pairs(&self.sysctl));
        Ok(())
    }
}

/// The option as it is sent: a seccomp profile by its content.
fn security_option(option: &str) -> Result<String, Failure> {
    let parts = option.split_once('=').or_else(|| option.split_once(':'));
    let (key, value) = match parts {
        Some((key, value)) => (key, value),
        None => (option, ""),
    };
    if value.is_empty() && key != "no-new-privileges" {
        return Err(Failure::new(format!("Invalid --security-opt: {option:?}")));
    }
    if key != "seccomp" || matches!(value, "unconfined" | "builtin") {
        return Ok(option.to_owned());
    }
    let bytes = std::fs::read(value).map_err(|error| {
        let text = error.to_string();
        let why = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
        Failure::new(format!("opening seccomp profile ({value}) failed: open {value}: {why}"))
    })?;
    let profile: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(format!("compacting json for seccomp profile ({value}) failed: {error}")))?;
    Ok(format!("seccomp={profile}"))
}

/// `c 1:3 mr`, with `*` for any number.
fn is_rule(rule: &str) -> bool {
    let number = |text: &str| text == "*" || !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let words: Vec<_> = rule.split(' ').collect();
    let [kind, numbers, mode] = words.as_slice() else { return false };
    let Some((major, minor)) = numbers.split_once(':') else { return false };
    ["a", "b", "c"].contains(kind)
        && number(major)
        && number(minor)
        && (1..=3).contains(&mode.len())
        && mode.bytes().all(|b| b"rwm".contains(&b))
}

/// The parameters that each container has of its own.
fn is_allowed(text: &str) -> bool {
    const ONE: [&str; 8] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    text.split_once('=')
        .is_some_and(|(key, _)| ONE.contains(&key) || key.starts_with("net.") || key.starts_with("fs.mqueue."))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{body, field};
    use super::*;

    #[test]
    fn reads_security_options() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let file = directory.path().join("profile.json");
        std::fs::write(&file, "{ \"defaultAction\": \"SCMP_ACT_ALLOW\" }\n").expect("writes");
        let seccomp = format!("seccomp={}", file.display());
        let line =
            ["--security-opt", "no-new-privileges", "--security-opt", &seccomp, "--security-opt", "label:disable"];
        let want = json!(["no-new-privileges", r#"seccomp={"defaultAction":"SCMP_ACT_ALLOW"}"#, "label:disable"]);
        assert_eq!(field(&line, "/HostConfig/SecurityOpt"), want);
        let bare = ["--security-opt", "systempaths=unconfined"];
        assert_eq!(field(&bare, "/HostConfig/MaskedPaths"), json!([]));
        assert_eq!(field(&bare, "/HostConfig/SecurityOpt"), Value::Null);
        assert_eq!(body(&["--security-opt", "foo"]), Err("Invalid --security-opt: \"foo\"".into()));
        assert_eq!(
            body(&["--security-opt", "seccomp=/nonexistent"]),
            Err("opening seccomp profile (/nonexistent) failed: open /nonexistent: no such file or directory".into())
        );
    }

    #[test]
    fn reads_devices_and_parameters() {
        let line = ["--device", "/dev/null:r", "--device", "a.com/b=c", "--sysctl", "net.ipv4.ip_forward=1"];
        assert_eq!(field(&line, "/HostConfig/Devices/0/CgroupPermissions"), "r");
        assert_eq!(field(&line, "/HostConfig/DeviceRequests"), json!([{"Driver": "cdi", "DeviceIDs": ["a.com/b=c"]}]));
        assert_eq!(field(&line, "/HostConfig/Sysctls"), json!({"net.ipv4.ip_forward": "1"}));
        assert!(
            body(&["--sysctl", "kernel.hostname=x"])
                .unwrap_err()
                .ends_with("sysctl 'kernel.hostname=x' is not allowed")
        );
        assert_eq!(body(&["--device", "a:/b:ro"]), Err("bad mode specified: ro".into()));
        for (rule, good) in
            [("c 1:3 mr", true), ("a *:* rwm", true), ("x 1:3 r", false), ("c 1 r", false), ("c 1:3 x", false)]
        {
            assert_eq!(is_rule(rule), good, "{rule}");
        }
    }
}
