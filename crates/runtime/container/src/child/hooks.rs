//! Hooks inside the container's namespaces. Nothing here allocates; see [`crate::child`].

use crate::child::{Child, Done};
use crate::report::{Detail, Failure};
use crate::step::HookProgram;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_send_signal, waitid};
use std::convert::Infallible;
use tare_process::close_all_but;
use tare_sys::{CloneFlags, exec, exec_extended, fork_with, reset_signals};

/// What a hook's process ends with when its program cannot be executed, as a shell does.
const NOT_EXECUTED: i32 = 127;

impl Child<'_> {
    /// Runs a hook to its end, or ends it when its time is over.
    pub(super) fn run_hook(&mut self, program: &HookProgram) -> Done {
        // It mounts what it likes, where it likes.
        self.grounds.forget();
        let state = self.options.hook_state.ok_or(Errno::BADF)?;
        rustix::fs::seek(state, SeekFrom::Start(0))?;
        let hook = fork_with(CloneFlags::empty(), None, || {
            let Err(_) = self.become_hook(state, program);
            NOT_EXECUTED
        })?;
        let timeout = program.timeout.and_then(|t| Timespec::try_from(t).ok());
        let ended = loop {
            match poll(&mut [PollFd::new(&hook.pidfd, PollFlags::IN)], timeout.as_ref()) {
                Err(Errno::INTR) => {}
                done => break done? > 0,
            }
        };
        if !ended {
            // With all that it started. Gone already is as good; the one process before it made its group, too.
            let _ = kill_process_group(hook.pid, Signal::KILL);
            let _ = pidfd_send_signal(&hook.pidfd, Signal::KILL);
        }
        let status = loop {
            match waitid(WaitId::PidFd(hook.pidfd.as_fd()), WaitIdOptions::EXITED) {
                Ok(Some(status)) => break status,
                Ok(None) | Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        };
        let failed = |detail| Failure {
            errno: Errno::CANCELED,
            detail,
        };
        if !ended {
            return Err(failed(Detail::HookTimedOut));
        }
        match (status.exit_status(), status.terminating_signal()) {
            (Some(0), _) => Ok(()),
            (Some(code), _) => Err(failed(Detail::HookEnded(code.unsigned_abs() << 8))),
            (_, signal) => Err(failed(Detail::HookEnded(signal.unwrap_or(0).unsigned_abs()))),
        }
    }

    /// The hook's process: the state is its standard input, and what it prints goes where the caller said or nowhere, as
    /// the standard output may be the container's already. What it complains of is for whoever reads the container's
    /// errors. It starts in the container's root, or where the program will (runc's rule).
    fn become_hook(&mut self, state: BorrowedFd<'_>, program: &HookProgram) -> Result<Infallible, Errno> {
        let [stdout, stderr] = self.options.hook_output;
        rustix::process::setsid()?;
        if let Some(root) = &self.handles.root {
            rustix::process::fchdir(root)?;
        }
        rustix::stdio::dup2_stdin(state)?;
        // Where there is none, or Landlock forbids it, what a hook prints is kept by nobody.
        let null = rustix::fs::openat(CWD, c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .or_else(|_| rustix::fs::memfd_create(c"null", MemfdFlags::CLOEXEC));
        let null = null.as_ref().ok().map(AsFd::as_fd);
        if let Some(to) = stdout.or(null) {
            rustix::stdio::dup2_stdout(to)?;
        }
        if let Some(to) = stderr {
            rustix::stdio::dup2_stderr(to)?;
        }
        close_all_but(&[0, 1, 2])?;
        reset_signals();
        let (path, arguments) = (&program.path, &program.arguments);
        let environment = match &program.environment {
            Some(own) => own,
            None => {
                if let Some((environment, home)) = self.environment.as_mut().zip(self.home.variable()) {
                    return Err(exec_extended(path, arguments, environment, home));
                }
                self.plan.environment().ok_or(Errno::INVAL)?
            }
        };
        Err(exec(path, arguments, environment))
    }
}
