//! Rules of programs that are not libseccomp's: argument widths, carriers, limits, flags, and long jumps.

use super::{Numbers, ask, docker, policy, rule};
use crate::{Reading, Verdict, compile, compile_as, exercise};
use tare_error::Kind;
use tare_spec_oci::{Action, Arch, FilterFlag, Operator, Seccomp};

/// A rule on an `int` argument must hold whatever the upper half of the register is: the kernel does not look at it
/// (the class of CVE-2026-123876, where a set bit there made a forbidden address family pass).
#[test]
fn upper_halves_do_not_bypass_rules_on_ints() {
    let table = [
        ("socket", 0, Operator::Ne, 40),
        ("socket", 0, Operator::Gt, 40),
        ("socket", 2, Operator::Ge, 41),
        ("socketpair", 1, Operator::Ne, 40),
        ("personality", 0, Operator::Ne, 40),
        ("ioctl", 1, Operator::Ne, 40),
        ("prctl", 0, Operator::Ne, 40),
        ("setns", 1, Operator::Ne, 40),
        ("seccomp", 0, Operator::Ne, 40),
        ("keyctl", 0, Operator::Ne, 40),
        ("bpf", 0, Operator::Ne, 40),
        ("fcntl", 1, Operator::Ne, 40),
    ];
    for (name, index, op, value) in table {
        let policy = policy(
            vec![rule(name, Action::Allow, &[(index, op, value, 0)])],
            &[Arch::X86],
        );
        let program = compile(&policy, Arch::X86_64).unwrap();
        let theirs = compile_as(&policy, Arch::X86_64, Reading::Libseccomp).unwrap();
        for upper in [0, 1 << 32, 1 << 63, 0xffff_ffff_0000_0000] {
            let mut arguments = [0; 6];
            arguments[usize::try_from(index).unwrap()] = upper | 40;
            assert_eq!(
                ask(&program, Arch::X86_64, name, &arguments),
                Verdict::Errno(1),
                "{name} {upper:x}"
            );
            let bypassed = if upper == 0 {
                Verdict::Errno(1)
            } else {
                Verdict::Allow
            };
            assert_eq!(
                ask(&theirs, Arch::X86_64, name, &arguments),
                bypassed,
                "{name} {upper:x}"
            );
            arguments[usize::try_from(index).unwrap()] = upper | 41;
            assert_eq!(
                ask(&program, Arch::X86_64, name, &arguments),
                Verdict::Allow,
                "{name} {upper:x}"
            );
        }
        assert_eq!(ask(&program, Arch::X86, name, &[40; 6]), Verdict::Errno(1));
    }
}

/// An argument that is a `long` of the call is compared whole.
#[test]
fn long_arguments_are_compared_whole() {
    let policy = policy(
        vec![rule("mmap", Action::Allow, &[(1, Operator::Eq, 40, 0)])],
        &[],
    );
    let program = compile(&policy, Arch::X86_64).unwrap();
    assert_eq!(ask(&program, Arch::X86_64, "mmap", &[0, 40]), Verdict::Allow);
    assert_eq!(
        ask(&program, Arch::X86_64, "mmap", &[0, 40 | 1 << 32]),
        Verdict::Errno(1)
    );
}

#[test]
fn what_a_condition_allows_does_not_pass_through_socketcall() {
    let conditional = policy(
        vec![rule("socket", Action::Allow, &[(0, Operator::Eq, 2, 0)])],
        &[Arch::X86],
    );
    let plain = policy(vec![rule("socket", Action::Allow, &[])], &[Arch::X86]);
    let mut refusing = policy(
        vec![rule("socket", Action::Errno, &[(0, Operator::Eq, 40, 0)])],
        &[Arch::X86],
    );
    refusing.default_action = Action::Allow;
    let through = |policy: &Seccomp, reading| {
        let program = compile_as(policy, Arch::X86_64, reading).unwrap();
        ask(&program, Arch::X86, "socketcall", &[1])
    };
    assert_eq!(through(&conditional, Reading::Libseccomp), Verdict::Allow);
    assert_eq!(through(&conditional, Reading::Kernel), Verdict::Errno(1));
    assert_eq!(through(&plain, Reading::Kernel), Verdict::Allow);
    assert_eq!(through(&refusing, Reading::Kernel), Verdict::Errno(1));
}

#[test]
fn the_first_unconditional_rule_wins() {
    let rules = vec![
        rule("read", Action::Trap, &[(0, Operator::Eq, 1, 0)]),
        rule("read", Action::Allow, &[]),
        rule("read", Action::Log, &[]),
    ];
    let program = compile(&policy(rules, &[]), Arch::X86_64).unwrap();
    assert_eq!(ask(&program, Arch::X86_64, "read", &[1]), Verdict::Allow);
}

#[test]
fn two_conditions_on_one_argument_are_alternatives() {
    let args = [
        (0, Operator::Eq, 1, 0),
        (0, Operator::Eq, 2, 0),
        (1, Operator::Eq, 3, 0),
    ];
    let program = compile(
        &policy(vec![rule("ioctl", Action::Allow, &args)], &[]),
        Arch::X86_64,
    )
    .unwrap();
    for allowed in [[1, 0], [2, 0], [9, 3]] {
        assert_eq!(ask(&program, Arch::X86_64, "ioctl", &allowed), Verdict::Allow);
    }
    assert_eq!(ask(&program, Arch::X86_64, "ioctl", &[3, 1]), Verdict::Errno(1));
}

/// Jumps over more than 255 instructions: many rules on one call between others, every value asked for.
#[test]
fn long_jumps_arrive() {
    let mut seed = Numbers(9);
    let mut rules = vec![
        rule("read", Action::Allow, &[]),
        rule("exit_group", Action::Log, &[]),
    ];
    for value in 0..300 {
        // Two arguments, so that no search over ranges shortens it; scattered actions, so that ends are far.
        let action = seed.pick(&[Action::Allow, Action::Trap, Action::Log, Action::KillProcess]);
        let conditions = [(0, Operator::Eq, value * 3, 0), (1, Operator::Gt, value << 33, 0)];
        rules.push(rule("mmap", action, &conditions));
    }
    let program = compile(&policy(rules.clone(), &[Arch::X86, Arch::X32]), Arch::X86_64).unwrap();
    assert!(program.instructions().len() > 2 * 255);
    for (value, rule) in (0..300).zip(&rules[2..]) {
        let expected = Verdict::of(rule.action, None, "").unwrap();
        assert_eq!(
            ask(&program, Arch::X86_64, "mmap", &[value * 3, (value << 33) + 1]),
            expected
        );
        assert_eq!(
            ask(&program, Arch::X86_64, "mmap", &[value * 3, value << 33]),
            Verdict::Errno(1)
        );
        assert_eq!(
            ask(&program, Arch::X86_64, "mmap", &[value * 3 + 1, u64::MAX]),
            Verdict::Errno(1)
        );
    }
    assert_eq!(ask(&program, Arch::X86_64, "read", &[]), Verdict::Allow);
    assert_eq!(ask(&program, Arch::X32, "exit_group", &[]), Verdict::Log);
}

#[test]
fn a_policy_too_long_for_the_kernel_is_refused() {
    let conditions = |v: u64| {
        [
            (0, Operator::Gt, v << 32 | v, 0),
            (1, Operator::Gt, v << 32 | v, 0),
        ]
    };
    let rules = (1..1000)
        .map(|v| rule("mmap", Action::Allow, &conditions(v)))
        .collect();
    let e = compile(&policy(rules, &[]), Arch::X86_64).unwrap_err();
    assert_eq!(e.kind(), Kind::Exhausted);
    assert!(e.to_string().contains("the kernel takes at most 4096"), "{e}");
}

#[test]
fn refusals() {
    let table: [(&str, Seccomp, &str); 6] = [
        (
            "notify by default",
            Seccomp {
                default_action: Action::Notify,
                ..Seccomp::default()
            },
            "defaultAction: SCMP_ACT_NOTIFY cannot be the default action",
        ),
        (
            "notify write",
            policy(vec![rule("write", Action::Notify, &[])], &[]),
            "syscalls[0]: SCMP_ACT_NOTIFY cannot be used for the write syscall",
        ),
        (
            "notify sendmsg",
            policy(vec![rule("sendmsg", Action::Notify, &[])], &[]),
            "syscalls[0]: SCMP_ACT_NOTIFY cannot be used for the sendmsg syscall",
        ),
        (
            "argument 6",
            policy(vec![rule("read", Action::Allow, &[(6, Operator::Eq, 0, 0)])], &[]),
            "syscalls[0]: argument 6 does not exist",
        ),
        (
            "empty name",
            policy(vec![rule("", Action::Allow, &[])], &[]),
            "syscalls[0]: a system call without a name",
        ),
        (
            "error number",
            Seccomp {
                default_errno_ret: Some(70_000),
                ..Seccomp::default()
            },
            "defaultAction: error number 70000 is out of range",
        ),
    ];
    for (what, policy, why) in table {
        let e = compile(&policy, Arch::X86_64).unwrap_err();
        assert_eq!(e.to_string(), format!("compile seccomp profile {why}"), "{what}");
    }
    let e = compile(&Seccomp::default(), Arch::M68k).unwrap_err();
    assert!(
        e.to_string()
            .starts_with("compile seccomp filter for SCMP_ARCH_M68K: no table"),
        "{e}"
    );
    assert!(e.to_string().contains("SCMP_ARCH_RISCV64"), "{e}");
}

#[test]
fn unknown_calls_and_foreign_architectures_are_reported() {
    let rules = vec![
        rule("zz_new", Action::Allow, &[]),
        rule("aa_new", Action::Errno, &[]),
    ];
    let program = compile(&policy(rules, &[Arch::M68k, Arch::S390x]), Arch::X86_64).unwrap();
    assert_eq!(program.unknown, ["aa_new", "zz_new"]);
    assert_eq!(program.skipped, [Arch::M68k, Arch::S390x]);
}

#[test]
fn flags_follow_the_rules() {
    let bits = |flags: &[FilterFlag], action| {
        let mut policy = policy(vec![rule("mkdir", action, &[])], &[]);
        policy.flags = Some(flags.to_vec());
        compile(&policy, Arch::X86_64).unwrap().flags.bits()
    };
    let (tsync, log, spec, listener, esrch, killable) = (1, 2, 4, 8, 16, 32);
    assert_eq!(bits(&[], Action::Allow), 0);
    let without_a_word = policy(vec![rule("mkdir", Action::Allow, &[])], &[]);
    assert_eq!(compile(&without_a_word, Arch::X86_64).unwrap().flags.bits(), spec);
    assert_eq!(
        bits(&[FilterFlag::Log, FilterFlag::SpecAllow], Action::Allow),
        log | spec
    );
    assert_eq!(bits(&[FilterFlag::Tsync], Action::Allow), tsync);
    assert_eq!(
        bits(&[FilterFlag::Tsync], Action::Notify),
        tsync | listener | esrch
    );
    assert_eq!(bits(&[FilterFlag::WaitKillableRecv], Action::Allow), 0);
    assert_eq!(
        bits(&[FilterFlag::WaitKillableRecv], Action::Notify),
        listener | killable
    );
}

/// Bytes that are almost a profile, as a fuzzer makes them: an error or a program, and never a panic.
#[test]
fn mangled_profiles_are_harmless() {
    let whole = include_bytes!("../../data/docker.json");
    assert!(exercise(whole).is_some_and(|longest| longest < 700));
    let mut seed = Numbers(11);
    for _ in 0..300 {
        let mut bytes = whole.to_vec();
        for _ in 0..=seed.below(4) {
            let at = seed.below(bytes.len());
            bytes[at] = u8::try_from(seed.below(256)).unwrap();
        }
        bytes.truncate(seed.below(bytes.len()).max(bytes.len() / 2 * seed.below(3)));
        exercise(&bytes);
    }
}

/// A program that was compiled before is loaded without being compiled again, as long as the compiler is the same one.
#[test]
fn whoever_changes_what_is_compiled_raises_the_revision() {
    // FNV-1a.
    let digest = |bytes: &[u8]| {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    let made = [Arch::X86_64, Arch::Aarch64].map(|arch| {
        let program = crate::compile(&docker(&["CAP_SYS_ADMIN"], arch), arch).unwrap();
        digest(program.as_bytes())
    });
    assert_eq!(
        (crate::REVISION, made),
        (2, [11767638614303964706, 8291016839577501393]),
        "raise REVISION and take these values over"
    );
}
