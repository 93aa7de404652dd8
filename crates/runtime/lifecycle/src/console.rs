//! Handing a terminal to whoever shows it (`--console-socket`).

use rustix::fd::{AsFd, BorrowedFd};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, connect, sendmsg, socket_with,
};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::path::Path;
use tare_error::{Context, Result};

/// What is sent along with the fd: the name by which runc knows it, which receivers log.
const NAME: &[u8] = b"/dev/ptmx";

/// Sends a terminal's outer end to the stream socket at `path`.
///
/// # Errors
/// The kernel's: nobody listens there.
pub fn send(path: &Path, terminal: BorrowedFd<'_>) -> Result<()> {
    send_named("connect to console socket", path, terminal)
}

/// Sends a handle on a process to the stream socket at `path`.
///
/// # Errors
/// The kernel's: nobody listens there.
pub(crate) fn send_handle(path: &Path, process: BorrowedFd<'_>) -> Result<()> {
    send_named("connect to pidfd receiver", path, process)
}

fn send_named(operation: &'static str, path: &Path, terminal: BorrowedFd<'_>) -> Result<()> {
    let subject = path.display();
    let kind = SocketType::STREAM;
    let socket = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
        .op("make a socket for", &subject)?;
    let address = SocketAddrUnix::new(path).op(operation, &subject)?;
    connect(&socket, &address).op(operation, &subject)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = [terminal];
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(
        socket.as_fd(),
        &[IoSlice::new(NAME)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )
    .op("send a file to", &subject)
    .map(|_| ())
}
