//! What a directory tree looks like, in lines that can be compared.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// How much is compared.
#[derive(Clone, Copy, Default)]
pub(crate) struct Compare {
    /// Leave modification times out for these paths.
    pub(crate) any_time: &'static [&'static str],
    /// Compare the marks of overlayfs too.
    pub(crate) overlay: bool,
    /// Leave these paths out, with what is below them.
    pub(crate) without: &'static [&'static str],
}

/// Path to description, for everything below `root`, itself as `.`.
pub(crate) fn describe(root: &Path, how: Compare) -> BTreeMap<PathBuf, String> {
    let mut lines = BTreeMap::new();
    let mut inodes: BTreeMap<(u64, u64), PathBuf> = BTreeMap::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(path) = todo.pop() {
        if how.without.iter().any(|p| Path::new(p) == path) {
            continue;
        }
        let full = root.join(&path);
        let about = fs::symlink_metadata(&full).unwrap();
        let kind = about.file_type();
        let shown = if path.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            path.clone()
        };
        let what = if kind.is_dir() {
            let mut names: Vec<_> = fs::read_dir(&full)
                .unwrap()
                .map(|e| e.unwrap().file_name())
                .collect();
            names.sort();
            todo.extend(names.iter().rev().map(|name| path.join(name)));
            "directory".to_owned()
        } else if kind.is_symlink() {
            format!("link to {:?}", fs::read_link(&full).unwrap())
        } else if kind.is_file() {
            let data = fs::read(&full).unwrap();
            format!("file of {} sum {:x}", data.len(), sum(&data))
        } else if kind.is_fifo() {
            "fifo".to_owned()
        } else {
            format!("device {} {:x}", kind.is_block_device(), about.rdev())
        };
        let mtime = match how.any_time.iter().any(|p| Path::new(p) == shown) {
            true => "any".to_owned(),
            false => format!("{}.{:09}", about.mtime(), about.mtime_nsec()),
        };
        let mut same = String::new();
        if !kind.is_dir() && about.nlink() > 1 {
            let first = inodes
                .entry((about.dev(), about.ino()))
                .or_insert_with(|| shown.clone());
            if *first != shown {
                same = format!(" same as {first:?}");
            }
        }
        let xattrs = xattrs(&full, how.overlay);
        lines.insert(
            shown,
            format!(
                "{what} mode {:o} owner {}:{} time {mtime}{same} {xattrs:?}",
                about.mode(),
                about.uid(),
                about.gid()
            ),
        );
    }
    lines
}

/// Panics with the lines that differ.
pub(crate) fn assert_same(name: &str, ours: &BTreeMap<PathBuf, String>, theirs: &BTreeMap<PathBuf, String>) {
    let mut wrong = Vec::new();
    for path in ours
        .keys()
        .chain(theirs.keys().filter(|path| !ours.contains_key(*path)))
    {
        let (a, b) = (ours.get(path), theirs.get(path));
        if a != b {
            wrong.push(format!("{}\n  ours   {a:?}\n  theirs {b:?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
}

fn xattrs(path: &Path, overlay: bool) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0_u8; 1 << 16];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap();
    let mut found = BTreeMap::new();
    for name in names[..length].split(|&b| b == 0).filter(|n| !n.is_empty()) {
        let text = OsStr::from_bytes(name).to_str().unwrap().to_owned();
        if text == "security.selinux" || (!overlay && text.contains(".overlay.")) {
            continue;
        }
        let mut value = vec![0_u8; 1 << 16];
        let length = rustix::fs::lgetxattr(path, name, &mut value).unwrap();
        value.truncate(length);
        found.insert(text, value);
    }
    found
}

/// FNV-1a: enough to tell two test files apart.
fn sum(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |h, &b| {
        (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
    })
}
