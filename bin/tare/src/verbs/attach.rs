//! `tare attach`: join our streams with a container's that runs.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output;
use crate::session::Session;
use std::process::ExitCode;
use tare_engine::Engine;
use tare_error::Result;
use tare_shim::{Keys, Manner};

pub(super) const VERB: Verb = Verb {
    name: "attach",
    about: "join our streams with a container's that runs",
    operands: Operands::One("CONTAINER", "a name, an id, or the beginning of one"),
    heading: "Containers",
    needs_engine: true,
    run,
};

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let manner = manner(low)?;
    let container = low.operands()?.first().copied().unwrap_or_default();
    let with_input = !low.switch("no-stdin");
    join(&session.engine()?, container, with_input, &manner)
}

/// How we are attached: by which keys we leave, and who gets our signals.
pub(crate) fn manner(low: &Low<'_>) -> Result<Manner> {
    Ok(Manner {
        keys: low.parsed("detach-keys", Keys::parse)?.unwrap_or_default(),
        proxy: low.text("sig-proxy")? != Some("false"),
    })
}

/// Joins our streams with a container's until it ends, or we leave it.
pub(super) fn join(engine: &Engine, container: &str, with_input: bool, manner: &Manner) -> Result<ExitCode> {
    let mut found = engine.attachable(container)?;
    let (interactive, terminal) = (found.interactive && with_input, found.terminal);
    let code = super::with_streams(interactive, terminal, |streams| found.join(streams, manner))?;
    tell_missed(container, found.missed());
    Ok(ExitCode::from(code.unwrap_or(0)))
}

/// Says how much somebody did not see who was slower than the container.
pub(super) fn tell_missed(container: &str, missed: u64) {
    if missed > 0 {
        output::warn(&format!(
            "{missed} bytes came faster than they were read here and were left out: `tare logs {container}` has them"
        ));
    }
}
