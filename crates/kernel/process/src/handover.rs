//! What happens to fds between a fork and an exec. Nothing here allocates.

use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::fs::{CWD, Mode, OFlags, RawDir};
use rustix::io::{Errno, FdFlags, Result};
use std::mem::MaybeUninit;

/// Closes every fd of this process but those in `keep`, which is sorted.
///
/// Meant for a forked child: whatever its parent held is not its business. Where `close_range` (Linux 5.9) is denied,
/// `/proc/self/fd` is walked instead.
///
/// # Errors
/// The kernel's, of the fallback.
pub fn close_all_but(keep: &[u32]) -> Result<()> {
    let mut first = 0;
    for kept in keep.iter().copied().chain([u32::MAX]) {
        if let Some(last) = kept.checked_sub(1).filter(|last| *last >= first) {
            // SAFETY: this is a child about to exec, or about to run a body that was promised only the kept fds; the
            // frames that own the others are never returned to.
            match unsafe { tare_sys::close_range(first, last) } {
                Err(Errno::NOSYS) => return walk_and_close(keep),
                done => done?,
            }
        }
        first = kept.saturating_add(1);
    }
    Ok(())
}

/// The fallback: closes what `/proc/self/fd` lists, some at a time, until only the kept are left.
fn walk_and_close(keep: &[u32]) -> Result<()> {
    const SOME: usize = 128;
    loop {
        let mut found = [0; SOME];
        let mut count = 0;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let listing = rustix::fs::openat(CWD, c"/proc/self/fd", flags, Mode::empty())?;
        let own = rustix::fd::AsRawFd::as_raw_fd(&listing).unsigned_abs();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut entries = RawDir::new(&listing, &mut buffer);
        while let Some(entry) = entries.next() {
            let number = entry?
                .file_name()
                .to_str()
                .ok()
                .and_then(|name| name.parse::<u32>().ok());
            if let Some(number) = number.filter(|n| *n != own && keep.binary_search(n).is_err())
                && count < SOME
            {
                found[count] = number;
                count += 1;
            }
        }
        if count == 0 {
            return Ok(());
        }
        for number in found.iter().take(count) {
            let number = RawFd::try_from(*number).map_err(|_| Errno::BADF)?;
            // SAFETY: as in close_all_but; the listing itself is not among them and is closed by its owner.
            unsafe { rustix::io::close(number) };
        }
    }
}

/// Takes over the fds 3 to 2 + `count`, which whoever started this program passed on (`--preserve-fds`). Call it first,
/// before anything is opened: their numbers are theirs.
///
/// # Errors
/// `EBADF` where one of them is not open.
pub fn take_passed(count: u32) -> Result<Vec<OwnedFd>> {
    let numbers = (0..count).map(|n| RawFd::try_from(n).ok().and_then(|n| n.checked_add(3)));
    let numbers: Option<Vec<RawFd>> = numbers.collect();
    let numbers = numbers.ok_or(Errno::BADF)?;
    for number in &numbers {
        // SAFETY: the number is only asked about; it is borrowed for this one call, and where nothing is open under it
        // the kernel says so.
        rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(*number) })?;
    }
    // SAFETY: they are open, and were before this program opened anything, so nothing in it owns them.
    Ok(numbers
        .into_iter()
        .map(|n| unsafe { OwnedFd::from_raw_fd(n) })
        .collect())
}

/// Takes over an fd that the program before this one left open under this number, in the same process (`execve(2)`).
///
/// # Errors
/// `EBADF` where it is not open, is a standard one, or would be closed at exec: that one was opened, or taken, by this
/// program.
pub fn take_left(number: RawFd) -> Result<OwnedFd> {
    if number < 3 {
        return Err(Errno::BADF);
    }
    // SAFETY: the number is only asked about; where nothing is open under it the kernel says so.
    let left = unsafe { BorrowedFd::borrow_raw(number) };
    if rustix::io::fcntl_getfd(left)?.contains(FdFlags::CLOEXEC) {
        return Err(Errno::BADF);
    }
    rustix::io::fcntl_setfd(left, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, and nothing in this program owns it: what is opened here is closed at exec, and so is from now on
    // what was taken.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Leaves an fd open for the program that this process executes next, or closes it then after all.
///
/// # Errors
/// The kernel's.
pub fn leave_open(fd: BorrowedFd<'_>, open: bool) -> Result<()> {
    let flags = if open { FdFlags::empty() } else { FdFlags::CLOEXEC };
    rustix::io::fcntl_setfd(fd, flags)
}

/// Makes three fds the standard ones of this process, in whatever order they come.
///
/// # Errors
/// `EMFILE`, `EBADF`.
pub fn set_stdio(stdin: BorrowedFd<'_>, stdout: BorrowedFd<'_>, stderr: BorrowedFd<'_>) -> Result<()> {
    // Above the standard ones first, so that none is overwritten before it was used.
    let high = |fd: BorrowedFd<'_>| rustix::io::fcntl_dupfd_cloexec(fd, 3);
    let (input, output, errors) = (high(stdin)?, high(stdout)?, high(stderr)?);
    rustix::stdio::dup2_stdin(input.as_fd())?;
    rustix::stdio::dup2_stdout(output.as_fd())?;
    rustix::stdio::dup2_stderr(errors.as_fd())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsRawFd;

    #[test]
    fn what_is_left_open_is_taken_once() {
        let (one, other) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let number = one.as_raw_fd();
        assert_eq!(take_left(number).unwrap_err(), Errno::BADF);
        leave_open(one.as_fd(), true).unwrap();
        std::mem::forget(one);
        let taken = take_left(number).unwrap();
        assert_eq!(take_left(number).unwrap_err(), Errno::BADF);
        drop(other);
        assert_eq!(rustix::io::read(&taken, &mut [0]).unwrap(), 0);
        for number in [-1, 0, 2, 1 << 20] {
            assert_eq!(take_left(number).unwrap_err(), Errno::BADF);
        }
    }
}
