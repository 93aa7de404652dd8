//! Runs a container in the foreground: `foreground SHIM POD REQUEST.json`.
//!
//! SHIM is the supervisor's program, POD a directory to make, REQUEST.json a `tare_shim::CreateRequest`. What `tare run`
//! does besides (images, networks, records) is not here. The tests use it as a client that can be killed.

use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use tare_error::{Context, Error, Kind, Report, Result};
use tare_shim::{Attach, CreateRequest, Launch, PodDir, launch};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [shim, pod, request] => run(Path::new(shim), pod, request),
        _ => Err(Error::new(Kind::Invalid, "understand", "the arguments")
            .because("expected SHIM POD REQUEST.json")),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            report(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

#[expect(clippy::print_stderr, reason = "this is the program's one place to print")]
fn report(error: &Error) {
    eprintln!("foreground: {}", Report::new(error).with_hint());
}

fn run(shim: &Path, pod: &str, request: &str) -> Result<u8> {
    let text = std::fs::read(request).op("read", request)?;
    let request: CreateRequest = serde_json::from_slice(&text)
        .map_err(|e| Error::new(Kind::Invalid, "read", request).from_source(e))?;
    let terminal = request.spec.process.as_ref().is_some_and(|p| p.terminal);
    let stdin = std::io::stdin();
    let stdin_open = request.stdin_open;

    let pod = PodDir::create(pod)?;
    let mut connection = launch(&Launch {
        program: shim,
        pod: &pod,
    })?;
    let exit = connection.create(request).and_then(|_| {
        connection.attach(&Attach {
            stdin: stdin_open.then(|| stdin.as_fd()),
            stdout: std::io::stdout().as_fd(),
            stderr: std::io::stderr().as_fd(),
            terminal,
        })
    });
    // Here an engine unmounts, releases and deletes; then nothing is left to do.
    if connection.finish().is_err() {
        // The supervisor died itself: what it left behind is ended here.
        pod.end_orphan()?;
    }
    pod.remove()?;
    Ok(exit?.code)
}
