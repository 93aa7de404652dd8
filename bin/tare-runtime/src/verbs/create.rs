//! `create`: makes a container, and leaves it waiting to be started. `run` makes its own the same way.

use crate::reading::Arguments;
use rustix::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;
use tare_container::FilterFlags;
use tare_error::{Context, Error, Kind, Result};
use tare_lifecycle::{Bundle, ContainerId, Create, Home, Made, own_stdio, send_terminal};

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(1)?;
    make(arguments, true)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes the container and hands over what was asked for; a terminal that nobody asked for is in what comes back.
pub(crate) fn make(arguments: &Arguments, detached: bool) -> Result<Made> {
    tare_process::seal::enter()?;
    let (home, id) = (arguments.home(), arguments.id()?);
    let (passed, listening) = passed(arguments)?;
    let mut bundle = match arguments.path("config") {
        None => Bundle::read_for(&home, arguments.bundle())?,
        Some(file) => Bundle::read_file_for(&home, arguments.bundle(), file)?,
    };
    pass_on(&mut bundle, listening);
    bundle
        .doubts()?
        .iter()
        .for_each(|doubt| arguments.log.warn(doubt));
    if arguments.log.is_debugging() {
        tell_plan(arguments, &home, &bundle, &id)?;
    }
    let terminal = bundle
        .spec
        .process
        .as_ref()
        .is_some_and(|process| process.terminal);
    let socket = arguments
        .path("console-socket")
        .filter(|path| !path.as_os_str().is_empty());
    if terminal && detached && socket.is_none() {
        return Err(Error::new(Kind::Invalid, "create container", &id)
            .because("cannot allocate tty if runc will detach without setting console socket")
            .hint("give --console-socket, or set process.terminal to false"));
    }
    let create = Create {
        home: &home,
        id: &id,
        stdio: own_stdio(bundle.spec.process.as_ref()),
        bundle,
        rootfs: &[],
        passed: &passed,
        driver: &arguments.driver()?,
        shared_keyring: arguments.has("no-new-keyring"),
        without_pivot: arguments.has("no-pivot"),
        plain_lines: socket.is_none(),
    };
    let mut made = create.make()?;
    arguments.log.debug(|| {
        let group = made.container.record().group.as_deref().unwrap_or("none");
        format!("created: process {}, cgroup {group}", made.process.pid)
    });
    match hand_over(arguments, &mut made, socket) {
        Ok(()) => Ok(made),
        Err(e) => Err(match made.container.delete(true) {
            Ok(()) => e,
            Err(also) => e.also(also),
        }),
    }
}

/// Tells what is about to be done.
fn tell_plan(arguments: &Arguments, home: &Home, bundle: &Bundle, id: &ContainerId) -> Result<()> {
    let log = &arguments.log;
    log.debug(|| {
        format!(
            "bundle {}, containers in {}",
            bundle.path.display(),
            home.path().display()
        )
    });
    if let Some(flags) = bundle.filter_flags(home)? {
        // A process of one thread has none to take along.
        let flags = flags & !FilterFlags::TSYNC.bits();
        log.debug(|| format!("seccomp filter flags: {flags}"));
    }
    for (number, step) in bundle.plan(id.as_str(), &[])?.steps().iter().enumerate() {
        log.debug(|| format!("step {number}: {step}"));
    }
    Ok(())
}

/// Terminal, number and handle go where they were asked for.
fn hand_over(arguments: &Arguments, made: &mut Made, socket: Option<&Path>) -> Result<()> {
    if let (Some(path), Some(terminal)) = (socket, made.terminal.as_ref()) {
        send_terminal(path, terminal.as_fd())?;
        made.terminal = None;
    }
    if let Some(path) = arguments
        .path("pidfd-socket")
        .filter(|path| !path.as_os_str().is_empty())
    {
        send_terminal(path, made.process.pidfd.as_fd())?;
    }
    match arguments
        .path("pid-file")
        .filter(|path| !path.as_os_str().is_empty())
    {
        Some(path) => write_pid(path, made.process.pid.as_raw_pid()),
        None => Ok(()),
    }
}

/// Writes a pid file, whole or not at all: whoever waits for it finds the number in it.
pub(super) fn write_pid(path: &Path, pid: i32) -> Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    let temporary = path.with_file_name(name);
    std::fs::write(&temporary, pid.to_string()).op("write pid file", path.display())?;
    std::fs::rename(&temporary, path).op("write pid file", path.display())
}

/// The fds to pass on: those of socket activation (`sd_listen_fds(3)`), then those asked for.
#[expect(
    clippy::disallowed_methods,
    reason = "socket activation speaks through the environment"
)]
pub(super) fn passed(arguments: &Arguments) -> Result<(Vec<OwnedFd>, u32)> {
    let invalid = |text: &str| {
        Error::new(Kind::Invalid, "read option", "--preserve-fds")
            .because(format!("{text:?} is no number of fds"))
    };
    let listening = std::env::var("LISTEN_FDS")
        .ok()
        .and_then(|n| n.parse::<u32>().ok())
        .unwrap_or(0);
    let asked = match arguments.value("preserve-fds") {
        None => 0,
        Some(text) => text.parse::<u32>().map_err(|_| invalid(text))?,
    };
    let count = listening
        .checked_add(asked)
        .filter(|n| *n <= 4096)
        .ok_or_else(|| invalid("so many"))?;
    let fds =
        tare_process::take_passed(count).op("take over", format!("{count} fds after standard error"))?;
    Ok((fds, listening))
}

/// Tells the program of its sockets, as whoever activated us told us.
fn pass_on(bundle: &mut Bundle, listening: u32) {
    if let (1.., Some(process)) = (listening, &mut bundle.spec.process) {
        process.env.push(format!("LISTEN_FDS={listening}"));
        process.env.push("LISTEN_PID=1".to_owned());
    }
}
