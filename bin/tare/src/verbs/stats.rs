//! `tare stats`: what containers use, once or again and again.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output::{self, Format};
use crate::session::Session;
use rustix::event::{Timespec, poll};
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;
use tare_engine::Engine;
use tare_engine::container::{Listed, Sample};
use tare_error::{Kind, Result};

pub(super) const VERB: Verb = Verb {
    name: "stats",
    about: "show what containers use: processor, memory, network, disk, processes",
    operands: Operands::Any("CONTAINER", "names or ids; all that run where there is none"),
    heading: "Containers",
    needs_engine: true,
    run,
};

const USUAL: &str =
    "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

/// Every field, with what stands over its column.
const HEADINGS: &[(&str, &str)] = &[
    ("BlockIO", "BLOCK I/O"),
    ("CPUPerc", "CPU %"),
    ("CPUStall", "CPU STALL"),
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("IOStall", "I/O STALL"),
    ("MemPerc", "MEM %"),
    ("MemStall", "MEM STALL"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("Name", "NAME"),
    ("NetIO", "NET I/O"),
    ("PIDs", "PIDS"),
    ("Pod", "POD"),
];

/// Between two looks.
const PAUSE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// What a look brought.
type Look = (Listed, Option<Sample>, Instant);

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let (all, names) = (low.switch("all"), low.operands()?);
    follow(low, session, USUAL, |engine| which(engine, &names, all))
}

/// Shows what those containers use that `which` says, again and again.
pub(super) fn follow(
    low: &Low<'_>,
    session: &Session,
    usual: &str,
    which: impl Fn(&Engine) -> Result<Vec<Listed>>,
) -> Result<ExitCode> {
    let (whole, once) = (low.switch("no-trunc"), low.switch("no-stream"));
    let format = Format::parse(low.text("format")?, usual)?;
    let engine = session.engine()?;
    let mut before = look(&engine, which(&engine)?)?;
    loop {
        let _ = poll(&mut [], Some(&PAUSE));
        let now = look(&engine, which(&engine)?)?;
        let rows: Vec<Value> = now.iter().map(|look| row(look, &before, whole)).collect();
        let text = format.show(&rows, HEADINGS)?;
        if once {
            return Ok(output::say(&text));
        }
        let mut out = std::io::stdout().lock();
        // From the top left corner, and nothing below.
        let drawn = out.write_all(format!("\x1b[H\x1b[J{text}").as_bytes());
        if drawn.and_then(|()| out.flush()).is_err() {
            return Ok(ExitCode::SUCCESS);
        }
        before = now;
    }
}

fn which(engine: &Engine, names: &[&str], all: bool) -> Result<Vec<Listed>> {
    let listed: Vec<Listed> = match names {
        [] => engine.containers()?,
        names => names
            .iter()
            .map(|name| engine.container(name))
            .collect::<Result<_>>()?,
    };
    let wanted = listed
        .into_iter()
        .filter(|one| all || !names.is_empty() || one.status.lives());
    Ok(wanted.collect())
}

fn look(engine: &Engine, wanted: Vec<Listed>) -> Result<Vec<Look>> {
    let mut looks = Vec::new();
    for one in wanted {
        let sample = match engine.sample(&one) {
            // It has ended meanwhile, or is another runtime's.
            Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Conflict | Kind::Unsupported) => None,
            sample => sample?,
        };
        looks.push((one, sample, Instant::now()));
    }
    Ok(looks)
}

fn row((listed, sample, at): &Look, before: &[Look], whole: bool) -> Value {
    let record = &listed.record;
    let earlier = before.iter().find(|(earlier, ..)| earlier.record.id == record.id);
    let usage = sample.as_ref().and_then(|sample| sample.usage.as_ref());
    let cpu = usage.and_then(|usage| usage.cpu.as_ref()).map(|cpu| cpu.total);
    let cpu_before = earlier.and_then(|(_, sample, at)| {
        let usage = sample.as_ref()?.usage.as_ref()?;
        Some((usage.cpu.as_ref()?.total, *at))
    });
    let share = cpu.zip(cpu_before).map(|(now, (then, since))| {
        percent(
            now.saturating_sub(then),
            u64::try_from((*at - since).as_nanos()).unwrap_or(u64::MAX),
        )
    });
    let memory = usage.and_then(|usage| usage.memory.as_ref()).map(|memory| {
        let cached = ["total_inactive_file", "inactive_file"]
            .iter()
            .find_map(|key| memory.detail.get(*key));
        let used = memory.memory.used.saturating_sub(cached.copied().unwrap_or(0));
        let most = machine_memory();
        (
            used,
            memory
                .memory
                .limit
                .filter(|limit| *limit < most || most == 0)
                .unwrap_or(most),
        )
    });
    let pids = usage.and_then(|usage| usage.pids).map(|pids| pids.used);
    let network = sample.as_ref().and_then(|sample| sample.network);
    let disk = usage.map(|usage| {
        let sum = |word: &str| {
            let found = usage
                .io_bytes
                .iter()
                .filter(|io| io.operation.eq_ignore_ascii_case(word));
            found.map(|io| io.value).sum::<u64>()
        };
        (sum("read"), sum("write"))
    });
    let none = || "--".to_owned();
    let pair = |pair: Option<(u64, u64)>, show: fn(u64) -> String| match pair {
        Some((one, other)) => format!("{} / {}", show(one), show(other)),
        None => "-- / --".to_owned(),
    };
    let pressure = sample.as_ref().map(|sample| sample.pressure).unwrap_or_default();
    let stall = |stall: Option<tare_engine::container::Stall>| {
        stall.map_or_else(none, |stall| format!("{:.2}%", stall.some))
    };
    json!({
        "Pod": record.pod.as_deref().and_then(|pod| pod.get(..12)).unwrap_or_default(),
        "ID": if whole { record.id.as_str() } else { record.id.get(..12).unwrap_or_default() },
        "Container": record.name,
        "Name": record.name,
        "CPUPerc": share.unwrap_or_else(none),
        "MemUsage": pair(memory, output::binary_size),
        "MemPerc": memory.map_or_else(none, |(used, limit)| percent(used, limit)),
        "NetIO": pair(network, output::decimal_size),
        "BlockIO": pair(disk, output::decimal_size),
        "PIDs": pids.map_or_else(none, |pids| pids.to_string()),
        "CPUStall": stall(pressure.cpu),
        "MemStall": stall(pressure.memory),
        "IOStall": stall(pressure.io),
    })
}

/// A share with two digits after the point.
fn percent(part: u64, whole: u64) -> String {
    let hundredths = u128::from(part) * 10_000 / u128::from(whole.max(1));
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

/// Bytes of memory that this machine has.
fn machine_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_two_digits() {
        for (part, whole, text) in [
            (1, 3, "33.33%"),
            (0, 0, "0.00%"),
            (3, 2, "150.00%"),
            (1, 100_000, "0.00%"),
        ] {
            assert_eq!(percent(part, whole), text);
        }
        assert!(machine_memory() > 1 << 20);
    }
}
