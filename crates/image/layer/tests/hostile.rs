//! Needs root. Archives made to break out, to forge, to exhaust or just to break: nothing outside the root changes,
//! each gets the error it deserves, and no descriptor stays open (CVE-2026-114236).

#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

#[path = "corpus/archive.rs"]
mod archive;
#[path = "corpus/refused.rs"]
mod refused;
#[path = "corpus/tree.rs"]
mod tree;

use archive::{Archive, Header, seal};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;
use tare_error::{Error, Kind};
use tare_layer::{Flavour, Limits, Options, Unpacked, unpack};
use tare_path::Root;
use tree::{Compare, describe};

/// All but the root itself.
const AROUND: Compare = Compare {
    any_time: &["."],
    overlay: false,
    without: &["root"],
};

/// A root with things around it that must not change.
struct Yard(PathBuf);

impl Yard {
    fn new(name: &str) -> Yard {
        let dir = std::env::temp_dir().join(format!("tare-layer-{name}-{}", std::process::id()));
        fs::create_dir_all(dir.join("outside")).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(dir.join("secret"), "secret").unwrap();
        fs::write(dir.join("outside/file"), "file").unwrap();
        Yard(dir)
    }

    /// Unpacks into a new root; checks that the yard is as before and that no descriptor stayed.
    fn unpack_with(&self, bytes: &[u8], options: &Options) -> Result<Unpacked, Error> {
        let root = self.0.join("root");
        let _ = fs::remove_dir_all(&root);
        let before = describe(&self.0, AROUND);
        fs::create_dir(&root).unwrap();
        let descriptors = descriptors();
        let done = {
            let root = Root::open_host(&root).unwrap();
            unpack(bytes, &root, options)
        };
        assert_eq!(self::descriptors(), descriptors, "descriptors were left open");
        let after = describe(&self.0, AROUND);
        tree::assert_same("around the root", &after, &before);
        done
    }

    fn unpack(&self, bytes: &[u8]) -> Result<Unpacked, Error> {
        self.unpack_with(bytes, &options())
    }

    fn root(&self, path: &str) -> PathBuf {
        self.0.join("root").join(path)
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options() -> Options {
    Options {
        limits: Limits::default(),
        flavour: Flavour::Privileged,
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

#[test]
fn hostile_archives() {
    let yard = Yard::new("hostile");
    for (name, bytes, kind, words) in refused::all(&yard.0) {
        let e = yard
            .unpack(&bytes)
            .err()
            .unwrap_or_else(|| panic!("{name}: was taken"));
        let text = format!("{e:?}");
        assert_eq!(e.kind(), kind, "{name}: {text}");
        assert!(text.contains(words), "{name}: {text}");
    }
    contained(&yard);
    duplicates(&yard);
    forged_attributes(&yard);
    truncated(&yard);
    bombs(&yard);
    many(&yard);
    source_errors(&yard);
    mutated(&yard);
}

/// Archives that are odd but mean something inside the root.
fn contained(yard: &Yard) {
    let outside = yard.0.to_str().unwrap().to_owned();
    let secret = format!("{outside}/secret");
    let a = Archive::new;
    let inside = |path: &str| yard.root(path.trim_start_matches('/'));

    yard.unpack(&a().file(&secret, "mine").end()).unwrap();
    assert_eq!(fs::read_to_string(inside(&secret)).unwrap(), "mine");

    yard.unpack(
        &a().symlink("out", &outside)
            .file("out/secret", "mine")
            .dir("out/outside")
            .end(),
    )
    .unwrap();
    assert_eq!(fs::read_to_string(inside(&secret)).unwrap(), "mine");

    yard.unpack(&a().symlink("up", "../../..").file("up/secret", "mine").end())
        .unwrap();
    assert_eq!(fs::read_to_string(inside("secret")).unwrap(), "mine");

    // A link to what another layer may have is noted, not followed.
    let unpacked = yard
        .unpack(
            &a().symlink("d", &outside)
                .link("h", "d/secret")
                .link("i", &secret)
                .end(),
        )
        .unwrap();
    assert_eq!(unpacked.links.len(), 2);
    assert!(!inside("h").exists());

    // A hard link to a symbolic link is that link; writing to its name replaces it.
    let bytes = a().symlink("s", &secret).link("h", "s").file("h", "mine").end();
    yard.unpack(&bytes).unwrap();
    assert_eq!(fs::read_to_string(inside("h")).unwrap(), "mine");

    yard.unpack(&a().symlink("f", &secret).file("f", "mine").end())
        .unwrap();
    assert_eq!(fs::read_to_string(inside("f")).unwrap(), "mine");

    let open = Header::new(b'5', "d").mode(0o777).owner(1, 1);
    yard.unpack(
        &a().symlink("d", format!("{outside}/outside"))
            .entry(&open, b"")
            .file("d/file", "mine")
            .end(),
    )
    .unwrap();
    assert_eq!(fs::symlink_metadata(inside("d")).unwrap().mode() & 0o7777, 0o777);

    let unpacked = yard
        .unpack(
            &a().file(".wh.a/../b", "b")
                .file("n\nl", "x")
                .file(".wh..wh.plnk/1", "x")
                .end(),
        )
        .unwrap();
    assert_eq!(unpacked.entries, 3);
    assert!(inside("b").exists() && inside("n\nl").exists() && !inside(".wh..wh.plnk").exists());

    odd(yard);
}

/// Entries that are odd, and what they mean.
fn odd(yard: &Yard) {
    let a = Archive::new;
    let inside = |path: &str| yard.root(path);

    // Setuid survives the change of owner; bits beyond the twelve do not get in.
    let setuid = Header::new(b'0', "su").mode(0o7_104_755).owner(1000, 1000);
    yard.unpack(&a().entry(&setuid, b"x").end()).unwrap();
    let about = fs::metadata(inside("su")).unwrap();
    assert_eq!((about.mode() & 0o7777, about.uid()), (0o4755, 1000));

    // A directory that was reached through a link is not taken for it once the link is gone.
    let e = yard
        .unpack(&a().symlink("a", ".").file("a/a", "file").file("a/x", "").end())
        .unwrap_err();
    assert_eq!(e.kind(), Kind::Corrupt, "{e:?}");
    assert!(!inside("x").exists());

    // A link to itself changes nothing; data after a link's header is no data.
    yard.unpack(&a().file("f", "x").link("f", "f").link("./f", "/f").end())
        .unwrap();
    assert_eq!(fs::read_to_string(inside("f")).unwrap(), "x");
    let sized = Header::new(b'1', "h").link("f").size(b"00000001000\0");
    yard.unpack(&a().file("f", "x").entry(&sized, b"").file("g", "y").end())
        .unwrap();
    assert_eq!(fs::read_to_string(inside("g")).unwrap(), "y");

    // Whiteouts of any type, with data, before and after what replaces them.
    let dir = Header::new(b'5', ".wh.gone");
    let bytes = a()
        .entry(&dir, b"")
        .file(".wh.x", [1; 700])
        .file("x", "new")
        .file("y", "new")
        .file(".wh.y", "")
        .end();
    yard.unpack(&bytes).unwrap();
    assert!(
        fs::symlink_metadata(inside("gone"))
            .unwrap()
            .file_type()
            .is_char_device()
    );
    assert_eq!(fs::read_to_string(inside("x")).unwrap(), "new");
    assert_eq!(fs::read_to_string(inside("y")).unwrap(), "new");
}

/// Whatever comes twice: the later entry is what is there.
fn duplicates(yard: &Yard) {
    type Put = (&'static str, fn(Archive) -> Archive);
    let put: [Put; 5] = [
        ("file", |a| a.file("x", "file")),
        ("directory", |a| a.dir("x").file("x/child", "")),
        ("link", |a| a.symlink("x", "target")),
        ("fifo", |a| a.entry(&Header::new(b'6', "x"), b"")),
        ("hard", |a| a.file("other", "other").link("x", "other")),
    ];
    for (first, make_first) in put {
        for (second, make_second) in put {
            yard.unpack(&make_second(make_first(Archive::new())).end())
                .unwrap();
            let about = fs::symlink_metadata(yard.root("x")).unwrap();
            let found = if about.is_dir() {
                "directory"
            } else if about.is_symlink() {
                "link"
            } else if about.file_type().is_fifo() {
                "fifo"
            } else if about.nlink() == 2 {
                "hard"
            } else {
                "file"
            };
            assert_eq!(found, second, "{first} then {second}");
        }
    }
}

/// Marks of overlayfs in an image are dropped, in both flavours; its other attributes are kept.
fn forged_attributes(yard: &Yard) {
    let records: &[(&str, &[u8])] = &[
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
        ("LIBARCHIVE.xattr.trusted.overlay%2emetacopy", b""),
        ("SCHILY.xattr.user.kept", b"yes"),
        ("SCHILY.xattr.nonsense", b"yes"),
    ];
    for (flavour, dropped) in [(Flavour::Privileged, 5), (Flavour::Rootless, 5)] {
        let options = Options { flavour, ..options() };
        let bytes = Archive::new().pax(records).dir("d").file("d/f", "").end();
        let unpacked = yard.unpack_with(&bytes, &options).unwrap();
        assert_eq!(unpacked.dropped_xattrs, dropped, "{flavour:?}");
        let mut names = vec![0; 4096];
        let length = rustix::fs::llistxattr(yard.root("d"), &mut names).unwrap();
        assert_eq!(&names[..length], b"user.kept\0");
    }
    let options = Options {
        flavour: Flavour::Rootless,
        ..options()
    };
    let device = Header::new(b'3', "null").device(1, 3);
    let bytes = Archive::new()
        .entry(&device, b"")
        .file(".wh.x", "")
        .file("d/.wh..wh..opq", "")
        .end();
    let unpacked = yard.unpack_with(&bytes, &options).unwrap();
    assert_eq!(unpacked.skipped_devices, 1);
    assert!(!yard.root("null").exists());
    let mut value = [0; 8];
    assert_eq!(
        rustix::fs::lgetxattr(yard.root("d"), "user.overlay.opaque", &mut value),
        Ok(1)
    );
}

/// Cut at every block: between entries nothing can be told (the digest tells), inside one it is an error.
fn truncated(yard: &Yard) {
    let archive = Archive::new()
        .dir("./")
        .file("a", [1; 2000])
        .pax(&[("path", b"long"), ("SCHILY.xattr.user.a", &[2; 600])])
        .file("b", [3; 513])
        .entry(&Header::new(b'L', "././@LongLink"), &[b'n'; 200])
        .symlink("c", "a")
        .link("d", "a")
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.realsize", b"2000"),
        ])
        .file("e", [&b"1\n500\n600\n"[..], &[0; 502], &[4; 600]].concat());
    let boundaries = archive.boundaries.clone();
    let bytes = archive.end();
    let whole = yard.unpack(&bytes).unwrap().diff_id;
    assert_eq!(fs::metadata(yard.root("e")).unwrap().len(), 2000);
    for cut in (0..bytes.len()).step_by(512).chain([100, 600, bytes.len() - 1]) {
        match yard.unpack(&bytes[..cut]) {
            Ok(unpacked) => {
                let last = cut >= *boundaries.last().unwrap();
                assert!(cut == 0 || boundaries.contains(&cut) || last, "taken at {cut}");
                assert_ne!(unpacked.diff_id, whole);
            }
            Err(e) => {
                assert_eq!(e.kind(), Kind::Corrupt, "at {cut}: {e:?}");
                assert!(!boundaries.contains(&cut), "refused at {cut}: {e:?}");
            }
        }
    }
}

fn bombs(yard: &Yard) {
    let bytes = Archive::new().file("zeros", vec![0; 8 << 20]).end();
    let strict = |limits: Limits| Options { limits, ..options() };
    let ratio = Limits {
        ratio: 100,
        ratio_after: 1 << 20,
        ..Limits::default()
    };
    for (name, bomb) in [("gzip", gzip(&bytes)), ("zstd", zstd(&bytes))] {
        let e = yard.unpack_with(&bomb, &strict(ratio.clone())).unwrap_err();
        assert_eq!(e.kind(), Kind::Exhausted, "{name}");
        assert!(format!("{e:?}").contains("limit ratio = 100"), "{name}: {e:?}");
        yard.unpack_with(&bomb, &options()).unwrap();
    }
    yard.unpack_with(&bytes, &strict(ratio)).unwrap();
    let e = yard
        .unpack_with(
            &gzip(&bytes),
            &strict(Limits {
                bytes: 1 << 20,
                ..Limits::default()
            }),
        )
        .unwrap_err();
    assert!(
        e.kind() == Kind::Exhausted && format!("{e:?}").contains("limit bytes"),
        "{e:?}"
    );
    // After the end mark, too: the digest covers it, so it is read.
    let tail = [Archive::new().file("a", "").end(), vec![0; 4 << 20]].concat();
    let e = yard
        .unpack_with(
            &gzip(&tail),
            &strict(Limits {
                bytes: 1 << 20,
                ..Limits::default()
            }),
        )
        .unwrap_err();
    assert!(
        e.kind() == Kind::Exhausted && format!("{e:?}").contains("limit bytes"),
        "{e:?}"
    );
    // Many small members and frames are one layer.
    let bytes = Archive::new().file("a", "one").file("b", "two").end();
    let members: Vec<u8> = bytes.chunks(300).flat_map(gzip).collect();
    let frames: Vec<u8> = bytes.chunks(300).flat_map(zstd).collect();
    assert_eq!(
        yard.unpack(&members).unwrap().diff_id,
        yard.unpack(&bytes).unwrap().diff_id
    );
    assert_eq!(
        yard.unpack(&frames).unwrap().diff_id,
        yard.unpack(&bytes).unwrap().diff_id
    );
}

fn many(yard: &Yard) {
    let mut archive = Archive::new().file("0", "").file("1", "");
    // Names, not inodes: making those is the file system's time, not ours.
    for n in 2..100_000 {
        archive = archive.link(format!("d{}/e{}/{n}", n % 7, n / 1000), (n % 2).to_string());
    }
    let bytes = archive.end();
    let unpacked = yard.unpack(&bytes).unwrap();
    assert_eq!(unpacked.entries, 100_000);
    assert_eq!(unpacked.implied.len(), 1 + 7 + 700);
    let small = Options {
        limits: Limits {
            names: 20_000,
            ..Limits::default()
        },
        ..options()
    };
    let e = yard.unpack_with(&bytes, &small).unwrap_err();
    assert!(format!("{e:?}").contains("limit names = 20000"), "{e:?}");
    let few = Options {
        limits: Limits {
            entries: 1000,
            ..Limits::default()
        },
        ..options()
    };
    let e = yard.unpack_with(&bytes, &few).unwrap_err();
    assert!(
        e.kind() == Kind::Exhausted && format!("{e:?}").contains("limit entries = 1000"),
        "{e:?}"
    );
    let deep = Archive::new()
        .pax(&[("path", &b"d/".repeat(1000))])
        .file("a", "x")
        .end();
    yard.unpack(&deep).unwrap();
}

/// What the caller's reader says comes out as it was, not as damage.
fn source_errors(yard: &Yard) {
    struct Fails(Option<std::io::Error>);
    impl std::io::Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(self.0.take().unwrap_or_else(|| std::io::ErrorKind::Other.into()))
        }
    }
    let root = Root::open_host(&yard.0.join("root")).unwrap();
    for head in [
        gzip(&[0; 9000])[..12].to_vec(),
        zstd(&[0; 9000])[..12].to_vec(),
        vec![0; 100],
        vec![],
    ] {
        let ours = Error::new(Kind::Unavailable, "fetch", "blob").hint("try again");
        let reader = std::io::Read::chain(&head[..], Fails(Some(std::io::Error::other(ours))));
        let e = unpack(reader, &root, &options()).unwrap_err();
        assert_eq!(
            (e.kind(), e.first_hint()),
            (Kind::Unavailable, Some("try again")),
            "{e:?}"
        );
        let reader = std::io::Read::chain(&head[..], Fails(Some(std::io::Error::from_raw_os_error(110))));
        assert_eq!(
            unpack(reader, &root, &options()).unwrap_err().kind(),
            Kind::Unavailable
        );
    }
}

/// A small deterministic fuzzer over the corpus; the long runs are in fuzz/.
fn mutated(yard: &Yard) {
    let seeds: Vec<Vec<u8>> = refused::all(&yard.0)
        .into_iter()
        .map(|(_, bytes, ..)| bytes)
        .filter(|b| b.len() < 9000)
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let tiny = Options {
        limits: Limits::tiny(),
        ..options()
    };
    for _ in 0..1500 {
        let mut bytes = seeds[random(seeds.len())].clone();
        for _ in 0..=random(6) {
            let at = random(bytes.len());
            bytes[at] = [0, 0xff, b'/', b'.', b'7', b'1', b'2', b'5', b'x'][random(9)];
        }
        // Check sums put right, so that what was changed is reached.
        for block in bytes.chunks_exact_mut(512).filter(|b| &b[257..262] == b"ustar") {
            seal(block.try_into().unwrap());
        }
        let _ = yard.unpack_with(&bytes, &tiny);
    }
}
