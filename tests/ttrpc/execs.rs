//! Execs in groups of their own below their container's: what is in them, who ends with them, and that nothing is left of them.
//! On version 1 that is the freezer's hierarchy, on a hybrid machine the cgroup2 tree, and on version 2 a systemd's machine.

use crate::bed::{Bed, OURS, TRAP, Talk};
use crate::machine::{self, NEEDS};
use crate::shim::{ends, nosuch};
use crate::successor::successor;
use crate::systemd;
use crate::upgrade::upgrade;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tare_kit::{Need, World, test, test_under_systemd};
use tare_spec_containerd::{Any, BootstrapAnswer, runc, task, types, typeurl};

/// What goes on after the first process of an exec, in a session of its own and without a parent.
macro_rules! daemon {
    () => {
        "setsid -f sh -c 'sleep 1004; exit 1' </dev/null >/dev/null 2>&1; "
    };
}

/// A container that runs, and its group in the tree in which execs have their own.
struct Place<'a> {
    talk: &'a mut Talk,
    group: PathBuf,
}

impl Place<'_> {
    /// The names of own groups.
    fn own(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.group)
            .expect("the container's group")
            .flatten();
        let names = entries.map(|entry| entry.file_name().into_string().expect("a name"));
        let mut own: Vec<String> = names.filter(|name| name.starts_with("tare-exec-")).collect();
        own.sort();
        own
    }

    fn procs(&self, own: &str) -> Vec<String> {
        let text = fs::read_to_string(self.group.join(own).join("cgroup.procs"));
        text.unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Waits until there are so many processes in an own group.
    fn until(&self, own: &str, count: usize) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.procs(own).len() != count {
            assert!(Instant::now() < end, "{own}: {:?}", self.procs(own));
            std::thread::yield_now();
        }
    }

    /// Waits until a process in an own group executes this: as many as wanted may have been there before, with one that ends.
    fn until_there(&self, own: &str, command: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        let is_it = |pid: &String| {
            fs::read_to_string(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|words| words.trim_end_matches('\0').replace('\0', " ") == command)
        };
        while !self.procs(own).iter().any(is_it) {
            assert!(Instant::now() < end, "{own}: no {command}");
            std::thread::yield_now();
        }
    }

    /// Kills what is in an own group as somebody else would.
    fn clear(&self, own: &str) {
        for pid in self.procs(own) {
            let pid = pid.parse().ok().and_then(Pid::from_raw).expect("a pid");
            let _ = kill_process(pid, Signal::KILL);
        }
        self.until(own, 0);
    }

    fn is_frozen(&self, own: &str) -> bool {
        let read = |file: &str| fs::read_to_string(self.group.join(own).join(file));
        match read("freezer.state") {
            Ok(state) => state.trim() == "FROZEN",
            Err(_) => read("cgroup.events").expect("events").contains("frozen 1"),
        }
    }

    /// The kernel freezes a group a moment after it was told to.
    fn await_frozen(&self, own: &str, frozen: bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if self.is_frozen(own) == frozen {
                return;
            }
            std::thread::yield_now();
        }
        panic!("{own} is not as it should be: frozen is {}", !frozen);
    }

    fn begin(&mut self, exec: &str, script: &str) {
        self.talk.exec(exec, script);
        self.talk.start(exec);
    }

    /// An exec from its beginning to its deletion.
    fn whole(&mut self, exec: &str, script: &str) {
        self.begin(exec, script);
        self.talk.wait(exec);
        self.talk.delete(exec);
    }

    /// What was said since this was asked the last time.
    fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.talk.lines)
    }
}

/// Killed, it ends with all that it has started, whatever that has become.
fn killed(place: &mut Place<'_>) {
    place.begin("e", concat!(daemon!(), "sleep 1001 & wait"));
    assert_eq!(place.own(), ["tare-exec-e"]);
    place.until_there("tare-exec-e", "sleep 1001");
    place.until("tare-exec-e", 4);
    place.talk.pids();
    let pids: task::PidsResponse = place.talk.get("Pids", &task::PidsRequest { id: "c".into() });
    let mut all: Vec<u32> = pids.processes.iter().map(|process| process.pid).collect();
    all.sort_unstable();
    let own = place.procs("tare-exec-e");
    assert!(own.iter().all(|pid| all.contains(&pid.parse().expect("a pid"))));
    all.dedup();
    assert_eq!(all.len(), pids.processes.len());
    place.talk.kill("e", 9);
    place.talk.wait("e");
    place.until("tare-exec-e", 0);
    place.talk.delete("e");
    assert_eq!(place.own(), [""; 0]);
    let wanted = [
        "exec e: ok",
        "start: pid true",
        "pids: some true execs [\"e\"]",
        "kill 9 e: ok",
        "wait: 137",
        "delete: 137 true pid true",
    ];
    assert_eq!(place.said(), wanted);
}

/// What an exec leaves that ends by itself lives on, in its group, which goes when it can; one that cannot be started leaves none.
fn left(place: &mut Place<'_>) {
    place.talk.done("exec", "Exec", &nosuch());
    place.talk.start("e");
    assert_eq!(place.own(), [""; 0]);
    place.talk.delete("e");
    assert!(place.said()[1].contains("nosuch"));
    place.whole("e", concat!(daemon!(), "exit 3"));
    assert_eq!(place.own(), ["tare-exec-e"]);
    place.until("tare-exec-e", 2);
    // Its name is free, and its group's is not.
    place.whole("e", "exit 4");
    assert_eq!(place.own(), ["tare-exec-e"]);
    place.whole("e", concat!(daemon!(), "exit 5"));
    assert_eq!(place.own(), ["tare-exec-e", "tare-exec-e.2"]);
    for own in ["tare-exec-e", "tare-exec-e.2"] {
        place.until(own, 2);
        place.clear(own);
    }
    place.whole("f", "exit 6");
    assert_eq!(place.own(), [""; 0]);
    let lines: Vec<String> = place.said();
    let codes: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("wait: "))
        .collect();
    assert_eq!(codes, ["3", "4", "5", "6"]);
    // And with the container at the latest.
    place.whole("e", concat!(daemon!(), "exit 3"));
    place.until("tare-exec-e", 2);
}

/// An exec stands still with its container, and is killed all the same.
fn paused(place: &mut Place<'_>) {
    place.begin("e", concat!(daemon!(), "sleep 1001 & wait"));
    place.until("tare-exec-e", 4);
    for _ in 0..2 {
        place
            .talk
            .done("pause", "Pause", &task::PauseRequest { id: "c".into() });
        place.await_frozen("tare-exec-e", true);
        place
            .talk
            .done("resume", "Resume", &task::ResumeRequest { id: "c".into() });
        place.await_frozen("tare-exec-e", false);
    }
    place
        .talk
        .done("pause", "Pause", &task::PauseRequest { id: "c".into() });
    place.talk.kill("e", 9);
    place.talk.state("");
    place
        .talk
        .done("resume", "Resume", &task::ResumeRequest { id: "c".into() });
    place.talk.wait("e");
    place.until("tare-exec-e", 0);
    place.talk.delete("e");
    assert_eq!(place.own(), [""; 0]);
    let wanted = [
        "pause: ok",
        "kill 9 e: ok",
        "state: c Paused 0 false pid true",
        "resume: ok",
        "wait: 137",
        "delete: 137 true pid true",
    ];
    let said = place.said();
    assert_eq!(said[said.len() - wanted.len()..], wanted, "{said:?}");
}

/// A crowd that goes on forking, each in a session of its own.
fn crowd(place: &mut Place<'_>) {
    let script = "for i in 1 2 3 4 5 6 7 8; do setsid -f sh -c 'while :; do sleep 0.01; done' & done; wait; sleep 1000";
    for _ in 0..5 {
        place.begin("e", script);
        let end = Instant::now() + Duration::from_secs(20);
        while place.procs("tare-exec-e").len() < 10 {
            assert!(Instant::now() < end, "{:?}", place.procs("tare-exec-e"));
        }
        place.talk.kill("e", 9);
        place.talk.wait("e");
        place.until("tare-exec-e", 0);
        place.talk.delete("e");
        assert_eq!(place.own(), [""; 0]);
    }
}

/// Runs a container on a machine and does this with it; at the end nothing is left.
fn in_bed(world: &World, unified: bool, act: impl FnOnce(&Bed, &BootstrapAnswer, &mut Place<'_>)) {
    let mut bed = Bed::furnish(world, OURS);
    let mount = "mkdir /sys/fs/cgroup/unified && mount -t cgroup2 cgroup /sys/fs/cgroup/unified";
    if unified {
        bed.run(mount, "c", &[]);
    }
    let tree = if unified { "unified" } else { "freezer" };
    let answer = bed.start("c", TRAP, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.start("");
    assert_eq!(talk.lines, ["create: pid true", "start: pid true"]);
    talk.lines.clear();
    let group = Path::new("/sys/fs/cgroup").join(tree).join("shim/c");
    let mut place = Place {
        talk: &mut talk,
        group,
    };
    act(&bed, &answer, &mut place);
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.kill("", 15);
    talk.wait("");
    talk.delete("");
    assert_eq!(talk.lines, ["kill 15 : ok", "wait: 7", "delete: 7 true pid true"]);
    assert!(!machine::groups().iter().any(|group| group.starts_with("/shim/c")));
    ends(&bed, &answer, &mut talk, true);
}

/// Limits and accounts stay the container's: an exec is in its groups of all other hierarchies.
fn elsewhere(bed: &Bed, place: &mut Place<'_>) {
    place.begin("e", "exec sleep 1000");
    let pid = place.procs("tare-exec-e").pop().expect("a process");
    let groups = bed.run(&format!("cat /proc/{pid}/cgroup"), "c", &[]);
    let own: Vec<&str> = groups
        .lines()
        .filter(|line| line.ends_with("/shim/c/tare-exec-e"))
        .collect();
    let rest = groups.lines().filter(|line| line.ends_with("/shim/c")).count();
    assert_eq!(own.len(), 1, "{groups}");
    assert!(rest > 5, "{groups}");
    place.talk.kill("e", 9);
    place.talk.wait("e");
    place.talk.delete("e");
}

/// What a supervisor before this one has made is known to its successor.
fn taken_over(bed: &Bed, answer: &BootstrapAnswer, place: &mut Place<'_>) {
    place.whole("d", concat!(daemon!(), "exit 3"));
    place.begin("e", concat!(daemon!(), "sleep 1001 & wait"));
    place.until("tare-exec-e", 4);
    // As one that died between making a group and who is to be in it.
    fs::create_dir(place.group.join("tare-exec-half")).expect("make a group");
    let mut talk = successor(bed, answer, place.talk);
    let mut place = Place {
        talk: &mut talk,
        group: place.group.clone(),
    };
    assert_eq!(place.own(), ["tare-exec-d", "tare-exec-e"]);
    place.talk.kill("e", 9);
    place.talk.wait("e");
    place.until("tare-exec-e", 0);
    place.clear("tare-exec-d");
    place.talk.delete("e");
    assert_eq!(place.own(), [""; 0]);
    assert!(place.said()[0].starts_with("kill 9 e: ok"));
    // A second death, and nobody looks at what is left but who deletes the container.
    place.begin("e", concat!(daemon!(), "sleep 1001 & wait"));
    place.until("tare-exec-e", 4);
    successor(bed, answer, place.talk);
}

#[test]
fn a_killed_exec_ends_with_its_daemons() {
    test(NEEDS, |world| in_bed(world, false, |_, _, place| killed(place)));
}

#[test]
fn a_killed_exec_ends_with_its_daemons_on_a_hybrid_machine() {
    test(&[NEEDS, &[Need::Cgroup2]].concat(), |world| {
        in_bed(world, true, |_, _, place| killed(place));
    });
}

#[test]
fn a_killed_exec_ends_with_a_crowd() {
    test(NEEDS, |world| in_bed(world, false, |_, _, place| crowd(place)));
}

#[test]
fn what_an_exec_leaves_lives_on() {
    test(NEEDS, |world| in_bed(world, false, |_, _, place| left(place)));
}

#[test]
fn what_an_exec_leaves_lives_on_on_a_hybrid_machine() {
    test(&[NEEDS, &[Need::Cgroup2]].concat(), |world| {
        in_bed(world, true, |_, _, place| left(place));
    });
}

#[test]
fn an_exec_is_paused_with_its_container() {
    test(NEEDS, |world| in_bed(world, false, |_, _, place| paused(place)));
}

#[test]
fn an_exec_is_paused_with_its_container_on_a_hybrid_machine() {
    test(&[NEEDS, &[Need::Cgroup2]].concat(), |world| {
        in_bed(world, true, |_, _, place| paused(place));
    });
}

#[test]
fn limits_of_an_exec_are_its_containers() {
    test(&[NEEDS, &[Need::Cgroup2]].concat(), |world| {
        for unified in [false, true] {
            in_bed(world, unified, |bed, _, place| elsewhere(bed, place));
        }
    });
}

#[test]
fn a_successor_knows_the_groups_of_execs() {
    test(NEEDS, |world| in_bed(world, false, taken_over));
}

#[test]
fn the_next_program_knows_the_groups_of_execs() {
    test(NEEDS, |world| {
        in_bed(world, false, |bed, _, place| {
            place.whole("d", concat!(daemon!(), "exit 3"));
            place.begin("e", concat!(daemon!(), "sleep 1001 & wait"));
            place.until("tare-exec-e", 4);
            upgrade(bed);
            place.talk.kill("e", 9);
            place.until("tare-exec-e", 0);
            place.clear("tare-exec-d");
            place.talk.wait("e");
            place.talk.delete("e");
            assert_eq!(place.own(), [""; 0]);
        });
    });
}

/// The container's own group on version 2.
const UNIFIED: &str = "/sys/fs/cgroup/shim/c";

/// Runs a container under systemd on version 2 and does this with it; at the end nothing is left. It has a cgroup namespace,
/// and its groups at /sys/fs/cgroup with these options.
fn on_unified(world: &World, script: &str, options: &[&str], act: impl FnOnce(&mut Place<'_>)) {
    systemd::bundle(world, script, None);
    let path = "/run/b/c/config.json";
    let mut config: Value = serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON");
    let spaces = config["linux"]["namespaces"].as_array_mut().expect("namespaces");
    spaces.retain(|space| space["type"] != "cgroup");
    spaces.push(json!({"type": "cgroup"}));
    let mount =
        json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": options});
    config["mounts"].as_array_mut().expect("mounts").push(mount);
    fs::write(path, config.to_string()).expect("write the configuration");
    let mut talk = systemd::started_by(world, "starter", &[]);
    talk.create([""; 3], false);
    talk.start("");
    assert_eq!(talk.lines, ["create: pid true", "start: pid true"]);
    talk.lines.clear();
    act(&mut Place {
        talk: &mut talk,
        group: PathBuf::from(UNIFIED),
    });
    systemd::ends(&mut talk);
    assert!(!Path::new(UNIFIED).exists());
    systemd::ok("systemctl", &["stop", "starter"]);
}

/// What a process sees of its groups: its own name, the names of what it has mounted there, whether its namespace is the
/// container's.
const LOOK: &str = "grep ^0: /proc/self/cgroup; ls -d /sys/fs/cgroup/tare-exec-*; \
    [ $(readlink /proc/self/ns/cgroup) = $(readlink /proc/1/ns/cgroup) ] && echo same; exit 0";

impl Place<'_> {
    /// What an exec has printed.
    fn printed(&mut self, exec: &str, script: &str) -> String {
        let process = json!({"cwd": "/", "args": ["sh", "-c", script], "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}});
        let request = task::ExecProcessRequest {
            id: "c".into(),
            exec_id: exec.into(),
            stdout: "file:///run/printed".into(),
            spec: Some(Any::json(typeurl::PROCESS, process.to_string().into_bytes())),
            ..Default::default()
        };
        self.talk.done("exec", "Exec", &request);
        self.talk.start(exec);
        self.talk.wait(exec);
        self.talk.delete(exec);
        let printed = fs::read_to_string("/run/printed").unwrap_or_default();
        let _ = fs::remove_file("/run/printed");
        printed
    }
}

#[test]
fn a_killed_exec_ends_with_its_daemons_on_version_2() {
    test_under_systemd(&[], |world| on_unified(world, TRAP, &["ro"], killed));
}

#[test]
fn a_killed_exec_ends_with_a_crowd_on_version_2() {
    test_under_systemd(&[], |world| on_unified(world, TRAP, &["ro"], crowd));
}

#[test]
fn what_an_exec_leaves_lives_on_on_version_2() {
    test_under_systemd(&[], |world| on_unified(world, TRAP, &["ro"], left));
}

#[test]
fn an_exec_is_paused_with_its_container_on_version_2() {
    test_under_systemd(&[], |world| on_unified(world, TRAP, &["ro"], paused));
}

/// It finds its container's limits where it always has; who may divide the groups is in the container's own namespace.
#[test]
fn an_exec_sees_the_groups_of_its_container() {
    test_under_systemd(&[], |world| {
        let own = "/sys/fs/cgroup/tare-exec-e\n";
        on_unified(world, TRAP, &["ro"], |place| {
            assert_eq!(place.printed("e", LOOK), format!("0::/\n{own}"));
        });
        on_unified(world, TRAP, &["rw"], |place| {
            assert_eq!(place.printed("e", LOOK), format!("0::/tare-exec-e\n{own}same\n"));
        });
    });
}

/// A container that divides its groups, as a systemd does, has execs beside its first process.
const DIVIDES: &str = "cd /sys/fs/cgroup; mkdir init; echo 1 > init/cgroup.procs; \
    for c in $(cat cgroup.controllers); do echo +$c > cgroup.subtree_control; done; \
    trap 'exit 7' TERM; while :; do sleep 0.05; done";

#[test]
fn a_container_that_divides_its_groups_is_left_alone() {
    test_under_systemd(&[], |world| {
        on_unified(world, DIVIDES, &["rw"], |place| {
            // Divided when it sleeps: before, there may be two in it as well.
            place.until_there("init", "sleep 0.05");
            assert_eq!(place.printed("e", "grep ^0: /proc/self/cgroup"), "0::/init\n");
            place.begin("f", concat!(daemon!(), "sleep 1001 & wait"));
            assert_eq!(place.own(), [""; 0]);
            // By its session then, which a daemon has left: once it has, which six may be before that too.
            place.until_there("init", "sleep 1004");
            place.until_there("init", "sleep 1001");
            place.until("init", 6);
            place.talk.kill("f", 9);
            place.talk.wait("f");
            place.until("init", 4);
            place.talk.delete("f");
        });
    });
}

/// No own group can be made, or nobody can be born into it: then it is the container's.
#[test]
fn without_a_group_of_its_own_an_exec_is_in_its_containers() {
    test_under_systemd(&[], |world| {
        on_unified(world, TRAP, &["ro"], |place| {
            let most = place.group.join("cgroup.max.descendants");
            fs::write(&most, "0").expect("allow no groups");
            assert_eq!(place.printed("e", LOOK), "0::/\nsame\n");
            fs::write(&most, "max").expect("allow groups");
            // A threaded one below, by a name of ours: whatever else is made there is of no use.
            let threaded = place.group.join("tare-exec-threaded");
            fs::create_dir(&threaded).expect("make a group");
            fs::write(threaded.join("cgroup.type"), "threaded").expect("make it threaded");
            let printed = place.printed("f", LOOK);
            assert_eq!(printed, "0::/\n/sys/fs/cgroup/tare-exec-threaded\nsame\n");
        });
    });
}

/// A scope's groups below it are ours: systemd has delegated them, and lets them be.
#[test]
fn an_exec_has_a_group_below_a_scope() {
    test_under_systemd(&[], |world| {
        systemd::bundle(world, TRAP, None);
        let path = "/run/b/c/config.json";
        let mut config: Value = serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON");
        config["linux"]["cgroupsPath"] = json!("system.slice:shim:c");
        fs::write(path, config.to_string()).expect("write the configuration");
        let mut talk = systemd::started_by(world, "starter", &[]);
        let request = task::CreateTaskRequest {
            id: "c".into(),
            bundle: "/run/b/c".into(),
            rootfs: vec![types::Mount {
                r#type: "bind".into(),
                source: "/".into(),
                options: vec!["bind".into(), "ro".into()],
                ..Default::default()
            }],
            options: Some(Any::pack(&runc::Options {
                systemd_cgroup: true,
                ..Default::default()
            })),
            ..Default::default()
        };
        let _: task::CreateTaskResponse = talk.get("Create", &request);
        talk.start("");
        talk.lines.clear();
        let group = PathBuf::from("/sys/fs/cgroup/system.slice/shim-c.scope");
        let mut place = Place {
            talk: &mut talk,
            group: group.clone(),
        };
        place.begin("d", concat!(daemon!(), "sleep 1001 & wait"));
        place.until("tare-exec-d", 4);
        for word in ["daemon-reload", "daemon-reexec"] {
            systemd::ok("systemctl", &[word]);
        }
        place.until("tare-exec-d", 4);
        place.talk.kill("d", 9);
        place.talk.wait("d");
        place.until("tare-exec-d", 0);
        place.talk.delete("d");
        place.said();
        killed(&mut place);
        left(&mut place);
        systemd::ends(&mut talk);
        assert!(!group.exists());
        systemd::ok("systemctl", &["stop", "starter"]);
    });
}

/// Where memory has limits: in the virtual machine. What an exec takes is its container's, and so is who is killed for it.
#[test]
fn memory_of_an_exec_is_its_containers() {
    test_under_systemd(&[Need::Cgroup2Controllers], |world| {
        on_unified(world, TRAP, &["ro"], |place| {
            let limit = place.group.join("memory.max");
            fs::write(&limit, "33554432").expect("set a limit");
            fs::write(place.group.join("memory.swap.max"), "0").expect("set a limit");
            assert_eq!(place.printed("e", "cat /sys/fs/cgroup/memory.max"), "33554432\n");
            place.begin("f", "exec tail /dev/zero");
            assert_eq!(place.own(), ["tare-exec-f"]);
            place.talk.wait("f");
            assert_eq!(place.said().pop().as_deref(), Some("wait: 137"));
            let events = fs::read_to_string(place.group.join("memory.events")).expect("events");
            assert!(events.contains("\noom_kill 1\n"), "{events}");
            place.talk.delete("f");
        });
    });
}
