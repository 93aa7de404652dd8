//! Kernel parameters that belong to a namespace: a closed list, so that none reaches the host (CVE-2022-0811).

use super::invalid;
use tare_error::{Error, Kind, Result};

/// One kernel parameter and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    name: String,
    value: String,
    scope: Scope,
}

/// Which namespace a parameter belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// ipc
    Ipc,
    /// network
    Network,
    /// uts
    Uts,
}

/// Parameters of the ipc namespace (ipc_namespaces(7)); all hold numbers.
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

impl Sysctl {
    /// Reads `name=value`.
    ///
    /// # Errors
    /// `Invalid` for names and values of the wrong form; `Denied` for a parameter that no namespace has of its own.
    pub fn parse(text: &str) -> Result<Sysctl> {
        let Some((name, value)) = text.split_once('=') else {
            return Err(invalid("kernel parameter", text, "there is no =").hint("write --sysctl NAME=VALUE"));
        };
        let segment = |s: &str| {
            let inside = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            !s.is_empty() && s.chars().all(inside)
        };
        if !name.split('.').all(segment) || !name.contains('.') {
            return Err(invalid("kernel parameter", text, "that is not a dotted name"));
        }
        let scope = Sysctl::scope_of(name).ok_or_else(|| {
            Error::new(Kind::Denied, "set kernel parameter", name)
                .because("it belongs to the whole machine, not to a container")
                .hint("allowed are net.*, fs.mqueue.*, kernel.domainname and the System V IPC ones (kernel.shm*, kernel.msg*, kernel.sem)")
        })?;
        let numbers = |v: &str| v.split([' ', '\t']).all(|n| n.parse::<u64>().is_ok());
        let plain =
            |v: &str| v.chars().all(|c| c.is_ascii_graphic() || c == ' ' || c == '\t') && v.len() <= 256;
        let fits = match scope {
            Scope::Ipc => numbers(value),
            Scope::Network | Scope::Uts => plain(value) && !value.is_empty(),
        };
        if !fits {
            return Err(invalid(
                "kernel parameter",
                text,
                format!("{value:?} is not a value for it"),
            ));
        }
        Ok(Sysctl {
            name: name.to_owned(),
            value: value.to_owned(),
            scope,
        })
    }

    fn scope_of(name: &str) -> Option<Scope> {
        if IPC.contains(&name) || name.starts_with("fs.mqueue.") {
            Some(Scope::Ipc)
        } else if name.starts_with("net.") {
            Some(Scope::Network)
        } else if name == "kernel.domainname" {
            Some(Scope::Uts)
        } else {
            None
        }
    }

    /// Its dotted name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Which namespace it belongs to.
    pub fn scope(&self) -> Scope {
        self.scope
    }
}
