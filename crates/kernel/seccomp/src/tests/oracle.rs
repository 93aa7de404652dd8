//! libseccomp, opened at run time where it is installed: what it makes of a policy is what ours must equal.
#![expect(unsafe_code, reason = "a C library is called; only tests do")]

use crate::Call;
use crate::action::Verdict;
use crate::interpret::run;
use crate::program::Instruction;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::io::{Read, Seek};
use std::os::fd::AsRawFd;
use tare_spec_oci::{Arch, Operator, Seccomp, SyscallRule};

/// The library's functions.
pub(super) struct Oracle {
    init: unsafe extern "C" fn(u32) -> *mut c_void,
    release: unsafe extern "C" fn(*mut c_void),
    arch_add: unsafe extern "C" fn(*mut c_void, u32) -> c_int,
    arch_remove: unsafe extern "C" fn(*mut c_void, u32) -> c_int,
    resolve: unsafe extern "C" fn(u32, *const c_char) -> c_int,
    rule_add: unsafe extern "C" fn(*mut c_void, u32, c_int, c_uint, *const Comparison) -> c_int,
    attribute: unsafe extern "C" fn(*mut c_void, c_int, u32) -> c_int,
    export: unsafe extern "C" fn(*mut c_void, c_int) -> c_int,
}

/// `struct scmp_arg_cmp`.
#[repr(C)]
struct Comparison {
    argument: c_uint,
    operator: c_uint,
    a: u64,
    b: u64,
}

/// What libseccomp made of a policy.
pub(super) struct Made {
    pub(super) instructions: Vec<Instruction>,
}

impl Made {
    /// The verdict, and how many instructions it took.
    pub(super) fn verdict(&self, call: &Call) -> (Verdict, usize) {
        let (value, steps) = run(&self.instructions, call).unwrap();
        (Verdict::from_return(value), steps)
    }
}

fn symbol<T: Copy>(library: *mut c_void, name: &CStr) -> Option<T> {
    // SAFETY: the library stays open for the life of the process; the name is a C string.
    let found = unsafe { libc::dlsym(library, name.as_ptr()) };
    assert_eq!(size_of::<T>(), size_of::<*mut c_void>());
    // SAFETY: a symbol's address is a function pointer of the type that seccomp.h declares for the name.
    (!found.is_null()).then(|| unsafe { std::mem::transmute_copy::<*mut c_void, T>(&found) })
}

impl Oracle {
    /// Opens the library; says so where it is missing, so that a skipped comparison is seen.
    pub(super) fn open() -> Option<Oracle> {
        // SAFETY: opening libseccomp runs no code of its own beyond the loader's.
        let library = unsafe { libc::dlopen(c"libseccomp.so.2".as_ptr(), libc::RTLD_NOW) };
        if library.is_null() {
            println!("SKIPPED: need libseccomp.so.2 (Debian: libseccomp2) to compare with");
            return None;
        }
        let api_set: unsafe extern "C" fn(c_uint) -> c_int = symbol(library, c"seccomp_api_set")?;
        // SAFETY: declared as int seccomp_api_set(unsigned int); level 6 knows every action, whatever this kernel does.
        assert_eq!(unsafe { api_set(6) }, 0);
        Some(Oracle {
            init: symbol(library, c"seccomp_init")?,
            release: symbol(library, c"seccomp_release")?,
            arch_add: symbol(library, c"seccomp_arch_add")?,
            arch_remove: symbol(library, c"seccomp_arch_remove")?,
            resolve: symbol(library, c"seccomp_syscall_resolve_name_arch")?,
            rule_add: symbol(library, c"seccomp_rule_add_array")?,
            attribute: symbol(library, c"seccomp_attr_set")?,
            export: symbol(library, c"seccomp_export_bpf")?,
        })
    }

    /// Whether the library's table has a call as the kernel's headers have it, on all architectures compared. An older
    /// library lacks the newest calls.
    pub(super) fn knows(&self, name: &str, on: &[Arch]) -> bool {
        let ours = crate::syscalls::Syscall::named(name);
        on.iter().all(|&arch| {
            let ours = ours.and_then(|c| c.number(&crate::arch::Interface::of(arch)?));
            match self.number(token(arch), name) {
                // Carried by socketcall or ipc: the library resolves these when a rule is added.
                Some(-224..=-100) => true,
                theirs => theirs.and_then(|n| u32::try_from(n).ok()) == ours,
            }
        })
    }

    /// -1 is no call at all, other negative numbers are calls of other architectures.
    fn number(&self, arch: u32, name: &str) -> Option<c_int> {
        let name = CString::new(name).unwrap();
        // SAFETY: the argument is a C string that lives through the call.
        let number = unsafe { (self.resolve)(arch, name.as_ptr()) };
        (number != -1).then_some(number)
    }

    /// Builds the policy as runc does. Absent where the library refuses a rule that contradicts another.
    pub(super) fn make(&self, policy: &Seccomp, native: Arch) -> Option<Made> {
        let default = Verdict::of(policy.default_action, policy.default_errno_ret, "")
            .unwrap()
            .to_return();
        // SAFETY: any action value is allowed; the result is checked.
        let context = unsafe { (self.init)(default) };
        assert!(!context.is_null());
        let made = self.fill(context, policy, native, default);
        // SAFETY: the context came from init and is not used after this.
        unsafe { (self.release)(context) };
        made
    }

    fn fill(&self, context: *mut c_void, policy: &Seccomp, native: Arch, default: u32) -> Option<Made> {
        if native != Arch::X86_64 {
            // SAFETY: the context is live; 0 is the native architecture, this test's machine.
            assert_eq!(unsafe { (self.arch_remove)(context, 0) }, 0);
        }
        for arch in [native].iter().chain(&policy.architectures) {
            // SAFETY: the context is live; an architecture that is there already (EEXIST) is no harm.
            unsafe { (self.arch_add)(context, token(*arch)) };
        }
        // SAFETY: the context is live; 8 is SCMP_FLTATR_CTL_OPTIMIZE, 2 the binary tree, as runc sets it.
        unsafe { (self.attribute)(context, 8, 2) };
        for rule in &policy.syscalls {
            let action = Verdict::of(rule.action, rule.errno_ret, "").unwrap().to_return();
            if action != default && !self.add(context, rule, action) {
                return None;
            }
        }
        Some(self.read(context, native))
    }

    fn add(&self, context: *mut c_void, rule: &SyscallRule, action: u32) -> bool {
        let comparisons: Vec<_> = rule.args.iter().map(comparison).collect();
        rule.names
            .iter()
            .filter_map(|name| self.number(token(Arch::X86_64), name))
            .all(|number| {
                let count = c_uint::try_from(comparisons.len()).unwrap();
                // SAFETY: the context is live and the array has as many elements as is said.
                unsafe { (self.rule_add)(context, action, number, count, comparisons.as_ptr()) == 0 }
            })
    }

    fn read(&self, context: *mut c_void, native: Arch) -> Made {
        // SAFETY: the name is a C string; the result is checked by File's first use.
        let fd = unsafe { libc::memfd_create(c"bpf".as_ptr(), libc::MFD_CLOEXEC) };
        // SAFETY: the descriptor is new and nobody else's.
        let mut file = unsafe { <std::fs::File as std::os::fd::FromRawFd>::from_raw_fd(fd) };
        // SAFETY: the context is live and the descriptor open.
        assert_eq!(unsafe { (self.export)(context, file.as_raw_fd()) }, 0);
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        let big = big(native);
        let half = |b: [u8; 2]| {
            if big {
                u16::from_be_bytes(b)
            } else {
                u16::from_le_bytes(b)
            }
        };
        let word = |b: [u8; 4]| {
            if big {
                u32::from_be_bytes(b)
            } else {
                u32::from_le_bytes(b)
            }
        };
        let instruction = |b: &[u8]| Instruction {
            code: half([b[0], b[1]]),
            yes: b[2],
            no: b[3],
            k: word([b[4], b[5], b[6], b[7]]),
        };
        Made {
            instructions: bytes.chunks_exact(8).map(instruction).collect(),
        }
    }
}

pub(super) fn big(arch: Arch) -> bool {
    crate::arch::Interface::of(arch).unwrap().big_endian
}

fn comparison(arg: &tare_spec_oci::Arg) -> Comparison {
    let operator = match arg.op {
        Operator::Ne => 1,
        Operator::Lt => 2,
        Operator::Le => 3,
        Operator::Eq => 4,
        Operator::Ge => 5,
        Operator::Gt => 6,
        Operator::MaskedEq => 7,
    };
    Comparison {
        argument: arg.index,
        operator,
        a: arg.value,
        b: arg.value_two,
    }
}

/// libseccomp's number of an architecture: the kernel's, but x32's, which has none of its own.
fn token(arch: Arch) -> u32 {
    match arch {
        Arch::X32 => 0x4000_003e,
        _ => crate::arch::Interface::of(arch).unwrap().token,
    }
}
