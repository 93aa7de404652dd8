//! A layer's archive, unpacked for real into a folder; whatever it holds, a file beside that folder stays as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::PathBuf;
use tare_layer::{Flavour, Limits, Options, unpack};
use tare_path::Root;

fuzz_target!(|archive: &[u8]| {
    let place = Place::make();
    let options = Options { limits: limits(), flavour: Flavour::Rootless };
    let root = Root::open_host(&place.0.join("root")).expect("open the folder");
    let _ = unpack(archive, &root, &options);
    let canary = fs::read(place.0.join("canary")).expect("the file beside the folder is still there");
    assert_eq!(canary, b"untouched", "the file beside the folder was changed");
    let beside = fs::read_dir(&place.0).expect("list").count();
    assert_eq!(beside, 2, "something was made beside the folder");
});

fn limits() -> Limits {
    Limits { entries: 500, bytes: 1 << 20, file_bytes: 1 << 20, depth: 40, header: 1 << 16, pieces: 100, ..Limits::default() }
}

/// A folder in memory for one run.
struct Place(PathBuf);

impl Place {
    fn make() -> Self {
        let path = PathBuf::from(format!("/dev/shm/tare-fuzz-layer-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("root")).expect("make a folder");
        fs::write(path.join("canary"), "untouched").expect("make a file");
        Place(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
