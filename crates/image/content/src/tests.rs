//! Right bytes get their name, wrong ones leave nothing, partials of the dead are swept and those of the living stay.

use super::*;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;
use tare_error::Kind;

const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const HELLO_512: &str = "sha512:9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043";

struct Scratch(PathBuf, Store);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let dir = std::env::temp_dir().join(format!("tare-content-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir.join("content")).unwrap();
        Scratch(dir, store)
    }

    /// All files below the store.
    fn files(&self) -> Vec<String> {
        let mut all = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            for entry in fs::read_dir(self.0.join("content").join(algorithm)).unwrap() {
                all.push(entry.unwrap().file_name().into_string().unwrap());
            }
        }
        all
    }

    fn absent(&self, digest: &str, size: Option<u64>) -> Ingest {
        match self.1.ingest(&Digest::try_from(digest).unwrap(), size).unwrap() {
            Ingestion::Absent(ingest) => ingest,
            Ingestion::Present(_) => panic!("{digest} is present"),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn a_blob_comes_in_and_is_there() {
    for digest in [HELLO, HELLO_512] {
        let s = Scratch::new("in");
        let d = Digest::try_from(digest).unwrap();
        let mut ingest = s.absent(digest, Some(5));
        ingest.write_all(b"hel").unwrap();
        assert!(s.1.blob(&d).unwrap().is_none());
        ingest.write_all(b"lo").unwrap();
        ingest.commit().unwrap();
        assert_eq!(
            std::io::read_to_string(s.1.blob(&d).unwrap().unwrap()).unwrap(),
            "hello"
        );
        assert!(matches!(s.1.ingest(&d, Some(5)).unwrap(), Ingestion::Present(_)));
        assert_eq!(s.1.ingest(&d, Some(6)).unwrap_err().kind(), Kind::Corrupt);
        assert_eq!(s.1.list().unwrap(), vec![(d.clone(), 5)]);
        let (algorithm, hex) = digest.split_once(':').unwrap();
        let mode = |p: PathBuf| fs::metadata(p).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(s.1.path().to_owned()), 0o700);
        assert_eq!(mode(s.1.path().join(algorithm)), 0o700);
        assert_eq!(mode(s.1.path().join(algorithm).join(hex)), 0o600);
        assert!(s.1.remove(&d).unwrap());
        assert!(!s.1.remove(&d).unwrap());
    }
}

#[test]
fn wrong_bytes_leave_nothing_and_name_both_sides() {
    let s = Scratch::new("wrong");
    let cases: [(&[u8], Option<u64>, &str); 3] = [
        (b"hellO", Some(5), HELLO),
        (b"hell", Some(5), "expected 5 bytes, got 4"),
        (b"help!", None, HELLO),
    ];
    for (bytes, size, expected) in cases {
        let mut ingest = s.absent(HELLO, size);
        ingest.write_all(bytes).unwrap();
        let e = ingest.commit().unwrap_err();
        assert_eq!(e.kind(), Kind::Corrupt);
        assert!(e.to_string().contains(expected), "{e}");
        assert!(s.files().is_empty());
    }
    let mut ingest = s.absent(HELLO, Some(5));
    let e = ingest.write_all(b"hello!").unwrap_err();
    assert_eq!(e.downcast::<tare_error::Error>().unwrap().kind(), Kind::Corrupt);
    drop(ingest);
    assert!(s.files().is_empty());
}

#[test]
fn other_algorithms_are_refused() {
    let s = Scratch::new("other");
    for other in [
        "blake3:2cf24d",
        "sha384:00",
        "multihash+base58:../../x",
        "sha256:../../../etc/passwd",
    ] {
        if let Ok(d) = Digest::try_from(other) {
            assert_eq!(s.1.ingest(&d, None).unwrap_err().kind(), Kind::Unsupported);
            assert_eq!(s.1.blob(&d).unwrap_err().kind(), Kind::Unsupported);
        }
    }
}

#[test]
fn several_blobs_are_published_together() {
    let s = Scratch::new("several");
    let mut verified = Vec::new();
    for digest in [HELLO, HELLO_512] {
        let mut ingest = s.absent(digest, None);
        ingest.write_all(b"hello").unwrap();
        verified.push(ingest.verify().unwrap());
    }
    assert!(s.1.list().unwrap().is_empty());
    s.1.publish(verified).unwrap();
    assert_eq!(s.1.list().unwrap().len(), 2);
    assert_eq!(s.files().len(), 2);
    s.1.put(&Digest::try_from(HELLO).unwrap(), b"hello").unwrap();
}

#[test]
fn sweep_takes_the_dead_and_old_only() {
    let s = Scratch::new("sweep");
    let mut living = s.absent(HELLO, None);
    living.write_all(b"he").unwrap();
    let dead =
        s.1.path()
            .join("sha256")
            .join(format!(".{}.0123456789abcdef.partial", &HELLO[7..]));
    fs::write(&dead, "hell").unwrap();
    assert_eq!(s.1.sweep(Duration::from_hours(1)).unwrap(), Swept::default());
    assert_eq!(s.1.sweep(Duration::ZERO).unwrap(), Swept { files: 1, bytes: 4 });
    assert!(!dead.exists());
    living.write_all(b"llo").unwrap();
    living.commit().unwrap();
    assert_eq!(s.files(), vec![HELLO[7..].to_owned()]);
}
