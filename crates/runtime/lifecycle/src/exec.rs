//! Another process in a container that runs.

mod lodging;

use crate::annotation::Annotations;
use crate::container::{Condition, Container};
use crate::filter::{self, Compiled};
use crate::pending::{self, Awaited, Pending};
use lodging::Unclaimed;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{sched_getaffinity, sched_setaffinity};
use std::path::PathBuf;
use std::time::Instant;
use tare_cgroup::{Entrance, Group, GroupPath, OwnGroup, SubGroup};
use tare_container::{
    Creation, ExecAffinity, HostFacts, Options, Processors, Request, Running, Stage, Stdio,
};
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::{Linux, Namespace, NamespaceKind, Process, Seccomp, Spec, Status};

/// The order in which namespaces are joined: the mount namespace last, as paths change with it.
const ORDER: &[(NamespaceKind, &str)] = &[
    (NamespaceKind::User, "user"),
    (NamespaceKind::Ipc, "ipc"),
    (NamespaceKind::Uts, "uts"),
    (NamespaceKind::Network, "net"),
    (NamespaceKind::Pid, "pid"),
    (NamespaceKind::Cgroup, "cgroup"),
    (NamespaceKind::Time, "time"),
    (NamespaceKind::Mount, "mnt"),
];

/// A process to be run in a container.
#[derive(Debug)]
pub struct Exec<'a> {
    /// What runs.
    pub process: &'a Process,
    /// Its standard input, output and error.
    pub stdio: Stdio<'a>,
    /// Fds that it gets under the same numbers, besides standard input, output and error.
    pub passed: &'a [OwnedFd],
    /// Groups below the container's, which exist, to run in.
    pub sub_groups: &'a [SubGroup],
    /// The name by which it gets a group of its own below the container's, for itself and all that it starts; unless it is to
    /// be elsewhere, or the container has divided its tree.
    pub own_group: Option<&'a str>,
    /// Whether a frozen container is no reason to refuse; the process is frozen with it then.
    pub ignore_paused: bool,
    /// Whether its terminal hands on line ends as they are written.
    pub plain_lines: bool,
}

/// Makes a process while this one runs on some processors alone, which its child inherits.
fn begun_on<T>(processors: Option<&Processors>, make: impl FnOnce() -> Result<T>) -> Result<T> {
    let Some(processors) = processors else {
        return make();
    };
    let before = sched_getaffinity(None).op("look at", "the own processors")?;
    processors.confine(None)?;
    let made = make();
    sched_setaffinity(None, &before).op("go back to", "the own processors")?;
    made
}

/// Whether a container has a namespace of this kind that was made for it.
pub fn has_own(linux: Option<&Linux>, kind: NamespaceKind) -> bool {
    let mut namespaces = linux.iter().flat_map(|linux| &linux.namespaces);
    namespaces.any(|n| n.kind == kind && n.path.is_none())
}

/// The namespaces of a container's process to join, in their order: those that its configuration names, and that of its
/// mounts.
pub(crate) fn namespaces_of(pid: i32, linux: &Linux, order: &[(NamespaceKind, &str)]) -> Vec<Namespace> {
    let has = |kind| linux.namespaces.iter().any(|n| n.kind == kind);
    let joined = order
        .iter()
        .filter(|(kind, _)| has(*kind) || *kind == NamespaceKind::Mount);
    let open = |(kind, file): &(NamespaceKind, &str)| Namespace {
        kind: *kind,
        path: Some(PathBuf::from(format!("/proc/{pid}/ns/{file}"))),
    };
    joined.map(open).collect()
}

/// The root that a process has.
fn root_of(pid: i32) -> Result<OwnedFd> {
    let path = format!("/proc/{pid}/root");
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(&path, flags, Mode::empty()).op("open", &path)
}

/// A process that enters a container. Dropped before it runs, it is ended.
#[derive(Debug)]
pub struct Entering {
    creation: Creation,
    /// Its own group, which goes after it where it is dropped.
    own: Unclaimed,
    /// The policy of its system calls, which may ask for a listener.
    policy: Option<Seccomp>,
    /// Where it runs in the end.
    processors: Option<Processors>,
}

impl Entering {
    /// Makes its next steps, as far as there is nothing to wait for; whether its program runs. `container` is what is
    /// entered.
    ///
    /// # Errors
    /// The step that failed; nothing is left of the process then.
    pub fn advance(&mut self, container: &Container) -> Result<bool> {
        let stage = self.creation.advance()?;
        let pid = self.creation.pid();
        if let (Some(listener), Some(policy)) = (self.creation.take_listener(), &self.policy) {
            let state = container.record.state(Status::Running, container.pid()?);
            filter::give_listener(policy, &listener, pid.as_raw_pid(), state)?;
        }
        match stage {
            Stage::Created => {
                // It is in its group now, whose processors may be others than those before.
                if let Some(processors) = &self.processors {
                    processors.confine(Some(pid))?;
                }
                self.creation.start().map(|()| false)
            }
            Stage::Running => Ok(true),
            Stage::SettingUp | Stage::Hooks | Stage::Delegation | Stage::Starting => Ok(false),
        }
    }

    /// Hands it over, once its program runs, and its own group, where it has one.
    ///
    /// # Errors
    /// `Conflict` where it was not started.
    pub fn finish(self) -> Result<(Running, Option<OwnGroup>)> {
        let running = self.creation.finish()?;
        Ok((running, self.own.claim()))
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        self.creation.pid()
    }
}

impl Pending for Entering {
    fn awaited(&self) -> Vec<Awaited<'_>> {
        vec![Awaited {
            turn: 0,
            fd: self.creation.as_fd(),
            now: true,
        }]
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// What is entered.
#[derive(Clone, Copy)]
struct Inside<'a> {
    spec: &'a Spec,
    filter: Option<&'a Compiled>,
    /// The container's root, where it is not that of its mount namespace.
    root: Option<&'a OwnedFd>,
}

impl<'a> Inside<'a> {
    fn of(spec: &'a Spec, filter: Option<&'a Compiled>, root: Option<&'a OwnedFd>) -> Inside<'a> {
        Inside { spec, filter, root }
    }
}

impl Container {
    /// Runs a process in the container and waits until its program runs. It is a child of this process.
    ///
    /// # Errors
    /// `Conflict` where the container has stopped or is paused; the step that failed.
    pub fn exec(&self, exec: &Exec<'_>) -> Result<Running> {
        let mut entering = self.begin_exec(exec)?;
        while !entering.advance(self)? {
            pending::wait(&entering)?;
        }
        entering.finish().map(|(running, _)| running)
    }

    /// Begins to run a process in the container, for a caller that waits elsewhere.
    ///
    /// # Errors
    /// As [`Container::exec`].
    pub fn begin_exec(&self, exec: &Exec<'_>) -> Result<Entering> {
        self.may_be_entered(exec.ignore_paused)?;
        let bundle = self.bundle()?;
        let filter = bundle.filter(self.home())?;
        let (group, own) = self.group_to_enter(exec)?;
        let own_view = own.is_some() && lodging::wants_own_view(&bundle.spec, group.as_ref());
        let (mut spec, root) = self.entering(bundle.spec, exec.process)?;
        if !own.is_some() {
            let inside = Inside::of(&spec, filter.as_ref(), root.as_ref());
            return self.enter_somewhere(exec, inside, group.as_ref());
        }
        let theirs = own_view.then(|| lodging::set_view(&mut spec, None)).flatten();
        let inside = Inside::of(&spec, filter.as_ref(), root.as_ref());
        match self.enter(exec, inside, group.as_ref(), |_| Ok(())) {
            Err(e) if lodging::is_refusal(&e) => drop(own),
            done => return done.map(|entering| Entering { own, ..entering }),
        }
        if own_view {
            lodging::set_view(&mut spec, theirs);
        }
        let without = Exec {
            own_group: None,
            ..*exec
        };
        let (group, _) = self.group_to_enter(&without)?;
        let inside = Inside::of(&spec, filter.as_ref(), root.as_ref());
        self.enter_somewhere(&without, inside, group.as_ref())
    }

    fn may_be_entered(&self, even_paused: bool) -> Result<()> {
        let why = match self.condition()? {
            Condition::Running | Condition::Created => return Ok(()),
            Condition::Paused if even_paused => return Ok(()),
            Condition::Paused => {
                "cannot exec in a paused container (use --ignore-paused to override)".to_owned()
            }
            other => format!("cannot exec in a {other} container"),
        };
        Err(Error::new(Kind::Conflict, "exec in container", &self.id).because(why))
    }

    /// Enters the container in a group that was there before: in this one, or wherever the container's processes may be.
    fn enter_somewhere(
        &self,
        exec: &Exec<'_>,
        inside: Inside<'_>,
        group: Option<&Group>,
    ) -> Result<Entering> {
        let is = |e: &Error, errno: Errno| e.errno() == Some(errno.raw_os_error());
        let by_birth = |group: Option<&Group>| self.enter(exec, inside, group, |_| Ok(()));
        match by_birth(group) {
            // A version 2 group that has handed its controllers on takes no processes: the first one has moved below,
            // and the new one goes to its side.
            Err(e) if is(&e, Errno::BUSY) && exec.sub_groups.is_empty() => {
                by_birth(Some(&self.group_of_first_process()?.ok_or(e)?))
            }
            // From a group that is not the user's nobody is born into one that is: systemd moves there, for who it made it.
            Err(e) if is(&e, Errno::ACCESS) => match self.unit()? {
                Some(unit) => {
                    let own = Annotations(&self.record.annotations).sub_group()?;
                    let asked = exec.sub_groups.first().and_then(SubGroup::everywhere);
                    let below = asked.map(|path| path.trim_start_matches('/'));
                    let below: Vec<&str> = own.as_deref().into_iter().chain(below).collect();
                    let below = (!below.is_empty()).then(|| below.join("/"));
                    self.enter(exec, inside, None, |pid| unit.attach(below.as_deref(), pid))
                }
                None => Err(e.hint("exec from a process in a group that is yours, as the container's is")),
            },
            done => done,
        }
    }

    fn enter(
        &self,
        exec: &Exec<'_>,
        inside: Inside<'_>,
        group: Option<&Group>,
        attach: impl FnOnce(Pid) -> Result<()>,
    ) -> Result<Entering> {
        let spec = inside.spec;
        let entrance = group.map(Group::entrance_beside_clone).transpose()?;
        let entrances: Vec<BorrowedFd<'_>> = entrance.iter().flat_map(Entrance::files).collect();
        let passed: Vec<BorrowedFd<'_>> = exec.passed.iter().map(AsFd::as_fd).collect();
        let asked = Annotations(&self.record.annotations);
        let landlock = asked.landlock()?;
        let request = Request {
            id: self.id.as_str(),
            spec,
            bundle: &self.record.bundle,
            rootfs: &[],
            stdio: exec.stdio,
            group: group.and_then(Group::clone_into),
            entrances: &entrances,
            seccomp: inside.filter.map(Compiled::as_filter),
            options: Options {
                enters: true,
                root: inside.root.map(AsFd::as_fd),
                passed: &passed,
                plain_lines: exec.plain_lines,
                keeps_groups: asked.keeps_groups()?,
                landlock: landlock.as_ref(),
                ..Options::default()
            },
        };
        let facts = HostFacts::read_for(&request.options)?;
        let affinity = ExecAffinity::read(exec.process.exec_cpu_affinity.as_ref())?;
        let creation = begun_on(affinity.initial.as_ref(), || {
            Creation::begin(&request, &facts, attach)
        });
        // The namespaces were opened by the number of the first process: that it still lives shows whose they were, and that
        // it does not is why they are not there.
        if self.pid()?.is_none() {
            return Err(Error::new(Kind::Conflict, "exec in container", &self.id)
                .because("cannot exec in a stopped container"));
        }
        let creation = creation?;
        let linux = spec.linux.as_ref();
        Ok(Entering {
            creation,
            own: Unclaimed::default(),
            policy: linux.and_then(|linux| linux.seccomp.clone()),
            processors: affinity.last,
        })
    }

    /// A configuration that joins the container's namespaces and makes nothing; and the container's root, where the mount
    /// namespace of its first process shows another: that of the host, or of whatever was joined.
    fn entering(&self, own: Spec, process: &Process) -> Result<(Spec, Option<OwnedFd>)> {
        let linux = own.linux.unwrap_or_default();
        let pid = self.pid()?.ok_or_else(|| {
            Error::new(Kind::Conflict, "exec in container", &self.id)
                .because("cannot exec in a stopped container")
        })?;
        let root = match has_own(Some(&linux), NamespaceKind::Mount) {
            true => None,
            false => Some(root_of(pid)?),
        };
        let spec = Spec {
            oci_version: own.oci_version,
            process: Some(process.clone()),
            linux: Some(Linux {
                namespaces: namespaces_of(pid, &linux, ORDER),
                uid_mappings: linux.uid_mappings,
                gid_mappings: linux.gid_mappings,
                seccomp: linux.seccomp,
                memory_policy: linux.memory_policy,
                personality: linux.personality,
                ..Linux::default()
            }),
            ..Spec::default()
        };
        Ok((spec, root))
    }

    /// The group in the version 2 tree that the first process is in now.
    fn group_of_first_process(&self) -> Result<Option<Group>> {
        let (Some(pid), Some(group)) = (self.pid()?, self.group()?) else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let path = text.lines().find_map(|line| line.strip_prefix("0::"));
        path.map(|path| Group::open(group.host(), &GroupPath::parse(path)?))
            .transpose()
    }
}
