//! Health checks, executed from the loop: begun when their time has come, and looked at when they have ended. Nothing waits for one.
//!
//! ```text
//! next ─▶ a FIFO, the command added and started as any exec ─▶ its output, as it comes ─▶ its end, or its time is over
//!  ▲                                                                                        │
//!  └────────────── the result is in the file, then the interval ◀───────────────────────────┘
//! ```
//! What is executed belongs to no connection, so it is deleted as soon as its end is told.

use super::connection::Asked;
use super::process::{Process, Stage};
use super::service::Service;
use super::source::Source;
use super::stdio::Wanted;
use crate::health::{Health, HealthFile, HealthPlan, HealthResult};
use crate::pod::Entry;
use crate::poller::Interest;
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use rustix::process::Signal;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tare_error::{Context, Result};
use tare_logs::Moment;
use tare_spec_containerd::process::Status as Condition;
use tare_spec_containerd::task::{KillRequest, StartRequest};
use tare_ttrpc::Status;

/// Who asks where nobody does: no connection has this number.
pub(super) const NOBODY: u32 = 0;
/// How many bytes of an output are kept (docker's number).
const MOST_OUTPUT: usize = 4096;
/// How many may be writing down at the same time what came of checks.
const MOST_TOLD: usize = 8;
/// How much is read at once, and how often in one turn.
const READ: usize = 4096;
const TURNS: usize = 16;

/// The health of a container, looked after.
#[derive(Debug)]
pub(super) struct HealthCheck {
    file: HealthFile,
    /// When the next check begins; none before the container runs.
    next: Option<Instant>,
    probe: Option<Probe>,
}

/// A check that is under way.
#[derive(Debug)]
struct Probe {
    exec_id: String,
    /// Its number, by which its start is asked for.
    number: u32,
    /// What it says; none where it has closed that.
    output: Option<OwnedFd>,
    said: Vec<u8>,
    began: SystemTime,
    until: Instant,
    /// Why it could not be started.
    failed: Option<String>,
    /// Its time is over, and that is its result.
    overdue: bool,
}

impl HealthCheck {
    /// Begins with a plan, or goes on with what another supervisor has left. The next check is an interval away.
    pub(super) fn new(file: HealthFile) -> HealthCheck {
        HealthCheck {
            file,
            next: None,
            probe: None,
        }
    }

    /// Whether it is that container's.
    pub(super) fn is_of(&self, container: &str) -> bool {
        self.file.plan.container == container
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.probe {
            Some(probe) if probe.overdue => None,
            Some(probe) => Some(probe.until),
            None => self.next,
        }
    }

    pub(super) fn interest(&self) -> Option<Interest<'_, Source>> {
        let probe = self.probe.as_ref()?;
        let output = probe.output.as_ref()?;
        Some(Interest {
            source: Source::Health(probe.number),
            fd: output.as_fd(),
            flags: EventFlags::IN,
        })
    }

    /// Whether a failure does not count yet, seen from a moment.
    fn starts(&self, at: SystemTime) -> bool {
        let began = UNIX_EPOCH + Duration::from_nanos(self.file.began);
        let since = at.duration_since(began).unwrap_or_default();
        since < Duration::from_millis(self.file.plan.start_period)
    }

    /// From now to the next check.
    fn pause(&self) -> Duration {
        let starting = self.file.health.status == crate::health::HealthStatus::Starting;
        let plan = &self.file.plan;
        Duration::from_millis(match starting && self.starts(SystemTime::now()) {
            true => plan.start_interval,
            false => plan.interval,
        })
    }

    /// Reads what there is.
    fn listen(&mut self) {
        if let Some(probe) = &mut self.probe {
            probe.listen();
        }
    }

    /// Takes in what came of a check.
    fn take(&mut self, probe: &Probe, code: i32, output: String) {
        let moment = |at: SystemTime| Moment::from(at).to_string();
        let result = HealthResult {
            start: moment(probe.began),
            end: moment(SystemTime::now()),
            exit_code: code,
            output,
        };
        let (starts, retries) = (self.starts(probe.began), self.file.plan.retries);
        self.file.health.take(result, starts, retries);
        self.next = Some(Instant::now() + self.pause());
    }
}

impl Probe {
    fn listen(&mut self) {
        let mut room = [0; READ];
        for _ in 0..TURNS {
            let Some(output) = &self.output else {
                return;
            };
            match rustix::io::read(output, &mut room) {
                Ok(0) => self.output = None,
                Ok(count) => {
                    let left = MOST_OUTPUT.saturating_sub(self.said.len());
                    self.said
                        .extend_from_slice(room.get(..count.min(left)).unwrap_or_default());
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

impl Service {
    /// A keeper says how its container's health is to be looked after.
    pub(super) fn plan_health(&mut self, plan: &str) -> Result<()> {
        let plan: HealthPlan = serde_json::from_str(plan).map_err(|e| {
            tare_error::Error::new(tare_error::Kind::Invalid, "read", "a health check").from_source(e)
        })?;
        let file = HealthFile {
            plan,
            began: 0,
            health: Health::default(),
        };
        let id = &file.plan.container;
        self.folder_of(id)?.write(Entry::Health, &file)?;
        self.health.retain(|check| !check.is_of(id));
        self.health.push(HealthCheck::new(file));
        Ok(())
    }

    /// Goes on with what a supervisor before this one has left.
    pub(super) fn adopt_health(&mut self) {
        if self.arguments.own.is_none() {
            return;
        }
        let known = |id: &str| self.health.iter().any(|check| check.is_of(id));
        // Before there is a container of its own, a supervisor's only one is named by its folder.
        let mut ids: Vec<String> = self
            .containers
            .iter()
            .map(|container| container.id.clone())
            .collect();
        if self.sandbox.is_none() {
            ids = vec![String::new()];
        }
        ids.retain(|id| !known(id) && (!id.is_empty() || self.health.is_empty()));
        for id in ids {
            match self.folder_of(&id).and_then(|folder| folder.read(Entry::Health)) {
                Ok(file) => self.health.extend(file.map(HealthCheck::new)),
                Err(error) => self.note_failure(Err(error)),
            }
        }
    }

    /// Reads what a check says.
    pub(super) fn listen_to_health(&mut self) {
        self.health.iter_mut().for_each(HealthCheck::listen);
    }

    /// A check could not be started.
    pub(super) fn hear_of_health(&mut self, asked: Asked, outcome: &std::result::Result<Vec<u8>, Status>) {
        let Err(status) = outcome else {
            return;
        };
        let probes = self.health.iter_mut().filter_map(|check| check.probe.as_mut());
        let mut probes = probes.filter(|probe| asked.connection == NOBODY && probe.number == asked.stream);
        if let Some(probe) = probes.next() {
            probe.failed = Some(status.message.clone());
        }
    }

    /// Begins a check whose time has come, and takes in what came of one that has ended.
    pub(super) fn look_at_health(&mut self, now: Instant) {
        let mut checks = std::mem::take(&mut self.health);
        for check in &mut checks {
            let looked = self.advance_health(check, now);
            self.note_failure(looked);
        }
        self.health = checks;
    }

    fn advance_health(&mut self, check: &mut HealthCheck, now: Instant) -> Result<()> {
        let id = check.file.plan.container.clone();
        let container = self.containers.iter().find(|container| container.id == id);
        let first = container.and_then(|container| container.process(""));
        let paused = container.is_some_and(|container| container.paused);
        let runs = first.is_some_and(Process::runs);
        if !runs {
            // What is executed is not to keep its end from being told.
            if let Some(probe) = check.probe.take().filter(|_| first.is_some()) {
                let _ = self.end_probe(&id, &probe.exec_id);
            }
            check.next = None;
            return Ok(());
        }
        if check.probe.is_some() {
            return self.advance_probe(check, &id, now);
        }
        match check.next {
            None => {
                if check.file.began == 0 {
                    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    check.file.began = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
                    self.folder_of(&id)?.write(Entry::Health, &check.file)?;
                }
                check.next = Some(now + check.pause());
                Ok(())
            }
            Some(next) if next > now => Ok(()),
            // One that stands still says nothing.
            Some(_) if paused => {
                check.next = Some(now + check.pause());
                Ok(())
            }
            Some(_) => self.begin_probe(check, &id, now),
        }
    }

    fn begin_probe(&mut self, check: &mut HealthCheck, id: &str, now: Instant) -> Result<()> {
        let number = self.number();
        let exec_id = format!("health-{}-{number}", std::process::id());
        check.probe = Some(Probe {
            exec_id: exec_id.clone(),
            number,
            output: None,
            said: Vec::new(),
            began: SystemTime::now(),
            until: now + Duration::from_millis(check.file.plan.timeout),
            failed: None,
            overdue: false,
        });
        let begun = self.execute_probe(check, id, number, &exec_id);
        if let (Err(error), Some(probe)) = (begun, &mut check.probe) {
            probe.failed = Some(tare_error::Report::new(&error).to_string());
        }
        self.advance_probe(check, id, now)
    }

    fn execute_probe(&mut self, check: &mut HealthCheck, id: &str, number: u32, exec_id: &str) -> Result<()> {
        let folder = self.folder_of(id)?.make_exec(exec_id)?;
        let path = folder.join(Entry::Stdout.name());
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).op("make", path.display())?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let output = rustix::fs::open(&path, flags, Mode::empty()).op("open", path.display())?;
        if let Some(probe) = &mut check.probe {
            probe.output = Some(output);
        }
        let name = path.to_string_lossy().into_owned();
        let wanted = Wanted {
            stdin: String::new(),
            stdout: name.clone(),
            stderr: name,
            terminal: false,
        };
        let mut command = check.file.plan.process.clone();
        command.oom_score_adj = command.oom_score_adj.or(self.oom_score);
        let stage = Stage::Added(Box::new(command));
        self.container(id)?
            .add(number, exec_id.to_owned(), wanted, stage)?;
        let asked = Asked {
            connection: NOBODY,
            stream: number,
        };
        let start = StartRequest {
            id: id.to_owned(),
            exec_id: exec_id.to_owned(),
        };
        self.start(asked, &start)
    }

    /// Looks whether a check has ended, or has to.
    fn advance_probe(&mut self, check: &mut HealthCheck, id: &str, now: Instant) -> Result<()> {
        let Some(probe) = &mut check.probe else {
            return Ok(());
        };
        let process = self.container(id)?.process(&probe.exec_id);
        let ended = process.and_then(Process::ended);
        let is_over =
            process.is_none() || process.is_some_and(|p| p.status() == Condition::Stopped) || ended.is_some();
        if probe.overdue {
            if is_over {
                check.probe = None;
            }
            return Ok(());
        }
        if probe.failed.is_none() && !is_over && probe.until > now {
            return Ok(());
        }
        probe.listen();
        let said = String::from_utf8_lossy(&probe.said).into_owned();
        let (code, output) = match (&probe.failed, ended) {
            (Some(why), _) => (-1, why.clone()),
            (None, Some(ended)) => (i32::from(ended.code), said),
            (None, None) => {
                let time = Duration::from_millis(check.file.plan.timeout);
                (
                    -1,
                    format!(
                        "Health check exceeded timeout ({time:?}){}{said}",
                        if said.is_empty() { "" } else { ": " }
                    ),
                )
            }
        };
        let is_late = probe.failed.is_none() && !is_over;
        if let Some(mut probe) = check.probe.take() {
            let before = check.file.health.status;
            check.take(&probe, code, output);
            if check.file.health.status != before {
                self.tell_of_health(check);
            }
            if is_late {
                let ended = self.end_probe(id, &probe.exec_id);
                self.note_failure(ended);
                probe.overdue = true;
                probe.output = None;
                check.probe = Some(probe);
            }
        }
        self.folder_of(id)?.write(Entry::Health, &check.file)
    }

    /// Has somebody write down what it is now: we open no journal, and wait for nobody.
    fn tell_of_health(&mut self, check: &HealthCheck) {
        let told = &check.file.plan.told;
        if !told.is_empty() && self.reapers.len() < MOST_TOLD {
            let word = check.file.health.status.word().to_owned();
            let argv: Vec<String> = told.iter().cloned().chain([word]).collect();
            let started = self.start_outside(&argv);
            self.note_failure(started);
        }
    }

    fn end_probe(&mut self, id: &str, exec_id: &str) -> Result<()> {
        self.kill(&KillRequest {
            id: id.to_owned(),
            exec_id: exec_id.to_owned(),
            signal: Signal::KILL.as_raw().unsigned_abs(),
            all: false,
        })
    }
}
