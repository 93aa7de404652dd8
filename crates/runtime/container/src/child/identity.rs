//! Who the process is and what it may do. Nothing here allocates; see [`crate::child`].

use crate::child::{Child, Done};
use rustix::fd::AsFd;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{Gid, Uid};
use std::ffi::CStr;
use tare_mount::{Target, open_in_root};
use tare_process::{CapabilitySet, set_ambient, set_stdio, set_thread_capabilities};

impl Child<'_> {
    pub(super) fn set_up_stdio(&self, owner: Uid) -> Done {
        if let Some(terminal) = &self.handles.terminal {
            set_stdio(terminal.as_fd(), terminal.as_fd(), terminal.as_fd())?;
            return Ok(rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?);
        }
        let [stdin, stdout, stderr] = self.stdio.ok_or(Errno::BADF)?;
        set_stdio(stdin, stdout, stderr)?;
        // A user that is not root must be able to open /dev/stdout, which a pipe grants its owner alone. Files and
        // terminals of the caller keep their owner.
        for fd in [
            rustix::stdio::stdin(),
            rustix::stdio::stdout(),
            rustix::stdio::stderr(),
        ] {
            let found = rustix::fs::fstat(fd)?;
            if FileType::from_raw_mode(found.st_mode) == FileType::Fifo && found.st_uid != owner.as_raw() {
                match rustix::fs::fchown(fd, Some(owner), None) {
                    // An owner that this user namespace does not map keeps its pipe.
                    Ok(()) | Err(Errno::PERM | Errno::INVAL | Errno::ROFS) => {}
                    Err(e) => return Err(e.into()),
                }
            }
        }
        Ok(())
    }

    pub(super) fn make_directory(&self, target: &Target) -> Done {
        match target.directory(self.root()?) {
            // Entering it tells what is wrong.
            Ok(_) | Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Enters the working directory by a look-up that cannot leave the root or follow a magic link (CVE-2024-21626).
    pub(super) fn enter_directory(&mut self, path: &CStr, as_user: bool) -> Done {
        if as_user && !self.handles.directory_as_user {
            return Ok(());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let entered = open_in_root(self.root()?, path, flags, ResolveFlags::empty())
            .and_then(|directory| rustix::process::fchdir(&directory));
        match entered {
            Err(Errno::ACCESS) if !as_user => {
                self.handles.directory_as_user = true;
                Ok(())
            }
            done => Ok(done?),
        }
    }
}

pub(super) fn limit(resource: Resource, soft: Option<u64>, hard: Option<u64>) -> Done {
    let wanted = Rlimit {
        current: soft,
        maximum: hard,
    };
    Ok(rustix::process::setrlimit(resource, wanted)?)
}

pub(super) fn become_user(
    uid: Uid,
    gid: Gid,
    groups: Option<&[Gid]>,
    groups_may_stay: bool,
    umask: u32,
) -> Done {
    rustix::thread::set_keep_capabilities(true)?;
    match groups.map(rustix::thread::set_thread_groups) {
        None => {}
        Some(Err(Errno::PERM)) if groups_may_stay => {}
        Some(done) => done?,
    }
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    rustix::thread::set_keep_capabilities(false)?;
    rustix::process::umask(Mode::from_raw_mode(umask));
    Ok(())
}

/// Sets four sets, as far as they can be granted: what this process does not hold it cannot give (runtime-spec:
/// "Runtimes SHOULD NOT fail if the container configuration requests capabilities that cannot be granted").
pub(super) fn set_capabilities(
    effective: CapabilitySet,
    permitted: CapabilitySet,
    inheritable: CapabilitySet,
    ambient: CapabilitySet,
) -> Done {
    let held = rustix::thread::capabilities(None)?.permitted;
    let permitted = permitted & held;
    let inheritable = inheritable & held;
    set_thread_capabilities(effective & permitted, permitted, inheritable)?;
    Ok(set_ambient(ambient & permitted & inheritable)?)
}
