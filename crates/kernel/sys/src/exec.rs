//! Executing a program, by path and by fd, from strings prepared before.

use crate::call::done;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::marker::PhantomData;

/// A list of C strings with the null-terminated pointer array that `execve(2)` wants, built once beforehand.
#[derive(Debug)]
pub struct CStrings {
    strings: Vec<CString>,
    pointers: Vec<usize>,
}

impl CStrings {
    /// Prepares a list.
    pub fn new(strings: Vec<CString>) -> CStrings {
        // The heap block of a CString does not move when the CString does, so addresses taken now stay true.
        let mut pointers: Vec<usize> = strings.iter().map(|s| s.as_ptr().expose_provenance()).collect();
        pointers.push(0);
        CStrings { strings, pointers }
    }

    /// The strings.
    pub fn as_slice(&self) -> &[CString] {
        &self.strings
    }

    /// An array of the same strings with room for one more.
    pub fn extended(&self) -> Extended<'_> {
        let mut pointers = self.pointers.clone();
        pointers.push(0);
        Extended {
            pointers,
            strings: PhantomData,
        }
    }

    /// The array: as many pointers as strings, and a null one.
    fn as_ptr(&self) -> *const *const libc::c_char {
        self.pointers.as_ptr().cast()
    }
}

/// Replaces this process by the program at `path` (`execve(2)`); returns only where that failed.
pub fn exec(path: &CStr, arguments: &CStrings, environment: &CStrings) -> Errno {
    // SAFETY: `path` is a C string and both arrays end in a null pointer and hold pointers into strings that live
    // as long as the borrowed lists; execve only reads them.
    let returned = unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    done(returned.into()).err().unwrap_or(Errno::INVAL)
}

/// An array of the strings of a [`CStrings`] with room for one more, which is known only when a program is executed.
#[derive(Debug)]
pub struct Extended<'a> {
    /// The strings' addresses and two null ones, of which the first is the room.
    pointers: Vec<usize>,
    strings: PhantomData<&'a CStrings>,
}

/// As [`exec`], with one string more in the environment. Allocates nothing.
pub fn exec_extended(
    path: &CStr,
    arguments: &CStrings,
    environment: &mut Extended<'_>,
    more: &CStr,
) -> Errno {
    if let Some(room) = environment.pointers.iter_mut().nth_back(1) {
        *room = more.as_ptr().expose_provenance();
    }
    let array: *const *const libc::c_char = environment.pointers.as_ptr().cast();
    // SAFETY: as in `exec`; the last string of the environment is `more`, which outlives the call, as the address is
    // overwritten before it is used again.
    let returned = unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), array) };
    done(returned.into()).err().unwrap_or(Errno::INVAL)
}

/// Replaces this process by the program open at `fd` (`execveat(2)` with `AT_EMPTY_PATH`, Linux 3.19); returns only
/// where that failed. A script cannot be executed so when `fd` is close-on-exec.
pub fn exec_fd(fd: BorrowedFd<'_>, arguments: &CStrings, environment: &CStrings) -> Errno {
    // SAFETY: as in `exec`; the path is the empty C string and the fd is open for the duration of the borrow.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_execveat,
            fd.as_raw_fd(),
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    done(returned).err().unwrap_or(Errno::INVAL)
}

/// Ends this process at once, without running destructors or exit handlers (`_exit(2)`).
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no precondition and does not return.
    unsafe { libc::_exit(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointer_list_survives_a_move_and_ends_in_null() {
        let list = CStrings::new(vec![c"a".to_owned(), c"bc".to_owned()]);
        let moved = Box::new(list);
        assert_eq!(moved.pointers.len(), 3);
        assert_eq!(moved.pointers[1], moved.strings[1].as_ptr().addr());
        assert_eq!(moved.pointers[2], 0);
    }

    #[test]
    fn an_extended_list_has_room_for_one() {
        let list = CStrings::new(vec![c"a".to_owned()]);
        let mut extended = list.extended();
        assert_eq!(extended.pointers, [list.strings[0].as_ptr().addr(), 0, 0]);
        let more = c"b";
        assert_eq!(
            exec_extended(c"/nonexistent/program", &list, &mut extended, more),
            Errno::NOENT
        );
        assert_eq!(extended.pointers[1..], [more.as_ptr().addr(), 0]);
    }

    #[test]
    fn exec_says_why_it_failed() {
        let none = CStrings::new(Vec::new());
        assert_eq!(exec(c"/nonexistent/program", &none, &none), Errno::NOENT);
    }
}
