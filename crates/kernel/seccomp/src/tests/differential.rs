//! Equal verdicts: policies compiled by us and by libseccomp, asked about every call of every architecture.

use super::oracle::{Made, Oracle, big};
use super::{Numbers, docker, policy, rule};
use crate::{Call, Facts, Kernel, Profile, Program, Reading, Verdict, compile_as};
use tare_spec_oci::{Action, Arch, Arg, Operator, Seccomp, SyscallRule};

/// The architectures that both we and libseccomp 2.5 know.
const ALL: [Arch; 10] = [
    Arch::X86_64,
    Arch::X86,
    Arch::X32,
    Arch::Aarch64,
    Arch::Arm,
    Arch::Riscv64,
    Arch::Ppc64le,
    Arch::Ppc64,
    Arch::S390x,
    Arch::S390,
];

/// Values around which comparisons change, with dirty upper halves.
const VALUES: [u64; 16] = [
    0,
    1,
    7,
    8,
    9,
    12,
    40,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0008,
    0x1_0000_0028,
    0x7e02_0000,
    0x2_0000,
    0x2_0008,
    u64::MAX,
    0x8000_0000_0000_0000,
];

fn numbers() -> impl Iterator<Item = u32> {
    let special = [
        0xf_0001,
        0xf_0002,
        0xf_0003,
        0xf_0004,
        0xf_0005,
        0xf_0006,
        u32::MAX,
        0x3fff_ffff,
        0x7fff_ffff,
    ];
    (0..1024).chain(special).chain((0..1024).map(|n| n | 0x4000_0000))
}

/// Compares on all numbers of an architecture, with some arguments each.
fn compare(ours: &Program, theirs: &Made, on: Arch, seed: &mut Numbers, note: &dyn std::fmt::Debug) {
    for number in numbers() {
        for round in 0..4 {
            let arguments = match round {
                0 => [0; 6],
                _ => std::array::from_fn(|_| match seed.below(4) {
                    0 => seed.next(),
                    1 => seed.next() % 48,
                    _ => seed.pick(&VALUES),
                }),
            };
            same(
                ours,
                theirs,
                &Call::numbered(on, number, arguments).unwrap(),
                note,
            );
        }
    }
}

fn same(ours: &Program, theirs: &Made, call: &Call, note: &dyn std::fmt::Debug) {
    let (expected, _) = theirs.verdict(call);
    assert_eq!(ours.verdict(call), Some(expected), "{call:x?}\n{note:#?}");
}

/// Keeps the calls that libseccomp knows as the kernel does.
fn known(oracle: &Oracle, mut policy: Seccomp) -> Seccomp {
    for rule in &mut policy.syscalls {
        rule.names.retain(|n| oracle.knows(n, &ALL));
    }
    policy.syscalls.retain(|r| !r.names.is_empty());
    policy
}

#[test]
fn docker_default_on_every_architecture() {
    let Some(oracle) = Oracle::open() else { return };
    let mut seed = Numbers(1);
    for native in [Arch::X86_64, Arch::Aarch64, Arch::Riscv64, Arch::Ppc64le] {
        for capabilities in [&[][..], &["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_PERFMON"]] {
            let policy = known(&oracle, docker(capabilities, native));
            let theirs = oracle.make(&policy, native).unwrap();
            let ours = compile_as(&policy, native, Reading::Libseccomp).unwrap();
            for on in ALL.into_iter().filter(|a| big(*a) == big(native)) {
                compare(&ours, &theirs, on, &mut seed, &(native, on));
            }
        }
    }
}

/// Without relatives: calls of x32 kill, -1 is left alone.
#[test]
fn native_alone() {
    let Some(oracle) = Oracle::open() else { return };
    let policy = policy(vec![rule("read", Action::Allow, &[])], &[]);
    for native in ALL.into_iter().filter(|a| *a != Arch::X32) {
        let theirs = oracle.make(&policy, native).unwrap();
        let ours = compile_as(&policy, native, Reading::Libseccomp).unwrap();
        for on in ALL {
            compare(&ours, &theirs, on, &mut Numbers(4), &(native, on));
        }
    }
}

/// Where libseccomp 2.5.4 jumps wrongly in long big-endian programs, short ones are compared.
#[test]
fn big_endian() {
    let Some(oracle) = Oracle::open() else { return };
    let mut rules = vec![rule("read", Action::Allow, &[]), rule("exit", Action::Log, &[])];
    rules.push(rule(
        "ioctl",
        Action::Allow,
        &[(1, Operator::Gt, 0x1_0000_0008, 0)],
    ));
    rules.push(rule(
        "clone",
        Action::Trap,
        &[(1, Operator::MaskedEq, 0x7e02_0000, 0)],
    ));
    rules.push(rule(
        "personality",
        Action::Allow,
        &[(0, Operator::Eq, 0xffff_ffff, 0)],
    ));
    for native in [Arch::S390x, Arch::Ppc64] {
        let policy = policy(rules.clone(), &[Arch::S390x, Arch::S390]);
        let theirs = oracle.make(&policy, native).unwrap();
        let ours = compile_as(&policy, native, Reading::Libseccomp).unwrap();
        for on in ALL {
            compare(&ours, &theirs, on, &mut Numbers(3), &(native, on));
        }
    }
}

#[test]
fn podman_default() {
    let Some(oracle) = Oracle::open() else { return };
    let path = "/usr/share/containers/seccomp.json";
    let Ok(text) = std::fs::read(path) else {
        println!("SKIPPED: need {path} (Debian: golang-github-containers-common) to compare with");
        return;
    };
    for capabilities in [
        vec![],
        vec!["CAP_AUDIT_WRITE".to_owned(), "CAP_SYS_ADMIN".to_owned()],
    ] {
        let facts = Facts {
            capabilities: &capabilities,
            arch: Arch::X86_64,
            kernel: Kernel { major: 6, minor: 1 },
        };
        let policy = known(
            &oracle,
            Profile::parse(&text, path).unwrap().resolve(&facts).unwrap(),
        );
        let theirs = oracle.make(&policy, Arch::X86_64).unwrap();
        let ours = compile_as(&policy, Arch::X86_64, Reading::Libseccomp).unwrap();
        for on in [Arch::X86_64, Arch::X86, Arch::X32] {
            compare(&ours, &theirs, on, &mut Numbers(2), &on);
        }
    }
}

#[test]
fn every_operator_at_every_boundary() {
    let Some(oracle) = Oracle::open() else { return };
    for op in Operator::ALL.iter().copied() {
        for value in VALUES {
            for two in [0, value, 8] {
                let policy = policy(
                    vec![rule("ioctl", Action::Allow, &[(1, op, value, two)])],
                    &[Arch::X86],
                );
                let theirs = oracle.make(&policy, Arch::X86_64).unwrap();
                let ours = compile_as(&policy, Arch::X86_64, Reading::Libseccomp).unwrap();
                for on in [Arch::X86_64, Arch::X86] {
                    for base in VALUES {
                        for argument in [base.wrapping_sub(1), base, base.wrapping_add(1)] {
                            let call = Call::named(on, "ioctl", [9, argument, 9, 9, 9, 9]).unwrap();
                            same(&ours, &theirs, &call, &policy);
                        }
                    }
                }
            }
        }
    }
}

/// The meaning of a policy with one action besides the default, word for word: some rule has only true conditions.
fn allowed(policy: &Seccomp, name: &str, wide: bool, arguments: &[u64; 6]) -> bool {
    let cut = |value: u64| if wide { value } else { value & 0xffff_ffff };
    let holds = |arg: &Arg| {
        let argument = cut(arguments[usize::try_from(arg.index).unwrap()]);
        match arg.op {
            Operator::Ne => argument != cut(arg.value),
            Operator::Lt => argument < cut(arg.value),
            Operator::Le => argument <= cut(arg.value),
            Operator::Eq => argument == cut(arg.value),
            Operator::Ge => argument >= cut(arg.value),
            Operator::Gt => argument > cut(arg.value),
            Operator::MaskedEq => argument & cut(arg.value) == cut(arg.value_two & arg.value),
        }
    };
    policy
        .syscalls
        .iter()
        .any(|r| r.names[0] == name && r.args.iter().all(holds))
}

/// Several conditions and several rules with one action: ours equals the meaning. libseccomp is not asked: 2.5.4 loses
/// rules where an argument is compared in different ways, and does not come back from some of these policies.
#[test]
fn random_policies() {
    let mut seed = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..600 {
        let policy = random(&mut seed);
        let ours = compile_as(&policy, Arch::X86_64, Reading::Libseccomp).unwrap();
        for (on, name) in [Arch::X86_64, Arch::X86, Arch::X32]
            .iter()
            .flat_map(|a| NAMES.map(|n| (*a, n)))
        {
            for arguments in (0..40).map(|_| random_arguments(&mut seed)) {
                let call = Call::named(on, name, arguments).unwrap();
                let expected = allowed(&policy, name, on == Arch::X86_64, &arguments);
                let expected = if expected {
                    Verdict::Allow
                } else {
                    Verdict::Errno(1)
                };
                assert_eq!(ours.verdict(&call), Some(expected), "{call:x?}\n{policy:#?}");
            }
        }
    }
}

const NAMES: [&str; 3] = ["ioctl", "personality", "clone"];

/// A policy with overlapping rules on few calls.
fn random(seed: &mut Numbers) -> Seccomp {
    let count = 1 + seed.below(7);
    policy(
        (0..count).map(|_| random_rule(seed)).collect(),
        &[Arch::X86, Arch::X32],
    )
}

fn random_rule(seed: &mut Numbers) -> SyscallRule {
    let mut args = Vec::new();
    for index in 0..3 {
        if seed.below(2) == 0 {
            args.push((
                index,
                seed.pick(Operator::ALL),
                seed.pick(&VALUES),
                seed.pick(&VALUES),
            ));
        }
    }
    rule(seed.pick(&NAMES), Action::Allow, &args)
}

fn random_arguments(seed: &mut Numbers) -> [u64; 6] {
    std::array::from_fn(|_| match seed.below(3) {
        0 => seed.pick(&VALUES),
        1 => seed.pick(&VALUES).wrapping_add(seed.next() % 3).wrapping_sub(1),
        _ => seed.next() % 16,
    })
}

/// Overlapping rules with different actions, as podman's default has them, and calls that carry others.
#[test]
fn disagreeing_and_carried_rules() {
    let Some(oracle) = Oracle::open() else { return };
    let mut seed = Numbers(77);
    let (mut compared, mut refused) = (0, 0);
    for _ in 0..400 {
        let name = seed.pick(&["socket", "semop", "ioctl"]);
        let mut rules = Vec::new();
        // One "not equal" at most: of several, libseccomp takes another for a set upper half than for a clear one.
        for (action, op) in [
            (Action::Allow, Operator::Ne),
            (Action::Trap, Operator::Eq),
            (Action::Log, Operator::Eq),
        ] {
            rules.push(rule(name, action, &[(0, op, seed.pick(&VALUES), 0)]));
        }
        let policy = policy(rules, &[Arch::X86]);
        let Some(theirs) = oracle.make(&policy, Arch::X86_64) else {
            refused += 1;
            continue;
        };
        let ours = compile_as(&policy, Arch::X86_64, Reading::Libseccomp).unwrap();
        for (on, name) in [Arch::X86_64, Arch::X86]
            .iter()
            .flat_map(|a| [name, "socketcall", "ipc"].map(|n| (*a, n)))
        {
            for arguments in (0..100).map(|_| random_arguments(&mut seed)) {
                if let Some(call) = Call::named(on, name, arguments) {
                    same(&ours, &theirs, &call, &policy);
                }
            }
        }
        compared += 1;
    }
    println!("{compared} policies compared, {refused} refused by libseccomp");
    assert!(compared > 100);
}

#[test]
#[ignore = "prints figures; run it in release"]
fn figures() {
    let Some(oracle) = Oracle::open() else { return };
    let policy = docker(&[], Arch::X86_64);
    let theirs = oracle.make(&policy, Arch::X86_64).unwrap();
    let ours = compile_as(&policy, Arch::X86_64, Reading::Libseccomp).unwrap();
    let shipped = crate::compile(&policy, Arch::X86_64).unwrap();
    let steps = |program: &[crate::Instruction]| {
        let calls = (0..470).map(|n| Call::numbered(Arch::X86_64, n, [0; 6]).unwrap());
        let all: Vec<_> = calls
            .map(|c| crate::interpret::run(program, &c).unwrap().1)
            .collect();
        (all.iter().sum::<usize>() / all.len(), *all.iter().max().unwrap())
    };
    println!(
        "libseccomp: {} instructions, steps mean/max {:?}",
        theirs.instructions.len(),
        steps(&theirs.instructions)
    );
    println!(
        "ours, same reading: {} instructions, steps {:?}",
        ours.instructions().len(),
        steps(ours.instructions())
    );
    println!(
        "ours, shipped: {} instructions, steps {:?}",
        shipped.instructions().len(),
        steps(shipped.instructions())
    );
    let time = |what: &str, work: &dyn Fn()| {
        let mut best = u128::MAX;
        for _ in 0..200 {
            let start = std::time::Instant::now();
            work();
            best = best.min(start.elapsed().as_nanos());
        }
        println!("{what}: {} µs at best", best / 1000);
    };
    time("parse and resolve docker's default", &|| {
        drop(docker(&[], Arch::X86_64))
    });
    time("compile", &|| {
        drop(crate::compile(&policy, Arch::X86_64).unwrap())
    });
    time("libseccomp", &|| drop(oracle.make(&policy, Arch::X86_64)));
}
