//! Needs root and GNU tar. What GNU tar packs, in each of its formats, unpacks here as it does there.

#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

#[path = "corpus/tree.rs"]
mod tree;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use tare_layer::{Compression, Flavour, Limits, Options, unpack};
use tare_path::Root;
use tree::{Compare, assert_same, describe};

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let dir = std::env::temp_dir().join(format!("tare-layer-gnu-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(command: &mut Command) {
    let out = command.output().unwrap();
    assert!(
        out.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

/// Of everything a little. `old` leaves out what the V7 and ustar formats cannot say.
fn fill(dir: &Path, old: bool) {
    use rustix::fs::{CWD, FileType, Mode, XattrFlags, makedev};
    fs::create_dir_all(dir.join("d/e/f")).unwrap();
    fs::write(dir.join("empty"), "").unwrap();
    for size in [1, 511, 512, 513, 10_240, 300_000] {
        fs::write(dir.join(format!("d/{size}")), vec![b'x'; size]).unwrap();
    }
    symlink("../../no/where", dir.join("d/link")).unwrap();
    symlink("d", dir.join("dlink")).unwrap();
    fs::hard_link(dir.join("d/513"), dir.join("d/e/hard")).unwrap();
    fs::set_permissions(dir.join("d/1"), fs::Permissions::from_mode(0o6751)).unwrap();
    std::os::unix::fs::chown(dir.join("d/511"), Some(1000), Some(12)).unwrap();
    fs::set_permissions(dir.join("d/e"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::set_permissions(dir.join("d/e/f"), fs::Permissions::from_mode(0o2500)).unwrap();
    if old {
        return;
    }
    rustix::fs::mknodat(CWD, dir.join("fifo"), FileType::Fifo, Mode::from(0o600), 0).unwrap();
    rustix::fs::mknodat(
        CWD,
        dir.join("null"),
        FileType::CharacterDevice,
        Mode::from(0o666),
        makedev(1, 3),
    )
    .unwrap();
    rustix::fs::mknodat(
        CWD,
        dir.join("loop"),
        FileType::BlockDevice,
        Mode::from(0o640),
        makedev(7, 200),
    )
    .unwrap();
    let long = dir.join("n".repeat(200)).join("m".repeat(150));
    fs::create_dir_all(&long).unwrap();
    fs::write(long.join("o".repeat(120)), "long").unwrap();
    fs::hard_link(long.join("o".repeat(120)), dir.join("short")).unwrap();
    symlink("t".repeat(300), dir.join("longlink")).unwrap();
    fs::write(dir.join("new\nline é \\ *"), "odd").unwrap();
    std::os::unix::fs::chown(dir.join("d/512"), Some(3_000_000_000), Some(2_999_999_999)).unwrap();
    for (name, value) in [("user.note", &b"x\0y\n="[..]), ("trusted.md5", b"1")] {
        rustix::fs::setxattr(dir.join("d/512"), name, value, XattrFlags::empty()).unwrap();
    }
    rustix::fs::setxattr(dir.join("d"), "user.dir", b"", XattrFlags::empty()).unwrap();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    rustix::fs::setxattr(
        dir.join("empty"),
        "security.capability",
        &capability,
        XattrFlags::empty(),
    )
    .unwrap();
}

/// Files with holes in front, between, behind and all over.
fn fill_sparse(dir: &Path) {
    use std::os::unix::fs::FileExt;
    fs::create_dir_all(dir).unwrap();
    let make = |name: &str, size: u64, data: &[u64]| {
        let file = fs::File::create(dir.join(name)).unwrap();
        file.set_len(size).unwrap();
        for &at in data {
            file.write_all_at(&[b'd'; 4096], at).unwrap();
        }
    };
    make("hole", 3 << 20, &[]);
    make("front", (1 << 20) + 4096, &[1 << 20]);
    make("behind", 1 << 20, &[0]);
    make("odd", (5 << 20) + 77, &[8192, 2 << 20, 4 << 20]);
    make("huge", 12 << 30, &[0, 11 << 30]);
    let many: Vec<u64> = (0..60).map(|n| n * 16_384).collect();
    make("many", 60 * 16_384, &many);
}

fn set_times(dir: &Path, whole: bool) {
    let nanos = if whole { "" } else { ".123456789" };
    let script = format!("find . -depth -print0 | xargs -0 touch -h -d '2001-02-03 04:05:06{nanos}'");
    run(Command::new("sh").arg("-c").arg(script).current_dir(dir));
}

fn compare(scratch: &Path, from: &str, name: &str, options: &[&str]) {
    let archive = scratch.join("a.tar");
    run(Command::new("tar")
        .arg("-C")
        .arg(scratch.join(from))
        .args(options)
        .arg("-cf")
        .arg(&archive)
        .arg("."));
    let (ours, theirs) = (scratch.join("ours"), scratch.join("theirs"));
    for dir in [&ours, &theirs] {
        let _ = fs::remove_dir_all(dir);
        fs::create_dir(dir).unwrap();
    }
    let all = [
        "--same-owner",
        "--numeric-owner",
        "--xattrs",
        "--xattrs-include=*",
        "--delay-directory-restore",
    ];
    run(Command::new("tar")
        .arg("-C")
        .arg(&theirs)
        .args(all)
        .arg("-xpf")
        .arg(&archive));
    let root = Root::open_host(&ours).unwrap();
    let how = Options {
        limits: Limits::default(),
        flavour: Flavour::Privileged,
    };
    let unpacked = unpack(fs::File::open(&archive).unwrap(), &root, &how).unwrap();
    assert_eq!(unpacked.compression, Compression::None);
    assert_eq!(unpacked.dropped_xattrs, 0, "{name}");
    assert_same(
        name,
        &describe(&ours, Compare::default()),
        &describe(&theirs, Compare::default()),
    );
    for file in fs::read_dir(&ours)
        .unwrap()
        .map(|e| e.unwrap())
        .filter(|_| from == "sparse")
    {
        let (a, b) = (
            file.metadata().unwrap(),
            fs::metadata(theirs.join(file.file_name())).unwrap(),
        );
        assert!(
            a.blocks() <= b.blocks() + 64,
            "{name}: {:?} lost its holes",
            file.file_name()
        );
    }
}

#[test]
fn what_gnu_tar_packs() {
    let scratch = Scratch::new();
    let dir = &scratch.0;
    fill(&dir.join("old"), true);
    set_times(&dir.join("old"), true);
    fill(&dir.join("new"), false);
    fill_sparse(&dir.join("sparse"));
    for format in ["v7", "oldgnu", "ustar", "gnu", "pax"] {
        compare(dir, "old", format, &[&format!("--format={format}")]);
    }
    set_times(&dir.join("new"), true);
    compare(dir, "new", "gnu, all", &["--format=gnu"]);
    set_times(&dir.join("new"), false);
    compare(
        dir,
        "new",
        "pax, all",
        &["--format=pax", "--xattrs", "--xattrs-include=*"],
    );
    set_times(&dir.join("sparse"), true);
    fs::remove_file(dir.join("sparse/huge")).unwrap();
    for version in ["0.0", "0.1", "1.0"] {
        let version = format!("--sparse-version={version}");
        compare(dir, "sparse", &version, &["--sparse", "--format=pax", &version]);
    }
    compare(dir, "sparse", "old sparse", &["--sparse", "--format=gnu"]);
    compare(dir, "sparse", "oldgnu sparse", &["--sparse", "--format=oldgnu"]);
}

/// A file of 12 GiB with holes: its size needs base 256 in old headers, and takes no time here.
#[test]
fn huge_sparse_file() {
    let dir = Scratch(std::env::temp_dir().join(format!("tare-layer-huge-{}", std::process::id())));
    fill_sparse(&dir.0.join("all"));
    for format in ["gnu", "pax"] {
        let archive = dir.0.join("a.tar");
        let format = format!("--format={format}");
        run(Command::new("tar")
            .arg("-C")
            .arg(dir.0.join("all"))
            .args(["-S", &format, "-cf"])
            .arg(&archive)
            .arg("huge"));
        let into = dir.0.join(&format);
        fs::create_dir(&into).unwrap();
        let how = Options {
            limits: Limits::default(),
            flavour: Flavour::Privileged,
        };
        unpack(
            fs::File::open(&archive).unwrap(),
            &Root::open_host(&into).unwrap(),
            &how,
        )
        .unwrap();
        let about = fs::metadata(into.join("huge")).unwrap();
        assert_eq!(about.len(), 12 << 30);
        assert!(about.blocks() < 100);
        let mut data = [0; 4];
        std::os::unix::fs::FileExt::read_exact_at(
            &fs::File::open(into.join("huge")).unwrap(),
            &mut data,
            11 << 30,
        )
        .unwrap();
        assert_eq!(&data, b"dddd");
    }
}
