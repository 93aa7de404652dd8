//! One run of one command, with what it cost.

use rustix::process::{WaitOptions, wait as wait_any};
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
    /// The most memory one of its processes held, in KiB.
    pub(crate) peak: u64,
}

/// How long is waited for what a command leaves behind. Monitors clean up after their container within this time;
/// what stays longer is a service, and is not counted.
const AFTERMATH: Duration = Duration::from_secs(5);

/// Runs `times` of a command at once, without input and output, each with its number for `{}`. With `stays`, what the
/// command leaves behind (a container that was created) is not waited for; its CPU time up to now is counted.
///
/// An error where it cannot be started or does not succeed: a run that fails early would look fast.
pub(crate) fn measure(command: &[String], times: usize, stays: bool) -> Result<Cost, String> {
    let shown = command.join(" ");
    let before = reckon();
    let start = Instant::now();
    let children: Vec<i32> = (0..times)
        .map(|number| spawn(command, number))
        .collect::<Result<_, _>>()
        .map_err(|e| format!("{shown}: {e}"))?;
    let mut ends = Vec::with_capacity(times);
    for child in children {
        ends.push(wait(child).map_err(|e| format!("{shown}: {e}"))?);
    }
    let wall = start.elapsed();
    if !stays {
        gone();
    }
    let cpu = reckon().saturating_sub(before);
    match ends.iter().find(|(status, _)| !status.success()) {
        Some((status, _)) => Err(format!("{shown}: {status}")),
        None => Ok(Cost {
            wall,
            cpu,
            peak: ends.iter().map(|(_, peak)| *peak).max().unwrap_or(0),
        }),
    }
}

fn spawn(command: &[String], number: usize) -> Result<i32, String> {
    let number = number.to_string();
    let mut words = command.iter().map(|word| word.replace("{}", &number));
    let child = Command::new(words.next().ok_or("an empty command")?)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| e.to_string())?;
    i32::try_from(child.id()).map_err(|e| e.to_string())
}

/// Waits for one child; its end and the most memory it or one of its children held, in KiB.
fn wait(child: i32) -> Result<(ExitStatus, u64), std::io::Error> {
    // SAFETY: an all-zero rusage is a valid value of a struct of integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let mut status = 0;
    // SAFETY: both pointers are to live values, which the call fills.
    match unsafe { libc::wait4(child, &raw mut status, 0, &raw mut usage) } {
        -1 => Err(std::io::Error::last_os_error()),
        _ => Ok((
            ExitStatus::from_raw(status),
            u64::try_from(usage.ru_maxrss).unwrap_or(0),
        )),
    }
}

/// Waits until everything that was left behind is gone.
pub(crate) fn gone() {
    reap(Instant::now() + AFTERMATH);
}

/// The CPU time of all that was waited for, and of the children that are left.
fn reckon() -> Duration {
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    let living = children.split_whitespace().filter_map(|pid| {
        // The first number is nanoseconds on a processor (Documentation/scheduler/sched-stats).
        let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    });
    living.sum::<Duration>() + waited_for()
}

/// Waits for everything that came to this process because its parent went.
fn reap(until: Instant) {
    while Instant::now() < until {
        match wait_any(WaitOptions::NOHANG) {
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
