//! The bed of a test: private namespaces, a scratch root with busybox, and a run that gathers output.

use rustix::fd::{AsFd, OwnedFd};
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::Pid;
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tare_container::{Creation, Filter, FilterFlags, HostFacts, Landlock, Request, Stdio};
use tare_error::{Error, Report};
use tare_spec_oci::{Mount, Spec};
use tare_sys::CloneFlags;

/// Enters namespaces of its own and puts a tmpfs on the scratch place, so that nothing of a test outlives it.
pub(crate) fn enter() {
    let all = CloneFlags::NEWNS
        | CloneFlags::NEWNET
        | CloneFlags::NEWIPC
        | CloneFlags::NEWUTS
        | CloneFlags::NEWCGROUP;
    tare_sys::unshare(all).unwrap();
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).unwrap();
    rustix::mount::mount("tmpfs", "/mnt", "tmpfs", MountFlags::empty(), c"mode=755").unwrap();
}

/// A scratch bundle.
pub(crate) struct Bed {
    pub(crate) bundle: PathBuf,
    pub(crate) spec: Value,
    pub(crate) rootfs: Vec<Mount>,
    pub(crate) seccomp: Option<Vec<u8>>,
    pub(crate) filter_flags: FilterFlags,
    pub(crate) facts: HostFacts,
    pub(crate) group: Option<OwnedFd>,
    pub(crate) landlock: Option<Landlock>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
}

impl Bed {
    /// A root with busybox and its usual directories, and a configuration like docker's.
    pub(crate) fn new() -> Bed {
        Bed::at(PathBuf::from("/mnt/bundle"))
    }

    /// The same, in a place that the caller may write.
    pub(crate) fn at(bundle: PathBuf) -> Bed {
        make_root(&bundle.join("rootfs"));
        Bed {
            bundle,
            spec: docker_like(),
            rootfs: Vec::new(),
            seccomp: None,
            filter_flags: FilterFlags::empty(),
            facts: HostFacts::read().unwrap(),
            group: None,
            landlock: None,
        }
    }

    /// Sets a member of the configuration by JSON pointer.
    pub(crate) fn set(&mut self, pointer: &str, value: Value) -> &mut Bed {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        self.spec.pointer_mut(parent).unwrap()[name] = value;
        self
    }

    /// Adds a mount.
    pub(crate) fn mount(&mut self, kind: &str, source: &str, at: &str, options: &str) -> &mut Bed {
        let options: Vec<&str> = options.split(',').filter(|o| !o.is_empty()).collect();
        let mount = json!({"destination": at, "type": kind, "source": source, "options": options});
        self.spec["mounts"].as_array_mut().unwrap().push(mount);
        self
    }

    /// Runs a shell script inside and gathers its output.
    pub(crate) fn sh(&mut self, script: &str) -> Ended {
        self.try_run(&["/bin/sh", "-c", script])
            .unwrap_or_else(|e| panic!("{}", Report::new(&e).with_chain()))
    }

    /// Runs a command inside; the error is the creation's.
    pub(crate) fn try_run(&mut self, args: &[&str]) -> Result<Ended, Error> {
        let null = fs::File::open("/dev/null").unwrap();
        self.run_from(&null, args)
    }

    fn run_from(&mut self, stdin: &fs::File, args: &[&str]) -> Result<Ended, Error> {
        let (output, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let stdio = Stdio::Fds {
            stdin: stdin.as_fd(),
            stdout: theirs.as_fd(),
            stderr: theirs.as_fd(),
        };
        let running = self.begin(args, stdio).and_then(Creation::run);
        drop(theirs);
        let running = running?;
        let mut text = String::new();
        fs::File::from(output).read_to_string(&mut text).unwrap();
        let status = running.process.wait().unwrap();
        Ok(Ended {
            code: status.exit_status(),
            output: text,
        })
    }

    /// Begins a creation.
    pub(crate) fn begin(&mut self, args: &[&str], stdio: Stdio<'_>) -> Result<Creation, Error> {
        self.begin_with(args, stdio, |_| Ok(()))
    }

    /// Begins a creation of nothing much, with a function that attaches.
    pub(crate) fn begin_attaching(
        &mut self,
        attach: impl FnOnce(Pid) -> Result<(), Error>,
    ) -> Result<Creation, Error> {
        let null = fs::File::open("/dev/null").unwrap();
        let stdio = Stdio::Fds {
            stdin: null.as_fd(),
            stdout: null.as_fd(),
            stderr: null.as_fd(),
        };
        self.begin_with(&["true"], stdio, attach)
    }

    fn begin_with(
        &mut self,
        args: &[&str],
        stdio: Stdio<'_>,
        attach: impl FnOnce(Pid) -> Result<(), Error>,
    ) -> Result<Creation, Error> {
        self.set("/process/args", json!(args));
        let spec: Spec = serde_json::from_value(self.spec.clone()).unwrap();
        let request = Request {
            id: "test",
            spec: &spec,
            bundle: &self.bundle,
            rootfs: &self.rootfs,
            stdio,
            group: self.group.as_ref().map(AsFd::as_fd),
            entrances: &[],
            seccomp: self.seccomp.as_deref().map(|program| Filter {
                program,
                flags: self.filter_flags,
            }),
            options: tare_container::Options {
                landlock: self.landlock.as_ref(),
                ..Default::default()
            },
        };
        Creation::begin(&request, &self.facts, attach)
    }

    /// Looks at a container that is created and waits.
    pub(crate) fn while_created<T>(&mut self, args: &[&str], look: impl FnOnce(i32) -> T) -> T {
        let null = fs::File::open("/dev/null").unwrap();
        let stdio = Stdio::Fds {
            stdin: null.as_fd(),
            stdout: null.as_fd(),
            stderr: null.as_fd(),
        };
        let mut creation = self.begin(args, stdio).unwrap();
        creation.wait_created().unwrap();
        look(creation.pid().as_raw_nonzero().get())
    }

    /// As [`Bed::error`], where the host's null device cannot be used for standard input.
    pub(crate) fn error_without_null(&mut self, args: &[&str]) -> String {
        let stdin = fs::File::open("/dev/zero").unwrap();
        let e = self.run_from(&stdin, args).unwrap_err();
        Report::new(&e).with_hint().to_string()
    }

    /// The error that a command ends in, as a person reads it.
    pub(crate) fn error(&mut self, args: &[&str]) -> String {
        match self.try_run(args) {
            Ok(ended) => panic!("it ran: {ended:?}"),
            Err(e) => Report::new(&e).with_hint().to_string(),
        }
    }
}

/// Puts busybox and the usual directories into a new root.
pub(crate) fn make_root(root: &Path) {
    for directory in ["bin", "dev", "etc", "proc", "sys", "tmp", "root", "usr/bin"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    if root.join("bin/busybox").exists() {
        return;
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for name in [
        "sh", "cat", "ls", "id", "true", "stat", "mount", "readlink", "hostname", "ip", "touch", "mknod",
        "tty", "sleep", "grep", "umask",
    ] {
        symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
}

/// A configuration like docker's default, without network.
fn docker_like() -> Value {
    let capabilities: Vec<String> =
        "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP \
        NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
            .split_whitespace()
            .map(|c| format!("CAP_{c}"))
            .collect();
    json!({
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs"},
        "hostname": "first",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "cwd": "/",
            "args": [],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "noexec", "nodev"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]},
        ],
        "linux": {
            "namespaces": [{"type": "mount"}, {"type": "network"}, {"type": "uts"}, {"type": "pid"}, {"type": "ipc"}, {"type": "cgroup"}],
            "maskedPaths": ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}
