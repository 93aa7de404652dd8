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
fn wrong_kinds_are_errors() {
    let s = Scratch::new("kinds");
    let root = s.root();
    for (path, wanted_directory, wanted_file) in [
        ("/etc/file", Errno::NOTDIR, None),
        ("/etc", Errno::OPNOTSUPP, Some(Errno::ISDIR)),
        ("/etc/file/below", Errno::NOTDIR, Some(Errno::NOTDIR)),
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
}

#[test]
fn links_to_nothing_are_made_to_lead_somewhere_inside() {
    for (link, text, asked, made) in [
        ("l", "/nowhere/x", "/l", "nowhere/x"),
        ("l", "/nowhere/x", "/l/below/it", "nowhere/x/below/it"),
        (
            "etc/resolv.conf",
            "../run/systemd/stub",
            "/etc/resolv.conf",
            "run/systemd/stub",
        ),
        ("l", "../../../out", "/l", "out"),
        ("l", "etc/../made", "/l", "made"),
        ("l", "//slashes//x/", "/l", "slashes/x"),
    ] {
        let s = Scratch::new("dangling");
        symlink(text, s.0.join("root").join(link)).unwrap();
        symlink("/l", s.0.join("root/twice")).unwrap();
        let root = s.root();
        if !text.ends_with('/') {
            target(asked).file(root.as_fd()).unwrap();
            assert!(s.0.join("root").join(made).is_file(), "{text}");
            fs::remove_file(s.0.join("root").join(made)).unwrap();
        }
        let made_by = target(asked).directory(root.as_fd()).unwrap();
        let found = s.0.join("root").join(made);
        assert!(found.is_dir(), "{text}");
        let stat = rustix::fs::fstat(&made_by).unwrap();
        assert_eq!(
            stat.st_ino,
            std::os::unix::fs::MetadataExt::ino(&fs::metadata(&found).unwrap())
        );
        assert!(!s.0.join("out").exists() && !Path::new("/nowhere").exists());
        if link == "l" {
            assert!(target("/twice/more").directory(root.as_fd()).is_ok());
        }
    }
    let s = Scratch::new("circle");
    symlink("/b", s.0.join("root/a")).unwrap();
    symlink("/a", s.0.join("root/b")).unwrap();
    let mut last = "/nothing".to_owned();
    for number in 0..20 {
        symlink(&last, s.0.join(format!("root/chain{number}"))).unwrap();
        last = format!("/chain{number}");
    }
    let root = s.root();
    for path in ["/a", "/a/x", &last] {
        assert_eq!(
            target(path).directory(root.as_fd()).unwrap_err(),
            Errno::LOOP,
            "{path}"
        );
        assert_eq!(
            target(path).file(root.as_fd()).unwrap_err(),
            Errno::LOOP,
            "{path}"
        );
    }
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
