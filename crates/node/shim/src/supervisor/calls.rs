//! What containerd asks of the task service, and what is done about it (`docs/design/shim-v2.md`, section 3).

use super::connection::Asked;
use super::container::Container;
use super::delete;
use super::memory::Memory;
use super::process::{Process, Stage};
use super::service::Service;
use super::stats;
use super::stdio::{Leaving, Wanted, Writing};
use super::telling::told;
use crate::own::{HEALTH, KEEP, POD, SUPERVISOR, UPGRADE};
use rustix::io::Errno;
use rustix::process::Signal;
use std::time::SystemTime;
use tare_error::{Error, Kind, Result};
use tare_lifecycle::ContainerId;
use tare_spec_containerd::events::{TaskDelete, TaskExecAdded, TaskPaused, TaskResumed};
use tare_spec_containerd::process::{ProcessInfo, Status as Condition};
use tare_spec_containerd::runc::ProcessDetails;
use tare_spec_containerd::task::{
    CloseIoRequest, ConnectRequest, ConnectResponse, DeleteRequest, DeleteResponse, ExecProcessRequest,
    KillRequest, PauseRequest, PidsRequest, PidsResponse, ResizePtyRequest, ResumeRequest, ShutdownRequest,
    StateRequest, StateResponse, StatsRequest, StatsResponse, TaskMethod, UpdateTaskRequest, WaitRequest,
    WaitResponse,
};
use tare_spec_containerd::{Any, EVENTS, FORWARD, Message, SandboxMethod, Service as Name};
use tare_spec_oci::{Process as Command, Resources};
use tare_ttrpc::{Call, Code, Status};

/// An answer, or none where it comes later.
pub(super) type Outcome = Result<Option<Vec<u8>>, Status>;

impl Service {
    /// Does what is asked.
    pub(super) fn call(&mut self, asked: Asked, call: &Call) -> Outcome {
        if call.service == SUPERVISOR
            && let Some(outcome) = self.call_own(asked, call)
        {
            return outcome;
        }
        if call.service == EVENTS && call.method == FORWARD && self.arguments.own.is_some() {
            return self.hear_event(call).map(Some);
        }
        let method = match Name::from_name(&call.service) {
            Some(Name::TaskV2 | Name::TaskV3) => TaskMethod::from_name(&call.method),
            Some(Name::Sandbox) => match SandboxMethod::from_name(&call.method) {
                Some(method) => return self.call_sandbox(asked, method, call),
                None => None,
            },
            None => None,
        };
        let unknown = || {
            let text = format!("method {} of {} is not served", call.method, call.service);
            Status::new(Code::Unimplemented, text)
        };
        let method = method.ok_or_else(unknown)?;
        if self
            .containers
            .iter()
            .any(|container| container.foreign.is_some())
            && let Some(outcome) = self.call_foreign(asked, method, call)?
        {
            return outcome;
        }
        match method {
            TaskMethod::Create => {
                return self
                    .create(asked, call.message()?)
                    .map(|()| None)
                    .map_err(refused);
            }
            TaskMethod::Start => {
                return self
                    .start(asked, &call.message()?)
                    .map(|()| None)
                    .map_err(refused);
            }
            TaskMethod::Wait => return self.wait(asked, &call.message()?),
            TaskMethod::State => self.state(&call.message()?).map(encoded),
            TaskMethod::Delete => return self.delete(asked, &call.message()?).map_err(refused),
            TaskMethod::Pids => self.pids(&call.message()?).map(encoded),
            TaskMethod::Stats => self.stats(&call.message()?).map(encoded),
            TaskMethod::Connect => self.connect(&call.message()?).map(encoded),
            TaskMethod::Pause => return self.pause(asked, &call.message()?).map_err(refused),
            TaskMethod::Resume => self.resume(&call.message()?).map(empty),
            TaskMethod::Kill => self.kill(&call.message()?).map(empty),
            TaskMethod::Exec => self.exec(asked, call.message()?).map(empty),
            TaskMethod::ResizePty => self.resize(&call.message()?).map(empty),
            TaskMethod::CloseIO => self.close_input(&call.message()?).map(empty),
            TaskMethod::Update => self.update(&call.message()?).map(empty),
            TaskMethod::Shutdown => {
                self.shut_down(&call.message()?);
                Ok(Vec::new())
            }
            TaskMethod::Checkpoint => Err(Error::new(Kind::Unsupported, "checkpoint", "a container")
                .because("containers cannot be checkpointed yet")),
        }
        .map(Some)
        .map_err(refused)
    }

    /// What our own programs ask.
    fn call_own(&mut self, asked: Asked, call: &Call) -> Option<Outcome> {
        let done = match call.method.as_str() {
            UPGRADE => call.message().and_then(|program: String| {
                let begun = self.begin_upgrade(asked, &program);
                begun.map(|()| None).map_err(refused)
            }),
            KEEP if self.arguments.own.is_some() => call.message().and_then(|request| {
                let kept = self.keep(asked, request);
                kept.map(|()| Some(Vec::new())).map_err(refused)
            }),
            POD if self.arguments.own.is_some() => call.message().and_then(|plan: String| {
                let made = self.make_pod(&plan);
                made.map(|()| Some(Vec::new())).map_err(refused)
            }),
            HEALTH if self.arguments.own.is_some() => call.message().and_then(|plan: String| {
                let planned = self.plan_health(&plan);
                planned.map(|()| Some(Vec::new())).map_err(refused)
            }),
            _ => return None,
        };
        Some(done)
    }

    pub(super) fn container(&mut self, id: &str) -> Result<&mut Container> {
        let adopted = self.adopted;
        let found = self.containers.iter_mut().find(|container| container.id == id);
        found.ok_or_else(|| match adopted {
            true => not_created(id),
            // It may be there all the same, and whoever hears that it is not removes what is left of it.
            false => Error::new(Kind::Unavailable, "find container", id)
                .because("what the supervisor before this one left is not taken over yet"),
        })
    }

    fn process(&mut self, id: &str, exec_id: &str) -> Result<&mut Process> {
        let none =
            || Error::new(Kind::NotFound, "find process", exec_id).because("there is none of this name");
        self.container(id)?.process_mut(exec_id).ok_or_else(none)
    }

    fn wait(&mut self, asked: Asked, request: &WaitRequest) -> Outcome {
        let process = self.process(&request.id, &request.exec_id).map_err(refused)?;
        match process.ended() {
            Some(ended) if ended.told => Ok(Some(encoded(WaitResponse {
                exit_status: u32::from(ended.code),
                exited_at: Some(ended.timestamp()),
            }))),
            _ => {
                process.waiters.push(asked);
                Ok(None)
            }
        }
    }

    pub(super) fn answer_state(&mut self, asked: Asked, request: &StateRequest) {
        let state = self.state(request).map(encoded);
        self.answer(asked, state.map_err(refused));
    }

    fn state(&mut self, request: &StateRequest) -> Result<StateResponse> {
        let pausing = self.is_being_paused(&request.id);
        let container = self.container(&request.id)?;
        let (bundle, paused) = (container.bundle.display().to_string(), container.paused);
        let process = self.process(&request.id, &request.exec_id)?;
        let status = match process.status() {
            Condition::Running if paused => Condition::Paused,
            Condition::Running if pausing => Condition::Pausing,
            other => other,
        };
        let ended = process.ended().filter(|ended| ended.told);
        let stdio = process.stdio.clone();
        Ok(StateResponse {
            // runc's shim names an exec's own id here.
            id: if request.exec_id.is_empty() {
                request.id.clone()
            } else {
                request.exec_id.clone()
            },
            bundle,
            pid: process.pid(),
            status: status.into(),
            stdin: stdio.stdin,
            stdout: stdio.stdout,
            stderr: stdio.stderr,
            terminal: stdio.terminal,
            exit_status: ended.map_or(0, |ended| u32::from(ended.code)),
            exited_at: ended.map(|ended| ended.timestamp()),
            exec_id: request.exec_id.clone(),
        })
    }

    fn exec(&mut self, asked: Asked, request: ExecProcessRequest) -> Result<()> {
        self.set_logs_aside(&request.id)?;
        let number = self.number();
        let spec = request.spec.unwrap_or_default();
        let mut command: Command = serde_json::from_slice(&spec.value)
            .map_err(|e| Error::new(Kind::Invalid, "read the process of", &request.exec_id).from_source(e))?;
        command.terminal = request.terminal;
        command.oom_score_adj = command.oom_score_adj.or(self.oom_score);
        let container = self.container(&request.id)?;
        let refuse = |why: &str| {
            Err(Error::new(Kind::Conflict, "exec in container", &request.id).because(why.to_owned()))
        };
        match container.process("").map(Process::status) {
            Some(Condition::Running) if container.paused => {
                return refuse("cannot exec in a paused container");
            }
            Some(Condition::Running | Condition::Created) => {}
            _ => return refuse("cannot exec in a stopped container"),
        }
        ContainerId::parse(&request.exec_id)?;
        let wanted = Wanted {
            stdin: request.stdin,
            stdout: request.stdout,
            stderr: request.stderr,
            terminal: request.terminal,
        };
        let stage = Stage::Added(Box::new(command));
        container.add(number, request.exec_id.clone(), wanted, stage)?;
        if let Some(process) = container.processes.last_mut() {
            process.owner = Some(asked.connection);
        }
        self.publisher.publish(&TaskExecAdded {
            container_id: request.id,
            exec_id: request.exec_id,
        });
        Ok(())
    }

    /// Sends a signal to a process.
    pub(super) fn kill(&mut self, request: &KillRequest) -> Result<()> {
        if self.tell_kill(request) {
            return Ok(());
        }
        let signal = i32::try_from(request.signal).unwrap_or(-1);
        let finished =
            || Error::new(Kind::NotFound, "signal", &request.id).because("process already finished");
        let container = self.container(&request.id)?;
        let first = request.exec_id.is_empty();
        let process = container.process(&request.exec_id).ok_or_else(finished)?;
        if process.ended().is_some() && !(request.all && first) {
            return Err(finished());
        }
        if first && request.all {
            container.killed |= signal == Signal::KILL.as_raw();
            return container.held()?.signal_all(signal);
        }
        let Some(life) = process.life() else {
            return Err(Error::new(Kind::Conflict, "signal", &request.exec_id).because("process not created"));
        };
        let ends_session = !first && signal == Signal::KILL.as_raw();
        if ends_session && life.signal(0) != Err(Errno::SRCH) {
            container.end_tree(process, life.pid());
            // One that is not our child may have ended with the others, and be gone by now.
            return match life.signal(signal) {
                Err(Errno::SRCH) => Ok(()),
                done => tare_error::Context::op(done, "signal", &request.id),
            };
        }
        match life.signal(signal) {
            Err(Errno::SRCH) => return Err(finished()),
            done => tare_error::Context::op(done, "signal", &request.id)?,
        }
        container.killed |= first && signal == Signal::KILL.as_raw();
        Ok(())
    }

    /// The answer comes when what was said is written down, where that is ours to do.
    pub(super) fn delete(&mut self, asked: Asked, request: &DeleteRequest) -> Result<Option<Vec<u8>>> {
        if self.waits_for_rest(asked, request)? || self.waits_for_hooks(asked, request)? {
            return Ok(None);
        }
        let (answer, writing) = match self.remove(request) {
            // It was being made until now.
            Err(_) if self.is_given_up(&request.id) => {
                self.waits_for_rest(asked, request)?;
                return Ok(None);
            }
            removed => removed?,
        };
        let waits = writing.iter().any(Writing::is_waited_for);
        let answer = encoded(answer);
        self.leaving.push(Leaving {
            writing,
            answer: waits.then(|| (asked, answer.clone())),
        });
        Ok((!waits).then_some(answer))
    }

    pub(super) fn remove(&mut self, request: &DeleteRequest) -> Result<(DeleteResponse, Vec<Writing>)> {
        let running = |id: &str| {
            Error::new(Kind::Conflict, "delete", id)
                .because("cannot delete a running process")
                .hint("end it first")
        };
        let process = self.process(&request.id, &request.exec_id)?;
        let ended = process.ended();
        if ended.is_some_and(|ended| !ended.told) {
            return Err(running(&request.id));
        }
        let answer = DeleteResponse {
            pid: process.pid(),
            exit_status: ended.map_or(0, |ended| u32::from(ended.code)),
            exited_at: ended.map(|ended| ended.timestamp()),
        };
        let number = process.number;
        match &process.stage {
            Stage::Ended(_) | Stage::Added(_) => {}
            // One that waits to be started is ended first.
            Stage::Created(_) => {}
            Stage::Making { .. } => return self.abandon(&request.id).map(|answer| (answer, Vec::new())),
            _ => {
                let killed = self.container(&request.id)?.held_up(&request.exec_id);
                return Err(killed.unwrap_or_else(|| running(&request.id)));
            }
        }
        let home = self.containers_home.clone();
        let container = self.container(&request.id)?;
        if !request.exec_id.is_empty() {
            self.tell_deleted(request);
            let container = self.container(&request.id)?;
            let mut processes = container.processes.iter_mut();
            let process = processes.find(|process| process.number == number);
            let left = process.map(|process| (process.streams.take_writing(), process.own_group.take()));
            let (writing, own_group) = left.unwrap_or_default();
            container.processes.retain(|process| process.number != number);
            let removed = container.remove_groups(own_group);
            let recorded = tare_failpoint::pass("exec-deleted").and_then(|()| container.write_record());
            let mut recorded = removed.and(recorded);
            if self.arguments.own.is_some() {
                let folder = self.folder_of(&request.id);
                recorded = recorded.and_then(|()| folder?.remove_exec(&request.exec_id));
            }
            self.note_failure(recorded);
            return Ok((answer, writing));
        }
        if let Some(process) = container.process("").and_then(Process::life) {
            process.kill_and_reap();
        }
        tare_failpoint::pass("delete-intended")?;
        let group = container.memory.as_mut().and_then(Memory::take_group);
        if let Some(mut held) = container.held.take() {
            group.into_iter().for_each(|group| held.hold(group));
            if let Err(error) = held.delete(false) {
                // What is left of it is deleted the next time.
                container.held = home.container(&ContainerId::parse(&request.id)?).ok();
                return Err(error);
            }
        }
        let writing = container.take_writing();
        let forgotten = tare_failpoint::pass("delete-done").and_then(|()| self.forget_container(&request.id));
        self.note_failure(forgotten);
        self.publisher.publish(&TaskDelete {
            container_id: request.id.clone(),
            pid: answer.pid,
            exit_status: answer.exit_status,
            exited_at: answer.exited_at,
            id: String::new(),
        });
        Ok((answer, writing))
    }

    /// Gives a container up that is still being made: its client has gone, perhaps because that takes too long.
    pub(super) fn abandon(&mut self, id: &str) -> Result<DeleteResponse> {
        let at = self.containers.iter().position(|container| container.id == id);
        let container = at.map(|at| self.containers.swap_remove(at));
        for process in container.into_iter().flat_map(|container| container.processes) {
            if let Stage::Making { making, asked } = process.stage {
                let told = Status::new(Code::Cancelled, "it was deleted while it was created");
                self.answer(asked, Err(told));
                // Its process, or its hook, ends with it.
                self.give_up_making(id, making)?;
            }
        }
        self.end_unmade(id)?;
        Ok(DeleteResponse {
            pid: 0,
            exit_status: delete::KILLED,
            exited_at: Some(SystemTime::now().into()),
        })
    }

    /// Removes what was made of a container that is not whole.
    pub(super) fn end_unmade(&mut self, id: &str) -> Result<()> {
        match self.containers_home.container(&ContainerId::parse(id)?) {
            Ok(left) => left.delete(true)?,
            Err(e) if e.kind() == Kind::NotFound => {}
            Err(e) => return Err(e),
        }
        self.forget_unmade(id)
    }

    /// Every process of the container. One that has ended and is not deleted has its first one still: containerd, started
    /// again, takes a container without processes for a leak, and its true end would be lost.
    fn pids(&mut self, request: &PidsRequest) -> Result<PidsResponse> {
        let container = self.container(&request.id)?;
        let named = |pid: u32| {
            let process = container.processes.iter().find(|process| process.pid() == pid);
            process.filter(|process| !process.is_first()).map(|process| {
                Any::pack(&ProcessDetails {
                    exec_id: process.exec_id.clone(),
                })
            })
        };
        let mut pids: Vec<u32> = match &container.held {
            // A failure here would be the same to it as none.
            Some(held) => {
                let pids = held.processes().unwrap_or_default();
                pids.into_iter().map(i32::unsigned_abs).collect()
            }
            None => container.foreign_pids(),
        };
        if pids.is_empty() {
            pids.extend(container.process("").map(Process::pid));
        }
        let processes = pids.into_iter().map(|pid| ProcessInfo {
            pid,
            info: named(pid),
        });
        Ok(PidsResponse {
            processes: processes.collect(),
        })
    }

    fn stats(&mut self, request: &StatsRequest) -> Result<StatsResponse> {
        let held = self.container(&request.id)?.held()?;
        let usage = held
            .usage()?
            .ok_or_else(|| Error::new(Kind::NotFound, "measure", &request.id).because("it has no cgroup"))?;
        Ok(StatsResponse {
            stats: Some(stats::metrics(&usage)),
        })
    }

    fn connect(&mut self, request: &ConnectRequest) -> Result<ConnectResponse> {
        let process = self.process(&request.id, "").ok();
        Ok(ConnectResponse {
            shim_pid: std::process::id(),
            task_pid: process.map_or(0, |process| process.pid()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    /// The answer comes when every process stands.
    fn pause(&mut self, asked: Asked, request: &PauseRequest) -> Result<Option<Vec<u8>>> {
        if self.container(&request.id)?.held()?.begin_pause()? {
            return self.paused(&request.id).map(Some);
        }
        self.wait_for_pause(asked, request);
        Ok(None)
    }

    pub(super) fn paused(&mut self, id: &str) -> Result<Vec<u8>> {
        self.container(id)?.paused = true;
        self.publisher.publish(&TaskPaused {
            container_id: id.to_owned(),
        });
        Ok(Vec::new())
    }

    fn resume(&mut self, request: &ResumeRequest) -> Result<()> {
        self.pause_no_longer(&request.id);
        let container = self.container(&request.id)?;
        container.held()?.resume()?;
        container.paused = false;
        self.publisher.publish(&TaskResumed {
            container_id: request.id.clone(),
        });
        Ok(())
    }

    fn resize(&mut self, request: &ResizePtyRequest) -> Result<()> {
        let side = |length: u32| u16::try_from(length).unwrap_or(u16::MAX);
        let process = self.process(&request.id, &request.exec_id)?;
        process.streams.resize(side(request.height), side(request.width))
    }

    fn close_input(&mut self, request: &CloseIoRequest) -> Result<()> {
        let process = self.process(&request.id, &request.exec_id)?;
        if !request.stdin {
            return Ok(());
        }
        process.streams.close_input();
        process.input_ended = true;
        self.container(&request.id)?.write_record()
    }

    fn update(&mut self, request: &UpdateTaskRequest) -> Result<()> {
        let resources = request.resources.clone().unwrap_or_default();
        let resources: Resources = serde_json::from_slice(&resources.value)
            .map_err(|e| Error::new(Kind::Invalid, "read the resources of", &request.id).from_source(e))?;
        self.container(&request.id)?.held()?.update(&resources)
    }

    /// Ends the supervisor, where it keeps no container any more.
    fn shut_down(&mut self, _: &ShutdownRequest) {
        // A sandbox is ended by its own call.
        if self.containers.is_empty() && self.sandbox.is_none() {
            self.begin_to_leave();
        }
    }
}

/// A container that this supervisor has not: in the words of runc's shim.
pub(super) fn not_created(id: &str) -> Error {
    Error::new(Kind::NotFound, "find container", id).because("container not created")
}

#[expect(clippy::needless_pass_by_value, reason = "the end of a chain of results")]
pub(super) fn refused(error: Error) -> Status {
    told(&error)
}

#[expect(clippy::needless_pass_by_value, reason = "the end of a chain of results")]
pub(super) fn encoded(message: impl Message) -> Vec<u8> {
    message.encode_to_vec()
}

fn empty((): ()) -> Vec<u8> {
    Vec::new()
}
