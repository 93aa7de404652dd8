//! `tare why`: why a container is not running, not starting, slow or gone, from what was written down and what the kernel says.

use super::inspect::moment;
use super::list::{Listed, Status};
use super::request::show_size;
use crate::Engine;
use crate::records::containers::EndDetail;
use crate::records::life;
use serde_json::Value;
use tare_cgroup::Usage;
use tare_error::{Kind, Result};
use tare_logs::Query;
use tare_shim::{HealthStatus, Oom};

/// Events of one container that are kept while the journal is read.
const MOST: usize = 64;
/// Lines of its log that are shown.
const LINES: u64 = 5;
/// Characters of one.
const WIDTH: usize = 200;
/// From how many percent on something is told to be what slows it.
const MUCH: u64 = 10;

/// What there is to say of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// One sentence.
    pub headline: String,
    /// What happened, the oldest first: when, and what.
    pub history: Vec<(String, String)>,
    /// What is odd about it now, one sentence each.
    pub findings: Vec<String>,
    /// The last that it wrote.
    pub output: Vec<String>,
    /// What can be done.
    pub hint: Option<String>,
}

/// What is said of a container that was killed for memory: by `why`, and where a foreground `run` ends so.
pub fn about_memory(name: &str, oom: &Oom) -> String {
    let who = match oom.first_process {
        true => name.to_owned(),
        false => format!("a process of {name}"),
    };
    match oom.limit {
        Some(limit) => format!("{who} was killed for memory: its limit is {}", show_size(limit)),
        None => format!("{who} was killed for memory: the machine has no more"),
    }
}

impl Engine {
    /// Why a container is as it is; also of one that is gone, as long as the journal knows it.
    ///
    /// # Errors
    /// `NotFound` where neither a container nor the journal has that name.
    pub fn why(&self, typed: &str) -> Result<Why> {
        // One that has just ended is written down first: that says why.
        if let Ok(listed) = self.container(typed)
            && matches!(listed.status, Status::Exited(_) | Status::Unknown(_))
        {
            self.settled(&listed.record.id)?;
        }
        let listed = match self.container(typed) {
            Err(e) if e.kind() == Kind::NotFound => {
                let history = self.history(typed)?;
                return match history.is_empty() {
                    true => Err(e),
                    false => Ok(gone(typed, &history)),
                };
            }
            listed => listed?,
        };
        let history = self.history(&listed.record.id)?;
        let mut why = Why {
            history: history.iter().map(told).collect(),
            output: self.last_lines(&listed.record.id),
            ..Why::default()
        };
        self.explain(&listed, &history, &mut why)?;
        Ok(why)
    }

    fn explain(&self, listed: &Listed, history: &[Value], why: &mut Why) -> Result<()> {
        let name = &listed.record.name;
        let life = self
            .records()
            .read("read container", |tx| life::get(tx, &listed.record.id))?;
        if life.restarts > 0 {
            why.findings.push(format!(
                "it was started again {} times by its policy {}",
                life.restarts, life.policy
            ));
        }
        if let Some(health) = listed
            .health
            .as_ref()
            .filter(|health| health.status == HealthStatus::Unhealthy)
        {
            why.findings.push(format!(
                "it is unhealthy: {} checks have failed in a row",
                health.failing_streak
            ));
        }
        match &listed.status {
            Status::Running => {
                why.headline = format!("{name} is running since {}", second(&listed.started));
                if let Some(sample) = self.sample(listed).ok().flatten() {
                    why.findings
                        .extend(sample.usage.as_ref().map(slow).unwrap_or_default());
                    let pressure = sample.pressure;
                    for (what, stall) in [
                        ("processors", pressure.cpu),
                        ("memory", pressure.memory),
                        ("disks", pressure.io),
                    ] {
                        if let Some(stall) = stall.filter(|stall| stall.some >= 10.0) {
                            why.findings.push(format!(
                                "it waited for {what} in {:.0}% of the last ten seconds",
                                stall.some
                            ));
                        }
                    }
                }
                why.hint = Some(match why.findings.is_empty() {
                    true => format!(
                        "nothing holds it up that the kernel tells of; `tare stats {name}` and `tare top {name}` show more"
                    ),
                    false => {
                        format!("`tare update` changes its limits, `tare stats {name}` shows what it uses")
                    }
                });
            }
            Status::Paused => {
                why.headline = format!("{name} stands still: {}", by_whom(history, "pause", "paused"));
                why.hint = Some(format!("`tare unpause {name}` lets it go on"));
            }
            Status::Created => not_started(name, history, why),
            Status::Restarting(code) => {
                why.headline = format!("{name} has ended with code {code} and is about to be started again");
                why.hint = Some(format!("`tare stop {name}` ends that"));
            }
            Status::Unknown(reason) => {
                why.headline = format!("{name} has ended, and nobody knows how: {reason}");
                why.hint = Some(format!("`tare start {name}` starts it"));
            }
            Status::Exited(code) => {
                let detail = listed
                    .record
                    .end
                    .as_ref()
                    .map(|end| end.detail.clone())
                    .unwrap_or_default();
                ended(name, *code, &detail, history, why);
            }
        }
        Ok(())
    }

    /// The last records of a container: by its id, else of the last one that had this name.
    fn history(&self, typed: &str) -> Result<Vec<Value>> {
        let mut events = self.events()?;
        let mut found: Vec<Value> = Vec::new();
        let id = |event: &Value| event["Actor"]["ID"].as_str().unwrap_or_default().to_owned();
        while let Some(event) = events.next_event()? {
            let of = id(&event);
            let named =
                event["Actor"]["Attributes"]["name"] == typed || typed.len() >= 4 && of.starts_with(typed);
            let goes_on = found.last().is_some_and(|last| id(last) == of);
            if event["Type"] != "container" || !(of == typed || named || goes_on) || of.len() < 64 {
                continue;
            }
            if !goes_on {
                found.clear();
            }
            found.push(event);
            if found.len() > MOST {
                // How it began stays.
                found.remove(2);
            }
        }
        Ok(found)
    }

    /// The last lines of its log; none where none is kept.
    fn last_lines(&self, id: &str) -> Vec<String> {
        let query = Query {
            tail: Some(LINES),
            ..Query::default()
        };
        let Ok(mut reader) = self.log(id, query) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        while let Ok(Some(line)) = reader.read() {
            let text = String::from_utf8_lossy(&line.text);
            let text: String = text.trim_end().chars().take(WIDTH).collect();
            lines.push(super::plain(&text));
        }
        lines
    }
}

fn attribute<'a>(event: &'a Value, name: &str) -> &'a str {
    event["Actor"]["Attributes"][name].as_str().unwrap_or_default()
}

/// The last of an action that succeeded, and who asked for it.
fn by_whom(history: &[Value], action: &str, did: &str) -> String {
    let last = history
        .iter()
        .rfind(|event| event["Action"] == action && event["outcome"] == "done");
    match last {
        Some(event) => format!("{did} by uid {} at {}", event["by"]["uid"], when(event)),
        None => format!("nobody here has {did} it"),
    }
}

fn when(event: &Value) -> String {
    moment(event["time"].as_i64().unwrap_or(0))
}

/// A moment to the second.
fn second(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => text.to_owned(),
    }
}

/// One record in words.
fn told(event: &Value) -> (String, String) {
    let mut text = event["Action"].as_str().unwrap_or_default().to_owned();
    let shown = [
        "exitCode",
        "signal",
        "limit",
        "group",
        "execDuration",
        "newName",
        "unknown",
    ];
    for name in shown
        .into_iter()
        .filter(|name| !attribute(event, name).is_empty())
    {
        text.push_str(&format!(" {name}={}", attribute(event, name)));
    }
    if let Some(stages) = event["stages"].as_array() {
        let total: u64 = stages.iter().filter_map(|stage| stage[1].as_u64()).sum();
        let each: Vec<String> = stages
            .iter()
            .map(|stage| {
                format!(
                    "{} {}",
                    stage[0].as_str().unwrap_or_default(),
                    milliseconds(stage[1].as_u64())
                )
            })
            .collect();
        text.push_str(&format!(
            " after {} ({})",
            milliseconds(Some(total)),
            each.join(", ")
        ));
    }
    if let Some(error) = event["error"].as_str() {
        text.push_str(&format!(" failed: {error}"));
    }
    if event["by"]["door"] == "command" {
        text.push_str(&format!(
            " [uid {}, pid {}]",
            event["by"]["uid"], event["by"]["pid"]
        ));
    }
    (when(event), super::plain(&text))
}

fn milliseconds(microseconds: Option<u64>) -> String {
    let microseconds = microseconds.unwrap_or(0);
    format!("{}.{} ms", microseconds / 1000, microseconds % 1000 / 100)
}

/// One that was made and does not run yet.
fn not_started(name: &str, history: &[Value], why: &mut Why) {
    let failed = history.iter().rfind(|event| event["Action"] == "start");
    match failed.and_then(|event| event["error"].as_str()) {
        Some(error) => why.headline = format!("{name} could not be started: {error}"),
        None => why.headline = format!("{name} was made and never started"),
    }
    why.hint = Some(format!("`tare start {name}` starts it"));
}

/// One that has ended.
fn ended(name: &str, code: u8, detail: &EndDetail, history: &[Value], why: &mut Why) {
    let signal = detail.signal.map(|number| match tare_signal::name(number) {
        Some(word) => format!("signal {number} (SIG{word})"),
        None => format!("signal {number}"),
    });
    let again = format!("`tare start {name}` starts it, `tare logs {name}` shows what it wrote");
    if let Some(error) = &detail.error {
        why.headline = format!("{name} could not be started: {error}");
        why.hint = Some(again);
        return;
    }
    if let Some(oom) = &detail.oom {
        let group = oom
            .group
            .iter()
            .map(|group| format!("the cgroup with the limit is {group}"));
        why.findings.extend(group);
        why.findings
            .push(format!("{} of its processes were killed for memory", oom.kills));
        if oom.first_process {
            why.headline = about_memory(name, oom);
            why.hint = Some(match oom.limit {
                Some(limit) => format!(
                    "give it more: `tare update -m {} {name}`, then `tare start {name}`",
                    show_size(limit * 2)
                        .replace(' ', "")
                        .to_lowercase()
                        .replace("ib", "")
                ),
                None => "the machine needs more memory, or fewer containers".to_owned(),
            });
            return;
        }
    }
    // Whoever asked it to end did so before it did.
    let asked = history
        .iter()
        .rev()
        .take_while(|event| event["Action"] != "start");
    let asked = asked.into_iter().find(|event| {
        matches!(event["Action"].as_str(), Some("stop" | "kill" | "restart")) && event["outcome"] == "done"
    });
    let asked = asked.map(|event| {
        format!(
            "`tare {}` of uid {} at {}",
            event["Action"].as_str().unwrap_or_default(),
            event["by"]["uid"],
            when(event)
        )
    });
    why.headline = match (&signal, &asked, code) {
        (Some(signal), Some(asked), _) => format!("{name} was ended by {signal}, after {asked}"),
        (Some(signal), None, _) => format!("{name} was ended by {signal}, which no command of tare sent"),
        (None, Some(asked), code) => format!("{name} ended with code {code}, after {asked}"),
        (None, None, 0) => format!("{name} has done its work: its command ended with code 0"),
        (None, None, code) => format!("{name} has ended by itself, with code {code}"),
    };
    let meaning = match code {
        125 => Some("its command says 125, which is also what tare says where it could not run one"),
        126 => Some("126 is what a shell says of what it cannot execute"),
        127 => Some("127 is what a shell says of a command that it does not find"),
        129..=192 if signal.is_none() => {
            Some("a code above 128 is what a shell says of a program that a signal ended")
        }
        _ => None,
    };
    why.findings.extend(meaning.map(ToOwned::to_owned));
    why.hint = Some(again);
}

/// One that is there no more.
fn gone(typed: &str, history: &[Value]) -> Why {
    let last = |action: &str| history.iter().rfind(|event| event["Action"] == action);
    let failed = last("start").and_then(|event| event["error"].as_str());
    let headline = match (failed, last("die"), last("destroy")) {
        (Some(error), ..) => format!("{typed} is gone: it could not be started: {error}"),
        (None, Some(die), Some(_)) => format!(
            "{typed} is gone: it ended with code {} and was removed",
            attribute(die, "exitCode")
        ),
        (None, None, Some(_)) => format!("{typed} is gone: {}", by_whom(history, "destroy", "removed")),
        _ => format!("{typed} is gone, and nobody has written down how"),
    };
    Why {
        headline,
        history: history.iter().map(told).collect(),
        hint: Some("`tare events --since 1h` shows what else was done".to_owned()),
        ..Why::default()
    }
}

/// What a container is slowed by that has limits.
fn slow(usage: &Usage) -> Vec<String> {
    let mut findings = Vec::new();
    let percent = |part: u64, whole: u64| part.saturating_mul(100) / whole.max(1);
    if let Some(cpu) = usage
        .cpu
        .as_ref()
        .filter(|cpu| percent(cpu.throttled_periods, cpu.periods) >= MUCH)
    {
        let share = percent(cpu.throttled_periods, cpu.periods);
        let seconds = cpu.throttled / 1_000_000_000;
        findings.push(format!(
            "its processor limit stopped it in {share}% of the periods, {seconds} s in all"
        ));
    }
    if let Some(memory) = &usage.memory
        && let Some(limit) = memory.memory.limit
    {
        let share = percent(memory.memory.used, limit);
        if share >= 100 - MUCH {
            findings.push(format!(
                "it uses {share}% of its memory limit of {}, which it met {} times",
                show_size(limit),
                memory.memory.refused
            ));
        }
    }
    if let Some(pids) = usage.pids
        && let Some(limit) = pids.limit
        && pids.used >= limit
    {
        findings.push(format!("it has as many processes and threads as it may: {limit}"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tare_cgroup::{Amount, CpuUsage, MemoryUsage};

    fn event(action: &str, attributes: &Value) -> Value {
        json!({
            "Type": "container", "Action": action, "outcome": "done", "time": 7, "by": {"uid": 5, "pid": 9, "door": "command"},
            "Actor": {"ID": "1", "Attributes": attributes},
        })
    }

    fn headline(code: u8, detail: &EndDetail, history: &[Value]) -> String {
        let mut why = Why::default();
        ended("web", code, detail, history, &mut why);
        why.headline
    }

    #[test]
    fn ends_are_told_apart() {
        let none = EndDetail::default();
        let killed = EndDetail {
            signal: Some(9),
            ..EndDetail::default()
        };
        let (start, stop) = (event("start", &json!({})), event("stop", &json!({})));
        for (code, detail, history, told) in [
            (
                0,
                &none,
                &[][..],
                "web has done its work: its command ended with code 0",
            ),
            (3, &none, &[], "web has ended by itself, with code 3"),
            (
                3,
                &none,
                &[start.clone(), stop.clone()],
                "web ended with code 3, after `tare stop` of uid 5 at 1970-01-01T00:00:07Z",
            ),
            (
                3,
                &none,
                &[stop.clone(), start.clone()],
                "web has ended by itself, with code 3",
            ),
            (
                137,
                &killed,
                &[],
                "web was ended by signal 9 (SIGKILL), which no command of tare sent",
            ),
            (
                137,
                &killed,
                &[start, stop],
                "web was ended by signal 9 (SIGKILL), after `tare stop` of uid 5 at 1970-01-01T00:00:07Z",
            ),
        ] {
            assert_eq!(headline(code, detail, history), told);
        }
        let oom = Oom {
            limit: Some(32 << 20),
            group: None,
            kills: 1,
            first_process: true,
        };
        let out = EndDetail {
            oom: Some(oom),
            ..killed
        };
        assert_eq!(
            headline(137, &out, &[]),
            "web was killed for memory: its limit is 32 MiB"
        );
    }

    #[test]
    fn what_slows_is_found_in_the_numbers() {
        let usage = Usage {
            cpu: Some(CpuUsage {
                periods: 100,
                throttled_periods: 40,
                throttled: 3_000_000_000,
                ..CpuUsage::default()
            }),
            memory: Some(MemoryUsage {
                memory: Amount {
                    used: 95,
                    limit: Some(100),
                    refused: 4,
                    most: 100,
                },
                ..MemoryUsage::default()
            }),
            ..Usage::default()
        };
        let found = slow(&usage);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].contains("in 40% of the periods, 3 s in all"),
            "{found:?}"
        );
        assert!(slow(&Usage::default()).is_empty());
        let (_, text) = told(&event("die", &json!({"exitCode": "3", "x": "not shown"})));
        assert_eq!(text, "die exitCode=3 [uid 5, pid 9]");
    }
}
