//! Changes of an image's configuration, as lines of a Dockerfile: those that say how it is run.

use serde_json::{Map, Value, json};
use tare_error::{Error, Kind, Result};

/// The instructions there are.
const KNOWN: &str = "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME and WORKDIR";

/// Applies one line to the member `config`.
///
/// # Errors
/// `Invalid` for another instruction, or none that can be read.
pub(super) fn apply(config: &mut Map<String, Value>, line: &str) -> Result<()> {
    let bad = |why: &str| {
        Error::new(Kind::Invalid, "read change", format!("{line:?}"))
            .because(why)
            .hint(format!("the changes are {KNOWN}, as in a Dockerfile"))
    };
    let (word, rest) = line
        .trim()
        .split_once(char::is_whitespace)
        .unwrap_or((line.trim(), ""));
    let rest = rest.trim();
    if rest.is_empty() {
        return Err(bad("it says nothing"));
    }
    match word.to_ascii_uppercase().as_str() {
        "CMD" => set(config, "Cmd", command(rest)),
        "ENTRYPOINT" => set(config, "Entrypoint", command(rest)),
        "USER" => set(config, "User", json!(rest)),
        "STOPSIGNAL" => set(config, "StopSignal", json!(rest)),
        "WORKDIR" => {
            let before = config.get("WorkingDir").and_then(Value::as_str).unwrap_or("/");
            let path = std::path::Path::new(before).join(rest);
            let path = std::path::Path::new("/").join(path);
            set(config, "WorkingDir", json!(path));
        }
        "ENV" => {
            for (name, value) in pairs(rest).ok_or_else(|| bad("it is NAME=VALUE"))? {
                environment(config, &name, &value);
            }
        }
        "LABEL" => {
            for (name, value) in pairs(rest).ok_or_else(|| bad("it is NAME=VALUE"))? {
                add(config, "Labels", name, json!(value));
            }
        }
        "EXPOSE" => {
            for port in rest.split_whitespace() {
                let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
                if number.parse::<u16>().is_err() || !["tcp", "udp", "sctp"].contains(&protocol) {
                    return Err(bad("a port is NUMBER[/tcp|/udp|/sctp]"));
                }
                add(config, "ExposedPorts", format!("{number}/{protocol}"), json!({}));
            }
        }
        "VOLUME" => {
            let paths: Vec<String> = match serde_json::from_str(rest) {
                Ok(paths) => paths,
                Err(_) => rest.split_whitespace().map(str::to_owned).collect(),
            };
            for path in paths {
                add(config, "Volumes", path, json!({}));
            }
        }
        _ => return Err(bad(&format!("{word} is not a valid change command"))),
    }
    Ok(())
}

fn set(config: &mut Map<String, Value>, name: &str, value: Value) {
    config.insert(name.to_owned(), value);
}

/// Adds to a member that is an object.
fn add(config: &mut Map<String, Value>, member: &str, name: String, value: Value) {
    let mut members = config
        .get(member)
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    members.insert(name, value);
    set(config, member, members.into());
}

/// A command: a list as JSON, else a line for the shell.
fn command(text: &str) -> Value {
    match serde_json::from_str::<Vec<String>>(text) {
        Ok(words) => json!(words),
        Err(_) => json!(["/bin/sh", "-c", text]),
    }
}

fn environment(config: &mut Map<String, Value>, name: &str, value: &str) {
    let mut lines = config
        .get("Env")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let prefix = format!("{name}=");
    lines.retain(|line| !line.as_str().is_some_and(|line| line.starts_with(&prefix)));
    lines.push(json!(format!("{prefix}{value}")));
    set(config, "Env", lines.into());
}

/// `NAME=VALUE NAME="A VALUE"`, or `NAME A VALUE`.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let words = words(text)?;
    if !words.first()?.contains('=') {
        let (name, value) = text.split_once(char::is_whitespace)?;
        return Some(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: String| {
        let (name, value) = word.split_once('=')?;
        (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    };
    words.into_iter().map(pair).collect()
}

/// Words divided by spaces, in which quotes and backslashes keep what they hold together.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().push(characters.next()?),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(end)) if c == end => quote = None,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_dockerfile() {
        let mut config = Map::new();
        config.insert("Env".into(), json!(["A=0", "B=1"]));
        config.insert("WorkingDir".into(), json!("/srv"));
        for line in [
            "CMD [\"a\", \"b c\"]",
            "entrypoint echo hi",
            "ENV A=1 C=\"x y\" D='\\'",
            "ENV E one two",
            "LABEL k=v",
            "EXPOSE 80 53/udp",
            "USER 7:8",
            "VOLUME [\"/data\"]",
            "VOLUME /a /b",
            "WORKDIR sub",
            "STOPSIGNAL SIGINT",
        ] {
            apply(&mut config, line).unwrap();
        }
        let expected = json!({
            "Cmd": ["a", "b c"], "Entrypoint": ["/bin/sh", "-c", "echo hi"],
            "Env": ["B=1", "A=1", "C=x y", "D=\\", "E=one two"], "Labels": {"k": "v"},
            "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "User": "7:8",
            "Volumes": {"/data": {}, "/a": {}, "/b": {}}, "WorkingDir": "/srv/sub", "StopSignal": "SIGINT",
        });
        assert_eq!(Value::Object(config), expected);
    }

    #[test]
    fn what_is_none() {
        for line in [
            "",
            "CMD",
            "RUN true",
            "ENV A",
            "ENV A=\"x",
            "EXPOSE x",
            "EXPOSE 80/ip",
            "LABEL =v",
        ] {
            assert!(apply(&mut Map::new(), line).is_err(), "{line}");
        }
    }
}
