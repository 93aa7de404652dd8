//! How others come to a supervisor: by the socket that it is born with, and by the one at which it listens.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::net::SocketFlags;
use tare_error::{Context, Result};

/// Takes what stdin was away from there, where it came in, and puts nothing in its place.
pub(crate) fn take_stdin() -> Result<OwnedFd> {
    let taken = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).op("take", "stdin")?;
    rustix::stdio::dup2_stdin(&null()?).op("close", "stdin")?;
    Ok(taken)
}

/// Closes stdout.
pub(crate) fn close_stdout() -> Result<()> {
    rustix::stdio::dup2_stdout(&null()?).op("close", "stdout")
}

/// Closes stderr.
pub(crate) fn close_stderr() -> Result<()> {
    rustix::stdio::dup2_stderr(&null()?).op("close", "stderr")
}

fn null() -> Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::open("/dev/null", flags, Mode::empty()).op("open", "/dev/null")
}

/// Who came to a listener.
#[derive(Debug)]
pub(crate) enum Visitor {
    /// The same user, or root.
    Welcome(OwnedFd),
    /// Somebody else.
    Stranger,
}

/// Takes who comes next; none where nobody does.
pub(crate) fn accept(listener: &OwnedFd) -> Option<Visitor> {
    let socket = rustix::net::accept_with(listener, SocketFlags::CLOEXEC).ok()?;
    Some(match rustix::net::sockopt::socket_peercred(&socket) {
        Ok(peer) if peer.uid.is_root() || peer.uid == rustix::process::geteuid() => Visitor::Welcome(socket),
        _ => Visitor::Stranger,
    })
}
