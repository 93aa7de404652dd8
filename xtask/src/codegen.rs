//! `cargo xtask codegen`: makes the message types of crates/spec/containerd from the .proto files beside them.
//!
//! The compiler of .proto files is a workspace of its own, xtask/codegen, so that only who changes one builds it.

use std::process::Command;

/// Runs the generator and writes the checksums that tidy looks at.
pub(crate) fn run() -> Result<bool, String> {
    let status = Command::new("cargo")
        .args([
            "run",
            "--quiet",
            "--locked",
            "--manifest-path=xtask/codegen/Cargo.toml",
        ])
        .arg("--target-dir=target/codegen")
        .env_remove("CARGO_BUILD_TARGET")
        .status()
        .map_err(|e| format!("run cargo: {e}"))?;
    if !status.success() {
        return Err("the message types could not be made".to_owned());
    }
    crate::tidy::record_generated()?;
    Ok(true)
}
