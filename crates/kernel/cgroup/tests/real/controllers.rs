//! Version 2 with controllers, where the machine has them: limits that hold, and exactly whose limit it was.

use crate::{host, memory, path, run, start};
use std::fs;
use std::process::Command;
use tare_cgroup::{Group, OomKill};
use tare_error::Kind;
use tare_kit::{Need, test};
use tare_spec_oci::{BlockIo, Cpu, HugepageLimit, Memory, Pids, Resources, ThrottleDevice};

const MIB: i64 = 1 << 20;
const HOG: &str = "tail /dev/zero";

fn read(group: &str, file: &str) -> String {
    fs::read_to_string(format!("/sys/fs/cgroup/tare/{group}/{file}"))
        .unwrap()
        .trim()
        .to_owned()
}

#[test]
fn whose_limit_it_was_is_exact() {
    test(&[Need::Root, Need::Cgroup2Controllers], |world| {
        let pod = Group::create(&host(), &path("pod"), &memory(48 * MIB, 48 * MIB)).unwrap();
        let web = Group::create(
            &host(),
            &path("pod").join("web").unwrap(),
            &memory(24 * MIB, 24 * MIB),
        )
        .unwrap();
        let before = web.memory_report().unwrap();
        assert_eq!(before.groups[0].limit, Some(24 << 20));
        assert_eq!(before.groups[0].swap_limit, Some(24 << 20));
        assert_ne!(run(&web, HOG).0, Some(0));
        let after = web.memory_report().unwrap();
        let kill = after.since(Some(&before)).unwrap();
        assert_eq!(
            kill,
            OomKill {
                kills: 1,
                group: Some("/tare/pod/web".to_owned()),
                limit: Some(24 << 20)
            }
        );
        // Counted in the pod too, which had no part in it.
        assert_eq!(after.groups[1].kills, 1);
        assert_eq!(after.groups[1].limit_hits, 0);

        web.apply(&memory(-1, -1)).unwrap();
        run(&web, HOG);
        let kill = web.memory_report().unwrap().since(Some(&after)).unwrap();
        assert_eq!(
            kill,
            OomKill {
                kills: 1,
                group: Some("/tare/pod".to_owned()),
                limit: Some(48 << 20)
            }
        );

        // Page cache up to the limit is no kill, and no hit.
        let before = pod.memory_report().unwrap();
        let file = world.folder("files").join("big");
        let (code, text) = run(
            &web,
            &format!("dd if=/dev/zero of={} bs=1M count=80 2>&1", file.display()),
        );
        assert_eq!(code, Some(0), "{text}");
        assert_eq!(pod.memory_report().unwrap().since(Some(&before)), None);
        pod.remove().unwrap();
    });
}

#[test]
fn values_are_those_of_runc() {
    test(&[Need::Root, Need::Cgroup2Controllers], |_world| {
        // Linux 5.14 and newer have bursts.
        let probe = Group::create(&host(), &path("probe"), &Resources::default()).unwrap();
        let bursts = fs::exists("/sys/fs/cgroup/tare/probe/cpu.max.burst").unwrap();
        probe.remove().unwrap();
        let burst = |us| bursts.then_some(us);
        let limits = Resources {
            cpu: Some(Cpu {
                shares: Some(512),
                quota: Some(50_000),
                burst: burst(10_000),
                cpus: Some("0".to_owned()),
                ..Cpu::default()
            }),
            pids: Some(Pids { limit: Some(3) }),
            memory: Some(Memory {
                limit: Some(64 * MIB),
                swap: Some(96 * MIB),
                reservation: Some(32 * MIB),
                ..Memory::default()
            }),
            unified: [("memory.high".to_owned(), "50331648".to_owned())].into(),
            ..Resources::default()
        };
        let group = Group::create(&host(), &path("web"), &limits).unwrap();
        for (file, value) in [
            ("cpu.weight", "59"),
            ("cpu.max", "50000 100000"),
            ("cpu.max.burst", "10000"),
            ("cpuset.cpus", "0"),
            ("pids.max", "3"),
            ("memory.max", "67108864"),
            ("memory.swap.max", "33554432"),
            ("memory.low", "33554432"),
            ("memory.high", "50331648"),
        ] {
            if bursts || file != "cpu.max.burst" {
                assert_eq!(read("web", file), value, "{file}");
            }
        }
        let (_, text) = run(
            &group,
            "grep Cpus_allowed_list /proc/self/status; sleep 0.1 & sleep 0.1 & sleep 0.1 & wait",
        );
        assert!(
            text.starts_with("Cpus_allowed_list:\t0\n") && text.contains("fork"),
            "{text}"
        );

        // A smaller quota with a smaller burst, in the order the kernel takes.
        let cpu = Cpu {
            quota: Some(5000),
            burst: burst(1000),
            ..Cpu::default()
        };
        group
            .apply(&Resources {
                cpu: Some(cpu),
                ..Resources::default()
            })
            .unwrap();
        assert_eq!(read("web", "cpu.max"), "5000 100000");
        if bursts {
            assert_eq!(read("web", "cpu.max.burst"), "1000");
        }
        let check = Memory {
            limit: Some(4096),
            check_before_update: Some(true),
            ..Memory::default()
        };
        let mut child = start(group.entrance().unwrap(), "sleep 100");
        let e = group.apply(&Resources {
            memory: Some(check),
            ..Resources::default()
        });
        // Either nothing was charged yet, or it is refused with what is in use.
        if let Err(e) = e {
            assert_eq!(e.kind(), Kind::Conflict, "{e:?}");
        }
        group.kill().unwrap();
        child.wait().unwrap();
        group.remove().unwrap();
    });
}

#[test]
fn disks_and_huge_pages_are_limited() {
    test(&[Need::Root, Need::Cgroup2Controllers], |_world| {
        let disk = fs::read_dir("/sys/block").unwrap().flatten().find_map(|disk| {
            let name = disk.file_name().into_string().ok()?;
            (name.starts_with("vd") || name.starts_with("sd"))
                .then(|| fs::read_to_string(disk.path().join("dev")).ok())?
        });
        let number = disk.unwrap().trim().to_owned();
        let (major, minor) = number.split_once(':').unwrap();
        let throttle = ThrottleDevice {
            major: major.parse().unwrap(),
            minor: minor.parse().unwrap(),
            rate: 1_048_576,
        };
        let limits = Resources {
            block_io: Some(BlockIo {
                weight: Some(500),
                throttle_read_bps_device: vec![throttle.clone()],
                throttle_write_iops_device: vec![ThrottleDevice { rate: 0, ..throttle }],
                ..BlockIo::default()
            }),
            ..Resources::default()
        };
        let group = Group::create(&host(), &path("web"), &Resources::default()).unwrap();
        let skipped = group.apply_where_possible(&limits);
        // Weights need bfq or iocost, which a kernel may lack; then that is said, and the rest is set.
        assert!(
            skipped.iter().all(|e| e.to_string().contains("weight")),
            "{skipped:?}"
        );
        assert_eq!(
            read("web", "io.max"),
            format!("{number} rbps=1048576 wbps=max riops=max wiops=max")
        );

        let page = HugepageLimit {
            page_size: "2MB".to_owned(),
            limit: 4 << 20,
        };
        if fs::exists("/sys/fs/cgroup/tare/web/hugetlb.2MB.max").unwrap() {
            group
                .apply(&Resources {
                    hugepage_limits: vec![page],
                    ..Resources::default()
                })
                .unwrap();
            assert_eq!(read("web", "hugetlb.2MB.max"), "4194304");
        }
        group.remove().unwrap();
    });
}

/// A group that has processes itself can pass no controller on: said with the group, and what to do.
#[test]
fn a_controller_that_is_not_passed_on_is_named_with_its_holder() {
    test(&[Need::Root, Need::Cgroup2Controllers], |_world| {
        let pod = Group::create(&host(), &path("pod"), &Resources::default()).unwrap();
        let mut sleeper = start(pod.entrance().unwrap(), "exec sleep 100");
        // Its shell has entered when the group is not empty.
        while pod.is_empty().unwrap() {}
        let below = path("pod").join("web").unwrap();
        let e = Group::create(&host(), &below, &memory(64 * MIB, -1)).unwrap_err();
        assert_eq!(e.kind(), Kind::Unsupported, "{e:?}");
        assert!(
            e.to_string().contains(
                "the memory controller is not available: group /tare/pod has it and does not pass it on"
            ),
            "{e}"
        );
        assert!(
            e.first_hint()
                .unwrap()
                .contains("/tare/pod/cgroup.subtree_control"),
            "{e:?}"
        );
        assert!(!fs::exists("/sys/fs/cgroup/tare/pod/web").unwrap());
        pod.kill().unwrap();
        sleeper.wait().unwrap();
        pod.remove().unwrap();
    });
}

/// Groups that the container made itself go with it.
#[test]
fn a_crowd_below_is_removed_with_its_groups() {
    test(&[Need::Root, Need::Cgroup2Controllers], |_world| {
        let pod = Group::create(&host(), &path("pod"), &Resources::default()).unwrap();
        let script = "mkdir -p /sys/fs/cgroup/tare/pod/a/b/c; echo $$ > /sys/fs/cgroup/tare/pod/a/b/c/cgroup.procs; \
                      while :; do /bin/true; done";
        let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        while pod.is_empty().unwrap() {}
        pod.freeze().unwrap();
        pod.kill().unwrap();
        child.wait().unwrap();
        pod.remove().unwrap();
        assert!(!fs::exists("/sys/fs/cgroup/tare/pod").unwrap());
    });
}
