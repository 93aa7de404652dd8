//! Containers for real: root, busybox, private namespaces. Each test is this program again, alone in its process.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test program speaks, and fails by panicking"
)]

#[path = "real/attacks.rs"]
mod attacks;
#[path = "real/bed.rs"]
mod bed;
#[path = "real/denied.rs"]
mod denied;
#[path = "real/failures.rs"]
mod failures;
#[path = "real/inside.rs"]
mod inside;
#[path = "real/landlock.rs"]
mod landlock;
#[path = "real/layers.rs"]
mod layers;
#[path = "real/listener.rs"]
mod listener;
#[path = "real/mounts.rs"]
mod mounts;
#[path = "real/neighbours.rs"]
mod neighbours;
#[path = "real/network.rs"]
mod network;
#[path = "real/placement.rs"]
mod placement;
#[path = "real/resctrl.rs"]
mod resctrl;
#[path = "real/terminal.rs"]
mod terminal;
#[path = "real/users.rs"]
mod users;

use std::process::{Command, ExitCode};

/// A test: its name and what it does.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let tests: Vec<Test> = [
        inside::TESTS,
        attacks::TESTS,
        failures::TESTS,
        landlock::TESTS,
        layers::TESTS,
        denied::TESTS,
        users::TESTS,
        listener::TESTS,
        network::TESTS,
        placement::TESTS,
        resctrl::TESTS,
        mounts::TESTS,
        terminal::TESTS,
        neighbours::TESTS,
    ]
    .concat();
    match arguments.first().map(String::as_str) {
        // This program again, as a script's interpreter inside a container.
        Some(attacks::SCRIPT) => attacks::inside(),
        // And as an ordinary user.
        Some(users::ORDINARY) => return users::as_ordinary_user(),
        _ => {}
    }
    if let [flag, name] = arguments.as_slice()
        && flag == "--alone"
    {
        let (_, test) = tests
            .iter()
            .find(|(n, _)| n == name)
            .expect("a test of this name");
        if attacks::needs_seal(name) {
            tare_process::seal::enter().unwrap();
        }
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
