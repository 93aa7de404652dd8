//! Namespaces of another container, and groups.

use crate::Test;
use crate::bed::Bed;
use rustix::fs::{Mode, OFlags};
use serde_json::json;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tare_sys::FilterFlags;

pub(crate) const TESTS: &[Test] = &[
    (
        "joined_namespaces_are_the_others",
        joined_namespaces_are_the_others,
    ),
    ("joined_user_namespace", joined_user_namespace),
    ("joined_user_namespace_and_group", joined_user_namespace_and_group),
    (
        "user_namespace_that_cannot_be_joined",
        user_namespace_that_cannot_be_joined,
    ),
    ("mounts_of_the_host", mounts_of_the_host),
    ("mounts_of_another", mounts_of_another),
    (
        "mounts_of_the_host_are_not_for_everything",
        mounts_of_the_host_are_not_for_everything,
    ),
    ("born_into_its_group", || group(false)),
    ("moved_into_its_group_without_clone3", || group(true)),
    (
        "host_cgroup_namespace_shows_own_groups",
        host_cgroup_namespace_shows_own_groups,
    ),
];

/// A container in the user namespace of `pid`, and in some others of its namespaces.
fn in_user_namespace_of(pid: i32, others: &[&str]) -> Bed {
    let mut second = Bed::at(PathBuf::from("/mnt/second"));
    let path = |file: &str| format!("/proc/{pid}/ns/{file}");
    let namespaces = second.spec["linux"]["namespaces"].as_array_mut().unwrap();
    for namespace in namespaces.iter_mut() {
        let kind = namespace["type"].as_str().unwrap().to_owned();
        if others.contains(&kind.as_str()) {
            namespace["path"] = json!(path(if kind == "network" { "net" } else { &kind }));
        }
    }
    namespaces.push(json!({"type": "user", "path": path("user")}));
    second
}

fn joined_user_namespace() {
    let mut first = Bed::new();
    crate::users::with_user_namespace(&mut first);
    first.while_created(&["true"], |pid| {
        for others in [&[][..], &["network", "ipc", "uts"], &["pid"]] {
            let mut second = in_user_namespace_of(pid, others);
            crate::users::give(&second.bundle.join("rootfs"), 100_000);
            if others.contains(&"uts") {
                second.set("/hostname", json!(""));
            }
            second.set("/process/user", json!({"uid": 7, "gid": 7, "additionalGids": [9]})).set("/process/oomScoreAdj", json!(321));
            let text = second
                .sh("id; readlink /proc/self/ns/user; readlink /proc/self/ns/net; cat /proc/self/uid_map /proc/self/oom_score_adj; echo $$; \
                     stat -c %t:%T /dev/null; echo out >/dev/stdout; ls -d /proc/1 /sys/class/net/lo; grep CapBnd /proc/self/status")
                .output;
            assert!(text.starts_with("uid=7 gid=7 groups=9\n"), "{others:?}: {text}");
            let link = |file: &str| fs::read_link(format!("/proc/{pid}/ns/{file}")).unwrap();
            assert!(text.contains(link("user").to_str().unwrap()), "{text}");
            assert_eq!(text.contains(link("net").to_str().unwrap()), others.contains(&"network"), "{text}");
            assert!(text.contains("         0     100000      65536\n321\n"), "{text}");
            assert!(text.contains("1:3\nout\n/proc/1\n/sys/class/net/lo\n"), "{text}");
            assert_eq!(text.contains("321\n1\n"), !others.contains(&"pid"), "{text}");
            assert!(text.contains("00000000a80425fb"), "{text}");
        }
    });
}

fn joined_user_namespace_and_group() {
    // Born into a cgroup whose files the user namespace could not write.
    let mut first = Bed::new();
    crate::users::with_user_namespace(&mut first);
    first.while_created(&["true"], |pid| {
        let tree = "/sys/fs/cgroup/unified";
        let tree = if Path::new(tree).exists() {
            tree
        } else {
            "/sys/fs/cgroup"
        };
        let place = format!("{tree}/tare-joined-{}", std::process::id());
        fs::create_dir(&place).unwrap();
        let mut second = in_user_namespace_of(pid, &[]);
        crate::users::give(&second.bundle.join("rootfs"), 100_000);
        second.group =
            Some(rustix::fs::open(&place, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap());
        second.spec["linux"]["namespaces"]
            .as_array_mut()
            .unwrap()
            .retain(|n| n["type"] != "cgroup");
        let begun = second.begin_attaching(|pid| {
            let path = format!("/proc/{}/cgroup", pid.as_raw_nonzero());
            assert!(fs::read_to_string(path).unwrap().contains("/tare-joined-"));
            Ok(())
        });
        let created = begun.and_then(|mut creation| creation.wait_created());
        second.group = None;
        let gone = (0..100).any(|_| {
            std::thread::yield_now();
            fs::remove_dir(&place).is_ok()
        });
        assert!(gone);
        created.unwrap();
    });
}

fn user_namespace_that_cannot_be_joined() {
    let mut bed = Bed::new();
    let namespaces = bed.spec["linux"]["namespaces"].clone();
    let with = |bed: &mut Bed, path: &str| {
        let mut list = namespaces.as_array().unwrap().clone();
        list.push(json!({"type": "user", "path": path}));
        bed.set("/linux/namespaces", json!(list));
    };
    // One's own cannot be entered again.
    with(&mut bed, "/proc/self/ns/user");
    assert_eq!(bed.error(&["true"]), "join namespace user: invalid argument");
    with(&mut bed, "/proc/self/ns/none");
    assert_eq!(
        bed.error(&["true"]),
        "open namespace /proc/self/ns/none: no such file or directory"
    );
    let waited = rustix::process::waitpid(None, rustix::process::WaitOptions::NOHANG);
    assert_eq!(waited.unwrap_err(), rustix::io::Errno::CHILD);
    let mut first = Bed::at(PathBuf::from("/mnt/first"));
    crate::users::with_user_namespace(&mut first);
    first.while_created(&["true"], |pid| {
        with(&mut bed, &format!("/proc/{pid}/ns/user"));
        let other = json!([{"containerID": 0, "hostID": 5, "size": 9}]);
        bed.set("/linux/uidMappings", other.clone())
            .set("/linux/gidMappings", other);
        let error = bed.error(&["true"]);
        assert!(
            error.starts_with("use linux.uidMappings: the user namespace that is joined has other maps"),
            "{error}"
        );
    });
}

/// A container that has no mount namespace of its own.
fn without_mount_namespace(path: Option<String>) -> Bed {
    let mut bed = Bed::new();
    let namespaces = bed.spec["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|n| n["type"] != "mount");
    if let Some(path) = path {
        namespaces.push(json!({"type": "mount", "path": path}));
    }
    bed.set("/linux/maskedPaths", json!([]))
        .set("/linux/readonlyPaths", json!([]));
    fs::create_dir_all("/mnt/data").unwrap();
    fs::write("/mnt/data/f", "bound\n").unwrap();
    bed.mount("bind", "/mnt/data", "/data", "rbind");
    bed
}

const LOOK: &str = "cat /data/f; readlink /proc/self/ns/mnt; ls -a /; stat -c %t:%T /dev/null; cat /proc/self/status >/dev/null; \
    echo x >/dev/shm/x; touch /made; ls /mnt/data 2>&1; mount -t tmpfs none /tmp 2>&1; cd ../../..; ls";

fn assert_looks(text: &str, namespace: &Path) {
    assert!(
        text.starts_with(&format!("bound\n{}\n", namespace.display())),
        "{text}"
    );
    assert!(text.contains("1:3\n"), "{text}");
    assert!(text.contains("/mnt/data: No such file"), "{text}");
    assert!(fs::metadata("/mnt/bundle/rootfs/made").is_ok());
}

fn mounts_of_the_host() {
    // Even where the host's mounts are shared, as systemd makes them.
    let shared = rustix::mount::MountPropagationFlags::SHARED | rustix::mount::MountPropagationFlags::REC;
    rustix::mount::mount_change("/", shared).unwrap();
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut bed = without_mount_namespace(None);
    let text = bed.sh(LOOK).output;
    assert_looks(&text, &fs::read_link("/proc/self/ns/mnt").unwrap());
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    // While it runs, too.
    let seen = bed.while_created(&["true"], |_| fs::read_to_string("/proc/self/mountinfo").unwrap());
    assert_eq!(seen, before);
    assert!(
        bed.set("/root/readonly", json!(true))
            .sh("touch /no 2>&1")
            .output
            .contains("Read-only")
    );
    // That is the container's alone.
    fs::write("/mnt/bundle/rootfs/yes", "").unwrap();
}

fn mounts_of_another() {
    let mut other = Bed::at(PathBuf::from("/mnt/other"));
    other
        .mount("bind", "/mnt", "/mnt", "rbind")
        .mount("bind", "/dev", "/dev", "rbind");
    // Its procfs must know us.
    other.spec["linux"]["namespaces"]
        .as_array_mut()
        .unwrap()
        .retain(|n| n["type"] != "pid");
    other.while_created(&["sleep", "9"], |pid| {
        let path = format!("/proc/{pid}/ns/mnt");
        let mut bed = without_mount_namespace(Some(path.clone()));
        bed.set("/linux/maskedPaths", json!(["/proc/kcore"]));
        let info = format!("/proc/{pid}/mountinfo");
        let before = fs::read_to_string(&info).unwrap();
        let text = bed.sh(LOOK).output;
        assert_looks(&text, &fs::read_link(&path).unwrap());
        assert_eq!(fs::read_to_string(&info).unwrap(), before);
    });
}

fn mounts_of_the_host_are_not_for_everything() {
    let mut bed = without_mount_namespace(None);
    let masked = bed
        .set("/linux/maskedPaths", json!(["/proc/kcore"]))
        .error(&["true"]);
    assert_eq!(
        masked,
        "use linux.maskedPaths: it needs a mount namespace of the container's own"
    );
    bed.set("/linux/maskedPaths", json!([]));
    crate::users::with_user_namespace(&mut bed);
    assert_eq!(
        bed.error(&["true"]),
        "use the user namespace: it needs a mount namespace of the container's own"
    );
}

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
