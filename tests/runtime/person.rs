//! An ordinary user: containers without a right of root's, by one id alone and by ranges of ids.

use crate::bundle::NEEDS;
use rustix::fs::{Gid, Uid};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use tare_kit::{Need, Tare, World, test};

/// A bundle of the user's own.
struct Own<'a> {
    world: &'a World,
    path: PathBuf,
    config: Value,
}

impl<'a> Own<'a> {
    /// One that `spec --rootless` writes, without a terminal, which runs this shell script.
    fn new(world: &'a World, script: &str) -> Own<'a> {
        let person = world.person();
        let path = person.home().join("bundle");
        let bin = path.join("rootfs/bin");
        fs::create_dir_all(&bin).unwrap();
        let busybox = Tare::program("sh").args(["-c", "command -v busybox"]).ok();
        fs::copy(busybox.trim(), bin.join("busybox")).unwrap();
        for name in ["sh", "sleep", "true"] {
            std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
        }
        let _ = Tare::program("chown")
            .args(["-R", &person.id().to_string()])
            .args([&path])
            .ok();
        let mut own = Own {
            world,
            path,
            config: Value::Null,
        };
        let _ = own
            .runtime(&["spec", "--rootless", "--bundle", own.path.to_str().unwrap()])
            .ok();
        own.config = serde_json::from_slice(&fs::read(own.path.join("config.json")).unwrap()).unwrap();
        own.set("/process/terminal", json!(false));
        own.set("/process/args", json!(["sh", "-c", script]));
        own
    }

    fn set(&mut self, pointer: &str, value: Value) {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        self.config.pointer_mut(parent).unwrap()[name] = value;
        let file = self.path.join("config.json");
        fs::write(&file, self.config.to_string()).unwrap();
        let id = self.world.person().id();
        rustix::fs::chown(&file, Some(Uid::from_raw(id)), Some(Gid::from_raw(id))).unwrap();
    }

    fn runtime(&self, words: &[&str]) -> Tare {
        let words: Vec<&str> = words.to_vec();
        self.world
            .person()
            .program(self.world, "tare-runtime")
            .args(words)
    }

    fn run(&self) -> Tare {
        self.runtime(&["run", "--bundle", self.path.to_str().unwrap(), "mine"])
    }
}

/// The words of a line of `/proc/self/uid_map`, each line apart.
fn map(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|line| line.split_whitespace().collect())
        .collect()
}

#[test]
fn one_id_is_enough() {
    test(&[NEEDS, &[Need::Userns]].concat(), |world| {
        let own = Own::new(world, "cat /proc/self/uid_map; echo > /dev/null; busybox id -u");
        let told = own.run().ok();
        assert_eq!(map(&told), [vec!["0", "1500", "1"], vec!["0"]]);
        assert_eq!(own.runtime(&["list", "-q"]).ok(), "");
    });
}

#[test]
fn the_whole_life_is_the_users() {
    test(&[NEEDS, &[Need::Userns]].concat(), |world| {
        let own = Own::new(world, "sleep 100");
        let path = own.path.to_str().unwrap();
        let _ = own.runtime(&["create", "--bundle", path, "mine"]).ok();
        let state = || -> Value { serde_json::from_str(&own.runtime(&["state", "mine"]).ok()).unwrap() };
        assert_eq!(state()["status"], "created");
        let _ = own.runtime(&["start", "mine"]).ok();
        assert_eq!(state()["status"], "running");
        assert_eq!(own.runtime(&["exec", "mine", "busybox", "id", "-u"]).ok(), "0\n");
        assert_eq!(own.runtime(&["list", "-q"]).ok(), "mine\n");
        let _ = own.runtime(&["kill", "mine", "KILL"]).ok();
        while state()["status"] != "stopped" {}
        let _ = own.runtime(&["delete", "mine"]).ok();
        assert_eq!(own.runtime(&["list", "-q"]).ok(), "");
    });
}

#[test]
fn ranges_of_ids_are_mapped_by_the_programs_for_that() {
    test(
        &[NEEDS, &[Need::Userns, Need::Program("newuidmap")]].concat(),
        |world| {
            let script = "cat /proc/self/uid_map; busybox touch /x && busybox chown 7:9 /x && busybox stat -c %u:%g /x";
            let mut own = Own::new(world, script);
            own.set("/root/readonly", json!(false));
            let caps = json!(["CAP_CHOWN"]);
            for set in ["bounding", "effective", "permitted"] {
                own.set(&format!("/process/capabilities/{set}"), caps.clone());
            }
            for kind in ["uidMappings", "gidMappings"] {
                let first = json!({"containerID": 0, "hostID": 1500, "size": 1});
                let others = json!({"containerID": 1, "hostID": 1_000_000, "size": 1000});
                own.set(&format!("/linux/{kind}"), json!([first, others]));
            }
            let told = own.run().ok();
            let mapped = [vec!["0", "1500", "1"], vec!["1", "1000000", "1000"], vec!["7:9"]];
            assert_eq!(map(&told), mapped);
            own.set(
                "/linux/uidMappings",
                json!([{"containerID": 0, "hostID": 0, "size": 10}]),
            );
            let told = own.run().fails(1);
            assert!(told.contains("uid") && told.contains("/etc/subuid"), "{told}");
            assert_eq!(own.runtime(&["list", "-q"]).ok(), "");
        },
    );
}

#[test]
fn a_limit_without_delegation_is_refused_by_name() {
    test(&[NEEDS, &[Need::Userns]].concat(), |world| {
        let mut own = Own::new(world, "true");
        own.set("/linux/resources", json!({"memory": {"limit": 67_108_864}}));
        let told = own.run().fails(1);
        assert!(told.contains("cgroup") && told.contains("delegat"), "{told}");
        assert_eq!(own.runtime(&["list", "-q"]).ok(), "");
    });
}
