//! Writable tops, and the mounts that make a root of layers.

use crate::attributes::{self, At};
use crate::removal::{self, open, random_name};
use crate::stage::{fs_root, write_json};
use crate::view::is_opaque;
use crate::{ChainId, Flavour, Snapshots};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::PathBuf;
use tare_error::{Context, Error, Kind, Result};
use tare_path::Root;
use tare_spec_oci::Mount;

/// The file system that makes one root of layers.
const OVERLAY: &str = "overlay";

/// As many layers as overlayfs takes (`OVL_MAX_STACK`) above the ground.
const LOWERS: usize = 499;

/// `top.json`: what a top lies on.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    version: u32,
    /// Chain ids, base first.
    layers: Vec<String>,
}

impl Snapshots {
    /// Makes a writable top for the container `id` over the layers of `chain` (base first; all present).
    /// Nothing is flushed: a top without its container's record means nothing.
    ///
    /// # Errors
    /// `AlreadyExists`; `NotFound` for a layer; `Unsupported` where overlayfs cannot write on this file system or the
    /// image has too many layers; else the file system's.
    pub fn prepare(&self, id: &str, chain: &[ChainId]) -> Result<()> {
        check(id)?;
        self.check_writable()?;
        self.lowers(chain)?;
        let (name, held) = self.new_directory().op("prepare snapshot", id)?;
        let made = self.fill(&name, &held, chain).and_then(|()| {
            rustix::fs::renameat_with(&self.dir, &name, &self.dir, id, RenameFlags::NOREPLACE)
                .op("prepare snapshot", id)
        });
        made.map_err(|e| match removal::remove_held(self.dir.as_fd(), &name) {
            Ok(()) => e,
            Err(also) => e.also(Error::os("remove", self.path.join(&name).display(), also)),
        })
    }

    /// The mounts that make the root of the container `id`, for `/`.
    ///
    /// # Errors
    /// `NotFound` for the top or a layer below it, else the file system's.
    pub fn mounts(&self, id: &str) -> Result<Vec<Mount>> {
        check(id)?;
        let chain = self.chain_of(id)?;
        let top = self.path.join(id);
        let mut lowers = self.lowers(&chain)?;
        if lowers.is_empty() {
            return Ok(vec![bind(top.join("fs"), &["rbind", "rw"])]);
        }
        lowers.extend(self.ground()?);
        let upper = [
            format!("upperdir={}", top.join("fs").display()),
            format!("workdir={}", top.join("work").display()),
        ];
        let mut more = upper.to_vec();
        if self.flavour == Flavour::Privileged {
            // What a kernel may have on by itself, and for which a top would not say alone what was written. Where marks are
            // user.* the kernel has both off.
            more.extend(["redirect_dir=nofollow", "metacopy=off"].map(str::to_owned));
        }
        Ok(vec![self.overlay(&lowers, more)])
    }

    /// As [`Snapshots::mounts`], for a top that is thrown away with its container: the end of the mount waits for no disk. Any
    /// other's has the kernel write out all that is not on that disk yet, whoever wrote it (overlayfs, "Volatile mount", Linux 5.10).
    ///
    /// # Errors
    /// As [`Snapshots::mounts`].
    pub fn passing_mounts(&self, id: &str) -> Result<Vec<Mount>> {
        let mut mounts = self.mounts(id)?;
        for mount in mounts.iter_mut().filter(|mount| is_overlay(mount)) {
            mount.options.push("volatile".to_owned());
        }
        self.unmark(id).op("prepare snapshot", id).map(|()| mounts)
    }

    /// Removes the mark of an earlier mount like that, with which there is none again: nobody is to trust such a top after a crash.
    /// No container that had one outlives that.
    fn unmark(&self, id: &str) -> rustix::io::Result<()> {
        let top = open(self.dir.as_fd(), id)?;
        let work = open(top.as_fd(), "work").and_then(|work| open(work.as_fd(), "work"));
        let removed = work.and_then(|work| tare_path::remove_tree(work.as_fd(), c"incompat"));
        match removed {
            Err(Errno::NOENT) => Ok(()),
            done => done,
        }
    }

    /// The mounts that show the layers of `chain` (base first), read-only, for `/`.
    ///
    /// # Errors
    /// `NotFound` for a layer, `Invalid` for no layers, else the file system's.
    pub fn view(&self, chain: &[ChainId]) -> Result<Vec<Mount>> {
        let lowers = self.lowers(chain)?;
        match &lowers[..] {
            [] => Err(Error::new(Kind::Invalid, "view snapshot", "").because("the image has no layers")),
            [one] => Ok(vec![bind(one.clone(), &["rbind", "ro"])]),
            _ => Ok(vec![self.overlay(&lowers, vec!["ro".to_owned()])]),
        }
    }

    /// The mounts that show a top over its layers, read-only, for `/`. What its container writes meanwhile may be seen or not.
    ///
    /// # Errors
    /// `NotFound` for the top or a layer below it, else the file system's.
    pub fn whole(&self, id: &str) -> Result<Vec<Mount>> {
        check(id)?;
        let mut lowers = vec![self.path.join(id).join("fs")];
        if !is_opaque(self.top(id)?.as_fd(), self.flavour).op("look at snapshot", id)? {
            lowers.extend(self.lowers(&self.chain_of(id)?)?);
            lowers.extend(self.ground()?);
        }
        match &lowers[..] {
            [one] => Ok(vec![bind(one.clone(), &["rbind", "ro"])]),
            _ => Ok(vec![self.overlay(&lowers, vec!["ro".to_owned()])]),
        }
    }

    /// What the container `id` has written, as overlayfs keeps it.
    ///
    /// # Errors
    /// `NotFound`, else the file system's.
    pub fn top(&self, id: &str) -> Result<Root> {
        check(id)?;
        let top = open(self.dir.as_fd(), id).op("open snapshot", id)?;
        fs_root(&top).op("open snapshot", id)
    }

    /// The layers a top lies on, base first.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt` for a damaged record, else the file system's.
    pub fn chain_of(&self, id: &str) -> Result<Vec<ChainId>> {
        check(id)?;
        let top = open(self.dir.as_fd(), id).op("open snapshot", id)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&top, "top.json", flags, Mode::empty()).op("open snapshot", id)?;
        let text = std::io::read_to_string(File::from(fd)).op("read snapshot", id)?;
        let description: Description = serde_json::from_str(&text)
            .map_err(|e| Error::new(Kind::Corrupt, "read snapshot", id).from_source(e))?;
        description.layers.iter().map(|layer| layer.parse()).collect()
    }

    /// Whether overlayfs can write on the file system of the snapshots: by its kind, as no mount is made here.
    ///
    /// # Errors
    /// `Unsupported`, with what to do.
    pub fn check_writable(&self) -> Result<()> {
        let about = rustix::fs::fstatfs(&self.dir).op("look at", self.path.display())?;
        // linux/magic.h; an upper needs d_type, RENAME_WHITEOUT and (but for userxattr) trusted attributes.
        let name = match u64::try_from(about.f_type).unwrap_or(0) {
            0x794c_7630 => "overlay",
            0x6969 => "nfs",
            0xff53_4d42 | 0xfe53_4d42 => "cifs",
            0x0102_1997 => "9p",
            0x4d44 => "vfat",
            0x2011_bab0 => "exfat",
            0xf15f => "ecryptfs",
            _ => return Ok(()),
        };
        Err(Error::new(
            Kind::Unsupported,
            "keep writable snapshots in",
            self.path.display(),
        )
        .because(format!("overlayfs cannot write on {name}"))
        .hint("put the data directory on ext4, xfs, btrfs or tmpfs; inside a container, on a volume"))
    }

    /// The directories of the layers, nearest first, down to one whose root hides all below it.
    fn lowers(&self, chain: &[ChainId]) -> Result<Vec<PathBuf>> {
        let mut lowers = Vec::with_capacity(chain.len());
        for layer in chain.iter().rev() {
            let dir = open(self.dir.as_fd(), &layer.name()).op("open layer", layer)?;
            let fs = open(dir.as_fd(), "fs").op("open layer", layer)?;
            lowers.push(self.path.join(layer.name()).join("fs"));
            if is_opaque(fs.as_fd(), self.flavour).op("look at layer", layer)? {
                break;
            }
        }
        if lowers.len() > LOWERS {
            return Err(Error::new(
                Kind::Unsupported,
                "stack layers",
                format!("{} layers", lowers.len()),
            )
            .because(format!("overlayfs takes at most {LOWERS}")));
        }
        Ok(lowers)
    }

    /// A new directory that no sweep takes: locked, and there after the lock was had.
    pub(crate) fn new_directory(&self) -> rustix::io::Result<(String, OwnedFd)> {
        loop {
            let name = random_name(".new-")?;
            rustix::fs::mkdirat(&self.dir, &name, Mode::from(0o700))?;
            let held = match open(self.dir.as_fd(), &name) {
                Ok(held) => held,
                Err(Errno::NOENT) => continue,
                Err(e) => return Err(e),
            };
            removal::lock(&held)?;
            if removal::still_there(self.dir.as_fd(), &name, held.as_fd())? {
                return Ok((name, held));
            }
        }
    }

    /// Fills a new top: its root directory looks like that of the layers.
    fn fill(&self, name: &str, top: &OwnedFd, chain: &[ChainId]) -> Result<()> {
        let at = || self.path.join(name).display().to_string();
        for (dir, mode) in [("fs", 0o755), ("work", 0o700)] {
            rustix::fs::mkdirat(top, dir, Mode::from(0o700)).op("create", at())?;
            rustix::fs::chmodat(top, dir, Mode::from(mode), rustix::fs::AtFlags::empty())
                .op("create", at())?;
        }
        if let Some(layer) = chain.last() {
            let dir = open(self.dir.as_fd(), &layer.name()).op("open layer", layer)?;
            let (from, to) = (
                fs_root(&dir).op("open layer", layer)?,
                fs_root(top).op("open", at())?,
            );
            attributes::copy(At(from.as_fd(), c"."), At(to.as_fd(), c"."), self.flavour)
                .op("prepare", at())?;
        }
        let layers = chain.iter().map(ChainId::to_string).collect();
        write_json(top, "top.json", &Description { version: 1, layers })
    }

    fn overlay(&self, lowers: &[PathBuf], more: Vec<String>) -> Mount {
        let lowers: Vec<String> = lowers
            .iter()
            .map(|path| escaped(&path.display().to_string()))
            .collect();
        let mut options = vec![format!("lowerdir={}", lowers.join(":"))];
        options.extend(more);
        options.push("index=off".to_owned());
        if self.flavour == Flavour::Rootless {
            options.push("userxattr".to_owned());
        }
        Mount {
            destination: PathBuf::from("/"),
            kind: Some(OVERLAY.to_owned()),
            source: Some(PathBuf::from("overlay")),
            options,
            ..Mount::default()
        }
    }
}

/// Refuses ids that are no plain file name or could be taken for something else here.
pub(crate) fn check(id: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    let good = !id.is_empty() && id.len() <= 255 && id.bytes().all(plain) && !id.starts_with(['.', '-']);
    if good && !id.starts_with("sha256-") {
        return Ok(());
    }
    Err(Error::new(Kind::Invalid, "name snapshot", id).because("it is not letters, digits, '_', '.', '-'"))
}

/// A lower directory as overlayfs reads it: a colon parts two of them.
fn escaped(path: &str) -> String {
    path.replace('\\', "\\\\").replace(':', "\\:")
}

fn is_overlay(mount: &Mount) -> bool {
    mount.kind.as_deref() == Some(OVERLAY)
}

fn bind(source: PathBuf, options: &[&str]) -> Mount {
    Mount {
        destination: PathBuf::from("/"),
        kind: Some("bind".to_owned()),
        source: Some(source),
        options: options.iter().map(|&o| o.to_owned()).collect(),
        ..Mount::default()
    }
}
