//! Who makes a container: the library in the supervisor, or another OCI runtime's command, by name.

use super::request::LifeRequest;
use crate::Engine;
use std::path::{Path, PathBuf};
use tare_error::nearest;
use tare_error::{Error, Kind, Result};
use tare_shim::{Maker, RuntimeCommand, ShimCommand};

/// The name of the library in the supervisor.
pub(super) const OWN: &str = "tare";

impl Engine {
    /// Who makes a container: who was asked for, else the configuration's default. That is recorded with it: what the
    /// configuration says later is not its matter.
    pub(super) fn handler_name<'a>(&'a self, life: &'a LifeRequest) -> &'a str {
        let default = || self.config().default_handler.as_deref();
        life.handler.as_deref().or_else(default).unwrap_or(OWN)
    }

    /// The maker that a handler is, by its name in the configuration, the path of its program, or containerd's name of a runtime;
    /// none for our own.
    ///
    /// # Errors
    /// `NotFound` for a name that the configuration does not have, and for a shim that is not there; `Invalid` for one that is two
    /// things, or is given options that it does not have.
    pub(super) fn handler(&self, name: &str) -> Result<Option<Maker>> {
        if name == OWN {
            return Ok(None);
        }
        let known = self.config().handlers.get(name);
        let (command, shim) = match known {
            Some(known) => (known.command.as_deref(), known.shim.as_deref()),
            None if is_shim(name) => (None, Some(name)),
            None if Path::new(name).is_absolute() => (Some(name), None),
            None => return Err(self.unknown_handler(name)),
        };
        let options = known.map_or("", |known| known.options.as_str());
        let unfit = |why: &str, hint: String| {
            Err(Error::new(Kind::Invalid, "use handler", name)
                .because(why.to_owned())
                .hint(hint))
        };
        match (command, shim) {
            (Some(_), Some(_)) => unfit(
                "it is both a command and a shim",
                format!("leave one of them out of [handler.{name}] in config.toml"),
            ),
            (None, None) => unfit(
                "it is neither a command nor a shim",
                format!("config.toml names one: [handler.{name}] shim = \"/path\""),
            ),
            (Some(_), None) if !options.is_empty() => unfit(
                "options are for shims, and it is a command",
                format!("leave [handler.{name}.options] out of config.toml"),
            ),
            // Each runtime reads the records of its own alone.
            (Some(program), None) => Ok(Some(Maker::Command(RuntimeCommand {
                program: program.to_owned(),
                root: self.records_of(program),
            }))),
            (None, Some(shim)) => self.shim(name, shim, options).map(Maker::Shim).map(Some),
        }
    }

    /// Where a runtime keeps its records.
    fn records_of(&self, program: &str) -> PathBuf {
        let of = Path::new(program).file_name().unwrap_or_default();
        self.roots().run().join("runtimes").join(of)
    }

    fn shim(&self, name: &str, shim: &str, options: &str) -> Result<ShimCommand> {
        let program = match program_of(shim) {
            Some(program) => program,
            None => shim.to_owned(),
        };
        if !is_there(&program) {
            let place = match Path::new(&program).is_absolute() {
                true => "",
                false => " in PATH",
            };
            return Err(Error::new(Kind::NotFound, "use handler", name)
                .because(format!("there is no program {program}{place}"))
                .hint("install the shim, or name its path: [handler.NAME] shim = \"/path\" in config.toml"));
        }
        let records = self.records_of(&program);
        ShimCommand::new(&program, options, &records).map_err(|e| {
            let reason = e.reason().unwrap_or_default();
            let told =
                Error::new(Kind::Invalid, "use handler", name).because(format!("its options: {reason}"));
            match e.first_hint() {
                Some(hint) => told.hint(hint.to_owned()),
                None => told,
            }
        })
    }

    fn unknown_handler(&self, name: &str) -> Error {
        let known = || self.config().handlers.keys().map(String::as_str).chain([OWN]);
        let error = Error::new(Kind::NotFound, "use handler", name).because("there is none of this name");
        match nearest(name, known()) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint(format!(
                "known: {}; another one is named in config.toml: [handler.{name}] command = \"/path\"",
                known().collect::<Vec<_>>().join(", ")
            )),
        }
    }
}

/// Whether this names a shim: by the path of a program that has a shim's name, or as containerd names a runtime.
fn is_shim(name: &str) -> bool {
    let path = Path::new(name);
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    path.is_absolute() && file.starts_with("containerd-shim-") || program_of(name).is_some()
}

/// The program of a runtime by the name that containerd has for it: `io.containerd.runc.v2` is `containerd-shim-runc-v2`.
fn program_of(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    let plain = |part: &&str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let [.., runtime, version] = parts.as_slice() else {
        return None;
    };
    let digits = version.strip_prefix('v')?;
    let is_version = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    (parts.len() > 2 && is_version && parts.iter().all(plain))
        .then(|| format!("containerd-shim-{runtime}-{version}"))
}

/// Whether a program is there: at its path, or in `PATH`.
fn is_there(program: &str) -> bool {
    let runs = |path: &Path| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return runs(Path::new(program));
    }
    #[expect(clippy::disallowed_methods, reason = "where the supervisor will look for it")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| runs(&folder.join(program)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shim_is_named_as_containerd_and_docker_name_it() {
        for (name, shim, program) in [
            ("io.containerd.runc.v2", true, Some("containerd-shim-runc-v2")),
            (
                "io.containerd.kata-fc.v2",
                true,
                Some("containerd-shim-kata-fc-v2"),
            ),
            ("/opt/containerd-shim-tare-v2", true, None),
            ("/usr/bin/runc", false, None),
            ("runc.v2", false, None),
            ("runc", false, None),
            ("a..v2", false, None),
            ("io.containerd.runc.two", false, None),
            ("io/containerd.runc.v2", false, None),
        ] {
            assert_eq!(
                (is_shim(name), program_of(name).as_deref()),
                (shim, program),
                "{name}"
            );
        }
    }
}
