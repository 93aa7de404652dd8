//! A command that is measured.

/// A command that is measured, and what makes it ready.
#[derive(Debug, PartialEq)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Commands that are run once, before.
    pub(crate) prepare: Vec<Vec<String>>,
    pub(crate) command: Vec<String>,
}

/// What a contender is compared as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Role {
    /// What everything costs: a process that does nothing.
    Baseline,
    /// The one the others are compared with.
    Ours,
    Rival,
}
