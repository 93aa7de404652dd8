//! `list`: every container below the root folder.

use super::state::Shown;
use crate::output;
use crate::reading::Arguments;
use std::process::ExitCode;
use tare_error::{Error, Kind, Result};
use tare_lifecycle::Container;

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.at_most(0)?;
    let home = arguments.home();
    if arguments.has("root") && !home.path().is_dir() {
        return Err(
            Error::new(Kind::NotFound, "list", home.path().display()).because("no such file or directory")
        );
    }
    let ids = home.list()?;
    // One that goes meanwhile is not listed.
    let found: Vec<Container> = ids.iter().filter_map(|id| home.container(id).ok()).collect();
    let shown = found.iter().map(Shown::of).collect::<Result<Vec<_>>>()?;
    if arguments.has("quiet") {
        shown
            .iter()
            .for_each(|one| output::print(&format!("{}\n", one.id)));
        return Ok(ExitCode::SUCCESS);
    }
    match arguments.value("format") {
        None | Some("table") => output::print(&table(&shown)),
        Some("json") => drop(output::print_line(&shown)?),
        Some(other) => {
            return Err(Error::new(Kind::Invalid, "read option", "--format")
                .because(format!("{other:?} is neither table nor json")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn table(shown: &[Shown<'_>]) -> String {
    let heading = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let rows = shown.iter().map(|one| {
        let (pid, bundle) = (one.pid.to_string(), one.bundle.display().to_string());
        [
            one.id.to_owned(),
            pid,
            one.status.clone(),
            bundle,
            one.created.to_owned(),
            one.owner.clone(),
        ]
    });
    let rows: Vec<[String; 6]> = std::iter::once(heading).chain(rows).collect();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..6).map(|column| width(column).unwrap_or(0) + 3).collect();
    let line = |row: &[String; 6]| {
        let cells: String = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", cells.trim_end())
    };
    rows.iter().map(line).collect()
}
