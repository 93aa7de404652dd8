//! The ways out of a root that were tried on other container tools, each of which must stay inside.

use super::Root;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// A directory of its own below the system's temporary one, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let dir = std::env::temp_dir().join(format!("tare-path-{name}-{}", std::process::id()));
        fs::create_dir_all(dir.join("root/etc")).unwrap();
        fs::write(dir.join("secret"), "outside").unwrap();
        fs::write(dir.join("root/etc/passwd"), "inside").unwrap();
        Scratch(dir)
    }

    fn root(&self) -> Root {
        Root::open_host(&self.0.join("root")).unwrap()
    }

    fn read(&self, path: &str) -> Result<String, Errno> {
        let fd = self.root().open(path, OFlags::RDONLY, Mode::empty())?;
        Ok(std::io::read_to_string(fs::File::from(fd)).unwrap())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn dots_and_absolute_links_stop_at_the_root() {
    let s = Scratch::new("stop");
    symlink("/etc", s.0.join("root/abs")).unwrap();
    symlink("../../../../secret", s.0.join("root/up")).unwrap();
    assert_eq!(s.read("../../../etc/passwd").unwrap(), "inside");
    assert_eq!(s.read("abs/passwd").unwrap(), "inside");
    assert_eq!(s.read("up"), Err(Errno::NOENT));
}

#[test]
fn magic_links_are_refused() {
    let s = Scratch::new("magic");
    let root = Root::open_host(std::path::Path::new("/")).unwrap();
    assert_eq!(
        root.open("/proc/self/root/etc/passwd", OFlags::RDONLY, Mode::empty())
            .unwrap_err(),
        Errno::LOOP
    );
    drop(s);
}

#[test]
fn entry_does_not_follow_its_last_name() {
    let s = Scratch::new("entry");
    symlink("/etc/passwd", s.0.join("root/link")).unwrap();
    let entry = s.root().entry("link").unwrap();
    assert_eq!(entry.create_file(Mode::from(0o600)).unwrap_err(), Errno::EXIST);
    entry.remove_file().unwrap();
    assert_eq!(s.read("etc/passwd").unwrap(), "inside");
    assert_eq!(s.root().entry("..").unwrap_err(), Errno::INVAL);
    assert_eq!(s.root().entry("/").unwrap_err(), Errno::INVAL);
}

#[test]
fn missing_directories_are_made_and_dangling_links_are_not_followed() {
    let s = Scratch::new("make");
    symlink("/nowhere", s.0.join("root/dangling")).unwrap();
    s.root().make_dirs("a/b/c", Mode::from(0o755)).unwrap();
    assert!(s.0.join("root/a/b/c").is_dir());
    assert_eq!(
        s.root().make_dirs("dangling/x", Mode::from(0o755)).unwrap_err(),
        Errno::EXIST
    );
    assert!(!s.0.join("root/nowhere").exists());
    assert_eq!(
        s.root().make_dirs("etc/passwd/x", Mode::from(0o755)).unwrap_err(),
        Errno::NOTDIR
    );
}

#[test]
fn a_tree_goes_however_deep_and_nothing_beside_it() {
    let s = Scratch::new("tree");
    let top = s.0.join("root/tree");
    fs::create_dir(&top).unwrap();
    let mut at = rustix::fs::open(&top, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    // Deeper than PATH_MAX allows a path to be, and than any limit on descriptors.
    for _ in 0..3000 {
        rustix::fs::mkdirat(&at, "deeper", Mode::from(0o700)).unwrap();
        rustix::fs::symlinkat("/etc", &at, "link").unwrap();
        at = rustix::fs::openat(&at, "deeper", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    drop(at);
    for n in 0..500 {
        fs::write(top.join(n.to_string()), "x").unwrap();
        fs::create_dir_all(top.join(format!("d{n}/e"))).unwrap();
    }
    symlink("../../secret", top.join("up")).unwrap();
    let root = s.root();
    super::remove_tree(rustix::fd::AsFd::as_fd(&root), c"tree").unwrap();
    super::remove_tree(rustix::fd::AsFd::as_fd(&root), c"tree").unwrap();
    assert!(!top.exists());
    assert_eq!(s.read("etc/passwd").unwrap(), "inside");
    assert!(s.0.join("secret").exists());
}
