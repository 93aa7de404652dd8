//! Files that all containers of a pod have: what CRI leaves to the sandbox where there is no pause container.

use super::wish::Wish;
use rustix::fd::AsFd;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tare_error::{Context, Result};
use tare_mount::{FileSystem, Options, attach};

/// The folder of the files.
pub(super) const SHARED: &str = "shared";
/// The pod's `/dev/shm`.
pub(super) const MEMORY: &str = "shm";
/// The most of a file of the host's that is copied.
const LARGEST: usize = 1 << 20;

/// Makes them.
pub(super) fn make(wish: &Wish, folder: &Path) -> Result<()> {
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
    std::fs::create_dir(at).op("make folder", at.display())?;
    let options = ["mode=1777", "size=65536k", "nosuid", "noexec", "nodev"].map(str::to_owned);
    let memory = FileSystem::prepare("tmpfs", Some("shm"), &Options::parse(&options));
    let memory = memory.and_then(|memory| memory.make().map_err(|refused| refused.errno));
    let memory = memory.op("mount", at.display())?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let place = rustix::fs::openat(CWD, at, flags, Mode::empty()).op("open folder", at.display())?;
    attach(memory.as_fd(), place.as_fd()).op("mount", at.display())
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
