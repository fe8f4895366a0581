//! A filter as a BPF program: one for each architecture's numbers, each a binary search by number.

use std::collections::BTreeMap;

use super::numbers::{Abi, number};
use super::{Action, Compare, Condition, Filter, Rule};
use crate::sys::seccomp::Instruction;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const ABOVE: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

const AUDIT_AMD64: u32 = 0xC000_003E;
const AUDIT_I386: u32 = 0x4000_0003;
const AUDIT_ARM64: u32 = 0xC000_00B7;
/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

const KILL_PROCESS: u32 = 0x8000_0000;
/// The answer that runs a call.
pub(super) const ALLOW: u32 = 0x7FFF_0000;

/// The architectures of programs that this machine runs, by their numbers in the kernel's audit log.
pub(super) const ARCHITECTURES: &[(u32, Abi)] = if cfg!(target_arch = "aarch64") {
    &[(AUDIT_ARM64, Abi::Arm64)]
} else {
    &[(AUDIT_AMD64, Abi::Amd64), (AUDIT_I386, Abi::I386)]
};

/// Marks a jump to the next rule, filled in when the rule's length is known.
const NEXT: u8 = u8::MAX;

/// Compiles `filter` for this machine's programs. System calls that this table does not know are left to the default
/// action, as libseccomp leaves out what its own table does not know.
pub(crate) fn compile(filter: &Filter) -> Vec<Instruction> {
    let wants_32 = filter.architectures.is_empty() || filter.architectures.iter().any(|a| a == "SCMP_ARCH_X86");
    let mut programs = if cfg!(target_arch = "aarch64") {
        vec![(AUDIT_ARM64, body(filter, Abi::Arm64))]
    } else {
        vec![(AUDIT_AMD64, body(filter, Abi::Amd64))]
    };
    if cfg!(target_arch = "x86_64") && wants_32 {
        programs.push((AUDIT_I386, body(filter, Abi::I386)));
    }
    let mut out = vec![statement(LOAD, ARCHITECTURE)];
    for (architecture, program) in programs {
        out.push(branch(EQUAL, architecture, 1, 0));
        out.push(statement(JUMP, program.len() as u32));
        out.extend(program);
    }
    out.push(statement(RETURN, KILL_PROCESS));
    out
}

/// What to do for one system call number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leaf<'a> {
    conditional: Vec<(&'a [Condition], u32)>,
    otherwise: u32,
}

fn body(filter: &Filter, abi: Abi) -> Vec<Instruction> {
    let default = value(filter.default_action, filter.default_errno_ret);
    let mut by_number: BTreeMap<u32, Leaf<'_>> = BTreeMap::new();
    for rule in &filter.syscalls {
        for name in &rule.names {
            let Some(number) = number(name, abi) else { continue };
            add(by_number.entry(number).or_insert_with(|| Leaf { conditional: Vec::new(), otherwise: default }), rule);
        }
    }
    // Ranges of numbers with the same answer: where each begins.
    let nothing = Leaf { conditional: Vec::new(), otherwise: default };
    let mut ranges: Vec<(u32, Leaf<'_>)> = vec![(0, nothing.clone())];
    let mut next = 0;
    for (number, leaf) in by_number {
        if number > next {
            push_range(&mut ranges, next, &nothing);
        }
        push_range(&mut ranges, number, &leaf);
        next = number + 1;
    }
    push_range(&mut ranges, next, &nothing);
    let mut out = vec![statement(LOAD, NUMBER)];
    search(&ranges, &mut out);
    out
}

fn push_range<'a>(ranges: &mut Vec<(u32, Leaf<'a>)>, start: u32, leaf: &Leaf<'a>) {
    match ranges.last_mut() {
        Some((_, last)) if last == leaf => {}
        Some((first, last)) if *first == start => *last = leaf.clone(),
        _ => ranges.push((start, leaf.clone())),
    }
}

fn add<'a>(leaf: &mut Leaf<'a>, rule: &'a Rule) {
    let result = value(rule.action, rule.errno_ret);
    if rule.args.is_empty() {
        leaf.otherwise = result;
    } else {
        leaf.conditional.push((&rule.args, result));
    }
}

/// Emits a binary search over `ranges`; the accumulator holds the number.
fn search(ranges: &[(u32, Leaf<'_>)], out: &mut Vec<Instruction>) {
    let [(_, leaf)] = ranges else {
        let middle = ranges.len() / 2;
        let mut low = Vec::new();
        search(&ranges[..middle], &mut low);
        out.push(branch(AT_LEAST, ranges[middle].0, 0, 1));
        out.push(statement(JUMP, low.len() as u32));
        out.append(&mut low);
        return search(&ranges[middle..], out);
    };
    for (conditions, result) in &leaf.conditional {
        let mut rule: Vec<Instruction> = conditions.iter().flat_map(condition).collect();
        rule.push(statement(RETURN, *result));
        let length = rule.len();
        for (at, instruction) in rule.iter_mut().enumerate() {
            let distance = (length - at - 1) as u8;
            for jump in [&mut instruction.on_true, &mut instruction.on_false] {
                if *jump == NEXT {
                    *jump = distance;
                }
            }
        }
        out.append(&mut rule);
    }
    out.push(statement(RETURN, leaf.otherwise));
}

/// Falls through when the condition holds and jumps to the next rule when not. Arguments are two little-endian words.
fn condition(c: &Condition) -> Vec<Instruction> {
    let low = statement(LOAD, ARGUMENTS + 8 * c.index);
    let high = statement(LOAD, ARGUMENTS + 8 * c.index + 4);
    let (value_high, value_low) = ((c.value >> 32) as u32, c.value as u32);
    match c.op {
        Compare::Equal => {
            vec![high, branch(EQUAL, value_high, 0, NEXT), low, branch(EQUAL, value_low, 0, NEXT)]
        }
        Compare::NotEqual => {
            vec![high, branch(EQUAL, value_high, 0, 2), low, branch(EQUAL, value_low, NEXT, 0)]
        }
        Compare::Greater | Compare::GreaterOrEqual => {
            let last = if c.op == Compare::Greater { ABOVE } else { AT_LEAST };
            let equal_high = branch(EQUAL, value_high, 0, NEXT);
            vec![high, branch(ABOVE, value_high, 3, 0), equal_high, low, branch(last, value_low, 0, NEXT)]
        }
        Compare::Less | Compare::LessOrEqual => {
            let last = if c.op == Compare::Less { AT_LEAST } else { ABOVE };
            let equal_high = branch(EQUAL, value_high, 0, 2);
            vec![high, branch(ABOVE, value_high, NEXT, 0), equal_high, low, branch(last, value_low, NEXT, 0)]
        }
        Compare::MaskedEqual => {
            let (want_high, want_low) = ((c.value_two >> 32) as u32, c.value_two as u32);
            vec![
                high,
                statement(AND, value_high),
                branch(EQUAL, want_high, 0, NEXT),
                low,
                statement(AND, value_low),
                branch(EQUAL, want_low, 0, NEXT),
            ]
        }
    }
}

/// The value that a filter returns to the kernel (`linux/seccomp.h`).
fn value(action: Action, errno: Option<u32>) -> u32 {
    let data = errno.unwrap_or(1) & 0xFFFF;
    match action {
        Action::Allow => ALLOW,
        Action::Log => 0x7FFC_0000,
        Action::Trace => 0x7FF0_0000 | data,
        Action::Notify => 0x7FC0_0000,
        Action::Errno => 0x0005_0000 | data,
        Action::Trap => 0x0003_0000,
        Action::KillThread => 0,
        Action::KillProcess => KILL_PROCESS,
    }
}

const fn statement(code: u16, operand: u32) -> Instruction {
    Instruction { code, on_true: 0, on_false: 0, operand }
}

const fn branch(code: u16, operand: u32, on_true: u8, on_false: u8) -> Instruction {
    Instruction { code, on_true, on_false, operand }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use super::super::Profile;
    use super::*;

    const EPERM: u32 = 0x0005_0001;

    /// Interprets a program as the kernel does.
    pub(in super::super) fn run(program: &[Instruction], architecture: u32, number: u32, args: [u64; 6]) -> u32 {
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let i = program[at];
            at += 1;
            let mut jump = |taken: bool| at += usize::from(if taken { i.on_true } else { i.on_false });
            match i.code {
                LOAD => {
                    accumulator = match i.operand {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        at => {
                            let at = at - ARGUMENTS;
                            let word = args[(at / 8) as usize];
                            if at.is_multiple_of(8) { word as u32 } else { (word >> 32) as u32 }
                        }
                    }
                }
                AND => accumulator &= i.operand,
                JUMP => at += i.operand as usize,
                EQUAL => jump(accumulator == i.operand),
                ABOVE => jump(accumulator > i.operand),
                AT_LEAST => jump(accumulator >= i.operand),
                RETURN => return i.operand,
                other => panic!("unknown instruction {other:#x}"),
            }
        }
    }

    fn standard() -> Vec<Instruction> {
        compile(&Profile::standard().resolve(&BTreeSet::new(), (6, 1)))
    }

    fn amd64(name: &str, args: [u64; 6]) -> u32 {
        run(&standard(), AUDIT_AMD64, number(name, Abi::Amd64).expect(name), args)
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_default_profile_decides_as_docker() {
        let none = [0; 6];
        for name in ["read", "execve", "ptrace", "openat2", "getxattrat", "arch_prctl", "statmount"] {
            assert_eq!(amd64(name, none), ALLOW, "{name}");
        }
        for name in ["mount", "unshare", "setns", "bpf", "keyctl", "add_key", "io_uring_setup", "userfaultfd", "reboot"]
        {
            assert_eq!(amd64(name, none), EPERM, "{name}");
        }
        assert_eq!(amd64("clone3", none), 0x0005_0026);
        assert_eq!(amd64("clone", [0x0120_0011, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(amd64("clone", [0x1000_0000, 0, 0, 0, 0, 0]), EPERM);
        assert_eq!(amd64("clone", [1 << 40, 0, 0, 0, 0, 0]), ALLOW);
        for (family, result) in
            [(1, ALLOW), (2, ALLOW), (11, ALLOW), (12, EPERM), (16, ALLOW), (38, EPERM), (40, EPERM)]
        {
            assert_eq!(amd64("socket", [family, 0, 0, 0, 0, 0]), result, "family {family}");
        }
        assert_eq!(amd64("personality", [0xffff_ffff, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(amd64("personality", [4, 0, 0, 0, 0, 0]), EPERM);
        assert_eq!(run(&standard(), AUDIT_I386, 120, [0x1000_0000, 0, 0, 0, 0, 0]), EPERM);
        assert_eq!(run(&standard(), AUDIT_I386, 4, none), ALLOW);
        assert_eq!(run(&standard(), AUDIT_AMD64, 0x4000_0000, none), EPERM);
        assert_eq!(run(&standard(), AUDIT_ARM64, 0, none), KILL_PROCESS);
    }

    #[test]
    fn every_comparison() {
        let big = 5 << 32 | 7;
        for (op, value, value_two, hits, misses) in [
            (Compare::Equal, big, 0, vec![big], vec![7, 5 << 32, big + 1]),
            (Compare::NotEqual, big, 0, vec![7, 5 << 32, 0], vec![big]),
            (Compare::Less, big, 0, vec![0, 6, 5 << 32 | 6, 4 << 32 | 9], vec![big, big + 1, 6 << 32]),
            (Compare::LessOrEqual, big, 0, vec![0, big, 4 << 32 | 9], vec![big + 1, 6 << 32]),
            (Compare::Greater, big, 0, vec![big + 1, 6 << 32], vec![big, 0, 5 << 32]),
            (Compare::GreaterOrEqual, big, 0, vec![big, 6 << 32], vec![big - 1, 4 << 32 | 9]),
            (Compare::MaskedEqual, 0xF0, 0x20, vec![0x2F, 0xF2F], vec![0x10, 0]),
        ] {
            let rule = Rule {
                names: vec!["read".into()],
                action: Action::Allow,
                errno_ret: None,
                args: vec![Condition { index: 1, value, value_two, op }],
            };
            let architectures = vec!["SCMP_ARCH_X86_64".into()];
            let program = compile(&Filter { syscalls: vec![rule], architectures, ..Filter::default() });
            let native = if cfg!(target_arch = "aarch64") { (AUDIT_ARM64, 63) } else { (AUDIT_AMD64, 0) };
            for (list, result) in [(hits, ALLOW), (misses, EPERM)] {
                for argument in list {
                    let got = run(&program, native.0, native.1, [0, argument, 0, 0, 0, 0]);
                    assert_eq!(got, result, "{op:?} {argument:#x}");
                }
            }
        }
    }

    #[test]
    fn programs_fit_the_kernel() {
        // BPF_MAXINSNS of linux/bpf_common.h.
        let length = standard().len();
        assert!(length < 4096, "{length} instructions");
    }
}
