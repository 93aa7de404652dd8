//! The last step: executing the program, or telling exactly why not. Nothing here allocates; see [`crate::child`].

use crate::report::{Detail, Failure, HEAD};
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use tare_sys::{CStrings, Extended, exec, exec_extended, reset_signals};

/// The beginning of a file that could not be executed.
pub(super) struct Head {
    bytes: [u8; HEAD],
    length: usize,
}

impl Head {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    fn empty() -> Head {
        Head {
            bytes: [0; HEAD],
            length: 0,
        }
    }

    fn of(path: &CStr) -> Head {
        let mut head = Head::empty();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        if let Ok(file) = rustix::fs::openat(CWD, path, flags, Mode::empty()) {
            head.length = rustix::io::read(&file, &mut head.bytes).unwrap_or(0);
        }
        head
    }
}

/// Tries each place in order, as execvp(3) does: what is not there or may not be executed is passed over, and what
/// exists and failed is told of.
pub(super) fn execute(
    places: &[CString],
    arguments: &CStrings,
    environment: &CStrings,
    mut extended: Option<(&mut Extended<'_>, &CStr)>,
) -> (Failure, Head) {
    reset_signals();
    let mut refused = None;
    for (index, place) in places.iter().enumerate() {
        let errno = match &mut extended {
            Some((environment, more)) => exec_extended(place, arguments, environment, more),
            None => exec(place, arguments, environment),
        };
        let exists = || rustix::fs::stat(place.as_c_str()).is_ok();
        match errno {
            Errno::NOENT | Errno::NOTDIR if !exists() => {}
            // Perhaps another place has one that may be executed.
            Errno::ACCESS => refused = refused.or(Some((index, errno))),
            errno => return (program(index, errno), Head::of(place)),
        }
    }
    match refused {
        Some((index, errno)) => (program(index, errno), Head::empty()),
        None => (
            Failure {
                errno: Errno::NOENT,
                detail: Detail::NoProgram,
            },
            Head::empty(),
        ),
    }
}

/// There is nothing to execute.
pub(super) fn missing() -> Failure {
    Failure {
        errno: Errno::NOEXEC,
        detail: Detail::NoProcess,
    }
}

/// What a shell would end with: 127 where there is no program, 126 where it cannot be executed. Engines that lost the
/// message show it.
pub(super) fn exit_code(failure: &Failure) -> i32 {
    if failure.errno == Errno::NOENT { 127 } else { 126 }
}

/// Looks whether any place has a program that this process may execute, so that `create` tells of one that is missing.
pub(super) fn look(places: &[CString]) -> Result<(), Failure> {
    let mut refused = None;
    for (index, place) in places.iter().enumerate() {
        match rustix::fs::accessat(CWD, place, Access::EXEC_OK, AtFlags::EACCESS) {
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(Errno::ACCESS) => refused = refused.or(Some(program(index, Errno::ACCESS))),
            // What else is wrong, the exec tells.
            Ok(()) | Err(_) => return Ok(()),
        }
    }
    Err(refused.unwrap_or(Failure {
        errno: Errno::NOENT,
        detail: Detail::NoProgram,
    }))
}

fn program(index: usize, errno: Errno) -> Failure {
    Failure {
        errno,
        detail: Detail::Program(u32::try_from(index).unwrap_or(0)),
    }
}
