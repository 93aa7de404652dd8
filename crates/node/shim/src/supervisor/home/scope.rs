//! A supervisor's scope, where systemd runs the machine: `tare-POD.scope`, which systemd makes at its asking.
//!
//! So a supervisor is no part of the service or the login session that started it: stopping that, or logging out, ends what
//! is in its group. The scope has no limits, is the supervisor's own (`Delegate`), and goes with its last process.

use rustix::process::{geteuid, getuid};
use std::path::PathBuf;
use std::time::Duration;
use tare_cgroup::{GroupPath, Host, Layout};
use tare_error::{Error, Kind, Result};
use tare_systemd::{Bus, Defaults, Systemd, Unit, escape, runs_machine};

/// The prefix of a scope's name.
const PREFIX: &str = "tare";
/// How long systemd may take for each of its answers, of which there are two or three: a few milliseconds do.
const PATIENCE: Duration = Duration::from_secs(5);

/// Moves this process into the scope of its pod; the scope's group.
///
/// A scope of the name that is there already was a predecessor's, and holds what outlived it: it is joined. None where systemd
/// does not run this machine, where an ordinary user has no systemd, and beside version 1 of the control groups, of which
/// systemd manages some alone.
///
/// # Errors
/// systemd's; `Unavailable` where it does not answer.
pub(super) fn enter(host: &Host, pod: &str) -> Result<Option<GroupPath>> {
    if host.layout() != Layout::V2 || !runs_machine() {
        return Ok(None);
    }
    let is_user = !geteuid().is_root() || host.in_user_namespace();
    let unit = unit(pod, is_user)?;
    if let Some(group) = own(host).filter(|group| group.name() == unit.name()) {
        // This process was another version of the program before.
        return Ok(Some(group));
    }
    match Systemd::connect_within(&bus(is_user), PATIENCE) {
        Ok(mut systemd) => systemd
            .enter(&unit, &format!("tare supervisor of {pod}"))
            .map(Some),
        // Without a login there is none of a user's own.
        Err(error) if is_user && error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The group on version 2 of this process.
pub(super) fn own(host: &Host) -> Option<GroupPath> {
    GroupPath::parse(host.v2()?.own_group.as_deref()?).ok()
}

fn unit(pod: &str, is_user: bool) -> Result<Unit> {
    let defaults = Defaults {
        id: &escape(pod),
        prefix: PREFIX,
        is_user,
    };
    Unit::parse("", defaults)
        .map_err(|error| Error::new(error.kind(), "name the scope of", pod).from_source(error))
}

/// The machine's systemd for root, a user's own for a user.
fn bus(is_user: bool) -> Bus {
    match Bus::of(is_user, variable) {
        // As pam_systemd(8) has it; not everything that a user starts has heard of it.
        Bus::User {
            address,
            runtime_folder: None,
        } => Bus::User {
            address,
            runtime_folder: Some(PathBuf::from(format!("/run/user/{}", getuid().as_raw()))),
        },
        bus => bus,
    }
}

#[expect(clippy::disallowed_methods, reason = "a login says it in the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
