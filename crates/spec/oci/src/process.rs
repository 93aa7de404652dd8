//! The process of a container (spec: `config.md`, "Process").

use std::path::PathBuf;

document! {
    /// What runs in the container.
    pub struct Process {
        always {
            /// As whom it runs.
            pub user: User,
            /// Its working directory inside; absolute.
            pub cwd: PathBuf,
        }
        maybe {
            /// Whether it gets a terminal.
            pub terminal: bool,
            /// The terminal's size.
            pub console_size: Option<ConsoleSize>,
            /// Program and arguments; needed at start.
            pub args: Vec<String>,
            /// Its whole environment, as `NAME=value`.
            pub env: Vec<String>,
            /// Its five capability sets; absent leaves them to the runtime.
            pub capabilities: Option<Capabilities>,
            /// Its resource limits.
            pub rlimits: Vec<Rlimit>,
            /// Whether `execve` may never grant privileges (`PR_SET_NO_NEW_PRIVS`).
            pub no_new_privileges: bool,
            /// The AppArmor profile it enters at exec.
            pub apparmor_profile: Option<String>,
            /// Its `oom_score_adj`; absent leaves the runtime's own.
            pub oom_score_adj: Option<i32>,
            /// Its scheduling policy.
            pub scheduler: Option<Scheduler>,
            /// The SELinux label it gets at exec.
            pub selinux_label: Option<String>,
            /// Its I/O priority.
            #[serde(rename = "ioPriority")]
            pub io_priority: Option<IoPriority>,
            /// On which processors an exec'd process runs before and after it entered the cgroup.
            #[serde(rename = "execCPUAffinity")]
            pub exec_cpu_affinity: Option<ExecCpuAffinity>,
        }
    }
}

document! {
    /// A terminal's size in characters.
    pub struct ConsoleSize {
        always {
            /// Lines.
            pub height: u32,
            /// Columns.
            pub width: u32,
        }
    }
}

document! {
    /// As whom a process runs; ids as seen inside the container.
    pub struct User {
        always {
            /// User id.
            pub uid: u32,
            /// Group id.
            pub gid: u32,
        }
        maybe {
            /// File mode creation mask.
            pub umask: Option<u32>,
            /// Further groups.
            pub additional_gids: Vec<u32>,
            /// A user's name (Windows; kept so that it survives a round trip).
            pub username: Option<String>,
        }
    }
}

document! {
    /// The five capability sets, by name (`CAP_CHOWN`); unknown names are the runtime's to judge.
    pub struct Capabilities {
        maybe {
            /// What can ever be gained by exec.
            pub bounding: Vec<String>,
            /// What is checked.
            pub effective: Vec<String>,
            /// What passes exec of files that carry inheritable capabilities.
            pub inheritable: Vec<String>,
            /// What may be made effective.
            pub permitted: Vec<String>,
            /// What passes exec of ordinary files.
            pub ambient: Vec<String>,
        }
    }
}

document! {
    /// One resource limit (`setrlimit(2)`).
    pub struct Rlimit {
        must {
            /// Its name, `RLIMIT_NOFILE`.
            #[serde(rename = "type")]
            pub kind: String,
        }
        always {
            /// The ceiling; `u64::MAX` is none.
            pub hard: u64,
            /// What is in force; `u64::MAX` is none.
            pub soft: u64,
        }
    }
}

document! {
    /// Scheduling policy and attributes (`sched_setattr(2)`).
    pub struct Scheduler {
        must {
            /// The policy.
            pub policy: SchedulerPolicy,
        }
        maybe {
            /// Nice value of `SCHED_OTHER` and `SCHED_BATCH`.
            pub nice: Option<i32>,
            /// Static priority of `SCHED_FIFO` and `SCHED_RR`.
            pub priority: Option<i32>,
            /// Flags.
            pub flags: Vec<SchedulerFlag>,
            /// `SCHED_DEADLINE`: nanoseconds per period.
            pub runtime: Option<u64>,
            /// `SCHED_DEADLINE`: nanoseconds until it must be served.
            pub deadline: Option<u64>,
            /// `SCHED_DEADLINE`: nanoseconds of a period.
            pub period: Option<u64>,
        }
    }
}

words! {
    /// A scheduling policy.
    pub enum SchedulerPolicy {
        /// The default, time sharing.
        #[default]
        Other = "SCHED_OTHER",
        /// First in, first out.
        Fifo = "SCHED_FIFO",
        /// Round robin.
        Rr = "SCHED_RR",
        /// Processor-bound work.
        Batch = "SCHED_BATCH",
        /// The historic name for isochronous scheduling; no kernel has it.
        Iso = "SCHED_ISO",
        /// Only when nothing else runs.
        Idle = "SCHED_IDLE",
        /// Earliest deadline first.
        Deadline = "SCHED_DEADLINE",
    }
}

words! {
    /// A flag of `sched_setattr(2)`.
    pub enum SchedulerFlag {
        /// Children return to the default policy.
        #[default]
        ResetOnFork = "SCHED_FLAG_RESET_ON_FORK",
        /// Unused bandwidth may be taken.
        Reclaim = "SCHED_FLAG_RECLAIM",
        /// Overruns are signalled.
        DlOverrun = "SCHED_FLAG_DL_OVERRUN",
        /// The policy stays as it is.
        KeepPolicy = "SCHED_FLAG_KEEP_POLICY",
        /// The parameters stay as they are.
        KeepParams = "SCHED_FLAG_KEEP_PARAMS",
        /// A lower utilisation clamp is given.
        UtilClampMin = "SCHED_FLAG_UTIL_CLAMP_MIN",
        /// An upper utilisation clamp is given.
        UtilClampMax = "SCHED_FLAG_UTIL_CLAMP_MAX",
    }
}

document! {
    /// An I/O priority (`ioprio_set(2)`).
    pub struct IoPriority {
        must {
            /// The class.
            pub class: IoPriorityClass,
        }
        always {
            /// The level in its class, 0 (highest) to 7.
            pub priority: i32,
        }
    }
}

words! {
    /// A class of I/O priority.
    pub enum IoPriorityClass {
        /// Real time.
        Rt = "IOPRIO_CLASS_RT",
        /// Best effort.
        #[default]
        Be = "IOPRIO_CLASS_BE",
        /// Only when nothing else asks.
        Idle = "IOPRIO_CLASS_IDLE",
    }
}

document! {
    /// On which processors (list form, `0-3,7`) an exec'd process runs.
    pub struct ExecCpuAffinity {
        maybe {
            /// Before it entered the container's cgroup.
            pub initial: Option<String>,
            /// After it.
            #[serde(rename = "final")]
            pub last: Option<String>,
        }
    }
}
