//! Compiles the program by itself: it has no library below it, and nothing of a Rust program's start.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str = "src/program.rs";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed={SOURCE}");
    let variables: HashMap<OsString, OsString> = std::env::vars_os().collect();
    let variable = |name: &str| {
        let value = variables.get(OsStr::new(name));
        value.ok_or_else(|| format!("{name} is not set"))
    };
    let program = PathBuf::from(variable("OUT_DIR")?).join("init");
    let mut rustc = Command::new(variable("RUSTC")?);
    rustc
        .args([
            "--edition=2024",
            "--crate-name=init",
            "--crate-type=bin",
            "--target",
        ])
        .arg(variable("TARGET")?)
        .args([
            "-Copt-level=s",
            "-Cpanic=abort",
            "-Cstrip=symbols",
            "-Crelocation-model=static",
        ])
        .args(["-Clink-self-contained=no", "-Ctarget-feature=+crt-static"])
        .args([
            "-Clink-arg=-nostdlib",
            "-Clink-arg=-nostartfiles",
            "-Clink-arg=-static",
        ])
        .args(["-Clink-arg=-Wl,--build-id=none,-n,-z,noexecstack"])
        .arg("-o")
        .arg(&program)
        .arg(SOURCE);
    if let Ok(linker) = variable("RUSTC_LINKER") {
        let mut option = OsString::from("-Clinker=");
        option.push(linker);
        rustc.arg(option);
    }
    let status = rustc.status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("the init could not be compiled: {status}").into()),
    }
}
