//! Version 2, by the unified tree of this machine: bound over the cgroup folder it is a v2 machine without controllers.

use crate::{devices, host, null_and, path, run, start};
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use std::os::unix::process::ExitStatusExt as _;
use tare_cgroup::{Group, Host, Layout};
use tare_error::Kind;
use tare_kit::{Need, test};
use tare_spec_oci::{DeviceKind, DeviceRule, Network, Resources};

/// A v2 machine for as long as it lives.
pub(crate) struct Unified {
    covers: bool,
}

impl Unified {
    pub(crate) fn cover() -> Unified {
        let covers = host().layout() != Layout::V2;
        if covers {
            mount_bind("/sys/fs/cgroup/unified", "/sys/fs/cgroup").unwrap();
        }
        assert_eq!(host().layout(), Layout::V2);
        Unified { covers }
    }
}

impl Drop for Unified {
    fn drop(&mut self) {
        if self.covers {
            unmount("/sys/fs/cgroup", UnmountFlags::DETACH).unwrap();
        }
    }
}

fn group(host: &Host) -> Group {
    Group::create(host, &path("web"), &Resources::default()).unwrap()
}

/// A child in the group, which waits for ever.
fn clone_into(group: BorrowedFd<'_>) -> i32 {
    // struct clone_args: the signal at its end is the fifth field, the group the eleventh.
    let mut args = [0_u64; 11];
    args[0] = 0x2_0000_0000; // CLONE_INTO_CGROUP
    args[4] = 17; // SIGCHLD
    args[10] = group.as_raw_fd().unsigned_abs().into();
    // SAFETY: the arguments are a live array of the size given; the child has a copy of this memory.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, args.as_ptr(), size_of_val(&args)) };
    if pid == 0 {
        loop {
            // SAFETY: pause(2) only waits.
            unsafe { libc::pause() };
        }
    }
    i32::try_from(pid).unwrap()
}

#[test]
fn a_child_is_born_into_the_group() {
    test(&[Need::Root, Need::Cgroup2], |_world| {
        let _v2 = Unified::cover();
        let group = group(&host());
        let pid = clone_into(group.clone_into().unwrap());
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        assert_eq!(group.processes().unwrap(), [pid]);
        group.kill().unwrap();
        let (_, status) = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty())
            .unwrap()
            .unwrap();
        assert_eq!(status.terminating_signal(), Some(9));
        assert_eq!(group.entrance_beside_clone().unwrap().files().len(), 0);
        group.remove().unwrap();
    });
}

#[test]
fn freeze_waits_for_the_event_and_kill_reaches_all() {
    test(&[Need::Root, Need::Cgroup2], |_world| {
        let _v2 = Unified::cover();
        let group = group(&host());
        // Processes in groups below alone: where there are controllers, a group that passes them on has none itself.
        let busy = "while :; do /bin/true; done";
        let mut children = ["exec/1", "exec/2"].map(|name| {
            let below = group.path().join(name).unwrap();
            let below = Group::create(group.host(), &below, &Resources::default()).unwrap();
            start(below.entrance().unwrap(), busy)
        });
        group.freeze().unwrap();
        assert!(group.is_frozen().unwrap());
        let events = std::fs::read_to_string("/sys/fs/cgroup/tare/web/cgroup.events").unwrap();
        assert!(
            events.contains("frozen 1") && events.contains("populated 1"),
            "{events}"
        );
        assert!(!group.is_empty().unwrap());
        group.thaw().unwrap();
        assert!(!group.is_frozen().unwrap());

        group.freeze().unwrap();
        group.kill().unwrap();
        for child in &mut children {
            assert_eq!(child.wait().unwrap().signal(), Some(9));
        }
        group.remove().unwrap();
        assert!(!std::fs::exists("/sys/fs/cgroup/tare/web").unwrap());
    });
}

#[test]
fn device_rules_hold_and_change_at_once() {
    test(&[Need::Root, Need::Cgroup2], |world| {
        let _v2 = Unified::cover();
        let group = Group::create(&host(), &path("web"), &null_and(&[])).unwrap();
        let node = world.folder("nodes");
        let node = node.display();
        let script = format!(
            "echo x > /dev/null && echo null; head -c1 /dev/zero | wc -c; mknod {node}/n c 1 3 && echo made; \
             mknod {node}/z c 1 5 || echo refused"
        );
        let (_, text) = run(&group, &script);
        assert!(text.contains("null\n0\nmade\nrefused\n"), "{text}");

        group.apply(&null_and(&[(1, 5)])).unwrap();
        let (_, text) = run(
            &group,
            "echo x > /dev/null && head -c1 /dev/zero | wc -c; echo x > /dev/zero",
        );
        assert!(
            text.starts_with("1\n") && text.contains("not permitted"),
            "{text}"
        );
        // And back: the second program's denial holds, which two programs attached carelessly would not give.
        group.apply(&null_and(&[])).unwrap();
        let (_, text) = run(&group, "head -c1 /dev/zero | wc -c");
        assert!(text.contains("0\n"), "{text}");

        let all = DeviceRule {
            allow: true,
            kind: DeviceKind::All,
            ..DeviceRule::default()
        };
        group.apply(&devices(vec![all])).unwrap();
        assert_eq!(run(&group, "head -c1 /dev/zero >/dev/zero").0, Some(0));
        group.remove().unwrap();
    });
}

#[test]
fn removal_goes_by_the_event() {
    test(&[Need::Root, Need::Cgroup2], |_world| {
        let _v2 = Unified::cover();
        let group = group(&host());
        let mut child = start(group.entrance().unwrap(), "sleep 0.3");
        group.remove().unwrap();
        child.wait().unwrap();
        group.remove().unwrap();
    });
}

#[test]
fn a_missing_controller_is_named() {
    test(&[Need::Root, Need::Cgroup2], |_world| {
        let _v2 = Unified::cover();
        let network = Network {
            class_id: Some(7),
            ..Network::default()
        };
        let asked = Resources {
            network: Some(network),
            ..Resources::default()
        };
        let e = Group::create(&host(), &path("web"), &asked).unwrap_err();
        assert_eq!(e.kind(), Kind::Unsupported);
        assert!(
            e.to_string().contains("the net_cls controller is not available"),
            "{e}"
        );
        assert_eq!(
            Group::open(&host(), &path("web")).unwrap_err().kind(),
            Kind::NotFound
        );
        let group = group(&host());
        let reported = group.memory_report().unwrap();
        assert_eq!(reported.version.is_none(), reported.groups.is_empty());

        // The files that every group has can be set by name.
        let unified = [("cgroup.max.descendants".to_owned(), "3".to_owned())].into();
        group
            .apply(&Resources {
                unified,
                ..Resources::default()
            })
            .unwrap();
        let value = std::fs::read_to_string("/sys/fs/cgroup/tare/web/cgroup.max.descendants").unwrap();
        assert_eq!(value, "3\n");
        group.remove().unwrap();
    });
}
