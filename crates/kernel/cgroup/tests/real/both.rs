//! What is the same on every layout: making, refusing, removing.

use crate::{host, memory, path, run, start};
use std::fs;
use std::time::Duration;
use tare_cgroup::{Group, GroupPath, Host, Layout};
use tare_error::{Kind, Report};
use tare_kit::{Need, test};
use tare_spec_oci::{Memory, Network, Pids, Resources};

#[test]
fn this_machine_is_found() {
    test(&[Need::Root, Need::Cgroup1, Need::Cgroup2], |_world| {
        let host = host();
        assert_eq!(host.layout(), Layout::Hybrid);
        assert!(!host.in_user_namespace());
        for tree in host.hierarchies() {
            assert_eq!(tree.own_group.as_deref(), Some("/"), "{tree:?}");
            assert!(!tree.read_only);
        }
    });
}

#[test]
fn a_limit_that_cannot_be_set_is_an_error_and_leaves_nothing() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let network = Network {
            class_id: Some(7),
            ..Network::default()
        };
        let asked = Resources {
            network: Some(network),
            ..memory(64 << 20, -1)
        };
        let e = Group::create(&host(), &path("web"), &asked).unwrap_err();
        assert_eq!(e.kind(), Kind::Unsupported);
        let said = Report::new(&e).to_string();
        assert!(
            said.starts_with("set the network class of /tare/web: the net_cls controller is not available: "),
            "{said}"
        );
        assert!(
            e.first_hint().unwrap().contains("mount -t cgroup -o net_cls"),
            "{e:?}"
        );
        let e = Group::open(&host(), &path("web")).unwrap_err();
        assert_eq!(e.kind(), Kind::NotFound);

        // As a default it is left out, and said.
        let group = Group::create(&host(), &path("web"), &Resources::default()).unwrap();
        let left_out = group.apply_where_possible(&asked);
        assert_eq!(left_out.len(), 1, "{left_out:?}");
        assert_eq!(group.memory_report().unwrap().groups[0].limit, Some(64 << 20));
        group.remove().unwrap();
    });
}

#[test]
fn every_refused_value_leaves_nothing() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let rules = crate::null_and(&[(-5, 0)]);
        let wild = Memory {
            limit: Some(i64::MIN),
            swappiness: Some(400),
            ..Memory::default()
        };
        let wild = Resources {
            memory: Some(wild),
            ..Resources::default()
        };
        let unified = Resources {
            unified: [("memory.high".to_owned(), "1".to_owned())].into(),
            ..Resources::default()
        };
        for asked in [rules, wild, unified] {
            let e = Group::create(&host(), &path("web"), &asked).unwrap_err();
            assert!(matches!(e.kind(), Kind::Invalid | Kind::Unsupported), "{e:?}");
            assert!(e.attached().is_empty(), "{e:?}");
            assert_eq!(
                Group::open(&host(), &path("web")).unwrap_err().kind(),
                Kind::NotFound
            );
        }
    });
}

#[test]
fn a_leftover_is_made_anew_and_a_living_group_is_not() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let host = host();
        let old = Group::create(&host, &path("web"), &memory(64 << 20, -1)).unwrap();
        Group::create(
            &host,
            &path("web").join("inner/most").unwrap(),
            &Resources::default(),
        )
        .unwrap();
        let new = Group::create(&host, &path("web"), &Resources::default()).unwrap();
        assert_eq!(new.memory_report().unwrap().groups[0].limit, None);
        // The held directories of the old one are gone, which is no error.
        assert!(old.processes().unwrap().is_empty());
        old.remove().unwrap();

        let mut child = start(new.entrance().unwrap(), "sleep 100");
        let e = Group::create(&host, &path("web"), &Resources::default()).unwrap_err();
        assert_eq!(e.kind(), Kind::Conflict);
        assert!(e.to_string().contains("processes are in it"), "{e}");
        let e = new.remove_within(Duration::from_millis(20)).unwrap_err();
        assert_eq!(e.kind(), Kind::Conflict);
        assert!(e.to_string().contains(&child.id().to_string()), "{e}");
        new.kill().unwrap();
        // Nobody has waited for it yet: removal waits for its end, not for its parent.
        new.remove().unwrap();
        new.remove().unwrap();
        child.wait().unwrap();
    });
}

#[test]
fn removal_waits_for_what_is_ending() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let group = Group::create(&host(), &path("web"), &Resources::default()).unwrap();
        let mut child = start(group.entrance().unwrap(), "sleep 0.3");
        group.remove().unwrap();
        child.wait().unwrap();
    });
}

#[test]
fn an_ordinary_user_is_told_what_to_do() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        let host = host();
        // The ids of this thread alone (the system call, not the library's broadcast to all threads).
        let denied = std::thread::spawn(move || {
            let id = rustix::process::Uid::from_raw(1500);
            rustix::thread::set_thread_res_uid(id, id, id).unwrap();
            Group::create(
                &host,
                &GroupPath::parse("/tare-user").unwrap(),
                &Resources::default(),
            )
            .unwrap_err()
        });
        let e = denied.join().unwrap();
        assert_eq!(e.kind(), Kind::Denied);
        assert!(e.first_hint().unwrap().contains("Delegate"), "{e:?}");
        assert!(e.attached().is_empty(), "{e:?}");
    });
}

#[test]
fn read_only_mounts_are_said() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        use rustix::mount::{MountFlags, UnmountFlags, mount_bind, mount_remount, unmount};
        let at = "/sys/fs/cgroup/pids";
        mount_bind(at, at).unwrap();
        mount_remount(at, MountFlags::BIND | MountFlags::RDONLY, c"").unwrap();
        let asked = Resources {
            pids: Some(Pids { limit: Some(5) }),
            ..Resources::default()
        };
        let host = host();
        let e = Group::create(&host, &path("web"), &asked).unwrap_err();
        assert_eq!(e.kind(), Kind::Unsupported);
        assert!(
            e.to_string()
                .ends_with("it is mounted read-only at /sys/fs/cgroup/pids"),
            "{e}"
        );
        // What needs no such limit works in the other hierarchies.
        let group = Group::create(&host, &path("web"), &Resources::default()).unwrap();
        let (_, text) = run(&group, "cat /proc/self/cgroup");
        assert!(text.lines().any(|line| line.ends_with(":pids:/")), "{text}");
        group.remove().unwrap();
        unmount(at, UnmountFlags::DETACH).unwrap();
    });
}

#[test]
fn a_folder_in_the_way_is_no_group() {
    test(&[Need::Root, Need::Cgroup1], |_world| {
        // No folder of a cgroup tree is ever followed out of it: links cannot be made there, and a mount is not crossed.
        use rustix::mount::{UnmountFlags, mount_bind, unmount};
        fs::create_dir("/sys/fs/cgroup/pids/trap").unwrap();
        mount_bind("/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids/trap").unwrap();
        let e = Group::open(&host(), &GroupPath::parse("/trap").unwrap()).unwrap_err();
        assert_eq!(e.errno(), Some(rustix::io::Errno::XDEV.raw_os_error()), "{e:?}");
        unmount("/sys/fs/cgroup/pids/trap", UnmountFlags::DETACH).unwrap();
        fs::remove_dir("/sys/fs/cgroup/pids/trap").unwrap();
    });
}

#[test]
fn nothing_mounted_is_told_apart() {
    let e = Host::detect("20 1 8:1 / / rw - ext4 /dev/sda rw", "0::/").unwrap_err();
    assert_eq!(
        Report::new(&e).to_string(),
        "find cgroups: no cgroup file system is mounted"
    );
}
