//! Needs root, overlay, umoci and GNU tar. An image's root, mounted from our layers, equals what umoci unpacks of it:
//! content, modes, owners, attributes, times, links.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

#[path = "../../layer/tests/corpus/archive.rs"]
mod archive;
#[path = "corpus/image.rs"]
mod image;
#[path = "../../layer/tests/corpus/tree.rs"]
mod tree;

use archive::{Archive, Header};
use image::{Scratch, commit_layers, in_private_namespace, mount, run};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use tare_snapshot::{Flavour, Snapshots};
use tree::{Compare, assert_same, describe};

#[test]
fn a_root_is_what_umoci_makes() {
    in_private_namespace("umoci_inside");
}

#[test]
#[ignore = "run by a_root_is_what_umoci_makes in a mount namespace of its own"]
fn umoci_inside() {
    let scratch = Scratch::new("umoci");
    type Image = (&'static str, Vec<Vec<u8>>, &'static [&'static str]);
    let (one, two, three) = (base(&scratch.0), changes(), more_changes());
    let fourth = Archive::new().file("opt/a/third", "3").end();
    // umoci gives its root, and directories that nobody carries, the time of the unpacking.
    let images: [Image; 5] = [
        ("everything", vec![one.clone()], &["."]),
        ("changes", vec![one.clone(), two.clone()], &["."]),
        (
            "more changes",
            vec![one.clone(), two, three],
            &[".", "d", "d/sub"],
        ),
        ("emptied", vec![one.clone(), emptied(), refilled()], &EMPTIED),
        (
            "implied",
            vec![one, implied(), fourth],
            &[".", "d/e/f", "d/e/f/g"],
        ),
    ];
    for (name, layers, any_time) in images {
        let bundle = scratch.0.join("bundle");
        let _ = fs::remove_dir_all(&bundle);
        let layout = image::write_layout(&scratch.0, &layers);
        run(Command::new("umoci")
            .args(["unpack", "--image"])
            .arg(format!("{}:test", layout.display()))
            .arg(&bundle));
        let snapshots = Snapshots::open(&scratch.0.join("snapshots"), Flavour::Privileged).unwrap();
        let chain = commit_layers(&snapshots, &layers);
        let view = scratch.0.join("view");
        fs::create_dir_all(&view).unwrap();
        mount(&snapshots.view(&chain).unwrap(), &view);
        let how = Compare {
            any_time,
            ..Compare::default()
        };
        let (ours, theirs) = (describe(&view, how), describe(&bundle.join("rootfs"), how));
        rustix::mount::unmount(&view, rustix::mount::UnmountFlags::empty()).unwrap();
        assert!(ours.len() > 20);
        assert_same(name, &ours, &theirs);
    }
}

/// Of everything a little, packed by GNU tar.
fn base(scratch: &Path) -> Vec<u8> {
    use rustix::fs::{CWD, FileType, Mode, XattrFlags, makedev};
    let dir = scratch.join("base");
    let _ = fs::remove_dir_all(&dir);
    for sub in ["d/e/f", "usr/lib/deep", "opt/a/b", "gone/deep", "var", "tmp"] {
        fs::create_dir_all(dir.join(sub)).unwrap();
    }
    for file in [
        "d/1",
        "d/2",
        "d/e/3",
        "usr/lib/so",
        "usr/lib/deep/x",
        "opt/a/first",
        "gone/deep/x",
        "var/log",
        "su",
    ] {
        fs::write(dir.join(file), format!("base {file}")).unwrap();
    }
    symlink("usr/lib", dir.join("lib")).unwrap();
    symlink("/opt/a", dir.join("var/opt")).unwrap();
    symlink("../../no/where", dir.join("d/link")).unwrap();
    symlink("t".repeat(300), dir.join("longlink")).unwrap();
    fs::hard_link(dir.join("d/1"), dir.join("d/e/hard")).unwrap();
    fs::hard_link(dir.join("d/1"), dir.join("hard")).unwrap();
    for (path, mode) in [
        ("su", 0o4755),
        ("tmp", 0o1777),
        ("opt/a", 0o2750),
        ("d/e", 0o700),
        ("var", 0o711),
        ("gone/deep", 0o700),
        ("d/e/f", 0o731),
    ] {
        fs::set_permissions(dir.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    for (path, uid, gid) in [("d/2", 1000, 1001), ("opt/a", 5, 6), ("var", 70_000, 0)] {
        std::os::unix::fs::chown(dir.join(path), Some(uid), Some(gid)).unwrap();
    }
    fs::set_permissions(dir.join("opt/a"), fs::Permissions::from_mode(0o2750)).unwrap();
    let node = |name: &str, kind, dev| {
        rustix::fs::mknodat(CWD, dir.join(name), kind, Mode::from(0o660), dev).unwrap()
    };
    node("fifo", FileType::Fifo, 0);
    node("null", FileType::CharacterDevice, makedev(1, 3));
    node("loop", FileType::BlockDevice, makedev(7, 200));
    let long = dir.join("n".repeat(200)).join("m".repeat(150));
    fs::create_dir_all(&long).unwrap();
    fs::write(long.join("o".repeat(120)), "long").unwrap();
    let sparse = fs::File::create(dir.join("sparse")).unwrap();
    sparse.set_len(3 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"data", 1 << 20).unwrap();
    rustix::fs::setxattr(dir.join("d"), "user.dir", b"x\0y", XattrFlags::empty()).unwrap();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    rustix::fs::setxattr(
        dir.join("d/2"),
        "security.capability",
        &capability,
        XattrFlags::empty(),
    )
    .unwrap();
    let touch = "find . -depth -print0 | xargs -0 touch -h -d '2001-02-03 04:05:06.123456789'";
    run(Command::new("sh").args(["-c", touch]).current_dir(&dir));
    let archive = scratch.join("base.tar");
    let options = [
        "--format=pax",
        "--sparse",
        "--xattrs",
        "--xattrs-include=*",
        "-cf",
    ];
    run(Command::new("tar")
        .arg("-C")
        .arg(&dir)
        .args(options)
        .arg(&archive)
        .arg("."));
    fs::read(archive).unwrap()
}

/// Whiteouts, opaque directories, and one kind of file in place of another. The hard link leads to a file with one
/// name: other names stay with the lower layer, as they do when overlayfs copies up.
fn changes() -> Vec<u8> {
    Archive::new()
        .file(".wh.fifo", "")
        .file("d/.wh.link", "")
        .file(".wh.gone", "")
        .file("d/e/.wh..wh..opq", "")
        .file("d/e/new", "new")
        .entry(&Header::new(b'0', "d/2").mode(0o600), b"smaller")
        .dir("su")
        .file("su/inside", "x")
        .file("tmp", "no directory any more")
        .symlink("null", "loop")
        .entry(&Header::new(b'5', "var").mode(0o700).owner(3, 4), b"")
        .link("linked", "usr/lib/so")
        .entry(&Header::new(b'6', "pipe").mode(0o622), b"")
        .end()
}

/// What was deleted comes back, and is deleted again.
fn more_changes() -> Vec<u8> {
    Archive::new()
        .dir("gone")
        .file("gone/fresh", "x")
        .file("d/e/newer", "newer")
        .file("d/.wh.e/../sub/file", "dots")
        .file("su/.wh.inside", "")
        .file(".wh.var", "")
        .dir("tmp")
        .link("d/again", "longlink")
        .end()
}

/// Times that umoci takes from its clock in `emptied` and `refilled`.
const EMPTIED: [&str; 7] = [".", "gone", "gone/deep", "d", "d/e", "d/e/f", "opt/a"];

/// Directories deleted below and implied anew in the same layer: nothing of the old ones comes back.
fn emptied() -> Vec<u8> {
    Archive::new()
        .file(".wh.gone", "")
        .file("gone/deep/fresh", "x")
        .file("d/e/.wh..wh..opq", "")
        .file("opt/a/.wh.b", "")
        .end()
}

/// What was hidden by the layer below is not what these lie on.
fn refilled() -> Vec<u8> {
    Archive::new()
        .file("d/e/f/new", "x")
        .file("gone/deep/fresher", "x")
        .end()
}

/// Directories that no entry carries, some of them links below.
fn implied() -> Vec<u8> {
    Archive::new()
        .file("opt/a/second", "2")
        .file("d/e/f/g/h", "deep")
        .file("lib/through", "link")
        .file("lib/deep/y", "link")
        .file("var/opt/b/absolute", "link")
        .end()
}
