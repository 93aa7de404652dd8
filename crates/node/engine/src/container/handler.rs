//! Who makes a container: the library in the supervisor, or another OCI runtime's command, by name.

use super::request::LifeRequest;
use crate::Engine;
use std::path::Path;
use tare_error::nearest;
use tare_error::{Error, Kind, Result};
use tare_shim::RuntimeCommand;

/// The name of the library in the supervisor.
pub(super) const OWN: &str = "tare";

impl Engine {
    /// Who makes a container: who was asked for, else the configuration's default. That is recorded with it: what the
    /// configuration says later is not its matter.
    pub(super) fn handler_name<'a>(&'a self, life: &'a LifeRequest) -> &'a str {
        let default = || self.config().default_handler.as_deref();
        life.handler.as_deref().or_else(default).unwrap_or(OWN)
    }

    /// The command of a handler, by its name in the configuration or the path of its program; none for our own.
    ///
    /// # Errors
    /// `NotFound` for a name that the configuration does not have.
    pub(super) fn handler(&self, name: &str) -> Result<Option<RuntimeCommand>> {
        let config = self.config();
        if name == OWN {
            return Ok(None);
        }
        let program = match config.handlers.get(name) {
            Some(program) => program.as_str(),
            None if Path::new(name).is_absolute() => name,
            None => return Err(self.unknown_handler(name)),
        };
        // Each runtime reads the records of its own alone.
        let of = Path::new(program).file_name().unwrap_or_default();
        Ok(Some(RuntimeCommand {
            program: program.to_owned(),
            root: self.roots().run().join("runtimes").join(of),
        }))
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
