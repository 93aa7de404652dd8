//! A supervisor is killed (-9), and the next `start` of its pod makes a successor: what lives is taken over, what ended
//! meanwhile is said to be unknown, and what was half done is undone.

use crate::bed::{Bed, OURS, OURS_WITH_CRUN, OURS_WITH_RUNC, TRAP, Talk};
use crate::machine::NEEDS;
use crate::shim::ends;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};
use tare_kit::{Tare, test};
use tare_spec_containerd::{BootstrapAnswer, task};

/// The pids of the supervisor and of a container's first process.
pub(crate) fn pids(talk: &mut Talk) -> (u32, u32) {
    let request = task::ConnectRequest { id: talk.id.clone() };
    let answer: task::ConnectResponse = talk.get("Connect", &request);
    (answer.shim_pid, answer.task_pid)
}

pub(crate) fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, Signal::KILL).expect("kill");
    let until = Instant::now() + Duration::from_secs(20);
    while rustix::process::test_kill_process(pid).is_ok() {
        assert!(Instant::now() < until, "{pid:?} lives on");
        std::thread::yield_now();
    }
}

/// A successor of the supervisor that is killed here.
pub(crate) fn successor(bed: &Bed, before: &BootstrapAnswer, talk: &mut Talk) -> Talk {
    kill(pids(talk).0);
    let answer: BootstrapAnswer = serde_json::from_str(&bed.verb("c", "start")).expect("an answer in JSON");
    assert_eq!(&answer, before);
    Talk::over(&talk.id, bed.connect(&answer))
}

/// What a successor says of a container that was paused.
const TAKEN_OVER: &[&str] = &[
    "state: c Paused 0 false pid true",
    "resume: ok",
    "state: runs Running 0 false pid true",
    "state: ended Stopped 3 true pid true",
    "state: known Created 0 false pid false",
    "pids: some true execs [\"runs\"]",
    "start: pid true",
    "wait: 4",
    "wait: 3",
    "exec new: ok",
    "start: pid true",
    "wait: 5",
    "kill 15 runs: ok",
    "wait: 143",
    "start: Conflict: start c: cannot start a running process",
    "kill 15 : ok",
    "wait: 7",
    "delete: 7 true pid true",
];

/// Everything a pod can hold: containers that run and that wait to be started, processes in them that run, have ended, and
/// are only known.
fn what_lives_is_taken_over(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    bed.start("second", TRAP, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.start("");
    for (exec, script) in [
        ("runs", "exec sleep 1000"),
        ("ended", "exit 3"),
        ("known", "exit 4"),
    ] {
        talk.exec(exec, script);
    }
    talk.start("runs");
    talk.start("ended");
    talk.wait("ended");
    talk.done("pause", "Pause", &task::PauseRequest { id: "c".into() });
    let mut second = Talk::over("second", bed.connect(&answer));
    second.create([""; 3], false);
    let inits = [pids(&mut talk).1, pids(&mut second).1];

    let mut talk = successor(bed, &answer, &mut talk);
    let mut second = Talk::over("second", bed.connect(&answer));
    assert_eq!(inits, [pids(&mut talk).1, pids(&mut second).1]);
    talk.state("");
    talk.done("resume", "Resume", &task::ResumeRequest { id: "c".into() });
    for exec in ["runs", "ended", "known"] {
        talk.state(exec);
    }
    talk.pids();
    talk.start("known");
    talk.wait("known");
    talk.wait("ended");
    talk.exec("new", "exit 5");
    talk.start("new");
    talk.wait("new");
    talk.kill("runs", 15);
    talk.wait("runs");
    talk.start("");
    talk.kill("", 15);
    talk.wait("");
    talk.delete("");
    for (line, wanted) in talk.lines.iter().zip(TAKEN_OVER) {
        assert!(line.starts_with(wanted), "{line}\n{wanted}");
    }
    second.state("");
    second.start("");
    second.kill("", 9);
    second.wait("");
    second.delete("");
    let wanted = [
        "state: second Created 0 false pid true",
        "start: pid true",
        "kill 9 : ok",
        "wait: 137",
        "delete: 137 true pid true",
    ];
    assert_eq!(second.lines, wanted);
    assert_eq!(
        bed.heard("/tasks/exit c", 5).last().map(String::as_str),
        Some("/tasks/exit c c 7")
    );
    ends(bed, &answer, &mut second, true);
}

/// Nobody saw these ends: that is said, and nothing is invented; and the memory that ran out is seen all the same.
fn what_ended_unseen_is_unknown(bed: &mut Bed) {
    // What is asked again while it is at it would begin anew, for ever.
    let script = "trap 'trap \"\" USR1; tail /dev/zero; exit 3' USR1; while :; do sleep 0.05; done";
    let answer = bed.start("c", script, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.start("");
    talk.exec("e", "exec sleep 1000");
    talk.start("e");
    let (shim, init) = pids(&mut talk);
    kill(shim);
    let over = format!(
        "while kill -USR1 {init} && grep -q '^State:.[RSD]' /proc/{init}/status; do sleep 0.02; done || true"
    );
    bed.run(&over, "c", &[]);
    bed.verb("c", "start");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.state("e");
    talk.wait("e");
    talk.wait("");
    let exit = bed.run("cat /run/tare/*/default/c/exit.json", "c", &[]);
    assert!(
        exit.contains(r#""unknown":"its supervisor died before it, and nobody saw its end""#),
        "{exit}"
    );
    assert!(exit.contains(r#""oom":{"limit":33554432"#), "{exit}");
    talk.delete("");
    assert_eq!(
        talk.lines,
        [
            "state: e Stopped 255 true pid true",
            "wait: 255",
            "wait: 255",
            "delete: 255 true pid true"
        ]
    );
    assert_eq!(bed.heard("/tasks/oom", 1), ["/tasks/oom c"]);
    ends(bed, &answer, &mut talk, true);
}

/// Has other processes get these numbers, later: a process is known by its number and the hundredth of a second in which it began
/// (`/proc/PID/stat`), and nobody but this test uses a number twice in one. `$!` is the next one after `ns_last_pid`, unless somebody else forks at that moment.
const USE_AGAIN: &str = "sleep 0.1; for pid in $PIDS; do
  while [ -e /proc/$pid ]; do sleep 0.02; done
  until echo $((pid - 1)) > /proc/sys/kernel/ns_last_pid; sleep 100000 </dev/null >/dev/null 2>&1 & [ $! = $pid ]; do kill $!; done
done";

/// The supervisor, the first process and an executed one are gone, and others have their numbers.
fn bystanders(bed: &Bed, talk: &mut Talk) -> Vec<String> {
    talk.create([""; 3], false);
    talk.start("");
    talk.exec("e", "exec sleep 1000");
    talk.start("e");
    let request = task::StateRequest {
        id: "c".into(),
        exec_id: "e".into(),
    };
    let state: task::StateResponse = talk.get("State", &request);
    let (shim, first) = pids(talk);
    let all = [shim, first, state.pid].map(|pid| pid.to_string()).to_vec();
    kill(shim);
    kill(first);
    bed.run(USE_AGAIN, "c", &[("PIDS", &all.join(" "))]);
    all
}

/// Nobody has touched them.
fn assert_live(bed: &Bed, all: &[String]) {
    let lines = bed.run(
        "ps -o pid=,args= -p $PIDS | tr -s ' ' | sed 's/^ //'",
        "c",
        &[("PIDS", &all.join(","))],
    );
    let mut lines: Vec<&str> = lines.lines().collect();
    let mut wanted: Vec<String> = all.iter().map(|pid| format!("{pid} sleep 100000")).collect();
    lines.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(lines, wanted);
}

/// The numbers on record are other processes': they are no container's, and nobody signals them.
fn a_number_that_is_used_again_is_nobodys(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    let all = bystanders(bed, &mut Talk::over("c", bed.connect(&answer)));
    bed.verb("c", "start");
    let mut talk = Talk::over("c", bed.connect(&answer));
    assert_ne!(pids(&mut talk).0.to_string(), all[0]);
    talk.state("");
    talk.state("e");
    let exit = bed.run("cat /run/tare/*/default/c/exit.json", "c", &[]);
    assert!(
        exit.contains(r#""unknown":"its supervisor died before it"#),
        "{exit}"
    );
    talk.kill("", 9);
    talk.kill("e", 9);
    talk.kill_all(9);
    talk.wait("e");
    talk.wait("");
    talk.delete("e");
    talk.delete("");
    let wanted = [
        "state: c Stopped 255",
        "state: e Stopped 255",
        "kill 9 : NotFound",
        "kill 9 e: NotFound",
    ];
    for (line, wanted) in talk.lines.iter().zip(wanted) {
        assert!(line.starts_with(wanted), "{line}\n{wanted}");
    }
    assert_live(bed, &all);
    ends(bed, &answer, &mut talk, true);

    // Nor does `delete`, where there is no successor.
    bed.run("rm -rf /run/b", "c", &[]);
    let answer = bed.start("c", TRAP, "no");
    let more = bystanders(bed, &mut Talk::over("c", bed.connect(&answer)));
    bed.verb("c", "delete");
    assert_live(bed, &[all.clone(), more.clone()].concat());
    assert_eq!(bed.run("ls /run/tare/pods", "c", &[]), "");
    bed.run(
        "kill $PIDS; rm -f /run/containerd/s/*",
        "c",
        &[("PIDS", &[all, more].concat().join(" "))],
    );
    crate::machine::remove_group("/shim");
}

/// What a dead supervisor has forked holds its socket a moment longer: who starts then is not sent there.
fn a_socket_that_nobody_serves_is_no_supervisors(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    kill(pids(&mut Talk::over("c", bed.connect(&answer))).0);
    let path = answer.address.strip_prefix("unix:///").expect("a socket");
    let path = bed.root.join(path);
    std::fs::remove_file(&path).expect("remove the socket");
    let held = std::os::unix::net::UnixListener::bind(&path).expect("listen");
    let moment = std::thread::spawn(move || {
        let _ = Tare::program("sleep").args(["0.3"]).ok();
        drop(held);
    });
    bed.verb("c", "start");
    moment.join().expect("it ends");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.delete("");
    assert_eq!(talk.lines[0], "create: pid true");
    ends(bed, &answer, &mut talk, true);
}

/// The client's FIFOs are the container's: they go on, and the successor ends the input when it is told to.
fn streams_go_on(bed: &mut Bed) {
    let answer = bed.start("c", "cat; echo over >&2", "no");
    bed.run("mkfifo /run/io.in /run/io.out /run/io.err", "c", &[]);
    let read = |name: &str| {
        let path = bed.root.join("run").join(name);
        std::thread::spawn(move || std::fs::read_to_string(path).expect("read the output"))
    };
    let readers = [read("io.out"), read("io.err")];
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create(["/run/io.in", "/run/io.out", "/run/io.err"], false);
    talk.start("");
    assert_eq!(talk.lines, ["create: pid true", "start: pid true"]);
    // Without any writer an input ends: the client keeps its end while there is no supervisor.
    let input = bed.root.join("run/io.in");
    let writer = std::fs::File::options().write(true).open(&input);
    let mut writer = writer.expect("open the input");
    std::io::Write::write_all(&mut writer, b"before\n").expect("write the input");
    let (shim, _) = pids(&mut talk);
    kill(shim);
    bed.verb("c", "start");
    let mut talk = Talk::over("c", bed.connect(&answer));
    std::io::Write::write_all(&mut writer, b"after\n").expect("write the input");
    drop(writer);
    talk.state("");
    let close = task::CloseIoRequest {
        id: "c".into(),
        stdin: true,
        ..Default::default()
    };
    talk.done("close", "CloseIO", &close);
    talk.wait("");
    talk.delete("");
    assert_eq!(
        talk.lines,
        [
            "state: c Running 0 false pid true",
            "close: ok",
            "wait: 0",
            "delete: 0 true pid true"
        ]
    );
    let output = readers.map(|reader| reader.join().expect("the output ends"));
    assert_eq!(output, ["before\nafter\n", "over\n"]);
    ends(bed, &answer, &mut talk, true);
}

/// A container that was being made is gone, and its name is free.
fn what_was_half_made_is_undone(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    let hook = r#"jq -c '.hooks.createRuntime = [{path: "/bin/sleep", args: ["sleep", "1000"]}]' config.json > new; cp config.json old; mv new config.json"#;
    bed.run(&format!("cd /run/b/$ID; {hook}"), "c", &[]);
    let mut creator = Talk::over("c", bed.connect(&answer));
    let creator = std::thread::spawn(move || {
        creator.create([""; 3], false);
        creator.lines
    });
    bed.run("until pgrep -x sleep; do sleep 0.05; done", "c", &[]);
    let mut talk = Talk::over("c", bed.connect(&answer));
    let mut talk = successor(bed, &answer, &mut talk);
    assert!(creator.join().expect("an answer")[0].contains("Unavailable"));
    talk.state("");
    bed.run(
        "cd /run/b/$ID; mv old config.json; pkill -x sleep || true",
        "c",
        &[],
    );
    talk.create([""; 3], false);
    talk.start("");
    talk.kill("", 9);
    talk.wait("");
    talk.delete("");
    assert!(talk.lines[0].contains("NotFound"), "{:?}", talk.lines);
    assert_eq!(
        talk.lines[1..],
        [
            "create: pid true",
            "start: pid true",
            "kill 9 : ok",
            "wait: 137",
            "delete: 137 true pid true"
        ]
    );
    ends(bed, &answer, &mut talk, true);
}

/// A terminal ends with whoever held its other end, and that is said.
fn a_terminal_hangs_up(bed: &mut Bed) {
    let script = "trap 'exit 6' HUP; echo ready; while :; do sleep 0.05; done";
    let answer = bed.start("c", script, "yes");
    bed.run("mkfifo /run/io.out", "c", &[]);
    let path = bed.root.join("run/io.out");
    let (tell, ready) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut output = BufReader::new(std::fs::File::open(path).expect("open the output"));
        let mut line = String::new();
        output.read_line(&mut line).expect("read the output");
        tell.send(line).expect("somebody listens");
        std::io::copy(&mut output, &mut std::io::sink()).expect("read the output")
    });
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create(["", "/run/io.out", ""], true);
    talk.start("");
    assert_eq!(ready.recv().expect("a line"), "ready\r\n");
    let mut talk = successor(bed, &answer, &mut talk);
    talk.wait("");
    // It ends by HUP when its supervisor does: before its successor came, or after.
    assert!(
        ["wait: 6", "wait: 255"].contains(&talk.lines[0].as_str()),
        "{:?}",
        talk.lines
    );
    talk.delete("");
    reader.join().expect("the output ends");
    ends(bed, &answer, &mut talk, true);
}

/// Each of these as a test of its own, for every shim that is named behind it.
macro_rules! tests {
    ($($shim:ident as $module:ident: $($name:ident)+;)*) => {
        $(mod $module {
            use super::*;
            $(#[test]
            fn $name() {
                test(NEEDS, |world| super::$name(&mut Bed::furnish(world, $shim)));
            })+
        })*
    };
}

tests! {
    OURS as ours:
        what_lives_is_taken_over what_ended_unseen_is_unknown streams_go_on what_was_half_made_is_undone
        a_terminal_hangs_up a_socket_that_nobody_serves_is_no_supervisors a_number_that_is_used_again_is_nobodys;
    OURS_WITH_RUNC as ours_with_runc:
        what_lives_is_taken_over what_ended_unseen_is_unknown streams_go_on what_was_half_made_is_undone
        a_number_that_is_used_again_is_nobodys;
    OURS_WITH_CRUN as ours_with_crun:
        what_lives_is_taken_over what_was_half_made_is_undone;
}
