//! What docker documents of its default profile and of its format.

use super::{Numbers, ask, docker, resolve};
use crate::{Facts, Kernel, Profile, Verdict, compile};
use tare_spec_oci::{Action, Arch};

/// Calls that docker's documentation lists as blocked ("Significant syscalls blocked by the default profile").
const BLOCKED: [&str; 35] = [
    "acct",
    "add_key",
    "bpf",
    "clock_settime",
    "create_module",
    "delete_module",
    "finit_module",
    "get_mempolicy",
    "init_module",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "mbind",
    "mount",
    "move_pages",
    "nfsservctl",
    "open_by_handle_at",
    "perf_event_open",
    "pivot_root",
    "quotactl",
    "reboot",
    "request_key",
    "set_mempolicy",
    "setns",
    "settimeofday",
    "swapon",
    "swapoff",
    "sysfs",
    "umount2",
    "unshare",
    "uselib",
    "userfaultfd",
];

#[test]
fn blocked_calls_fail_and_ordinary_ones_pass() {
    let program = compile(&docker(&[], Arch::X86_64), Arch::X86_64).unwrap();
    for name in BLOCKED {
        assert_eq!(
            ask(&program, Arch::X86_64, name, &[]),
            Verdict::Errno(1),
            "{name}"
        );
    }
    for name in [
        "read",
        "execve",
        "openat",
        "exit_group",
        "futex",
        "mprotect",
        "ptrace",
        "statx",
        "landlock_restrict_self",
    ] {
        assert_eq!(ask(&program, Arch::X86_64, name, &[]), Verdict::Allow, "{name}");
    }
    assert!(program.unknown.is_empty(), "{:?}", program.unknown);
}

#[test]
fn arguments_decide() {
    let program = compile(&docker(&[], Arch::X86_64), Arch::X86_64).unwrap();
    let ask = |name, argument| ask(&program, Arch::X86_64, name, &[argument]);
    for fine in [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff] {
        assert_eq!(ask("personality", fine), Verdict::Allow);
    }
    for bad in [1, 0x0004_0000, 9] {
        assert_eq!(ask("personality", bad), Verdict::Errno(1));
    }
    assert_eq!(ask("clone", 0x0120_0011), Verdict::Allow);
    for namespace in [
        0x2_0000,
        0x200_0000,
        0x400_0000,
        0x800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000,
    ] {
        assert_eq!(ask("clone", namespace | 17), Verdict::Errno(1));
    }
    assert_eq!(ask("clone3", 0), Verdict::Errno(38));
    for family in 0..50 {
        let refused = [12, 19, 20, 23, 25, 34, 37, 38, 40].contains(&family) || family > 45;
        let expected = if refused {
            Verdict::Errno(1)
        } else {
            Verdict::Allow
        };
        assert_eq!(ask("socket", family), expected, "{family}");
        assert_eq!(
            ask("socket", family | 0x5_0000_0000),
            expected,
            "{family} with a dirty upper half"
        );
    }
}

#[test]
fn capabilities_architecture_and_kernel_decide() {
    let facts = |capabilities, arch, kernel| (Vec::from([String::from(capabilities)]), arch, kernel);
    let names = |(capabilities, arch, kernel): &(Vec<String>, Arch, Kernel)| -> Vec<(String, Action, usize)> {
        let policy = crate::default_profile(&Facts {
            capabilities,
            arch: *arch,
            kernel: *kernel,
        });
        let rules = policy.unwrap().syscalls.into_iter().skip(1);
        rules
            .flat_map(|r| r.names.into_iter().map(move |n| (n, r.action, r.args.len())))
            .collect()
    };
    let new = Kernel { major: 6, minor: 1 };
    let plain = names(&facts("CAP_CHOWN", Arch::X86_64, new));
    let admin = names(&facts("CAP_SYS_ADMIN", Arch::X86_64, new));
    let old = names(&facts("CAP_CHOWN", Arch::X86_64, Kernel { major: 4, minor: 7 }));
    let s390 = names(&facts("CAP_CHOWN", Arch::S390x, new));
    let has = |of: &[(String, Action, usize)], name: &str| of.iter().filter(|r| r.0 == name).count();
    assert_eq!((has(&plain, "mount"), has(&admin, "mount")), (0, 1));
    assert_eq!((has(&plain, "ptrace"), has(&old, "ptrace")), (1, 0));
    assert_eq!((has(&plain, "modify_ldt"), has(&s390, "modify_ldt")), (1, 0));
    assert!(
        plain.contains(&("clone3".into(), Action::Errno, 0))
            && !admin.contains(&("clone3".into(), Action::Errno, 0))
    );
    assert!(
        plain.contains(&("clone".into(), Action::Allow, 1))
            && admin.contains(&("clone".into(), Action::Allow, 0))
    );
    let s390 = docker(&[], Arch::S390x);
    assert_eq!(
        s390.syscalls.iter().find(|r| r.names == ["clone"]).unwrap().args[0].index,
        1
    );
    assert_eq!(s390.architectures, [Arch::S390x, Arch::S390]);
    assert_eq!(docker(&[], Arch::Ppc64le).architectures, []);
}

#[test]
fn calls_newer_than_the_policy_do_not_exist() {
    let policy = docker(&[], Arch::X86_64);
    let program = compile(&policy, Arch::X86_64).unwrap();
    let at = |arch, number| {
        program
            .verdict(&crate::Call::numbered(arch, number, [0; 6]).unwrap())
            .unwrap()
    };
    // mseal is the newest call the profile names; the numbers from 387 to 423 were never given out.
    assert_eq!(at(Arch::X86_64, 467), Verdict::Errno(38));
    assert_eq!(at(Arch::X86_64, 400), Verdict::Errno(1));
    assert_eq!(at(Arch::X86, 480), Verdict::Errno(38));
    assert_eq!(at(Arch::X32, 0x4000_0000 | 999), Verdict::Errno(38));
    assert_eq!(at(Arch::X86_64, 0x3fff_ffff), Verdict::Errno(38));
    assert_eq!(at(Arch::Aarch64, 63), Verdict::KillThread);
}

#[test]
fn every_architecture_compiles_and_answers() {
    let mut seed = Numbers(5);
    for arch in [
        Arch::X86_64,
        Arch::Aarch64,
        Arch::Riscv64,
        Arch::Loongarch64,
        Arch::Ppc64le,
        Arch::Ppc64,
        Arch::S390x,
    ] {
        let policy = docker(&[], arch);
        let program = compile(&policy, arch).unwrap();
        assert!(
            program.instructions().len() < 700,
            "{arch}: {}",
            program.instructions().len()
        );
        for on in [arch].iter().chain(&policy.architectures) {
            assert_eq!(ask(&program, *on, "read", &[seed.next()]), Verdict::Allow);
            assert_eq!(ask(&program, *on, "mount", &[seed.next()]), Verdict::Errno(1));
            let flags = if arch == Arch::S390x {
                [0, 0x2_0000]
            } else {
                [0x2_0000, 0]
            };
            assert_eq!(ask(&program, *on, "clone", &flags), Verdict::Errno(1), "{on}");
            assert_eq!(ask(&program, *on, "clone", &[17, 17]), Verdict::Allow, "{on}");
        }
    }
}

#[test]
fn both_formats_are_read() {
    let oci = r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":2,"architectures":["SCMP_ARCH_X86"],
        "flags":["SECCOMP_FILTER_FLAG_LOG"],"syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}"#;
    let policy = resolve(oci).unwrap();
    assert_eq!(
        (policy.default_errno_ret, &policy.architectures[..]),
        (Some(2), &[Arch::X86][..])
    );
    assert_eq!(compile(&policy, Arch::X86_64).unwrap().flags.bits(), 2);
    let old = r#"{"defaultAction":"SCMP_ACT_ALLOW","archMap":null,"syscalls":[{"name":"read","action":"SCMP_ACT_KILL",
        "args":null,"comment":"","includes":{},"excludes":{"minKernel":""}}]}"#;
    assert_eq!(resolve(old).unwrap().syscalls[0].names, ["read"]);
}

#[test]
fn bad_profiles_are_named_in_one_sentence() {
    let table = [
        ("{", "line 1, column 1: EOF while parsing an object"),
        ("{}", "line 1, column 2: missing field `defaultAction`"),
        (
            r#"{"defaultAction":"SCMP_ACT_ALOW"}"#,
            "line 1, column 32: unknown variant `SCMP_ACT_ALOW`, expected one of `SCMP_ACT_KILL`, `SCMP_ACT_KILL_PROCESS`, \
             `SCMP_ACT_KILL_THREAD`, `SCMP_ACT_TRAP`, `SCMP_ACT_ERRNO`, `SCMP_ACT_TRACE`, `SCMP_ACT_ALLOW`, `SCMP_ACT_LOG`, \
             `SCMP_ACT_NOTIFY`",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_LOG","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86"}]}"#,
            "has both architectures and archMap",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_LOG","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_LOG"}]}"#,
            "syscalls[0] has both name and names",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_LOG","syscalls":[{"action":"SCMP_ACT_LOG"}]}"#,
            "syscalls[0] names no system call",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_LOG","syscalls":[{"names":["a"],"action":"SCMP_ACT_LOG","includes":{"minKernel":"x"}}]}"#,
            "line 1, column 111: minKernel is `x`, expected two numbers such as 4.8",
        ),
    ];
    for (text, why) in table {
        let e = Profile::parse(text.as_bytes(), "my.json").unwrap_err();
        assert_eq!(e.to_string(), format!("read seccomp profile my.json: {why}"));
        assert!(e.first_hint().is_some());
    }
    let unknown =
        resolve(r#"{"defaultAction":"SCMP_ACT_LOG","architectures":["SCMP_ARCH_VAX"]}"#).unwrap_err();
    assert!(
        unknown
            .to_string()
            .contains("`SCMP_ARCH_VAX`, expected one of `SCMP_ARCH_X86`"),
        "{unknown}"
    );
}

#[test]
fn kernels() {
    assert_eq!(
        Kernel::parse("6.1.0-18-amd64"),
        Some(Kernel { major: 6, minor: 1 })
    );
    assert_eq!(Kernel::parse("4.8"), Some(Kernel { major: 4, minor: 8 }));
    assert_eq!(Kernel::parse("6.18-rc1"), Some(Kernel { major: 6, minor: 18 }));
    for bad in ["", "6", "6.", "x.1", "6.x"] {
        assert_eq!(Kernel::parse(bad), None, "{bad}");
    }
    assert!(Kernel { major: 5, minor: 0 } > Kernel { major: 4, minor: 8 });
}
