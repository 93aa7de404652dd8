//! A scope that a process asks for itself.

use crate::{Waiting, group_of, machine, ok, shown, unit};
use std::time::{Duration, Instant};
use tare_kit::test_under_systemd;
use tare_systemd::{Bus, Systemd, runs_machine};

/// With a bus in between, and without: who asks is in it. A second one joins.
#[test]
fn who_asks_is_in_the_scope() {
    test_under_systemd(&[], |_world| {
        assert!(runs_machine());
        let unit = unit("");
        let group = "/system.slice/tare-web.scope";
        for with_a_bus in [true, false] {
            if !with_a_bus {
                ok("systemctl", &["stop", "dbus.socket", "dbus.service"]);
                std::fs::remove_file("/run/dbus/system_bus_socket").ok();
            }
            let entered = machine().enter(&unit, "a web").unwrap();
            assert_eq!(entered.to_string(), group);
            assert_eq!(group_of(std::process::id()), group);
            for (property, value) in [
                ("Description", "a web"),
                ("Delegate", "yes"),
                ("TasksMax", "infinity"),
                ("CollectMode", "inactive-or-failed"),
            ] {
                assert_eq!(shown("tare-web.scope", property), value, "{property}");
            }
            // Out of it, while somebody keeps it: joined.
            let waiting = Waiting::start();
            assert_eq!(group_of(waiting.0.id()), group);
            let before = shown("tare-web.scope", "InvocationID");
            leave();
            assert_eq!(machine().enter(&unit, "another").unwrap().to_string(), group);
            assert_eq!(group_of(std::process::id()), group);
            assert_eq!(shown("tare-web.scope", "InvocationID"), before);
            drop(waiting);
            leave();
        }
    });
}

/// Back to where the test began; what is empty is forgotten.
fn leave() {
    let own = std::process::id().to_string();
    std::fs::write("/sys/fs/cgroup/init.scope/cgroup.procs", own).unwrap();
}

#[test]
fn systemd_that_is_silent_is_not_waited_for() {
    test_under_systemd(&[], |world| {
        let path = world.scratch().join("bus");
        let _silent = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let bus = Bus::User {
            address: Some(format!("unix:path={}", path.display())),
            runtime_folder: None,
        };
        let begun = Instant::now();
        let e = Systemd::connect_within(&bus, Duration::from_millis(200)).unwrap_err();
        assert!(e.to_string().contains("no answer in time"), "{e}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    });
}
