//! `tare ns ls`: what lsns lists, with the names of containers.

use crate::person;
use crate::shell::{NEEDS, assert_nothing_left, ready};
use tare_kit::{Need, Tare, World, test};

/// One line: number, type, processes, first process, user.
type Line = [String; 5];

fn lines(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = text
        .lines()
        .map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            std::array::from_fn(|_| words.next().unwrap_or_default())
        })
        .collect();
    lines.sort();
    lines
}

/// Both lists say the same. Processes come and go between two looks, so that a few more are taken.
fn agree(ours: impl Fn() -> String, theirs: impl Fn() -> String) {
    let mut seen = (Vec::new(), Vec::new());
    for _ in 0..20 {
        seen = (lines(&ours()), lines(&theirs()));
        if seen.0 == seen.1 {
            return;
        }
    }
    assert_eq!(seen.0, seen.1);
}

fn columns(of: &str) -> String {
    format!("{{{{.NS}}}} {{{{.Type}}}} {{{{.NProcs}}}} {{{{.PID}}}} {{{{.User}}}}{of}")
}

#[test]
fn it_lists_what_lsns_lists() {
    test(&[NEEDS, &[Need::Program("lsns")]].concat(), |world| {
        ready(world);
        let _ = world
            .tare(["run", "-d", "--name", "web", "busybox", "sleep", "1000"])
            .ok();
        let format = columns("");
        let lsns = |words: &[&str]| {
            let columns = ["-n", "-r", "-o", "NS,TYPE,NPROCS,PID,USER"];
            Tare::program("lsns").args(columns).args(words).ok()
        };
        let ours = |words: &[&str]| world.tare(["ns", "ls", "--format", &format]).args(words).ok();
        agree(|| ours(&[]), || lsns(&[]));
        for kind in ["mnt", "net", "ipc", "user", "pid", "uts", "cgroup", "time"] {
            agree(|| ours(&["-t", kind]), || lsns(&["-t", kind]));
        }
        let pid = world.tare(["inspect", "-f", "{{.State.Pid}}", "web"]).ok();
        let pid = pid.trim();
        let numbers =
            |text: &str| -> Vec<String> { lines(text).into_iter().map(|line| line[0].clone()).collect() };
        assert_eq!(numbers(&ours(&["-p", pid])), numbers(&lsns(&["-p", pid])));
        let _ = world.tare(["rm", "-f", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn what_is_a_containers_has_its_name() {
    test(NEEDS, |world| {
        ready(world);
        let run = |name: &str, more: &[&str]| {
            let words = [
                &["run", "-d", "--name", name],
                more,
                &["busybox", "sleep", "1000"],
            ]
            .concat();
            let _ = world.tare(words).ok();
        };
        run("web", &[]);
        run("db", &["--network", "host"]);
        let named = |words: &[&str]| {
            let words = [&["ns", "ls", "--format", "{{.Type}} {{.Container}}"], words].concat();
            let text = world.tare(words).ok();
            let mut lines: Vec<String> = text
                .lines()
                .filter(|line| !line.ends_with(' '))
                .map(str::to_owned)
                .collect();
            lines.sort();
            lines
        };
        assert_eq!(named(&["-t", "net"]), ["net web"]);
        assert_eq!(named(&["--type", "mnt"]), ["mnt db", "mnt web"]);
        assert_eq!(named(&["-t", "user"]), [""; 0], "the machine's own");
        let table = world.tare(["ns", "ls", "-t", "uts"]).ok();
        let mut lines = table.lines();
        let heading: Vec<&str> = lines.next().expect("a heading").split_whitespace().collect();
        assert_eq!(
            heading,
            ["NS", "TYPE", "NPROCS", "PID", "USER", "CONTAINER", "COMMAND"]
        );
        let web = lines.find(|line| line.contains(" web ")).expect("a line");
        assert!(web.ends_with(" web         sleep 1000"), "{web}");
        let bare = world.tare(["ns", "list", "-t", "uts", "--no-headings"]).ok();
        assert_eq!(bare.lines().count() + 1, table.lines().count());
        let json = world.tare(["ns", "ls", "-t", "net", "--format", "json"]).ok();
        let found = json.lines().any(|line| {
            let object: serde_json::Value = serde_json::from_str(line).expect("JSON");
            (&object["Type"], &object["Container"], &object["NProcs"])
                == (&"net".into(), &"web".into(), &"1".into())
        });
        assert!(found, "{json}");
        let _ = world.tare(["rm", "-f", "web", "db"]).ok();
        assert_eq!(named(&[]), [""; 0]);
        assert_nothing_left(world);
    });
}

#[test]
fn a_hostile_name_is_one_line() {
    test(NEEDS, |world| {
        ready(world);
        let script = "exec -a \"$(printf 'x\\n1\\tnet\\033[2J\\n4026531840 pid')\" sleep 1000";
        let hostile = Tare::program("unshare")
            .args(["-u", "bash", "-c", script])
            .start();
        let pid = hostile.id().as_raw_pid().to_string();
        // Until then it is a copy of this test, then unshare, then bash.
        let words = format!("/proc/{pid}/cmdline");
        while !std::fs::read(&words).expect("read its words").starts_with(b"x\n") {}
        let line = world.tare(["ns", "ls", "-n", "-t", "uts", "-p", &pid]).ok();
        assert_eq!(line.lines().count(), 1, "{line:?}");
        assert!(line.ends_with(" x?1?net?[2J?4026531840 pid 1000\n"), "{line:?}");
    });
}

#[test]
fn bad_words_are_told() {
    test(&[Need::Root], |world: &World| {
        for (words, text) in [
            (
                &["-t", "disk"][..],
                "there is none of that name\nhint: it is one of cgroup, ipc, mnt",
            ),
            (&["-p", "x"], "it is a whole number above 0"),
            (
                &["-p", "4000000"],
                "look at process 4000000: there is none, or it is not yours to look at",
            ),
        ] {
            let said = world.tare(["ns", "ls"]).args(words).fails(125);
            assert!(said.contains(text), "{said}");
        }
        assert!(!world.data_root().exists(), "looking makes nothing");
    });
}

#[test]
fn an_ordinary_user_sees_the_own_ones() {
    test(person::NEEDS, |world| {
        person::ready(world);
        let tare = |words: &[&str]| world.tare_as(world.person(), words);
        let _ = tare(&["run", "-d", "--name", "web", "busybox", "sleep", "1000"]).ok();
        let line = tare(&[
            "ns",
            "ls",
            "-t",
            "net",
            "--format",
            "{{.Container}} {{.User}} {{.Command}}",
        ])
        .ok();
        assert!(line.lines().any(|line| line == "web tester sleep 1000"), "{line}");
        let _ = tare(&["rm", "-f", "web"]).ok();
        assert_eq!(tare(&["ps", "-aq"]).ok(), "");
    });
}
