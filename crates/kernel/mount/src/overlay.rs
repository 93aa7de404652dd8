//! An overlay of many layers.

use crate::attributes::{FdPath, write_number};
use crate::detached::{finish, set};
use crate::{Options, Refused};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::{Errno, Result};
use rustix::mount::{FsOpenFlags, MountAttrFlags, MountFlags};
use std::ffi::{CStr, CString};

/// The kernel takes at most this many lower layers (`OVL_MAX_STACK`).
const MOST_LAYERS: usize = 500;
/// The kernel copies at most one page of options, with its end, from `mount(2)`.
const PAGE: usize = 4096;
/// A string of `fsconfig(2)` may hold this many bytes, with its end.
const LONGEST_STRING: usize = 256;

/// An overlay to mount, as C strings ready for the kernel.
#[derive(Debug)]
pub struct Overlay {
    lower: Vec<CString>,
    upper: Option<CString>,
    work: Option<CString>,
    parameters: Vec<(CString, Option<CString>)>,
    attributes: MountAttrFlags,
}

impl Overlay {
    /// Prepares an overlay. Layers are given by `lowerdir=` with `:` between them (`\:` for a colon in a name), or
    /// one by one by `lowerdir+=`, topmost first; `upperdir=` and `workdir=` as usual; the rest is passed on.
    ///
    /// # Errors
    /// `EINVAL` for no layer, more than 500, an upper directory without a work directory, or a NUL byte.
    pub fn prepare(options: &Options) -> Result<Overlay> {
        let c = |s: &str| CString::new(s).map_err(|_| Errno::INVAL);
        let mut overlay = Overlay {
            lower: Vec::new(),
            upper: None,
            work: None,
            parameters: Vec::new(),
            attributes: options.attributes.set | options.recursive.set,
        };
        for parameter in &options.parameters {
            match (parameter.key.as_str(), &parameter.value) {
                ("lowerdir", Some(list)) => {
                    for layer in split_layers(list) {
                        overlay.lower.push(c(&layer)?);
                    }
                }
                ("lowerdir+", Some(layer)) => overlay.lower.push(c(layer)?),
                ("upperdir", Some(path)) => overlay.upper = Some(c(path)?),
                ("workdir", Some(path)) => overlay.work = Some(c(path)?),
                (key, value) => overlay
                    .parameters
                    .push((c(key)?, value.as_deref().map(c).transpose()?)),
            }
        }
        let layers = overlay.lower.len();
        if layers == 0 || layers > MOST_LAYERS || overlay.upper.is_some() != overlay.work.is_some() {
            return Err(Errno::INVAL);
        }
        Ok(overlay)
    }

    /// The directories it is made of: layers from the top, then upper and work directory.
    pub fn directories(&self) -> impl Iterator<Item = &CStr> {
        let rest = self.upper.iter().chain(&self.work);
        self.lower.iter().chain(rest).map(CString::as_c_str)
    }

    /// Makes the mount, detached, one parameter per layer (`lowerdir+`, Linux 6.7). Allocates nothing.
    ///
    /// # Errors
    /// [`Refused::parameter`] is the index into [`Overlay::directories`] of a directory that was refused.
    /// `ENOSYS` where the kernel takes no layers one by one: then [`Overlay::make_old`].
    pub fn make(&self) -> std::result::Result<OwnedFd, Refused> {
        let context = rustix::mount::fsopen(c"overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        rustix::mount::fsconfig_set_string(context.as_fd(), c"source", c"overlay")?;
        for (index, layer) in self.lower.iter().enumerate() {
            set_directory(context.as_fd(), c"lowerdir+", layer).map_err(|errno| Refused {
                errno: if index == 0 && errno == Errno::INVAL {
                    Errno::NOSYS
                } else {
                    errno
                },
                parameter: Some(index),
            })?;
        }
        let rest = [(c"upperdir", &self.upper), (c"workdir", &self.work)];
        for (index, (key, path)) in rest.iter().enumerate() {
            if let Some(path) = path {
                set_directory(context.as_fd(), key, path).map_err(|errno| Refused {
                    errno,
                    parameter: Some(self.lower.len() + index),
                })?;
            }
        }
        for (key, value) in &self.parameters {
            set(context.as_fd(), key, value.as_deref())?;
        }
        Ok(finish(context.as_fd(), self.attributes)?)
    }

    /// The fallback: mounts by `mount(2)` over the directory `at`, naming each layer by its fd below
    /// `/proc/self/fd`, so that 500 layers fit into one page. Changes the working directory. Allocates nothing.
    ///
    /// # Errors
    /// As [`Overlay::make`]; `E2BIG` where even this does not fit.
    pub fn make_old(&self, at: BorrowedFd<'_>) -> std::result::Result<(), Refused> {
        const NONE: Option<OwnedFd> = None;
        let mut open = [NONE; MOST_LAYERS + 2];
        let mut data = Page {
            bytes: [0; PAGE],
            length: 0,
        };
        let lowers = self.lower.len();
        for (index, path) in self.directories().enumerate() {
            let refused = |errno| Refused {
                errno,
                parameter: Some(index),
            };
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(refused)?;
            data.put(match index {
                0 => b"lowerdir=",
                i if i < lowers => b":",
                i if i == lowers => b",upperdir=",
                _ => b",workdir=",
            })?;
            data.put_number(fd.as_raw_fd().unsigned_abs())?;
            if let Some(slot) = open.get_mut(index) {
                *slot = Some(fd);
            }
        }
        for (key, value) in &self.parameters {
            data.put(b",")?;
            data.put(key.to_bytes())?;
            if let Some(value) = value {
                data.put(b"=")?;
                data.put(value.to_bytes())?;
            }
        }
        rustix::process::chdir(c"/proc/self/fd")?;
        let flags = MountFlags::from_bits_retain(self.attributes.bits() & SAME_BITS);
        rustix::mount::mount(
            c"overlay",
            FdPath::of(at).as_cstr(),
            c"overlay",
            flags,
            data.as_cstr()?,
        )?;
        Ok(())
    }
}

/// `MOUNT_ATTR_RDONLY`, `NOSUID`, `NODEV` and `NOEXEC` have the values of `MS_*`.
const SAME_BITS: u32 = 0xf;

/// Sets a directory, by path, or by fd (Linux 6.13) where the path is too long for a string.
fn set_directory(context: BorrowedFd<'_>, key: &CStr, path: &CStr) -> Result<()> {
    if path.to_bytes_with_nul().len() <= LONGEST_STRING {
        return rustix::mount::fsconfig_set_string(context, key, path);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
    match rustix::mount::fsconfig_set_fd(context, key, fd.as_fd()) {
        Err(Errno::INVAL) => {
            rustix::mount::fsconfig_set_string(context, key, FdPath::of(fd.as_fd()).as_cstr())
        }
        done => done,
    }
}

/// Splits `a:b\:c` into `a` and `b:c`.
fn split_layers(list: &str) -> Vec<String> {
    let mut layers = vec![String::new()];
    let mut characters = list.chars();
    while let Some(c) = characters.next() {
        let c = match c {
            ':' => {
                layers.push(String::new());
                continue;
            }
            '\\' => characters.next().unwrap_or('\\'),
            c => c,
        };
        if let Some(last) = layers.last_mut() {
            last.push(c);
        }
    }
    layers
}

/// The options of `mount(2)` in a buffer of the size the kernel takes.
struct Page {
    bytes: [u8; PAGE],
    length: usize,
}

impl Page {
    fn put(&mut self, text: &[u8]) -> Result<()> {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(Errno::TOOBIG)?;
        room.copy_from_slice(text);
        self.length = end;
        Ok(())
    }

    fn put_number(&mut self, number: u32) -> Result<()> {
        let mut digits = [0; 10];
        let length = write_number(&mut digits, number);
        self.put(&digits[..length])
    }

    fn as_cstr(&self) -> Result<&CStr> {
        CStr::from_bytes_until_nul(&self.bytes).map_err(|_| Errno::TOOBIG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare(options: &[&str]) -> Result<Overlay> {
        let options: Vec<String> = options.iter().map(|s| (*s).to_owned()).collect();
        Overlay::prepare(&Options::parse(&options))
    }

    #[test]
    fn layers_in_both_notations() {
        let overlay = prepare(&[
            "lowerdir=/a:/b\\:c",
            "lowerdir+=/d:e",
            "upperdir=/u",
            "workdir=/w",
            "index=off",
        ])
        .unwrap();
        let directories: Vec<_> = overlay.directories().map(|d| d.to_str().unwrap()).collect();
        assert_eq!(directories, ["/a", "/b:c", "/d:e", "/u", "/w"]);
        assert_eq!(overlay.parameters.len(), 1);
    }

    #[test]
    fn impossible_overlays_are_refused() {
        let many = format!("lowerdir={}", vec!["/x"; 501].join(":"));
        for options in [
            &["upperdir=/u", "workdir=/w"][..],
            &["lowerdir=/a", "upperdir=/u"],
            &[&many],
        ] {
            assert_eq!(prepare(options).unwrap_err(), Errno::INVAL);
        }
    }

    #[test]
    fn page_does_not_overflow() {
        let mut page = Page {
            bytes: [0; PAGE],
            length: 0,
        };
        assert_eq!(page.put(&[b'x'; PAGE - 1]), Ok(()));
        assert!(page.as_cstr().is_ok());
        assert_eq!(page.put(b"ab"), Err(Errno::TOOBIG));
    }
}
