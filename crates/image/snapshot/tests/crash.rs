//! Needs root. Killed at any instruction, a pull leaves whole layers or none, and the next one sweeps and finishes.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

#[path = "../../layer/tests/corpus/archive.rs"]
mod archive;
#[path = "corpus/image.rs"]
mod image;
#[path = "../../layer/tests/corpus/tree.rs"]
mod tree;

use archive::Archive;
use image::{Scratch, commit_layers, digest};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tare_error::Kind;
use tare_snapshot::{ChainId, Flavour, Limits, Snapshots};
use tree::{Compare, assert_same, describe};

/// Where the child of the kill test works.
const PLACE: &str = "tare-snapshot-kill";

fn layers() -> Vec<Vec<u8>> {
    let mut one = Archive::new().dir("./").dir("d");
    for n in 0..60 {
        one = one.file(format!("d/{n}"), vec![b'x'; 3000]);
    }
    let two = Archive::new()
        .file("d/implied", "2")
        .file(".wh.x", "")
        .link("linked", "d/7");
    vec![one.end(), two.end(), Archive::new().file("third/file", "3").end()]
}

#[test]
#[ignore = "the child that killed_anywhere kills"]
fn pull_until_killed() {
    let place = std::env::temp_dir().join(PLACE);
    let snapshots = Snapshots::open(&place.join("snapshots"), Flavour::Privileged).unwrap();
    loop {
        let chain = commit_layers(&snapshots, &layers());
        snapshots.prepare("top", &chain).unwrap();
        fs::write(place.join("round"), "done").unwrap();
        snapshots.remove("top").unwrap();
        for layer in &chain {
            snapshots.remove_layer(layer).unwrap();
        }
    }
}

#[test]
fn killed_anywhere() {
    let scratch = Scratch(std::env::temp_dir().join(PLACE));
    let _ = fs::remove_dir_all(&scratch.0);
    fs::create_dir_all(&scratch.0).unwrap();
    let whole = reference(&scratch.0);
    let directory = scratch.0.join("snapshots");
    let (mut partly, mut state) = (0, 0x2545_f491_4f6c_dd1d_u64);
    let rounds = tare_kit::rounds(40);
    let pulled = scratch.0.join("round");
    for round in 0..rounds {
        let _ = fs::remove_file(&pulled);
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program)
            .args(["--exact", "pull_until_killed", "--ignored"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // However long it takes to start: what is killed is a pull.
        while !pulled.exists() {
            assert!(child.try_wait().unwrap().is_none(), "it pulls until it is killed");
            std::thread::yield_now();
        }
        let until = Instant::now() + Duration::from_micros(5_000 + (state >> 33) % 120_000);
        while Instant::now() < until {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let snapshots = Snapshots::open(&directory, Flavour::Privileged).unwrap();
        for chain in snapshots.layers().unwrap() {
            let name = format!("sha256-{}", chain.digest().digest());
            let fs = describe(&directory.join(&name).join("fs"), Compare::default());
            assert_same(&format!("round {round}"), &fs, &whole[&name]);
        }
        for top in snapshots.tops().unwrap() {
            assert!(snapshots.mounts(&top).is_ok() || snapshots.layers().unwrap().len() < 3);
            snapshots.remove(&top).unwrap();
        }
        partly += snapshots.sweep().unwrap();
        let left: Vec<PathBuf> = fs::read_dir(&directory)
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|path| !path.ends_with(".ground"))
            .collect();
        assert_eq!(left.len(), snapshots.layers().unwrap().len(), "{left:?}");
    }
    assert!(
        partly > rounds / 4,
        "the kills came too early or too late: {partly}"
    );
    let snapshots = Snapshots::open(&directory, Flavour::Privileged).unwrap();
    let chain = commit_layers(&snapshots, &layers());
    assert_eq!(snapshots.layers().unwrap().len(), chain.len());
}

/// What the layers look like when nobody was killed.
fn reference(
    scratch: &Path,
) -> std::collections::BTreeMap<String, std::collections::BTreeMap<PathBuf, String>> {
    let directory = scratch.join("reference");
    let snapshots = Snapshots::open(&directory, Flavour::Privileged).unwrap();
    let chain = commit_layers(&snapshots, &layers());
    let name = |chain: &ChainId| format!("sha256-{}", chain.digest().digest());
    chain
        .iter()
        .map(|c| {
            (
                name(c),
                describe(&directory.join(name(c)).join("fs"), Compare::default()),
            )
        })
        .collect()
}

#[test]
fn a_layer_is_made_once_however_many_ask() {
    let scratch = Scratch::new("once");
    let directory = scratch.0.join("snapshots");
    let layers = layers();
    let ids = ChainId::layers(&layers.iter().map(|l| digest(l)).collect::<Vec<_>>()).unwrap();
    let (unpacked, waited) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let snapshots = Snapshots::open(&directory, Flavour::Privileged).unwrap();
                let told = |_: &_| {
                    waited.fetch_add(1, Ordering::Relaxed);
                };
                let mut stages = snapshots.stage(&ids, &Limits::default(), told).unwrap();
                for (n, staging) in stages.needed() {
                    staging.unpack(&layers[n][..]).unwrap();
                    unpacked.fetch_add(1, Ordering::Relaxed);
                }
                stages.commit().unwrap();
            });
        }
    });
    assert_eq!(unpacked.into_inner(), 3);
    assert!(waited.into_inner() <= 7);
}

#[test]
fn what_is_not_whole_leaves_nothing() {
    let scratch = Scratch::new("nothing");
    let directory = scratch.0.join("snapshots");
    let snapshots = Snapshots::open(&directory, Flavour::Privileged).unwrap();
    let empty = || fs::read_dir(&directory).unwrap().count() == 0;
    let good = Archive::new().file("a", "x").end();
    let ids = ChainId::layers(&[digest(&good)]).unwrap();
    let stage = || snapshots.stage(&ids, &Limits::default(), |_| {}).unwrap();

    // Another archive than the configuration promised.
    let mut stages = stage();
    let other = Archive::new().file("b", "x").end();
    let e = stages
        .needed()
        .next()
        .unwrap()
        .1
        .unpack(&other[..])
        .map(|_| ())
        .unwrap_err();
    assert_eq!(e.kind(), Kind::Corrupt);
    assert!(format!("{e:?}").contains(&digest(&other).to_string()), "{e:?}");
    assert_eq!(stages.commit().unwrap_err().kind(), Kind::Invalid);
    assert!(empty());

    // A reader that fails in the middle.
    let mut stages = stage();
    let failing = good[..600].chain(Failing);
    assert!(stages.needed().next().unwrap().1.unpack(failing).is_err());
    drop(stages);
    assert!(empty());

    // A hard link to nothing, found at commit.
    let dangling = Archive::new().link("h", "no/where").end();
    let ids = ChainId::layers(&[digest(&dangling)]).unwrap();
    let mut stages = snapshots.stage(&ids, &Limits::default(), |_| {}).unwrap();
    stages.needed().next().unwrap().1.unpack(&dangling[..]).unwrap();
    let e = stages.commit().unwrap_err();
    assert_eq!(e.kind(), Kind::Corrupt, "{e:?}");
    assert!(empty());
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::from_raw_os_error(5))
    }
}
