//! Namespaces of another container, and groups.

use crate::Test;
use crate::bed::Bed;
use rustix::fs::{Mode, OFlags};
use serde_json::json;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use tare_sys::FilterFlags;

pub(crate) const TESTS: &[Test] = &[
    (
        "joined_namespaces_are_the_others",
        joined_namespaces_are_the_others,
    ),
    ("born_into_its_group", || group(false)),
    ("moved_into_its_group_without_clone3", || group(true)),
    (
        "host_cgroup_namespace_shows_own_groups",
        host_cgroup_namespace_shows_own_groups,
    ),
];

fn joined_namespaces_are_the_others() {
    let mut first = Bed::new();
    let mut second = Bed::at(PathBuf::from("/mnt/second"));
    first.while_created(&["true"], |pid| {
        let kinds = [
            ("network", "net"),
            ("uts", "uts"),
            ("ipc", "ipc"),
            ("pid", "pid"),
            ("cgroup", "cgroup"),
        ];
        let joined =
            kinds.map(|(kind, file)| json!({"type": kind, "path": format!("/proc/{pid}/ns/{file}")}));
        second
            .set(
                "/linux/namespaces",
                json!([&joined[..], &[json!({"type": "mount"})]].concat()),
            )
            .set("/hostname", json!(""));
        let text = second
            .sh("for n in net uts ipc pid cgroup; do readlink /proc/self/ns/$n; done; hostname; ls /proc")
            .output;
        for (_, file) in kinds {
            let theirs = fs::read_link(format!("/proc/{pid}/ns/{file}")).unwrap();
            assert!(text.contains(theirs.to_str().unwrap()), "{file}: {text}");
        }
        // The name that the first container set, and its first process.
        assert!(text.contains("\nfirst\n1\n"), "{text}");
    });
    // This process's own children are born into its own namespace again.
    assert!(
        second
            .set("/linux/namespaces", json!([{"type": "mount"}, {"type": "pid"}]))
            .sh("echo $$")
            .output
            == "1\n"
    );
}

/// A group of version 2 of this test's own, removed at the end.
struct Group(PathBuf);

impl Group {
    fn new() -> Option<Group> {
        let base = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
            .into_iter()
            .find(|b| fs::metadata(format!("{b}/cgroup.procs")).is_ok())?;
        let path = PathBuf::from(base).join(format!("tare-test-{}", std::process::id()));
        fs::create_dir(&path).ok()?;
        Some(Group(path))
    }

    fn open(&self) -> OwnedFd {
        rustix::fs::open(
            &self.0,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

fn group(without_clone3: bool) {
    let mut bed = Bed::new();
    let Some(group) = Group::new() else {
        println!("skipped: no cgroup version 2 to write to");
        return;
    };
    bed.group = Some(group.open());
    if without_clone3 {
        tare_sys::load_filter(&crate::denied::deny(435, 38), FilterFlags::empty()).unwrap();
    }
    let name = group.0.file_name().unwrap().to_str().unwrap().to_owned();
    let outside = bed.while_created(&["true"], |pid| {
        fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap()
    });
    assert!(outside.lines().any(|l| l == format!("0::/{name}")), "{outside}");
    // From inside, its namespace begins there.
    assert!(bed.sh("cat /proc/1/cgroup").output.lines().any(|l| l == "0::/"));
}

fn host_cgroup_namespace_shows_own_groups() {
    let mut bed = Bed::new();
    bed.spec["linux"]["namespaces"]
        .as_array_mut()
        .unwrap()
        .retain(|n| n["type"] != "cgroup");
    let own = fs::read_link("/proc/self/ns/cgroup").unwrap();
    let text = bed
        .sh("readlink /proc/self/ns/cgroup; cat /proc/self/mountinfo")
        .output;
    assert!(text.starts_with(own.to_str().unwrap()), "{text}");
    for line in text.lines().filter(|l| l.contains(" - cgroup ")) {
        // The root of the mount, relative to the reader's namespace: the container's own group.
        assert_eq!(line.split(' ').nth(3), Some("/"), "{line}");
    }
}
