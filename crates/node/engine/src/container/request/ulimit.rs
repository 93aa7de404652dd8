//! Resource limits of the process as `--ulimit` writes them (getrlimit(2)).

use super::invalid;
use tare_error::Result;

/// One resource limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ulimit {
    /// The kernel's name, `RLIMIT_NOFILE`.
    pub kind: &'static str,
    /// In force.
    pub soft: u64,
    /// The ceiling.
    pub hard: u64,
}

/// The names a person writes and the kernel's.
const KINDS: [(&str, &str); 16] = [
    ("as", "RLIMIT_AS"),
    ("core", "RLIMIT_CORE"),
    ("cpu", "RLIMIT_CPU"),
    ("data", "RLIMIT_DATA"),
    ("fsize", "RLIMIT_FSIZE"),
    ("locks", "RLIMIT_LOCKS"),
    ("memlock", "RLIMIT_MEMLOCK"),
    ("msgqueue", "RLIMIT_MSGQUEUE"),
    ("nice", "RLIMIT_NICE"),
    ("nofile", "RLIMIT_NOFILE"),
    ("nproc", "RLIMIT_NPROC"),
    ("rss", "RLIMIT_RSS"),
    ("rtprio", "RLIMIT_RTPRIO"),
    ("rttime", "RLIMIT_RTTIME"),
    ("sigpending", "RLIMIT_SIGPENDING"),
    ("stack", "RLIMIT_STACK"),
];

impl Ulimit {
    /// Reads `nofile=1024:4096` or `nofile=1024`; -1 and `unlimited` are no limit.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn parse(text: &str) -> Result<Ulimit> {
        let how = "a limit is NAME=SOFT[:HARD], as in nofile=1024:4096; -1 is none";
        let bad = |why: &str| invalid("resource limit", text, why).hint(how);
        let (name, values) = text.split_once('=').ok_or_else(|| bad("there is no ="))?;
        let kind = KINDS
            .iter()
            .find(|(word, _)| *word == name)
            .map(|(_, kind)| *kind);
        let kind = kind.ok_or_else(|| {
            let names: Vec<&str> = KINDS.iter().map(|(word, _)| *word).collect();
            super::one_of("resource limit", name, &names)
        })?;
        let number = |s: &str| match s {
            "-1" | "unlimited" => Some(u64::MAX),
            _ => s.parse().ok(),
        };
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        let (Some(soft), Some(hard)) = (number(soft), number(hard)) else {
            return Err(bad("that is not a number"));
        };
        if soft > hard {
            return Err(bad("the soft limit is above the hard one"));
        }
        Ok(Ulimit { kind, soft, hard })
    }
}
