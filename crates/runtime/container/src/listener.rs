//! Giving the listener of a filter to the agent that decides on calls (spec: `config-linux.md`, "Seccomp").

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, connect, sendmsg, socket_with,
};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::path::Path;
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::ContainerProcessState;

/// Sends `listener` to the agent whose stream socket lies at `path` (`linux.seccomp.listenerPath`), with `state` as JSON,
/// and closes the connection, which says that the state is whole. Waits until the agent has taken all of it.
///
/// # Errors
/// `NotFound` or `Conflict` where no agent listens there, else the kernel's, with the path as subject.
pub fn send_listener(path: &Path, listener: BorrowedFd<'_>, state: &ContainerProcessState) -> Result<()> {
    let operation = "give the seccomp listener to";
    let text = serde_json::to_vec(state)
        .map_err(|e| Error::new(Kind::Internal, operation, path.display()).from_source(e))?;
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .op(operation, path.display())?;
    let address = SocketAddrUnix::new(path).op(operation, path.display())?;
    let hint = |e: Errno| {
        Error::os(operation, path.display(), e)
            .hint("linux.seccomp.listenerPath names the socket of the agent that SCMP_ACT_NOTIFY asks")
    };
    connect(&socket, &address).map_err(|e| hint(e).because("failed to connect with seccomp agent"))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = [listener];
    if !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(hint(Errno::NOBUFS));
    }
    let mut rest = text.as_slice();
    while !rest.is_empty() {
        match sendmsg(
            &socket,
            &[IoSlice::new(rest)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        ) {
            Ok(sent) => {
                // The fd went with the first byte.
                ancillary.clear();
                rest = rest.get(sent..).unwrap_or(&[]);
            }
            Err(Errno::INTR) => {}
            Err(e) => return Err(hint(e)),
        }
    }
    Ok(())
}
