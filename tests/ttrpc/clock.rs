//! The time of day jumps, a day ahead and two back: nothing ends early, nothing late, nobody wakes up for it, and what is written
//! down has the time of day as it is then.

use crate::bed::{Line, Talk};
use crate::successor::pids;
use crate::systemd::{bundle, nothing_is_left, ok, started_by};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant, SystemTime};
use tare_kit::{Need, World, test_under_systemd};
use tare_spec_containerd::{Service, task};
use tare_ttrpc::Connection;

const CONFIGURATION: &str = "/run/b/c/config.json";
const DAY: i64 = 86_400;
/// How far the clock jumps each time.
const JUMPS: [i64; 2] = [DAY, -2 * DAY];
/// The lines of the log before the container is silent.
const LINES: usize = 300;

/// Sets the clock so much ahead.
fn jump(seconds: i64) {
    let now: i64 = ok("date", &["+%s"]).parse().unwrap();
    ok("date", &["-s", &format!("@{}", now + seconds)]);
}

/// Has the first hook of the creation be this, with so many seconds of time.
fn hook(script: &str, timeout: u32) {
    let mut config: Value = serde_json::from_slice(&fs::read(CONFIGURATION).unwrap()).unwrap();
    let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", format!("touch /run/hook; {script}")], "timeout": timeout});
    config["hooks"] = json!({"createRuntime": [hook]});
    fs::write(CONFIGURATION, config.to_string()).unwrap();
}

/// Another connection to the same supervisor.
fn another() -> Talk {
    let answer: Value = serde_json::from_slice(&fs::read("/run/answer").unwrap()).unwrap();
    let socket = answer["address"]
        .as_str()
        .unwrap()
        .strip_prefix("unix://")
        .unwrap();
    Talk::over(
        "c",
        Line::of(Connection::connect(std::path::Path::new(socket)).unwrap()),
    )
}

/// A wait with this deadline: how long it took to be told that this is over.
fn waits(time: Duration) -> std::thread::JoinHandle<Duration> {
    let mut talk = another();
    std::thread::spawn(move || {
        let request = task::WaitRequest {
            id: "c".into(),
            exec_id: "sleeps".into(),
        };
        let since = Instant::now();
        let outcome: tare_error::Result<task::WaitResponse> =
            talk.connection
                .call(Service::TaskV3.name(), "Wait", &request, Some(time));
        outcome.unwrap_err();
        since.elapsed()
    })
}

/// What the supervisor has used, and how often it went to sleep.
fn used(supervisor: u32) -> [String; 3] {
    let stat = fs::read_to_string(format!("/proc/{supervisor}/stat")).unwrap();
    let status = fs::read_to_string(format!("/proc/{supervisor}/status")).unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let field = |number: usize| after_name.split(' ').nth(number - 2).unwrap().to_owned();
    let slept = status.lines().find(|line| line.starts_with("voluntary_ctxt"));
    [field(14), field(15), slept.unwrap().to_owned()]
}

/// The time that a hook may take is what passes, whatever the clock says.
fn hooks_have_their_time(talk: &mut Talk) {
    for (script, timeout, by, wanted) in [
        ("sleep 2", 60, JUMPS[0], "create: pid true"),
        (
            "sleep 1000",
            3,
            JUMPS[1],
            "it took longer than its timeout of 3 s",
        ),
    ] {
        hook(script, timeout);
        let since = Instant::now();
        let mut creator = another();
        let creating = std::thread::spawn(move || {
            creator.create([""; 3], false);
            creator.lines
        });
        while fs::remove_file("/run/hook").is_err() {
            assert!(since.elapsed() < Duration::from_secs(20), "the hook does not run");
            std::thread::yield_now();
        }
        jump(by);
        let lines = creating.join().unwrap();
        let took = since.elapsed();
        assert!(lines[0].contains(wanted), "{lines:?}");
        assert!((2..20).contains(&took.as_secs()), "{took:?}");
        if wanted.starts_with("create") {
            talk.delete("");
            assert!(talk.lines.pop().unwrap().starts_with("delete: 0"));
        }
    }
}

/// What a container says and how it ends has the time of day as it is then.
fn exits_have_the_time_of_day(talk: &mut Talk) {
    let before = SystemTime::now();
    talk.kill("", 15);
    let request = task::WaitRequest {
        id: "c".into(),
        ..Default::default()
    };
    let answer: task::WaitResponse = talk.get("Wait", &request);
    let after = SystemTime::now();
    let at = answer.exited_at.unwrap().time().unwrap();
    assert_eq!(answer.exit_status, 7);
    assert!(before <= at && at <= after, "{before:?} {at:?} {after:?}");
}

fn jumps_change_nothing(world: &World) {
    let script = format!(
        "trap 'exit 7' TERM; i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo line $i; sleep 0.02; done; while :; do sleep 1000 & wait; done"
    );
    bundle(world, &script, None);
    let mut talk = started_by(world, "starter", &[]);
    hooks_have_their_time(&mut talk);
    bundle(world, &script, None);
    let log = "json-file:///run/logs/x.log?max-size=4k&max-file=20&compress=false";
    talk.create(["", log, log], false);
    talk.start("");
    talk.exec("sleeps", "exec sleep 1000");
    talk.start("sleeps");
    let (supervisor, _) = pids(&mut talk);
    let waiters: Vec<_> = [6, 9].map(|s| (s, waits(Duration::from_secs(s)))).into();
    for by in JUMPS {
        jump(by);
        talk.state("");
        assert!(talk.lines.pop().unwrap().starts_with("state: c Running"));
    }
    for (seconds, waiter) in waiters {
        let took = waiter.join().unwrap();
        assert!(
            (seconds..seconds + 5).contains(&took.as_secs()),
            "{seconds}: {took:?}"
        );
    }
    let count = || ok("sh", &["-c", "cat /run/logs/x.log* | wc -l"]);
    let until = Instant::now() + Duration::from_secs(60);
    while count() != LINES.to_string() || !ok("sh", &["-c", "pgrep -x tare-log || true"]).is_empty() {
        assert!(Instant::now() < until, "{}", count());
    }
    // That its writer has gone is noticed first.
    ok("sleep", &["2"]);
    let before = used(supervisor);
    for by in JUMPS {
        jump(by);
        ok("sleep", &["2"]);
    }
    assert_eq!(before, used(supervisor));
    assert_eq!(
        fs::read_dir(format!("/proc/{supervisor}/task")).unwrap().count(),
        1
    );
    exits_have_the_time_of_day(&mut talk);
    talk.delete("");
    assert_eq!(talk.lines.pop().unwrap(), "delete: 7 true pid true");
    let request = task::ShutdownRequest {
        id: "c".into(),
        now: false,
    };
    talk.done("shutdown", "Shutdown", &request);
    ok("systemctl", &["stop", "starter"]);
    nothing_is_left();
}

#[test]
fn a_clock_that_jumps_changes_nothing() {
    test_under_systemd(&[Need::Clock], |world| {
        let (real, begun) = (SystemTime::now(), Instant::now());
        jumps_change_nothing(world);
        let now = real.duration_since(SystemTime::UNIX_EPOCH).unwrap() + begun.elapsed();
        ok("date", &["-s", &format!("@{}", now.as_secs())]);
    });
}
