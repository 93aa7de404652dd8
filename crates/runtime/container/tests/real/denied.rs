//! Kernels that lack a call, played by a filter that says `ENOSYS`: the named fallback does the same.

use crate::Test;
use crate::bed::Bed;
use serde_json::json;
use std::fs;
use tare_sys::FilterFlags;

pub(crate) const TESTS: &[Test] = &[
    ("without_clone3", || without(435)),
    ("without_close_range", || without(436)),
    ("without_mount_setattr", without_mount_setattr),
    ("without_openat2", without_openat2),
    ("filter_of_the_container", filter_of_the_container),
];

/// One instruction of classic BPF.
fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> [u8; 8] {
    let (c, k) = (code.to_ne_bytes(), k.to_ne_bytes());
    [c[0], c[1], jt, jf, k[0], k[1], k[2], k[3]]
}

/// A filter that answers one call with an error number and allows the rest.
pub(crate) fn deny(call: u32, errno: u32) -> Vec<u8> {
    filter(call, 0x0005_0000 | errno)
}

/// A filter that answers one call with an action and allows the rest.
pub(crate) fn filter(call: u32, action: u32) -> Vec<u8> {
    [
        instruction(0x20, 0, 0, 0),
        instruction(0x15, 0, 1, call),
        instruction(0x06, 0, 0, action),
        instruction(0x06, 0, 0, 0x7fff_0000),
    ]
    .concat()
}

fn load(call: u32) {
    tare_sys::load_filter(&deny(call, 38), FilterFlags::empty()).unwrap();
}

fn without(call: u32) {
    let mut bed = Bed::new();
    load(call);
    assert_eq!(
        bed.try_run(&["ls", "/proc/self/fd"]).unwrap().output,
        "0\n1\n2\n3\n"
    );
    assert!(
        bed.sh("readlink /proc/self/ns/pid; echo $$")
            .output
            .ends_with("\n1\n")
    );
}

fn without_mount_setattr() {
    let mut bed = Bed::new();
    fs::create_dir_all("/mnt/data").unwrap();
    bed.mount("bind", "/mnt/data", "/data", "bind,ro,nosuid,rprivate")
        .set("/root/readonly", json!(true));
    load(442);
    let ended = bed.sh("touch /data/x 2>&1; touch /x 2>&1; echo x 2>&1 >/proc/sys/kernel/domainname; cat /proc/self/mountinfo");
    assert_eq!(
        ended.output.matches("Read-only file system").count(),
        3,
        "{}",
        ended.output
    );
    let line = ended
        .output
        .lines()
        .find(|l| l.split(' ').nth(4) == Some("/data"))
        .unwrap()
        .to_owned();
    assert!(line.contains(" ro,nosuid"), "{line}");
    // What changes a whole tree has no fallback, and says so.
    let error = bed
        .mount("bind", "/mnt/data", "/all", "rbind,rro")
        .error(&["true"]);
    assert!(
        error.starts_with(
            "bind mount /all: function not implemented\nhint: a seccomp filter or an old kernel"
        ),
        "{error}"
    );
}

fn without_openat2() {
    let mut bed = Bed::new();
    load(437);
    let error = bed.error(&["true"]);
    assert!(
        error.contains("function not implemented\nhint: a seccomp filter or an old kernel"),
        "{error}"
    );
}

/// The filter is loaded last, with and without `no_new_privs`, and no capability is kept for it.
fn filter_of_the_container() {
    for no_new_privileges in [false, true] {
        let mut bed = Bed::new();
        // mkdir: EPERM.
        bed.seccomp = Some(deny(83, 1));
        bed.set("/process/noNewPrivileges", json!(no_new_privileges));
        let text = bed.sh("cat /proc/self/status; /bin/busybox mkdir /x 2>&1").output;
        assert!(text.contains("Seccomp:\t2"), "{text}");
        assert!(text.contains("CapEff:\t00000000a80425fb"), "{text}");
        assert!(text.contains("Operation not permitted"), "{text}");
    }
}
