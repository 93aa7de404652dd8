//! One run of one command, with what it cost.

use rustix::process::{Pid, WaitOptions, waitpid};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What one run cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    /// Until the command itself had ended.
    pub(crate) wall: Duration,
    /// User and system time of the command and of all it left behind.
    pub(crate) cpu: Duration,
}

/// How long is waited for what a command leaves behind. Monitors clean up after their container within this time;
/// what stays longer is a service, and is not counted.
const AFTERMATH: Duration = Duration::from_secs(5);

/// Runs a command without input and output.
///
/// An error where it cannot be started or does not succeed: a run that fails early would look fast.
pub(crate) fn measure(command: &[String]) -> Result<Cost, String> {
    let shown = command.join(" ");
    let (program, arguments) = command.split_first().ok_or("an empty command")?;
    let before = waited_for();
    let start = Instant::now();
    let mut child = Command::new(program);
    child
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = child.spawn().map_err(|e| format!("{shown}: {e}"))?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (_, status) = waitpid(pid, WaitOptions::empty())
        .map_err(|e| format!("{shown}: {e}"))?
        .ok_or_else(|| format!("{shown}: vanished"))?;
    let wall = start.elapsed();
    let status = ExitStatus::from_raw(status.as_raw());
    reap(Instant::now() + AFTERMATH);
    let cpu = waited_for().saturating_sub(before);
    if !status.success() {
        return Err(format!("{shown}: {status}"));
    }
    Ok(Cost { wall, cpu })
}

/// Waits for everything that came to this process because its parent went.
fn reap(until: Instant) {
    while Instant::now() < until {
        match waitpid(None, WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => pause(),
            // Nothing left.
            Err(_) => return,
        }
    }
}

/// Two milliseconds; between measurements, so that no figure contains them.
fn pause() {
    let two = rustix::time::Timespec {
        tv_sec: 0,
        tv_nsec: 2_000_000,
    };
    // Interrupted is as good as over.
    _ = rustix::event::poll(&mut [], Some(&two));
}

/// The CPU time of all processes this one has waited for, and of all those had waited for.
fn waited_for() -> Duration {
    // SAFETY: an all-zero rusage is a valid value of a struct of integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live rusage, which the call fills.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    time(usage.ru_utime) + time(usage.ru_stime)
}

fn time(of: libc::timeval) -> Duration {
    let seconds = u64::try_from(of.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(of.tv_usec).unwrap_or(0))
}
