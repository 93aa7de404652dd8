//! From files to an archive: a tree walked by held descriptors, each entry looked at before it is opened.
//!
//! What is packed may belong to a container that runs and changes it meanwhile. So no name is looked up twice and no link
//! is followed; only what is a regular file or a directory by its own descriptor is ever opened; a file that grows is cut
//! at the size that was written, one that shrinks is filled up with zeros.

mod header;

use crate::Flavour;
use crate::held::is_whiteout;
use crate::limits::{Limits, reached};
use crate::name::shown;
use header::Header;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashMap};
use std::ffi::CString;
use std::io::{Read, Write};
use tare_error::{Context, Result};

/// How many directories may lie in each other: each is held open while what is in it is packed.
const DEEPEST: usize = 512;

/// How to pack.
#[derive(Clone, Debug)]
pub struct Packing {
    /// What the archive may cost at most: entries, bytes, names kept for hard links.
    pub limits: Limits,
    /// Whose overlay marks these are.
    pub flavour: Flavour,
    /// Whether they become entries, as in a layer; else what hides something is left out.
    pub marks: bool,
    /// Who owns everything; absent: who owns it on disk.
    pub owner: Option<(u32, u32)>,
    /// Which bits of the modes are kept.
    pub mode: u32,
    /// Whether extended attributes are kept.
    pub xattrs: bool,
    /// Names in the archive that are left out with all below them, without a slash at the end.
    pub skip: BTreeSet<Vec<u8>>,
}

impl Packing {
    /// Everything as it is, for a tree seen through overlayfs or through no overlay at all.
    pub fn whole(limits: Limits, flavour: Flavour) -> Packing {
        Packing {
            limits,
            flavour,
            marks: false,
            owner: None,
            mode: 0o7777,
            xattrs: true,
            skip: BTreeSet::new(),
        }
    }
}

/// What was packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// Entries in the archive.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Sockets, which archives do not have.
    pub sockets: u64,
}

/// An archive being written.
pub struct Packer<'a> {
    out: &'a mut dyn Write,
    packing: Packing,
    /// By device and inode: under which name a file with several names was packed first.
    links: HashMap<(u64, u64), Vec<u8>>,
    kept: usize,
    packed: Packed,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Packer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer")
            .field("packed", &self.packed)
            .finish_non_exhaustive()
    }
}

/// One directory on the way down.
struct Level {
    dir: OwnedFd,
    /// Its name in the archive, without a slash at the end; empty for the archive's root.
    name: Vec<u8>,
    /// What is still to be packed in it, the next one last.
    names: Vec<CString>,
}

impl<'a> Packer<'a> {
    /// Begins an archive.
    pub fn new(out: &'a mut dyn Write, packing: Packing) -> Packer<'a> {
        Packer {
            out,
            packing,
            links: HashMap::new(),
            kept: 0,
            packed: Packed::default(),
            buffer: vec![0; 128 << 10],
        }
    }

    /// Packs what is open at `fd` (`O_PATH` and itself, not where a link leads) as `name`, and all below it. The empty name is
    /// the archive's root, `./`.
    ///
    /// # Errors
    /// `Exhausted` for a limit, the file system's, and the writer's.
    pub fn add(&mut self, fd: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
        let mut levels: Vec<Level> = Vec::new();
        levels.extend(self.one(fd, name)?);
        while let Some(level) = levels.last_mut() {
            let Some(next) = level.names.pop() else {
                levels.pop();
                continue;
            };
            let path = joined(&level.name, next.to_bytes());
            if self.packing.skip.contains(&path) {
                continue;
            }
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = match rustix::fs::openat(&level.dir, &next, flags, Mode::empty()) {
                // It went meanwhile.
                Err(Errno::NOENT) => continue,
                opened => opened.op("open", shown(&path))?,
            };
            if let Some(below) = self.one(fd.as_fd(), &path)? {
                if levels.len() >= DEEPEST {
                    return Err(reached(shown(&path), "depth", DEEPEST));
                }
                levels.push(below);
            }
        }
        Ok(())
    }

    /// Ends the archive; the writer is flushed by its owner.
    ///
    /// # Errors
    /// The writer's.
    pub fn finish(self) -> Result<Packed> {
        self.out.write_all(&[0; 1024]).op("write", "the archive")?;
        Ok(self.packed)
    }

    /// Packs one entry; a directory is given back to be walked.
    fn one(&mut self, fd: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Level>> {
        let stat = rustix::fs::fstat(fd).op("look at", shown(name))?;
        let mut header = self.header(fd, name, &stat)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return self.directory(fd, name, header).map(Some),
            FileType::RegularFile => return self.file(fd, name, &stat, header).map(|()| None),
            FileType::Symlink => {
                header.kind = b'2';
                let target = rustix::fs::readlinkat(fd, c"", Vec::new()).op("read link", shown(name))?;
                header.link = target.into_bytes();
            }
            FileType::Fifo => header.kind = b'6',
            FileType::Socket => {
                self.packed.sockets += 1;
                return Ok(None);
            }
            _ if is_whiteout(&stat) => return self.whiteout(name).map(|()| None),
            kind => {
                header.kind = if kind == FileType::BlockDevice { b'4' } else { b'3' };
                header.device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
            }
        }
        if self.is_linked(&stat, &mut header)? {
            header.kind = b'1';
        }
        self.write(&header).map(|()| None)
    }

    /// What every entry has.
    fn header(&self, fd: BorrowedFd<'_>, name: &[u8], stat: &Stat) -> Result<Header> {
        let (uid, gid) = self.packing.owner.unwrap_or((stat.st_uid, stat.st_gid));
        Ok(Header {
            name: name.to_vec(),
            kind: b'0',
            link: Vec::new(),
            mode: stat.st_mode & self.packing.mode & 0o7777,
            uid,
            gid,
            size: 0,
            mtime: stat.st_mtime,
            device: (0, 0),
            xattrs: match self.packing.xattrs {
                true => self.xattrs(fd).op("read attributes of", shown(name))?,
                false => Vec::new(),
            },
        })
    }

    fn directory(&mut self, fd: BorrowedFd<'_>, name: &[u8], mut header: Header) -> Result<Level> {
        header.kind = b'5';
        match header.name.is_empty() {
            true => header.name = b"./".to_vec(),
            false => header.name.push(b'/'),
        }
        self.write(&header)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(fd, c".", flags, Mode::empty()).op("open", shown(name))?;
        if self.packing.marks && self.is_opaque(dir.as_fd()).op("look at", shown(name))? {
            self.write(&Header::mark(joined(name, b".wh..wh..opq")))?;
        }
        let mut level = Level {
            dir,
            name: name.to_vec(),
            names: Vec::new(),
        };
        if !is_of_the_kernel(level.dir.as_fd()).op("look at", shown(name))? {
            self.list(&mut level).op("list", shown(name))?;
            if level.names.len() as u64 > self.packing.limits.entries {
                return Err(reached(shown(name), "entries", self.packing.limits.entries));
            }
        }
        Ok(level)
    }

    /// The names in a directory, the first one last. Two of the same name are one that was renamed meanwhile.
    fn list(&self, level: &mut Level) -> rustix::io::Result<()> {
        for entry in Dir::read_from(&level.dir)? {
            let name = entry?.file_name().to_owned();
            if name.as_c_str() != c"." && name.as_c_str() != c".." {
                level.names.push(name);
            }
            if level.names.len() as u64 > self.packing.limits.entries {
                break;
            }
        }
        level.names.sort_unstable_by(|a, b| b.cmp(a));
        level.names.dedup();
        Ok(())
    }

    fn file(&mut self, fd: BorrowedFd<'_>, name: &[u8], stat: &Stat, mut header: Header) -> Result<()> {
        if self.is_linked(stat, &mut header)? {
            header.kind = b'1';
            return self.write(&header);
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        self.packed.bytes = self.packed.bytes.saturating_add(size);
        if self.packed.bytes > self.packing.limits.bytes {
            return Err(reached(shown(name), "bytes", self.packing.limits.bytes));
        }
        // It is known to be a regular file, so that opening it is no act.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let mut file = rustix::fs::open(&*via_proc(fd), flags, Mode::empty())
            .map(std::fs::File::from)
            .op("open", shown(name))?;
        header.size = size;
        self.write(&header)?;
        let mut left = size;
        let mut ended = false;
        while left > 0 {
            let room = usize::try_from(left).map_or(self.buffer.len(), |left| left.min(self.buffer.len()));
            let buffer = &mut self.buffer[..room];
            let read = match ended {
                true => 0,
                false => match file.read(buffer) {
                    Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                    read => read.op("read", shown(name))?,
                },
            };
            ended |= read == 0;
            let now = if ended {
                buffer.fill(0);
                room
            } else {
                read
            };
            self.out.write_all(&buffer[..now]).op("write", "the archive")?;
            left -= now as u64;
        }
        self.out
            .write_all(&[0; 512][..padding(size)])
            .op("write", "the archive")
    }

    /// Whether this file was packed already under another name, which is then where the header leads.
    fn is_linked(&mut self, stat: &Stat, header: &mut Header) -> Result<bool> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        let key = (stat.st_dev, stat.st_ino);
        if let Some(first) = self.links.get(&key) {
            header.link.clone_from(first);
            return Ok(true);
        }
        self.kept += header.name.len() + 64;
        if self.kept > self.packing.limits.names {
            return Err(reached("archive", "names", self.packing.limits.names));
        }
        self.links.insert(key, header.name.clone());
        Ok(false)
    }

    /// What overlayfs keeps where something of a lower layer was deleted.
    fn whiteout(&mut self, name: &[u8]) -> Result<()> {
        if !self.packing.marks {
            return Ok(());
        }
        let (parent, base) = crate::name::split(name);
        self.write(&Header::mark(joined(parent, &[b".wh.", base].concat())))
    }

    fn is_opaque(&self, dir: BorrowedFd<'_>) -> rustix::io::Result<bool> {
        let mut value = [0; 2];
        match rustix::fs::fgetxattr(dir, self.packing.flavour.opaque(), &mut value[..]) {
            Ok(length) => Ok(value[..length] == *b"y"),
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// The extended attributes that a layer may have.
    fn xattrs(&self, fd: BorrowedFd<'_>) -> rustix::io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let path = via_proc(fd);
        let mut names = vec![0_u8; 1 << 16];
        let length = match rustix::fs::listxattr(&*path, &mut names) {
            Ok(0) | Err(Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => return Ok(Vec::new()),
            length => length?,
        };
        let mut found = Vec::new();
        let names = names[..length].split(|&b| b == 0);
        for name in names.filter(|name| !name.is_empty() && self.packing.flavour.takes(name)) {
            let mut value = vec![0; 1 << 16];
            match rustix::fs::getxattr(&*path, name, &mut value) {
                Ok(length) => value.truncate(length),
                Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM) => continue,
                Err(e) => return Err(e),
            }
            found.push((name.to_vec(), value));
        }
        Ok(found)
    }

    fn write(&mut self, header: &Header) -> Result<()> {
        self.packed.entries += 1;
        if self.packed.entries > self.packing.limits.entries {
            return Err(reached("archive", "entries", self.packing.limits.entries));
        }
        self.out.write_all(&header.bytes()).op("write", "the archive")
    }
}

/// Whether the files in a directory are the kernel's words and no data: procfs and its like.
fn is_of_the_kernel(dir: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    let kind = u64::try_from(rustix::fs::fstatfs(dir)?.f_type).unwrap_or(0);
    Ok(KERNELS.contains(&(kind & 0xffff_ffff)))
}

/// File systems without data of anybody's (linux/magic.h): procfs, sysfs, cgroup, cgroup2, devpts, mqueue, debugfs, tracefs,
/// securityfs, bpf, fusectl, configfs, binfmt_misc, efivarfs, pstore.
const KERNELS: [u64; 15] = [
    0x9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x1cd1,
    0x1980_0202,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xcafe_4a11,
    0x6573_5543,
    0x6265_6570,
    0x4249_4e4d,
    0xde5e_81e4,
    0x6165_676c,
];

/// The path of what is open, for calls that have no form by descriptor; nothing is looked up again.
fn via_proc(fd: BorrowedFd<'_>) -> CString {
    CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap_or_default()
}

fn joined(dir: &[u8], name: &[u8]) -> Vec<u8> {
    match dir {
        b"" => name.to_vec(),
        _ => [dir, b"/", name].concat(),
    }
}

/// How many bytes fill up the last block.
fn padding(size: u64) -> usize {
    usize::try_from(crate::entry::padding(size)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
