//! A supervisor's first steps: it leaves everything of its starter's.

use super::Supervise;
use super::group::Home;
use super::journal::Journal;
use super::peer::Peer;
use super::service::Service;
use crate::entrance;
use crate::pod::{Entry, PodDir};
use crate::poller::Poller;
use crate::record::SupervisorRecord;
use crate::signals::Signals;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tare_error::{Context, Error, Report, Result};
use tare_sys::CloneFlags;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 16;
/// Killed last when the machine has no memory left: a supervisor's death loses more than a container's.
const OOM_SCORE: &str = "-999";

/// Makes this process a supervisor that has greeted its creator.
pub(super) fn settle(arguments: &Supervise) -> Result<Service> {
    let control = take_control()?;
    let mut creator = Peer::new(0, control);
    match settle_in(arguments) {
        Ok((mut service, warnings)) => {
            creator.say_hello(warnings);
            service.peers.push(creator);
            Ok(service)
        }
        Err(error) => {
            creator.reply(0, Err(&error));
            let _ = creator.flush();
            Err(error)
        }
    }
}

fn settle_in(arguments: &Supervise) -> Result<(Service, Vec<String>)> {
    let mut warnings = Vec::new();
    let mut odd = |done: Result<()>| {
        if let Err(error) = done {
            warnings.push(Report::new(&error).to_string());
        }
    };
    let signals = Signals::of_supervisor()?;
    rustix::process::setsid().op("leave the session of", "the starter")?;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let pod = PodDir::open(std::path::absolute(&arguments.pod).op("find", arguments.pod.display())?)?;
    rustix::process::chdir("/").op("change to", "/")?;
    odd(keep_from_the_oom_killer().map(drop));
    odd(leave_mount_namespace());
    let name = pod.path().file_name().unwrap_or_default().to_string_lossy();
    let home = Home::enter(&name, |error| odd(Err(error)));
    pod.write(Entry::Supervisor, &SupervisorRecord::own()?.at(&home))?;
    let service = Service {
        home,
        signals,
        listener: listen(&pod)?,
        journal: Journal::new(pod.clone()),
        poller: Poller::new()?,
        peers: Vec::new(),
        next_peer: 1,
        container: None,
        copier: None,
        buffer: Vec::new(),
        begun: false,
        left_behind: false,
        leaving: None,
        leave_by: None,
        pod,
    };
    Ok((service, warnings))
}

/// Is killed last when the machine has no memory left; the score that its starter had.
pub(crate) fn keep_from_the_oom_killer() -> Result<i32> {
    let path = "/proc/self/oom_score_adj";
    let before = std::fs::read_to_string(path).op("read", path)?;
    match std::fs::write(path, OOM_SCORE) {
        // Lowering it needs CAP_SYS_RESOURCE; who lacks that is told so once, by the engine.
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {}
        done => done.op("set", path)?,
    }
    Ok(before.trim().parse().unwrap_or(0))
}

/// Leaves the starter's mount namespace for a copy. What propagates there does so here: the host's later mounts come, and
/// a container's own mounts below a volume that is to be shared go out to the host. A supervisor itself mounts nothing.
pub(crate) fn leave_mount_namespace() -> Result<()> {
    tare_sys::unshare(CloneFlags::NEWNS).op("leave", "the mount namespace")
}

/// Takes the control connection away from stdin, where it came in, and puts nothing in its place.
fn take_control() -> Result<OwnedFd> {
    let control = entrance::take_stdin()?;
    entrance::close_stdout()?;
    entrance::close_stderr()?;
    // The other end is our creator: whoever made the pair, as the kernel knows it. A file or a terminal has no peer.
    rustix::net::sockopt::socket_peercred(&control).map_err(|e| {
        Error::os("take the control connection from", "stdin", e)
            .hint("a supervisor is started by tare, not by hand")
    })?;
    Ok(control)
}

/// Listens for further clients; only the same user can connect (umask), and credentials are checked besides.
fn listen(pod: &PodDir) -> Result<OwnedFd> {
    let path = pod.file(Entry::Socket);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .op("make the socket", path.display())?;
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e).op("remove", path.display()),
        _ => {}
    }
    // A socket's address holds 108 bytes; the directory's handle makes any path short enough.
    let dir = std::fs::File::open(pod.path()).op("open the pod's folder", pod.path().display())?;
    let number = std::os::fd::AsRawFd::as_raw_fd(&dir.as_fd());
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{number}/{}", Entry::Socket.name()));
    let address = address.op("name", path.display())?;
    let before = rustix::process::umask(Mode::XUSR | Mode::RWXG | Mode::RWXO);
    let bound = rustix::net::bind(&socket, &address);
    rustix::process::umask(before);
    bound.op("make the socket", path.display())?;
    rustix::net::listen(&socket, BACKLOG).op("listen at", path.display())?;
    Ok(socket)
}
