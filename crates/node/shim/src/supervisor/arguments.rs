//! The command line by which containerd starts a shim (`pkg/shim/shim.go`): Go's flags, then an action.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use tare_error::{Error, Kind, Result};

/// What containerd says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// What is to be done.
    pub action: Action,
    /// containerd's namespace.
    pub namespace: String,
    /// The container, or the sandbox.
    pub id: String,
    /// The bundle, where it is not the working directory.
    pub bundle: Option<PathBuf>,
    /// containerd's own socket, which tells containerds of one machine apart.
    pub address: String,
    /// For a supervisor that another program was: the descriptor of its state.
    pub state: Option<i32>,
    /// For a pod of our own engine's, in place of all that containerd says.
    pub own: Option<Own>,
}

/// What our own engine says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// The pod's directory.
    pub pod: PathBuf,
    /// Where the library keeps the containers of all pods.
    pub containers: PathBuf,
}

/// What a shim is started for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// Have a supervisor for a container, and say where it listens.
    Start,
    /// Clean up after a container whose supervisor is gone.
    Delete,
    /// Say which version this is.
    Version,
    /// Say what the runtime can do.
    Info,
    /// Have every supervisor become this program.
    Upgrade,
    /// Say whether this program understands the state of a supervisor, which is standard input.
    CheckState,
    /// Be the supervisor: what `Start` starts.
    #[default]
    Serve,
}

impl Arguments {
    /// Reads them; `-name value`, `-name=value`, one dash or two.
    ///
    /// # Errors
    /// `Invalid` for a flag or an action that there is not, or a flag without its value.
    pub fn parse(words: impl Iterator<Item = OsString>) -> Result<Arguments> {
        let mut arguments = Arguments::default();
        let (mut pod, mut containers) = (None, None);
        let mut words = words.peekable();
        while let Some(word) = words.next_if(|word| word.as_encoded_bytes().starts_with(b"-")) {
            let flag = text(&word)?;
            let bare = flag.trim_start_matches('-');
            let (name, value) = match bare.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (bare, None),
            };
            let mut value = || match value.clone().map_or_else(|| words.next(), |v| Some(v.into())) {
                Some(value) => Ok(value),
                None => Err(wrong(flag, "it has no value")),
            };
            match name {
                "namespace" => arguments.namespace = text(&value()?)?.to_owned(),
                "id" => arguments.id = text(&value()?)?.to_owned(),
                "address" => arguments.address = text(&value()?)?.to_owned(),
                "bundle" => arguments.bundle = Some(PathBuf::from(value()?)),
                // We publish by ourselves, and the address follows from the rest.
                "publish-binary" | "socket" => drop(value()?),
                "pod" => pod = Some(PathBuf::from(value()?)),
                "containers" => containers = Some(PathBuf::from(value()?)),
                "debug" => {}
                "v" | "version" => arguments.action = Action::Version,
                "info" => arguments.action = Action::Info,
                "check-state" => arguments.action = Action::CheckState,
                "state" => arguments.state = Some(number(flag, &value()?)?),
                _ => return Err(wrong(flag, "there is no such flag")),
            }
        }
        match words.next() {
            None => {}
            Some(word) if word == "start" => arguments.action = Action::Start,
            Some(word) if word == "delete" => arguments.action = Action::Delete,
            Some(word) if word == "upgrade" => arguments.action = Action::Upgrade,
            Some(word) => {
                return Err(wrong(
                    &word.to_string_lossy(),
                    "expected start, delete or upgrade",
                ));
            }
        }
        arguments.own = match (pod, containers) {
            (None, None) => None,
            (Some(pod), Some(containers)) => Some(Own { pod, containers }),
            (Some(_), None) => return Err(wrong("-pod", "it needs -containers")),
            (None, Some(_)) => return Err(wrong("-containers", "it needs -pod")),
        };
        arguments.check()
    }

    /// A namespace and an id become names of files; containerd allows no others.
    fn check(self) -> Result<Arguments> {
        if matches!(self.action, Action::Version | Action::Info | Action::CheckState) {
            return Ok(self);
        }
        if let Some(own) = &self.own {
            return match own.pod.is_absolute() && own.containers.is_absolute() {
                true => Ok(self),
                false => Err(wrong("-pod", "it and -containers must be absolute paths")),
            };
        }
        for (flag, value) in [("-namespace", &self.namespace), ("-id", &self.id)] {
            if value.is_empty() && self.action == Action::Upgrade {
                continue;
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let fine = value.chars().all(plain) && value.starts_with(|c: char| c.is_ascii_alphanumeric());
            if !fine || value.len() > 200 {
                return Err(wrong(flag, "it must be a name of letters, digits, and -_."));
            }
        }
        Ok(self)
    }
}

impl Arguments {
    /// The command line of the supervisor that they ask for, which listens at this socket.
    pub(super) fn of_supervisor(&self, group: &str, socket: &Path) -> Vec<OsString> {
        if let Some(Own { pod, containers }) = &self.own {
            return vec!["-pod".into(), pod.into(), "-containers".into(), containers.into()];
        }
        let named = [
            ("-namespace", self.namespace.as_ref()),
            ("-id", OsStr::new(group)),
            ("-address", self.address.as_ref()),
            ("-socket", socket.as_os_str()),
        ];
        named
            .iter()
            .flat_map(|(name, value)| [(*name).into(), (*value).into()])
            .collect()
    }
}

fn number(flag: &str, word: &OsStr) -> Result<i32> {
    let number = text(word)?.parse();
    number.map_err(|_| wrong(flag, "its value is no number"))
}

fn text(word: &OsStr) -> Result<&str> {
    word.to_str()
        .ok_or_else(|| wrong(&word.to_string_lossy(), "it is not UTF-8"))
}

fn wrong(what: &str, why: &str) -> Error {
    Error::new(Kind::Invalid, "understand", what)
        .because(why)
        .hint("this program is started by containerd or tare, not by hand")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments> {
        Arguments::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn what_containerd_says_is_understood() {
        let start =
            parse("-namespace k8s.io -address /run/c.sock -publish-binary /usr/bin/containerd -id web start");
        let expected = Arguments {
            action: Action::Start,
            namespace: "k8s.io".to_owned(),
            id: "web".to_owned(),
            bundle: None,
            address: "/run/c.sock".to_owned(),
            state: None,
            own: None,
        };
        assert_eq!(start.unwrap(), expected);
        let delete = parse("--namespace=n -id=i -bundle /b -debug delete").unwrap();
        assert_eq!(
            (delete.action, delete.bundle),
            (Action::Delete, Some(PathBuf::from("/b")))
        );
        assert_eq!(parse("-v").unwrap().action, Action::Version);
        assert_eq!(parse("-namespace n -id i").unwrap().action, Action::Serve);
        let own = Own {
            pod: PathBuf::from("/run/tare/pods/1"),
            containers: PathBuf::from("/run/tare/containers"),
        };
        let ours = parse("-pod /run/tare/pods/1 -containers /run/tare/containers").unwrap();
        assert_eq!((ours.action, ours.own), (Action::Serve, Some(own)));
        assert_eq!(parse("upgrade").unwrap().action, Action::Upgrade);
        assert_eq!(parse("--check-state").unwrap().action, Action::CheckState);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, part) in [
            ("-nosuch 1 start", "-nosuch: there is no such flag"),
            ("-namespace n -id", "-id: it has no value"),
            ("-namespace n -id i fly", "fly: expected start, delete or upgrade"),
            ("-state x", "-state: its value is no number"),
            ("-pod /p", "-pod: it needs -containers"),
            ("-pod p -containers /c", "must be absolute paths"),
            ("-namespace n -id ../x start", "-id: it must be a name"),
            ("-namespace n start", "-id: it must be a name"),
        ] {
            let told = parse(line).unwrap_err().to_string();
            assert!(told.contains(part), "{line}: {told}");
        }
    }
}
