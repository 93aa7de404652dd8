//! `ps`: a container's processes, as numbers or as ps(1) shows them.

use crate::output;
use crate::reading::Arguments;
use std::process::ExitCode;
use tare_error::{Error, Kind, Result};
use tare_process::lines_of_ps;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let container = arguments.home().container(&arguments.id()?)?;
    let pids = container.processes()?;
    match arguments.value("format") {
        Some("json") => drop(output::print_line(&pids)?),
        None | Some("table") => {
            let options: Vec<&str> = arguments.operands.iter().skip(1).map(String::as_str).collect();
            output::print(&lines_of_ps(
                if options.is_empty() { &["-ef"] } else { &options },
                &pids,
            )?);
        }
        Some(other) => {
            return Err(Error::new(Kind::Invalid, "read option", "--format")
                .because(format!("{other:?} is neither table nor json")));
        }
    }
    Ok(ExitCode::SUCCESS)
}
