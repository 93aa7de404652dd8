//! The steps: what each does is data, prepared in the parent so that the child allocates nothing.

use rustix::fs::FileType;
use rustix::process::Resource;
use rustix::thread::{Gid, Uid};
use std::ffi::CString;
use std::fmt;
use std::time::Duration;
use tare_mount::{Attributes, FileSystem, Links, Overlay, Propagation, Target};
use tare_process::{CapabilitySet, CloneFlags};
use tare_sys::{CStrings, FilterFlags, PathRights, PortRights, Scheduling, Scopes};

/// The order of steps: they run as they stand here. This is the only place that decides it; the reason of each place
/// stands with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// First: nothing may be done with ids that mean nobody.
    Maps,
    /// As the root of the user namespace, before anything is made that root should own.
    BecomeRoot,
    /// Handles on the host's procfs, where the mount namespace is about to be left for one that is there.
    HandlesToEnter,
    /// Namespaces that exist already are entered before anything in them is changed.
    Join,
    /// A mount namespace is borrowed where there is none of one's own to build the root in.
    MountNamespace,
    /// A session of its own, so that a terminal can become its controlling one.
    Session,
    /// Handles on the host's procfs and null device, while `/` is still the host's.
    Handles,
    /// No mount made from here on reaches the host.
    Propagation,
    /// Sources are opened, or taken from whoever opened them, while nothing of the container hides the host's paths.
    Sources,
    /// The root, before what is mounted in it.
    Root,
    /// A time namespace of one's own, for which procfs must be at hand, before anything reads a clock.
    TimeNamespace,
    /// Ready to be limited: the rest of the work waits for the group, as the cgroup namespace starts where it is.
    Group,
    /// The group's processors, once it is in there: the kernel takes them from what the group allows.
    Processors,
    /// Before cgroups are mounted, so that they show the container's own.
    CgroupNamespace,
    /// The group below, which the namespace shows: the one above it keeps the limits.
    Delegation,
    /// Mounts, in the order of the configuration.
    Mounts,
    /// The namespace that was borrowed to mount cgroups goes back.
    CgroupNamespaceBack,
    /// Nodes in `/dev`, once what is mounted there is.
    Devices,
    /// Links in `/dev`, beside the nodes.
    Links,
    /// The terminal, once its devpts is mounted.
    Terminal,
    /// The working directory is made while the root can still be written.
    MakeDirectory,
    /// Hooks that the caller runs, once everything is mounted and before the host's tree is left.
    RuntimeHooks,
    /// Hooks of the container's namespaces; their paths are still the host's.
    ContainerHooks,
    /// Kernel parameters, before their files become read-only.
    Parameters,
    /// Names of the host.
    Names,
    /// The loopback device of a new network namespace.
    Loopback,
    /// Read-only paths, after everything that is mounted or written below them.
    ReadOnlyPaths,
    /// Masks, after read-only paths: a mask below one stays on top.
    Masks,
    /// The root turns read-only last of all mounts, as targets are made in it.
    RootReadOnly,
    /// Leaving the host's tree; afterwards no path of the host exists.
    Pivot,
    /// Propagation of the new root, now that it is the root.
    RootPropagation,
    /// Own priorities and labels, by the handle on procfs.
    OwnFiles,
    /// Standard input, output and error.
    Stdio,
    /// Scheduling and memory policy, in the group that allows them, while the right to raise them is still there.
    Placement,
    /// The bounding set, while the right to change it is still there.
    Bounding,
    /// The working directory, as root: a user may lack the way there, or root may.
    Directory,
    /// The user's home, while root may read what tells it.
    Home,
    /// What Landlock allows, once nothing but the program is looked for any more, while root may look everywhere and has the
    /// right to confine itself: a user has it only with `no_new_privs`.
    Confinement,
    /// Limits, after everything that could need more, and before the right to raise them goes.
    Limits,
    /// The user, after all that needs root.
    User,
    /// The working directory again, where root was not let in.
    DirectoryAsUser,
    /// What the process may never gain.
    NoNewPrivileges,
    /// The remaining sets.
    Capabilities,
    /// Whether there is a program at all, by the rights that it will be executed with.
    Look,
    /// A filter with a listener, while whoever hands the listener on is still there: a start may be another process's.
    ListenedFilter,
    /// The last right, kept for loading that filter, goes.
    CapabilitiesAfterListenedFilter,
    /// Everything is ready: the container is created, and waits.
    Gate,
    /// The filter comes late, so that it need not allow anything above.
    Filter,
    /// The last right, kept for loading the filter, goes.
    CapabilitiesAfterFilter,
    /// Hooks at the start; their paths are the container's, and so is what binds them: they are run with the rights and
    /// under the filter of the program (runc's rule).
    StartHooks,
    /// The program.
    Exec,
}

/// One step: where it stands, how it is called, what it does.
#[derive(Debug)]
pub struct Step {
    pub(crate) place: Place,
    pub(crate) name: &'static str,
    pub(crate) subject: String,
    pub(crate) action: Action,
}

impl Step {
    /// What it is called in errors: `mount`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it works on: `/proc`.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if !self.subject.is_empty() {
            write!(f, " {}", self.subject)?;
        }
        Ok(())
    }
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Action {
    Await(Signal),
    EnterGroups,
    AllProcessors,
    BecomeRoot,
    Join {
        namespace: usize,
    },
    Session {
        /// The name of a new session keyring, if it gets one.
        keyring: Option<CString>,
    },
    OpenHandles,
    HostPropagation(Propagation),
    /// Executed by the child, or where the user namespace is new by its opener.
    Prepare {
        slot: usize,
        from: Prepared,
    },
    /// Where a opener prepares: the child takes what it made.
    Receive {
        slot: usize,
    },
    /// The root, mounted over `/`, or where hooks look for it.
    Root {
        source: Source,
        at: Option<CString>,
    },
    BorrowMountNamespace,
    ReturnMountNamespace,
    Unshare(CloneFlags),
    /// A new time namespace with `/proc/PID/timens_offsets` as given; the file is in a slot where it is not one's own.
    TimeNamespace {
        offsets: Vec<u8>,
        file: Option<usize>,
    },
    BorrowCgroupNamespace,
    ReturnCgroupNamespace,
    Mount(Box<MountStep>),
    Unmount(Target),
    Remount {
        target: Target,
        attributes: Attributes,
    },
    Node(Node),
    Link {
        text: CString,
        at: Target,
    },
    Terminal {
        devpts: Target,
        /// Where it is shown, in a container that is being made.
        console: Option<Target>,
        rows: u16,
        columns: u16,
        owner: Uid,
    },
    MakeDirectory(Target),
    Parameter {
        path: CString,
        value: Vec<u8>,
    },
    HostName(Vec<u8>),
    DomainName(Vec<u8>),
    Loopback,
    ReadOnlyPath(Target),
    Mask(Target),
    RootReadOnly,
    Pivot,
    /// Where the root cannot be pivoted; what of the host's is unmounted before.
    MoveRoot {
        hidden: Vec<CString>,
    },
    Hook(HookProgram),
    RootPropagation(Propagation, bool),
    WriteOwn {
        file: &'static std::ffi::CStr,
        data: Vec<u8>,
        only_if_changed: bool,
    },
    Stdio {
        owner: Uid,
    },
    Limit {
        resource: Resource,
        soft: Option<u64>,
        hard: Option<u64>,
    },
    Scheduling(Scheduling),
    IoPriority {
        class: u16,
        level: u16,
    },
    MemoryPolicy {
        mode: i32,
        nodes: Vec<usize>,
    },
    Personality(u32),
    Bounding(CapabilitySet),
    Directory {
        path: CString,
        as_user: bool,
    },
    User {
        uid: Uid,
        gid: Gid,
        /// None: those it has.
        groups: Option<Vec<Gid>>,
        groups_may_stay: bool,
        umask: u32,
    },
    NoNewPrivileges,
    Capabilities {
        effective: CapabilitySet,
        permitted: CapabilitySet,
        inheritable: CapabilitySet,
        ambient: CapabilitySet,
    },
    Filter {
        program: Vec<u8>,
        flags: FilterFlags,
    },
    Landlock(LandlockStep),
    /// What the process finds is its root.
    EnterRoot,
    /// Looks up the home of a user in the container's own list of users.
    Home {
        uid: u32,
    },
    /// Looks for the program without executing it.
    Look {
        candidates: Vec<CString>,
    },
    /// There is nothing to execute.
    NoProgram,
    Exec {
        candidates: Vec<CString>,
        arguments: CStrings,
        /// Without `HOME` where that was looked up.
        environment: CStrings,
    },
}

/// A step of being confined by Landlock (landlock(7)), in their order.
#[derive(Debug)]
pub(crate) enum LandlockStep {
    /// What is forbidden.
    Forbid {
        paths: PathRights,
        ports: PortRights,
        scopes: Scopes,
    },
    /// What is allowed below a path of the container.
    AllowBelow { path: CString, rights: PathRights },
    /// What is allowed with a port.
    AllowPort { port: u16, rights: PortRights },
    /// From here on.
    Confine,
}

/// What is made or opened with the rights of the host, into a slot.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// A detached copy of a tree of the host.
    Path {
        path: CString,
        recursive: bool,
        mapped: Option<Mapped>,
        /// Whether a link is opened itself.
        link: bool,
    },
    /// A place of the host, to be copied when its turn comes.
    Place {
        path: CString,
        /// Whether a link is opened itself.
        link: bool,
    },
    /// The clock offsets of the child's new time namespace.
    TimeOffsets,
    /// A new file system or overlay.
    Made(Box<Source>),
}

/// A program that is run at a point of the set-up.
#[derive(Debug)]
pub(crate) struct HookProgram {
    pub(crate) path: CString,
    pub(crate) arguments: CStrings,
    /// None: that of the container's program.
    pub(crate) environment: Option<CStrings>,
    /// When it is ended.
    pub(crate) timeout: Option<Duration>,
}

/// How owners of a tree of the host are mapped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapped {
    /// By which of the plan's maps.
    pub(crate) by: usize,
    pub(crate) recursive: bool,
}

/// What the parent says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Signal {
    /// The maps of the user namespace are written.
    Mapped = b'm',
    /// The process is in its group.
    Grouped = b'g',
    /// The process is in the group below its own.
    Delegated = b'd',
    /// The caller's hooks were run.
    Hooked = b'h',
    /// Start.
    Start = b's',
}

/// Where a mount comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// A new file system.
    New(FileSystem),
    /// A new overlay; `append` says whether layers go one by one.
    Overlay { overlay: Overlay, append: bool },
    /// A detached copy of a tree of the host, in a slot.
    Tree { slot: usize },
    /// The place of the host in a slot, copied now: the kernel lists mounts by their age, and so in their order.
    Place { slot: usize, recursive: bool },
    /// A place of the container's own root, with what the mounts before have put there: looked up inside it and copied now.
    Inside {
        place: Target,
        recursive: bool,
        mapped: Option<Mapped>,
        /// Whether a link is copied itself.
        link: bool,
    },
}

/// One mount.
#[derive(Debug)]
pub(crate) struct MountStep {
    pub(crate) source: Source,
    pub(crate) target: Target,
    /// Whether the target must be a real directory, no link on the way.
    pub(crate) strict: bool,
    /// What becomes of links at both ends.
    pub(crate) links: Links,
    /// Changes of a tree; a new file system has its own from birth.
    pub(crate) attributes: Attributes,
    pub(crate) recursive: Attributes,
    pub(crate) propagation: Vec<(Propagation, bool)>,
    /// What of the covered directory a tmpfs starts with.
    pub(crate) begin: Beginning,
    /// The SELinux label of a file system that takes it only once it is made.
    pub(crate) label: Option<Vec<u8>>,
}

/// What of the directory it covers a new file system starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// Nothing.
    Empty,
    /// Its mode.
    Mode,
    /// A copy of it.
    Copy,
}

/// One device node or pipe.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) target: Target,
    pub(crate) kind: FileType,
    pub(crate) device: u64,
    pub(crate) mode: u32,
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    /// Where the node cannot be made (user namespaces): the slot of the host's own.
    pub(crate) slot: Option<usize>,
}
