//! Which namespaces a container has of its own.

use super::one_of;
use tare_error::{Error, Kind, Result};

/// Makes the modes that are the host's or private.
macro_rules! modes {
    ($($(#[$meta:meta])* $name:ident, $what:literal;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name {
            /// One of its own.
            #[default]
            Private,
            /// The host's.
            Host,
        }

        impl $name {
            /// Every word a person may use for it.
            pub const WORDS: &[&str] = &["private", "host"];

            /// Reads `private` or `host`.
            ///
            /// # Errors
            /// `Unsupported` for another container's, `Invalid` for other words.
            pub fn parse(text: &str) -> Result<$name> {
                match text {
                    "private" | "" => Ok($name::Private),
                    "host" => Ok($name::Host),
                    _ if text.starts_with("container:") => Err(joining_is_later($what, text)),
                    _ => Err(one_of($what, text, $name::WORDS)),
                }
            }
        }
    )*};
}

modes! {
    /// Process ids.
    PidMode, "pid mode";
    /// System V IPC, POSIX message queues and `/dev/shm`.
    IpcMode, "ipc mode";
    /// Host and domain name.
    UtsMode, "uts mode";
    /// The view of the cgroup tree.
    CgroupMode, "cgroup namespace mode";
}

/// User ids. Only the caller's own namespace for now: a range of its own per container comes with idmapped layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserMode {
    /// The one `tare` runs in: the machine's for root, the user's own for an ordinary user.
    #[default]
    Host,
}

/// Interfaces and addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkMode {
    /// Loopback only.
    #[default]
    None,
    /// The host's.
    Host,
}

impl UserMode {
    /// Every word a person may use for it.
    pub const WORDS: &[&str] = &["host"];

    /// Reads `host`.
    ///
    /// # Errors
    /// `Unsupported` for docker's and podman's other modes, `Invalid` for other words.
    pub fn parse(text: &str) -> Result<UserMode> {
        let mode = text.split(':').next().unwrap_or_default();
        match mode {
            "host" | "" => Ok(UserMode::Host),
            "auto" | "private" | "keep-id" | "nomap" | "container" | "ns" => Err(Error::new(
                Kind::Unsupported,
                "read user namespace mode",
                format!("{text:?}"),
            )
            .because("a user namespace per container is not there yet")
            .hint("run tare as an ordinary user: then all its containers live in that user's namespace")),
            _ => Err(one_of("user namespace mode", text, UserMode::WORDS)),
        }
    }
}

impl NetworkMode {
    /// Every word a person may use for it.
    pub const WORDS: &[&str] = &["none", "host"];

    /// Reads `none` or `host`.
    ///
    /// # Errors
    /// `Unsupported` for networks that are not there yet, `Invalid` for an empty word.
    pub fn parse(text: &str) -> Result<NetworkMode> {
        match text {
            "none" => Ok(NetworkMode::None),
            "host" => Ok(NetworkMode::Host),
            "" => Err(one_of("network", text, NetworkMode::WORDS)),
            _ => Err(Error::new(Kind::Unsupported, "join network", format!("{text:?}"))
                .because("networks beyond loopback are not there yet")
                .hint("use --network host for the machine's own network, or none")),
        }
    }
}

fn joining_is_later(what: &'static str, text: &str) -> Error {
    Error::new(Kind::Unsupported, format!("read {what}"), format!("{text:?}"))
        .because("joining another container is not there yet")
}
