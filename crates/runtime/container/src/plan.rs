//! The plan: all steps of one container, from its configuration and facts of the host, without touching anything.

mod devices;
mod entering;
mod hooks;
mod landlock;
mod mounts;
mod namespaces;
mod network;
mod paths;
mod placement;
mod plug;
mod process;
mod resctrl;

pub(crate) use network::Interface;
pub use process::doubts;
pub use resctrl::resctrl_groups;

pub(crate) use resctrl::{Class, class};

use crate::request::{HostFacts, Request};
use crate::step::{Action, Mapped, Place, Prepared, Source, Step};
use rustix::process::Resource;
use std::ffi::CString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;
use tare_error::{Context, Error, Kind, Result};
use tare_mount::{FileSystem, Options};
use tare_process::CloneFlags;
use tare_spec_oci::{IdMapping, Linux, Namespace, NamespaceKind, Process};
use tare_sys::{CStrings, Extended};

/// All steps of one container in the order in which they run. Printed, it is one line a step.
#[derive(Debug)]
pub struct Plan {
    pub(crate) steps: Vec<Step>,
    /// Steps of a opener that has the rights of the host, where the user namespace is new.
    pub(crate) opener: Vec<Step>,
    /// Namespaces entered before the child is made, where a user namespace is joined: it is born in it, so that its new
    /// namespaces belong to it.
    pub(crate) entry: Vec<Step>,
    pub(crate) flags: CloneFlags,
    /// Namespaces to join, in the order of their numbers.
    pub(crate) joined: Vec<Namespace>,
    /// Interfaces of the host that the parent moves into the container.
    pub(crate) interfaces: Vec<Interface>,
    /// The class of service that the parent puts the child into.
    pub(crate) class: Option<Class>,
    /// Maps of owners of mounts, each of which becomes a user namespace.
    pub(crate) maps: Vec<Maps>,
    /// How many slots for opened sources are used.
    pub(crate) slots: usize,
    /// What the parent does with rights that the child has lost, where it has a user namespace.
    pub(crate) outside: Option<Outside>,
    /// The empty read-only directory that covers masked ones.
    pub(crate) cover: FileSystem,
    /// Directories in which the command is looked for, for errors.
    pub(crate) searched: Vec<String>,
}

/// Maps of owners of mounts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Maps {
    /// Those given.
    Given {
        uids: Vec<IdMapping>,
        gids: Vec<IdMapping>,
    },
    /// Those of a namespace that is joined.
    Joined { namespace: usize },
}

/// What only the parent can do for a child in a user namespace.
#[derive(Debug)]
pub(crate) struct Outside {
    /// Whether the maps are to be written; if not, the namespace that is joined has them, and they are checked.
    pub(crate) new: bool,
    pub(crate) uids: Vec<IdMapping>,
    pub(crate) gids: Vec<IdMapping>,
    /// Whom standard input and output belong to, inside.
    pub(crate) owner: u32,
    pub(crate) oom_score_adj: Option<i32>,
    /// Hard limits that may have to be raised.
    pub(crate) limits: Vec<(Resource, Option<u64>)>,
}

impl Plan {
    /// Step `number` in the numbering of reports: the child's steps, the opener's, those of the entry.
    pub(crate) fn step(&self, number: usize) -> Option<&Step> {
        let all = self.steps.iter().chain(&self.opener).chain(&self.entry);
        all.into_iter().nth(number)
    }

    /// The environment of the program, with room for what a step looks up; none where no step does.
    pub(crate) fn environment_to_extend(&self) -> Option<Extended<'_>> {
        let looks = |step: &Step| matches!(step.action, Action::Home { .. });
        self.environment()
            .filter(|_| self.steps.iter().any(looks))
            .map(CStrings::extended)
    }

    /// The environment of the program, where there is one; without what a step looks up.
    pub(crate) fn environment(&self) -> Option<&CStrings> {
        self.steps.iter().find_map(|step| match &step.action {
            Action::Exec { environment, .. } => Some(environment),
            _ => None,
        })
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.entry {
            writeln!(f, "  - {step}, before the process is made")?;
        }
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{number:3} {step}")?;
        }
        for Interface { name, inside } in &self.interfaces {
            writeln!(f, "  + move network device {name} as {inside}, outside")?;
        }
        if let Some(class) = &self.class {
            writeln!(
                f,
                "  + enter resctrl class {}, outside",
                class.directory.display()
            )?;
        }
        for step in &self.opener {
            writeln!(f, "  + {step}, outside")?;
        }
        Ok(())
    }
}

/// Plans a container. Pure: reads nothing but its arguments.
///
/// # Errors
/// `Invalid` for a configuration that means nothing, `Unsupported` for what this host lacks, each named.
pub fn plan(request: &Request<'_>, facts: &HostFacts) -> Result<Plan> {
    let mut draft = Draft::new(request, facts)?;
    let contributors = match (request.options.enters, request.options.change) {
        (true, Some(_)) => CHANGING,
        (true, None) => ENTERING,
        (false, _) => MAKING,
    };
    for contribute in contributors {
        contribute(&mut draft)?;
    }
    draft.plan.steps.sort_by_key(|step| step.place);
    Ok(draft.plan)
}

/// Adds steps.
type Contributor = fn(&mut Draft<'_>) -> Result<()>;

/// Who adds steps to a container that is made; their order here does not matter beyond steps of one place.
const MAKING: &[Contributor] = &[
    namespaces::contribute,
    network::contribute,
    resctrl::contribute,
    mounts::contribute,
    devices::contribute,
    paths::contribute,
    placement::contribute,
    process::contribute,
    landlock::contribute,
    hooks::contribute,
];

/// Who adds steps where a process enters a container that is there.
const ENTERING: &[Contributor] = &[
    namespaces::contribute,
    entering::contribute,
    placement::contribute,
    process::contribute,
    landlock::contribute,
];

/// Who adds steps where a process enters to change what is mounted.
const CHANGING: &[Contributor] = &[namespaces::contribute, plug::contribute];

/// What is planned where the configuration has no process: a container can be created so, and not be started
/// (runtime-spec: `config.md`, "Process").
static NO_PROCESS: LazyLock<Process> = LazyLock::new(|| Process {
    cwd: PathBuf::from("/"),
    ..Process::default()
});

/// A plan being made, with all that its contributors may look at.
pub(crate) struct Draft<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) facts: &'a HostFacts,
    pub(crate) linux: &'a Linux,
    pub(crate) process: &'a Process,
    pub(crate) plan: Plan,
}

impl<'a> Draft<'a> {
    fn new(request: &'a Request<'a>, facts: &'a HostFacts) -> Result<Draft<'a>> {
        let missing =
            |what: &str| Error::new(Kind::Invalid, "read configuration of", request.id).because(what);
        Ok(Draft {
            request,
            facts,
            linux: request
                .spec
                .linux
                .as_ref()
                .ok_or_else(|| missing("no \"linux\""))?,
            process: match &request.spec.process {
                Some(process) => process,
                None if request.options.gate.is_some() => &NO_PROCESS,
                None => return Err(missing("no \"process\"")),
            },
            plan: Plan {
                steps: Vec::new(),
                opener: Vec::new(),
                entry: Vec::new(),
                flags: CloneFlags::empty(),
                joined: Vec::new(),
                interfaces: Vec::new(),
                class: None,
                maps: Vec::new(),
                slots: 0,
                outside: None,
                cover: cover()?,
                searched: Vec::new(),
            },
        })
    }

    /// Adds a step.
    pub(crate) fn push(
        &mut self,
        place: Place,
        name: &'static str,
        subject: impl fmt::Display,
        action: Action,
    ) {
        let subject = subject.to_string();
        self.plan.steps.push(Step {
            place,
            name,
            subject,
            action,
        });
    }

    /// Adds a step that opens a path of the host, and gives its slot.
    pub(crate) fn open_source(&mut self, tree: &Tree<'_>, subject: impl fmt::Display) -> Result<usize> {
        let from = Prepared::Path {
            path: c_path(tree.path)?,
            recursive: tree.recursive,
            mapped: tree.mapped,
            link: tree.link,
        };
        Ok(self.prepare("open", subject, from))
    }

    /// Adds a step that opens what is bound, and gives the source of its mount. Its copy is made when it is mounted, where
    /// the child has the rights for that, and no owners are mapped before.
    pub(crate) fn bound(&mut self, tree: &Tree<'_>, subject: impl fmt::Display) -> Result<Source> {
        if tree.mapped.is_some() || self.opens_outside() {
            let slot = self.open_source(tree, subject)?;
            return Ok(Source::Tree { slot });
        }
        let from = Prepared::Place {
            path: c_path(tree.path)?,
            link: tree.link,
        };
        let slot = self.prepare("open", subject, from);
        Ok(Source::Place {
            slot,
            recursive: tree.recursive,
        })
    }

    /// Adds a step that makes or opens something with the rights of the host, and gives its slot.
    pub(crate) fn prepare(
        &mut self,
        name: &'static str,
        subject: impl fmt::Display,
        from: Prepared,
    ) -> usize {
        let slot = self.plan.slots;
        self.plan.slots += 1;
        let subject = subject.to_string();
        if self.opens_outside() {
            let step = Step {
                place: Place::Sources,
                name,
                subject: subject.clone(),
                action: Action::Prepare { slot, from },
            };
            self.plan.opener.push(step);
            self.push(Place::Sources, "await", subject, Action::Receive { slot });
        } else {
            self.push(Place::Sources, name, subject, Action::Prepare { slot, from });
        }
        slot
    }

    /// Whether the host's paths are opened by a process of their own: the child lacks the rights, or is elsewhere.
    fn opens_outside(&self) -> bool {
        self.has_namespace(NamespaceKind::User) || self.request.options.change.is_some()
    }

    /// The namespace of `kind`, where the configuration names one.
    pub(crate) fn namespace(&self, kind: NamespaceKind) -> Option<&'a Namespace> {
        self.linux.namespaces.iter().find(|n| n.kind == kind)
    }

    /// Whether the container gets a namespace of `kind` other than the host's.
    pub(crate) fn has_namespace(&self, kind: NamespaceKind) -> bool {
        self.namespace(kind).is_some()
    }

    /// Whether the container gets a new namespace of `kind`.
    pub(crate) fn is_new(&self, kind: NamespaceKind) -> bool {
        self.namespace(kind).is_some_and(|n| n.path.is_none())
    }

    /// Whether an existing namespace of `kind` is joined.
    pub(crate) fn joins(&self, kind: NamespaceKind) -> bool {
        self.namespace(kind).is_some_and(|n| n.path.is_some())
    }

    /// Whether device nodes cannot be made: a user namespace, ours or the container's.
    pub(crate) fn without_mknod(&self) -> bool {
        self.facts.user_namespace || self.has_namespace(NamespaceKind::User)
    }

    /// What a path of the host below the directory that becomes the container's root is called inside: as it is written, no
    /// link is looked at. Runc's rule for sources and destinations of mounts.
    pub(crate) fn inside(&self, path: &Path) -> Option<PathBuf> {
        let of_bundle = self.request.rootfs.is_empty() && self.request.options.change.is_none();
        let root = self.request.spec.root.as_ref().filter(|_| of_bundle)?;
        let root = self.on_host(&root.path);
        let is_plain = |path: &Path| path.components().all(|part| part != Component::ParentDir);
        let rest = path.strip_prefix(&root).ok()?;
        // Of a container whose root is the host's, every path is a path of the host first.
        (root.parent().is_some() && is_plain(&root) && is_plain(rest)).then(|| Path::new("/").join(rest))
    }

    /// A path of the configuration on the host: relative ones start at the bundle.
    pub(crate) fn on_host(&self, path: &Path) -> PathBuf {
        self.request.bundle.join(path)
    }
}

/// A tree of the host that is bound.
pub(crate) struct Tree<'a> {
    pub(crate) path: &'a Path,
    /// Whether with all mounts below it.
    pub(crate) recursive: bool,
    /// How its owners are mapped.
    pub(crate) mapped: Option<Mapped>,
    /// Whether a link is bound itself.
    pub(crate) link: bool,
}

impl<'a> Tree<'a> {
    /// What a path leads to, as it is.
    pub(crate) fn of(path: &'a Path, recursive: bool) -> Tree<'a> {
        Tree {
            path,
            recursive,
            mapped: None,
            link: false,
        }
    }
}

/// A tmpfs that holds nothing and never will.
fn cover() -> Result<FileSystem> {
    let options = ["ro", "nosuid", "nodev", "noexec", "nr_blocks=1", "nr_inodes=1"].map(str::to_owned);
    FileSystem::prepare("tmpfs", Some("tmpfs"), &Options::parse(&options))
        .op("prepare", "the cover of masked paths")
}

/// A target inside the root.
pub(crate) fn target(path: &Path) -> Result<tare_mount::Target> {
    tare_mount::Target::prepare(path).map_err(|_| {
        Error::new(Kind::Invalid, "use", path.display())
            .because("a path inside the container may hold neither \"..\" nor a NUL byte")
    })
}

/// A C string; a NUL byte is the configuration's mistake.
pub(crate) fn c_string(text: impl Into<Vec<u8>>, what: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::new(Kind::Invalid, "use", what).because("it holds a NUL byte"))
}

/// A path as a C string.
pub(crate) fn c_path(path: &Path) -> Result<CString> {
    c_string(path.as_os_str().as_bytes(), "a path")
}

#[cfg(test)]
mod tests;
