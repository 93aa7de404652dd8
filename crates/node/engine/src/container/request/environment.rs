//! Environment variables as docker's `-e` and `--env-file` write them.

use super::invalid;
use tare_error::Result;

/// One change to the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// Sets it.
    Set(String, String),
    /// Takes it away: a bare name that the caller's own environment does not have.
    Unset(String),
}

impl Variable {
    /// Reads `NAME=value`, or `NAME`, which takes the value from the caller's environment (`own`).
    ///
    /// # Errors
    /// `Invalid` for an empty name or a NUL.
    pub fn parse(text: &str, own: impl Fn(&str) -> Option<String>) -> Result<Variable> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, own(text)),
        };
        if name.is_empty() || text.contains('\0') {
            return Err(invalid("environment variable", text, "there is no name before ="));
        }
        Ok(match value {
            Some(value) => Variable::Set(name.to_owned(), value),
            None => Variable::Unset(name.to_owned()),
        })
    }
}

/// Reads an environment file: `NAME=value` lines taken as they are (no quotes, no expansion), `NAME` lines which
/// take the caller's value where there is one, `#` comments and empty lines.
///
/// # Errors
/// `Invalid`, with the number of the line.
pub fn parse_environment_file(
    file: &str,
    text: &str,
    own: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Variable>> {
    let mut variables = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |why: &str| invalid("environment file", file, format!("line {}: {why}", number + 1));
        let name = line.split('=').next().unwrap_or_default();
        if name.is_empty() {
            return Err(at("there is no name before ="));
        }
        if name.contains(char::is_whitespace) {
            return Err(at("the name has a space in it").hint("write NAME=value, without `export`"));
        }
        match Variable::parse(line, &own)? {
            Variable::Unset(_) => {}
            set => variables.push(set),
        }
    }
    Ok(variables)
}
