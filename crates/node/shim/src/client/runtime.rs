//! Another OCI runtime's command, in place of the library in the supervisor.

use std::path::PathBuf;
use tare_error::{Error, Kind};
use tare_spec_containerd::Any;
use tare_spec_containerd::runc::Options;

/// Another OCI runtime, as a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeCommand {
    /// Its program: an absolute path, or a name for `PATH`.
    pub program: String,
    /// Where it keeps its records (its `--root`).
    pub root: PathBuf,
}

/// What the options of runc's shim call it by.
pub(super) fn options(runtime: &RuntimeCommand) -> Any {
    Any::pack(&Options {
        binary_name: runtime.program.clone(),
        root: runtime.root.to_string_lossy().into_owned(),
        ..Options::default()
    })
}

/// A failure of a runtime's command has no kind but its words, which are read as docker reads them of any runtime: whether
/// it was the fault of the container's own command.
pub(super) fn of_its_kind(error: Error) -> Error {
    let said = |words: &str| error.reason().is_some_and(|why| why.contains(words));
    let kind = if error.kind() != Kind::Internal {
        return error;
    } else if said("executable file") && said("not found")
        || said("exec: ") && said("no such file or directory")
    {
        Kind::CommandNotFound
    } else if said("exec: ") && said("permission denied")
        || said("is not executable")
        || said("exec format error")
    {
        Kind::CommandNotExecutable
    } else {
        return error;
    };
    let reason = error.reason().unwrap_or_default().to_owned();
    Error::new(kind, error.operation().to_owned(), error.subject()).because(reason)
}
