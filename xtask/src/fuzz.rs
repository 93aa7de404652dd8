//! `cargo xtask fuzz`: builds the targets of fuzz/ with coverage and runs each for some seconds.
//!
//! Neither nightly Rust nor cargo-fuzz is needed: coverage is an LLVM pass that stable rustc runs when told
//! to, and libFuzzer is linked as a crate. Findings are written to target/fuzz/found, inputs that open new
//! paths to target/fuzz/corpus; what is worth keeping is copied to fuzz/corpus/TARGET by hand.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What makes libFuzzer see which code an input reached.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions=on";

/// Runs the named targets, or all; true when none found anything.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    let (seconds, wanted) = parse(arguments)?;
    let targets: Vec<String> = targets()?
        .into_iter()
        .filter(|t| wanted.is_empty() || wanted.contains(t))
        .collect();
    if let Some(unknown) = wanted.iter().find(|name| !targets.contains(name)) {
        return Err(format!("no fuzz target {unknown}: see fuzz/targets/"));
    }
    if targets.is_empty() {
        crate::say("fuzz: 0 passed, 0 failed");
        return Ok(true);
    }
    let programs = build()?;
    let passed = all(&programs, &targets, seconds)?;
    let failed = targets.len() - passed;
    crate::say(format_args!("fuzz: {passed} passed, {failed} failed"));
    Ok(failed == 0)
}

/// Runs the targets, one a processor at a time; how many found nothing.
fn all(programs: &Path, targets: &[String], seconds: u32) -> Result<usize, String> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut passed = 0_usize;
        while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
            passed += usize::from(one(&programs.join(target), target, seconds)?);
        }
        Ok(passed)
    };
    let at_once = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(worker)).collect();
        let ended = workers
            .into_iter()
            .map(|w| w.join().map_err(|_| "a worker panicked".to_owned())?);
        ended.sum()
    })
}

fn parse(arguments: &[String]) -> Result<(u32, Vec<String>), String> {
    let (mut seconds, mut targets) = (5, Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--seconds" {
            seconds = rest
                .next()
                .and_then(|n| n.parse().ok())
                .ok_or("--seconds wants a whole number")?;
        } else {
            targets.push(argument.clone());
        }
    }
    Ok((seconds, targets))
}

/// Names of the targets: one file each in fuzz/targets.
fn targets() -> Result<Vec<String>, String> {
    let Ok(folder) = std::fs::read_dir("fuzz/targets") else {
        return Ok(Vec::new());
    };
    let mut names: Vec<String> = folder
        .map(|entry| entry.map(|e| e.path()))
        .filter_map(|path| {
            path.map(|p| Some(p.file_stem()?.to_str()?.to_owned()))
                .transpose()
        })
        .collect::<Result<_, _>>()
        .map_err(|e| format!("read fuzz/targets: {e}"))?;
    names.sort();
    Ok(names)
}

/// Builds all targets and returns the folder they are in. Always for glibc: libFuzzer's C++ wants it.
fn build() -> Result<PathBuf, String> {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    // The versions are the workspace's own; Cargo adds what the targets alone need.
    std::fs::copy("Cargo.lock", "fuzz/Cargo.lock").map_err(|e| format!("copy Cargo.lock: {e}"))?;
    let status = Command::new("cargo")
        .args(["build", "--release", "--quiet", "--manifest-path=fuzz/Cargo.toml"])
        .args(["--target", &triple, "--target-dir=target/fuzz"])
        .env("RUSTFLAGS", COVERAGE)
        .env_remove("CARGO_BUILD_TARGET")
        .status()
        .map_err(|e| format!("run cargo: {e}"))?;
    if !status.success() {
        return Err("the fuzz targets do not build".to_owned());
    }
    Ok(Path::new("target/fuzz").join(triple).join("release"))
}

/// Replays the kept corpus of one target, then fuzzes it; true when it found nothing.
fn one(program: &Path, target: &str, seconds: u32) -> Result<bool, String> {
    let corpus = format!("target/fuzz/corpus/{target}");
    let found = format!("target/fuzz/found/{target}/");
    for folder in [&corpus, &found] {
        std::fs::create_dir_all(folder).map_err(|e| format!("make {folder}: {e}"))?;
    }
    let kept = format!("fuzz/corpus/{target}");
    let log = format!("target/fuzz/{target}.log");
    let output = std::fs::File::create(&log).map_err(|e| format!("make {log}: {e}"))?;
    let status = Command::new(program)
        .args([
            format!("-max_total_time={seconds}"),
            format!("-artifact_prefix={found}"),
        ])
        .args([
            "-timeout=10",
            "-rss_limit_mb=1024",
            "-max_len=65536",
            "-print_final_stats=1",
        ])
        .arg(&corpus)
        .args(Path::new(&kept).is_dir().then_some(&kept))
        .stderr(output)
        .status()
        .map_err(|e| format!("run {}: {e}", program.display()))?;
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let runs = text
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .unwrap_or(" ?");
    if status.success() {
        crate::say(format_args!("fuzz {target}: ok,{runs} runs"));
    } else {
        crate::say(format_args!("fuzz {target}: FAILED, input in {found}"));
        text.lines()
            .rev()
            .take(30)
            .collect::<Vec<_>>()
            .iter()
            .rev()
            .for_each(crate::say);
    }
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn arguments() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(parse(&words("")), Ok((5, vec![])));
        assert_eq!(
            parse(&words("--seconds 600 reference")),
            Ok((600, vec!["reference".to_owned()]))
        );
        assert!(parse(&words("--seconds soon")).is_err());
        assert!(parse(&words("--seconds")).is_err());
    }
}
