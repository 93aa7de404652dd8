//! **What.** Sets up the log of a program: which level, text or JSON, to stderr.
//!
//! **Not.** No messages of its own, no files, no journal, no metrics; libraries log with `tracing` and never set up.
//!
//! **Words.** *Level*: the gravest first, `error warn info debug trace`. *Format*: `text` for people, `json` for
//! machines, one object a line.
//!
//! **Life.** A program reads its options → [`start`] once → everything logged from then on is written.
//!
//! **Rules.** Records go to stderr, never to stdout, which is for results. A second [`start`] changes nothing. A
//! record that cannot be written is dropped: a log never ends a program.
//!
//! ```
//! use tare_telemetry::{Format, Level};
//! let level = Level::parse("warn")?;
//! tare_telemetry::start(level, Format::Text);
//! # Ok::<(), tare_error::Error>(())
//! ```

use std::io::IsTerminal;
use tare_error::{Error, Kind, Result};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// How grave a record must be to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(LevelFilter);

/// The form of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A line for people, coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The words of the levels and what they mean.
const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

impl Level {
    /// Every word for a level, the fewest records first.
    pub const WORDS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

    /// Abnormal but served, and graver: what a program logs when nobody says.
    pub const DEFAULT: Level = Level(LevelFilter::WARN);

    /// Reads a level's word.
    ///
    /// # Errors
    /// `Invalid` for another word.
    pub fn parse(word: &str) -> Result<Level> {
        let found = LEVELS.iter().find(|(w, _)| *w == word);
        found
            .map(|(_, filter)| Level(*filter))
            .ok_or_else(|| unknown("log level", word, Level::WORDS))
    }
}

impl Format {
    /// Every word for a format.
    pub const WORDS: &[&str] = &["text", "json"];

    /// Reads a format's word.
    ///
    /// # Errors
    /// `Invalid` for another word.
    pub fn parse(word: &str) -> Result<Format> {
        match word {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            _ => Err(unknown("log format", word, Format::WORDS)),
        }
    }
}

/// Starts writing records to stderr.
pub fn start(level: Level, format: Format) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(level.0)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // The error means that somebody set up before: theirs stays.
    let _ = match format {
        Format::Text => builder.finish().try_init(),
        Format::Json => builder.json().flatten_event(true).finish().try_init(),
    };
}

fn unknown(what: &'static str, word: &str, words: &[&str]) -> Error {
    Error::new(Kind::Invalid, format!("read {what}"), format!("{word:?}"))
        .because("there is no such one")
        .hint(format!("it is one of {}", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read() {
        for word in Level::WORDS {
            Level::parse(word).unwrap();
        }
        assert_eq!(Level::WORDS.len(), LEVELS.len());
        for word in Format::WORDS {
            Format::parse(word).unwrap();
        }
        let e = Level::parse("loud").unwrap_err();
        assert_eq!(
            e.first_hint(),
            Some("it is one of off, error, warn, info, debug, trace")
        );
        Format::parse("xml").unwrap_err();
    }

    #[test]
    fn a_second_start_changes_nothing() {
        start(Level::DEFAULT, Format::Json);
        start(Level::DEFAULT, Format::Text);
    }
}
