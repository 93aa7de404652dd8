//! An error of a file system that is full or read-only, told with the folder of ours that lies on it and with what can be done.

use crate::Engine;
use crate::container::request::show_size;
use rustix::fs::{StatVfs, StatVfsMountFlags, statvfs};
use rustix::io::Errno;
use std::path::Path;
use tare_error::{Error, Kind, Result};
use tare_store::{Reserve, Roots};

/// With so few bytes left a file system is full: what is written at once is hardly less.
const LITTLE: u64 = 1 << 20;
/// What is tried where that fails: of errors that were told already too.
const OPERATION: &str = "store in";

/// What a file system lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    /// Nothing can be written to it.
    Write,
    /// Space for this user.
    Quota,
    /// Space.
    Space,
}

/// What is kept in the run folder for commands that end or remove something: some records of a page each.
const RESERVE: u64 = 64 * 1024;

impl Engine {
    /// Does something that ends or removes what there is: also where the run folder is full. It may be done twice.
    pub(crate) fn in_reserve<T>(&self, act: impl Fn() -> Result<T>) -> Result<T> {
        match act() {
            Err(e) if e.kind() == Kind::Exhausted && self.reserve().give_up() => act(),
            done => done,
        }
    }

    /// What is kept in the run folder for that.
    pub(crate) fn reserve(&self) -> Reserve {
        Reserve::new(self.roots().run().join("reserve"), RESERVE)
    }

    /// The same as the function of that name, for this engine's folders.
    pub fn about_storage(&self, error: Error) -> Error {
        about_storage(self.roots(), error)
    }
}

/// Says of an error which of the folders is full or read-only, where it came from that.
pub fn about_storage(roots: &Roots, error: Error) -> Error {
    let Some(lack) = lack(&error).filter(|_| error.operation() != OPERATION) else {
        return error;
    };
    let folders = [(roots.data(), true), (roots.run(), false)];
    let is_told = error
        .errno()
        .is_some_and(|number| number != Errno::INVAL.raw_os_error());
    let named = folders
        .iter()
        .find(|(folder, _)| is_told && is_about(&error, folder));
    let suspect = || folders.iter().find(|(folder, _)| is_so(folder, lack));
    // What is undone by now left space, and what names no place lies in the first of them.
    let first = || folders.first().filter(|_| is_told && !names_a_place(&error));
    let Some((folder, is_data)) = named.or_else(suspect).or_else(first) else {
        return error;
    };
    let (why, hint) = match lack {
        Lack::Write => (
            "its file system is read-only".to_owned(),
            "`dmesg` tells why, where nobody wanted that; then check it, and mount it writable again"
                .to_owned(),
        ),
        Lack::Quota => (
            "this user's quota on its file system is used up".to_owned(),
            remedy(*is_data),
        ),
        Lack::Space => (what_is_left(folder), remedy(*is_data)),
    };
    Error::new(error.kind(), OPERATION, folder.display())
        .because(why)
        .hint(hint)
        .from_source(error)
}

/// What an error says that there is not.
fn lack(error: &Error) -> Option<Lack> {
    match error.errno().map(Errno::from_raw_os_error) {
        Some(Errno::ROFS) => Some(Lack::Write),
        Some(Errno::DQUOT) => Some(Lack::Quota),
        Some(Errno::NOSPC) => Some(Lack::Space),
        // What overlayfs says of a top that cannot be written, and SQLite of its file: perhaps.
        Some(Errno::INVAL) => Some(Lack::Write),
        None if error.kind() == Kind::Denied => Some(Lack::Write),
        _ => None,
    }
}

/// Whether something in this folder is what it was tried on.
fn is_about(error: &Error, folder: &Path) -> bool {
    let mut ours = error.chain().filter_map(|link| link.downcast_ref::<Error>());
    ours.any(|link| Path::new(link.subject()).starts_with(folder))
}

/// Whether it names any path of the machine.
fn names_a_place(error: &Error) -> bool {
    let mut ours = error.chain().filter_map(|link| link.downcast_ref::<Error>());
    ours.any(|link| link.subject().starts_with('/'))
}

/// Whether the folder's file system is so now.
fn is_so(folder: &Path, lack: Lack) -> bool {
    let Ok(about) = statvfs(folder) else {
        return false;
    };
    match lack {
        Lack::Write => about.f_flag.contains(StatVfsMountFlags::RDONLY),
        Lack::Quota => false,
        // One of the kernel's own has no blocks.
        Lack::Space => about.f_blocks > 0 && (has_no_files(&about) || free(&about) < LITTLE),
    }
}

fn what_is_left(folder: &Path) -> String {
    let Ok(about) = statvfs(folder) else {
        return "its file system is full".to_owned();
    };
    let whole = about.f_blocks.saturating_mul(about.f_frsize);
    let of = format!("{} of {} are free", show_size(free(&about)), show_size(whole));
    match () {
        () if has_no_files(&about) => "its file system is full: it has no room for another file".to_owned(),
        () if free(&about) < LITTLE => format!("its file system is full, {of}"),
        // What was begun is undone by now.
        () => format!("its file system has too little space, {of}"),
    }
}

fn free(about: &StatVfs) -> u64 {
    about.f_bavail.saturating_mul(about.f_frsize)
}

fn has_no_files(about: &StatVfs) -> bool {
    about.f_files > 0 && about.f_favail == 0
}

fn remedy(is_data: bool) -> String {
    match is_data {
        true => "free some space there: `tare system df` shows what lies there, `tare rm`, `tare rmi` and `tare system prune` work all the same",
        false => "it is in memory on most machines: remove what fills it, or make it larger (mount -o remount,size=)",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots() -> Roots {
        Roots::at("/proc/1", "/proc/self", "/etc/tare")
    }

    #[test]
    fn what_lacks_and_where_is_told_once() {
        for (number, subject, told) in [
            (28, "sha256:1", Some("store in /proc/1: its file system")),
            (28, "/elsewhere", None),
            (28, "/proc/1/x", Some("store in /proc/1: its file system")),
            (
                28,
                "/proc/self/pods/x",
                Some("store in /proc/self: its file system"),
            ),
            (122, "/proc/1/x", Some("store in /proc/1: this user's quota")),
            (
                30,
                "/proc/1/x",
                Some("store in /proc/1: its file system is read-only"),
            ),
            (13, "/proc/1/x", None),
        ] {
            let error = || Error::os("write", subject, std::io::Error::from_raw_os_error(number));
            let about = about_storage(&roots(), error());
            match told {
                Some(told) => assert!(about.to_string().starts_with(told), "{about}"),
                None => assert_eq!(about.to_string(), error().to_string()),
            }
            assert_eq!(
                about_storage(&roots(), about).chain().count(),
                told.map_or(2, |_| 3)
            );
        }
    }
}
