//! Layouts as they are met in the field, each as the text the kernel gives.

use super::*;

const ROOT: &str = "20 1 8:1 / / rw - ext4 /dev/sda rw\n21 20 0:1 / /sys rw - sysfs sysfs rw\n";

fn detect(mounts: &str, own: &str) -> Host {
    Host::detect(&format!("{ROOT}{mounts}"), own).unwrap()
}

fn labels(host: &Host) -> Vec<String> {
    host.hierarchies().iter().map(Hierarchy::label).collect()
}

#[test]
fn pure_v1() {
    let host = detect(
        "30 21 0:2 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
         31 30 0:3 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
         32 30 0:4 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
        "2:memory:/a\n1:cpu,cpuacct:/b\n",
    );
    assert_eq!(host.layout(), Layout::V1);
    assert_eq!(labels(&host), ["cpu,cpuacct", "memory"]);
    assert_eq!(
        host.v1(Controller::Cpuacct).unwrap().own_group.as_deref(),
        Some("/b")
    );
    assert_eq!(
        host.v1(Controller::Memory).unwrap().own_group.as_deref(),
        Some("/a")
    );
    assert_eq!(host.v1(Controller::Pids), None);
    assert_eq!(host.v2(), None);
}

/// The layout of the machine this was written on.
#[test]
fn hybrid() {
    let host = detect(
        "31 21 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
         32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
         35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
         40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n\
         41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
        "9:name=systemd:/\n4:memory:/process_api/42\n1:cpu:/\n0::/\n",
    );
    assert_eq!(host.layout(), Layout::Hybrid);
    assert_eq!(labels(&host), ["cpu", "memory", "systemd", "unified"]);
    assert_eq!(host.unified_mount(), Some(Path::new("/sys/fs/cgroup/unified")));
    assert_eq!(
        host.v1(Controller::Memory).unwrap().own_group.as_deref(),
        Some("/process_api/42")
    );
    assert_eq!(host.v2().unwrap().own_group.as_deref(), Some("/"));
}

/// crun refuses this one; which controllers the tree has is asked group by group, so detection is the same.
#[test]
fn hybrid_whose_unified_tree_is_mounted_elsewhere() {
    let host = detect(
        "32 21 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
         41 20 0:38 / /mnt/two rw - cgroup2 none rw,nsdelegate,memory_recursiveprot\n",
        "3:pids:/\n0::/x\n",
    );
    assert_eq!(host.layout(), Layout::Hybrid);
    assert_eq!(host.unified_mount(), Some(Path::new("/mnt/two")));
}

#[test]
fn pure_v2() {
    let host = detect(
        "30 21 0:2 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
        "0::/user.slice/user-1000.slice/session-1.scope\n",
    );
    assert_eq!(host.layout(), Layout::V2);
    assert_eq!(
        host.v2().unwrap().own_group.as_deref(),
        Some("/user.slice/user-1000.slice/session-1.scope")
    );
}

#[test]
fn v2_with_a_named_v1_hierarchy() {
    let host = detect(
        "30 21 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n\
         31 30 0:3 / /run/elogind rw - cgroup cgroup rw,name=elogind\n",
        "1:name=elogind:/\n0::/\n",
    );
    assert_eq!(host.layout(), Layout::V2);
}

/// In a container: the namespace shows its own group as the root, whether or not it was made before the mount.
#[test]
fn v2_in_a_container() {
    let own = detect("30 21 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "0::/\n");
    assert_eq!(own.v2().unwrap().own_group.as_deref(), Some("/"));

    let bound = detect(
        "30 21 0:2 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
        "0::/docker/abc/inner\n",
    );
    let tree = bound.v2().unwrap();
    assert_eq!(tree.own_group.as_deref(), Some("/inner"));
    assert_eq!(tree.mounted_group, "/docker/abc");
    assert!(tree.read_only);

    let sibling = detect(
        "30 21 0:2 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
        "0::/docker/abcd\n",
    );
    assert_eq!(sibling.v2().unwrap().own_group, None);
    let outside = detect(
        "30 21 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
        "0::/../other\n",
    );
    assert_eq!(outside.v2().unwrap().own_group, None);
}

#[test]
fn systemd_v1() {
    let host = detect(
        "30 21 0:2 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n\
         31 30 0:3 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/systemd/agent,name=systemd\n\
         32 30 0:4 / /sys/fs/cgroup/net_cls,net_prio rw - cgroup cgroup rw,net_cls,net_prio\n",
        "5:net_cls,net_prio:/\n1:name=systemd:/init.scope\n",
    );
    assert_eq!(host.layout(), Layout::V1);
    assert_eq!(labels(&host), ["systemd", "net_cls,net_prio"]);
    assert!(host.hierarchies().iter().all(|h| !h.read_only));
    assert_eq!(host.hierarchies()[0].own_group.as_deref(), Some("/init.scope"));
}

/// As in a container that got both: the writable one wins, whichever comes first.
#[test]
fn the_writable_mount_of_a_tree_wins() {
    let read_only = "30 21 0:2 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
    let writable = "31 20 0:2 / /mnt/c rw - cgroup2 cgroup rw\n";
    for mounts in [format!("{read_only}{writable}"), format!("{writable}{read_only}")] {
        let host = detect(&mounts, "0::/\n");
        assert_eq!(host.unified_mount(), Some(Path::new("/mnt/c")));
        assert_eq!(host.hierarchies().len(), 1);
    }
}

/// A bind of the unified tree over the cgroup folder makes a v2 machine of a hybrid one.
#[test]
fn covered_hierarchies_do_not_count() {
    let host = detect(
        "31 21 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
         35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
         41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
         50 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        "4:memory:/a\n0::/\n",
    );
    assert_eq!(host.layout(), Layout::V2);
    assert_eq!(host.unified_mount(), Some(Path::new("/sys/fs/cgroup")));
}

#[test]
fn nothing_mounted_is_said_with_its_cure() {
    for text in ["", "garbage\n", ROOT] {
        let e = Host::detect(text, "0::/\n").unwrap_err();
        assert_eq!(e.kind(), Kind::Unsupported);
        assert!(e.first_hint().unwrap().contains("mount -t cgroup2"));
    }
}

#[test]
fn only_the_first_user_namespace_maps_every_id_onto_itself() {
    assert!(is_whole_id_map("         0          0 4294967295\n"));
    assert!(!is_whole_id_map("         0       1000          1\n"));
    assert!(!is_whole_id_map(""));
}
