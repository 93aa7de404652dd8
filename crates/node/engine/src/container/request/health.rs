//! How a container's health is looked after: what a person asks, what an image says, and what comes of both.

use super::invalid;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tare_error::Result;

/// Docker's numbers where nobody says.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_secs(5);
const RETRIES: u32 = 3;
/// The least that is not nothing.
const LEAST: Duration = Duration::from_millis(1);

/// What a person asks, or an image says; what is absent is the other's, or the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthRequest {
    /// What is executed; an empty list: nothing.
    pub test: Option<Test>,
    /// From the end of one check to the next.
    pub interval: Option<Duration>,
    /// How long one may take.
    pub timeout: Option<Duration>,
    /// How long after the start a failure does not count.
    pub start_period: Option<Duration>,
    /// From one check to the next in that time.
    pub start_interval: Option<Duration>,
    /// How many failures in a row make it unhealthy.
    pub retries: Option<u32>,
}

/// What is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Nothing.
    None,
    /// A program and its arguments.
    Command(Vec<String>),
    /// A line for the shell.
    Shell(String),
}

/// What docker's images say, under `Healthcheck`: times in nanoseconds, 0 is nothing.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Written {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    test: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    interval: i64,
    #[serde(skip_serializing_if = "is_zero")]
    timeout: i64,
    #[serde(skip_serializing_if = "is_zero")]
    start_period: i64,
    #[serde(skip_serializing_if = "is_zero")]
    start_interval: i64,
    #[serde(skip_serializing_if = "is_zero")]
    retries: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl HealthRequest {
    /// What an image's configuration says, as it was written; what is none says nothing.
    pub fn of_image(config: &[u8]) -> HealthRequest {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Config {
            #[serde(rename = "Healthcheck")]
            health: Option<Written>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Image {
            config: Option<Config>,
        }
        let image: Image = serde_json::from_slice(config).unwrap_or_default();
        let written = image.config.and_then(|config| config.health).unwrap_or_default();
        let time = |nanoseconds: i64| {
            let time = u64::try_from(nanoseconds).ok().map(Duration::from_nanos);
            time.filter(|time| *time >= LEAST)
        };
        HealthRequest {
            test: Test::of(&written.test),
            interval: time(written.interval),
            timeout: time(written.timeout),
            start_period: time(written.start_period),
            start_interval: time(written.start_interval),
            retries: u32::try_from(written.retries).ok().filter(|n| *n > 0),
        }
    }

    /// What is asked, and where that says nothing what `image` says.
    #[must_use]
    pub fn or(self, image: HealthRequest) -> HealthRequest {
        HealthRequest {
            test: self.test.or(image.test),
            interval: self.interval.or(image.interval),
            timeout: self.timeout.or(image.timeout),
            start_period: self.start_period.or(image.start_period),
            start_interval: self.start_interval.or(image.start_interval),
            retries: self.retries.or(image.retries),
        }
    }

    /// From the end of one check to the next.
    pub fn interval(&self) -> Duration {
        self.interval.unwrap_or(INTERVAL)
    }

    /// How long one may take.
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }

    /// From one check to the next while it starts.
    pub fn start_interval(&self) -> Duration {
        self.start_interval.unwrap_or(START_INTERVAL)
    }

    /// How many failures in a row make it unhealthy.
    pub fn retries(&self) -> u32 {
        self.retries.unwrap_or(RETRIES)
    }

    /// As docker's `inspect` shows it; nothing where nothing is said.
    pub fn shown(&self) -> serde_json::Value {
        if *self == HealthRequest::default() {
            return serde_json::Value::Null;
        }
        let time = |time: Option<Duration>| {
            let time = time.unwrap_or_default().as_nanos();
            i64::try_from(time).unwrap_or(i64::MAX)
        };
        serde_json::json!(Written {
            test: self.test.as_ref().map(Test::words).unwrap_or_default(),
            interval: time(self.interval),
            timeout: time(self.timeout),
            start_period: time(self.start_period),
            start_interval: time(self.start_interval),
            retries: i64::from(self.retries.unwrap_or_default()),
        })
    }

    /// Reads a time such as `1m30s` or `500ms` (Go's form); zero is nothing.
    ///
    /// # Errors
    /// `Invalid` for what is none, for less than nothing and for less than a millisecond.
    pub fn parse_time(text: &str) -> Result<Option<Duration>> {
        if text.starts_with('-') {
            return Err(invalid("time", text, "it cannot be negative"));
        }
        let none =
            || invalid("time", text, "that is not a time").hint("write 30s, 1m30s or 500ms, for example");
        match parse_time(text).ok_or_else(none)? {
            Duration::ZERO => Ok(None),
            time if time < LEAST => Err(invalid("time", text, "it cannot be less than one millisecond")),
            time => Ok(Some(time)),
        }
    }

    /// Reads a number of failures; zero is nothing.
    ///
    /// # Errors
    /// `Invalid` for what is none.
    pub fn parse_retries(text: &str) -> Result<Option<u32>> {
        match text.parse::<u32>() {
            Ok(0) => Ok(None),
            Ok(retries) => Ok(Some(retries)),
            Err(_) if text.starts_with('-') => {
                Err(invalid("number of failures", text, "it cannot be negative"))
            }
            Err(_) => Err(invalid("number of failures", text, "that is not a number")),
        }
    }
}

impl Test {
    /// Docker's words: `NONE`, `CMD` and a program, `CMD-SHELL` and a line; anything else is nobody's.
    fn of(words: &[String]) -> Option<Test> {
        let (kind, rest) = words.split_first()?;
        match (kind.as_str(), rest) {
            ("NONE", _) => Some(Test::None),
            ("CMD", [_, ..]) => Some(Test::Command(rest.to_vec())),
            ("CMD-SHELL", [line, ..]) => Some(Test::Shell(line.clone())),
            _ => None,
        }
    }

    fn words(&self) -> Vec<String> {
        match self {
            Test::None => vec!["NONE".to_owned()],
            Test::Command(words) => std::iter::once("CMD".to_owned()).chain(words.clone()).collect(),
            Test::Shell(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
        }
    }

    /// Program and arguments; none where nothing is executed.
    pub fn arguments(&self) -> Option<Vec<String>> {
        match self {
            Test::None => None,
            Test::Command(words) => Some(words.clone()),
            Test::Shell(line) => Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()]),
        }
    }
}

/// Go's form of a time: numbers with units, one after the other.
fn parse_time(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut sum = 0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * seconds;
        rest = after;
    }
    Duration::try_from_secs_f64(sum)
        .ok()
        .filter(|time| time.as_secs() < 1 << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_gos() {
        for (text, milliseconds) in [
            ("1m30s", 90_000),
            ("500ms", 500),
            ("1.5s", 1500),
            ("2h", 7_200_000),
            ("1ms", 1),
        ] {
            let time = HealthRequest::parse_time(text).unwrap();
            assert_eq!(time, Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["0", "0s"] {
            assert_eq!(HealthRequest::parse_time(text).unwrap(), None);
        }
        for text in ["", "5", "s", "-1s", "1x", "1us", "1s5", "99999999h"] {
            assert!(HealthRequest::parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_asked_wins_over_the_images() {
        let image = HealthRequest::of_image(
            br#"{"config":{"Healthcheck":{"Test":["CMD","true","x"],"Interval":2000000000,"Retries":7,"Timeout":-1}}}"#,
        );
        assert_eq!(image.test, Some(Test::Command(vec!["true".into(), "x".into()])));
        assert_eq!(
            (image.interval(), image.timeout(), image.retries()),
            (Duration::from_secs(2), TIMEOUT, 7)
        );
        let asked = HealthRequest {
            test: Some(Test::Shell("exit 1".into())),
            retries: Some(1),
            ..HealthRequest::default()
        };
        let both = asked.clone().or(image);
        assert_eq!(
            (both.test, both.retries, both.interval),
            (asked.test, Some(1), Some(Duration::from_secs(2)))
        );
        for odd in [
            &b"{"[..],
            b"{}",
            br#"{"config":{"Healthcheck":null}}"#,
            br#"{"config":{"Healthcheck":{"Test":["CMD"]}}}"#,
        ] {
            assert_eq!(HealthRequest::of_image(odd), HealthRequest::default());
        }
    }
}
