//! Runs a container in the foreground: `foreground SHIM POD CONTAINERS BUNDLE open|empty [REAP...]`.
//!
//! SHIM is the supervisor's program, POD a directory to make, CONTAINERS where the library keeps containers; `open` passes
//! stdin on; REAP is the command that cleans up where we are gone. What `tare run` does besides (images, networks, records)
//! is not here. The tests use it as a client that can be killed.

use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use tare_error::{Context, Error, Kind, Report, Result};
use tare_shim::{Attach, CreateRequest, Hangup, Launch, PodDir, end, launch};
use tare_spec_oci::Spec;

/// The container's id.
const ID: &str = "c1";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [shim, pod, containers, bundle, stdin, reap @ ..] => {
            let run = Run {
                shim: Path::new(shim),
                containers: Path::new(containers),
                bundle: Path::new(bundle),
                stdin_open: stdin == "open",
                reap,
            };
            run.run(pod)
        }
        _ => Err(Error::new(Kind::Invalid, "understand", "the arguments")
            .because("expected SHIM POD CONTAINERS BUNDLE open|empty [REAP...]")),
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

/// What is to be run.
struct Run<'a> {
    shim: &'a Path,
    containers: &'a Path,
    bundle: &'a Path,
    stdin_open: bool,
    reap: &'a [String],
}

impl Run<'_> {
    fn run(&self, pod: &str) -> Result<u8> {
        let pod = PodDir::create(pod)?;
        let of = Launch {
            program: self.shim,
            pod: &pod,
            containers: self.containers,
        };
        let terminal = self.has_terminal()?;
        let stdin = std::io::stdin();
        let mut connection = launch(&of)?;
        let request = CreateRequest {
            health: None,
            id: ID.to_owned(),
            bundle: self.bundle.to_owned(),
            rootfs: Vec::new(),
            maker: None,
            terminal,
            stdin_open: self.stdin_open,
            copy: None,
            log: None,
            on_hangup: Hangup::Kill,
            reap: self.reap.to_vec(),
        };
        let exit = connection.create(request).and_then(|_| {
            connection.attach(
                ID,
                &Attach {
                    stdin: self.stdin_open.then(|| stdin.as_fd()),
                    stdout: std::io::stdout().as_fd(),
                    stderr: std::io::stderr().as_fd(),
                    terminal,
                },
            )
        });
        // Here an engine unmounts, releases and records; then nothing is left to do.
        if connection.finish(ID).is_err() {
            // The supervisor died itself: what it left behind is ended here.
            end(&of, ID)?.clear(ID)?;
        }
        pod.remove()?;
        Ok(exit?.code)
    }

    fn has_terminal(&self) -> Result<bool> {
        let path = self.bundle.join("config.json");
        let text = std::fs::read(&path).op("read", path.display())?;
        let spec: Spec = serde_json::from_slice(&text)
            .map_err(|e| Error::new(Kind::Invalid, "read", path.display()).from_source(e))?;
        Ok(spec.process.is_some_and(|process| process.terminal))
    }
}
