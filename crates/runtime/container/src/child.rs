//! The child, between fork and exec: executes the plan from memory that was prepared before.
//!
//! Nothing here, in the modules below, or in what they call allocates or takes a lock: the forked copy of the
//! parent's heap is read, never changed. Handles live in this struct's fixed fields and in slots made before the fork.

mod copy;
mod devices;
mod entry;
mod gate;
mod grounds;
mod home;
mod hooks;
mod identity;
mod landlock;
mod mounts;
mod opener;
mod plug;
mod program;

use crate::plan::Plan;
use crate::report::{self, Detail, Failure};
use crate::request::Options;
use crate::step::{Action, Signal};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::DumpableBehavior;
use rustix::thread::{Gid, Uid};
use tare_process::{CloneFlags, Procfs, close_all_but};
use tare_sys::{Extended, FilterFlags, exit_now};

pub(crate) use entry::enter as enter_namespaces;
pub(crate) use grounds::Grounds;
pub(crate) use home::Home;
pub(crate) use opener::run as run_opener;

/// The result of a step.
pub(crate) type Done = std::result::Result<(), Failure>;

/// The child and all it holds.
pub(crate) struct Child<'a> {
    pub(crate) plan: &'a Plan,
    /// The socket to the parent.
    pub(crate) channel: BorrowedFd<'a>,
    /// User namespaces by whose maps owners of mounts are mapped.
    pub(crate) maps: &'a [OwnedFd],
    /// Namespaces to join.
    pub(crate) joined: &'a [OwnedFd],
    /// The socket to the opener, where there is one.
    pub(crate) opener: Option<BorrowedFd<'a>>,
    /// Standard input, output and error; none for a terminal.
    pub(crate) stdio: Option<[BorrowedFd<'a>; 3]>,
    /// What is out of the ordinary.
    pub(crate) options: Options<'a>,
    /// The fds that are left when everything is ready, sorted.
    pub(crate) kept: &'a [u32],
    /// Whoever came to the gate and started the container.
    pub(crate) starter: Option<OwnedFd>,
    /// Files of cgroups to enter.
    pub(crate) entrances: &'a [BorrowedFd<'a>],
    /// Sources that were opened, by slot; made with their full length before the fork.
    pub(crate) slots: Vec<Option<OwnedFd>>,
    /// Whether an ordinary user maps its ids, for which it must be seen to be theirs.
    pub(crate) mapped_by_user: bool,
    /// The environment with room for what a step looks up.
    pub(crate) environment: Option<Extended<'a>>,
    pub(crate) home: Home,
    pub(crate) handles: Handles,
    /// File systems that were mounted by this child.
    pub(crate) grounds: Grounds<'a>,
}

/// Until exec no process of a container may trace or inspect this one (CVE-2016-9962).
fn withdraw() {
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// What is opened on the way and closed before the gate.
#[derive(Default)]
pub(crate) struct Handles {
    root: Option<OwnedFd>,
    procfs: Option<Procfs>,
    null: Option<OwnedFd>,
    cover: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
    cgroup_namespace: Option<OwnedFd>,
    mount_namespace: Option<OwnedFd>,
    ruleset: Option<OwnedFd>,
    directory_as_user: bool,
}

impl<'a> Child<'a> {
    /// Executes the plan; returns only where a step failed, with an exit code for nobody.
    pub(crate) fn run(mut self) -> i32 {
        let plan = self.plan;
        if !self.mapped_by_user {
            withdraw();
        }
        for (number, step) in plan.steps.iter().enumerate() {
            if let Action::Exec {
                candidates,
                arguments,
                environment,
            } = &step.action
            {
                let extended = self.environment.as_mut().zip(self.home.variable());
                let (failure, head) = program::execute(candidates, arguments, environment, extended);
                report::send_failure(self.listener(), number, failure, head.as_bytes());
                return program::exit_code(&failure);
            }
            if let Err(failure) = self.take(&step.action) {
                report::send_failure(self.listener(), number, failure, &[]);
                return 1;
            }
        }
        1
    }

    /// Executes one step.
    fn take(&mut self, action: &'a Action) -> Done {
        match action {
            Action::Await(Signal::Start) => self.wait_for_start(),
            Action::Await(signal) => self.wait_for(*signal),
            Action::EnterGroups => self.enter_groups(),
            // Where that cannot be, it has those of whoever started it.
            Action::AllProcessors => tare_sys::use_all_processors().or(Ok(())),
            Action::BecomeRoot => become_root(),
            Action::Join { namespace } => Ok(entry::join(self.plan, self.joined, *namespace)?),
            Action::Session { keyring } => session(keyring.as_deref()),
            Action::OpenHandles => self.open_handles(),
            Action::HostPropagation(propagation) => mounts::host_propagation(*propagation),
            Action::Prepare { slot, from } => self.prepare(*slot, from),
            Action::Receive { slot } => self.receive(*slot),
            Action::Root { source, at } => self.mount_root(source, at.as_deref()),
            Action::BorrowMountNamespace => self.borrow_mount_namespace(),
            Action::ReturnMountNamespace => self.return_mount_namespace(),
            Action::Unshare(flags) => Ok(tare_sys::unshare(*flags)?),
            Action::TimeNamespace { offsets, file } => self.make_time_namespace(offsets, *file),
            Action::BorrowCgroupNamespace => self.borrow_cgroup_namespace(),
            Action::ReturnCgroupNamespace => self.return_cgroup_namespace(),
            Action::Mount(step) => self.mount(step),
            Action::Unmount(target) => self.unmount(target),
            Action::Remount { target, attributes } => self.remount(target, attributes),
            Action::Node(node) => self.make_node(node),
            Action::Link { text, at } => self.make_link(text, at),
            Action::Terminal {
                devpts,
                console,
                rows,
                columns,
                owner,
            } => self.open_terminal(devpts, console.as_ref(), (*rows, *columns), *owner),
            Action::EnterRoot => self.enter_root(),
            Action::Home { uid } => self.look_up_home(*uid),
            Action::Look { candidates } => program::look(candidates),
            Action::MakeDirectory(target) => self.make_directory(target),
            Action::Parameter { path, value } => Ok(self.procfs()?.write(path, value)?),
            Action::HostName(name) => Ok(rustix::system::sethostname(name)?),
            Action::DomainName(name) => Ok(rustix::system::setdomainname(name)?),
            Action::Loopback => Ok(tare_sys::bring_up(c"lo")?),
            Action::ReadOnlyPath(target) => self.make_read_only(target),
            Action::Mask(target) => self.mask(target),
            Action::RootReadOnly => self.make_root_read_only(),
            Action::Pivot => self.pivot(),
            Action::MoveRoot { hidden } => self.move_root(hidden),
            Action::Hook(program) => self.run_hook(program),
            Action::RootPropagation(how, recursive) => mounts::root_propagation(*how, *recursive),
            Action::WriteOwn {
                file,
                data,
                only_if_changed,
            } => self.write_own(file, data, *only_if_changed),
            Action::Stdio { owner } => self.set_up_stdio(*owner),
            Action::Limit { resource, soft, hard } => identity::limit(*resource, *soft, *hard),
            Action::Scheduling(scheduling) => Ok(tare_sys::set_scheduling(scheduling)?),
            Action::IoPriority { class, level } => Ok(tare_sys::set_io_priority(*class, *level)?),
            Action::MemoryPolicy { mode, nodes } => Ok(tare_sys::set_memory_policy(*mode, nodes)?),
            Action::Personality(domain) => Ok(tare_sys::set_personality(*domain)?),
            Action::Bounding(keep) => Ok(tare_process::drop_from_bounding(*keep)?),
            Action::Directory { path, as_user } => self.enter_directory(path, *as_user),
            Action::User {
                uid,
                gid,
                groups,
                groups_may_stay,
                umask,
            } => identity::become_user(*uid, *gid, groups.as_deref(), *groups_may_stay, *umask),
            Action::NoNewPrivileges => Ok(rustix::thread::set_no_new_privs(true)?),
            Action::Capabilities {
                effective,
                permitted,
                inheritable,
                ambient,
            } => identity::set_capabilities(*effective, *permitted, *inheritable, *ambient),
            Action::Landlock(step) => self.confine(step),
            Action::Filter { program, flags } => self.load_filter(program, *flags),
            Action::NoProgram => Err(program::missing()),
            // Executed by `run`, which does not come back.
            Action::Exec { .. } => Err(Errno::INVAL.into()),
        }
    }

    /// Enters cgroups by itself: the kernel takes `0` for the writer.
    fn enter_groups(&self) -> Done {
        for file in self.entrances {
            while let Err(e) = rustix::io::write(file, b"0") {
                if e != Errno::INTR {
                    return Err(e.into());
                }
            }
        }
        Ok(())
    }

    /// Waits for a word of the parent; where the parent is gone, so is the reason to be here.
    fn wait_for(&mut self, signal: Signal) -> Done {
        match signal {
            Signal::Hooked => {
                report::send_hooks(self.channel)?;
                // Hooks mount what they like, where they like.
                self.grounds.forget();
            }
            Signal::Delegated => report::send_delegation(self.channel)?,
            Signal::Mapped | Signal::Grouped | Signal::Start => {}
        }
        let mut word = [0];
        loop {
            match rustix::net::recv(self.channel, &mut word, RecvFlags::empty()) {
                Ok((1.., _)) if word == [signal as u8] => break,
                Ok((1.., _)) => return Err(Errno::PROTO.into()),
                Err(Errno::INTR) => {}
                Ok((0, _)) | Err(_) => exit_now(1),
            }
        }
        if signal == Signal::Mapped {
            withdraw();
        }
        Ok(())
    }

    /// Closes everything but the standard fds and the channel: a created container that waits, and what it becomes,
    /// holds nothing of the host (CVE-2024-21626).
    fn release(&mut self) -> Done {
        // Closed together below, not one by one here.
        std::mem::forget(std::mem::take(&mut self.handles));
        std::mem::forget(std::mem::take(&mut self.slots));
        self.grounds.leave();
        Ok(close_all_but(self.kept)?)
    }

    /// Loads the filter, and hands its listener over, if it has one.
    fn load_filter(&self, program: &[u8], flags: FilterFlags) -> Done {
        if !flags.contains(FilterFlags::NEW_LISTENER) {
            return Ok(tare_sys::load_filter(program, flags)?);
        }
        let listener = tare_sys::load_filter_with_listener(program, flags)?;
        Ok(report::send_listener(self.channel, listener.as_fd())?)
    }

    /// Makes a time namespace, sets its clocks while nobody is in it, and enters it: `unshare` concerns children only,
    /// and the first member freezes the offsets (time_namespaces(7)).
    fn make_time_namespace(&mut self, offsets: &[u8], file: Option<usize>) -> Done {
        tare_sys::unshare(CloneFlags::NEWTIME)?;
        if !offsets.is_empty() {
            match file {
                Some(slot) => {
                    let file = self
                        .slots
                        .get_mut(slot)
                        .and_then(Option::take)
                        .ok_or(Errno::BADF)?;
                    rustix::io::write(&file, offsets)?;
                }
                None => self.procfs()?.write_own(c"timens_offsets", offsets)?,
            }
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let path = c"/proc/self/ns/time_for_children";
        let made = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        Ok(rustix::thread::move_into_link_name_space(made.as_fd(), None)?)
    }

    /// A cgroup namespace of one's own for a while.
    fn borrow_cgroup_namespace(&mut self) -> Done {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let own = rustix::fs::openat(CWD, c"/proc/self/ns/cgroup", flags, Mode::empty())?;
        self.handles.cgroup_namespace = Some(own);
        Ok(tare_sys::unshare(CloneFlags::NEWCGROUP)?)
    }

    fn return_cgroup_namespace(&mut self) -> Done {
        let own = self.handles.cgroup_namespace.take().ok_or(Errno::BADF)?;
        Ok(rustix::thread::move_into_link_name_space(own.as_fd(), None)?)
    }

    fn open_handles(&mut self) -> Done {
        self.handles.procfs = Some(Procfs::open()?);
        let null = rustix::fs::openat(CWD, c"/dev/null", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let found = rustix::fs::fstat(&null)?;
        // A null device of our own, and nothing that was put in its place (CVE-2025-31133).
        let is_device =
            rustix::fs::FileType::from_raw_mode(found.st_mode) == rustix::fs::FileType::CharacterDevice;
        if !is_device || found.st_rdev != rustix::fs::makedev(1, 3) {
            return Err(Failure {
                errno: Errno::NODEV,
                detail: Detail::OtherDevice,
            });
        }
        self.handles.null = Some(null);
        Ok(())
    }

    fn procfs(&self) -> std::result::Result<&Procfs, Errno> {
        self.handles.procfs.as_ref().ok_or(Errno::BADF)
    }

    fn root(&self) -> std::result::Result<BorrowedFd<'_>, Errno> {
        self.handles.root.as_ref().map(AsFd::as_fd).ok_or(Errno::BADF)
    }

    fn write_own(&self, file: &std::ffi::CStr, data: &[u8], only_if_changed: bool) -> Done {
        let procfs = self.procfs()?;
        if only_if_changed {
            // Setting what is there already may need a right that is missing (CAP_SYS_RESOURCE).
            let mut now = [0; 32];
            let length = procfs.read_own(file, &mut now)?;
            if now.get(..length).is_some_and(|now| now.trim_ascii() == data) {
                return Ok(());
            }
        }
        match procfs.write_own(file, data) {
            // Before Linux 5.8 AppArmor has no directory of its own.
            Err(Errno::NOENT) if file == c"attr/apparmor/exec" => Ok(procfs.write_own(c"attr/exec", data)?),
            done => Ok(done?),
        }
    }
}

/// Becomes uid and gid 0 of the new user namespace, with all of its capabilities.
fn become_root() -> Done {
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    Ok(())
}

/// A session and a keyring of its own; modes are set as given from here on.
fn session(keyring: Option<&std::ffi::CStr>) -> Done {
    rustix::process::setsid()?;
    rustix::process::umask(Mode::empty());
    let Some(keyring) = keyring else {
        return Ok(());
    };
    match tare_sys::join_session_keyring(keyring) {
        // No keyrings, a filter around us, or a full quota: then there is none of ours to leak either, or it is
        // covered by the filter of the container.
        Ok(()) | Err(Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::DQUOT) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
