//! Confining by Landlock. Nothing here allocates; see [`crate::child`].

use crate::child::{Child, Done};
use crate::step::LandlockStep;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{FileType, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::CStr;
use tare_mount::open_in_root;
use tare_sys::PathRights;

impl Child<'_> {
    pub(super) fn confine(&mut self, step: &LandlockStep) -> Done {
        match step {
            LandlockStep::Forbid { paths, ports, scopes } => {
                self.handles.ruleset = Some(tare_sys::make_ruleset(*paths, *ports, *scopes)?);
            }
            LandlockStep::AllowBelow { path, rights } => self.allow_below(path, *rights)?,
            LandlockStep::AllowPort { port, rights } => {
                match tare_sys::allow_port(self.ruleset()?, *port, *rights) {
                    // Without TCP there is nothing to allow.
                    Ok(()) | Err(Errno::AFNOSUPPORT) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            LandlockStep::Confine => {
                tare_sys::restrict_self(self.ruleset()?)?;
                self.handles.ruleset = None;
            }
        }
        Ok(())
    }

    /// Allows something below a path of the container, which is looked up in its root and nowhere else.
    fn allow_below(&self, path: &CStr, rights: PathRights) -> Done {
        let place = open_in_root(self.root()?, path, OFlags::PATH, ResolveFlags::empty())?;
        let rights = match FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode) {
            FileType::Directory => rights,
            _ => rights & PathRights::OF_FILES,
        };
        if rights.is_empty() {
            return Err(Errno::NOTDIR.into());
        }
        Ok(tare_sys::allow_below(self.ruleset()?, place.as_fd(), rights)?)
    }

    fn ruleset(&self) -> Result<BorrowedFd<'_>, Errno> {
        self.handles.ruleset.as_ref().map(AsFd::as_fd).ok_or(Errno::BADF)
    }
}
