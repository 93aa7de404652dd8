//! Under systemd's cgroup driver, in a real systemd.

use crate::bundle::Bundle;
use serde_json::json;
use tare_kit::{Need, Tare, test_under_systemd};

#[test]
fn a_container_is_a_scope_of_its_own() {
    test_under_systemd(&[Need::Program("busybox")], |world| {
        let mut bundle = Bundle::new(world, "sleep 100");
        bundle.set("/linux/cgroupsPath", json!("machine-web.slice:tare:c"));
        let path = bundle.path.to_str().unwrap();
        let _ = bundle
            .runtime(&["--systemd-cgroup", "create", "-b", path, "c"])
            .ok();
        let _ = bundle.runtime(&["start", "c"]).ok();
        let shown = |property: &str| {
            let words = ["show", "--value", "-p", property, "tare-c.scope"];
            Tare::program("systemctl").args(words).ok().trim().to_owned()
        };
        assert_eq!(shown("ActiveState"), "active");
        assert_eq!(shown("Delegate"), "yes");
        assert_eq!(shown("DevicePolicy"), "strict");
        assert_eq!(
            shown("ControlGroup"),
            "/machine.slice/machine-web.slice/tare-c.scope"
        );
        let state: serde_json::Value = serde_json::from_str(&bundle.runtime(&["state", "c"]).ok()).unwrap();
        // The kernel lists version 1 hierarchies as well, where the machine has some that are not mounted here.
        let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", state["pid"])).unwrap();
        assert_eq!(
            groups.lines().last(),
            Some("0::/machine.slice/machine-web.slice/tare-c.scope"),
            "{groups}"
        );
        let inside = bundle.runtime(&["exec", "c", "cat", "/proc/self/cgroup"]).ok();
        assert!(inside.ends_with("0::/\n"), "{inside}");
        let mounts = bundle
            .runtime(&["exec", "c", "grep", "cgroup", "/proc/mounts"])
            .ok();
        assert_eq!(mounts.lines().count(), 1, "{mounts}");
        // A reload writes systemd's own idea of the group; what is denied stays denied.
        let _ = Tare::program("systemctl").args(["daemon-reload"]).ok();
        let script = "mknod /dev/shm/sda b 8 0 && cat /dev/shm/sda";
        let denied = bundle
            .runtime(&["exec", "--cap", "CAP_MKNOD", "c", "sh", "-c", script])
            .run();
        assert!(
            denied.stderr.contains("ermitted") || denied.stderr.contains("ermission"),
            "{denied}"
        );
        let _ = bundle.runtime(&["delete", "--force", "c"]).ok();
        assert_ne!(shown("ActiveState"), "active");
        assert!(
            !std::path::Path::new("/sys/fs/cgroup/machine.slice/machine-web.slice/tare-c.scope").exists()
        );
        bundle.assert_nothing_left();
    });
}

#[test]
fn a_group_of_ones_own_lies_below_the_scope() {
    test_under_systemd(&[Need::Program("busybox")], |world| {
        let mut bundle = Bundle::new(world, "sleep 100");
        bundle.set("/linux/cgroupsPath", json!("machine.slice:tare:c"));
        bundle.set(
            "/annotations",
            json!({"run.oci.systemd.subgroup": "own", "run.oci.delegate-cgroup": "given"}),
        );
        let path = bundle.path.to_str().unwrap().to_owned();
        let _ = bundle
            .runtime(&["--systemd-cgroup", "create", "-b", &path, "c"])
            .ok();
        let _ = bundle.runtime(&["start", "c"]).ok();
        let state: serde_json::Value = serde_json::from_str(&bundle.runtime(&["state", "c"]).ok()).unwrap();
        let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", state["pid"])).unwrap();
        let own = "/machine.slice/tare-c.scope/own";
        assert_eq!(
            groups.lines().last(),
            Some(&*format!("0::{own}/given")),
            "{groups}"
        );
        // The namespace begins at the container's own group.
        let inside = bundle.runtime(&["exec", "c", "cat", "/proc/self/cgroup"]).ok();
        assert!(inside.ends_with("0::/given\n"), "{inside}");
        let _ = bundle.runtime(&["pause", "c"]).ok();
        assert_eq!(bundle.status(), "paused");
        let frozen = std::fs::read_to_string(format!("/sys/fs/cgroup{own}/cgroup.freeze")).unwrap();
        assert_eq!(frozen, "1\n");
        let _ = bundle.runtime(&["resume", "c"]).ok();
        let _ = bundle.runtime(&["delete", "--force", "c"]).ok();
        assert!(!std::path::Path::new("/sys/fs/cgroup/machine.slice/tare-c.scope").exists());
        bundle.assert_nothing_left();
    });
}
