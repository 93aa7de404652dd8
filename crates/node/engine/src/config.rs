//! The configuration file: one table of keys, from which reading, hints and documentation follow.

use crate::journal::Forward;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tare_error::nearest;
use tare_error::{Context, Error, Kind, Result};
use tare_layer::Limits;
use tare_registry::{Host, Hosts};
use toml::{Table, Value};

/// Bytes of a configuration file.
const FILE_LIMIT: u64 = 1024 * 1024;

/// What an engine is told by the file and by the program around it.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Single registries.
    pub registries: Hosts,
    /// Bounds on a layer.
    pub layers: Limits,
    /// Where docker keeps this person's logins (`~/.docker/config.json`); set by the program.
    pub logins: Option<PathBuf>,
    /// Whether we are root of a user namespace only; set by the program.
    pub rootless: bool,
    /// The supervisor's program; absent means the one beside this program.
    pub supervisor: Option<PathBuf>,
    /// Who makes a container where nobody is asked for; absent: the library in the supervisor.
    pub default_handler: Option<String>,
    /// Who makes containers besides the library, by the names that people give them.
    pub handlers: BTreeMap<String, Handler>,
    /// Where records of what is done go besides the journal.
    pub forward: Forward,
    /// By which door whoever asks has come; set by the program.
    pub door: Option<&'static str>,
    /// When the program started; set by the program, told to the image inside it alone.
    pub started: Option<SystemTime>,
}

/// Who makes containers besides the library.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Handler {
    /// The program of an OCI runtime.
    pub command: Option<String>,
    /// That of a shim of version 2, or containerd's name for it (`io.containerd.runc.v2`).
    pub shim: Option<String>,
    /// What the shim reads as its options, in TOML.
    pub options: String,
}

/// One key of the file.
#[derive(Debug)]
pub struct Key {
    /// Its place; `*` stands for a name that the person chooses.
    pub path: &'static [&'static str],
    /// What may stand there.
    pub takes: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// What it does.
    pub doc: &'static str,
    set: fn(&mut Config, &str, &Value) -> Option<()>,
}

/// Every key there is.
pub const KEYS: &[Key] = &[
    Key {
        path: &["supervisor"],
        takes: "an absolute path",
        default: "containerd-shim-tare-v2 beside tare, else in ../libexec/tare, else in PATH",
        doc: "the program that stands between tare and a container",
        set: |config, _, value| {
            config.supervisor = value.as_str().map(PathBuf::from).filter(|p| p.is_absolute());
            config.supervisor.is_some().then_some(())
        },
    },
    Key {
        path: &["default-handler"],
        takes: "the name of a handler",
        default: "tare, which is the library in the supervisor",
        doc: "who makes a container where --runtime names nobody",
        set: |config, _, value| {
            config.default_handler = Some(value.as_str()?.to_owned());
            Some(())
        },
    },
    Key {
        path: &["handler", "*", "command"],
        takes: "an absolute path, or a name in PATH",
        default: "none",
        doc: "the program of another OCI runtime (runc, crun, runsc), which --runtime calls by this name",
        set: |config, name, value| {
            let command = value.as_str().filter(|command| is_program(command))?;
            config.handler(name).command = Some(command.to_owned());
            Some(())
        },
    },
    Key {
        path: &["handler", "*", "shim"],
        takes: "an absolute path, a name in PATH, or containerd's name of a runtime",
        default: "none",
        doc: "the program of a shim of containerd's version 2, as containerd-shim-runc-v2, which --runtime calls by this name",
        set: |config, name, value| {
            let shim = value.as_str().filter(|shim| is_program(shim))?;
            config.handler(name).shim = Some(shim.to_owned());
            Some(())
        },
    },
    Key {
        path: &["handler", "*", "options"],
        takes: "a table",
        default: "none",
        doc: "what that shim is told: runc's has BinaryName, Root, SystemdCgroup, NoPivotRoot, NoNewKeyring; others their own, or ConfigPath",
        set: |config, name, value| {
            config.handler(name).options = value.as_table()?.to_string();
            Some(())
        },
    },
    Key {
        path: &["registry", "*", "plain-http"],
        takes: "true or false",
        default: "false; on the loopback interface, true where TLS is not spoken",
        doc: "speak HTTP without TLS to the registry of this name (host or host:port)",
        set: |config, name, value| {
            config.registries.set(
                name,
                Host {
                    plain_http: Some(value.as_bool()?),
                },
            );
            Some(())
        },
    },
    Key {
        path: &["events", "forward"],
        takes: "none, journald or syslog",
        default: "none",
        doc: "hand each record of what was done, and by whom, on to the system's journal as well",
        set: |config, _, value| {
            config.forward = Forward::named(value.as_str()?)?;
            Some(())
        },
    },
    Key {
        path: &["layer", "bytes"],
        takes: "a number of bytes",
        default: "68719476736",
        doc: "largest layer that is unpacked, once inflated",
        set: |config, _, value| {
            config.layers.bytes = positive(value)?;
            Some(())
        },
    },
    Key {
        path: &["layer", "entries"],
        takes: "a number",
        default: "2097152",
        doc: "most files, folders and links in one layer",
        set: |config, _, value| {
            config.layers.entries = positive(value)?;
            Some(())
        },
    },
    Key {
        path: &["layer", "ratio"],
        takes: "a number",
        default: "250",
        doc: "most bytes that one compressed byte may become, judged from the first GiB on",
        set: |config, _, value| {
            config.layers.ratio = positive(value)?;
            Some(())
        },
    },
];

/// Whether it can name a program: by its absolute path, or to be looked for in `PATH`.
fn is_program(command: &str) -> bool {
    Path::new(command).is_absolute() || !command.is_empty() && !command.contains('/')
}

fn positive(value: &Value) -> Option<u64> {
    value
        .as_integer()
        .and_then(|n| u64::try_from(n).ok())
        .filter(|&n| n > 0)
}

impl Config {
    fn handler(&mut self, name: &str) -> &mut Handler {
        self.handlers.entry(name.to_owned()).or_default()
    }

    /// Reads `config.toml` in the folder `config`; a file that does not exist says nothing.
    ///
    /// # Errors
    /// `Invalid` for text that is no TOML, an unknown key (naming the nearest), a value of another type.
    pub fn load(config: &Path) -> Result<Config> {
        let path = config.join("config.toml");
        let shown = path.display();
        let text = match std::fs::metadata(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Config::default()),
            Ok(m) if m.len() > FILE_LIMIT => {
                return Err(Error::new(Kind::Invalid, "read", shown)
                    .because(format!("it is longer than {FILE_LIMIT} bytes")));
            }
            _ => std::fs::read_to_string(&path).op("read", &shown)?,
        };
        Config::parse(&text, &shown.to_string())
    }

    /// Reads the text of a configuration file called `shown`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, shown: &str) -> Result<Config> {
        let wrong = |reason: String| Error::new(Kind::Invalid, "read", shown).because(reason);
        let table: Table = text.parse().map_err(|e: toml::de::Error| {
            let line = e.span().map_or(0, |span| {
                text[..span.start.min(text.len())].matches('\n').count() + 1
            });
            wrong(format!("line {line}: {}", e.message()))
        })?;
        let mut config = Config::default();
        read_table(&mut config, &table, &mut Vec::new(), &wrong)?;
        Ok(config)
    }
}

/// Reads one table, `path` being the keys that lead to it.
fn read_table(
    config: &mut Config,
    table: &Table,
    path: &mut Vec<String>,
    wrong: &dyn Fn(String) -> Error,
) -> Result<()> {
    for (name, value) in table {
        path.push(name.clone());
        let here = |key: &&Key| {
            let depth = path.len();
            key.path.len() >= depth && key.path.iter().zip(path.iter()).all(|(k, p)| *k == "*" || k == p)
        };
        let Some(key) = KEYS.iter().find(here) else {
            return Err(unknown(path, wrong));
        };
        match value {
            Value::Table(below) if key.path.len() > path.len() => read_table(config, below, path, wrong)?,
            value if key.path.len() == path.len() => {
                let star = key
                    .path
                    .iter()
                    .position(|k| *k == "*")
                    .and_then(|at| path.get(at));
                (key.set)(config, star.map_or("", String::as_str), value)
                    .ok_or_else(|| wrong(format!("{} takes {}", written(path), key.takes)))?;
            }
            _ => {
                return Err(wrong(format!(
                    "{} is a table: [{}]",
                    written(path),
                    written(path)
                )));
            }
        }
        path.pop();
    }
    Ok(())
}

/// A key as TOML writes it.
fn written(path: &[String]) -> String {
    let bare = |part: &String| {
        part.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let parts: Vec<String> = path
        .iter()
        .map(|p| if bare(p) { p.clone() } else { format!("{p:?}") })
        .collect();
    parts.join(".")
}

fn unknown(path: &[String], wrong: &dyn Fn(String) -> Error) -> Error {
    let error = wrong(format!("unknown key {}", written(path)));
    let Some((last, above)) = path.split_last() else {
        return error;
    };
    let siblings = KEYS.iter().filter(|key| {
        key.path.len() > above.len() && key.path.iter().zip(above).all(|(k, p)| *k == "*" || k == p)
    });
    let names: Vec<&str> = siblings
        .filter_map(|key| key.path.get(above.len()).copied())
        .collect();
    match nearest(last, names.iter().copied()) {
        Some(near) => {
            let meant: Vec<String> = above.iter().cloned().chain([near.to_owned()]).collect();
            error.hint(format!("did you mean {}?", written(&meant)))
        }
        None => {
            let mut names = names;
            names.dedup();
            error.hint(format!("known there: {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (String, String) {
        let e = Config::parse(text, "config.toml").unwrap_err();
        assert_eq!(e.kind(), Kind::Invalid);
        (e.to_string(), e.first_hint().unwrap_or_default().to_owned())
    }

    #[test]
    fn every_key_is_read() {
        let text = "events.forward = \"syslog\"\nsupervisor = \"/opt/shim\"\ndefault-handler = \"crun\"\n[handler.crun]\ncommand = \"/usr/bin/crun\"\n[handler.kata]\nshim = \"io.containerd.kata.v2\"\n[handler.kata.options]\nConfigPath = \"/etc/kata.toml\"\n[registry.\"10.0.0.1:5000\"]\nplain-http = true\n\n[layer]\nbytes = 5\nentries = 6\nratio = 7\n";
        let config = Config::parse(text, "x").unwrap();
        assert_eq!(
            (config.layers.bytes, config.layers.entries, config.layers.ratio),
            (5, 6, 7)
        );
        assert_eq!(config.supervisor.as_deref(), Some(Path::new("/opt/shim")));
        assert_eq!(config.default_handler.as_deref(), Some("crun"));
        assert_eq!(config.handlers["crun"].command.as_deref(), Some("/usr/bin/crun"));
        let kata = &config.handlers["kata"];
        assert_eq!(kata.shim.as_deref(), Some("io.containerd.kata.v2"));
        assert_eq!(kata.options, "ConfigPath = \"/etc/kata.toml\"\n");
        assert!(format!("{:?}", config.registries).contains("10.0.0.1:5000"));
        for key in KEYS {
            assert!(
                text.contains(key.path.last().unwrap()),
                "{:?} has no test",
                key.path
            );
        }
        Config::parse("", "x").unwrap();
        Config::load(Path::new("/no/such/folder")).unwrap();
    }

    #[test]
    fn the_documented_defaults_are_the_real_ones() {
        let limits = Config::default().layers;
        let stated = |name: &str| KEYS.iter().find(|k| k.path == ["layer", name]).unwrap().default;
        assert_eq!(stated("bytes"), limits.bytes.to_string());
        assert_eq!(stated("entries"), limits.entries.to_string());
        assert_eq!(stated("ratio"), limits.ratio.to_string());
    }

    #[test]
    fn what_is_wrong_is_named_with_the_nearest_key() {
        for (text, reason, hint) in [
            ("[registri]", "unknown key registri", "did you mean registry?"),
            (
                "[registry.\"a:1\"]\nplain_http = true",
                "unknown key registry.\"a:1\".plain_http",
                "did you mean registry.\"a:1\".plain-http?",
            ),
            (
                "[layer]\ncolour = 1",
                "unknown key layer.colour",
                "known there: bytes, entries, ratio",
            ),
            (
                "[registry.a]\nplain-http = \"yes\"",
                "registry.a.plain-http takes true or false",
                "",
            ),
            ("[layer]\nbytes = -1", "layer.bytes takes a number of bytes", ""),
            ("layer = 1", "layer is a table: [layer]", ""),
            ("supervisor = \"shim\"", "supervisor takes an absolute path", ""),
            (
                "[handler.a]\ncommand = \"./crun\"",
                "handler.a.command takes an absolute path, or a name in PATH",
                "",
            ),
            ("[layer.bytes]\nx = 1", "layer.bytes takes a number of bytes", ""),
            ("\n\nlayer = ", "line 3:", ""),
        ] {
            let (said, hinted) = error(text);
            assert!(said.contains(reason), "{said}");
            assert_eq!(hinted, hint, "{text}");
        }
    }
}
