//! A user's own systemd: asked by the user, from a process of the user's.

use crate::{Waiting, ok, start, unit};
use rustix::process::{Gid, Uid};
use std::path::PathBuf;
use tare_error::Kind;
use tare_kit::test_under_systemd;
use tare_spec_oci::{Pids, Resources};
use tare_systemd::{Bus, Defaults, Systemd, Unit};

const ID: u32 = 1500;
const FOLDER: &str = "/run/user/1500";

/// This thread alone becomes the user: what it starts and what it asks is the user's.
fn become_user() {
    rustix::thread::set_thread_groups(&[]).unwrap();
    let (user, group) = (Uid::from_raw(ID), Gid::from_raw(ID));
    rustix::thread::set_thread_res_gid(group, group, group).unwrap();
    rustix::thread::set_thread_res_uid(user, user, user).unwrap();
}

fn connect(address: Option<&str>) -> tare_error::Result<Systemd> {
    Systemd::connect(&Bus::User {
        address: address.map(str::to_owned),
        runtime_folder: Some(PathBuf::from(FOLDER)),
    })
}

#[test]
fn a_users_own_systemd_starts_scopes() {
    test_under_systemd(&[], |_world| {
        ok("systemctl", &["start", "user@1500.service"]);
        become_user();
        let manager = "/user.slice/user-1500.slice/user@1500.service";
        let defaults = Defaults {
            id: "web",
            prefix: "tare",
            is_user: true,
        };
        // By the bus's address, by the runtime folder alone, and by systemd's own socket.
        for address in [
            Some("unix:path=/run/user/1500/bus"),
            None,
            Some("unix:path=/nowhere"),
        ] {
            let mut systemd = connect(address).unwrap();
            let unit = Unit::parse("", defaults).unwrap();
            let process = Waiting::start();
            let limits = Resources {
                pids: Some(Pids { limit: Some(9) }),
                ..Resources::default()
            };
            let started = start(&mut systemd, &unit, &process, &limits).unwrap();
            assert_eq!(
                started.group.to_string(),
                format!("{manager}/user.slice/tare-web.scope")
            );
            assert_eq!(process.group(), started.group.to_string());
            // One that the user cannot move: from the machine's group to the user's.
            let second = Waiting::start();
            systemd.attach(&unit, None, second.pid()).unwrap();
            assert_eq!(second.group(), started.group.to_string());
            systemd.stop(&unit).unwrap();
        }
    });
}

#[test]
fn a_user_may_not_ask_the_machines() {
    test_under_systemd(&[], |_world| {
        become_user();
        let mut systemd = Systemd::connect(&Bus::System { address: None }).unwrap();
        let process = Waiting::start();
        let e = start(&mut systemd, &unit(""), &process, &Resources::default()).unwrap_err();
        assert_eq!(e.kind(), Kind::Denied);
        assert!(e.first_hint().is_some());
        // No login, no systemd of one's own.
        let e = connect(None).unwrap_err();
        assert_eq!(e.kind(), Kind::NotFound);
        assert!(e.first_hint().unwrap().contains("XDG_RUNTIME_DIR"));
    });
}
