//! A supervisor's first steps under containerd: it leaves everything of its starter's.

use super::arguments::{Arguments, Own};
use super::birth::{keep_from_the_oom_killer, leave_mount_namespace};
use super::foreign::{Strays, home_of};
use super::home::Home;
use super::journal::Journal;
use super::publisher::Publisher;
use super::record::ContainerRecord;
use super::sandbox::Sandbox;
use super::service::Service;
use super::upgrade;
use crate::entrance;
use crate::own;
use crate::pod::{Entry, PodDir};
use crate::record::SupervisorRecord;
use crate::signals::Signals;
use rustix::fd::OwnedFd;
use rustix::fs::Mode;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tare_error::{Context, Error, Kind, Report, Result};
use tare_logs::{Folder, Log};

/// Where everything lies that a reboot undoes.
const RUN: &str = "/run/tare";

/// Is the supervisor, until nobody needs it. Its listening socket is standard input; standard output is closed once it
/// serves, and gets the reason where it cannot.
pub(super) fn serve(arguments: &Arguments) -> Result<()> {
    // What is executed by its descriptor has that one's number for a name.
    rustix::thread::set_name(c"containerd-shim").op("name", "the supervisor")?;
    let service = match arguments.state {
        Some(state) => return upgrade::resume(arguments, state)?.run(),
        None => settle(arguments)?,
    };
    entrance::close_stdout()?;
    service.run()
}

/// Where the library keeps the containers of a namespace of containerd's.
pub(super) fn containers_home(namespace: &str) -> tare_lifecycle::Home {
    tare_lifecycle::Home::at(Path::new(RUN).join("containerd").join(namespace))
}

fn settle(arguments: &Arguments) -> Result<Service> {
    let listener = take_listener()?;
    let signals = Signals::of_supervisor()?;
    rustix::process::setsid().op("leave the session of", "the starter")?;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::chdir("/").op("change to", "/")?;
    let oom_score = keep_from_the_oom_killer();
    let mut service = service(arguments, listener, signals)?;
    // As runc's shim has it: containers end before their engine does. Our own starts a container with its own score.
    let later = i32::from(arguments.own.is_none());
    service.oom_score = oom_score.ok().map(|score| (score + later).min(1000));
    if (arguments.own.is_some() || host_mounts_arrive()?)
        && let Err(error) = leave_mount_namespace()
    {
        service.journal.note(Report::new(&error));
    }
    service.adopt();
    // Our own engine is there before us, and who comes to containers without being there is not.
    if arguments.own.is_some() {
        service.accept();
    }
    Ok(service)
}

/// A supervisor that keeps nothing yet, in its folder and its group.
pub(super) fn service(arguments: &Arguments, listener: OwnedFd, signals: Signals) -> Result<Service> {
    let Place {
        name,
        pod,
        address,
        containers_home,
        foreign_home,
    } = Place::of(arguments, &listener)?;
    let record = SupervisorRecord {
        alone: !pod.is_shared(),
        socket: Some(address.clone()),
        ..SupervisorRecord::own()?
    };
    pod.write(Entry::Supervisor, &record)?;
    let records = pod.containers()?.into();
    let mut journal = Journal::new(pod);
    let home = Home::enter(&name, |error| journal.note(Report::new(&error)));
    if home.scope().is_some() {
        journal.pod().write(Entry::Supervisor, &record.at(&home))?;
    }
    Ok(Service {
        arguments: arguments.clone(),
        address,
        containers_home,
        foreign_home,
        adopted: true,
        records,
        signals,
        listener,
        journal,
        publisher: Publisher::new(&arguments.namespace, events_address()),
        connections: Vec::new(),
        containers: Vec::new(),
        leaving: Vec::new(),
        held_up: Vec::new(),
        given_up: Vec::new(),
        strays: Strays::default(),
        upgrade: None,
        sandbox: None,
        namespace: arguments.namespace.as_str().into(),
        next: 0,
        oom_score: None,
        alone_since: Instant::now(),
        leave_by: None,
        keepers: Vec::new(),
        reapers: Vec::new(),
        health: Vec::new(),
    })
}

/// Where a supervisor keeps what is its own.
struct Place {
    /// By which its group is named.
    name: String,
    pod: PodDir,
    address: PathBuf,
    containers_home: tare_lifecycle::Home,
    foreign_home: PathBuf,
}

impl Place {
    fn of(arguments: &Arguments, listener: &OwnedFd) -> Result<Place> {
        if let Some(Own { pod, containers }) = &arguments.own {
            let pod = PodDir::open(pod)?;
            let name = pod.path().file_name().unwrap_or_default();
            return Ok(Place {
                name: name.to_string_lossy().into_owned(),
                address: pod.file(Entry::Socket),
                foreign_home: own::foreign_home(containers),
                containers_home: tare_lifecycle::Home::at(containers),
                pod,
            });
        }
        let name = name(&arguments.namespace, &arguments.id);
        Ok(Place {
            pod: pod(&name)?,
            address: socket_of(listener)?,
            containers_home: containers_home(&arguments.namespace),
            foreign_home: home_of(&arguments.namespace),
            name,
        })
    }
}

/// The folders of supervisors: of a pod, of a namespace and a group, or of all where none is named.
pub(super) fn pods_of(arguments: &Arguments) -> Result<Vec<(String, PodDir)>> {
    if let Some(own) = &arguments.own {
        return Ok(vec![(own.pod.display().to_string(), PodDir::open(&own.pod)?)]);
    }
    let pods = pods();
    let entries = match std::fs::read_dir(&pods) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.op("list", pods.display())?,
    };
    let wanted = |name: &str| match (arguments.namespace.as_str(), arguments.id.as_str()) {
        ("", "") => true,
        (namespace, "") => name.starts_with(&format!("{namespace}.")),
        ("", group) => name.ends_with(&format!(".{group}")),
        (namespace, group) => name == self::name(namespace, group),
    };
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| wanted(name)).collect();
    names.sort();
    let opened = names
        .into_iter()
        .filter_map(|name| PodDir::open(pods.join(&name)).ok().map(|pod| (name, pod)));
    Ok(opened.collect())
}

/// The name of a group's supervisor, its folder's and its cgroup's.
fn name(namespace: &str, group: &str) -> String {
    format!("{namespace}.{group}")
}

fn pods() -> PathBuf {
    Path::new(RUN).join("pods")
}

/// The folder of this supervisor's own: who it is, and what it found odd.
fn pod(name: &str) -> Result<PodDir> {
    let pods = pods();
    let mut private = std::fs::DirBuilder::new();
    let made = private.mode(0o700).recursive(true).create(&pods);
    made.op("make folder", pods.display())?;
    PodDir::create(pods.join(name))
}

/// The logs of a container whose supervisor is gone, held from now on.
pub(super) fn logs_left(namespace: &str, group: &str, id: &str) -> Vec<Log> {
    let pod = PodDir::open(pods().join(name(namespace, group)));
    let left = pod
        .ok()
        .filter(|pod| pod.supervisor_alive().is_ok_and(|lives| !lives));
    let folders = left.and_then(|pod| std::fs::read_dir(pod.streams().join(id)).ok());
    let folders = folders.into_iter().flatten().flatten();
    folders
        .filter_map(|entry| Log::adopt(Folder::at(entry.path())).ok())
        .collect()
}

/// Removes what the supervisor of a group has left of a container that is gone, where the supervisor is gone too; with the
/// last container, everything.
pub(super) fn bury(namespace: &str, group: &str, id: &str) -> Result<()> {
    let pod = match PodDir::open(pods().join(name(namespace, group))) {
        Ok(pod) => pod,
        Err(e) if e.kind() == Kind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    if pod.supervisor_alive()? {
        return Ok(());
    }
    let records = pod.containers()?;
    ContainerRecord::remove(&records, id)?;
    Folder::at(pod.streams().join(id)).remove()?;
    if !ContainerRecord::read_all(&records)?.is_empty() {
        return Ok(());
    }
    Sandbox::bury(pod.path())?;
    pod.end_orphan()?;
    pod.remove()
}

/// Takes the listening socket, which came in as stdin.
fn take_listener() -> Result<OwnedFd> {
    let listener = entrance::take_stdin()?;
    let listens = rustix::net::sockopt::socket_acceptconn(&listener);
    match listens {
        Ok(true) => Ok(listener),
        _ => Err(Error::new(Kind::Invalid, "take", "stdin")
            .because("it is no socket that listens")
            .hint("a supervisor is started by containerd, not by hand")),
    }
}

fn socket_of(listener: &OwnedFd) -> Result<PathBuf> {
    let address = rustix::net::getsockname(listener).op("look at", "the socket")?;
    let address = rustix::net::SocketAddrUnix::try_from(address).op("look at", "the socket")?;
    let path = address.path_bytes().unwrap_or_default();
    Ok(PathBuf::from(String::from_utf8_lossy(path).into_owned()))
}

/// Where containerd takes events.
#[expect(clippy::disallowed_methods, reason = "containerd says it in the environment")]
fn events_address() -> Option<PathBuf> {
    let address = std::env::var("TTRPC_ADDRESS")
        .ok()
        .filter(|address| !address.is_empty())?;
    Some(PathBuf::from(address.strip_prefix("unix://").unwrap_or(&address)))
}

/// Whether what is mounted on the host later would come into a copy of this mount namespace: a pod's network namespace and
/// volumes are mounted after its supervisor is born. Where nothing propagates the starter's own namespace is kept.
fn host_mounts_arrive() -> Result<bool> {
    let path = "/proc/self/mountinfo";
    let table = std::fs::read_to_string(path).op("read", path)?;
    let root = table.lines().find(|line| line.split(' ').nth(4) == Some("/"));
    Ok(root.is_some_and(|line| {
        let optional = line.split(' ').skip(6).take_while(|field| *field != "-");
        optional
            .into_iter()
            .any(|field| field.starts_with("shared:") || field.starts_with("master:"))
    }))
}
