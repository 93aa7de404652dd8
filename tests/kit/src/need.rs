//! What a test may need of the machine, and how its absence is counted.

use crate::bed;
use crate::fixture::Fixture;
use crate::machine;
use rustix::process::geteuid;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Something a test cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Effective user 0 with the right to make namespaces and mounts.
    Root,
    /// User namespaces, `newuidmap` and `newgidmap`.
    Userns,
    /// The memory, pids and cpu controllers of cgroup version 1.
    Cgroup1,
    /// A cgroup2 tree, with or without controllers.
    Cgroup2,
    /// The memory, pids and cpu controllers of cgroup version 2, in the group that this process is in.
    Cgroup2Controllers,
    /// The overlay filesystem.
    Overlay,
    /// The `nft` program and the kernel's nf_tables.
    Nft,
    /// A kernel whose Landlock has ports and scopes (version 6, Linux 6.12).
    Landlock,
    /// A /dev/kvm that opens.
    Kvm,
    /// A /dev/fuse that opens.
    Fuse,
    /// The `criu` program.
    Criu,
    /// A systemd to boot in namespaces, and a cgroup2 tree to boot it in: for [`crate::test_under_systemd`].
    Systemd,
    /// The same with a systemd that knows cgroup version 1, and its hierarchies: for [`crate::test_under_systemd_v1`].
    SystemdV1,
    /// A clock that may be set: no machine's but the virtual one's, where `TARE_KIT_IN=machine` has every test run.
    Clock,
    /// qemu, and the machine that it is to boot: for [`crate::test_in_machine`].
    Vm,
    /// The supervisor of an earlier commit beside the programs of this build: `packaging/earlier` makes it, in the soak.
    Earlier,
    /// A program on the search path.
    Program(&'static str),
    /// Something that tests/fixtures/NAME makes; it is made when a test first asks.
    Fixture(&'static str),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::Program(name) => write!(f, "program {name}"),
            Need::Fixture(name) => write!(f, "fixture {name}"),
            other => f.write_str(&format!("{other:?}").to_lowercase()),
        }
    }
}

impl Need {
    /// Why this machine does not have it; none where it does.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        match self {
            Need::Root => (!geteuid().is_root()).then(|| "not root".to_owned()),
            Need::Userns => first([
                no_file("/proc/self/ns/user"),
                no_program("newuidmap"),
                no_program("newgidmap"),
            ]),
            Need::Cgroup1 => ["memory", "pids", "cpu"].iter().find_map(|name| {
                let bound = lines("/proc/self/cgroup").any(|line| {
                    line.split(':')
                        .nth(1)
                        .is_some_and(|l| l.split(',').any(|c| c == *name))
                });
                (!bound).then(|| format!("the {name} controller is not on a cgroup v1 hierarchy"))
            }),
            Need::Cgroup2 => {
                let mounted = lines("/proc/self/mountinfo").any(|line| line.contains(" - cgroup2 "));
                (!mounted).then(|| "no cgroup2 is mounted".to_owned())
            }
            Need::Cgroup2Controllers => {
                let listed: Vec<String> = lines("/sys/fs/cgroup/cgroup.controllers").collect();
                let listed = listed.join(" ");
                ["memory", "pids", "cpu"].iter().find_map(|name| {
                    let there = listed.split(' ').any(|c| c == *name);
                    (!there).then(|| format!("the {name} controller is not on a cgroup2 tree"))
                })
            }
            Need::Overlay => (!lines("/proc/filesystems").any(|line| line.ends_with("\toverlay")))
                .then(|| "the kernel has no overlay filesystem loaded".to_owned()),
            Need::Nft => no_program("nft"),
            Need::Landlock => landlock(6),
            Need::Kvm => no_device("/dev/kvm"),
            Need::Fuse => no_device("/dev/fuse"),
            Need::Criu => no_program("criu"),
            Need::Systemd => first([Need::Root, Need::Cgroup2, Need::Overlay].map(Need::missing))
                .or_else(|| Fixture::named(bed::FIXTURE).missing()),
            Need::SystemdV1 => first([Need::Root, Need::Cgroup1, Need::Overlay].map(Need::missing))
                .or_else(|| Fixture::named(bed::FIXTURE_V1).missing()),
            Need::Vm => no_program("qemu-system-x86_64")
                .or_else(|| no_program("mke2fs"))
                .or_else(|| Fixture::named(machine::FIXTURE).missing()),
            Need::Clock => Some("it is everybody's here; TARE_KIT_IN=machine has another".to_owned()),
            Need::Earlier => no_earlier(),
            Need::Program(name) => no_program(name),
            Need::Fixture(name) => Fixture::named(name).missing(),
        }
    }
}

fn first<const N: usize>(reasons: [Option<String>; N]) -> Option<String> {
    reasons.into_iter().flatten().next()
}

fn lines(path: &str) -> impl Iterator<Item = String> {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

fn no_file(path: &str) -> Option<String> {
    (!Path::new(path).exists()).then(|| format!("there is no {path}"))
}

fn no_earlier() -> Option<String> {
    let exe = std::env::current_exe().ok()?;
    let built = exe.ancestors().nth(2)?.join("earlier/commit");
    let reason = "packaging/earlier has not built it, which make soak calls";
    (!built.is_file()).then(|| reason.to_owned())
}

fn no_device(path: &str) -> Option<String> {
    let opened = std::fs::File::options().read(true).write(true).open(path);
    opened.err().map(|e| format!("{path}: {e}"))
}

fn no_program(name: &str) -> Option<String> {
    program(name)
        .is_none()
        .then(|| format!("there is no program {name}"))
}

/// Whether the kernel's Landlock is of this version at least: no file tells, and no program of Debian's.
#[expect(
    unsafe_code,
    reason = "the call is the only way to ask, and the kit links nothing of ours"
)]
fn landlock(wanted: i64) -> Option<String> {
    /// `landlock_create_ruleset(2)`.
    const CREATE_RULESET: i64 = 444;
    /// `LANDLOCK_CREATE_RULESET_VERSION`.
    const VERSION: i64 = 1;
    unsafe extern "C" {
        fn syscall(number: i64, ...) -> i64;
    }
    // SAFETY: with this flag the call takes no structure, makes nothing and returns a number (landlock_create_ruleset(2)).
    let version = unsafe { syscall(CREATE_RULESET, std::ptr::null::<u8>(), 0_usize, VERSION) };
    (version < wanted).then(|| format!("the kernel's Landlock is of version {}", version.max(0)))
}

/// Where the search path has this program; /sbin and /usr/sbin are always looked into.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin"])
        .map(|folder| Path::new(folder).join(name))
        .find(|p| p.is_file())
}

/// Says and counts that a test was skipped. `make test` names a file for the count.
pub(crate) fn skip(test: &str, need: Need, reason: &str) {
    eprintln!("SKIPPED {test}: needs {need}: {reason}");
    let Some(path) = std::env::var_os("TARE_KIT_SKIPS") else {
        return;
    };
    let mut file = std::fs::File::options()
        .append(true)
        .create(true)
        .open(&path)
        .expect("open the list of skipped tests");
    // One write per line: tests of several processes append at the same time.
    file.write_all(format!("{need}\t{test}: {reason}\n").as_bytes())
        .expect("write the list of skipped tests");
}
