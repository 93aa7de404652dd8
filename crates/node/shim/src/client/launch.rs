//! Finding a pod's supervisor, or starting one: the first, or the successor of one that was killed.

use super::Connection;
use crate::clock::wait_readable;
use crate::entrance;
use crate::failure;
use crate::pod::{Entry, PodDir};
use rustix::fd::{AsRawFd, OwnedFd};
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Kind, Result};

/// The longest reason why a supervisor could not come to itself.
const LONGEST: u64 = 64 * 1024;
/// How long one that leaves may take for it.
const LEAVING: Duration = Duration::from_secs(10);

/// What a supervisor is started from.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The program: `containerd-shim-tare-v2`.
    pub program: &'a Path,
    /// The pod's directory, which the caller has made.
    pub pod: &'a PodDir,
    /// Where the library keeps the containers of all pods, and what it has compiled for them.
    pub containers: &'a Path,
}

/// Connects to the supervisor of a pod. Where none lives, one is started, takes over what is there, and is waited for.
///
/// One that has no container leaves with its client, and leaves nothing in the directory.
///
/// # Errors
/// `NotFound` where the program is missing; what the supervisor says of its birth; `Unavailable` where one lives that
/// neither answers nor ends.
pub fn launch(launch: &Launch<'_>) -> Result<Connection> {
    if let Some(living) = find(launch)? {
        return Ok(living);
    }
    let _turn = launch.pod.launching()?;
    // One whose starter has died since it was started has no record yet, and answers when it has come to itself.
    match launch.pod.connect() {
        Ok(socket) => return Ok(Connection::over(socket, None, launch)),
        Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Unavailable) => {}
        Err(e) => return Err(e),
    }
    if let Some(living) = launch.pod.living_supervisor()? {
        await_end(&living, launch.pod)?;
    }
    begin(launch)?.wait()
}

/// Connects to the supervisor of a pod, where one lives: to ask about what somebody else keeps.
///
/// # Errors
/// The kernel's.
pub fn find(launch: &Launch<'_>) -> Result<Option<Connection>> {
    if !launch.pod.supervisor_alive()? {
        return Ok(None);
    }
    match entrance::connect(&launch.pod.file(Entry::Socket)) {
        Ok(socket) => Ok(Some(Connection::over(socket, None, launch))),
        Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Unavailable) => Ok(None),
        Err(e) => Err(e),
    }
}

/// One that has given up its address is about to leave.
fn await_end(living: &OwnedFd, pod: &PodDir) -> Result<()> {
    let subject = pod.path().display();
    if wait_readable(living, Some(Instant::now() + LEAVING)).op("wait for the supervisor of", subject)? {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unavailable,
        "connect to the supervisor of",
        pod.path().display(),
    )
    .because("it lives, and takes no calls"))
}

/// A supervisor that was started, and comes to itself while its starter does something else. Where it is dropped, the supervisor
/// finds nobody there, and leaves.
#[derive(Debug)]
pub struct Starting {
    connection: Connection,
    /// Where it says why it could not; closed when it could.
    complaint: File,
}

impl Starting {
    /// Waits until it takes calls.
    ///
    /// # Errors
    /// What it says of its birth.
    pub fn wait(mut self) -> Result<Connection> {
        let mut said = String::new();
        self.complaint.take(LONGEST).read_to_string(&mut said).op(
            "hear from the supervisor of",
            self.connection.pod.path().display(),
        )?;
        if said.is_empty() {
            return Ok(self.connection);
        }
        // It ends by itself: that was its last word.
        self.connection.reap();
        Err(failure::heard(
            "start the supervisor",
            &self.connection.program.display(),
            said.trim(),
        ))
    }
}

/// Starts the supervisor of a pod that has none: nobody else starts one meanwhile, as the pod is new and the caller's alone. We
/// are connected before it lives: it finds us waiting, or finds that we are gone.
///
/// It is started from an image that nobody can write to, which it would have to make of itself otherwise, and execute again.
///
/// # Errors
/// `NotFound` where the program is missing; the kernel's.
pub fn begin(launch: &Launch<'_>) -> Result<Starting> {
    let path = launch.pod.file(Entry::Socket);
    let listener = entrance::listen(&path)?;
    let socket = entrance::connect(&path)?;
    let (ours, its) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).op("make", "a pipe")?;
    let program = launch.program;
    let image = tare_process::seal::image(program).map_err(|error| {
        Error::new(error.kind(), "start the supervisor", program.display()).from_source(error)
    })?;
    // What our starter left open is not to be the supervisor's; before Linux 5.11 it is, and does no harm but stay.
    let _ = tare_sys::close_range_on_exec(3, u32::MAX);
    let child = Command::new(format!("/proc/self/fd/{}", image.as_raw_fd()))
        .arg0(program)
        .env(tare_process::seal::PROGRAM, program)
        .arg("-pod")
        .arg(launch.pod.home())
        .arg("-containers")
        .arg(launch.containers)
        .stdin(Stdio::from(listener))
        .stdout(Stdio::from(its))
        .stderr(Stdio::null())
        .spawn()
        .op("start the supervisor", program.display())?;
    Ok(Starting {
        connection: Connection::over(socket, Some(child), launch),
        complaint: File::from(ours),
    })
}
