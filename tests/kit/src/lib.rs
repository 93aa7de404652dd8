//! **What.** The harness of the black-box tests: declared needs, a world of its own for each test, a leak check
//! after it, a runner for `tare`, a registry and images that other tools made.
//!
//! **Not.** Nothing of ours is linked or mocked here: what is tested is what ships. Foreign suites and their
//! expectation lists are `cargo xtask conformance`'s.
//!
//! **Words.** *Need*: something of the machine a test cannot do without; a test whose need is missing is skipped,
//! printed and counted. *World*: the namespaces, folders and control groups one test has for itself. *Leak*: what
//! is there after a test and was not before. *Fixture*: an image or registry content, made once by foreign tools.
//!
//! **Life.** One test runs in three processes of the same program, or four:
//!
//! ```text
//! outside   libtest's thread: checks needs, makes a scratch folder and control groups, starts ↓ under unshare(1), waits
//! init      pid 1 of the new pid, mount, net, ipc, uts and cgroup namespaces: mounts /proc /sys /run, starts ↓,
//!           reaps, looks for leaks when ↓ has ended, ends: whatever is left of the test dies with it
//! inside    runs the test's body with a [`World`]; under systemd it boots one instead (tests/systemd-bed) and starts ↓
//! bed       runs the body in systemd's namespaces
//! ```
//!
//! A test for the virtual machine (tests/vm-bed) runs in the same program there, booted once for all of them; with `TARE_KIT_IN=machine`
//! every test does.
//!
//! **Rules.** A test changes nothing of the host: the mounts are private, the groups below the host's own are removed by
//! the outer process even when the test was killed. A leak fails a test that would have passed. Nothing waits by
//! sleeping. The scratch folder is on a real filesystem and short in name (`/mnt/scratch`), so that sockets fit.
//!
//! ```no_run
//! use tare_kit::{Need, test};
//!
//! // In a `#[test]` function; the closure's own name is how the inner process finds the test again.
//! test(&[Need::Root, Need::Overlay], |world| {
//!     let out = world.tare(["run", "--rm", "hello"]).ok();
//!     assert!(out.contains("pid 1"));
//! });
//! ```
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test kit fails by panicking, speaks to whoever reads the test's output, and reads the environment that make sets"
)]

mod bed;
mod machine;
mod need;
mod rounds;
mod stage;
mod standing;
mod world;

mod cgroups;
mod leaks;
mod namespace;

mod command;
mod fixture;
mod registry;
mod stall;

pub use command::{Finished, Running, Tare};
pub use need::Need;
pub use registry::Registry;
pub use rounds::rounds;
pub use stage::{is_outside, test, test_in_machine, test_under_systemd, test_under_systemd_v1};
pub use stall::{STALL_AT_CREATE, STALL_AT_LOOKUP, STALL_AT_WRITE, Stalled};
pub use world::{Person, World};
