//! Profiles in Docker's format: which rule is there for which capabilities, architecture and kernel.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Action, Condition, Filter, Rule};

/// Docker's default profile as of its engine 29, in our arrangement.
const DEFAULT: &str = include_str!("../../../../assets/seccomp.json");

/// Largest accepted profile, in bytes.
const LARGEST: usize = 1 << 20;

/// A seccomp profile in the format of `docker run --security-opt seccomp=FILE`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    default_action: Action,
    #[serde(default)]
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Option<Vec<String>>,
    #[serde(default)]
    arch_map: Option<Vec<Architecture>>,
    #[serde(default)]
    syscalls: Option<Vec<ProfileRule>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Architecture {
    architecture: String,
    #[serde(default)]
    sub_architectures: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProfileRule {
    /// The old form, one name a rule.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    names: Option<Vec<String>>,
    action: Action,
    #[serde(default)]
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<Condition>>,
    #[serde(default)]
    includes: Option<Filters>,
    #[serde(default)]
    excludes: Option<Filters>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filters {
    #[serde(default)]
    caps: Option<Vec<String>>,
    #[serde(default)]
    arches: Option<Vec<String>>,
    #[serde(default)]
    min_kernel: Option<String>,
}

/// Says why a text is no seccomp profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Larger than the limit.
    #[error("seccomp profile has {size} bytes: at most {LARGEST} are read")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// Not of this shape.
    #[error("decoding seccomp profile failed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Contradicts itself.
    #[error("seccomp profile: {0}")]
    Contradiction(&'static str),
}

impl Profile {
    /// Docker's default.
    pub fn standard() -> Self {
        serde_json::from_str(DEFAULT).expect("the built-in profile parses: a test reads it")
    }

    /// Parses a profile.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        if text.len() > LARGEST {
            return Err(ProfileError::TooLarge { size: text.len() });
        }
        let profile: Self = serde_json::from_str(text)?;
        if profile.architectures.is_some() && profile.arch_map.is_some() {
            return Err(ProfileError::Contradiction("both 'architectures' and 'archMap' are given: use one"));
        }
        for rule in profile.syscalls.iter().flatten() {
            if rule.name.is_some() && rule.names.is_some() {
                return Err(ProfileError::Contradiction("a rule has both 'name' and 'names': use 'names'"));
            }
            if rule.args.iter().flatten().any(|arg| arg.index > 5) {
                return Err(ProfileError::Contradiction("an argument's index is above 5"));
            }
        }
        Ok(profile)
    }

    /// The rules that hold for a container with `capabilities` on this architecture and `kernel` (major, minor).
    pub(crate) fn resolve(&self, capabilities: &BTreeSet<&str>, kernel: (u32, u32)) -> Filter {
        let native = native_architecture();
        let mut architectures = self.architectures.clone().unwrap_or_default();
        for entry in self.arch_map.iter().flatten().filter(|entry| entry.architecture == native) {
            architectures.push(entry.architecture.clone());
            architectures.extend(entry.sub_architectures.iter().flatten().cloned());
        }
        let holds = |rule: &&ProfileRule| {
            let included = rule.includes.as_ref().is_none_or(|f| f.all_hold(capabilities, kernel));
            included && !rule.excludes.as_ref().is_some_and(|f| f.any_holds(capabilities, kernel))
        };
        let rules = self.syscalls.iter().flatten().filter(holds).map(|rule| Rule {
            names: rule.names.clone().unwrap_or_else(|| rule.name.iter().cloned().collect()),
            action: rule.action,
            errno_ret: rule.errno_ret,
            args: rule.args.clone().unwrap_or_default(),
        });
        Filter {
            default_action: self.default_action,
            default_errno_ret: self.default_errno_ret,
            architectures,
            syscalls: rules.filter(|rule| !rule.names.is_empty()).collect(),
        }
    }
}

impl Filters {
    fn all_hold(&self, capabilities: &BTreeSet<&str>, kernel: (u32, u32)) -> bool {
        self.arches.as_ref().is_none_or(|list| list.iter().any(|arch| arch == go_architecture()))
            && self.caps.iter().flatten().all(|cap| capabilities.contains(&**cap))
            && self.min_kernel.as_deref().and_then(version).is_none_or(|least| kernel >= least)
    }

    fn any_holds(&self, capabilities: &BTreeSet<&str>, kernel: (u32, u32)) -> bool {
        self.arches.iter().flatten().any(|arch| arch == go_architecture())
            || self.caps.iter().flatten().any(|cap| capabilities.contains(&**cap))
            || self.min_kernel.as_deref().and_then(version).is_some_and(|least| kernel >= least)
    }
}

/// The first two numbers of a kernel release.
pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn go_architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

fn native_architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "SCMP_ARCH_AARCH64" } else { "SCMP_ARCH_X86_64" }
}

/// This kernel's major and minor number.
pub(crate) fn kernel() -> (u32, u32) {
    rustix::system::uname().release().to_str().ok().and_then(version).unwrap_or((5, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(filter: &Filter) -> BTreeSet<&str> {
        filter.syscalls.iter().filter(|r| r.args.is_empty()).flat_map(|r| r.names.iter().map(String::as_str)).collect()
    }

    #[test]
    fn capabilities_open_system_calls() {
        let plain = Profile::standard().resolve(&BTreeSet::new(), (6, 1));
        assert!(names(&plain).contains("ptrace") && !names(&plain).contains("mount"));
        assert!(plain.syscalls.iter().any(|r| r.names == ["clone3"] && r.errno_ret == Some(38)));
        let admin = Profile::standard().resolve(&BTreeSet::from(["CAP_SYS_ADMIN"]), (6, 1));
        assert!(names(&admin).contains("mount"));
        assert!(!admin.syscalls.iter().any(|r| r.errno_ret == Some(38)));
        let old = Profile::standard().resolve(&BTreeSet::new(), (4, 7));
        assert!(!names(&old).contains("ptrace"));
    }

    #[test]
    fn bad_profiles_are_refused() {
        for bad in [
            "",
            "{}",
            r#"{"defaultAction":"SCMP_ACT_NOPE"}"#,
            r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":[],"archMap":[]}"#,
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_KILL"}]}"#,
        ] {
            assert!(Profile::parse(bad).is_err(), "{bad}");
        }
        assert!(Profile::parse(r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":null}"#).is_ok());
    }

    #[test]
    fn kernel_releases() {
        assert_eq!(version("6.18.44-fc-v669"), Some((6, 18)));
        assert_eq!(version("4.8"), Some((4, 8)));
        assert_eq!(version("x"), None);
    }
}
