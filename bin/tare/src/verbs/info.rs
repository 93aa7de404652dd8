//! `tare info`: where things are on this machine, and how many.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::process::ExitCode;
use tare_engine::container::Status;
use tare_engine::volume::VolumeFilter;
use tare_error::Result;

pub(super) const VERB: Verb = Verb {
    name: "info",
    about: "say where things are on this machine, and how many",
    operands: Operands::None,
    heading: "About",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let json = low.switch("json");
    let engine = session.engine()?;
    let containers = engine.containers()?;
    let running = containers.iter().filter(|c| c.status == Status::Running).count();
    let roots = engine.roots();
    let kernel = rustix::system::uname();
    let supervisor = &engine.programs().supervisor;
    let is_there = if supervisor.is_file() { "" } else { " (missing)" };
    let facts = [
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("Kernel", kernel.release().to_string_lossy().into_owned()),
        (
            "Platform",
            format!("linux/{}", tare_engine::container::facts::architecture()),
        ),
        ("Root", roots.data().display().to_string()),
        ("Run root", roots.run().display().to_string()),
        (
            "Configuration",
            roots.config().join("config.toml").display().to_string(),
        ),
        ("Supervisor", format!("{}{is_there}", supervisor.display())),
        ("Rootless", engine.config().rootless.to_string()),
        ("Containers", format!("{} ({running} running)", containers.len())),
        ("Images", engine.images()?.len().to_string()),
        (
            "Volumes",
            engine.volumes(&VolumeFilter::default())?.len().to_string(),
        ),
    ];
    Ok(output::facts(&facts, json))
}
