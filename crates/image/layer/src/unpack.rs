//! From archive to directory: one pass, every entry placed below the held root.

use crate::attributes::{self, Birth, Made};
use crate::entry::{self, Attributes, Entry, What, padding};
use crate::held::{Held, Level, Peek, as_path, is_whiteout};
use crate::limits::{Limits, reached};
use crate::name::{Meaning, clean, hostile, meaning, shown, split};
use crate::stream::{Compression, Stream};
use crate::{Flavour, flavour::DEFAULT_ACL};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CString, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use tare_content::Digest;
use tare_error::{Context, Error, Kind, Result};
use tare_path::Root;

/// How to unpack.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the layer may cost at most.
    pub limits: Limits,
    /// Whose overlay marks are made.
    pub flavour: Flavour,
}

/// What is made of the archive's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// A layer in an empty directory.
    Layer,
    /// Files beside those that are there.
    Files {
        /// Whether device nodes are made.
        devices: bool,
    },
}

/// What a layer turned out to be.
#[derive(Debug)]
pub struct Unpacked {
    /// SHA-256 of the whole archive once inflated: the layer's DiffID (OCI image-spec, config.md#layer-diffid).
    pub diff_id: Digest,
    /// How it was compressed.
    pub compression: Compression,
    /// Bytes that were read.
    pub compressed: u64,
    /// Bytes of the archive once inflated.
    pub size: u64,
    /// Headers in the archive, extensions included.
    pub entries: u64,
    /// Directories that entries need and the layer does not carry, parents first; the empty path is the root. They
    /// have mode 0755, the process's ids and the time 0 until they are settled on the layers below.
    pub implied: Vec<PathBuf>,
    /// Hard links to files that this layer does not carry, in the order of the archive.
    pub links: Vec<Link>,
    /// Devices that were left out (`Flavour::Rootless`).
    pub skipped_devices: u64,
    /// Extended attributes that were left out: marks of overlayfs, labels, what the file system cannot have.
    pub dropped_xattrs: u64,
}

/// A hard link whose target must lie in a lower layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where the link is to be.
    pub name: PathBuf,
    /// What it is to be a link to.
    pub target: PathBuf,
}

/// Unpacks one layer below `into`, an empty directory that nobody else can reach (mode 0700 above it).
///
/// The reader is read to its end, so that digests over it are whole; an error of ours inside its `io::Error` comes
/// out unchanged. Nothing is flushed to disk: see `tare-snapshot`. After an error the directory holds a part of the
/// layer and is to be removed.
///
/// # Errors
/// `Corrupt` for damaged or hostile archives, `Exhausted` for a limit or a full disk, `Unsupported` for compression
/// or ids that cannot be had here, else those of the file system, each naming the entry.
pub fn unpack(reader: impl Read, into: &Root, options: &Options) -> Result<Unpacked> {
    unpack_as(reader, into, options, Manner::Layer)
}

/// Unpacks files below `into`, beside what is there already; others may change that meanwhile, and nothing they do leads out
/// of it.
///
/// No name means a deletion. A directory that is there keeps its owner, mode and times, and what it holds; anything else is
/// replaced by what has its name, but a directory never, nor another thing by a directory. Without `devices` no device is made.
///
/// # Errors
/// `Conflict` where one of the two is a directory and the other is not, else as [`unpack`].
pub fn unpack_files(reader: impl Read, into: &Root, options: &Options, devices: bool) -> Result<Unpacked> {
    unpack_as(reader, into, options, Manner::Files { devices })
}

fn unpack_as(mut reader: impl Read, into: &Root, options: &Options, manner: Manner) -> Result<Unpacked> {
    let mut stream = Stream::open(&mut reader, &options.limits)?;
    let mut unpacker = Unpacker::new(into, options, manner)?;
    let mut entries = 0;
    while let Some(entry) = entry::next(&mut stream, &options.limits, &mut entries)? {
        unpacker.place(&mut stream, entry)?;
    }
    unpacker.finish_directories()?;
    let (diff_id, size, compressed, compression) = stream.finish()?;
    let mut implied: Vec<_> = unpacker.implied.into_values().collect();
    if !unpacker.root_carried {
        implied.push(Vec::new());
    }
    implied.sort_unstable();
    Ok(Unpacked {
        diff_id,
        compression,
        compressed,
        size,
        entries,
        implied: implied.into_iter().map(path_buf).collect(),
        links: unpacker.links,
        skipped_devices: unpacker.skipped_devices,
        dropped_xattrs: unpacker.dropped_xattrs,
    })
}

struct Unpacker<'a> {
    root: &'a Root,
    options: &'a Options,
    manner: Manner,
    birth: Birth,
    held: Held<'a>,
    /// By inode: what can only be set once nothing more is made in a directory.
    later: HashMap<u64, Later>,
    implied: HashMap<u64, Vec<u8>>,
    links: Vec<Link>,
    /// Bytes of names and attributes kept in memory so far.
    kept: usize,
    root_carried: bool,
    skipped_devices: u64,
    dropped_xattrs: u64,
}

struct Later {
    path: Vec<u8>,
    atime: (i64, u32),
    mtime: (i64, u32),
    default_acl: Option<Vec<u8>>,
}

impl<'a> Unpacker<'a> {
    fn new(root: &'a Root, options: &'a Options, manner: Manner) -> Result<Unpacker<'a>> {
        Ok(Unpacker {
            root,
            options,
            manner,
            birth: Birth::of_process(),
            held: Held::new(root, options.flavour)?,
            later: HashMap::new(),
            implied: HashMap::new(),
            links: Vec::new(),
            kept: 0,
            root_carried: false,
            skipped_devices: 0,
            dropped_xattrs: 0,
        })
    }

    /// Makes what one entry says and passes over its data.
    fn place(&mut self, stream: &mut Stream<'_>, entry: Entry) -> Result<()> {
        let (stored, mut used) = (entry.stored, 0);
        match self.meaning(&entry.path)? {
            Meaning::Ignored => {}
            Meaning::Opaque(path) => {
                self.enter(&path)?;
                let fd = reopened(self.held.top()).op("open", shown(&path))?;
                self.options
                    .flavour
                    .set_opaque(fd.as_fd())
                    .op("mark as opaque", shown(&path))?;
            }
            Meaning::Whiteout { parent, name } => self.whiteout(&parent, name)?,
            Meaning::Entry(path) if path.is_empty() => self.root_entry(&entry)?,
            Meaning::Entry(path) => {
                let (parent, name) = split(&path);
                self.enter(parent)?;
                let name = CString::new(name).map_err(|_| hostile(&path, "name holds a NUL byte"))?;
                match entry.what {
                    What::Directory => self.directory(path, &name, &entry.attributes)?,
                    What::File { size, ref pieces } => {
                        let file = self.file(&path, &name, size)?;
                        match pieces {
                            None => copy(stream, &file, None, stored, &path)?,
                            Some(pieces) => {
                                rustix::fs::ftruncate(&file, size).op("set size of", shown(&path))?;
                                for p in pieces {
                                    copy(stream, &file, Some(p.offset), p.length, &path)?;
                                }
                            }
                        }
                        used = stored;
                        self.describe(Made::Open(file.as_fd()), &path, &entry.attributes, true)?;
                    }
                    What::HardLink { target } => self.hard_link(path, &name, &target)?,
                    ref node => self.node(&path, &name, node, &entry.attributes)?,
                }
            }
        }
        stream.skip(stored - used + padding(stored))
    }

    /// What a name asks for.
    fn meaning(&self, name: &[u8]) -> Result<Meaning> {
        match self.manner {
            Manner::Layer => meaning(name, &self.options.limits),
            Manner::Files { .. } => clean(name, &self.options.limits).map(Meaning::Entry),
        }
    }

    /// Enters a directory and notes those that had to be made for it.
    fn enter(&mut self, path: &[u8]) -> Result<()> {
        self.held.enter(path)?;
        if self.manner != Manner::Layer {
            // No layer below tells what they should be.
            self.held.made.clear();
        }
        for (inode, path) in std::mem::take(&mut self.held.made) {
            self.keep(2 * path.len())?;
            let zero = Later {
                path: path.clone(),
                atime: (0, 0),
                mtime: (0, 0),
                default_acl: None,
            };
            self.later.insert(inode, zero);
            self.implied.insert(inode, path);
        }
        Ok(())
    }

    /// The root's own entry, as in `./`.
    fn root_entry(&mut self, entry: &Entry) -> Result<()> {
        if !matches!(entry.what, What::Directory) {
            return Err(hostile(&entry.path, "the layer's root is no directory"));
        }
        self.root_carried = true;
        if self.manner != Manner::Layer {
            return Ok(());
        }
        self.held.enter(b"")?;
        let fd = reopened(self.held.top()).op("open", "/")?;
        self.settle_later(&fd, Vec::new(), &entry.attributes)?;
        self.held = Held::new(self.root, self.options.flavour)?;
        Ok(())
    }

    /// A directory: one that is there already keeps what it holds.
    fn directory(&mut self, path: Vec<u8>, name: &CString, wanted: &Attributes) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut opaque = false;
        match rustix::fs::mkdirat(self.held.top(), name, Mode::from(0o700)) {
            Ok(()) => {}
            Err(Errno::EXIST) if self.manner != Manner::Layer => {
                let fd = match rustix::fs::openat(self.held.top(), name, flags, Mode::empty()) {
                    Err(Errno::NOTDIR | Errno::LOOP) => {
                        return Err(in_the_way(&path, "something stands there that is no directory"));
                    }
                    opened => opened.op("open", shown(&path))?,
                };
                self.held.push(Level::new(path, fd)?);
                return Ok(());
            }
            Err(Errno::EXIST) => {
                let stat = rustix::fs::statat(self.held.top(), name, AtFlags::SYMLINK_NOFOLLOW)
                    .op("look at", shown(&path))?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    self.implied.remove(&stat.st_ino);
                } else {
                    // Deleted below by this layer and made anew: what lower layers have in it stays deleted.
                    opaque = is_whiteout(&stat);
                    self.replace(name, &path)?;
                    rustix::fs::mkdirat(self.held.top(), name, Mode::from(0o700))
                        .op("create directory", shown(&path))?;
                }
            }
            Err(e) => return Err(Error::os("create directory", shown(&path), e)),
        }
        let fd = rustix::fs::openat(self.held.top(), name, flags, Mode::empty()).op("open", shown(&path))?;
        self.settle_later(&fd, path.clone(), wanted)?;
        if opaque {
            self.options
                .flavour
                .set_opaque(fd.as_fd())
                .op("mark as opaque", shown(&path))?;
        }
        self.held.push(Level::with_gid(path, fd, wanted.gid));
        Ok(())
    }

    /// Owner, mode and attributes of a directory now; times and default ACL at the end.
    fn settle_later(&mut self, fd: &OwnedFd, path: Vec<u8>, wanted: &Attributes) -> Result<()> {
        let inode = rustix::fs::fstat(fd).op("look at", shown(&path))?.st_ino;
        self.dropped_xattrs += attributes::set(
            Made::Open(fd.as_fd()),
            &path,
            wanted,
            None,
            self.options.flavour,
            true,
        )?;
        let default_acl = wanted.xattrs.iter().find(|(name, _)| name == DEFAULT_ACL);
        self.keep(path.len() + default_acl.map_or(0, |(_, value)| value.len()))?;
        let later = Later {
            path,
            atime: wanted.atime,
            mtime: wanted.mtime,
            default_acl: default_acl.map(|(_, value)| value.clone()),
        };
        self.later.insert(inode, later);
        Ok(())
    }

    /// A new file, in place of whatever this layer had there.
    fn file(&mut self, path: &[u8], name: &CString, size: u64) -> Result<OwnedFd> {
        if size > self.options.limits.file_bytes {
            return Err(reached(shown(path), "file_bytes", self.options.limits.file_bytes));
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut made = rustix::fs::openat(self.held.top(), name, flags, Mode::from(0o600));
        if made.as_ref().is_err_and(|e| *e == Errno::EXIST) {
            self.replace(name, path)?;
            made = rustix::fs::openat(self.held.top(), name, flags, Mode::from(0o600));
        }
        made.op("create", shown(path))
    }

    /// A symbolic link, FIFO or device.
    fn node(&mut self, path: &[u8], name: &CString, what: &What, wanted: &Attributes) -> Result<()> {
        let device = match what {
            What::CharDevice { major, minor } | What::BlockDevice { major, minor } => {
                if self.options.flavour == Flavour::Rootless
                    || self.manner == (Manner::Files { devices: false })
                {
                    self.skipped_devices += 1;
                    return Ok(());
                }
                device_number(*major, *minor).ok_or_else(|| hostile(path, "device number does not fit"))?
            }
            _ => 0,
        };
        let mode = Mode::from(wanted.mode & 0o777);
        let (kind, has_mode) = match what {
            What::Symlink { target } => {
                if target.is_empty() || target.contains(&0) {
                    return Err(hostile(path, "a symbolic link has no valid target"));
                }
                (FileType::Symlink, false)
            }
            What::CharDevice { .. } if device == 0 => {
                return Err(hostile(
                    path,
                    "a 0/0 character device is overlayfs's own mark of a deletion",
                ));
            }
            What::CharDevice { .. } => (FileType::CharacterDevice, true),
            What::BlockDevice { .. } => (FileType::BlockDevice, true),
            _ => (FileType::Fifo, true),
        };
        let make = |held: &Held<'_>| match what {
            What::Symlink { target } => rustix::fs::symlinkat(target.as_slice(), held.top(), name),
            _ => rustix::fs::mknodat(held.top(), name, kind, mode, device),
        };
        let mut made = make(&self.held);
        if made == Err(Errno::EXIST) {
            self.replace(name, path)?;
            made = make(&self.held);
        }
        made.op("create", shown(path))?;
        let top = self.held.top();
        let birth = Some((self.birth, self.held.gid()));
        let made = Made::Named(top, name);
        self.dropped_xattrs += attributes::set(made, path, wanted, birth, self.options.flavour, has_mode)?;
        attributes::set_times(made, path, wanted.atime, wanted.mtime)
    }

    /// A hard link, to what this layer holds, or else noted for later.
    fn hard_link(&mut self, path: Vec<u8>, name: &CString, target: &[u8]) -> Result<()> {
        let Meaning::Entry(target) = self.meaning(target)? else {
            return Err(hostile(&path, "a hard link leads to a whiteout"));
        };
        if target.is_empty() {
            return Err(hostile(&path, "a hard link leads to the layer's root"));
        }
        let (parent, base) = split(&target);
        let base = CString::new(base).map_err(|_| hostile(&target, "name holds a NUL byte"))?;
        let found = match self.held.peek(parent).op("open", shown(parent))? {
            None => None,
            Some(dir) => match rustix::fs::statat(&dir, &base, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Some((dir, stat)),
                Err(Errno::NOENT) => None,
                Err(e) => return Err(Error::os("look at", shown(&target), e)),
            },
        };
        let Some((dir, stat)) = found else {
            if self.manner != Manner::Layer {
                return Err(hostile(&path, "a hard link leads to what is not there"));
            }
            self.keep(path.len() + target.len())?;
            self.links.push(Link {
                name: path_buf(path),
                target: path_buf(target),
            });
            return Ok(());
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return Err(hostile(&path, "a hard link leads to a directory")),
            _ if is_whiteout(&stat) => return Err(hostile(&path, "a hard link leads to a whiteout")),
            _ => {}
        }
        let mut made = rustix::fs::linkat(&dir, &base, self.held.top(), name, AtFlags::empty());
        if made == Err(Errno::EXIST) {
            let there = rustix::fs::statat(self.held.top(), name, AtFlags::SYMLINK_NOFOLLOW)
                .op("look at", shown(&path))?;
            if (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino) {
                return Ok(());
            }
            let dir = match dir {
                Peek::Opened(fd) => fd,
                Peek::Held(fd) => rustix::io::fcntl_dupfd_cloexec(fd, 3).op("hold", shown(parent))?,
            };
            self.replace(name, &path)?;
            made = rustix::fs::linkat(&dir, &base, self.held.top(), name, AtFlags::empty());
        }
        made.op("link", shown(&path))
    }

    /// Hides `name` of lower layers; what this layer itself has under the name stays.
    fn whiteout(&mut self, parent: &[u8], name: Vec<u8>) -> Result<()> {
        self.enter(parent)?;
        let path = shown(&[parent, b"/", &name].concat());
        let name = CString::new(name).map_err(|_| hostile(parent, "name holds a NUL byte"))?;
        let mode = Mode::empty();
        match rustix::fs::mknodat(self.held.top(), &name, FileType::CharacterDevice, mode, 0) {
            // A fixed time: the same layer gives the same tree.
            Ok(()) => {
                let made = Made::Named(self.held.top(), &name);
                return attributes::set_times(made, path.as_bytes(), (0, 0), (0, 0));
            }
            Err(Errno::EXIST) => {}
            Err(e) => return Err(Error::os("create whiteout", path, e)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(self.held.top(), &name, flags, Mode::empty()) {
            Ok(fd) => {
                self.implied
                    .remove(&rustix::fs::fstat(&fd).op("look at", &path)?.st_ino);
                self.options
                    .flavour
                    .set_opaque(fd.as_fd())
                    .op("mark as opaque", &path)
            }
            Err(Errno::NOTDIR | Errno::LOOP) => Ok(()),
            Err(e) => Err(Error::os("open", path, e)),
        }
    }

    /// Counts what is kept in memory until the end.
    fn keep(&mut self, bytes: usize) -> Result<()> {
        // Each name also takes a place in a table.
        self.kept += bytes + 64;
        match self.kept > self.options.limits.names {
            true => Err(reached("layer", "names", self.options.limits.names)),
            false => Ok(()),
        }
    }

    /// As [`Unpacker::clear`], with words for what may not go.
    fn replace(&mut self, name: &CString, path: &[u8]) -> Result<()> {
        match self.clear(name) {
            Err(Errno::ISDIR) => Err(in_the_way(path, "a directory stands there")),
            done => done.op("replace", shown(path)),
        }
    }

    /// Removes what this layer has under `name` in the top directory.
    fn clear(&mut self, name: &CString) -> rustix::io::Result<()> {
        if self.manner != Manner::Layer {
            // EISDIR for a directory: that is never taken away.
            self.held.forget();
            return match rustix::fs::unlinkat(self.held.top(), name, AtFlags::empty()) {
                Err(Errno::NOENT) => Ok(()),
                removed => removed,
            };
        }
        let stat = rustix::fs::statat(self.held.top(), name, AtFlags::SYMLINK_NOFOLLOW)?;
        tare_path::remove_tree(self.held.top(), name)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory || kind == FileType::Symlink {
            self.held.forget();
        }
        Ok(())
    }

    /// Everything but the data of a new file.
    fn describe(&mut self, made: Made<'_>, path: &[u8], wanted: &Attributes, mode: bool) -> Result<()> {
        let birth = Some((self.birth, self.held.gid()));
        self.dropped_xattrs += attributes::set(made, path, wanted, birth, self.options.flavour, mode)?;
        attributes::set_times(made, path, wanted.atime, wanted.mtime)
    }

    /// Times and default ACLs of directories; those that were replaced since are not there any more.
    fn finish_directories(&mut self) -> Result<()> {
        for (inode, later) in std::mem::take(&mut self.later) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let fd = match self.root.open(as_path(&later.path), flags, Mode::empty()) {
                Ok(fd) => fd,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                Err(e) => return Err(Error::os("open", shown(&later.path), e)),
            };
            if rustix::fs::fstat(&fd).op("look at", shown(&later.path))?.st_ino != inode {
                continue;
            }
            if let Some(acl) = &later.default_acl {
                self.dropped_xattrs += attributes::set_default_acl(fd.as_fd(), &later.path, acl)?;
            }
            attributes::set_times(Made::Open(fd.as_fd()), &later.path, later.atime, later.mtime)?;
        }
        Ok(())
    }
}

/// Copies `length` bytes of the archive into the file, at `offset` or where it stands.
fn copy(
    stream: &mut Stream<'_>,
    file: &OwnedFd,
    offset: Option<u64>,
    length: u64,
    path: &[u8],
) -> Result<()> {
    let mut done = 0;
    while done < length {
        let have = stream.fill()?;
        if have.is_empty() {
            return Err(stream.short());
        }
        let now = usize::try_from(length - done).map_or(have.len(), |n| n.min(have.len()));
        let wrote = match offset {
            None => rustix::io::write(file, &have[..now]),
            Some(offset) => rustix::io::pwrite(file, &have[..now], offset + done),
        };
        let wrote = match wrote {
            Err(Errno::INTR) => continue,
            other => other.op("write", shown(path))?,
        };
        stream.consume(wrote);
        done += wrote as u64;
    }
    Ok(())
}

/// The error of something in whose place nothing else may come.
fn in_the_way(path: &[u8], why: &str) -> Error {
    Error::new(Kind::Conflict, "write", shown(path)).because(why)
}

/// A device number as the kernel keeps it (12 bits and 20 bits); a larger one would be cut to another device.
fn device_number(major: i64, minor: i64) -> Option<u64> {
    let major = u32::try_from(major).ok().filter(|&n| n < 1 << 12)?;
    let minor = u32::try_from(minor).ok().filter(|&n| n < 1 << 20)?;
    Some(rustix::fs::makedev(major, minor))
}

/// A descriptor for changing a directory that is held for look-ups only.
fn reopened(dir: impl AsFd) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(dir, ".", flags, Mode::empty())
}

fn path_buf(path: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(path))
}
