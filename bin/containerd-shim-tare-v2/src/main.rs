//! **What.** The supervisor as a program: what containerd asks of a shim, and our own engine; `mount-root` and `unmount-root`
//! for short-lived children that may wait for a disk.
//!
//! **Not.** Nothing but arguments and exit codes: all else is `tare-shim`'s. No registry, no TLS, no database.
//!
//! **Words.** The name is containerd's for a shim v2 binary of the runtime `io.containerd.tare.v2`.
//!
//! **Life.** Started with a listening socket as stdin → supervises → ends with its pod.
//!
//! **Rules.** It is started by tare, not by hand, and says so.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use tare_error::{Context, Error, Kind, Report, Result};
use tare_shim::supervisor::{self, Action, Arguments};

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

#[expect(clippy::print_stderr, reason = "this is the program's one place to print")]
fn report(error: &Error) {
    eprintln!("containerd-shim-tare-v2: {}", Report::new(error).with_hint());
}

fn run(arguments: impl Iterator<Item = OsString>) -> Result<()> {
    let mut arguments = arguments.peekable();
    match arguments.peek().and_then(|verb| verb.to_str()) {
        Some("mount-root") => {
            let mut arguments = arguments.skip(1);
            let list = value(&mut arguments, "--list")?;
            supervisor::mount_root(&list, &value(&mut arguments, "--at")?)
        }
        Some("unmount-root") => supervisor::unmount_root(&value(&mut arguments.skip(1), "--at")?),
        _ => as_shim(arguments),
    }
}

/// What containerd, or our engine, starts this program for. Nothing but the answer may come out of a `start` that succeeds.
fn as_shim(arguments: impl Iterator<Item = OsString>) -> Result<()> {
    let arguments = Arguments::parse(arguments)?;
    let done = match arguments.action {
        Action::Serve => {
            let served = seal()
                .and_then(|()| armed())
                .and_then(|()| supervisor::run(&arguments));
            // Whoever started it reads there why it could not come to itself; later nobody does.
            served.inspect_err(|error| {
                let _ = writeln!(std::io::stdout(), "{}", supervisor::last_word(error));
            })
        }
        _ => supervisor::run(&arguments),
    };
    std::io::stdout()
        .write_all(&done?)
        .op("write to", "standard output")
}

/// Arms what a test wants to happen.
#[expect(clippy::disallowed_methods, reason = "a test says it in the environment")]
fn armed() -> Result<()> {
    std::env::var(tare_failpoint::VARIABLE).map_or(Ok(()), |text| tare_failpoint::arm(&text))
}

/// Seals this process, by which every descriptor but the standard ones is closed.
fn seal() -> Result<()> {
    if !tare_process::seal::is_sealed().op("look at", "/proc/self/exe")? {
        // Before Linux 5.11 what was inherited stays open: it does no harm but stay.
        let _ = tare_sys::close_range_on_exec(3, u32::MAX);
    }
    tare_process::seal::enter()
}

/// The value of the option that must come next.
fn value(arguments: &mut impl Iterator<Item = OsString>, option: &'static str) -> Result<PathBuf> {
    match (arguments.next(), arguments.next()) {
        (Some(name), Some(value)) if name == option => Ok(PathBuf::from(value)),
        _ => Err(Error::new(Kind::Invalid, "understand", "the arguments")
            .because(format!("expected {option} and its value"))),
    }
}
