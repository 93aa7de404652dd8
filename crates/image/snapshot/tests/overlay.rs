//! Needs root and overlay. Tops over layers: what is written stays in the top, roots that hide all below are honoured,
//! removal takes everything, and names that are no ids are refused.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

#[path = "../../layer/tests/corpus/archive.rs"]
mod archive;
#[path = "corpus/image.rs"]
mod image;

use archive::{Archive, Header};
use image::{Scratch, commit_layers, in_private_namespace, mount, run};
use rustix::mount::{UnmountFlags, unmount};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use tare_error::Kind;
use tare_snapshot::{ChainId, Flavour, Snapshots};

#[test]
fn tops_and_views() {
    in_private_namespace("inside");
}

#[test]
#[ignore = "run by tops_and_views in a mount namespace of its own"]
fn inside() {
    let scratch = Scratch::new("overlay:colon");
    let at = scratch.0.join("root");
    fs::create_dir_all(&at).unwrap();
    for flavour in [Flavour::Privileged, Flavour::Rootless] {
        let directory = scratch.0.join(format!("{flavour:?}"));
        let snapshots = Snapshots::open(&directory, flavour).unwrap();
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o7777, 0o700);
        let root = Header::new(b'5', "./").mode(0o751).owner(12, 13);
        let base = Archive::new()
            .entry(&root, b"")
            .dir("d")
            .file("d/a", "a")
            .file("d/b", "b")
            .dir("o")
            .file("o/x", "x");
        let next = Archive::new()
            .file("d/.wh.b", "")
            .file("o/.wh..wh..opq", "")
            .file("o/y", "y")
            .file("n", "n");
        let chain = commit_layers(&snapshots, &[base.end(), next.end()]);
        snapshots.prepare("web", &chain).unwrap();
        assert_eq!(
            snapshots.prepare("web", &chain).unwrap_err().kind(),
            Kind::AlreadyExists
        );
        assert_eq!(snapshots.chain_of("web").unwrap(), chain);
        assert_eq!(snapshots.tops().unwrap(), ["web"]);

        mount(&snapshots.mounts("web").unwrap(), &at);
        let about = fs::metadata(&at).unwrap();
        assert_eq!((about.mode() & 0o7777, about.uid(), about.gid()), (0o751, 12, 13));
        assert_eq!(names(&at.join("d")), ["a"], "{flavour:?}");
        assert_eq!(names(&at.join("o")), ["y"], "{flavour:?}");
        fs::write(at.join("d/new"), vec![1; 10_000]).unwrap();
        fs::remove_dir_all(at.join("o")).unwrap();
        unmount(&at, UnmountFlags::empty()).unwrap();
        let usage = snapshots.usage("web").unwrap();
        assert!(usage.inodes >= 3 && usage.bytes >= 10_000, "{usage:?}");
        assert!(directory.join("web/fs/d/new").exists());

        passing(&snapshots, &at);

        mount(&snapshots.view(&chain).unwrap(), &at);
        assert!(at.join("n").exists() && !at.join("d/new").exists());
        assert!(fs::write(at.join("no"), "").is_err());
        unmount(&at, UnmountFlags::empty()).unwrap();
        mount(&snapshots.view(&chain[..1]).unwrap(), &at);
        assert!(at.join("d/b").exists());
        assert!(fs::write(at.join("no"), "").is_err());
        unmount(&at, UnmountFlags::empty()).unwrap();

        // Something mounted inside is not entered, and what is removed is out of the way at once.
        run(Command::new("mount")
            .args(["-t", "tmpfs", "t"])
            .arg(directory.join("web/fs/d")));
        fs::write(directory.join("web/fs/d/kept"), "").unwrap();
        assert!(snapshots.remove("web").is_err());
        assert!(snapshots.tops().unwrap().is_empty());
        let trash = fs::read_dir(&directory).unwrap().map(|e| e.unwrap().path());
        let trash = trash
            .into_iter()
            .find(|p| p.to_str().unwrap().contains(".trash-"))
            .unwrap();
        assert!(trash.join("fs/d/kept").exists());
        unmount(trash.join("fs/d"), UnmountFlags::empty()).unwrap();
        assert_eq!(snapshots.sweep().unwrap(), 1);
        assert!(!snapshots.remove("web").unwrap());
        for layer in &chain {
            assert!(snapshots.layer_usage(layer).unwrap().inodes > 3);
            assert!(snapshots.remove_layer(layer).unwrap());
        }
        assert_eq!(names(&directory), [".ground"]);
        assert_eq!(snapshots.mounts("web").unwrap_err().kind(), Kind::NotFound);
        assert_eq!(
            snapshots.prepare("web", &chain).unwrap_err().kind(),
            Kind::NotFound
        );
        assert_eq!(names(&directory), [".ground"]);
    }
    ground(&scratch);
    hidden_root(&scratch);
    no_layers(&scratch);
    not_on_overlay(&scratch);
}

/// What is thrown away in the end is not flushed, and can be mounted again all the same.
fn passing(snapshots: &Snapshots, at: &Path) {
    for _ in 0..2 {
        mount(&snapshots.passing_mounts("web").unwrap(), at);
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(table.lines().last().unwrap().contains("volatile"), "{table}");
        assert!(at.join("d/new").exists());
        unmount(at, UnmountFlags::empty()).unwrap();
    }
}

/// What is mounted over in every container is there without a trace in its top; what an image has of these names comes first.
fn ground(scratch: &Scratch) {
    let folder = scratch.0.join("ground");
    let snapshots = Snapshots::open(&folder, Flavour::Privileged).unwrap();
    let layer = Archive::new()
        .dir("etc")
        .file("etc/hosts", "own")
        .file("sys", "no folder");
    let chain = commit_layers(&snapshots, &[layer.end()]);
    snapshots.prepare("web", &chain).unwrap();
    let at = scratch.0.join("root");
    mount(&snapshots.mounts("web").unwrap(), &at);
    assert_eq!(names(&at), ["dev", "etc", "proc", "sys"]);
    assert_eq!(names(&at.join("etc")), ["hostname", "hosts", "resolv.conf"]);
    assert_eq!(fs::read(at.join("etc/hosts")).unwrap(), b"own");
    assert_eq!(fs::read(at.join("sys")).unwrap(), b"no folder");
    let about = fs::metadata(at.join("etc/resolv.conf")).unwrap();
    assert_eq!((about.mode() & 0o7777, about.len()), (0o644, 0));
    assert_eq!(fs::metadata(at.join("proc")).unwrap().mode() & 0o7777, 0o755);
    unmount(&at, UnmountFlags::empty()).unwrap();
    assert_eq!(names(&folder.join("web/fs")), [""; 0]);

    // It is no snapshot, and where somebody has removed it the names are made in the top.
    assert_eq!(
        (snapshots.tops().unwrap(), snapshots.sweep().unwrap()),
        (vec!["web".to_owned()], 0)
    );
    fs::remove_dir_all(folder.join(".ground")).unwrap();
    mount(&snapshots.mounts("web").unwrap(), &at);
    assert_eq!(names(&at), ["etc", "sys"]);
    unmount(&at, UnmountFlags::empty()).unwrap();
}

/// `.wh..wh..opq` at the top of a layer hides everything below, which overlayfs alone would not do for a root.
fn hidden_root(scratch: &Scratch) {
    let snapshots = Snapshots::open(&scratch.0.join("hidden"), Flavour::Privileged).unwrap();
    let one = Archive::new().file("old", "").end();
    let two = Archive::new().file(".wh..wh..opq", "").file("new", "").end();
    let three = Archive::new().file("newer", "").end();
    let chain = commit_layers(&snapshots, &[one, two, three]);
    let at = scratch.0.join("root");
    mount(&snapshots.view(&chain).unwrap(), &at);
    assert_eq!(names(&at), ["new", "newer"]);
    unmount(&at, UnmountFlags::empty()).unwrap();
}

fn no_layers(scratch: &Scratch) {
    let snapshots = Snapshots::open(&scratch.0.join("none"), Flavour::Privileged).unwrap();
    snapshots.prepare("scratch", &[]).unwrap();
    let at = scratch.0.join("root");
    mount(&snapshots.mounts("scratch").unwrap(), &at);
    fs::write(at.join("a"), "").unwrap();
    unmount(&at, UnmountFlags::empty()).unwrap();
    assert_eq!(snapshots.view(&[]).unwrap_err().kind(), Kind::Invalid);
    for id in [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        ".stage-x",
        "-x",
        "a\0",
        "sha256-x",
        &"x".repeat(256),
    ] {
        assert_eq!(
            snapshots.prepare(id, &[]).unwrap_err().kind(),
            Kind::Invalid,
            "{id}"
        );
        assert_eq!(snapshots.remove(id).unwrap_err().kind(), Kind::Invalid, "{id}");
    }
    assert!(Snapshots::open("relative".as_ref(), Flavour::Privileged).is_err());
}

fn not_on_overlay(scratch: &Scratch) {
    let snapshots = Snapshots::open(&scratch.0.join("under"), Flavour::Privileged).unwrap();
    let layer = Archive::new().file("f", "").end();
    let chain: Vec<ChainId> = commit_layers(&snapshots, std::slice::from_ref(&layer));
    snapshots.prepare("web", &chain).unwrap();
    let at = scratch.0.join("root");
    mount(&snapshots.mounts("web").unwrap(), &at);
    {
        let nested = Snapshots::open(&at.join("nested"), Flavour::Privileged).unwrap();
        let chain = commit_layers(&nested, &[layer]);
        let e = nested.prepare("web", &chain).unwrap_err();
        assert_eq!(e.kind(), Kind::Unsupported);
        assert!(e.first_hint().unwrap().contains("data directory"), "{e:?}");
        assert!(nested.tops().unwrap().is_empty());
    }
    unmount(&at, UnmountFlags::empty()).unwrap();
}

/// A host user reaches no setuid file of an image (CVE-2024-25621).
#[test]
fn nothing_is_reachable_from_outside() {
    let scratch = Scratch::new("reach");
    fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o755)).unwrap();
    let snapshots = Snapshots::open(&scratch.0.join("snapshots"), Flavour::Privileged).unwrap();
    let setuid = Header::new(b'0', "su").mode(0o4755);
    let chain = commit_layers(&snapshots, &[Archive::new().entry(&setuid, b"x").end()]);
    snapshots.prepare("web", &chain).unwrap();
    let find = Command::new("setpriv")
        .args(["--reuid=65534", "--clear-groups", "find"])
        .arg(&scratch.0)
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&find.stdout).lines().count(),
        2,
        "{find:?}"
    );
    for inside in fs::read_dir(snapshots.path()).unwrap() {
        assert_eq!(inside.unwrap().metadata().unwrap().mode() & 0o7777, 0o700);
    }
}

fn names(dir: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
