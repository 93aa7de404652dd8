//! The environment, read once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The variables this process was started with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The process's own.
    pub(crate) fn of_process() -> Environment {
        Environment(std::env::vars_os().collect())
    }

    /// A variable's text; one that is not UTF-8 counts as not set.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.0
            .get(std::ffi::OsStr::new(name))?
            .to_str()
            .map(str::to_owned)
    }

    /// A variable as a path; an empty one counts as not set.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        let value = self.0.get(std::ffi::OsStr::new(name))?;
        (!value.is_empty()).then(|| value.into())
    }
}
