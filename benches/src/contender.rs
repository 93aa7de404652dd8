//! A command that is measured.

/// A command that is measured, and what makes it ready.
#[derive(Debug, PartialEq)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Commands that are run once, before.
    pub(crate) prepare: Vec<Vec<String>>,
    /// What is run each round, in order.
    pub(crate) steps: Vec<Step>,
}

/// One part of a contender's round.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// A command that is measured, and the table its cost belongs to.
    Measured(String, Vec<String>),
    /// Until everything that was left behind is gone; not measured.
    Gone,
}

impl Contender {
    /// The commands that are measured, each with its table's name.
    pub(crate) fn measured(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.steps.iter().filter_map(|step| match step {
            Step::Measured(table, command) => Some((table.as_str(), command.as_slice())),
            Step::Gone => None,
        })
    }
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
