//! A program proves that it can take a supervisor over: in a child, on a copy of the state.

use super::read;
use super::state::State;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{MemfdFlags, SeekFrom};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::File;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use tare_error::{Context, Error, Kind, Result};

/// What is said by a program that understands the state; others say something else, or nothing.
const WORD: &str = "tare-supervisor: this state is understood";
/// The most that a program's complaint may say.
const MOST_SAID: u64 = 4096;

/// A child that proves it.
#[derive(Debug)]
pub(super) struct Proof {
    child: Child,
    pidfd: OwnedFd,
    said: File,
}

impl Proof {
    /// Starts it.
    pub(super) fn begin(image: BorrowedFd<'_>, state: File) -> Result<Proof> {
        const SUBJECT: &str = "the new program";
        let said = rustix::fs::memfd_create(c"tare-proof", MemfdFlags::CLOEXEC).op("listen to", SUBJECT)?;
        let said = File::from(said);
        let also = || said.try_clone().op("listen to", SUBJECT);
        let mut child = Command::new(format!("/proc/self/fd/{}", image.as_raw_fd()))
            .arg("-check-state")
            .env_clear()
            .stdin(Stdio::from(state))
            .stdout(Stdio::from(also()?))
            .stderr(Stdio::from(also()?))
            .spawn()
            .op("try", SUBJECT)?;
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Proof { child, pidfd, said }),
            Err(e) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(e).op("watch", SUBJECT)
            }
        }
    }

    /// Whether it has proved itself; an error where it has shown that it cannot.
    pub(super) fn outcome(&mut self) -> Result<bool> {
        const SUBJECT: &str = "the new program";
        let Some(status) = self.child.try_wait().op("wait for", SUBJECT)? else {
            return Ok(false);
        };
        let mut said = String::new();
        let heard = rustix::fs::seek(&self.said, SeekFrom::Start(0))
            .map_err(std::io::Error::from)
            .and_then(|_| (&self.said).take(MOST_SAID).read_to_string(&mut said));
        heard.op("hear", SUBJECT)?;
        let said = said.trim();
        if status.success() && said == WORD {
            return Ok(true);
        }
        let why = match said {
            "" | WORD => format!("it does not take this supervisor over: {status}"),
            said => format!("it does not take this supervisor over: {said}"),
        };
        Err(Error::new(Kind::Invalid, "try", SUBJECT).because(why).hint(
            "the supervisor goes on as it is; give a containerd-shim-tare-v2 that understands its state",
        ))
    }
}

impl Drop for Proof {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl AsFd for Proof {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// The child's side: reads the state from standard input; what is to be said of it.
pub(in crate::supervisor) fn check_state() -> Result<Vec<u8>> {
    let stdin = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).op("read", "standard input")?;
    let State { .. } = read(File::from(stdin))?;
    Ok(format!("{WORD}\n").into_bytes())
}
