//! A supervisor becomes another program in the middle of everything: in the same process, and nobody notices but who asked.

use crate::bed::{Bed, OURS, Shim, TRAP, Talk};
use crate::machine::NEEDS;
use crate::shim::ends;
use crate::successor::pids;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use tare_kit::{Need, test};
use tare_spec_containerd::{BootstrapAnswer, Service, task};
use tare_ttrpc::{Client, Connection};

/// Has every supervisor become a copy of the program, made for this.
pub(crate) fn upgrade(bed: &Bed) {
    let said = bed.run("rm -f /run/next; cp $SHIM /run/next; /run/next upgrade", "c", &[]);
    assert_eq!(said, format!("default.c: runs {}\n", env!("CARGO_PKG_VERSION")));
}

/// What a supervisor's process runs.
fn program(bed: &Bed, pid: u32) -> String {
    bed.run(
        &format!("tr '\\0' '\\n' < /proc/{pid}/environ | grep ^TARE_PROGRAM="),
        "c",
        &[],
    )
}

/// What it says on the connection that it had, of a container that was paused before.
const GOES_ON: &[&str] = &[
    "state: c Paused 0 false pid true",
    "resume: ok",
    "state: runs Running 0 false pid true",
    "state: ended Stopped 3 true pid true",
    "state: known Created 0 false pid false",
    "start: pid true",
    "wait: 4",
    "kill 9 runs: ok",
    "kill 15 : ok",
    "wait: 7",
];

/// Waits, processes in every state, a container that waits to be started and one that is paused: all of it goes on.
fn everything_goes_on(bed: &mut Bed) {
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
    let mut second = Talk::over("second", bed.connect(&answer));
    second.create([""; 3], false);
    let waiters: Vec<_> = ["", "runs"]
        .into_iter()
        .map(|exec| {
            let mut waiter = Talk::over("c", bed.connect(&answer));
            std::thread::spawn(move || {
                waiter.wait(exec);
                waiter.lines
            })
        })
        .collect();
    talk.done("pause", "Pause", &task::PauseRequest { id: "c".into() });
    let before = [pids(&mut talk), pids(&mut second)];
    talk.lines.clear();

    upgrade(bed);
    assert_eq!(program(bed, before[0].0), "TARE_PROGRAM=/run/next\n");
    // Each on the connection that it had.
    assert_eq!(before, [pids(&mut talk), pids(&mut second)]);
    talk.state("");
    talk.done("resume", "Resume", &task::ResumeRequest { id: "c".into() });
    for exec in ["runs", "ended", "known"] {
        talk.state(exec);
    }
    talk.start("known");
    talk.wait("known");
    upgrade(bed);
    talk.kill("runs", 9);
    talk.kill("", 15);
    talk.wait("");
    assert_eq!(talk.lines, GOES_ON);
    let waited: Vec<_> = waiters
        .into_iter()
        .map(|w| w.join().expect("an answer"))
        .collect();
    assert_eq!(waited, [["wait: 7"], ["wait: 137"]]);
    talk.delete("");
    second.start("");
    second.kill("", 9);
    second.wait("");
    second.delete("");
    assert_eq!(
        second.lines[1..],
        [
            "start: pid true",
            "kill 9 : ok",
            "wait: 137",
            "delete: 137 true pid true"
        ]
    );
    // Each event once.
    let events = bed.heard("/tasks/exit", 5);
    let wanted = [
        "c ended 3",
        "c known 4",
        "c runs 137",
        "c c 7",
        "second second 137",
    ];
    assert_eq!(events, wanted.map(|line| format!("/tasks/exit {line}")));
    ends(bed, &answer, &mut second, true);
}

/// A request of which half has come, and an answer to it afterwards.
fn half_a_request_goes_on(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.start("");
    let path = answer.address.strip_prefix("unix:///").expect("a socket");
    let mut stream = UnixStream::connect(bed.root.join(path)).expect("connect");
    let mut client = Client::new();
    let request = tare_spec_containerd::Message::encode_to_vec(&task::StateRequest {
        id: "c".into(),
        ..Default::default()
    });
    let asked = client
        .call(
            Service::TaskV3.name(),
            "State",
            &request,
            None,
            std::time::Instant::now(),
        )
        .expect("a call");
    let (first, second) = client.output().split_at(17);
    stream.write_all(first).expect("write");
    // It has been read when this is answered.
    talk.state("");
    upgrade(bed);
    stream.write_all(second).expect("write");
    let mut room = [0; 4096];
    let count = stream.read(&mut room).expect("read");
    let reply = client.next(&mut &room[..count]).expect("a whole answer");
    assert_eq!(reply.stream, asked);
    assert!(reply.outcome.is_ok());
    talk.kill("", 9);
    talk.wait("");
    talk.delete("");
    ends(bed, &answer, &mut talk, true);
}

/// What is typed and printed before, meanwhile and after; and the terminal is the same, with its size.
fn a_terminal_goes_on(bed: &mut Bed) {
    let script = "stty -echo; while read word; do echo got $word; done; stty size; exit 5";
    let answer = bed.start("c", script, "yes");
    bed.run("mkfifo /run/io.in /run/io.out", "c", &[]);
    let path = bed.root.join("run/io.out");
    let reader = std::thread::spawn(move || std::fs::read_to_string(path).expect("read the output"));
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create(["/run/io.in", "/run/io.out", ""], true);
    talk.start("");
    let resize = task::ResizePtyRequest {
        id: "c".into(),
        width: 81,
        height: 26,
        ..Default::default()
    };
    talk.done("resize", "ResizePty", &resize);
    let mut input = std::fs::File::options()
        .write(true)
        .open(bed.root.join("run/io.in"))
        .expect("open the input");
    let mut say = |word: &str| input.write_all(word.as_bytes()).expect("type");
    say("before\n");
    say("half");
    upgrade(bed);
    say("way\n");
    upgrade(bed);
    say("after\n\u{4}");
    talk.wait("");
    talk.delete("");
    let output = reader.join().expect("the output ends");
    for wanted in ["got before\r\n", "got halfway\r\n", "got after\r\n", "26 81\r\n"] {
        assert!(output.contains(wanted), "{output:?}");
    }
    assert_eq!(talk.lines[3..], ["wait: 5", "delete: 5 true pid true"]);
    ends(bed, &answer, &mut talk, true);
}

/// Streams, a logging program, and memory that runs out: as if nothing had happened.
fn streams_and_memory_go_on(bed: &mut Bed) {
    let log = "binary:///bin/sh?-c&exec 5<%262; cat <%263 > /run/log".replace(' ', "%20");
    let answer = bed.start("c", "read go; echo $go; tail /dev/zero; exit 9", "no");
    bed.run("mkfifo /run/io.in", "c", &[]);
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create(["/run/io.in", &log, &log], false);
    talk.start("");
    upgrade(bed);
    std::fs::write(bed.root.join("run/io.in"), "went\n").expect("write the input");
    talk.wait("");
    talk.delete("");
    assert_eq!(
        talk.lines,
        [
            "create: pid true",
            "start: pid true",
            "wait: 9",
            "delete: 9 true pid true"
        ]
    );
    assert_eq!(
        bed.heard("/tasks/", 5)[2..4],
        ["/tasks/oom c", "/tasks/exit c c 9"]
    );
    assert_eq!(bed.run("cat /run/log", "c", &[]), "went\n");
    ends(bed, &answer, &mut talk, true);
}

/// A log that is written all the while, by a child of the one program and then of the other: each line is in it once.
fn a_log_goes_on(bed: &mut Bed) {
    let script = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); echo $i; done";
    let answer = bed.start("c", script, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    let log = "json-file:///run/x-json.log";
    talk.create(["", log, log], false);
    talk.start("");
    for _ in 0..3 {
        upgrade(bed);
    }
    talk.wait("");
    talk.delete("");
    assert_eq!(
        talk.lines,
        [
            "create: pid true",
            "start: pid true",
            "wait: 0",
            "delete: 0 true pid true"
        ]
    );
    let lines = bed.run("jq -j .log /run/x-json.log", "c", &[]);
    let wanted: Vec<String> = (1..=30000).map(|n| n.to_string()).collect();
    assert!(lines.lines().eq(&wanted), "{} lines", lines.lines().count());
    let zombies = "while ps -o stat= --ppid $(pgrep -f 'containerd-shim-tare-v2 -namespace') | grep -q Z; do sleep 0.05; done";
    bed.run(zombies, "c", &[]);
    ends(bed, &answer, &mut talk, true);
}

/// The program that it was started from is gone, and another one lies there.
fn the_program_may_be_replaced(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.start("");
    bed.run(
        "cp $SHIM /run/next; /run/next upgrade; rm /run/next; printf nonsense > /run/next",
        "c",
        &[],
    );
    talk.exec("e", "exit 3");
    talk.start("e");
    talk.wait("e");
    upgrade(bed);
    talk.state("e");
    talk.kill("", 9);
    talk.wait("");
    talk.delete("");
    assert_eq!(talk.lines[4..6], ["wait: 3", "state: e Stopped 3 true pid true"]);
    ends(bed, &answer, &mut talk, true);
}

/// What is no supervisor, or does not understand the state, is refused with its own words, and nothing has happened.
fn what_cannot_take_over_is_refused(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.start("");
    let before = pids(&mut talk);
    let path = answer.address.strip_prefix("unix:///").expect("a socket");
    let mut door = Connection::connect(&bed.root.join(path)).expect("connect");
    bed.run(
        "printf nonsense > /run/nonsense; chmod 755 /run/nonsense",
        "c",
        &[],
    );
    for (program, why) in [
        (
            "/bin/true",
            "it does not take this supervisor over: exit status: 0",
        ),
        (
            "/bin/false",
            "it does not take this supervisor over: exit status: 1",
        ),
        ("/bin/cat", "it does not take this supervisor over: "),
        ("/run/nonsense", "try the new program"),
        ("/nosuch", "/nosuch"),
        ("bin/true", "bin/true: it is no absolute path"),
    ] {
        let outcome = door.call::<String>(
            "tare.supervisor.v1.Supervisor",
            "Upgrade",
            &program.to_owned(),
            Some(Duration::from_secs(40)),
        );
        let told = outcome.expect_err(program).to_string();
        assert!(told.contains(why), "{program}: {told}");
    }
    assert_eq!(before, pids(&mut talk));
    talk.exec("e", "exit 3");
    talk.start("e");
    talk.wait("e");
    talk.kill("", 9);
    talk.wait("");
    talk.delete("");
    assert_eq!(talk.lines[4..6], ["wait: 3", "kill 9 : ok"]);
    ends(bed, &answer, &mut talk, true);
}

/// What was upgraded and then killed has a successor as everything has.
fn a_successor_follows_an_upgrade(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.start("");
    talk.exec("e", "exec sleep 1000");
    talk.start("e");
    upgrade(bed);
    crate::successor::kill(pids(&mut talk).0);
    bed.verb("c", "start");
    upgrade(bed);
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.kill("e", 9);
    talk.wait("e");
    talk.kill("", 15);
    talk.wait("");
    talk.delete("");
    assert_eq!(
        talk.lines,
        [
            "kill 9 e: ok",
            "wait: 137",
            "kill 15 : ok",
            "wait: 7",
            "delete: 7 true pid true"
        ]
    );
    ends(bed, &answer, &mut talk, true);
}

/// The supervisor of an earlier commit.
const EARLIER: &Shim = &Shim {
    program: "/opt/tare/earlier/containerd-shim-tare-v2",
    ..*OURS
};

/// Has the supervisor become a copy of this program, and sees that it has.
fn become_program(bed: &Bed, talk: &mut Talk, program: &str) {
    bed.run(&format!("rm -f /run/next; cp {program} /run/next"), "c", &[]);
    let said = bed.run("/run/next upgrade", "c", &[]);
    assert_eq!(said, format!("default.c: runs {}\n", env!("CARGO_PKG_VERSION")));
    let (supervisor, _) = pids(talk);
    bed.run(&format!("cmp /proc/{supervisor}/exe {program}"), "c", &[]);
}

/// A request that comes in pieces, each read by another program.
struct Pieces {
    stream: UnixStream,
    client: Client,
    left: Vec<u8>,
    asked: u32,
}

impl Pieces {
    fn of_state(bed: &Bed, answer: &BootstrapAnswer) -> Pieces {
        let path = answer.address.strip_prefix("unix:///").expect("a socket");
        let stream = UnixStream::connect(bed.root.join(path)).expect("connect");
        let mut client = Client::new();
        let request = tare_spec_containerd::Message::encode_to_vec(&task::StateRequest {
            id: "c".into(),
            ..Default::default()
        });
        let name = Service::TaskV3.name();
        let asked = client.call(name, "State", &request, None, Instant::now());
        let left = client.output().to_vec();
        Pieces {
            stream,
            client,
            left,
            asked: asked.expect("a call"),
        }
    }

    /// Sends some of it; what is asked next, elsewhere, is answered after that was read.
    fn send(&mut self, count: usize) {
        let rest = self.left.split_off(count.min(self.left.len()));
        self.stream.write_all(&self.left).expect("write");
        self.left = rest;
    }

    fn finish(mut self) {
        self.send(usize::MAX);
        let mut room = [0; 4096];
        let count = self.stream.read(&mut room).expect("read");
        let reply = self.client.next(&mut &room[..count]).expect("a whole answer");
        assert_eq!(reply.stream, self.asked);
        assert!(reply.outcome.is_ok());
    }
}

/// From an earlier build to this one, back, and here again: with a terminal, a wait for an exec, a log under way, and a request
/// that comes in pieces.
fn there_and_back_between_two_builds(bed: &mut Bed) {
    let typed = "stty -echo; while read word; do echo got $word; done; stty size; exit 5";
    let answer = bed.start("c", typed, "yes");
    let counts = "trap 'exit 0' TERM; i=0; while :; do i=$((i+1)); echo $i; sleep 0.002; done";
    bed.start("logs", counts, "no");
    bed.run("mkfifo /run/io.in /run/io.out", "c", &[]);
    let path = bed.root.join("run/io.out");
    let reader = std::thread::spawn(move || std::fs::read_to_string(path).expect("read the output"));
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create(["/run/io.in", "/run/io.out", ""], true);
    talk.start("");
    let resize = task::ResizePtyRequest {
        id: "c".into(),
        width: 81,
        height: 26,
        ..Default::default()
    };
    talk.done("resize", "ResizePty", &resize);
    talk.exec("waited", "exec sleep 1000");
    talk.start("waited");
    let mut waiter = Talk::over("c", bed.connect(&answer));
    let waiter = std::thread::spawn(move || {
        waiter.wait("waited");
        waiter.lines
    });
    let mut logs = Talk::over("logs", bed.connect(&answer));
    let log = "json-file:///run/x-json.log";
    logs.create(["", log, log], false);
    logs.start("");
    let mut input = std::fs::File::options()
        .write(true)
        .open(bed.root.join("run/io.in"))
        .expect("open the input");
    let mut pieces = Pieces::of_state(bed, &answer);
    let before = [pids(&mut talk), pids(&mut logs)];
    for (number, program) in [OURS, EARLIER, OURS].map(|shim| shim.program).iter().enumerate() {
        input
            .write_all(format!("before {number}\nhalf").as_bytes())
            .expect("type");
        pieces.send(9);
        talk.state("waited");
        become_program(bed, &mut talk, program);
        input
            .write_all(format!("way {number}\n").as_bytes())
            .expect("type");
        assert_eq!(before, [pids(&mut talk), pids(&mut logs)]);
        talk.exec(&format!("e{number}"), &format!("exit {number}"));
        talk.start(&format!("e{number}"));
        talk.wait(&format!("e{number}"));
        let executed = talk.lines.split_off(talk.lines.len() - 3);
        let wanted = [
            &format!("exec e{number}: ok"),
            "start: pid true",
            &format!("wait: {number}"),
        ];
        assert_eq!(executed, wanted);
    }
    pieces.finish();
    talk.kill("waited", 9);
    assert_eq!(waiter.join().expect("an answer"), ["wait: 137"]);
    input.write_all(b"\x04").expect("type");
    talk.wait("");
    talk.delete("");
    assert_eq!(
        talk.lines[talk.lines.len() - 2..],
        ["wait: 5", "delete: 5 true pid true"]
    );
    let output = reader.join().expect("the output ends");
    let echoed: String = (0..3)
        .map(|n| format!("got before {n}\r\ngot halfway {n}\r\n"))
        .collect();
    assert!(output.contains(&format!("{echoed}26 81\r\n")), "{output:?}");
    logs.kill("", 15);
    logs.wait("");
    logs.delete("");
    assert_eq!(logs.lines[3..], ["wait: 0", "delete: 0 true pid true"]);
    let lines = bed.run("jq -j .log /run/x-json.log", "c", &[]);
    let count = lines.lines().count();
    let wanted: Vec<String> = (1..=count).map(|n| n.to_string()).collect();
    assert!(lines.lines().eq(&wanted) && count > 20, "{count} lines");
    ends(bed, &answer, &mut logs, true);
}

#[test]
fn there_and_back() {
    test(&[NEEDS, &[Need::Earlier]].concat(), |world| {
        there_and_back_between_two_builds(&mut Bed::furnish(world, EARLIER));
    });
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
    everything_goes_on
    half_a_request_goes_on
    a_terminal_goes_on
    streams_and_memory_go_on
    a_log_goes_on
    the_program_may_be_replaced
    what_cannot_take_over_is_refused
    a_successor_follows_an_upgrade
}
