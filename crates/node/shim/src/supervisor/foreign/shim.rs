//! A shim of version 2 that is not ours, as a handler of our own engine's: where it listens, who it is, and the bundle that it is
//! started in.
//!
//! ```text
//! <run>/foreign/ID/bundle/ID/   what the shim takes for its bundle, and its processes have as their working directory
//!   config.json                 the container's, without what would have it share a shim with others
//!   log                         /dev/null: shims write there what nobody could bound
//!   rootfs                      its mounts are the shim's
//! ```

use super::errand::STARTING;
use super::record::Record;
use crate::supervisor::upgrade::Bytes;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tare_error::{Context, Error, Kind, Result};
use tare_lifecycle::Bundle;
use tare_process::Stamp;
use tare_spec_containerd::bootstrap::BootstrapResult;
use tare_spec_containerd::{Any, BootstrapAnswer, Message, Service};
use tare_store::Durability;

/// The namespace that shims are told: ids are unique in it.
pub(super) const NAMESPACE: &str = "tare";
/// By which containers share a shim, which would outlive each of them.
const GROUPS: [&str; 2] = ["io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"];
/// The file of a configuration in its bundle, and the largest that is read.
const CONFIG: &str = "config.json";
const LARGEST: usize = 16 << 20;
/// The longest address: a socket's has 108 bytes.
const LONGEST_ADDRESS: usize = 120;

/// What is known of a container's shim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Shim {
    /// The name of the type of its options, and they themselves.
    pub(super) options: Option<(String, Bytes)>,
    /// Where containers of ours tell of events: our own socket.
    pub(super) events: PathBuf,
    /// Where it listens, once it has been started.
    pub(super) address: Option<Address>,
    /// Its process, where it is known.
    pub(super) process: Option<Stamp>,
    /// It is gone, and everything of the container with it.
    pub(super) is_over: bool,
}

/// Where a shim listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Address {
    /// A path; with `@` before it, a name without a file.
    pub(super) path: String,
    /// What it speaks: 3 for the task service's third version, else the second.
    pub(super) version: u32,
}

impl Address {
    pub(super) fn service(&self) -> &'static str {
        match self.version {
            0..=2 => Service::TaskV2.name(),
            _ => Service::TaskV3.name(),
        }
    }

    /// What a shim's `start` has said: a message, JSON, or the bare address.
    ///
    /// # Errors
    /// `Unsupported` for another protocol than ttrpc; `Corrupt` for everything else.
    pub(super) fn parse(said: &[u8], shim: &str) -> Result<Address> {
        let odd = |why: String| Error::new(Kind::Corrupt, "start", shim).because(why);
        let text = std::str::from_utf8(said).unwrap_or_default().trim();
        let answer = match text.as_bytes() {
            [b'{', ..] => serde_json::from_str::<BootstrapAnswer>(text)
                .map_err(|e| odd(format!("its answer is not an address: {e}")))?,
            [b'u', ..] | [b'/' | b'@', ..] => BootstrapAnswer {
                version: 2,
                address: text.to_owned(),
                protocol: "ttrpc".to_owned(),
            },
            _ => match BootstrapResult::decode(said) {
                Ok(result) if !result.address.is_empty() => BootstrapAnswer {
                    version: result.version.unsigned_abs(),
                    address: result.address,
                    protocol: result.protocol,
                },
                _ => return Err(odd("it said nothing that is an address".to_owned())),
            },
        };
        if !matches!(answer.protocol.as_str(), "" | "ttrpc") {
            return Err(Error::new(Kind::Unsupported, "start", shim).because(format!(
                "it speaks {:?}, and shims are spoken to in ttrpc",
                answer.protocol
            )));
        }
        let path = answer.address.strip_prefix("unix://").unwrap_or(&answer.address);
        let fine = path.starts_with(['/', '@']) && path.len() < LONGEST_ADDRESS && !path.contains('\0');
        if !fine || path.chars().any(char::is_control) {
            return Err(odd(format!(
                "it says that it listens at {path:?}, which is no socket's path"
            )));
        }
        Ok(Address {
            path: path.to_owned(),
            version: answer.version,
        })
    }
}

impl Shim {
    pub(in crate::supervisor) fn new(options: Option<&Any>, events: &Path) -> Shim {
        Shim {
            options: options.map(|any| (any.type_url.clone(), Bytes(any.value.clone()))),
            events: events.to_owned(),
            ..Shim::default()
        }
    }

    pub(super) fn options(&self) -> Option<Any> {
        let (type_url, value) = self.options.clone()?;
        Some(Any {
            type_url,
            value: value.0,
        })
    }

    /// Whether it has been started, and has the container still.
    pub(super) fn has_it(&self) -> bool {
        self.address.is_some() && !self.is_over
    }

    /// Whether its process is there. One that is not known is taken for gone.
    pub(super) fn lives(&self) -> bool {
        self.process
            .as_ref()
            .is_some_and(|stamp| stamp.runs().unwrap_or(false))
    }

    /// Takes the process that the shim says it is, if it is one that was started for this container: a number that anybody made
    /// up is nobody that we would ever end.
    pub(super) fn take_process(&mut self, pid: u32, bundle: &Path) {
        let pid = i32::try_from(pid).ok();
        let pid = pid.filter(|pid| is_in(*pid, bundle) || is_child(*pid));
        self.process = pid.and_then(|pid| Stamp::of(pid).ok());
    }
}

/// The command of a shim that is run in the bundle: `start` or `delete`.
pub(super) fn command(record: &Record, action: &'static str) -> Result<Command> {
    let Some(shim) = &record.shim else {
        return Err(Error::new(Kind::Internal, action, &record.id).because("it has no shim"));
    };
    let mut command = Command::new(&record.runtime.program);
    command
        .args(["-namespace", NAMESPACE, "-address"])
        .arg(&shim.events);
    // It does nothing there: events come over the connection, or not at all.
    let own = format!("/proc/{}/exe", std::process::id());
    command.args(["-publish-binary", &own, "-id", &record.id]);
    if action == "delete" {
        command.arg("-bundle").arg(&record.bundle);
    }
    command.arg(action).current_dir(&record.bundle);
    command.env("TTRPC_ADDRESS", &shim.events);
    command.env("GRPC_ADDRESS", &shim.events);
    command.env("NAMESPACE", NAMESPACE);
    command.env("MAX_SHIM_VERSION", "3").env("GOMAXPROCS", "2");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    if let Some(options) = shim.options().filter(|_| action == STARTING) {
        command.stdin(input(&options.encode_to_vec()).op("make", "the input of the shim")?);
    }
    Ok(command)
}

/// A file in memory that holds these bytes.
fn input(bytes: &[u8]) -> std::io::Result<Stdio> {
    let file = rustix::fs::memfd_create(c"options", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(file);
    file.write_all(bytes)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(Stdio::from(file))
}

/// Makes the bundle of a container for its shim.
pub(super) fn make_bundle(record: &Record, given: &Bundle) -> Result<()> {
    let bundle = &record.bundle;
    let rootfs = record.rootfs();
    for folder in [bundle, &rootfs] {
        let made = std::fs::DirBuilder::new()
            .mode(0o711)
            .recursive(true)
            .create(folder);
        made.op("make folder", folder.display())?;
    }
    let path = bundle.join(CONFIG);
    let failed = |e| Error::new(Kind::Internal, "write", path.display()).from_source(e);
    let source = given.path.join(CONFIG);
    let text = tare_store::read(&source, LARGEST).op("read", source.display())?;
    // As it was written, not as it is understood here.
    let mut spec: Value = serde_json::from_slice(&text).map_err(failed)?;
    if let Some(annotations) = spec.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|name, _| !GROUPS.contains(&name.as_str()));
    }
    if let Some(root) = spec.get_mut("root").and_then(Value::as_object_mut) {
        root.insert("path".to_owned(), "rootfs".into());
    }
    if let (Some(process), Some(known)) = (
        spec.get_mut("process").and_then(Value::as_object_mut),
        &given.spec.process,
    ) {
        process.insert("terminal".to_owned(), known.terminal.into());
        if let Some(score) = known.oom_score_adj {
            process.insert("oomScoreAdj".to_owned(), score.into());
        }
    }
    let text = serde_json::to_vec(&spec).map_err(failed)?;
    tare_store::replace(&path, Durability::Volatile, 0o600, &text)?;
    let log = bundle.join("log");
    std::os::unix::fs::symlink("/dev/null", &log).op("make", log.display())
}

/// Ends every process that was started for a container by its shim, or is that: its working directory says so.
pub(super) fn sweep(bundle: &Path) {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    for pid in pids.filter(|pid| is_in(*pid, bundle)) {
        let handle = Pid::from_raw(pid).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
        // Its number may have been given away between the two looks.
        if let Some(Ok(handle)) = handle
            && is_in(pid, bundle)
        {
            let _ = tare_signal::send(&handle, Signal::KILL.as_raw());
        }
    }
}

/// Whether this process takes in what that one is: whoever started it has ended.
fn is_child(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let parent = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().nth(1));
    parent.and_then(|parent| parent.parse().ok()) == Some(std::process::id())
}

fn is_in(pid: i32, bundle: &Path) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_in_every_form_that_shims_have() {
        let of = |path: &str, version| Address {
            path: path.to_owned(),
            version,
        };
        let message = BootstrapResult {
            version: 3,
            address: "unix:///run/s/3".to_owned(),
            protocol: "ttrpc".to_owned(),
            ..BootstrapResult::default()
        };
        for (said, expected) in [
            (
                b"unix:///run/containerd/s/1\n".to_vec(),
                of("/run/containerd/s/1", 2),
            ),
            (b"/run/s/2".to_vec(), of("/run/s/2", 2)),
            (
                br#"{"version":3,"address":"unix:///run/s/4","protocol":"ttrpc"}"#.to_vec(),
                of("/run/s/4", 3),
            ),
            (message.encode_to_vec(), of("/run/s/3", 3)),
        ] {
            assert_eq!(Address::parse(&said, "x").unwrap(), expected);
        }
        for (said, part) in [
            (b"".as_slice(), "it said nothing that is an address"),
            (b"panic: no", "it said nothing that is an address"),
            (b"usage of the shim", "which is no socket's path"),
            (b"unix://relative", "which is no socket's path"),
            (b"{}", "its answer is not an address"),
            (
                br#"{"version":3,"address":"unix:///run/s/4","protocol":"grpc"}"#,
                "it speaks \"grpc\"",
            ),
            (b"\xff\xfe\x00", "it said nothing that is an address"),
        ] {
            let told = tare_error::Report::new(&Address::parse(said, "x").unwrap_err()).to_string();
            assert!(told.contains(part), "{told}");
        }
    }
}
