//! Every contributor with a table: what is asked, and what stands in the specification.

use super::*;
use crate::container::facts::{FileKind, FoundDevice};
use crate::container::request::*;
use std::path::PathBuf;
use tare_error::Kind;
use tare_spec_oci::{DeviceKind, NamespaceKind};

/// A request, an image and a machine that a test changes before it looks at the draft.
struct Case {
    request: RunRequest,
    image: ImageFacts,
    host: HostFacts,
    found: Found,
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    broken:x:one:1:::\n\
    app:x:1000:1001:App:/home/app:/bin/sh\n\
    4000:x:5:5::/five:\n";
const GROUP: &str = "root:x:0:root\nwheel:x:10:root,app\napp:x:1001:\nextra:x:2000:app\n";

fn case() -> Case {
    Case {
        request: RunRequest {
            command: vec!["sh".into()],
            ..RunRequest::new("busybox")
        },
        image: ImageFacts::default(),
        host: HostFacts {
            rootless: false,
            ids: 1 << 32,
            bounding: Capability::ALL,
            kernel: (6, 1),
            processors: 2,
            hard_limits: [("RLIMIT_NOFILE", 20_000), ("RLIMIT_CORE", u64::MAX)].into(),
            oom_score_adj: 0,
            swap_limit: true,
            apparmor: false,
            selinux: false,
            hostname: "machine".into(),
        },
        found: Found {
            passwd: PASSWD.into(),
            group: GROUP.into(),
            hosts: b"10.0.0.1 machine\n".to_vec(),
            ..Found::default()
        },
    }
}

impl Case {
    fn with(change: impl FnOnce(&mut Case)) -> Case {
        let mut case = case();
        change(&mut case);
        case
    }

    fn draft(&self) -> Result<Draft> {
        let id = Id::parse(&"0123456789abcdef".repeat(4)).unwrap();
        Draft::compose(&Input {
            id: &id,
            request: &self.request,
            image: &self.image,
            host: &self.host,
            found: &self.found,
            folder: Path::new("/data/containers/x"),
        })
    }

    fn made(&self) -> Draft {
        self.draft().unwrap()
    }

    fn refused(&self) -> tare_error::Error {
        self.draft().unwrap_err()
    }
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|w| (*w).to_owned()).collect()
}

#[test]
fn entry_point_and_command_as_dockers() {
    // (image entry point, image command, --entrypoint, command) -> arguments
    type Row = (
        &'static [&'static str],
        &'static [&'static str],
        Option<&'static str>,
        &'static [&'static str],
        &'static [&'static str],
    );
    let rows: &[Row] = &[
        (&[], &["sh"], None, &[], &["sh"]),
        (&[], &["sh"], None, &["ls", "-l"], &["ls", "-l"]),
        (&["/e"], &["a"], None, &[], &["/e", "a"]),
        (&["/e"], &["a"], None, &["b"], &["/e", "b"]),
        (&["/e"], &["a"], Some("/x"), &[], &["/x"]),
        (&["/e"], &["a"], Some("/x"), &["b"], &["/x", "b"]),
        (&["/e"], &["a"], Some(""), &["b"], &["b"]),
    ];
    for (entrypoint, command, asked, given, arguments) in rows {
        let draft = Case::with(|c| {
            c.image.entrypoint = words(entrypoint);
            c.image.command = words(command);
            c.request.process.entrypoint = asked.map(|e| {
                if e.is_empty() {
                    Vec::new()
                } else {
                    vec![e.to_owned()]
                }
            });
            c.request.command = words(given);
        })
        .made();
        assert_eq!(draft.process.args, words(arguments));
    }
    let nothing = Case::with(|c| c.request.command.clear()).refused();
    assert_eq!(nothing.kind(), Kind::Invalid);
    assert_eq!(nothing.first_hint(), Some("give one: tare run busybox COMMAND"));
}

#[test]
fn environment_in_order_with_the_last_word_the_persons() {
    let draft = Case::with(|c| {
        c.image.environment = words(&["PATH=/img", "A=1", "B=2", "broken", "=x"]);
        c.request.process.environment = vec![
            Variable::Set("B".into(), "3".into()),
            Variable::Set("C".into(), String::new()),
            Variable::Unset("A".into()),
        ];
        c.request.life.terminal = true;
    })
    .made();
    let expected = [
        "PATH=/img",
        "HOSTNAME=0123456789ab",
        "TERM=xterm",
        "B=3",
        "C=",
        "HOME=/root",
    ];
    assert_eq!(draft.process.env, words(&expected));
    let home =
        Case::with(|c| c.request.process.environment = vec![Variable::Set("HOME".into(), "/h".into())])
            .made();
    assert_eq!(
        home.process.env.iter().filter(|v| v.starts_with("HOME=")).count(),
        1
    );
    let hello = Case::with(|c| c.image.started = Some(7)).made();
    assert!(hello.process.env.contains(&"TARE_STARTED=7".to_owned()));
    assert!(!case().made().process.env.iter().any(|v| v.starts_with("TARE_")));
}

#[test]
fn working_directory() {
    for (image, asked, directory) in [
        (None, None, "/"),
        (Some("/i"), None, "/i"),
        (Some("/i"), Some("/a"), "/a"),
        (Some(""), None, "/"),
        (Some("/../a/./b/../c/"), None, "/a/c"),
    ] {
        let draft = Case::with(|c| {
            c.image.directory = image.map(str::to_owned);
            c.request.process.directory = asked.map(str::to_owned);
        })
        .made();
        assert_eq!(draft.process.cwd, PathBuf::from(directory));
    }
    let relative = Case::with(|c| c.request.process.directory = Some("a/b".into())).refused();
    assert_eq!(relative.kind(), Kind::Invalid);
}

#[test]
fn users_and_groups() {
    // asked, image's -> uid, gid, groups, home
    for (asked, image, uid, gid, groups, home) in [
        (None, None, 0, 0, &[0, 10][..], "/root"),
        (None, Some("app"), 1000, 1001, &[10, 1001, 2000], "/home/app"),
        (
            Some("app"),
            Some("root"),
            1000,
            1001,
            &[10, 1001, 2000],
            "/home/app",
        ),
        (Some("1000"), None, 1000, 1001, &[10, 1001, 2000], "/home/app"),
        (Some("app:wheel"), None, 1000, 10, &[10], "/home/app"),
        (Some("1234"), None, 1234, 0, &[0], "/"),
        (Some("1234:77"), None, 1234, 77, &[77], "/"),
        // A name made of digits is a number: 4000 is not the account of that name.
        (Some("4000"), None, 4000, 0, &[0], "/"),
    ] {
        let draft = Case::with(|c| {
            c.request.process.user = asked.map(|u| UserRequest::parse(u).unwrap());
            c.image.user = image.map(str::to_owned);
        })
        .made();
        let user = &draft.process.user;
        assert_eq!(
            (user.uid, user.gid, user.additional_gids.as_slice()),
            (uid, gid, groups),
            "{asked:?} {image:?}"
        );
        assert!(draft.process.env.contains(&format!("HOME={home}")), "{asked:?}");
    }
    let added =
        Case::with(|c| c.request.process.groups = vec![IdOrName::Name("extra".into()), IdOrName::Id(3)])
            .made();
    assert_eq!(added.process.user.additional_gids, [0, 3, 10, 2000]);
}

#[test]
fn users_that_do_not_exist() {
    for (user, kind, text) in [
        (
            "nosuch",
            Kind::NotFound,
            "find user nosuch: the image's /etc/passwd has no such user",
        ),
        (
            "app:nosuch",
            Kind::NotFound,
            "find group nosuch: the image's /etc/group has no such group",
        ),
        (
            "broken",
            Kind::NotFound,
            "find user broken: the image's /etc/passwd has no such user",
        ),
    ] {
        let e = Case::with(|c| c.request.process.user = Some(UserRequest::parse(user).unwrap())).refused();
        assert_eq!((e.kind(), e.to_string().as_str()), (kind, text));
    }
    // CVE-2024-40635: the image's own user overflows; it is refused, not root.
    let overflow = Case::with(|c| c.image.user = Some("4294967296".into())).refused();
    assert_eq!(overflow.kind(), Kind::Invalid);
    let unmapped = Case::with(|c| {
        c.host.ids = 65536;
        c.request.process.user = Some(UserRequest::parse("65536").unwrap());
    });
    assert_eq!(unmapped.refused().kind(), Kind::Unsupported);
}

#[test]
fn capability_sets() {
    use CapabilityChange::All;
    let one = |name| CapabilityChange::One(Capability::parse(name).unwrap());
    let bit = |name| Capability::parse(name).unwrap().bit();
    for (add, drop, privileged, set) in [
        (vec![], vec![], false, Capability::DEFAULT),
        (
            vec![one("NET_ADMIN")],
            vec![],
            false,
            Capability::DEFAULT | bit("NET_ADMIN"),
        ),
        (
            vec![],
            vec![one("CHOWN")],
            false,
            Capability::DEFAULT & !bit("CHOWN"),
        ),
        (vec![], vec![All], false, 0),
        (vec![one("CHOWN")], vec![All], false, bit("CHOWN")),
        (vec![All], vec![], false, Capability::ALL),
        (
            vec![All],
            vec![one("SYS_ADMIN")],
            false,
            Capability::ALL & !bit("SYS_ADMIN"),
        ),
        (vec![], vec![], true, Capability::ALL),
        (
            vec![],
            vec![one("SYS_ADMIN")],
            true,
            Capability::ALL & !bit("SYS_ADMIN"),
        ),
    ] {
        let draft = Case::with(|c| {
            c.request.security.add = add.clone();
            c.request.security.drop = drop.clone();
            c.request.security.privileged = privileged;
        })
        .made();
        assert_eq!(draft.granted, set, "{add:?} {drop:?} {privileged}");
        let sets = draft.process.capabilities.unwrap();
        assert_eq!(sets.bounding.len(), set.count_ones() as usize);
        assert_eq!(
            (&sets.effective, &sets.permitted),
            (&sets.bounding, &sets.bounding)
        );
        // CVE-2022-24769 and -29162: nothing is inherited.
        assert!(sets.inheritable.is_empty() && sets.ambient.is_empty());
    }
}

#[test]
fn capabilities_that_are_not_there() {
    let lacking = |c: &mut Case| c.host.bounding &= !Capability::SYS_RESOURCE.bit();
    let all = Case::with(|c| {
        lacking(c);
        c.request.security.privileged = true;
    });
    assert_eq!(
        all.made().granted,
        Capability::ALL & !Capability::SYS_RESOURCE.bit()
    );
    let named = Case::with(|c| {
        lacking(c);
        c.request.security.add = vec![CapabilityChange::One(Capability::SYS_RESOURCE)];
    });
    assert_eq!(named.refused().kind(), Kind::Denied);
    let user = Case::with(|c| c.request.process.user = Some(UserRequest::parse("1000").unwrap())).made();
    let sets = user.process.capabilities.unwrap();
    assert_eq!(
        (sets.bounding.len(), sets.effective.len(), sets.permitted.len()),
        (14, 0, 0)
    );
}

#[test]
fn system_calls_are_filtered_unless_told_otherwise() {
    let policy = |change: fn(&mut Case)| Case::with(change).made().linux.seccomp;
    let names = |policy: &Option<tare_spec_oci::Seccomp>| -> Vec<String> {
        policy
            .iter()
            .flat_map(|p| &p.syscalls)
            .flat_map(|rule| rule.names.clone())
            .collect()
    };
    // `mount` is allowed to who may administrate, and to nobody else.
    assert!(!names(&policy(|_| {})).contains(&"mount".to_owned()));
    let admin = |c: &mut Case| c.request.security.add = vec![CapabilityChange::parse("SYS_ADMIN").unwrap()];
    assert!(names(&policy(admin)).contains(&"mount".to_owned()));
    assert!(policy(|c| c.request.security.privileged = true).is_none());
    assert!(policy(|c| c.request.security.seccomp = SeccompChoice::Unconfined).is_none());
    let own = policy(|c| {
        c.request.security.seccomp = SeccompChoice::File("/p.json".into());
        c.found.seccomp_profile =
            br#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"}]}"#.to_vec();
    });
    assert_eq!(names(&own), ["mkdir"]);
    let broken = Case::with(|c| {
        c.request.security.seccomp = SeccompChoice::File("/p.json".into());
        c.found.seccomp_profile = b"{".to_vec();
    });
    assert!(broken.refused().to_string().contains("/p.json"));
}

#[test]
fn namespaces_are_private_unless_the_hosts() {
    use NamespaceKind::{Cgroup, Ipc, Mount, Network, Pid, Uts};
    type Change = fn(&mut NamespacesRequest);
    let rows: [(Change, &[NamespaceKind]); 6] = [
        (|_| {}, &[Mount, Uts, Pid, Ipc, Network, Cgroup]),
        (|n| n.pid = PidMode::Host, &[Mount, Uts, Ipc, Network, Cgroup]),
        (|n| n.ipc = IpcMode::Host, &[Mount, Uts, Pid, Network, Cgroup]),
        (|n| n.uts = UtsMode::Host, &[Mount, Pid, Ipc, Network, Cgroup]),
        (|n| n.network = NetworkMode::Host, &[Mount, Uts, Pid, Ipc, Cgroup]),
        (|n| n.cgroup = CgroupMode::Host, &[Mount, Uts, Pid, Ipc, Network]),
    ];
    for (change, kinds) in rows {
        let draft = Case::with(|c| change(&mut c.request.namespaces)).made();
        let made: Vec<NamespaceKind> = draft.linux.namespaces.iter().map(|n| n.kind).collect();
        assert_eq!(made, kinds);
        assert!(draft.linux.namespaces.iter().all(|n| n.path.is_none()));
    }
}

#[test]
fn security_modules_are_asked_for_or_skipped() {
    let apparmor = |profile: &str, active| {
        Case::with(|c| {
            c.request.security.apparmor = Some(profile.into());
            c.host.apparmor = active;
        })
    };
    assert_eq!(
        apparmor("p", true).made().process.apparmor_profile.as_deref(),
        Some("p")
    );
    assert_eq!(
        apparmor("unconfined", false).made().process.apparmor_profile,
        None
    );
    assert_eq!(apparmor("p", false).refused().kind(), Kind::Unsupported);
    let label = |l: &str| Case::with(|c| c.request.security.labels = vec![l.into()]);
    assert_eq!(label("disable").made().process.selinux_label, None);
    assert_eq!(label("type:x").refused().kind(), Kind::Unsupported);
    assert!(!case().made().process.no_new_privileges);
    assert!(
        Case::with(|c| c.request.security.no_new_privileges = true)
            .made()
            .process
            .no_new_privileges
    );
}

#[test]
fn paths_are_hidden_unless_privileged() {
    let draft = case().made();
    assert!(draft.linux.masked_paths.contains(&"/proc/kcore".into()));
    assert!(
        draft
            .linux
            .masked_paths
            .contains(&"/sys/devices/system/cpu/cpu1/thermal_throttle".into())
    );
    assert_eq!(draft.linux.masked_paths.len(), 14);
    assert_eq!(draft.linux.readonly_paths.len(), 5);
    type Change = fn(&mut SecurityRequest);
    for change in [(|s| s.privileged = true) as Change, |s| {
        s.open_system_paths = true
    }] {
        let open = Case::with(|c| change(&mut c.request.security)).made();
        assert!(open.linux.masked_paths.is_empty() && open.linux.readonly_paths.is_empty());
    }
}

#[test]
fn host_names() {
    let hosts = |draft: &Draft| {
        let file = draft.files.iter().find(|f| f.name == "hosts").unwrap();
        String::from_utf8(file.content.clone()).unwrap()
    };
    let default = case().made();
    assert_eq!(default.hostname.as_deref(), Some("0123456789ab"));
    assert!(hosts(&default).ends_with("127.0.1.1\t0123456789ab\n"));
    let named = Case::with(|c| c.request.namespaces.hostname = Some(Hostname::parse("web").unwrap())).made();
    assert_eq!(named.hostname.as_deref(), Some("web"));
    assert!(named.process.env.contains(&"HOSTNAME=web".to_owned()));
    let network = Case::with(|c| c.request.namespaces.network = NetworkMode::Host).made();
    assert_eq!(network.hostname.as_deref(), Some("machine"));
    assert_eq!(hosts(&network), "10.0.0.1 machine\n");
    assert_eq!(
        Case::with(|c| c.request.namespaces.uts = UtsMode::Host)
            .made()
            .hostname,
        None
    );
    let both = Case::with(|c| {
        c.request.namespaces.uts = UtsMode::Host;
        c.request.namespaces.hostname = Some(Hostname::parse("web").unwrap());
    });
    assert_eq!(both.refused().kind(), Kind::Invalid);
}

#[test]
fn default_mounts_as_dockers() {
    let places = |draft: &Draft| -> Vec<String> {
        draft
            .mounts
            .iter()
            .map(|m| m.destination.display().to_string())
            .collect()
    };
    let options = |draft: &Draft, place: &str| -> Vec<String> {
        draft
            .mounts
            .iter()
            .find(|m| m.destination == Path::new(place))
            .unwrap()
            .options
            .clone()
    };
    let draft = case().made();
    let expected = [
        "/proc",
        "/dev",
        "/dev/pts",
        "/sys",
        "/sys/fs/cgroup",
        "/dev/mqueue",
        "/dev/shm",
        "/etc/resolv.conf",
        "/etc/hostname",
        "/etc/hosts",
    ];
    assert_eq!(places(&draft), words(&expected));
    assert!(options(&draft, "/dev/shm").contains(&"size=67108864".to_owned()));
    assert!(options(&draft, "/sys").contains(&"ro".to_owned()));
    assert!(options(&draft, "/dev/pts").contains(&"gid=5".to_owned()));
    let privileged = Case::with(|c| c.request.security.privileged = true).made();
    assert!(options(&privileged, "/sys/fs/cgroup").contains(&"rw".to_owned()));
    let few_ids = Case::with(|c| {
        c.host.ids = 1;
        c.found.group.clear();
    });
    assert!(!options(&few_ids.made(), "/dev/pts").contains(&"gid=5".to_owned()));
    let ipc = Case::with(|c| c.request.namespaces.ipc = IpcMode::Host).made();
    assert_eq!(options(&ipc, "/dev/shm")[0], "rbind");
}

#[test]
fn rootless_mounts_what_it_may() {
    let kinds = |change: fn(&mut NamespacesRequest)| {
        let draft = Case::with(|c| {
            c.host.rootless = true;
            change(&mut c.request.namespaces);
        })
        .made();
        let kind = |place: &str| {
            let mount = draft.mounts.iter().find(|m| m.destination == Path::new(place));
            mount.and_then(|m| m.kind.clone())
        };
        (kind("/proc"), kind("/sys"), kind("/dev/mqueue"))
    };
    let some = |s: &str| Some(s.to_owned());
    assert_eq!(kinds(|_| {}), (some("proc"), some("sysfs"), some("mqueue")));
    assert_eq!(kinds(|n| n.pid = PidMode::Host).0, some("bind"));
    assert_eq!(kinds(|n| n.network = NetworkMode::Host).1, some("bind"));
    assert_eq!(kinds(|n| n.ipc = IpcMode::Host).2, None);
}

#[test]
fn mounts_asked_for() {
    let volume = |text| MountRequest::parse_volume(text, Path::new("/")).unwrap();
    let draft = Case::with(|c| {
        c.request.files.mounts = vec![
            volume("/a:/x/y:ro"),
            volume("/b:/x"),
            MountRequest::parse_tmpfs("/dev/shm:size=1m").unwrap(),
        ];
    })
    .made();
    let last: Vec<_> = draft.mounts.iter().rev().take(3).rev().collect();
    // Shallow ones first, so that none hides another; the default at /dev/shm is gone.
    let places: Vec<_> = last.iter().map(|m| m.destination.to_str().unwrap()).collect();
    assert_eq!(places, ["/x", "/x/y", "/dev/shm"]);
    assert_eq!(last[1].options, words(&["rbind", "rprivate", "rro"]));
    assert_eq!(
        last[2].options,
        words(&["noexec", "nosuid", "nodev", "rw", "size=1m"])
    );
    assert_eq!(
        draft
            .mounts
            .iter()
            .filter(|m| m.destination == Path::new("/dev/shm"))
            .count(),
        1
    );
    let old = Case::with(|c| {
        c.host.kernel = (5, 10);
        c.request.files.mounts = vec![volume("/a:/x:ro")];
    });
    assert_eq!(
        old.made().mounts.last().unwrap().options,
        words(&["rbind", "rprivate", "ro"])
    );
    let over_dev = Case::with(|c| c.request.files.mounts = vec![volume("/dev:/dev")]).made();
    assert_eq!(
        over_dev
            .mounts
            .iter()
            .filter(|m| m.destination.starts_with("/dev"))
            .count(),
        1
    );
    let twice = Case::with(|c| c.request.files.mounts = vec![volume("/a:/x"), volume("/b:/x")]);
    assert_eq!(twice.refused().kind(), Kind::Invalid);
}

#[test]
fn a_file_is_not_mounted_on_a_directory() {
    let case = |from, onto| {
        Case::with(|c| {
            c.request.files.mounts = vec![MountRequest::parse_volume("/tmp/f:/etc", Path::new("/")).unwrap()];
            c.found.sources = [("/tmp/f".into(), from)].into();
            c.found.targets = [("/etc".into(), onto)].into();
        })
    };
    use FileKind::{Directory, File};
    let e = case(File, Directory).refused();
    assert_eq!(
        e.to_string(),
        "mount /tmp/f: /tmp/f is a file, /etc in the image is a directory"
    );
    assert_eq!(case(Directory, File).refused().kind(), Kind::Invalid);
    case(File, File).made();
    case(Directory, Directory).made();
}

#[test]
fn device_rules() {
    let found = FoundDevice {
        target: "/dev/x".into(),
        kind: DeviceKind::Char,
        major: 10,
        minor: 229,
        mode: 0o20666,
        uid: 0,
        gid: 44,
        access: "rw".into(),
    };
    let draft = Case::with(|c| c.found.devices = vec![found.clone()]).made();
    assert_eq!(draft.linux.devices[0].file_mode, Some(0o666));
    assert_eq!(draft.linux.devices[0].gid, Some(44));
    let rules = &draft.resources.devices;
    assert!(!rules[0].allow && rules[0].kind == DeviceKind::All);
    let last = rules.last().unwrap();
    assert_eq!(
        (last.allow, last.major, last.minor, last.access.as_deref()),
        (true, Some(10), Some(229), Some("rw"))
    );
    assert_eq!(case().made().resources.devices.len(), 12);
    let privileged = Case::with(|c| c.request.security.privileged = true).made();
    assert!(privileged.resources.devices.len() == 1 && privileged.resources.devices[0].allow);
    let rootless = Case::with(|c| {
        c.host.rootless = true;
        c.found.devices = vec![found];
    })
    .made();
    assert!(rootless.resources.devices.is_empty());
    assert_eq!(rootless.linux.devices[0].uid, None);
}

#[test]
fn memory_and_swap() {
    const MIB: i64 = 1 << 20;
    // memory, swap, kernel limits swap -> limit, swap
    for (memory, swap, can, limits) in [
        (None, None, true, None),
        (Some(64), None, true, Some((64, Some(128)))),
        (
            Some(64),
            Some(SwapLimit::Total(64 << 20)),
            true,
            Some((64, Some(64))),
        ),
        (Some(64), None, false, Some((64, None))),
        (None, Some(SwapLimit::Unlimited), true, None),
    ] {
        let draft = Case::with(|c| {
            c.request.resources.memory = memory.map(|m| m << 20);
            c.request.resources.swap = swap;
            c.host.swap_limit = can;
        })
        .made();
        let made = draft
            .resources
            .memory
            .map(|m| (m.limit.unwrap() / MIB, m.swap.map(|s| s / MIB)));
        assert_eq!(made, limits);
        assert!(draft.warnings.iter().all(|w| w.once.is_some()));
    }
    let unlimited = Case::with(|c| {
        c.request.resources.memory = Some(64 << 20);
        c.request.resources.swap = Some(SwapLimit::Unlimited);
    });
    assert_eq!(unlimited.made().resources.memory.unwrap().swap, Some(-1));
    for (memory, swap) in [(None, 64), (Some(64 << 20), 32 << 20)] {
        let case = Case::with(|c| {
            c.request.resources.memory = memory;
            c.request.resources.swap = Some(SwapLimit::Total(swap));
        });
        assert_eq!(case.refused().kind(), Kind::Invalid);
    }
    let told = Case::with(|c| {
        c.request.resources.memory = Some(64 << 20);
        c.request.resources.swap = Some(SwapLimit::Total(64 << 20));
        c.host.swap_limit = false;
    });
    assert!(
        told.made()
            .warnings
            .iter()
            .any(|w| w.text.contains("swap") && w.once.is_none())
    );
}

#[test]
fn processors_and_processes() {
    let draft = Case::with(|c| {
        c.request.resources.cpus = Some(Cpus(1500));
        c.request.resources.cpu_shares = Some(512);
        c.request.resources.cpuset = Some(CpuSet::parse("0-1").unwrap());
        c.request.resources.pids = Some(PidsLimit::Max(100));
    })
    .made();
    let cpu = draft.resources.cpu.unwrap();
    assert_eq!(
        (cpu.quota, cpu.period, cpu.shares, cpu.cpus.as_deref()),
        (Some(150_000), Some(100_000), Some(512), Some("0-1"))
    );
    assert_eq!(draft.resources.pids.unwrap().limit, Some(100));
    let many = Case::with(|c| c.request.resources.cpus = Some(Cpus(64_000))).made();
    assert_eq!(many.resources.cpu.unwrap().quota, Some(200_000));
    assert!(
        many.warnings
            .iter()
            .any(|w| w.text.starts_with("this machine has 2 processors"))
    );
    let absent = Case::with(|c| c.request.resources.cpuset = Some(CpuSet::parse("2").unwrap()));
    assert_eq!(absent.refused().kind(), Kind::Invalid);
    let nothing = case().made();
    assert!(
        nothing.resources.cpu.is_none()
            && nothing.resources.pids.is_none()
            && nothing.resources.memory.is_none()
    );
}

#[test]
fn default_limits_bend_and_those_asked_for_do_not() {
    let bound = |c: &mut Case| c.host.bounding &= !Capability::SYS_RESOURCE.bit();
    let free = case().made();
    assert_eq!(
        (free.process.rlimits[0].soft, free.process.rlimits[0].hard),
        (1024, 524_288)
    );
    assert_eq!(free.process.oom_score_adj, Some(0));
    assert!(free.warnings.is_empty());
    let clamped = Case::with(|c| {
        bound(c);
        c.host.oom_score_adj = 500;
    })
    .made();
    assert_eq!(clamped.process.rlimits[0].hard, 20_000);
    assert_eq!(clamped.process.oom_score_adj, None);
    let once: Vec<_> = clamped.warnings.iter().map(|w| w.once.unwrap()).collect();
    assert_eq!(once, ["open-files", "oom-score"]);
    let asked = |hard: &str, free: bool| {
        Case::with(|c| {
            if !free {
                bound(c);
            }
            c.request.process.ulimits = vec![Ulimit::parse(&format!("nofile=10:{hard}")).unwrap()];
        })
    };
    assert_eq!(asked("30000", true).made().process.rlimits[0].hard, 30_000);
    assert_eq!(asked("20000", false).made().process.rlimits[0].hard, 20_000);
    assert_eq!(asked("20001", false).refused().kind(), Kind::Denied);
}

#[test]
fn kernel_parameters_only_in_own_namespaces() {
    let draft = case().made();
    assert_eq!(draft.linux.sysctl["net.ipv4.ip_unprivileged_port_start"], "0");
    assert_eq!(draft.linux.sysctl["net.ipv4.ping_group_range"], "0 2147483647");
    type Change = fn(&mut NamespacesRequest);
    for (text, host) in [
        (
            "net.ipv4.ip_forward=1",
            (|n| n.network = NetworkMode::Host) as Change,
        ),
        ("kernel.shmmax=1", |n| n.ipc = IpcMode::Host),
        ("kernel.domainname=x", |n| n.uts = UtsMode::Host),
    ] {
        let asked = |c: &mut Case| c.request.namespaces.sysctls = vec![Sysctl::parse(text).unwrap()];
        let (name, value) = text.split_once('=').unwrap();
        assert_eq!(Case::with(asked).made().linux.sysctl[name], value);
        let of_machine = Case::with(|c| {
            asked(c);
            host(&mut c.request.namespaces);
        });
        assert_eq!(of_machine.refused().kind(), Kind::Denied, "{text}");
    }
    let network = Case::with(|c| c.request.namespaces.network = NetworkMode::Host).made();
    assert!(network.linux.sysctl.is_empty());
}

#[test]
fn annotations_are_the_persons_and_never_the_images() {
    let draft = Case::with(|c| {
        c.request.annotations = [("a".into(), "b".into())].into();
        c.image.labels = [("run.oci.handler".into(), "krun".into())].into();
    })
    .made();
    assert_eq!(draft.annotations.len(), 1);
    assert_eq!(contributors().count(), CONTRIBUTORS.len());
    let spec = draft.spec(true);
    assert!(spec.root.unwrap().readonly);
    assert_eq!(spec.linux.unwrap().resources.unwrap(), draft.resources);
}
