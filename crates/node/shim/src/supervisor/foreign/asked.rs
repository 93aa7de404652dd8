//! What is asked of a container whose runtime is a shim, and what becomes of the shim's answers.

use super::errand::Errand;
use super::remote::{self, ANSWERING, ENDING};
use super::{Purpose, Task};
use crate::supervisor::connection::Asked;
use crate::supervisor::container::Container;
use crate::supervisor::process::{Ended, Stage};
use crate::supervisor::service::Service;
use rustix::process::Signal;
use std::time::{Duration, Instant};
use tare_error::{Error, Kind, Result};
use tare_spec_containerd::Message;
use tare_spec_containerd::events::TaskOom;
use tare_spec_containerd::forward::ForwardRequest;
use tare_spec_containerd::process::Status as Condition;
use tare_spec_containerd::task::{
    CloseIoRequest, DeleteRequest, DeleteResponse, KillRequest, PauseRequest, PidsRequest, ResizePtyRequest,
    ResumeRequest, StateRequest, StateResponse, StatsRequest, TaskMethod, UpdateTaskRequest,
};
use tare_ttrpc::{Call, Status};

/// An answer, which may come later; none where it is no matter of a shim.
type Done = Option<Result<Option<Vec<u8>>>>;

impl Service {
    /// Does what is asked, where that is a shim's to do.
    pub(super) fn call_remote(
        &mut self,
        asked: Asked,
        method: TaskMethod,
        call: &Call,
    ) -> std::result::Result<Done, Status> {
        let pass = Purpose::Pass(asked);
        Ok(match method {
            TaskMethod::Kill => {
                let request: KillRequest = call.message()?;
                self.kill_remote(&request, Purpose::Kill(asked))
            }
            TaskMethod::Pause => {
                let request: PauseRequest = call.message()?;
                self.pass_on(&request.id, method, &request, Purpose::Pause(asked))
            }
            TaskMethod::Resume => {
                let request: ResumeRequest = call.message()?;
                self.pass_on(&request.id, method, &request, Purpose::Resume(asked))
            }
            TaskMethod::Update => {
                let request: UpdateTaskRequest = call.message()?;
                self.pass_on(&request.id, method, &request, Purpose::Update(asked))
            }
            TaskMethod::Stats => {
                let request: StatsRequest = call.message()?;
                self.pass_on(&request.id, method, &request, pass)
            }
            TaskMethod::Pids => {
                let request: PidsRequest = call.message()?;
                self.pass_on(&request.id, method, &request, pass)
            }
            TaskMethod::ResizePty => {
                let request: ResizePtyRequest = call.message()?;
                self.resize_remote(&request, pass)
            }
            TaskMethod::CloseIO => {
                let request: CloseIoRequest = call.message()?;
                // Ours is closed as well, by the way of all containers.
                let told = self.pass_on(&request.id, method, &request, Purpose::Tell);
                told.and_then(Result::err).map(Err)
            }
            TaskMethod::State => {
                let request: StateRequest = call.message()?;
                self.wait_for_look(&request.id, asked)
            }
            _ => None,
        })
    }

    /// The container of this name, where a shim has made it and has it still.
    fn remote(&mut self, id: &str) -> Option<&mut Container> {
        self.foreign(id).filter(|container| container.is_remote())
    }

    /// Asks the shim of a container; none where that has none.
    fn pass_on(&mut self, id: &str, method: TaskMethod, request: &impl Message, purpose: Purpose) -> Done {
        self.pass_on_within(ANSWERING, id, method, request, purpose)
    }

    fn pass_on_within(
        &mut self,
        limit: Duration,
        id: &str,
        method: TaskMethod,
        request: &impl Message,
        purpose: Purpose,
    ) -> Done {
        let number = self.number();
        let foreign = self.remote(id)?.foreign.as_mut()?;
        let mut errand = Errand::new(&foreign.record, number);
        errand.ask(method, request, Some(limit));
        foreign.tasks.push(Task { errand, purpose });
        self.run_errand(number);
        Some(Ok(None))
    }

    /// Sends a signal by the shim.
    fn kill_remote(&mut self, request: &KillRequest, purpose: Purpose) -> Done {
        let container = self.remote(&request.id)?;
        let finished =
            || Error::new(Kind::NotFound, "signal", &request.id).because("process already finished");
        match container.process(&request.exec_id).map(|process| &process.stage) {
            None | Some(Stage::Ended(_)) => return Some(Err(finished())),
            Some(Stage::Added(_)) => {
                let unmade = Error::new(Kind::Conflict, "signal", &request.exec_id);
                return Some(Err(unmade.because("process not created")));
            }
            Some(_) => {}
        }
        let kills = request.signal == Signal::KILL.as_raw().unsigned_abs();
        container.killed |= kills && request.exec_id.is_empty();
        let limit = if kills { ENDING } else { ANSWERING };
        self.pass_on_within(limit, &request.id, TaskMethod::Kill, request, purpose)
    }

    /// The same, where nobody waits for it; whether it was one of a shim's containers.
    pub(in crate::supervisor) fn tell_kill(&mut self, request: &KillRequest) -> bool {
        self.kill_remote(request, Purpose::Tell).is_some()
    }

    pub(super) fn tell_resume(&mut self, request: &ResumeRequest) {
        self.pass_on(&request.id, TaskMethod::Resume, request, Purpose::Tell);
    }

    /// The shim of a container is to know that an executed process is deleted.
    pub(in crate::supervisor) fn tell_deleted(&mut self, request: &DeleteRequest) {
        self.pass_on(&request.id, TaskMethod::Delete, request, Purpose::Tell);
    }

    fn resize_remote(&mut self, request: &ResizePtyRequest, purpose: Purpose) -> Done {
        let process = self.remote(&request.id)?.process(&request.exec_id)?;
        match process.runs() && process.stdio.terminal {
            true => self.pass_on(&request.id, TaskMethod::ResizePty, request, purpose),
            false => Some(Ok(Some(Vec::new()))),
        }
    }

    /// A container that was taken over just now is not known before its shim has said how it is.
    fn wait_for_look(&mut self, id: &str, asked: Asked) -> Done {
        let tasks = &mut self.remote(id)?.foreign.as_mut()?.tasks;
        let looks = tasks.iter_mut().find_map(|task| match &mut task.purpose {
            Purpose::Look(waiting) => Some(waiting),
            _ => None,
        });
        looks?.push(asked);
        Some(Ok(None))
    }

    /// A shim has answered, or will not.
    pub(super) fn heard(&mut self, id: &str, mut errand: Errand, purpose: Purpose, done: Result<()>) {
        let lost = errand.has_lost();
        match (purpose, done) {
            // Whoever starts it would never be answered. Once he is, it is asked for its end again, and that is still known.
            (Purpose::End(of), _) if self.is_being_started(id, of) => {}
            (Purpose::End(of), Ok(())) => {
                let taken = self.foreign(id).map(|container| container.take_end(of, errand));
                if let Some(Err(error)) = taken {
                    let nonsense = error.kind() == Kind::Corrupt;
                    self.note_failure(Err(error));
                    if nonsense {
                        self.lost(id, true, true);
                    }
                }
            }
            (Purpose::End(of), Err(error)) => {
                drop(errand);
                let is_first = self
                    .foreign(id)
                    .is_some_and(|container| container.name_of(of).is_empty());
                if lost || is_first {
                    self.lost(id, !lost, !lost);
                } else {
                    self.note_failure(Err(error));
                    self.end_unseen(id, of);
                }
            }
            (Purpose::Bury, done) => {
                drop(errand);
                let taken = self.foreign(id).map_or(Ok(()), Container::take_burial);
                self.note_failure(done.and(taken));
            }
            (Purpose::Look(waiting), done) => {
                let state = done.and_then(|()| errand.answer::<StateResponse>());
                drop(errand);
                self.take_look(id, state.ok().as_ref());
                for asked in waiting {
                    let request = StateRequest {
                        id: id.to_owned(),
                        exec_id: String::new(),
                    };
                    self.answer_state(asked, &request);
                }
            }
            (Purpose::Pass(asked), done) => {
                let answer = errand.raw_answer().unwrap_or_default();
                drop(errand);
                self.answer(
                    asked,
                    done.map(|()| answer).map_err(crate::supervisor::calls::refused),
                );
            }
            // What it does not know any more it need not be told.
            (_, _) => {}
        }
    }

    /// Whether a process's shim has not answered to its start yet.
    fn is_being_started(&mut self, id: &str, number: u32) -> bool {
        let processes = self.foreign(id).map(|container| &container.processes);
        let process = processes.and_then(|all| all.iter().find(|process| process.number == number));
        process.is_some_and(|process| matches!(process.stage, Stage::Foreign(_)))
    }

    fn end_unseen(&mut self, id: &str, number: u32) {
        let Some(container) = self.foreign(id) else {
            return;
        };
        if let Some(process) = container.processes.iter_mut().find(|p| p.number == number) {
            process.stage = Stage::Ended(Ended {
                told: false,
                ..Ended::unknown()
            });
            process.ending = Some(Instant::now());
        }
        let recorded = container.write_record();
        self.note_failure(recorded);
    }

    /// A container was taken over: its shim is asked how it is.
    pub(in crate::supervisor) fn look_at_remote(&mut self, id: &str) {
        let request = StateRequest {
            id: id.to_owned(),
            exec_id: String::new(),
        };
        self.pass_on(id, TaskMethod::State, &request, Purpose::Look(Vec::new()));
    }

    fn take_look(&mut self, id: &str, state: Option<&StateResponse>) {
        let Some((container, state)) = self.foreign(id).zip(state) else {
            return;
        };
        container.paused = matches!(state.status(), Condition::Paused | Condition::Pausing);
        let runs = !matches!(state.status(), Condition::Created | Condition::Unknown);
        if let Some(first) = container.process_mut("")
            && let Stage::Remote { started, .. } = &mut first.stage
        {
            *started |= runs;
        }
    }

    /// The shim went while it was to delete a container that has ended: the rest is done without it.
    pub(super) fn delete_lost(&mut self, id: &str, asked: Vec<Asked>, answer: DeleteResponse) {
        let number = self.number();
        let Some(foreign) = self.foreign(id).and_then(|container| container.foreign.as_mut()) else {
            return;
        };
        let mut errand = Errand::new(&foreign.record, number);
        let done = remote::end(&mut errand, &foreign.record, true);
        let purpose = Purpose::Delete { asked, answer };
        foreign.tasks.push(Task { errand, purpose });
        self.note_failure(done);
        self.run_errand(number);
    }

    /// A shim tells of an event: that memory ran out nobody else may know.
    pub(in crate::supervisor) fn hear_event(&mut self, call: &Call) -> std::result::Result<Vec<u8>, Status> {
        let request: ForwardRequest = call.message()?;
        let event = request.envelope.and_then(|envelope| envelope.event);
        if let Some(told) = event.and_then(|event| event.unpack::<TaskOom>().ok())
            && let Some(foreign) = self
                .foreign(&told.container_id)
                .and_then(|container| container.foreign.as_mut())
        {
            foreign.ran_out = true;
        }
        Ok(Vec::new())
    }
}

impl Container {
    /// Writes down whether it is to stand still, where only its shim knows.
    pub(super) fn note_pause(&mut self) -> Result<()> {
        let paused = self.paused;
        match &mut self.foreign {
            Some(foreign) if foreign.record.shim.is_some() && foreign.record.paused != paused => {
                foreign.record.paused = paused;
                foreign.record.write()
            }
            _ => Ok(()),
        }
    }

    /// Whether a shim has made it, and has it still.
    pub(in crate::supervisor) fn is_remote(&self) -> bool {
        let shim = self
            .foreign
            .as_ref()
            .and_then(|foreign| foreign.record.shim.as_ref());
        shim.is_some_and(|shim| shim.has_it())
    }
}
