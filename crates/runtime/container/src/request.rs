//! What the caller asks for, and what the plan must know about the host.

use crate::landlock::Landlock;
use rustix::fd::BorrowedFd;
use rustix::process::geteuid;
use std::path::{Path, PathBuf};
use tare_error::{Context, Result};
use tare_mount::mount_lines;
use tare_spec_oci::{Mount, Spec};
use tare_sys::FilterFlags;

/// One container to make.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its id; names its keyring and appears in errors.
    pub id: &'a str,
    /// Its configuration.
    pub spec: &'a Spec,
    /// The directory that relative paths of the configuration start from; absolute.
    pub bundle: &'a Path,
    /// The mounts that make its root, in order (one overlay, say); empty means a bind of `spec.root.path`.
    pub rootfs: &'a [Mount],
    /// Its standard input, output and error.
    pub stdio: Stdio<'a>,
    /// A cgroup v2 directory to be born into.
    pub group: Option<BorrowedFd<'a>>,
    /// Files of cgroup v1 directories (`tasks`) to which the process writes `0` to enter by itself. That waits for
    /// nothing, while being moved by another process waits for an RCU grace period (10 ms here).
    pub entrances: &'a [BorrowedFd<'a>],
    /// Its system call filter, compiled; `spec.linux.seccomp` itself is not read here.
    pub seccomp: Option<Filter<'a>>,
    /// What is out of the ordinary.
    pub options: Options<'a>,
}

/// What is out of the ordinary about a container; the default is that nothing is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// A listening socket of records (`SOCK_SEQPACKET`), at which the created container waits to be started by another
    /// process ([`crate::Waiting`]); without one [`crate::Creation::start`] starts it.
    pub gate: Option<BorrowedFd<'a>>,
    /// Fds that the program gets under the same numbers, besides 0, 1 and 2; without `FD_CLOEXEC`.
    pub passed: &'a [BorrowedFd<'a>],
    /// A file with the container's state, which hooks inside the container read as their standard input. The caller
    /// writes it before [`crate::Creation::go_on`], and again before the start.
    pub hook_state: Option<BorrowedFd<'a>>,
    /// Whether the process stays in the caller's session keyring.
    pub shared_keyring: bool,
    /// Whether the process enters a container that is there (exec): the namespaces that the configuration names are all
    /// joined, nothing is mounted, and its root is the one it finds.
    pub enters: bool,
    /// The root of the container that is entered, where its mount namespace is not its own (`/proc/PID/root`): there the
    /// root that a process finds is the host's.
    pub root: Option<BorrowedFd<'a>>,
    /// Whether the root is moved over `/` and entered, for hosts whose root cannot be pivoted (an initial ramfs).
    pub without_pivot: bool,
    /// Whether its terminal hands on line ends as they are written: whoever reads them passes them on to a terminal of its
    /// own.
    pub plain_lines: bool,
    /// Whether the process keeps the supplementary groups of the caller, in place of those of the configuration.
    pub keeps_groups: bool,
    /// Whether the caller moves the process into a group below the one it is in, once it has its cgroup namespace:
    /// [`crate::Stage::Delegation`].
    pub delegates: bool,
    /// Where hooks inside the container write their standard output and error to; nowhere, where there is none.
    pub hook_output: [Option<BorrowedFd<'a>>; 2],
    /// By which option a file system gets `linux.mountLabel`.
    pub label_option: LabelOption,
    /// What confines the process and all that come from it, besides the configuration.
    pub landlock: Option<&'a Landlock>,
    /// Where the process that enters ([`Options::enters`]) does nothing but change what is mounted: `spec.mounts` are
    /// added or removed once it is [`crate::Stage::Created`], and it is dropped then.
    pub change: Option<Change>,
}

/// How the mounts of a container that is there change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// They are mounted.
    Add,
    /// What is mounted at their destinations is unmounted.
    Remove,
}

/// The option of a file system by which it is labelled (mount(8), "context=").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelOption {
    /// All its files have the label, whatever they say of themselves.
    #[default]
    Context,
    /// The file system itself has it.
    FsContext,
    /// Files without a label have it.
    DefContext,
    /// Its top directory has it.
    RootContext,
}

impl LabelOption {
    /// The option's name.
    pub fn as_str(self) -> &'static str {
        match self {
            LabelOption::Context => "context",
            LabelOption::FsContext => "fscontext",
            LabelOption::DefContext => "defcontext",
            LabelOption::RootContext => "rootcontext",
        }
    }
}

/// Where a container's standard input, output and error lead.
#[derive(Clone, Copy, Debug)]
pub enum Stdio<'a> {
    /// To these.
    Fds {
        /// Standard input.
        stdin: BorrowedFd<'a>,
        /// Standard output.
        stdout: BorrowedFd<'a>,
        /// Standard error.
        stderr: BorrowedFd<'a>,
    },
    /// To a terminal of the container's own devpts; [`crate::Creation::take_terminal`] gives its other end.
    Terminal,
}

/// A compiled system call filter.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// Classic BPF in the kernel's layout, 8 bytes an instruction.
    pub program: &'a [u8],
    /// How it is loaded.
    pub flags: FilterFlags,
}

/// What the plan must know about the host. Pure data, so that plans can be made for any host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// Whether this process has not the rights of the machine's root: it is in a user namespace of limited ids, or is an
    /// ordinary user, whose container gets one (rootless). Then device nodes are bound
    /// from the host, sysfs of the host's network namespace is bound, overlay marks are `user.` attributes.
    pub user_namespace: bool,
    /// How many group ids that user namespace maps.
    pub mapped_groups: u64,
    /// How cgroups are mounted.
    pub cgroups: Cgroups,
    /// Whether overlay takes layers one by one (`lowerdir+`, Linux 6.7). Where this turns out wrong, the child falls
    /// back by itself.
    pub overlay_append: bool,
    /// Where resctrl is mounted, if it is.
    pub resctrl: Option<PathBuf>,
    /// Whether SELinux labels what is mounted and executed; without it labels mean nothing and are left out.
    pub selinux: bool,
    /// Whether AppArmor confines what is executed; without it profiles mean nothing and are left out.
    pub apparmor: bool,
    /// The version of the kernel's Landlock; 0 where it has none, and where nobody asked ([`HostFacts::read_for`]).
    pub landlock: u32,
    /// Where procfs and sysfs are mounted. A container without a pivot keeps the host's tree below its own; the kernel lets
    /// it mount new ones without any mask as long as one of the host's is there, so they go. Empty where a container
    /// pivots: see [`HostFacts::with_kernel_views`].
    pub kernel_views: Vec<PathBuf>,
}

/// How cgroups are mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cgroups {
    /// One hierarchy, version 2.
    V2,
    /// Several of version 1 (perhaps with an unlimited version 2 beside them); each by what `/proc/self/cgroup` calls
    /// it: `cpu,cpuacct`, `name=systemd`.
    V1(Vec<String>),
}

impl HostFacts {
    /// Reads them from `/proc`.
    ///
    /// # Errors
    /// Where `/proc` cannot be read.
    pub fn read() -> Result<HostFacts> {
        let read = |path| read(path).op("read", path);
        Ok(HostFacts {
            user_namespace: !geteuid().is_root() || is_limited(&read("/proc/self/uid_map")?),
            mapped_groups: mapped(&read("/proc/self/gid_map")?),
            cgroups: Cgroups::read()?,
            overlay_append: true,
            resctrl: HostFacts::find_resctrl(),
            selinux: Path::new("/sys/fs/selinux/enforce").exists(),
            apparmor: read("/sys/module/apparmor/parameters/enabled")
                .is_ok_and(|enabled| enabled.starts_with('Y')),
            landlock: 0,
            kernel_views: Vec::new(),
        })
    }
}

impl HostFacts {
    /// Reads them with what only some containers need.
    ///
    /// # Errors
    /// Where `/proc` cannot be read.
    pub fn read_for(options: &Options<'_>) -> Result<HostFacts> {
        let mut facts = HostFacts::read()?;
        if options.without_pivot {
            facts = facts.with_kernel_views()?;
        }
        if options.landlock.is_some() {
            facts.landlock = HostFacts::find_landlock();
        }
        Ok(facts)
    }

    /// The version of the kernel's Landlock; 0 where it has none.
    pub fn find_landlock() -> u32 {
        tare_sys::landlock_version().unwrap_or(0)
    }

    /// Adds where procfs and sysfs are mounted, for a container without a pivot.
    ///
    /// # Errors
    /// Where `/proc` cannot be read.
    pub fn with_kernel_views(self) -> Result<HostFacts> {
        let path = "/proc/thread-self/mountinfo";
        let kernel_views = kernel_views(&read(path).op("read", path)?);
        Ok(HostFacts { kernel_views, ..self })
    }

    /// Where resctrl is mounted, if it is: one look.
    pub fn find_resctrl() -> Option<PathBuf> {
        let mounted = Path::new("/sys/fs/resctrl/schemata").exists();
        mounted.then(|| PathBuf::from("/sys/fs/resctrl"))
    }
}

impl Cgroups {
    /// Whether version 2 is mounted where everybody looks for cgroups.
    pub fn are_unified() -> bool {
        /// `CGROUP2_SUPER_MAGIC`.
        const MAGIC: i64 = 0x6367_7270;
        rustix::fs::statfs("/sys/fs/cgroup").is_ok_and(|found| found.f_type == MAGIC)
    }

    /// What is mounted where everybody looks for it: version 2 alone, whatever hierarchies the kernel has besides; else
    /// what the kernel lists.
    fn read() -> Result<Cgroups> {
        if Cgroups::are_unified() {
            return Ok(Cgroups::V2);
        }
        let path = "/proc/self/cgroup";
        Ok(Cgroups::parse(&read(path).op("read", path)?))
    }

    /// Reads the text of `/proc/self/cgroup` (`7:blkio:/path`; `0::/path` is version 2).
    pub fn parse(text: &str) -> Cgroups {
        let named = text.lines().filter_map(|line| line.split(':').nth(1));
        let hierarchies: Vec<String> = named.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if hierarchies.is_empty() {
            Cgroups::V2
        } else {
            Cgroups::V1(hierarchies)
        }
    }
}

/// The mount points of procfs and sysfs in the text of `mountinfo` (proc_pid_mountinfo(5)), the latest first.
fn kernel_views(mountinfo: &str) -> Vec<PathBuf> {
    let lines = mount_lines(mountinfo).into_iter().rev();
    let views = lines.filter(|line| ["proc", "sysfs"].contains(&line.file_system));
    views.map(|line| line.at).collect()
}

/// Reads one of the kernel's short files.
fn read(path: &str) -> std::io::Result<String> {
    const MOST: usize = 1 << 20;
    Ok(String::from_utf8_lossy(&tare_store::read(path, MOST)?).into_owned())
}

/// How many ids a `gid_map` maps.
fn mapped(gid_map: &str) -> u64 {
    gid_map
        .lines()
        .filter_map(|l| l.split_whitespace().nth(2)?.parse::<u64>().ok())
        .sum()
}

/// Whether a `uid_map` maps less than everything.
fn is_limited(uid_map: &str) -> bool {
    let fields: Vec<&str> = uid_map.split_whitespace().collect();
    fields != ["0", "0", "4294967295"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroup_lines_tell_the_layout() {
        assert_eq!(Cgroups::parse("0::/user.slice\n"), Cgroups::V2);
        let text = "9:name=systemd:/\n4:memory:/a:b\n3:cpu,cpuacct:/\n0::/\n";
        let hierarchies = ["name=systemd", "memory", "cpu,cpuacct"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(Cgroups::parse(text), Cgroups::V1(hierarchies));
    }

    #[test]
    fn views_of_the_kernel_are_found() {
        let text = "21 42 0:39 / /dev rw - devtmpfs none rw\n22 42 0:22 / /sys rw - sysfs sys rw\n\
                    23 42 0:5 / /a\\040b rw shared:1 - proc proc rw\n";
        assert_eq!(kernel_views(text), [PathBuf::from("/a b"), PathBuf::from("/sys")]);
    }

    #[test]
    fn mapped_ids_are_counted() {
        assert_eq!(mapped("0 1000 1\n1 100000 65536\n"), 65537);
    }

    #[test]
    fn only_the_whole_map_is_unlimited() {
        assert!(!is_limited("         0          0 4294967295\n"));
        assert!(is_limited("0 1000 1\n1 100000 65536\n"));
    }
}
