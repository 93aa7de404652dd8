//! The page that `hello` prints: facts in, aligned text out.

use crate::facts::{Facts, NAMESPACES};
use std::fmt::Write as _;

/// Names of the capabilities by bit (`include/uapi/linux/capability.h`, Linux 5.9 to 6.18).
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// Where the second column begins, and where a line is broken.
const INDENT: usize = 16;
const WIDTH: usize = 78;

/// The whole page.
pub fn render(facts: &Facts) -> String {
    let mut page = String::from("Hello from inside a container. This is what it is made of:\n\n");
    row(&mut page, "process", &[process(facts)]);
    row(&mut page, "hostname", std::slice::from_ref(&facts.hostname));
    row(
        &mut page,
        "kernel",
        &[format!("Linux {}, the machine's own", facts.kernel)],
    );
    row(&mut page, "namespaces", &namespaces(facts));
    row(&mut page, "cgroup", &group(facts));
    row(&mut page, "capabilities", &capabilities(&facts.status));
    row(&mut page, "seccomp", &[seccomp(&facts.status)]);
    row(&mut page, "root", &layers(&facts.mounts));
    if let Some(took) = facts.took {
        let ms = took.as_secs_f64() * 1000.0;
        row(
            &mut page,
            "start",
            &[format!("{ms:.1} ms from `tare run` to here")],
        );
    }
    page
}

/// One subject: its name on the first line, its lines in the second column.
fn row(page: &mut String, name: &str, lines: &[String]) {
    for (i, line) in lines.iter().enumerate() {
        let name = if i == 0 { name } else { "" };
        let _ = writeln!(page, "  {name:width$}{line}", width = INDENT - 2);
    }
}

fn process(facts: &Facts) -> String {
    let id = |key| {
        field(&facts.status, key)
            .and_then(|v| v.split_whitespace().nth(1))
            .unwrap_or("?")
    };
    let (user, group) = (id("Uid"), id("Gid"));
    format!("{}, as user {user} and group {group}", facts.pid)
}

/// Two columns of four, each with the namespace's id; the machine's own ones are told apart.
fn namespaces(facts: &Facts) -> Vec<String> {
    let one = |i: usize| {
        let (name, of_machine) = NAMESPACES[i];
        match facts.namespaces.get(i).copied().flatten() {
            Some(id) if id == of_machine => format!("{name:<7} {id}  the machine's"),
            Some(id) => format!("{name:<7} {id}"),
            None => format!("{name:<7} not there"),
        }
    };
    (0..4)
        .map(|i| format!("{:<36}{}", one(i), one(i + 4)).trim_end().to_owned())
        .collect()
}

fn group(facts: &Facts) -> Vec<String> {
    let path = facts
        .cgroup
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .max_by_key(|path| path.len())
        .unwrap_or("not there");
    let mut lines = vec![path.to_owned()];
    for (name, text) in &facts.limits {
        lines.push(format!("{name:<11} {text}"));
    }
    lines
}

/// The effective set by name, folded to the width of the page.
fn capabilities(status: &str) -> Vec<String> {
    let Some(set) = field(status, "CapEff").and_then(|hex| u64::from_str_radix(hex, 16).ok()) else {
        return vec!["unknown".to_owned()];
    };
    let names: Vec<&str> = CAPABILITIES
        .iter()
        .enumerate()
        .filter(|(bit, _)| set >> bit & 1 == 1)
        .map(|(_, name)| *name)
        .collect();
    let mut lines = vec![format!("{} of {}", names.len(), CAPABILITIES.len())];
    let mut line = String::new();
    for name in names {
        if INDENT + line.len() + 1 + name.len() > WIDTH {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(name);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

fn seccomp(status: &str) -> String {
    let mode = match field(status, "Seccomp") {
        Some("0") => "off (mode 0)".to_owned(),
        Some("1") => "strict (mode 1)".to_owned(),
        Some("2") => match field(status, "Seccomp_filters") {
            Some("1") => "1 filter (mode 2)".to_owned(),
            Some(n) => format!("{n} filters (mode 2)"),
            None => "filtered (mode 2)".to_owned(),
        },
        _ => "not there".to_owned(),
    };
    match field(status, "NoNewPrivs") {
        Some("1") => format!("{mode}; no new privileges can be gained"),
        _ => format!("{mode}; setuid programs work (no_new_privs is 0)"),
    }
}

/// What is mounted on `/`, and for an overlay its directories from the top down.
fn layers(mounts: &str) -> Vec<String> {
    let root = mounts.lines().rev().find_map(|line| {
        let (place, rest) = line.split_once(" - ")?;
        (place.split(' ').nth(4) == Some("/")).then_some((place, rest))
    });
    let Some((place, rest)) = root else {
        return vec!["unknown".to_owned()];
    };
    let words: Vec<&str> = rest.split(' ').collect();
    let kind = words.first().copied().unwrap_or("?");
    let mut access = place
        .split(' ')
        .nth(5)
        .unwrap_or("")
        .split(',')
        .chain(words.get(2).copied().unwrap_or("").split(','));
    let access = if access.any(|o| o == "ro") {
        "read-only"
    } else {
        "writable"
    };
    let mut lines = vec![format!("{kind}, {access}")];
    for option in words.get(2).copied().unwrap_or("").split(',') {
        match option.split_once('=') {
            Some(("upperdir", dir)) => lines.push(format!("top    {}", short(dir))),
            Some(("lowerdir" | "lowerdir+", dirs)) => {
                lines.extend(
                    dirs.split(':')
                        .filter(|d| !d.is_empty())
                        .map(|d| format!("layer  {}", short(d))),
                );
            }
            _ => {}
        }
    }
    lines
}

/// A path with its long ids cut to twelve characters, as people write them; `sha256-` before one stays.
fn short(path: &str) -> String {
    path.split('/')
        .map(|part| {
            let id = part.rsplit('-').next().unwrap_or(part);
            let long_id = id.len() >= 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
            if long_id {
                &part[..part.len() - id.len() + 12]
            } else {
                part
            }
        })
        .collect::<Vec<_>>()
        .join("/")
}

/// The value of `Key:` in `/proc/self/status`.
fn field<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .map(str::trim)
}
