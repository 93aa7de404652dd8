//! Out of memory: who is killed, and that it is told.

use crate::case::{By, Case, Driver};
use serde_json::{Value, json};
use tare_kit::test_in_machine;

fn killed(case: &Case<'_>) -> u64 {
    let text = case.file("memory.events");
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

#[test]
fn the_greedy_one_is_killed_and_counted_and_the_others_live_on() {
    test_in_machine(&[], |world| {
        for driver in [Driver::Cgroupfs, Driver::Systemd] {
            let mut case = Case::sleeping(world, By::Root, driver);
            case.limit(&json!({"memory": {"limit": 32 << 20, "swap": 32 << 20}}));
            case.start();
            let mut events = case.runtime(&["events", "--interval", "100s", "v"]).start();
            assert!(events.line().unwrap().contains("\"stats\""));
            assert_eq!(killed(&case), 0);
            let greedy = case.exec("tail /dev/zero");
            assert_eq!(greedy.code(), Some(137), "{driver:?} {greedy}");
            assert_eq!((killed(&case), case.status().as_str()), (1, "running"));
            // Told at once, though the next numbers are due much later.
            let told: Value = serde_json::from_str(&events.line().unwrap()).unwrap();
            assert_eq!(told, json!({"type": "oom", "id": "v"}));
            case.delete();
            let (status, _) = events.finish();
            assert!(status.success());
        }
    });
}

#[test]
#[ignore = "in the soak"]
fn with_the_group_all_of_it_is_killed() {
    test_in_machine(&[], |world| {
        for driver in [Driver::Cgroupfs, Driver::Systemd] {
            let mut case = Case::sleeping(world, By::Root, driver);
            case.limit(&json!({"memory": {"limit": 32 << 20, "swap": 32 << 20}, "unified": {"memory.oom.group": "1"}}));
            case.start();
            let greedy = case.exec("tail /dev/zero");
            assert_eq!(greedy.code(), Some(137), "{driver:?} {greedy}");
            case.wait_until_stopped();
            case.delete();
        }
    });
}

#[test]
fn a_tiny_limit_is_enough_to_start() {
    test_in_machine(&[], |world| {
        let mut case = Case::new(world, By::Root, Driver::Cgroupfs, "echo small");
        case.limit(&json!({"memory": {"limit": 1 << 20, "swap": 1 << 20}}));
        let ran = case.run();
        assert_eq!((ran.code(), ran.stdout.as_str()), (Some(0), "small\n"), "{ran}");
    });
}
