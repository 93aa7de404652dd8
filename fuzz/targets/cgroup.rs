//! /proc/self/mountinfo and /proc/self/cgroup, the second after an empty line: folder names in both are chosen by others.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_cgroup::{GroupPath, Host};

fuzz_target!(|text: &str| {
    if let Some((mounts, groups)) = text.split_once("\n\n") {
        let _ = Host::detect(mounts, groups);
    }
    if let Ok(path) = GroupPath::parse(text) {
        assert!(!path.to_string().split('/').any(|part| part == ".."), "{path} leads out");
    }
});
