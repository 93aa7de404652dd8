//! `start`: finds the supervisor of a container's group, or makes one, and says where it listens.

use super::arguments::Arguments;
use crate::failure;
use crate::own::SUPERVISOR;
use rustix::fd::OwnedFd;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tare_error::{Context, Error, Kind, Result};
use tare_spec_containerd::{BootstrapAnswer, StartInput};
use tare_ttrpc::{Client, Connection};

/// Where sockets are, unless containerd says otherwise.
const SOCKETS: &str = "/run/containerd/s";
/// The annotations that put containers into one group, the first that is there.
const GROUPS: [&str; 2] = ["io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"];
/// What people see in lists of processes.
pub(super) const PROGRAM: &str = "containerd-shim-tare-v2";
/// The largest configuration that is read.
const LARGEST: usize = 16 << 20;
/// The most that standard input may bring.
pub(super) const MOST_INPUT: u64 = 1 << 20;
/// How many connections may wait to be accepted.
const BACKLOG: i32 = 128;
/// How long somebody may take to answer.
const ANSWERING: Duration = Duration::from_secs(1);
/// How often another's socket may vanish between two looks.
const ATTEMPTS: usize = 10;

/// Finds or makes the supervisor; what is to be said on standard output.
pub(super) fn start(arguments: &Arguments) -> Result<String> {
    let input = input(arguments)?;
    let bundle = bundle(arguments)?;
    let group = group(arguments, &bundle)?;
    let asked = input
        .bootstrap
        .as_ref()
        .and_then(|params| params.socket_dir.as_deref());
    let path = address(arguments, asked, &group);
    if let Some(listener) = listen(&path)? {
        let made = spawn(arguments, &group, &path, listener);
        if made.is_err() {
            let _ = std::fs::remove_file(&path);
        }
        made?;
    }
    let address = format!("unix://{}", path.display());
    // For people, and for containerd 1.7, which finds the supervisor again by it.
    let _ = tare_store::replace(
        &bundle.join("address"),
        tare_store::Durability::Volatile,
        0o600,
        address.as_bytes(),
    );
    let answer = BootstrapAnswer {
        version: 3,
        address,
        protocol: "ttrpc".to_owned(),
    };
    serde_json::to_string(&answer)
        .map_err(|e| Error::new(Kind::Internal, "answer", "containerd").from_source(e))
}

/// The bundle: the working directory, unless it is named.
pub(super) fn bundle(arguments: &Arguments) -> Result<PathBuf> {
    match &arguments.bundle {
        Some(path) => std::path::absolute(path).op("find", path.display()),
        None => std::env::current_dir().op("find", "the working directory"),
    }
}

fn input(arguments: &Arguments) -> Result<StartInput> {
    let mut bytes = Vec::new();
    // A closed or unreadable one says nothing, and containerd has then nothing to say.
    let _ = std::io::stdin().lock().take(MOST_INPUT).read_to_end(&mut bytes);
    StartInput::parse(&bytes, &arguments.id, &arguments.namespace)
        .map_err(|e| Error::new(Kind::Invalid, "read", "the options on standard input").from_source(e))
}

/// The group that a configuration names, else the id; a sandbox may have no configuration yet.
pub(super) fn group(arguments: &Arguments, bundle: &Path) -> Result<String> {
    #[derive(Deserialize)]
    struct Annotated {
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    }
    let path = bundle.join("config.json");
    let text = match tare_store::read(&path, LARGEST) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(arguments.id.clone()),
        text => text.op("read", path.display())?,
    };
    let found: Annotated = serde_json::from_slice(&text)
        .map_err(|e| Error::new(Kind::Invalid, "read", path.display()).from_source(e))?;
    let mut annotations = found.annotations;
    let mut named = GROUPS.iter().filter_map(|name| annotations.remove(*name));
    Ok(named
        .find(|group| !group.is_empty())
        .unwrap_or_else(|| arguments.id.clone()))
}

/// The socket of a group. Its name is a digest, so that it is short whatever the names are.
pub(super) fn address(arguments: &Arguments, folder: Option<&str>, group: &str) -> PathBuf {
    let folder = folder.filter(|folder| !folder.is_empty()).unwrap_or(SOCKETS);
    let name = Path::new(&arguments.address)
        .join(&arguments.namespace)
        .join(group);
    let digest = Sha256::digest(name.as_os_str().as_encoded_bytes());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Path::new(folder).join(digest)
}

/// Listens at a path; none where somebody answers there already.
fn listen(path: &Path) -> Result<Option<OwnedFd>> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut private = std::fs::DirBuilder::new();
    let made = private.mode(0o700).recursive(true).create(folder);
    made.op("make folder", folder.display())?;
    let name = SocketAddrUnix::new(path).op("listen at", path.display())?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = || {
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .op("make the socket", path.display())
    };
    for _ in 0..ATTEMPTS {
        let listener = socket()?;
        let before = rustix::process::umask(Mode::XUSR | Mode::RWXG | Mode::RWXO);
        let bound = rustix::net::bind(&listener, &name);
        rustix::process::umask(before);
        match bound {
            Ok(()) => {
                rustix::net::listen(&listener, BACKLOG).op("listen at", path.display())?;
                return Ok(Some(listener));
            }
            Err(Errno::ADDRINUSE) => {}
            Err(e) => return Err(e).op("listen at", path.display()),
        }
        let there = socket()?;
        match rustix::net::connect(&there, &name) {
            Ok(()) if !answers(there) => {}
            Ok(()) | Err(Errno::AGAIN) => return Ok(None),
            // Its owner is gone.
            Err(Errno::CONNREFUSED | Errno::NOENT) => match std::fs::remove_file(path) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e).op("remove", path.display()),
                _ => {}
            },
            Err(e) => return Err(e).op("connect to", path.display()),
        }
    }
    Err(Error::new(Kind::Unavailable, "listen at", path.display()).because("others come and go there"))
}

/// Whether somebody serves there. A supervisor that was killed may have left a child on its way into a container, which holds the
/// socket for another moment: whoever came then would be cut off. One that is there and does not answer is there.
fn answers(there: OwnedFd) -> bool {
    let since = Instant::now();
    let stream = UnixStream::from(there);
    if stream.set_nonblocking(false).is_err() {
        return true;
    }
    let mut connection = Connection::over(stream, Client::new());
    // Nobody has such a method, which is an answer too.
    let answer = connection.call::<()>(SUPERVISOR, "Greet", &(), Some(ANSWERING));
    !matches!(answer, Err(e) if e.kind() == Kind::Unavailable) || since.elapsed() >= ANSWERING
}

/// Starts the supervisor, and waits until it has come to itself: what it says before is why it could not.
fn spawn(arguments: &Arguments, group: &str, path: &Path, listener: OwnedFd) -> Result<()> {
    let (ours, its) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).op("make", "a pipe")?;
    let mut child = Command::new("/proc/self/exe")
        .arg0(PROGRAM)
        .args(arguments.of_supervisor(group, path))
        .stdin(Stdio::from(listener))
        .stdout(Stdio::from(its))
        .stderr(Stdio::null())
        .spawn()
        .op("start", "the supervisor")?;
    let mut said = String::new();
    std::fs::File::from(ours)
        .take(MOST_INPUT)
        .read_to_string(&mut said)
        .op("hear from", "the supervisor")?;
    if said.is_empty() {
        return Ok(());
    }
    let _ = child.wait();
    Err(failure::heard("start", &"the supervisor", said.trim()))
}
