//! Filters and security modules.

use super::read;
use crate::check::Finding;
use crate::place::Place;
use rustix::thread::CapabilitySet;

pub(crate) fn seccomp(_: &Place) -> Finding {
    // The list is there since Linux 4.14, with CONFIG_SECCOMP_FILTER alone.
    match read("/proc/sys/kernel/seccomp/actions_avail") {
        Some(actions) if actions.split_whitespace().any(|action| action == "errno") => Finding::yes(actions),
        Some(actions) => Finding::no(format!("only: {actions}")),
        None => Finding::no("the kernel has no seccomp filters"),
    }
}

pub(crate) fn seccomp_notify(_: &Place) -> Finding {
    let actions = read("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    if actions.split_whitespace().any(|action| action == "user_notif") {
        Finding::yes("")
    } else {
        Finding::no("the kernel has no seccomp notifications (Linux 5.0)")
    }
}

pub(crate) fn apparmor(_: &Place) -> Finding {
    match read("/sys/module/apparmor/parameters/enabled").as_deref() {
        Some("Y") => Finding::yes("enabled"),
        Some(_) => Finding::no("built in, and not enabled"),
        None => Finding::no("the kernel has no AppArmor"),
    }
}

pub(crate) fn selinux(_: &Place) -> Finding {
    match read("/sys/fs/selinux/enforce").as_deref() {
        Some("1") => Finding::yes("enforcing"),
        Some(_) => Finding::partly("permissive"),
        None => Finding::no("not in use on this machine"),
    }
}

pub(crate) fn sys_resource(place: &Place) -> Finding {
    if place.has(CapabilitySet::SYS_RESOURCE) {
        Finding::yes("")
    } else if place.is_root {
        Finding::no("root here has no CAP_SYS_RESOURCE")
    } else {
        Finding::no("this user has no CAP_SYS_RESOURCE")
            .mended_by("run as root, where higher limits are wanted")
    }
}
