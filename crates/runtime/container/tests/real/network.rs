//! Interfaces of the host that a container gets.

use crate::Test;
use crate::bed::Bed;
use serde_json::{Value, json};
use std::process::Command;

pub(crate) const TESTS: &[Test] = &[
    (
        "devices_are_moved_with_their_addresses",
        devices_are_moved_with_their_addresses,
    ),
    (
        "devices_are_moved_into_a_joined_namespace",
        devices_are_moved_into_a_joined_namespace,
    ),
    ("devices_that_cannot_be_moved", devices_that_cannot_be_moved),
];

fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A pair of devices of the test's own network namespace, with addresses.
fn devices() {
    ip("link set lo up");
    ip("link add first type veth peer name second");
    ip("addr add 192.0.2.7/24 brd 192.0.2.255 dev first");
    ip("addr add 198.51.100.9/32 peer 198.51.100.10 dev first");
    ip("addr add 2001:db8::7/64 dev first nodad");
    ip("addr add 169.254.3.4/16 scope link dev first");
    ip("link set first mtu 1400");
    ip("link set second up");
    ip("link set first up");
}

fn devices_are_moved_with_their_addresses() {
    for (user_namespace, name, inside) in [
        (false, json!({}), "first"),
        (false, json!({"name": "eth7"}), "eth7"),
        (false, json!({"name": "net%d"}), "net0"),
        (true, json!({"name": "eth0"}), "eth0"),
    ] {
        devices();
        let mut bed = Bed::new();
        if user_namespace {
            crate::users::give(&bed.bundle.join("rootfs"), 100_000);
            crate::users::with_user_namespace(&mut bed);
        }
        bed.set("/linux/netDevices", json!({"first": name})).set(
            "/linux/sysctl",
            json!({format!("net.ipv4.conf.{inside}.forwarding"): "1"}),
        );
        let text = bed
            .sh(&format!(
                "ip addr show dev {inside}; ip link show lo; cat /proc/sys/net/ipv4/conf/{inside}/forwarding"
            ))
            .output;
        for expected in [
            &format!("{inside}@"),
            "mtu 1400",
            "UP",
            "inet 192.0.2.7/24 brd 192.0.2.255 scope global",
            "inet 198.51.100.9 peer 198.51.100.10/32 scope global",
            "inet6 2001:db8::7/64 scope global",
        ] {
            assert!(text.contains(expected), "{inside}: {expected} in {text}");
        }
        assert!(!text.contains("169.254"), "{text}");
        assert!(text.ends_with("1\n"), "{text}");
        // With the container its namespace is gone, and with that the pair.
        for _ in 0..2000 {
            if !ip("link").contains("second") {
                break;
            }
            std::thread::yield_now();
        }
        if ip("link").contains("second") {
            ip("link del second");
        }
    }
}

fn devices_are_moved_into_a_joined_namespace() {
    devices();
    let mut first = Bed::new();
    first.while_created(&["true"], |pid| {
        let mut second = Bed::at("/mnt/second".into());
        let list = second.spec["linux"]["namespaces"].as_array_mut().unwrap();
        for namespace in list.iter_mut().filter(|n| n["type"] == "network") {
            namespace["path"] = json!(format!("/proc/{pid}/ns/net"));
        }
        second.set("/linux/netDevices", json!({"first": {"name": "moved"}}));
        let text = second.sh("ip addr show dev moved").output;
        assert!(text.contains("192.0.2.7/24"), "{text}");
        // This process's own sockets are in its own namespace again.
        assert!(ip("link").contains("second"));
        // And a name that is taken is told.
        let error = second
            .set("/linux/netDevices", json!({"second": {"name": "moved"}}))
            .error(&["true"]);
        assert_eq!(
            error,
            "move network device second: file exists\nhint: the container has a device \"moved\" already"
        );
    });
}

fn devices_that_cannot_be_moved() {
    let cases: &[(Value, &str)] = &[
        (
            json!({"none0": {}}),
            "move network device none0: the host has no device of this name",
        ),
        (
            json!({"lo": {"name": "other"}}),
            "move network device lo: invalid argument\nhint: this device belongs to its network namespace",
        ),
        (
            json!({"eth0": {"name": "a/b"}}),
            "use linux.netDevices.eth0.name \"a/b\": it holds a slash, a colon or a space",
        ),
        (
            json!({"sixteen-letters-": {}}),
            "use linux.netDevices \"sixteen-letters-\": it is longer than 15 bytes",
        ),
    ];
    for (devices, expected) in cases {
        let mut bed = Bed::new();
        assert_eq!(
            bed.set("/linux/netDevices", devices.clone()).error(&["true"]),
            *expected
        );
    }
    let mut bed = Bed::new();
    bed.spec["linux"]["namespaces"]
        .as_array_mut()
        .unwrap()
        .retain(|n| n["type"] != "network");
    let error = bed.set("/linux/netDevices", json!({"eth0": {}})).error(&["true"]);
    assert_eq!(
        error,
        "use linux.netDevices \"eth0\": it needs a network namespace of the container's own"
    );
}
