//! Whether a container that has ended is started again.

use super::{invalid, one_of};
use std::fmt;
use tare_error::Result;

/// Whether and when a container is started again after its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// It is not.
    #[default]
    No,
    /// It is, until somebody stops it; and after a reboot even then.
    Always,
    /// It is, until somebody stops it.
    UnlessStopped,
    /// It is where it failed; so often at most.
    OnFailure(Option<u32>),
}

impl RestartPolicy {
    /// Every word a person may use for it, without the number.
    pub const WORDS: &[&str] = &["no", "always", "unless-stopped", "on-failure"];

    /// Reads `no`, `always`, `unless-stopped`, `on-failure` or `on-failure:N`; 0 is no limit, as docker's.
    ///
    /// # Errors
    /// `Invalid` for another word.
    pub fn parse(text: &str) -> Result<RestartPolicy> {
        let (word, most) = match text.split_once(':') {
            Some((word, most)) => (word, Some(most)),
            None => (text, None),
        };
        let policy = match word {
            "no" | "" => RestartPolicy::No,
            "always" => RestartPolicy::Always,
            "unless-stopped" => RestartPolicy::UnlessStopped,
            "on-failure" => RestartPolicy::OnFailure(None),
            _ => return Err(one_of("restart policy", text, RestartPolicy::WORDS)),
        };
        match (policy, most) {
            (policy, None) => Ok(policy),
            (RestartPolicy::OnFailure(_), Some(most)) => match most.parse() {
                Ok(0) => Ok(policy),
                Ok(most) => Ok(RestartPolicy::OnFailure(Some(most))),
                Err(_) => Err(invalid(
                    "restart policy",
                    text,
                    "maximum retry count must be an integer",
                )),
            },
            _ => Err(invalid(
                "restart policy",
                text,
                "maximum retry count can only be used with 'on-failure'",
            )),
        }
    }

    /// Its word, without the number.
    pub fn word(self) -> &'static str {
        match self {
            RestartPolicy::No => "no",
            RestartPolicy::Always => "always",
            RestartPolicy::UnlessStopped => "unless-stopped",
            RestartPolicy::OnFailure(_) => "on-failure",
        }
    }

    /// How often one that fails is started again at most; 0 is no limit.
    pub fn most(self) -> u32 {
        match self {
            RestartPolicy::OnFailure(most) => most.unwrap_or(0),
            _ => 0,
        }
    }
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestartPolicy::OnFailure(Some(most)) => write!(f, "{}:{most}", self.word()),
            _ => f.write_str(self.word()),
        }
    }
}
