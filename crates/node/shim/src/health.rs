//! Health checks as data: what is to be done, and what came of it; both in one file of the pod's folder.

use crate::pod::{Entry, read_as};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tare_error::Result;
use tare_spec_oci::Process;

/// How many results are kept (docker's number).
const MOST_RESULTS: usize = 5;

/// How a container's health is looked after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthPlan {
    /// The container's id.
    pub container: String,
    /// What is executed in it: 0 is healthy, everything else is not.
    pub process: Process,
    /// Milliseconds from the end of one check to the next.
    pub interval: u64,
    /// Milliseconds that a check may take.
    pub timeout: u64,
    /// Milliseconds after the start in which a failure does not count, until one check was well.
    pub start_period: u64,
    /// Milliseconds from one check to the next in that time.
    pub start_interval: u64,
    /// How many failures in a row make it unhealthy.
    pub retries: u32,
    /// What is executed when that changes, for whoever writes it down: program and arguments, to which the word is added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
}

/// What is known of a container's health: docker's `State.Health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Health {
    /// In a word.
    pub status: HealthStatus,
    /// How many checks have failed since the last that was well.
    pub failing_streak: u32,
    /// The last results, the newest last.
    pub log: Vec<HealthResult>,
}

/// A container's health in a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HealthStatus {
    /// No check was well yet, and not too many have failed.
    #[default]
    Starting,
    /// The last checks were well, or not too many failed.
    Healthy,
    /// Too many checks have failed in a row.
    Unhealthy,
}

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthResult {
    /// When it began (RFC 3339).
    pub start: String,
    /// When it had ended.
    pub end: String,
    /// Its exit code; -1 where it could not be started, or took too long.
    pub exit_code: i32,
    /// What it said, or why it failed; 4096 bytes at most.
    pub output: String,
}

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HealthFile {
    pub(crate) plan: HealthPlan,
    /// Nanoseconds since 1970 at which the container was seen to run first; 0 before that.
    pub(crate) began: u64,
    pub(crate) health: Health,
}

impl HealthStatus {
    /// docker's word for it.
    pub fn word(self) -> &'static str {
        match self {
            HealthStatus::Starting => "starting",
            HealthStatus::Healthy => "healthy",
            HealthStatus::Unhealthy => "unhealthy",
        }
    }
}

impl Default for Health {
    fn default() -> Health {
        Health {
            status: HealthStatus::Starting,
            failing_streak: 0,
            log: Vec::new(),
        }
    }
}

impl Health {
    /// What is known of the health of the container that has this folder; none where nobody looks after it, or it has none.
    ///
    /// # Errors
    /// `Corrupt` where the file is none, else the kernel's.
    pub fn in_folder(folder: &Path) -> Result<Option<Health>> {
        let file: Option<HealthFile> = read_as(&folder.join(Entry::Health.name()))?;
        Ok(file.map(|file| file.health))
    }

    /// Takes in a result. In the time of its start a failure does not count, as long as no check was well.
    pub(crate) fn take(&mut self, result: HealthResult, starts: bool, retries: u32) {
        if result.exit_code == 0 {
            self.failing_streak = 0;
            self.status = HealthStatus::Healthy;
        } else if !(starts && self.status == HealthStatus::Starting) {
            self.failing_streak = self.failing_streak.saturating_add(1);
            if self.failing_streak >= retries {
                self.status = HealthStatus::Unhealthy;
            }
        }
        if self.log.len() >= MOST_RESULTS {
            self.log.remove(0);
        }
        self.log.push(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(exit_code: i32) -> HealthResult {
        HealthResult {
            start: String::new(),
            end: String::new(),
            exit_code,
            output: String::new(),
        }
    }

    #[test]
    fn failures_in_a_row_count_once_it_has_started() {
        use HealthStatus::{Healthy, Starting, Unhealthy};
        let mut health = Health::default();
        for (code, starts, status, streak) in [
            (1, true, Starting, 0),
            (1, false, Starting, 1),
            (0, true, Healthy, 0),
            (1, true, Healthy, 1),
            (-1, true, Unhealthy, 2),
            (1, false, Unhealthy, 3),
            (0, false, Healthy, 0),
        ] {
            health.take(result(code), starts, 2);
            assert_eq!((health.status, health.failing_streak), (status, streak), "{code}");
        }
        assert_eq!(health.log.len(), MOST_RESULTS);
        assert_eq!(health.log.last(), Some(&result(0)));
    }
}
