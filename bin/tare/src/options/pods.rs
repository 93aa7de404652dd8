//! Options of the verbs about pods, and of containers that are in one.

use super::{Opt, Value, opt};
use tare_engine::container::request::ExitPolicy;

const CREATE: &[&str] = &["pod create"];
/// What is done to pods that are named.
const EACH: &[&str] = &[
    "pod kill",
    "pod pause",
    "pod restart",
    "pod rm",
    "pod start",
    "pod stop",
    "pod unpause",
];
const LISTED: &[&str] = &["pod ps"];
const LOGS: &[&str] = &["pod logs"];
const LIMITS: &str = "Limits of all its containers together";

pub(super) const OPTIONS: &[Opt] = &[
    opt(
        "pod",
        Value::Text("POD"),
        &["run", "create"],
        "put it into this pod; new:NAME makes one",
    )
    .heading("Container"),
    opt(
        "pod-id-file",
        Value::Path("FILE"),
        &["run", "create"],
        "put it into the pod whose id is in FILE",
    )
    .heading("Container"),
    opt("name", Value::Text("NAME"), CREATE, "name it")
        .short('n')
        .default("the first 12 digits of its id"),
    opt("hostname", Value::Text("NAME"), CREATE, "host name inside").default("its name"),
    opt(
        "network",
        Value::Text("none|host"),
        CREATE,
        "network: none is loopback alone",
    )
    .aliases(&["net"])
    .default("none"),
    opt(
        "share",
        Value::Text("LIST"),
        CREATE,
        "what its containers share: net, ipc, uts, pid, or none; +pid is one more",
    )
    .default("ipc,net,uts"),
    opt("label", Value::Text("KEY=VALUE"), CREATE, "attach a label")
        .short('l')
        .many(),
    opt(
        "exit-policy",
        Value::OneOf(ExitPolicy::WORDS),
        CREATE,
        "what becomes of it when its last container has ended",
    )
    .default("continue"),
    opt(
        "cgroup-parent",
        Value::Text("PATH"),
        CREATE,
        "the cgroup above its own",
    )
    .default("/tare"),
    opt(
        "pod-id-file",
        Value::Path("FILE"),
        CREATE,
        "write its id to FILE, which must not exist",
    ),
    opt(
        "replace",
        Value::Switch,
        CREATE,
        "remove the pod of this name first, with its containers",
    ),
    opt(
        "infra",
        Value::Text("false"),
        CREATE,
        "there is no infra container, and none is needed",
    )
    .default("false"),
    opt("memory", Value::Text("SIZE"), CREATE, "limit memory, as in 64m")
        .short('m')
        .heading(LIMITS),
    opt(
        "memory-swap",
        Value::Text("SIZE"),
        CREATE,
        "limit memory and swap together; -1 is no limit",
    )
    .default("twice --memory")
    .heading(LIMITS),
    opt(
        "cpus",
        Value::Text("NUMBER"),
        CREATE,
        "limit processor time, as in 1.5 processors",
    )
    .heading(LIMITS),
    opt(
        "cpu-shares",
        Value::Text("NUMBER"),
        CREATE,
        "relative weight against others; 1024 is an equal share",
    )
    .short('c')
    .heading(LIMITS),
    opt(
        "cpuset-cpus",
        Value::Text("LIST"),
        CREATE,
        "use these processors alone, as in 0-3,7",
    )
    .heading(LIMITS),
    opt(
        "cpuset-mems",
        Value::Text("LIST"),
        CREATE,
        "use these memory nodes alone, as in 0-3,7",
    )
    .heading(LIMITS),
    opt(
        "pids-limit",
        Value::Text("NUMBER"),
        CREATE,
        "limit processes and threads; -1 is no limit",
    )
    .heading(LIMITS),
    opt(
        "blkio-weight",
        Value::Text("NUMBER"),
        CREATE,
        "relative weight of block devices, 10 to 1000",
    )
    .heading(LIMITS),
    opt("all", Value::Switch, EACH, "every pod there is").short('a'),
    opt("all", Value::Switch, &["pod stats"], "every pod there is").short('a'),
    opt("latest", Value::Switch, EACH, "the last one made").short('l'),
    opt(
        "latest",
        Value::Switch,
        &["pod ps", "pod stats"],
        "the last one made alone",
    )
    .short('l'),
    opt(
        "pod-id-file",
        Value::Path("FILE"),
        EACH,
        "the one whose id is in FILE",
    )
    .many(),
    opt(
        "pod-id-file",
        Value::Path("FILE"),
        &["pod stats"],
        "the one whose id is in FILE",
    )
    .many(),
    opt(
        "force",
        Value::Switch,
        &["pod rm"],
        "stop its containers and remove them with it",
    )
    .short('f'),
    opt("force", Value::Switch, &["pod prune"], "do not ask").short('f'),
    opt(
        "ignore",
        Value::Switch,
        &["pod rm", "pod stop"],
        "say nothing of one that is not there",
    )
    .short('i'),
    opt(
        "time",
        Value::Text("SECONDS"),
        &["pod stop", "pod restart", "pod rm"],
        "kill a container when it takes longer; -1 is never",
    )
    .short('t')
    .aliases(&["timeout"])
    .default("what --stop-timeout said, else 10"),
    opt("signal", Value::Text("SIGNAL"), &["pod kill"], "send this signal")
        .short('s')
        .default("KILL"),
    opt(
        "format",
        Value::Text("FORMAT"),
        &["pod ps", "pod stats"],
        "show it as table, json, or as a template says: '{{.Name}}'",
    )
    .default("table"),
    opt(
        "format",
        Value::Text("FORMAT"),
        &["pod inspect"],
        "show it as a template says: '{{.State}}'",
    )
    .short('f')
    .default("json"),
    opt("quiet", Value::Switch, LISTED, "print ids alone").short('q'),
    opt(
        "no-trunc",
        Value::Switch,
        &["pod ps", "pod stats"],
        "cut nothing off",
    ),
    opt("no-stream", Value::Switch, &["pod stats"], "show it once"),
    opt(
        "filter",
        Value::Text("KEY=VALUE"),
        LISTED,
        "show those alone: id, name, status, label, ctr-ids, ctr-names, ctr-number, ctr-status",
    )
    .short('f')
    .many(),
    opt(
        "filter",
        Value::Text("KEY=VALUE"),
        &["pod prune"],
        "remove those alone: as with pod ps",
    )
    .many(),
    opt("ctr-ids", Value::Switch, LISTED, "show the ids of its containers"),
    opt(
        "ctr-names",
        Value::Switch,
        LISTED,
        "show the names of its containers",
    ),
    opt("ctr-status", Value::Switch, LISTED, "show how its containers are"),
    opt(
        "namespace",
        Value::Switch,
        LISTED,
        "show what its containers share",
    )
    .aliases(&["ns"]),
    opt(
        "sort",
        Value::Text("ORDER"),
        LISTED,
        "order them by created, id, name, number or status",
    )
    .default("created"),
    opt("follow", Value::Switch, LOGS, "go on until no container runs").short('f'),
    opt(
        "tail",
        Value::Text("NUMBER"),
        LOGS,
        "show the last lines of each alone, or all",
    )
    .default("all"),
    opt(
        "timestamps",
        Value::Switch,
        LOGS,
        "show when each line was written",
    )
    .short('t'),
    opt(
        "since",
        Value::Text("TIME"),
        LOGS,
        "show nothing older: 2026-01-31T12:00:00Z, or 10m before now",
    ),
    opt(
        "until",
        Value::Text("TIME"),
        LOGS,
        "show nothing newer: 2026-01-31T12:00:00Z, or 10m before now",
    ),
    opt(
        "names",
        Value::Switch,
        LOGS,
        "show the container's name before each line, not its id",
    )
    .short('n'),
    opt(
        "container",
        Value::Text("CONTAINER"),
        LOGS,
        "show what this container of it has written alone",
    )
    .short('c'),
    opt("pod", Value::Switch, &["ps"], "show which pod each is in").short('p'),
];
