//! What confines the process by Landlock.

use crate::landlock::{Known, Landlock, in_words};
use crate::plan::{Draft, c_path};
use crate::step::{Action, LandlockStep, Place};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tare_error::{Error, Kind, Result};
use tare_sys::PortRights;

/// Adds it, where it is asked for: the ruleset, what it allows, and the confinement itself, one after the other in one place.
pub(crate) fn contribute(draft: &mut Draft<'_>) -> Result<()> {
    let Some(asked) = draft.request.options.landlock else {
        return Ok(());
    };
    let version = draft.facts.landlock;
    let lacking = asked.lacking(version);
    if asked.required && !lacking.is_empty() {
        return Err(refusal(version, &lacking));
    }
    let known = Known::by(version);
    let (paths, ports, scopes) = (
        asked.handled & known.paths,
        asked.ports() & known.ports,
        asked.scopes & known.scopes,
    );
    if paths.is_empty() && ports.is_empty() && scopes.is_empty() {
        return Ok(());
    }
    let forbidden = LandlockStep::Forbid { paths, ports, scopes };
    push(draft, "make", "a Landlock ruleset", forbidden);
    for rule in &asked.paths {
        let rights = rule.rights & paths;
        if !rule.path.is_absolute() {
            return Err(Error::new(
                Kind::Invalid,
                "allow",
                allowed(&in_words(rule.rights), &rule.path),
            )
            .because("the path must be absolute"));
        }
        if !rights.is_empty() {
            let subject = allowed(&in_words(rights), &rule.path);
            let path = c_path(&rule.path)?;
            push(draft, "allow", subject, LandlockStep::AllowBelow { path, rights });
        }
    }
    allow_ports(draft, asked, ports);
    push(draft, "confine", "by Landlock", LandlockStep::Confine);
    Ok(())
}

/// One rule for each port that is allowed anything.
fn allow_ports(draft: &mut Draft<'_>, asked: &Landlock, ports: PortRights) {
    let mut by_port: BTreeMap<u16, PortRights> = BTreeMap::new();
    for (list, right) in [
        (&asked.bind, PortRights::BIND_TCP),
        (&asked.connect, PortRights::CONNECT_TCP),
    ] {
        for port in BTreeSet::from_iter(list.iter().flatten()) {
            *by_port.entry(*port).or_default() |= right & ports;
        }
    }
    for (port, rights) in by_port.into_iter().filter(|(_, rights)| !rights.is_empty()) {
        let verbs = [
            (PortRights::BIND_TCP, "bind"),
            (PortRights::CONNECT_TCP, "connect to"),
        ];
        let verbs: Vec<&str> = verbs
            .iter()
            .filter(|(right, _)| rights.contains(*right))
            .map(|(_, verb)| *verb)
            .collect();
        let subject = format!("to {} TCP port {port}", verbs.join(" and "));
        push(draft, "allow", subject, LandlockStep::AllowPort { port, rights });
    }
}

fn push(draft: &mut Draft<'_>, name: &'static str, subject: impl std::fmt::Display, step: LandlockStep) {
    draft.push(Place::Confinement, name, subject, Action::Landlock(step));
}

/// `read, execute below /usr`.
fn allowed(rights: &str, path: &Path) -> String {
    format!("{rights} below {}", path.display())
}

fn refusal(version: u32, lacking: &[&str]) -> Error {
    let why = match version {
        0 => "this kernel has no Landlock, or a filter hides it".to_owned(),
        _ => format!(
            "version {version} of this kernel cannot restrict {}",
            lacking.join(", ")
        ),
    };
    Error::new(Kind::Unsupported, "confine", "by Landlock")
        .because(why)
        .hint("where it is not required, as much is done as the kernel can")
}
