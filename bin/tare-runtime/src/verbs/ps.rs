//! `ps`: a container's processes, as numbers or as ps(1) shows them.

use crate::output;
use crate::reading::Arguments;
use std::process::{Command, ExitCode};
use tare_error::{Context, Error, Kind, Result};

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let container = arguments.home().container(&arguments.id()?)?;
    let pids = container.processes()?;
    match arguments.value("format") {
        Some("json") => drop(output::print_line(&pids)?),
        None | Some("table") => {
            let options: Vec<&str> = arguments.operands.iter().skip(1).map(String::as_str).collect();
            output::print(&table(
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

/// The lines of ps(1) that are about these processes.
fn table(options: &[&str], pids: &[i32]) -> Result<String> {
    let ran = Command::new("ps").args(options).output().op("run", "ps")?;
    let failed = |why: String| Error::new(Kind::Invalid, "run", "ps").because(why);
    if !ran.status.success() {
        return Err(failed(String::from_utf8_lossy(&ran.stderr).trim().to_owned()));
    }
    let text = String::from_utf8_lossy(&ran.stdout);
    let heading = text.lines().next().unwrap_or_default();
    let column = heading.split_whitespace().position(|name| name == "PID");
    let column = column.ok_or_else(|| failed("it printed no column PID".to_owned()))?;
    let about = |line: &&str| {
        let pid = line
            .split_whitespace()
            .nth(column)
            .and_then(|pid| pid.parse::<i32>().ok());
        pid.is_some_and(|pid| pids.contains(&pid))
    };
    let lines = std::iter::once(heading).chain(text.lines().skip(1).filter(about));
    Ok(lines.map(|line| format!("{line}\n")).collect())
}
