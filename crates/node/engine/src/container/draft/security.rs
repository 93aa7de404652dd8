//! no_new_privs and the labels of security modules.

use super::{Draft, Input};
use tare_error::{Error, Kind, Result};

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    let asked = &input.request.security;
    draft.process.no_new_privileges = asked.no_new_privileges;
    match asked.apparmor.as_deref() {
        None | Some("unconfined") => {}
        Some(profile) if input.host.apparmor => draft.process.apparmor_profile = Some(profile.to_owned()),
        Some(profile) => {
            return Err(Error::new(Kind::Unsupported, "apply AppArmor profile", profile)
                .because("this kernel runs without AppArmor")
                .hint("leave out --security-opt apparmor=..., or boot with apparmor=1 security=apparmor"));
        }
    }
    for label in &asked.labels {
        if label != "disable" {
            let why = if input.host.selinux {
                "labels of SELinux are not there yet"
            } else {
                "this kernel runs without SELinux"
            };
            return Err(Error::new(Kind::Unsupported, "apply security label", label).because(why));
        }
    }
    Ok(())
}
