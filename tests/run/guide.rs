//! The guide is true: every command of `docs/guide.md` is executed, and prints what stands there.

use crate::shell::{NEEDS, assert_nothing_left, ready, words};
use tare_kit::{Tare, World, test};

const GUIDE: &str = include_str!("../../docs/guide.md");

/// What stands for anything: within a line, or alone for any number of lines.
const ANYTHING: &str = "…";

/// The commands of the guide, each with the lines that it prints.
fn commands() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut inside = false;
    for line in GUIDE.lines() {
        match (line, inside) {
            ("```console", _) => inside = true,
            ("```", _) => inside = false,
            (_, false) => {}
            (line, true) => match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((command, Vec::new())),
                (None, Some((_, printed))) => printed.push(line),
                (None, None) => panic!("{line}: before any command"),
            },
        }
    }
    commands
}

/// Whether a line is as it stands in the guide; columns may be wider apart.
fn is_like(line: &str, wanted: &str) -> bool {
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (line, wanted) = (squeeze(line), squeeze(wanted));
    let Some((first, rest)) = wanted.split_once(ANYTHING) else {
        return line == wanted;
    };
    let (middle, last) = rest.rsplit_once(ANYTHING).unwrap_or(("", rest));
    // The ends are fixed first: what stands for anything may hold what follows it, as `1 second ago 1` does.
    let Some(mut open) = line
        .strip_prefix(first.trim_end())
        .and_then(|line| line.strip_suffix(last.trim_start()))
    else {
        return false;
    };
    middle.split(ANYTHING).map(str::trim).all(|piece| {
        let found = open.split_once(piece);
        open = found.map_or(open, |(_, after)| after);
        found.is_some()
    })
}

/// Whether lines are those of the guide.
fn are_like(lines: &[&str], wanted: &[&str]) -> bool {
    match (lines, wanted) {
        (_, [ANYTHING]) => true,
        (_, [ANYTHING, rest @ ..]) => (0..=lines.len()).any(|skipped| are_like(&lines[skipped..], rest)),
        ([line, lines @ ..], [one, wanted @ ..]) => is_like(line, one) && are_like(lines, wanted),
        ([], []) => true,
        _ => false,
    }
}

fn execute(world: &World, command: &str, code: i32) -> (String, i32) {
    let script = format!(
        "exec 2>&1; tare() {{ {} \"$@\"; }}; (exit {code}); {command}",
        words(world)
    );
    let out = Tare::program("sh").args(["-c", &script]).run();
    (out.stdout.clone(), out.code().unwrap_or(-1))
}

#[test]
fn every_command_prints_what_stands_there() {
    test(NEEDS, |world| {
        ready(world);
        let mut code = 0;
        let commands = commands();
        assert!(commands.len() > 15, "{} commands", commands.len());
        for (command, wanted) in commands {
            let (printed, ended) = execute(world, command, code);
            let lines: Vec<&str> = printed.lines().collect();
            assert!(are_like(&lines, &wanted), "{command}\n{printed}");
            code = ended;
        }
        assert_nothing_left(world);
    });
}

#[test]
fn a_difference_is_seen() {
    for (line, wanted, like) in [
        ("a  b c", "a b c", true),
        ("a b c", "a … c", true),
        ("a b c", "a …", true),
        ("a b c d", "a … c", false),
        ("a 1 second ago 1", "a … 1", true),
        ("a b 1 second ago 1", "… b … 1", true),
        ("a c b", "a … b … c … b", false),
        ("x a", "a", false),
        ("a b", "a c", false),
    ] {
        assert_eq!(is_like(line, wanted), like, "{line} {wanted}");
    }
    assert!(are_like(&["a", "b", "c"], &["a", ANYTHING, "c"]));
    assert!(!are_like(&["a", "b", "c"], &["a", ANYTHING, "b"]));
    assert!(!are_like(&["a"], &["a", "b"]));
}
