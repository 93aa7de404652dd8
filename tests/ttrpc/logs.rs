//! Logs that our shim keeps: forms, rotation, policies; and what happens when a writer, a supervisor or a disk goes away.

use crate::bed::{Bed, Line, OURS, SHIM, TRAP, Talk};
use crate::machine::{self, NEEDS};
use crate::successor::{kill, pids};
use std::time::{Duration, Instant};
use tare_kit::{Need, Tare, test, test_under_systemd};
use tare_kit::{STALL_AT_CREATE, STALL_AT_WRITE, Stalled};
use tare_spec_containerd::BootstrapAnswer;
use tare_spec_containerd::task::ShutdownRequest;

/// Runs a script as a container whose output goes to an address, to its end; what Create, Start, Wait and Delete answered.
fn ran(bed: &mut Bed, script: &str, address: &str) -> Vec<String> {
    bed.run("rm -rf /run/b", "c", &[]);
    let answer = bed.start("c", script, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create(["", address, address], false);
    talk.start("");
    talk.wait("");
    talk.delete("");
    finish(bed, &mut talk);
    talk.lines
}

const WELL: [&str; 4] = [
    "create: pid true",
    "start: pid true",
    "wait: 0",
    "delete: 0 true pid true",
];

/// The supervisor ends, and leaves nothing.
fn finish(bed: &Bed, talk: &mut Talk) {
    let request = ShutdownRequest {
        id: talk.id.clone(),
        now: false,
    };
    talk.done("shutdown", "Shutdown", &request);
    let line = talk.lines.pop().unwrap_or_default();
    assert!(
        line.starts_with("shutdown: ok") || line.starts_with("shutdown: Unavailable"),
        "{line}"
    );
    let until = Instant::now() + Duration::from_secs(20);
    let pods = bed.root.join("run/tare/pods");
    while std::fs::read_dir(&pods).is_ok_and(|mut left| left.next().is_some()) {
        assert!(
            Instant::now() < until,
            "{}",
            bed.run("find /run/tare/pods; cat /run/tare/pods/*/log", "c", &[])
        );
        std::thread::yield_now();
    }
    machine::remove_group("/shim");
}

#[test]
fn forms_are_dockers_and_the_kubelets() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        let script = r"echo one; echo two >&2; printf 'a<b>\tpart'; sleep 0.1; printf 'end'";
        let shown = |bed: &Bed, path: &str| {
            let script = format!(r"sed -E 's/20[0-9][0-9]-[0-9-]+T[0-9:.]+Z/TIME/' {path} | sort");
            bed.run(&script, "c", &[])
        };
        assert_eq!(ran(bed, script, "json-file:///run/logs/x.log"), WELL);
        assert_eq!(
            shown(bed, "/run/logs/x.log"),
            concat!(
                r#"{"log":"a\u003cb\u003e\u0009partend","stream":"stdout","time":"TIME"}"#,
                "\n",
                r#"{"log":"one\n","stream":"stdout","time":"TIME"}"#,
                "\n",
                r#"{"log":"two\n","stream":"stderr","time":"TIME"}"#,
                "\n"
            )
        );
        assert_eq!(ran(bed, script, "cri:///run/logs/y.log"), WELL);
        assert_eq!(
            shown(bed, "/run/logs/y.log"),
            "TIME stderr F two\nTIME stdout F a<b>\tpartend\nTIME stdout F one\n"
        );
        assert_eq!(ran(bed, script, "file:///run/logs/z.log"), WELL);
        assert_eq!(shown(bed, "/run/logs/z.log"), "a<b>\tpartend\none\ntwo\n");
        assert_eq!(ran(bed, script, "none://"), WELL);
    });
}

/// A script that prints so many numbered lines as fast as it can.
fn flood(lines: u64) -> String {
    format!(
        "awk 'BEGIN {{ for (i = 1; i <= {lines}; i++) print \"line \" i \" of a flood of lines that are about as long as lines are\" }}'"
    )
}

/// The numbers of all lines that a log's files hold, in the order of the files.
fn numbers(bed: &Bed, path: &str) -> Vec<u64> {
    let script = format!(
        r"for n in $(seq 50 -1 1); do
            if [ -e {path}.$n.gz ]; then gzip -cd {path}.$n.gz; elif [ -e {path}.$n ]; then cat {path}.$n; fi
          done | cat - {path} | sed -nE 's/.*line ([0-9]+) of.*/\1/p'"
    );
    bed.run(&script, "c", &[])
        .lines()
        .map(|line| line.parse().expect("a number"))
        .collect()
}

#[test]
fn a_flood_is_whole_over_rotation_and_compression() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        let address = "json-file:///run/logs/x.log?max-size=4m&max-file=50";
        assert_eq!(ran(bed, &flood(500_000), address), WELL);
        assert_whole(bed, "/run/logs/x.log", 500_000);
        let files = bed.run("ls /run/logs", "c", &[]);
        assert!(files.lines().count() > 10, "{files}");
        assert!(
            files.lines().all(|name| name == "x.log" || name.ends_with(".gz")),
            "{files}"
        );
        let most = bed.run("gzip -cd /run/logs/x.log.3.gz | wc -c", "c", &[]);
        let most: u64 = most.trim().parse().expect("a number");
        assert!((3_900_000..=4_000_000).contains(&most), "{most}");
    });
}

/// The log has each line once, in order.
fn assert_whole(bed: &Bed, path: &str, lines: u64) {
    let found = numbers(bed, path);
    let wrong = (1..).zip(&found).find(|(wanted, found)| wanted != *found);
    assert_eq!(
        (wrong, found.len()),
        (None, usize::try_from(lines).expect("a count")),
        "{}",
        bed.run("ls -l /run/logs", "c", &[])
    );
}

/// Waits for a signal, after `trap go=1 USR1`.
const UNTIL_TOLD: &str = "while [ -z \"$go\" ]; do sleep 0.05; done";

/// A container that floods a log and then waits until it is told to end, and has begun to; its connection.
fn flooding(bed: &mut Bed, lines: u64, address: &str) -> (BootstrapAnswer, Talk) {
    let script = format!("trap go=1 USR1; {}; {UNTIL_TOLD}", flood(lines));
    let answer = bed.start("c", &script, "no");
    let mut talk = Talk::over("c", bed.connect(&answer));
    talk.create(["", address, address], false);
    talk.start("");
    assert_eq!(talk.lines, WELL[..2]);
    talk.lines.clear();
    (answer, talk)
}

/// Tells it to end, and sees it end.
fn ended(bed: &Bed, mut talk: Talk) {
    talk.kill("", 10);
    talk.lines.clear();
    talk.wait("");
    talk.delete("");
    finish(bed, &mut talk);
    assert_eq!(talk.lines, WELL[2..]);
}

#[test]
fn no_line_is_lost_or_repeated_where_writers_are_killed() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        let (_, talk) = flooding(bed, 1_000_000, "cri:///run/logs/x.log?max-size=4m&max-file=50");
        let killed = bed.run(
            "for i in $(seq 100); do pkill -9 -x tare-log && echo; sleep 0.0$((i % 10)); done",
            "c",
            &[],
        );
        assert!(killed.len() > 4, "{}", killed.len());
        ended(bed, talk);
        assert_whole(bed, "/run/logs/x.log", 1_000_000);
    });
}

#[test]
fn no_line_is_lost_or_repeated_where_nobody_lives() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        let (answer, mut talk) = flooding(
            bed,
            300_000,
            "json-file:///run/logs/x.log?max-size=2m&max-file=50",
        );
        // The supervisor goes: its writer goes on.
        kill(pids(&mut talk).0);
        let lines = |bed: &Bed| {
            bed.run("cat /run/logs/* | wc -c", "c", &[])
                .trim()
                .parse::<u64>()
                .expect("a number")
        };
        let before = lines(bed);
        let until = Instant::now() + Duration::from_secs(20);
        while lines(bed) == before {
            assert!(Instant::now() < until, "nothing is written any more");
        }
        // And it goes on beside a successor, which makes no second one, until it is killed as well.
        assert_eq!(
            serde_json::from_str::<BootstrapAnswer>(&bed.verb("c", "start")).expect("JSON"),
            answer
        );
        // What compresses has the name for a moment as well.
        bed.run("until [ $(pgrep -cx tare-log) = 1 ]; do :; done", "c", &[]);
        let mut talk = Talk::over("c", bed.connect(&answer));
        kill(pids(&mut talk).0);
        bed.run(
            "pkill -9 -x tare-log; while pgrep -x tare-log; do sleep 0.05; done",
            "c",
            &[],
        );
        bed.verb("c", "start");
        let talk = Talk::over("c", bed.connect(&answer));
        bed.run(
            "until grep -q 'line 300000 of' /run/logs/x.log; do sleep 0.05; done",
            "c",
            &[],
        );
        ended(bed, talk);
        assert_whole(bed, "/run/logs/x.log", 300_000);
    });
}

#[test]
fn a_full_disk_is_waited_for() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        bed.run(
            "mkdir /run/full; mount -t tmpfs -o size=1m full /run/full",
            "c",
            &[],
        );
        let (_, mut talk) = flooding(bed, 50_000, "json-file:///run/full/x.log?max-size=-1");
        let noted = "until grep -q 'write /run/full/x.log: no space left on device: it is tried again' /run/tare/pods/*/log; do sleep 0.05; done";
        bed.run(noted, "c", &[]);
        let ticks = "p=$(pgrep -x tare-log); cut -d' ' -f14,15 /proc/$p/stat; sleep 1; cut -d' ' -f14,15 /proc/$p/stat";
        let ticks: Vec<u64> = bed
            .run(ticks, "c", &[])
            .split_whitespace()
            .map(|n| n.parse().expect("ticks"))
            .collect();
        assert!(
            ticks[2] + ticks[3] - ticks[0] - ticks[1] <= 2,
            "it spins: {ticks:?}"
        );
        talk.state("");
        talk.exec("e", "exit 5");
        talk.start("e");
        talk.wait("e");
        assert_eq!(
            talk.lines,
            [
                "state: c Running 0 false pid true",
                "exec e: ok",
                "start: pid true",
                "wait: 5"
            ]
        );
        talk.lines.clear();
        bed.run("mount -o remount,size=64m /run/full; until grep -q 'the log is written again' /run/tare/pods/*/log; do sleep 0.05; done", "c", &[]);
        ended(bed, talk);
        assert_whole(bed, "/run/full/x.log", 50_000);
        bed.run("umount /run/full", "c", &[]);
    });
}

#[test]
fn a_log_that_cannot_be_opened_is_no_container() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        bed.run(
            "mkdir /run/fixed /run/fixed/folder; mount -t tmpfs -o ro fixed /run/fixed; touch /run/file",
            "c",
            &[],
        );
        for (address, why) in [
            ("json-file:///run/fixed/x.log", "read-only file system"),
            ("cri:///run/file/x.log", "file exists"),
            ("cri:///run/fixed", "is a directory"),
            (
                "json-file:///run/x?max-sise=1m",
                "max-sise: there is none of this name",
            ),
            ("jsonfile:///run/x", "streams to jsonfile:// are not served"),
            ("journald://", "connect to the journal: no such file or directory"),
        ] {
            bed.run("rm -rf /run/b", "c", &[]);
            let answer = bed.start("c", "true", "no");
            let mut talk = Talk::over("c", bed.connect(&answer));
            talk.create(["", address, address], false);
            assert!(talk.lines[0].contains(why), "{address}: {:?}", talk.lines);
            // As containerd does then.
            talk.delete("");
            finish(bed, &mut talk);
        }
        bed.run("umount /run/fixed", "c", &[]);
    });
}

#[test]
fn a_disk_that_becomes_read_only_is_waited_for() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        bed.run("mkdir /run/disk; mount -t tmpfs disk /run/disk", "c", &[]);
        let answer = bed.start(
            "c",
            "trap go=1 USR1; while [ -z \"$go\" ]; do sleep 0.05; done; echo line 1 of; sleep 0.3; echo line 2 of",
            "no",
        );
        let mut talk = Talk::over("c", bed.connect(&answer));
        talk.create(["", "cri:///run/disk/x.log", "cri:///run/disk/x.log"], false);
        talk.start("");
        // Its writer has ended: the next one cannot open the log.
        bed.run(
            "while pgrep -x tare-log; do sleep 0.1; done; mount -o remount,ro /run/disk",
            "c",
            &[],
        );
        talk.kill("", 10);
        bed.run("until grep -q 'read-only file system: it is tried again' /run/tare/pods/*/log; do sleep 0.05; done; mount -o remount,rw /run/disk", "c", &[]);
        talk.lines.clear();
        ended(bed, talk);
        assert_eq!(numbers(bed, "/run/disk/x.log"), [1, 2]);
        bed.run("umount /run/disk", "c", &[]);
    });
}

/// What is missing is counted, and said where it is missing.
#[test]
fn a_log_that_is_not_to_block_has_counted_gaps() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        bed.run(
            "mkdir /run/full; mount -t tmpfs -o size=256k full /run/full",
            "c",
            &[],
        );
        let address = "json-file:///run/full/x.log?max-size=-1&mode=non-blocking&max-buffer-size=256k";
        let script = format!("{}; echo line 0 of the end", flood(50_000));
        let answer = bed.start("c", &script, "no");
        let mut talk = Talk::over("c", bed.connect(&answer));
        talk.create(["", address, address], false);
        talk.start("");
        // It does not wait for its log.
        talk.wait("");
        bed.run("mount -o remount,size=64m /run/full", "c", &[]);
        talk.delete("");
        finish(bed, &mut talk);
        assert_eq!(talk.lines, WELL);
        let text = bed.run("cat /run/full/x.log", "c", &[]);
        assert!(
            text.lines()
                .all(|line| line.starts_with("{\"log\":\"") && line.ends_with("Z\"}")),
            "torn"
        );
        let numbers = numbers(bed, "/run/full/x.log");
        let gaps = bed.run(
            r"sed -nE 's/.*tare: ([0-9]+) lines .([0-9]+) bytes. are missing here.*/\1/p' /run/full/x.log",
            "c",
            &[],
        );
        let missing: u64 = gaps
            .lines()
            .map(|lines| lines.parse::<u64>().expect("a number"))
            .sum();
        assert!(missing > 10_000, "{gaps}");
        // A line that was cut is there, and is counted as missing: one a gap at most.
        let count = u64::try_from(numbers.len()).expect("a count");
        let whole = 50_001 - missing;
        assert!(
            (whole..=whole + u64::try_from(gaps.lines().count()).expect("a count")).contains(&count),
            "{count} {missing}"
        );
        assert!(numbers.is_sorted_by_key(|n| if *n == 0 { u64::MAX } else { *n }));
        bed.run("umount /run/full", "c", &[]);
    });
}

#[test]
fn others_may_move_the_file() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        let script = "trap : USR1; for i in $(seq 300); do echo line $i of; sleep 0.01; done; exit 0";
        let answer = bed.start("c", script, "no");
        let mut talk = Talk::over("c", bed.connect(&answer));
        let address = "cri:///run/logs/x.log?max-size=-1";
        talk.create(["", address, address], false);
        talk.start("");
        talk.lines.clear();
        bed.run("until [ -s /run/logs/x.log ]; do sleep 0.05; done; mv /run/logs/x.log /run/logs/x.log.1; until [ -e /run/logs/x.log ]; do sleep 0.05; done", "c", &[]);
        ended(bed, talk);
        assert_whole(bed, "/run/logs/x.log", 300);
    });
}

#[test]
fn a_terminal_is_logged() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        let answer = bed.start("c", "tty; echo error >&2; exit 3", "yes");
        let mut talk = Talk::over("c", bed.connect(&answer));
        talk.create(["", "json-file:///run/logs/x.log", ""], true);
        talk.start("");
        talk.wait("");
        talk.delete("");
        finish(bed, &mut talk);
        assert_eq!(talk.lines[2..], ["wait: 3", "delete: 3 true pid true"]);
        let logs = bed.run("jq -j '.stream + \" \" + .log' /run/logs/x.log", "c", &[]);
        assert_eq!(logs, "stdout /dev/pts/0\r\nstdout error\r\n");
    });
}

/// A process that is executed has a log of its own; an idle one has no process.
#[test]
fn an_idle_log_costs_no_process() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        let answer = bed.start(
            "c",
            "echo begun; trap go=1 USR1; while [ -z \"$go\" ]; do sleep 0.05; done; echo ended",
            "no",
        );
        let mut talk = Talk::over("c", bed.connect(&answer));
        let address = "cri:///run/logs/x.log";
        talk.create(["", address, address], false);
        talk.start("");
        bed.run("until grep begun /run/logs/x.log; do sleep 0.05; done; while pgrep -x tare-log; do sleep 0.1; done", "c", &[]);
        let pid = pids(&mut talk).0;
        let ticks = format!("cut -d' ' -f14,15 /proc/{pid}/stat");
        let before = bed.run(&ticks, "c", &[]);
        bed.run("sleep 1", "c", &[]);
        assert_eq!(bed.run(&ticks, "c", &[]), before);
        talk.kill("", 10);
        talk.lines.clear();
        ended(bed, talk);
        assert_eq!(bed.run("wc -l < /run/logs/x.log", "c", &[]).trim(), "2");
    });
}

/// The two containers of a pod, one of whose logs is on a file system that does not answer any more: everything is answered at
/// once, of the other and of this one; only its end waits for what it had to say, for a while.
fn a_stalled_disk_stalls_nothing_but_its_log(at: u32) {
    test(&[NEEDS, &[Need::Fuse]].concat(), |world| {
        let bed = &mut Bed::furnish(world, OURS);
        let stalled = Stalled::mount(&bed.root, "/run/stalled", at);
        let answer = bed.start("c", "while :; do echo line 1 of many; done", "no");
        assert_eq!(bed.start("other", TRAP, "no"), answer);
        let mut other = Talk::over("other", bed.connect(&answer));
        let fine = "json-file:///run/logs/other.log";
        other.create(["", fine, fine], false);
        other.start("");
        let mut talk = Talk::over("c", bed.connect(&answer));
        let log = "json-file:///run/stalled/x.log";
        talk.create(["", log, log], false);
        talk.start("");
        let until = Instant::now() + Duration::from_secs(20);
        while !stalled.is_reached() {
            assert!(Instant::now() < until, "nobody has asked");
        }
        assert_eq!(talk.lines, WELL[..2]);
        // The container has filled its FIFO, and waits.
        bed.run(
            "until grep -qs pipe_write /proc/[0-9]*/wchan || [ $((n+=1)) -gt 20 ]; do sleep 0.05; done",
            "c",
            &[],
        );
        let since = Instant::now();
        talk.exec("e", "exit 5");
        talk.start("e");
        talk.wait("e");
        talk.state("");
        other.state("");
        other.exec("e", "exit 6");
        other.start("e");
        other.wait("e");
        talk.kill("", 9);
        talk.wait("");
        other.kill("", 15);
        other.wait("");
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
        assert_eq!(
            talk.lines[2..],
            [
                "exec e: ok",
                "start: pid true",
                "wait: 5",
                "state: c Running 0 false pid true",
                "kill 9 : ok",
                "wait: 137"
            ]
        );
        // While the end of the one waits for its log, the other is deleted.
        let waits = std::thread::spawn(move || {
            let since = Instant::now();
            talk.delete("");
            (talk, since.elapsed())
        });
        other.delete("");
        let (mut talk, took) = waits.join().expect("an answer");
        assert!((9..20).contains(&took.as_secs()), "{took:?}");
        let notes = bed.run("cat /run/tare/pods/*/log", "c", &[]);
        assert!(
            notes.contains("is not written to its end: its writer took too long"),
            "{notes}"
        );
        assert_eq!(
            other.lines[2..],
            [
                "state: other Running 0 false pid true",
                "exec e: ok",
                "start: pid true",
                "wait: 6",
                "kill 15 : ok",
                "wait: 7",
                "delete: 7 true pid true"
            ]
        );
        drop(stalled);
        finish(bed, &mut talk);
    });
}

#[test]
fn a_disk_that_stalls_stalls_nothing_but_its_log() {
    a_stalled_disk_stalls_nothing_but_its_log(STALL_AT_WRITE);
}

#[test]
fn a_disk_that_is_stalled_stalls_nothing_but_its_log() {
    a_stalled_disk_stalls_nothing_but_its_log(STALL_AT_CREATE);
}

/// Where the supervisor is gone, `delete` writes down what its containers have said to nobody.
#[test]
fn the_last_words_are_kept_where_nobody_adopts() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        let script = format!(
            "trap go=1 USR1; echo line 1 of; {UNTIL_TOLD}; echo line 2 of; printf 'line 3 of'; sleep 1000"
        );
        let answer = bed.start("c", &script, "no");
        let mut talk = Talk::over("c", bed.connect(&answer));
        let address = "json-file:///run/logs/x.log";
        talk.create(["", address, address], false);
        talk.start("");
        bed.run("until grep -qs 'line 1' /run/logs/x.log; do sleep 0.05; done; while pgrep -x tare-log; do sleep 0.1; done", "c", &[]);
        let (supervisor, first) = pids(&mut talk);
        kill(supervisor);
        bed.run(&format!("kill -USR1 {first}; until pgrep -x sleep -P {first} && [ $(cat /proc/$(pgrep -x sleep -P {first})/cmdline | tr -d '\\0') = sleep1000 ]; do :; done"), "c", &[]);
        bed.verb("c", "delete");
        assert_eq!(numbers(bed, "/run/logs/x.log"), [1, 2, 3]);
        assert_eq!(
            bed.run("ls /run/tare/pods; pgrep -x tare-log || echo none", "c", &[]),
            "none\n"
        );
        machine::remove_group("/shim");
        bed.run("rm -f /run/containerd/s/*", "c", &[]);
    });
}

/// Two streams, and a line after a signal.
const SPEAKS: &str = r#"{"ociVersion":"1.2.0","process":{"args":["sh","-c","trap go=1 USR1; echo to the journal; printf 'and\tto its errors' >&2; while [ -z $go ]; do sleep 0.05; done; echo the end"],
    "cwd":"/","env":["PATH=/bin:/usr/bin"],"user":{"uid":0,"gid":0}},"root":{"path":"rootfs"},
    "mounts":[{"destination":"/proc","type":"proc","source":"proc"}],"linux":{"namespaces":[{"type":"pid"},{"type":"mount"}]}}"#;

/// The fields of an entry that docker writes.
const FIELDS: [&str; 8] = [
    "CONTAINER_ID",
    "CONTAINER_ID_FULL",
    "CONTAINER_NAME",
    "CONTAINER_NAMESPACE",
    "CONTAINER_TAG",
    "SYSLOG_IDENTIFIER",
    "PRIORITY",
    "MESSAGE",
];

/// The journal's entries of a tag, when there are as many.
fn entries(tag: &str, count: usize) -> Vec<serde_json::Value> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let words = ["-o", "json", "-t", tag, "--no-pager", "-q"];
        let text = Tare::program("journalctl").args(words).run().stdout;
        let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let entries: Vec<serde_json::Value> = lines.collect();
        if entries.len() >= count || Instant::now() > until {
            return entries;
        }
    }
}

/// systemd's own journal takes what a container says, with docker's fields; also what came while it was gone.
#[test]
fn the_journal_has_dockers_fields() {
    test_under_systemd(&[], |world| {
        std::fs::create_dir_all("/run/b/c").expect("make the bundle");
        std::fs::write("/run/b/c/config.json", SPEAKS).expect("write the configuration");
        let words = "-namespace default -address /run/containerd.sock -id c start";
        let shim = world.program("containerd-shim-tare-v2").args(words.split(' '));
        let answer = shim.directory("/run/b/c").ok();
        let answer: BootstrapAnswer = serde_json::from_str(&answer).expect("an answer in JSON");
        let path = answer.address.strip_prefix("unix://").expect("a socket");
        let connection = tare_ttrpc::Connection::connect(std::path::Path::new(path)).expect("connect");
        let mut talk = Talk::over("c", Line::of(connection));
        talk.create(["", "journald://?tag=said", "journald://?tag=said"], false);
        talk.start("");
        // The second stream has no end of a line yet.
        assert_eq!(entries("said", 1)[0]["MESSAGE"], "to the journal");
        let stop = "stop systemd-journald.socket systemd-journald-dev-log.socket systemd-journald.service";
        let _ = Tare::program("systemctl").args(stop.split(' ')).ok();
        talk.kill("", 10);
        talk.wait("");
        let start = "start systemd-journald.socket systemd-journald.service";
        let _ = Tare::program("systemctl").args(start.split(' ')).ok();
        talk.delete("");
        assert_eq!(talk.lines[..2], WELL[..2]);
        assert_eq!(talk.lines[3..], WELL[2..]);
        let shown = |entry: &serde_json::Value| {
            FIELDS
                .map(|name| entry[name].as_str().unwrap_or_default())
                .join(" ")
        };
        let mut lines: Vec<String> = entries("said", 3).iter().map(shown).collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "c c c default said said 3 and\tto its errors",
                "c c c default said said 6 the end",
                "c c c default said said 6 to the journal"
            ]
        );
        talk.done(
            "shutdown",
            "Shutdown",
            &ShutdownRequest {
                id: "c".into(),
                now: false,
            },
        );
    });
}

/// Every writer dies at the same place, time and again: each one gets somewhere, and nothing is lost or repeated.
#[test]
fn writers_die_and_fail_at_every_side_effect() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        for (fault, lines) in [
            ("kill@log-taken", 3000),
            ("kill@log-intended", 3000),
            ("kill@log-written", 3000),
            ("kill@log-shifted", 3000),
            ("kill@log-compressed", 3000),
            ("fail@log-taken", 200),
            ("fail@log-intended", 200),
            ("fail@log-written", 200),
        ] {
            bed.run("rm -rf /run/b /run/logs", "c", &[]);
            bed.bundle("c", &flood(lines), "no");
            let said = bed.run(SHIM, "c", &[("ARGS", "start"), ("TARE_FAILPOINT", fault)]);
            let answer: BootstrapAnswer = serde_json::from_str(&said).expect("an answer in JSON");
            let mut talk = Talk::over("c", bed.connect(&answer));
            let address = "json-file:///run/logs/x.log?max-size=20k&max-file=50";
            talk.create(["", address, address], false);
            talk.start("");
            talk.wait("");
            talk.delete("");
            finish(bed, &mut talk);
            assert_eq!(talk.lines, WELL, "{fault}");
            println!("{fault}");
            assert_whole(bed, "/run/logs/x.log", lines);
        }
    });
}

/// The same of the two processes of a log that is not to block, as long as nothing has to be dropped.
#[test]
fn no_line_is_lost_or_repeated_where_collectors_are_killed() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        let address = "cri:///run/logs/x.log?max-size=4m&max-file=50&mode=non-blocking&max-buffer-size=256m";
        let (_, talk) = flooding(bed, 500_000, address);
        let storm = "for i in $(seq 100); do pkill -9 -x tare-log && echo; sleep 0.0$((i % 10)); done";
        assert!(bed.run(storm, "c", &[]).len() > 2);
        ended(bed, talk);
        assert_whole(bed, "/run/logs/x.log", 500_000);
    });
}

/// A supervisor and the writer of a full disk are killed while a container is deleted that is only waiting for its log: the
/// successor has it written down, though a new container of that name has one of its own by then.
#[test]
fn what_a_deleted_container_said_is_written_by_a_successor() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        bed.run(
            "mkdir /run/full; mount -t tmpfs -o size=256k full /run/full; cat /dev/zero > /run/full/filling 2>&1 || true",
            "c",
            &[],
        );
        // What nobody has taken when everybody dies is gone with the FIFO: it is all taken at once.
        let at_once = format!("{} | dd ibs=4k obs=64k 2>/dev/null", flood(300));
        let answer = bed.start("c", &at_once, "no");
        let mut talk = Talk::over("c", bed.connect(&answer));
        let address = "json-file:///run/full/x.log";
        talk.create(["", address, address], false);
        talk.start("");
        talk.wait("");
        assert_eq!(talk.lines, WELL[..3]);
        let taken = "until grep -q 'no space left on device' /run/tare/pods/*/log; do sleep 0.05; done";
        bed.run(taken, "c", &[]);
        let (shim, _) = pids(&mut talk);
        let deletion = std::thread::spawn(move || talk.delete(""));
        bed.run(
            "while [ -e /run/tare/pods/default.c/containers/c.json ]; do sleep 0.01; done; pkill -9 -x tare-log || true",
            "c",
            &[],
        );
        kill(shim);
        deletion.join().expect("it ends");
        let answer: BootstrapAnswer =
            serde_json::from_str(&bed.verb("c", "start")).expect("an answer in JSON");
        let mut talk = Talk::over("c", bed.connect(&answer));
        bed.run("mkdir /run/logs", "c", &[]);
        let address = "json-file:///run/logs/x.log";
        talk.create(["", address, address], false);
        talk.start("");
        bed.run("rm /run/full/filling", "c", &[]);
        talk.wait("");
        talk.delete("");
        assert_eq!(talk.lines, WELL);
        talk.lines.clear();
        let gone = "n=0; while [ -n \"$(ls /run/tare/pods/default.c/streams)\" ]; do sleep 0.05; n=$((n+1)); [ $n -lt 400 ]; done";
        bed.run(gone, "c", &[]);
        finish(bed, &mut talk);
        for log in ["/run/full/x.log", "/run/logs/x.log"] {
            assert_whole(bed, log, 300);
        }
        bed.run("umount /run/full", "c", &[]);
    });
}

/// A log that is given up has no process any more, of whatever kind.
#[test]
fn what_is_given_up_is_gone() {
    test(NEEDS, |world| {
        let bed = &mut Bed::furnish(world, OURS);
        bed.run(
            "mkdir /run/full; mount -t tmpfs -o size=64k full /run/full",
            "c",
            &[],
        );
        let address = "json-file:///run/full/x.log?max-size=-1&mode=non-blocking";
        let lines = ran(bed, &flood(50_000), address);
        assert_eq!(lines, WELL);
        let gone = "n=0; while pgrep -x tare-log; do sleep 0.1; n=$((n+1)); [ $n -lt 100 ] || exit 1; done";
        bed.run(gone, "c", &[]);
        bed.run("umount /run/full", "c", &[]);
    });
}
