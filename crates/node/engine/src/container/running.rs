//! What is asked of a container that runs, by any command: to end, to stand still, to tell its end, to take a further process in.

use super::draft::user::{Accounts, home};
use super::facts::FileKind;
use super::look::{ImageView, host_facts};
use super::place::{ATTEMPTS, Pod, Supervised};
use super::request::{Capability, ProcessRequest, RunRequest, UserRequest, Variable};
use crate::Engine;
use crate::journal::Event;
use crate::records::containers::ContainerRecord;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;
use tare_error::{Context, Error, Kind, Result, While};
use tare_shim::{Attach, Condition, ExecRequest, Executed, Manner, Moment};
use tare_spec_oci::{Capabilities, Process, Spec};
use tare_store::Id;

/// How long a container may take to end that is asked to, where nobody says.
const PATIENCE: i64 = 10;
/// `SIGTERM`.
const TERM: i32 = 15;

/// What `exec` is asked.
#[derive(Clone, Debug, Default)]
pub struct Execute {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Environment, folder, user.
    pub process: ProcessRequest,
    /// With every capability there is.
    pub privileged: bool,
    /// Its input is ours.
    pub interactive: bool,
    /// It has a terminal.
    pub terminal: bool,
    /// The terminal's size in lines and columns, where ours is one.
    pub size: Option<(u16, u16)>,
}

impl Engine {
    /// Sends a signal to a container's first process.
    ///
    /// # Errors
    /// `NotFound` where there is no such container, `Conflict` where it does not run.
    pub fn kill_container(&self, typed: &str, signal: i32) -> Result<()> {
        let attributes = [("signal", signal.to_string())];
        self.noted(typed, "kill", &attributes, || self.try_kill(typed, signal))
    }

    fn try_kill(&self, typed: &str, signal: i32) -> Result<()> {
        let record = self.find_container(typed)?;
        let kill = rustix::process::Signal::KILL.as_raw();
        let ends = signal == kill || signal == record.stop_signal.unwrap_or(TERM);
        if ends && self.was_merely_due(&record.id)? {
            return Ok(());
        }
        let found = match self.running("kill container", typed) {
            Err(e) if ends && e.kind() == Kind::Conflict && self.was_being_started(&record.id)? => {
                self.running("kill container", typed)
            }
            found => found,
        };
        let (record, Supervised { mut connection, .. }) = found?;
        connection.kill(&record.id, signal)?;
        if signal == kill {
            connection
                .await_killed(&record.id)
                .during("kill container", typed)?;
            drop(connection);
            self.settled(&record.id)?;
        }
        Ok(())
    }

    /// Asks a container to end, and kills it when it takes longer than `timeout` seconds (-1: never). One that does not run is
    /// as it should be.
    ///
    /// # Errors
    /// `NotFound` where there is no such container; the supervisor's.
    pub fn stop_container(&self, typed: &str, signal: Option<i32>, timeout: Option<i64>) -> Result<()> {
        self.noted(typed, "stop", &[], || self.try_stop(typed, signal, timeout))
    }

    fn try_stop(&self, typed: &str, signal: Option<i32>, timeout: Option<i64>) -> Result<()> {
        let record = self.find_container(typed)?;
        self.want_end(&record.id)?;
        self.end_gently(&record, signal, timeout)
    }

    /// Puts down that somebody wants an end; whether that was all there was to do: it did not run, and was to be started again.
    fn was_merely_due(&self, id: &str) -> Result<bool> {
        let was_due = self.due(id)?.is_some();
        self.want_end(id)?;
        Ok(was_due && !self.pod_folder(id).is_dir())
    }

    /// Whether somebody was just about to start one that nobody looks after, as it was due, and has done so now.
    fn was_being_started(&self, id: &str) -> Result<bool> {
        match Pod::await_turn(self, id)? {
            Some(pod) => pod.dir.supervisor_alive(),
            None => Ok(false),
        }
    }

    /// Ends a container as [`Engine::stop_container`], without a word of it on record.
    pub(super) fn end_gently(
        &self,
        record: &ContainerRecord,
        signal: Option<i32>,
        timeout: Option<i64>,
    ) -> Result<()> {
        let mut attempts = 1..ATTEMPTS;
        loop {
            let Some(mut found) = self.find_started(&record.id)? else {
                // Somebody may be just about to start it, as it was due.
                return match Pod::await_turn(self, &record.id)? {
                    Some(pod) if pod.dir.supervisor_alive()? => {
                        drop(pod);
                        self.end_gently(record, signal, timeout)
                    }
                    Some(pod) => self.clear_ended_away(pod, &record.id),
                    None => Ok(()),
                };
            };
            match end_kept(&mut found, record, signal, timeout) {
                // It has ended meanwhile, and was taken away.
                Err(e) if e.kind() == Kind::NotFound => {}
                // Its supervisor has left with it, or was killed: who is there now tells.
                Err(e) if found.is_gone(&e, &record.id) && attempts.next().is_some() => continue,
                done => done?,
            }
            drop(found);
            return self.settled(&record.id);
        }
    }

    /// Waits for a container's end; its exit code. One that has ended has it already.
    ///
    /// # Errors
    /// `NotFound` where there is no such container; `Conflict` for one that was never started.
    pub fn wait_container(&self, typed: &str) -> Result<u8> {
        let record = self.find_container(typed)?;
        while let Some(mut found) = self.find_supervisor(&record.id)? {
            match found.connection.wait(&record.id) {
                // Its supervisor was killed, and the next one is asked.
                Err(e) if e.kind() == Kind::Unavailable => {}
                // It has ended, and is being settled.
                Err(e) if e.kind() == Kind::NotFound => {
                    drop(found);
                    self.settled(&record.id)?;
                    break;
                }
                waited => return waited.map(|exit| exit.code),
            }
        }
        match self.find_container(&record.id)?.end {
            Some(end) => Ok(end.code),
            None => {
                Err(Error::new(Kind::Conflict, "wait for container", typed).because("it was not started"))
            }
        }
    }

    /// Has every process of a container stand still, or go on.
    ///
    /// # Errors
    /// `NotFound` where there is no such container, `Conflict` where it does not run or is so already.
    pub fn freeze_container(&self, typed: &str, still: bool) -> Result<()> {
        let action = if still { "pause" } else { "unpause" };
        self.noted(typed, action, &[], || self.try_freeze(typed, still))
    }

    fn try_freeze(&self, typed: &str, still: bool) -> Result<()> {
        let operation = if still {
            "pause container"
        } else {
            "unpause container"
        };
        let (
            record,
            Supervised {
                mut connection,
                state,
            },
        ) = self.running(operation, typed)?;
        let (condition, _) = state?;
        let refused = |why: &str| Err(Error::new(Kind::Conflict, operation, typed).because(why.to_owned()));
        match (condition, still) {
            (Condition::Paused, true) => refused("it is paused already"),
            (Condition::Paused, false) => connection.resume(&record.id),
            (_, false) => refused("it is not paused"),
            (_, true) => connection.pause(&record.id),
        }
    }

    /// Executes a process in a container that runs; how it ended, or nothing where nobody waits for it (`attach` is
    /// none), or whoever did has left it.
    ///
    /// # Errors
    /// `Conflict` where the container does not run; `CommandNotFound`, `CommandNotExecutable`; those of the look-ups.
    pub fn execute(
        &self,
        typed: &str,
        asked: &Execute,
        attach: Option<(&Attach<'_>, &Manner)>,
    ) -> Result<Option<Executed>> {
        let subject = self.subject(typed);
        let command = asked.command.join(" ");
        let begins =
            Event::new(subject.clone(), format!("exec_start: {command}")).with("execCommand", &command);
        let ends = Event::new(subject, "exec_die").with("execCommand", command);
        let mut is_noted = false;
        let outcome = self.try_execute(typed, asked, attach, |moment| match moment {
            Moment::Asked => {
                self.note(&begins);
                self.records().close();
            }
            Moment::Ended(executed) => {
                is_noted = true;
                self.note(&ends.clone().with("exitCode", executed.code));
            }
        });
        if !is_noted {
            self.note(&ends.came_to(&outcome));
        }
        outcome
    }

    fn try_execute(
        &self,
        typed: &str,
        asked: &Execute,
        attach: Option<(&Attach<'_>, &Manner)>,
        meanwhile: impl FnMut(Moment),
    ) -> Result<Option<Executed>> {
        let operation = "exec in container";
        let record = self.find_container(typed)?;
        let mut made = None;
        let found = self.find_started_while(&record.id, &mut || {
            // It may be that it is just being made: then it is asked for once more, and this is read anew.
            made = self.process_as_made(&record.id).ok();
        })?;
        let Supervised {
            mut connection,
            state,
        } = self.up(operation, (typed, &record.id), found)?;
        let (condition, pid) = state?;
        if condition == Condition::Paused {
            return Err(Error::new(Kind::Conflict, operation, typed)
                .because("it is paused")
                .hint(format!("`tare unpause {typed}` lets it go on")));
        }
        let made = made.map_or_else(|| self.process_as_made(&record.id), Ok)?;
        let request = ExecRequest {
            process: self.executed(made, (&record.id, pid), asked)?,
            id: record.id.clone(),
            exec_id: Id::random()?.to_string(),
            stdin_open: asked.interactive,
            timeout: None,
            most_output: None,
        };
        let executed = match attach {
            Some((attach, manner)) => connection.exec_until(&request, attach, manner, meanwhile),
            None => connection.exec_detached(&request, meanwhile).map(|_| None),
        };
        match executed {
            // It has ended since, and was cleared away.
            Err(e) if e.kind() == Kind::NotFound && !self.pod_folder(&record.id).is_dir() => {
                Err(not_running(operation, typed))
            }
            executed => executed,
        }
    }

    /// The process: the container's own, changed by what was asked.
    fn executed(&self, mut process: Process, (id, pid): (&str, u32), asked: &Execute) -> Result<Process> {
        process.args.clone_from(&asked.command);
        process.terminal = asked.terminal;
        process.console_size = asked.size.map(|(lines, columns)| tare_spec_oci::ConsoleSize {
            height: u32::from(lines),
            width: u32::from(columns),
        });
        if let Some(directory) = &asked.process.directory {
            process.cwd = directory.into();
        }
        if let Some(user) = &asked.process.user {
            self.become_user(&mut process, user, (id, pid))?;
        }
        if asked.privileged {
            process.capabilities = Some(every_capability(&host_facts(
                &RunRequest::new(""),
                self.config().rootless,
            )?));
        }
        if asked.terminal {
            set(&mut process.env, "TERM", "xterm");
        }
        for variable in &asked.process.environment {
            match variable {
                Variable::Set(name, value) => set(&mut process.env, name, value),
                Variable::Unset(name) => process.env.retain(|known| name_of(known) != name),
            }
        }
        Ok(process)
    }

    /// Another user, by the files that the container has now, and what follows from that.
    fn become_user(&self, process: &mut Process, user: &UserRequest, (id, pid): (&str, u32)) -> Result<()> {
        let [passwd, group] = self.accounts_of(id, pid)?;
        let host = host_facts(&RunRequest::new(""), self.config().rootless)?;
        let accounts = Accounts {
            passwd: &passwd,
            group: &group,
            ids: host.ids,
        };
        let umask = process.user.umask;
        process.user = accounts.find(user, &[])?;
        process.user.umask = umask;
        set(&mut process.env, "HOME", &home(&passwd, process.user.uid));
        if let Some(capabilities) = &mut process.capabilities {
            // Another user than root starts without effective capabilities, as after execve(2).
            let in_force = match process.user.uid {
                0 => capabilities.bounding.clone(),
                _ => Vec::new(),
            };
            capabilities.effective.clone_from(&in_force);
            capabilities.permitted = in_force;
        }
        Ok(())
    }

    /// The files of a container that name its users and groups. What its process sees counts; where that is another user
    /// namespace's, as an ordinary user's commands have each their own, what is on disk: what was written, else the image's.
    fn accounts_of(&self, id: &str, pid: u32) -> Result<[Vec<u8>; 2]> {
        const FILES: [&str; 2] = ["/etc/passwd", "/etc/group"];
        let read = |view: &ImageView| -> Result<[Vec<u8>; 2]> {
            let [passwd, group] = FILES.map(|file| view.read(file));
            Ok([passwd?, group?])
        };
        let process = match self.runs_elsewhere(id)? {
            true => Err(Error::new(Kind::Denied, "look at", id)),
            false => ImageView::of_process(pid),
        };
        match process {
            Err(e) if e.kind() == Kind::Denied => {}
            view => return read(&view?),
        }
        let layers = self.snapshots().chain_of(id)?;
        let image = read(&ImageView::open(&self.snapshots().view(&layers)?)?)?;
        let mounts = self.snapshots().mounts(id)?;
        let mut options = mounts.iter().flat_map(|mount| &mount.options);
        let Some(top) = options.find_map(|option| option.strip_prefix("upperdir=")) else {
            return Ok(image);
        };
        let top = ImageView::of_folder(Path::new(top))?;
        let mut found = image;
        for (content, file) in found.iter_mut().zip(FILES) {
            if top.kind(Path::new(file))? != Some(FileKind::File) {
                continue;
            }
            *content = match top.read(file) {
                // Where a file of the image's was removed there is a device (overlayfs's whiteout).
                Err(e) if e.kind() == Kind::Invalid => Vec::new(),
                read => read?,
            };
        }
        Ok(found)
    }

    /// A container's specification, as it was made.
    pub(crate) fn spec_of(&self, id: &str) -> Result<Spec> {
        self.read_spec(id)
    }

    /// The process of it alone: nine tenths of the text are something else, and are passed over.
    fn process_as_made(&self, id: &str) -> Result<Process> {
        #[derive(Deserialize)]
        struct OfProcess {
            process: Option<Process>,
        }
        let found: OfProcess = self.read_spec(id)?;
        Ok(found.process.unwrap_or_default())
    }

    fn read_spec<T: DeserializeOwned>(&self, id: &str) -> Result<T> {
        let path = self.container_folder(id).join("config.json");
        let text = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::new(Kind::NotFound, "find container", id)
                    .because("another command is removing it"));
            }
            text => text.op("read", path.display())?,
        };
        serde_json::from_slice(&text)
            .map_err(|e| Error::new(Kind::Corrupt, "read", path.display()).from_source(e))
    }

    /// A container that runs, and its supervisor.
    fn running(&self, operation: &'static str, typed: &str) -> Result<(ContainerRecord, Supervised)> {
        let record = self.find_container(typed)?;
        let found = self.find_started(&record.id)?;
        let found = self.up(operation, (typed, &record.id), found)?;
        Ok((record, found))
    }

    /// The supervisor of a container that is to run, where one was found.
    fn up(
        &self,
        operation: &'static str,
        (typed, id): (&str, &str),
        found: Option<Supervised>,
    ) -> Result<Supervised> {
        match found {
            Some(found) => Ok(found),
            None if self.due(id)?.is_some() => {
                Err(Error::new(Kind::Conflict, operation, typed)
                    .because("it is restarting, wait until it runs"))
            }
            None => Err(not_running(operation, typed)),
        }
    }
}

fn not_running(operation: &'static str, typed: &str) -> Error {
    Error::new(Kind::Conflict, operation, typed)
        .because("it is not running")
        .hint(format!("`tare start {typed}` starts it"))
}

fn every_capability(host: &super::facts::HostFacts) -> Capabilities {
    let all = Capability::of_set(host.bounding & Capability::ALL);
    let names: Vec<String> = all.map(|capability| capability.to_string()).collect();
    Capabilities {
        bounding: names.clone(),
        effective: names.clone(),
        permitted: names,
        ..Capabilities::default()
    }
}

/// Ends a container by its supervisor.
fn end_kept(
    found: &mut Supervised,
    record: &ContainerRecord,
    signal: Option<i32>,
    timeout: Option<i64>,
) -> Result<()> {
    let Supervised { connection, state } = found;
    let signal = signal.or(record.stop_signal).unwrap_or(TERM);
    let seconds = timeout.or(record.stop_timeout).unwrap_or(PATIENCE);
    if let Ok((Condition::Paused, _)) = state {
        // One that stands still hears nothing.
        connection.resume(&record.id)?;
    }
    let unheard = match connection.kill(&record.id, signal) {
        // Its shim does not answer, and we are told so by its supervisor.
        Err(e) if e.kind() == Kind::Unavailable && connection.state(&record.id).is_ok() => true,
        Err(e) if e.kind() != Kind::NotFound => return Err(e),
        _ => false,
    };
    let patience = u64::try_from(seconds).ok().map(Duration::from_secs);
    let ended = match patience {
        _ if unheard => None,
        Some(patience) => connection.wait_for(&record.id, patience.max(Duration::from_millis(1)))?,
        None => Some(connection.wait(&record.id)?),
    };
    if ended.is_none() {
        connection
            .end(&record.id)
            .during("stop container", &record.name)?;
    }
    Ok(())
}

fn name_of(variable: &str) -> &str {
    variable.split_once('=').map_or(variable, |(name, _)| name)
}

/// Sets a variable, in place of one of the same name.
fn set(environment: &mut Vec<String>, name: &str, value: &str) {
    let line = format!("{name}={value}");
    match environment.iter_mut().find(|known| name_of(known) == name) {
        Some(known) => *known = line,
        None => environment.push(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_set_in_place() {
        let mut environment = vec!["A=1".to_owned(), "B=2".to_owned()];
        set(&mut environment, "A", "x=y");
        set(&mut environment, "C", "");
        assert_eq!(environment, ["A=x=y", "B=2", "C="]);
    }
}
