//! The table of verbs and options, from which arguments are read and help is printed. The names are runc's, and crun's
//! where runc has none.

use crate::reading::Arguments;
use crate::verbs;
use std::process::ExitCode;
use tare_error::Result;

/// Something that can be done.
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    /// Its operands, as help shows them.
    pub(crate) operands: &'static str,
    /// Whether options end at the second operand, as what follows is a command with options of its own.
    pub(crate) takes_command: bool,
    /// Whether its words are not looked at, as there is one answer to all of them.
    pub(crate) takes_anything: bool,
    pub(crate) doc: &'static str,
    /// The exit code where it failed.
    pub(crate) failed: u8,
    pub(crate) run: fn(&Arguments) -> Result<ExitCode>,
}

/// An option.
#[derive(Debug)]
pub(crate) struct Opt {
    /// Without dashes; the first is the one that code asks for.
    pub(crate) names: &'static [&'static str],
    /// What it takes; empty for a switch.
    pub(crate) value: &'static str,
    /// The verbs that have it; none for all.
    pub(crate) verbs: &'static [&'static str],
    pub(crate) doc: &'static str,
}

const fn verb(
    name: &'static str,
    operands: &'static str,
    run: fn(&Arguments) -> Result<ExitCode>,
    doc: &'static str,
) -> Verb {
    Verb {
        name,
        operands,
        takes_command: false,
        takes_anything: false,
        failed: 1,
        doc,
        run,
    }
}

/// Every verb.
pub(crate) const VERBS: &[Verb] = &[
    verb(
        "create",
        "ID",
        verbs::create::run,
        "make a container of a bundle; its program waits to be started",
    ),
    verb("start", "ID", verbs::start::run, "start a created container"),
    verb(
        "run",
        "ID",
        verbs::run::run,
        "create and start a container, and wait for its end",
    ),
    Verb {
        takes_command: true,
        // The process's own codes are told apart from ours.
        failed: 255,
        ..verb(
            "exec",
            "ID [COMMAND [ARGUMENT...]]",
            verbs::exec::run,
            "run another process in a container",
        )
    },
    verb(
        "state",
        "ID",
        verbs::state::run,
        "print a container's state as JSON",
    ),
    verb(
        "kill",
        "ID [SIGNAL]",
        verbs::kill::run,
        "send a signal (default TERM) to a container's first process",
    ),
    verb(
        "delete",
        "ID",
        verbs::delete::run,
        "delete a container that has stopped",
    ),
    verb("list", "", verbs::list::run, "list containers"),
    Verb {
        takes_command: true,
        ..verb(
            "ps",
            "ID [PS-OPTION...]",
            verbs::ps::run,
            "list a container's processes",
        )
    },
    verb(
        "pause",
        "ID",
        verbs::pause::pause,
        "freeze a container's processes",
    ),
    verb(
        "resume",
        "ID",
        verbs::pause::resume,
        "let a paused container's processes go on",
    ),
    verb(
        "events",
        "ID",
        verbs::events::run,
        "print what a container uses, as lines of JSON",
    ),
    verb(
        "mounts",
        "add|remove ID FILE",
        verbs::mounts::run,
        "add mounts to a running container, or remove some",
    ),
    verb("update", "ID", verbs::update::run, "change a container's limits"),
    Verb {
        takes_anything: true,
        ..verb(
            "checkpoint",
            "ID",
            verbs::checkpoint::run,
            "not supported: says so and fails",
        )
    },
    Verb {
        takes_anything: true,
        ..verb(
            "restore",
            "ID",
            verbs::checkpoint::run,
            "not supported: says so and fails",
        )
    },
    verb(
        "features",
        "",
        verbs::features::run,
        "print what this program can do, as JSON",
    ),
    verb("spec", "", verbs::spec::run, "write a config.json to begin with"),
    verb(
        "plan",
        "",
        verbs::plan::run,
        "print the steps by which a bundle's container is made",
    ),
];

const fn opt(
    names: &'static [&'static str],
    value: &'static str,
    verbs: &'static [&'static str],
    doc: &'static str,
) -> Opt {
    Opt {
        names,
        value,
        verbs,
        doc,
    }
}

const EVERY: &[&str] = &[];
const MAKING: &[&str] = &["create", "run"];
const EXEC: &[&str] = &["exec"];
const UPDATE: &[&str] = &["update"];
const STARTING: &[&str] = &["create", "run", "exec"];

/// Every option.
pub(crate) const OPTIONS: &[Opt] = &[
    opt(
        &["root"],
        "DIR",
        EVERY,
        "where containers are kept (default /run/tare/runtime)",
    ),
    opt(
        &["log"],
        "FILE",
        EVERY,
        "where errors are logged, besides standard error, and warnings instead of there",
    ),
    opt(&["log-format"], "FORMAT", EVERY, "text or json"),
    opt(&["debug"], "", EVERY, "log what is being done as well"),
    opt(
        &["log-level"],
        "LEVEL",
        EVERY,
        "error, warning (the default) or debug",
    ),
    opt(&["systemd-cgroup"], "", EVERY, "have systemd make the cgroup"),
    opt(&["cgroup-manager"], "NAME", EVERY, "cgroupfs or systemd"),
    // Before the option of all, which takes a value where this one takes none.
    opt(
        &["rootless"],
        "",
        &["spec"],
        "a configuration for an ordinary user",
    ),
    opt(
        &["rootless"],
        "BOOL",
        EVERY,
        "accepted; whose right what is, the kernel says",
    ),
    opt(&["help", "h", "?", "usage"], "", EVERY, "print help"),
    opt(&["version", "v", "V"], "", EVERY, "print the version"),
    opt(
        &["bundle", "b"],
        "DIR",
        &["create", "run", "spec", "plan"],
        "the bundle (default: the working directory)",
    ),
    opt(
        &["config", "f"],
        "FILE",
        MAKING,
        "another configuration than the bundle's config.json",
    ),
    opt(&["file", "f"], "FILE", &["spec"], "where it is written to"),
    opt(
        &["console-socket"],
        "SOCKET",
        STARTING,
        "where the terminal's outer end is sent",
    ),
    opt(
        &["pid-file"],
        "FILE",
        STARTING,
        "where the first process's number is written",
    ),
    opt(
        &["pidfd-socket"],
        "SOCKET",
        STARTING,
        "where a handle on the first process is sent",
    ),
    opt(
        &["preserve-fds"],
        "N",
        STARTING,
        "pass on that many fds after standard error (LISTEN_FDS adds to them)",
    ),
    opt(
        &["no-pivot"],
        "",
        MAKING,
        "move the root over / instead of pivoting, on an initial ramfs",
    ),
    opt(
        &["no-new-keyring"],
        "",
        MAKING,
        "stay in the caller's session keyring",
    ),
    opt(
        &["no-subreaper"],
        "",
        STARTING,
        "accepted; no orphans are adopted",
    ),
    opt(&["detach", "d"], "", &["run", "exec"], "do not wait for the end"),
    opt(
        &["keep"],
        "",
        &["run"],
        "do not delete the container after its end",
    ),
    opt(
        &["process", "p"],
        "FILE",
        EXEC,
        "what runs, as a document (process of config.json)",
    ),
    opt(&["cwd"], "DIR", EXEC, "its working directory"),
    opt(
        &["env", "e"],
        "NAME=VALUE",
        EXEC,
        "a variable of its environment; may be repeated",
    ),
    opt(&["tty", "t"], "", EXEC, "give it a terminal"),
    opt(&["user", "u"], "UID[:GID]", EXEC, "as whom it runs"),
    opt(
        &["additional-gids", "g"],
        "GID",
        EXEC,
        "a further group; may be repeated",
    ),
    opt(&["process-label"], "LABEL", EXEC, "its SELinux label"),
    opt(&["apparmor"], "PROFILE", EXEC, "its AppArmor profile"),
    opt(
        &["no-new-privs"],
        "",
        EXEC,
        "nothing it executes gains privileges",
    ),
    opt(
        &["cap", "c"],
        "NAME",
        EXEC,
        "a further capability; may be repeated",
    ),
    opt(
        &["cgroup"],
        "PATH",
        EXEC,
        "a group below the container's to run in; of these controllers alone as CONTROLLER,...:PATH",
    ),
    opt(
        &["ignore-paused"],
        "",
        EXEC,
        "begin in a paused container as well",
    ),
    opt(&["stats"], "", &["events"], "print it once"),
    opt(&["interval"], "TIME", &["events"], "how often (default 5s)"),
    opt(
        &["resources", "r"],
        "FILE",
        UPDATE,
        "limits as a document (linux.resources), - for standard input",
    ),
    opt(&["memory", "m"], "SIZE", UPDATE, "memory"),
    opt(
        &["memory-reservation"],
        "SIZE",
        UPDATE,
        "memory that is taken back first",
    ),
    opt(&["memory-swap"], "SIZE", UPDATE, "memory and swap together"),
    opt(
        &["cpu-share"],
        "N",
        UPDATE,
        "weight of processor time, 2 to 262144",
    ),
    opt(
        &["cpu-quota"],
        "MICROSECONDS",
        UPDATE,
        "processor time in a period",
    ),
    opt(&["cpu-period"], "MICROSECONDS", UPDATE, "the period"),
    opt(
        &["cpu-burst"],
        "MICROSECONDS",
        UPDATE,
        "processor time that may be saved up",
    ),
    opt(
        &["cpu-rt-runtime"],
        "MICROSECONDS",
        UPDATE,
        "real-time processor time in a period",
    ),
    opt(&["cpu-rt-period"], "MICROSECONDS", UPDATE, "the real-time period"),
    opt(&["cpu-idle"], "0|1", UPDATE, "run only when nothing else would"),
    opt(&["cpuset-cpus"], "LIST", UPDATE, "processors"),
    opt(&["cpuset-mems"], "LIST", UPDATE, "memory nodes"),
    opt(&["pids-limit"], "N", UPDATE, "processes"),
    opt(
        &["l3-cache-schema"],
        "LINES",
        UPDATE,
        "shares of the third cache (resctrl's L3: lines)",
    ),
    opt(
        &["mem-bw-schema"],
        "LINE",
        UPDATE,
        "shares of memory's bandwidth (resctrl's MB: line)",
    ),
    opt(
        &["kernel-memory"],
        "SIZE",
        UPDATE,
        "accepted; no kernel since 5.16 limits it",
    ),
    opt(
        &["kernel-memory-tcp"],
        "SIZE",
        UPDATE,
        "accepted; it is a part of memory",
    ),
    opt(&["blkio-weight"], "N", UPDATE, "weight of disk time, 10 to 1000"),
    opt(
        &["all", "a"],
        "",
        &["kill"],
        "signal every process of the container",
    ),
    opt(
        &["force", "f"],
        "",
        &["delete"],
        "end it first where it runs; what is not there is no error",
    ),
    opt(&["format", "f"], "FORMAT", &["list", "ps"], "table or json"),
    opt(&["quiet", "q"], "", &["list"], "print ids alone"),
];

/// The option of `verb`, or of all, that has this name.
pub(crate) fn find(verb: Option<&str>, name: &str) -> Option<&'static Opt> {
    let serves = |opt: &Opt| opt.verbs.is_empty() || verb.is_some_and(|verb| opt.verbs.contains(&verb));
    OPTIONS
        .iter()
        .find(|opt| serves(opt) && opt.names.contains(&name))
}
