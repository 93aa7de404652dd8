//! The last of a connection: its container is deleted, and a supervisor with nothing left to do leaves.

use super::Connection;
use std::time::{Duration, Instant};
use tare_error::{Kind, Result};
use tare_spec_containerd::task::{ShutdownRequest, TaskMethod};

/// How long a supervisor may take to leave.
const LEAVING: Duration = Duration::from_secs(10);

/// A supervisor that was sent away, and leaves while whoever has sent it does something else. It has let go of the container.
#[derive(Debug)]
#[must_use = "its folder is not to be removed before it has left"]
pub struct Leaving {
    /// None where it has other containers.
    connection: Option<Connection>,
}

impl Connection {
    /// Says that the caller has cleaned up after the container, and waits until the supervisor has left, where it had no other.
    ///
    /// # Errors
    /// As [`Connection::dismiss`] and [`Leaving::wait`].
    pub fn finish(self, id: &str) -> Result<()> {
        self.dismiss(id)?.wait()
    }

    /// Removes the container, which has ended, and sends the supervisor away, where it had no other.
    ///
    /// # Errors
    /// `Conflict` where the container runs; `Unavailable` where the supervisor was gone before it heard us: then
    /// [`end`](super::end()) is what cleans up.
    pub fn dismiss(mut self, id: &str) -> Result<Leaving> {
        self.delete(id, "")?;
        if self.pod.member().is_some() {
            return Ok(Leaving { connection: None });
        }
        let request = ShutdownRequest {
            id: id.to_owned(),
            now: false,
        };
        match self.ask(TaskMethod::Shutdown, &request) {
            // It may have seen by itself that nothing is left to do.
            Err(e) if e.kind() != Kind::Unavailable => return Err(e),
            Ok(()) | Err(_) => {}
        }
        let connection = Some(self);
        Ok(Leaving { connection })
    }
}

impl Leaving {
    /// Waits until it has left.
    ///
    /// # Errors
    /// `Unavailable` where it does not in time; the kernel's.
    pub fn wait(self) -> Result<()> {
        let Some(mut connection) = self.connection else {
            return Ok(());
        };
        connection.await_end(Instant::now() + LEAVING)?;
        // One that was killed while it left has left its group.
        match connection.pod.path().is_dir() && connection.pod.supervisor()?.is_some() {
            true => connection.pod.end_orphan(),
            false => Ok(()),
        }
    }
}
