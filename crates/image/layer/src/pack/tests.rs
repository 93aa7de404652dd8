//! What is packed comes out as it was.

use super::*;
use crate::{Options, unpack, unpack_files};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tare_path::Root;

/// A folder that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("tare-pack-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn folder(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn flavour() -> Flavour {
    match rustix::process::geteuid().is_root() {
        true => Flavour::Privileged,
        false => Flavour::Rootless,
    }
}

fn options() -> Options {
    Options {
        limits: Limits::default(),
        flavour: flavour(),
    }
}

fn packed(folder: &Path, packing: Packing) -> (Vec<u8>, Packed) {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let fd = rustix::fs::open(folder, flags, Mode::empty()).unwrap();
    let mut archive = Vec::new();
    let mut packer = Packer::new(&mut archive, packing);
    packer.add(fd.as_fd(), b"").unwrap();
    let packed = packer.finish().unwrap();
    (archive, packed)
}

#[test]
fn a_tree_comes_out_as_it_was() {
    let scratch = Scratch::new("tree");
    let from = scratch.folder("from");
    let long = "n".repeat(200);
    std::fs::create_dir_all(from.join("a").join(&long)).unwrap();
    std::fs::write(from.join("a").join(&long).join("f"), vec![7; 100_000]).unwrap();
    std::fs::write(from.join("empty"), "").unwrap();
    std::fs::set_permissions(from.join("empty"), std::fs::Permissions::from_mode(0o4751)).unwrap();
    std::fs::hard_link(from.join("empty"), from.join("z")).unwrap();
    symlink(format!("/{long}"), from.join("link")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        from.join("fifo"),
        FileType::Fifo,
        Mode::from(0o600),
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(from.join("socket")).unwrap();
    rustix::fs::setxattr(
        from.join("empty"),
        "user.note",
        b"x\ny",
        rustix::fs::XattrFlags::empty(),
    )
    .unwrap();
    let (archive, about) = packed(&from, Packing::whole(Limits::default(), flavour()));
    assert_eq!((about.entries, about.sockets, about.bytes), (8, 1, 100_000));

    let into = scratch.folder("into");
    unpack(&archive[..], &Root::open_host(&into).unwrap(), &options()).unwrap();
    assert_eq!(
        std::fs::read(into.join("a").join(&long).join("f")).unwrap(),
        vec![7; 100_000]
    );
    let about = std::fs::metadata(into.join("empty")).unwrap();
    assert_eq!((about.mode() & 0o7777, about.nlink()), (0o4751, 2));
    assert_eq!(about.ino(), std::fs::metadata(into.join("z")).unwrap().ino());
    assert_eq!(
        std::fs::read_link(into.join("link")).unwrap(),
        Path::new(&format!("/{long}"))
    );
    let mut value = [0; 8];
    assert_eq!(
        rustix::fs::getxattr(into.join("empty"), "user.note", &mut value[..]).unwrap(),
        3
    );
    assert_eq!(
        packed(&into, Packing::whole(Limits::default(), flavour())).0,
        archive,
        "and packs the same"
    );
}

#[test]
fn owners_modes_and_attributes_can_be_others() {
    let scratch = Scratch::new("owners");
    let from = scratch.folder("from");
    std::fs::write(from.join("f"), "x").unwrap();
    std::fs::set_permissions(from.join("f"), std::fs::Permissions::from_mode(0o6755)).unwrap();
    let packing = Packing {
        owner: Some((70_000, 3_000_000)),
        mode: 0o1777,
        xattrs: false,
        ..Packing::whole(Limits::default(), flavour())
    };
    let (archive, _) = packed(&from, packing);
    let mut reader = &archive[..];
    let mut stream = crate::stream::Stream::open(&mut reader, &Limits::default()).unwrap();
    let mut entries = 0;
    let root = crate::entry::next(&mut stream, &Limits::default(), &mut entries)
        .unwrap()
        .unwrap();
    assert_eq!(root.path, b"./");
    let file = crate::entry::next(&mut stream, &Limits::default(), &mut entries)
        .unwrap()
        .unwrap();
    assert_eq!(
        (file.attributes.uid, file.attributes.gid, file.attributes.mode),
        (70_000, 3_000_000, 0o755)
    );
}

#[test]
fn limits_hold() {
    let scratch = Scratch::new("limits");
    let from = scratch.folder("from");
    let file = std::fs::File::create(from.join("big")).unwrap();
    file.set_len(1 << 40).unwrap();
    let fd = rustix::fs::open(&from, OFlags::PATH, Mode::empty()).unwrap();
    let mut archive = Vec::new();
    let mut packer = Packer::new(&mut archive, Packing::whole(Limits::default(), flavour()));
    let error = packer.add(fd.as_fd(), b"").unwrap_err();
    assert_eq!(error.kind(), tare_error::Kind::Exhausted);
}

#[test]
fn files_come_beside_those_that_are_there() {
    let scratch = Scratch::new("beside");
    let (from, into) = (scratch.folder("from"), scratch.folder("into"));
    std::fs::create_dir(from.join("d")).unwrap();
    std::fs::write(from.join("d/new"), "new").unwrap();
    std::fs::write(from.join("d/.wh.kept"), "plain").unwrap();
    std::fs::create_dir(into.join("d")).unwrap();
    std::fs::write(into.join("d/kept"), "kept").unwrap();
    std::fs::set_permissions(into.join("d"), std::fs::Permissions::from_mode(0o700)).unwrap();
    symlink("/etc/passwd", into.join("d/new")).unwrap();
    let (archive, _) = packed(&from, Packing::whole(Limits::default(), flavour()));
    let root = Root::open_host(&into).unwrap();
    unpack_files(&archive[..], &root, &options(), false).unwrap();
    assert_eq!(std::fs::read(into.join("d/kept")).unwrap(), b"kept");
    assert_eq!(std::fs::read(into.join("d/.wh.kept")).unwrap(), b"plain");
    assert!(
        std::fs::symlink_metadata(into.join("d/new")).unwrap().is_file(),
        "the link is replaced"
    );
    assert_eq!(std::fs::metadata(into.join("d")).unwrap().mode() & 0o777, 0o700);

    // Neither way does a directory come in the place of something else.
    std::fs::remove_file(into.join("d/new")).unwrap();
    std::fs::create_dir(into.join("d/new")).unwrap();
    let error = unpack_files(&archive[..], &root, &options(), false).unwrap_err();
    assert_eq!(error.kind(), tare_error::Kind::Conflict);
    std::fs::remove_dir_all(into.join("d")).unwrap();
    symlink("/", into.join("d")).unwrap();
    let error = unpack_files(&archive[..], &root, &options(), false).unwrap_err();
    assert_eq!(error.kind(), tare_error::Kind::Conflict);
}

#[test]
fn marks_of_overlayfs_become_entries() {
    if flavour() == Flavour::Rootless {
        return;
    }
    let scratch = Scratch::new("marks");
    let from = scratch.folder("from");
    std::fs::create_dir(from.join("d")).unwrap();
    rustix::fs::setxattr(
        from.join("d"),
        "trusted.overlay.opaque",
        b"y",
        rustix::fs::XattrFlags::empty(),
    )
    .unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        from.join("gone"),
        FileType::CharacterDevice,
        Mode::empty(),
        0,
    )
    .unwrap();
    let layer = Packing {
        marks: true,
        ..Packing::whole(Limits::default(), flavour())
    };
    let (archive, _) = packed(&from, layer);
    let into = scratch.folder("into");
    unpack(&archive[..], &Root::open_host(&into).unwrap(), &options()).unwrap();
    let about = std::fs::symlink_metadata(into.join("gone")).unwrap();
    assert_eq!((about.rdev(), about.mode() & 0o170_000), (0, 0o020_000));
    let mut value = [0; 2];
    let length = rustix::fs::getxattr(into.join("d"), "trusted.overlay.opaque", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"y");
    let (plain, about) = packed(&from, Packing::whole(Limits::default(), flavour()));
    assert_eq!((about.entries, plain.len()), (2, 2 * 512 + 1024));
}
