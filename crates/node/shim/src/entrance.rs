//! How others come to a supervisor: by the socket that it is born with, at which it listens.

use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::os::unix::net::UnixStream;
use std::path::Path;
use tare_error::{Context, Error, Kind, Result};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 128;

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

/// Listens at a path in place of whoever listened there before; only the same user can connect.
pub(crate) fn listen(path: &Path) -> Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .op("make the socket", path.display())?;
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e).op("remove", path.display()),
        _ => {}
    }
    by_short_name(path, |address| {
        let before = rustix::process::umask(Mode::XUSR | Mode::RWXG | Mode::RWXO);
        let bound = rustix::net::bind(&socket, address);
        rustix::process::umask(before);
        bound.op("make the socket", path.display())
    })?;
    rustix::net::listen(&socket, BACKLOG).op("listen at", path.display())?;
    Ok(socket)
}

/// Connects to whoever listens at a path.
pub(crate) fn connect(path: &Path) -> Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .op("make a socket for", path.display())?;
    by_short_name(path, |address| {
        rustix::net::connect(&socket, address).op("connect to the supervisor at", path.display())
    })?;
    Ok(UnixStream::from(socket))
}

/// A socket's address holds 108 bytes; the handle of its directory makes any path short enough.
fn by_short_name(path: &Path, act: impl FnOnce(&SocketAddrUnix) -> Result<()>) -> Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(
            Error::new(Kind::Invalid, "name the socket", path.display()).because("it is no file's path")
        );
    };
    let folder = std::fs::File::open(folder).op("open the folder of", path.display())?;
    let folder = folder.as_fd().as_raw_fd();
    let address = SocketAddrUnix::new(Path::new(&format!("/proc/self/fd/{folder}")).join(name));
    act(&address.op("name", path.display())?)
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
