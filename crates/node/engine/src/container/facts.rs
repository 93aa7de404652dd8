//! What contributors know besides the request: the image's configuration, the machine, and what was looked up.

use super::request::Capability;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tare_spec_oci::DeviceKind;

/// What an image says about how it is run. A type of its own: none of it is ever read as a command to the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// `Entrypoint`
    pub entrypoint: Vec<String>,
    /// `Cmd`
    pub command: Vec<String>,
    /// `Env`, as `NAME=value`.
    pub environment: Vec<String>,
    /// `WorkingDir`
    pub directory: Option<String>,
    /// `User`
    pub user: Option<String>,
    /// `Labels`
    pub labels: BTreeMap<String, String>,
    /// `Volumes`
    pub volumes: Vec<String>,
    /// `StopSignal`
    pub stop_signal: Option<String>,
    /// Set for the image inside the program alone: when `tare` started, nanoseconds since 1970.
    pub started: Option<u128>,
}

/// What the machine is and allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// Whether this runs in a user namespace of an ordinary user.
    pub rootless: bool,
    /// How many ids, from 0 upwards, exist in this user namespace.
    pub ids: u64,
    /// Capabilities this process may hand on, as bits.
    pub bounding: u64,
    /// Kernel version: major, minor.
    pub kernel: (u32, u32),
    /// Processors online.
    pub processors: u32,
    /// Hard limits of this process by the kernel's name.
    pub hard_limits: BTreeMap<&'static str, u64>,
    /// This process's own `oom_score_adj`.
    pub oom_score_adj: i32,
    /// Whether swap can be limited.
    pub swap_limit: bool,
    /// Whether AppArmor is active.
    pub apparmor: bool,
    /// Whether SELinux is active.
    pub selinux: bool,
    /// The machine's name.
    pub hostname: String,
}

impl HostFacts {
    /// Whether limits may be raised above the hard ones and oom scores lowered.
    pub fn may_exceed_limits(&self) -> bool {
        !self.rootless && self.bounding & Capability::SYS_RESOURCE.bit() != 0
    }
}

/// What was looked up for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// `/etc/passwd` of the image.
    pub passwd: Vec<u8>,
    /// `/etc/group` of the image.
    pub group: Vec<u8>,
    /// What mount sources on the host are.
    pub sources: BTreeMap<PathBuf, FileKind>,
    /// What mount targets in the image are, where they are there.
    pub targets: BTreeMap<PathBuf, FileKind>,
    /// Devices of the host, by the path they will have inside.
    pub devices: Vec<FoundDevice>,
    /// The seccomp profile file, where one was named.
    pub seccomp_profile: Vec<u8>,
    /// The machine's `/etc/hosts`.
    pub hosts: Vec<u8>,
    /// The machine's `/etc/resolv.conf`.
    pub resolv_conf: Vec<u8>,
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A directory.
    Directory,
    /// Anything else.
    File,
}

/// One device node of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDevice {
    /// Inside.
    pub target: PathBuf,
    /// Block or character.
    pub kind: DeviceKind,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Any of `r`, `w`, `m`.
    pub access: String,
}

impl FileKind {
    /// In words.
    pub fn noun(self) -> &'static str {
        match self {
            FileKind::Directory => "a directory",
            FileKind::File => "a file",
        }
    }
}

impl Found {
    /// What stands at `target` in the image, where something does.
    pub fn target(&self, target: &Path) -> Option<FileKind> {
        self.targets.get(target).copied()
    }
}

/// This machine's architecture in Go's words, which image documents use.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}
