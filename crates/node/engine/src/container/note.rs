//! What is done to containers, written down in the journal.

use crate::Engine;
use crate::claim;
use crate::journal::{Event, Subject};
use crate::records::containers;
use std::path::PathBuf;
use std::time::Instant;
use tare_error::Result;
use tare_shim::Exit;

/// How long the parts of making and starting a container took.
#[derive(Debug)]
pub(super) struct Stages {
    last: Instant,
    /// In microseconds, in order.
    pub(super) took: Vec<(&'static str, u64)>,
    /// Where those hear of them who have asked for the same.
    told: Option<PathBuf>,
}

impl Default for Stages {
    fn default() -> Stages {
        Stages {
            last: Instant::now(),
            took: Vec::new(),
            told: None,
        }
    }
}

impl Stages {
    /// The same, told by the way to who waits for the claim at `told`.
    pub(super) fn told(told: Option<PathBuf>) -> Stages {
        Stages {
            told,
            ..Stages::default()
        }
    }

    /// What was done since the last one is this.
    pub(super) fn done(&mut self, stage: &'static str) {
        let now = Instant::now();
        let took = now.duration_since(self.last).as_micros();
        self.took.push((stage, u64::try_from(took).unwrap_or(u64::MAX)));
        self.last = now;
        if let Some(path) = &self.told {
            claim::note(path, stage);
        }
    }
}

impl Engine {
    /// A container as the journal names it; where there is none, by the word that was typed.
    pub(super) fn subject(&self, typed: &str) -> Subject {
        let named = Subject {
            kind: "container",
            id: typed.to_owned(),
            ..Subject::default()
        };
        let Ok(record) = self.find_container(typed) else {
            return named;
        };
        let labels = self
            .records()
            .read("read labels", |tx| containers::labels_of(tx, &record.id));
        Subject {
            id: record.id,
            name: record.name,
            image: record.reference,
            labels: labels.unwrap_or_default(),
            ..named
        }
    }

    /// Does something to a container, and writes down that it was done, or why not.
    pub(crate) fn noted<T>(
        &self,
        typed: &str,
        action: &str,
        attributes: &[(&'static str, String)],
        act: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        // Before: it may be gone afterwards.
        let event = Event::new(self.subject(typed), action);
        let outcome = act();
        let event = attributes
            .iter()
            .fold(event, |event, (name, value)| event.with(name, value));
        self.note(&event.came_to(&outcome));
        outcome
    }

    /// Writes down how a container has ended.
    pub(super) fn note_end(&self, subject: &Subject, exit: &Exit) {
        if let Some(oom) = &exit.oom {
            let event = Event::new(subject.clone(), "oom").with("kills", oom.kills);
            let event = oom
                .limit
                .iter()
                .fold(event, |event, limit| event.with("limit", limit));
            self.note(
                &oom.group
                    .iter()
                    .fold(event, |event, group| event.with("group", group)),
            );
        }
        let event = Event::new(subject.clone(), "die").with("exitCode", exit.code);
        let event = exit
            .signal
            .iter()
            .fold(event, |event, signal| event.with("signal", signal));
        let event = exit
            .unknown
            .iter()
            .fold(event, |event, why| event.with("unknown", why));
        let lived = self.born(&subject.id).and_then(|born| {
            let born = tare_logs::Moment::parse(&born)?;
            let ended = i64::try_from(exit.at / 1_000_000_000).ok()?;
            Some(ended - born.seconds)
        });
        self.note(
            &lived
                .iter()
                .fold(event, |event, lived| event.with("execDuration", (*lived).max(0))),
        );
    }
}
