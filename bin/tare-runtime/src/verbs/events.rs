//! `events`: what a container uses, as lines of JSON in runc's shape; once, or again and again until it ends, and a line
//! whenever memory ran out in it.

use crate::output;
use crate::reading::Arguments;
use serde::Serialize;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tare_cgroup::{Amount, IoUsage, Usage};
use tare_error::{Error, Kind, Result};
use tare_lifecycle::{Condition, Event};

/// How often, where nothing else is asked.
const INTERVAL: Duration = Duration::from_secs(5);

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    r#type: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Value::is_null")]
    data: Value,
}

fn line<'a>(kind: &'a str, id: &'a str, data: Value) -> Line<'a> {
    Line {
        r#type: kind,
        id,
        data,
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(1)?;
    let id = arguments.id()?;
    let interval = arguments.value("interval").map_or(Ok(INTERVAL), seconds)?;
    let home = arguments.home();
    let container = home.container(&id)?;
    if container.condition()? == Condition::Stopped {
        return Err(Error::new(Kind::Conflict, "watch container", &id)
            .because(format!("container with id {id} is not running")));
    }
    let stats = || -> Result<bool> {
        let Some(usage) = container.usage()? else {
            return Ok(false);
        };
        output::print_line(&line("stats", id.as_str(), data(&usage)))
    };
    if arguments.has("stats") {
        stats()?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut watch = container.watch()?;
    let mut due = Instant::now();
    // Whoever reads may go, and the container may end.
    loop {
        if Instant::now() >= due {
            if !stats()? {
                return Ok(ExitCode::SUCCESS);
            }
            due = Instant::now() + interval;
        }
        match watch.next(due.saturating_duration_since(Instant::now()))? {
            Event::Nothing => {}
            Event::Ended => return Ok(ExitCode::SUCCESS),
            Event::OutOfMemory => {
                output::print_line(&line("oom", id.as_str(), Value::Null))?;
            }
        }
    }
}

/// A time in Go's spelling: `5s`, `500ms`, `1m`; a bare number is seconds.
fn seconds(text: &str) -> Result<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let factor = match unit {
        "" | "s" => Some(1.0),
        "ms" => Some(0.001),
        "m" => Some(60.0),
        _ => None,
    };
    let time = digits
        .parse::<f64>()
        .ok()
        .zip(factor)
        .map(|(n, factor)| n * factor);
    let time = time
        .and_then(|time| Duration::try_from_secs_f64(time).ok())
        .filter(|time| !time.is_zero());
    time.ok_or_else(|| {
        Error::new(Kind::Invalid, "read option", "--interval")
            .because(format!("{text:?} is no time above zero"))
            .hint("write 5s or 500ms")
    })
}

fn data(usage: &Usage) -> Value {
    let cpu = usage.cpu.clone().unwrap_or_default();
    let memory = usage.memory.clone().unwrap_or_default();
    let pids = usage.pids.unwrap_or_default();
    let cache = ["total_cache", "cache", "file"]
        .iter()
        .find_map(|key| memory.detail.get(*key));
    json!({
        "cpu": {
            "usage": {"total": cpu.total, "percpu": cpu.by_processor, "kernel": cpu.kernel, "user": cpu.user},
            "throttling": {
                "periods": cpu.periods,
                "throttledPeriods": cpu.throttled_periods,
                "throttledTime": cpu.throttled,
            },
        },
        "memory": {
            "cache": cache.unwrap_or(&0),
            "usage": amount(memory.memory),
            "swap": amount(memory.swap),
            "raw": memory.detail,
        },
        "pids": {"current": pids.used, "limit": pids.limit.unwrap_or(0)},
        "blkio": {
            "ioServiceBytesRecursive": transfers(&usage.io_bytes),
            "ioServicedRecursive": transfers(&usage.io_requests),
        },
    })
}

/// No limit is the largest number, as the kernel's version 1 writes it.
fn amount(amount: Amount) -> Value {
    json!({
        "limit": amount.limit.unwrap_or(u64::MAX),
        "usage": amount.used,
        "max": amount.most,
        "failcnt": amount.refused,
    })
}

fn transfers(list: &[IoUsage]) -> Vec<Value> {
    let one = |usage: &IoUsage| json!({"major": usage.major, "minor": usage.minor, "op": usage.operation, "value": usage.value});
    list.iter().map(one).collect()
}
