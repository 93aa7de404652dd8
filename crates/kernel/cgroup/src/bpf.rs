//! The five `bpf(2)` commands that a device policy needs.

#![expect(
    unsafe_code,
    reason = "bpf(2) has no safe wrapper; its attributes hold raw addresses"
)]

use crate::devices::program::Instruction;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, Result};

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const PROG_QUERY: libc::c_int = 16;

/// `BPF_PROG_TYPE_CGROUP_DEVICE` and `BPF_CGROUP_DEVICE`.
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;

/// `BPF_F_ALLOW_MULTI`: several programs in one group, all of which must allow.
const ALLOW_MULTI: u32 = 1 << 1;
/// `BPF_F_REPLACE` (Linux 5.6): put one program in the place of another, at once.
const REPLACE: u32 = 1 << 2;

/// The kernel allows 64 programs in one group (`BPF_CGROUP_MAX_PROGS`).
const PROGRAMS_MAX: usize = 64;

const LICENSE: &std::ffi::CStr = c"Apache-2.0";

#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct Attach {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
}

#[repr(C)]
#[derive(Default)]
struct Query {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Default)]
struct ById {
    prog_id: u32,
    next_id: u32,
    open_flags: u32,
}

/// Loads a program; it lives as long as an fd or a group refers to it.
pub(crate) fn load(code: &[Instruction]) -> Result<OwnedFd> {
    let mut attributes = Load {
        prog_type: TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(code.len()).map_err(|_| Errno::TOOBIG)?,
        insns: code.as_ptr().expose_provenance() as u64,
        license: LICENSE.as_ptr().expose_provenance() as u64,
        ..Load::default()
    };
    // SAFETY: the instructions and the licence outlive the call, their length is theirs, and the kernel copies both.
    let fd = unsafe { bpf(PROG_LOAD, &mut attributes) }?;
    own(fd)
}

/// Makes `program` the one device program of a group, whatever was attached to it before.
///
/// Where one program stands there already, it is replaced at once. Where several stand (made by others), the new
/// one comes first and the old ones go then: in between both apply, so that nothing is allowed that neither allows.
/// `attach` without flags after `attach` with `ALLOW_MULTI` (or the reverse) is refused by the kernel with `EPERM`
/// and leaves the old program alone in force; so the flags of what is there are asked first.
pub(crate) fn attach_only(group: BorrowedFd<'_>, program: &OwnedFd) -> Result<()> {
    let (flags, old) = attached(group)?;
    match old.as_slice() {
        [] => attach(group, program.as_fd(), ALLOW_MULTI, None),
        [one] if flags & ALLOW_MULTI != 0 => {
            let one = by_id(*one)?;
            attach(group, program.as_fd(), ALLOW_MULTI | REPLACE, Some(one.as_fd()))
        }
        // Exclusive or overridable: the kernel has one place and replaces by itself.
        _ if flags & ALLOW_MULTI == 0 => attach(group, program.as_fd(), flags, None),
        several => {
            attach(group, program.as_fd(), ALLOW_MULTI, None)?;
            for id in several {
                detach(group, by_id(*id)?.as_fd())?;
            }
            Ok(())
        }
    }
}

/// The flags and ids of the programs attached to a group itself.
pub(crate) fn attached(group: BorrowedFd<'_>) -> Result<(u32, Vec<u32>)> {
    let mut ids = vec![0_u32; PROGRAMS_MAX];
    let mut attributes = Query {
        target_fd: number(group),
        attach_type: ATTACH_CGROUP_DEVICE,
        prog_ids: ids.as_mut_ptr().expose_provenance() as u64,
        prog_cnt: 64,
        ..Query::default()
    };
    // SAFETY: the list of ids outlives the call and has room for the 64 ids that are asked for.
    unsafe { bpf(PROG_QUERY, &mut attributes) }?;
    ids.truncate(usize::try_from(attributes.prog_cnt).unwrap_or(PROGRAMS_MAX));
    Ok((attributes.attach_flags, ids))
}

/// Attaches a program beside or instead of others, as `flags` say.
pub(crate) fn attach(
    group: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    flags: u32,
    instead_of: Option<BorrowedFd<'_>>,
) -> Result<()> {
    let mut attributes = Attach {
        target_fd: number(group),
        attach_bpf_fd: number(program),
        attach_type: ATTACH_CGROUP_DEVICE,
        attach_flags: flags,
        replace_bpf_fd: instead_of.map(number).unwrap_or_default(),
    };
    // SAFETY: the attributes hold fd numbers only.
    unsafe { bpf(PROG_ATTACH, &mut attributes) }?;
    Ok(())
}

fn detach(group: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    let mut attributes = Attach {
        target_fd: number(group),
        attach_bpf_fd: number(program),
        attach_type: ATTACH_CGROUP_DEVICE,
        ..Attach::default()
    };
    // SAFETY: the attributes hold fd numbers only.
    unsafe { bpf(PROG_DETACH, &mut attributes) }?;
    Ok(())
}

fn by_id(id: u32) -> Result<OwnedFd> {
    let mut attributes = ById {
        prog_id: id,
        ..ById::default()
    };
    // SAFETY: the attributes hold numbers only.
    let fd = unsafe { bpf(PROG_GET_FD_BY_ID, &mut attributes) }?;
    own(fd)
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

fn own(fd: libc::c_long) -> Result<OwnedFd> {
    let fd = i32::try_from(fd).map_err(|_| Errno::BADF)?;
    // SAFETY: the kernel has just made this fd for us (close-on-exec, as every fd of bpf(2)), and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// # Safety
/// Every address in `attributes` must be valid for what `command` does with it.
unsafe fn bpf<T>(command: libc::c_int, attributes: &mut T) -> Result<libc::c_long> {
    let attributes: *mut T = attributes;
    let size = size_of::<T>();
    for _ in 0..32 {
        // SAFETY: the pointer and its size are those of one exclusive borrow; what it points at is the caller's duty.
        let done = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size) };
        if done >= 0 {
            return Ok(done);
        }
        let errno = std::io::Error::last_os_error();
        match Errno::from_io_error(&errno).unwrap_or(Errno::INVAL) {
            // The verifier gives up for a pending signal.
            Errno::AGAIN | Errno::INTR => {}
            errno => return Err(errno),
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(test)]
mod tests {
    //! How several programs in one group work together, observed; the reason for [`attach_only`].

    use super::*;
    use crate::devices::Policy;
    use crate::devices::program::assemble;
    use crate::{Group, GroupPath, Host};
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;
    use tare_kit::{Need, test};
    use tare_spec_oci::{DeviceKind, DeviceRule, Resources};

    fn program(allow: bool) -> OwnedFd {
        let rule = DeviceRule {
            allow,
            kind: DeviceKind::All,
            ..DeviceRule::default()
        };
        load(&assemble(&Policy::of(&[rule]).unwrap())).unwrap()
    }

    fn can_open(group: &Group) -> bool {
        let entrance = group.entrance().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", ": < /dev/zero"]);
        command.stderr(std::process::Stdio::null());
        // SAFETY: entering is write(2) on open files, which a forked child may do.
        unsafe { command.pre_exec(move || entrance.enter().map_err(Into::into)) };
        command.status().unwrap().success()
    }

    #[test]
    fn several_programs_in_one_group() {
        test(&[Need::Root, Need::Cgroup2], |_world| {
            let host = Host::current().unwrap();
            let path = GroupPath::parse("/tare/bpf").unwrap();
            let fresh = || Group::create(&host, &path, &Resources::default()).unwrap();
            let fd = |group: &Group| rustix::io::dup(group.clone_into().unwrap()).unwrap();

            // Exclusive first: a second one with ALLOW_MULTI is refused, and the first goes on alone. This is how
            // a denial gets lost whose attaching nobody checks.
            let group = fresh();
            attach(fd(&group).as_fd(), program(true).as_fd(), 0, None).unwrap();
            let second = attach(fd(&group).as_fd(), program(false).as_fd(), ALLOW_MULTI, None);
            assert_eq!(second, Err(Errno::PERM));
            assert!(can_open(&group));
            // Without flags it takes the first one's place.
            attach_only(fd(&group).as_fd(), &program(false)).unwrap();
            assert_eq!(attached(fd(&group).as_fd()).unwrap().1.len(), 1);
            assert!(!can_open(&group));

            // Several: all must allow, in whichever order they came; one replacement ends the crowd.
            let group = fresh();
            for allow in [true, false, true] {
                attach(fd(&group).as_fd(), program(allow).as_fd(), ALLOW_MULTI, None).unwrap();
            }
            assert_eq!(
                attached(fd(&group).as_fd()).unwrap(),
                (ALLOW_MULTI, attached(fd(&group).as_fd()).unwrap().1)
            );
            assert!(!can_open(&group));
            for allow in [true, false, true] {
                attach_only(fd(&group).as_fd(), &program(allow)).unwrap();
                assert_eq!(attached(fd(&group).as_fd()).unwrap().1.len(), 1);
                assert_eq!(can_open(&group), allow);
            }
            group.remove().unwrap();
        });
    }
}
