//! One container from creation to deletion, by the calls that `tare-runtime`'s verbs make:
//! `life-of-a-container HOME BUNDLE`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command speaks to whoever called it"
)]

use std::path::Path;
use std::process::ExitCode;
use tare_error::{Context, Error, Kind, Report, Result};
use tare_lifecycle::{Bundle, ContainerId, Create, Driver, Home, own_stdio};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [home, bundle] => live(&Home::at(home), Path::new(bundle)),
        _ => Err(Error::new(Kind::Invalid, "read", "arguments").hint("life-of-a-container HOME BUNDLE")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{}", Report::new(&e).with_hint());
            ExitCode::FAILURE
        }
    }
}

fn live(home: &Home, bundle: &Path) -> Result<()> {
    // From here on, nothing that runs inside can write to this program's file.
    tare_process::seal::enter()?;
    let id = ContainerId::parse("example")?;
    let bundle = Bundle::read_for(home, bundle)?;
    let made = Create {
        home,
        id: &id,
        stdio: own_stdio(bundle.spec.process.as_ref()),
        bundle,
        rootfs: &[],
        passed: &[],
        driver: &Driver::Cgroupfs,
        shared_keyring: false,
        without_pivot: false,
        plain_lines: false,
    }
    .make()?;
    println!(
        "{id} is {}, as process {}",
        made.container.condition()?,
        made.process.pid.as_raw_pid()
    );
    // Any other process could do this just as well: all it needs is the home and the id.
    let container = home.container(&id)?;
    container.start()?;
    // Whoever made it reaps its process.
    let status = made.process.wait().op("wait for", &id)?;
    println!(
        "{id} is {}, and has ended with {:?}",
        container.condition()?,
        status.exit_status()
    );
    container.delete(false)
}
