//! A program of its own, which the tests compile for the machine's dynamic C library: what they are linked with may be
//! static and unable to open a shared library. It does as it is told by lines on its input, one answer a line:
//!
//! ```text
//! resolve ARCH NAME                     the number of a call, negative where there is none
//! init ACTION | add ARCH | remove ARCH  a new filter; its architectures
//! rule ACTION NUMBER [ARGUMENT OPERATOR A B]...
//! export                                the instructions, in hexadecimal
//! ```
//! Numbers are decimal; answers are the library's results. Exit status 3: there is no libseccomp.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::io::{BufRead, Read, Write};
use std::os::fd::AsRawFd;

unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// `struct scmp_arg_cmp`.
#[repr(C)]
struct Comparison {
    argument: c_uint,
    operator: c_uint,
    a: u64,
    b: u64,
}

/// The functions of `seccomp.h` that are used.
struct Library {
    init: unsafe extern "C" fn(u32) -> *mut c_void,
    release: unsafe extern "C" fn(*mut c_void),
    arch_add: unsafe extern "C" fn(*mut c_void, u32) -> c_int,
    arch_remove: unsafe extern "C" fn(*mut c_void, u32) -> c_int,
    resolve: unsafe extern "C" fn(u32, *const c_char) -> c_int,
    rule_add: unsafe extern "C" fn(*mut c_void, u32, c_int, c_uint, *const Comparison) -> c_int,
    attribute: unsafe extern "C" fn(*mut c_void, c_int, u32) -> c_int,
    export: unsafe extern "C" fn(*mut c_void, c_int) -> c_int,
}

fn symbol<T: Copy>(library: *mut c_void, name: &CStr) -> T {
    // SAFETY: the library stays open; the name is a C string.
    let found = unsafe { dlsym(library, name.as_ptr()) };
    assert!(!found.is_null() && size_of::<T>() == size_of::<*mut c_void>(), "{name:?}");
    // SAFETY: the symbol is a function of the type that seccomp.h declares for this name.
    unsafe { std::mem::transmute_copy::<*mut c_void, T>(&found) }
}

fn open() -> Option<Library> {
    // SAFETY: opens a shared library by name; 2 is RTLD_NOW.
    let library = unsafe { dlopen(c"libseccomp.so.2".as_ptr(), 2) };
    if library.is_null() {
        return None;
    }
    let api_set: unsafe extern "C" fn(c_uint) -> c_int = symbol(library, c"seccomp_api_set");
    // SAFETY: takes a level; 6 knows every action, whatever this kernel does.
    assert_eq!(unsafe { api_set(6) }, 0);
    Some(Library {
        init: symbol(library, c"seccomp_init"),
        release: symbol(library, c"seccomp_release"),
        arch_add: symbol(library, c"seccomp_arch_add"),
        arch_remove: symbol(library, c"seccomp_arch_remove"),
        resolve: symbol(library, c"seccomp_syscall_resolve_name_arch"),
        rule_add: symbol(library, c"seccomp_rule_add_array"),
        attribute: symbol(library, c"seccomp_attr_set"),
        export: symbol(library, c"seccomp_export_bpf"),
    })
}

fn main() {
    let Some(library) = open() else { std::process::exit(3) };
    let mut context = std::ptr::null_mut();
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready").unwrap();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["resolve", arch, name] => library.resolve(number(arch), name).to_string(),
            ["init", action] => {
                context = library.start(context, number(action));
                "0".to_owned()
            }
            // SAFETY: a filter was begun; the architecture is checked by the library.
            ["add", arch] => unsafe { (library.arch_add)(context, number(arch)) }.to_string(),
            // SAFETY: as above.
            ["remove", arch] => unsafe { (library.arch_remove)(context, number(arch)) }.to_string(),
            ["rule", action, call, ref rest @ ..] => library.rule(context, action, call, rest).to_string(),
            ["export"] => library.text(context),
            _ => panic!("{line}"),
        };
        writeln!(out, "{answer}").unwrap();
        out.flush().unwrap();
    }
}

fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse().unwrap_or_else(|_| panic!("{word}"))
}

impl Library {
    fn resolve(&self, arch: u32, name: &str) -> c_int {
        let name = CString::new(name).unwrap();
        // SAFETY: a C string that lives through the call.
        unsafe { (self.resolve)(arch, name.as_ptr()) }
    }

    fn start(&self, old: *mut c_void, action: u32) -> *mut c_void {
        if !old.is_null() {
            // SAFETY: the old filter is not used any more.
            unsafe { (self.release)(old) };
        }
        // SAFETY: any action is allowed; the result is checked.
        let context = unsafe { (self.init)(action) };
        assert!(!context.is_null());
        // SAFETY: the filter is live; 8 is SCMP_FLTATR_CTL_OPTIMIZE, 2 the binary tree, as runc sets it.
        unsafe { (self.attribute)(context, 8, 2) };
        context
    }

    fn rule(&self, context: *mut c_void, action: &str, call: &str, rest: &[&str]) -> c_int {
        let comparisons: Vec<_> = rest
            .chunks_exact(4)
            .map(|c| Comparison {
                argument: number(c[0]),
                operator: number(c[1]),
                a: number(c[2]),
                b: number(c[3]),
            })
            .collect();
        let count = comparisons.len() as c_uint;
        // SAFETY: the filter is live, and the array has as many elements as is said.
        unsafe { (self.rule_add)(context, number(action), number(call), count, comparisons.as_ptr()) }
    }

    fn text(&self, context: *mut c_void) -> String {
        // A program is at most 32 KiB, and a pipe holds 64.
        let (mut reader, writer) = std::io::pipe().unwrap();
        // SAFETY: the filter is live and the descriptor open.
        assert_eq!(unsafe { (self.export)(context, writer.as_raw_fd()) }, 0);
        drop(writer);
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }
}
