//! A shim's program on a machine of its own, somebody who hears its events, and a client that calls it as containerd does.

use crate::machine::Machine;
use rustix::net::{Shutdown, shutdown};
use std::fs::File;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tare_kit::{Running, World};
use tare_spec_containerd::{
    Any, BootstrapAnswer, Message, Service, events, forward, process, runc, task, types, typeurl,
};
use tare_ttrpc::{Connection, Limits, Server};

/// How long a call may take: as the kit's commands, since one may wait for the end of a flood.
const SOON: Option<Duration> = Some(Duration::from_secs(100));

/// Makes the bundle of $ID in /run/b: a shell script, with a terminal or none, on this machine's own root.
const BUNDLE: &str = r#"set -e
mkdir -p /run/b/$ID/rootfs; cd /run/b/$ID; mkfifo log
runc spec
jq -c '.process.terminal = (env.TTY == "yes") | .process.args = ["sh", "-c", env.SCRIPT]
  | .process.capabilities = {} | .linux.namespaces |= map(select(.type != "network")) | .linux.cgroupsPath = "/shim/" + env.ID
  | .linux.resources.memory.limit = 33554432 | .mounts |= map(select(.destination | IN("/proc", "/dev", "/dev/pts")))
  | .annotations["io.kubernetes.cri.sandbox-id"] = "c"' config.json > new
mv new config.json"#;

/// A shim's program and what it calls itself.
#[derive(Debug)]
pub(crate) struct Shim {
    pub(crate) program: &'static str,
    pub(crate) name: &'static str,
    /// The runtime's program, where it is asked to call one that is not its own.
    pub(crate) runtime: &'static str,
}

/// containerd's own.
pub(crate) const RUNCS: &Shim = &Shim {
    program: "containerd-shim-runc-v2",
    name: "io.containerd.runc.v2",
    runtime: "",
};

/// The one of this build.
pub(crate) const OURS: &Shim = &Shim {
    program: "/opt/tare/containerd-shim-tare-v2",
    name: "io.containerd.tare.v2",
    runtime: "",
};

/// The same with another runtime's command.
pub(crate) const OURS_WITH_RUNC: &Shim = &Shim {
    runtime: "runc",
    ..*OURS
};
pub(crate) const OURS_WITH_CRUN: &Shim = &Shim {
    runtime: "crun",
    ..*OURS
};
pub(crate) const OURS_WITH_OURS: &Shim = &Shim {
    runtime: "/opt/tare/tare-runtime",
    ..*OURS
};

/// A script that answers TERM with 7.
pub(crate) const TRAP: &str = "trap 'exit 7' TERM; while :; do sleep 0.05; done";

/// Calls a shim as containerd does; what follows stands in $ARGS.
pub(crate) const SHIM: &str = r#"cd /run/b/$ID; export TTRPC_ADDRESS=/run/events.sock GRPC_ADDRESS=/run/containerd/containerd.sock MAX_SHIM_VERSION=2 NAMESPACE=default
exec $SHIM -namespace default -address /run/containerd/containerd.sock -publish-binary /bin/true -id $ID $ARGS"#;

/// A shim's program on a machine, and the events that it has published.
pub(crate) struct Bed {
    machine: Machine,
    /// Somebody on it, so that its root has a name outside.
    _inside: Running,
    pub(crate) shim: &'static Shim,
    pub(crate) root: PathBuf,
    events: Arc<Mutex<Vec<String>>>,
    ear: Option<Ear>,
    logs: Vec<File>,
}

/// Who listens to events.
struct Ear {
    listener: Arc<UnixListener>,
    thread: JoinHandle<()>,
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.deafen();
    }
}

impl Bed {
    pub(crate) fn furnish(world: &World, shim: &'static Shim) -> Bed {
        let machine = Machine::furnish(world, &[]);
        let mut inside = machine.sh("echo there; exec cat", &[]).start();
        assert_eq!(inside.line().as_deref(), Some("there"));
        let root = PathBuf::from(format!("/proc/{}/root", inside.id().as_raw_pid()));
        let mut bed = Bed {
            machine,
            _inside: inside,
            shim,
            root,
            events: Arc::default(),
            ear: None,
            logs: Vec::new(),
        };
        bed.listen();
        bed
    }

    /// Listens to events, as containerd does.
    pub(crate) fn listen(&mut self) {
        let listener = Arc::new(UnixListener::bind(self.root.join("run/events.sock")).expect("bind"));
        let (events, doors) = (Arc::clone(&self.events), Arc::clone(&listener));
        let thread = std::thread::spawn(move || {
            let mut hearing = Vec::new();
            while let Ok((stream, _)) = doors.accept() {
                let events = Arc::clone(&events);
                let caller = stream.try_clone().expect("duplicate");
                hearing.push((caller, std::thread::spawn(move || hear(stream, &events))));
            }
            for (caller, thread) in hearing {
                // Who waits for what comes over it gets its end.
                let _ = shutdown(caller, Shutdown::Both);
                thread.join().expect("it ends");
            }
        });
        self.ear = Some(Ear { listener, thread });
    }

    /// Listens no more, as a containerd that has been killed.
    pub(crate) fn deafen(&mut self) {
        let Some(ear) = self.ear.take() else { return };
        // Who waits for a connection gets an error, and then who waits for what comes over one.
        let _ = shutdown(&*ear.listener, Shutdown::Both);
        ear.thread.join().expect("it ends");
        std::fs::remove_file(self.root.join("run/events.sock")).expect("remove the socket");
    }

    /// Runs a shell script on the machine, about the container of this id.
    pub(crate) fn run(&self, script: &str, id: &str, more: &[(&str, &str)]) -> String {
        let variables = [&[("ID", id), ("SHIM", self.shim.program)], more].concat();
        self.machine.sh(script, &variables).ok()
    }

    /// Runs a verb of the shim.
    pub(crate) fn verb(&self, id: &str, arguments: &str) -> String {
        self.run(SHIM, id, &[("ARGS", arguments)])
    }

    /// What a script prints, byte by byte.
    pub(crate) fn bytes(&self, script: &str, id: &str) -> Vec<u8> {
        let script = format!("({script}) | od -An -v -tx1");
        let byte = |hex: &str| u8::from_str_radix(hex, 16).expect("hexadecimal");
        self.run(&script, id, &[]).split_whitespace().map(byte).collect()
    }

    /// Makes a bundle, runs `start`, and says what it answered.
    pub(crate) fn start(&mut self, id: &str, script: &str, tty: &str) -> BootstrapAnswer {
        self.bundle(id, script, tty);
        serde_json::from_str(&self.verb(id, "start")).expect("an answer in JSON")
    }

    pub(crate) fn bundle(&mut self, id: &str, script: &str, tty: &str) {
        self.run(BUNDLE, id, &[("SCRIPT", script), ("TTY", tty)]);
        // The shim's own log is held open as containerd holds it.
        let log = self.root.join("run/b").join(id).join("log");
        let log = File::options().read(true).write(true).open(log);
        self.logs.push(log.expect("open the log"));
    }

    /// Changes the configuration of a bundle, in jq's words.
    pub(crate) fn configure(&self, id: &str, filter: &str) {
        let script = "cd /run/b/$ID; jq -c \"$FILTER\" config.json > new; mv new config.json";
        self.run(script, id, &[("FILTER", filter)]);
    }

    pub(crate) fn connect(&self, answer: &BootstrapAnswer) -> Line {
        let path = answer
            .address
            .strip_prefix("unix:///")
            .expect("a socket's address");
        Line {
            connection: Connection::connect(&self.root.join(path)).expect("connect"),
            runtime: self.shim.runtime,
        }
    }

    /// Events so far that `wanted` is in, when there are `count` of them.
    pub(crate) fn heard(&self, wanted: &str, count: usize) -> Vec<String> {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let heard: Vec<String> = self.events.lock().expect("unpoisoned").clone();
            let found: Vec<String> = heard.into_iter().filter(|line| line.contains(wanted)).collect();
            if found.len() >= count || Instant::now() > until {
                return found;
            }
            std::thread::yield_now();
        }
    }
}

/// Writes down the events of one connection.
fn hear(mut stream: UnixStream, heard: &Mutex<Vec<String>>) {
    use std::io::{Read as _, Write as _};
    let mut server = Server::new(Limits::default());
    let mut buffer = [0; 4096];
    while let Ok(count) = stream.read(&mut buffer) {
        if count == 0 {
            return;
        }
        let mut bytes = &buffer[..count];
        while let Some(call) = server.next(&mut bytes, Instant::now()) {
            let request: forward::ForwardRequest = call.message().expect("an event");
            let envelope = request.envelope.expect("an envelope");
            heard
                .lock()
                .expect("unpoisoned")
                .push(line_of(&envelope.topic, &envelope.event.expect("an event")));
            server.answer(call.stream, Ok(b""));
        }
        if stream.write_all(server.output()).is_err() {
            return;
        }
        server.sent(server.output().len());
    }
}

fn line_of(topic: &str, event: &Any) -> String {
    let what = if let Ok(e) = event.unpack::<events::TaskExit>() {
        format!("{} {} {}", e.container_id, e.id, e.exit_status)
    } else if let Ok(e) = event.unpack::<events::TaskDelete>() {
        format!("{} {:?} {}", e.container_id, e.id, e.exit_status)
    } else if let Ok(e) = event.unpack::<events::TaskExecAdded>() {
        format!("{} {}", e.container_id, e.exec_id)
    } else if let Ok(e) = event.unpack::<events::TaskExecStarted>() {
        format!("{} {}", e.container_id, e.exec_id)
    } else {
        // Field 1 of all others is the container.
        events::TaskOom::decode(event.value.as_slice())
            .map(|e| e.container_id)
            .unwrap_or_default()
    };
    format!("{topic} {what}")
}

/// One line for what a call came to: what `of` makes of the answer, or kind and reason of the failure.
fn told<A>(outcome: tare_error::Result<A>, of: impl FnOnce(A) -> String) -> String {
    match outcome {
        Ok(answer) => of(answer),
        Err(error) => format!("{:?}: {}", error.kind(), error.reason().unwrap_or_default()),
    }
}

/// A connection to a shim, and the runtime that it is to use.
pub(crate) struct Line {
    connection: Connection,
    runtime: &'static str,
}

impl Line {
    /// To a shim that is not on a machine of ours.
    pub(crate) fn of(connection: Connection) -> Self {
        let runtime = OURS.runtime;
        Line { connection, runtime }
    }
}

/// One connection, and a line for each call.
pub(crate) struct Talk {
    /// The container.
    pub(crate) id: String,
    pub(crate) connection: Connection,
    runtime: &'static str,
    pub(crate) lines: Vec<String>,
}

impl Talk {
    pub(crate) fn over(id: &str, line: Line) -> Self {
        Talk {
            id: id.to_owned(),
            connection: line.connection,
            runtime: line.runtime,
            lines: Vec::new(),
        }
    }

    pub(crate) fn ask<A: Message + Default>(
        &mut self,
        what: &str,
        method: &str,
        request: &impl Message,
        of: impl FnOnce(A) -> String,
    ) {
        self.ask_of(Service::TaskV3, what, method, request, of);
    }

    /// The same of another service.
    pub(crate) fn ask_of<A: Message + Default>(
        &mut self,
        service: Service,
        what: &str,
        method: &str,
        request: &impl Message,
        of: impl FnOnce(A) -> String,
    ) {
        let outcome = self.connection.call::<A>(service.name(), method, request, SOON);
        self.lines.push(format!("{what}: {}", told(outcome, of)));
    }

    /// The answer itself.
    pub(crate) fn get<A: Message + Default>(&mut self, method: &str, request: &impl Message) -> A {
        let answer = self
            .connection
            .call::<A>(Service::TaskV3.name(), method, request, SOON);
        answer.expect(method)
    }

    pub(crate) fn done(&mut self, what: &str, method: &str, request: &impl Message) {
        self.ask(what, method, request, |()| "ok".to_owned());
    }

    pub(crate) fn state(&mut self, exec: &str) {
        let request = task::StateRequest {
            id: self.id.clone(),
            exec_id: exec.into(),
        };
        self.ask("state", "State", &request, |a: task::StateResponse| {
            let exited = a.exited_at.is_some_and(|t| t.seconds > 0);
            format!(
                "{} {:?} {} {exited} pid {}",
                a.id,
                a.status(),
                a.exit_status,
                a.pid > 0
            )
        });
    }

    pub(crate) fn start(&mut self, exec: &str) {
        let request = task::StartRequest {
            id: self.id.clone(),
            exec_id: exec.into(),
        };
        self.ask("start", "Start", &request, |a: task::StartResponse| {
            format!("pid {}", a.pid > 0)
        });
    }

    /// Sends a signal; one that the first process is to handle, once it does.
    pub(crate) fn kill(&mut self, exec: &str, signal: u32) {
        if exec.is_empty() && signal != 9 {
            self.await_trap(signal);
        }
        let request = task::KillRequest {
            id: self.id.clone(),
            exec_id: exec.into(),
            signal,
            all: false,
        };
        self.done(&format!("kill {signal} {exec}"), "Kill", &request);
    }

    /// Waits until the first process handles a signal, or ignores it: the first one of a pid namespace does not hear what comes
    /// before, and who only starts it does not wait for its script.
    fn await_trap(&mut self, signal: u32) {
        let request = task::StateRequest {
            id: self.id.clone(),
            ..Default::default()
        };
        let state =
            self.connection
                .call::<task::StateResponse>(Service::TaskV3.name(), "State", &request, SOON);
        let Ok(state) = state else { return };
        let handles = |line: &str| {
            let mask = line
                .strip_prefix("SigCgt:")
                .or_else(|| line.strip_prefix("SigIgn:"));
            let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            mask.is_some_and(|mask| (mask >> (signal - 1)) & 1 == 1)
        };
        let until = Instant::now() + Duration::from_secs(20);
        // One that has ended has none; nor has one that is never to have a trap, which the test will tell.
        while let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", state.pid))
            && !status.lines().any(handles)
            && Instant::now() < until
        {
            std::thread::yield_now();
        }
    }

    /// The same to every process of the container.
    pub(crate) fn kill_all(&mut self, signal: u32) {
        let request = task::KillRequest {
            id: self.id.clone(),
            signal,
            all: true,
            ..Default::default()
        };
        self.done(&format!("kill {signal} all"), "Kill", &request);
    }

    pub(crate) fn exec(&mut self, exec: &str, script: &str) {
        let process = format!(
            r#"{{"cwd":"/","args":["sh","-c","{script}"],"env":["PATH=/bin"],"user":{{"uid":0,"gid":0}}}}"#
        );
        let request = task::ExecProcessRequest {
            id: self.id.clone(),
            exec_id: exec.into(),
            spec: Some(Any::json(typeurl::PROCESS, process.into_bytes())),
            ..task::ExecProcessRequest::default()
        };
        self.done(&format!("exec {exec}"), "Exec", &request);
    }

    pub(crate) fn wait(&mut self, exec: &str) {
        let request = task::WaitRequest {
            id: self.id.clone(),
            exec_id: exec.into(),
        };
        self.ask("wait", "Wait", &request, |a: task::WaitResponse| {
            a.exit_status.to_string()
        });
    }

    pub(crate) fn delete(&mut self, exec: &str) {
        let request = task::DeleteRequest {
            id: self.id.clone(),
            exec_id: exec.into(),
        };
        self.ask("delete", "Delete", &request, |a: task::DeleteResponse| {
            format!("{} {} pid {}", a.exit_status, a.exited_at.is_some(), a.pid > 0)
        });
    }

    pub(crate) fn pids(&mut self) {
        self.ask(
            "pids",
            "Pids",
            &task::PidsRequest { id: self.id.clone() },
            |a: task::PidsResponse| {
                let details =
                    |p: &process::ProcessInfo| p.info.as_ref()?.unpack::<runc::ProcessDetails>().ok();
                let execs: Vec<String> = a
                    .processes
                    .iter()
                    .filter_map(details)
                    .map(|d| d.exec_id)
                    .collect();
                format!("some {} execs {execs:?}", !a.processes.is_empty())
            },
        );
    }

    /// Creates it from the bundle of its id, with these streams: standard input, output and error.
    pub(crate) fn create(&mut self, [stdin, stdout, stderr]: [&str; 3], terminal: bool) {
        let mount = types::Mount {
            r#type: "bind".into(),
            source: "/".into(),
            options: vec!["bind".into(), "ro".into()],
            ..Default::default()
        };
        let request = task::CreateTaskRequest {
            id: self.id.clone(),
            bundle: format!("/run/b/{}", self.id),
            stdin: stdin.into(),
            stdout: stdout.into(),
            stderr: stderr.into(),
            terminal,
            rootfs: vec![mount],
            options: Some(Any::pack(&runc::Options {
                binary_name: self.runtime.into(),
                ..Default::default()
            })),
            ..task::CreateTaskRequest::default()
        };
        self.ask("create", "Create", &request, |a: task::CreateTaskResponse| {
            format!("pid {}", a.pid > 0)
        });
    }
}
