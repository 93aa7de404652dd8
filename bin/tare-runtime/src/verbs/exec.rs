//! `exec`: runs another process in a container.

use super::create::{passed, write_pid};
use crate::reading::Arguments;
use crate::terminal;
use rustix::fd::AsFd;
use std::process::ExitCode;
use tare_container::{Running, doubts};
use tare_error::{Context, Error, Kind, Result};
use tare_lifecycle::{Container, Exec, SubGroup, own_stdio, send_terminal};
use tare_signal::Reception;
use tare_spec_oci::{Capabilities, Process, User};

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    tare_process::seal::enter()?;
    let (passed, _) = passed(arguments)?;
    let container = arguments.home().container(&arguments.id()?)?;
    let process = process(arguments, &container)?;
    doubts(&process)
        .iter()
        .for_each(|doubt| arguments.log.warn(doubt));
    arguments.log.debug(|| {
        format!(
            "program {:?}, affinity {:?}",
            process.args, process.exec_cpu_affinity
        )
    });
    let detached = arguments.has("detach");
    let socket = arguments
        .path("console-socket")
        .filter(|path| !path.as_os_str().is_empty());
    if process.terminal && detached && socket.is_none() {
        return Err(Error::new(Kind::Invalid, "exec in container", container.id())
            .because("cannot allocate tty if runc will detach without setting console socket")
            .hint("give --console-socket"));
    }
    let sub_groups = arguments.values("cgroup").map(SubGroup::parse);
    let sub_groups: Vec<SubGroup> = sub_groups.collect::<Result<_>>()?;
    let signals = Reception::open(terminal::FORWARDED).op("receive", "signals")?;
    let mut running = container.exec(&Exec {
        process: &process,
        stdio: own_stdio(Some(&process)),
        passed: &passed,
        sub_groups: &sub_groups,
        own_group: None,
        ignore_paused: arguments.has("ignore-paused"),
        plain_lines: socket.is_none(),
    })?;
    arguments
        .log
        .debug(|| format!("running: process {}", running.process.pid));
    if let Err(e) = hand_over(arguments, &mut running, socket) {
        running.process.kill_and_reap();
        return Err(e);
    }
    if detached {
        return Ok(ExitCode::SUCCESS);
    }
    terminal::accompany(&running.process, running.terminal.as_ref(), &signals)?;
    terminal::exit_code(&running.process).map(ExitCode::from)
}

fn hand_over(arguments: &Arguments, running: &mut Running, socket: Option<&std::path::Path>) -> Result<()> {
    if let (Some(path), Some(terminal)) = (socket, running.terminal.as_ref()) {
        send_terminal(path, terminal.as_fd())?;
        running.terminal = None;
    }
    if let Some(path) = arguments
        .path("pidfd-socket")
        .filter(|path| !path.as_os_str().is_empty())
    {
        send_terminal(path, running.process.pidfd.as_fd())?;
    }
    match arguments
        .path("pid-file")
        .filter(|path| !path.as_os_str().is_empty())
    {
        Some(path) => write_pid(path, running.process.pid.as_raw_pid()),
        None => Ok(()),
    }
}

/// What runs: a document, or the container's own process with what the arguments change.
fn process(arguments: &Arguments, container: &Container) -> Result<Process> {
    if let Some(path) = arguments.path("process") {
        let text = std::fs::read(path).op("read", path.display())?;
        return serde_json::from_slice(&text)
            .map_err(|e| Error::new(Kind::Invalid, "read", path.display()).from_source(e));
    }
    let command = arguments.operands.get(1..).filter(|command| !command.is_empty());
    let command = command.ok_or_else(|| {
        Error::new(Kind::Invalid, "exec in container", container.id()).because("process args cannot be empty")
    })?;
    let mut process = container.spec()?.process.unwrap_or_default();
    process.args = command.to_vec();
    process.terminal = arguments.has("tty");
    if let Some(cwd) = arguments.path("cwd") {
        process.cwd = cwd.to_owned();
    }
    process.env.extend(arguments.values("env").map(str::to_owned));
    if let Some(user) = arguments.value("user") {
        set_user(&mut process.user, user)?;
    }
    for gid in arguments.values("additional-gids") {
        process.user.additional_gids.push(read_id(gid)?);
    }
    if let Some(profile) = arguments.value("apparmor") {
        process.apparmor_profile = Some(profile.to_owned());
    }
    if let Some(label) = arguments.value("process-label") {
        process.selinux_label = Some(label.to_owned());
    }
    if arguments.has("no-new-privs") {
        process.no_new_privileges = true;
    }
    let capabilities = process.capabilities.get_or_insert_default();
    arguments.values("cap").for_each(|name| add(capabilities, name));
    Ok(process)
}

/// A capability is added to all sets but the inheritable one (CVE-2022-24769); the ambient set follows where the
/// inheritable one has it.
fn add(capabilities: &mut Capabilities, name: &str) {
    let sets = [
        &mut capabilities.bounding,
        &mut capabilities.effective,
        &mut capabilities.permitted,
    ];
    let ambient = capabilities.inheritable.iter().any(|known| known == name);
    let ambient = ambient.then_some(&mut capabilities.ambient);
    for set in sets.into_iter().chain(ambient) {
        if !set.iter().any(|known| known == name) {
            set.push(name.to_owned());
        }
    }
}

/// `UID` or `UID:GID`; what is not named stays.
fn set_user(user: &mut User, text: &str) -> Result<()> {
    let (uid, gid) = match text.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid)),
        None => (text, None),
    };
    user.uid = read_id(uid)?;
    if let Some(gid) = gid {
        user.gid = read_id(gid)?;
    }
    Ok(())
}

fn read_id(text: &str) -> Result<u32> {
    text.parse().map_err(|_| {
        Error::new(Kind::Invalid, "read user", format!("{text:?}"))
            .because("it is no number")
            .hint("give UID or UID:GID")
    })
}
