//! The system call filter: docker's default policy for the capabilities granted, a profile of the person's, or none.

use super::{Draft, Input};
use crate::container::request::SeccompChoice;
use tare_error::Result;
use tare_seccomp::{Facts, Kernel, Profile, default_profile, native};

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    let asked = &input.request.security;
    let capabilities = draft.process.capabilities.as_ref();
    let (major, minor) = input.host.kernel;
    let facts = Facts {
        capabilities: capabilities.map_or(&[], |sets| &sets.bounding),
        arch: native()?,
        kernel: Kernel { major, minor },
    };
    draft.linux.seccomp = match &asked.seccomp {
        SeccompChoice::Unconfined => None,
        SeccompChoice::Default if asked.privileged => None,
        SeccompChoice::Default => Some(default_profile(&facts)?),
        SeccompChoice::File(path) => {
            let profile = Profile::parse(&input.found.seccomp_profile, &path.display().to_string())?;
            Some(profile.resolve(&facts)?)
        }
    };
    Ok(())
}
