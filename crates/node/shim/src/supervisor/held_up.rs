//! What the kernel holds up: processes that were killed, or told to stand, and wait for a device or a file system that does not
//! answer. An answer may wait for them, for a while; the loop never does.

use super::connection::Asked;
use super::container::{Container, LOOK_AGAIN};
use super::memory::Memory;
use super::process::Process;
use super::service::Service;
use super::telling::told;
use std::time::{Duration, Instant};
use tare_error::{Error, Kind, Result};
use tare_lifecycle::{ContainerId, Deleting, Making};
use tare_spec_containerd::task::{DeleteRequest, PauseRequest};

/// How long an answer waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether what was given up is gone: nobody waits for that.
const NOW_AND_THEN: Duration = Duration::from_secs(1);
/// How long what is killed takes that nothing holds up; so long it is waited for, where that saves a second call.
const AT_ONCE: Duration = Duration::from_millis(20);
/// How long an answer waits for what was killed while it was made: longer than the busiest machine takes for that.
const DYING: Duration = Duration::from_secs(1);
/// `SIGKILL` in a mask of signals.
const KILL: u64 = 1 << 8;
/// The longest `/proc/PID/status` that is looked at.
const LONGEST: usize = 16 << 10;

const HINT: &str = "delete it again when that is back";

/// An answer that waits for processes of a container.
#[derive(Debug)]
pub(super) struct HeldUp {
    asked: Asked,
    what: What,
    until: Instant,
}

#[derive(Debug)]
enum What {
    /// Those that its first process has left are to be gone.
    Delete(DeleteRequest),
    /// All are to stand.
    Pause(PauseRequest),
    /// Its hooks are to have run, after everything else of it is gone.
    Hooks(DeleteRequest, Box<Deleting>),
}

/// A container that was given up while it was made, and whose process is not gone yet.
#[derive(Debug)]
pub(super) struct GivenUp {
    id: String,
    making: Box<Making>,
    look_at: Instant,
}

impl Service {
    /// Whether a container that is to be deleted has processes still, beside its first one; then the answer waits for their ends.
    pub(super) fn waits_for_rest(&mut self, asked: Asked, request: &DeleteRequest) -> Result<bool> {
        let runs = |held_up: &HeldUp| matches!(&held_up.what, What::Hooks(of, _) if of.id == request.id);
        if self.held_up.iter().any(runs) {
            return Err(Error::new(Kind::Conflict, "delete", &request.id).because("its poststop hooks run"));
        }
        if !request.exec_id.is_empty() || self.is_rid_of_rest(&request.id)? {
            return Ok(false);
        }
        let patience = if self.is_given_up(&request.id) {
            DYING
        } else {
            PATIENCE
        };
        self.held_up.push(HeldUp {
            asked,
            what: What::Delete(request.clone()),
            until: Instant::now() + patience,
        });
        Ok(true)
    }

    /// Whether a container was given up while it was made, and is not gone yet.
    pub(super) fn is_given_up(&self, id: &str) -> bool {
        self.given_up.iter().any(|given_up| given_up.id == id)
    }

    /// Whether a container that has ended and is to be deleted has hooks for that; then the answer waits for them.
    pub(super) fn waits_for_hooks(&mut self, asked: Asked, request: &DeleteRequest) -> Result<bool> {
        let Service {
            containers,
            signals,
            containers_home,
            ..
        } = self;
        let found = containers.iter_mut().find(|container| container.id == request.id);
        let Some(container) = found.filter(|_| request.exec_id.is_empty()) else {
            return Ok(false);
        };
        let has_hooks = |held: &tare_lifecycle::Container| {
            let hooks = held.record().hooks.as_ref();
            hooks.is_some_and(|hooks| !hooks.poststop.is_empty())
        };
        let ended = container.process("").and_then(Process::ended);
        if !ended.is_some_and(|ended| ended.told) || !container.held.as_ref().is_some_and(has_hooks) {
            return Ok(false);
        }
        let group = container.memory.as_mut().and_then(Memory::take_group);
        let Some(mut held) = container.held.take() else {
            return Ok(false);
        };
        group.into_iter().for_each(|group| held.hold(group));
        // What is started here blocks no signal.
        let begun = signals.released(|| {
            let mut deleting = held.begin_delete(false, PATIENCE)?;
            deleting.advance().map(|done| (done, deleting))
        });
        let (done, deleting) = begun.flatten().inspect_err(|_| {
            // What is left of it is deleted the next time.
            let id = ContainerId::parse(&request.id);
            container.held = id.ok().and_then(|id| containers_home.container(&id).ok());
        })?;
        if !done {
            self.held_up.push(HeldUp {
                asked,
                what: What::Hooks(request.clone(), Box::new(deleting)),
                until: Instant::now(),
            });
        }
        Ok(!done)
    }

    /// Kills what the first process of a container has left that shares its pid namespace; whether nothing is there any more.
    fn is_rid_of_rest(&self, id: &str) -> Result<bool> {
        if self.is_given_up(id) {
            return Ok(false);
        }
        let container = self.containers.iter().find(|container| container.id == id);
        let ended = |container: &&Container| {
            let first = container.process("").and_then(|first| first.ended());
            first.is_some_and(|ended| ended.told)
        };
        match container
            .filter(ended)
            .and_then(|container| container.held.as_ref())
        {
            Some(held) if held.record().shares_pids => held.kill_rest(),
            _ => Ok(true),
        }
    }

    pub(super) fn wait_for_pause(&mut self, asked: Asked, request: &PauseRequest) {
        self.held_up.push(HeldUp {
            asked,
            what: What::Pause(request.clone()),
            until: Instant::now() + PATIENCE,
        });
    }

    pub(super) fn is_being_paused(&self, id: &str) -> bool {
        let mut waiting = self.held_up.iter();
        waiting.any(|held_up| matches!(&held_up.what, What::Pause(request) if request.id == id))
    }

    /// Whoever waits for a container to stand waits no longer: somebody else wants it to go on.
    pub(super) fn pause_no_longer(&mut self, id: &str) {
        for held_up in &mut self.held_up {
            if matches!(&held_up.what, What::Pause(request) if request.id == id) {
                held_up.until = Instant::now();
            }
        }
    }

    /// Answers whoever has waited for what has come, or for long enough.
    pub(super) fn look_at_held_up(&mut self, now: Instant) {
        self.bury_given_up(now);
        for mut held_up in std::mem::take(&mut self.held_up) {
            let HeldUp { asked, what, until } = &mut held_up;
            let over = *until <= now;
            let answer = match what {
                What::Delete(request) => match self.is_rid_of_rest(&request.id) {
                    Ok(true) => self.delete(*asked, request),
                    Ok(false) if over => Err(self.why_not_deleted(&request.id)),
                    Ok(false) => {
                        self.held_up.push(held_up);
                        continue;
                    }
                    Err(error) => Err(error),
                },
                What::Hooks(request, deleting) => {
                    match self.signals.released(|| deleting.advance()).flatten() {
                        Ok(true) => self.delete(*asked, request),
                        Ok(false) => {
                            self.held_up.push(held_up);
                            continue;
                        }
                        Err(error) => Err(error),
                    }
                }
                What::Pause(request) => match self.is_pausing(&request.id) {
                    Ok(true) => self.paused(&request.id).map(Some),
                    Ok(false) if over => Err(self.give_up_pause(&request.id)),
                    Ok(false) => {
                        self.held_up.push(held_up);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            if let Some(outcome) = answer.transpose() {
                self.answer(*asked, outcome.map_err(|error| told(&error)));
            }
        }
    }

    pub(super) fn held_up_deadline(&self, now: Instant) -> Option<Instant> {
        let soon = (!self.held_up.is_empty()).then(|| now + LOOK_AGAIN);
        let later = self.given_up.iter().map(|given_up| given_up.look_at);
        soon.into_iter().chain(later).min()
    }

    fn is_pausing(&mut self, id: &str) -> Result<bool> {
        self.container(id)?.held()?.is_pausing()
    }

    fn give_up_pause(&mut self, id: &str) -> Error {
        let error = Error::new(Kind::Unavailable, "pause container", id)
            .because(format!("a process did not stop within {PATIENCE:?}"))
            .hint("a process may wait for a disk or a network file system that does not answer");
        let held = self.container(id).and_then(|container| container.held());
        match held.and_then(tare_lifecycle::Container::resume) {
            Ok(()) => error,
            Err(also) => error.also(also),
        }
    }

    fn why_not_deleted(&mut self, id: &str) -> Error {
        let held_up = self
            .container(id)
            .ok()
            .and_then(|container| container.held_up(""));
        held_up.unwrap_or_else(|| still_there(id))
    }

    /// Ends what makes a container. Where that is held up the container is gone for everybody but us, until it can be deleted.
    pub(super) fn give_up_making(&mut self, id: &str, mut making: Box<Making>) -> Result<()> {
        making.give_up();
        let until = Instant::now() + AT_ONCE;
        let moment = crate::clock::timespec(Duration::from_millis(1));
        while !making.is_over() {
            if until <= Instant::now() {
                self.given_up.push(GivenUp {
                    id: id.to_owned(),
                    making,
                    look_at: Instant::now() + NOW_AND_THEN,
                });
                return Err(still_there(id));
            }
            let _ = rustix::event::poll(&mut [], Some(&moment));
        }
        drop(making);
        Ok(())
    }

    fn bury_given_up(&mut self, now: Instant) {
        let Service {
            given_up, held_up, ..
        } = self;
        let is_awaited = |id: &str| {
            let mut waiting = held_up.iter();
            waiting.any(|held_up| matches!(&held_up.what, What::Delete(request) if request.id == id))
        };
        let over: Vec<GivenUp> = given_up
            .extract_if(.., |given_up| {
                (given_up.look_at <= now || is_awaited(&given_up.id)) && given_up.is_over(now)
            })
            .collect();
        for GivenUp { id, making, .. } in over {
            drop(making);
            let ended = self.end_unmade(&id);
            self.note_failure(ended);
        }
    }
}

impl GivenUp {
    fn is_over(&mut self, now: Instant) -> bool {
        self.look_at = now + NOW_AND_THEN;
        self.making.is_over()
    }
}

impl Container {
    /// Why a process of the container, or that of an exec, is there still that was killed, where the kernel says so.
    pub(super) fn held_up(&self, exec_id: &str) -> Option<Error> {
        let pids: Vec<u32> = match (exec_id, &self.held) {
            ("", Some(held)) => held
                .processes()
                .ok()?
                .into_iter()
                .map(i32::unsigned_abs)
                .collect(),
            ("", None) => self.foreign_pids(),
            _ => vec![self.process(exec_id)?.pid()],
        };
        let why = pids.into_iter().find_map(held_up)?;
        let subject = if exec_id.is_empty() { &self.id } else { exec_id };
        Some(
            Error::new(Kind::Conflict, "delete", subject)
                .because(why)
                .hint(HINT),
        )
    }
}

/// What a process waits for that was killed, and sleeps so that no signal ends it (proc_pid_wchan(5)). It sleeps still when it has
/// been asked where: whatever is killed may sleep so for a moment.
fn held_up(pid: u32) -> Option<String> {
    killed_and_asleep(pid)?;
    let place = tare_store::read(format!("/proc/{pid}/wchan"), LONGEST).unwrap_or_default();
    let place = match String::from_utf8_lossy(&place).trim() {
        "" | "0" => String::new(),
        place => format!(" ({place})"),
    };
    let name = killed_and_asleep(pid)?;
    Some(format!(
        "process {pid} ({name}) was killed, and waits in the kernel for a device or a file system{place}"
    ))
}

/// The name of a process that was killed and sleeps (proc_pid_status(5)).
fn killed_and_asleep(pid: u32) -> Option<String> {
    let status = tare_store::read(format!("/proc/{pid}/status"), LONGEST).ok()?;
    let status = String::from_utf8_lossy(&status);
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
    };
    let pending = |name: &str| u64::from_str_radix(field(name).unwrap_or_default(), 16).unwrap_or(0);
    let killed = (pending("SigPnd:") | pending("ShdPnd:")) & KILL != 0;
    let asleep = field("State:")?.starts_with('D');
    (killed && asleep).then(|| field("Name:").unwrap_or_default().to_owned())
}

fn still_there(id: &str) -> Error {
    Error::new(Kind::Conflict, "delete", id)
        .because("what was killed of it is still there: it waits in the kernel for a device or a file system")
        .hint(HINT)
}
