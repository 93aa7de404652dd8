//! Rules, their meaning, the lines of version 1 and the program of version 2, all against one another.

use super::program::{assemble, machine};
use super::*;

fn rule(allow: bool, kind: DeviceKind, major: Option<i64>, minor: Option<i64>, access: &str) -> DeviceRule {
    DeviceRule {
        allow,
        kind,
        major,
        minor,
        access: Some(access.to_owned()),
    }
}

/// Deny all, then what a container needs.
pub(crate) fn usual() -> Vec<DeviceRule> {
    use DeviceKind::{All, Block, Char};
    vec![
        rule(false, All, None, None, "rwm"),
        rule(true, Char, None, None, "m"),
        rule(true, Block, None, None, "m"),
        rule(true, Char, Some(1), Some(3), "rwm"),
        rule(true, Char, Some(136), None, "rwm"),
        rule(true, Char, Some(5), Some(2), "rw"),
    ]
}

/// What the version 1 controller would answer (`match_exception` and its partial twin in the kernel).
fn answer(policy: &Policy, device: Device, access: Access) -> bool {
    let mut matching = policy.exceptions.iter().filter(|(known, _)| known.covers(device));
    if policy.allow_by_default {
        !matching.any(|(_, denied)| denied.meets(access))
    } else {
        matching.any(|(_, allowed)| access.without(*allowed).is_none())
    }
}

#[test]
fn the_usual_rules() {
    let policy = Policy::of(&usual()).unwrap();
    assert!(!policy.allow_by_default);
    let lines: Vec<String> = policy
        .exceptions
        .iter()
        .map(|(d, a)| format!("{d} {a}"))
        .collect();
    assert_eq!(
        lines,
        ["c *:* m", "b *:* m", "c 1:3 rwm", "c 136:* rwm", "c 5:2 rw"]
    );
}

#[test]
fn the_program_answers_as_version_1_does() {
    use DeviceKind::{All, Block, Char};
    let policies = [
        usual(),
        vec![],
        vec![rule(false, All, None, None, "rwm")],
        vec![
            rule(false, Char, Some(1), None, "w"),
            rule(false, Block, None, Some(3), "rw"),
        ],
        vec![
            rule(false, All, None, None, "rwm"),
            rule(true, Char, Some(i64::from(u32::MAX)), None, "r"),
        ],
    ];
    for rules in policies {
        let policy = Policy::of(&rules).unwrap();
        let code = assemble(&policy);
        for is_block in [true, false] {
            for major in [0, 1, 5, 136, u32::MAX] {
                for minor in [0, 2, 3, 99] {
                    for bits in 1..=7_u8 {
                        let device = Device {
                            is_block,
                            major: Some(major),
                            minor: Some(minor),
                        };
                        let kind = if is_block { 1 } else { 2 };
                        let got = machine::run(&code, kind, u32::from(bits), major, minor);
                        let want = answer(&policy, device, Access(bits));
                        assert_eq!(got, want, "{device} {:?} under {rules:?}", Access(bits));
                    }
                }
            }
        }
    }
}

#[test]
fn later_rules_take_back_earlier_ones() {
    use DeviceKind::{All, Block, Char};
    let mut rules = usual();
    rules.push(rule(false, Char, Some(1), Some(3), "w"));
    rules.push(rule(false, Block, None, None, "rwm"));
    let policy = Policy::of(&rules).unwrap();
    let lines: Vec<String> = policy
        .exceptions
        .iter()
        .map(|(d, a)| format!("{d} {a}"))
        .collect();
    assert_eq!(lines, ["c *:* m", "c 1:3 rm", "c 136:* rwm", "c 5:2 rw"]);

    rules.push(rule(true, All, None, None, "rwm"));
    let policy = Policy::of(&rules).unwrap();
    assert!(policy.allow_by_default && policy.exceptions.is_empty());

    // Both kinds at once, and not everything of them: never "allow all".
    let policy = Policy::of(&[
        rule(false, All, None, None, "rwm"),
        rule(true, All, Some(1), None, "r"),
    ])
    .unwrap();
    assert!(!policy.allow_by_default);
    assert_eq!(policy.exceptions.len(), 2);
}

#[test]
fn what_cannot_be_expressed_or_is_no_rule_is_refused() {
    use DeviceKind::{Char, Fifo};
    let mut hole = usual();
    hole.push(rule(false, Char, Some(136), Some(4), "rw"));
    let bad = [
        hole,
        vec![rule(true, Fifo, None, None, "r")],
        vec![rule(true, Char, Some(-2), None, "r")],
        vec![rule(true, Char, Some(1 << 33), None, "r")],
        vec![rule(true, Char, None, None, "x")],
        vec![rule(true, Char, None, None, "r"); RULES_MAX + 1],
    ];
    for rules in bad {
        assert_eq!(
            Policy::of(&rules).unwrap_err().kind(),
            Kind::Invalid,
            "{:?}",
            rules.first()
        );
    }
}

#[test]
fn a_fresh_group_is_closed_and_then_opened() {
    let lines = Policy::of(&usual()).unwrap().lines_from("a *:* rwm\n");
    assert_eq!(lines[0], ("devices.deny", "a".to_owned()));
    assert_eq!(lines[1], ("devices.allow", "c *:* m".to_owned()));
    assert_eq!(lines.len(), 6);
}

#[test]
fn an_update_takes_nothing_away_that_stays() {
    let policy = Policy::of(&usual()).unwrap();
    let list = "c *:* m\nb *:* m\nc 1:3 rwm\nc 136:* rwm\nc 5:2 rwm\nc 10:200 rwm\n";
    let lines = policy.lines_from(list);
    let want = [("devices.deny", "c 5:2 m"), ("devices.deny", "c 10:200 rwm")];
    assert_eq!(lines, want.map(|(file, line)| (file, line.to_owned())));
    assert_eq!(
        policy.lines_from("c *:* m\nb *:* m\nc 1:3 rwm\nc 136:* rwm\nc 5:2 rw\n"),
        []
    );
}
