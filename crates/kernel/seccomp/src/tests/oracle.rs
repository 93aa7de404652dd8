//! libseccomp where it is installed: what it makes of a policy is what ours must equal.

use crate::Call;
use crate::action::Verdict;
use crate::interpret::run;
use crate::program::Instruction;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use tare_spec_oci::{Arch, Arg, Operator, Seccomp, SyscallRule};

/// A running `oracle/libseccomp.rs`.
pub(super) struct Oracle {
    child: Child,
    pipes: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
    numbers: RefCell<HashMap<(u32, String), i32>>,
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

/// Compiles the helper once a process, for the host and its dynamic C library, with the compiler that made this test.
/// Only the open file is kept, so that nothing is left behind.
fn helper() -> Option<&'static File> {
    static MADE: OnceLock<Option<File>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("tare-seccomp-oracle-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let program = folder.join("oracle");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/oracle/libseccomp.rs");
        let mut rustc = Command::new(Path::new(env!("CARGO")).with_file_name("rustc"));
        let made = rustc
            .args(["--edition", "2024", "-o"])
            .arg(&program)
            .arg(source)
            .output();
        let file = made
            .ok()
            .filter(|m| m.status.success())
            .and_then(|_| File::open(&program).ok());
        std::fs::remove_dir_all(&folder).unwrap();
        file
    });
    made.as_ref()
}

impl Oracle {
    /// Starts the library's program; says so where it cannot, so that a skipped comparison is seen.
    pub(super) fn open() -> Option<Oracle> {
        let Some(helper) = helper() else {
            println!("SKIPPED: need rustc with the host's standard library, to compare with libseccomp");
            return None;
        };
        let path = format!("/proc/self/fd/{}", helper.as_raw_fd());
        let mut child = Command::new(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipes = (
            child.stdin.take().unwrap(),
            BufReader::new(child.stdout.take().unwrap()),
        );
        let oracle = Oracle {
            child,
            pipes: RefCell::new(pipes),
            numbers: RefCell::default(),
        };
        if oracle.answer() != "ready" {
            println!("SKIPPED: need libseccomp.so.2 (Debian: libseccomp2) to compare with");
            return None;
        }
        Some(oracle)
    }

    fn answer(&self) -> String {
        let mut line = String::new();
        self.pipes.borrow_mut().1.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ask(&self, line: &str) -> String {
        writeln!(self.pipes.borrow_mut().0, "{line}").unwrap();
        self.answer()
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
    fn number(&self, arch: u32, name: &str) -> Option<i32> {
        let key = (arch, name.to_owned());
        let known = self.numbers.borrow().get(&key).copied();
        let number = known.unwrap_or_else(|| {
            let number = self.ask(&format!("resolve {arch} {name}")).parse().unwrap();
            self.numbers.borrow_mut().insert(key, number);
            number
        });
        (number != -1).then_some(number)
    }

    /// Builds the policy as runc does. Absent where the library refuses a rule that contradicts another.
    pub(super) fn make(&self, policy: &Seccomp, native: Arch) -> Option<Made> {
        let default = Verdict::of(policy.default_action, policy.default_errno_ret, "").unwrap();
        self.ask(&format!("init {}", default.to_return()));
        if native != Arch::X86_64 {
            // 0 is the architecture of this machine.
            assert_eq!(self.ask("remove 0"), "0");
        }
        for arch in [native].iter().chain(&policy.architectures) {
            // One that is there already is refused, and no harm.
            self.ask(&format!("add {}", token(*arch)));
        }
        for rule in &policy.syscalls {
            let action = Verdict::of(rule.action, rule.errno_ret, "").unwrap();
            if action != default && !self.add(rule, action) {
                return None;
            }
        }
        Some(read(&self.ask("export"), native))
    }

    fn add(&self, rule: &SyscallRule, action: Verdict) -> bool {
        let comparisons: String = rule.args.iter().map(comparison).collect();
        rule.names
            .iter()
            .filter_map(|name| self.number(token(Arch::X86_64), name))
            .all(|number| self.ask(&format!("rule {} {number}{comparisons}", action.to_return())) == "0")
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // A child of ours that may be waiting for more.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Reads the instructions; libseccomp writes them in the byte order of the machine they are for.
fn read(text: &str, native: Arch) -> Made {
    let hex = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let bytes: Vec<u8> = text.as_bytes().chunks_exact(2).map(hex).collect();
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

pub(super) fn big(arch: Arch) -> bool {
    crate::arch::Interface::of(arch).unwrap().big_endian
}

fn comparison(arg: &Arg) -> String {
    let operator = match arg.op {
        Operator::Ne => 1,
        Operator::Lt => 2,
        Operator::Le => 3,
        Operator::Eq => 4,
        Operator::Ge => 5,
        Operator::Gt => 6,
        Operator::MaskedEq => 7,
    };
    format!(" {} {operator} {} {}", arg.index, arg.value, arg.value_two)
}

/// libseccomp's number of an architecture: the kernel's, but x32's, which has none of its own.
fn token(arch: Arch) -> u32 {
    match arch {
        Arch::X32 => 0x4000_003e,
        _ => crate::arch::Interface::of(arch).unwrap().token,
    }
}
