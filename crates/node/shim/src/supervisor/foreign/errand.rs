//! Commands of a runtime on their way, one after the other: short-lived children that the loop does not wait for.

use super::console::Console;
use super::record::{Record, Runtime};
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
use tare_store::Durability;

/// How much of what a command said is read.
const MOST_SAID: u64 = 64 * 1024;
/// How much of it is told.
const MOST_TOLD: usize = 4096;

/// The kind of file that says which command runs.
const RUNNING: &str = "run";
const LONGEST_STAMP: usize = 1024;
/// How long one may take to end that was killed.
const ENDING: Duration = Duration::from_secs(2);

/// How many commands were begun. The loop knows the one that it waits for by its turn: one that another errand begins while the
/// first ends, for the same process, must be another to it, or nobody hears of its end.
static TURNS: AtomicU32 = AtomicU32::new(1);
/// As many turns as the loop can tell from each other.
const MOST_TURNS: u32 = 1 << 28;

/// What is to be run. Dropped before it is done, the command that runs is ended.
#[derive(Debug)]
pub(in crate::supervisor) struct Errand {
    /// By which the loop and the names of files know it.
    pub(in crate::supervisor) number: u32,
    folder: PathBuf,
    subject: String,
    oom_score: Option<i32>,
    steps: VecDeque<Step>,
    current: Option<Current>,
    /// Which command of all that ever were it is at.
    turn: u32,
    console: Option<Console>,
}

/// A command, and what becomes of its failure.
#[derive(Debug)]
struct Step {
    verb: &'static str,
    command: Command,
    /// Whether the rest is done where it fails.
    optional: bool,
}

#[derive(Debug)]
struct Current {
    verb: &'static str,
    program: String,
    optional: bool,
    child: Child,
    handle: OwnedFd,
    said: File,
}

impl Errand {
    pub(super) fn new(record: &Record, number: u32) -> Errand {
        Errand {
            number,
            folder: record.folder().to_owned(),
            subject: record.id.clone(),
            oom_score: record.runtime.oom_score,
            steps: VecDeque::new(),
            current: None,
            turn: 0,
            console: None,
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

    /// Puts a command behind those that are there.
    pub(super) fn then(&mut self, verb: &'static str, command: Command) {
        let optional = false;
        self.steps.push_back(Step {
            verb,
            command,
            optional,
        });
    }

    /// The same, for one whose failure hinders nothing.
    pub(super) fn then_try(&mut self, verb: &'static str, command: Command) {
        let optional = true;
        self.steps.push_back(Step {
            verb,
            command,
            optional,
        });
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

    /// Goes as far as it can without waiting; whether everything was run.
    ///
    /// # Errors
    /// The first command's that failed, with what it said; none of the rest is run then.
    pub(in crate::supervisor) fn advance(&mut self) -> Result<bool> {
        loop {
            if let Some(mut current) = self.current.take() {
                let Some(status) = current.child.try_wait().op("wait for", &current.program)? else {
                    self.current = Some(current);
                    return Ok(false);
                };
                if !status.success() && !current.optional {
                    return Err(self.failed(current, status));
                }
            }
            let Some(step) = self.steps.pop_front() else {
                return Ok(true);
            };
            self.turn = TURNS.fetch_add(1, Ordering::Relaxed) % MOST_TURNS;
            let (verb, optional) = (step.verb, step.optional);
            match self.begin(step) {
                Ok(current) => self.current = Some(current),
                Err(_) if optional => {}
                Err(e) => return Err(Error::new(e.kind(), verb, &self.subject).because(sentence(&e))),
            }
        }
    }

    fn begin(&self, step: Step) -> Result<Current> {
        let Step {
            verb,
            mut command,
            optional,
        } = step;
        let program = command.get_program().to_string_lossy().into_owned();
        let said = File::from(memfd_create(c"said", MemfdFlags::CLOEXEC).op("hear from", &program)?);
        if self.takes_errors(verb) {
            command.stderr(said.try_clone().op("hear from", &program)?);
        }
        let child = match at_score(self.oom_score, || command.spawn()) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::new(Kind::Invalid, "start", &program)
                    .because("there is no such program")
                    .hint("BinaryName of the runtime's options names it"));
            }
            started => started.op("start", &program)?,
        };
        let handle = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).op("wait for", &program)?;
        let current = Current {
            verb,
            program,
            optional,
            child,
            handle,
            said,
        };
        // By which it is found where this supervisor is killed.
        if let Err(error) = self.note(&current.child) {
            drop(Ended(current));
            return Err(error);
        }
        Ok(current)
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

    fn failed(&self, mut current: Current, status: ExitStatus) -> Error {
        let name = Path::new(&current.program).file_name().unwrap_or_default();
        let name = match current.program.starts_with("/proc/") {
            true => String::new(),
            false => format!("{}: ", name.to_string_lossy()),
        };
        let logged = tail(File::open(self.file("log")).ok()).and_then(|log| last_error(&log));
        let said = || {
            let rewound = current.said.seek(SeekFrom::Start(0)).is_ok();
            let said = tail(rewound.then_some(current.said))?;
            let last = said.lines().rfind(|line| !line.trim().is_empty())?;
            Some(last.trim().to_owned())
        };
        let mut why = logged.or_else(said).unwrap_or_else(|| match status.code() {
            Some(code) => format!("it ended with code {code} and said nothing"),
            None => format!("it was ended by signal {}", status.signal().unwrap_or(0)),
        });
        let end = why.floor_char_boundary(MOST_TOLD);
        why.truncate(end);
        Error::new(Kind::Internal, current.verb, &self.subject).because(format!("{name}{why}"))
    }
}

impl Pending for Errand {
    fn awaited(&self) -> Vec<Awaited<'_>> {
        let current = self.current.iter();
        let awaited = current.map(|current| Awaited {
            turn: self.turn,
            fd: current.handle.as_fd(),
            now: true,
        });
        awaited.collect()
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        drop(self.current.take().map(Ended));
        for kind in ["log", "pid", "json", "tty", RUNNING] {
            let _ = std::fs::remove_file(self.file(kind));
        }
    }
}

/// A command that is to end now.
struct Ended(Current);

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
