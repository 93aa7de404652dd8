//! **What.** What the programs of the benchmarks agree on: the realistic container.
//!
//! **Not.** The driver, which is this package's `main.rs`; each program is a file of `bin/`.
//!
//! **Words.** *Realistic*: what docker asks a runtime for when it runs an ordinary container under limits.
//!
//! **Life.** `bench-bundle` writes it as an OCI document, `bench-floor` makes it with system calls.
//!
//! **Rules.** Data only: nothing here runs while something is measured.

pub mod realistic;
