//! What clients hear of what the containers do: answers that had to wait, events, and ends.

use super::connection::Asked;
use super::container::{Container, Progress};
use super::service::Service;
use crate::failure::Failure;
use std::time::Instant;
use tare_error::{Error, Report};
use tare_spec_containerd::Message;
use tare_spec_containerd::events::{TaskCreate, TaskExecStarted, TaskExit, TaskIo, TaskOom, TaskStart};
use tare_spec_containerd::task::{CreateTaskResponse, StartResponse, WaitResponse};
use tare_ttrpc::{Code, Status};

/// The code of a process that was killed.
const KILLED: u8 = 128 + 9;

impl Service {
    /// Goes on with a process that is being made or started.
    pub(super) fn advance(&mut self, number: u32) {
        let Service {
            containers, signals, ..
        } = self;
        let has = |container: &&mut Container| container.processes.iter().any(|p| p.number == number);
        let Some(container) = containers.iter_mut().find(has) else {
            return;
        };
        // What is started here, a hook say, blocks no signal.
        let progress = match signals.released(|| container.advance(number)) {
            Ok(progress) => progress,
            Err(error) => return self.journal.note(Report::new(&error)),
        };
        let id = container.id.clone();
        match progress {
            Progress::Goes => {}
            Progress::Created { asked, pid } => {
                let event = created(container, pid);
                self.publisher.publish(&event);
                self.answer_when_read(number, asked, CreateTaskResponse { pid }.encode_to_vec());
            }
            Progress::Started { asked, exec_id, pid } => {
                if exec_id.is_empty() {
                    let container_id = id;
                    self.publisher.publish(&TaskStart { container_id, pid });
                } else {
                    let container_id = id;
                    self.publisher.publish(&TaskExecStarted {
                        container_id,
                        exec_id,
                        pid,
                    });
                }
                self.answer_when_read(number, asked, StartResponse { pid }.encode_to_vec());
            }
            Progress::Failed {
                asked,
                error,
                never_made,
            } => {
                let forgotten = if never_made {
                    self.forget_unmade(&id)
                } else {
                    Ok(())
                };
                let error = match forgotten {
                    Ok(()) => error,
                    Err(also) => error.also(also),
                };
                self.answer(asked, Err(told(&error)));
            }
        }
    }

    /// Answers once somebody reads what the process writes.
    fn answer_when_read(&mut self, number: u32, asked: Asked, answer: Vec<u8>) {
        let container = self.container_of(number);
        let process = container.and_then(|c| c.processes.iter_mut().find(|p| p.number == number));
        match process {
            Some(process) => process.hold(asked, answer),
            None => self.answer(asked, Ok(answer)),
        }
    }

    pub(super) fn look_at_memory(&mut self, number: u32) {
        let killed = self.container_of(number).is_some_and(Container::hears_of_kills);
        if let Some(container_id) = self.container_of(number).filter(|_| killed).map(|c| c.id.clone()) {
            self.publisher.publish(&TaskOom { container_id });
        }
    }

    /// Tells of processes that have ended: that memory ran out before that they ended.
    pub(super) fn tell_ends(&mut self, now: Instant) {
        let mut answers = Vec::new();
        for container in &mut self.containers {
            let ends = container.ends_to_tell();
            // Whoever is told of an end that memory caused has heard of the cause.
            let killed = ends
                .iter()
                .any(|(exec_id, ended, _)| exec_id.is_empty() || ended.code == KILLED);
            if killed && container.has_new_kills() || container.had_kills_after_notice(now) {
                let container_id = container.id.clone();
                self.publisher.publish(&TaskOom { container_id });
            }
            for (exec_id, ended, waiters) in ends {
                let exit = TaskExit {
                    container_id: container.id.clone(),
                    id: if exec_id.is_empty() {
                        container.id.clone()
                    } else {
                        exec_id
                    },
                    pid: ended.pid.unsigned_abs(),
                    exit_status: u32::from(ended.code),
                    exited_at: Some(ended.at.into()),
                };
                self.publisher.publish(&exit);
                let answer = WaitResponse {
                    exit_status: exit.exit_status,
                    exited_at: exit.exited_at,
                };
                answers.extend(waiters.into_iter().map(|asked| (asked, answer)));
            }
            for (ended, waiters) in container.waiters_in_vain() {
                let answer = WaitResponse {
                    exit_status: u32::from(ended.code),
                    exited_at: Some(ended.at.into()),
                };
                answers.extend(waiters.into_iter().map(|asked| (asked, answer)));
            }
        }
        for (asked, answer) in answers {
            self.answer(asked, Ok(answer.encode_to_vec()));
        }
    }
}

/// The event that a container was made.
fn created(container: &mut Container, pid: u32) -> TaskCreate {
    let stdio = container.process("").map(|first| first.stdio.clone());
    TaskCreate {
        container_id: container.id.clone(),
        bundle: container.bundle.display().to_string(),
        rootfs: std::mem::take(&mut container.rootfs),
        io: stdio.map(|stdio| TaskIo {
            stdin: stdio.stdin,
            stdout: stdio.stdout,
            stderr: stdio.stderr,
            terminal: stdio.terminal,
        }),
        checkpoint: String::new(),
        pid,
    }
}

/// A failure as containerd's clients read it.
pub(super) fn told(error: &Error) -> Status {
    let words = tare_lifecycle::words_of_runc(error);
    let text = format!("{words}{}", Report::new(error));
    Status {
        detail: Failure::from(error).detail(),
        ..Status::new(Code::of(error.kind()), text)
    }
}
