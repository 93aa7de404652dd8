//! Mount steps. Nothing here allocates; see [`crate::child`].

use crate::child::copy::{copy_directory, mode};
use crate::child::grounds::Found;
use crate::child::{Child, Done};
use crate::report::{Detail, Failure};
use crate::step::{Beginning, Mapped, MountStep, Prepared, Source};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountFlags, UnmountFlags};
use rustix::process::Pid;
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use tare_mount::{
    Applied, Attributes, Propagation, Refused, Target, attach, clone_tree, clone_tree_at, map_owners,
    write_number,
};
use tare_process::CloneFlags;

/// The longest path that the kernel takes, with its end.
const LONGEST_PATH: usize = 4096;

const READ_ONLY: Attributes = Attributes {
    set: MountAttrFlags::MOUNT_ATTR_RDONLY,
    clear: MountAttrFlags::empty(),
};

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        let index = refused.parameter.and_then(|p| u32::try_from(p).ok());
        Failure {
            errno: refused.errno,
            detail: index.map_or(Detail::None, Detail::Parameter),
        }
    }
}

/// Makes mounts from here on invisible to the host, and lets those of the host that come later in, as far as asked.
pub(super) fn host_propagation(propagation: Propagation) -> Done {
    let root = directory(c"/")?;
    match propagation {
        // The tree stays shared, so that mounts can go out; but pivot_root wants its own parent private.
        Propagation::Shared => Ok(Propagation::Private.apply(root.as_fd(), false)?),
        Propagation::Slave => Ok(Propagation::Slave.apply(root.as_fd(), true)?),
        Propagation::Private | Propagation::Unbindable => Ok(Propagation::Private.apply(root.as_fd(), true)?),
    }
}

/// Sets the propagation of the container's root, once it is the root.
pub(super) fn root_propagation(propagation: Propagation, recursive: bool) -> Done {
    Ok(propagation.apply(directory(c"/")?.as_fd(), recursive)?)
}

fn directory(path: &CStr) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(
        CWD,
        path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

impl<'a> Child<'a> {
    pub(super) fn prepare(&mut self, slot: usize, from: &Prepared) -> Done {
        let prepared = prepare(from, rustix::process::getpid(), self.maps)?;
        *self.slots.get_mut(slot).ok_or(Errno::BADF)? = Some(prepared);
        Ok(())
    }

    /// Mounts the root over `/`, so that it is attached, and the host's paths stay reachable below it: look-ups start
    /// at the directory that is covered.
    ///
    /// Hooks of the container find it at `at` instead, the path that the configuration gives: they mount there.
    pub(super) fn mount_root(&mut self, source: &Source, at: Option<&CStr>) -> Done {
        let host = directory(c"/")?;
        let root = match source {
            Source::Overlay { overlay, append } => match make_overlay(overlay, *append)? {
                Some(mount) => mount,
                None => {
                    overlay.make_old(host.as_fd())?;
                    // `..` of the root is the root, and from there the walk steps onto what covers it.
                    self.handles.root = Some(directory(c"/..")?);
                    return Ok(());
                }
            },
            Source::New(file_system) => file_system.make()?,
            Source::Tree { slot } => self.taken(*slot)?,
            Source::Place { slot, recursive } => clone_tree(self.taken(*slot)?.as_fd(), *recursive)?,
            // There is no root yet to look in.
            Source::Inside { .. } => return Err(Errno::INVAL.into()),
        };
        match at {
            None => attach(root.as_fd(), host.as_fd())?,
            Some(path) => attach(root.as_fd(), directory(path)?.as_fd())?,
        }
        self.handles.root = Some(root);
        Ok(())
    }

    fn taken(&mut self, slot: usize) -> Result<OwnedFd, Errno> {
        self.slots.get_mut(slot).and_then(Option::take).ok_or(Errno::BADF)
    }

    pub(super) fn mount(&mut self, step: &'a MountStep) -> Done {
        let (mount, tree) = match &step.source {
            Source::New(file_system) => (file_system.make_with_mode(self.covered_mode(step)?)?, false),
            Source::Tree { slot } => (self.taken(*slot)?, true),
            Source::Place { slot, recursive } => (clone_tree(self.taken(*slot)?.as_fd(), *recursive)?, true),
            Source::Inside {
                place,
                recursive,
                mapped,
                link,
            } => {
                let mut flags = OFlags::PATH;
                flags.set(OFlags::NOFOLLOW, *link);
                let place = place.open(self.root()?, flags)?;
                (
                    mapped_tree(clone_tree(place.as_fd(), *recursive)?, *mapped, self.maps)?,
                    true,
                )
            }
            Source::Overlay { overlay, append } => match make_overlay(overlay, *append)? {
                Some(mount) => (mount, false),
                None => {
                    self.grounds.forget();
                    return Ok(overlay.make_old(step.target.directory(self.root()?)?.as_fd())?);
                }
            },
        };
        if step.links.copied && kind_of(mount.as_fd())? == FileType::Symlink {
            return self.copy_link(mount.as_fd(), &step.target);
        }
        if step.begin == Beginning::Copy
            && let Some(covered) = self.covered(step)?
        {
            copy_directory(covered.as_fd(), mount.as_fd())?;
        }
        if let Some(label) = &step.label {
            set_label(mount.as_fd(), label)?;
        }
        let late = tree || step.begin == Beginning::Copy;
        let changed = if late {
            step.attributes.apply(mount.as_fd(), false)?
        } else {
            Applied::Yes
        };
        if late {
            let _: Applied = step.recursive.apply(mount.as_fd(), true)?;
        }
        let is_directory = !tree || is_directory(mount.as_fd())?;
        let target = self.mount_target(step, is_directory)?;
        attach(mount.as_fd(), target.fd.as_fd())?;
        if changed == Applied::AfterAttach {
            step.attributes.remount(mount.as_fd())?;
        }
        for (propagation, recursive) in &step.propagation {
            propagation.apply(mount.as_fd(), *recursive)?;
        }
        if self.options.change.is_some() {
            // Others are at home there: it may be moved now, and could be later.
            return Ok(());
        }
        if !target.settled {
            let mut flags = OFlags::PATH;
            flags.set(OFlags::NOFOLLOW, step.links.bound || step.links.covered);
            self.settle_by(&step.target, mount.as_fd(), flags)?;
        }
        if tree {
            self.grounds.cover(step.target.path());
        } else {
            self.grounds.hold(step.target.path(), mount);
        }
        Ok(())
    }

    /// Makes the link that is open at `link` at a target as well; the same link may be there.
    fn copy_link(&self, link: BorrowedFd<'_>, target: &Target) -> Done {
        let mut text = [MaybeUninit::uninit(); LONGEST_PATH];
        let (text, _) = rustix::fs::readlinkat_raw(link, c"", &mut text)?;
        let mut whole = [0; LONGEST_PATH];
        let room = whole
            .get_mut(..text.len())
            .filter(|room| room.len() < LONGEST_PATH);
        room.ok_or(Errno::NAMETOOLONG)?.copy_from_slice(text);
        let text = CStr::from_bytes_until_nul(&whole).map_err(|_| Errno::NAMETOOLONG)?;
        self.in_parent(target, |parent, name| copy_link_in(parent, name, text))?
    }

    /// The mode that a new tmpfs has of the directory that it is to cover, where it has one of it.
    fn covered_mode(&self, step: &MountStep) -> Result<Option<Mode>, Errno> {
        if step.begin != Beginning::Mode {
            return Ok(None);
        }
        let covered = self.covered(step)?;
        covered
            .map(|covered| Ok(mode(&rustix::fs::fstat(covered)?)))
            .transpose()
    }

    /// The directory that a new file system is to cover; there may be none.
    fn covered(&self, step: &MountStep) -> Result<Option<OwnedFd>, Errno> {
        match step.target.open(self.root()?, OFlags::PATH | OFlags::DIRECTORY) {
            // What is there instead, or on the way, is told when the target is looked for.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            done => done.map(Some),
        }
    }

    /// Finds or makes the target: a file for a file, a directory for a directory, no link where none may be.
    fn mount_target(&self, step: &MountStep, is_directory: bool) -> Result<Found, Failure> {
        let found = self.found_or_made(step, is_directory)?;
        if self.options.change.is_some() {
            self.check_place(found.fd.as_fd())?;
        }
        Ok(found)
    }

    fn found_or_made(&self, step: &MountStep, is_directory: bool) -> Result<Found, Failure> {
        let target = &step.target;
        let root = self.root()?;
        if step.links.covered {
            let found = target.unfollowed(root, is_directory).map(Found::unsettled);
            return found.map_err(Failure::from);
        }
        if !is_directory {
            let found = target.file(root).map(Found::unsettled);
            return found.map_err(|errno| match errno {
                Errno::ISDIR => Failure {
                    errno,
                    detail: Detail::FileOntoDirectory,
                },
                errno => errno.into(),
            });
        }
        if step.strict {
            return strict_target(target, root).map(Found::unsettled);
        }
        let found = self
            .directory_on_ground(target)
            .unwrap_or_else(|| target.directory(root).map(Found::unsettled));
        found.map_err(directory_onto_file)
    }

    pub(super) fn remount(&self, target: &Target, attributes: &Attributes) -> Done {
        if let Some(mount) = self.grounds.at(target) {
            return change(mount, attributes);
        }
        let mount = target.open(self.root()?, OFlags::PATH)?;
        change(mount.as_fd(), attributes)
    }

    pub(super) fn make_root_read_only(&self) -> Done {
        change(self.root()?, &READ_ONLY)
    }

    /// Covers a path with a read-only copy of itself; what is missing needs no cover.
    pub(super) fn make_read_only(&mut self, target: &Target) -> Done {
        let found = match self.look(target, OFlags::PATH) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            done => done?,
        };
        let copy = clone_tree(found.fd.as_fd(), true)?;
        let changed = match READ_ONLY.apply(copy.as_fd(), true) {
            // Without mount_setattr the top alone; mounts of ours below it have been made read-only by themselves.
            Err(Errno::NOSYS) => Applied::AfterAttach,
            done => done?,
        };
        attach(copy.as_fd(), found.fd.as_fd())?;
        if changed == Applied::AfterAttach {
            READ_ONLY.remount(copy.as_fd())?;
        }
        self.done_at(target, &found, copy.as_fd())
    }

    /// Covers a file with the null device, a directory with an empty one; what is missing needs no cover.
    pub(super) fn mask(&mut self, target: &Target) -> Done {
        let found = match self.look(target, OFlags::PATH) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            done => done?,
        };
        let is_directory = is_directory(found.fd.as_fd())?;
        let cover = if is_directory {
            match &self.handles.cover {
                // One tmpfs for all: tearing one down is not cheap (runc 1.5's finding).
                Some(first) => clone_tree(first.as_fd(), false)?,
                None => self.plan.cover.make()?,
            }
        } else {
            clone_tree(self.handles.null.as_ref().ok_or(Errno::BADF)?.as_fd(), false)?
        };
        attach(cover.as_fd(), found.fd.as_fd())?;
        self.done_at(target, &found, cover.as_fd())?;
        if is_directory && self.handles.cover.is_none() {
            self.handles.cover = Some(cover);
        }
        Ok(())
    }

    /// After a mount onto what was found at a target: it is there, and nothing below is ground any more.
    fn done_at(&mut self, target: &Target, found: &Found, mount: BorrowedFd<'_>) -> Done {
        if !found.settled {
            self.settle(target, mount)?;
        }
        self.grounds.cover(target.path());
        Ok(())
    }

    /// Makes the container's root the root, and lets go of the host's (pivot_root(2), "new_root and put_old may be
    /// the same directory").
    pub(super) fn pivot(&self) -> Done {
        let host = directory(c"/")?;
        rustix::process::fchdir(self.root()?)?;
        match rustix::process::pivot_root(c".", c".") {
            // Where the host's tree is shared and is to stay so, the kernel wants the two mounts it moves cut off.
            Err(Errno::INVAL) => {
                Propagation::Private.apply(self.root()?, false)?;
                make_parent_private(self.root()?)?;
                rustix::process::pivot_root(c".", c".")?;
            }
            done => done?,
        }
        // Where the tree was left shared, unmounting it must not reach the host.
        let _ = Propagation::Slave.apply(host.as_fd(), true);
        rustix::mount::unmount(c".", UnmountFlags::DETACH)?;
        Ok(rustix::process::chdir(c"/")?)
    }

    /// A mount namespace for the time being, where the container is to have the mounts of others.
    pub(super) fn borrow_mount_namespace(&mut self) -> Done {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let own = rustix::fs::openat(CWD, c"/proc/self/ns/mnt", flags, Mode::empty())?;
        self.handles.mount_namespace = Some(own);
        Ok(tare_sys::unshare(CloneFlags::NEWNS)?)
    }

    /// Goes back, and enters a detached copy of the root, which is gone with the last process in it: nothing of it shows
    /// in the namespace that the container has from others.
    pub(super) fn return_mount_namespace(&mut self) -> Done {
        let own = self.handles.mount_namespace.take().ok_or(Errno::BADF)?;
        let root = clone_tree(self.root()?, true)?;
        rustix::thread::move_into_link_name_space(own.as_fd(), None)?;
        self.handles.root = Some(root);
        self.move_root(&[])
    }

    /// The root of the mount namespace that was joined.
    pub(super) fn enter_root(&mut self) -> Done {
        if let Some(root) = self.options.root {
            rustix::process::fchdir(root)?;
            rustix::process::chroot(c".")?;
        }
        self.handles.root = Some(directory(c"/")?);
        Ok(())
    }

    /// Enters the root where the host's cannot be pivoted away: it lies over `/` already.
    pub(super) fn move_root(&self, hidden: &[CString]) -> Done {
        hide(hidden)?;
        rustix::process::fchdir(self.root()?)?;
        rustix::process::chroot(c".")?;
        Ok(rustix::process::chdir(c"/")?)
    }
}

/// The directory at a target where a link would have every later user of it deceived (CVE-2023-27561).
fn strict_target(target: &Target, root: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let found = match target.open_no_links(root, flags) {
        Err(Errno::NOENT) => {
            drop(target.directory(root).map_err(directory_onto_file)?);
            target.open_no_links(root, flags)
        }
        done => done,
    };
    found.map_err(|errno| match errno {
        Errno::LOOP => Failure {
            errno,
            detail: Detail::Link,
        },
        errno => directory_onto_file(errno),
    })
}

fn directory_onto_file(errno: Errno) -> Failure {
    match errno {
        Errno::NOTDIR => Failure {
            errno,
            detail: Detail::DirectoryOntoFile,
        },
        errno => errno.into(),
    }
}

fn is_directory(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    Ok(kind_of(fd)? == FileType::Directory)
}

fn kind_of(fd: BorrowedFd<'_>) -> Result<FileType, Errno> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode))
}

fn copy_link_in(parent: BorrowedFd<'_>, name: &CStr, text: &CStr) -> Done {
    match rustix::fs::symlinkat(text, parent, name) {
        Err(Errno::EXIST) => {}
        done => return Ok(done?),
    }
    let mut now = [MaybeUninit::uninit(); LONGEST_PATH];
    match rustix::fs::readlinkat_raw(parent, name, &mut now) {
        Ok((now, _)) if now == text.to_bytes() => Ok(()),
        _ => Err(Errno::EXIST.into()),
    }
}

/// Unmounts the host's procfs and sysfs, in this mount namespace alone; one that cannot go is covered.
fn hide(views: &[CString]) -> Done {
    for view in views {
        // Whatever propagation is asked for: this must not reach the host.
        let private = directory(view).and_then(|mount| Propagation::Private.apply(mount.as_fd(), true));
        match private {
            Ok(()) => {}
            // Gone with one above it.
            Err(Errno::NOENT | Errno::INVAL) => continue,
            Err(e) => return Err(e.into()),
        }
        let flags = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
        if rustix::mount::unmount(view.as_c_str(), flags).is_err() {
            let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            rustix::mount::mount(c"tmpfs", view.as_c_str(), c"tmpfs", flags, None)?;
        }
    }
    Ok(())
}

/// Makes the mount private that a mount is attached to: the first directory above it that is the top of one.
fn make_parent_private(mount: BorrowedFd<'_>) -> Result<(), Errno> {
    let above = |at: BorrowedFd<'_>| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(at, c"..", flags, Mode::empty())
    };
    let mut at = above(mount)?;
    for _ in 0..LONGEST_PATH / 2 {
        match Propagation::Private.apply(at.as_fd(), false) {
            Err(Errno::INVAL) => at = above(at.as_fd())?,
            done => return done,
        }
    }
    Err(Errno::INVAL)
}

/// Opens or makes what a slot is to hold, detached; `child` is who gets it.
pub(super) fn prepare(from: &Prepared, child: Pid, maps: &[OwnedFd]) -> Result<OwnedFd, Failure> {
    match from {
        Prepared::Path {
            path,
            recursive,
            mapped,
            link,
        } => {
            let tree = if *link {
                clone_tree(place(path, *link)?.as_fd(), *recursive)?
            } else {
                clone_tree_at(CWD, path, *recursive).map_err(|errno| not_there(path, errno))?
            };
            mapped_tree(tree, *mapped, maps)
        }
        Prepared::Place { path, link } => place(path, *link),
        Prepared::TimeOffsets => Ok(time_offsets(child)?),
        Prepared::Made(source) => match &**source {
            Source::New(file_system) => Ok(file_system.make()?),
            Source::Overlay { overlay, append } => match make_overlay(overlay, *append)? {
                Some(mount) => Ok(mount),
                None => {
                    overlay.make_old(directory(c"/")?.as_fd())?;
                    Ok(clone_tree(directory(c"/..")?.as_fd(), false)?)
                }
            },
            Source::Tree { .. } | Source::Place { .. } | Source::Inside { .. } => Err(Errno::INVAL.into()),
        },
    }
}

/// A detached tree with its owners mapped, where they are to be.
fn mapped_tree(tree: OwnedFd, mapped: Option<Mapped>, maps: &[OwnedFd]) -> Result<OwnedFd, Failure> {
    if let Some(mapped) = mapped {
        let by = maps.get(mapped.by).ok_or(Errno::BADF)?;
        map_owners(tree.as_fd(), mapped.recursive, by.as_fd()).map_err(|errno| Failure {
            errno,
            detail: Detail::Owners,
        })?;
    }
    Ok(tree)
}

/// Opens a place of the host; a link itself, where that is asked for.
fn place(path: &CStr, link: bool) -> Result<OwnedFd, Failure> {
    let mut flags = OFlags::PATH | OFlags::CLOEXEC;
    flags.set(OFlags::NOFOLLOW, link);
    rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|errno| not_there(path, errno))
}

/// A source that cannot be opened, with how much of its path exists.
fn not_there(path: &CStr, errno: Errno) -> Failure {
    Failure {
        errno,
        detail: match errno {
            Errno::NOENT | Errno::NOTDIR => Detail::Missing(existing_length(path)),
            _ => Detail::None,
        },
    }
}

/// Labels the top of a file system that has no context of its own.
fn set_label(mount: BorrowedFd<'_>, label: &[u8]) -> Done {
    let top = rustix::fs::openat(mount, c".", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = rustix::fs::XattrFlags::empty();
    Ok(rustix::fs::fsetxattr(top, c"security.selinux", label, flags)?)
}

/// Opens the clock offsets of a child that may not write them itself, as it is not dumpable.
fn time_offsets(child: Pid) -> Result<OwnedFd, Errno> {
    let mut name = [0; 16];
    let length = write_number(&mut name, child.as_raw_nonzero().get().unsigned_abs());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::openat(CWD, c"/proc", flags, Mode::empty())?;
    let number = CStr::from_bytes_until_nul(name.get(..=length).ok_or(Errno::INVAL)?);
    let of_child = rustix::fs::openat(proc, number.map_err(|_| Errno::INVAL)?, flags, Mode::empty())?;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::openat(of_child, c"timens_offsets", flags, Mode::empty())
}

/// Makes an overlay layer by layer; nothing where this kernel needs the old way.
fn make_overlay(overlay: &tare_mount::Overlay, append: bool) -> Result<Option<OwnedFd>, Failure> {
    if !append {
        return Ok(None);
    }
    match overlay.make() {
        Err(refused) if refused.errno == Errno::NOSYS => Ok(None),
        done => Ok(Some(done?)),
    }
}

/// Changes an attached mount, by whichever call there is.
fn change(mount: BorrowedFd<'_>, attributes: &Attributes) -> Done {
    if attributes.apply(mount, false)? == Applied::AfterAttach {
        attributes.remount(mount)?;
    }
    Ok(())
}

/// How many bytes of a path exist: up to the end of the last component that is there.
fn existing_length(path: &CStr) -> u32 {
    let bytes = path.to_bytes();
    let mut prefix = [0; LONGEST_PATH];
    let mut existing = 0;
    for end in (1..=bytes.len()).filter(|end| bytes.get(*end).is_none_or(|b| *b == b'/')) {
        let Some(room) = prefix.get_mut(..end) else {
            break;
        };
        room.copy_from_slice(&bytes[..end]);
        let Ok(text) = CStr::from_bytes_until_nul(&prefix) else {
            break;
        };
        if rustix::fs::stat(text).is_err() {
            break;
        }
        existing = end;
    }
    u32::try_from(existing).unwrap_or(0)
}
