//! Compiles `program/main.rs` into the static program that the crate embeds.
//!
//! The same compiler is used, for the musl target where its library is installed, else for the gnu target with a
//! static C library: both give one file that needs nothing from the image around it.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=program");
    println!("cargo::rerun-if-changed=build.rs");
    let vars: std::collections::HashMap<String, String> = std::env::vars().collect();
    let var = |name: &str| vars.get(name).cloned().ok_or(format!("{name} is not set"));
    let arch = var("CARGO_CFG_TARGET_ARCH")?;
    let rustc = var("RUSTC")?;
    let out = PathBuf::from(var("OUT_DIR")?).join("hello");
    let source = Path::new(&var("CARGO_MANIFEST_DIR")?).join("program/main.rs");

    let mut refused = Vec::new();
    for libc in ["musl", "gnu"] {
        let target = format!("{arch}-unknown-linux-{libc}");
        match compile(&rustc, &target, &source, &out) {
            Ok(()) => return Ok(()),
            Err(why) => refused.push(format!("{target}: {why}")),
        }
    }
    Err(format!(
        "no target could compile the hello program\n{}",
        refused.join("\n")
    )
    .into())
}

/// One run of the compiler; the error is what it printed.
fn compile(rustc: &str, target: &str, source: &Path, out: &Path) -> Result<(), String> {
    let made = Command::new(rustc)
        .args([
            "--edition",
            "2024",
            "--crate-name",
            "hello",
            "--crate-type",
            "bin",
            "--target",
            target,
        ])
        .args([
            "-C",
            "panic=abort",
            "-C",
            "opt-level=s",
            "-C",
            "strip=symbols",
            "-C",
            "codegen-units=1",
        ])
        .args([
            "-C",
            "lto=fat",
            "-C",
            "target-feature=+crt-static",
            "-C",
            "relocation-model=static",
        ])
        .arg("-o")
        .arg(out)
        .arg(source)
        .output()
        .map_err(|e| e.to_string())?;
    if made.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&made.stderr).into_owned())
    }
}
