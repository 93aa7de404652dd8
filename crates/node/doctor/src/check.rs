//! A check, what it finds, and how that is reported.

use crate::place::Place;
use serde::Serialize;

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It works.
    Yes,
    /// A part of it works; the detail says which.
    Partly,
    /// It is not there, or does not work.
    No,
    /// It could not be tried here; the detail says why.
    Unknown,
}

impl Presence {
    /// `yes`, `partly`, `no`, `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Presence::Yes => "yes",
            Presence::Partly => "partly",
            Presence::No => "no",
            Presence::Unknown => "unknown",
        }
    }
}

/// How much depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Nothing runs without it.
    Needed,
    /// Something is missing, weaker or slower without it.
    Useful,
}

/// One row of the table.
#[derive(Debug)]
pub struct Check {
    /// A stable name for scripts: lower case, dashes.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// How much depends on it.
    pub weight: Weight,
    /// What does not work without it.
    pub lost: &'static str,
    /// The command that mends it, or where none does, what to do.
    pub mend: &'static str,
    pub(crate) probe: fn(&Place) -> Finding,
}

impl Check {
    /// Finds out.
    pub fn run(&self, place: &Place) -> Outcome {
        let finding = (self.probe)(place);
        let whole = finding.presence == Presence::Yes;
        let mend = finding.mend.unwrap_or_else(|| self.mend.to_owned());
        Outcome {
            name: self.name,
            title: self.title,
            weight: self.weight,
            present: finding.presence,
            detail: finding.detail,
            lost: if whole { "" } else { self.lost },
            mend: if whole { String::new() } else { mend },
        }
    }
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is there.
    pub presence: Presence,
    /// What exactly, or why not: one line.
    pub detail: String,
    /// A better command than the table's, for this case.
    pub mend: Option<String>,
}

impl Finding {
    fn new(presence: Presence, detail: impl Into<String>) -> Finding {
        Finding {
            presence,
            detail: detail.into(),
            mend: None,
        }
    }

    pub(crate) fn yes(detail: impl Into<String>) -> Finding {
        Finding::new(Presence::Yes, detail)
    }

    pub(crate) fn partly(detail: impl Into<String>) -> Finding {
        Finding::new(Presence::Partly, detail)
    }

    pub(crate) fn no(detail: impl Into<String>) -> Finding {
        Finding::new(Presence::No, detail)
    }

    pub(crate) fn unknown(detail: impl Into<String>) -> Finding {
        Finding::new(Presence::Unknown, detail)
    }

    pub(crate) fn mended_by(mut self, command: impl Into<String>) -> Finding {
        self.mend = Some(command.into());
        self
    }
}

/// What one check found, as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The check's stable name.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// How much depends on it.
    pub weight: Weight,
    /// Whether it is there.
    pub present: Presence,
    /// What exactly, or why not: one line.
    pub detail: String,
    /// What does not work; empty where it is there.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub lost: &'static str,
    /// What to do; empty where it is there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mend: String,
}

impl Outcome {
    /// Whether it is there as a whole.
    pub fn is_present(&self) -> bool {
        self.present == Presence::Yes
    }
}

/// All outcomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The user it was asked for.
    pub user: u32,
    /// The kernel's release.
    pub kernel: String,
    /// One outcome per check, in the table's order.
    pub checks: Vec<Outcome>,
}

impl Report {
    /// Whether nothing that is needed is missing.
    pub fn is_healthy(&self) -> bool {
        let missing =
            |outcome: &&Outcome| outcome.weight == Weight::Needed && outcome.present == Presence::No;
        !self.checks.iter().any(|outcome| missing(&outcome))
    }
}
