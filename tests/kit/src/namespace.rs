//! Furnishes a test's namespaces: its own /sys, control groups, /run, scratch folder, loopback and an ordinary user.

use crate::cgroups;
use crate::stage::target_folder;
use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

/// The scratch folder inside.
pub(crate) const SCRATCH: &str = "/mnt/scratch";

/// The programs of this build inside.
pub(crate) const PROGRAMS: &str = "/mnt/bin";

/// What foreign tools made, inside; see [`crate::fixture`].
pub(crate) const FIXTURES: &str = "/mnt/fixtures";

/// The ordinary user of every world.
pub(crate) const PERSON: u32 = 1500;

/// Does all of it; the outer process's scratch folder is named by the environment.
pub(crate) fn furnish() {
    let scratch = std::env::var("TARE_KIT_SCRATCH").expect("the scratch folder's name");
    let exe = std::env::current_exe().expect("this program's path");
    let programs = exe.ancestors().nth(2).expect("a folder of programs");

    // Looked up before /sys is covered.
    let groups = cgroups::mounts_inside();
    fresh("sysfs", "/sys", "");
    // On /mnt, so that names are short enough for sockets and an ordinary user may pass.
    fresh("tmpfs", "/mnt", "mode=755");
    let fixtures = target_folder().join("fixtures");
    fs::create_dir_all(&fixtures).expect("make a folder");
    for (from, to) in [
        (Path::new(&scratch), SCRATCH),
        (programs, PROGRAMS),
        (&fixtures, FIXTURES),
    ] {
        fs::create_dir(to).expect("make a mount point");
        mount_bind(from, to).expect("bind a folder");
    }
    let read_only = MountFlags::BIND | MountFlags::RDONLY;
    mount_remount(FIXTURES, read_only, "").expect("make the fixtures read-only");
    fs::set_permissions(SCRATCH, fs::Permissions::from_mode(0o755)).expect("open the scratch folder");
    fresh("tmpfs", "/run", "mode=755");
    groups_of_our_own(&groups);
    ordinary_user();
    rustix::system::sethostname(b"kit").expect("set the host name");
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status()
        .expect("run ip");
    assert!(up.success(), "ip link set lo up: {up}");
}

fn fresh(kind: &str, on: &str, options: &str) {
    let options = CString::new(options).expect("no zero byte");
    let data = (!options.is_empty()).then_some(options.as_c_str());
    mount(kind, on, kind, MountFlags::empty(), data).unwrap_or_else(|e| panic!("mount {kind} on {on}: {e}"));
}

fn groups_of_our_own(groups: &[(String, &'static str, String)]) {
    let top = "/sys/fs/cgroup";
    if groups.iter().any(|(folder, _, _)| !folder.is_empty()) {
        fresh("tmpfs", top, "mode=755");
    }
    for (folder, kind, options) in groups {
        let on = format!("{top}/{folder}");
        fs::create_dir_all(&on).expect("make a mount point for a hierarchy");
        fresh(kind, &on, options);
    }
}

/// `tester`, with 65,536 subordinate ids, in copies of the host's files.
fn ordinary_user() {
    let lines = [
        (
            "/etc/passwd",
            format!("tester:x:{PERSON}:{PERSON}:tester:{SCRATCH}/home:/bin/sh\n"),
        ),
        ("/etc/group", format!("tester:x:{PERSON}:\n")),
        ("/etc/subuid", "tester:1000000:65536\n".to_owned()),
        ("/etc/subgid", "tester:1000000:65536\n".to_owned()),
    ];
    fs::create_dir("/mnt/etc").expect("make a folder");
    for (file, line) in lines {
        if !Path::new(file).exists() {
            continue;
        }
        let copy = file.replace("/etc/", "/mnt/etc/");
        let text = fs::read_to_string(file).expect("read the host's file");
        fs::write(&copy, text + &line).expect("write a copy");
        mount_bind(&copy, file).expect("bind the copy over the host's file");
    }
    for (folder, mode) in [
        (format!("{SCRATCH}/home"), 0o755),
        (format!("/run/user/{PERSON}"), 0o700),
    ] {
        fs::create_dir_all(&folder).expect("make a folder of the user's");
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).expect("set its mode");
        chown(&folder, Some(PERSON), Some(PERSON)).expect("give it to the user");
    }
}
