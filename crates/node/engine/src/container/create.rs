//! From a request to everything a supervisor needs.

use super::bundle::Bundle;
use super::draft::{Draft, Input, Warning};
use super::facts::ImageFacts;
use super::look::{self, ImageView};
use super::note::Stages;
use super::place::{Pod, make_folder};
use super::request::{LifeRequest, RestartPolicy, RunRequest, Test};
use super::settings::Settings;
use crate::Engine;
use crate::claim::asked_of;
use crate::image::Image;
use crate::journal::{Event, Subject};
use crate::records::containers::{self, ContainerRecord};
use crate::records::keys::{self, Asked, Made};
use crate::records::life::{self, LifeRecord};
use crate::records::pods::PodRecord;
use crate::records::seconds;
use crate::volume::VolumeUse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tare_database::sql::Transaction;
use tare_error::{Kind, Result};
use tare_shim::{Connection, CreateRequest, Hangup, Starting};
use tare_store::Id;

/// The programs that a container needs besides its own.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// The supervisor, or where it was looked for in vain.
    pub supervisor: PathBuf,
    /// What clears away a container whose client is gone: program and arguments, to which its id is added.
    pub reaper: Vec<String>,
}

/// A container that is being made, run and cleared away by this process.
#[derive(Debug)]
pub struct Container<'e> {
    pub(super) engine: &'e Engine,
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) remove: bool,
    /// It was there before it is started here, and stays where that fails.
    pub(super) known: bool,
    pub(super) pod: Option<Pod>,
    pub(super) call: Option<Box<CreateRequest>>,
    /// Its program, for people.
    pub(super) command: String,
    /// How its streams are wired.
    pub(super) life: LifeRequest,
    /// Its supervisor, on the way since it has a record; or why it is not.
    pub(super) starting: Option<Result<Starting>>,
    pub(super) connection: Option<Connection>,
    pub(super) running: bool,
    pub(super) warnings: Vec<String>,
    /// The volumes it mounts, where it is being made.
    pub(super) volumes: Vec<VolumeUse>,
    /// What the journal calls it.
    pub(super) subject: Subject,
    pub(super) stages: Stages,
}

impl Engine {
    /// Makes a container of `image`: all but its process. Where this fails, nothing of it is left.
    ///
    /// # Errors
    /// `AlreadyExists` for a name in use; what the look-ups and the contributors say; the file system's.
    pub fn create_container(&self, request: &RunRequest, image: &Image) -> Result<Container<'_>> {
        let pod = self.pod_of_request(request)?;
        let made = self.create_in(request, image, pod.as_ref().map(|(pod, _)| pod));
        match (made, pod) {
            (Err(error), Some((pod, true))) => Err(match self.forget_pod(&pod.id) {
                Ok(()) => error,
                Err(also) => error.also(also),
            }),
            (made, _) => made,
        }
    }

    /// The same, in the pod that is meant.
    fn create_in(
        &self,
        request: &RunRequest,
        image: &Image,
        pod: Option<&PodRecord>,
    ) -> Result<Container<'_>> {
        let mut stages = Stages::told(self.claim_of_container(request)?);
        let asked = asked_of(request)?;
        let _images = self.hold_images()?;
        let id = Id::random()?;
        let request = &*self.in_pod(request, pod)?;
        let (request, volumes) = &self.with_volumes(request, &image_facts(image, None).volumes)?;
        let view = ImageView::open(&self.snapshots().view(&image.layers)?)?;
        let draft = self.draft(request, image, &id, &view)?;
        stages.done("plan");
        let pod = Pod::make(self, &id, pod.as_ref().map(|pod| pod.id.as_str()))?;
        let name = request
            .name
            .as_ref()
            .map_or_else(|| id.short().to_owned(), ToString::to_string);
        let mut container = Container {
            engine: self,
            name: name.clone(),
            remove: request.life.remove,
            known: false,
            pod: Some(pod),
            call: None,
            command: draft.process.args.first().cloned().unwrap_or_default(),
            life: request.life.clone(),
            starting: None,
            connection: None,
            running: false,
            warnings: self.untold(&draft.warnings),
            volumes: volumes.clone(),
            subject: Subject {
                kind: "container",
                id: id.to_string(),
                name,
                image: request.image.clone(),
                labels: labels(request, image),
            },
            stages,
            id,
        };
        let filled = container.fill((request, asked), image, &draft);
        let filled = filled.and_then(|()| self.fill_volumes(volumes, &view));
        self.note(&Event::new(container.subject.clone(), "create").came_to(&filled));
        match filled {
            Ok(()) => Ok(container),
            Err(e) => Err(container.undo(e)),
        }
    }

    /// What the request means for this image on this machine.
    fn draft(&self, request: &RunRequest, image: &Image, id: &Id, view: &ImageView) -> Result<Draft> {
        let found = look::look(request, view)?;
        let host = look::host_facts(request, self.config().rootless)?;
        let facts = image_facts(image, self.config().started);
        Draft::compose(&Input {
            id,
            request,
            image: &facts,
            host: &host,
            found: &found,
            folder: &self.container_folder(id.as_str()),
        })
    }

    /// Warnings about the machine are told once per boot: a file in the run folder remembers.
    fn untold(&self, warnings: &[Warning]) -> Vec<String> {
        let untold = warnings
            .iter()
            .filter(|w| w.once.is_none_or(|once| self.first_time(once)));
        untold.map(|w| w.text.clone()).collect()
    }

    /// Whether something is told for the first time since the machine started.
    fn first_time(&self, what: &str) -> bool {
        let told = self.roots().run().join(format!("told-{what}"));
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(told)
            .is_ok()
    }
}

impl Engine {
    /// What is asked of a supervisor to start a container whose folder and top are there.
    pub(super) fn call(&self, id: &str, life: &LifeRequest) -> Result<CreateRequest> {
        let mut reap = self.programs().reaper.clone();
        reap.push(id.to_owned());
        let log = self.log_of(id);
        Ok(CreateRequest {
            id: id.to_owned(),
            bundle: self.container_folder(id),
            rootfs: match life.remove {
                true => self.snapshots().passing_mounts(id)?,
                false => self.snapshots().mounts(id)?,
            },
            maker: self.handler(self.handler_name(life))?,
            terminal: life.terminal,
            stdin_open: life.interactive,
            // Whoever sits at a terminal may leave it: what it says then has to go somewhere.
            log: (life.detached || life.terminal)
                .then(|| format!("json-file://{}?make-folder=false", encoded(&log))),
            // And what goes to whoever started it is kept as well, as long as there is a container.
            copy: (!life.detached && !life.terminal && !life.remove).then_some(log),
            on_hangup: match life.detached {
                true => Hangup::Keep,
                false => Hangup::Kill,
            },
            reap,
            health: self.planned_health(id)?,
        })
    }
}

/// A path as a part of an address.
fn encoded(path: &Path) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    bytes
        .map(|byte| match plain(byte) {
            true => char::from(*byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

impl Container<'_> {
    /// Its id.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its streams are wired.
    pub fn life(&self) -> &LifeRequest {
        &self.life
    }

    /// What the person should know, one sentence each; empties the list.
    pub fn take_warnings(&mut self) -> Vec<String> {
        let mut warnings = std::mem::take(&mut self.warnings);
        let odd = self.pod.as_ref().map(|pod| pod.dir.log()).unwrap_or_default();
        for text in odd.lines() {
            // What a supervisor cannot do is the machine's fault, and the same for the next one.
            let name: String = text
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .take(64)
                .collect();
            if self.engine.first_time(&name) {
                warnings.push(text.to_owned());
            }
        }
        warnings
    }

    /// Leaves a container that is whole and is to be started later, by anybody: from here on it stays.
    ///
    /// # Errors
    /// The file system's and the database's; nothing of it is left then.
    pub fn keep(mut self) -> Result<Id> {
        let kept = self.try_keep();
        match (kept, self.pod.take()) {
            (Ok(()), Some(pod)) => pod.remove().map(|()| self.id),
            (Ok(()), None) => Ok(self.id),
            (Err(error), pod) => {
                self.pod = pod;
                Err(self.undo(error))
            }
        }
    }

    /// The record that says so holds all that it is made of, and is waited for.
    fn try_keep(&self) -> Result<()> {
        let id = self.id.as_str();
        tare_failpoint::pass("create-whole")?;
        self.engine.records().write("record container", |tx| {
            let life = life::get(tx, id)?;
            life::put(tx, id, &LifeRecord { made: true, ..life })
        })?;
        tare_failpoint::pass("create-kept")
    }

    fn fill(
        &mut self,
        (request, asked): (&RunRequest, Option<Asked>),
        image: &Image,
        draft: &Draft,
    ) -> Result<()> {
        let (engine, id) = (self.engine, self.id.as_str());
        tare_failpoint::pass("create-pod")?;
        let bundle = engine.bundle(&self.id, request, image, draft)?;
        self.record((request, asked), image, draft, &bundle)?;
        self.stages.done("record");
        // It comes to itself while its container's files are made.
        self.starting = self.begin_supervisor(&request.life);
        tare_failpoint::pass("create-recorded")?;
        // Who dies while he makes it leaves it under another name.
        let intent = engine.intend()?;
        engine.snapshots().prepare(id, &image.layers)?;
        drop(intent);
        self.stages.done("snapshot");
        tare_failpoint::pass("create-snapshot")?;
        make_folder(&engine.container_folders())?;
        bundle.write(&engine.container_folder(id))?;
        self.stages.done("bundle");
        tare_failpoint::pass("create-bundle")?;
        self.call = Some(Box::new(engine.call(id, &request.life)?));
        Ok(())
    }

    /// Starts the supervisor of a container that is to run at once and alone: what is in a pod has the pod's. Where that fails,
    /// its start says so.
    fn begin_supervisor(&self, life: &LifeRequest) -> Option<Result<Starting>> {
        let pod = self
            .pod
            .as_ref()
            .filter(|pod| pod.dir.of_pod().is_none() && !life.later)?;
        Some(self.engine.begin_launch(pod))
    }

    /// The first synced commit: id and name are taken.
    fn record(
        &self,
        (request, asked): (&RunRequest, Option<Asked>),
        image: &Image,
        draft: &Draft,
        bundle: &Bundle,
    ) -> Result<()> {
        let handler = self.engine.handler_name(&request.life);
        let health = self.engine.health_of(request, image)?;
        let record = ContainerRecord {
            id: self.id.as_str().to_owned(),
            name: self.name.clone(),
            image: image.id.clone(),
            reference: request.image.clone(),
            command: draft.process.args.join(" "),
            remove: self.remove,
            interactive: request.life.interactive,
            stop_signal: request.life.stop_signal.or_else(|| of_image(image)),
            stop_timeout: request.life.stop_timeout,
            handler: handler.to_owned(),
            pod: request.namespaces.pod.as_ref().map(|pod| pod.id.clone()),
            checked: health.test.as_ref().and_then(Test::arguments).is_some(),
            created: seconds(SystemTime::now()),
            end: None,
        };
        let labels: Vec<(String, String)> = labels(request, image).into_iter().collect();
        let life = LifeRecord {
            began: !request.life.later,
            policy: request.life.restart.to_string(),
            ..LifeRecord::default()
        };
        let outlives_boots = request.life.later || request.life.restart != RestartPolicy::No;
        let settings = Settings::of(request, &image_facts(image, None), draft)
            .with_handler(handler, request.life.handler.as_deref())
            .with_health(&request.health, health.shown())
            .to_json();
        let add = |tx: &Transaction<'_>| {
            containers::add(tx, &record, &labels)?;
            if let Some(asked) = &asked {
                keys::put(tx, Made::Container, &record.id, asked)?;
            }
            containers::describe(tx, &record.id, &settings)?;
            life::put(tx, &record.id, &life)?;
            if outlives_boots {
                bundle.keep(tx, &record.id)?;
            }
            self.volumes
                .iter()
                .try_for_each(|volume| volume.add(tx, &record.id))
        };
        // What a power cut leaves without a record is swept. One that goes with its end ends with this boot at the latest, and of
        // one that is to be started later a record is synced once it is whole.
        let is_missed = !self.remove && !request.life.later;
        let added = match (self.volumes.is_empty(), is_missed) {
            (false, _) => self.engine.record_volumes(add),
            (true, true) => self.engine.records().write("record container", add),
            (true, false) => self.engine.records().write_unsynced("record container", add),
        };
        match added {
            Err(e) if e.kind() == Kind::AlreadyExists => Err(self.engine.name_in_use(&self.name, e)),
            added => added,
        }
    }
}

/// The image's labels and those asked for.
fn labels(request: &RunRequest, image: &Image) -> BTreeMap<String, String> {
    let mut labels = image_facts(image, None).labels;
    labels.extend(request.labels.clone());
    labels
}

/// The signal that ends it, as its image says; one that does not exist is none.
fn of_image(image: &Image) -> Option<i32> {
    let named = image_facts(image, None).stop_signal?;
    tare_signal::number(&named).filter(|number| *number > 0)
}

/// What an image says about how it is run.
fn image_facts(image: &Image, started: Option<SystemTime>) -> ImageFacts {
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let of_program = image.names.iter().any(|name| name == super::builtin::REFERENCE);
    let started = started
        .filter(|_| of_program)
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let Some(config) = image.config.config() else {
        return ImageFacts::default();
    };
    ImageFacts {
        entrypoint: list(config.entrypoint()),
        command: list(config.cmd()),
        environment: list(config.env()),
        directory: config.working_dir().clone(),
        user: config.user().clone(),
        volumes: list(config.volumes()),
        labels: config.labels().clone().unwrap_or_default().into_iter().collect(),
        stop_signal: config.stop_signal().clone(),
        started: started.map(|since| since.as_nanos()),
    }
}
