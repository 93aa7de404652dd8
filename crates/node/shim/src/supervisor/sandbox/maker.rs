//! The namespaces of a pod: made by a child that is born in them, and bound to names in the pod's folder.

use super::init;
use super::wish::Wish;
use crate::supervisor::SUPERVISORS;
use crate::supervisor::life::Life;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{fchdir, pivot_root};
use rustix::thread::{Gid, LinkNameSpaceType, Uid, move_into_link_name_space};
use std::ffi::CString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tare_cgroup::{Entrance, Group, GroupPath, Host};
use tare_error::{Context, Error, Kind, Result};
use tare_mount::{FileSystem, Options, attach, clone_tree_at};
use tare_process::{Child, Fork, Stamp, spawn};
use tare_sys::{CStrings, CloneFlags};

/// Their names in the folder, which are those of `/proc/PID/ns`.
pub(super) const UTS: &str = "uts";
pub(super) const IPC: &str = "ipc";
pub(super) const PID: &str = "pid";
pub(super) const NETWORK: &str = "net";
const ALL: [&str; 4] = [UTS, IPC, PID, NETWORK];

/// What statfs(2) says of a namespace.
const NAMESPACE: i64 = 0x6e73_6673;

/// Whom the init is: nobody.
const NOBODY: u32 = 65534;
/// What the init covers by its own root for a moment: a folder that every machine has.
const GROUND: &std::ffi::CStr = c"/dev";

/// What the child does, in this order, as it says where it failed.
const STEPS: [&str; 7] = [
    "enter the network namespace",
    "set the host name",
    "set a parameter of the kernel",
    "change the root of the init",
    "give up the rights of the init",
    "execute the init",
    "bring up loopback",
];

/// Everything that the child needs, made before it.
struct Prepared {
    network: Option<OwnedFd>,
    own_network: bool,
    hostname: Option<Vec<u8>>,
    /// Files below /proc/sys, and what is written there.
    parameters: Vec<(CString, Vec<u8>)>,
    init: Option<Prepare>,
    report: OwnedFd,
    go: OwnedFd,
}

struct Prepare {
    /// Into the group of all supervisors: nothing limits it there.
    group: Option<Group>,
    entrance: Option<Entrance>,
    program: OwnedFd,
    root: FileSystem,
    arguments: CStrings,
    environment: CStrings,
}

/// Makes the namespaces that are wanted, and binds them in the folder; the first process of a pid namespace, where there is one.
pub(super) fn make(wish: &Wish, folder: &Path) -> Result<Option<Life>> {
    if wish.bound().next().is_none() {
        return Ok(None);
    }
    match std::fs::create_dir(folder) {
        // A successor's, which mends it.
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        made => made.op("make folder", folder.display())?,
    }
    let (reports, report) = pipe_with(PipeFlags::CLOEXEC).op("make", "a pipe")?;
    let (go, hold) = pipe_with(PipeFlags::CLOEXEC).op("make", "a pipe")?;
    let prepared = Prepared {
        network: wish.network.as_deref().map(open).transpose()?,
        own_network: wish.own_network,
        hostname: (wish.uts && !wish.hostname.is_empty()).then(|| wish.hostname.clone().into_bytes()),
        parameters: parameters(wish)?,
        init: wish.pid.then(prepare).transpose()?,
        report,
        go,
    };
    let child = fork(wish, &prepared).op("make", "the namespaces of the pod")?;
    drop(prepared);
    let done = told(&reports).and_then(|()| bind(&child, wish, folder));
    drop(hold);
    match (done, wish.pid) {
        (Ok(()), true) => {
            let stamp = Stamp::of(child.pid.as_raw_pid())?;
            Ok(Some(Life::of_child(child, stamp)))
        }
        (done, _) => {
            child.kill_and_reap();
            done.map(|()| None)
        }
    }
}

/// Unbinds them, and removes the folder.
pub(super) fn unmake(folder: &Path) -> Result<()> {
    for name in ALL {
        let path = folder.join(name);
        match unmount(&path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
            Err(e) => return Err(e).op("unmount", path.display()),
        }
    }
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e).op("remove", folder.display()),
        _ => Ok(()),
    }
}

fn open(path: &Path) -> Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).op("open", path.display())
}

fn parameters(wish: &Wish) -> Result<Vec<(CString, Vec<u8>)>> {
    let file = |name: &String, value: &String| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let path = CString::new(path).map_err(|_| Error::new(Kind::Invalid, "set", name))?;
        Ok((path, value.clone().into_bytes()))
    };
    wish.parameters
        .iter()
        .map(|(name, value)| file(name, value))
        .collect()
}

fn prepare() -> Result<Prepare> {
    let options = [
        "size=0",
        "nr_inodes=1",
        "mode=555",
        "ro",
        "nosuid",
        "nodev",
        "noexec",
    ];
    let options = Options::parse(&options.map(str::to_owned));
    // Who may not go there stays where it is.
    let host = Host::current()?;
    let group = Group::open(&host, &GroupPath::parse(SUPERVISORS)?).ok();
    Ok(Prepare {
        entrance: group
            .as_ref()
            .and_then(|group| group.entrance_beside_clone().ok()),
        group,
        program: init::program()?,
        root: FileSystem::prepare("tmpfs", Some("tmpfs"), &options).op("prepare", "the root of the init")?,
        arguments: CStrings::new(vec![c"tare-init".to_owned()]),
        environment: CStrings::new(Vec::new()),
    })
}

fn fork(wish: &Wish, prepared: &Prepared) -> rustix::io::Result<Child> {
    let mut flags = CloneFlags::empty();
    flags.set(CloneFlags::NEWUTS, wish.uts);
    flags.set(CloneFlags::NEWIPC, wish.ipc);
    flags.set(CloneFlags::NEWNET, wish.own_network);
    // The init's root is its own, so that nobody who looks into it sees the machine's.
    flags.set(CloneFlags::NEWPID | CloneFlags::NEWNS, wish.pid);
    let program = prepared.init.as_ref().map(|init| init.program.as_fd());
    let entrance = prepared.init.as_ref().and_then(|init| init.entrance.as_ref());
    let group = prepared.init.as_ref().and_then(|init| init.group.as_ref());
    let network = prepared.network.as_ref().map(AsFd::as_fd);
    let keep: Vec<BorrowedFd<'_>> = [prepared.report.as_fd(), prepared.go.as_fd()]
        .into_iter()
        .chain(program)
        .chain(network)
        .chain(entrance.into_iter().flat_map(Entrance::files))
        .collect();
    let how = Fork {
        flags,
        group: group.and_then(Group::clone_into),
        keep: &keep,
    };
    spawn(&how, || match live(prepared) {
        Ok(()) => 0,
        Err((step, errno)) => {
            tell(&prepared.report, step, errno.raw_os_error());
            1
        }
    })
}

/// The life of the child. Allocates nothing.
fn live(prepared: &Prepared) -> std::result::Result<(), (u8, Errno)> {
    let at = |step: u8| move |errno| (step, errno);
    if let Some(network) = &prepared.network {
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).map_err(at(0))?;
    }
    if prepared.own_network {
        tare_sys::bring_up(c"lo").map_err(at(6))?;
    }
    if let Some(hostname) = &prepared.hostname {
        rustix::system::sethostname(hostname).map_err(at(1))?;
    }
    for (path, value) in &prepared.parameters {
        let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).map_err(at(2))?;
        rustix::io::write(&file, value).map_err(at(2))?;
    }
    let Some(init) = &prepared.init else {
        // Until its namespaces are bound, or there is nobody to bind them.
        tell(&prepared.report, u8::MAX, 0);
        let _ = rustix::io::read(&prepared.go, &mut [0]);
        return Ok(());
    };
    if let Some(entrance) = &init.entrance {
        let _ = entrance.enter();
    }
    change_root(&init.root).map_err(at(3))?;
    give_up_rights().map_err(at(4))?;
    tare_sys::leave_children_to_the_kernel();
    // Before Linux 5.11 it keeps /dev/null as its streams.
    let _ = tare_sys::close_range_on_exec(0, u32::MAX);
    Err((
        5,
        tare_sys::exec_fd(init.program.as_fd(), &init.arguments, &init.environment),
    ))
}

/// Leaves the machine's root for one in which there is nothing, and nothing can be.
fn change_root(root: &FileSystem) -> rustix::io::Result<()> {
    mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let root = root.make().map_err(|refused| refused.errno)?;
    let ground = rustix::fs::open(GROUND, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    attach(root.as_fd(), ground.as_fd())?;
    fchdir(&root)?;
    pivot_root(c".", c".")?;
    unmount(c".", UnmountFlags::DETACH)
}

/// Becomes nobody, without a way back.
fn give_up_rights() -> rustix::io::Result<()> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    rustix::thread::set_no_new_privs(true)?;
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)
}

fn tell(report: &OwnedFd, step: u8, errno: i32) {
    let [a, b, c, d] = errno.to_ne_bytes();
    let _ = rustix::io::write(report, &[step, a, b, c, d]);
}

/// What the child said: that it is ready, or, having executed the init, nothing.
fn told(reports: &OwnedFd) -> Result<()> {
    let mut said = [0; 5];
    let length = rustix::io::read(reports, &mut said).op("hear from", "a child")?;
    match said {
        _ if length == 0 => Ok(()),
        [u8::MAX, ..] => Ok(()),
        [step, a, b, c, d] => {
            let what = STEPS.get(usize::from(step)).copied().unwrap_or("make");
            let errno = Errno::from_raw_os_error(i32::from_ne_bytes([a, b, c, d]));
            Err(Error::os(what, "the pod", errno))
        }
    }
}

fn bind(child: &Child, wish: &Wish, folder: &Path) -> Result<()> {
    wish.bound()
        .try_for_each(|name| bind_one(child.pid.as_raw_pid(), name, folder))
}

/// Binds a namespace of a process in the folder.
fn bind_one(pid: i32, name: &str, folder: &Path) -> Result<()> {
    let path = folder.join(name);
    let source = CString::new(format!("/proc/{pid}/ns/{name}")).unwrap_or_default();
    let copy = clone_tree_at(CWD, &source, false).op("bind namespace", name)?;
    let mut place = std::fs::File::options();
    place
        .create(true)
        .append(true)
        .open(&path)
        .op("make", path.display())?;
    let place = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
    let place = rustix::fs::open(&place, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    attach(copy.as_fd(), place.op("open", path.display())?.as_fd()).op("bind namespace", name)
}

/// Binds again what is bound no longer: what a process of the pod's is in, else anew.
pub(super) fn mend(wish: &Wish, folder: &Path, member: Option<i32>) -> Result<()> {
    let is_bound =
        |name: &str| rustix::fs::statfs(folder.join(name)).is_ok_and(|found| found.f_type == NAMESPACE);
    let lost: Vec<&str> = wish.bound().filter(|name| !is_bound(name)).collect();
    if lost.is_empty() {
        return Ok(());
    }
    if let Some(pid) = member {
        return lost.into_iter().try_for_each(|name| bind_one(pid, name, folder));
    }
    let is_lost = |name: &str| lost.contains(&name);
    let parameters = wish
        .parameters
        .iter()
        .filter(|(name, _)| is_lost(if name.starts_with("net.") { NETWORK } else { IPC }));
    let anew = Wish {
        uts: is_lost(UTS),
        ipc: is_lost(IPC),
        own_network: is_lost(NETWORK),
        hostname: wish.hostname.clone(),
        parameters: parameters
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        ..Wish::default()
    };
    make(&anew, folder).map(drop)
}
