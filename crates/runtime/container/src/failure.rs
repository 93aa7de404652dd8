//! From a failed step to an error that a person understands.

use crate::plan::Plan;
use crate::report::{Detail, Failure};
use crate::step::{Action, Prepared, Source, Step};
use rustix::io::Errno;
use rustix::process::Signal;
use std::ffi::CString;
use tare_error::{Error, Kind};
use tare_sys::Scheduling;

mod program;

/// `SCHED_DEADLINE`: the kernel takes it only where the group has all processors of a root domain (sched(7)).
const DEADLINE: u32 = 6;

/// The error of a step that failed.
pub(crate) fn describe(plan: &Plan, step: usize, failure: Failure, head: &[u8]) -> Error {
    let Some(step) = plan.step(step) else {
        return Error::os("set up", "the container", failure.errno);
    };
    let operation = match step.action {
        // Runc's words, which are looked for.
        Action::Hook(_) => "error running",
        _ => step.name,
    };
    let os = || Error::os(operation, &step.subject, failure.errno);
    let because = |kind, reason: String| Error::new(kind, operation, &step.subject).because(reason);
    match failure.detail {
        Detail::None => hinted(step, os(), failure.errno),
        Detail::Missing(length) => match missing(step, length) {
            Some(reason) => because(Kind::NotFound, reason),
            None => os(),
        },
        Detail::FileOntoDirectory => because(
            Kind::Invalid,
            "not a directory: a file cannot be mounted onto a directory".to_owned(),
        )
        .hint("mount it onto a file, or mount the directory that holds it"),
        Detail::DirectoryOntoFile => because(
            Kind::Invalid,
            "not a directory: a directory cannot be mounted onto a file".to_owned(),
        )
        .hint("mount it onto a directory, or mount one file of it"),
        Detail::Parameter(index) => match parameter(step, index) {
            Some(name) => os().hint(format!("the file system refused {name}")),
            None => os(),
        },
        Detail::Link if matches!(step.action, Action::Unmount(_)) => {
            because(Kind::Invalid, "a link stands on the way".to_owned())
                .hint("name the place itself, as /proc/PID/mountinfo of the container does")
        }
        Detail::Link => because(
            Kind::Invalid,
            "it must be mounted on ordinary directory, and a link stands there in the image".to_owned(),
        ),
        Detail::OtherDevice => because(
            Kind::Invalid,
            "the host's file of this name is another device".to_owned(),
        ),
        Detail::Program(index) => {
            program::not_executable(plan, step, candidate(step, index), failure.errno, head)
        }
        Detail::NoProgram => program::not_found(plan, step),
        Detail::Owners => {
            os().hint("its owners cannot be mapped: the file system or the kernel lacks idmapped mounts")
        }
        Detail::KernelsPlace => because(
            Kind::Denied,
            "a link of the container leads to its root, or to where the kernel shows itself".to_owned(),
        ),
        Detail::NotMounted => because(Kind::NotFound, "nothing is mounted there".to_owned()),
        Detail::HookEnded(status) => because(Kind::Invalid, hook_end(status)),
        Detail::NoProcess => because(Kind::Invalid, "the configuration has no \"process\"".to_owned()),
        Detail::HookTimedOut => because(Kind::Invalid, "it took longer than its timeout".to_owned()),
    }
}

/// How a hook ended (`wait(2)`).
fn hook_end(status: u32) -> String {
    match (status >> 8, status & 0xff) {
        (127, 0) => "it ended with code 127: it is not there, or cannot be executed".to_owned(),
        (code, 0) => format!("it ended with code {code}"),
        (_, signal) if i32::try_from(signal) == Ok(Signal::SYS.as_raw()) => {
            format!("it was ended by signal {signal}: a bad system call, by the container's seccomp filter")
        }
        (_, signal) => format!("it was ended by signal {signal}"),
    }
}

/// Hints for error numbers that mislead.
fn hinted(step: &Step, error: Error, errno: Errno) -> Error {
    match (&step.action, errno) {
        (Action::Mount(_), Errno::STALE) => error.hint("the place was moved while it was being mounted on"),
        (Action::Mount(mount), Errno::EXIST) if mount.links.copied => {
            error.hint("copy-symlink makes a link where nothing is, or the same link")
        }
        (Action::Terminal { .. }, Errno::NOENT | Errno::STALE) => {
            error.hint("a terminal needs devpts mounted on /dev/pts")
        }
        (Action::Pivot, Errno::INVAL) => error.hint("the host's / must be a mount, not a chroot directory"),
        (Action::Limit { .. }, Errno::PERM) => error.hint("raising a hard limit needs CAP_SYS_RESOURCE"),
        (Action::Scheduling(Scheduling { policy: DEADLINE, .. }), Errno::PERM) => {
            error.hint("it needs CAP_SYS_NICE; and a process scheduler can't be used together with AllowedCPUs (linux.resources.cpu.cpus)")
        }
        (Action::Scheduling(_), Errno::PERM) => error.hint(
            "it needs CAP_SYS_NICE, and on cgroup version 1 a budget of real time (linux.resources.cpu.realtimeRuntime)",
        ),
        (_, Errno::NOSYS) => {
            error.hint("a seccomp filter or an old kernel denies a system call that this needs")
        }
        _ => error,
    }
}

/// Which component of a source's path is the first that is missing.
fn missing(step: &Step, existing: u32) -> Option<String> {
    let Action::Prepare {
        from: Prepared::Path { path, .. } | Prepared::Place { path, .. },
        ..
    } = &step.action
    else {
        return None;
    };
    let path = path.to_str().ok()?;
    let existing = usize::try_from(existing).ok()?;
    let rest = path.get(existing..)?.trim_start_matches('/');
    let first = rest.split('/').next().filter(|c| !c.is_empty())?;
    let start = path.len() - rest.len();
    Some(format!("{} does not exist", path.get(..start + first.len())?))
}

/// The name of a refused parameter, or the path of a refused layer.
fn parameter(step: &Step, index: u32) -> Option<String> {
    let index = usize::try_from(index).ok()?;
    let source = match &step.action {
        Action::Mount(mount) => &mount.source,
        Action::Root { source, .. } => source,
        Action::Prepare {
            from: Prepared::Made(source),
            ..
        } => source,
        _ => return None,
    };
    let name = match source {
        Source::New(file_system) => file_system.parameters().nth(index)?,
        Source::Overlay { overlay, .. } => overlay.directories().nth(index)?,
        Source::Tree { .. } | Source::Place { .. } | Source::Inside { .. } => return None,
    };
    Some(format!("{:?}", name.to_string_lossy()))
}

fn candidate(step: &Step, index: u32) -> Option<&CString> {
    match &step.action {
        Action::Exec { candidates, .. } | Action::Look { candidates } => {
            candidates.get(usize::try_from(index).ok()?)
        }
        _ => None,
    }
}
