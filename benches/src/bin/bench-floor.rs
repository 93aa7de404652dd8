//! `bench-floor BUNDLE GROUP COMMAND ARG...`: the realistic container, made with the system calls that it takes and
//! nothing else: no document is read, no state is kept, nothing is checked that cannot fail here. It is what a runtime
//! could cost at best on a machine with cgroup v1. The root is BUNDLE/../rootfs, the filter BUNDLE/filter.

use rustix::fs::{CWD, FileType, Mode, OFlags, mkdirat, mknodat, openat, symlinkat};
use rustix::io::{Errno, Result, read, write};
use rustix::mount::{
    MountFlags as M, MountPropagationFlags as P, UnmountFlags, mount, mount_bind, mount_bind_recursive,
};
use rustix::mount::{mount_change, mount_remount, unmount};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, waitpid};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use tare_benches::realistic as real;

/// The version 1 hierarchies that runtimes make a group in.
const HIERARCHIES: [&str; 8] = [
    "cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids",
];
const GROUPS: &str = "/sys/fs/cgroup";
const NOSUID_NOEXEC_NODEV: M = M::NOSUID.union(M::NOEXEC).union(M::NODEV);
/// The last capability of Linux 6.18.
const LAST_CAPABILITY: u32 = 40;

fn main() -> ExitCode {
    let arguments: Vec<CString> = std::env::args_os()
        .skip(1)
        .filter_map(|a| CString::new(a.as_bytes()).ok())
        .collect();
    let [bundle, group, command @ ..] = arguments.as_slice() else {
        eprintln!("usage: bench-floor BUNDLE GROUP COMMAND ARG...");
        return ExitCode::from(2);
    };
    let bundle = bundle.to_string_lossy().into_owned();
    let group = group.to_string_lossy().into_owned();
    match run(&bundle, group.trim_start_matches('/'), command) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(255)),
        Err(errno) => {
            eprintln!("bench-floor: {errno}");
            ExitCode::from(125)
        }
    }
}

fn run(bundle: &str, group: &str, command: &[CString]) -> Result<i32> {
    let mut filter = vec![0; 4096 * 8];
    let length = read(open(&format!("{bundle}/filter"), OFlags::RDONLY)?, &mut filter)?;
    filter.truncate(length);
    make_groups(group)?;
    let (ready, go) = pipe_with(PipeFlags::CLOEXEC)?;
    let child = Child {
        bundle,
        group,
        command,
        filter: &filter,
        ready: &ready,
    };
    let pid = spawn(&child);
    let id = pid.as_raw_nonzero().to_string();
    for hierarchy in HIERARCHIES {
        put(&format!("{GROUPS}/{hierarchy}/{group}/cgroup.procs"), &id)?;
    }
    write(&go, b"x")?;
    let status = waitpid(Some(pid), WaitOptions::empty())?.map(|(_, status)| status);
    for hierarchy in HIERARCHIES {
        rustix::fs::rmdir(format!("{GROUPS}/{hierarchy}/{group}"))?;
    }
    Ok(status.and_then(|s| s.exit_status()).unwrap_or(128))
}

fn open(path: &str, flags: OFlags) -> Result<OwnedFd> {
    openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty())
}

fn put(path: &str, value: &str) -> Result<()> {
    write(open(path, OFlags::WRONLY)?, value.as_bytes()).map(drop)
}

fn make_groups(group: &str) -> Result<()> {
    let (shares, period, quota) = real::CPU;
    for hierarchy in HIERARCHIES {
        let folder = format!("{GROUPS}/{hierarchy}/{group}");
        mkdirat(CWD, folder.as_str(), Mode::from_bits_retain(0o755))?;
        let set = |file: &str, value: &str| put(&format!("{folder}/{file}"), value);
        match hierarchy {
            "cpu" => {
                set("cpu.shares", &shares.to_string())?;
                set("cpu.cfs_period_us", &period.to_string())?;
                set("cpu.cfs_quota_us", &quota.to_string())?;
            }
            "cpuset" => {
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    let mut value = [0; 256];
                    let of_parent = open(&format!("{GROUPS}/cpuset/{file}"), OFlags::RDONLY)?;
                    let length = read(of_parent, &mut value)?;
                    write(
                        open(&format!("{folder}/{file}"), OFlags::WRONLY)?,
                        &value[..length],
                    )?;
                }
            }
            "memory" => set("memory.limit_in_bytes", &real::MEMORY.to_string())?,
            "pids" => set("pids.max", &real::PIDS.to_string())?,
            "devices" => device_rules(&folder)?,
            _ => {}
        }
    }
    Ok(())
}

/// One file held open for all rules that allow: a rule is one write.
fn device_rules(folder: &str) -> Result<()> {
    put(&format!("{folder}/devices.deny"), "a")?;
    let allow = open(&format!("{folder}/devices.allow"), OFlags::WRONLY)?;
    for rule in real::DEFAULT_DEVICE_RULES {
        write(&allow, rule.as_bytes())?;
    }
    // Of docker's own rules the others are among those.
    write(&allow, b"c 5:1 rwm")?;
    Ok(())
}

/// What the child works with.
struct Child<'a> {
    bundle: &'a str,
    group: &'a str,
    command: &'a [CString],
    filter: &'a [u8],
    ready: &'a OwnedFd,
}

fn spawn(child: &Child<'_>) -> Pid {
    let flags =
        libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    let mut how = [0_u64; 8];
    how[0] = u64::from(flags.unsigned_abs());
    how[4] = u64::from(libc::SIGCHLD.unsigned_abs());
    // SAFETY: the arguments are a live clone_args of its first version and its size; without CLONE_VM the child has a
    // copy of this memory, and this process has one thread, so that the copy is whole.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, how.as_ptr(), size_of_val(&how)) };
    if pid == 0 {
        let why = become_it(child).expect_err("a program that ran");
        eprintln!("bench-floor: in the container: {why}");
        // SAFETY: ends this process at once; nothing of the parent's is flushed or dropped twice.
        unsafe { libc::_exit(125) };
    }
    i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a child")
}

/// Makes this process the container; returns only with an error.
fn become_it(child: &Child<'_>) -> Result<std::convert::Infallible> {
    rustix::process::setsid()?;
    rustix::process::umask(Mode::empty());
    rustix::system::sethostname(real::HOST_NAME.as_bytes())?;
    root(child)?;
    parameters()?;
    covers()?;
    rustix::process::umask(Mode::from_bits_retain(0o022));
    // The group is entered meanwhile.
    read(child.ready, &mut [0; 1])?;
    rights(child.filter)?;
    execute(child.command)
}

fn root(child: &Child<'_>) -> Result<()> {
    mount_change("/", P::DOWNSTREAM | P::REC)?;
    let root = format!("{}/../rootfs", child.bundle);
    mount_bind_recursive(&root, &root)?;
    rustix::process::chdir(&root)?;
    mount("proc", "proc", "proc", NOSUID_NOEXEC_NODEV, None)?;
    mount(
        "tmpfs",
        "dev",
        "tmpfs",
        M::NOSUID | M::STRICTATIME,
        Some(c"mode=755,size=65536k"),
    )?;
    for folder in ["dev/pts", "dev/shm", "dev/mqueue"] {
        mkdirat(CWD, folder, Mode::from_bits_retain(0o755))?;
    }
    mount(
        "devpts",
        "dev/pts",
        "devpts",
        M::NOSUID | M::NOEXEC,
        Some(c"newinstance,ptmxmode=0666,mode=0620,gid=5"),
    )?;
    mount("sysfs", "sys", "sysfs", NOSUID_NOEXEC_NODEV | M::RDONLY, None)?;
    group_view(child.group)?;
    mount("mqueue", "dev/mqueue", "mqueue", NOSUID_NOEXEC_NODEV, None)?;
    mount(
        "shm",
        "dev/shm",
        "tmpfs",
        NOSUID_NOEXEC_NODEV,
        Some(c"mode=1777,size=67108864"),
    )?;
    for name in real::FILES {
        mount_bind(format!("{}/{name}", child.bundle), format!("etc/{name}"))?;
    }
    nodes()?;
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")
}

fn group_view(group: &str) -> Result<()> {
    let read_only = NOSUID_NOEXEC_NODEV | M::RDONLY;
    mount(
        "tmpfs",
        "sys/fs/cgroup",
        "tmpfs",
        NOSUID_NOEXEC_NODEV,
        Some(c"mode=755"),
    )?;
    for hierarchy in HIERARCHIES {
        let inside = format!("sys/fs/cgroup/{hierarchy}");
        mkdirat(CWD, inside.as_str(), Mode::from_bits_retain(0o755))?;
        mount_bind(format!("{GROUPS}/{hierarchy}/{group}"), inside.as_str())?;
        mount_remount(inside.as_str(), M::BIND | read_only, "")?;
    }
    mount_remount("sys/fs/cgroup", read_only, "mode=755")
}

fn nodes() -> Result<()> {
    for (name, major, minor) in [
        ("null", 1, 3),
        ("zero", 1, 5),
        ("full", 1, 7),
        ("random", 1, 8),
        ("urandom", 1, 9),
        ("tty", 5, 0),
    ] {
        let number = rustix::fs::makedev(major, minor);
        mknodat(
            CWD,
            format!("dev/{name}"),
            FileType::CharacterDevice,
            Mode::from_bits_retain(0o666),
            number,
        )?;
    }
    for (to, name) in [
        ("/proc/self/fd", "dev/fd"),
        ("/proc/self/fd/0", "dev/stdin"),
        ("/proc/self/fd/1", "dev/stdout"),
        ("/proc/self/fd/2", "dev/stderr"),
        ("/proc/kcore", "dev/core"),
        ("pts/ptmx", "dev/ptmx"),
    ] {
        symlinkat(to, CWD, name)?;
    }
    Ok(())
}

fn parameters() -> Result<()> {
    put(
        "/proc/sys/net/ipv4/ip_unprivileged_port_start",
        real::PARAMETERS[0].1,
    )?;
    put("/proc/sys/net/ipv4/ping_group_range", real::PARAMETERS[1].1)
}

fn covers() -> Result<()> {
    for path in real::READ_ONLY {
        match mount_bind_recursive(path, path) {
            Err(Errno::NOENT) => {}
            done => {
                done?;
                mount_remount(path, M::BIND | M::RDONLY | NOSUID_NOEXEC_NODEV, "")?;
            }
        }
    }
    for path in real::MASKED {
        match mount_bind("/dev/null", path) {
            Err(Errno::NOTDIR) => mount("tmpfs", path, "tmpfs", M::RDONLY, None)?,
            Err(Errno::NOENT) => {}
            done => done?,
        }
    }
    Ok(())
}

fn rights(filter: &[u8]) -> Result<()> {
    let set = real::CAPABILITIES
        .iter()
        .fold(0_u64, |set, (_, number)| set | 1 << number);
    for number in (0..=LAST_CAPABILITY).filter(|n| set & (1 << n) == 0) {
        // SAFETY: prctl(2) with this operation takes a number and touches no memory.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) };
    }
    load(filter)?;
    // SAFETY: no supplementary groups: the pointer is not read when the length is zero.
    unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>()) };
    let set = CapabilitySet::from_bits_retain(set);
    set_capabilities(
        None,
        CapabilitySets {
            effective: set,
            permitted: set,
            inheritable: CapabilitySet::empty(),
        },
    )
}

fn load(filter: &[u8]) -> Result<()> {
    #[repr(C)]
    struct Program {
        length: u16,
        instructions: *const u8,
    }
    let program = Program {
        length: u16::try_from(filter.len() / 8).unwrap_or(0),
        instructions: filter.as_ptr(),
    };
    // SAFETY: SECCOMP_SET_MODE_FILTER (1) reads a sock_fprog whose instructions are in a live buffer.
    match unsafe { libc::syscall(libc::SYS_seccomp, 1, 0, &raw const program) } {
        0 => Ok(()),
        _ => Err(Errno::INVAL),
    }
}

fn execute(command: &[CString]) -> Result<std::convert::Infallible> {
    let arguments = pointers(command.iter().map(CString::as_c_str));
    let environment: Vec<CString> = real::ENVIRONMENT
        .iter()
        .filter_map(|v| CString::new(*v).ok())
        .collect();
    let environment = pointers(environment.iter().map(CString::as_c_str));
    let program = command.first().ok_or(Errno::NOENT)?;
    // SAFETY: marks fds from 3 on close-on-exec (4), all of this process; touches no memory.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 4) };
    // SAFETY: a path and two lists of strings that end with null, all alive.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    Err(Errno::NOEXEC)
}

fn pointers<'a>(strings: impl Iterator<Item = &'a CStr>) -> Vec<*const libc::c_char> {
    strings.map(CStr::as_ptr).chain([std::ptr::null()]).collect()
}
