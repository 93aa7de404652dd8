//! `tare cp`: files copied into a container, or out of one.

use super::{Operands, Verb};
use crate::environment::Environment;
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::process::ExitCode;
use std::time::SystemTime;
use tare_engine::container::{Copied, CopyOptions};
use tare_error::{Error, Kind, Result};

pub(super) const VERB: Verb = Verb {
    name: "cp",
    about: "copy files into a container, or out of one",
    operands: Operands::Two(
        ["FROM", "TO"],
        "CONTAINER:PATH and a path of this machine, either way round; - is an archive on standard input or output",
    ),
    heading: "Containers",
    needs_engine: true,
    run,
};

/// One end of a copy.
#[derive(Debug, PartialEq, Eq)]
enum Side<'a> {
    Container(&'a str, &'a str),
    Machine(&'a str),
    Stream,
}

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let options = CopyOptions {
        archive: low.switch("archive"),
        follow: low.switch("follow-link"),
    };
    let quiet = low.switch("quiet");
    let [from, to] = low.operands()?.try_into().unwrap_or_default();
    let sides = (side(from)?, side(to)?);
    let engine = session.engine()?;
    let copied = match sides {
        (Side::Container(name, path), Side::Stream) => {
            let out = std::io::stdout();
            if std::io::IsTerminal::is_terminal(&out) {
                return Err(
                    Error::new(Kind::Invalid, "write an archive to", "standard output")
                        .because("it is a terminal")
                        .hint("send it to a file or a program: tare cp CONTAINER:PATH - > FILE"),
                );
            }
            engine.archive_out(name, path, &mut std::io::BufWriter::new(out), options)?;
            return Ok(ExitCode::SUCCESS);
        }
        (Side::Container(name, path), Side::Machine(to)) => {
            engine.copy_out(name, path, &whole(session, to)?, options)?
        }
        (Side::Stream, Side::Container(name, path)) => {
            engine.archive_in(&mut std::io::stdin(), name, path)?
        }
        (Side::Machine(from), Side::Container(name, path)) => {
            engine.copy_in(&whole(session, from)?, name, path, options)?
        }
        (Side::Container(..), Side::Container(..)) => {
            return Err(refused("copying between containers is not supported"));
        }
        _ => return Err(refused("must specify at least one container source")),
    };
    tell(&copied, to, quiet);
    Ok(ExitCode::SUCCESS)
}

fn tell(copied: &Copied, to: &str, quiet: bool) {
    if copied.skipped > 0 {
        output::warn(&format!(
            "{} devices or sockets were left out: cp makes none",
            copied.skipped
        ));
    }
    if !quiet {
        output::tell(&format!(
            "Successfully copied {} to {to}\n",
            output::decimal_size(copied.bytes)
        ));
    }
}

fn refused(why: &str) -> Error {
    Error::new(Kind::Invalid, "copy", "").because(why)
}

/// Tells a container's path from one of this machine, which begins with a slash or a dot, or has no colon.
fn side(text: &str) -> Result<Side<'_>> {
    if text == "-" {
        return Ok(Side::Stream);
    }
    match text.split_once(':') {
        Some((name, path)) if !text.starts_with(['/', '.']) => {
            if path.is_empty() || name.is_empty() {
                return Err(Error::new(Kind::Invalid, "copy", text)
                    .because("it is CONTAINER:PATH, and one of the two is missing"));
            }
            Ok(Side::Container(name, path))
        }
        _ if text.is_empty() => Err(refused("a path is empty")),
        _ => Ok(Side::Machine(text)),
    }
}

/// A path of this machine from its root, with the slash or dot that it ends with.
fn whole(session: &Session, text: &str) -> Result<String> {
    if text.starts_with('/') {
        return Ok(text.to_owned());
    }
    let directory = session.directory()?;
    let directory = directory.to_str().ok_or_else(|| {
        Error::new(Kind::Invalid, "copy", text).because("the current directory's name is not UTF-8")
    })?;
    Ok(format!("{}/{text}", directory.trim_end_matches('/')))
}

/// The first process of the container that is meant, where it runs: whoever is root of its namespace alone sees its files.
pub(super) fn neighbour(low: &Low<'_>, environment: &Environment) -> Option<u32> {
    let operands = low.operands().ok()?;
    let name = operands.iter().find_map(|text| match side(text) {
        Ok(Side::Container(name, _)) => Some(name),
        _ => None,
    })?;
    let session = Session::open(low, environment.clone(), SystemTime::now()).ok()?;
    session.engine_as_it_is().ok()?.process_of(name).ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides() {
        for (text, expected) in [
            ("web:/etc", Some(Side::Container("web", "/etc"))),
            ("web:etc", Some(Side::Container("web", "etc"))),
            ("/a:b", Some(Side::Machine("/a:b"))),
            ("./a:b", Some(Side::Machine("./a:b"))),
            ("..", Some(Side::Machine(".."))),
            ("-", Some(Side::Stream)),
            ("web:", None),
            (":x", None),
            ("", None),
        ] {
            assert_eq!(side(text).ok(), expected, "{text}");
        }
    }
}
