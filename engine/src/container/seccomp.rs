//! System call filters: Docker's profile format, what it means for one container, and the BPF program for the kernel.
//!
//! A profile ([`Profile`]) is resolved for the container's capabilities and this kernel into the OCI form
//! ([`Filter`], `linux.seccomp` of a bundle), which every runtime understands; for the embedded one [`compile`] makes
//! the program itself, without libseccomp.

mod compile;
pub(crate) mod notify;
mod numbers;
mod profile;

pub(crate) use compile::compile;
pub(crate) use profile::kernel;
pub use profile::{Profile, ProfileError};

use serde::{Deserialize, Serialize};

/// `linux.seccomp` of the OCI runtime specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Filter {
    /// What happens to system calls that no rule names.
    pub(crate) default_action: Action,
    /// The error number of the default action, where it returns one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) default_errno_ret: Option<u32>,
    /// `SCMP_ARCH_…` names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) architectures: Vec<String>,
    /// The rules.
    #[serde(default)]
    pub(crate) syscalls: Vec<Rule>,
}

/// One rule: these system calls, when all `args` hold, get this action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rule {
    /// Kernel names.
    pub(crate) names: Vec<String>,
    /// What happens.
    pub(crate) action: Action,
    /// The error number, where the action returns one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) errno_ret: Option<u32>,
    /// Conditions on the arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) args: Vec<Condition>,
}

/// A condition on one argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Condition {
    /// Which argument, 0 to 5.
    pub(crate) index: u32,
    /// What it is compared with; the mask of [`Compare::MaskedEqual`].
    pub(crate) value: u64,
    /// What the masked argument must be, for [`Compare::MaskedEqual`] alone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) value_two: u64,
    /// How.
    pub(crate) op: Compare,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// What the kernel does with a system call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Action {
    /// Runs it.
    #[serde(rename = "SCMP_ACT_ALLOW")]
    Allow,
    /// Returns an error number, EPERM where none is said.
    #[default]
    #[serde(rename = "SCMP_ACT_ERRNO")]
    Errno,
    /// Ends the thread.
    #[serde(rename = "SCMP_ACT_KILL", alias = "SCMP_ACT_KILL_THREAD")]
    KillThread,
    /// Ends the process.
    #[serde(rename = "SCMP_ACT_KILL_PROCESS")]
    KillProcess,
    /// Runs it and writes a line to the kernel's audit log.
    #[serde(rename = "SCMP_ACT_LOG")]
    Log,
    /// Sends SIGSYS.
    #[serde(rename = "SCMP_ACT_TRAP")]
    Trap,
    /// Asks a tracer.
    #[serde(rename = "SCMP_ACT_TRACE")]
    Trace,
    /// Tells a listener and waits for its answer: of this program's making only, no profile can ask for it.
    #[serde(skip)]
    Notify,
}

/// How an argument is compared, as unsigned 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Compare {
    /// Is it.
    #[serde(rename = "SCMP_CMP_EQ")]
    Equal,
    /// Is not it.
    #[serde(rename = "SCMP_CMP_NE")]
    NotEqual,
    /// Is below.
    #[serde(rename = "SCMP_CMP_LT")]
    Less,
    /// Is below or equal.
    #[serde(rename = "SCMP_CMP_LE")]
    LessOrEqual,
    /// Is above.
    #[serde(rename = "SCMP_CMP_GT")]
    Greater,
    /// Is above or equal.
    #[serde(rename = "SCMP_CMP_GE")]
    GreaterOrEqual,
    /// Masked with `value`, is `value_two`.
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEqual,
}
