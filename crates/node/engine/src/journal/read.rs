//! Reading: from the oldest record to the newest over all files, and on while more come.

use super::append::{FILE, OLDER, name};
use super::event::LONGEST;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use serde_json::Value;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tare_error::{Context, Error, Kind, Result, nearest};

/// Records, one after the other.
#[derive(Debug)]
pub struct Events {
    folder: PathBuf,
    /// Opened before any is read: what is renamed meanwhile stays in its place.
    older: VecDeque<File>,
    now: Option<BufReader<File>>,
    /// The beginning of a line whose end was not there yet.
    begun: Vec<u8>,
    changes: Option<OwnedFd>,
}

impl Events {
    pub(super) fn open(folder: &Path) -> Result<Events> {
        let mut older = VecDeque::new();
        for number in (0..=OLDER).rev() {
            let path = name(folder, number);
            match File::open(&path) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                file => older.push_back(file.op("open", path.display())?),
            }
        }
        // One that was renamed while they were opened is there twice.
        let mut seen = Vec::new();
        older.retain(|file| {
            let number = file.metadata().map(|about| about.ino()).unwrap_or(0);
            let is_new = !seen.contains(&number);
            seen.push(number);
            is_new
        });
        Ok(Events {
            folder: folder.to_owned(),
            now: older.pop_front().map(BufReader::new),
            older,
            begun: Vec::new(),
            changes: None,
        })
    }

    /// The next record; none where there is no more by now. What is no record is passed over.
    ///
    /// # Errors
    /// The kernel's.
    pub fn next_event(&mut self) -> Result<Option<Value>> {
        loop {
            let Some(file) = &mut self.now else {
                if !self.turn_over()? {
                    return Ok(None);
                }
                continue;
            };
            let room = LONGEST as u64 + 1 - self.begun.len().min(LONGEST) as u64;
            let count = file
                .take(room)
                .read_until(b'\n', &mut self.begun)
                .op("read", "the journal")?;
            if count == 0 {
                if !self.turn_over()? {
                    return Ok(None);
                }
                continue;
            }
            if self.begun.last() != Some(&b'\n') && self.begun.len() <= LONGEST {
                continue;
            }
            let line = std::mem::take(&mut self.begun);
            if let Ok(record @ Value::Object(_)) = serde_json::from_slice(&line) {
                return Ok(Some(record));
            }
        }
    }

    /// Goes on with the next file, where this one is not the last any more.
    fn turn_over(&mut self) -> Result<bool> {
        if let Some(next) = self.older.pop_front() {
            self.begun.clear();
            self.now = Some(BufReader::new(next));
            return Ok(true);
        }
        let path = self.folder.join(FILE);
        let newest = match File::open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            file => file.op("open", path.display())?,
        };
        let number = |file: &File| file.metadata().map(|about| about.ino()).ok();
        let same = self
            .now
            .as_ref()
            .is_some_and(|now| number(now.get_ref()) == number(&newest));
        if !same {
            self.begun.clear();
            self.now = Some(BufReader::new(newest));
        }
        Ok(!same)
    }

    /// Passes over everything that is there.
    ///
    /// # Errors
    /// The kernel's.
    pub fn skip(&mut self) -> Result<()> {
        self.watch()?;
        while self.next_event()?.is_some() {}
        Ok(())
    }

    /// Waits until there may be more, or for this time. Whoever writes knows nothing of it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait(&mut self, time: Option<Duration>) -> Result<()> {
        self.watch()?;
        let Some(changes) = &self.changes else {
            return Ok(());
        };
        let time = time.and_then(|time| Timespec::try_from(time).ok());
        match poll(&mut [PollFd::new(changes, PollFlags::IN)], time.as_ref()) {
            Err(Errno::INTR) => return Ok(()),
            waited => waited.op("wait for", "the journal")?,
        };
        let mut events = [0; 4096];
        while rustix::io::read(changes, &mut events).is_ok() {}
        Ok(())
    }

    fn watch(&mut self) -> Result<()> {
        if self.changes.is_some() {
            return Ok(());
        }
        match std::fs::create_dir(&self.folder) {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(e).op("make", self.folder.display());
            }
            _ => {}
        }
        let changes =
            inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).op("watch", "the journal")?;
        let what = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        inotify::add_watch(&changes, &self.folder, what).op("watch", self.folder.display())?;
        self.changes = Some(changes);
        Ok(())
    }
}

/// Nanoseconds since 1970.
pub(super) fn now() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos()
}

/// One `--filter KEY=VALUE` of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    key: &'static str,
    value: String,
}

/// Docker's keys, as far as there is something they can mean here, and ours.
const KEYS: [&str; 10] = [
    "container",
    "event",
    "image",
    "label",
    "type",
    "volume",
    "scope",
    "outcome",
    "uid",
    "pod",
];

impl EventFilter {
    /// Reads `KEY=VALUE`.
    ///
    /// # Errors
    /// `Invalid` for an unknown key, naming the nearest.
    pub fn parse(text: &str) -> Result<EventFilter> {
        let wrong = |why: String| Error::new(Kind::Invalid, "read filter", format!("{text:?}")).because(why);
        let Some((word, value)) = text.split_once('=') else {
            return Err(wrong("it has no =".to_owned()).hint("write container=web, for example"));
        };
        match KEYS.iter().find(|key| **key == word.trim()) {
            Some(key) => Ok(EventFilter {
                key,
                value: value.to_owned(),
            }),
            None => {
                let error = wrong(format!("there is no filter {word}"));
                Err(match nearest(word, KEYS) {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error.hint(format!("there are {}", KEYS.join(", "))),
                })
            }
        }
    }

    /// Whether all filters want a record: of several with one key any is enough, but of labels all are needed.
    pub fn all_want(filters: &[EventFilter], record: &Value) -> bool {
        KEYS.iter().all(|key| {
            let mut of_key = filters.iter().filter(|filter| filter.key == *key).peekable();
            match *key {
                "label" => of_key.all(|filter| filter.wants(record)),
                _ => of_key.peek().is_none() || of_key.any(|filter| filter.wants(record)),
            }
        })
    }

    fn wants(&self, record: &Value) -> bool {
        let value = self.value.as_str();
        let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
        let (kind, id) = (text(&record["Type"]), text(&record["Actor"]["ID"]));
        let attributes = &record["Actor"]["Attributes"];
        let is_it = |wanted: &str| kind == wanted && (id == value || text(&attributes["name"]) == value);
        match self.key {
            "container" => {
                is_it("container") || kind == "container" && !value.is_empty() && id.starts_with(value)
            }
            "volume" => is_it("volume"),
            "pod" => is_it("pod") || kind == "pod" && !value.is_empty() && id.starts_with(value),
            "image" => is_it("image") || kind == "container" && text(&attributes["image"]) == value,
            "event" => {
                let action = text(&record["Action"]);
                action == value || action.split_once(':').is_some_and(|(before, _)| before == value)
            }
            "label" => match value.split_once('=') {
                Some((key, value)) => attributes[key] == value,
                None => attributes.get(value).is_some(),
            },
            "type" => kind == value,
            "scope" => value == "local",
            "outcome" => text(&record["outcome"]) == value,
            "uid" => value.parse().is_ok_and(|uid: u64| record["by"]["uid"] == uid),
            _ => true,
        }
    }
}
