//! `tare start`: start containers that do not run.

use super::{CONTAINERS, Verb, each_container};
use crate::low::Low;
use crate::session::Session;
use std::process::ExitCode;
use tare_error::{Error, Kind, Result};

pub(super) const VERB: Verb = Verb {
    name: "start",
    about: "start containers that do not run",
    operands: CONTAINERS,
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let interactive = low.switch("interactive");
    if !low.switch("attach") && !interactive {
        return each_container(low, session, |engine, name| {
            engine.start_container(name).map(drop)
        });
    }
    let names = low.operands()?;
    let [name] = names.as_slice() else {
        return Err(Error::new(Kind::Invalid, "start", names.join(" "))
            .because("you cannot start and attach multiple containers at once"));
    };
    let engine = session.engine()?;
    let container = engine.start_attached(name, interactive)?;
    super::run::attended(container, low.count("verbose") > 0)
}
