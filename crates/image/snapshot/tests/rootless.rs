//! Needs root (to become another user), user namespaces and overlay (Linux 5.11). As root of a user namespace, and
//! with nothing more, layers unpack, mount and go away; ids that are not mapped are named.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

#[path = "../../layer/tests/corpus/archive.rs"]
mod archive;
#[path = "corpus/image.rs"]
mod image;

use archive::{Archive, Header};
use image::{Scratch, commit_layers, digest, mount, run};
use rustix::mount::{UnmountFlags, unmount};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::process::Command;
use tare_error::Kind;
use tare_snapshot::{ChainId, Flavour, Limits, Snapshots};

/// Where the part inside the namespace works.
const PLACE: &str = "tare-snapshot-rootless";

#[test]
fn as_an_ordinary_user() {
    let scratch = Scratch(std::env::temp_dir().join(PLACE));
    let _ = fs::remove_dir_all(&scratch.0);
    fs::create_dir_all(&scratch.0).unwrap();
    // The test program may lie where the other user may not look.
    let program = scratch.0.join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [&scratch.0, &program] {
        chown(path, Some(65_534), Some(65_534)).unwrap();
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all",
    ]);
    command
        .args(["unshare", "--user", "--map-root-user", "--mount"])
        .arg(&program);
    run(command.args(["--exact", "inside_a_user_namespace", "--ignored", "--nocapture"]));
}

#[test]
#[ignore = "run by as_an_ordinary_user in a user namespace of its own"]
fn inside_a_user_namespace() {
    let scratch = std::env::temp_dir().join(PLACE);
    let snapshots = Snapshots::open(&scratch.join("snapshots"), Flavour::Rootless).unwrap();
    let base = Archive::new()
        .dir("d")
        .file("d/a", "a")
        .entry(&Header::new(b'3', "null").device(1, 3), b"")
        .entry(&Header::new(b'6', "fifo"), b"")
        .entry(&Header::new(b'0', "su").mode(0o4755), b"x")
        .entry(&Header::new(b'5', "closed").mode(0o000), b"")
        .file("closed/x", "x")
        .dir("o")
        .file("o/x", "x");
    let next = Archive::new()
        .file("d/.wh.a", "")
        .file("o/.wh..wh..opq", "")
        .file("o/y", "y")
        .link("linked", "su");
    let layers = [base.end(), next.end()];
    let chain = commit_layers(&snapshots, &layers);
    snapshots.prepare("web", &chain).unwrap();
    let at = scratch.join("root");
    fs::create_dir(&at).unwrap();
    mount(&snapshots.mounts("web").unwrap(), &at);
    assert!(!at.join("d/a").exists() && !at.join("null").exists() && !at.join("o/x").exists());
    assert_eq!(fs::metadata(at.join("linked")).unwrap().mode() & 0o7777, 0o4755);
    assert_eq!(fs::metadata(at.join("closed")).unwrap().mode() & 0o7777, 0);
    fs::remove_file(at.join("o/y")).unwrap();
    fs::write(at.join("d/new"), "new").unwrap();
    unmount(&at, UnmountFlags::empty()).unwrap();
    assert!(snapshots.remove("web").unwrap());

    let other = Archive::new()
        .entry(&Header::new(b'0', "theirs").owner(1000, 1000), b"")
        .end();
    let ids = ChainId::layers(&[digest(&other)]).unwrap();
    let mut stages = snapshots.stage(&ids, &Limits::default(), |_| {}).unwrap();
    let e = stages
        .needed()
        .next()
        .unwrap()
        .1
        .unpack(&other[..])
        .map(|_| ())
        .unwrap_err();
    assert_eq!(e.kind(), Kind::Unsupported);
    let text = format!("{e:?}");
    assert!(
        text.contains("uid 1000") && text.contains("theirs") && text.contains("/etc/subuid"),
        "{text}"
    );
    drop(stages);
    for layer in &chain {
        assert!(snapshots.remove_layer(layer).unwrap());
    }
    let left: Vec<_> = fs::read_dir(snapshots.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, [".ground"]);
}
