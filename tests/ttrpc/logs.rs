//! Logs that our shim keeps: forms, rotation, policies; and what happens when a writer, a supervisor or a disk goes away.

use crate::bed::{Bed, OURS, Talk};
use crate::machine::{self, NEEDS};
use std::time::{Duration, Instant};
use tare_kit::test;

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
    let request = tare_spec_containerd::task::ShutdownRequest {
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
        // awk of busybox or mawk: a hundred thousand lines in a fraction of a second.
        let script = "awk 'BEGIN { for (i = 1; i <= 500000; i++) print \"line \" i \" of a flood of lines that are about as long as lines are\" }'";
        let since = Instant::now();
        let address = "json-file:///run/logs/x.log?max-size=4m&max-file=50";
        assert_eq!(ran(bed, script, address), WELL);
        let took = since.elapsed();
        println!("500,000 lines in {took:?}");
        assert_eq!(
            numbers(bed, "/run/logs/x.log"),
            (1..=500_000).collect::<Vec<u64>>()
        );
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
