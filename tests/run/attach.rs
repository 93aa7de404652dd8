//! `tare attach`, and leaving a container by keys: several look on, and none of them stops it.

use crate::shell::{NEEDS, assert_nothing_left, ready, wait_until_cleared};
use rustix::process::Signal;
use std::io::Write;
use tare_kit::{Need, Tare, World, test};

/// Counts, and says goodbye when it is asked to end.
const COUNT: &str =
    "trap 'echo bye; exit 3' TERM; i=0; while :; do i=$((i+1)); echo line $i; sleep 0.02; done";

fn start(world: &World, options: &[&str], words: &[&str]) {
    let _ = world
        .tare(["run", "-d", "--name", "web"])
        .args(options)
        .args(["busybox"])
        .args(words)
        .ok();
}

fn status(world: &World) -> String {
    world
        .tare(["ps", "-a", "--filter", "name=web", "--format", "{{.State}}"])
        .ok()
}

#[test]
fn several_look_on_and_each_ends_as_it_ends() {
    test(NEEDS, |world| {
        ready(world);
        start(world, &[], &["sh", "-c", COUNT]);
        let mut first = world.tare(["attach", "web"]).start();
        let mut second = world.tare(["attach", "--sig-proxy", "false", "web"]).start();
        for looking in [&mut first, &mut second] {
            let number = |line: &str| line.strip_prefix("line ").and_then(|n| n.parse::<u32>().ok());
            let line = looking.line().and_then(|line| number(&line)).expect("a number");
            assert_eq!(
                looking.line().and_then(|line| number(&line)),
                Some(line + 1),
                "none is missing"
            );
        }
        // One that passes no signal on ends by it, alone.
        second.signal(Signal::TERM);
        let (ended, _) = second.finish();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(15));
        assert_eq!(status(world), "running\n");
        first.signal(Signal::TERM);
        let (ended, rest) = first.finish();
        assert_eq!(ended.code(), Some(3));
        assert!(rest.ends_with("bye\n"), "{rest}");
        let refused = world.tare(["attach", "web"]).fails(125);
        assert!(
            refused.contains("you cannot attach to a stopped container, start it first"),
            "{refused}"
        );
        // What starts it joins it as well.
        let mut again = world.tare(["start", "-a", "web"]).start();
        assert_eq!(again.line().as_deref(), Some("line 1"));
        again.signal(Signal::TERM);
        assert_eq!(again.finish().0.code(), Some(3));
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn who_stands_still_stops_neither_container_nor_log() {
    test(NEEDS, |world| {
        ready(world);
        let flood = "seq 1 300000; trap 'exit 0' TERM; echo all; while :; do sleep 0.05; done";
        start(world, &["-i"], &["sh", "-c", &format!("read x; {flood}")]);
        let mut still = Tare::program("sh")
            .args(["-c", "exec \"$@\" 2>&1", "sh"])
            .args([world.tare([""]).command().get_program()])
            .args(world.tare(["attach", "web"]).command().get_args())
            .start();
        let input = still.stdin.as_mut().expect("its input");
        input.write_all(b"go\n").expect("write");
        assert_eq!(still.line().as_deref(), Some("1"));
        // Nobody reads its output any more, and it does not run either.
        still.signal(Signal::STOP);
        while !world.tare(["logs", "-n", "1", "web"]).ok().contains("all") {}
        still.signal(Signal::CONT);
        let stop = world.tare(["stop", "web"]).ok();
        assert_eq!(stop, "web\n");
        let rest: Vec<String> = std::iter::from_fn(|| still.line()).collect();
        let rest = rest.join("\n");
        assert_eq!(still.finish().0.code(), Some(0));
        assert!(
            rest.contains("bytes came faster than they were read here"),
            "{}",
            rest.len()
        );
        // The log has every line.
        let kept = world.tare(["logs", "web"]).ok();
        assert!(
            kept.ends_with("\nall\n") && kept.len() > 500_000,
            "{}",
            kept.len()
        );
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

#[test]
fn input_reaches_it_and_its_end_does_not() {
    test(NEEDS, |world| {
        ready(world);
        start(world, &["-i"], &["cat"]);
        let mut typing = world.tare(["attach", "web"]).start();
        let mut input = typing.stdin.take().expect("its input");
        input.write_all(b"one\n").expect("write");
        assert_eq!(typing.line().as_deref(), Some("one"));
        drop(input);
        let mut other = world.tare(["attach", "web"]).start();
        other
            .stdin
            .as_mut()
            .expect("its input")
            .write_all(b"two\n")
            .expect("write");
        assert_eq!(typing.line().as_deref(), Some("two"), "it is still there");
        assert_eq!(other.line().as_deref(), Some("two"));
        let _ = world.tare(["kill", "web"]).ok();
        for looking in [typing, other] {
            assert_eq!(looking.finish().0.code(), Some(137));
        }
        let _ = world.tare(["rm", "web"]).ok();
        assert_nothing_left(world);
    });
}

/// A command at a terminal of its own.
fn at_terminal(mut tare: Tare) -> tare_kit::Running {
    let command = tare.command();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let line = format!("stty rows 30 cols 100; {}", words.join(" "));
    let variables: Vec<_> = command
        .get_envs()
        .map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
        .collect();
    let mut script = Tare::program("script").args(["-qec", &line, "/dev/null"]);
    for (name, value) in variables {
        script = script.env(&name.to_string_lossy(), value.unwrap_or_default());
    }
    script.start()
}

fn type_in(session: &mut tare_kit::Running, text: &str) {
    let input = session.stdin.as_mut().expect("its input");
    input.write_all(text.as_bytes()).expect("type");
}

/// Reads on until something is said.
fn until(session: &mut tare_kit::Running, text: &str) {
    while !session.line().expect("a line").contains(text) {}
}

fn leave_and_come_back(tare: &dyn Fn(&[&str]) -> Tare) {
    let state = || tare(&["ps", "-a", "--format", "{{.State}}"]).ok();
    let mut run = at_terminal(tare(&["run", "-it", "--name", "web", "busybox", "sh"]));
    type_in(&mut run, "echo a$((1+1))b\n");
    until(&mut run, "a2b");
    type_in(&mut run, "\x10\x11");
    assert_eq!(run.finish().0.code(), Some(0));
    assert_eq!(state(), "running\n");
    // What it says meanwhile is kept, and does not hold it up.
    let mut back = at_terminal(tare(&["attach", "--detach-keys", "ctrl-x,q", "web"]));
    type_in(&mut back, "stty size; echo c$((1+1))d\n");
    until(&mut back, "30 100");
    until(&mut back, "c2d");
    type_in(&mut back, "\x18q");
    assert_eq!(back.finish().0.code(), Some(0));
    assert_eq!(state(), "running\n");
    while !tare(&["logs", "web"]).ok().contains("a2b") {}
    // The same of a process that is executed, whose container goes on.
    let mut exec = at_terminal(tare(&["exec", "-it", "web", "sh"]));
    type_in(&mut exec, "echo e$((1+1))f; (sleep 1; echo x > /tmp/lives) &\n");
    until(&mut exec, "e2f");
    type_in(&mut exec, "\x10\x11");
    assert_eq!(exec.finish().0.code(), Some(0));
    while tare(&["exec", "web", "cat", "/tmp/lives"]).run().stdout != "x\n" {}
    let short = tare(&["exec", "-t", "web", "sh", "-c", "echo short; exit 5"]).run();
    assert_eq!(
        (short.code(), short.stdout.as_str()),
        (Some(5), "short\r\n"),
        "{short}"
    );
    assert!(short.took < std::time::Duration::from_secs(8), "{:?}", short.took);
    let mut last = at_terminal(tare(&["attach", "web"]));
    type_in(&mut last, "exit 7\n");
    let (ended, _) = last.finish();
    assert_eq!(ended.code(), Some(7));
    assert_eq!(tare(&["wait", "web"]).ok(), "7\n");
    assert_eq!(tare(&["rm", "web"]).ok(), "web\n");
}

#[test]
fn keys_leave_it_running() {
    test(&[NEEDS, &[Need::Program("script")]].concat(), |world| {
        ready(world);
        leave_and_come_back(&|words| world.tare(words));
        wait_until_cleared(world);
        assert_nothing_left(world);
    });
}

#[test]
fn a_person_leaves_it_running() {
    test(
        &[crate::person::NEEDS, &[Need::Program("script")]].concat(),
        |world| {
            crate::person::ready(world);
            // `script` runs as root here, and what it runs as the person.
            leave_and_come_back(&|words| world.tare_as(world.person(), words));
        },
    );
}

#[test]
fn wrong_keys_are_told() {
    test(NEEDS, |world| {
        ready(world);
        let wrong = world
            .tare(["attach", "--detach-keys", "ctrl-1", "web"])
            .fails(125);
        assert!(
            wrong.contains("--detach-keys") && wrong.contains("\"ctrl-1\" is no key"),
            "{wrong}"
        );
        let none = world.tare(["attach", "web"]).fails(125);
        assert!(none.contains("there is none of that name or id"), "{none}");
    });
}
