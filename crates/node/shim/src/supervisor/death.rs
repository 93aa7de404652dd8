//! From what the kernel says of an ended process to the record of its end.

use crate::protocol::Exit;
use rustix::process::WaitIdStatus;
use std::time::{SystemTime, UNIX_EPOCH};

/// What an exit code is where nobody knows it.
const UNKNOWN: u8 = 255;

/// The record of an end; a shell's exit code for one by signal.
pub(crate) fn exit_of(status: &WaitIdStatus) -> Exit {
    exit_from(status.exit_status(), status.terminating_signal())
}

/// The same of a status as `wait(2)` has it.
pub(crate) fn exit_of_status(status: i32) -> Exit {
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
            let exit = exit_of_status(status);
            assert_eq!((exit.code, exit.signal), (code, signal));
        }
    }
}
