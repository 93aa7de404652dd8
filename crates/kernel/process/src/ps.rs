//! Processes as this machine's ps(1) shows them.

use std::process::Command;
use tare_error::{Context, Error, Kind, Result};

/// The lines that `ps OPTIONS` prints of these processes, under its heading.
///
/// # Errors
/// `NotFound` where there is no ps(1); `Invalid` for options that it refuses, or that leave the column `PID` out.
pub fn lines_of_ps(options: &[&str], pids: &[i32]) -> Result<String> {
    let ran = Command::new("ps").args(options).output().op("run", "ps")?;
    let failed = |why: String| Error::new(Kind::Invalid, "run", "ps").because(why);
    if !ran.status.success() {
        return Err(failed(String::from_utf8_lossy(&ran.stderr).trim().to_owned()));
    }
    about(&String::from_utf8_lossy(&ran.stdout), pids)
        .ok_or_else(|| failed("couldn't find PID field in ps output".to_owned()))
}

fn about(text: &str, pids: &[i32]) -> Option<String> {
    let heading = text.lines().next().unwrap_or_default();
    let column = heading.split_whitespace().position(|name| name == "PID")?;
    let is_about = |line: &&str| {
        let pid = line.split_whitespace().nth(column);
        let pid = pid.and_then(|pid| pid.parse::<i32>().ok());
        pid.is_some_and(|pid| pids.contains(&pid))
    };
    let lines = std::iter::once(heading).chain(text.lines().skip(1).filter(is_about));
    Some(lines.map(|line| format!("{line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_the_column_of_numbers() {
        let text = "UID        PID CMD\nroot         1 12 sleep\nroot        12 sh\n";
        assert_eq!(
            about(text, &[12]).unwrap(),
            "UID        PID CMD\nroot        12 sh\n"
        );
        assert!(about("UID CMD\n", &[12]).is_none());
    }
}
