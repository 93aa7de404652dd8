//! Containers that do not end when they are asked to: one that forks for as long as it may, one that ignores SIGTERM. Whatever
//! they do, their supervisor answers at once, and SIGKILL ends them.

use crate::bed::{Bed, OURS, TRAP, Talk};
use crate::machine::NEEDS;
use crate::shim::ends;
use std::time::{Duration, Instant};
use tare_kit::test;
use tare_spec_containerd::task;

/// How long everything that is asked here may take together: far more than it does, far less than any wait of the supervisor's.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(4);

/// Forks, and so does what it has forked.
const BOMB: &str = "exec perl -e 'fork while 1'";

/// A container of the same pod with nothing to it: it is answered, whatever goes on in the other one.
pub(crate) fn neighbour(bed: &mut Bed, others: &tare_spec_containerd::BootstrapAnswer) -> Talk {
    assert_eq!(&bed.start("other", TRAP, "no"), others);
    let mut other = Talk::over("other", bed.connect(others));
    other.create([""; 3], false);
    other.start("");
    other
}

/// It lives on, and ends when it is asked to.
pub(crate) fn assert_undisturbed(other: &mut Talk) {
    other.state("");
    other.exec("e", "exit 6");
    other.start("e");
    other.wait("e");
    other.kill("", 15);
    other.wait("");
    other.delete("");
    assert_eq!(
        other.lines,
        [
            "create: pid true",
            "start: pid true",
            "state: other Running 0 false pid true",
            "exec e: ok",
            "start: pid true",
            "wait: 6",
            "kill 15 : ok",
            "wait: 7",
            "delete: 7 true pid true"
        ]
    );
}

/// As many processes as it may have, each of which tries to have one more.
fn a_fork_bomb(bed: &mut Bed, namespaces: &str) {
    let answer = bed.start("c", BOMB, "no");
    let limits = ".linux.resources |= (.pids.limit = 64 | .memory.limit = 268435456)";
    bed.configure("c", &format!("{limits} | .linux.namespaces |= {namespaces}"));
    let mut other = neighbour(bed, &answer);
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.start("");
    bed.run(
        "until [ $(cat /sys/fs/cgroup/pids/shim/c/pids.current) -ge 64 ]; do sleep 0.02; done",
        "c",
        &[],
    );
    let since = Instant::now();
    talk.state("");
    talk.exec("e", "exit 5");
    talk.start("e");
    talk.pids();
    talk.kill("", 9);
    talk.wait("");
    talk.delete("");
    let took = since.elapsed();
    assert!(took < AT_ONCE, "{took:?}");
    // Whether there is room for one more process is the kernel's to say; that it says so is not.
    let (exec, others): (Vec<_>, Vec<_>) = talk.lines[2..].iter().partition(|line| line.starts_with("start"));
    assert!(!exec[0].contains("no answer"), "{exec:?}");
    let wanted = [
        "state: c Running",
        "exec e: ok",
        "pids: some true",
        "kill 9 : ok",
        "wait: 137",
        "delete: 137 true pid true",
    ];
    assert!(
        others
            .iter()
            .zip(wanted)
            .all(|(line, wanted)| line.starts_with(wanted))
            && others.len() == wanted.len(),
        "{others:?}"
    );
    assert_eq!(bed.heard("/tasks/oom", 0), [""; 0]);
    assert_undisturbed(&mut other);
    assert_eq!(bed.run("pgrep -x perl || echo none", "c", &[]), "none\n");
    ends(bed, &answer, &mut other, true);
}

fn a_fork_bomb_is_ended_by_kill(bed: &mut Bed) {
    a_fork_bomb(bed, ".");
}

fn a_fork_bomb_among_the_hosts_processes_is_ended_by_kill(bed: &mut Bed) {
    a_fork_bomb(bed, "map(select(.type != \"pid\"))");
}

fn what_ignores_term_is_ended_by_kill(bed: &mut Bed) {
    let answer = bed.start("c", "trap '' TERM; while :; do sleep 0.05; done", "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.start("");
    talk.exec("e", "trap '' TERM; while :; do sleep 0.05; done");
    talk.start("e");
    for exec in ["", "e"] {
        let request = task::StateRequest {
            id: "c".into(),
            exec_id: exec.into(),
        };
        let state: task::StateResponse = talk.get("State", &request);
        // TERM is 15: the fourth digit from the end has its bit.
        let ignored = format!(
            "until grep -qE '^SigIgn:.*[4-7c-f]...$' /proc/{}/status; do sleep 0.02; done",
            state.pid
        );
        bed.run(&ignored, "c", &[]);
    }
    talk.kill("", 15);
    talk.kill_all(15);
    talk.kill("e", 15);
    talk.state("");
    talk.state("e");
    talk.kill("", 9);
    talk.wait("e");
    talk.wait("");
    talk.state("");
    let exit = bed.run("cat /run/tare/containerd/default/c/exit.json", "c", &[]);
    talk.delete("");
    assert_eq!(
        talk.lines[4..],
        [
            "kill 15 : ok",
            "kill 15 all: ok",
            "kill 15 e: ok",
            "state: c Running 0 false pid true",
            "state: e Running 0 false pid true",
            "kill 9 : ok",
            "wait: 137",
            "wait: 137",
            "state: c Stopped 137 true pid true",
            "delete: 137 true pid true"
        ]
    );
    assert!(
        exit.contains("\"signal\":9") && !exit.contains("\"oom\":{"),
        "{exit}"
    );
    assert_eq!(bed.heard("/tasks/oom", 0), [""; 0]);
    ends(bed, &answer, &mut talk, true);
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
    a_fork_bomb_is_ended_by_kill
    a_fork_bomb_among_the_hosts_processes_is_ended_by_kill
    what_ignores_term_is_ended_by_kill
}
