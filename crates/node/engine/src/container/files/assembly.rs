//! The files of a container that does not run, mounted for one thread alone.

use crate::Engine;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountPropagationFlags};
use std::path::Path;
use tare_error::{Context, Error, Kind, Result};
use tare_mount::{Applied, Attributes, Options, Overlay, Target};
use tare_path::Root;
use tare_spec_oci::{Mount, Spec};
use tare_sys::CloneFlags;

/// A mount that hangs nowhere yet, and where it belongs.
struct Loose {
    target: Target,
    mount: OwnedFd,
    directory: bool,
    read_only: bool,
}

impl Engine {
    /// Does something with a container's files as they would be if it ran. Nobody starts it meanwhile: its pod is held.
    pub(super) fn assembled<T: Send>(
        &self,
        id: &str,
        act: impl FnOnce(&Root) -> Result<T> + Send,
    ) -> Result<T> {
        let spec = self.spec_of(id)?;
        let mounts = self.snapshots().mounts(id)?;
        let folder = self.container_folder(id);
        // The mounts are those of a thread: with it they go, be this process killed or not.
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| act(&assemble(&mounts, &spec, &folder)?));
            thread
                .join()
                .unwrap_or_else(|_| Err(Error::new(Kind::Internal, "look at the files of", id)))
        })
    }
}

/// Mounts everything over the container's folder, which nothing else of this thread needs.
fn assemble(mounts: &[Mount], spec: &Spec, folder: &Path) -> Result<Root> {
    let shown = folder.display();
    tare_sys::unshare(CloneFlags::NEWNS).op("make mounts of its own for", &shown)?;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .op("part mounts of", &shown)?;
    let loose: Vec<Loose> = spec
        .mounts
        .iter()
        .filter_map(|mount| loosened(mount).transpose())
        .collect::<Result<_>>()?;
    let root = attach_root(mounts, folder)?;
    let read_only = spec.root.as_ref().is_some_and(|root| root.readonly);
    for Loose {
        target,
        mount,
        directory,
        read_only,
    } in loose
    {
        let at = match directory {
            true => target.directory(root.as_fd()),
            false => target.file(root.as_fd()),
        };
        let at = at.op("mount on", target.path().to_string_lossy())?;
        tare_mount::attach(mount.as_fd(), at.as_fd()).op("mount on", target.path().to_string_lossy())?;
        if read_only {
            protect(&mount)?;
        }
    }
    if read_only {
        protect(&root)?;
    }
    Ok(Root::from_fd(root))
}

/// The container's root, mounted over its folder.
fn attach_root(mounts: &[Mount], folder: &Path) -> Result<OwnedFd> {
    let shown = folder.display();
    let [mount] = mounts else {
        return Err(
            Error::new(Kind::Unsupported, "look at the files of", shown).because("its root is not one mount")
        );
    };
    let over = open(folder)?;
    let source = mount.source.as_deref().unwrap_or(Path::new(""));
    let root = if mount.kind.as_deref() == Some("overlay") {
        let overlay = Overlay::prepare(&Options::parse(&mount.options)).op("mount the root of", &shown)?;
        match overlay.make() {
            Err(refused) if refused.errno == Errno::NOSYS => {
                // As in kernels before 6.7: where it hangs, it is found by its path again.
                overlay
                    .make_old(over.as_fd())
                    .map_err(|refused| Error::os("mount the root of", &shown, refused.errno))?;
                return open(folder);
            }
            made => made.map_err(|refused| Error::os("mount the root of", &shown, refused.errno))?,
        }
    } else {
        let source = open(source)?;
        tare_mount::clone_tree(source.as_fd(), false).op("mount the root of", &shown)?
    };
    tare_mount::attach(root.as_fd(), over.as_fd()).op("mount the root of", &shown)?;
    Ok(root)
}

/// What a mount of the specification shows of this machine: a volume, a directory, a generated file. The kernel's own file
/// systems are there only while the container runs.
fn loosened(mount: &Mount) -> Result<Option<Loose>> {
    let of_kernel = ["/proc", "/sys", "/dev"]
        .iter()
        .any(|path| mount.destination.starts_with(path));
    let Some(source) = mount
        .source
        .as_deref()
        .filter(|_| !of_kernel && mount.kind.as_deref() == Some("bind"))
    else {
        return Ok(None);
    };
    let held = match rustix::fs::openat(CWD, source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        // Without it the container could not start; its files can be looked at.
        Err(Errno::NOENT) => return Ok(None),
        opened => opened.op("open", source.display())?,
    };
    let about = rustix::fs::fstat(&held).op("look at", source.display())?;
    let has = |option: &str| mount.options.iter().any(|o| o == option);
    Ok(Some(Loose {
        target: Target::prepare(&mount.destination).op("mount on", mount.destination.display())?,
        mount: tare_mount::clone_tree(held.as_fd(), has("rbind")).op("mount", source.display())?,
        directory: FileType::from_raw_mode(about.st_mode) == FileType::Directory,
        read_only: has("ro") || has("rro"),
    }))
}

/// Makes a mount read-only, its own top alone.
fn protect(mount: &OwnedFd) -> Result<()> {
    let attributes = Attributes {
        set: MountAttrFlags::MOUNT_ATTR_RDONLY,
        ..Attributes::default()
    };
    match attributes
        .apply(mount.as_fd(), false)
        .op("make read-only", "a mount")?
    {
        Applied::Yes => Ok(()),
        Applied::AfterAttach => attributes.remount(mount.as_fd()).op("make read-only", "a mount"),
    }
}

fn open(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).op("open", path.display())
}
