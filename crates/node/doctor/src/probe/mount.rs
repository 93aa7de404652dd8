//! Mounts: all of them detached, so that dropping the fd is the whole clean-up.

use super::child::{SEVERAL_THREADS, UserNamespace, try_as_own_root};
use super::words;
use crate::check::Finding;
use crate::place::{Place, Scratch};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags};
use rustix::mount::{fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, open_tree};
use rustix::thread::CapabilitySet;
use std::path::PathBuf;
use tare_process::CloneFlags;
use tare_sys::{MountAttributes, mount_setattr};

const ONLY_ROOT: &str = "not tried: only root can";

pub(crate) fn api(place: &Place) -> Finding {
    let make = || {
        let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_create(&context)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
    };
    match make() {
        Ok(mount) => match mount_setattr(mount.as_fd(), false, &MountAttributes::default()) {
            Ok(()) => Finding::yes("fsopen, fsmount, mount_setattr"),
            Err(e) => Finding::partly(format!("mount_setattr (Linux 5.12): {}", words(e))),
        },
        // The permission is asked after the call is known.
        Err(Errno::PERM) if !place.has(CapabilitySet::SYS_ADMIN) => {
            Finding::yes("there; for this user inside a user namespace")
        }
        Err(Errno::PERM) => {
            Finding::no("denied to root too, as by the seccomp filter of a container around us")
        }
        Err(e) => Finding::no(words(e)),
    }
}

/// Three folders for an overlay beside the data, with a file to delete in the lower one.
struct Layers {
    scratch: Scratch,
    lower: PathBuf,
    upper: PathBuf,
    work: PathBuf,
}

impl Layers {
    fn make(place: &Place) -> Result<Layers, String> {
        let scratch = Scratch::below(Place::nearest(place.roots.data()))?;
        let lower = scratch.folder("lower")?;
        std::fs::write(lower.join("gone"), "x").map_err(|e| format!("cannot write a file: {}", e.kind()))?;
        Ok(Layers {
            upper: scratch.folder("upper")?,
            work: scratch.folder("work")?,
            lower,
            scratch,
        })
    }

    /// Mounts, deletes the file through the overlay, and looks at what the deletion left in the upper folder.
    fn try_overlay(&self, options: &[&str]) -> Result<(), Errno> {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, folder) in [
            ("lowerdir", &self.lower),
            ("upperdir", &self.upper),
            ("workdir", &self.work),
        ] {
            fsconfig_set_string(&context, key, folder.as_path())?;
        }
        for option in options {
            fsconfig_set_flag(&context, *option)?;
        }
        fsconfig_create(&context)?;
        let mount = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
        rustix::fs::unlinkat(&mount, "gone", AtFlags::empty())?;
        let whiteout = rustix::fs::statat(CWD, self.upper.join("gone"), AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(whiteout.st_mode) {
            FileType::CharacterDevice => Ok(()),
            _ => Err(Errno::OPNOTSUPP),
        }
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        // Overlay makes a folder of mode 0 in here, which its owner alone could not look into to remove it.
        let _ = rustix::fs::chmodat(CWD, self.work.join("work"), Mode::RWXU, AtFlags::empty());
    }
}

pub(crate) fn overlay(place: &Place) -> Finding {
    if !place.has(CapabilitySet::SYS_ADMIN) {
        return Finding::unknown(ONLY_ROOT);
    }
    let layers = match Layers::make(place) {
        Ok(layers) => layers,
        Err(why) => return Finding::unknown(why),
    };
    let folder = layers.scratch.path().parent().unwrap_or(layers.scratch.path());
    match layers.try_overlay(&[]) {
        Ok(()) => Finding::yes(format!("mounted, and a file deleted, in {}", folder.display())),
        Err(Errno::NODEV) => {
            Finding::no("the kernel has no overlay file system").mended_by("modprobe overlay")
        }
        Err(e) => Finding::no(format!("in {}: {}", folder.display(), words(e))),
    }
}

pub(crate) fn overlay_of_user(place: &Place) -> Finding {
    if !tare_sys::is_single_threaded() {
        return Finding::unknown(SEVERAL_THREADS);
    }
    let layers = match Layers::make(place) {
        Ok(layers) => layers,
        Err(why) => return Finding::unknown(why),
    };
    match try_as_own_root(|| layers.try_overlay(&["userxattr"])) {
        Ok(()) => Finding::yes("mounted, and a file deleted, in a user namespace"),
        Err(e) => Finding::no(words(e)),
    }
}

pub(crate) fn many_layers(place: &Place) -> Finding {
    if !place.has(CapabilitySet::SYS_ADMIN) {
        return Finding::unknown(ONLY_ROOT);
    }
    let layers = match Layers::make(place) {
        Ok(layers) => layers,
        Err(why) => return Finding::unknown(why),
    };
    // Before Linux 6.5 any option is taken here, and refused when the file system is made.
    let try_it = || {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        for layer in [&layers.lower, &layers.upper] {
            fsconfig_set_string(&context, "lowerdir+", layer.as_path())?;
        }
        fsconfig_create(&context)
    };
    match try_it() {
        Ok(()) => Finding::yes("layers one by one (lowerdir+)"),
        Err(e) => Finding::no(words(e)),
    }
}

pub(crate) fn id_mapped(place: &Place) -> Finding {
    if !place.has(CapabilitySet::SYS_ADMIN) {
        return Finding::unknown(ONLY_ROOT);
    }
    if !tare_sys::is_single_threaded() {
        return Finding::unknown(SEVERAL_THREADS);
    }
    let scratch = match Scratch::below(Place::nearest(place.roots.data())) {
        Ok(scratch) => scratch,
        Err(why) => return Finding::unknown(why),
    };
    let map = |folder: OwnedFd| {
        let namespace = UserNamespace::start(CloneFlags::NEWUSER, || Ok(()))?;
        map_by(folder.as_fd(), namespace.open()?.as_fd())?;
        namespace.let_go()
    };
    match scratch.open().map(map) {
        Ok(Ok(())) => Finding::yes(format!("in {}", Place::nearest(place.roots.data()).display())),
        Ok(Err(Errno::INVAL)) => Finding::no("the file system of the data folder does not support them"),
        Ok(Err(e)) => Finding::no(words(e)),
        Err(why) => Finding::unknown(why),
    }
}

fn map_by(folder: BorrowedFd<'_>, namespace: BorrowedFd<'_>) -> Result<(), Errno> {
    /// `MOUNT_ATTR_IDMAP`
    const IDMAP: u64 = 0x0010_0000;
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let mount = open_tree(folder, "", flags)?;
    let attributes = MountAttributes {
        set: IDMAP,
        user_namespace: u64::from(namespace.as_raw_fd().unsigned_abs()),
        ..MountAttributes::default()
    };
    mount_setattr(mount.as_fd(), false, &attributes)
}

pub(crate) fn data_folder(place: &Place) -> Finding {
    let folder = Place::nearest(place.roots.data());
    let Ok(facts) = rustix::fs::statfs(folder) else {
        return Finding::unknown(format!("cannot ask {}", folder.display()));
    };
    let name = file_system(facts.f_type.cast_unsigned());
    let free = facts.f_bavail.saturating_mul(facts.f_bsize.cast_unsigned()) >> 30;
    let detail = format!("{} on {name}, {free} GiB free", folder.display());
    match name {
        "nfs" | "cifs" | "9p" | "ceph" | "smb2" | "fuse" => {
            Finding::no(format!("{detail}: a network file system"))
        }
        "overlay" => Finding::no(format!(
            "{detail}: an overlay cannot be the upper folder of another"
        )),
        "tmpfs" => Finding::partly(format!("{detail}: images are gone after a reboot")),
        _ if free == 0 => Finding::partly(detail).mended_by("free some space: tare images, tare rmi"),
        _ => Finding::yes(detail),
    }
}

pub(crate) fn run_folder(place: &Place) -> Finding {
    let folder = Place::nearest(place.roots.run());
    match rustix::fs::statfs(folder).map(|facts| file_system(facts.f_type.cast_unsigned())) {
        Ok("tmpfs") => Finding::yes(format!("{} on tmpfs", folder.display())),
        Ok(name) => Finding::no(format!("{} on {name}", folder.display())),
        Err(e) => Finding::unknown(format!("{}: {}", folder.display(), words(e))),
    }
}

/// Names of the magic numbers in `statfs(2)`.
fn file_system(magic: u64) -> &'static str {
    match magic {
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlay",
        0x2fc1_2fc1 => "zfs",
        0xf2f5_2010 => "f2fs",
        0xca45_1a4e => "bcachefs",
        0x6969 => "nfs",
        0xff53_4d42 => "cifs",
        0xfe53_4d42 => "smb2",
        0x0102_1997 => "9p",
        0x00c3_6400 => "ceph",
        0x6573_5546 => "fuse",
        _ => "another file system",
    }
}
