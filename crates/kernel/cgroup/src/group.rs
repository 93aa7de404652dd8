//! One group in every hierarchy at once: made, opened, entered, limited.

mod below;
mod delegate;
mod make;
mod named;
mod own;
mod write;

pub use below::SubGroup;
pub use named::{GroupLine, NamedGroup};
pub use own::OwnGroup;

use crate::dir::Dir;
use crate::host::{Controller, Host, Version};
use crate::path::GroupPath;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::borrow::Cow;
use std::collections::BTreeSet;
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::Resources;

/// A group, held open in every hierarchy it is in.
#[derive(Debug)]
pub struct Group {
    pub(crate) path: GroupPath,
    pub(crate) host: Host,
    pub(crate) members: Vec<Member>,
}

/// The group's directory in one hierarchy.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its place in [`Host::hierarchies`].
    pub(crate) hierarchy: usize,
    pub(crate) version: Version,
    pub(crate) controllers: Vec<Controller>,
    pub(crate) dir: Dir,
}

impl Group {
    /// Makes the group in every writable hierarchy and sets its limits and device rules.
    ///
    /// Groups missing above it are made too and stay. A group of this name that holds no process is a leftover and
    /// is made anew, so that no old count or limit survives.
    ///
    /// # Errors
    /// `Denied` where an ordinary user has no group delegated, `Conflict` where the group exists and holds processes,
    /// and all of [`Group::apply`]. After an error nothing is left of the group itself.
    pub fn create(host: &Host, path: &GroupPath, resources: &Resources) -> Result<Group> {
        let wanted = make::wanted_on_v2(host, resources);
        let group = make::make(host, path, &wanted, make::Existing::Replace)?;
        match group.apply(resources) {
            Ok(()) => Ok(group),
            Err(e) => Err(match group.remove() {
                Ok(()) => e,
                Err(also) => e.also(also),
            }),
        }
    }

    /// Opens a group that processes of many makers are in, which nothing limits; it is made where it is missing.
    ///
    /// No controller is handed on for it, so that processes can be in the group above it as well, which version 2 forbids
    /// where one is.
    ///
    /// # Errors
    /// As [`Group::create`], but for the conflict. What has been made until then stays.
    pub fn share(host: &Host, path: &GroupPath) -> Result<Group> {
        make::make(host, path, &[], make::Existing::Keep)
    }

    /// Opens a group that another program has made (systemd, for a unit of its own), and makes it in the hierarchies
    /// where that program has not: systemd leaves out the version 1 controllers that it does not manage (freezer,
    /// cpuset, hugetlb). Limits and processes of what is there stay; a process is moved by [`Group::attach`].
    ///
    /// # Errors
    /// As [`Group::create`], but for the conflict. What has been made until then stays, for the other program.
    pub fn adopt(host: &Host, path: &GroupPath, resources: &Resources) -> Result<Group> {
        make::make(
            host,
            path,
            &make::wanted_on_v2(host, resources),
            make::Existing::Keep,
        )
    }

    /// Opens a group that exists.
    ///
    /// # Errors
    /// `NotFound` where no hierarchy has it.
    pub fn open(host: &Host, path: &GroupPath) -> Result<Group> {
        let mut members = Vec::new();
        for (hierarchy, tree) in host.hierarchies.iter().enumerate() {
            let mount = Dir::open_mount(&tree.mount_point).op("open", tree.mount_point.display())?;
            match mount.child(path.below()) {
                Ok(dir) => members.push(Member {
                    hierarchy,
                    version: tree.version,
                    controllers: tree.controllers.clone(),
                    dir,
                }),
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(e) => return Err(Error::os("open cgroup", path, e)),
            }
        }
        if members.is_empty() {
            return Err(Error::os("open cgroup", path, Errno::NOENT));
        }
        Ok(Group {
            path: path.clone(),
            host: host.clone(),
            members,
        })
    }

    /// The group's path below the mounts.
    pub fn path(&self) -> &GroupPath {
        &self.path
    }

    /// The machine it was made on.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The group's directory in the version 2 tree, for `CLONE_INTO_CGROUP` (Linux 5.7): the child is born in it.
    ///
    /// On a hybrid machine the version 1 hierarchies are entered besides, by [`Group::entrance_beside_clone`].
    pub fn clone_into(&self) -> Option<BorrowedFd<'_>> {
        self.v2().map(|member| member.dir.as_fd())
    }

    /// Moves a process, all its threads, into the group: one write per hierarchy.
    ///
    /// The first write waits for an RCU grace period. Measured here over ten hierarchies, median of 12: 9.5 ms; for a
    /// process of one thread that is born into the version 2 tree and enters the others by itself
    /// ([`Group::clone_into`], [`Group::entrance_beside_clone`]) 0.3 ms.
    ///
    /// # Errors
    /// `NotFound` where there is no such process, `Conflict` (`EBUSY`) where the version 2 group has given its
    /// controllers to groups below, `Denied`.
    pub fn attach(&self, process: rustix::process::Pid) -> Result<()> {
        let pid = process.as_raw_nonzero().to_string();
        for member in &self.members {
            member
                .dir
                .write("cgroup.procs", &pid)
                .map_err(|e| self.file_error("move a process into", "cgroup.procs", e))?;
        }
        Ok(())
    }

    /// What a process of one thread needs to enter by itself. The version 2 tree among it costs what
    /// [`Group::attach`] does: only birth into it is fast.
    ///
    /// # Errors
    /// `Denied` for a user who may not write there.
    pub fn entrance(&self) -> Result<Entrance> {
        self.entrance_into(|_| true)
    }

    /// As [`Group::entrance`], for a child that [`Group::clone_into`] has put into the version 2 tree already.
    ///
    /// # Errors
    /// As [`Group::entrance`].
    pub fn entrance_beside_clone(&self) -> Result<Entrance> {
        self.entrance_into(|version| version == Version::V1)
    }

    fn entrance_into(&self, wanted: impl Fn(Version) -> bool) -> Result<Entrance> {
        let mut files = Vec::with_capacity(self.members.len());
        for member in self.members.iter().filter(|member| wanted(member.version)) {
            let name = match member.version {
                Version::V1 => "tasks",
                Version::V2 => "cgroup.procs",
            };
            let file = member.dir.open_write(name);
            files.push(file.map_err(|e| self.file_error("enter", name, e))?);
        }
        Ok(Entrance { files })
    }

    /// Sets limits and device rules, all or an error at the first that cannot be set.
    ///
    /// What is absent from `resources` stays as it is. For ordinary users and in a user namespace device rules are passed over: the kernel
    /// takes none from there, and makes no device nodes there either.
    ///
    /// # Errors
    /// `Unsupported` where the machine has no such limit (controller, cause and cure are named), `Invalid` for a
    /// value the kernel does not take, `Conflict` for memory that is in use. Nothing has been set when a controller
    /// is missing; limits set before a refused value stay set.
    pub fn apply(&self, resources: &Resources) -> Result<()> {
        write::apply(self, resources)
    }

    /// `resources` with a processor quota and its period where one of the two is given: the other as it stands. So
    /// [`Group::apply`] understands them; for others who are told.
    pub fn completed<'a>(&self, resources: &'a Resources) -> Cow<'a, Resources> {
        write::completed(self, resources)
    }

    /// Sets what can be set of limits that nobody asked for, and says what could not be: for *one* warning.
    pub fn apply_where_possible(&self, resources: &Resources) -> Vec<Error> {
        write::apply_where_possible(self, resources)
    }

    /// Every process in the group and in groups below it, by its id in our own pid namespace.
    ///
    /// # Errors
    /// The kernel's. A group that is gone has no processes.
    pub fn processes(&self) -> Result<Vec<rustix::process::Pid>> {
        let mut all = BTreeSet::new();
        for member in &self.members {
            let found = member.processes().op("list the processes of", &self.path)?;
            all.extend(found);
        }
        Ok(all
            .into_iter()
            .filter_map(rustix::process::Pid::from_raw)
            .collect())
    }

    /// Whether no process is in the group or below it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn is_empty(&self) -> Result<bool> {
        for member in &self.members {
            let busy = match member.version {
                Version::V2 => member.is_populated(),
                Version::V1 => member.processes().map(|found| !found.is_empty()),
            };
            if busy.op("look into", &self.path)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) fn v2(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.version == Version::V2)
    }

    pub(crate) fn v1(&self, controller: Controller) -> Option<&Member> {
        self.members
            .iter()
            .find(|member| member.controllers.contains(&controller))
    }

    pub(crate) fn file_error(&self, operation: &'static str, file: &str, e: Errno) -> Error {
        let error = Error::os(operation, &self.path, e);
        match e {
            Errno::ACCESS | Errno::PERM => error.hint(NOT_DELEGATED),
            Errno::BUSY => error.hint(format!(
                "{file}: processes can only be in groups without groups below"
            )),
            _ => error,
        }
    }
}

/// What an ordinary user can do about groups.
pub(crate) const NOT_DELEGATED: &str =
    "run as root, or have a group delegated to you (systemd: Delegate=yes of the user's service)";

impl Member {
    /// The processes of the group and of all groups below; 0 stands for one outside our pid namespace.
    pub(crate) fn processes(&self) -> rustix::io::Result<BTreeSet<i32>> {
        processes_below(&self.dir)
    }

    pub(crate) fn descendants(&self) -> rustix::io::Result<Vec<std::ffi::CString>> {
        descendants(&self.dir)
    }

    /// Version 2: whether a process is in the group or below it.
    pub(crate) fn is_populated(&self) -> rustix::io::Result<bool> {
        match self.dir.read_key("cgroup.events", "populated") {
            Err(e) if is_gone(e) => Ok(false),
            done => Ok(done? == Some(1)),
        }
    }
}

/// What a look into a removed group says.
pub(crate) fn is_gone(e: Errno) -> bool {
    matches!(e, Errno::NOENT | Errno::NODEV)
}

/// The processes of a group and of all groups below; 0 stands for one outside our pid namespace.
fn processes_below(dir: &Dir) -> rustix::io::Result<BTreeSet<i32>> {
    let mut all = BTreeSet::new();
    list(dir, &mut all)?;
    for path in descendants(dir)? {
        match dir.open_below(&path) {
            Ok(dir) => list(&dir, &mut all)?,
            Err(e) if is_gone(e) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(all)
}

fn descendants(dir: &Dir) -> rustix::io::Result<Vec<std::ffi::CString>> {
    match dir.descendants() {
        Err(e) if is_gone(e) => Ok(Vec::new()),
        done => done,
    }
}

fn list(dir: &Dir, into: &mut BTreeSet<i32>) -> rustix::io::Result<()> {
    match dir.read("cgroup.procs") {
        Ok(text) => into.extend(text.lines().filter_map(|line| line.parse::<i32>().ok())),
        // A threaded group has none of its own (EOPNOTSUPP): they are listed by its domain.
        Err(e) if is_gone(e) || e == Errno::OPNOTSUPP => {}
        Err(e) => return Err(e),
    }
    Ok(())
}

/// Open files through which a process of one thread enters a group by itself.
///
/// On version 1 the thread writes `0` to `tasks`: the kernel (5.19) then needs neither the lock of all thread
/// groups nor the grace period that moving another process costs. The files work in another user or mount namespace,
/// and after privileges are dropped: the kernel checks who opened them.
#[derive(Debug)]
pub struct Entrance {
    files: Vec<OwnedFd>,
}

impl Entrance {
    /// Enters. Allocates nothing, so that a child between clone and exec may call it.
    ///
    /// # Errors
    /// The kernel's, of the first hierarchy that refuses.
    pub fn enter(&self) -> rustix::io::Result<()> {
        for file in &self.files {
            while let Err(e) = rustix::io::write(file, b"0") {
                if e != Errno::INTR {
                    return Err(e);
                }
            }
        }
        Ok(())
    }

    /// The files themselves: a `0` is to be written to each, by the only thread of the process that enters.
    pub fn files(&self) -> impl ExactSizeIterator<Item = BorrowedFd<'_>> {
        self.files.iter().map(AsFd::as_fd)
    }
}

pub(crate) fn unsupported(operation: impl Into<std::borrow::Cow<'static, str>>, path: &GroupPath) -> Error {
    Error::new(Kind::Unsupported, operation, path)
}
