//! Options of the verbs that do one thing of what a container is made of: namespaces and control groups.

use super::{Opt, Value, opt};

/// All that name a group.
const CGROUP: &[&str] = &["cgroup create", "cgroup exec", "cgroup ls", "cgroup rm"];
const NS: &[&str] = &["ns ls"];
const UNSHARE: &[&str] = &["unshare"];
/// Where a namespace is to stay.
const FILE: Value = Value::Maybe("FILE");

pub(super) const OPTIONS: &[Opt] = &[
    opt(
        "type",
        Value::Text("TYPE"),
        NS,
        "show those of this type alone: mnt, net, ipc, user, pid, uts, cgroup or time",
    )
    .short('t'),
    opt("task", Value::Text("PID"), NS, "show those of this process alone").short('p'),
    opt("no-headings", Value::Switch, NS, "print no headings")
        .short('n')
        .aliases(&["noheadings"]),
    opt(
        "format",
        Value::Text("FORMAT"),
        NS,
        "show it as table, json, or as a template says: '{{.NS}} {{.Container}}'",
    )
    .default("table"),
    opt(
        "mount",
        FILE,
        UNSHARE,
        "leave the mount namespace; a new one stays as FILE",
    )
    .short('m'),
    opt(
        "uts",
        FILE,
        UNSHARE,
        "leave the namespace of the host name; a new one stays as FILE",
    )
    .short('u'),
    opt(
        "ipc",
        FILE,
        UNSHARE,
        "leave the namespace of System V IPC; a new one stays as FILE",
    )
    .short('i'),
    opt(
        "net",
        FILE,
        UNSHARE,
        "leave the network namespace; a new one stays as FILE",
    )
    .short('n'),
    opt(
        "pid",
        FILE,
        UNSHARE,
        "have children in a new pid namespace, which stays as FILE",
    )
    .short('p'),
    opt(
        "user",
        FILE,
        UNSHARE,
        "leave the user namespace; a new one stays as FILE",
    )
    .short('U'),
    opt(
        "cgroup",
        FILE,
        UNSHARE,
        "leave the cgroup namespace; a new one stays as FILE",
    )
    .short('C'),
    opt(
        "time",
        FILE,
        UNSHARE,
        "have children in a new time namespace, which stays as FILE",
    )
    .short('T'),
    opt("fork", Value::Switch, UNSHARE, "run the program in a child").short('f'),
    opt(
        "map-root-user",
        Value::Switch,
        UNSHARE,
        "be root in a new user namespace",
    )
    .short('r'),
    opt(
        "map-current-user",
        Value::Switch,
        UNSHARE,
        "be in a new user namespace who one is",
    )
    .short('c'),
    opt(
        "map-user",
        Value::Text("USER"),
        UNSHARE,
        "be this user in a new user namespace",
    ),
    opt(
        "map-group",
        Value::Text("GROUP"),
        UNSHARE,
        "be in this group in a new user namespace",
    ),
    opt(
        "map-auto",
        Value::Switch,
        UNSHARE,
        "map the own subordinate ids besides, from 0 on",
    ),
    opt(
        "map-users",
        Value::Text("IN:OUT:COUNT"),
        UNSHARE,
        "map these users besides; auto takes the subordinate ones",
    )
    .many(),
    opt(
        "map-groups",
        Value::Text("IN:OUT:COUNT"),
        UNSHARE,
        "map these groups besides; auto takes the subordinate ones",
    )
    .many(),
    opt(
        "kill-child",
        Value::Maybe("SIGNAL"),
        UNSHARE,
        "run the program in a child that gets a signal, KILL unless said, when this one ends",
    ),
    opt(
        "mount-proc",
        Value::Maybe("DIR"),
        UNSHARE,
        "mount a proc of the new namespaces on DIR, or on /proc",
    ),
    opt(
        "propagation",
        Value::OneOf(tare_process::Propagation::WORDS),
        UNSHARE,
        "how mounts are passed on between the old mount namespace and the new one",
    )
    .default("private"),
    opt(
        "setgroups",
        Value::Text("allow|deny"),
        UNSHARE,
        "whether setgroups(2) is allowed in a new user namespace",
    ),
    opt(
        "keep-caps",
        Value::Switch,
        UNSHARE,
        "keep the capabilities of a new user namespace, whoever one is there",
    ),
    opt("root", Value::Path("DIR"), UNSHARE, "make DIR the root directory").short('R'),
    opt("wd", Value::Path("DIR"), UNSHARE, "start in DIR").short('w'),
    opt(
        "setuid",
        Value::Text("UID"),
        UNSHARE,
        "become this user, after all else",
    )
    .short('S'),
    opt(
        "setgid",
        Value::Text("GID"),
        UNSHARE,
        "become this group and leave all others, after all else",
    )
    .short('G'),
    opt(
        "monotonic",
        Value::Text("SECONDS"),
        UNSHARE,
        "put the monotonic clock of a new time namespace forward",
    ),
    opt(
        "boottime",
        Value::Text("SECONDS"),
        UNSHARE,
        "put the clock since boot of a new time namespace forward",
    ),
    opt(
        "group",
        Value::Text("CONTROLLERS:PATH"),
        CGROUP,
        "a group by its controllers and path: cpu,memory:/build, or *:/build for all controllers",
    )
    .short('g')
    .many(),
    opt(
        "set",
        Value::Text("FILE=VALUE"),
        &["cgroup create"],
        "write a value to a control file: memory.max=64M",
    )
    .many(),
    opt(
        "recursive",
        Value::Switch,
        &["cgroup rm"],
        "remove the groups below it with it",
    )
    .short('r'),
    opt("no-headings", Value::Switch, &["cgroup ls"], "print no headings").short('n'),
    opt(
        "format",
        Value::Text("FORMAT"),
        &["cgroup ls"],
        "show it as table, json, or as a template says: '{{.Group}} {{.NProcs}}'",
    )
    .default("table"),
];
