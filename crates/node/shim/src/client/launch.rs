//! Starting a supervisor: one process, one end of a socket pair, no waiting by the clock.

use super::Connection;
use crate::pod::PodDir;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::path::Path;
use std::process::{Command, Stdio};
use tare_error::{Context, Result};

/// What a supervisor is started from.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The program: `containerd-shim-tare-v2`, or whatever calls [`run`](crate::run) with its arguments.
    pub program: &'a Path,
    /// The pod's directory, which the caller has made.
    pub pod: &'a PodDir,
}

/// Starts the supervisor of a pod and waits until it has come to itself and greeted.
///
/// The supervisor's end of the pair is its stdin: the one descriptor that can be handed down without a moment in
/// which another thread's child could inherit it. Dropping the connection before a container was created ends the
/// supervisor, which then leaves nothing in the directory.
///
/// # Errors
/// `NotFound` where the program is missing; what the supervisor says of its birth; `Unavailable` where it dies or
/// says nothing.
pub fn launch(launch: &Launch<'_>) -> Result<Connection> {
    let (ours, its) = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .op(
        "make a socket pair for the supervisor of",
        launch.pod.path().display(),
    )?;
    let child = Command::new(launch.program)
        .arg("supervise")
        .arg("--pod")
        .arg(launch.pod.path())
        .stdin(Stdio::from(its))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .op("start the supervisor", launch.program.display())?;
    Connection::greet(ours, Some(child), launch.pod.clone())
}
