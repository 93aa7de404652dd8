//! From a bundle to a created container.

use crate::annotation::Annotations;
use crate::bundle::{self, Bundle};
use crate::container::{Container, LOCK, gate_of, open_folder};
use crate::driver::{Driver, ScopedUnit};
use crate::exec::has_own;
use crate::filter::{self, Compiled};
use crate::home::Home;
use crate::hooks::{self, StateFile};
use crate::id::ContainerId;
use crate::pending::{self, Awaited, Pending};
use crate::record::Record;
use crate::{clock, console, group};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use rustix::process::{Pid, getuid};
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Instant;
use tare_cgroup::{Entrance, Group};
use tare_container::{Creation, HostFacts, Options, Request, Stage, Stdio};
use tare_error::{Context, Error, Kind, Result};
use tare_process::{Child, Stamp};
use tare_spec_oci::{Hooks, Mount, NamespaceKind, Process, Status};
use tare_store::{Durability, Lock};

/// A container to be made.
#[derive(Debug)]
pub struct Create<'a> {
    /// Among which containers.
    pub home: &'a Home,
    /// Its id.
    pub id: &'a ContainerId,
    /// From what.
    pub bundle: Bundle,
    /// The mounts that make its root, in order (one overlay, say); empty means a bind of the bundle's own root. They are
    /// made in the container alone.
    pub rootfs: &'a [Mount],
    /// Its standard input, output and error.
    pub stdio: Stdio<'a>,
    /// Fds that its program gets under the same numbers, besides standard input, output and error.
    pub passed: &'a [OwnedFd],
    /// Who makes its cgroup.
    pub driver: &'a Driver,
    /// Whether it stays in the session keyring of this process.
    pub shared_keyring: bool,
    /// Whether its root is moved over `/` instead of pivoted to.
    pub without_pivot: bool,
    /// Whether its terminal hands on line ends as they are written.
    pub plain_lines: bool,
}

/// A container that was made, by the process that made it.
#[derive(Debug)]
pub struct Made {
    /// The container.
    pub container: Container,
    /// Its first process, a child of this one.
    pub process: Child,
    /// The outer end of its terminal, where it has one.
    pub terminal: Option<OwnedFd>,
}

/// A container being made, with what must go again if that fails. Dropped, its process is ended, and its folder stays to
/// be deleted.
#[derive(Debug)]
pub struct Making {
    container: Container,
    bundle: Bundle,
    creation: Option<Creation>,
    /// What hooks inside the container read.
    state: Option<StateFile>,
    hooks: Option<hooks::Run>,
    hooks_began: bool,
    _lock: Lock,
}

impl Create<'_> {
    /// Makes the container; its program waits to be started.
    ///
    /// # Errors
    /// `AlreadyExists` where the id is taken, and those of every step; then nothing is left of it.
    pub fn make(self) -> Result<Made> {
        let mut making = self.begin()?;
        while !making.advance()? {
            if let Err(e) = pending::wait(&making) {
                return Err(making.undo(e));
            }
        }
        making.finish()
    }

    /// Begins to make it, for a caller that waits elsewhere.
    ///
    /// # Errors
    /// As [`Create::make`].
    pub fn begin(self) -> Result<Making> {
        let folder = self.make_folder()?;
        let lock = match Lock::exclusive(&folder.join(LOCK)) {
            Ok(lock) => lock,
            Err(e) => return Err(also_removing(&folder, e)),
        };
        let mut making = Making {
            container: Container {
                id: self.id.clone(),
                folder,
                record: self.record(),
                held: None,
                host: OnceLock::new(),
            },
            bundle: self.bundle,
            creation: None,
            state: None,
            hooks: None,
            hooks_began: false,
            _lock: lock,
        };
        let how = How {
            rootfs: self.rootfs,
            stdio: self.stdio,
            passed: self.passed,
            shared_keyring: self.shared_keyring,
            without_pivot: self.without_pivot,
            plain_lines: self.plain_lines,
        };
        match making.begin(&how) {
            Ok(()) => Ok(making),
            Err(e) => Err(making.undo(e)),
        }
    }

    fn make_folder(&self) -> Result<PathBuf> {
        let folder = self.home.folder(self.id);
        let private =
            |path: &Path, recursive: bool| DirBuilder::new().mode(0o700).recursive(recursive).create(path);
        private(self.home.path(), true).op("make folder", self.home.path().display())?;
        match private(&folder, false) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                Err(Error::new(Kind::AlreadyExists, "create container", self.id)
                    .because("container with given ID already exists"))
            }
            made => made.op("make folder", folder.display()).map(|()| folder),
        }
    }

    fn record(&self) -> Record {
        let spec = &self.bundle.spec;
        Record {
            record_version: Record::VERSION,
            oci_version: spec.oci_version.clone(),
            id: self.id.to_string(),
            bundle: self.bundle.path.clone(),
            rootfs: self.bundle.rootfs(),
            created: clock::now(),
            owner: getuid().as_raw(),
            whole: false,
            init: None,
            group: None,
            driver: self.driver.clone(),
            cgroups_path: spec
                .linux
                .as_ref()
                .and_then(|linux| linux.cgroups_path.clone())
                .unwrap_or_default(),
            hooks: None,
            root_mounts: self.rootfs.to_vec(),
            has_class: spec.linux.as_ref().is_some_and(|linux| linux.intel_rdt.is_some()),
            shares_pids: !has_own(spec.linux.as_ref(), NamespaceKind::Pid),
            annotations: spec.annotations.clone(),
        }
    }
}

/// What a container is made with that nobody needs once its process is there.
struct How<'a> {
    rootfs: &'a [Mount],
    stdio: Stdio<'a>,
    passed: &'a [OwnedFd],
    shared_keyring: bool,
    without_pivot: bool,
    plain_lines: bool,
}

impl Making {
    /// Makes its next steps, as far as there is nothing to wait for; whether it is created.
    ///
    /// # Errors
    /// As [`Create::make`]; nothing is left of it then.
    pub fn advance(&mut self) -> Result<bool> {
        self.step().map_err(|e| self.undo(e))
    }

    /// Hands it over, once it is created.
    ///
    /// # Errors
    /// The kernel's; nothing is left of it then.
    pub fn finish(mut self) -> Result<Made> {
        match self.hand_over() {
            Ok((process, terminal)) => Ok(Made {
                container: self.container,
                process,
                terminal,
            }),
            Err(e) => Err(self.undo(e)),
        }
    }

    /// Ends its process and its hook, and waits for neither: they may be held up in the kernel.
    pub fn give_up(&self) {
        if let Some(creation) = &self.creation {
            creation.give_up();
        }
        if let Some(hooks) = &self.hooks {
            hooks.give_up();
        }
    }

    /// Whether they have ended, so that dropping it waits for nothing.
    pub fn is_over(&mut self) -> bool {
        self.creation.as_ref().is_none_or(Creation::is_over)
            && self.hooks.as_mut().is_none_or(hooks::Run::is_over)
    }

    /// Its first process.
    pub fn pid(&self) -> Option<Pid> {
        self.creation.as_ref().map(Creation::pid)
    }

    fn begin(&mut self, how: &How<'_>) -> Result<()> {
        let Making {
            container, bundle, ..
        } = self;
        let unit = container.unit()?;
        let path = match &unit {
            None => Some(group::path(&bundle.spec, container.id.as_str())?),
            // Where systemd puts it, it says when it is there.
            Some(_) => None,
        };
        container.record.group = path.as_ref().map(ToString::to_string);
        container.record.write(&container.folder)?;
        let copy = container.folder.join(bundle::FILE);
        tare_store::replace(&copy, Durability::Volatile, 0o600, &bundle.text)?;
        if let Some(path) = path {
            container.held = group::create(&bundle.spec, &path)?;
            if container.held.is_none() {
                container.record.group = None;
            }
        }
        self.state = bundle.spec.hooks.as_ref().map(|_| StateFile::new()).transpose()?;
        self.fork(how, unit.as_ref())
    }

    fn fork(&mut self, how: &How<'_>, unit: Option<&ScopedUnit>) -> Result<()> {
        let Making {
            container, bundle, ..
        } = self;
        let (spec, folder) = (&bundle.spec, &container.folder);
        let gate = listen_in(&open_folder(folder)?)?;
        let program = bundle.filter(container.home())?;
        let group = container.held.as_ref();
        let entrance = group.map(Group::entrance_beside_clone).transpose()?;
        let entrances: Vec<BorrowedFd<'_>> = entrance.iter().flat_map(Entrance::files).collect();
        let passed: Vec<BorrowedFd<'_>> = how.passed.iter().map(AsFd::as_fd).collect();
        let asked = Annotations(&spec.annotations);
        let landlock = asked.landlock()?;
        let hook_output = match spec.hooks {
            Some(_) => asked.hook_output()?,
            None => [None, None],
        };
        let request = Request {
            id: container.id.as_str(),
            spec,
            bundle: &bundle.path,
            rootfs: how.rootfs,
            stdio: how.stdio,
            group: group.and_then(Group::clone_into),
            entrances: &entrances,
            seccomp: program.as_ref().map(Compiled::as_filter),
            options: Options {
                gate: Some(gate.as_fd()),
                passed: &passed,
                hook_state: self.state.as_ref().map(AsFd::as_fd),
                enters: false,
                root: None,
                shared_keyring: how.shared_keyring,
                without_pivot: how.without_pivot,
                plain_lines: how.plain_lines,
                keeps_groups: asked.keeps_groups()?,
                delegates: asked.delegated()?.is_some(),
                hook_output: hook_output.each_ref().map(|file| file.as_ref().map(AsFd::as_fd)),
                label_option: asked.label_option()?,
                landlock: landlock.as_ref(),
                change: None,
            },
        };
        let record = &mut container.record;
        let mut adopted = None;
        // The child goes on only after this: whatever it makes belongs to a process that the record names.
        let facts = HostFacts::read_for(&request.options)?;
        self.creation = Some(Creation::begin(&request, &facts, |pid| {
            record.init = Some(Stamp::of(pid.as_raw_pid())?);
            record.write(folder)?;
            let Some(unit) = unit else {
                return Ok(());
            };
            let group = unit.start(pid, spec, asked.sub_group()?.as_deref())?;
            record.group = Some(group.path().to_string());
            adopted = Some(group);
            record.write(folder)
        })?);
        if adopted.is_some() {
            container.held = adopted;
        }
        Ok(())
    }

    /// Takes in what its process has said, and runs the hooks of the runtime when it is their turn.
    fn step(&mut self) -> Result<bool> {
        loop {
            if let Some(hooks) = &mut self.hooks {
                if !hooks.advance()? {
                    return Ok(false);
                }
                self.hooks = None;
                self.write_state(Status::Creating)?;
                self.creation()?.go_on()?;
            }
            let stage = self.creation()?.advance()?;
            if let Some(listener) = self.creation()?.take_listener() {
                // Nothing but this may come first: the process may have to ask before it is created.
                self.give_listener(&listener)?;
            }
            match stage {
                Stage::SettingUp | Stage::Starting | Stage::Running => return Ok(false),
                Stage::Delegation => {
                    let process = self.creation()?.pid();
                    self.delegate(process)?;
                    self.creation()?.go_on()?;
                }
                Stage::Hooks => self.begin_hooks(),
                Stage::Created => return self.write_state(Status::Created).map(|()| true),
            }
        }
    }

    fn creation(&mut self) -> Result<&mut Creation> {
        let gone = || {
            Error::new(Kind::Conflict, "create container", &self.container.id).because("its process is gone")
        };
        self.creation.as_mut().ok_or_else(gone)
    }

    fn give_listener(&self, listener: &OwnedFd) -> Result<()> {
        let pid = self.pid().map_or(0, Pid::as_raw_pid);
        let state = self.container.record.state(Status::Creating, Some(pid));
        filter::policy_of(&self.bundle.spec).map_or(Ok(()), |policy| {
            filter::give_listener(policy, listener, pid, state)
        })
    }

    fn begin_hooks(&mut self) {
        self.hooks_began = true;
        let pid = self.pid().map(Pid::as_raw_pid);
        let mut run = hooks::Run::default();
        if let Some(hooks) = &self.bundle.spec.hooks {
            // The old hook of the start, for which the container was created (specification 1.0.0).
            let created = self.container.record.state(Status::Created, pid);
            run.add("prestart", &hooks.prestart, &created);
            let creating = self.container.record.state(Status::Creating, pid);
            run.add("createRuntime", &hooks.create_runtime, &creating);
        }
        self.hooks = Some(run);
    }

    fn hand_over(&mut self) -> Result<(Child, Option<OwnedFd>)> {
        let mut creation = self.creation.take().ok_or_else(|| {
            Error::new(Kind::Conflict, "create container", &self.container.id).because("its process is gone")
        })?;
        let spec = &self.bundle.spec;
        let terminal = creation.take_terminal();
        if let (Some(path), Some(process)) =
            (Annotations(&spec.annotations).pidfd_receiver()?, creation.pidfd())
        {
            console::send_handle(path, process)?;
        }
        let record = &mut self.container.record;
        record.whole = true;
        record.hooks = after_creation(spec.hooks.as_ref());
        record.write(&self.container.folder)?;
        Ok((creation.leave()?.process, terminal))
    }

    /// Moves the first process into a group below its own, which belongs to the container's root.
    fn delegate(&self, process: Pid) -> Result<()> {
        let spec = &self.bundle.spec;
        let name = Annotations(&spec.annotations).delegated()?;
        let (Some(name), Some(group)) = (name, &self.container.held) else {
            return Err(Error::new(Kind::Unsupported, "delegate to", &self.container.id)
                .because("it has no cgroup of its own to divide"));
        };
        group.delegate(&name, process, group::owner(spec))
    }

    /// The state for hooks inside the container: its first process has the number that it has there.
    fn write_state(&self, status: Status) -> Result<()> {
        let Some(file) = &self.state else {
            return Ok(());
        };
        let pid = match has_own(self.bundle.spec.linux.as_ref(), NamespaceKind::Pid) {
            true => Some(1),
            false => self.pid().map(Pid::as_raw_pid),
        };
        file.write(&self.container.record.state(status, pid))
    }

    /// Takes back what was made, its process first.
    fn undo(&mut self, mut error: Error) -> Error {
        self.hooks = None;
        self.creation = None;
        let container = &self.container;
        if let Some(Err(also)) = container.held.as_ref().map(group::remove) {
            error = error.also(also);
        }
        if let Ok(Some(unit)) = container.unit()
            && let Err(also) = unit.stop()
        {
            error = error.also(also);
        }
        if self.hooks_began
            && let Some(hooks) = &self.bundle.spec.hooks
        {
            let state = container.record.state(Status::Stopped, None);
            if let Err(also) = hooks::run("poststop", &hooks.poststop, &state) {
                error = error.also(also);
            }
        }
        also_removing(&container.folder, error)
    }
}

impl Pending for Making {
    fn awaited(&self) -> Vec<Awaited<'_>> {
        let process = self.creation.iter().map(|creation| Awaited {
            turn: 0,
            fd: creation.as_fd(),
            now: self.hooks.is_none(),
        });
        process
            .chain(self.hooks.iter().flat_map(Pending::awaited))
            .collect()
    }

    fn deadline(&self) -> Option<Instant> {
        self.hooks.as_ref()?.deadline()
    }
}

/// An error after which a container's folder goes.
fn also_removing(folder: &Path, error: Error) -> Error {
    match tare_store::remove_tree(folder) {
        Ok(()) => error,
        Err(also) => error.also(also),
    }
}

/// Where the standard streams of a process in a container lead: to those of this process, or to a terminal of its own.
pub fn own_stdio(process: Option<&Process>) -> Stdio<'static> {
    if process.is_some_and(|process| process.terminal) {
        return Stdio::Terminal;
    }
    Stdio::Fds {
        stdin: rustix::stdio::stdin(),
        stdout: rustix::stdio::stdout(),
        stderr: rustix::stdio::stderr(),
    }
}

/// The hooks that come after the creation, if there are any.
fn after_creation(hooks: Option<&Hooks>) -> Option<Hooks> {
    let later = Hooks {
        poststart: hooks?.poststart.clone(),
        poststop: hooks?.poststop.clone(),
        ..Hooks::default()
    };
    (later != Hooks::default()).then_some(later)
}

/// The gate of a container.
fn listen_in(folder: &OwnedFd) -> Result<OwnedFd> {
    let path = gate_of(folder);
    let subject = "the gate";
    let kind = SocketType::SEQPACKET;
    let socket = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).op("make", subject)?;
    bind(&socket, &SocketAddrUnix::new(&path).op("make", subject)?).op("make", subject)?;
    listen(&socket, 1).op("listen at", subject)?;
    Ok(socket)
}
