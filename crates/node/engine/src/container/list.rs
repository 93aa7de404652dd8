//! Containers for people: which there are, and how each is now.

use super::reap::end_record;
use crate::Engine;
use crate::records::containers::{self, ContainerRecord};
use crate::records::life::{self, LifeRecord};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use tare_cgroup::Freezers;
use tare_database::sql::Transaction;
use tare_error::{Error, Kind, Result, nearest};
use tare_lifecycle::{ContainerId, Home};
use tare_shim::{Elsewhere, Exit, Health, PodDirs};
use tare_store::Id;

/// The longest record of an end that is read.
const LONGEST: usize = 64 * 1024;

/// The record of an end, in a container's folder of the runtime library.
const EXIT: &str = "exit.json";

/// One line of the list of containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What was asked for.
    pub record: ContainerRecord,
    /// Its labels, the image's among them.
    pub labels: BTreeMap<String, String>,
    /// How it is.
    pub status: Status,
    /// Whether it is started again, and how often it was.
    pub life: LifeRecord,
    /// Its health, where somebody looks after that.
    pub health: Option<Health>,
    /// Its first process, while that lives, in our pid namespace.
    pub pid: Option<i32>,
    /// When it was last started (RFC 3339); empty where it never was, or nobody knows.
    pub started: String,
}

/// What the database has of one.
struct Known {
    record: ContainerRecord,
    labels: BTreeMap<String, String>,
    life: LifeRecord,
}

impl Known {
    /// Of every container, the newest first.
    fn all(tx: &Transaction<'_>) -> Result<Vec<Known>> {
        let (mut labels, mut lives) = (containers::labels(tx)?, life::all(tx)?);
        let known = containers::all(tx)?.into_iter().map(|record| Known {
            labels: labels.remove(&record.id).unwrap_or_default(),
            life: lives.remove(&record.id).unwrap_or_default(),
            record,
        });
        Ok(known.collect())
    }

    fn of(tx: &Transaction<'_>, record: ContainerRecord) -> Result<Known> {
        Ok(Known {
            labels: containers::labels_of(tx, &record.id)?,
            life: life::get(tx, &record.id)?,
            record,
        })
    }
}

/// How a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is being made, or was made and never started.
    Created,
    /// Its first process lives.
    Running,
    /// The same, and all its processes stand still.
    Paused,
    /// It has ended with this exit code, and is to be started again.
    Restarting(u8),
    /// It has ended, with this exit code.
    Exited(u8),
    /// It has ended, and nobody knows how: with the reason.
    Unknown(String),
}

impl Status {
    /// docker's word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Restarting(_) => "restarting",
            Status::Exited(_) | Status::Unknown(_) => "exited",
        }
    }

    /// Whether it is to run: it does, or will again by itself.
    pub fn is_up(&self) -> bool {
        self.lives() || matches!(self, Status::Restarting(_))
    }

    /// Whether it has processes.
    pub fn lives(&self) -> bool {
        matches!(self, Status::Running | Status::Paused)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Restarting(code) => write!(f, "restarting ({code})"),
            Status::Exited(code) => write!(f, "exited ({code})"),
            Status::Unknown(why) => write!(f, "ended ({why})"),
            other => f.write_str(other.word()),
        }
    }
}

/// What many containers are looked at with: opened once.
pub(super) struct Looking {
    home: Home,
    pods: Option<PodDirs>,
    freezers: Option<Freezers>,
}

/// What the kernel says of one.
struct Seen {
    status: Option<Status>,
    /// How it has ended, where nobody has settled that yet.
    exit: Option<Exit>,
    pid: Option<i32>,
    started: String,
    health: Option<Health>,
}

impl Looking {
    pub(super) fn open(engine: &Engine) -> Result<Looking> {
        Ok(Looking {
            home: Home::held_at(engine.runtime_folders()),
            pods: PodDirs::open(&engine.pod_folders())?,
            // A machine without any freezer has nothing that is paused.
            freezers: Freezers::current().ok(),
        })
    }

    fn health(&self, record: &ContainerRecord, status: Option<&Status>) -> Result<Option<Health>> {
        match &self.pods {
            Some(pods) if record.checked && status.is_some_and(Status::lives) => pods.health(&record.id),
            _ => Ok(None),
        }
    }

    /// From the runtime library's record and the kernel: a dozen system calls for one that lives, two for one that does not.
    fn see(&self, known: &ContainerRecord) -> Result<Option<Seen>> {
        let container = match ContainerId::parse(&known.id).and_then(|id| self.home.container(&id)) {
            Err(e) if e.kind() == Kind::NotFound => return self.see_elsewhere(known),
            container => container?,
        };
        let record = container.record();
        let lives = match &record.init {
            Some(init) => init.runs()?,
            None => false,
        };
        let exit = if lives { None } else { exit_in(container.folder()) };
        let status = match (lives, record.whole) {
            (true, true) => Some(match self.is_frozen(record.group.as_deref())? {
                true => Status::Paused,
                false => Status::Running,
            }),
            (true, false) => Some(Status::Created),
            // Its end is on record before anybody is told, and in the database only later. Until then it is not over for anybody.
            (false, whole) => exit.as_ref().map(over).or(whole.then_some(Status::Running)),
        };
        Ok(Some(Seen {
            exit,
            pid: record.init.as_ref().filter(|_| lives).map(|init| init.pid),
            started: record.created.clone(),
            health: self.health(known, status.as_ref())?,
            status,
        }))
    }

    /// The same of one that another runtime has made: from its supervisor's record.
    fn see_elsewhere(&self, known: &ContainerRecord) -> Result<Option<Seen>> {
        let Some(found) = Elsewhere::find(self.home.path(), &known.id)? else {
            return Ok(None);
        };
        let exit = exit_in(&found.folder);
        let lives = found.lives.unwrap_or(exit.is_none());
        let status = match (lives, &found.since) {
            (true, Some(_)) => Some(match found.paused || self.is_frozen(found.group.as_deref())? {
                true => Status::Paused,
                false => Status::Running,
            }),
            (true, None) => Some(Status::Created),
            // Until its end is on record it is not over for anybody.
            (false, since) => {
                let ended = exit.as_ref().map(over);
                ended.or(since.as_ref().map(|_| Status::Running))
            }
        };
        Ok(Some(Seen {
            exit: exit.filter(|_| !lives),
            pid: found.pid,
            started: found.since.unwrap_or_default(),
            health: self.health(known, status.as_ref())?,
            status,
        }))
    }

    fn is_frozen(&self, group: Option<&str>) -> Result<bool> {
        match (&self.freezers, group) {
            (Some(freezers), Some(group)) => freezers.is_frozen(group),
            _ => Ok(false),
        }
    }
}

/// The record of an end that nobody has settled yet.
fn exit_in(folder: &Path) -> Option<Exit> {
    let bytes = tare_store::read(folder.join(EXIT), LONGEST).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// How one is that has ended so.
fn over(exit: &Exit) -> Status {
    match &exit.unknown {
        Some(why) => Status::Unknown(why.clone()),
        None => Status::Exited(exit.code),
    }
}

impl Engine {
    /// All containers, the newest first.
    ///
    /// A read or two of the database, and what the kernel says of each that lives; no supervisor is asked.
    ///
    /// # Errors
    /// The database's.
    pub fn containers(&self) -> Result<Vec<Listed>> {
        let known = self.records().read("list containers", Known::all)?;
        let looking = Looking::open(self)?;
        let mut seen = HashMap::with_capacity(known.len());
        for known in &known {
            seen.insert(known.record.id.clone(), looking.see(&known.record)?);
        }
        // What is not to be seen may have been settled since that was read.
        let known = match seen.values().any(Option::is_none) {
            true => self.records().read("list containers", Known::all)?,
            false => known,
        };
        known
            .into_iter()
            .filter_map(|known| Some((seen.remove(&known.record.id)?, known)))
            .map(|(seen, known)| self.listed(seen, known))
            .collect()
    }

    /// One container, by its name, id or the beginning of its id.
    ///
    /// # Errors
    /// As [`Engine::containers`]; `NotFound`, and `Invalid` where several ids begin so.
    pub fn container(&self, typed: &str) -> Result<Listed> {
        let mut record = self.find_container(typed)?;
        let seen = Looking::open(self)?.see(&record)?;
        if seen.is_none() {
            record = self.find_container(&record.id)?;
        }
        let known = self
            .records()
            .read("read container", |tx| Known::of(tx, record.clone()))?;
        self.listed(seen, known)
    }

    fn listed(&self, seen: Option<Seen>, known: Known) -> Result<Listed> {
        let Known {
            mut record,
            labels,
            life,
        } = known;
        let (now, pid, started, health) = match seen {
            Some(seen) => {
                // What the database has of an end is of one before.
                record.end = seen.exit.as_ref().map(end_record).or(record.end);
                (seen.status, seen.pid, Some(seen.started), seen.health)
            }
            None => (None, None, None, None),
        };
        // One that was started again has an end of before on record.
        let status = match (now, &record.end) {
            (Some(Status::Exited(code)), _) if life.follows(code) => Status::Restarting(code),
            (Some(Status::Unknown(_)), _) if life.follows(u8::MAX) => Status::Restarting(u8::MAX),
            // Its next life is being made.
            (Some(Status::Created), Some(end)) if life.due.is_some() => Status::Restarting(end.code),
            (Some(now), _) => now,
            (None, Some(end)) if life.due.is_some() => Status::Restarting(end.code),
            (None, Some(end)) => match &end.unknown {
                Some(why) => Status::Unknown(why.clone()),
                None => Status::Exited(end.code),
            },
            (None, None) => Status::Created,
        };
        let before = record.end.as_ref().and_then(|end| end.detail.started.clone());
        Ok(Listed {
            started: started.or(before).unwrap_or_default(),
            labels,
            health,
            status,
            pid,
            record,
            life,
        })
    }

    /// Whether the end of a container is on record, and not settled yet.
    pub(super) fn has_ended(&self, id: &str) -> bool {
        let known = [self.runtime_folders(), self.roots().run().join("foreign")];
        known.iter().any(|home| home.join(id).join(EXIT).exists())
    }

    /// When a container's process was made that is still on the library's record.
    pub(super) fn born(&self, id: &str) -> Option<String> {
        let home = Home::at(self.runtime_folders());
        let container = home.container(&ContainerId::parse(id).ok()?).ok()?;
        let born = container.record().created.clone();
        (!born.is_empty()).then_some(born)
    }

    /// The container of this name or id, or whose id alone begins so.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where several ids begin so.
    pub(crate) fn find_container(&self, typed: &str) -> Result<ContainerRecord> {
        let mut found = self
            .records()
            .read("find container", |tx| containers::meant(tx, typed))?;
        match found.len() {
            0 => Err(self.no_container(typed)?),
            1 => Ok(found.swap_remove(0)),
            n => Err(Error::new(Kind::Invalid, "find container", typed).because(format!("{n} ids begin so"))),
        }
    }

    fn no_container(&self, typed: &str) -> Result<Error> {
        let error =
            Error::new(Kind::NotFound, "find container", typed).because("there is none of that name or id");
        let all = self.records().read("find container", containers::all)?;
        Ok(
            match nearest(typed, all.iter().map(|record| record.name.as_str())) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("`tare ps -a` lists them"),
            },
        )
    }

    /// A name that another container has: who, how that one is, and what to do.
    pub(super) fn name_in_use(&self, name: &str, error: Error) -> Error {
        let Ok(holder) = self.container(name) else {
            return error;
        };
        let id = Id::parse(&holder.record.id)
            .map_or_else(|_| holder.record.id.clone(), |id| id.short().to_owned());
        let remedy = match holder.status {
            Status::Exited(_) | Status::Unknown(_) | Status::Created => {
                format!("`tare rm {name}` removes it, or choose another --name")
            }
            _ => "choose another --name".to_owned(),
        };
        Error::new(Kind::AlreadyExists, "use name", name)
            .because(format!("container {id} has it ({})", holder.status))
            .hint(remedy)
    }
}
