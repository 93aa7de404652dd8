//! What is where in a new mount namespace, and where the program starts.

use super::c_path;
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use std::path::PathBuf;
use tare_error::{Context, Error, Kind, Result};

/// How mounts are passed on between the old mount namespace and the new one (mount_namespaces(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// Neither way.
    #[default]
    Private,
    /// From the old one to the new one.
    Slave,
    /// Both ways.
    Shared,
    /// As they are.
    Unchanged,
}

/// Where a program finds itself.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// What becomes of mounts that are shared.
    pub propagation: Propagation,
    /// Where a `/proc` of the new pid namespace is mounted.
    pub proc: Option<PathBuf>,
    /// The directory that becomes `/`.
    pub root: Option<PathBuf>,
    /// The working directory, as seen from the new `/`.
    pub directory: Option<PathBuf>,
}

impl Propagation {
    /// Its words.
    pub const WORDS: &'static [&'static str] = &["private", "slave", "shared", "unchanged"];

    /// Reads one of [`Propagation::WORDS`].
    ///
    /// # Errors
    /// `Invalid` for any other.
    pub fn parse(word: &str) -> Result<Propagation> {
        match word {
            "private" => Ok(Propagation::Private),
            "slave" => Ok(Propagation::Slave),
            "shared" => Ok(Propagation::Shared),
            "unchanged" => Ok(Propagation::Unchanged),
            _ => Err(Error::new(Kind::Invalid, "read propagation", format!("{word:?}"))
                .because("there is none of that name")
                .hint(format!("it is one of {}", Propagation::WORDS.join(", ")))),
        }
    }

    fn flags(self) -> Option<MountPropagationFlags> {
        let one = match self {
            Propagation::Private => MountPropagationFlags::PRIVATE,
            Propagation::Slave => MountPropagationFlags::DOWNSTREAM,
            Propagation::Shared => MountPropagationFlags::SHARED,
            Propagation::Unchanged => return None,
        };
        Some(one | MountPropagationFlags::REC)
    }
}

impl Place {
    /// Sets the propagation of all mounts.
    pub(super) fn propagate(&self) -> Result<()> {
        self.propagation.flags().map_or(Ok(()), |flags| {
            mount_change(c"/", flags).op("set the propagation of", "/")
        })
    }

    /// Goes there.
    pub(super) fn enter(&self) -> Result<()> {
        if let Some(root) = &self.root {
            rustix::process::chroot(root).op("change root to", root.display())?;
        }
        let top = self.root.as_ref().map(|_| PathBuf::from("/"));
        if let Some(directory) = self.directory.as_ref().or(top.as_ref()) {
            rustix::process::chdir(directory).op("change directory to", directory.display())?;
        }
        let Some(proc) = &self.proc else {
            return Ok(());
        };
        let at = c_path(proc)?;
        if self.root.is_none() && self.propagation != Propagation::Private {
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            match mount_change(&*at, private) {
                // No mount is there yet.
                Ok(()) | Err(Errno::INVAL) => {}
                Err(e) => return Err(Error::os("set the propagation of", proc.display(), e)),
            }
        }
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(c"proc", &*at, c"proc", flags, None).op("mount proc on", proc.display())
    }
}
