//! What a container's process may do.

use super::{CapabilityChange, invalid};
use std::path::{Path, PathBuf};
use tare_error::Result;

/// What a container's process may do beyond, or less than, the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityRequest {
    /// Capabilities given.
    pub add: Vec<CapabilityChange>,
    /// Capabilities taken.
    pub drop: Vec<CapabilityChange>,
    /// Everything: all capabilities and devices, no filter, nothing masked.
    pub privileged: bool,
    /// System call filter.
    pub seccomp: SeccompChoice,
    /// Whether exec can never grant privileges.
    pub no_new_privileges: bool,
    /// AppArmor profile; absent means none is asked for.
    pub apparmor: Option<String>,
    /// SELinux options; empty means none is asked for.
    pub labels: Vec<String>,
    /// Whether docker's masked and read-only paths are left open (`systempaths=unconfined`).
    pub open_system_paths: bool,
}

/// System call filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SeccompChoice {
    /// Docker's default policy.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// A profile in docker's or the runtime specification's form.
    File(PathBuf),
}

/// One `--security-opt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecurityOption {
    /// `seccomp=`
    Seccomp(SeccompChoice),
    /// `no-new-privileges`
    NoNewPrivileges(bool),
    /// `apparmor=`
    AppArmor(String),
    /// `label=`
    Label(String),
    /// `systempaths=unconfined`
    OpenSystemPaths,
}

impl SecurityOption {
    /// Reads `key=value` (docker's old `key:value` too); a profile's path is taken from `directory`.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn parse(text: &str, directory: &Path) -> Result<SecurityOption> {
        let (key, value) = match text.split_once('=').or_else(|| text.split_once(':')) {
            Some((key, value)) => (key, Some(value)),
            None => (text, None),
        };
        match (key, value) {
            ("no-new-privileges", None | Some("true")) => Ok(SecurityOption::NoNewPrivileges(true)),
            ("no-new-privileges", Some("false")) => Ok(SecurityOption::NoNewPrivileges(false)),
            ("seccomp", Some("unconfined")) => Ok(SecurityOption::Seccomp(SeccompChoice::Unconfined)),
            ("seccomp", Some("builtin" | "default")) => Ok(SecurityOption::Seccomp(SeccompChoice::Default)),
            ("seccomp", Some(path)) if !path.is_empty() => {
                Ok(SecurityOption::Seccomp(SeccompChoice::File(directory.join(path))))
            }
            ("apparmor", Some(profile)) if !profile.is_empty() => Ok(SecurityOption::AppArmor(profile.to_owned())),
            ("label", Some(label)) if !label.is_empty() => Ok(SecurityOption::Label(label.to_owned())),
            ("systempaths", Some("unconfined")) => Ok(SecurityOption::OpenSystemPaths),
            _ => Err(invalid("security option", text, "there is no such one").hint(
                "they are seccomp=FILE, seccomp=unconfined, no-new-privileges, apparmor=PROFILE, label=OPTION and systempaths=unconfined",
            )),
        }
    }
}

impl SecurityRequest {
    /// Adds one option; the last of a kind wins, labels add up.
    pub fn apply(&mut self, option: SecurityOption) {
        match option {
            SecurityOption::Seccomp(choice) => self.seccomp = choice,
            SecurityOption::NoNewPrivileges(on) => self.no_new_privileges = on,
            SecurityOption::AppArmor(profile) => self.apparmor = Some(profile),
            SecurityOption::Label(label) => self.labels.push(label),
            SecurityOption::OpenSystemPaths => self.open_system_paths = true,
        }
    }
}
