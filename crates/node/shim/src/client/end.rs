//! Ending what nobody looks after any more, by the pod's supervisor or a successor of it.

use super::{Connection, Launch, launch};
use crate::exit::Exit;
use crate::own::KeepRequest;
use tare_error::{Kind, Result};
use tare_spec_containerd::process::Status as Condition;

/// A container that has ended, and whose record is still there.
#[derive(Debug)]
pub struct Ended {
    /// How it ended; none where its program never ran.
    pub exit: Option<Exit>,
    /// None where no supervisor is left, and nothing for one to do.
    connection: Option<Connection>,
}

/// Ends the container of a pod whose keeper is gone. Where its supervisor was killed, a successor is started that knows what
/// can be known, and says what cannot. May be called again; it may have ended before.
///
/// # Errors
/// Those of [`launch`](super::launch()); the supervisor's where something cannot be ended.
pub fn end(of: &Launch<'_>, id: &str) -> Result<Ended> {
    let (exit, connection) = (None, None);
    let is_kept = of.pod.supervisor_alive()? || of.pod.has_listener();
    if !is_kept && !of.pod.has_containers()? && !of.pod.has_streams()? {
        of.pod.end_orphan()?;
        return Ok(Ended { exit, connection });
    }
    let mut connection = launch(of)?;
    // Where we die, it ends by itself, and leaves the rest on record.
    let container = connection.member();
    connection.keep(KeepRequest {
        reap: Vec::new(),
        kill: true,
        container,
    })?;
    let exit = match connection.state(id) {
        Err(e) if e.kind() == Kind::NotFound => None,
        Err(e) => return Err(e),
        Ok((Condition::Created, _)) => None,
        Ok(_) => Some(connection.end(id)?),
    };
    let connection = Some(connection);
    Ok(Ended { exit, connection })
}

impl Ended {
    /// Has all of it removed but the pod's directory itself, once its end is written down elsewhere.
    ///
    /// # Errors
    /// As [`Connection::finish`].
    pub fn clear(self, id: &str) -> Result<()> {
        self.connection.map_or(Ok(()), |connection| connection.finish(id))
    }
}
