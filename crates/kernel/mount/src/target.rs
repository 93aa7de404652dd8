//! Where a mount goes: a directory or file inside a held root, found or made without ever leaving it.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxFlags};
use rustix::io::{Errno, Result};
use rustix::mount::MoveMountFlags;
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// The longest path that the kernel takes, with its end.
const LONGEST_PATH: usize = 4096;

/// How many links that lead to nothing may lead to each other.
const MOST_LINKS: usize = 8;

/// How often a look-up is tried again when a rename elsewhere disturbed it.
const ATTEMPTS: usize = 32;

/// A path inside a root with all that is needed to make what is missing, prepared so that nothing allocates later.
#[derive(Debug)]
pub struct Target {
    path: CString,
    steps: Vec<Step>,
}

/// One component: the path up to it, and its name.
#[derive(Debug)]
struct Step {
    prefix: CString,
    name: CString,
}

impl Target {
    /// Prepares an inside path; `.` and doubled slashes vanish.
    ///
    /// # Errors
    /// `EINVAL` for `..` or a NUL byte: a destination names a place, not a way to it.
    pub fn prepare(path: &Path) -> Result<Target> {
        let mut so_far = Vec::new();
        let mut steps = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(name) => {
                    so_far.push(b'/');
                    so_far.extend_from_slice(name.as_bytes());
                    steps.push(Step {
                        prefix: CString::new(so_far.clone()).map_err(|_| Errno::INVAL)?,
                        name: CString::new(name.as_bytes()).map_err(|_| Errno::INVAL)?,
                    });
                }
                Component::ParentDir => return Err(Errno::INVAL),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        let path = steps.last().map_or_else(|| c"/".to_owned(), |s| s.prefix.clone());
        Ok(Target { path, steps })
    }

    /// The path inside.
    pub fn path(&self) -> &CStr {
        &self.path
    }

    /// Opens what is there, following links inside the root.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(&self, root: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd> {
        open_in_root(root, &self.path, flags, ResolveFlags::empty())
    }

    /// Opens what is there, refusing every link on the way.
    ///
    /// # Errors
    /// `ELOOP` for a link, else the kernel's.
    pub fn open_no_links(&self, root: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd> {
        open_in_root(root, &self.path, flags, ResolveFlags::NO_SYMLINKS)
    }

    /// Opens the directory (`O_PATH`), making what is missing with mode 0755.
    ///
    /// # Errors
    /// `ENOTDIR` for a file at the place or on the way, `ELOOP` for links that lead to each other, else the kernel's.
    pub fn directory(&self, root: BorrowedFd<'_>) -> Result<OwnedFd> {
        make_directories(root, &self.path, &self.steps)
    }

    /// Opens the file (`O_PATH`), making it empty, and the directories above it, where it is missing.
    ///
    /// # Errors
    /// `EISDIR` for a directory at the place, `ELOOP` for links that lead to each other, else the kernel's.
    pub fn file(&self, root: BorrowedFd<'_>) -> Result<OwnedFd> {
        match self.open(root, OFlags::PATH) {
            Err(Errno::NOENT) => {}
            done => return not_directory(done?),
        }
        let (parent, last) = self.parent(root)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&parent, last, flags, Mode::from_raw_mode(0o755)) {
            // Somebody else made it meanwhile, or a link leads to nothing: the look-up below tells.
            Ok(_) | Err(Errno::EXIST) => {}
            Err(e) => return Err(e),
        }
        match self.open(root, OFlags::PATH) {
            Err(Errno::NOENT) => not_directory(through_links(root, self.path.to_bytes(), false, MOST_LINKS)?),
            done => not_directory(done?),
        }
    }

    /// Opens what stands at the last component itself, be it a link, making a directory or an empty file where there is
    /// nothing; links on the way are followed inside the root.
    ///
    /// # Errors
    /// `EINVAL` for the root itself, else as [`Target::directory`].
    pub fn unfollowed(&self, root: BorrowedFd<'_>, directory: bool) -> Result<OwnedFd> {
        let (parent, name) = self.parent(root)?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&parent, name, flags, Mode::empty()) {
            Err(Errno::NOENT) if directory => make_directory(parent.as_fd(), name),
            Err(Errno::NOENT) => make_file(parent.as_fd(), name),
            done => done,
        }
    }

    /// Opens the parent directory, refusing every link on the way, and names the last component.
    ///
    /// # Errors
    /// `EINVAL` for the root itself, `ELOOP` for a link, else the kernel's.
    pub fn parent_no_links(&self, root: BorrowedFd<'_>) -> Result<(OwnedFd, &CStr)> {
        let (last, above) = self.steps.split_last().ok_or(Errno::INVAL)?;
        let parent = above.last().map_or(c"/", |s| s.prefix.as_c_str());
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let parent = open_in_root(root, parent, flags, ResolveFlags::NO_SYMLINKS)?;
        Ok((parent, &last.name))
    }

    /// Opens the parent directory, making what is missing, and names the last component.
    ///
    /// # Errors
    /// `EINVAL` for the root itself, else as [`Target::directory`].
    pub fn parent(&self, root: BorrowedFd<'_>) -> Result<(OwnedFd, &CStr)> {
        let (last, above) = self.steps.split_last().ok_or(Errno::INVAL)?;
        let parent = above.last().map_or(c"/", |s| s.prefix.as_c_str());
        Ok((make_directories(root, parent, above)?, &last.name))
    }
}

/// Makes the directories of `steps` where they are missing and opens the last.
fn make_directories(root: BorrowedFd<'_>, path: &CStr, steps: &[Step]) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    match open_in_root(root, path, flags, ResolveFlags::empty()) {
        Err(Errno::NOENT) => {}
        done => return done,
    }
    let mut at = open_in_root(root, c"/", flags, ResolveFlags::empty())?;
    for step in steps {
        at = match open_in_root(root, &step.prefix, flags, ResolveFlags::empty()) {
            Err(Errno::NOENT) => match make_directory(at.as_fd(), &step.name) {
                // A link that leads to nothing yet.
                Err(Errno::EXIST) => return through_links(root, path.to_bytes(), true, MOST_LINKS),
                done => done?,
            },
            done => done?,
        };
    }
    Ok(at)
}

/// Makes one directory in an open one and opens it; a link at the name is not followed.
fn make_directory(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(e) => return Err(e),
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Err(Errno::NOTDIR | Errno::LOOP) => Err(Errno::EXIST),
        done => done,
    }
}

/// Makes what a path leads to where links on the way lead to nothing yet: their targets are made inside the root, as the
/// images are many whose `/etc/resolv.conf` leads to a file of a running system.
///
/// Look-ups go from the root by the kernel's own rules, and what is missing is made by its name in a held directory, so
/// this leaves the root as little as they do.
fn through_links(root: BorrowedFd<'_>, path: &[u8], directory: bool, links: usize) -> Result<OwnedFd> {
    let mut buffer = [0; LONGEST_PATH];
    buffer
        .get_mut(..path.len())
        .filter(|_| path.len() < LONGEST_PATH)
        .ok_or(Errno::NAMETOOLONG)?
        .copy_from_slice(path);
    let mut at = open_in_root(
        root,
        c"/",
        OFlags::PATH | OFlags::DIRECTORY,
        ResolveFlags::empty(),
    )?;
    let mut start = 0;
    while start < path.len() {
        let rest = path.get(start..).unwrap_or(&[]);
        let skipped = rest.iter().take_while(|b| **b == b'/').count();
        let name_at = start + skipped;
        let length = rest.iter().skip(skipped).take_while(|b| **b != b'/').count();
        let end = name_at + length;
        start = end;
        if length == 0 {
            break;
        }
        let last = path
            .get(end..)
            .is_none_or(|after| after.iter().all(|b| *b == b'/'));
        at = component(
            root,
            &mut buffer,
            (name_at, end),
            at.as_fd(),
            directory || !last,
            links,
        )?;
    }
    Ok(at)
}

/// One component of [`through_links`]: what the path in `buffer` leads to up to it, made where it is missing in `parent`.
fn component(
    root: BorrowedFd<'_>,
    buffer: &mut [u8; LONGEST_PATH],
    (name_at, end): (usize, usize),
    parent: BorrowedFd<'_>,
    directory: bool,
    links: usize,
) -> Result<OwnedFd> {
    let mut flags = OFlags::PATH;
    flags.set(OFlags::DIRECTORY, directory);
    let kept = std::mem::replace(buffer.get_mut(end).ok_or(Errno::NAMETOOLONG)?, 0);
    let found = open_in_root(root, c_str(buffer, 0)?, flags, ResolveFlags::empty());
    let made = match found {
        Err(Errno::NOENT) => {
            let name = c_str(buffer, name_at)?;
            let made = if directory {
                make_directory(parent, name)
            } else {
                make_file(parent, name)
            };
            match made {
                Err(Errno::EXIST) => {
                    let above = buffer.get(..name_at).unwrap_or(&[]);
                    follow(root, above, parent, name, directory, links)
                }
                done => done,
            }
        }
        done => done,
    };
    if let Some(byte) = buffer.get_mut(end) {
        *byte = kept;
    }
    made
}

/// Makes what the link `name` in `parent`, which the path `above` leads to, leads to itself.
fn follow(
    root: BorrowedFd<'_>,
    above: &[u8],
    parent: BorrowedFd<'_>,
    name: &CStr,
    directory: bool,
    links: usize,
) -> Result<OwnedFd> {
    let links = links.checked_sub(1).ok_or(Errno::LOOP)?;
    let mut text = [MaybeUninit::uninit(); LONGEST_PATH];
    let (text, _) = match rustix::fs::readlinkat_raw(parent, name, &mut text) {
        // It is no link: somebody made it meanwhile.
        Err(Errno::INVAL) => return Err(Errno::EXIST),
        done => done?,
    };
    let above = if text.first() == Some(&b'/') {
        &[][..]
    } else {
        above
    };
    let mut whole = [0; LONGEST_PATH];
    let length = above.len() + text.len();
    let room = whole.get_mut(..length).ok_or(Errno::NAMETOOLONG)?;
    room[..above.len()].copy_from_slice(above);
    room[above.len()..].copy_from_slice(text);
    through_links(root, room, directory, links)
}

/// Makes an empty file in an open directory.
fn make_file(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o755))?;
    drop(made);
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

fn c_str(buffer: &[u8; LONGEST_PATH], from: usize) -> Result<&CStr> {
    let bytes = buffer.get(from..).ok_or(Errno::NAMETOOLONG)?;
    CStr::from_bytes_until_nul(bytes).map_err(|_| Errno::NAMETOOLONG)
}

fn not_directory(fd: OwnedFd) -> Result<OwnedFd> {
    match FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) {
        FileType::Directory => Err(Errno::ISDIR),
        _ => Ok(fd),
    }
}

/// One `openat2(2)` (Linux 5.6) below a root: `..` and absolute links stop there, magic links are refused.
///
/// # Errors
/// The kernel's; `ENOSYS` where a filter hides the call, for which there is no safe substitute.
pub fn open_in_root(root: BorrowedFd<'_>, path: &CStr, flags: OFlags, how: ResolveFlags) -> Result<OwnedFd> {
    let how = how | ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..ATTEMPTS {
        match rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done,
        }
    }
    Err(Errno::AGAIN)
}

/// How a way from a mount of one's own goes: down, over no link and onto no other mount.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_XDEV);

/// Opens `path` below the directory `ground`, on the same mount and over no link.
///
/// # Errors
/// `EXDEV` for another mount on the way or at its end, `ELOOP` for a link, else the kernel's.
pub fn open_beneath(ground: BorrowedFd<'_>, path: &CStr, flags: OFlags) -> Result<OwnedFd> {
    rustix::fs::openat2(ground, path, flags | OFlags::CLOEXEC, Mode::empty(), BENEATH)
}

/// As [`open_beneath`], of a directory; where `path` is one name, it is made if it is missing.
///
/// # Errors
/// As [`open_beneath`]; `ENOENT` where one of several names is missing.
pub fn make_beneath(ground: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd> {
    if !path.to_bytes().contains(&b'/') {
        match rustix::fs::mkdirat(ground, path, Mode::from_raw_mode(0o755)) {
            // One that cannot be made is looked for: file systems of the kernel have what they have.
            Ok(()) | Err(Errno::EXIST | Errno::PERM | Errno::ACCESS | Errno::ROFS | Errno::NOENT) => {}
            Err(e) => return Err(e),
        }
    }
    open_beneath(ground, path, OFlags::PATH | OFlags::DIRECTORY)
}

/// Attaches a detached mount onto what is open at `target`.
///
/// # Errors
/// `ENOTDIR` for a directory onto a file or a file onto a directory, else the kernel's.
pub fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, c"", target, c"", flags)
}

/// The id of the mount that holds what is open at `fd` (`STATX_MNT_ID`, Linux 5.8).
///
/// # Errors
/// The kernel's.
pub fn mount_id(fd: BorrowedFd<'_>) -> Result<u64> {
    let statx = rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
    if !StatxFlags::from_bits_retain(statx.stx_mask).contains(StatxFlags::MNT_ID) {
        return Err(Errno::NOSYS);
    }
    Ok(statx.stx_mnt_id)
}

#[cfg(test)]
mod tests;
