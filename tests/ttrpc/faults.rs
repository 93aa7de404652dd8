//! The supervisor dies, or fails, at every side effect: whatever that was, its successor or it itself goes on, and at the end
//! nothing is left.

use crate::bed::{Bed, OURS, SHIM, TRAP, Talk};
use crate::machine::NEEDS;
use crate::shim::ends;
use crate::successor::pids;
use std::time::{Duration, Instant};
use tare_kit::test;
use tare_spec_containerd::BootstrapAnswer;

/// Every place in the supervisor (`grep failpoint::pass`), but those of a successor and of an upgrade.
const PLACES: &[&str] = &[
    "create-intended",
    "create-begun",
    "create-done",
    "start-intended",
    "start-done",
    "exec-added",
    "exec-intended",
    "exec-begun",
    "exec-done",
    "exec-ended",
    "exec-deleted",
    "first-ended",
    "end-recorded",
    "delete-intended",
    "delete-done",
    "leave-intended",
    "leave-begun",
];

/// Those where nothing can fail: what comes next is done whatever happens.
const DEATH_ONLY: &[&str] = &[
    "create-begun",
    "start-done",
    "exec-begun",
    "first-ended",
    "leave-intended",
    "leave-begun",
];

/// Those of a successor, and of an upgrade.
const LATER: &[&str] = &[
    "adopt-intended",
    "adopt-done",
    "upgrade-intended",
    "upgrade-begun",
];

/// A supervisor where this happens.
fn start(bed: &Bed, fault: &str) -> BootstrapAnswer {
    let said = bed.run(SHIM, "c", &[("ARGS", "start"), ("TARE_FAILPOINT", fault)]);
    serde_json::from_str(&said).expect("an answer in JSON")
}

/// A container's whole life, with a process in it; whatever fails on the way.
fn live(talk: &mut Talk) {
    talk.create([""; 3], false);
    talk.start("");
    talk.exec("e", "exec sleep 1000");
    talk.start("e");
    talk.kill("e", 9);
    talk.wait("e");
    talk.delete("e");
    end(talk);
}

fn end(talk: &mut Talk) {
    talk.kill("", 9);
    talk.wait("");
    talk.delete("");
    talk.done(
        "shutdown",
        "Shutdown",
        &tare_spec_containerd::task::ShutdownRequest {
            id: "c".into(),
            now: false,
        },
    );
}

/// Ends whatever there is still, by a successor if that must be.
fn converge(bed: &mut Bed) {
    let answer: BootstrapAnswer = serde_json::from_str(&bed.verb("c", "start")).expect("an answer in JSON");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.state("");
    if !talk.lines[0].contains("NotFound") {
        talk.kill("", 9);
        talk.wait("");
        talk.delete("");
        let last = talk.lines.last().expect("a line");
        assert!(last.contains("true"), "{:?}", talk.lines);
    }
    // Its name is free.
    talk.create([""; 3], false);
    talk.delete("");
    let made = &talk.lines[talk.lines.len() - 2..];
    assert!(
        made[0] == "create: pid true" && made[1].starts_with("delete: 0"),
        "{:?}",
        talk.lines
    );
    ends(bed, &answer, &mut talk, true);
}

fn assert_dies(pid: u32) {
    let until = Instant::now() + Duration::from_secs(20);
    while std::path::Path::new(&format!("/proc/{pid}")).exists() {
        assert!(Instant::now() < until, "it lives on");
        std::thread::yield_now();
    }
}

fn it_dies_anywhere(bed: &mut Bed) {
    bed.bundle("c", TRAP, "no");
    for place in PLACES {
        let answer = start(bed, &format!("kill@{place}"));
        let mut talk = Talk::over("c", bed.connect(&answer));
        let (shim, _) = pids(&mut talk);
        live(&mut talk);
        let lost = talk.lines.iter().any(|line| line.contains("Unavailable"));
        assert!(lost || place.starts_with("leave"), "{place}: {:?}", talk.lines);
        assert_dies(shim);
        converge(bed);
    }
}

fn it_fails_anywhere(bed: &mut Bed) {
    bed.bundle("c", TRAP, "no");
    for place in PLACES.iter().filter(|place| !DEATH_ONLY.contains(place)) {
        let answer = start(bed, &format!("fail@{place}"));
        let mut talk = Talk::over("c", bed.connect(&answer));
        live(&mut talk);
        assert!(
            !talk.lines.iter().any(|line| line.contains("Unavailable")),
            "{place}: {:?}",
            talk.lines
        );
        if !["exec-ended", "exec-deleted", "end-recorded", "delete-done"].contains(place) {
            let told = talk
                .lines
                .iter()
                .any(|line| line.contains("this failpoint is armed"));
            assert!(told, "{place}: {:?}", talk.lines);
        }
        converge(bed);
    }
}

/// The successor dies too, at each of its steps, and the supervisor in the middle of an upgrade.
fn it_dies_again(bed: &mut Bed) {
    bed.bundle("c", TRAP, "no");
    for what in ["kill", "fail"] {
        for place in LATER {
            let answer = start(bed, "kill@nowhere");
            let mut talk = Talk::over("c", bed.connect(&answer));
            talk.create([""; 3], false);
            talk.start("");
            talk.exec("e", "exec sleep 1000");
            talk.start("e");
            let (shim, init) = pids(&mut talk);
            crate::successor::kill(shim);
            // Where it dies before it serves, `start` fails.
            bed.run(
                &format!(
                    "({}) || true; cp $SHIM /run/next; /run/next upgrade 2>&1 || true; rm /run/next",
                    SHIM.replace("exec ", "")
                ),
                "c",
                &[("ARGS", "start"), ("TARE_FAILPOINT", &format!("{what}@{place}"))],
            );
            let answer: BootstrapAnswer =
                serde_json::from_str(&bed.verb("c", "start")).expect("an answer in JSON");
            let mut talk = Talk::over("c", bed.connect(&answer));
            if *place != "adopt-intended" || what == "kill" {
                assert_eq!(pids(&mut talk).1, init, "{what}@{place}");
                talk.state("e");
                assert_eq!(
                    talk.lines,
                    ["state: e Running 0 false pid true"],
                    "{what}@{place}"
                );
            }
            converge(bed);
        }
    }
}

#[test]
fn the_places_are_those_of_the_source() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/node/shim/src/supervisor");
    let mut count = 0;
    for file in std::fs::read_dir(source).expect("the source").flatten() {
        let text = std::fs::read_to_string(file.path()).unwrap_or_default();
        for opening in ["tare_failpoint::pass(\"", "record_step(\""] {
            let places = text
                .split(opening)
                .skip(1)
                .filter_map(|rest| rest.split('"').next());
            for place in places {
                count += 1;
                assert!(
                    PLACES.contains(&place) || LATER.contains(&place),
                    "{place} is not tested"
                );
            }
        }
    }
    assert_eq!(count, PLACES.len() + LATER.len());
}

macro_rules! tests {
    ($($name:ident)+) => {
        mod ours {
            use super::*;
            $(#[test]
            fn $name() {
                test(NEEDS, |world| super::$name(&mut Bed::furnish(world, OURS)));
            })+
        }
    };
}

tests! {
    it_dies_anywhere
    it_fails_anywhere
    it_dies_again
}
