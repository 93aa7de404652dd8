//! `tare top`: the processes of a container, as ps(1) shows them.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output::{self, Table};
use crate::session::Session;
use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use tare_engine::container::ProcessLine;
use tare_error::{Context, Error, Kind, Result};
use tare_logs::Moment;

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
    if !options.is_empty() {
        return Ok(output::say(&of_ps(options, &processes)?));
    }
    let mut table = Table::new(&["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
    let names = names();
    let uptime = uptime().unwrap_or(0);
    for process in &processes {
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

/// The lines of this machine's ps(1) that are about these processes.
fn of_ps(options: &[&str], processes: &[ProcessLine]) -> Result<String> {
    let ran = Command::new("ps").args(options).output().op("run", "ps")?;
    let failed = |why: String| Error::new(Kind::Invalid, "run", "ps").because(why);
    if !ran.status.success() {
        return Err(failed(String::from_utf8_lossy(&ran.stderr).trim().to_owned()));
    }
    let text = String::from_utf8_lossy(&ran.stdout);
    let heading = text.lines().next().unwrap_or_default();
    let column = heading.split_whitespace().position(|name| name == "PID");
    let column = column.ok_or_else(|| failed("couldn't find PID field in ps output".to_owned()))?;
    let is_about = |line: &&str| {
        let pid = line
            .split_whitespace()
            .nth(column)
            .and_then(|pid| pid.parse::<i32>().ok());
        pid.is_some_and(|pid| processes.iter().any(|process| process.pid == pid))
    };
    let lines = std::iter::once(heading).chain(text.lines().skip(1).filter(is_about));
    Ok(lines.map(|line| format!("{line}\n")).collect())
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
