//! What is asked of a foreign container that lives: answered when its runtime's command has ended.

use super::errand::Errand;
use super::{Purpose, Task, group};
use crate::supervisor::calls::{Outcome, encoded, refused};
use crate::supervisor::connection::Asked;
use crate::supervisor::container::Container;
use crate::supervisor::health::NOBODY;
use crate::supervisor::life::Life;
use crate::supervisor::process::Stage;
use crate::supervisor::service::Service;
use crate::supervisor::stdio::{Leaving, Writing};
use crate::supervisor::telling::told;
use rustix::process::Signal;
use std::process::Command;
use tare_error::{Error, Kind, Result};
use tare_spec_containerd::Message;
use tare_spec_containerd::events::{TaskDelete, TaskPaused, TaskResumed};
use tare_spec_containerd::task::{
    DeleteRequest, DeleteResponse, KillRequest, PauseRequest, ResumeRequest, StatsRequest, TaskMethod,
    UpdateTaskRequest,
};
use tare_store::Durability;
use tare_ttrpc::{Call, Code, Status};

impl Service {
    /// Does what is asked, where that is about a foreign container and a matter of its runtime.
    pub(in crate::supervisor) fn call_foreign(
        &mut self,
        asked: Asked,
        method: TaskMethod,
        call: &Call,
    ) -> Result<Option<Outcome>, Status> {
        if let Some(done) = self.call_remote(asked, method, call)? {
            return Ok(Some(done.map_err(refused)));
        }
        let outcome = match method {
            TaskMethod::Kill => self.kill_foreign(asked, &call.message()?),
            TaskMethod::Delete => self.delete_foreign(asked, &call.message()?),
            TaskMethod::Pause => self.pause_foreign(asked, &call.message()?),
            TaskMethod::Resume => self.resume_foreign(asked, &call.message()?),
            TaskMethod::Update => self.update_foreign(asked, &call.message()?),
            TaskMethod::Stats => self.stats_foreign(&call.message()?),
            _ => None,
        };
        Ok(outcome.map(|done| done.map_err(refused)))
    }

    pub(super) fn foreign(&mut self, id: &str) -> Option<&mut Container> {
        let mut containers = self.containers.iter_mut();
        containers.find(|container| container.id == id && container.foreign.is_some())
    }

    /// Has the runtime do something; the answer comes later. `arguments` come between the verb and the id.
    fn order(
        &mut self,
        id: &str,
        verb: &'static str,
        purpose: Purpose,
        arguments: impl FnOnce(&Errand, &mut Command) -> Result<()>,
    ) -> Result<Option<Vec<u8>>> {
        let number = self.number();
        let Some(foreign) = self.foreign(id).and_then(|container| container.foreign.as_mut()) else {
            return Err(Error::new(Kind::NotFound, "find container", id));
        };
        let mut errand = Errand::new(&foreign.record, number);
        let mut command = errand.command(&foreign.record.runtime, verb);
        arguments(&errand, &mut command)?;
        if verb != "kill" {
            command.arg(id);
        }
        errand.then(verb, command);
        foreign.tasks.push(Task { errand, purpose });
        self.run_errand(number);
        Ok(None)
    }

    fn kill_foreign(&mut self, asked: Asked, request: &KillRequest) -> Option<Result<Option<Vec<u8>>>> {
        let container = self.foreign(&request.id)?;
        let first = container.process("");
        let ended = first.is_none_or(|process| process.ended().is_some());
        // A process that was executed is signalled without a command; and what is left of an ended container.
        if !request.exec_id.is_empty() || (ended && !request.all) {
            return None;
        }
        let signal = i32::try_from(request.signal).unwrap_or(-1);
        if ended {
            return Some(container.signal_foreign_group(signal).map(|()| Some(Vec::new())));
        }
        container.killed |= signal == Signal::KILL.as_raw();
        let words = |_: &Errand, command: &mut Command| {
            if request.all {
                command.arg("--all");
            }
            command.arg(&request.id).arg(signal.to_string());
            Ok(())
        };
        Some(self.order(&request.id, "kill", Purpose::Kill(asked), words))
    }

    fn pause_foreign(&mut self, asked: Asked, request: &PauseRequest) -> Option<Result<Option<Vec<u8>>>> {
        self.foreign(&request.id)?;
        Some(self.order(&request.id, "pause", Purpose::Pause(asked), |_, _| Ok(())))
    }

    fn resume_foreign(&mut self, asked: Asked, request: &ResumeRequest) -> Option<Result<Option<Vec<u8>>>> {
        self.foreign(&request.id)?;
        Some(self.order(&request.id, "resume", Purpose::Resume(asked), |_, _| Ok(())))
    }

    fn update_foreign(
        &mut self,
        asked: Asked,
        request: &UpdateTaskRequest,
    ) -> Option<Result<Option<Vec<u8>>>> {
        self.foreign(&request.id)?;
        let resources = request
            .resources
            .as_ref()
            .map(|any| any.value.as_slice())
            .unwrap_or_default();
        let words = |errand: &Errand, command: &mut Command| {
            let path = errand.file("json");
            tare_store::replace(&path, Durability::Volatile, 0o600, resources)?;
            command.arg("--resources").arg(path);
            Ok(())
        };
        Some(self.order(&request.id, "update", Purpose::Update(asked), words))
    }

    fn stats_foreign(&mut self, request: &StatsRequest) -> Option<Result<Option<Vec<u8>>>> {
        let container = self.foreign(&request.id)?;
        let none = || Error::new(Kind::NotFound, "measure", &request.id).because("it has no cgroup");
        let group = container.foreign_group().ok_or_else(none);
        Some(group.map(|group| Some(encoded(group::stats(&group)))))
    }

    /// Begins to delete a container; that of one of its processes is no matter of the runtime.
    fn delete_foreign(&mut self, asked: Asked, request: &DeleteRequest) -> Option<Result<Option<Vec<u8>>>> {
        let number = self.number();
        let container = self.foreign(&request.id)?;
        if !request.exec_id.is_empty() {
            return None;
        }
        let begun = container.begin_deletion(asked, number);
        Some(begun.map(|begun| {
            if let Some(asked) = begun.abandoned {
                let told = Status::new(Code::Cancelled, "it was deleted while it was created");
                self.answer(asked, Err(told));
            }
            if begun.fresh {
                self.run_errand(number);
            }
            None
        }))
    }

    /// Goes on with a command, and does what follows it.
    pub(in crate::supervisor) fn run_errand(&mut self, number: u32) {
        let Service {
            containers, signals, ..
        } = self;
        let has = |container: &&mut Container| {
            container
                .foreign
                .as_ref()
                .is_some_and(|foreign| foreign.has(number))
        };
        let Some(container) = containers.iter_mut().find(has) else {
            return;
        };
        let Some(foreign) = container.foreign.as_mut() else {
            return;
        };
        let Some(at) = foreign.tasks.iter().position(|task| task.errand.number == number) else {
            return;
        };
        let advanced = foreign
            .tasks
            .get_mut(at)
            .map(|task| signals.released(|| task.errand.advance()));
        let done = match advanced {
            None | Some(Ok(Ok(false))) => return,
            Some(Ok(Ok(true))) => Ok(()),
            Some(Ok(Err(error)) | Err(error)) => Err(error),
        };
        let Task { errand, purpose } = foreign.tasks.swap_remove(at);
        let id = container.id.clone();
        match purpose {
            Purpose::End(_) | Purpose::Bury | Purpose::Pass(_) | Purpose::Look(_) | Purpose::Tell => {
                self.heard(&id, errand, purpose, done);
            }
            Purpose::Delete { asked, answer } if done.is_err() && errand.has_lost() => {
                drop(errand);
                self.delete_lost(&id, asked, answer);
            }
            // Who does not even hear that it is to be killed is not waited for any longer.
            Purpose::Kill(asked) if container.killed && errand.has_lost() => {
                drop(errand);
                self.lost(&id, true, false);
                self.answer_done(asked, Ok(()));
            }
            Purpose::Kill(asked) => self.killed(asked, &id, done),
            Purpose::Update(asked) => self.answer_done(asked, done),
            Purpose::Pause(asked) => {
                container.paused |= done.is_ok();
                let noted = container.note_pause();
                self.note_failure(noted);
                if done.is_ok() {
                    self.publisher.publish(&TaskPaused { container_id: id });
                }
                self.answer_done(asked, done);
            }
            Purpose::Resume(asked) => {
                container.paused &= done.is_err();
                let noted = container.note_pause();
                self.note_failure(noted);
                if done.is_ok() {
                    self.publisher.publish(&TaskResumed { container_id: id });
                }
                self.answer_done(asked, done);
            }
            Purpose::Delete { asked, answer } => self.deleted(asked, answer, &id, done),
        }
    }

    /// Ends a container that belonged to somebody who is gone, however far it is.
    pub(in crate::supervisor) fn end_foreign(&mut self, id: &str) -> Result<()> {
        let nobody = Asked {
            connection: NOBODY,
            stream: 0,
        };
        let Some(container) = self.foreign(id) else {
            return Ok(());
        };
        let begins = |stage: &Stage| matches!(stage, Stage::Foreign(work) if work.makes());
        if container.process("").is_some_and(|first| begins(&first.stage)) {
            let request = DeleteRequest {
                id: id.to_owned(),
                exec_id: String::new(),
            };
            return self
                .delete_foreign(nobody, &request)
                .map_or(Ok(()), |done| done.map(drop));
        }
        if container.paused {
            let id = id.to_owned();
            let request = ResumeRequest { id };
            match container.is_remote() {
                true => self.tell_resume(&request),
                false => drop(self.resume_foreign(nobody, &request)),
            }
        }
        let kill = KillRequest {
            id: id.to_owned(),
            exec_id: String::new(),
            signal: Signal::KILL.as_raw().unsigned_abs(),
            all: true,
        };
        match self.tell_kill(&kill) {
            true => Ok(()),
            false => self
                .kill_foreign(nobody, &kill)
                .map_or(Ok(()), |done| done.map(drop)),
        }
    }

    pub(super) fn answer_done(&mut self, asked: Asked, done: Result<()>) {
        self.answer(asked, done.map(|()| Vec::new()).map_err(refused));
    }

    /// One that has ended meanwhile is told in the words of runc's shim.
    pub(super) fn killed(&mut self, asked: Asked, id: &str, done: Result<()>) {
        let gone = self.foreign(id).is_none_or(|container| {
            let first = container.process("").filter(|first| first.lives());
            first.is_none_or(|first| first.life().is_some_and(Life::has_ended))
        });
        let done = done.map_err(|error| match gone {
            true => Error::new(Kind::NotFound, "signal", id).because("process already finished"),
            false => error,
        });
        self.answer_done(asked, done);
    }

    fn deleted(&mut self, asked: Vec<Asked>, answer: DeleteResponse, id: &str, done: Result<()>) {
        let done = done.and_then(|()| match self.foreign(id) {
            Some(container) => container.bury(),
            None => Ok(()),
        });
        let writing = self.foreign(id).map(Container::take_writing).unwrap_or_default();
        let done = done.and_then(|()| self.forget_container(id));
        if let Err(error) = done {
            for asked in asked {
                self.answer(asked, Err(told(&error)));
            }
            return;
        }
        self.publisher.publish(&TaskDelete {
            container_id: id.to_owned(),
            pid: answer.pid,
            exit_status: answer.exit_status,
            exited_at: answer.exited_at,
            id: String::new(),
        });
        let answer = answer.encode_to_vec();
        // What was said is to be written down first, where that is ours to do.
        let waits = writing.iter().any(Writing::is_waited_for);
        let mut asked = asked.into_iter().peekable();
        self.leaving.push(Leaving {
            writing,
            answer: asked.next_if(|_| waits).map(|asked| (asked, answer.clone())),
        });
        for asked in asked {
            self.answer(asked, Ok(answer.clone()));
        }
    }
}
