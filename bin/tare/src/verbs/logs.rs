//! `tare logs`: what a container has written.

use super::{Operands, Verb};
use crate::low::Low;
use crate::session::Session;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use tare_engine::Engine;
use tare_engine::container::Changes;
use tare_error::{Error, Kind, Result};
use tare_logs::{Line, Moment, Query, Reader, Stream};

pub(super) const VERB: Verb = Verb {
    name: "logs",
    about: "show what a container has written",
    operands: Operands::One("CONTAINER", "a name, an id, or the beginning of one"),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let container = low.operands()?.first().copied().unwrap_or_default();
    let engine = session.engine()?;
    let source = open(&engine, container, low, session)?;
    follow(&engine, vec![(String::new(), source)], low)
}

/// What a container has written, and what tells of more.
pub(super) struct Source {
    container: String,
    reader: Reader,
    changes: Option<Changes>,
}

/// Opens what a container has written, as far as it is asked for.
pub(super) fn open(engine: &Engine, container: &str, low: &Low<'_>, session: &Session) -> Result<Source> {
    let moment = |text: &str| parse_moment(text, session.started);
    let query = Query {
        tail: low.parsed("tail", parse_tail)?.flatten(),
        since: low.parsed("since", moment)?,
        until: low.parsed("until", moment)?,
    };
    Ok(Source {
        reader: engine.log(container, query)?,
        changes: match low.switch("follow") {
            true => Some(engine.changes(container)?),
            false => None,
        },
        container: container.to_owned(),
    })
}

/// Shows what there is of each, its label before each line, and goes on where that is asked for.
pub(super) fn follow(engine: &Engine, mut sources: Vec<(String, Source)>, low: &Low<'_>) -> Result<ExitCode> {
    let timestamps = low.switch("timestamps");
    loop {
        let mut goes_on = false;
        for (label, source) in &mut sources {
            // Asked before what is there is read: what it wrote last is read after it has ended.
            goes_on |= source.changes.is_some() && engine.is_running(&source.container)?;
            if !show(&mut source.reader, label, timestamps)? {
                return Ok(ExitCode::SUCCESS);
            }
        }
        let changes: Vec<&Changes> = sources.iter().filter_map(|(_, s)| s.changes.as_ref()).collect();
        if !goes_on || changes.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        Changes::wait_for_any(&changes)?;
    }
}

/// Shows what there is; false where nobody looks any more.
fn show(reader: &mut Reader, label: &str, timestamps: bool) -> Result<bool> {
    let (mut stdout, mut stderr) = (std::io::stdout().lock(), std::io::stderr().lock());
    while let Some(line) = reader.read()? {
        let mut text = label.as_bytes().to_vec();
        if timestamps {
            text.extend_from_slice(format!("{} ", line.time).as_bytes());
        }
        text.extend_from_slice(&line.text);
        let written = match line {
            Line {
                stream: Stream::Stderr,
                ..
            } => stderr.write_all(&text),
            Line { .. } => stdout.write_all(&text),
        };
        if written.is_err() {
            return Ok(false);
        }
    }
    Ok(stdout.flush().is_ok())
}

/// Reads `all` or a number of lines.
fn parse_tail(text: &str) -> Result<Option<u64>> {
    if text == "all" {
        return Ok(None);
    }
    let number = text.parse().map_err(|_| {
        Error::new(Kind::Invalid, "read number of lines", format!("{text:?}"))
            .because("it is a whole number, or all")
    });
    number.map(Some)
}

/// Reads a moment (RFC 3339), or how long before `now` it was (`90s`, `10m`, `2h`, `1d`).
pub(super) fn parse_moment(text: &str, now: SystemTime) -> Result<Moment> {
    let before = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let number: u64 = number.parse().ok()?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return None,
        };
        let moment = now.checked_sub(Duration::from_secs(number.checked_mul(seconds)?))?;
        Some(Moment::from(moment))
    };
    Moment::parse(text).or_else(before).ok_or_else(|| {
        Error::new(Kind::Invalid, "read time", format!("{text:?}"))
            .because("it is neither a moment nor a time before now")
            .hint("2026-01-31T12:00:00Z, 90s, 10m, 2h, 1d")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_now_and_moments_are_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let at = |seconds| Moment::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        for (text, seconds) in [
            ("90s", 999_910),
            ("10m", 999_400),
            ("2h", 992_800),
            ("1d", 913_600),
        ] {
            assert_eq!(parse_moment(text, now).unwrap(), at(seconds));
        }
        assert_eq!(parse_moment("1970-01-01T00:00:07Z", now).unwrap(), at(7));
        for text in ["", "m", "5", "5w", "yesterday", "99999999999999999999d"] {
            assert_eq!(
                parse_moment(text, now).unwrap_err().kind(),
                Kind::Invalid,
                "{text}"
            );
        }
        assert_eq!(parse_tail("all").unwrap(), None);
        assert_eq!(parse_tail("12").unwrap(), Some(12));
        assert!(parse_tail("-1").is_err());
    }
}
