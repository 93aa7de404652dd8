//! Every check, in the order it is printed: what is needed first, then by subject.

use crate::check::Weight::{Needed, Useful};
use crate::check::{Check, Finding, Weight};
use crate::place::Place;
use crate::probe::{cgroup, kernel, machine, mount, security, user};

const fn check(
    (name, title): (&'static str, &'static str),
    weight: Weight,
    probe: fn(&Place) -> Finding,
    lost: &'static str,
    mend: &'static str,
) -> Check {
    Check {
        name,
        title,
        weight,
        lost,
        mend,
        probe,
    }
}

/// The table.
pub const CHECKS: &[Check] = &[
    check(
        ("kernel", "Linux 5.10 or newer"),
        Needed,
        kernel::version,
        "nothing is tested on such a kernel; expect errors",
        "apt-get install linux-image-amd64, then reboot",
    ),
    check(
        ("namespaces", "namespaces"),
        Needed,
        kernel::namespaces,
        "containers cannot be isolated in what is missing",
        "use a distribution's kernel; they have all of them",
    ),
    check(
        ("openat2", "paths confined to a root (openat2)"),
        Needed,
        kernel::openat2,
        "no path inside a container can be opened safely, so none is",
        "in a container, allow openat2 in its seccomp profile; else use Linux 5.6 or newer",
    ),
    check(
        ("pidfd", "processes held by fd (pidfd)"),
        Needed,
        kernel::pidfd,
        "the exit of a process that somebody else reaped cannot be learnt",
        "use Linux 6.15 or newer for the part that is missing; 5.4 for the rest",
    ),
    check(
        ("mount-api", "detached mounts (fsopen, mount_setattr)"),
        Needed,
        mount::api,
        "mounts are made by path, one system call more each; without mount_setattr no id-mapped mounts",
        "use Linux 5.12 or newer; in a container, allow these calls in its seccomp profile",
    ),
    check(
        ("overlay", "overlay file system"),
        Needed,
        mount::overlay,
        "images cannot be layered: root's containers do not start",
        "modprobe overlay; keep the data folder on ext4, xfs or btrfs",
    ),
    check(
        ("data-folder", "file system of the data folder"),
        Needed,
        mount::data_folder,
        "images and containers cannot be kept there safely",
        "put it on a local disk: tare --root /path/on/ext4-or-xfs",
    ),
    check(
        ("run-folder", "run folder in memory"),
        Useful,
        mount::run_folder,
        "state that a reboot undoes is written to a disk, and emptied at the next start",
        "mount -t tmpfs -o mode=755 tmpfs /run",
    ),
    check(
        ("overlay-layers", "overlay with many layers"),
        Useful,
        mount::many_layers,
        "images whose layer names need more than a page of mount options fail",
        "use Linux 6.7 or newer",
    ),
    check(
        ("id-mapped-mounts", "id-mapped mounts"),
        Useful,
        mount::id_mapped,
        "containers with a user namespace need a copy of their image with shifted owners",
        "use Linux 5.12 or newer and keep the data folder on ext4, xfs or btrfs",
    ),
    check(
        ("cgroup-layout", "control groups"),
        Useful,
        cgroup::layout,
        "nothing can be limited, and processes are found one by one",
        "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
    ),
    check(
        ("cgroup-groups", "groups can be made"),
        Useful,
        cgroup::groups,
        "containers run without limits, and what asks for a limit fails",
        "run as root, or log in under systemd, which delegates groups to users",
    ),
    check(
        ("cgroup-memory", "memory limits"),
        Useful,
        cgroup::memory,
        "--memory and --memory-swap fail; a kill for lack of memory cannot be told apart",
        "start the kernel with cgroup_enable=memory swapaccount=1",
    ),
    check(
        ("cgroup-cpu", "CPU limits"),
        Useful,
        cgroup::cpu,
        "--cpus and --cpu-shares fail",
        "use a kernel with CONFIG_CFS_BANDWIDTH",
    ),
    check(
        ("cgroup-cpuset", "choice of CPUs"),
        Useful,
        cgroup::cpuset,
        "--cpuset-cpus fails",
        "mount the cpuset controller, or enable it in the groups above",
    ),
    check(
        ("cgroup-pids", "limit of processes"),
        Useful,
        cgroup::pids,
        "--pids-limit fails: a fork bomb in a container reaches the host",
        "mount the pids controller, or enable it in the groups above",
    ),
    check(
        ("cgroup-io", "block IO limits"),
        Useful,
        cgroup::io,
        "--device-read-bps and its kin fail",
        "mount the blkio controller, or enable io in the groups above",
    ),
    check(
        ("cgroup-hugepages", "huge page limits"),
        Useful,
        cgroup::hugepages,
        "limits on huge pages fail",
        "enable the hugetlb controller in the groups above",
    ),
    check(
        ("cgroup-freezer", "freezing"),
        Useful,
        cgroup::freezer,
        "tare pause fails; killing a crowd that forks takes longer",
        "mount -t cgroup -o freezer freezer /sys/fs/cgroup/freezer",
    ),
    check(
        ("cgroup-devices", "device rules"),
        Useful,
        cgroup::devices,
        "root in a container could use every device of the host, so root's containers do not start",
        "use a kernel with CONFIG_CGROUP_BPF, or with CONFIG_CGROUP_DEVICE",
    ),
    check(
        ("cgroup-device-program", "device rules on cgroup v2"),
        Useful,
        cgroup::device_program,
        "this machine cannot be moved to cgroup v2 alone",
        "use a kernel with CONFIG_CGROUP_BPF",
    ),
    check(
        ("clone-into-cgroup", "birth into a group (clone3)"),
        Useful,
        kernel::clone_into_group,
        "each start moves its process into its group afterwards, which takes milliseconds",
        "use Linux 5.7 or newer with cgroup v2; in a container, allow clone3 in its seccomp profile",
    ),
    check(
        ("seccomp", "seccomp filters"),
        Needed,
        security::seccomp,
        "containers could make every system call; only --security-opt seccomp=unconfined starts",
        "use a kernel with CONFIG_SECCOMP_FILTER",
    ),
    check(
        ("seccomp-notify", "seccomp notifications"),
        Useful,
        security::seccomp_notify,
        "profiles that hand system calls to a helper fail",
        "use Linux 5.0 or newer with CONFIG_SECCOMP_FILTER",
    ),
    check(
        ("apparmor", "AppArmor"),
        Useful,
        security::apparmor,
        "containers have no AppArmor profile; --security-opt apparmor= fails",
        "start the kernel with lsm=apparmor (Debian: the default), apt-get install apparmor",
    ),
    check(
        ("selinux", "SELinux"),
        Useful,
        security::selinux,
        "containers have no SELinux label; --security-opt label= fails",
        "on Fedora and its kin: setenforce 1; elsewhere AppArmor does this job",
    ),
    check(
        ("sys-resource", "CAP_SYS_RESOURCE"),
        Useful,
        security::sys_resource,
        "default limits and OOM scores are clamped with a warning, and higher ones that are asked for fail",
        "give this container or service the capability: --cap-add SYS_RESOURCE",
    ),
    check(
        ("user-namespaces", "user namespaces"),
        Useful,
        kernel::user_namespaces,
        "ordinary users cannot run containers, and --userns fails",
        "sysctl -w user.max_user_namespaces=65536",
    ),
    check(
        ("subordinate-ids", "subordinate ids"),
        Useful,
        user::subordinate_ids,
        "this user's containers have one user id, and images with more cannot be unpacked as they are",
        "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER",
    ),
    check(
        ("map-helpers", "newuidmap and newgidmap"),
        Useful,
        user::map_helpers,
        "ordinary users' containers have one user id",
        "apt-get install uidmap",
    ),
    check(
        ("overlay-of-user", "overlay for ordinary users"),
        Useful,
        mount::overlay_of_user,
        "ordinary users' containers get a full copy of their image each",
        "use Linux 5.11 or newer, and keep the data folder on ext4, xfs or btrfs",
    ),
    check(
        ("fuse", "/dev/fuse"),
        Useful,
        machine::fuse,
        "file systems in user space cannot be used in containers or as a fallback for overlay",
        "modprobe fuse",
    ),
    check(
        ("tun", "/dev/net/tun"),
        Useful,
        machine::tun,
        "ordinary users' containers have no network but the host's or none",
        "modprobe tun",
    ),
    check(
        ("nft", "packet filter (nft)"),
        Useful,
        machine::nft,
        "bridge networks and published ports fail; --network host and none work",
        "apt-get install nftables",
    ),
    check(
        ("forwarding", "IP forwarding"),
        Useful,
        machine::forwarding,
        "containers on a bridge do not reach the world",
        "sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
    ),
    check(
        ("systemd", "systemd"),
        Useful,
        machine::systemd,
        "groups are made directly, and nothing starts containers at boot",
        "nothing to mend: it is a choice of the machine's",
    ),
    check(
        ("kvm", "/dev/kvm"),
        Useful,
        machine::kvm,
        "containers in virtual machines run by emulation, ten to twenty times slower",
        "modprobe kvm_intel or kvm_amd; in a virtual machine, allow nesting on its host",
    ),
    check(
        ("criu", "criu"),
        Useful,
        machine::criu,
        "containers cannot be checkpointed",
        "apt-get install criu",
    ),
    check(
        ("clock", "the clock"),
        Useful,
        kernel::clock,
        "certificates of registries count as not yet valid: pulls fail",
        "timedatectl set-ntp true, or date -s",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_whole() {
        for check in CHECKS {
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(check.name.chars().all(is_plain), "{}", check.name);
            for text in [check.title, check.lost, check.mend] {
                assert!(
                    text.len() >= 4 && !text.ends_with('.') && !text.contains('\n'),
                    "{}: {text:?}",
                    check.name
                );
            }
        }
    }

    #[test]
    fn names_are_unique_and_cover_what_the_stack_uses() {
        let mut names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
        for wanted in [
            "namespaces",
            "cgroup-layout",
            "overlay",
            "overlay-of-user",
            "id-mapped-mounts",
            "mount-api",
            "openat2",
            "clone-into-cgroup",
            "pidfd",
            "seccomp",
            "seccomp-notify",
            "apparmor",
            "selinux",
            "cgroup-device-program",
            "user-namespaces",
            "subordinate-ids",
            "map-helpers",
            "fuse",
            "tun",
            "nft",
            "sys-resource",
            "forwarding",
            "run-folder",
            "data-folder",
            "kvm",
            "criu",
            "systemd",
            "clock",
        ] {
            assert!(names.contains(&wanted), "{wanted}");
        }
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
