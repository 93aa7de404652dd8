//! **What.** Places at which a test lets a program die, fail or wait, as a power cut, a `kill -9`, a full disk or a slow one
//! would.
//!
//! **Not.** No switch for users: a program arms one place from a hidden variable (`TARE_FAILPOINT`), for tests alone.
//!
//! **Words.** *Place*: a name in the source, between two effects; `grep 'failpoint::pass'` lists them. *Armed*: what happens
//! there the first time that the program comes by.
//!
//! **Life.** [`arm`] → [`pass`] … → the place that is armed → nothing any more.
//!
//! **Rules.** Unarmed, a place costs one atomic load. `kill@NAME` sends the process SIGKILL, `fail@NAME` returns an error,
//! `delay:MILLISECONDS@NAME` waits.

use rustix::process::{Signal, getpid, kill_process};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tare_error::{Error, Kind, Result};

/// The hidden variable in which a test says what happens where.
pub const VARIABLE: &str = "TARE_FAILPOINT";

/// What happens at which place.
#[derive(Debug)]
struct Armed {
    what: What,
    place: String,
    spent: AtomicBool,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Kill,
    Fail,
    Delay(Duration),
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Arms one place for the rest of this process's life; the first call counts.
///
/// # Errors
/// `Invalid` for anything but `kill@NAME`, `fail@NAME` and `delay:MILLISECONDS@NAME`.
pub fn arm(text: &str) -> Result<()> {
    let armed = parse(text).ok_or_else(|| {
        Error::new(Kind::Invalid, "read failpoint", text)
            .because("it is kill@NAME, fail@NAME or delay:MILLISECONDS@NAME")
    })?;
    // A second arming is a test's mistake and changes nothing.
    let _ = ARMED.set(armed);
    Ok(())
}

fn parse(text: &str) -> Option<Armed> {
    let (what, place) = text.split_once('@')?;
    let what = match what.split_once(':') {
        None if what == "kill" => What::Kill,
        None if what == "fail" => What::Fail,
        Some(("delay", milliseconds)) => What::Delay(Duration::from_millis(milliseconds.parse().ok()?)),
        _ => return None,
    };
    Some(Armed {
        what,
        place: place.to_owned(),
        spent: AtomicBool::new(false),
    })
}

/// Waits, as a slow disk lets a program wait.
#[expect(clippy::disallowed_methods, reason = "a test asks for nothing else")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// Comes by `place`.
///
/// # Errors
/// `Internal` where a failure is armed here.
pub fn pass(place: &'static str) -> Result<()> {
    match ARMED.get() {
        Some(armed) if armed.place == place && !armed.spent.swap(true, Ordering::Relaxed) => {
            act(armed.what, place)
        }
        _ => Ok(()),
    }
}

fn act(what: What, place: &'static str) -> Result<()> {
    match what {
        What::Kill => {
            // Nothing after this line runs.
            let _ = kill_process(getpid(), Signal::KILL);
        }
        What::Delay(time) => {
            wait(time);
            return Ok(());
        }
        What::Fail => {}
    }
    Err(Error::new(Kind::Internal, "pass", place).because("this failpoint is armed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_armed_happens_once_and_there() {
        for wrong in ["", "kill", "burn@x", "delay@x", "delay:soon@x"] {
            assert_eq!(arm(wrong).unwrap_err().kind(), Kind::Invalid, "{wrong}");
        }
        assert!(pass("here").is_ok());
        arm("fail@here").unwrap();
        assert!(pass("there").is_ok());
        assert!(pass("here").is_err());
        assert!(pass("here").is_ok());
    }
}
