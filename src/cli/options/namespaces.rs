//! What a container shares with others.

use clap::Args;

use super::{Body, set};
use crate::cli::Failure;

/// Options of namespaces.
#[derive(Args)]
#[command(next_help_heading = "Namespaces")]
pub(super) struct Namespaces {
    /// IPC: none, private, shareable, container:NAME or host
    #[arg(long, value_name = "MODE", default_value = "", hide_default_value = true)]
    ipc: String,
    /// Processes: container:NAME or host
    #[arg(long, value_name = "MODE", default_value = "", hide_default_value = true)]
    pid: String,
    /// Host name: host
    #[arg(long, value_name = "MODE", default_value = "", hide_default_value = true)]
    uts: String,
    /// Users: host
    #[arg(long, value_name = "MODE", default_value = "", hide_default_value = true)]
    userns: String,
    /// Cgroups: host or private
    #[arg(long, value_name = "MODE", default_value = "", hide_default_value = true)]
    cgroupns: String,
    /// Cgroup that the container's is in
    #[arg(long, value_name = "CGROUP", default_value = "", hide_default_value = true)]
    cgroup_parent: String,
    /// Runtime: a path of runc, crun or youki
    #[arg(long, value_name = "RUNTIME", default_value = "", hide_default_value = true)]
    runtime: String,
}

impl Namespaces {
    pub(super) fn apply(&self, body: &mut Body) -> Result<(), Failure> {
        let of_container = |mode: &str| mode.strip_prefix("container:").is_some_and(|name| !name.is_empty());
        let check = |good: bool, flag: &str, name: &str| {
            let wrong = || Failure::new(format!("--{flag}: invalid {name} mode"));
            if good { Ok(()) } else { Err(wrong()) }
        };
        check(matches!(self.pid.as_str(), "" | "host") || of_container(&self.pid), "pid", "PID")?;
        check(matches!(self.uts.as_str(), "" | "host"), "uts", "UTS")?;
        check(matches!(self.userns.as_str(), "" | "host"), "userns", "USER")?;
        check(matches!(self.cgroupns.as_str(), "" | "host" | "private"), "cgroupns", "CGROUP")?;
        for (field, mode) in [
            ("IpcMode", &self.ipc),
            ("PidMode", &self.pid),
            ("UTSMode", &self.uts),
            ("UsernsMode", &self.userns),
            ("CgroupnsMode", &self.cgroupns),
            ("CgroupParent", &self.cgroup_parent),
            ("Runtime", &self.runtime),
        ] {
            set(&mut body.host, field, mode.as_str());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{body, field};

    #[test]
    fn checks_modes_as_docker() {
        for (flag, value, field_name) in [
            ("--pid", "container:a", "PidMode"),
            ("--pid", "host", "PidMode"),
            ("--uts", "host", "UTSMode"),
            ("--userns", "host", "UsernsMode"),
            ("--cgroupns", "private", "CgroupnsMode"),
            ("--ipc", "whatever", "IpcMode"),
        ] {
            assert_eq!(field(&[flag, value], &format!("/HostConfig/{field_name}")), value);
        }
        for (flag, value, why) in [
            ("--pid", "foo", "--pid: invalid PID mode"),
            ("--pid", "container:", "--pid: invalid PID mode"),
            ("--uts", "x", "--uts: invalid UTS mode"),
            ("--userns", "x", "--userns: invalid USER mode"),
            ("--cgroupns", "x", "--cgroupns: invalid CGROUP mode"),
        ] {
            assert_eq!(body(&[flag, value]), Err(why.into()));
        }
    }
}
