//! What images and containers have tried on other runtimes, by the number of the hole where it has one.

use crate::Test;
use crate::bed::Bed;
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;
use tare_process::{CloneFlags, Fork, spawn};

pub(crate) const TESTS: &[Test] = &[
    (
        "links_for_proc_sys_dev_are_refused",
        links_for_proc_sys_dev_are_refused,
    ),
    ("links_on_the_way_stay_inside", links_on_the_way_stay_inside),
    (
        "working_directory_cannot_lead_out",
        working_directory_cannot_lead_out,
    ),
    ("no_fd_is_left_open", no_fd_is_left_open),
    (
        "forked_child_keeps_what_is_named",
        forked_child_keeps_what_is_named,
    ),
    (
        "own_program_cannot_be_overwritten",
        own_program_cannot_be_overwritten,
    ),
    (
        "own_program_is_copied_where_it_cannot_be_cloned",
        own_program_is_copied_where_it_cannot_be_cloned,
    ),
    ("parameters_reach_procfs_only", parameters_reach_procfs_only),
    ("null_of_the_host_is_verified", null_of_the_host_is_verified),
    ("links_in_dev_stay_inside", links_in_dev_stay_inside),
    (
        "process_in_set_up_is_not_traceable",
        process_in_set_up_is_not_traceable,
    ),
];

/// The script's path inside, by which this program knows that it was executed there.
pub(crate) const SCRIPT: &str = "/script";

/// CVE-2019-19921, CVE-2023-27561, CVE-2025-62161.
fn links_for_proc_sys_dev_are_refused() {
    for place in ["proc", "sys", "dev"] {
        let mut bed = Bed::new();
        let at = bed.bundle.join("rootfs").join(place);
        fs::remove_dir(&at).unwrap();
        symlink("/tmp", &at).unwrap();
        let error = bed.error(&["true"]);
        assert_eq!(
            error,
            format!(
                "mount /{place}: it must be mounted on ordinary directory, and a link stands there in the image"
            )
        );
        assert_eq!(fs::read_dir(bed.bundle.join("rootfs/tmp")).unwrap().count(), 0);
        fs::remove_file(&at).unwrap();
    }
}

/// CVE-2021-30465, CVE-2024-45310: nothing is made or mounted outside.
fn links_on_the_way_stay_inside() {
    let mut bed = Bed::new();
    fs::create_dir_all("/mnt/host").unwrap();
    let root = bed.bundle.join("rootfs");
    symlink("/mnt/host", root.join("absolute")).unwrap();
    symlink("../../../mnt/host", root.join("relative")).unwrap();
    fs::create_dir_all(root.join("mnt/host")).unwrap();
    fs::create_dir_all("/mnt/data").unwrap();
    bed.mount("bind", "/mnt/data", "/absolute/a", "bind")
        .mount("bind", "/etc/hostname", "/relative/b", "bind")
        .mount("tmpfs", "tmpfs", "/relative/c/d", "");
    let text = bed.sh("cat /proc/self/mountinfo").output;
    for at in ["/mnt/host/a", "/mnt/host/b", "/mnt/host/c/d"] {
        assert!(
            text.lines().any(|l| l.split(' ').nth(4) == Some(at)),
            "{at} in {text}"
        );
    }
    assert_eq!(fs::read_dir("/mnt/host").unwrap().count(), 0);
    // What a dangling link leads to is made inside.
    symlink("/../nowhere/x", root.join("dangling")).unwrap();
    let text = bed
        .mount("tmpfs", "tmpfs", "/dangling", "")
        .sh("cat /proc/self/mountinfo")
        .output;
    assert!(text.contains(" /nowhere/x "), "{text}");
    assert!(root.join("nowhere/x").is_dir() && !std::path::Path::new("/nowhere").exists());
}

/// CVE-2024-21626.
fn working_directory_cannot_lead_out() {
    let mut bed = Bed::new();
    symlink("/proc/self/fd", bed.bundle.join("rootfs/fds")).unwrap();
    for fd in 0..20 {
        for way in ["/proc/self/fd", "/fds", "/proc/1/fd"] {
            let error = bed
                .set("/process/cwd", json!(format!("{way}/{fd}")))
                .error(&["true"]);
            assert!(error.contains("working directory"), "{error}");
        }
    }
    let ended = bed.set("/process/cwd", json!("/../../..")).sh("pwd; ls /");
    assert!(ended.output.starts_with("/\nbin\n"), "{}", ended.output);
}

/// CVE-2016-9962, CVE-2024-21626: an fd without close-on-exec, and those of the runtime itself.
fn no_fd_is_left_open() {
    let mut bed = Bed::new();
    let leaked = rustix::fs::open("/", OFlags::RDONLY, Mode::empty()).unwrap();
    let far = rustix::io::fcntl_dupfd_cloexec(&leaked, 300).unwrap();
    rustix::io::fcntl_setfd(&far, rustix::io::FdFlags::empty()).unwrap();
    // 3 is ls's own.
    assert_eq!(
        bed.try_run(&["ls", "/proc/self/fd"]).unwrap().output,
        "0\n1\n2\n3\n"
    );
}

/// From its first moment, before it joins anything, a child has what it was given and nothing else of its parent.
fn forked_child_keeps_what_is_named() {
    let open = || rustix::fs::open("/", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let (kept, other) = (open(), open());
    let keep = [kept.as_fd()];
    let fork = Fork {
        flags: CloneFlags::empty(),
        group: None,
        keep: &keep,
    };
    let child = spawn(&fork, || {
        match (rustix::io::fcntl_getfd(&kept), rustix::io::fcntl_getfd(&other)) {
            (Ok(_), Err(Errno::BADF)) => 0,
            (Err(_), _) => 1,
            (_, _) => 2,
        }
    });
    assert_eq!(child.unwrap().wait().unwrap().exit_status(), Some(0));
    assert!(rustix::io::fcntl_getfd(&other).is_ok());
}

/// CVE-2019-5736: this very program is executed inside, by a script, and tries to overwrite itself on the host. It is
/// linked dynamically, so the image brings the libraries, as the original attack did.
fn own_program_cannot_be_overwritten() {
    assert!(tare_process::seal::is_sealed().unwrap());
    let mut bed = Bed::new();
    let root = bed.bundle.join("rootfs");
    for library in [
        "lib64/ld-linux-x86-64.so.2",
        "lib/x86_64-linux-gnu/libc.so.6",
        "lib/x86_64-linux-gnu/libgcc_s.so.1",
    ] {
        fs::create_dir_all(root.join(library).parent().unwrap()).unwrap();
        fs::copy(format!("/{library}"), root.join(library)).unwrap();
    }
    fs::write(root.join("script"), "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(root.join("script"), fs::Permissions::from_mode(0o755)).unwrap();
    let before = fs::metadata("/proc/self/exe").unwrap();
    let text = bed.try_run(&[SCRIPT]).unwrap().output;
    // Unsealed it would say "Text file busy" while the starter lives, and succeed once it is gone.
    assert!(text.contains("Read-only file system"), "{text}");
    let after = fs::metadata("/proc/self/exe").unwrap();
    assert_eq!(
        (before.len(), before.mtime_nsec()),
        (after.len(), after.mtime_nsec())
    );
}

/// Whether a test runs sealed; that must come before it leaves the mount namespace that its program lies in.
pub(crate) fn needs_seal(name: &str) -> bool {
    name == "own_program_cannot_be_overwritten"
}

/// The inside of the attack: holds its own image open, becomes another program, writes.
pub(crate) fn inside() -> ! {
    let image = rustix::fs::open("/proc/self/exe", OFlags::RDONLY, Mode::empty()).unwrap();
    let path = format!("/proc/self/fd/{}", rustix::fd::AsRawFd::as_raw_fd(&image));
    let error = Command::new("/bin/sh")
        .args(["-c", &format!("echo overwritten 2>&1 >{path}")])
        .exec();
    panic!("{error}");
}

/// The fallback of the seal: this program's mount is not of this namespace, so it cannot be cloned.
fn own_program_is_copied_where_it_cannot_be_cloned() {
    let image = || rustix::fs::open("/proc/self/exe", OFlags::RDONLY, Mode::empty()).unwrap();
    if let Ok(seals) = rustix::fs::fcntl_get_seals(image()) {
        // Executed again.
        assert!(seals.contains(rustix::fs::SealFlags::WRITE | rustix::fs::SealFlags::SEAL));
        assert!(tare_process::seal::is_sealed().unwrap());
        return;
    }
    assert!(!tare_process::seal::is_sealed().unwrap());
    tare_process::seal::enter().unwrap();
    panic!("came back unsealed");
}

/// CVE-2025-52881: something is mounted over the place that a parameter is written to.
fn parameters_reach_procfs_only() {
    let mut bed = Bed::new();
    fs::create_dir_all("/mnt/fake/net/core").unwrap();
    fs::write("/mnt/fake/net/core/somaxconn", "untouched").unwrap();
    bed.mount("bind", "/mnt/fake", "/proc/sys", "bind")
        .set("/linux/sysctl", json!({"net.core.somaxconn": "77"}));
    bed.set("/linux/readonlyPaths", json!([]));
    assert_eq!(bed.sh("cat /proc/sys/net/core/somaxconn").output, "untouched");
}

/// CVE-2025-31133: what covers masked files is the null device and nothing else.
fn null_of_the_host_is_verified() {
    let mut bed = Bed::new();
    fs::write("/mnt/evil", "evil").unwrap();
    rustix::mount::mount_bind("/mnt/evil", "/dev/null").unwrap();
    let error = bed.error_without_null(&["true"]);
    assert_eq!(
        error,
        "open /proc and /dev/null of the host: the host's file of this name is another device"
    );
}

/// CVE-2026-41579: without a mount on /dev, the image's own is used, and must be a directory below the root.
fn links_in_dev_stay_inside() {
    let mut bed = Bed::new();
    let root = bed.bundle.join("rootfs");
    bed.set("/mounts", json!([]));
    bed.set("/linux/maskedPaths", json!([]))
        .set("/linux/readonlyPaths", json!([]));
    fs::create_dir_all("/mnt/target").unwrap();
    fs::remove_dir(root.join("dev")).unwrap();
    symlink("/mnt/target", root.join("dev")).unwrap();
    assert_eq!(bed.sh("stat -c %t:%T /dev/null").output, "1:3\n");
    assert_eq!(fs::read_dir("/mnt/target").unwrap().count(), 0);
    assert!(fs::symlink_metadata(root.join("mnt/target/null")).is_ok());
}

/// CVE-2016-9962: until exec the process is not dumpable, so its /proc files are root's and it cannot be traced.
fn process_in_set_up_is_not_traceable() {
    let mut bed = Bed::new();
    let owner = bed.while_created(&["true"], |pid| fs::metadata(format!("/proc/{pid}/fd")).is_ok());
    assert!(owner);
    let fds = bed.while_created(&["true"], |pid| {
        fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
    });
    // Standard ones and the channel: neither the root nor procfs waits at the gate.
    assert_eq!(fds, 4);
}
