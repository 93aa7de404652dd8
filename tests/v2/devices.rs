//! Device policy: a BPF program on the group, beside systemd's own.

use crate::case::{By, Case, Driver};
use serde_json::json;
use tare_kit::{Tare, World, test_in_machine};

/// Opens the null device's neighbour, the disk of programs and the spare one, by nodes made for it; which of them could be opened.
fn opened(case: &Case<'_>) -> String {
    let script = "cd /dev; for d in 'c 1 5' 'b 254 16' 'b 254 32'; do rm -f node; mknod node $d || echo no node; \
        (: < node) 2>/dev/null && echo $d; done; true";
    let words = ["exec", "--cap", "CAP_MKNOD", "v", "sh", "-c", script];
    case.runtime(&words).ok()
}

/// A policy for a container of each driver, which is looked at after each of these orders to systemd, and changed then.
fn holds(world: &World, drivers: &[Driver], orders: &[&[&str]]) {
    for driver in drivers.iter().copied() {
        let mut case = Case::sleeping(world, By::Root, driver);
        case.limit(&json!({"devices": [
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "b", "major": 254, "minor": 16, "access": "r"},
        ]}));
        case.start();
        assert_eq!(opened(&case), "c 1 5\nb 254 16\n", "{driver:?}");
        let update = r#"{"devices": [{"allow": false, "access": "rwm"},
                {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
                {"allow": true, "type": "c", "major": 1, "minor": 5, "access": "rwm"},
                {"allow": true, "type": "c", "access": "m"}, {"allow": true, "type": "b", "access": "m"}]}"#;
        for words in orders.iter().copied() {
            if driver == Driver::Systemd || words[0] != "set-property" {
                let _ = Tare::program("systemctl").args(words).ok();
            }
            assert_eq!(opened(&case), "c 1 5\nb 254 16\n", "{driver:?} after {words:?}");
        }
        // Another policy takes its place at once, in both places.
        let _ = case.runtime(&["update", "-r", "-", "v"]).stdin(update).ok();
        assert_eq!(opened(&case), "c 1 5\n", "{driver:?}");
        let _ = Tare::program("systemctl").args(["daemon-reload"]).ok();
        assert_eq!(opened(&case), "c 1 5\n", "{driver:?}");
        case.delete();
    }
}

const RELOAD: &[&str] = &["daemon-reload"];
const LIMIT: &[&str] = &["set-property", "--runtime", "tare-v.scope", "MemoryMax=100M"];

#[test]
fn what_is_denied_stays_denied_after_a_reload() {
    test_in_machine(&[], |world| holds(world, &[Driver::Systemd], &[RELOAD, LIMIT]));
}

#[test]
#[ignore = "in the soak"]
fn what_is_denied_stays_denied_whatever_systemd_does() {
    test_in_machine(&[], |world| {
        let weight = &["set-property", "--runtime", "tare-v.scope", "CPUWeight=50"];
        let orders = [RELOAD, LIMIT, weight, &["daemon-reexec"]];
        holds(world, &[Driver::Cgroupfs, Driver::Systemd], &orders);
    });
}

#[test]
#[ignore = "in the soak"]
fn a_policy_that_allows_all_does() {
    test_in_machine(&[], |world| {
        for driver in [Driver::Cgroupfs, Driver::Systemd] {
            let mut case = Case::sleeping(world, By::Root, driver);
            case.limit(&json!({"devices": [{"allow": true, "access": "rwm"}]}));
            case.start();
            let _ = Tare::program("systemctl").args(["daemon-reload"]).ok();
            assert_eq!(opened(&case), "c 1 5\nb 254 16\nb 254 32\n", "{driver:?}");
            case.delete();
        }
    });
}
