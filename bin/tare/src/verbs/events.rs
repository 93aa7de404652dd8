//! `tare events`: what was done, and by whom; from now on, or from the past.

use super::logs::parse_moment;
use super::{Operands, Verb};
use crate::low::Low;
use crate::session::Session;
use serde_json::Value;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use tare_engine::journal::EventFilter;
use tare_error::Result;
use tare_logs::Moment;
use tare_template::Template;

pub(super) const VERB: Verb = Verb {
    name: "events",
    about: "show what is done, and by whom, as it happens or from the past",
    operands: Operands::None,
    heading: "Containers",
    needs_engine: true,
    run,
};

/// How an event is shown.
enum Shown {
    Line,
    Json,
    Template(Template),
}

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let moment = |text: &str| parse_moment(text, session.started);
    let (since, until) = (low.parsed("since", moment)?, low.parsed("until", moment)?);
    let filters = low.all_parsed("filter", EventFilter::parse)?;
    let shown = match low.text("format")? {
        None | Some("") => Shown::Line,
        Some("json") => Shown::Json,
        Some(text) => Shown::Template(Template::parse(&text.replace("\\t", "\t").replace("\\n", "\n"))?),
    };
    let mut events = session.engine()?.events()?;
    if since.is_none() && until.is_none_or(|until| until > Moment::from(session.started)) {
        events.skip()?;
    }
    loop {
        while let Some(event) = events.next_event()? {
            let at = when(&event);
            if until.is_some_and(|until| at > until) {
                return Ok(ExitCode::SUCCESS);
            }
            if since.is_some_and(|since| at < since) || !EventFilter::all_want(&filters, &event) {
                continue;
            }
            if !show(&event, at, &shown)? {
                return Ok(ExitCode::SUCCESS);
            }
        }
        let now = Moment::from(SystemTime::now());
        let left = match until {
            Some(until) if until <= now => return Ok(ExitCode::SUCCESS),
            Some(until) => u64::try_from(until.seconds - now.seconds + 1)
                .ok()
                .map(Duration::from_secs),
            None => None,
        };
        events.wait(left)?;
    }
}

/// Prints one; false where nobody reads any more.
fn show(event: &Value, at: Moment, shown: &Shown) -> Result<bool> {
    let text = match shown {
        Shown::Line => line(event, at),
        Shown::Json => event.to_string(),
        Shown::Template(template) => template.render(event)?,
    };
    let mut out = std::io::stdout().lock();
    Ok(out
        .write_all(format!("{text}\n").as_bytes())
        .and_then(|()| out.flush())
        .is_ok())
}

fn when(event: &Value) -> Moment {
    let nanoseconds = event["timeNano"].as_u64().unwrap_or(0);
    Moment::from(SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds))
}

/// As docker shows it: when, what, which, and what more there is to tell; of one that failed why.
fn line(event: &Value, at: Moment) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let attributes = event["Actor"]["Attributes"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let attributes: Vec<String> = attributes
        .iter()
        .map(|(key, value)| format!("{key}={}", text(value)))
        .collect();
    let id = text(&event["Actor"]["ID"]);
    let failed = match text(&event["error"]) {
        error if error.is_empty() => String::new(),
        error => format!(" failed: {error}"),
    };
    // Nine digits, as docker has them here, so that lines stand below each other and sort.
    let whole = Moment {
        seconds: at.seconds,
        nanoseconds: 0,
    };
    let at = format!(
        "{}.{:09}Z",
        whole.to_string().trim_end_matches('Z'),
        at.nanoseconds
    );
    let words = [at, text(&event["Type"]), text(&event["Action"]), id];
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    // Escaped: what images and people have put into it moves no cursor.
    let shown: String = format!("{} ({}){failed}", words.join(" "), attributes.join(", "));
    shown
        .chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_is_dockers() {
        let event = json!({
            "Type": "container", "Action": "die", "timeNano": 1_500_000_000_u64,
            "Actor": {"ID": "4f5e", "Attributes": {"exitCode": "3", "image": "busybox", "name": "web", "x": "a\u{1b}b"}},
        });
        assert_eq!(
            line(&event, when(&event)),
            "1970-01-01T00:00:01.500000000Z container die 4f5e (exitCode=3, image=busybox, name=web, x=a\\u{1b}b)"
        );
    }
}
