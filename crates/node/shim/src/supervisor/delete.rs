//! `delete`: ends what a supervisor left that is gone, or does not answer, and says how its container ended.

use super::arguments::Arguments;
use super::container::{EXIT_RECORD, LONGEST_RECORD, LOOK_AGAIN};
use super::serve::{bury, containers_home, logs_left};
use super::{foreign, start};
use crate::exit::Exit;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tare_error::{Kind, Result};
use tare_lifecycle::ContainerId;
use tare_logs::Log;
use tare_spec_containerd::Message;
use tare_spec_containerd::task::DeleteResponse;

/// What runc's shim says of a container whose end it did not see: killed.
pub(super) const KILLED: u32 = 137;

/// How long logs are waited for: containerd gives all of it five seconds.
const WRITING: Duration = Duration::from_secs(2);

/// Ends the container, if there is one, and what its supervisor left, where that is gone; what is to be said on standard output.
///
/// It may be called again. The exit is the one on record, where its supervisor had written one.
pub(super) fn delete(arguments: &Arguments) -> Result<Vec<u8>> {
    let group = start::bundle(arguments).and_then(|bundle| start::group(arguments, &bundle));
    // A bundle that cannot be read any more belongs to a container of a group of its own, if to any.
    let group = group.unwrap_or_else(|_| arguments.id.clone());
    let logs = logs_left(&arguments.namespace, &group, &arguments.id);
    let ended = end(arguments)?;
    logs.into_iter().for_each(finish);
    bury(&arguments.namespace, &group, &arguments.id)?;
    Ok(ended)
}

/// Lets a log be written to its end, for a moment: what a dead container has written is nowhere else. A writer that takes longer
/// goes on by itself.
fn finish(mut log: Log) {
    let until = Instant::now() + WRITING;
    let pause = crate::clock::timespec(LOOK_AGAIN);
    while !log.has_ended(Instant::now()) && Instant::now() < until {
        let _ = rustix::event::poll(&mut [], Some(&pause));
    }
}

/// Ends the container, if there is one.
fn end(arguments: &Arguments) -> Result<Vec<u8>> {
    if let Some((pid, exit)) =
        foreign::end_what_is_left(&foreign::home_of(&arguments.namespace), &arguments.id)?
    {
        return Ok(answer(pid.unsigned_abs(), exit));
    }
    let home = containers_home(&arguments.namespace);
    let container = match home.container(&ContainerId::parse(&arguments.id)?) {
        Ok(container) => container,
        Err(e) if e.kind() == Kind::NotFound => return Ok(answer(0, None)),
        Err(e) => return Err(e),
    };
    let pid = container.record().init.as_ref().map_or(0, |init| init.pid);
    let path = container.folder().join(EXIT_RECORD);
    let exit = tare_store::read(&path, LONGEST_RECORD)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Exit>(&bytes).ok());
    container.delete(true)?;
    Ok(answer(pid.unsigned_abs(), exit))
}

fn answer(pid: u32, exit: Option<Exit>) -> Vec<u8> {
    let (exit_status, at) = match exit {
        Some(exit) => (u32::from(exit.code), UNIX_EPOCH + Duration::from_nanos(exit.at)),
        None => (KILLED, SystemTime::now()),
    };
    DeleteResponse {
        pid,
        exit_status,
        exited_at: Some(at.into()),
    }
    .encode_to_vec()
}
