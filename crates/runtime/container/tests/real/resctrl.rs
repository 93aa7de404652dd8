//! Classes of service, as far as the bytes written: no machine of ours has resctrl, so a directory plays it.

use crate::Test;
use crate::bed::Bed;
use rustix::process::{WaitOptions, waitpid};
use serde_json::json;
use std::fs;
use std::path::Path;
use tare_container::Stdio;

pub(crate) const TESTS: &[Test] = &[
    ("classes_are_made_and_entered", classes_are_made_and_entered),
    ("classes_of_others_are_entered", classes_of_others_are_entered),
    ("classes_that_cannot_be_entered", classes_that_cannot_be_entered),
    ("classes_are_changed", classes_are_changed),
];

const ROOT: &str = "/mnt/resctrl";

fn bed(rdt: serde_json::Value) -> Bed {
    fs::create_dir_all(ROOT).unwrap();
    let mut bed = Bed::new();
    bed.facts.resctrl = Some(ROOT.into());
    bed.set("/linux/intelRdt", rdt);
    bed
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn classes_are_made_and_entered() {
    let mut bed = bed(json!({"l3CacheSchema": "L3:0=ff", "memBwSchema": "MB:0=50", "schemata": ["L2:0=3"]}));
    let pid = bed.while_created(&["true"], |pid| {
        assert_eq!(read("test/schemata"), "L3:0=ff\nMB:0=50\nL2:0=3\n");
        pid.to_string()
    });
    assert_eq!(read("test/tasks"), pid);
    let mut bed = self::bed(json!({"closID": "gold", "schemata": ["L3:0=1"]}));
    let null = fs::File::open("/dev/null").unwrap();
    let null = std::os::fd::AsFd::as_fd(&null);
    let stdio = Stdio::Fds {
        stdin: null,
        stdout: null,
        stderr: null,
    };
    let running = bed.begin(&["true"], stdio).unwrap().run().unwrap();
    assert_eq!(running.resctrl, [Path::new("/mnt/resctrl/gold")]);
    running.process.wait().unwrap();
    assert_eq!(read("gold/schemata"), "L3:0=1\n");
}

fn classes_are_changed() {
    let mut bed = bed(json!({"l3CacheSchema": "L3:0=ff"}));
    bed.while_created(&["true"], |pid| {
        let rdt = tare_spec_oci::IntelRdt {
            l3_cache_schema: Some("L3:0=f".to_owned()),
            mem_bw_schema: Some("MB:0=20".to_owned()),
            ..tare_spec_oci::IntelRdt::default()
        };
        let process = rustix::process::Pid::from_raw(pid).unwrap();
        let change = |rdt: &tare_spec_oci::IntelRdt| {
            tare_container::change_class(rdt, "test", Path::new(ROOT), process)
        };
        change(&rdt).unwrap();
        assert_eq!(read("test/schemata"), "L3:0=f\nMB:0=20\n");
        let wrong = tare_spec_oci::IntelRdt {
            mem_bw_schema: Some("L3:0=f".to_owned()),
            ..rdt
        };
        assert!(change(&wrong).unwrap_err().to_string().contains("memBwSchema"));
    });
}

fn classes_of_others_are_entered() {
    fs::create_dir_all("/mnt/resctrl/silver/mon_groups").unwrap();
    fs::create_dir_all("/mnt/resctrl/mon_groups").unwrap();
    for (class, at) in [("silver", "silver/"), ("/", "")] {
        let mut bed = bed(json!({"closID": class, "enableMonitoring": true}));
        let pid = bed.while_created(&["true"], |pid| pid.to_string());
        assert_eq!(read(&format!("{at}tasks")), pid);
        assert_eq!(read(&format!("{at}mon_groups/test/tasks")), pid);
        assert!(!Path::new(ROOT).join(at).join("schemata").exists());
    }
}

fn classes_that_cannot_be_entered() {
    for (rdt, expected) in [
        (
            json!({"closID": "none"}),
            "enter resctrl class /mnt/resctrl/none: it does not exist\nhint: a closID without schemata names a class that exists already",
        ),
        (
            json!({"closID": "../x"}),
            "use linux.intelRdt.closID \"../x\": it cannot be the name of a directory in resctrl",
        ),
        (
            json!({"memBwSchema": "x"}),
            "use linux.intelRdt.memBwSchema \"x\": it must be one line that starts with MB:",
        ),
    ] {
        assert_eq!(bed(rdt).error(&["true"]), expected);
    }
    let mut without = bed(json!({"enableMonitoring": true}));
    // The kernel's new class has a directory for such groups, this one has not; nothing is left of the process.
    assert!(
        without
            .error(&["true"])
            .starts_with("make resctrl group /mnt/resctrl/test/mon_groups/test")
    );
    assert_eq!(
        waitpid(None, WaitOptions::NOHANG).unwrap_err(),
        rustix::io::Errno::CHILD
    );
    without.facts.resctrl = None;
    assert!(
        without
            .error(&["true"])
            .starts_with("use linux.intelRdt: the host has no resctrl at /sys/fs/resctrl\nhint:")
    );
}
