//! Upgrade in place: a supervisor becomes another version of its program, in the same process, with everything that it holds.
//!
//! ```text
//! upgrade (a client) --Upgrade{program}--> the supervisor: writes its state down
//!     ^                                      |-- the program, in a child: -check-state, on a copy of the state
//!     |                                      |-- when nothing is being made or started: execve, with descriptors and state
//!     +------------- its version ----------- the program: takes everything over, answers
//! ```
//!
//! Until the program runs nothing has changed, and whatever goes wrong is the answer. The same way leads to an older
//! version, as long as that understands the state.

mod client;
mod proof;
mod state;

pub(super) use client::upgrade;
use proof::Proof;
pub(super) use proof::check_state;
pub(super) use state::{Bytes, ConnectionState, EventsState};
use state::{FORMS, State};

use super::arguments::Arguments;
use super::connection::Asked;
use super::container::Container;
use super::handing::{Handed, Handing};
use super::process::{Process, Stage};
use super::serve;
use super::service::Service;
use crate::poller::Interest;
use crate::signals::Signals;
use crate::supervisor::source::Source;
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{MemfdFlags, SealFlags, SeekFrom};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Kind, Report, Result};
use tare_spec_containerd::Message;

/// How long it waits for the proof, and for what is being made or started.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest state: a thousand connections with a message half read each do not come near it.
const LONGEST: u64 = 256 << 20;

/// An upgrade that was asked for.
#[derive(Debug)]
pub(super) struct Upgrade {
    asked: Asked,
    program: PathBuf,
    image: OwnedFd,
    /// None once it has proved itself.
    proof: Option<Proof>,
    until: Instant,
}

impl Service {
    /// Begins to become another program; the answer is that program's.
    pub(super) fn begin_upgrade(&mut self, asked: Asked, program: &str) -> Result<()> {
        let program = PathBuf::from(program);
        if self.upgrade.is_some() {
            return Err(
                Error::new(Kind::Conflict, "become", program.display()).because("an upgrade goes on already")
            );
        }
        if !program.is_absolute() {
            return Err(
                Error::new(Kind::Invalid, "become", program.display()).because("it is no absolute path")
            );
        }
        let image = tare_process::seal::image(&program)?;
        let state = write(&self.save(asked, &mut Handing::default()))?;
        let proof = self.signals.released(|| Proof::begin(image.as_fd(), state))??;
        self.upgrade = Some(Upgrade {
            asked,
            program,
            image,
            proof: Some(proof),
            until: Instant::now() + PATIENCE,
        });
        Ok(())
    }

    /// Goes on with it: takes the proof, waits for what is being made or started, and becomes the program. Comes back where
    /// there is something to wait for, or where that failed.
    pub(super) fn advance_upgrade(&mut self, now: Instant) {
        let Some(upgrade) = &mut self.upgrade else {
            return;
        };
        let failed = match upgrade.proof.as_mut().map(Proof::outcome) {
            Some(Ok(false)) | None if upgrade.until <= now => Some(upgrade.too_late()),
            Some(Ok(false)) => return,
            Some(Ok(true)) | None => {
                upgrade.proof = None;
                None
            }
            Some(Err(error)) => Some(error),
        };
        let error = match failed {
            Some(error) => error,
            None if !self.is_at_rest() => return,
            None => match self.execute() {
                Some(error) => error,
                None => return,
            },
        };
        if let Some(upgrade) = self.upgrade.take() {
            self.journal.note(Report::new(&error));
            self.answer(upgrade.asked, Err(super::telling::told(&error)));
        }
    }

    /// Whether nothing is half done that could not be handed over.
    fn is_at_rest(&self) -> bool {
        let moves = |process: &Process| {
            let stage = &process.stage;
            matches!(
                stage,
                Stage::Making { .. } | Stage::Starting { .. } | Stage::Entering { .. } | Stage::Foreign(_)
            )
        };
        let is_busy = |container: &Container| {
            let foreign = container.foreign.as_ref();
            foreign.is_some_and(|foreign| foreign.is_busy()) || container.processes.iter().any(moves)
        };
        let waits = !self.held_up.is_empty() || !self.given_up.is_empty();
        !waits
            && !self.containers.iter().any(is_busy)
            && self.publisher.is_at_rest()
            && self.leave_by.is_none()
    }

    /// Executes the program; why that failed.
    fn execute(&self) -> Option<Error> {
        let upgrade = self.upgrade.as_ref()?;
        if let Err(error) = tare_failpoint::pass("upgrade-intended") {
            return Some(error);
        }
        let mut handing = Handing::default();
        let state = match write(&self.save(upgrade.asked, &mut handing)) {
            Ok(state) => state,
            Err(error) => return Some(error),
        };
        let number = handing.hand(state.as_fd()).number();
        let arguments = self.arguments.of_supervisor(&self.arguments.id, &self.address);
        let arguments = arguments
            .into_iter()
            .chain(["-state".into(), number.to_string().into()]);
        let error = match handing.leave_open(true) {
            Ok(()) => {
                let first = OsString::from(super::start::PROGRAM);
                let all = std::iter::once(first).chain(arguments);
                tare_process::seal::execute(upgrade.image.as_fd(), &upgrade.program, all)
            }
            Err(error) => error,
        };
        Some(match handing.leave_open(false) {
            Ok(()) => error,
            Err(also) => error.also(also),
        })
    }

    pub(super) fn upgrade_deadline(&self) -> Option<Instant> {
        self.upgrade.as_ref().map(|upgrade| upgrade.until)
    }

    pub(super) fn upgrade_interest(&self) -> Option<Interest<'_, Source>> {
        let proof = self.upgrade.as_ref()?.proof.as_ref()?;
        Some(Interest {
            source: Source::Upgrade,
            fd: proof.as_fd(),
            flags: EventFlags::IN,
        })
    }
}

impl Upgrade {
    fn too_late(&self) -> Error {
        let why = match self.proof {
            Some(_) => "it has not proved itself in time",
            None => "something was being made or started all the time",
        };
        Error::new(Kind::Unavailable, "become", self.program.display())
            .because(format!("{why} ({PATIENCE:?})"))
    }
}

/// Goes on where another program was, in this process.
pub(super) fn resume(arguments: &Arguments, state: i32) -> Result<Service> {
    let state = read(File::from(Handed::numbered(state).take()?))?;
    let listener = state.listener.take()?;
    let mut service = serve::service(arguments, listener, Signals::of_successor()?)?;
    let asked = state.asked;
    tare_failpoint::pass("upgrade-begun")?;
    service.restore(state)?;
    if let Some(asked) = asked {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        service.answer(asked, Ok(version.encode_to_vec()));
    }
    Ok(service)
}

/// A state as a file in memory that nobody can change.
fn write(state: &State) -> Result<File> {
    const SUBJECT: &str = "the supervisor's state";
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = rustix::fs::memfd_create(c"tare-state", flags).op("make", SUBJECT)?;
    let mut file = File::from(file);
    let bytes =
        serde_json::to_vec(state).map_err(|e| Error::new(Kind::Internal, "write", SUBJECT).from_source(e))?;
    file.write_all(&bytes).op("write", SUBJECT)?;
    rustix::fs::seek(&file, SeekFrom::Start(0)).op("write", SUBJECT)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals).op("seal", SUBJECT)?;
    Ok(file)
}

/// Reads a state of this form.
fn read(file: File) -> Result<State> {
    const SUBJECT: &str = "the supervisor's state";
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes).op("read", SUBJECT)?;
    #[derive(serde::Deserialize)]
    struct Form {
        form: u32,
        program: String,
    }
    let corrupt = |e| Error::new(Kind::Corrupt, "read", SUBJECT).from_source(e);
    let found: Form = serde_json::from_slice(&bytes).map_err(corrupt)?;
    if !FORMS.contains(&found.form) {
        let why = format!(
            "version {} wrote it in form {}, and this program, {}, knows form {}",
            found.program,
            found.form,
            env!("CARGO_PKG_VERSION"),
            FORMS.last().unwrap_or(&0),
        );
        return Err(Error::new(Kind::Unsupported, "read", SUBJECT)
            .because(why)
            .hint("go by a version between the two"));
    }
    serde_json::from_slice(&bytes).map_err(corrupt)
}
