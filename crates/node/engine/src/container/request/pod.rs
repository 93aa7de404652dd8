//! What somebody asks a pod to be, and a container that is to be in one.

use super::{Hostname, Key, Name, NetworkMode, ResourcesRequest, invalid, one_of};
use crate::records::pods::Shares;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tare_error::{Error, Kind, Result};

/// Which pod a container is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodWish {
    /// One that is there: its name, its id or the beginning of that.
    Known(String),
    /// One of this name, made for it.
    New(Name),
}

/// A pod as a container sees it: what it has in place of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedPod {
    /// Its id.
    pub id: String,
    /// Where its namespaces are bound.
    pub namespaces: PathBuf,
    /// What of them the container is in.
    pub shares: Shares,
    /// The host name, where that is shared.
    pub hostname: String,
    /// The cgroup that the container's is below.
    pub group: String,
}

/// Everything a `pod create` asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodRequest {
    /// A name; absent means the short form of the id.
    pub name: Option<Name>,
    /// The host name inside; absent: the pod's name.
    pub hostname: Option<Hostname>,
    /// Its network.
    pub network: NetworkMode,
    /// What its containers share.
    pub shares: Shares,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// What becomes of it with the end of its last container.
    pub exit_policy: ExitPolicy,
    /// The cgroup above its own.
    pub cgroup_parent: Option<String>,
    /// The limits of all its containers together.
    pub resources: ResourcesRequest,
    /// By which whoever asks may ask again.
    pub key: Option<Key>,
}

/// What becomes of a pod when the last container in it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExitPolicy {
    /// It stays, and with it what its containers have shared.
    #[default]
    Continue,
    /// It is stopped.
    Stop,
}

impl PodWish {
    /// Reads `NAME`, or `new:NAME` for one that is made for it.
    ///
    /// # Errors
    /// `Invalid` for an empty word, and a name that is none.
    pub fn parse(text: &str) -> Result<PodWish> {
        match text.strip_prefix("new:") {
            Some(name) => Name::parse(name).map(PodWish::New),
            None if text.is_empty() => Err(invalid("pod", text, "it is empty")),
            None => Ok(PodWish::Known(text.to_owned())),
        }
    }
}

impl ExitPolicy {
    /// Every word a person may use for it.
    pub const WORDS: &[&str] = &["continue", "stop"];

    /// Reads `continue` or `stop`.
    ///
    /// # Errors
    /// `Invalid` for another word.
    pub fn parse(text: &str) -> Result<ExitPolicy> {
        match text {
            "continue" | "" => Ok(ExitPolicy::Continue),
            "stop" => Ok(ExitPolicy::Stop),
            _ => Err(one_of("exit policy", text, ExitPolicy::WORDS)),
        }
    }
}

/// Reads podman's `--share`: `net,ipc,uts`, `pid`, `none`, or `+pid` for one more than usual.
///
/// # Errors
/// `Unsupported` for what cannot be shared, `Invalid` for other words.
pub fn parse_shares(text: &str) -> Result<Shares> {
    const WORDS: &[&str] = &["net", "ipc", "uts", "pid", "none"];
    let none = Shares {
        network: false,
        ipc: false,
        uts: false,
        pid: false,
    };
    let (mut shares, rest) = match text.strip_prefix('+') {
        Some(rest) => (Shares::default(), rest),
        None => (none, text),
    };
    for word in rest.split(',').filter(|word| !word.is_empty()) {
        match word {
            "net" => shares.network = true,
            "ipc" => shares.ipc = true,
            "uts" => shares.uts = true,
            "pid" => shares.pid = true,
            "none" => shares = none,
            "cgroup" | "user" | "mnt" | "time" => {
                return Err(
                    Error::new(Kind::Unsupported, "share between containers", format!("{word:?}"))
                        .because("the containers of a pod share net, ipc, uts and pid alone")
                        .hint("--share net,ipc,uts is what is shared where nobody says"),
                );
            }
            _ => return Err(one_of("what is shared", word, WORDS)),
        }
    }
    Ok(shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared() {
        let seen = |text: &str| parse_shares(text).map(|s| (s.network, s.ipc, s.uts, s.pid));
        for (text, expected) in [
            ("net,ipc,uts", (true, true, true, false)),
            ("+pid", (true, true, true, true)),
            ("pid", (false, false, false, true)),
            ("none", (false, false, false, false)),
            ("", (false, false, false, false)),
        ] {
            assert_eq!(seen(text).unwrap(), expected, "{text}");
        }
        assert_eq!(parse_shares("net,cgroup").unwrap_err().kind(), Kind::Unsupported);
        assert_eq!(parse_shares("nte").unwrap_err().kind(), Kind::Invalid);
    }

    #[test]
    fn which_pod() {
        let new = PodWish::New(Name::parse("web").unwrap());
        assert_eq!(PodWish::parse("new:web").unwrap(), new);
        assert_eq!(PodWish::parse("web").unwrap(), PodWish::Known("web".into()));
        for wrong in ["", "new:", "new:/x/"] {
            assert!(PodWish::parse(wrong).is_err(), "{wrong}");
        }
    }
}
