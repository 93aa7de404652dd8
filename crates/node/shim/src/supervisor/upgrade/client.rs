//! `upgrade`: every supervisor that lives becomes this program.

use super::PATIENCE;
use crate::entrance;
use crate::own::{SUPERVISOR, UPGRADE};
use crate::pod::PodDir;
use crate::supervisor::arguments::Arguments;
use crate::supervisor::serve;
use std::fmt::Write;
use std::path::Path;
use tare_error::{Context, Error, Kind, Report, Result};
use tare_ttrpc::{Client, Connection};

/// Asks the supervisors of a namespace and of a group, or all where none is named; a line for each.
///
/// # Errors
/// Where one of them does not become this program: it goes on as it was. All of them are asked.
pub(in crate::supervisor) fn upgrade(arguments: &Arguments) -> Result<Vec<u8>> {
    let program = std::env::current_exe().op("find", "this program")?;
    let mut said = String::new();
    let mut failed = None;
    for (name, pod) in serve::pods_of(arguments)? {
        match upgrade_one(&pod, &program) {
            Ok(None) => {}
            Ok(Some(version)) => {
                let _ = writeln!(said, "{name}: runs {version}");
            }
            Err(error) => {
                let _ = writeln!(said, "{name}: {}", Report::new(&error));
                failed.get_or_insert(name);
            }
        }
    }
    match failed {
        None => Ok(said.into_bytes()),
        Some(name) => Err(Error::new(Kind::Unavailable, "upgrade", name).because(said.trim_end().to_owned())),
    }
}

/// The version that a supervisor runs now; none where there is no supervisor any more.
fn upgrade_one(pod: &PodDir, program: &Path) -> Result<Option<String>> {
    let Some(record) = pod
        .supervisor()?
        .filter(|_| pod.supervisor_alive().unwrap_or(true))
    else {
        return Ok(None);
    };
    let Some(socket) = record.socket else {
        return Ok(None);
    };
    let mut connection = Connection::over(entrance::connect(&socket)?, Client::new());
    let program = program.to_string_lossy().into_owned();
    // It gives up by itself, and says why.
    let patience = PATIENCE + PATIENCE / 3;
    connection
        .call::<String>(SUPERVISOR, UPGRADE, &program, Some(patience))
        .map(Some)
}
