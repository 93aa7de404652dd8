//! A process that stays outside of new namespaces, and does what can be done from there alone.

use crate::spawn::{Child, spawn_worker};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::pipe::{PipeFlags, pipe_with};
use std::io::Read as _;
use tare_error::{Context, Error, Kind, Report, Result};

/// The longest complaint that is heard.
const LONGEST: u64 = 4096;

/// Waits until it is told, does its work, and ends. Where nobody tells it, it ends without.
#[derive(Debug)]
pub(super) struct Outside {
    child: Child,
    gate: OwnedFd,
    report: OwnedFd,
}

impl Outside {
    /// Starts one where it is needed.
    pub(super) fn start_if(needed: bool, work: impl FnOnce() -> Result<()>) -> Result<Option<Outside>> {
        needed.then(|| Outside::start(work)).transpose()
    }

    fn start(work: impl FnOnce() -> Result<()>) -> Result<Outside> {
        let (wait, gate) = pipe_with(PipeFlags::CLOEXEC).op("make", "a pipe")?;
        let (report, tell) = pipe_with(PipeFlags::CLOEXEC).op("make", "a pipe")?;
        let child = spawn_worker((wait, tell), both, |(wait, tell)| {
            if !matches!(rustix::io::read(&wait, &mut [0]), Ok(1)) {
                return 1;
            }
            let Err(e) = work() else { return 0 };
            let text = format!("{}\0{}", Report::new(&e), e.first_hint().unwrap_or_default());
            let _ = rustix::io::write(&tell, text.as_bytes());
            1
        });
        Ok(Outside {
            child: child.op("fork", "")?,
            gate,
            report,
        })
    }

    /// Lets it work, and waits for its end.
    pub(super) fn finish(self) -> Result<()> {
        rustix::io::write(&self.gate, b"g").op("speak to", "the process outside")?;
        let mut text = String::new();
        let mut report = std::fs::File::from(self.report).take(LONGEST);
        report
            .read_to_string(&mut text)
            .op("hear", "the process outside")?;
        let status = self.child.wait().op("wait for", "the process outside")?;
        if status.exit_status() == Some(0) {
            return Ok(());
        }
        let (why, hint) = text.split_once('\0').unwrap_or((&text, ""));
        let error = Error::new(Kind::Denied, "unshare", "").because(match why {
            "" => "the process that works from outside was killed".to_owned(),
            why => why.to_owned(),
        });
        Err(match hint {
            "" => error,
            hint => error.hint(hint),
        })
    }
}

fn both(held: &(OwnedFd, OwnedFd)) -> Vec<BorrowedFd<'_>> {
    vec![held.0.as_fd(), held.1.as_fd()]
}
