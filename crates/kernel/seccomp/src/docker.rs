//! Docker's default profile, as data.
//!
//! `data/docker.json` lists the rules of the profile that docker engine publishes (repository `moby/profiles`, 2026,
//! after the address families were limited); the comments in it are ours. Two readings of it are worth knowing:
//! on x86 `socketcall` stays allowed, as docker relies on an LSM there; and `clone3` answers `ENOSYS`.

use crate::profile::{Facts, Profile};
use tare_error::Result;
use tare_spec_oci::Seccomp;

/// The profile, in docker's format.
const DEFAULT: &[u8] = include_bytes!("../data/docker.json");

/// Docker's default policy for one container, resolved as docker does.
///
/// # Errors
/// None in practice: the profile is part of this crate and a test reads it.
pub fn default_profile(facts: &Facts<'_>) -> Result<Seccomp> {
    Profile::parse(DEFAULT, "docker's default")?.resolve(facts)
}
