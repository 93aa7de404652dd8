//! A storm: four containers of a pod are made, executed in and ended all the time, and in each round the supervisor is killed
//! (-9) at any moment, or becomes another program. With it killed its successor ends what there is; otherwise nobody notices.

use crate::bed::{Bed, OURS, Talk};
use crate::machine::{self, NEEDS};
use crate::shim::ends;
use crate::successor::{kill, pids};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tare_kit::{rounds, test};
use tare_spec_containerd::BootstrapAnswer;

const IDS: [&str; 4] = ["c", "d", "e", "f"];
const SCRIPT: &str = "echo one; echo two >&2; while :; do sleep 0.05; done";

/// A life, as it is told where nothing is in its way.
const LIFE: [&str; 10] = [
    "create: pid true",
    "start: pid true",
    "exec x: ok",
    "start: pid true",
    "wait: 3",
    "delete: 3 true pid true",
    "state: Running",
    "kill 9 : ok",
    "wait: 137",
    "delete: 137 true pid true",
];

/// One life after another, until that is enough or the supervisor is gone; whether it is.
fn live(mut talk: Talk, log: &str, enough: &AtomicBool) -> Result<(), String> {
    while !enough.load(Ordering::Relaxed) {
        talk.lines.clear();
        talk.create(["", log, log], false);
        talk.start("");
        talk.exec("x", "exit 3");
        talk.start("x");
        talk.wait("x");
        talk.delete("x");
        talk.state("");
        talk.kill("", 9);
        talk.wait("");
        talk.delete("");
        let wanted = LIFE.map(|line| {
            line.replace(
                "state: Running",
                &format!("state: {} Running 0 false pid true", talk.id),
            )
        });
        if talk.lines != wanted {
            return Err(format!("{:?}", talk.lines));
        }
    }
    Ok(())
}

/// Ends what is there of a container.
fn end(bed: &Bed, answer: &BootstrapAnswer, id: &str) -> Talk {
    let mut talk = Talk::over(id, bed.connect(answer));
    talk.state("");
    if !talk.lines[0].contains("NotFound") {
        talk.kill("", 9);
        talk.wait("");
        let known = ["wait: 137", "wait: 255"].contains(&talk.lines[2].as_str());
        assert!(known, "{:?}", talk.lines);
        talk.delete("");
        assert!(
            talk.lines[3].starts_with("delete: ") && talk.lines[3].ends_with("pid true"),
            "{:?}",
            talk.lines
        );
    }
    talk
}

/// What of containers is there still; nothing, in a moment.
fn assert_nothing_left(bed: &Bed, round: usize) {
    let script = "cd /run/tare; find containerd/default foreign pods/*/containers pods/*/streams -mindepth 1 2>/dev/null || true
        find /sys/fs/cgroup/*/shim -mindepth 1 -type d; pgrep -fa '[s]leep 0.05' || true";
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let left = bed.run(script, "c", &[]);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "round {round}: {left}");
    }
}

fn any_moment(bed: &mut Bed) {
    for id in IDS {
        bed.bundle(id, SCRIPT, "no");
    }
    bed.run(
        "cp $SHIM /run/next; mkdir -p /sys/fs/cgroup/pids/shim /run/logs",
        "c",
        &[],
    );
    let mut seed = u64::from(std::process::id()) | 1;
    let mut cut = 0;
    for round in 0..rounds(12) {
        let answer: BootstrapAnswer =
            serde_json::from_str(&bed.verb("c", "start")).expect("an answer in JSON");
        let enough = Arc::new(AtomicBool::new(false));
        let lives: Vec<_> = IDS
            .iter()
            .map(|id| {
                let (talk, enough) = (Talk::over(id, bed.connect(&answer)), Arc::clone(&enough));
                let log = format!("json-file:///run/logs/{id}.log");
                std::thread::spawn(move || live(talk, &log, &enough))
            })
            .collect();
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let until = Instant::now() + Duration::from_micros((seed >> 33) % 60_000);
        while Instant::now() < until {
            std::thread::yield_now();
        }
        let dies = round % 3 != 2;
        if dies {
            let mut talk = Talk::over("c", bed.connect(&answer));
            kill(pids(&mut talk).0);
        } else {
            let said = bed.run("/run/next upgrade", "c", &[]);
            assert!(said.starts_with("default.c: runs "), "{said}");
        }
        enough.store(true, Ordering::Relaxed);
        for life in lives {
            let lived = life.join().expect("it ends");
            cut += usize::from(lived.is_err());
            assert!(dies || lived.is_ok(), "round {round}: {lived:?}");
        }
        let answer: BootstrapAnswer =
            serde_json::from_str(&bed.verb("c", "start")).expect("an answer in JSON");
        let mut talks = IDS.map(|id| end(bed, &answer, id));
        assert_nothing_left(bed, round);
        let [last, ..] = &mut talks;
        ends(bed, &answer, last, true);
        bed.run("mkdir -p /sys/fs/cgroup/pids/shim", "c", &[]);
    }
    machine::remove_group("/shim");
    eprintln!("{cut} lives were cut");
}

#[test]
fn at_any_moment() {
    test(NEEDS, |world| any_moment(&mut Bed::furnish(world, OURS)));
}
