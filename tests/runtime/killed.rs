//! The command killed with -9 at any moment: `delete --force` always succeeds, and then nothing is left.

use crate::bundle::{Bundle, NEEDS};
use std::time::{Duration, Instant};
use tare_kit::{rounds, test};

#[test]
fn at_any_moment() {
    test(NEEDS, |world| {
        let bundle = Bundle::new(world, "sleep 100 & sleep 100");
        let path = bundle.path.to_str().unwrap();
        let mut seed = u64::from(std::process::id()) | 1;
        let (mut whole, mut partly) = (0, 0);
        for round in 0..rounds(30) {
            let words: &[&str] = if round % 2 == 0 {
                &["create", "-b", path, "c"]
            } else {
                &["run", "-b", path, "c"]
            };
            let running = bundle.runtime(words).start();
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let until = Instant::now() + Duration::from_micros((seed >> 33) % 25_000);
            while Instant::now() < until {
                std::thread::yield_now();
            }
            // Dropping it kills it and waits for its end.
            drop(running);
            match bundle.runtime(&["state", "c"]).run() {
                state if state.stdout.contains("\"creating\"") => partly += 1,
                state if state.code() == Some(0) => whole += 1,
                _ => {}
            }
            let _ = bundle.runtime(&["delete", "--force", "c"]).ok();
            bundle.assert_nothing_left();
            // Who dies with the command, since it has no record yet, takes a moment.
            let began = Instant::now();
            while !processes(&bundle).is_empty() && began.elapsed() < Duration::from_secs(20) {}
            assert_eq!(processes(&bundle), [""; 0], "round {round}");
        }
        eprintln!("{whole} were there, {partly} were half made");
    });
}

/// Processes that run a program of the bundle's root, or ours.
fn processes(bundle: &Bundle<'_>) -> Vec<String> {
    let root = bundle.path.join("rootfs");
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let links = entries.filter_map(|e| std::fs::read_link(e.path().join("exe")).ok());
    let ours = links.filter(|exe| {
        exe.starts_with(&root) || exe.ends_with("tare-runtime") || exe.ends_with("bin/busybox")
    });
    ours.map(|exe| exe.display().to_string()).collect()
}
