//! Arguments, read by the table: options in any position, with one dash or two, with `=` or without.

use crate::log::Log;
use crate::options::{OPTIONS, Opt, VERBS, Verb, find};
use rustix::process::geteuid;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tare_error::{Error, Kind, Result};
use tare_lifecycle::{ContainerId, Driver, Home};
use tare_process::rootless::{self, Standing};

/// Where containers are kept.
const ROOT: &str = "/run/tare/runtime";

/// The runtime folder that a login of root gets: of the machine's root, or of a system container's.
const ROOTS_OWN: &str = "/run/user/0";

/// The arguments of one call.
pub(crate) struct Arguments {
    pub(crate) verb: Option<&'static Verb>,
    /// Options by their first name, in order; a switch has an empty value.
    options: Vec<(&'static str, String)>,
    pub(crate) operands: Vec<String>,
    pub(crate) log: Log,
}

impl Arguments {
    /// Reads them.
    pub(crate) fn read(words: Vec<OsString>) -> Result<Arguments> {
        let mut arguments = Arguments {
            verb: None,
            options: Vec::new(),
            operands: Vec::new(),
            log: Log::of(&words),
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let word = text(word)?;
            match word.as_str() {
                "--" => {
                    for word in words.by_ref() {
                        arguments.operands.push(text(word)?);
                    }
                }
                word if is_option(word) && (!arguments.in_command() || arguments.asks_for_help(word)) => {
                    arguments.option(word, &mut words)?;
                }
                _ => arguments.operand(word)?,
            }
        }
        Ok(arguments)
    }

    /// Whether a switch was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options
            .iter()
            .any(|(given, value)| *given == name && value != "false")
    }

    /// An option's value; the last one counts.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let mut given = self.options.iter().rev();
        given
            .find(|(given, _)| *given == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of an option that may be given several times.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let given = self.options.iter().filter(move |(given, _)| *given == name);
        given.map(|(_, value)| value.as_str())
    }

    /// An option's value as a path.
    pub(crate) fn path(&self, name: &str) -> Option<&Path> {
        self.value(name).map(Path::new)
    }

    /// The folder with all containers.
    pub(crate) fn home(&self) -> Home {
        Home::at(self.value("root").map_or_else(default_root, PathBuf::from))
    }

    /// Who makes the cgroup.
    pub(crate) fn driver(&self) -> Result<Driver> {
        let systemd = match self.value("cgroup-manager") {
            None | Some("cgroupfs") => self.has("systemd-cgroup"),
            Some("systemd") => true,
            Some(other) => {
                return Err(Error::new(Kind::Invalid, "read option", "--cgroup-manager")
                    .because(format!("{other:?} is neither cgroupfs nor systemd")));
            }
        };
        Ok(match systemd {
            false => Driver::Cgroupfs,
            true => systemd_of_caller()?,
        })
    }

    /// The container's id: the first operand.
    pub(crate) fn id(&self) -> Result<ContainerId> {
        let verb = self.verb.map_or("", |verb| verb.name);
        let missing = || {
            Error::new(Kind::Invalid, verb, "")
                .because("a container id is missing")
                .hint(format!("tare-runtime {verb} --help"))
        };
        ContainerId::parse(self.operands.first().ok_or_else(missing)?)
    }

    /// That there are no more than `most` operands.
    pub(crate) fn at_most(&self, most: usize) -> Result<()> {
        match self.operands.get(most) {
            None => Ok(()),
            Some(more) => {
                Err(Error::new(Kind::Invalid, "read arguments", "")
                    .because(format!("{more:?} is one too many")))
            }
        }
    }

    /// The folder of the bundle.
    pub(crate) fn bundle(&self) -> &Path {
        self.path("bundle").unwrap_or(Path::new("."))
    }

    /// Whether what comes is a command with options of its own.
    fn in_command(&self) -> bool {
        let begins = |verb: &Verb| verb.takes_anything || (verb.takes_command && !self.operands.is_empty());
        self.verb.is_some_and(begins)
    }

    /// Whether help is asked for where there is one answer to everything else.
    fn asks_for_help(&self, word: &str) -> bool {
        self.verb.is_some_and(|verb| verb.takes_anything) && ["-h", "--help"].contains(&word)
    }

    fn operand(&mut self, word: String) -> Result<()> {
        if self.verb.is_some() {
            self.operands.push(word);
            return Ok(());
        }
        let known = VERBS.iter().find(|verb| verb.name == word);
        self.verb = Some(known.ok_or_else(|| {
            Error::new(Kind::Invalid, "read arguments", "")
                // Runc's words first.
                .because(format!(
                    "No help topic for '{word}': there is no command {word:?}"
                ))
                .hint("tare-runtime --help lists the commands")
        })?);
        Ok(())
    }

    /// One word that begins with a dash: `--name`, `--name=value`, `-name`, `-n value`, or several switches `-ab`.
    fn option(&mut self, word: &str, rest: &mut impl Iterator<Item = OsString>) -> Result<()> {
        let bare = word.trim_start_matches('-');
        let (name, given) = match bare.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (bare, None),
        };
        let verb = self.verb.map(|verb| verb.name);
        let Some(option) = find(verb, name) else {
            return self.switches(word, bare);
        };
        let value = match (given, option.value) {
            (Some(value), _) => value,
            (None, "") => String::new(),
            (None, shown) => match rest.next() {
                Some(value) => text(value)?,
                None => {
                    return Err(Error::new(Kind::Invalid, "read option", word)
                        .because(format!("it needs a value: {shown}")));
                }
            },
        };
        self.options.push((first_name(option), value));
        Ok(())
    }

    fn switches(&mut self, word: &str, bare: &str) -> Result<()> {
        let verb = self.verb.map(|verb| verb.name);
        let mut letters = [0; 4];
        for letter in bare.chars() {
            let switch =
                find(verb, letter.encode_utf8(&mut letters)).filter(|option| option.value.is_empty());
            match switch {
                Some(option) if !word.starts_with("--") => {
                    self.options.push((first_name(option), String::new()))
                }
                _ => return Err(unknown(verb, word)),
            }
        }
        Ok(())
    }
}

fn is_option(word: &str) -> bool {
    word.starts_with('-') && word.len() > 1
}

fn first_name(option: &'static Opt) -> &'static str {
    option.names.first().copied().unwrap_or_default()
}

fn unknown(verb: Option<&str>, word: &str) -> Error {
    let bare = word.trim_start_matches('-');
    let name = bare.split('=').next().unwrap_or(bare);
    let error = Error::new(Kind::Invalid, "read option", word);
    match OPTIONS.iter().find(|option| option.names.contains(&name)) {
        Some(other) if verb.is_none() => error.because(format!(
            "it belongs to {}, and comes after that",
            other.verbs.join(", ")
        )),
        Some(other) => error.because(format!("only {} has it", other.verbs.join(", "))),
        None => error
            .because("there is no such option")
            .hint("tare-runtime --help lists the options"),
    }
}

fn text(word: OsString) -> Result<String> {
    word.into_string().map_err(|word| {
        Error::new(Kind::Invalid, "read argument", word.display()).because("it is not valid UTF-8")
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "where a bus is, only the environment says"
)]
fn systemd_of_caller() -> Result<Driver> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let runtime_folder = variable("XDG_RUNTIME_DIR");
    let asks_user = match (geteuid().is_root(), runtime_folder.as_deref()) {
        (false, _) => true,
        (true, None | Some(ROOTS_OWN)) => false,
        // Root of a user namespace with a user's runtime folder is that user (podman without root).
        (true, Some(_)) => rootless::standing()? != Standing::Root,
    };
    Ok(match asks_user {
        false => Driver::Systemd {
            address: variable("DBUS_SYSTEM_BUS_ADDRESS"),
        },
        true => Driver::UserSystemd {
            address: variable("DBUS_SESSION_BUS_ADDRESS"),
            runtime_folder: runtime_folder.map(PathBuf::from),
        },
    })
}

/// Root's folder, or an ordinary user's own.
#[expect(
    clippy::disallowed_methods,
    reason = "where a user's run folder is, only the environment says"
)]
fn default_root() -> PathBuf {
    let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| !geteuid().is_root());
    own.map_or_else(
        || PathBuf::from(ROOT),
        |folder| Path::new(&folder).join("tare/runtime"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments> {
        Arguments::read(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn options_stand_anywhere_and_are_written_in_any_way() {
        for line in [
            "--root /r create --bundle /b --no-pivot id",
            "-root=/r create id -b /b --no-pivot",
            "create --root /r id --no-pivot=true -bundle=/b",
        ] {
            let read = read(line).unwrap();
            assert_eq!(read.verb.unwrap().name, "create", "{line}");
            assert_eq!(read.operands, ["id"], "{line}");
            assert_eq!(
                (read.value("root"), read.value("bundle")),
                (Some("/r"), Some("/b")),
                "{line}"
            );
            assert!(read.has("no-pivot") && !read.has("no-new-keyring"), "{line}");
        }
        assert!(!read("run --detach=false x").unwrap().has("detach"));
        assert_eq!(read("kill x -- -9").unwrap().operands, ["x", "-9"]);
        let anything = read("checkpoint --image-path /x --nosuch=1 id").unwrap();
        assert_eq!(anything.operands.len(), 4, "there is one answer to all of it");
    }

    #[test]
    fn what_is_not_there_is_told() {
        for (line, part) in [
            ("nosuch", "no command \"nosuch\""),
            ("create --nosuch", "no such option"),
            ("--bundle /x create", "it belongs to create"),
            ("start --bundle /x y", "only create"),
            ("create --bundle", "needs a value: DIR"),
        ] {
            let told = read(line).err().map(|e| format!("{e:?}")).unwrap_or_default();
            assert!(told.contains(part), "{line}: {told}");
        }
    }
}
