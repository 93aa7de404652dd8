//! A volume whose file system hangs (the kit's `Stalled`): what waits on it cannot even be killed. The supervisor answers all
//! the same, says what holds a container that was killed, and deletes it when the file system is gone.

use crate::bed::{Bed, OURS, TRAP, Talk};
use crate::machine::NEEDS;
use crate::shim::ends;
use crate::stubborn::{AT_ONCE, assert_undisturbed, neighbour};
use crate::successor::{kill, pids};
use std::time::{Duration, Instant};
use tare_kit::{Need, test};
use tare_kit::{STALL_AT_CREATE, STALL_AT_LOOKUP, Stalled};
use tare_spec_containerd::{BootstrapAnswer, task};

/// Waits on the volume for ever.
const HANG: &str = "echo x > /mnt/x";

/// A volume at /mnt.
const VOLUME: &str =
    r#".mounts += [{destination: "/mnt", type: "bind", source: "/run/stalled", options: ["bind", "rw"]}]"#;

/// A container with the volume, whose script this is, once somebody waits on it.
fn hanging(bed: &mut Bed, answer: &BootstrapAnswer, stalled: &Stalled, exec: &str) -> Talk {
    let mut talk = Talk::over("c", bed.connect(answer));
    talk.create([""; 3], false);
    talk.start("");
    if !exec.is_empty() {
        talk.exec("hangs", exec);
        talk.start("hangs");
    }
    reached(stalled);
    talk.lines.clear();
    talk
}

fn reached(stalled: &Stalled) {
    let until = Instant::now() + Duration::from_secs(20);
    while !stalled.is_reached() {
        assert!(Instant::now() < until, "nobody has asked");
        std::thread::yield_now();
    }
}

/// What is said of a container that was killed and cannot go.
const HOLDS: &str = "(sh) was killed, and waits in the kernel for a device or a file system (";

/// That it cannot be deleted, and why: as soon as the signal has come to where it is held up, and what else was killed is gone.
fn assert_is_held(talk: &mut Talk, exec: &str) {
    let begins = format!(
        "delete: Conflict: delete {}: process ",
        if exec.is_empty() { &talk.id } else { exec }
    );
    let until = Instant::now() + AT_ONCE;
    loop {
        talk.delete(exec);
        let told = talk.lines.pop().expect("a line");
        if told.starts_with(&begins) && told.contains(HOLDS) {
            return;
        }
        // The first process may sleep so for a moment itself, on its way out: then the place where is not told.
        let may_go = told.contains("cannot delete a running process")
            || told.starts_with(&begins) && told.contains("(sh) was killed, and waits in the kernel");
        assert!(may_go && Instant::now() < until, "{told}");
    }
}

/// It is killed, and says what holds it; it goes with the file system.
fn is_killed_and_goes(bed: &mut Bed, script: &str, exec: &str) {
    let stalled = Stalled::mount(&bed.root, "/run/stalled", STALL_AT_CREATE);
    let answer = bed.start("c", script, "no");
    bed.configure("c", VOLUME);
    let mut other = neighbour(bed, &answer);
    let mut talk = hanging(bed, &answer, &stalled, exec);
    let since = Instant::now();
    talk.state("");
    talk.exec("e", "exit 5");
    talk.start("e");
    talk.wait("e");
    talk.kill("", 9);
    assert_is_held(&mut talk, "");
    talk.state("");
    assert_undisturbed(&mut other);
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    drop(stalled);
    talk.wait("");
    talk.delete("");
    assert_eq!(
        talk.lines,
        [
            "state: c Running 0 false pid true",
            "exec e: ok",
            "start: pid true",
            "wait: 5",
            "kill 9 : ok",
            "state: c Running 0 false pid true",
            "wait: 137",
            "delete: 137 true pid true"
        ]
    );
    ends(bed, &answer, &mut talk, true);
}

fn the_first_process(bed: &mut Bed) {
    is_killed_and_goes(bed, HANG, "");
}

fn what_was_executed(bed: &mut Bed) {
    is_killed_and_goes(bed, TRAP, HANG);
}

/// An exec is killed, and says what holds it: the container goes on.
fn an_exec_alone(bed: &mut Bed) {
    let stalled = Stalled::mount(&bed.root, "/run/stalled", STALL_AT_CREATE);
    let answer = bed.start("c", TRAP, "no");
    bed.configure("c", VOLUME);
    let mut other = neighbour(bed, &answer);
    let mut talk = hanging(bed, &answer, &stalled, HANG);
    let since = Instant::now();
    talk.kill("hangs", 9);
    assert_is_held(&mut talk, "hangs");
    talk.state("hangs");
    talk.state("");
    assert_undisturbed(&mut other);
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    drop(stalled);
    talk.wait("hangs");
    talk.delete("hangs");
    talk.kill("", 15);
    talk.wait("");
    talk.delete("");
    assert_eq!(
        talk.lines,
        [
            "kill 9 hangs: ok",
            "state: hangs Running 0 false pid true",
            "state: c Running 0 false pid true",
            "wait: 137",
            "delete: 137 true pid true",
            "kill 15 : ok",
            "wait: 7",
            "delete: 7 true pid true"
        ]
    );
    ends(bed, &answer, &mut talk, true);
}

/// Without a pid namespace of its own the first process ends, and leaves the one that hangs: deleting waits for that, a while.
fn one_that_the_first_leaves(bed: &mut Bed) {
    let stalled = Stalled::mount(&bed.root, "/run/stalled", STALL_AT_CREATE);
    let answer = bed.start("c", &format!("({HANG}) & {TRAP}"), "no");
    bed.configure(
        "c",
        &format!("{VOLUME} | .linux.namespaces |= map(select(.type != \"pid\"))"),
    );
    let mut other = neighbour(bed, &answer);
    let mut talk = hanging(bed, &answer, &stalled, "");
    let since = Instant::now();
    talk.kill("", 9);
    talk.wait("");
    let deleting = std::thread::spawn(move || {
        talk.delete("");
        talk
    });
    bed.run("sleep 0.1", "c", &[]);
    assert_undisturbed(&mut other);
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    let mut talk = deleting.join().expect("an answer");
    let told = talk.lines.pop().expect("a line");
    assert!(
        told.starts_with("delete: Conflict: delete c: process ") && told.contains(HOLDS),
        "{told}"
    );
    drop(stalled);
    talk.delete("");
    assert_eq!(
        talk.lines,
        ["kill 9 : ok", "wait: 137", "delete: 137 true pid true"]
    );
    ends(bed, &answer, &mut talk, true);
}

/// It cannot be frozen either.
fn a_pause_fails_and_nobody_waits_for_it(bed: &mut Bed) {
    let stalled = Stalled::mount(&bed.root, "/run/stalled", STALL_AT_CREATE);
    let answer = bed.start("c", HANG, "no");
    bed.configure("c", VOLUME);
    let mut other = neighbour(bed, &answer);
    let mut talk = hanging(bed, &answer, &stalled, "");
    let pausing = std::thread::spawn(move || {
        let request = task::PauseRequest { id: "c".into() };
        talk.done("pause", "Pause", &request);
        talk
    });
    let since = Instant::now();
    let freezing =
        "until [ $(cat /sys/fs/cgroup/freezer/shim/c/freezer.state) = FREEZING ]; do sleep 0.01; done";
    bed.run(freezing, "c", &[]);
    let mut seen = Talk::over("c", bed.connect(&answer));
    seen.state("");
    assert_eq!(seen.lines, ["state: c Pausing 0 false pid true"]);
    assert_undisturbed(&mut other);
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    let mut talk = pausing.join().expect("an answer");
    let told = talk.lines.pop().expect("a line");
    assert!(
        told.starts_with("pause: Unavailable: pause container c: a process did not stop within 5s"),
        "{told}"
    );
    talk.state("");
    talk.kill("", 9);
    drop(stalled);
    talk.wait("");
    talk.delete("");
    assert_eq!(
        talk.lines,
        [
            "state: c Running 0 false pid true",
            "kill 9 : ok",
            "wait: 137",
            "delete: 137 true pid true"
        ]
    );
    ends(bed, &answer, &mut talk, true);
}

/// The volume hangs before the container is made: whoever makes it waits, and nobody else. It is given up, and goes when it can.
fn a_creation_is_given_up(bed: &mut Bed) {
    let stalled = Stalled::mount(&bed.root, "/run/stalled", STALL_AT_LOOKUP);
    let answer = bed.start("c", TRAP, "no");
    bed.configure("c", &VOLUME.replace("/run/stalled", "/run/stalled/deep"));
    let mut other = neighbour(bed, &answer);
    let mut talk = Talk::over("c", bed.connect(&answer));
    let creating = std::thread::spawn(move || {
        talk.create([""; 3], false);
        talk
    });
    reached(&stalled);
    let since = Instant::now();
    let mut deleter = Talk::over("c", bed.connect(&answer));
    deleter.state("");
    deleter.delete("");
    deleter.delete("");
    assert_undisturbed(&mut other);
    let talk = creating.join().expect("an answer");
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    assert!(
        talk.lines[0].contains("it was deleted while it was created"),
        "{:?}",
        talk.lines
    );
    assert_eq!(deleter.lines[0], "state: c Created 0 false pid false");
    for line in &deleter.lines[1..] {
        assert!(
            line.contains("it waits in the kernel for a device or a file system"),
            "{line}"
        );
    }
    drop(stalled);
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        deleter.delete("");
        if deleter.lines.last().is_some_and(|line| line.contains("NotFound")) {
            break;
        }
        assert!(Instant::now() < until, "{:?}", deleter.lines);
        bed.run("sleep 0.1", "c", &[]);
    }
    // Its name is free.
    bed.configure("c", "del(.mounts[-1])");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.delete("");
    assert_eq!(talk.lines[0], "create: pid true");
    ends(bed, &answer, &mut talk, true);
}

/// A hook of the host's that hangs on it: its time is over, and it is still there.
fn a_hook_is_overdue(bed: &mut Bed) {
    let stalled = Stalled::mount(&bed.root, "/run/stalled", STALL_AT_CREATE);
    let answer = bed.start("c", TRAP, "no");
    let hook = r#".hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "echo x > /run/stalled/x"], timeout: 1}]"#;
    bed.configure("c", hook);
    let mut other = neighbour(bed, &answer);
    let mut talk = Talk::over("c", bed.connect(&answer));
    let creating = std::thread::spawn(move || {
        talk.create([""; 3], false);
        talk
    });
    reached(&stalled);
    let killed =
        "until grep -q '^SigPnd:.*1..$' $(grep -l '^State:.D' /proc/[0-9]*/status); do sleep 0.05; done";
    bed.run(killed, "c", &[]);
    let since = Instant::now();
    assert_undisturbed(&mut other);
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    drop(stalled);
    let mut talk = creating.join().expect("an answer");
    assert!(
        talk.lines[0].contains("it took longer than its timeout of 1 s"),
        "{:?}",
        talk.lines
    );
    ends(bed, &answer, &mut talk, true);
}

/// A hook that runs when the container is deleted: the answer waits for it, and nobody else.
fn a_hook_at_the_end(bed: &mut Bed) {
    let stalled = Stalled::mount(&bed.root, "/run/stalled", STALL_AT_CREATE);
    let answer = bed.start("c", TRAP, "no");
    let hook =
        r#".hooks.poststop = [{path: "/bin/sh", args: ["sh", "-c", "echo x > /run/stalled/x; exit 0"]}]"#;
    bed.configure("c", hook);
    let mut other = neighbour(bed, &answer);
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.start("");
    talk.kill("", 9);
    talk.wait("");
    let deleting = std::thread::spawn(move || {
        talk.delete("");
        talk
    });
    reached(&stalled);
    let since = Instant::now();
    let mut again = Talk::over("c", bed.connect(&answer));
    again.delete("");
    assert!(
        again.lines[0].contains("its poststop hooks run"),
        "{:?}",
        again.lines
    );
    assert_undisturbed(&mut other);
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    drop(stalled);
    let mut talk = deleting.join().expect("an answer");
    assert_eq!(talk.lines[3..], ["wait: 137", "delete: 137 true pid true"]);
    ends(bed, &answer, &mut talk, true);
}

/// The supervisor is killed (-9) meanwhile: its successor is there at once, answers for the others, and ends what hangs when it can.
fn a_successor_comes_at_once(bed: &mut Bed, at: u32, more: &str) {
    let stalled = Stalled::mount(&bed.root, "/run/stalled", at);
    let answer = bed.start("c", HANG, "no");
    bed.configure(
        "c",
        &VOLUME.replace("/run/stalled", &format!("/run/stalled{more}")),
    );
    let mut other = neighbour(bed, &answer);
    let mut talk = Talk::over("c", bed.connect(&answer));
    let living = std::thread::spawn(move || {
        talk.create([""; 3], false);
        talk.start("");
    });
    reached(&stalled);
    let since = Instant::now();
    kill(pids(&mut other).0);
    living.join().expect("it ends");
    bed.verb("c", "start");
    other = {
        let mut after = Talk::over("other", bed.connect(&answer));
        after.lines = other.lines;
        after
    };
    assert_undisturbed(&mut other);
    let took = since.elapsed();
    assert!(took < AT_ONCE, "{took:?}");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.kill("", 9);
    drop(stalled);
    let until = Instant::now() + Duration::from_secs(20);
    // Each who comes has it looked at again.
    while !bed
        .run(
            "ls /run/tare/containerd/default; pgrep -fx 'sh -c echo x.*' || true",
            "c",
            &[],
        )
        .is_empty()
    {
        talk = Talk::over("c", bed.connect(&answer));
        talk.wait("");
        talk.delete("");
        assert!(Instant::now() < until, "{:?}", talk.lines);
    }
    ends(bed, &answer, &mut talk, true);
}

fn a_successor_of_one_that_kept_it(bed: &mut Bed) {
    a_successor_comes_at_once(bed, STALL_AT_CREATE, "");
}

fn a_successor_of_one_that_made_it(bed: &mut Bed) {
    a_successor_comes_at_once(bed, STALL_AT_LOOKUP, "/deep");
}

macro_rules! tests {
    ($($name:ident)+) => {
        mod ours {
            use super::*;
            $(#[test]
            fn $name() {
                let needs = &[NEEDS, &[Need::Fuse]].concat();
                test(needs, |world| super::$name(&mut Bed::furnish(world, OURS)));
            })+
        }
    };
}

tests! {
    the_first_process
    what_was_executed
    an_exec_alone
    one_that_the_first_leaves
    a_pause_fails_and_nobody_waits_for_it
    a_creation_is_given_up
    a_hook_is_overdue
    a_hook_at_the_end
    a_successor_of_one_that_kept_it
    a_successor_of_one_that_made_it
}
