//! How a container ended: the record, and how it follows from what the kernel says.

use rustix::process::WaitIdStatus;
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};
use tare_cgroup::OomKill;
use tare_spec_containerd::task::WaitResponse;

/// How a container ended: what `exit.json` in its folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The exit code as a shell has it: the process's own, or 128 and the signal's number.
    pub code: u8,
    /// The signal that killed the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// When, in nanoseconds since 1970.
    pub at: u64,
    /// The memory limit that killed a process of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom: Option<Oom>,
    /// Why nobody knows how the process ended; `code` is then 255 and means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// A kill for memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Oom {
    /// The limit in bytes that was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The cgroup that carries this limit; absent where it was no limit we can see, but the whole machine's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How many processes of the container were killed.
    pub kills: u64,
    /// The container ended by it; otherwise only other processes of the container were killed.
    pub first_process: bool,
}

impl Exit {
    /// As far as an exit code tells it.
    pub(crate) fn of_code(code: u8) -> Exit {
        exit_from(Some(i32::from(code)), None)
    }

    /// As far as the task service tells it.
    pub(crate) fn told(answer: &WaitResponse) -> Exit {
        let at = answer.exited_at.map(|at| (at.seconds, at.nanos));
        let (seconds, nanos) = at.unwrap_or_default();
        let seconds = u64::try_from(seconds).unwrap_or(0);
        Exit {
            code: u8::try_from(answer.exit_status).unwrap_or(UNKNOWN),
            signal: None,
            at: seconds.saturating_mul(1_000_000_000) + u64::try_from(nanos).unwrap_or(0),
            oom: None,
            unknown: None,
        }
    }
}

impl Oom {
    /// As far as somebody tells it who has the container: whose limit it was he does not, and there is the one that was asked for.
    pub(crate) fn told(limit: Option<u64>, first_process: bool) -> Oom {
        Oom {
            limit,
            group: None,
            kills: 1,
            first_process,
        }
    }

    /// What the kernel counted, and whether the container ended by it.
    pub(crate) fn of(kill: OomKill, first_process: bool) -> Oom {
        Oom {
            limit: kill.limit,
            group: kill.group,
            kills: kill.kills,
            first_process,
        }
    }
}

/// What an exit code is where nobody knows it.
const UNKNOWN: u8 = 255;

/// The record of an end; a shell's exit code for one by signal.
pub(crate) fn of_status(status: &WaitIdStatus) -> Exit {
    exit_from(status.exit_status(), status.terminating_signal())
}

/// The same of a status as `wait(2)` has it.
pub(crate) fn of_wait(status: i32) -> Exit {
    match status & 0x7f {
        0 => exit_from(Some(status >> 8 & 0xff), None),
        signal => exit_from(None, Some(signal)),
    }
}

fn exit_from(code: Option<i32>, signal: Option<i32>) -> Exit {
    let shell = match (code, signal) {
        (Some(code), _) => u8::try_from(code & 0xff).ok(),
        (None, Some(signal)) => u8::try_from(128 + signal).ok(),
        (None, None) => None,
    };
    Exit {
        code: shell.unwrap_or(UNKNOWN),
        signal,
        at: now(),
        oom: None,
        unknown: None,
    }
}

/// The record of an end that nobody saw.
pub(crate) fn unknown(reason: impl Into<String>) -> Exit {
    Exit {
        code: UNKNOWN,
        signal: None,
        at: now(),
        oom: None,
        unknown: Some(reason.into()),
    }
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_a_shells() {
        let table = [
            (Some(0), None, 0),
            (Some(255), None, 255),
            (Some(7), None, 7),
            (None, Some(9), 137),
            (None, Some(64), 192),
            (None, None, 255),
        ];
        for (code, signal, expected) in table {
            let exit = exit_from(code, signal);
            assert_eq!((exit.code, exit.signal), (expected, signal));
        }
        for (status, code, signal) in [
            (0, 0, None),
            (7 << 8, 7, None),
            (9, 137, Some(9)),
            (0x80 | 11, 139, Some(11)),
        ] {
            let exit = of_wait(status);
            assert_eq!((exit.code, exit.signal), (code, signal));
        }
    }
}
