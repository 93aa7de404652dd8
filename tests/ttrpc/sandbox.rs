//! The Sandbox service of our shim: what it answers, in which order, and what is left where its supervisor is killed.

use crate::bed::{Bed, OURS, SHIM, TRAP, Talk};
use crate::machine::NEEDS;
use crate::shim::ends;
use crate::successor::kill;
use crate::upgrade::upgrade;
use std::time::{Duration, Instant};
use tare_kit::test;
use tare_spec_containerd::cri::{
    LinuxPodSandboxConfig, LinuxSandboxSecurityContext, NamespaceMode, NamespaceOption, PodSandboxConfig,
};
use tare_spec_containerd::sandbox::{
    CreateSandboxRequest, PingRequest, PlatformRequest, PlatformResponse, SandboxMetricsRequest,
    SandboxMetricsResponse, SandboxStatusRequest, SandboxStatusResponse, ShutdownSandboxRequest,
    StartSandboxRequest, StartSandboxResponse, StopSandboxRequest, WaitSandboxRequest, WaitSandboxResponse,
};
use tare_spec_containerd::{Any, BootstrapAnswer, Message, Service};

/// What a pod is to be: this network, these pids.
fn wanted(network: NamespaceMode, pid: NamespaceMode) -> CreateSandboxRequest {
    let options = NamespaceOption {
        network: network.into(),
        pid: pid.into(),
        ..NamespaceOption::default()
    };
    let config = PodSandboxConfig {
        hostname: "pod".into(),
        linux: Some(LinuxPodSandboxConfig {
            cgroup_parent: "/shim".into(),
            security_context: Some(LinuxSandboxSecurityContext {
                namespace_options: Some(options),
                ..LinuxSandboxSecurityContext::default()
            }),
            ..LinuxPodSandboxConfig::default()
        }),
        ..PodSandboxConfig::default()
    };
    CreateSandboxRequest {
        sandbox_id: "c".into(),
        options: Some(Any::pack(&config)),
        ..CreateSandboxRequest::default()
    }
}

impl Talk {
    fn pod<A: Message + Default>(
        &mut self,
        method: &str,
        request: &impl Message,
        of: impl FnOnce(A) -> String,
    ) {
        self.ask_of(Service::Sandbox, method, method, request, of);
    }

    fn status(&mut self) -> u32 {
        let request = SandboxStatusRequest {
            sandbox_id: "c".into(),
            verbose: true,
        };
        let mut pid = 0;
        self.pod("SandboxStatus", &request, |a: SandboxStatusResponse| {
            pid = a.pid;
            let times = [a.created_at, a.exited_at].map(|at| at.is_some_and(|at| at.seconds > 0));
            format!(
                "{} {} {times:?} {}",
                a.sandbox_id,
                a.state,
                a.info.contains_key("info")
            )
        });
        pid
    }
}

fn done(_: ()) -> String {
    "ok".to_owned()
}

/// What is bound, mounted or runs for pods.
fn left(bed: &Bed) -> String {
    bed.run(
        "ls /run/tare/pods; grep /run/tare /proc/self/mountinfo; pgrep tare-init || true",
        "c",
        &[],
    )
}

const SAID: &[&str] = &[
    "SandboxStatus: NotFound",
    "CreateSandbox: ok",
    "CreateSandbox: AlreadyExists",
    "SandboxStatus: c SANDBOX_NOTREADY [false, false] true",
    "StartSandbox: true",
    "SandboxStatus: c SANDBOX_READY [true, false] true",
    "Platform: linux",
    "PingSandbox: ok",
    "create: pid true",
    "SandboxMetrics: c io.containerd.cgroups.v1.Metrics",
    "delete: 0 false pid true",
    "shutdown: ok",
    "SandboxStatus: c SANDBOX_READY [true, false] true",
    "StopSandbox: ok",
    "StopSandbox: ok",
    "WaitSandbox: 0 true",
    "SandboxStatus: c SANDBOX_NOTREADY [true, true] true",
    "StartSandbox: Conflict",
    "UpdateSandbox: Unsupported",
];

fn calls_of_a_sandbox(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    let id = || "c".to_owned();
    let request = wanted(NamespaceMode::Node, NamespaceMode::Pod);
    talk.status();
    talk.pod("CreateSandbox", &request, done);
    talk.pod("CreateSandbox", &request, done);
    talk.status();
    let start = StartSandboxRequest { sandbox_id: id() };
    let started = |a: StartSandboxResponse| (a.pid > 0 && a.created_at.is_some()).to_string();
    talk.pod("StartSandbox", &start, started);
    let init = talk.status();
    let comm = bed.run(&format!("cat /proc/{init}/comm"), "c", &[]);
    assert_eq!(comm.trim(), "tare-init");
    let platform = |a: PlatformResponse| a.platform.unwrap_or_default().os;
    talk.pod("Platform", &PlatformRequest { sandbox_id: id() }, platform);
    talk.pod("PingSandbox", &PingRequest { sandbox_id: id() }, done);
    talk.create([""; 3], false);
    let metrics = |a: SandboxMetricsResponse| {
        let metric = a.metrics.unwrap_or_default();
        format!("{} {}", metric.id, metric.data.unwrap_or_default().type_url)
    };
    talk.pod(
        "SandboxMetrics",
        &SandboxMetricsRequest { sandbox_id: id() },
        metrics,
    );
    talk.delete("");
    // The task service does not end a supervisor whose pod lives.
    talk.done(
        "shutdown",
        "Shutdown",
        &tare_spec_containerd::task::ShutdownRequest { id: id(), now: false },
    );
    talk.status();
    let mut waiter = Talk::over("c", bed.connect(&answer));
    let waiter = std::thread::spawn(move || {
        waiter.pod("WaitSandbox", &WaitSandboxRequest { sandbox_id: id() }, waited);
        waiter.lines
    });
    let stop = StopSandboxRequest {
        sandbox_id: "c".into(),
        timeout_secs: 1,
    };
    talk.pod("StopSandbox", &stop, done);
    assert_eq!(waiter.join().expect("an answer"), ["WaitSandbox: 0 true"]);
    talk.pod("StopSandbox", &stop, done);
    talk.pod(
        "WaitSandbox",
        &WaitSandboxRequest {
            sandbox_id: "c".into(),
        },
        waited,
    );
    talk.status();
    talk.pod("StartSandbox", &start, started);
    talk.pod("UpdateSandbox", &(), done);
    assert_eq!(talk.lines.len(), SAID.len(), "{:?}", talk.lines);
    for (line, wanted) in talk.lines.iter().zip(SAID) {
        assert!(line.starts_with(wanted), "{line}\n{wanted}");
    }
    shut_down(bed, &answer, &mut talk);
}

fn waited(a: WaitSandboxResponse) -> String {
    format!("{} {}", a.exit_status, a.exited_at.is_some())
}

/// The end of the sandbox is that of its supervisor, and of all that was made.
fn shut_down(bed: &Bed, answer: &BootstrapAnswer, talk: &mut Talk) {
    talk.pod(
        "ShutdownSandbox",
        &ShutdownSandboxRequest {
            sandbox_id: "c".into(),
        },
        done,
    );
    let line = talk.lines.pop().unwrap_or_default();
    assert_eq!(line, "ShutdownSandbox: ok");
    ends(bed, answer, talk, true);
    nothing_is_left(bed);
}

/// Its address goes first, and the rest in a moment.
fn nothing_is_left(bed: &Bed) {
    let until = Instant::now() + Duration::from_secs(20);
    while !left(bed).is_empty() {
        assert!(Instant::now() < until, "{}", left(bed));
    }
}

/// The supervisor is killed: its successor has the pod, and `delete` removes all of it.
fn a_sandbox_outlives_its_supervisor(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.pod(
        "CreateSandbox",
        &wanted(NamespaceMode::Node, NamespaceMode::Pod),
        done,
    );
    let start = StartSandboxRequest {
        sandbox_id: "c".into(),
    };
    talk.pod("StartSandbox", &start, |a: StartSandboxResponse| {
        (a.pid > 0).to_string()
    });
    let init = talk.status();
    kill(crate::successor::pids(&mut talk).0);
    bed.verb("c", "start");
    let mut talk = Talk::over("c", bed.connect(&answer));
    assert_eq!(talk.status(), init);
    let (supervisor, _) = crate::successor::pids(&mut talk);
    let group = bed.run(&format!("grep memory /proc/{supervisor}/cgroup"), "c", &[]);
    assert!(group.trim().ends_with(":/tare/supervisors"), "{group}");
    assert_eq!(talk.lines, ["SandboxStatus: c SANDBOX_READY [true, false] true"]);
    kill(crate::successor::pids(&mut talk).0);
    bed.bytes(&SHIM.replace("$ARGS", "-bundle /run/b/c delete"), "c");
    nothing_is_left(bed);
}

/// Whoever waits for a pod waits on through an upgrade, and its pid 1 stays the supervisor's to wait for.
fn a_sandbox_goes_on_through_an_upgrade(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.pod(
        "CreateSandbox",
        &wanted(NamespaceMode::Node, NamespaceMode::Pod),
        done,
    );
    let start = StartSandboxRequest {
        sandbox_id: "c".into(),
    };
    talk.pod("StartSandbox", &start, |a: StartSandboxResponse| {
        (a.pid > 0).to_string()
    });
    let mut waiter = Talk::over("c", bed.connect(&answer));
    let waiter = std::thread::spawn(move || {
        let request = WaitSandboxRequest {
            sandbox_id: "c".into(),
        };
        waiter.pod("WaitSandbox", &request, waited);
        waiter.lines
    });
    let init = talk.status();
    upgrade(bed);
    assert_eq!(talk.status(), init);
    kill(init);
    assert_eq!(waiter.join().expect("an answer"), ["WaitSandbox: 0 true"]);
    shut_down(bed, &answer, &mut talk);
}

/// The first process of the pod's pid namespace is killed: the pod is over, and that is told.
fn a_pod_ends_with_its_init(bed: &mut Bed) {
    let answer = bed.start("c", TRAP, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.pod(
        "CreateSandbox",
        &wanted(NamespaceMode::Node, NamespaceMode::Pod),
        done,
    );
    let start = StartSandboxRequest {
        sandbox_id: "c".into(),
    };
    talk.pod("StartSandbox", &start, |a: StartSandboxResponse| {
        (a.pid > 0).to_string()
    });
    kill(talk.status());
    talk.pod(
        "WaitSandbox",
        &WaitSandboxRequest {
            sandbox_id: "c".into(),
        },
        waited,
    );
    talk.status();
    assert_eq!(
        talk.lines[3..],
        [
            "WaitSandbox: 0 true",
            "SandboxStatus: c SANDBOX_NOTREADY [true, true] true"
        ]
    );
    shut_down(bed, &answer, &mut talk);
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
    calls_of_a_sandbox
    a_sandbox_outlives_its_supervisor
    a_pod_ends_with_its_init
    a_sandbox_goes_on_through_an_upgrade
}
