//! Targets among links: what is made stays inside the root.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let dir = std::env::temp_dir().join(format!("tare-mount-{name}-{}", std::process::id()));
        fs::create_dir_all(dir.join("root/etc")).unwrap();
        fs::write(dir.join("root/etc/file"), "").unwrap();
        Scratch(dir)
    }

    fn root(&self) -> OwnedFd {
        fs::File::open(self.0.join("root")).unwrap().into()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn target(path: &str) -> Target {
    Target::prepare(Path::new(path)).unwrap()
}

#[test]
fn paths_are_cleaned_and_dots_refused() {
    assert_eq!(target("//a/./b/").path(), c"/a/b");
    assert_eq!(target("/").path(), c"/");
    assert_eq!(Target::prepare(Path::new("/a/../b")).unwrap_err(), Errno::INVAL);
}

#[test]
fn missing_parts_are_made_inside() {
    let s = Scratch::new("make");
    symlink("/etc", s.0.join("root/link")).unwrap();
    let root = s.root();
    target("/link/new/dir").directory(root.as_fd()).unwrap();
    target("/link/f").file(root.as_fd()).unwrap();
    assert!(s.0.join("root/etc/new/dir").is_dir());
    assert!(s.0.join("root/etc/f").is_file());
}

#[test]
fn wrong_kinds_and_dangling_links_are_errors() {
    let s = Scratch::new("kinds");
    symlink("/nowhere/x", s.0.join("root/dangling")).unwrap();
    let root = s.root();
    for (path, wanted_directory, wanted_file) in [
        ("/etc/file", Errno::NOTDIR, None),
        ("/etc", Errno::OPNOTSUPP, Some(Errno::ISDIR)),
        ("/dangling", Errno::EXIST, Some(Errno::EXIST)),
        ("/dangling/below", Errno::EXIST, Some(Errno::EXIST)),
    ] {
        if path != "/etc" {
            assert_eq!(
                target(path).directory(root.as_fd()).unwrap_err(),
                wanted_directory,
                "{path}"
            );
        }
        assert_eq!(target(path).file(root.as_fd()).err(), wanted_file, "{path}");
    }
    assert!(!s.0.join("root/nowhere").exists());
}

#[test]
fn links_can_be_refused() {
    let s = Scratch::new("refuse");
    symlink("/etc", s.0.join("root/proc")).unwrap();
    let root = s.root();
    assert_eq!(
        target("/proc")
            .open_no_links(root.as_fd(), OFlags::PATH)
            .unwrap_err(),
        Errno::LOOP
    );
}
