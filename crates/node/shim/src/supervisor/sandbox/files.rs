//! Files that all containers of a pod have: what CRI leaves to the sandbox where there is no pause container.

use super::wish::Wish;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, UnmountFlags, open_tree, unmount};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use tare_error::{Context, Result};
use tare_mount::{FileSystem, Options, attach};
use tare_process::{Fork, spawn};
use tare_sys::CloneFlags;

/// The folder of the files.
pub(super) const SHARED: &str = "shared";
/// The pod's `/dev/shm`.
pub(super) const MEMORY: &str = "shm";
/// The same in a container.
const IN_CONTAINER: &std::ffi::CStr = c"/dev/shm";
/// A copy of it, whatever link is at the end.
const COPY: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE
    .union(OpenTreeFlags::OPEN_TREE_CLOEXEC)
    .union(OpenTreeFlags::AT_SYMLINK_NOFOLLOW);
/// What statfs(2) says of it.
const TMPFS: i64 = 0x0102_1994;
/// The most of a file of the host's that is copied.
const LARGEST: usize = 1 << 20;

/// Makes them.
pub(super) fn make(wish: &Wish, folder: &Path) -> Result<()> {
    tare_failpoint::pass("pod-half-made")?;
    let shared = folder.join(SHARED);
    std::fs::create_dir(&shared).op("make folder", shared.display())?;
    let own = rustix::system::uname();
    let hostname = match wish.hostname.as_str() {
        _ if !wish.uts => own.nodename().to_string_lossy().into_owned(),
        "" => own.nodename().to_string_lossy().into_owned(),
        given => given.to_owned(),
    };
    let hosts = tare_store::read("/etc/hosts", LARGEST).unwrap_or_default();
    let resolver = match &wish.resolver {
        Some(text) => text.clone().into_bytes(),
        None => tare_store::read("/etc/resolv.conf", LARGEST).unwrap_or_default(),
    };
    let files = [
        ("hostname", format!("{hostname}\n").into_bytes()),
        ("hosts", hosts),
        ("resolv.conf", resolver),
    ];
    for (name, text) in files {
        let path = shared.join(name);
        std::fs::write(&path, text).op("write", path.display())?;
        // As a container's own user reads it, whatever this process's umask is.
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(&path, mode).op("write", path.display())?;
    }
    if wish.ipc {
        mount_memory(&folder.join(MEMORY))
    } else {
        Ok(())
    }
}

/// As the CRI's own sandbox has it.
fn mount_memory(at: &Path) -> Result<()> {
    match std::fs::create_dir(at) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        made => made.op("make folder", at.display())?,
    }
    let options = ["mode=1777", "size=65536k", "nosuid", "noexec", "nodev"].map(str::to_owned);
    let memory = FileSystem::prepare("tmpfs", Some("shm"), &Options::parse(&options));
    let memory = memory.and_then(|memory| memory.make().map_err(|refused| refused.errno));
    mount_at(memory.op("mount", at.display())?.as_fd(), at)
}

fn mount_at(memory: BorrowedFd<'_>, at: &Path) -> Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let place = rustix::fs::openat(CWD, at, flags, Mode::empty()).op("open folder", at.display())?;
    attach(memory, place.as_fd()).op("mount", at.display())
}

/// Mounts the pod's memory again where it is no more: that of a process of the pod's, else anew.
pub(super) fn mend(wish: &Wish, folder: &Path, member: Option<i32>) -> Result<()> {
    let at = folder.join(MEMORY);
    let device = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).ok();
    if !wish.ipc || device(&at) != device(folder) {
        return Ok(());
    }
    let Some(pid) = member else {
        return mount_memory(&at);
    };
    let memory = memory_of(pid).op("look into", pid)?;
    // The container may be hostile, and have something else at the place.
    if rustix::fs::fstatfs(&memory).op("look into", pid)?.f_type != TMPFS {
        return mount_memory(&at);
    }
    mount_at(memory.as_fd(), &at)
}

/// A copy of the mount that a process has as its memory. Only who is in its mount namespace gets one (open_tree(2)): a child goes
/// there, where it sees nothing but what the container sees, and we take it from that.
fn memory_of(pid: i32) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let namespace = rustix::fs::open(format!("/proc/{pid}/ns/mnt"), flags, Mode::empty())?;
    let (reports, report) = pipe_with(PipeFlags::CLOEXEC)?;
    let (go, hold) = pipe_with(PipeFlags::CLOEXEC)?;
    let keep = [namespace.as_fd(), report.as_fd(), go.as_fd()];
    let how = Fork {
        flags: CloneFlags::empty(),
        group: None,
        keep: &keep,
    };
    // Allocates nothing.
    let child = spawn(&how, || {
        let opened = move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))
            .and_then(|()| open_tree(CWD, IN_CONTAINER, COPY));
        let (sign, number) = match &opened {
            Ok(copy) => (0, copy.as_raw_fd()),
            Err(errno) => (1, errno.raw_os_error()),
        };
        let [a, b, c, d] = number.to_ne_bytes();
        let _ = rustix::io::write(&report, &[sign, a, b, c, d]);
        // Until we have it, or are gone.
        let _ = rustix::io::read(&go, &mut [0]);
        i32::from(sign)
    })?;
    drop((report, go));
    let mut said = [0; 5];
    let told = rustix::io::read(&reports, &mut said);
    let [sign, a, b, c, d] = said;
    let number = i32::from_ne_bytes([a, b, c, d]);
    let taken = match (told, sign) {
        (Ok(5), 0) => pidfd_getfd(&child.pidfd, number, PidfdGetfdFlags::empty()),
        (Ok(5), _) => Err(Errno::from_raw_os_error(number)),
        (Ok(_), _) => Err(Errno::IO),
        (Err(errno), _) => Err(errno),
    };
    drop(hold);
    child.kill_and_reap();
    taken
}

/// Removes them, as far as they are there.
pub(super) fn unmake(folder: &Path) -> Result<()> {
    let memory = folder.join(MEMORY);
    match unmount(&memory, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
        Err(e) => return Err(e).op("unmount", memory.display()),
    }
    for path in [memory, folder.join(SHARED)] {
        match std::fs::remove_dir_all(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e).op("remove", path.display()),
            _ => {}
        }
    }
    Ok(())
}
