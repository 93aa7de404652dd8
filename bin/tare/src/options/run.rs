//! Options of `tare run` and `tare create`.

use super::{Opt, Value, opt};
use tare_engine::container::request::{CgroupMode, IpcMode, PidMode, UtsMode};

/// What makes a container.
const RUN: &[&str] = &["run", "create"];
/// What makes a process.
const EITHER: &[&str] = &["run", "create", "exec"];
/// What has limits.
const LIMITED: &[&str] = &["run", "create", "update"];
const LIFE: &str = "Container";
const PROCESS: &str = "Process";
const FILES: &str = "Files";
const SECURITY: &str = "Security";
const LIMITS: &str = "Limits";
const NAMESPACES: &str = "Namespaces";

pub(super) const OPTIONS: &[Opt] = &[
    opt("rm", Value::Switch, RUN, "remove the container when it ends").heading(LIFE),
    opt("detach", Value::Switch, &["run"], "let it live on, keep what it writes, and print its id").short('d').heading(LIFE),
    opt("restart", Value::Text("POLICY"), LIMITED, "start it again after its end: always, unless-stopped, on-failure[:MOST] or no")
        .default("no")
        .heading(LIFE),
    opt("key", Value::Text("KEY"), &["run", "create", "pod create"], "make it once, however often it is asked for by this KEY; run needs -d")
        .heading(LIFE),
    opt("cidfile", Value::Path("FILE"), RUN, "write its id to FILE, which must not exist").heading(LIFE),
    opt("stop-signal", Value::Text("SIGNAL"), RUN, "what asks it to end").default("the image's, else TERM").heading(LIFE),
    opt("stop-timeout", Value::Text("SECONDS"), RUN, "kill it when it then takes longer; -1 is never").default("10").heading(LIFE),
    opt("runtime", Value::Text("NAME"), RUN, "let a handler of config.toml make it, or the OCI runtime of this path")
        .default("the configuration's, else tare itself")
        .heading(LIFE),
    opt("interactive", Value::Switch, EITHER, "keep standard input open").short('i').heading(LIFE),
    opt("tty", Value::Switch, EITHER, "give it a terminal").short('t').heading(LIFE),
    opt("name", Value::Text("NAME"), RUN, "name it").default("the first 12 digits of its id").heading(LIFE),
    opt("label", Value::Text("KEY=VALUE"), RUN, "attach a label").short('l').many().heading(LIFE),
    opt("annotation", Value::Text("KEY=VALUE"), RUN, "attach an annotation to its specification").many().heading(LIFE),
    opt("entrypoint", Value::Text("COMMAND"), RUN, "run COMMAND in place of the image's entry point").heading(PROCESS),
    opt("env", Value::Text("NAME=VALUE"), EITHER, "set an environment variable; NAME alone takes it from here")
        .short('e')
        .many()
        .heading(PROCESS),
    opt("env-file", Value::Path("FILE"), EITHER, "read environment variables from FILE").many().heading(PROCESS),
    opt("workdir", Value::Text("DIR"), EITHER, "start in DIR").short('w').default("the image's, else /").heading(PROCESS),
    opt("user", Value::Text("USER[:GROUP]"), EITHER, "run as this user, by name or id")
        .short('u')
        .default("the image's, else root")
        .heading(PROCESS),
    opt("init", Value::Switch, RUN, "run it below a first process that reaps and passes signals on").heading(PROCESS),
    opt("group-add", Value::Text("GROUP"), RUN, "join a further group").many().heading(PROCESS),
    opt("ulimit", Value::Text("NAME=SOFT[:HARD]"), RUN, "limit a resource of the process, as in nofile=1024:4096")
        .many()
        .heading(PROCESS),
    opt("volume", Value::Text("[SOURCE:]TARGET[:ro]"), RUN, "mount a volume, or a directory or file of this machine")
        .short('v')
        .many()
        .heading(FILES),
    opt("mount", Value::Text("FIELDS"), RUN, "mount, in long form: type=bind,source=/a,target=/b,readonly or type=volume")
        .many()
        .heading(FILES),
    opt("volumes-from", Value::Text("CONTAINER[:ro]"), RUN, "mount what another container mounts").many().heading(FILES),
    opt("tmpfs", Value::Text("TARGET[:OPTIONS]"), RUN, "mount an empty file system in memory").many().heading(FILES),
    opt("read-only", Value::Switch, RUN, "let nothing be written to its root").heading(FILES),
    opt("shm-size", Value::Text("SIZE"), RUN, "size of /dev/shm").default("64m").heading(FILES),
    opt("device", Value::Text("DEVICE[:TARGET][:rwm]"), RUN, "give it a device of this machine").many().heading(FILES),
    opt("cap-add", Value::Text("CAPABILITY"), RUN, "grant a capability, or ALL").many().heading(SECURITY),
    opt("cap-drop", Value::Text("CAPABILITY"), RUN, "take a capability away, or ALL").many().heading(SECURITY),
    opt(
        "security-opt",
        Value::Text("OPTION"),
        RUN,
        "seccomp=FILE, seccomp=unconfined, no-new-privileges, apparmor=PROFILE, label=OPTION or systempaths=unconfined",
    )
    .many()
    .heading(SECURITY),
    opt("privileged", Value::Switch, EITHER, "give it every capability and device, and no filter").heading(SECURITY),
    opt("memory", Value::Text("SIZE"), LIMITED, "limit memory, as in 64m").short('m').heading(LIMITS),
    opt("memory-swap", Value::Text("SIZE"), LIMITED, "limit memory and swap together; -1 is no limit")
        .default("twice --memory")
        .heading(LIMITS),
    opt("memory-reservation", Value::Text("SIZE"), LIMITED, "what it is brought back to when the machine has little memory")
        .heading(LIMITS),
    opt("cpus", Value::Text("NUMBER"), LIMITED, "limit processor time, as in 1.5 processors").heading(LIMITS),
    opt("cpu-shares", Value::Text("NUMBER"), LIMITED, "relative weight against others; 1024 is an equal share")
        .short('c')
        .heading(LIMITS),
    opt("cpuset-cpus", Value::Text("LIST"), LIMITED, "use these processors alone, as in 0-3,7").heading(LIMITS),
    opt("cpuset-mems", Value::Text("LIST"), LIMITED, "use these memory nodes alone, as in 0-3,7").heading(LIMITS),
    opt("cpu-quota", Value::Text("MICROSECONDS"), LIMITED, "processor time in each period; -1 is no limit").heading(LIMITS),
    opt("cpu-period", Value::Text("MICROSECONDS"), LIMITED, "length of such a period").heading(LIMITS),
    opt("blkio-weight", Value::Text("NUMBER"), LIMITED, "relative weight of block devices, 10 to 1000").heading(LIMITS),
    opt("pids-limit", Value::Text("NUMBER"), LIMITED, "limit processes and threads; -1 is no limit").heading(LIMITS),
    opt("network", Value::Text("none|host"), RUN, "network: none is loopback alone")
        .aliases(&["net"])
        .default("none")
        .heading(NAMESPACES),
    opt("hostname", Value::Text("NAME"), RUN, "host name inside")
        .short('h')
        .default("the first 12 digits of its id")
        .heading(NAMESPACES),
    opt("pid", Value::OneOf(PidMode::WORDS), RUN, "process ids of its own or of the host").default("private").heading(NAMESPACES),
    opt("ipc", Value::OneOf(IpcMode::WORDS), RUN, "shared memory and queues of its own or of the host")
        .default("private")
        .heading(NAMESPACES),
    opt("uts", Value::OneOf(UtsMode::WORDS), RUN, "host name of its own or of the host").default("private").heading(NAMESPACES),
    opt("cgroupns", Value::OneOf(CgroupMode::WORDS), RUN, "view of the cgroup tree of its own or of the host")
        .default("private")
        .heading(NAMESPACES),
    opt("userns", Value::Text("host"), RUN, "user ids: those of tare itself").default("host").heading(NAMESPACES),
    opt("sysctl", Value::Text("NAME=VALUE"), RUN, "set a kernel parameter of its own namespaces").many().heading(NAMESPACES),
];
