//! containerd's own shim driven by our client, as containerd drives it: what docs/design/shim-v2.md says of answers, codes,
//! events and streams, seen. A shim of ours is driven by the same tables.

use crate::bed::{Bed, OURS, OURS_WITH_CRUN, OURS_WITH_OURS, OURS_WITH_RUNC, RUNCS, SHIM, Shim, TRAP, Talk};
use crate::machine::{self, NEEDS};
use crate::successor::{kill, pids};
use std::time::{Duration, Instant};
use tare_kit::test;
use tare_spec_containerd::{Any, BootstrapAnswer, Message, Timestamp, task, types, typeurl};

/// Before and after the creation of a container, and the life of an exec.
fn first_half(talk: &mut Talk) {
    let connect = task::ConnectRequest { id: talk.id.clone() };
    let connected = |a: task::ConnectResponse| format!("shim {} task {}", a.shim_pid > 0, a.task_pid > 0);
    talk.ask("connect", "Connect", &connect, connected);
    talk.state("");
    talk.create([""; 3], false);
    talk.state("");
    talk.exec("early", "true");
    talk.delete("nosuch");
    talk.start("");
    talk.start("");
    talk.state("");
    talk.ask("connect", "Connect", &connect, connected);
    talk.exec("e", "exec sleep 1000");
    talk.exec("e", "true");
    talk.state("e");
    talk.kill("e", 9);
    talk.start("e");
    talk.pids();
    talk.kill("e", 9);
    talk.wait("e");
    talk.state("e");
    talk.kill("e", 9);
    talk.delete("e");
    talk.delete("e");
    talk.wait("e");
}

/// Pause, what changes nothing, and the end.
fn second_half(talk: &mut Talk) {
    talk.done("pause", "Pause", &task::PauseRequest { id: talk.id.clone() });
    talk.state("");
    talk.exec("late", "true");
    talk.done("resume", "Resume", &task::ResumeRequest { id: talk.id.clone() });
    talk.done(
        "resize",
        "ResizePty",
        &task::ResizePtyRequest {
            id: talk.id.clone(),
            width: 80,
            height: 25,
            ..Default::default()
        },
    );
    talk.done(
        "close",
        "CloseIO",
        &task::CloseIoRequest {
            id: talk.id.clone(),
            stdin: true,
            ..Default::default()
        },
    );
    talk.done(
        "update",
        "Update",
        &task::UpdateTaskRequest {
            id: talk.id.clone(),
            resources: Some(Any::json(
                typeurl::LINUX_RESOURCES,
                br#"{"pids":{"limit":50}}"#.to_vec(),
            )),
            ..Default::default()
        },
    );
    talk.ask(
        "stats",
        "Stats",
        &task::StatsRequest { id: talk.id.clone() },
        |a: task::StatsResponse| a.stats.map(|any| any.type_url).unwrap_or_default(),
    );
    talk.delete("");
    talk.done(
        "shutdown",
        "Shutdown",
        &task::ShutdownRequest {
            id: talk.id.clone(),
            now: false,
        },
    );
    talk.done("no such method", "Frobnicate", &());
    talk.exec("f", "exec sleep 1000");
    talk.start("f");
    talk.kill("", 15);
    talk.wait("");
    talk.state("");
    talk.pids();
    talk.kill("", 9);
    talk.exec("after", "true");
    talk.start("");
    talk.delete("");
    talk.state("");
    talk.delete("");
}

/// What containerd's shim says to all that. Its `Internal` is the code UNKNOWN: a failure that it has no word for.
const SAID: &[&str] = &[
    "connect: shim true task false",
    "state: NotFound: container not created: not found",
    "create: pid true",
    "state: c Created 0 false pid true",
    "exec early: ok",
    "delete: NotFound: process does not exist nosuch: not found",
    "start: pid true",
    "start: Internal: cannot start a running process",
    "state: c Running 0 false pid true",
    "connect: shim true task true",
    "exec e: ok",
    "exec e: AlreadyExists: id e: already exists",
    "state: e Created 0 false pid false",
    "kill 9 e: Conflict: process not created: failed precondition",
    "start: pid true",
    "pids: some true execs [\"e\"]",
    "kill 9 e: ok",
    "wait: 137",
    "state: e Stopped 137 true pid true",
    "kill 9 e: NotFound: process already finished: not found",
    "delete: 137 true pid true",
    "delete: NotFound: process does not exist e: not found",
    "wait: NotFound: process does not exist e: not found",
    "pause: ok",
    "state: c Paused 0 false pid true",
    "exec late: Internal: cannot exec in a paused state",
    "resume: ok",
    "resize: ok",
    "close: ok",
    "update: ok",
    "stats: io.containerd.cgroups.v1.Metrics",
    "delete: Internal: cannot delete a running process",
    "shutdown: ok",
    "no such method: Unsupported: method Frobnicate",
    "exec f: ok",
    "start: pid true",
    "kill 15 : ok",
    "wait: 7",
    "state: c Stopped 7 true pid true",
    "pids: some false execs []",
    "kill 9 : NotFound: process already finished: not found",
    "exec after: Internal: cannot exec in a stopped state",
    "start: Internal: cannot start a stopped process",
    "delete: 7 true pid true",
    "state: NotFound: container not created: not found",
    "delete: NotFound: container not created: not found",
];

const HEARD: &[&str] = &[
    "/tasks/create c",
    "/tasks/exec-added c early",
    "/tasks/start c",
    "/tasks/exec-added c e",
    "/tasks/exec-started c e",
    "/tasks/exit c e 137",
    "/tasks/paused c",
    "/tasks/resumed c",
    "/tasks/exec-added c f",
    "/tasks/exec-started c f",
    "/tasks/exit c f 137",
    "/tasks/exit c c 7",
    "/tasks/delete c \"\" 7",
];

/// The same of a shim, which may have texts of its own and knows a word for what the state does not allow. Ours names the pid
/// of what has exited, so that a containerd that is started again does not take it for a leak.
fn said_by(shim: &Shim) -> Vec<String> {
    let ours = |line: &&str| {
        let line = line
            .replace(": Internal: ", ": Conflict: ")
            .replace("some false", "some true");
        let kinds = ["NotFound", "Conflict", "AlreadyExists", "Unsupported"];
        let kind = kinds
            .iter()
            .find_map(|kind| line.find(kind).map(|at| at + kind.len()));
        kind.map_or(line.clone(), |end| line[..end].to_owned())
    };
    match shim.name == RUNCS.name {
        true => SAID.iter().map(|&line| line.to_owned()).collect(),
        false => SAID.iter().map(ours).collect(),
    }
}

/// Where the group's last container is gone, so is the shim, and its socket.
pub(crate) fn ends(bed: &Bed, answer: &BootstrapAnswer, talk: &mut Talk, last: bool) {
    talk.done(
        "shutdown",
        "Shutdown",
        &task::ShutdownRequest {
            id: talk.id.clone(),
            now: false,
        },
    );
    // As containerd, which takes it for success that the shim is gone before it has answered.
    let line = talk.lines.pop().unwrap_or_default();
    assert!(
        line == "shutdown: ok" || (last && line.starts_with("shutdown: Unavailable")),
        "{line}"
    );
    if !last {
        return;
    }
    let path = answer
        .address
        .strip_prefix("unix:///")
        .expect("a socket's address");
    let until = Instant::now() + Duration::from_secs(20);
    while bed.root.join(path).exists() {
        assert!(Instant::now() < until, "{path} is there still");
        std::thread::yield_now();
    }
    machine::remove_group("/shim");
    assert_eq!(
        machine::groups()
            .iter()
            .filter(|g| g.starts_with("/shim"))
            .count(),
        0
    );
}

fn calls_and_events(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    assert_eq!((answer.version, answer.protocol.as_str()), (3, "ttrpc"));
    let sum = "printf %s /run/containerd/containerd.sock/default/c | sha256sum | cut -d' ' -f1";
    let sum = bed.run(sum, "c", &[]);
    assert_eq!(answer.address, format!("unix:///run/containerd/s/{}", sum.trim()));
    // Another container of the pod has the same shim.
    assert_eq!(bed.start("second", TRAP, "no"), answer);
    let mut talk = Talk::over("c", bed.connect(&answer));
    first_half(&mut talk);
    second_half(&mut talk);
    let wanted = said_by(bed.shim);
    for (line, wanted) in talk.lines.iter().zip(&wanted) {
        assert!(
            line == wanted || (line.starts_with(wanted.as_str()) && bed.shim.name != RUNCS.name),
            "{line}\n{wanted}"
        );
    }
    assert_eq!(talk.lines.len(), wanted.len());
    assert_eq!(bed.heard("/tasks/", HEARD.len()), HEARD);
    ends(bed, &answer, &mut talk, true);
}

/// FIFOs as a client of containerd makes them; what is written into the standard input; all of the output, whose end
/// comes when the process ends, before anything is deleted.
fn streams(bed: &mut Bed, script: &str, tty: &str, input: &str) -> (Vec<String>, String) {
    let answer = bed.start("c", script, tty);
    bed.run("mkfifo /run/io.in /run/io.out /run/io.err", "c", &[]);
    let read = |name: &str| {
        let path = bed.root.join("run").join(name);
        std::thread::spawn(move || std::fs::read_to_string(path).expect("read the output"))
    };
    let readers = [Some(read("io.out")), (tty == "no").then(|| read("io.err"))];
    let mut talk = Talk::over("c", bed.connect(&answer));
    let error = if tty == "no" { "/run/io.err" } else { "" };
    talk.create(["/run/io.in", "/run/io.out", error], tty == "yes");
    assert_eq!(talk.lines, ["create: pid true"]);
    talk.done(
        "resize",
        "ResizePty",
        &task::ResizePtyRequest {
            id: talk.id.clone(),
            width: 81,
            height: 26,
            ..Default::default()
        },
    );
    talk.start("");
    std::fs::write(bed.root.join("run/io.in"), input).expect("write the input");
    if tty == "no" {
        // The writer is gone, and the process reads on until this.
        talk.done(
            "close",
            "CloseIO",
            &task::CloseIoRequest {
                id: talk.id.clone(),
                stdin: true,
                ..Default::default()
            },
        );
    }
    talk.wait("");
    let output = readers
        .into_iter()
        .flatten()
        .map(|r| r.join().expect("the output ends"))
        .collect();
    talk.delete("");
    ends(bed, &answer, &mut talk, true);
    (talk.lines, output)
}

fn streams_end_with_their_process(bed: &mut Bed) {
    let said = |code: u32| {
        let last = [format!("wait: {code}"), format!("delete: {code} true pid true")];
        ["create: pid true", "resize: ok", "start: pid true", "close: ok"]
            .map(str::to_owned)
            .into_iter()
            .chain(last)
            .collect::<Vec<_>>()
    };
    let (lines, output) = streams(bed, "cat; echo end; echo bad >&2; exit 3", "no", "one\ntwo\n");
    assert_eq!((lines, output.as_str()), (said(3), "one\ntwo\nend\nbad\n"));
}

fn a_terminal_has_its_size(bed: &mut Bed) {
    let (lines, output) = streams(
        bed,
        "stty -echo size; read x; echo got $x; exit 4",
        "yes",
        "word\n",
    );
    assert_eq!(lines[..3], ["create: pid true", "resize: ok", "start: pid true"]);
    assert_eq!(lines[3..], ["wait: 4", "delete: 4 true pid true"]);
    assert!(
        output.contains("26 81\r\n") && output.ends_with("got word\r\n"),
        "{output:?}"
    );
}

/// The shim is killed under a container: `delete` ends that, says so, and may be said again.
fn delete_cleans_up_after_a_shim(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.start("");
    let (mut shim, mut init) = (0, 0);
    talk.ask(
        "connect",
        "Connect",
        &task::ConnectRequest { id: talk.id.clone() },
        |a: task::ConnectResponse| {
            (shim, init) = (a.shim_pid, a.task_pid);
            String::new()
        },
    );
    kill(shim);
    for round in 1..=2 {
        let bytes = bed.bytes(&SHIM.replace("$ARGS", "-bundle /run/b/c delete 2>/dev/null"), "c");
        let answer = task::DeleteResponse::decode(bytes.as_slice()).expect("an answer");
        assert_eq!(answer.exit_status, 137);
        // The second time it may be forgotten.
        assert!(answer.pid == init || round == 2, "{} and not {init}", answer.pid);
        assert!(answer.exited_at.and_then(Timestamp::time).is_some());
    }
    machine::remove_group("/shim");
}

fn a_shim_says_what_it_is(bed: &mut Bed) {
    assert!(bed.run("$SHIM -v", "c", &[]).contains("Version:"));
    let bytes = bed.bytes("$SHIM -info </dev/null", "c");
    let info = types::RuntimeInfo::decode(bytes.as_slice()).expect("an answer");
    assert_eq!(info.name, bed.shim.name);
    let features = info.features.expect("features");
    assert_eq!(features.type_url, typeurl::FEATURES);
    assert!(String::from_utf8_lossy(&features.value).contains("\"idmap\":{\"enabled\":true"));
}

/// The lines of a file on the machine, sorted, when there are so many.
fn lines_of(bed: &Bed, path: &str, count: usize) -> Vec<String> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let text = std::fs::read_to_string(bed.root.join(path)).unwrap_or_default();
        if text.lines().count() >= count || Instant::now() > until {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            return lines;
        }
        std::thread::yield_now();
    }
}

/// Output that goes to this address, and arrives in this file.
fn output(bed: &mut Bed, address: &str, file: &str, wanted: &[&str]) {
    let answer = bed.start("c", "echo out; echo bad >&2", "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create(["", address, address], false);
    assert_eq!(talk.lines, ["create: pid true"]);
    talk.start("");
    talk.wait("");
    assert_eq!(lines_of(bed, file, wanted.len()), wanted);
    talk.delete("");
    ends(bed, &answer, &mut talk, true);
    assert_eq!(
        talk.lines[1..],
        ["start: pid true", "wait: 0", "delete: 0 true pid true"]
    );
}

fn a_file_takes_output(bed: &mut Bed) {
    output(
        bed,
        "file:///run/new/folder/log",
        "run/new/folder/log",
        &["bad", "out"],
    );
}

/// nerdctl's way of logging.
fn a_program_takes_output(bed: &mut Bed) {
    let logger = r#"cat > /run/logger <<'END'
#!/bin/sh
exec 5>&- >>/run/logged
echo "$CONTAINER_ID $CONTAINER_NAMESPACE $*"
cat <&3 & cat <&4 & wait
END
chmod 755 /run/logger"#;
    bed.run(logger, "", &[]);
    output(
        bed,
        "binary:///run/logger?key=value",
        "run/logged",
        &["bad", "c default key value", "out"],
    );
}

/// containerd goes away, with calls in flight, and comes back; two containers of a pod are one shim's, and live and end apart.
fn clients_come_back_to_two_of_a_pod(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    assert_eq!(bed.start("d", TRAP, "no"), answer);
    for id in ["c", "d"] {
        let mut talk = Talk::over(id, bed.connect(&answer));
        talk.create([""; 3], false);
        talk.start("");
        assert_eq!(talk.lines, ["create: pid true", "start: pid true"]);
        // A call that will not be answered while this connection is there.
        let request = task::WaitRequest {
            id: id.into(),
            ..Default::default()
        };
        let moment = Some(Duration::from_millis(50));
        let wait =
            talk.connection
                .call::<task::WaitResponse>("containerd.task.v3.Task", "Wait", &request, moment);
        assert!(wait.is_err());
    }
    for id in ["c", "d"] {
        let mut waiter = Talk::over(id, bed.connect(&answer));
        let waiter = std::thread::spawn(move || {
            waiter.wait("");
            waiter.lines
        });
        let mut talk = Talk::over(id, bed.connect(&answer));
        talk.state("");
        talk.kill("", 15);
        assert_eq!(waiter.join().expect("an answer"), ["wait: 7"]);
        talk.delete("");
        let state = format!("state: {id} Running 0 false pid true");
        assert_eq!(talk.lines, [&state, "kill 15 : ok", "delete: 7 true pid true"]);
        ends(bed, &answer, &mut talk, id == "d");
    }
}

/// What happens while nobody listens is told to the next one who does, and holds up nobody.
fn events_wait_for_containerd(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.start("");
    assert_eq!(bed.heard("/tasks/", 2), ["/tasks/create c", "/tasks/start c"]);
    bed.deafen();
    talk.exec("e", "exit 5");
    talk.start("e");
    talk.wait("e");
    talk.kill("", 15);
    talk.wait("");
    assert_eq!(
        talk.lines[2..],
        [
            "exec e: ok",
            "start: pid true",
            "wait: 5",
            "kill 15 : ok",
            "wait: 7"
        ]
    );
    bed.listen();
    bed.heard("exit c c", 1);
    let mut heard = bed.heard("/tasks/", 6);
    // One whose answer was lost is told again.
    heard.dedup();
    let told =
        ["exec-added c e", "exec-started c e", "exit c e 5", "exit c c 7"].map(|e| format!("/tasks/{e}"));
    assert!(told.iter().all(|event| heard.contains(event)), "{heard:?}");
    // containerd's own tries each again after a time of its own, and so in any order.
    assert!(heard[2..] == told || bed.shim.name == RUNCS.name, "{heard:?}");
    talk.delete("");
    ends(bed, &answer, &mut talk, true);
}

/// The same name again, at once: as `docker restart` has it. Nobody hears events meanwhile, so that a shim may be long in
/// leaving; the one that answers then keeps its container.
fn a_name_is_used_again_at_once(bed: &mut Bed) {
    bed.deafen();
    for round in 0..3 {
        let answer = match round {
            0 => bed.start("c", TRAP, "no"),
            _ => serde_json::from_str(&bed.verb("c", "start")).expect("an answer in JSON"),
        };
        let mut talk = Talk::over("c", bed.connect(&answer));
        talk.create([""; 3], false);
        talk.start("");
        if round == 2 {
            // Longer than a shim takes to leave.
            let moment = Some(Duration::from_millis(2500));
            let request = task::WaitRequest {
                id: "c".into(),
                ..Default::default()
            };
            let wait = talk.connection.call::<task::WaitResponse>(
                "containerd.task.v3.Task",
                "Wait",
                &request,
                moment,
            );
            let error = wait.expect_err("it runs");
            assert_ne!(error.reason(), Some("the connection has ended"));
        }
        talk.kill("", 9);
        talk.wait("");
        talk.delete("");
        if round == 2 {
            bed.listen();
            ends(bed, &answer, &mut talk, true);
        } else {
            talk.done(
                "shutdown",
                "Shutdown",
                &task::ShutdownRequest {
                    id: "c".into(),
                    now: false,
                },
            );
        }
        let said = [
            "create: pid true",
            "start: pid true",
            "kill 9 : ok",
            "wait: 137",
            "delete: 137 true pid true",
        ];
        assert_eq!(talk.lines[..5], said, "round {round}");
    }
}

/// More memory than there may be: a killed child, and then init.
fn the_lack_of_memory_is_told(bed: &mut Bed) {
    let answer = bed.start("c", "tail /dev/zero; exit 9", "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.start("");
    talk.wait("");
    let heard = bed.heard("/tasks/", 4);
    assert!(heard.contains(&"/tasks/oom c".to_owned()), "{heard:?}");
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
    if bed.shim.name != RUNCS.name {
        // containerd's own may tell it after the exit, where a kubelet reads the reason no more.
        assert_eq!(
            heard,
            [
                "/tasks/create c",
                "/tasks/start c",
                "/tasks/oom c",
                "/tasks/exit c c 9"
            ]
        );
    }
    ends(bed, &answer, &mut talk, true);
}

/// A client that cannot wait any longer deletes what is still being made: here, while a hook runs. runc's shim waits for the
/// hook.
fn what_is_being_made_can_be_deleted(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    let hook = r#"jq -c '.hooks.createRuntime = [{path: "/bin/sleep", args: ["sleep", "1000"]}]' config.json > new; mv new config.json"#;
    bed.run(&format!("cd /run/b/$ID; {hook}"), "c", &[]);
    let mut creator = Talk::over("c", bed.connect(&answer));
    let creator = std::thread::spawn(move || {
        creator.create([""; 3], false);
        creator.lines
    });
    bed.run("until pgrep -x sleep; do sleep 0.05; done", "c", &[]);
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.delete("");
    assert_eq!(talk.lines, ["delete: 137 true pid false"]);
    let told = creator.join().expect("an answer");
    assert!(
        told[0].contains("it was deleted while it was created"),
        "{told:?}"
    );
    bed.run("while pgrep -x sleep; do sleep 0.05; done", "c", &[]);
    ends(bed, &answer, &mut talk, true);
}

/// An exec that is killed leaves nothing: not what it started, nor what that has. Where it has no group of its own, under a
/// foreign runtime, a daemon stays that has left its session. runc's shim kills its first process alone.
fn a_killed_exec_leaves_nothing(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    bed.run("mkfifo /run/io.out", "c", &[]);
    let path = bed.root.join("run/io.out");
    let reader = std::thread::spawn(move || std::fs::read_to_string(path).expect("read the output"));
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.start("");
    let script = "echo ready; sleep 1001 & (sleep 1002 &) ; (setsid sleep 1003) & (setsid -f sh -c 'sleep 1004; exit 1' </dev/null >/dev/null 2>&1); wait";
    let process = format!(
        r#"{{"cwd":"/","args":["sh","-c","{script}"],"env":["PATH=/bin:/usr/bin"],"user":{{"uid":0,"gid":0}}}}"#
    );
    let request = task::ExecProcessRequest {
        id: "c".into(),
        exec_id: "e".into(),
        stdout: "/run/io.out".into(),
        spec: Some(Any::json(typeurl::PROCESS, process.into_bytes())),
        ..Default::default()
    };
    talk.done("exec e", "Exec", &request);
    talk.start("e");
    let (_, first) = pids(&mut talk);
    // The last is nobody's child when whoever started it is gone: the container's first process has it then.
    let ready = format!(
        "until pgrep -x -f 'sleep 1003' && pgrep -x -f 'sleep 1002' && pgrep -f '^sleep 1004' \
            && [ $(ps -o ppid= -p $(pgrep -f '^sh -c sleep 1004')) -eq {first} ]; do sleep 0.05; done"
    );
    bed.run(&ready, "c", &[]);
    talk.kill("e", 9);
    talk.wait("e");
    // Nobody holds its output open any more.
    assert_eq!(reader.join().expect("the output ends"), "ready\n");
    let left = if bed.shim.runtime.is_empty() {
        ""
    } else {
        "sleep 1004"
    };
    let told = "pgrep -a -f '^sleep 100' | cut -d' ' -f2-";
    bed.run(
        &format!("until [ \"$({told})\" = '{left}' ]; do sleep 0.05; done"),
        "c",
        &[],
    );
    talk.delete("e");
    talk.kill("", 15);
    talk.wait("");
    talk.delete("");
    assert_eq!(
        talk.lines[4..],
        [
            "kill 9 e: ok",
            "wait: 137",
            "delete: 137 true pid true",
            "kill 15 : ok",
            "wait: 7",
            "delete: 7 true pid true"
        ]
    );
    ends(bed, &answer, &mut talk, true);
}

/// Whoever waits for a process that cannot be started is answered.
fn a_wait_ends_with_a_start_that_fails(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    talk.start("");
    talk.exec("e", "true");
    let mut waiter = Talk::over("c", bed.connect(&answer));
    let waiter = std::thread::spawn(move || {
        waiter.wait("e");
        waiter.lines
    });
    // The container is frozen by somebody else: no process can enter it.
    talk.done("pause", "Pause", &task::PauseRequest { id: "c".into() });
    talk.start("e");
    assert!(talk.lines[4].starts_with("start: "), "{:?}", talk.lines);
    assert!(!talk.lines[4].contains("pid true"), "{:?}", talk.lines);
    assert_eq!(waiter.join().expect("an answer").len(), 1);
    talk.delete("e");
    talk.done("resume", "Resume", &task::ResumeRequest { id: "c".into() });
    talk.kill("", 15);
    talk.wait("");
    talk.delete("");
    ends(bed, &answer, &mut talk, true);
}

/// What a runtime logged is the reason of its failure; what it began is gone, and who waits for an exec is answered.
fn a_foreign_runtime_says_why(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    let spoil = r#"cp config.json whole; jq -c '.process.args = ["nosuch"]' whole > config.json"#;
    bed.run(&format!("cd /run/b/$ID; {spoil}"), "c", &[]);
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create([""; 3], false);
    assert!(
        talk.lines[0].starts_with(&format!("create: Internal: create c: {}: ", bed.shim.runtime)),
        "{:?}",
        talk.lines
    );
    assert!(talk.lines[0].contains("nosuch"), "{:?}", talk.lines);
    talk.state("");
    assert!(talk.lines[1].contains("NotFound"), "{:?}", talk.lines);
    let left = "ls /run/tare/foreign/default; find /sys/fs/cgroup -path '*/shim/c'; grep /run/b/c/rootfs /proc/self/mountinfo || true";
    assert_eq!(bed.run(left, "c", &[]), "");
    bed.run("cd /run/b/$ID; mv whole config.json", "c", &[]);
    talk.create([""; 3], false);
    talk.start("");
    let mut waiter = Talk::over("c", bed.connect(&answer));
    talk.ask("exec", "Exec", &nosuch(), |()| "ok".to_owned());
    let waiter = std::thread::spawn(move || {
        waiter.wait("e");
        waiter.lines
    });
    talk.start("e");
    assert!(talk.lines[5].contains("nosuch"), "{:?}", talk.lines);
    assert_eq!(waiter.join().expect("an answer").len(), 1);
    talk.delete("e");
    talk.kill("", 15);
    talk.wait("");
    talk.delete("");
    assert_eq!(
        talk.lines[7..],
        ["kill 15 : ok", "wait: 7", "delete: 7 true pid true"]
    );
    assert_eq!(bed.run(left, "c", &[]), "");
    ends(bed, &answer, &mut talk, true);
}

/// An exec `e` of a program that is not there.
pub(crate) fn nosuch() -> task::ExecProcessRequest {
    let process = r#"{"cwd":"/","args":["nosuch"],"env":["PATH=/bin"],"user":{"uid":0,"gid":0}}"#;
    task::ExecProcessRequest {
        id: "c".into(),
        exec_id: "e".into(),
        spec: Some(Any::json(typeurl::PROCESS, process.into())),
        ..Default::default()
    }
}

/// A terminal whose other end cannot be opened: nothing is left of the container, nor of a process in one.
fn a_terminal_that_leads_nowhere_leaves_nothing(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "yes");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create(["", "/run/nosuch", ""], true);
    assert!(talk.lines[0].contains("/run/nosuch"), "{:?}", talk.lines);
    talk.state("");
    assert!(talk.lines[1].contains("NotFound"), "{:?}", talk.lines);
    let left = bed.run(
        "ls /run/tare/*/default; find /sys/fs/cgroup -path '*/shim/c'",
        "c",
        &[],
    );
    assert_eq!(left, "");
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
    RUNCS as containerds:
        a_program_takes_output calls_and_events streams_end_with_their_process a_terminal_has_its_size
        delete_cleans_up_after_a_shim a_shim_says_what_it_is a_file_takes_output clients_come_back_to_two_of_a_pod
        the_lack_of_memory_is_told events_wait_for_containerd a_name_is_used_again_at_once;
    OURS as ours:
        a_program_takes_output calls_and_events streams_end_with_their_process a_terminal_has_its_size
        delete_cleans_up_after_a_shim a_shim_says_what_it_is a_file_takes_output clients_come_back_to_two_of_a_pod
        the_lack_of_memory_is_told events_wait_for_containerd a_name_is_used_again_at_once
        a_wait_ends_with_a_start_that_fails a_terminal_that_leads_nowhere_leaves_nothing
        what_is_being_made_can_be_deleted a_killed_exec_leaves_nothing;
    OURS_WITH_RUNC as ours_with_runc:
        a_program_takes_output calls_and_events streams_end_with_their_process a_terminal_has_its_size
        delete_cleans_up_after_a_shim a_file_takes_output clients_come_back_to_two_of_a_pod
        the_lack_of_memory_is_told events_wait_for_containerd a_name_is_used_again_at_once
        a_wait_ends_with_a_start_that_fails a_terminal_that_leads_nowhere_leaves_nothing
        what_is_being_made_can_be_deleted a_foreign_runtime_says_why a_killed_exec_leaves_nothing;
    OURS_WITH_CRUN as ours_with_crun:
        calls_and_events streams_end_with_their_process a_terminal_has_its_size delete_cleans_up_after_a_shim
        clients_come_back_to_two_of_a_pod the_lack_of_memory_is_told a_name_is_used_again_at_once
        a_wait_ends_with_a_start_that_fails a_terminal_that_leads_nowhere_leaves_nothing
        what_is_being_made_can_be_deleted a_foreign_runtime_says_why;
    OURS_WITH_OURS as ours_with_our_runtime:
        calls_and_events a_terminal_has_its_size delete_cleans_up_after_a_shim the_lack_of_memory_is_told
        what_is_being_made_can_be_deleted;
}
