//! Plans as data: what is asked for becomes steps, in order, without root and without touching anything.

use super::{Plan, plan};
use crate::request::{Cgroups, HostFacts, LabelOption, Options, Request, Stdio};
use crate::step::{Action, Place, Source};
use serde_json::{Value, json};
use std::os::fd::AsFd;
use std::path::Path;
use tare_error::{Kind, Report, Result};
use tare_spec_oci::{Mount, Spec};

fn facts() -> HostFacts {
    HostFacts {
        user_namespace: false,
        mapped_groups: u64::from(u32::MAX),
        cgroups: Cgroups::V2,
        overlay_append: true,
        resctrl: None,
        landlock: 7,
        kernel_views: Vec::new(),
        selinux: true,
        apparmor: true,
    }
}

fn minimal() -> Value {
    json!({
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs"},
        "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["sh"]},
        "linux": {"namespaces": [{"type": "mount"}]},
    })
}

/// The minimal configuration with some members set by JSON pointer.
fn with(members: &[(&str, Value)]) -> Value {
    let mut spec = minimal();
    for (pointer, value) in members {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        spec.pointer_mut(parent).unwrap()[name] = value.clone();
    }
    spec
}

/// The plan of a configuration with options.
fn planned(spec: &Value, facts: &HostFacts, rootfs: &[Mount], options: Options<'_>) -> Result<Plan> {
    let spec: Spec = serde_json::from_value(spec.clone()).unwrap();
    let input = std::io::stdin();
    let request = Request {
        id: "c1",
        spec: &spec,
        bundle: Path::new("/b"),
        rootfs,
        stdio: Stdio::Fds {
            stdin: input.as_fd(),
            stdout: input.as_fd(),
            stderr: input.as_fd(),
        },
        group: None,
        entrances: &[],
        seccomp: None,
        options,
    };
    let plan = plan(&request, facts)?;
    assert!(plan.steps.is_sorted_by_key(|s| s.place));
    Ok(plan)
}

fn lines(spec: &Value, facts: &HostFacts, rootfs: &[Mount]) -> Result<Vec<String>> {
    let plan = planned(spec, facts, rootfs, Options::default())?;
    Ok(plan
        .to_string()
        .lines()
        .map(|l| {
            l.trim_start()
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .trim_start()
                .to_owned()
        })
        .collect())
}

#[test]
fn smallest_plan() {
    let expected = "\
start a session
open /proc and /dev/null of the host
make propagation private of /
open /b/rootfs
mount root /b/rootfs
await the cgroup
enter the cgroup
use the group's processors
make device /dev/null
make device /dev/zero
make device /dev/full
make device /dev/random
make device /dev/urandom
make device /dev/tty
link /dev/fd
link /dev/stdin
link /dev/stdout
link /dev/stderr
link /dev/core
link /dev/ptmx
pivot into the root
make private /
set up standard input and output
enter working directory /
look up the user's home
become user 0:0
enter working directory /
await the start
execute sh";
    assert_eq!(lines(&minimal(), &facts(), &[]).unwrap().join("\n"), expected);
}

#[test]
fn steps_that_members_add() {
    for (pointer, value, expected) in [
        ("/hostname", json!("h"), None),
        ("/process/oomScoreAdj", json!(7), Some("set oom_score_adj to 7")),
        ("/process/noNewPrivileges", json!(true), Some("set no_new_privs")),
        (
            "/process/apparmorProfile",
            json!("p"),
            Some("set AppArmor profile p"),
        ),
        ("/process/cwd", json!("/w"), Some("make working directory /w")),
        (
            "/process/rlimits",
            json!([{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]),
            Some("set limit RLIMIT_CORE"),
        ),
        (
            "/process/capabilities",
            json!({"bounding": ["CAP_KILL"]}),
            Some("limit the bounding set"),
        ),
        ("/root/readonly", json!(true), Some("make read-only /")),
        (
            "/linux/maskedPaths",
            json!(["/proc/keys"]),
            Some("mask /proc/keys"),
        ),
        (
            "/linux/readonlyPaths",
            json!(["/proc/sys"]),
            Some("make read-only /proc/sys"),
        ),
        (
            "/linux/rootfsPropagation",
            json!("rshared"),
            Some("set propagation of /"),
        ),
        (
            "/mounts",
            json!([{"destination": "/p", "type": "proc"}]),
            Some("mount /p"),
        ),
        (
            "/mounts",
            json!([{"destination": "/d", "source": "s", "options": ["rbind"]}]),
            Some("open /b/s for /d"),
        ),
        (
            "/linux/namespaces",
            json!([{"type": "mount"}, {"type": "network"}]),
            Some("bring up lo"),
        ),
        (
            "/linux/namespaces",
            json!([{"type": "mount"}, {"type": "cgroup"}]),
            Some("make a cgroup namespace"),
        ),
        (
            "/linux/namespaces",
            json!([{"type": "mount"}, {"type": "ipc", "path": "/n"}]),
            Some("join namespace ipc"),
        ),
    ] {
        let got = lines(&with(&[(pointer, value)]), &facts(), &[]);
        match expected {
            Some(line) => assert!(got.unwrap().iter().any(|l| l == line), "{pointer}: {line}"),
            // A host name without a uts namespace would be the host's.
            None => assert_eq!(got.unwrap_err().kind(), Kind::Invalid),
        }
    }
}

#[test]
fn what_must_come_before_what() {
    for (earlier, later) in [
        (Place::Propagation, Place::Root),
        (Place::Group, Place::CgroupNamespace),
        (Place::CgroupNamespace, Place::Mounts),
        (Place::Parameters, Place::ReadOnlyPaths),
        (Place::Mounts, Place::ReadOnlyPaths),
        (Place::ReadOnlyPaths, Place::Masks),
        (Place::Devices, Place::RootReadOnly),
        (Place::RootReadOnly, Place::Pivot),
        (Place::Bounding, Place::User),
        (Place::Limits, Place::User),
        (Place::User, Place::Capabilities),
        (Place::Capabilities, Place::Gate),
        (Place::Gate, Place::Filter),
        (Place::Filter, Place::Exec),
    ] {
        assert!(earlier < later, "{earlier:?} before {later:?}");
    }
}

#[test]
fn refused_with_a_reason() {
    for (members, expected) in [
        (vec![("/process/args", json!([]))], "start c1: no command"),
        (
            vec![("/process/cwd", json!("rel"))],
            "enter working directory rel: it is not absolute",
        ),
        (
            vec![
                ("/linux/namespaces", json!([])),
                ("/linux/readonlyPaths", json!(["/proc/sys"])),
            ],
            "use linux.readonlyPaths: it needs a mount namespace of the container's own",
        ),
        (
            vec![("/linux/namespaces", json!([{"type": "mount"}, {"type": "mount"}]))],
            "plan c1: namespace mount is given twice",
        ),
        (
            vec![("/linux/namespaces", json!([{"type": "mount"}, {"type": "user"}]))],
            "plan c1: a new user namespace needs uidMappings and gidMappings",
        ),
        (
            vec![("/linux/sysctl", json!({"net.core.somaxconn": "1"}))],
            "set kernel parameter net.core.somaxconn: the container has no network namespace of its own: it is the host's",
        ),
        (
            vec![("/linux/sysctl", json!({"net/../kernel": "1"}))],
            "set kernel parameter net/../kernel: it is no name of a parameter",
        ),
        (
            vec![("/linux/sysctl", json!({"vm.swappiness": "1"}))],
            "set kernel parameter vm.swappiness: it belongs to no namespace: it is the whole host's",
        ),
        (
            vec![("/linux/rootfsPropagation", json!("odd"))],
            "use rootfsPropagation odd",
        ),
        (
            vec![("/mounts", json!([{"destination": "/x", "type": "overlay"}]))],
            "mount /x: an overlay needs 1 to 500 lower directories, and a work directory beside an upper one",
        ),
        (
            vec![("/linux/devices", json!([{"path": "/dev/x", "type": "a"}]))],
            "make device /dev/x: its type must be one of b, c, u, p",
        ),
        (
            vec![(
                "/process/rlimits",
                json!([{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]),
            )],
            "set limit RLIMIT_CORE: its soft value is above its hard one",
        ),
        (
            vec![("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_ALLOW"}))],
            "plan c1: the configuration has a seccomp policy, but the caller gave no compiled filter",
        ),
    ] {
        let error = lines(&with(&members), &facts(), &[]).unwrap_err();
        assert_eq!(Report::new(&error).to_string(), expected);
    }
}

#[test]
fn rootless_binds_what_it_cannot_make() {
    let facts = HostFacts {
        user_namespace: true,
        mapped_groups: 1,
        ..facts()
    };
    let spec = with(&[(
        "/mounts",
        json!([
            {"destination": "/sys", "type": "sysfs", "options": ["ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "options": ["ro"]},
        ]),
    )]);
    let plan = lines(&spec, &facts, &[]).unwrap();
    for line in [
        "open /dev/null of the host",
        "open /sys of the host",
        "open /sys/fs/cgroup of the host",
        "bind mount /sys",
    ] {
        assert!(plan.iter().any(|l| l == line), "{line} in {plan:?}");
    }
}

#[test]
fn new_user_namespace_has_sources_opened_outside() {
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    let spec = with(&[
        ("/linux/namespaces", json!([{"type": "mount"}, {"type": "user"}])),
        ("/linux/uidMappings", map.clone()),
        ("/linux/gidMappings", map),
    ]);
    let root = Mount {
        destination: "/".into(),
        kind: Some("overlay".into()),
        options: vec!["lowerdir=/l".into()],
        ..Mount::default()
    };
    let plan = lines(&spec, &facts(), &[root]).unwrap();
    assert_eq!(
        plan[..2],
        ["await the id maps", "become root of the user namespace"]
    );
    assert!(
        plan.contains(&"+ make root of type overlay, outside".to_owned()),
        "{plan:?}"
    );
    assert!(
        plan.contains(&"+ open /dev/tty of the host, outside".to_owned()),
        "{plan:?}"
    );
}

#[test]
fn version_one_cgroups_are_shown_as_docker_does() {
    let facts = HostFacts {
        cgroups: Cgroups::V1(vec!["cpu,cpuacct".into(), "name=systemd".into()]),
        ..facts()
    };
    let mounts = json!([{"destination": "/sys/fs/cgroup", "type": "cgroup", "options": ["ro"]}]);
    let plan = lines(&with(&[("/mounts", mounts)]), &facts, &[]).unwrap();
    let from = plan
        .iter()
        .position(|l| l == "borrow a cgroup namespace")
        .unwrap();
    assert_eq!(
        plan[from..from + 8],
        [
            "borrow a cgroup namespace",
            "mount /sys/fs/cgroup",
            "mount /sys/fs/cgroup/cpu,cpuacct",
            "link /sys/fs/cgroup/cpu",
            "link /sys/fs/cgroup/cpuacct",
            "mount /sys/fs/cgroup/systemd",
            "make read-only /sys/fs/cgroup",
            "give back the cgroup namespace",
        ]
    );
}

#[test]
fn labels_are_given_by_the_option_that_is_asked_for() {
    let spec = with(&[
        (
            "/mounts",
            json!([{"destination": "/t", "type": "tmpfs", "source": "t"}]),
        ),
        ("/linux/mountLabel", json!("a:b:c:s0")),
    ]);
    for (label_option, name) in [
        (LabelOption::Context, c"context"),
        (LabelOption::FsContext, c"fscontext"),
        (LabelOption::DefContext, c"defcontext"),
        (LabelOption::RootContext, c"rootcontext"),
    ] {
        let options = Options {
            label_option,
            ..Options::default()
        };
        let plan = planned(&spec, &facts(), &[], options).unwrap();
        let parameters = plan.steps.iter().find_map(|step| match &step.action {
            Action::Mount(mount) => match &mount.source {
                Source::New(tmpfs) => Some(tmpfs.parameters().collect::<Vec<_>>()),
                _ => None,
            },
            _ => None,
        });
        assert_eq!(parameters.unwrap(), [name]);
    }
}
