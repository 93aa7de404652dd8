//! What is told: errors on standard error and in the log that engines read, warnings and what helps a developer in one of
//! the two; in the shape that runc gave them.

use crate::output;
use serde::Serialize;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use tare_error::{Error, Report};
use tare_lifecycle::words_of_runc;

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Error,
    #[default]
    Warning,
    Debug,
}

/// The log of one call. Its options are read on their own, so that an error in the arguments reaches it as well.
#[derive(Debug, Default)]
pub(crate) struct Log {
    file: Option<PathBuf>,
    json: bool,
    most: Level,
}

/// One line of the log, with logrus' names, by which engines find the last error.
#[derive(Serialize)]
struct Line<'a> {
    level: &'a str,
    msg: &'a str,
    time: String,
}

impl Log {
    /// Where the arguments say that it is.
    pub(crate) fn of(words: &[OsString]) -> Log {
        let value = |name: &str| {
            let mut rest = words.iter().map(|word| word.to_string_lossy());
            while let Some(word) = rest.next() {
                let bare = word.strip_prefix("--").or_else(|| word.strip_prefix('-'));
                let Some(after) = bare.and_then(|bare| bare.strip_prefix(name)) else {
                    continue;
                };
                if after.is_empty() {
                    return rest.next().map(std::borrow::Cow::into_owned);
                }
                if let Some(value) = after.strip_prefix('=') {
                    return Some(value.to_owned());
                }
            }
            None
        };
        let debug = ["--debug", "-debug", "--debug=true"];
        let most = match value("log-level").as_deref() {
            _ if words.iter().any(|word| debug.iter().any(|debug| word == debug)) => Level::Debug,
            Some("debug") => Level::Debug,
            Some("error") => Level::Error,
            _ => Level::default(),
        };
        Log {
            file: value("log").filter(|path| !path.is_empty()).map(PathBuf::from),
            json: value("log-format").as_deref() == Some("json"),
            most,
        }
    }

    /// Tells what was not done as asked, and was no reason to fail.
    pub(crate) fn warn(&self, message: &str) {
        match &self.file {
            _ if self.most < Level::Warning => {}
            Some(_) => self.write("warning", message),
            None => output::tell(&format!("tare-runtime: warning: {message}")),
        }
    }

    /// Tells what is being done, where that was asked for; else nothing is even put into words.
    pub(crate) fn debug(&self, message: impl FnOnce() -> String) {
        if self.is_debugging() {
            self.write("debug", &message());
        }
    }

    /// Whether it was asked for what is being done.
    pub(crate) fn is_debugging(&self) -> bool {
        self.most == Level::Debug
    }

    /// Tells of an error, once in each place.
    pub(crate) fn error(&self, error: &Error) {
        let known = words_of_runc(error);
        let text = Report::new(error).with_hint().to_string();
        output::tell(&format!("tare-runtime: {known}{text}"));
        if self.file.is_some() {
            self.write("error", &format!("{known}{}", Report::new(error)));
        }
    }

    /// Writes a line into the log; where there is none, on standard error.
    fn write(&self, level: &str, msg: &str) {
        let time = tare_lifecycle::now();
        let line = if self.json {
            serde_json::to_string(&Line { level, msg, time }).unwrap_or_default()
        } else {
            format!("time={time:?} level={level} msg={msg:?}")
        };
        let Some(path) = &self.file else {
            return output::tell(&line);
        };
        let opened = OpenOptions::new().create(true).append(true).open(path);
        if let Err(e) = opened.and_then(|mut file| writeln!(file, "{line}")) {
            output::tell(&format!("tare-runtime: write log {}: {e}", path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_is_told() {
        for (line, most) in [
            ("create c", Level::Warning),
            ("--debug create c", Level::Debug),
            ("create c --log-level debug", Level::Debug),
            ("--debug=false create c", Level::Warning),
            ("--log-level=error run c", Level::Error),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(Log::of(&words).most, most, "{line}");
        }
    }

    #[test]
    fn the_log_is_found_in_any_arguments() {
        for line in [
            "--log /l --log-format json nosuch",
            "create -log=/l --log-format=json",
            "x --log-format json --log /l",
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let log = Log::of(&words);
            assert_eq!((log.file, log.json), (Some(PathBuf::from("/l")), true), "{line}");
        }
    }
}
