//! **What.** From a seccomp profile (OCI's or docker's format) to the filter program that the kernel runs.
//!
//! **Not.** Loading the filter is `tare-sys`'s, handing the listener fd on is `tare-container`'s; no libseccomp.
//!
//! **Words.** *Profile*: a document of a person, docker's format, with rules that depend on capabilities, architecture
//! and kernel. *Policy*: what is left of it for one container, OCI's `linux.seccomp`. *Program*: classic BPF over
//! `struct seccomp_data` (`seccomp(2)`). *Native architecture*: the machine's; its *relatives* are the further system
//! call interfaces the same kernel serves (x86 and x32 on x86_64). *Verdict*: what a program says of one call.
//!
//! **Life.**
//! ```text
//! docker JSON --Profile::parse--> Profile --resolve(Facts)--> Policy (tare_spec_oci::Seccomp) --compile--> Program
//!                default_profile(Facts) -------------------------^                         \--interpret--> Verdict
//! ```
//!
//! **Rules.** Verdicts are libseccomp's, which the differential tests hold: a call's first unconditional rule wins over
//! all others; conditional rules are tried from the largest compared value to the smallest; rules that repeat the
//! default action are dropped; calls by an architecture the policy does not name kill the thread; 32-bit interfaces
//! compare 32 bits. As runc does, a call newer than every call the policy names is `ENOSYS`, so that C libraries fall
//! back; and two conditions on one argument in one rule are alternatives. Two deliberate differences, both closing
//! holes, are [`Reading::Kernel`]'s. Unknown calls are reported in [`Program::unknown`] and are not an error.
//!
//! The program is a decision graph without duplicates: architecture, then a binary search over ranges of call numbers
//! with one verdict, then arguments. Nothing but call number and architecture is read for a call whose verdict does
//! not depend on its arguments, so the kernel (5.11 and newer) answers allowed calls from its bitmap. Docker's default
//! becomes a quarter of libseccomp's instructions in a fifth of a millisecond, JSON included
//! (`cargo test -p tare-seccomp --release -- --ignored --nocapture figures`), which is why there is no cache on disk.
//!
//! ```
//! use tare_seccomp::{Call, Facts, Kernel, Verdict, compile, default_profile, native};
//!
//! let facts = Facts { capabilities: &[], arch: native()?, kernel: Kernel { major: 6, minor: 1 } };
//! let program = compile(&default_profile(&facts)?, facts.arch)?;
//! let call = Call::named(facts.arch, "mount", [0; 6]).unwrap();
//! assert_eq!(program.verdict(&call), Some(Verdict::Errno(1)));
//! # Ok::<(), tare_error::Error>(())
//! ```

mod arch;
mod syscalls;

mod docker;
mod profile;

mod action;
mod policy;

mod arguments;
mod assemble;
mod compile;
mod graph;
mod search;

mod interpret;
mod program;
mod raw;

pub use action::Verdict;
pub use arch::{architectures, native};
pub use compile::{REVISION, Reading, compile, compile_as};
pub use docker::default_profile;
pub use interpret::{Call, exercise};
pub use profile::{Facts, Kernel, Profile};
pub use program::{Flags, Instruction, Program};
pub use raw::check_program;

#[cfg(test)]
mod tests;
