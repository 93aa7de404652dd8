//! System calls and namespaces.

use super::child::{SEVERAL_THREADS, UserNamespace};
use super::{read, words};
use crate::check::Finding;
use crate::place::Place;
use rustix::fd::AsFd;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, WaitId, WaitIdOptions, getpid, pidfd_open};
use tare_process::CloneFlags;

/// The oldest kernel that is supported.
const FLOOR: (u32, u32) = (5, 10);

pub(crate) fn version(place: &Place) -> Finding {
    let mut numbers = place
        .release
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    let found = (
        numbers.next().and_then(Result::ok),
        numbers.next().and_then(Result::ok),
    );
    match found {
        (Some(major), Some(minor)) if (major, minor) >= FLOOR => Finding::yes(&place.release),
        _ => Finding::no(format!("{}: older than 5.10", place.release)),
    }
}

pub(crate) fn namespaces(_: &Place) -> Finding {
    let all = ["mnt", "pid", "net", "ipc", "uts", "cgroup", "user", "time"];
    let is_there = |name: &&str| std::fs::symlink_metadata(format!("/proc/self/ns/{name}")).is_ok();
    let (there, missing): (Vec<&str>, Vec<&str>) = all.iter().partition(|name| is_there(name));
    match missing.as_slice() {
        [] => Finding::yes(there.join(" ")),
        ["time"] => Finding::partly("all but time"),
        _ => Finding::no(format!("missing: {}", missing.join(" "))),
    }
}

pub(crate) fn user_namespaces(place: &Place) -> Finding {
    let most = read("/proc/sys/user/max_user_namespaces");
    if most.as_deref() == Some("0") {
        return Finding::no("max_user_namespaces is 0").mended_by("sysctl -w user.max_user_namespaces=65536");
    }
    if !tare_sys::is_single_threaded() {
        return Finding::unknown(SEVERAL_THREADS);
    }
    let made = UserNamespace::start(CloneFlags::NEWUSER, || Ok(())).and_then(UserNamespace::let_go);
    match made {
        Ok(()) => Finding::yes("one was made"),
        Err(e) if place.is_root => Finding::no(words(e)),
        Err(e) => {
            let finding = Finding::no(format!("not for this user: {}", words(e)));
            if read("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
                return finding.mended_by("sysctl -w kernel.unprivileged_userns_clone=1");
            }
            if read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") {
                return finding.mended_by("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
            }
            finding
        }
    }
}

pub(crate) fn openat2(_: &Place) -> Finding {
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(CWD, "/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), how) {
        Ok(_) => Finding::yes(""),
        Err(e) => Finding::no(words(e)),
    }
}

pub(crate) fn pidfd(_: &Place) -> Finding {
    let own = match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(own) => own,
        Err(e) => return Finding::no(words(e)),
    };
    // Asked of a process that is no child of ours: ECHILD says that the kernel knows the question.
    let waiting = rustix::process::waitid(
        WaitId::PidFd(own.as_fd()),
        WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
    );
    match (waiting, tare_sys::pidfd_info(own.as_fd())) {
        (Ok(_) | Err(Errno::CHILD), Ok(_)) => Finding::yes("open, wait, info"),
        (Ok(_) | Err(Errno::CHILD), Err(_)) => {
            Finding::partly("open and wait; no PIDFD_GET_INFO (Linux 6.13)")
        }
        (Err(e), _) => Finding::no(format!("waiting by pidfd: {}", words(e))),
    }
}

/// A child is born into this process's own version 2 group, so nothing has to be made for it.
pub(crate) fn clone_into_group(_: &Place) -> Finding {
    let Ok(host) = tare_cgroup::Host::current() else {
        return Finding::unknown("not tried: no cgroup file system");
    };
    let Some(tree) = host.v2() else {
        return Finding::unknown("not tried: no cgroup v2 tree is mounted");
    };
    let Some(own) = &tree.own_group else {
        return Finding::unknown("not tried: this process's group is outside the mounted tree");
    };
    if !tare_sys::is_single_threaded() {
        return Finding::unknown(SEVERAL_THREADS);
    }
    let path = tree.mount_point.join(own.trim_start_matches('/'));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let made = rustix::fs::open(path, flags, Mode::empty())
        .and_then(|group| tare_sys::fork_with(CloneFlags::empty(), Some(group.as_fd()), || 0));
    match made {
        Ok(child) => {
            let waited = rustix::process::waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
            match (waited, child.in_group) {
                (Ok(_), true) => Finding::yes("a child was born into a group"),
                (Ok(_), false) => {
                    Finding::no("clone3 is denied, as by the seccomp filter of a container around us")
                }
                (Err(e), _) => Finding::no(words(e)),
            }
        }
        Err(Errno::ACCESS | Errno::PERM) => Finding::yes("there; not for this user's group"),
        Err(e) => Finding::no(words(e)),
    }
}

pub(crate) fn clock(_: &Place) -> Finding {
    // The first of January 2025: certificates of today are not valid before it.
    const THEN: i64 = 1_735_689_600;
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
    if now >= THEN {
        Finding::yes("")
    } else {
        Finding::no("the clock is before 2025")
    }
}
