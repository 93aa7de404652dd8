//! What is different where the container runs already: its processes rename and link meanwhile. Nothing here allocates;
//! see [`crate::child`].

use crate::child::{Child, Done};
use crate::report::{Detail, Failure};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use tare_mount::{Target, mount_id};

/// The file systems in which the kernel shows itself (`linux/magic.h`): procfs, sysfs, cgroups of both versions.
const KERNELS: &[i64] = &[0x9fa0, 0x6265_6572, 0x0027_e0eb, 0x6367_7270];

impl Child<'_> {
    /// That a mount may come to a place, wherever the container's links have led: not over its root, and not over what
    /// the kernel shows, where masks would go under.
    pub(super) fn check_place(&self, place: BorrowedFd<'_>) -> Done {
        let (root, found) = (rustix::fs::fstat(self.root()?)?, rustix::fs::fstat(place)?);
        let is_root = (root.st_dev, root.st_ino) == (found.st_dev, found.st_ino);
        if is_root || is_kernels(place)? {
            return Err(refused());
        }
        Ok(())
    }

    /// Unmounts what is mounted on top of a target, to which no link may lead: one could lead to a mask.
    pub(super) fn unmount(&self, target: &Target) -> Done {
        let (parent, name) = target.parent_no_links(self.root()?).map_err(|errno| Failure {
            errno,
            detail: if errno == Errno::LOOP {
                Detail::Link
            } else {
                Detail::None
            },
        })?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let place = rustix::fs::openat(&parent, name, flags, Mode::empty())?;
        if is_kernels(place.as_fd())? || is_kernels(parent.as_fd())? {
            return Err(refused());
        }
        if mount_id(place.as_fd())? == mount_id(parent.as_fd())? {
            return Err(Failure {
                errno: Errno::INVAL,
                detail: Detail::NotMounted,
            });
        }
        // A name in a held directory, as no call takes the mount itself.
        rustix::process::fchdir(&parent)?;
        Ok(rustix::mount::unmount(
            name,
            UnmountFlags::DETACH | UnmountFlags::NOFOLLOW,
        )?)
    }
}

fn is_kernels(place: BorrowedFd<'_>) -> Result<bool, Errno> {
    Ok(KERNELS.contains(&rustix::fs::fstatfs(place)?.f_type))
}

fn refused() -> Failure {
    Failure {
        errno: Errno::PERM,
        detail: Detail::KernelsPlace,
    }
}
