//! What a runtime is to do, one after the other: commands, short-lived children that the loop does not wait for, or what is asked
//! of a shim.

use super::call::{Call, Failed};
use super::console::Console;
use super::record::{Record, Runtime};
use super::shim::{self, Address};
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde::Deserialize;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Kind, Result};
use tare_lifecycle::{Awaited, Pending};
use tare_process::Stamp;
use tare_spec_containerd::Message;
use tare_spec_containerd::task::TaskMethod;
use tare_store::Durability;
use tare_ttrpc::Code;

/// How much of what a command said is read.
const MOST_SAID: u64 = 64 * 1024;
/// How much of it is told.
const MOST_TOLD: usize = 4096;

/// The kind of file that says which command runs.
const RUNNING: &str = "run";
const LONGEST_STAMP: usize = 1024;
/// How long one may take to end that was killed.
const ENDING: Duration = Duration::from_secs(2);
/// How long a shim's program may take for what it is run for.
const SHIMS: Duration = Duration::from_secs(30);
/// How long a shim may take to leave that was told to.
const LEAVING: Duration = Duration::from_secs(3);

/// What starts a shim, and its program's other verb.
pub(super) const STARTING: &str = "start";
pub(super) const DELETING: &str = "delete";

/// How many commands were begun. The loop knows the one that it waits for by its turn: one that another errand begins while the
/// first ends, for the same process, must be another to it, or nobody hears of its end.
static TURNS: AtomicU32 = AtomicU32::new(1);
/// As many turns as the loop can tell from each other.
const MOST_TURNS: u32 = 1 << 28;

/// What is to be done. Dropped before it is, the command that runs is ended.
#[derive(Debug)]
pub(in crate::supervisor) struct Errand {
    /// By which the loop and the names of files know it.
    pub(in crate::supervisor) number: u32,
    folder: PathBuf,
    subject: String,
    /// The runtime's name, for people.
    runtime: String,
    /// Where a shim listens.
    address: Option<Address>,
    oom_score: Option<i32>,
    steps: VecDeque<Step>,
    current: Option<Current>,
    /// Which step of all that ever were it is at.
    turn: u32,
    console: Option<Console>,
    /// What the shim, or its program, has answered, in the order of what was asked; nothing where that was refused.
    answers: VecDeque<Option<Vec<u8>>>,
    /// Why the shim does not answer any more.
    lost: Option<String>,
}

/// A step, and what becomes of its failure.
#[derive(Debug)]
struct Step {
    verb: &'static str,
    doing: Doing,
    /// Whether the rest is done where it fails.
    optional: bool,
}

/// What a step is.
#[derive(Debug)]
enum Doing {
    /// A command of a runtime.
    Run(Command),
    /// A shim's program, whose output is an answer.
    Hear(Command),
    /// A request to a shim.
    Ask(TaskMethod, Vec<u8>, Option<Duration>),
    /// A shim was told to leave: it is waited for, then killed; and whatever else of it is left in this bundle.
    Leave(Option<Stamp>, PathBuf),
}

#[derive(Debug)]
struct Current {
    verb: &'static str,
    optional: bool,
    at: At,
}

/// What a step waits for.
#[derive(Debug)]
enum At {
    Child(Running),
    Call(Call),
    Leaving(Leaving),
}

/// A shim that was told to leave.
#[derive(Debug)]
struct Leaving {
    process: OwnedFd,
    bundle: PathBuf,
    until: Instant,
    killed: bool,
}

#[derive(Debug)]
struct Running {
    program: String,
    child: Child,
    handle: OwnedFd,
    said: File,
    /// Its output, where that is wanted.
    heard: Option<File>,
    until: Option<Instant>,
}

impl Errand {
    pub(super) fn new(record: &Record, number: u32) -> Errand {
        Errand {
            number,
            folder: record.folder().to_owned(),
            subject: record.id.clone(),
            runtime: record.runtime.name(),
            address: record.shim.as_ref().and_then(|shim| shim.address.clone()),
            oom_score: record.runtime.oom_score,
            steps: VecDeque::new(),
            current: None,
            turn: 0,
            console: None,
            answers: VecDeque::new(),
            lost: None,
        }
    }

    /// A file of this errand's own, gone with it.
    pub(super) fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.number))
    }

    /// A command of the runtime, with its global options.
    pub(super) fn command(&self, runtime: &Runtime, verb: &str) -> Command {
        let mut command = Command::new(&runtime.program);
        command.arg("--root").arg(&runtime.root);
        command.arg("--log").arg(self.file("log"));
        command.args(["--log-format", "json"]);
        if runtime.systemd {
            command.arg("--systemd-cgroup");
        }
        command.arg(verb);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Puts a command behind what is there.
    pub(super) fn then(&mut self, verb: &'static str, command: Command) {
        self.push(verb, Doing::Run(command), false);
    }

    /// The same, for one whose failure hinders nothing.
    pub(super) fn then_try(&mut self, verb: &'static str, command: Command) {
        self.push(verb, Doing::Run(command), true);
    }

    /// Runs a shim's program, whose output is an answer.
    pub(super) fn hear(&mut self, record: &Record, verb: &'static str, optional: bool) -> Result<()> {
        let command = shim::command(record, verb)?;
        self.push(verb, Doing::Hear(command), optional);
        Ok(())
    }

    /// Asks a shim, which may take so long.
    pub(super) fn ask(&mut self, method: TaskMethod, request: &impl Message, limit: Option<Duration>) {
        let step = Doing::Ask(method, request.encode_to_vec(), limit);
        self.push(verb(method), step, false);
    }

    /// The same, where a refusal hinders nothing.
    pub(super) fn try_to_ask(&mut self, method: TaskMethod, request: &impl Message, limit: Duration) {
        let step = Doing::Ask(method, request.encode_to_vec(), Some(limit));
        self.push(verb(method), step, true);
    }

    /// Waits until a shim has left, and ends what has not.
    pub(super) fn leave(&mut self, record: &Record) {
        let process = record.shim.as_ref().and_then(|shim| shim.process.clone());
        self.push("end", Doing::Leave(process, record.bundle.clone()), true);
    }

    fn push(&mut self, verb: &'static str, doing: Doing, optional: bool) {
        self.steps.push_back(Step {
            verb,
            doing,
            optional,
        });
    }

    /// The next of the answers.
    pub(super) fn answer<M: Message + Default>(&mut self) -> Result<M> {
        match self.raw_answer() {
            Some(bytes) => super::call::read(&bytes, &self.runtime),
            None => Err(Error::new(Kind::Unavailable, "ask", &self.runtime).because("it has not answered")),
        }
    }

    pub(super) fn raw_answer(&mut self) -> Option<Vec<u8>> {
        self.answers.pop_front().flatten()
    }

    /// The shim does not answer: it is not asked, nor waited for.
    pub(super) fn give_up(&mut self) {
        self.lost = Some("it does not answer".to_owned());
    }

    /// Whether the shim has gone, or does not answer any more.
    pub(super) fn has_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// A socket to which a runtime sends a terminal; what to call it to that.
    pub(super) fn console(&mut self) -> Result<PathBuf> {
        let console = Console::listen(&self.folder, &format!("{}.tty", self.number))?;
        let path = console.path();
        self.console = Some(console);
        Ok(path)
    }

    /// The terminal that was sent.
    pub(super) fn terminal(&mut self) -> Result<Option<OwnedFd>> {
        self.console.take().map(|console| console.receive()).transpose()
    }

    /// The process that a command has left to us, by the file that it wrote.
    pub(super) fn pid(&self) -> Result<Pid> {
        const LONGEST: usize = 64;
        let path = self.file("pid");
        let text = tare_store::read(&path, LONGEST).op("read", path.display())?;
        let pid = std::str::from_utf8(&text)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        pid.and_then(Pid::from_raw).ok_or_else(|| {
            Error::new(Kind::Corrupt, "read", path.display()).because("the runtime wrote no pid there")
        })
    }

    /// Goes as far as it can without waiting; whether everything is done.
    ///
    /// # Errors
    /// The first step's that failed, with what was said of it; none of the rest is done then.
    pub(in crate::supervisor) fn advance(&mut self) -> Result<bool> {
        loop {
            if let Some(mut current) = self.current.take() {
                match self.look_at(&mut current) {
                    Ok(false) => {
                        self.current = Some(current);
                        return Ok(false);
                    }
                    Err(error) if !current.optional => return Err(error),
                    Ok(true) | Err(_) => {}
                }
            }
            let Some(step) = self.steps.pop_front() else {
                return Ok(true);
            };
            self.turn = TURNS.fetch_add(1, Ordering::Relaxed) % MOST_TURNS;
            let (verb, optional) = (step.verb, step.optional);
            match self.begin(step.doing, verb) {
                Ok(at) => {
                    self.current = at.map(|at| Current { verb, optional, at });
                }
                Err(_) if optional => {}
                Err(e) if e.operation() == verb => return Err(e),
                Err(e) => return Err(Error::new(e.kind(), verb, &self.subject).because(sentence(&e))),
            }
        }
    }

    /// Whether a step is done.
    fn look_at(&mut self, current: &mut Current) -> Result<bool> {
        let verb = current.verb;
        match &mut current.at {
            At::Child(running) => {
                let Some(status) = running.child.try_wait().op("wait for", &running.program)? else {
                    return match running.until {
                        Some(until) if until <= Instant::now() => Err(self.is_late(running, verb)),
                        _ => Ok(false),
                    };
                };
                if !status.success() {
                    return Err(self.failed(running, verb, status));
                }
                if let Some(heard) = &mut running.heard {
                    self.answers.push_back(Some(all_of(heard)));
                }
                Ok(true)
            }
            At::Call(call) => match call.advance() {
                Ok(None) => Ok(false),
                Ok(Some(answer)) => {
                    self.answers.push_back(Some(answer));
                    Ok(true)
                }
                // It was deleted before.
                Err(Failed::Said(said)) if verb == DELETING && said.code == Code::NotFound => {
                    self.answers.push_back(None);
                    Ok(true)
                }
                Err(failed) => Err(self.unanswered(failed, verb)),
            },
            At::Leaving(leaving) => {
                let gone = crate::pod::has_ended(&leaving.process);
                let late = leaving.until <= Instant::now();
                if !gone && late && !leaving.killed {
                    let _ = tare_signal::send(&leaving.process, Signal::KILL.as_raw());
                    leaving.killed = true;
                    leaving.until += ENDING;
                    return Ok(false);
                }
                if gone || late {
                    shim::sweep(&leaving.bundle);
                }
                Ok(gone || late)
            }
        }
    }

    /// Begins a step; none where it is done at once.
    fn begin(&mut self, doing: Doing, verb: &'static str) -> Result<Option<At>> {
        match doing {
            Doing::Run(command) => self.run(command, verb, false).map(|child| Some(At::Child(child))),
            Doing::Hear(command) => self.run(command, verb, true).map(|child| Some(At::Child(child))),
            // Who does not answer one question is not asked others.
            Doing::Ask(method, payload, limit) => {
                if let Some(why) = self.lost.clone() {
                    return Err(self.unanswered(Failed::Lost(why), verb));
                }
                let address = self.address.clone().ok_or_else(|| {
                    Error::new(Kind::Conflict, "ask", &self.runtime).because("it was never started")
                })?;
                match Call::begin(&address, method, &payload, limit) {
                    Ok(call) => Ok(Some(At::Call(call))),
                    Err(failed) => Err(self.unanswered(failed, verb)),
                }
            }
            Doing::Leave(process, bundle) => {
                let process = process.and_then(|process| process.running().ok().flatten());
                let Some(process) = process else {
                    shim::sweep(&bundle);
                    return Ok(None);
                };
                let patience = match self.lost.is_some() {
                    true => Duration::ZERO,
                    false => LEAVING,
                };
                let (until, killed) = (Instant::now() + patience, false);
                Ok(Some(At::Leaving(Leaving {
                    process,
                    bundle,
                    until,
                    killed,
                })))
            }
        }
    }

    fn unanswered(&mut self, failed: Failed, verb: &'static str) -> Error {
        if let Failed::Lost(why) = &failed {
            self.lost.get_or_insert_with(|| why.clone());
        }
        self.answers.push_back(None);
        failed.into_error(verb, &self.subject, &self.runtime)
    }

    fn run(&self, mut command: Command, verb: &'static str, listens: bool) -> Result<Running> {
        let program = command.get_program().to_string_lossy().into_owned();
        let memory = || memfd_create(c"said", MemfdFlags::CLOEXEC).op("hear from", &program);
        let said = File::from(memory()?);
        if listens || self.takes_errors(verb) {
            command.stderr(said.try_clone().op("hear from", &program)?);
        }
        let heard = match listens {
            true => Some(File::from(memory()?)),
            false => None,
        };
        if let Some(heard) = &heard {
            command.stdout(heard.try_clone().op("hear from", &program)?);
        }
        let child = match at_score(self.oom_score, || command.spawn()) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::new(Kind::Invalid, "start", &program)
                    .because("there is no such program")
                    .hint(match listens {
                        true => "the shim is gone, or what runs it, where it is a script",
                        false => "BinaryName of the runtime's options names it",
                    }));
            }
            started => started.op("start", &program)?,
        };
        let handle = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).op("wait for", &program)?;
        let until = listens.then(|| Instant::now() + SHIMS);
        let running = Running {
            program,
            child,
            handle,
            said,
            heard,
            until,
        };
        // By which it is found where this supervisor is killed.
        if let Err(error) = self.note(&running.child) {
            drop(Ended(running));
            return Err(error);
        }
        Ok(running)
    }

    fn is_late(&self, running: &Running, verb: &'static str) -> Error {
        end_tree(Pid::from_child(&running.child));
        Error::new(Kind::Unavailable, verb, &self.subject)
            .because(format!("{}: it has not ended within {SHIMS:?}", self.runtime))
    }

    fn note(&self, child: &Child) -> Result<()> {
        let path = self.file(RUNNING);
        let stamp = Stamp::of(Pid::from_child(child).as_raw_pid())?;
        let bytes = serde_json::to_vec(&stamp)
            .map_err(|e| Error::new(Kind::Internal, "write", path.display()).from_source(e))?;
        tare_store::replace(&path, Durability::Volatile, 0o600, &bytes)
    }

    /// Whether the standard error of a command is its own, and not that of a process of the container.
    fn takes_errors(&self, verb: &str) -> bool {
        self.console.is_some() || !matches!(verb, "create" | "exec")
    }

    fn failed(&self, running: &mut Running, verb: &'static str, status: ExitStatus) -> Error {
        let name = Path::new(&running.program).file_name().unwrap_or_default();
        let name = match running.program.starts_with("/proc/") {
            true => String::new(),
            false => format!("{}: ", name.to_string_lossy()),
        };
        let logged = tail(File::open(self.file("log")).ok()).and_then(|log| last_error(&log));
        let said = || {
            let said = tail(running.said.try_clone().ok())?;
            let last = said.lines().rfind(|line| !line.trim().is_empty())?;
            Some(last.trim().to_owned())
        };
        let mut why = logged.or_else(said).unwrap_or_else(|| match status.code() {
            Some(code) => format!("it ended with code {code} and said nothing"),
            None => format!("it was ended by signal {}", status.signal().unwrap_or(0)),
        });
        let end = why.floor_char_boundary(MOST_TOLD);
        why.truncate(end);
        Error::new(Kind::Internal, verb, &self.subject).because(format!("{name}{why}"))
    }
}

impl Errand {
    /// What the loop is to be told of what it waits for.
    pub(in crate::supervisor) fn flags(&self) -> EventFlags {
        match self.current.as_ref().map(|current| &current.at) {
            Some(At::Call(call)) => call.flags(),
            _ => EventFlags::IN,
        }
    }
}

impl Pending for Errand {
    fn awaited(&self) -> Vec<Awaited<'_>> {
        let current = self.current.iter();
        let awaited = current.map(|current| Awaited {
            turn: self.turn,
            fd: match &current.at {
                At::Child(running) => running.handle.as_fd(),
                At::Call(call) => call.as_fd(),
                At::Leaving(leaving) => leaving.process.as_fd(),
            },
            now: true,
        });
        awaited.collect()
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.current.as_ref()?.at {
            At::Child(running) => running.until,
            At::Call(call) => call.deadline(),
            At::Leaving(leaving) => Some(leaving.until),
        }
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if let Some(Current {
            at: At::Child(running),
            ..
        }) = self.current.take()
        {
            drop(Ended(running));
        }
        for kind in ["log", "pid", "json", "tty", RUNNING] {
            let _ = std::fs::remove_file(self.file(kind));
        }
    }
}

/// A request's verb, for people.
fn verb(method: TaskMethod) -> &'static str {
    match method {
        TaskMethod::Create => "create",
        TaskMethod::Start => STARTING,
        TaskMethod::Exec => "exec",
        TaskMethod::Delete => DELETING,
        TaskMethod::Kill => "kill",
        TaskMethod::Pause => "pause",
        TaskMethod::Resume => "resume",
        TaskMethod::Update => "update",
        TaskMethod::Pids => "list processes of",
        TaskMethod::Stats => "measure",
        TaskMethod::ResizePty => "resize the terminal of",
        TaskMethod::CloseIO => "close the input of",
        TaskMethod::Wait => "wait for",
        TaskMethod::Shutdown => "shut down",
        _ => "ask about",
    }
}

/// What was written, from its beginning.
fn all_of(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = file
        .seek(SeekFrom::Start(0))
        .and_then(|_| file.take(MOST_SAID).read_to_end(&mut bytes));
    read.map_or_else(|_| Vec::new(), |_| bytes)
}

/// A command that is to end now.
struct Ended(Running);

impl Drop for Ended {
    fn drop(&mut self) {
        end_tree(Pid::from_child(&self.0.child));
        let _ = self.0.child.wait();
    }
}

/// Ends the commands that a supervisor has left running that was killed.
pub(super) fn end_left(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).op("list", folder.display())? {
        let path = entry.op("list", folder.display())?.path();
        if path.extension().is_none_or(|kind| kind != RUNNING) {
            continue;
        }
        let bytes = tare_store::read(&path, LONGEST_STAMP).op("read", path.display())?;
        let Ok(stamp) = serde_json::from_slice::<Stamp>(&bytes) else {
            continue;
        };
        if let (Some(handle), Some(pid)) = (stamp.find()?, Pid::from_raw(stamp.pid)) {
            end_tree(pid);
            let _ = crate::clock::wait_readable(&handle, Some(Instant::now() + ENDING));
        }
    }
    Ok(())
}

/// Ends a child of ours that is not waited for yet, or one that was found by its stamp, with all that it has started: a runtime that is killed while it makes a
/// container leaves what it made. Each is stopped before it is asked for its children, so that it waits for none of them, and
/// their numbers stay theirs.
fn end_tree(root: Pid) {
    let mut tree = vec![root];
    let mut at = 0;
    while let Some(pid) = tree.get(at).copied() {
        let _ = kill_process(pid, Signal::STOP);
        let number = pid.as_raw_pid();
        let threads = std::fs::read_dir(format!("/proc/{number}/task"));
        for thread in threads.into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            let children = text
                .split_whitespace()
                .filter_map(|word| Pid::from_raw(word.parse().ok()?));
            tree.extend(children);
        }
        at += 1;
    }
    for pid in tree {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn sentence(error: &Error) -> String {
    format!(
        "{} {}: {}",
        error.operation(),
        error.subject(),
        error.reason().unwrap_or_default()
    )
}

/// The end of what was said or logged.
fn tail(file: Option<File>) -> Option<String> {
    let mut file = file?;
    let length = file.metadata().ok()?.len();
    let from = length.saturating_sub(MOST_SAID);
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut bytes = Vec::new();
    file.take(MOST_SAID).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last entry of a log in JSON that tells of an error: one a line, or over several lines as crun has it.
fn last_error(log: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Line {
        level: String,
        msg: String,
    }
    let start = log.find('{')?;
    let lines = serde_json::Deserializer::from_str(log.get(start..)?).into_iter::<Line>();
    let told = lines.map_while(std::result::Result::ok);
    let told = told.filter(|line| matches!(line.level.as_str(), "error" | "fatal" | "panic"));
    told.map(|line| line.msg).filter(|msg| !msg.is_empty()).last()
}

/// Starts a program with this score for the killer of the memory-less, where ours is lower: a supervisor is spared more
/// than a container that asks for nothing may be.
fn at_score<T>(score: Option<i32>, start: impl FnOnce() -> T) -> T {
    let path = "/proc/self/oom_score_adj";
    let own = std::fs::read_to_string(path).ok();
    let own: Option<i32> = own.and_then(|text| text.trim().parse().ok());
    let changed = score.zip(own).filter(|(score, own)| own < score);
    if let Some((score, _)) = changed {
        let _ = std::fs::write(path, score.to_string());
    }
    let started = start();
    if let Some((_, own)) = changed {
        // Who may lower it could before.
        let _ = std::fs::write(path, own.to_string());
    }
    started
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_of_a_log_is_found() {
        for (log, expected) in [
            ("", None),
            ("no json\n", None),
            (r#"{"level":"warning","msg":"x","time":"t"}"#, None),
            (
                "{\"level\":\"error\",\"msg\":\"first\"}\n{\"level\":\"error\",\"msg\":\"last\",\"time\":\"t\"}\n{\"level\":\"info\",\"msg\":\"y\"}\n{\"lev",
                Some("last"),
            ),
            (
                "{\n  \"msg\": \"crun's\",\n  \"level\": \"error\"\n}\n",
                Some("crun's"),
            ),
        ] {
            assert_eq!(last_error(log).as_deref(), expected, "{log}");
        }
    }
}
