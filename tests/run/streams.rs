//! Standard streams and terminals.

use crate::shell::{NEEDS, assert_nothing_left, ready, run, sh, wait_until_cleared};
use tare_kit::{Need, Tare, test};

#[test]
fn stdout_and_stderr_are_two() {
    test(NEEDS, |world| {
        ready(world);
        let out = run(world, &["busybox", "sh", "-c", "echo out; echo err >&2"]).run();
        assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("out\n", "err\n"));
    });
}

#[test]
fn stdin_is_open_where_it_was_asked_for_and_ends_where_ours_does() {
    test(NEEDS, |world| {
        ready(world);
        let big = "0123456789abcdef\n".repeat(100_000);
        let out = run(world, &["-i", "busybox", "md5sum"]).stdin(big.clone()).ok();
        let own = Tare::program("md5sum").stdin(big).ok();
        assert_eq!(out, own);
        let closed = run(world, &["busybox", "cat"]).stdin("not read").ok();
        assert_eq!(closed, "", "without -i nothing goes in");
    });
}

#[test]
fn much_output_comes_out_whole() {
    test(NEEDS, |world| {
        ready(world);
        assert_eq!(sh(world, &[], "seq 1 200000").lines().count(), 200_000);
    });
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    test(NEEDS, |world| {
        ready(world);
        let mut running = run(world, &["busybox", "yes"]).start();
        assert_eq!(running.line().as_deref(), Some("y"));
        // Dropping it closes the pipe and kills the client; what is left is the supervisor's to clear away.
        drop(running);
        wait_until_cleared(world);
        assert_nothing_left(world);
    });
}

#[test]
fn a_terminal_is_one_for_both_sides() {
    test(&[NEEDS, &[Need::Program("script")]].concat(), |world| {
        ready(world);
        let tare = world.tare([
            "run",
            "--rm",
            "-it",
            "busybox",
            "sh",
            "-c",
            "'tty; stty size; ls -l /dev/console | cut -c1; exit 6'",
        ]);
        let line = format!("stty rows 30 cols 100; {}", shell_line(tare));
        // Its input stays open meanwhile: script types the end of it otherwise, whose echo comes anywhere.
        let mut session = Tare::program("script").args(["-qec", &line, "/dev/null"]).start();
        let lines: Vec<String> = std::iter::from_fn(|| session.line()).collect();
        assert_eq!(lines, ["/dev/pts/0", "30 100", "c"]);
        let (status, _) = session.finish();
        assert_eq!(status.code(), Some(6));
        // Without a terminal of ours the container still gets one, and we stay as we are.
        let out = run(world, &["-t", "busybox", "tty"]).run();
        assert_eq!(
            (out.code(), out.stdout.as_str()),
            (Some(0), "/dev/pts/0\r\n"),
            "{out}"
        );
        assert_nothing_left(world);
    });
}

/// A command as one line for a shell.
fn shell_line(mut tare: Tare) -> String {
    let command = tare.command();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|w| w.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}
