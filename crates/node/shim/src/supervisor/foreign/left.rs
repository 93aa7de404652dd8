//! What a supervisor has left of a foreign container that is gone: ended by `delete`, which may wait.

use super::Record;
use super::errand::{Errand, end_left};
use super::life::deletion;
use crate::clock::timespec;
use crate::exit::Exit;
use crate::supervisor::container::LONGEST_RECORD;
use rustix::event::epoll::EventFlags;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::path::Path;
use std::time::{Duration, Instant};
use tare_error::{Error, Result};
use tare_lifecycle::Pending;

/// How long the rest of its processes may take to end.
const ENDING: Duration = Duration::from_secs(2);

/// Ends the container of this name, if there is one: the pid of its first process, and how that ended, if it is known.
pub(in crate::supervisor) fn end(home: &Path, id: &str) -> Result<Option<(i32, Option<Exit>)>> {
    let Some(record) = Record::find(home, id)? else {
        return Ok(None);
    };
    let pid = record.init.as_ref().map_or(0, |init| init.pid);
    let exit = tare_store::read(record.exit(), LONGEST_RECORD).ok();
    let exit = exit.and_then(|bytes| serde_json::from_slice::<Exit>(&bytes).ok());
    end_left(record.folder())?;
    // Where the runtime is gone, or knows it no more, this is what ends it.
    let mut errand = Errand::new(&record, std::process::id());
    deletion(&mut errand, &record, true, true)?;
    wait(&mut errand)?;
    if let Some(group) = record.group() {
        group.kill()?;
    }
    record.remove_group(ENDING)?;
    record.remove()?;
    Ok(Some((pid, exit)))
}

fn wait(errand: &mut Errand) -> Result<()> {
    while !errand.advance()? {
        let awaited = errand.awaited();
        let flags = match errand.flags().contains(EventFlags::OUT) {
            true => PollFlags::IN | PollFlags::OUT,
            false => PollFlags::IN,
        };
        let mut fds: Vec<PollFd<'_>> = awaited
            .iter()
            .map(|awaited| PollFd::new(&awaited.fd, flags))
            .collect();
        let left = errand
            .deadline()
            .map(|at| timespec(at.saturating_duration_since(Instant::now())));
        match poll(&mut fds, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(Error::os("wait for", "the runtime", e)),
        }
    }
    Ok(())
}
