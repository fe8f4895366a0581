//! Which system calls are told of when a container is watched without root, and what their arguments mean.
//!
//! The filter stands beside the container's own, which stays as strict as it is: of the answers of several filters the kernel
//! takes the strictest, and to refuse is stricter than to tell. To tell is stricter than SCMP_ACT_TRACE and SCMP_ACT_LOG,
//! though, so that profiles with these are not watched ([`hides`]).

use std::collections::HashMap;

use outcrop_layers::watch::Act;

use super::compile::{ALLOW, ARCHITECTURES, compile};
use super::numbers::number;
use super::{Action, Compare, Condition, Filter, Rule};
use crate::sys::seccomp::Instruction;

/// O_WRONLY, O_RDWR, O_CREAT and O_TRUNC, which are the same on x86 and ARM.
pub(crate) const WRITES: u64 = 0o1 | 0o2 | 0o100 | 0o1000;

/// What a call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// What it does.
    pub(crate) act: Act,
    /// The path that it does it to.
    pub(crate) at: Place,
    /// The other path of a rename or link.
    pub(crate) to: Option<Place>,
    /// Whether the path's last name is followed when it is a symbolic link.
    pub(crate) last: Last,
}

/// Which arguments say where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The descriptor that the path begins at; the working directory when `None`.
    pub(crate) directory: Option<usize>,
    /// The path; the descriptor itself when `None`.
    pub(crate) path: Option<usize>,
}

/// How the last name of a path is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// A symbolic link is followed.
    Followed,
    /// A symbolic link is what is meant.
    Itself,
    /// As the `O_…` flags in this argument say.
    Open(usize),
    /// As `struct open_how` at this argument says, which also says whether it is opened for writing.
    How(usize),
    /// As the `AT_…` flags in this argument say.
    At(usize),
}

const fn path(path: usize) -> Place {
    Place { directory: None, path: Some(path) }
}

const fn at(directory: usize, path: usize) -> Place {
    Place { directory: Some(directory), path: Some(path) }
}

const FILE: Place = Place { directory: Some(0), path: None };

const fn call(act: Act, at: Place, last: Last) -> Call {
    Call { act, at, to: None, last }
}

const fn two(act: Act, at: Place, to: Place) -> Call {
    Call { act, at, to: Some(to), last: Last::Itself }
}

/// All calls that change a file system by a path, or the attributes of an open file. To change the content of an open file needs
/// one of the openings.
static CALLS: &[(&str, Call)] = &[
    ("open", call(Act::Open, path(0), Last::Open(1))),
    ("openat", call(Act::Open, at(0, 1), Last::Open(2))),
    ("openat2", call(Act::Open, at(0, 1), Last::How(2))),
    ("creat", call(Act::Open, path(0), Last::Followed)),
    ("truncate", call(Act::Open, path(0), Last::Followed)),
    ("truncate64", call(Act::Open, path(0), Last::Followed)),
    ("mkdir", call(Act::Make, path(0), Last::Itself)),
    ("mkdirat", call(Act::Make, at(0, 1), Last::Itself)),
    ("mknod", call(Act::Make, path(0), Last::Itself)),
    ("mknodat", call(Act::Make, at(0, 1), Last::Itself)),
    ("symlink", call(Act::Make, path(1), Last::Itself)),
    ("symlinkat", call(Act::Make, at(1, 2), Last::Itself)),
    ("unlink", call(Act::Remove, path(0), Last::Itself)),
    ("unlinkat", call(Act::Remove, at(0, 1), Last::Itself)),
    ("rmdir", call(Act::Remove, path(0), Last::Itself)),
    ("rename", two(Act::Rename, path(0), path(1))),
    ("renameat", two(Act::Rename, at(0, 1), at(2, 3))),
    ("renameat2", two(Act::Rename, at(0, 1), at(2, 3))),
    ("link", two(Act::Link, path(0), path(1))),
    ("linkat", two(Act::Link, at(0, 1), at(2, 3))),
    ("chmod", call(Act::Attributes, path(0), Last::Followed)),
    ("fchmod", call(Act::Attributes, FILE, Last::Itself)),
    ("fchmodat", call(Act::Attributes, at(0, 1), Last::Followed)),
    ("fchmodat2", call(Act::Attributes, at(0, 1), Last::At(3))),
    ("chown", call(Act::Attributes, path(0), Last::Followed)),
    ("chown32", call(Act::Attributes, path(0), Last::Followed)),
    ("lchown", call(Act::Attributes, path(0), Last::Itself)),
    ("lchown32", call(Act::Attributes, path(0), Last::Itself)),
    ("fchown", call(Act::Attributes, FILE, Last::Itself)),
    ("fchown32", call(Act::Attributes, FILE, Last::Itself)),
    ("fchownat", call(Act::Attributes, at(0, 1), Last::At(4))),
    ("utime", call(Act::Attributes, path(0), Last::Followed)),
    ("utimes", call(Act::Attributes, path(0), Last::Followed)),
    ("futimesat", call(Act::Attributes, at(0, 1), Last::Followed)),
    ("utimensat", call(Act::Attributes, at(0, 1), Last::At(3))),
    ("utimensat_time64", call(Act::Attributes, at(0, 1), Last::At(3))),
    ("setxattr", call(Act::Attributes, path(0), Last::Followed)),
    ("lsetxattr", call(Act::Attributes, path(0), Last::Itself)),
    ("fsetxattr", call(Act::Attributes, FILE, Last::Itself)),
    ("setxattrat", call(Act::Attributes, at(0, 1), Last::At(2))),
    ("removexattr", call(Act::Attributes, path(0), Last::Followed)),
    ("lremovexattr", call(Act::Attributes, path(0), Last::Itself)),
    ("fremovexattr", call(Act::Attributes, FILE, Last::Itself)),
    ("removexattrat", call(Act::Attributes, at(0, 1), Last::At(2))),
    ("file_setattr", call(Act::Attributes, at(0, 1), Last::At(4))),
];

/// The program that tells these calls and lets all others be. Openings for reading only are sorted out in the kernel, except
/// those of `openat2`, whose flags are in memory.
pub(crate) fn program() -> Vec<Instruction> {
    let rules = CALLS.iter().flat_map(|(name, call)| {
        let rule = |action, args| Rule { names: vec![(*name).to_owned()], action, errno_ret: None, args };
        let reads = match call.last {
            Last::Open(flags) => {
                let op = Compare::MaskedEqual;
                let none = Condition { index: flags as u32, value: WRITES, value_two: 0, op };
                Some(rule(Action::Allow, vec![none]))
            }
            _ => None,
        };
        reads.into_iter().chain([rule(Action::Notify, Vec::new())])
    });
    let filter = Filter { default_action: Action::Allow, syscalls: rules.collect(), ..Filter::default() };
    let mut program = compile(&filter);
    if let Some(last) = program.last_mut() {
        // What other architectures may do, the container's own filter says.
        last.operand = ALLOW;
    }
    program
}

/// What the calls that are told mean, by `AUDIT_ARCH_…` and number.
pub(crate) fn calls() -> HashMap<(u32, u32), Call> {
    let of = |(name, call): &(&str, Call)| {
        let call = *call;
        ARCHITECTURES.iter().filter_map(|(audit, abi)| Some(((*audit, number(name, *abi)?), call))).collect::<Vec<_>>()
    };
    CALLS.iter().flat_map(of).collect()
}

/// Whether telling would hide what a filter does: the kernel asks no tracer and logs nothing when a call is told.
pub(crate) fn hides(filter: &Filter) -> bool {
    let hidden = |action: Action| matches!(action, Action::Trace | Action::Log);
    hidden(filter.default_action) || filter.syscalls.iter().any(|rule| hidden(rule.action))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::Profile;
    use super::super::compile::tests::run;
    use super::super::numbers::Abi;
    use super::*;

    const NOTIFY: u32 = 0x7FC0_0000;

    #[test]
    fn only_what_writes_is_told() {
        let program = program();
        let told = |name: &str, args| {
            ARCHITECTURES
                .iter()
                .filter_map(|(audit, abi)| Some(run(&program, *audit, number(name, *abi)?, args)))
                .filter(|_| cfg!(target_arch = "x86_64"))
                .inspect(|answer| assert!([NOTIFY, ALLOW].contains(answer), "{name}: {answer:#x}"))
                .map(|answer| answer == NOTIFY)
                .collect::<Vec<_>>()
        };
        let flags = |at: usize, flags: u64| {
            let mut args = [0xffff_ff9c, 0x1000, 0, 0, 0, 0];
            args[at] = flags;
            args
        };
        for (name, args, want) in [
            ("openat", flags(2, 0), false),
            ("openat", flags(2, 0o2_200_000), false),
            ("openat", flags(2, 0o1), true),
            ("openat", flags(2, 0o2), true),
            ("openat", flags(2, 0o100), true),
            ("openat", flags(2, 0o1000), true),
            ("open", flags(1, 0o4000), false),
            ("open", flags(1, 0o2002), true),
            ("openat2", [0; 6], true),
            ("unlinkat", [0; 6], true),
            ("fchmod", [0; 6], true),
            ("read", [0; 6], false),
            ("execve", [0; 6], false),
            ("sendmsg", [0; 6], false),
        ] {
            let answers = told(name, args);
            assert!(answers.iter().all(|told| *told == want), "{name} {args:?}: {answers:?}");
        }
        assert_eq!(run(&program, 0xC000_0028, 1, [0; 6]), ALLOW, "another architecture");
    }

    #[test]
    fn every_name_is_a_call() {
        for (name, _) in CALLS {
            assert!([Abi::Amd64, Abi::I386, Abi::Arm64].iter().any(|abi| number(name, *abi).is_some()), "{name}");
        }
        assert!(calls().len() >= CALLS.len());
    }

    #[test]
    fn traced_and_logged_calls_are_not_hidden() {
        let of = |text: &str| Profile::parse(text).expect("a profile").resolve(&BTreeSet::default(), (6, 1));
        assert!(!hides(&Profile::standard().resolve(&BTreeSet::default(), (6, 1))));
        assert!(hides(&of(r#"{"defaultAction":"SCMP_ACT_LOG"}"#)));
        let rule = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["open"],"action":"SCMP_ACT_TRACE"}]}"#;
        assert!(hides(&of(rule)));
        assert!(Profile::parse(r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#).is_err(), "a profile cannot ask for it");
    }
}
