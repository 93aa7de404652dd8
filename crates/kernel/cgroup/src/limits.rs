//! From the limits of a document to values for control files: pure, one file per controller, both versions side by side.
//!
//! ```text
//! Resources -> Draft (which version has which controller?) -> steps of settings -> Group writes them
//! ```

mod block;
mod cpu;
mod hugepages;
mod memory;
mod network;
mod pids;
mod unified;

pub use block::io_weight;
pub use cpu::weight_of_shares;
pub use memory::swap_alone;

use crate::host::{Controller, Version};
use std::borrow::Cow;
use tare_error::{Error, Kind};
use tare_spec_oci::Resources;

/// One value for one control file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Whose file it is; none for the files every version 2 group has (`cgroup.*`).
    pub(crate) controller: Option<Controller>,
    /// In the words of the person who asked: "memory limit".
    pub(crate) what: &'static str,
    pub(crate) file: Cow<'static, str>,
    pub(crate) value: String,
    pub(crate) absent: Absent,
    /// A file whose number must not exceed the value, else the setting is refused (`checkBeforeUpdate`).
    pub(crate) not_below: Option<&'static str>,
}

/// What to do where the kernel has no such file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// Refuse, with what the reader can do.
    Refuse(&'static str),
    /// Nothing is lost without it.
    Skip,
    /// Set this instead.
    Instead(Box<Setting>),
}

/// Settings that constrain each other (a quota and its period, memory and memory with swap). In whichever order
/// the kernel accepts them: what it calls invalid is tried again once another has been set.
pub(crate) type Step = Vec<Setting>;

/// Steps to write, and what cannot be written at all.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    /// Which interface has a controller for this group.
    home: &'a dyn Home,
    pub(crate) steps: Vec<Step>,
    pub(crate) refused: Vec<Error>,
}

/// Where the controllers of one group live.
pub(crate) trait Home: std::fmt::Debug {
    /// The version a controller is available on, if any.
    fn version(&self, controller: Controller) -> Option<Version>;
    /// Whether the group is also in a version 2 tree.
    fn has_unified(&self) -> bool;
    /// Why a controller is not available, in words that name the cause and the cure.
    fn why_not(&self, controller: Controller, what: &str) -> Error;
    /// The group, for messages.
    fn subject(&self) -> String;
}

impl<'a> Draft<'a> {
    /// Plans every limit of `resources` except the device rules, which are a policy of their own.
    pub(crate) fn of(resources: &Resources, home: &'a dyn Home) -> Draft<'a> {
        let mut draft = Draft {
            home,
            steps: Vec::new(),
            refused: Vec::new(),
        };
        if let Some(cpu) = &resources.cpu {
            cpu::plan(cpu, &mut draft);
        }
        if let Some(memory) = &resources.memory {
            memory::plan(memory, &mut draft);
        }
        if let Some(pids) = &resources.pids {
            pids::plan(pids, &mut draft);
        }
        if let Some(block) = &resources.block_io {
            block::plan(block, &mut draft);
        }
        hugepages::plan(&resources.hugepage_limits, &mut draft);
        network::plan(resources.network.as_ref(), &resources.rdma, &mut draft);
        // Last: what is written by its own name overrides what was derived.
        unified::plan(&resources.unified, &mut draft);
        draft
    }

    /// The version that has `controller`; where none has, the refusal is noted.
    fn home(&mut self, controller: Controller, what: &'static str) -> Option<Version> {
        let version = self.home.version(controller);
        if version.is_none() {
            self.refused.push(self.home.why_not(controller, what));
        }
        version
    }

    fn step(&mut self, settings: impl IntoIterator<Item = Setting>) {
        let step: Step = settings.into_iter().collect();
        if !step.is_empty() {
            self.steps.push(step);
        }
    }

    fn refuse(&mut self, kind: Kind, what: &str, why: impl std::fmt::Display, hint: &str) {
        let error = Error::new(kind, format!("set the {what} of"), self.home.subject());
        self.refused.push(error.because(why).hint(hint));
    }

    /// A request that version 2 has no word for.
    fn refuse_on_v2(&mut self, what: &str) {
        let hint = "leave it out, or run on a machine with cgroup v1";
        self.refuse(Kind::Unsupported, what, "cgroup v2 has no such limit", hint);
    }
}

impl Setting {
    fn new(
        controller: Controller,
        what: &'static str,
        file: impl Into<Cow<'static, str>>,
        value: &(impl ToString + ?Sized),
    ) -> Setting {
        Setting {
            controller: Some(controller),
            what,
            file: file.into(),
            value: value.to_string(),
            absent: Absent::Refuse("this kernel was built or started without it; leave the option out"),
            not_below: None,
        }
    }

    fn or_skip(mut self) -> Setting {
        self.absent = Absent::Skip;
        self
    }

    fn or_refuse(mut self, hint: &'static str) -> Setting {
        self.absent = Absent::Refuse(hint);
        self
    }

    fn or(mut self, instead: Setting) -> Setting {
        self.absent = Absent::Instead(Box::new(instead));
        self
    }
}

/// A number as version 2 writes it: -1 is `max`.
fn or_max(value: i64) -> String {
    if value < 0 {
        "max".to_owned()
    } else {
        value.to_string()
    }
}

/// A document's 0 is as good as absent (Go tools write it for "not given").
fn given<T: Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

#[cfg(test)]
mod tests;
