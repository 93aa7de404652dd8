//! Fds for the program of a command, besides its standard ones.

use rustix::fd::{AsRawFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, Result, dup2, fcntl_dupfd_cloexec};
use std::mem::ManuallyDrop;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// How many at most.
const MOST: usize = 8;
/// The number of the first.
const FIRST: i32 = 3;
/// Above all of them.
const ABOVE: i32 = FIRST + 8;

/// Has the program of a command get these fds as 3, 4 and so on. They are closed here with the command.
///
/// # Errors
/// `EMFILE` for more than eight, or where no number is free.
pub fn pass_on(command: &mut Command, fds: Vec<OwnedFd>) -> Result<()> {
    let Some(one) = fds.first() else {
        return Ok(());
    };
    if fds.len() > MOST {
        return Err(Errno::MFILE);
    }
    // Nothing else may have those numbers in the child: least of all the pipe by which it says that there is no program.
    let mut taken = Vec::new();
    while taken.last().is_none_or(|fd: &OwnedFd| fd.as_raw_fd() < ABOVE) {
        taken.push(fcntl_dupfd_cloexec(one, FIRST)?);
    }
    let give = move || {
        let _held = &taken;
        let mut above: [Option<OwnedFd>; MOST] = Default::default();
        for (place, fd) in above.iter_mut().zip(&fds) {
            *place = Some(fcntl_dupfd_cloexec(fd, ABOVE)?);
        }
        for (number, fd) in (FIRST..).zip(above.iter().flatten()) {
            // SAFETY: this is a child about to exec: whatever has the number here belongs to the parent's memory, of which
            // nothing is used any more, and what is put in its place is never closed by this value.
            let mut target = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
            dup2(fd, &mut target)?;
        }
        Ok(())
    };
    // SAFETY: it duplicates fds, and neither allocates nor takes a lock (fork(2), signal-safety(7)).
    unsafe { command.pre_exec(give) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn they_come_in_their_order() {
        let (mut read, write) = std::io::pipe().unwrap();
        let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", "readlink /proc/self/fd/3 >&4"]);
        pass_on(&mut command, vec![null(), write.into()]).unwrap();
        assert!(command.status().unwrap().success());
        drop(command);
        let mut said = String::new();
        read.read_to_string(&mut said).unwrap();
        assert_eq!(said, "/dev/null\n");
    }

    #[test]
    fn a_missing_program_is_still_told() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let mut command = Command::new("/no/such");
        pass_on(&mut command, vec![null.into()]).unwrap();
        assert_eq!(command.spawn().unwrap_err().kind(), std::io::ErrorKind::NotFound);
    }
}
