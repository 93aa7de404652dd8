//! The document that confines a container by Landlock; `docs/annotations.md` describes it.

use serde::Deserialize;
use std::path::PathBuf;
use tare_container::{Landlock, PathRights, PathRule, Scopes};

/// What may be written: like the specification's own documents, but a member that is not known is a mistake, as what it
/// was to forbid would stay allowed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
struct Document {
    #[serde(default = "yes")]
    required: bool,
    handled_access: Option<Vec<String>>,
    paths: Option<Vec<Rule>>,
    tcp: Option<Tcp>,
    #[serde(default)]
    scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Rule {
    path: PathBuf,
    access: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Tcp {
    bind: Option<Vec<u16>>,
    connect: Option<Vec<u16>>,
}

fn yes() -> bool {
    true
}

/// Reads it; what is wrong with it, in one sentence.
pub(super) fn read(text: &str) -> Result<Landlock, String> {
    let Document {
        required,
        handled_access,
        paths,
        tcp,
        scopes,
    } = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let handled = match (&paths, handled_access) {
        (None, None) => PathRights::empty(),
        (None, Some(_)) => return Err("handledAccess means nothing without paths".to_owned()),
        (Some(_), None) => PathRights::all(),
        (Some(_), Some(names)) => rights(&names)?,
    };
    let rules = paths.into_iter().flatten().map(|given| rule(given, handled));
    let (bind, connect) = tcp.map_or((None, None), |tcp| (tcp.bind, tcp.connect));
    let scopes = scopes.iter().map(|name| {
        Landlock::scope(name).ok_or_else(|| unknown("scope", name, &mut Landlock::names_of_scopes()))
    });
    let landlock = Landlock {
        handled,
        paths: rules.collect::<Result<_, _>>()?,
        bind,
        connect,
        scopes: scopes.collect::<Result<Scopes, _>>()?,
        required,
    };
    let restricts = !landlock.handled.is_empty()
        || landlock.bind.is_some()
        || landlock.connect.is_some()
        || !landlock.scopes.is_empty();
    match restricts {
        true => Ok(landlock),
        false => Err("it restricts nothing: it has no paths, no tcp and no scopes".to_owned()),
    }
}

fn rule(given: Rule, handled: PathRights) -> Result<PathRule, String> {
    let Rule { path, access } = given;
    let at = |why: &str| Err(format!("path {}: {why}", path.display()));
    if !path.is_absolute() {
        return at("it must be absolute");
    }
    let rights = rights(&access)?;
    if rights.is_empty() {
        return at("nothing is allowed there; leave it out");
    }
    if !handled.contains(rights) {
        return at("it allows what handledAccess does not name, and nobody is forbidden");
    }
    Ok(PathRule { path, rights })
}

fn rights(names: &[String]) -> Result<PathRights, String> {
    let rights = names.iter().map(|name| {
        Landlock::path_rights(name)
            .ok_or_else(|| unknown("access right", name, &mut Landlock::names_of_path_rights()))
    });
    rights.collect()
}

fn unknown(what: &str, name: &str, known: &mut dyn Iterator<Item = &'static str>) -> String {
    let known: Vec<&str> = known.collect();
    format!("unknown {what} {name:?}, expected one of {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for() {
        let read = |text: &str| read(text).unwrap();
        let all = read(
            r#"{"required": false, "paths": [{"path": "/", "access": ["read"]}, {"path": "/bin", "access": ["execute"]}],
                "tcp": {"bind": [80, 8080], "connect": []}, "scopes": ["signal", "abstractUnixSocket"]}"#,
        );
        let rule = |path: &str, rights| PathRule {
            path: path.into(),
            rights,
        };
        let expected = Landlock {
            handled: PathRights::all(),
            paths: vec![
                rule("/", PathRights::READ_FILE | PathRights::READ_DIR),
                rule("/bin", PathRights::EXECUTE),
            ],
            bind: Some(vec![80, 8080]),
            connect: Some(Vec::new()),
            scopes: Scopes::all(),
            required: false,
        };
        assert_eq!(all, expected);
        let only = read(r#"{"handledAccess": ["execute", "write"], "paths": []}"#);
        assert!(only.required && only.paths.is_empty() && only.bind.is_none());
        assert_eq!(
            only.handled,
            PathRights::all() - PathRights::READ_FILE - PathRights::READ_DIR
        );
        let ports = read(r#"{"tcp": {"connect": [443]}}"#);
        assert_eq!(
            (ports.handled, ports.bind, ports.connect),
            (PathRights::empty(), None, Some(vec![443]))
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, part) in [
            ("", "EOF while parsing"),
            ("[]", "expected an object"),
            ("7", "invalid type: integer `7`, expected an object"),
            ("{}", "it restricts nothing"),
            (r#"{"tcp": {}}"#, "it restricts nothing"),
            (r#"{"handledAccess": [], "paths": []}"#, "it restricts nothing"),
            (r#"{"path": []}"#, "unknown field `path`"),
            (
                r#"{"scopes": ["signals"]}"#,
                "unknown scope \"signals\", expected one of abstractUnixSocket, signal",
            ),
            (
                r#"{"scopes": ["signal"], "scopes": []}"#,
                "duplicate field `scopes`",
            ),
            (r#"{"tcp": {"bind": [65536]}}"#, "65536"),
            (r#"{"tcp": {"udp": []}}"#, "unknown field `udp`"),
            (r#"{"required": "yes", "paths": []}"#, "invalid type: string"),
            (
                r#"{"handledAccess": ["read"], "scopes": ["signal"]}"#,
                "handledAccess means nothing without paths",
            ),
            (r#"{"paths": [{"path": "/"}]}"#, "missing field `access`"),
            (
                r#"{"paths": [{"path": "/", "access": []}]}"#,
                "path /: nothing is allowed there",
            ),
            (
                r#"{"paths": [{"path": "bin", "access": ["read"]}]}"#,
                "path bin: it must be absolute",
            ),
            (
                r#"{"paths": [{"path": "/", "access": ["Read"]}]}"#,
                "unknown access right \"Read\", expected one of all, read,",
            ),
            (
                r#"{"handledAccess": ["execute"], "paths": [{"path": "/b", "access": ["read"]}]}"#,
                "path /b: it allows what handledAccess does not name",
            ),
            (r#"{"paths": []} {}"#, "trailing characters"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(part), "{text}: {told}");
        }
    }
}
