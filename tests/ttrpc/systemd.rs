//! A supervisor on a machine that systemd runs: in a scope of its own, whatever becomes of who started it.

use crate::bed::{Line, TRAP, Talk};
use crate::successor::{kill, pids};
use serde_json::{Value, json};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tare_kit::{Need, Tare, World, test_under_systemd};
use tare_spec_containerd::{BootstrapAnswer, task};
use tare_ttrpc::Connection;

const SCOPE: &str = "tare-default.c.scope";
const GROUP: &str = "/system.slice/tare-default.c.scope";
const WITHOUT: &str = "/tare/supervisors";

/// What starts the supervisor: its answer in /run/answer, itself in /run/starter; and something of its own that left its
/// session, in /run/other.
const START: &str = r#"cd /run/b/c; echo $$ > /run/starter; setsid sleep 1000 & echo $! > /run/other
$SHIM -namespace default -address /run/containerd/containerd.sock -publish-binary /bin/true -id c start > /run/answer.new
mv /run/answer.new /run/answer; exec sleep 1000"#;

/// Makes the bundle of `c`: a shell script on this machine's own root, in as much memory.
pub(crate) fn bundle(world: &World, script: &str, memory: Option<u32>) {
    fs::create_dir_all("/run/b/c/rootfs").unwrap();
    let path = "/run/b/c/config.json";
    let _ = fs::remove_file(path);
    let _ = world
        .program("tare-runtime")
        .args(["spec", "--bundle", "/run/b/c"])
        .ok();
    let mut config: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["sh", "-c", script]);
    config["process"]["capabilities"] = json!({});
    config["linux"]["cgroupsPath"] = json!("/shim/c");
    config["linux"]["resources"]["memory"] =
        json!(memory.map(|limit| json!({"limit": limit, "swap": limit})));
    let keep = |list: &mut Value, keep: &dyn Fn(&Value) -> bool| list.as_array_mut().unwrap().retain(keep);
    keep(&mut config["linux"]["namespaces"], &|namespace| {
        namespace["type"] != "network"
    });
    keep(&mut config["mounts"], &|mount| {
        ["/proc", "/dev", "/dev/pts"].contains(&mount["destination"].as_str().unwrap())
    });
    fs::write(path, config.to_string()).unwrap();
}

pub(crate) fn ok(program: &str, words: &[&str]) -> String {
    Tare::program(program).args(words).ok().trim().to_owned()
}

fn shown(unit: &str, property: &str) -> String {
    ok("systemctl", &["show", "--value", "-p", property, unit])
}

/// Waits until it is so.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not within 20 seconds");
        std::thread::yield_now();
    }
}

fn lives(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

fn number_in(path: &str) -> String {
    fs::read_to_string(path).unwrap().trim().to_owned()
}

/// The group on version 2 of a process.
fn group_of(pid: u32) -> String {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let unified = groups.lines().find_map(|line| line.strip_prefix("0::"));
    unified.unwrap().to_owned()
}

/// Has `start` run in a unit of systemd's with these properties, and connects to what it answers.
pub(crate) fn started_by(world: &World, unit: &str, properties: &[&str]) -> Talk {
    let shim = world.program_path("containerd-shim-tare-v2");
    let _ = fs::remove_file("/run/answer");
    // In a file: systemd would put its own variables into words.
    fs::write("/run/start", START).unwrap();
    let _ = Tare::program("systemd-run")
        .args(["--quiet", "--collect", "--unit", unit, "--property=Type=exec"])
        .args(properties)
        .args([format!("--setenv=SHIM={}", shim.display())])
        .args(["sh", "/run/start"])
        .ok();
    until("an answer", || Path::new("/run/answer").exists());
    connected()
}

fn connected() -> Talk {
    let answer: BootstrapAnswer = serde_json::from_slice(&fs::read("/run/answer").unwrap()).unwrap();
    let socket = answer.address.strip_prefix("unix://").unwrap();
    Talk::over("c", Line::of(Connection::connect(Path::new(socket)).unwrap()))
}

/// A container under a supervisor that a service has started.
fn running(world: &World, streams: [&str; 3]) -> Talk {
    bundle(world, TRAP, None);
    let mut talk = started_by(world, "starter", &[]);
    talk.create(streams, false);
    talk.start("");
    assert_eq!(talk.lines, ["create: pid true", "start: pid true"]);
    talk
}

/// The starter is gone with all that was its own. The supervisor answers, old connections and new ones, and so does its
/// container.
fn goes_on(talk: &mut Talk) {
    for pid in ["/run/starter", "/run/other"] {
        let pid = number_in(pid);
        until("the end of the starter", || !lives(&pid));
    }
    talk.lines.clear();
    talk.state("");
    assert_eq!(talk.lines, ["state: c Running 0 false pid true"], "{}", journal());
    let mut talk = connected();
    talk.exec("e", "exit 5");
    talk.start("e");
    talk.wait("e");
    talk.delete("e");
    assert_eq!(
        talk.lines,
        [
            "exec e: ok",
            "start: pid true",
            "wait: 5",
            "delete: 5 true pid true"
        ],
        "{}",
        journal()
    );
}

/// The container ends, and with it everything.
pub(crate) fn ends(talk: &mut Talk) {
    ends_with(talk, &[137]);
}

/// The same, where one of these codes is the truth.
fn ends_with(talk: &mut Talk, codes: &[u32]) {
    let (supervisor, _) = pids(talk);
    talk.lines.clear();
    talk.kill("", 9);
    talk.wait("");
    talk.delete("");
    let shutdown = task::ShutdownRequest {
        id: "c".into(),
        now: false,
    };
    talk.done("shutdown", "Shutdown", &shutdown);
    let lines = |code: &u32| {
        let (wait, delete) = (format!("wait: {code}"), format!("delete: {code} true pid true"));
        ["kill 9 : ok".to_owned(), wait, delete, "shutdown: ok".to_owned()]
    };
    let as_wanted = codes.iter().any(|code| talk.lines == lines(code));
    assert!(as_wanted, "{:?}: {}", talk.lines, journal());
    until("the end of the supervisor", || !lives(&supervisor.to_string()));
    nothing_is_left();
}

/// No group of its own and nobody in that of all, no folder; no unit.
pub(crate) fn nothing_is_left() {
    let tree = Path::new("/sys/fs/cgroup");
    until("the end of its group", || !tree.join(&GROUP[1..]).exists());
    let members = fs::read_to_string(tree.join(&WITHOUT[1..]).join("cgroup.procs"));
    assert_eq!(members.unwrap_or_default(), "");
    assert_eq!(fs::read_dir("/run/tare/pods").unwrap().count(), 0);
    if Path::new("/run/systemd/private").exists() {
        until("the end of its scope", || {
            ok("systemctl", &["list-units", "--all", "--no-legend", "tare-*"]).is_empty()
        });
    }
}

/// What the supervisor found odd.
fn journal() -> String {
    fs::read_to_string("/run/tare/pods/default.c/log").unwrap_or_default()
}

#[test]
fn a_supervisor_is_a_scope_of_its_own() {
    test_under_systemd(&[], |world| {
        let mut talk = running(world, [""; 3]);
        let (supervisor, init) = pids(&mut talk);
        assert_eq!(group_of(supervisor), GROUP, "{}", journal());
        assert_eq!(group_of(init), "/shim/c");
        for (property, value) in [
            ("ActiveState", "active"),
            ("ControlGroup", GROUP),
            ("Delegate", "yes"),
            ("CollectMode", "inactive-or-failed"),
            ("TasksMax", "infinity"),
            ("MemoryMax", "infinity"),
            ("Description", "tare supervisor of default.c"),
        ] {
            assert_eq!(shown(SCOPE, property), value, "{property}");
        }
        assert_eq!(journal(), "");
        // It leads a session of its own, and holds no connection to systemd.
        let stat = fs::read_to_string(format!("/proc/{supervisor}/stat")).unwrap();
        let session = stat.rsplit(')').next().unwrap().split_whitespace().nth(3);
        assert_eq!(session, Some(&*supervisor.to_string()));
        ok("systemctl", &["stop", "starter"]);
        goes_on(&mut talk);
        for word in ["daemon-reload", "daemon-reexec"] {
            ok("systemctl", &[word]);
            assert_eq!(group_of(supervisor), GROUP, "{word}");
        }
        goes_on(&mut talk);
        ends(&mut talk);
    });
}

#[test]
fn it_outlives_the_login_session_that_started_it() {
    test_under_systemd(&[], |world| {
        fs::create_dir_all("/etc/systemd/logind.conf.d").unwrap();
        let policy = "[Login]\nKillUserProcesses=yes\nKillExcludeUsers=\n";
        fs::write("/etc/systemd/logind.conf.d/kill.conf", policy).unwrap();
        ok("systemctl", &["restart", "systemd-logind"]);
        bundle(world, TRAP, None);
        let mut talk = started_by(world, "login", &["--property=PAMName=login"]);
        let starter = group_of(number_in("/run/starter").parse().unwrap());
        let session = starter
            .strip_prefix("/user.slice/user-0.slice/session-")
            .and_then(|rest| rest.strip_suffix(".scope"));
        talk.create([""; 3], false);
        talk.start("");
        let (supervisor, _) = pids(&mut talk);
        assert_eq!(group_of(supervisor), GROUP, "{}", journal());
        ok("loginctl", &["terminate-session", session.expect(&starter)]);
        goes_on(&mut talk);
        ends(&mut talk);
    });
}

/// The scope goes with a supervisor that is killed, unless somebody else is in it: who writes a log down, say.
#[test]
fn a_successor_has_the_same_scope() {
    test_under_systemd(&[], |world| {
        let group = Path::new("/sys/fs/cgroup").join(&GROUP[1..]);
        for stays in [false, true] {
            let mut talk = running(world, [""; 3]);
            let before = shown(SCOPE, "InvocationID");
            ok("systemctl", &["stop", "starter"]);
            let other = stays.then(|| {
                let other = Command::new("sleep").arg("1000").spawn().unwrap();
                fs::write(group.join("cgroup.procs"), other.id().to_string()).unwrap();
                other
            });
            kill(pids(&mut talk).0);
            if !stays {
                until("the end of its group", || !group.exists());
            }
            let mut talk = started_by(world, "next", &[]);
            let (supervisor, _) = pids(&mut talk);
            assert_eq!(group_of(supervisor), GROUP, "{}", journal());
            assert_eq!(shown(SCOPE, "InvocationID") == before, stays);
            ok("systemctl", &["stop", "next"]);
            goes_on(&mut talk);
            if let Some(mut other) = other {
                other.kill().unwrap();
                other.wait().unwrap();
            }
            // Before Linux 6.15 nobody can know the code of one that is no child.
            ends_with(&mut talk, &[137, 255]);
        }
    });
}

/// It is dead, and what it left is ended by `delete`: its scope with it.
#[test]
fn delete_waits_for_what_is_in_the_scope_of_the_dead() {
    test_under_systemd(&[], |world| {
        let mut talk = running(world, ["", "file:///run/output", "file:///run/output"]);
        kill(pids(&mut talk).0);
        let shim = world.program("containerd-shim-tare-v2").directory("/run/b/c");
        let words = [
            "-namespace",
            "default",
            "-address",
            "/run/containerd/containerd.sock",
        ];
        let deleted = shim.args(words).args(["-id", "c", "delete"]).run().ok();
        assert_eq!(deleted.stderr, "");
        nothing_is_left();
        ok("systemctl", &["stop", "starter"]);
    });
}

#[test]
fn an_upgrade_stays_where_it_is() {
    test_under_systemd(&[], |world| {
        let mut talk = running(world, [""; 3]);
        let (supervisor, before) = (pids(&mut talk).0, shown(SCOPE, "InvocationID"));
        ok("systemctl", &["stop", "starter"]);
        let said = world.program("containerd-shim-tare-v2").args(["upgrade"]).ok();
        assert!(said.contains("default.c"), "{said}");
        assert_eq!(pids(&mut talk).0, supervisor);
        assert_eq!(group_of(supervisor), GROUP, "{}", journal());
        assert_eq!(shown(SCOPE, "InvocationID"), before);
        goes_on(&mut talk);
        ends(&mut talk);
    });
}

/// systemd is there and does not answer: soon enough the supervisor goes on without, and says so.
#[test]
fn without_an_answer_it_has_a_group_of_its_own() {
    test_under_systemd(&[], |world| {
        bundle(world, TRAP, None);
        ok("systemctl", &["stop", "dbus.socket", "dbus.service"]);
        for socket in ["/run/dbus/system_bus_socket", "/run/systemd/private"] {
            let _ = fs::remove_file(socket);
        }
        let _silent = UnixListener::bind("/run/dbus/system_bus_socket").unwrap();
        let begun = Instant::now();
        let shim = world.program("containerd-shim-tare-v2").directory("/run/b/c");
        let words = [
            "-namespace",
            "default",
            "-address",
            "/run/containerd/containerd.sock",
        ];
        fs::write("/run/answer", shim.args(words).args(["-id", "c", "start"]).ok()).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
        let mut talk = connected();
        talk.create([""; 3], false);
        talk.start("");
        assert_eq!(group_of(pids(&mut talk).0), WITHOUT);
        assert!(journal().contains("there is no answer in time"), "{}", journal());
        ends(&mut talk);
    });
}

/// As far as systemd goes: a user's supervisor is his own manager's, and outlives his session while that lives (lingering).
#[test]
fn a_users_supervisor_is_a_scope_of_the_users_own() {
    test_under_systemd(&[], |world| {
        ok("systemctl", &["start", "user@1500.service"]);
        let shim = world.program_path("containerd-shim-tare-v2");
        fs::create_dir("/run/user/1500/pod").unwrap();
        let its = UnixListener::bind("/run/user/1500/pod/sock").unwrap();
        its.set_nonblocking(true).unwrap();
        let ours = UnixStream::connect("/run/user/1500/pod/sock").unwrap();
        std::os::unix::fs::chown("/run/user/1500/pod", Some(1500), Some(1500)).unwrap();
        let mut session = Command::new("systemd-run")
            .args([
                "--quiet",
                "--scope",
                "--unit=session-77",
                "--slice=user-1500.slice",
            ])
            .args(["--uid=1500", "--gid=1500"])
            .args([
                "sh",
                "-c",
                "exec 3<&0 </dev/null; $0 -pod /run/user/1500/pod -containers /run/user/1500/containers <&3 3<&- & \
                 exec 3<&- sleep 1000",
            ])
            .arg(shim)
            .env("XDG_RUNTIME_DIR", "/run/user/1500")
            .stdin(Stdio::from(OwnedFd::from(its)))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let record = || -> Value {
            let text = fs::read("/run/user/1500/pod/supervisor.json").unwrap_or_default();
            serde_json::from_slice(&text).unwrap_or_default()
        };
        until("a supervisor in a scope", || record()["scope"].is_string());
        let record = record();
        let supervisor = u32::try_from(record["pid"].as_u64().unwrap()).unwrap();
        let group = "/user.slice/user-1500.slice/user@1500.service/user.slice/tare-pod.scope";
        assert_eq!(group_of(supervisor), group);
        assert_eq!(record["scope"], group);
        ok("systemctl", &["stop", "session-77.scope"]);
        session.wait().unwrap();
        assert_eq!(group_of(supervisor), group);
        drop(ours);
        until("the end of the supervisor", || !lives(&supervisor.to_string()));
        until("the end of its scope", || {
            !Path::new("/sys/fs/cgroup").join(&group[1..]).exists()
        });
    });
}

/// Where memory has limits: in the virtual machine.
#[test]
fn it_outlives_a_pod_that_runs_out_of_memory() {
    test_under_systemd(&[Need::Cgroup2Controllers], |world| {
        bundle(world, "tail /dev/zero", Some(32 << 20));
        let mut talk = started_by(world, "starter", &[]);
        talk.create([""; 3], false);
        let (supervisor, _) = pids(&mut talk);
        talk.start("");
        talk.wait("");
        talk.state("");
        assert_eq!(talk.lines[2], "wait: 137");
        assert_eq!(group_of(supervisor), GROUP, "{}", journal());
        talk.delete("");
        let shutdown = task::ShutdownRequest {
            id: "c".into(),
            now: false,
        };
        talk.done("shutdown", "Shutdown", &shutdown);
        ok("systemctl", &["stop", "starter"]);
        nothing_is_left();
    });
}
