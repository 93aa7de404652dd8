//! File systems that the child itself has mounted: what lies in them nobody else can have put or moved there. Nothing
//! here allocates; see [`crate::child`].
//!
//! A target on such ground is reached from the mount in one step that refuses links and other mounts, and needs no second
//! look afterwards; all others are resolved from the root, and looked at again.

use crate::child::{Child, Done};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::ffi::CStr;
use tare_mount::{Target, make_beneath, mount_id, open_beneath};

/// How many grounds are held at most: fds are few.
const MOST: usize = 64;

/// The grounds, by the paths that lead to them without a link.
pub(crate) struct Grounds<'a>(Vec<(&'a CStr, OwnedFd)>);

impl<'a> Grounds<'a> {
    /// Room for the grounds of a plan with so many steps; made before the fork.
    pub(crate) fn with_room_for(steps: usize) -> Grounds<'a> {
        Grounds(Vec::with_capacity(steps.min(MOST)))
    }

    /// Holds a mount, if there is room, in place of what it covers.
    pub(super) fn hold(&mut self, at: &'a CStr, mount: OwnedFd) {
        self.cover(at);
        if self.0.len() < self.0.capacity() {
            self.0.push((at, mount));
        }
    }

    /// Forgets what a mount at `path` covers.
    pub(super) fn cover(&mut self, path: &CStr) {
        self.0.retain(|(at, _)| *at != path && below(at, path).is_none());
    }

    /// Forgets all.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// Lets go of all without closing them: that is done for all fds together.
    pub(super) fn leave(&mut self) {
        std::mem::forget(std::mem::take(&mut self.0));
    }

    /// The ground that is mounted at `target` itself.
    pub(super) fn at(&self, target: &Target) -> Option<BorrowedFd<'_>> {
        let found = self.0.iter().find(|(at, _)| *at == target.path());
        found.map(|(_, ground)| ground.as_fd())
    }

    /// The nearest ground above `target`, and the way on from there.
    pub(super) fn above<'t>(&self, target: &'t Target) -> Option<(BorrowedFd<'_>, &'t CStr)> {
        let ways = self
            .0
            .iter()
            .filter_map(|(at, ground)| Some((ground.as_fd(), below(target.path(), at)?)));
        ways.min_by_key(|(_, rest)| rest.count_bytes())
    }
}

/// What of `path` comes after `above`, where it lies below that.
fn below<'t>(path: &'t CStr, above: &CStr) -> Option<&'t CStr> {
    let above = above.to_bytes().strip_suffix(b"/").unwrap_or(above.to_bytes());
    let rest = path.to_bytes_with_nul().strip_prefix(above)?.strip_prefix(b"/")?;
    CStr::from_bytes_with_nul(rest)
        .ok()
        .filter(|rest| !rest.is_empty())
}

/// What was found at a target.
pub(super) struct Found {
    pub(super) fd: OwnedFd,
    /// Whether nobody could have changed the way to it.
    pub(super) settled: bool,
}

impl Found {
    pub(super) fn unsettled(fd: OwnedFd) -> Found {
        Found { fd, settled: false }
    }
}

impl Child<'_> {
    /// Opens what is at a target.
    pub(super) fn look(&self, target: &Target, flags: OFlags) -> Result<Found, Errno> {
        if let Some((ground, rest)) = self.grounds.above(target)
            && let Some(found) = on_ground(open_beneath(ground, rest, flags))
        {
            return Ok(Found {
                fd: found?,
                settled: true,
            });
        }
        target.open(self.root()?, flags).map(Found::unsettled)
    }

    /// Opens the directory at a target that lies on a ground, making it where only its last name is missing.
    pub(super) fn directory_on_ground(&self, target: &Target) -> Option<Result<Found, Errno>> {
        let (ground, rest) = self.grounds.above(target)?;
        let made = match make_beneath(ground, rest) {
            Err(Errno::NOENT) => None,
            done => on_ground(done),
        }?;
        Some(made.map(|fd| Found { fd, settled: true }))
    }

    /// Does something with a target's parent directory, which is made where it is missing, and its name there.
    pub(super) fn in_parent<'t, T>(
        &self,
        target: &'t Target,
        act: impl FnOnce(BorrowedFd<'_>, &'t CStr) -> T,
    ) -> Result<T, Errno> {
        if let Some((ground, rest)) = self.grounds.above(target)
            && !rest.to_bytes().contains(&b'/')
        {
            return Ok(act(ground, rest));
        }
        let (parent, name) = target.parent(self.root()?)?;
        Ok(act(parent.as_fd(), name))
    }

    /// Asks whether `target` now leads to the mount open at `mount`, where somebody could have moved the place while it
    /// was mounted on (`ESTALE`). Where a link leads there, no path of a ground is sure any more.
    pub(super) fn settle(&mut self, target: &Target, mount: BorrowedFd<'_>) -> Done {
        self.settle_by(target, mount, OFlags::PATH)
    }

    /// As [`Child::settle`], looking there with these flags.
    pub(super) fn settle_by(&mut self, target: &Target, mount: BorrowedFd<'_>, flags: OFlags) -> Done {
        let root = self.root()?;
        let found = match target.open_no_links(root, flags) {
            Err(Errno::LOOP) => {
                let found = target.open(root, flags)?;
                self.grounds.forget();
                found
            }
            done => done?,
        };
        if mount_id(found.as_fd())? == mount_id(mount)? {
            Ok(())
        } else {
            Err(Errno::STALE.into())
        }
    }
}

/// A look-up on a ground, unless it met a link or another mount and is to be made from the root.
fn on_ground(found: Result<OwnedFd, Errno>) -> Option<Result<OwnedFd, Errno>> {
    match found {
        Err(Errno::XDEV | Errno::LOOP | Errno::AGAIN) => None,
        done => Some(done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn target(path: &str) -> Target {
        Target::prepare(Path::new(path)).unwrap()
    }

    fn grounds<'a>(paths: &[&'a CStr]) -> Grounds<'a> {
        let mut grounds = Grounds::with_room_for(8);
        for path in paths {
            grounds.hold(path, std::fs::File::open("/").unwrap().into());
        }
        grounds
    }

    #[test]
    fn the_nearest_ground_is_found_with_the_way_on() {
        let grounds = grounds(&[c"/dev", c"/dev/shm", c"/sys"]);
        for (path, rest) in [
            ("/dev/null", Some(c"null")),
            ("/dev/shm/x/y", Some(c"x/y")),
            ("/sys/fs/cgroup", Some(c"fs/cgroup")),
            ("/dev", None),
            ("/devices", None),
            ("/", None),
        ] {
            let target = target(path);
            assert_eq!(grounds.above(&target).map(|(_, rest)| rest), rest, "{path}");
        }
        assert!(grounds.at(&target("/dev/shm")).is_some());
        assert!(grounds.at(&target("/dev/null")).is_none());
    }

    #[test]
    fn what_a_mount_covers_is_no_ground_any_more() {
        let mut grounds = grounds(&[c"/dev", c"/dev/shm", c"/dev/shm/x", c"/devices"]);
        grounds.cover(c"/dev/shm");
        let paths: Vec<_> = grounds.0.iter().map(|(at, _)| *at).collect();
        assert_eq!(paths, [c"/dev", c"/devices"]);
        grounds.cover(c"/");
        assert!(grounds.0.is_empty());
    }
}
