//! Runs an OCI bundle in the foreground: `run-a-container BUNDLE`, or `run-a-container --plan BUNDLE` to see the steps.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command speaks to whoever called it"
)]

use std::io::{stderr, stdin, stdout};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use tare_container::{Creation, HostFacts, Options, Request, Stdio, plan};
use tare_error::{Context, Error, Kind, Report, Result};
use tare_spec_oci::Spec;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--plan", bundle] => run(Path::new(bundle), true),
        [bundle] => run(Path::new(bundle), false),
        _ => Err(Error::new(Kind::Invalid, "read", "arguments").hint("run-a-container [--plan] BUNDLE")),
    };
    outcome.unwrap_or_else(|e| {
        eprintln!("{}", Report::new(&e).with_hint());
        ExitCode::from(e.kind().exit_code())
    })
}

fn run(bundle: &Path, only_plan: bool) -> Result<ExitCode> {
    // From here on, nothing that runs inside can write to this program's file.
    tare_process::seal::enter()?;
    let config = bundle.join("config.json");
    let text = std::fs::read_to_string(&config).op("read", config.display())?;
    let spec: Spec = serde_json::from_str(&text)
        .map_err(|e| Error::new(Kind::Invalid, "read", config.display()).from_source(e))?;
    let (input, output, errors) = (stdin(), stdout(), stderr());
    let request = Request {
        id: "example",
        spec: &spec,
        bundle,
        rootfs: &[],
        stdio: Stdio::Fds {
            stdin: input.as_fd(),
            stdout: output.as_fd(),
            stderr: errors.as_fd(),
        },
        group: None,
        entrances: &[],
        seccomp: None,
        options: Options::default(),
    };
    let facts = HostFacts::read()?;
    if only_plan {
        print!("{}", plan(&request, &facts)?);
        return Ok(ExitCode::SUCCESS);
    }
    let running = Creation::begin(&request, &facts, |_| Ok(()))?.run()?;
    let status = running.process.wait().op("wait for", "the container")?;
    let code = status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|n| 128 + n));
    Ok(ExitCode::from(
        code.and_then(|c| u8::try_from(c).ok()).unwrap_or(1),
    ))
}
