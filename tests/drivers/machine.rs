//! The machine on which engines run: the root of fixture `engines` with folders, mounts and a view of the control groups
//! of its own, inside a test's world.
//!
//! ```text
//! /                   overlay: the fixture below, a scratch folder above
//! /var/lib/{containerd,docker,containers,tare}   folders of the scratch folder, since an overlay takes no overlay above it
//! /run /tmp           new; /proc /sys of the world's namespaces; /dev the host's
//! /sys/fs/cgroup      the version 1 hierarchies of the world (containerd reports nothing without systemd's own) without
//!                     its cgroup2 tree, as crun refuses hybrid machines; the cgroup2 tree where there is no other
//! /opt/tare           the programs of this build; beside it the fixtures that an engine's table needs, by name
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};
use tare_kit::{Need, Running, Tare, World};

/// What a machine needs. Its tables were filled with version 1 of the control groups.
pub(crate) const NEEDS: &[Need] = &[
    Need::Root,
    Need::Cgroup1,
    Need::Overlay,
    Need::Program("nsenter"),
    Need::Fixture("engines"),
];

/// Makes it and stays for as long as its input is open.
const FURNISH: &str = r#"set -e
root=$1 work=$2
mkdir -p "$work/upper" "$work/work" "$work/new"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/work" "$work/new"
cd "$work/new"
mount -t proc proc proc
mount -t sysfs sys sys
mount --rbind /dev dev
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
lists=$(cut -d: -f2 /proc/self/cgroup | grep . || true)
if [ -z "$lists" ]; then
  mount -t cgroup2 cgroup sys/fs/cgroup
else
  mount -t tmpfs -o mode=755 cgroup sys/fs/cgroup
  for list in $lists; do
    [ -d "/sys/fs/cgroup/${list#name=}" ] || continue
    mkdir "sys/fs/cgroup/${list#name=}"
    case $list in name=*) option=none,$list ;; *) option=$list ;; esac
    mount -t cgroup -o "$option" cgroup "sys/fs/cgroup/${list#name=}"
  done
fi
for name in containerd docker containers tare; do
  mkdir -p "$work/$name" "var/lib/$name"
  mount --bind "$work/$name" "var/lib/$name"
done
mkdir -p opt/tare old
mount --bind "$3" opt/tare
shift 3
for fixture; do
  name=$(basename "$fixture")
  mkdir "opt/${name%-*}"
  mount --bind "$fixture" "opt/${name%-*}"
done
pivot_root . old
umount -l /old
mount --make-rshared /
echo furnished
exec cat"#;

/// One such machine; gone when it is dropped.
pub(crate) struct Machine {
    holder: Running,
}

impl Machine {
    /// Furnishes one, with more fixtures.
    pub(crate) fn furnish(world: &World, fixtures: &[&'static str]) -> Machine {
        let programs = world.program("tare-runtime").command().get_program().to_owned();
        let programs = Path::new(&programs).parent().unwrap();
        let mut holder = Tare::program("unshare")
            .args([
                "--mount",
                "--propagation",
                "private",
                "--",
                "sh",
                "-c",
                FURNISH,
                "sh",
            ])
            .args([
                &world.fixture("engines").join("root"),
                &world.folder("machine"),
                programs,
            ])
            .args(fixtures.iter().map(|name| world.fixture(name)))
            .start();
        assert_eq!(holder.line().as_deref(), Some("furnished"));
        Machine { holder }
    }

    /// A shell script to be run on it, with these variables; none of the test's own get there.
    pub(crate) fn sh(&self, script: &str, variables: &[(&str, &str)]) -> Tare {
        let words: Vec<String> = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        Tare::program("nsenter")
            .args([
                "--mount".to_owned(),
                format!("--target={}", self.holder.id().as_raw_pid()),
            ])
            .args([
                "--",
                "env",
                "-i",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME=/root",
                "LANG=C.UTF-8",
            ])
            .args(words)
            .args(["sh", "-c", script])
    }
}

/// The control groups below every hierarchy's root, without its name: `/docker`, `/docker/5f…`.
pub(crate) fn groups() -> Vec<String> {
    fn walk(group: &Path, path: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(group).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let below = format!("{path}/{}", entry.file_name().display());
                walk(&entry.path(), &below, found);
                found.push(below);
            }
        }
    }
    let mut found = Vec::new();
    for tree in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        walk(&tree.path(), "", &mut found);
    }
    found.sort();
    found.dedup();
    found
}

/// How long the last process of a group may take to be gone.
const LEAVING: Duration = Duration::from_secs(20);

/// Removes a group from every hierarchy; it is empty, or soon: who was in it has answered, and leaves.
pub(crate) fn remove_group(path: &str) {
    let until = Instant::now() + LEAVING;
    for tree in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        let group = tree.path().join(path.trim_start_matches('/'));
        while group.is_dir()
            && let Err(e) = fs::remove_dir(&group)
        {
            let waits = e.kind() == ErrorKind::ResourceBusy && Instant::now() < until;
            assert!(waits, "remove {}: {e}", group.display());
            std::thread::yield_now();
        }
    }
}
