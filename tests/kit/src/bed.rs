//! A machine run by systemd, for one test: tests/systemd-bed boots it inside the test's world.

use crate::fixture::Fixture;
use crate::namespace::PROGRAMS;
use std::path::Path;
use std::process::Command;

/// The root that is booted, for version 2 and for version 1.
pub(crate) const FIXTURE: &str = "systemd";
pub(crate) const FIXTURE_V1: &str = "systemd-252";

/// The name of the stage in which a body runs there.
pub(crate) const STAGE: &str = "bed";

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../systemd-bed");

/// Boots it and runs the test's body there, by the test's name.
pub(crate) fn run(name: &str, fixture: &'static str) {
    let exe = std::env::current_exe().expect("this program's path");
    // The same program, as the folder of programs shows it: that is bound into the other root.
    let file = exe.file_name().expect("a file name");
    let exe = Path::new(PROGRAMS).join("deps").join(file);
    let status = Command::new(SCRIPT)
        .arg(Fixture::named(fixture).inside().join("root"))
        .arg(exe)
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env("BED_BIND", "/mnt")
        .env("BED_CGROUP", if fixture == FIXTURE_V1 { "1" } else { "2" })
        .env(crate::stage::STAGE, STAGE)
        .status()
        .expect("run systemd-bed");
    assert!(status.success(), "the test itself failed ({status})");
}
