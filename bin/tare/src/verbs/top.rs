//! `tare top`: the processes of a container, as ps(1) shows them.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output::{self, Table};
use crate::session::Session;
use std::collections::BTreeMap;
use std::process::ExitCode;
use tare_engine::container::ProcessLine;
use tare_error::Result;
use tare_logs::Moment;
use tare_process::lines_of_ps;

pub(super) const VERB: Verb = Verb {
    name: "top",
    about: "list the processes of a container",
    operands: Operands::Command("CONTAINER [PS OPTIONS]", "a container, then options of ps(1)"),
    heading: "Containers",
    needs_engine: true,
    run,
};

/// Clock ticks a second in procfs (`USER_HZ`), on every architecture that is left.
const TICKS: u64 = 100;

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let operands = low.operands()?;
    let (container, options) = operands
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (*first, rest));
    let processes = session.engine()?.top(container)?;
    show(&processes, options, session)
}

/// Shows processes, as ps(1) does with these options.
pub(super) fn show(processes: &[ProcessLine], options: &[&str], session: &Session) -> Result<ExitCode> {
    if !options.is_empty() {
        let pids: Vec<i32> = processes.iter().map(|process| process.pid).collect();
        return Ok(output::say(&lines_of_ps(options, &pids)?));
    }
    let mut table = Table::new(&["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
    let names = names();
    let uptime = uptime().unwrap_or(0);
    for process in processes {
        let age = uptime.saturating_sub(process.start / TICKS).max(1);
        let seconds = process.time / TICKS;
        table.row(vec![
            names
                .get(&process.uid)
                .cloned()
                .unwrap_or_else(|| process.uid.to_string()),
            process.pid.to_string(),
            process.parent.to_string(),
            (seconds * 100 / age).min(99).to_string(),
            begun(session.now(), age),
            terminal(process.terminal),
            format!(
                "{:02}:{:02}:{:02}",
                seconds / 3600,
                seconds / 60 % 60,
                seconds % 60
            ),
            process.command.clone(),
        ]);
    }
    Ok(output::say(&table.render()))
}

/// The users of this machine by their numbers.
fn names() -> BTreeMap<u32, String> {
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    text.lines().rev().filter_map(entry).collect()
}

/// Seconds since the boot.
fn uptime() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    text.split('.').next()?.parse().ok()
}

/// When something began that is so old: the time of today, or the day.
fn begun(now: i64, age: u64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let at = Moment {
        seconds: now - i64::try_from(age).unwrap_or(0),
        nanoseconds: 0,
    };
    let text = at.to_string();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
    if age < 86_400 {
        return part(11..16);
    }
    let month = part(5..7)
        .parse::<usize>()
        .ok()
        .and_then(|month| MONTHS.get(month.checked_sub(1)?));
    format!("{}{}", month.unwrap_or(&""), part(8..10))
}

/// A terminal's name by its number (devices.txt of the kernel).
fn terminal(device: Option<(u32, u32)>) -> String {
    match device {
        Some((major @ 136..=143, minor)) => format!("pts/{}", (major - 136) * 256 + minor),
        Some((4, minor)) if minor < 64 => format!("tty{minor}"),
        Some((4, minor)) => format!("ttyS{}", minor - 64),
        _ => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_terminals_are_those_of_ps() {
        assert_eq!(begun(951_868_800, 60), "23:59");
        assert_eq!(begun(951_868_800, 86_400 * 2), "Feb28");
        for (device, name) in [
            (Some((136, 3)), "pts/3"),
            (Some((4, 1)), "tty1"),
            (Some((4, 65)), "ttyS1"),
            (None, "?"),
        ] {
            assert_eq!(terminal(device), name);
        }
        assert_eq!(names().get(&0).map(String::as_str), Some("root"));
    }
}
