//! System call filter (spec: `config-linux.md`, "Seccomp"; `seccomp(2)`).

use std::path::PathBuf;

document! {
    /// A filter: the default, and rules that differ from it.
    pub struct Seccomp {
        must {
            /// What happens to calls no rule names.
            pub default_action: Action,
        }
        maybe {
            /// The error number of the default action; `EPERM` where absent.
            pub default_errno_ret: Option<u32>,
            /// Architectures whose calls are filtered; the native one where empty.
            pub architectures: Vec<Arch>,
            /// Flags of the load; where they are absent, whoever loads it chooses.
            pub flags: Option<Vec<FilterFlag>>,
            /// The socket that gets the notification fd.
            pub listener_path: Option<PathBuf>,
            /// What is sent to that socket besides.
            pub listener_metadata: Option<String>,
            /// The rules, in order.
            pub syscalls: Vec<SyscallRule>,
        }
    }
}

document! {
    /// What happens to some calls.
    pub struct SyscallRule {
        must {
            /// The calls, by name; unknown names are ignored, as the specification allows.
            pub names: Vec<String>,
            /// What happens to them.
            pub action: Action,
        }
        maybe {
            /// The error number; `EPERM` where absent.
            pub errno_ret: Option<u32>,
            /// Conditions on the arguments, all of which must hold.
            pub args: Vec<Arg>,
        }
    }
}

document! {
    /// A condition on one argument.
    #[derive(Copy, Eq)]
    pub struct Arg {
        must {
            /// Which, from 0 to 5.
            pub index: u32,
            /// What it is compared with; for `MaskedEqual` the mask.
            pub value: u64,
            /// How.
            pub op: Operator,
        }
        maybe {
            /// For `MaskedEqual`: what the masked argument must be.
            pub value_two: u64,
        }
    }
}

words! {
    /// What happens to a call.
    pub enum Action {
        /// The thread is killed (the historic name).
        Kill = "SCMP_ACT_KILL",
        /// The process is killed.
        KillProcess = "SCMP_ACT_KILL_PROCESS",
        /// The thread is killed.
        KillThread = "SCMP_ACT_KILL_THREAD",
        /// `SIGSYS`.
        Trap = "SCMP_ACT_TRAP",
        /// An error number.
        #[default]
        Errno = "SCMP_ACT_ERRNO",
        /// A tracer decides.
        Trace = "SCMP_ACT_TRACE",
        /// Allowed.
        Allow = "SCMP_ACT_ALLOW",
        /// Allowed and logged.
        Log = "SCMP_ACT_LOG",
        /// A listener decides.
        Notify = "SCMP_ACT_NOTIFY",
    }
}

words! {
    /// An architecture, by libseccomp's name.
    pub enum Arch {
        /// i386.
        X86 = "SCMP_ARCH_X86",
        /// amd64.
        #[default]
        X86_64 = "SCMP_ARCH_X86_64",
        /// amd64 with 32-bit pointers.
        X32 = "SCMP_ARCH_X32",
        /// arm.
        Arm = "SCMP_ARCH_ARM",
        /// arm64.
        Aarch64 = "SCMP_ARCH_AARCH64",
        /// mips.
        Mips = "SCMP_ARCH_MIPS",
        /// mips64.
        Mips64 = "SCMP_ARCH_MIPS64",
        /// mips64 with 32-bit pointers.
        Mips64N32 = "SCMP_ARCH_MIPS64N32",
        /// mipsel.
        Mipsel = "SCMP_ARCH_MIPSEL",
        /// mips64el.
        Mipsel64 = "SCMP_ARCH_MIPSEL64",
        /// mips64el with 32-bit pointers.
        Mipsel64N32 = "SCMP_ARCH_MIPSEL64N32",
        /// ppc.
        Ppc = "SCMP_ARCH_PPC",
        /// ppc64.
        Ppc64 = "SCMP_ARCH_PPC64",
        /// ppc64le.
        Ppc64le = "SCMP_ARCH_PPC64LE",
        /// s390.
        S390 = "SCMP_ARCH_S390",
        /// s390x.
        S390x = "SCMP_ARCH_S390X",
        /// parisc.
        Parisc = "SCMP_ARCH_PARISC",
        /// parisc64.
        Parisc64 = "SCMP_ARCH_PARISC64",
        /// riscv64.
        Riscv64 = "SCMP_ARCH_RISCV64",
        /// loongarch64 (1.3).
        Loongarch64 = "SCMP_ARCH_LOONGARCH64",
        /// m68k (1.3).
        M68k = "SCMP_ARCH_M68K",
        /// sh (1.3).
        Sh = "SCMP_ARCH_SH",
        /// sheb (1.3).
        Sheb = "SCMP_ARCH_SHEB",
    }
}

words! {
    /// A flag of `seccomp(2)`.
    pub enum FilterFlag {
        /// All threads get the filter.
        #[default]
        Tsync = "SECCOMP_FILTER_FLAG_TSYNC",
        /// Every action but allow is logged.
        Log = "SECCOMP_FILTER_FLAG_LOG",
        /// No mitigation of speculative store bypass.
        SpecAllow = "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        /// Only fatal signals end the wait for a listener (Linux 5.19).
        WaitKillableRecv = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    }
}

words! {
    /// How an argument is compared.
    pub enum Operator {
        /// Not equal.
        Ne = "SCMP_CMP_NE",
        /// Less.
        Lt = "SCMP_CMP_LT",
        /// Less or equal.
        Le = "SCMP_CMP_LE",
        /// Equal.
        #[default]
        Eq = "SCMP_CMP_EQ",
        /// Greater or equal.
        Ge = "SCMP_CMP_GE",
        /// Greater.
        Gt = "SCMP_CMP_GT",
        /// Equal after masking.
        MaskedEq = "SCMP_CMP_MASKED_EQ",
    }
}
