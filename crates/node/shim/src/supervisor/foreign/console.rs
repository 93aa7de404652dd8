//! The socket to which a runtime's command sends the outer end of a terminal (`--console-socket`).

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix, SocketFlags,
    SocketType, accept_with, bind, listen, recvmsg, socket_with,
};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result};

/// A listening socket.
#[derive(Debug)]
pub(super) struct Console {
    /// The folder that it is in: by its handle any path is short enough for a socket's address (unix(7)).
    folder: OwnedFd,
    name: String,
    listener: OwnedFd,
}

impl Console {
    /// Listens in a folder.
    pub(super) fn listen(folder: &Path, name: &str) -> Result<Console> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let held =
            rustix::fs::openat(CWD, folder, flags, Mode::empty()).op("open folder", folder.display())?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let what = "the terminal's socket";
        let listener = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).op("make", what)?;
        let console = Console {
            folder: held,
            name: name.to_owned(),
            listener,
        };
        let address = SocketAddrUnix::new(console.path()).op("name", what)?;
        bind(&console.listener, &address).op("bind", what)?;
        listen(&console.listener, 1).op("listen at", what)?;
        Ok(console)
    }

    /// What others call it, for as long as this process holds it.
    pub(super) fn path(&self) -> PathBuf {
        let (own, held) = (std::process::id(), self.folder.as_raw_fd());
        PathBuf::from(format!("/proc/{own}/fd/{held}/{}", self.name))
    }

    /// What was sent; whoever sent it has ended.
    ///
    /// # Errors
    /// `Unavailable` where nothing was.
    pub(super) fn receive(self) -> Result<OwnedFd> {
        let none =
            || Error::new(Kind::Unavailable, "receive", "the terminal").because("the runtime has sent none");
        let socket = accept_with(&self.listener, SocketFlags::CLOEXEC).map_err(|_| none())?;
        let mut bytes = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags)
            .op("receive", "the terminal")?;
        let found = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        found.ok_or_else(none)
    }
}
