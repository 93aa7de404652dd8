//! What containerd's configuration or client wants of the runtime, beside the bundle: runc's options, as a message, or as the
//! lines of TOML that CRI and docker send for a runtime whose options they do not know.

pub(crate) mod lines;

use super::foreign::Runtime;
use crate::own::SHIM;
use std::path::Path;
use tare_error::{Context, Error, Kind, Result};
use tare_lifecycle::Driver;
use tare_spec_containerd::runc::Options as RuncOptions;
use tare_spec_containerd::{Any, runtimeoptions};

/// The longest file of options.
const LONGEST: usize = 64 * 1024;

/// The options that mean something to us.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) driver: Driver,
    pub(super) shared_keyring: bool,
    pub(super) without_pivot: bool,
    /// The runtime whose command is to make containers, instead of the library.
    pub(super) runtime: Option<Runtime>,
}

/// Reads the options of runc's shim, which the clients of all shims send. `IoUid` and `IoGid` ask for nothing: they are for pipes
/// between a shim and a process, and here a process has its client's own, made its user's by whoever makes it.
pub(super) fn read(given: Option<&Any>, namespace: &str) -> Result<Options> {
    let options = message(given)?;
    Ok(Options {
        driver: if options.systemd_cgroup {
            Driver::Systemd { address: None }
        } else {
            Driver::Cgroupfs
        },
        shared_keyring: options.no_new_keyring,
        without_pivot: options.no_pivot_root,
        runtime: (!options.binary_name.is_empty()).then(|| Runtime {
            program: options.binary_name,
            root: Runtime::root_of(&options.root, namespace),
            systemd: options.systemd_cgroup,
            without_pivot: options.no_pivot_root,
            shared_keyring: options.no_new_keyring,
            oom_score: None,
        }),
    })
}

/// The options as runc's shim knows them.
pub(super) fn message(given: Option<&Any>) -> Result<RuncOptions> {
    let Some(given) = given.filter(|given| !given.type_url.is_empty()) else {
        return Ok(RuncOptions::default());
    };
    let invalid = || Error::new(Kind::Invalid, "read", "the runtime's options");
    // Who reads that has read it.
    if given.type_url == SHIM {
        return Ok(RuncOptions::default());
    }
    if !given.is::<runtimeoptions::Options>() {
        return given.unpack().map_err(|e| invalid().from_source(e));
    }
    let given: runtimeoptions::Options = given.unpack().map_err(|e| invalid().from_source(e))?;
    if !given.config_body.is_empty() {
        return lines::read(
            &String::from_utf8_lossy(&given.config_body),
            "the runtime's options",
        );
    }
    if given.config_path.is_empty() {
        return Ok(RuncOptions::default());
    }
    let path = Path::new(&given.config_path);
    let text = tare_store::read(path, LONGEST).op("read", path.display())?;
    lines::read(&String::from_utf8_lossy(&text), &given.config_path)
}
