//! The foreground: process started, streams joined, end told, everything cleared away.

use super::create::Container;
use crate::journal::Event;
use std::path::Path;
use tare_error::{Error, Kind, Result};
use tare_shim::{Attach, Connection, Exit, Leaving, Manner, Parted, Starting};

impl Container<'_> {
    /// Starts the supervisor and the process. Where this fails, nothing of the container is left.
    ///
    /// # Errors
    /// `CommandNotFound` and `CommandNotExecutable` for the command; the supervisor's, step by step.
    pub fn start(&mut self) -> Result<()> {
        let started = self.try_start();
        let event = Event::new(self.subject.clone(), "start").in_stages(&self.stages.took);
        self.engine.note(&event.came_to(&started));
        started.map_err(|e| self.undo(e))
    }

    fn try_start(&mut self) -> Result<()> {
        let (Some(pod), Some(call)) = (&self.pod, self.call.take()) else {
            return Err(Error::new(Kind::Conflict, "start", &self.name).because("it was started already"));
        };
        if let Some(of) = pod.dir.of_pod() {
            self.engine.bring_pod_up(of)?;
        }
        let launched = match self.starting.take() {
            Some(starting) => starting.and_then(Starting::wait),
            None => self.engine.launch(pod),
        };
        let launched = launched.map_err(supervisor_missing)?;
        let connection = self.connection.insert(launched);
        self.stages.done("supervisor");
        tare_failpoint::pass("start-launched")?;
        connection
            .create(*call)
            .map_err(|e| about_options(e, &self.command))?;
        self.running = true;
        self.stages.done("process");
        tare_failpoint::pass("start-created")
    }

    /// Lets a container that was started live on without us.
    pub fn leave(mut self) {
        // The folder's lock goes with us, and the folder stays.
        self.connection = None;
        self.pod = None;
    }

    /// Joins the streams until the container has ended and every byte it wrote is written, or until we leave it: nothing then, and
    /// [`Container::leave`] is what is left to do.
    ///
    /// # Errors
    /// `Unavailable` where the supervisor dies; the container is then ended and cleared away.
    pub fn attach(&mut self, streams: &Attach<'_>, manner: &Manner) -> Result<Option<Exit>> {
        let Some(connection) = &mut self.connection else {
            return Err(Error::new(Kind::Conflict, "attach to", &self.name).because("it was not started"));
        };
        match connection.attach_until(self.id.as_str(), streams, manner)? {
            Parted::Ended(exit) => Ok(Some(exit)),
            Parted::Left => connection.let_live().map(|()| None),
        }
    }

    /// How many bytes of its output could not be kept in its log, and why; told once.
    pub fn take_unwritten(&mut self) -> Option<(u64, Error)> {
        self.connection.as_mut().and_then(Connection::take_unwritten)
    }

    /// How many bytes of its output came faster than they were written, and were left out.
    pub fn missed(&self) -> u64 {
        self.connection.as_ref().map_or(0, Connection::missed)
    }

    /// Clears away what the container needed; keeps its files and its record unless it was to be removed.
    ///
    /// # Errors
    /// The file system's and the database's; what could not be removed is removed by the next command.
    pub fn finish(mut self, exit: &Exit) -> Result<()> {
        tare_failpoint::pass("finish-ended")?;
        let id = self.id.as_str();
        self.engine.note_end(&self.subject, exit);
        let goes = self.remove && !self.engine.is_due(id)?;
        if !goes {
            self.engine.record_end(id, exit)?;
        }
        tare_failpoint::pass("finish-settled")?;
        let connection = self.connection.take();
        let leaving = connection.map(|connection| connection.dismiss(id)).transpose()?;
        tare_failpoint::pass("finish-left")?;
        // While the supervisor leaves.
        if goes {
            self.engine.remove_everything(id, true)?;
            self.engine.note(&Event::new(self.subject.clone(), "destroy"));
        }
        leaving.map_or(Ok(()), Leaving::wait)?;
        if let Some(pod) = self.pod.take() {
            let of = pod.dir.of_pod().map(str::to_owned);
            pod.remove()?;
            of.map_or(Ok(()), |of| self.engine.end_pod_with_last(&of))?;
        }
        self.engine.look_after_due()
    }

    /// Lets go of a container that cannot be attended any more: it is ended, recorded and cleared away.
    ///
    /// # Errors
    /// As [`Container::finish`].
    pub fn abandon(mut self) -> Result<Option<Exit>> {
        drop(self.connection.take());
        match self.pod.take() {
            Some(pod) => {
                let exit = self.engine.clear_away(pod, self.id.as_str())?;
                self.engine.look_after_due().map(|()| exit)
            }
            None => Ok(None),
        }
    }

    /// Gives up a container that is not started: nothing of it is left.
    pub fn give_up(&mut self, error: Error) -> Error {
        self.undo(error)
    }

    /// Undoes everything, after an error that stays the first one.
    pub(super) fn undo(&mut self, error: Error) -> Error {
        if self.running {
            // Without its client the supervisor kills it and has it cleared away.
            self.connection = None;
            self.pod = None;
            return error;
        }
        let starting = || self.starting.take()?.and_then(Starting::wait).ok();
        let connection = self.connection.take().or_else(starting);
        let left = connection.map_or(Ok(()), |connection| connection.finish(self.id.as_str()));
        let removed = left.and_then(|()| match self.known {
            true => Ok(()),
            false => self.engine.remove_everything(self.id.as_str(), true),
        });
        let removed = removed.and_then(|()| self.pod.take().map_or(Ok(()), super::place::Pod::remove));
        match removed {
            Ok(()) => error,
            Err(also) => error.also(also),
        }
    }
}

/// The supervisor's program is not there.
fn supervisor_missing(error: Error) -> Error {
    if error.kind() == Kind::NotFound && error.operation() == "start the supervisor" {
        return error.hint("install it there, or name it in config.toml: supervisor = \"/path\"");
    }
    error
}

/// A command that begins with a dash was meant as an option.
fn about_options(error: Error, command: &str) -> Error {
    let not_there = matches!(error.kind(), Kind::CommandNotFound | Kind::CommandNotExecutable);
    if not_there
        && Path::new(command)
            .as_os_str()
            .as_encoded_bytes()
            .starts_with(b"-")
    {
        return error.hint("options of tare go before the image name");
    }
    error
}
