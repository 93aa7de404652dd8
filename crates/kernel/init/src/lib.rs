//! **What.** The program that is a container's first process where somebody asks for one (`--init`): a static executable of a
//! few KiB, as bytes.
//!
//! **Not.** The one of a pod's shared pid namespace, which starts nothing and does nothing (`tare-shim`).
//!
//! **Words.** *Reap*: to take the status of a child that has ended, so that its number is free again (wait(2)). Whoever is pid 1
//! gets every child that others leave, and a program that does not know that leaves them as zombies.
//!
//! **Life.** `init -- PROGRAM ARGUMENTS`: all signals blocked → fork → the child has a process group of its own, the terminal if
//! there is one, and becomes the program, looked for in `PATH` → the parent takes one signal after the other: `SIGCHLD` has it
//! reap, any other goes to the child → it ends as the child ends, 128 and the signal's number where that was killed.
//!
//! **Rules.** `src/program.rs` is no module of this crate: `build.rs` compiles it alone, with `core` and nothing else. It allocates
//! nothing, holds nothing open but what the container has, and asks the kernel for a dozen things.
//!
//! ```
//! assert!(tare_init::PROGRAM.starts_with(b"\x7fELF"));
//! ```

/// The executable.
pub const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small_and_needs_no_other_file() {
        assert!(PROGRAM.len() < 16 * 1024, "{}", PROGRAM.len());
        for word in [&b"/lib"[..], b".so"] {
            assert!(!PROGRAM.windows(word.len()).any(|at| at == word));
        }
    }
}
