//! Containers for real: root, busybox, private namespaces. Each test is this program again, alone in its process.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test program speaks, and fails by panicking"
)]

#[path = "real/bed.rs"]
mod bed;
#[path = "real/inside.rs"]
mod inside;

use std::process::{Command, ExitCode};

/// A test: its name and what it does.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let tests: Vec<Test> = [inside::TESTS].concat();
    if let [flag, name] = arguments.as_slice()
        && flag == "--alone"
    {
        let (_, test) = tests
            .iter()
            .find(|(n, _)| n == name)
            .expect("a test of this name");
        bed::enter();
        test();
        return ExitCode::SUCCESS;
    }
    if !rustix::process::geteuid().is_root() {
        println!("skipped: {} tests need root", tests.len());
        return ExitCode::SUCCESS;
    }
    let filter = arguments.iter().find(|a| !a.starts_with('-'));
    let mut failed = 0;
    let chosen: Vec<_> = tests
        .iter()
        .filter(|(name, _)| filter.is_none_or(|f| name.contains(f.as_str())))
        .collect();
    for (name, _) in &chosen {
        let program = std::env::current_exe().unwrap();
        let passed = Command::new(program)
            .args(["--alone", name])
            .status()
            .unwrap()
            .success();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += i32::from(!passed);
    }
    println!(
        "test result: {} passed; {failed} failed",
        chosen.len() - usize::try_from(failed).unwrap()
    );
    ExitCode::from(u8::from(failed != 0))
}
