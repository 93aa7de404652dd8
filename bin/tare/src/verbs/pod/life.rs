//! `tare pod start`, `stop`, `restart`, `kill`, `pause`, `unpause`: the same for every container of a pod.

use super::{PODS, each_pod};
use crate::low::Low;
use crate::session::Session;
use crate::verbs::Verb;
use std::process::ExitCode;
use tare_engine::container::request::{parse_seconds, parse_signal};
use tare_error::Result;

/// What is sent where nobody says.
const KILL_SIGNAL: i32 = 9;

pub(in crate::verbs) const START: Verb = Verb {
    name: "pod start",
    about: "start every container of pods",
    operands: PODS,
    heading: "",
    needs_engine: true,
    run: start,
};

pub(in crate::verbs) const STOP: Verb = Verb {
    name: "pod stop",
    about: "stop every container of pods, and end what they share",
    operands: PODS,
    heading: "",
    needs_engine: true,
    run: stop,
};

pub(in crate::verbs) const RESTART: Verb = Verb {
    name: "pod restart",
    about: "stop and start every container of pods",
    operands: PODS,
    heading: "",
    needs_engine: true,
    run: restart,
};

pub(in crate::verbs) const KILL: Verb = Verb {
    name: "pod kill",
    about: "send every container of pods a signal",
    operands: PODS,
    heading: "",
    needs_engine: true,
    run: kill,
};

pub(in crate::verbs) const PAUSE: Verb = Verb {
    name: "pod pause",
    about: "have every process of pods stand still",
    operands: PODS,
    heading: "",
    needs_engine: true,
    run: pause,
};

pub(in crate::verbs) const UNPAUSE: Verb = Verb {
    name: "pod unpause",
    about: "let every process of pods go on",
    operands: PODS,
    heading: "",
    needs_engine: true,
    run: unpause,
};

fn start(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    each_pod(low, session, |engine, name| engine.start_pod(name))
}

fn stop(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let seconds = low.parsed("time", parse_seconds)?;
    let ignore = low.switch("ignore");
    each_pod(low, session, |engine, name| {
        match engine.stop_pod(name, seconds) {
            Err(e) if ignore && e.kind() == tare_error::Kind::NotFound => Ok(name.to_owned()),
            stopped => stopped,
        }
    })
}

fn restart(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let seconds = low.parsed("time", parse_seconds)?;
    each_pod(low, session, |engine, name| engine.restart_pod(name, seconds))
}

fn kill(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let signal = low.parsed("signal", parse_signal)?.unwrap_or(KILL_SIGNAL);
    each_pod(low, session, |engine, name| engine.kill_pod(name, signal))
}

fn pause(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    each_pod(low, session, |engine, name| engine.freeze_pod(name, true))
}

fn unpause(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    each_pod(low, session, |engine, name| engine.freeze_pod(name, false))
}
