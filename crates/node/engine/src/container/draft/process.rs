//! Arguments, environment, working directory and terminal.

use super::{Draft, Input};
use crate::container::request::Variable;
use std::path::Path;
use tare_error::{Error, Kind, Result};
use tare_spec_oci::ConsoleSize;

/// Where commands are looked for when nobody says.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    draft.process.args = arguments(input)?;
    draft.process.cwd = directory(input)?.into();
    draft.process.terminal = input.request.life.terminal;
    draft.process.console_size = input.request.life.size.map(|(lines, columns)| ConsoleSize {
        height: u32::from(lines),
        width: u32::from(columns),
    });
    draft.process.env = environment(input, draft);
    Ok(())
}

/// Entry point and command: an entry point that was asked for makes the image's command void, as docker's.
fn arguments(input: &Input<'_>) -> Result<Vec<String>> {
    let (request, image) = (input.request, input.image);
    let (entrypoint, default) = match &request.process.entrypoint {
        Some(entrypoint) => (entrypoint, &[][..]),
        None => (&image.entrypoint, &image.command[..]),
    };
    let command = if request.command.is_empty() {
        default
    } else {
        &request.command
    };
    let arguments: Vec<String> = entrypoint.iter().chain(command).cloned().collect();
    if arguments.first().is_none_or(String::is_empty) {
        return Err(Error::new(Kind::Invalid, "run", &request.image)
            .because("the image names no command and none was given")
            .hint(format!("give one: tare run {} COMMAND", request.image)));
    }
    if arguments.iter().any(|a| a.contains('\0')) {
        return Err(Error::new(Kind::Invalid, "run", &request.image).because("an argument holds a NUL byte"));
    }
    Ok(arguments)
}

/// The working directory: asked for, else the image's, else the root.
fn directory(input: &Input<'_>) -> Result<String> {
    let asked = input.request.process.directory.as_deref();
    let image = input.image.directory.as_deref().filter(|d| !d.is_empty());
    let directory = asked.or(image).unwrap_or("/");
    if !Path::new(directory).is_absolute() || directory.contains('\0') {
        return Err(
            Error::new(Kind::Invalid, "use working directory", format!("{directory:?}"))
                .because("it is not an absolute path"),
        );
    }
    Ok(cleaned(directory))
}

/// An absolute path without empty parts, `.` and `..`, by its words alone, as docker cleans it.
fn cleaned(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Ours, then the image's, then what was asked; a name that comes again replaces in place.
fn environment(input: &Input<'_>, draft: &Draft) -> Vec<String> {
    let mut list = Environment(vec![("PATH".to_owned(), PATH.to_owned())]);
    let asked = &input.request.namespaces;
    let hostname = match (&asked.hostname, asked.of_pod(|shares| shares.uts)) {
        (Some(name), _) => name.as_str(),
        (None, Some(pod)) => pod.hostname.as_str(),
        (None, None) if host_name_is_the_machines(input) => &input.host.hostname,
        (None, None) => input.id.short(),
    };
    list.set("HOSTNAME", hostname);
    if input.request.life.terminal {
        list.set("TERM", "xterm");
    }
    for variable in &input.image.environment {
        if let Some((name, value)) = variable.split_once('=')
            && !name.is_empty()
            && !variable.contains('\0')
        {
            list.set(name, value);
        }
    }
    if let Some(started) = input.image.started {
        list.set(tare_hello::STARTED_VARIABLE, &started.to_string());
    }
    for variable in &input.request.process.environment {
        match variable {
            Variable::Set(name, value) => list.set(name, value),
            Variable::Unset(name) => list.0.retain(|(n, _)| n != name),
        }
    }
    if !list.0.iter().any(|(name, _)| name == "HOME") {
        let user = draft.process.user.uid;
        list.set("HOME", &super::user::home(&input.found.passwd, user));
    }
    list.0
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// Whether the container sees the machine's own host name.
pub(super) fn host_name_is_the_machines(input: &Input<'_>) -> bool {
    use crate::container::request::{NetworkMode, UtsMode};
    let asked = &input.request.namespaces;
    asked.uts == UtsMode::Host || asked.network == NetworkMode::Host
}

/// Names and values in order.
struct Environment(Vec<(String, String)>);

impl Environment {
    fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }
}
