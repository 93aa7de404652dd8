//! Places at which a test lets the program die, or fail, as a power cut or a `kill -9` would.
//!
//! A program arms one of them with what it finds in the hidden variable `TARE_FAILPOINT`: `kill@NAME` sends itself
//! SIGKILL there, `fail@NAME` returns an error. Unarmed, a place costs one atomic load. The names are the strings in
//! the source; `grep 'failpoint::pass'` lists them.

use rustix::process::{Signal, getpid, kill_process};
use std::sync::OnceLock;
use tare_error::{Error, Kind, Result};

/// What happens at which place.
#[derive(Debug)]
struct Armed {
    kill: bool,
    place: String,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Arms one place for the rest of this process's life; the first call counts.
///
/// # Errors
/// `Invalid` for anything but `kill@NAME` and `fail@NAME`.
pub fn arm(text: &str) -> Result<()> {
    let armed = match text.split_once('@') {
        Some(("kill", place)) => Armed {
            kill: true,
            place: place.to_owned(),
        },
        Some(("fail", place)) => Armed {
            kill: false,
            place: place.to_owned(),
        },
        _ => {
            return Err(
                Error::new(Kind::Invalid, "read failpoint", text).because("it is kill@NAME or fail@NAME")
            );
        }
    };
    // A second arming is a test's mistake and changes nothing.
    let _ = ARMED.set(armed);
    Ok(())
}

/// Comes by `place`.
pub(crate) fn pass(place: &'static str) -> Result<()> {
    match ARMED.get() {
        Some(armed) if armed.place == place => {
            if armed.kill {
                // Nothing after this line runs.
                let _ = kill_process(getpid(), Signal::KILL);
            }
            Err(Error::new(Kind::Internal, "pass", place).because("this failpoint is armed"))
        }
        _ => Ok(()),
    }
}
