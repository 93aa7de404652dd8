//! Where the things of one container are, by its id.

use crate::Engine;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};
use tare_error::{Context, Error, Kind, Result};
use tare_shim::{Condition, Connection, Ended, Launch, PodDir, Starting};
use tare_store::{Id, Lock, Roots};

/// The lock in a pod's folder: held by the command that makes, runs or clears away its container.
const LOCK: &str = "engine.lock";

/// What the name of a pod folder that is being made begins with; it ends with a point and the process that makes it.
pub(super) const UNBORN: &str = ".new-";
/// The same of one that is being removed.
pub(super) const GONE: &str = ".gone-";

/// How long a start may take that is waited for.
const STARTING: Duration = Duration::from_secs(10);
/// How often it is looked whether it is over, where no file says so.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How many supervisors of a container may die while it is looked for one.
pub(crate) const ATTEMPTS: usize = 5;

/// A container's supervisor, and what it said of the container just now.
#[derive(Debug)]
pub(super) struct Supervised {
    pub(super) connection: Connection,
    /// Condition and first process; an error where it has no such container.
    pub(super) state: Result<(Condition, u32)>,
}

impl Supervised {
    /// Whether an error is that of a supervisor which is gone: it does not even say how its container is.
    pub(super) fn is_gone(&mut self, error: &Error, id: &str) -> bool {
        let is_unheard = |error: &Error| error.kind() == Kind::Unavailable;
        is_unheard(error) && self.connection.state(id).is_err_and(|error| is_unheard(&error))
    }
}

/// The pod folder of a container, held against other commands.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) dir: PodDir,
    _lock: Lock,
}

/// `<run>/containers` of these roots.
pub(super) fn runtime_folders(roots: &Roots) -> PathBuf {
    roots.run().join("containers")
}

impl Engine {
    /// `<data>/containers/<id>`: bundle, generated files, last exit record.
    pub(crate) fn container_folder(&self, id: &str) -> PathBuf {
        self.container_folders().join(id)
    }

    pub(super) fn container_folders(&self) -> PathBuf {
        self.roots().data().join("containers")
    }

    pub(crate) fn pod_folders(&self) -> PathBuf {
        self.roots().run().join("pods")
    }

    /// `<data>/containers/<id>/<id>-json.log`: what a detached container has written, in docker's form and under its name.
    pub(super) fn log_of(&self, id: &str) -> PathBuf {
        self.container_folder(id).join(format!("{id}-json.log"))
    }

    /// `<run>/containers`: what the runtime library keeps of them.
    pub(super) fn runtime_folders(&self) -> PathBuf {
        runtime_folders(self.roots())
    }

    /// Connects to the supervisor of a pod, or starts one.
    pub(crate) fn launch(&self, pod: &Pod) -> Result<Connection> {
        tare_shim::launch(&self.launch_of(pod, &self.runtime_folders()))
    }

    /// Starts the supervisor of a pod that was just made.
    pub(super) fn begin_launch(&self, pod: &Pod) -> Result<Starting> {
        tare_shim::begin(&self.launch_of(pod, &self.runtime_folders()))
    }

    /// Connects to the supervisor of a container, where one lives.
    pub(super) fn connect(&self, id: &str) -> Result<Option<Connection>> {
        let Ok(pod) = PodDir::open(self.pod_folder(id)) else {
            return Ok(None);
        };
        tare_shim::find(&Launch {
            program: &self.programs().supervisor,
            pod: &pod,
            containers: &self.runtime_folders(),
        })
    }

    /// Connects to the supervisor of a container that runs. Where one was just killed, its successor is started first.
    pub(super) fn find_supervisor(&self, id: &str) -> Result<Option<Supervised>> {
        self.find_supervisor_while(id, &mut || {})
    }

    /// The same; whenever one is asked how the container is, something else is done until it answers.
    fn find_supervisor_while(&self, id: &str, meanwhile: &mut dyn FnMut()) -> Result<Option<Supervised>> {
        for _ in 0..ATTEMPTS {
            let Ok(pod) = PodDir::open(self.pod_folder(id)) else {
                return Ok(None);
            };
            let found = tare_shim::find(&Launch {
                program: &self.programs().supervisor,
                pod: &pod,
                containers: &self.runtime_folders(),
            })?;
            if let Some(mut connection) = found {
                // One that is dying takes connections still.
                match connection.state_while(id, &mut *meanwhile) {
                    Err(e) if e.kind() == Kind::Unavailable => {}
                    state => return Ok(Some(Supervised { connection, state })),
                }
            }
            if !pod.outlives_its_keeper()? || !pod.has_containers()? {
                return Ok(None);
            }
            pod.await_end()?;
            self.reconcile_one(id)?;
        }
        Ok(None)
    }

    /// The same as [`Engine::find_supervisor`], once a start is over that somebody is just at: what is asked of a container before
    /// that would miss it.
    pub(super) fn find_started(&self, id: &str) -> Result<Option<Supervised>> {
        self.find_started_while(id, &mut || {})
    }

    /// The same; see [`Engine::find_supervisor_while`].
    pub(super) fn find_started_while(
        &self,
        id: &str,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<Option<Supervised>> {
        let until = Instant::now() + STARTING;
        loop {
            let Some(found) = self.find_supervisor_while(id, meanwhile)? else {
                return Ok(None);
            };
            let begins = match &found.state {
                Ok((condition, _)) => *condition == Condition::Created,
                Err(e) => e.kind() == Kind::NotFound,
            };
            if !begins || Instant::now() >= until {
                return Ok(Some(found));
            }
            drop(found);
            self.changes(id)?.wait_for(LOOK_AGAIN)?;
        }
    }

    /// Ends a container that nobody looks after; its record is still there then.
    pub(super) fn end(&self, pod: &Pod, id: &str) -> Result<Ended> {
        tare_shim::end(&self.launch_of(pod, &self.runtime_folders()), id)
    }

    fn launch_of<'a>(&'a self, pod: &'a Pod, containers: &'a std::path::Path) -> Launch<'a> {
        Launch {
            program: &self.programs().supervisor,
            pod: &pod.dir,
            containers,
        }
    }

    pub(crate) fn pod_folder(&self, id: &str) -> PathBuf {
        self.pod_folders().join(id)
    }
}

impl Pod {
    /// Makes the pod folder of a container, in `of` where that is in a pod. It appears under its name only when it is locked, so
    /// that nobody takes it for one that was left behind.
    pub(super) fn make(engine: &Engine, id: &Id, of: Option<&str>) -> Result<Pod> {
        Pod::make_as(engine, id, |dir| match of {
            Some(pod) => dir.share(pod).map(drop),
            None => Ok(()),
        })
    }

    /// The same of any supervisor, with something in it.
    pub(crate) fn make_as(engine: &Engine, id: &Id, fill: impl FnOnce(PodDir) -> Result<()>) -> Result<Pod> {
        make_folder(&engine.pod_folders())?;
        let unborn = engine
            .pod_folders()
            .join(format!("{UNBORN}{id}.{}", std::process::id()));
        let folder = engine.pod_folder(id.as_str());
        fill(PodDir::create(&unborn)?)?;
        let lock = Lock::exclusive(&unborn.join(LOCK))?;
        match std::fs::rename(&unborn, &folder) {
            Err(e) if e.kind() != std::io::ErrorKind::PermissionDenied && folder.is_dir() => {
                // Another command was faster.
                let _ = tare_store::remove_tree(&unborn);
                return Err(Error::new(Kind::Conflict, "take container", id.short())
                    .because("another command has it"));
            }
            renamed => renamed.op("make", folder.display())?,
        }
        Ok(Pod {
            dir: PodDir::open(folder)?,
            _lock: lock,
        })
    }

    /// Takes the pod folder of a container that nobody holds; `None` where it is held or gone.
    pub(crate) fn take(engine: &Engine, id: &str) -> Result<Option<Pod>> {
        let folder = engine.pod_folder(id);
        if !folder.is_dir() {
            return Ok(None);
        }
        let lock = match Lock::try_exclusive(&folder.join(LOCK)) {
            // It went between the two looks, or went and came.
            Err(e) if e.kind() == Kind::NotFound || !folder.is_dir() => return Ok(None),
            taken => taken?,
        };
        match (lock, PodDir::open(&folder)) {
            (Some(lock), Ok(dir)) => Ok(Some(Pod { dir, _lock: lock })),
            _ => Ok(None),
        }
    }

    /// Takes the pod folder of a container that does not run, whether it is there or not: nobody else starts, removes or clears
    /// it away meanwhile.
    pub(super) fn hold(engine: &Engine, id: &Id, of: Option<&str>) -> Result<Pod> {
        for _ in 1..ATTEMPTS {
            if let Some(pod) = Pod::await_turn(engine, id.as_str())? {
                return Ok(pod);
            }
            match Pod::make(engine, id, of) {
                Err(e) if matches!(e.kind(), Kind::Conflict | Kind::NotFound) => {}
                made => return made,
            }
        }
        Pod::make(engine, id, of)
    }

    /// Since when the folder is there.
    pub(super) fn since(engine: &Engine, id: &str) -> Option<SystemTime> {
        let lock = engine.pod_folder(id).join(LOCK);
        std::fs::metadata(lock).and_then(|lock| lock.modified()).ok()
    }

    /// As [`Pod::take`], waiting for who holds it.
    pub(crate) fn await_turn(engine: &Engine, id: &str) -> Result<Option<Pod>> {
        let folder = engine.pod_folder(id);
        if !folder.is_dir() {
            return Ok(None);
        }
        match Lock::exclusive(&folder.join(LOCK)) {
            Err(e) if e.kind() == Kind::NotFound || !folder.is_dir() => Ok(None),
            lock => {
                let lock = lock?;
                Ok(PodDir::open(&folder).ok().map(|dir| Pod { dir, _lock: lock }))
            }
        }
    }

    /// Removes the folder: the last of everything, after which nothing is left to undo. It gives up its name first: whoever
    /// comes for that makes a folder of his own.
    pub(crate) fn remove(self) -> Result<()> {
        let path = self.dir.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let gone = path.with_file_name(format!("{GONE}{name}.{}", std::process::id()));
        match std::fs::rename(path, &gone) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed.op("remove", path.display())?,
        }
        let lock = gone.join(LOCK);
        match std::fs::remove_file(&lock) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e).op("remove", lock.display()),
            _ => {}
        }
        PodDir::open(gone)?.forget_plan()?.remove()
    }
}

/// Makes one folder, 0700; one that is there is taken as it is.
pub(crate) fn make_folder(path: &std::path::Path) -> Result<()> {
    match rustix::fs::mkdir(path, rustix::fs::Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(e) => Err(e).op("make", path.display()),
    }
}
