//! From a bundle to a created container.

use crate::annotation::Annotations;
use crate::bundle::{self, Bundle};
use crate::container::{Container, LOCK, gate_of, open_folder};
use crate::driver::{Driver, ScopedUnit};
use crate::filter::{self, Compiled};
use crate::home::Home;
use crate::hooks::{self, StateFile};
use crate::id::ContainerId;
use crate::record::Record;
use crate::{clock, console, group};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use rustix::process::{Pid, getuid};
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use tare_cgroup::{Entrance, Group};
use tare_container::{Creation, HostFacts, Options, Request, Stage, Stdio};
use tare_error::{Context, Error, Kind, Result};
use tare_process::{Child, Stamp};
use tare_spec_oci::{Hooks, NamespaceKind, Spec, Status};
use tare_store::{Durability, Lock};

/// A container to be made.
#[derive(Debug)]
pub struct Create<'a> {
    /// Among which containers.
    pub home: &'a Home,
    /// Its id.
    pub id: &'a ContainerId,
    /// From what.
    pub bundle: &'a Bundle,
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

impl Create<'_> {
    /// Makes the container; its program waits to be started. Its standard streams are this process's, or a terminal.
    ///
    /// # Errors
    /// `AlreadyExists` where the id is taken, and those of every step; then nothing is left of it.
    pub fn make(&self) -> Result<Made> {
        let folder = self.home.folder(self.id);
        let private =
            |path: &Path, recursive: bool| DirBuilder::new().mode(0o700).recursive(recursive).create(path);
        private(self.home.path(), true).op("make folder", self.home.path().display())?;
        match private(&folder, false) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                return Err(Error::new(Kind::AlreadyExists, "create container", self.id)
                    .because("container with given ID already exists"));
            }
            made => made.op("make folder", folder.display())?,
        }
        let container = Container {
            id: self.id.clone(),
            folder,
            record: self.record(),
            held: None,
        };
        let mut making = Making {
            create: self,
            container,
            group: None,
            hooks_began: false,
        };
        match making.run() {
            Ok((process, terminal)) => Ok(Made {
                container: Container {
                    held: making.group,
                    ..making.container
                },
                process,
                terminal,
            }),
            Err(e) => Err(making.undo(e)),
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
            has_class: spec.linux.as_ref().is_some_and(|linux| linux.intel_rdt.is_some()),
            annotations: spec.annotations.clone(),
        }
    }
}

/// A container being made, with what must go again if that fails.
struct Making<'a> {
    create: &'a Create<'a>,
    container: Container,
    group: Option<Group>,
    hooks_began: bool,
}

impl Making<'_> {
    fn run(&mut self) -> Result<(Child, Option<OwnedFd>)> {
        let _lock = Lock::exclusive(&self.container.folder.join(LOCK))?;
        let bundle = self.create.bundle;
        let unit = self.container.unit()?;
        let path = match &unit {
            None => Some(group::path(&bundle.spec, self.create.id.as_str())?),
            // Where systemd puts it, it says when it is there.
            Some(_) => None,
        };
        self.container.record.group = path.as_ref().map(ToString::to_string);
        self.container.record.write(&self.container.folder)?;
        let copy = self.container.folder.join(bundle::FILE);
        tare_store::replace(&copy, Durability::Volatile, 0o600, &bundle.text)?;
        if let Some(path) = path {
            self.group = group::create(&bundle.spec, &path)?;
            if self.group.is_none() {
                self.container.record.group = None;
            }
        }
        let mut creation = self.begin_and_set_up(unit.as_ref())?;
        let terminal = creation.take_terminal();
        if let (Some(path), Some(process)) = (
            Annotations(&bundle.spec.annotations).pidfd_receiver()?,
            creation.pidfd(),
        ) {
            console::send_handle(path, process)?;
        }
        let record = &mut self.container.record;
        record.whole = true;
        record.hooks = after_creation(bundle.spec.hooks.as_ref());
        record.write(&self.container.folder)?;
        Ok((creation.leave()?.process, terminal))
    }

    fn begin_and_set_up(&mut self, unit: Option<&ScopedUnit>) -> Result<Creation> {
        let (spec, folder) = (&self.create.bundle.spec, &self.container.folder);
        let gate = listen_in(&open_folder(folder)?)?;
        let state = spec.hooks.as_ref().map(|_| StateFile::new()).transpose()?;
        let program = self.create.bundle.filter(self.create.home.path())?;
        let entrance = self
            .group
            .as_ref()
            .map(Group::entrance_beside_clone)
            .transpose()?;
        let entrances: Vec<BorrowedFd<'_>> = entrance.iter().flat_map(Entrance::files).collect();
        let passed: Vec<BorrowedFd<'_>> = self.create.passed.iter().map(AsFd::as_fd).collect();
        let asked = Annotations(&spec.annotations);
        let hook_output = match spec.hooks {
            Some(_) => asked.hook_output()?,
            None => [None, None],
        };
        let request = Request {
            id: self.create.id.as_str(),
            spec,
            bundle: &self.create.bundle.path,
            rootfs: &[],
            stdio: stdio(spec),
            group: self.group.as_ref().and_then(Group::clone_into),
            entrances: &entrances,
            seccomp: program.as_ref().map(Compiled::as_filter),
            options: Options {
                gate: Some(gate.as_fd()),
                passed: &passed,
                hook_state: state.as_ref().map(AsFd::as_fd),
                enters: false,
                root: None,
                shared_keyring: self.create.shared_keyring,
                without_pivot: self.create.without_pivot,
                plain_lines: self.create.plain_lines,
                keeps_groups: asked.keeps_groups()?,
                delegates: asked.delegated()?.is_some(),
                hook_output: hook_output.each_ref().map(|file| file.as_ref().map(AsFd::as_fd)),
                label_option: asked.label_option()?,
                change: None,
            },
        };
        let record = &mut self.container.record;
        let mut adopted = None;
        // The child goes on only after this: whatever it makes belongs to a process that the record names.
        let facts = match request.options.without_pivot {
            false => HostFacts::read()?,
            true => HostFacts::read()?.with_kernel_views()?,
        };
        let mut creation = Creation::begin(&request, &facts, |pid| {
            record.init = Some(Stamp::of(pid.as_raw_pid())?);
            record.write(folder)?;
            let Some(unit) = unit else {
                return Ok(());
            };
            let group = unit.start(pid, spec)?;
            record.group = Some(group.path().to_string());
            adopted = Some(group);
            record.write(folder)
        })?;
        if adopted.is_some() {
            self.group = adopted;
        }
        self.set_up(&mut creation, state.as_ref())?;
        Ok(creation)
    }

    /// Waits until it is created, running the hooks of the runtime when it is their turn.
    fn set_up(&mut self, creation: &mut Creation, file: Option<&StateFile>) -> Result<()> {
        let spec = &self.create.bundle.spec;
        let pid = creation.pid().as_raw_pid();
        loop {
            creation.wait_created()?;
            if let Some(listener) = creation.take_listener() {
                // Nothing but this may come first: the process may have to ask before it is created.
                let state = self.container.record.state(Status::Creating, Some(pid));
                filter::give_listener(spec, &listener, pid, state)?;
                continue;
            }
            match creation.advance()? {
                Stage::SettingUp | Stage::Running => {}
                Stage::Delegation => {
                    self.delegate(creation.pid())?;
                    creation.go_on()?;
                }
                Stage::Hooks => {
                    self.hooks_began = true;
                    let state = self.container.record.state(Status::Creating, Some(pid));
                    if let Some(hooks) = &spec.hooks {
                        // The old hook of the start, for which the container was created (specification 1.0.0).
                        let created = self.container.record.state(Status::Created, Some(pid));
                        hooks::run("prestart", &hooks.prestart, &created)?;
                        hooks::run("createRuntime", &hooks.create_runtime, &state)?;
                    }
                    self.write_state(file, Status::Creating, pid)?;
                    creation.go_on()?;
                }
                Stage::Created => return self.write_state(file, Status::Created, pid),
            }
        }
    }

    /// Moves the first process into a group below its own, which belongs to the container's root.
    fn delegate(&self, process: Pid) -> Result<()> {
        let spec = &self.create.bundle.spec;
        let name = Annotations(&spec.annotations).delegated()?;
        let (Some(name), Some(group)) = (name, &self.group) else {
            return Err(Error::new(Kind::Unsupported, "delegate to", self.create.id)
                .because("it has no cgroup of its own to divide"));
        };
        group.delegate(&name, process, group::owner(spec))
    }

    /// The state for hooks inside the container: its first process has the number that it has there.
    fn write_state(&self, file: Option<&StateFile>, status: Status, pid: i32) -> Result<()> {
        let Some(file) = file else {
            return Ok(());
        };
        let spec = &self.create.bundle.spec;
        let namespaces = spec.linux.iter().flat_map(|linux| &linux.namespaces);
        let own = namespaces
            .filter(|n| n.kind == NamespaceKind::Pid)
            .any(|n| n.path.is_none());
        file.write(
            &self
                .container
                .record
                .state(status, Some(if own { 1 } else { pid })),
        )
    }

    /// Takes back what was made; its process is gone already.
    fn undo(&self, mut error: Error) -> Error {
        if let Some(Err(also)) = self.group.as_ref().map(group::remove) {
            error = error.also(also);
        }
        if let Ok(Some(unit)) = self.container.unit()
            && let Err(also) = unit.stop()
        {
            error = error.also(also);
        }
        if self.hooks_began
            && let Some(hooks) = &self.create.bundle.spec.hooks
        {
            let state = self.container.record.state(Status::Stopped, None);
            if let Err(also) = hooks::run("poststop", &hooks.poststop, &state) {
                error = error.also(also);
            }
        }
        match tare_store::remove_tree(&self.container.folder) {
            Ok(()) => error,
            Err(also) => error.also(also),
        }
    }
}

/// Where its standard streams lead: to ours, or to a terminal of its own.
pub(crate) fn stdio(spec: &Spec) -> Stdio<'static> {
    if spec.process.as_ref().is_some_and(|process| process.terminal) {
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
