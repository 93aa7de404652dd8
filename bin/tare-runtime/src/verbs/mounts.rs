//! `mounts add` and `mounts remove`: changes what is mounted in a container that runs (crun's).

use crate::reading::Arguments;
use std::io::Read;
use std::process::ExitCode;
use tare_error::{Context, Error, Kind, Result};
use tare_lifecycle::{Container, ContainerId};
use tare_spec_oci::Mount;

/// The largest document that is read.
const LARGEST: u64 = 1 << 20;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(3)?;
    let [what, id, file] = arguments.operands.as_slice() else {
        return Err(Error::new(Kind::Invalid, "mounts", "")
            .because("it needs three arguments")
            .hint("tare-runtime mounts add|remove ID FILE"));
    };
    let change = match what.as_str() {
        "add" => Container::add_mounts,
        "remove" => Container::remove_mounts,
        other => {
            return Err(Error::new(Kind::Invalid, "mounts", other).because("it is neither add nor remove"));
        }
    };
    tare_process::seal::enter()?;
    let mounts = read(file)?;
    change(&arguments.home().container(&ContainerId::parse(id)?)?, &mounts)?;
    Ok(ExitCode::SUCCESS)
}

/// The mounts of a configuration (`mounts` of config.json), by themselves in a file.
fn read(path: &str) -> Result<Vec<Mount>> {
    let mut text = Vec::new();
    let file = std::fs::File::open(path).op("open", path)?;
    file.take(LARGEST).read_to_end(&mut text).op("read", path)?;
    serde_json::from_slice(&text).map_err(|e| {
        Error::new(Kind::Invalid, "read", path)
            .from_source(e)
            .hint("it holds a list, as mounts of config.json is one")
    })
}
