//! Another OCI runtime's command, or a shim, in place of the library in the supervisor.

use crate::own::ShimRequest;
use crate::supervisor::lines;
use std::path::{Path, PathBuf};
use tare_error::{Error, Kind, Result};
use tare_spec_containerd::runc::Options;
use tare_spec_containerd::{Any, runtimeoptions};

/// The shim whose options are runc's, under the type that only it has.
const RUNC: &str = "containerd-shim-runc-v2";

/// Another OCI runtime, as a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeCommand {
    /// Its program: an absolute path, or a name for `PATH`.
    pub program: String,
    /// Where it keeps its records (its `--root`).
    pub root: PathBuf,
}

/// A shim of version 2, as containerd has them.
#[derive(Clone, Debug, PartialEq)]
pub struct ShimCommand {
    /// Its program: an absolute path, or a name for `PATH`.
    pub program: String,
    /// What it reads as its runtime's options.
    pub options: Option<Any>,
}

impl ShimCommand {
    /// A shim with options in TOML, one a line. That of runc is given them as it has them, and `root` for its records, unless they say
    /// otherwise; others get the text, or what `ConfigPath` and `TypeUrl` in it say, as from containerd.
    ///
    /// # Errors
    /// `Invalid` for options that runc's has not.
    pub fn new(program: &str, options: &str, root: &Path) -> Result<ShimCommand> {
        let name = Path::new(program).file_name().unwrap_or_default();
        let options = match name == RUNC {
            true => {
                let mut options = lines::read(options, program)?;
                if options.root.is_empty() {
                    options.root = root.to_string_lossy().into_owned();
                }
                Some(Any::pack(&options))
            }
            false if options.is_empty() => None,
            false => Some(Any::pack(&general(options))),
        };
        Ok(ShimCommand {
            program: program.to_owned(),
            options,
        })
    }
}

/// The options of a shim that is not runc's: where its configuration is, or all of it.
fn general(options: &str) -> runtimeoptions::Options {
    let of = |wanted: &str| {
        let lines = options.lines().filter_map(|line| line.split_once('='));
        let mut values = lines
            .filter(|(key, _)| key.trim() == wanted)
            .map(|(_, value)| value);
        let value = values
            .next()
            .map(|value| value.trim().trim_matches(['"', '\'']).to_owned());
        value.unwrap_or_default()
    };
    let config_path = of("ConfigPath");
    let body = match config_path.is_empty() {
        true => options,
        false => "",
    };
    runtimeoptions::Options {
        type_url: of("TypeUrl"),
        config_path,
        config_body: body.as_bytes().to_vec(),
    }
}

/// Who makes a container in place of the library.
#[derive(Clone, Debug, PartialEq)]
pub enum Maker {
    /// The command of an OCI runtime.
    Command(RuntimeCommand),
    /// A shim.
    Shim(ShimCommand),
}

/// What the options of runc's shim call it by, or what stands for them.
pub(super) fn options(maker: &Maker) -> Any {
    let runtime = match maker {
        Maker::Command(runtime) => runtime,
        Maker::Shim(ShimCommand { program, options }) => {
            let (program, options) = (program.clone(), options.clone());
            return ShimRequest { program, options }.packed();
        }
    };
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
