//! The mount table, `/proc/self/mountinfo`: its lines, and which mounts a path look-up can still reach. Pure.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One line of the table (`proc_pid_mountinfo(5)`).
#[derive(Debug)]
pub struct MountLine<'a> {
    id: u32,
    parent: u32,
    /// The directory of the file system that is mounted: for cgroups, the group shown at the mount point.
    pub root: String,
    /// Where it is mounted.
    pub at: PathBuf,
    /// Its type.
    pub file_system: &'a str,
    /// Options of the file system: for cgroup v1, the controllers.
    pub super_options: &'a str,
    /// Whether the mount or the file system is read-only.
    pub read_only: bool,
}

/// Reads every well-formed line; a line that is not is skipped, as the kernel may add forms.
pub fn mount_lines(text: &str) -> Vec<MountLine<'_>> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<MountLine<'_>> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut mount = mount.split(' ');
    let id = mount.next()?.parse().ok()?;
    let parent = mount.next()?.parse().ok()?;
    let _device = mount.next()?;
    let root = unescape(mount.next()?);
    let at = unescape(mount.next()?);
    let options = mount.next()?;
    let mut rest = file_system.split(' ');
    let file_system = rest.next()?;
    let _source = rest.next()?;
    let super_options = rest.next().unwrap_or_default();
    let is_read_only = |options: &str| options.split(',').any(|option| option == "ro");
    Some(MountLine {
        id,
        parent,
        root: String::from_utf8_lossy(&root).into_owned(),
        at: PathBuf::from(OsString::from_vec(at)),
        file_system,
        super_options,
        read_only: is_read_only(options) || is_read_only(super_options),
    })
}

/// Undoes the octal escapes of blank, tab, line break and backslash.
fn unescape(field: &str) -> Vec<u8> {
    let bytes = field.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        let octal = bytes
            .get(i + 1..i + 4)
            .filter(|_| byte == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(octal.unwrap_or(byte));
        i += if octal.is_some() { 4 } else { 1 };
    }
    out
}

/// Whether a look-up of `mount.at` ends in `mount`: false where a later mount covers it or a folder above it.
pub fn is_reachable(mount: &MountLine<'_>, all: &[MountLine<'_>]) -> bool {
    // The top has no parent in the list (it lies outside our root, or is its own parent).
    let is_top = |m: &MountLine<'_>| m.parent == m.id || !all.iter().any(|above| above.id == m.parent);
    let mut here: Option<&MountLine<'_>> = None;
    // Each step goes one mount deeper, and no mount is entered twice.
    for _ in 0..=all.len() {
        let next = all
            .iter()
            .filter(|m| match here {
                None => is_top(m),
                Some(here) => m.parent == here.id && m.id != here.id,
            })
            .filter(|m| mount.at.starts_with(&m.at))
            // The look-up walks downwards, so the mount point met first wins.
            .min_by_key(|m| depth(&m.at));
        match next {
            Some(next) => here = Some(next),
            None => break,
        }
    }
    here.is_some_and(|here| here.id == mount.id)
}

fn depth(path: &Path) -> usize {
    path.components().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        for (field, plain) in [
            ("/a\\040b", "/a b"),
            ("/a\\134b", "/a\\b"),
            ("/plain", "/plain"),
            ("/a\\04", "/a\\04"),
            ("/a\\999", "/a\\999"),
        ] {
            assert_eq!(unescape(field), plain.as_bytes(), "{field}");
        }
    }

    #[test]
    fn a_covered_mount_is_out_of_reach() {
        let text = "\
20 1 8:1 / / rw - ext4 /dev/sda rw
21 20 0:1 / /sys rw - sysfs sysfs rw
22 21 0:2 / /sys/fs/cgroup rw - tmpfs tmpfs rw
23 22 0:3 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
24 22 0:4 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
25 24 0:4 /x /sys/fs/cgroup ro - cgroup2 cgroup2 rw
broken line
26 20 0:5 / /mnt rw shared:5 master:2 - cgroup2 cgroup2 ro";
        let all = mount_lines(text);
        let reachable: Vec<u32> = all
            .iter()
            .filter(|m| is_reachable(m, &all))
            .map(|m| m.id)
            .collect();
        assert_eq!(reachable, [20, 21, 25, 26]);
        assert!(all[5].read_only);
        assert!(all[6].read_only);
        assert!(!all[4].read_only);
    }
}
