//! What containerd's configuration or client wants of the runtime, beside the bundle.

use tare_error::{Error, Kind, Result};
use tare_lifecycle::Driver;
use tare_spec_containerd::runc::Options as RuncOptions;
use tare_spec_containerd::{Any, runtimeoptions};

/// The options that mean something to us.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) driver: Driver,
    pub(super) shared_keyring: bool,
    pub(super) without_pivot: bool,
}

/// Reads the options of runc's shim, which the clients of all shims send.
pub(super) fn read(given: Option<&Any>) -> Result<Options> {
    let Some(given) = given.filter(|given| !given.type_url.is_empty()) else {
        return Ok(Options::default());
    };
    let invalid = || Error::new(Kind::Invalid, "read", "the runtime's options");
    if given.is::<runtimeoptions::Options>() {
        let options: runtimeoptions::Options = given.unpack().map_err(|e| invalid().from_source(e))?;
        if options.config_body.is_empty() && options.config_path.is_empty() {
            return Ok(Options::default());
        }
        return Err(invalid()
            .because("options of this shim are not read from a file of configuration")
            .hint("give runc's options: SystemdCgroup, NoPivotRoot, NoNewKeyring"));
    }
    let options: RuncOptions = given.unpack().map_err(|e| invalid().from_source(e))?;
    if !options.binary_name.is_empty() {
        return Err(Error::new(Kind::Unsupported, "use runtime", options.binary_name)
            .because("this supervisor makes containers by itself, and drives no other runtime yet"));
    }
    Ok(Options {
        driver: if options.systemd_cgroup {
            Driver::Systemd { address: None }
        } else {
            Driver::Cgroupfs
        },
        shared_keyring: options.no_new_keyring,
        without_pivot: options.no_pivot_root,
    })
}
