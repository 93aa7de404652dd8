//! A log's address: where it goes and how, as one URI, which any client of containerd can pass on.
//!
//! ```text
//! json-file:///var/log/x-json.log?max-size=10m&max-file=5&compress=true&mode=blocking
//! cri:///var/log/pods/x/0.log       file:///var/log/x.log       journald://?tag=web       none://
//! ```
//!
//! The options have docker's names, meanings and units; `make-folder=false`, which docker does not have, is for a log that goes
//! with its folder.

use std::path::PathBuf;
use tare_error::{Error, Kind, Result, nearest};

/// How large a file grows where nothing else is said: with [`FILES`], 50 MB at most for a container's log, which is what
/// the kubelet allows. Docker allows any size, which is how disks fill up.
const SIZE: u64 = 10_000_000;
/// How many files there are where nothing else is said, the one that is written to among them.
const FILES: u32 = 5;
/// The most files that may be asked for: each rotation renames all of them.
const MOST_FILES: u32 = 1000;
/// The smallest cap: a record has up to 16 KiB of text, each byte of which may take six.
const SMALLEST: u64 = 1000;
/// How much waits for the log of a non-blocking one: docker's.
const BUFFER: u64 = 1 << 20;
/// The least and the most that may wait.
const BUFFERS: std::ops::RangeInclusive<u64> = 64 << 10..=1 << 30;

/// Where a log goes, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where.
    pub destination: Destination,
    /// How large it may become.
    pub cap: Cap,
    /// What happens where it is not written as fast as the container writes.
    pub policy: Policy,
    /// Whether the folder of a file is made where it is missing. It is not where a log goes with its folder: a writer that is slow
    /// to begin would bring back what was removed meanwhile.
    pub makes_folder: bool,
}

/// Where a log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A file in docker's form.
    JsonFile(PathBuf),
    /// A file in the form that the kubelet reads.
    Cri(PathBuf),
    /// A file with the very bytes.
    Raw(PathBuf),
    /// systemd's journal.
    Journal {
        /// What its entries are called; the container's short id where it is empty.
        tag: String,
    },
    /// Nowhere.
    None,
}

/// How large a log in files may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// Of one file, in bytes; none where it is not capped.
    pub size: Option<u64>,
    /// How many files, the one that is written to among them.
    pub files: u32,
    /// Whether those are compressed that are written to no more.
    pub compress: bool,
}

/// What happens where a log is not written as fast as the container writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The container waits, and nothing is lost.
    Block,
    /// So many bytes of each stream wait, and what comes then is counted, and missing.
    Drop {
        /// Bytes.
        buffer: u64,
    },
}

/// An option's name and what it means.
struct Setting {
    name: &'static str,
    /// Whether it is for files alone, or for the journal alone.
    only: Option<Only>,
    set: fn(&mut Target, &str) -> Option<()>,
    /// What it may be, for whoever wrote something else.
    is: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Only {
    Files,
    Journal,
}

const SETTINGS: &[Setting] = &[
    Setting {
        name: "max-size",
        only: Some(Only::Files),
        set: |target, text| {
            target.cap.size = match text {
                "-1" => None,
                text => Some(size(text, 1000).filter(|size| *size >= SMALLEST)?),
            };
            Some(())
        },
        is: "a size of at least 1k, as 10m, or -1 for no cap",
    },
    Setting {
        name: "max-file",
        only: Some(Only::Files),
        set: |target, text| {
            target.cap.files = text
                .parse()
                .ok()
                .filter(|files| (1..=MOST_FILES).contains(files))?;
            Some(())
        },
        is: "a number from 1 to 1000",
    },
    Setting {
        name: "compress",
        only: Some(Only::Files),
        set: |target, text| {
            target.cap.compress = boolean(text)?;
            Some(())
        },
        is: "true or false",
    },
    Setting {
        name: "make-folder",
        only: Some(Only::Files),
        set: |target, text| {
            target.makes_folder = boolean(text)?;
            Some(())
        },
        is: "true or false",
    },
    Setting {
        name: "mode",
        only: None,
        set: |target, text| {
            target.policy = match (text, target.policy) {
                ("blocking", _) => Policy::Block,
                ("non-blocking", Policy::Block) => Policy::Drop { buffer: BUFFER },
                ("non-blocking", already) => already,
                _ => return None,
            };
            Some(())
        },
        is: "blocking or non-blocking",
    },
    Setting {
        name: "max-buffer-size",
        only: None,
        set: |target, text| {
            let asked = size(text, 1024).filter(|size| BUFFERS.contains(size))?;
            match &mut target.policy {
                Policy::Drop { buffer } => *buffer = asked,
                Policy::Block => return None,
            }
            Some(())
        },
        is: "a size from 64k to 1g, with mode=non-blocking",
    },
    Setting {
        name: "tag",
        only: Some(Only::Journal),
        set: |target, text| {
            let fine = text.len() <= 256 && !text.contains(char::is_control);
            if let (Destination::Journal { tag }, true) = (&mut target.destination, fine) {
                text.clone_into(tag);
                return Some(());
            }
            None
        },
        is: "at most 256 letters",
    },
];

impl Target {
    /// The schemes of addresses.
    const SCHEMES: [&'static str; 5] = ["json-file", "cri", "file", "journald", "none"];

    /// Whether an address is one of these: a scheme that is another's, or none, is not.
    pub fn has_scheme(address: &str) -> bool {
        let scheme = address.split_once("://").map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| Target::SCHEMES.contains(&scheme))
    }

    /// Reads an address.
    ///
    /// # Errors
    /// `Invalid` for a scheme, an option or a value that there is not; the nearest there is stands in the hint.
    pub fn parse(address: &str) -> Result<Target> {
        let wrong =
            |why: String| Error::new(Kind::Invalid, "read the address of a log", address).because(why);
        let (scheme, rest) = address
            .split_once("://")
            .ok_or_else(|| wrong("it has no scheme".to_owned()))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = decoded(path).ok_or_else(|| wrong("its path is not encoded as in a URI".to_owned()))?;
        let mut target = Target::of(scheme, &path).ok_or_else(|| wrong(Target::what_is_wrong(scheme)))?;
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(&value.replace('+', " "))
                .ok_or_else(|| wrong(format!("the value of {name} is not encoded as in a URI")))?;
            pairs.push((name, value));
        }
        // What another one builds on comes first, in whatever order they stand.
        let place = |name: &str| SETTINGS.iter().position(|setting| setting.name == name);
        pairs.sort_by_key(|(name, _)| place(name));
        for (name, value) in pairs {
            target.set(name, &value)?;
        }
        Ok(target)
    }

    /// A file in docker's form, as `json-file://` with its path and `make-folder=false` means it.
    pub fn json_file(path: PathBuf) -> Target {
        Target {
            destination: Destination::JsonFile(path),
            cap: Cap {
                size: Some(SIZE),
                files: FILES,
                compress: true,
            },
            policy: Policy::Block,
            makes_folder: false,
        }
    }

    fn of(scheme: &str, path: &str) -> Option<Target> {
        let file =
            || Some(PathBuf::from(path)).filter(|path| path.is_absolute() && path.file_name().is_some());
        let destination = match scheme {
            "json-file" => Destination::JsonFile(file()?),
            "cri" => Destination::Cri(file()?),
            "file" => Destination::Raw(file()?),
            "journald" if path.is_empty() => Destination::Journal { tag: String::new() },
            "none" if path.is_empty() => Destination::None,
            _ => return None,
        };
        // Whoever asks for a plain file has always got one that grows: others read it, and rotate it.
        let capped = scheme != "file";
        Some(Target {
            destination,
            cap: Cap {
                size: capped.then_some(SIZE),
                files: FILES,
                compress: true,
            },
            policy: Policy::Block,
            makes_folder: true,
        })
    }

    fn what_is_wrong(scheme: &str) -> String {
        match (
            Target::SCHEMES.contains(&scheme),
            nearest(scheme, Target::SCHEMES),
        ) {
            (true, _) if matches!(scheme, "journald" | "none") => format!("{scheme}:// has no path"),
            (true, _) => format!("{scheme}:// needs the absolute path of a file"),
            (false, Some(near)) => format!("there are no logs of {scheme}://; did you mean {near}://?"),
            (false, None) => format!("there are no logs of {scheme}://"),
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let unfit = |why: String| Error::new(Kind::Invalid, "set the log's option", name).because(why);
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
            let error = unfit("there is none of this name".to_owned());
            return Err(match nearest(name, SETTINGS.iter().map(|setting| setting.name)) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint(
                    "there are max-size, max-file, compress, make-folder, mode, max-buffer-size and tag",
                ),
            });
        };
        let only = match self.destination {
            Destination::JsonFile(_) | Destination::Cri(_) | Destination::Raw(_) => Some(Only::Files),
            Destination::Journal { .. } => Some(Only::Journal),
            Destination::None => None,
        };
        if setting.only.is_some() && setting.only != only {
            return Err(unfit("it means nothing for a log of this kind".to_owned()));
        }
        (setting.set)(self, value).ok_or_else(|| unfit(format!("{value:?} is not {}", setting.is)))
    }

    /// Its file, where it is one.
    pub fn file(&self) -> Option<&PathBuf> {
        match &self.destination {
            Destination::JsonFile(path) | Destination::Cri(path) | Destination::Raw(path) => Some(path),
            Destination::Journal { .. } | Destination::None => None,
        }
    }
}

/// A size as docker's options have it: a number, a unit or none, a `b` or none.
fn size(text: &str, thousand: u64) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let text = text.strip_suffix('i').unwrap_or(text);
    let (digits, power) = match text.char_indices().last()? {
        (at, 'k') => (text.get(..at)?, 1),
        (at, 'm') => (text.get(..at)?, 2),
        (at, 'g') => (text.get(..at)?, 3),
        (at, 't') => (text.get(..at)?, 4),
        _ => (text, 0),
    };
    digits
        .trim_end()
        .parse::<u64>()
        .ok()?
        .checked_mul(thousand.pow(power))
}

/// What Go's `ParseBool` takes.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Text without the `%41` of addresses; none where that is not text.
pub fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let digits = part
            .get(..2)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(address: &str) -> String {
        match Target::parse(address) {
            Ok(t) => format!(
                "{:?} {:?} {} {} {:?}",
                t.destination, t.cap.size, t.cap.files, t.cap.compress, t.policy
            ),
            Err(e) => format!(
                "{:?}: {} {}",
                e.kind(),
                e.reason().unwrap_or_default(),
                e.first_hint().unwrap_or_default()
            ),
        }
    }

    #[test]
    fn addresses_have_dockers_options() {
        for (address, expected) in [
            (
                "json-file:///x.log",
                r#"JsonFile("/x.log") Some(10000000) 5 true Block"#,
            ),
            (
                "cri:///a%20b?max-size=2k&max-file=1&compress=false",
                r#"Cri("/a b") Some(2000) 1 false Block"#,
            ),
            ("file:///x", r#"Raw("/x") None 5 true Block"#),
            (
                "file:///x?max-size=3MB",
                r#"Raw("/x") Some(3000000) 5 true Block"#,
            ),
            (
                "json-file:///x?max-size=-1",
                r#"JsonFile("/x") None 5 true Block"#,
            ),
            ("none://", "None Some(10000000) 5 true Block"),
            (
                "journald://?tag=a+b",
                r#"Journal { tag: "a b" } Some(10000000) 5 true Block"#,
            ),
            (
                "json-file:///x?mode=non-blocking",
                r#"JsonFile("/x") Some(10000000) 5 true Drop { buffer: 1048576 }"#,
            ),
            (
                "cri:///x?max-buffer-size=2m&mode=non-blocking",
                r#"Cri("/x") Some(10000000) 5 true Drop { buffer: 2097152 }"#,
            ),
        ] {
            assert_eq!(shown(address), expected, "{address}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_near() {
        for (address, expected) in [
            (
                "json-file:///x?max-sise=1k",
                "there is none of this name did you mean max-size?",
            ),
            (
                "json-file:///x?colour=1k",
                "there is none of this name there are max-size",
            ),
            ("jsonfile:///x", "did you mean json-file://?"),
            ("json-file://x", "json-file:// needs the absolute path of a file"),
            ("json-file:///", "json-file:// needs the absolute path of a file"),
            ("journald:///x", "journald:// has no path"),
            (
                "journald://?max-size=1k",
                "it means nothing for a log of this kind",
            ),
            ("json-file:///x?max-size=0", "\"0\" is not a size of at least 1k"),
            ("json-file:///x?max-size=99999999999g", "is not a size"),
            ("json-file:///x?max-file=0", "\"0\" is not a number"),
            (
                "json-file:///x?mode=never",
                "\"never\" is not blocking or non-blocking",
            ),
            ("json-file:///x?max-buffer-size=1m", "with mode=non-blocking"),
            ("json-file:///x%zz", "its path is not encoded"),
            ("json-file:///x%+1", "its path is not encoded"),
            ("/x", "it has no scheme"),
        ] {
            let shown = shown(address);
            assert!(
                shown.starts_with("Invalid") && shown.contains(expected),
                "{address}: {shown}"
            );
        }
        for (address, ours) in [
            ("file:///x", true),
            ("none://", true),
            ("binary:///x", false),
            ("/run/x", false),
            ("fifo:///x", false),
        ] {
            assert_eq!(Target::has_scheme(address), ours, "{address}");
        }
    }
}
