//! The fields of `--mount`: one line of comma-separated `key=value`, with double quotes as in a CSV file.

use super::{MountKind, MountRequest, invalid};
use crate::container::request::{DRIVER, parse_label, parse_size};
use tare_error::Result;

/// Keys and values in the order given; a key without `=` has an empty value.
pub(super) struct Fields(Vec<(String, String)>);

/// Other words for the same key.
const ALIASES: [(&str, &str); 6] = [
    ("src", "source"),
    ("dst", "target"),
    ("destination", "target"),
    ("ro", "readonly"),
    ("rw", "readwrite"),
    ("propagation", "bind-propagation"),
];

impl Fields {
    /// Splits the line; a field may be quoted as a whole, with `""` for one quote inside.
    pub(super) fn parse(text: &str) -> Result<Fields> {
        let mut fields = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (field, after) = match rest.strip_prefix('"') {
                Some(quoted) => {
                    take_quoted(quoted).ok_or_else(|| invalid("mount", text, "a quote is not closed"))?
                }
                None => {
                    let (field, after) = rest.split_once(',').unwrap_or((rest, ""));
                    (field.to_owned(), after)
                }
            };
            rest = after;
            let (key, value) = field.split_once('=').unwrap_or((&field, ""));
            let key = key.trim().to_ascii_lowercase();
            let key = ALIASES
                .iter()
                .find(|(alias, _)| *alias == key)
                .map_or(key, |(_, key)| (*key).to_owned());
            fields.push((key, value.to_owned()));
        }
        Ok(Fields(fields))
    }

    /// The value of `key`; of several the last.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    /// As [`Fields::get`], an error where there is none.
    pub(super) fn needed(&self, text: &str, key: &str) -> Result<&str> {
        self.get(key)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| invalid("mount", text, format!("{key}= is missing")))
    }

    /// Applies every field that is not the type, source or target.
    pub(super) fn apply(&self, text: &str, mount: &mut MountRequest) -> Result<()> {
        for (key, value) in &self.0 {
            let known = match (key.as_str(), &mut mount.kind) {
                ("type" | "target", _) | ("source", MountKind::Bind(_) | MountKind::Volume(_)) => true,
                ("readonly", _) => {
                    mount.read_only = truth(value).ok_or_else(|| bad_value(text, key, value))?;
                    true
                }
                ("readwrite", _) => {
                    mount.read_only = !truth(value).ok_or_else(|| bad_value(text, key, value))?;
                    true
                }
                ("idmap" | "ridmap", MountKind::Bind(_) | MountKind::Volume(_)) => {
                    let option = if value.is_empty() {
                        key.clone()
                    } else {
                        format!("{key}={value}")
                    };
                    mount.owners = Some(super::owners(text, &option)?);
                    true
                }
                ("bind-propagation", MountKind::Bind(source)) => source.apply(value),
                ("bind-recursive", MountKind::Bind(source)) => match value.as_str() {
                    "enabled" | "readonly" => true,
                    "disabled" => {
                        source.recursive = false;
                        true
                    }
                    "writable" => {
                        source.read_only_top = true;
                        true
                    }
                    _ => return Err(bad_value(text, key, value)),
                },
                ("volume-nocopy", MountKind::Volume(source)) => {
                    source.no_copy = truth(value).ok_or_else(|| bad_value(text, key, value))?;
                    true
                }
                ("volume-driver", MountKind::Volume(_)) if value == DRIVER => true,
                ("volume-opt", MountKind::Volume(source)) => {
                    source.wish.options.apply(value)?;
                    true
                }
                ("volume-label", MountKind::Volume(source)) => {
                    let (label, value) = parse_label(value)?;
                    source.wish.labels.insert(label, value);
                    true
                }
                ("tmpfs-size", MountKind::Tmpfs(options)) => {
                    options.push(format!("size={}", parse_size(value)?));
                    true
                }
                ("tmpfs-mode", MountKind::Tmpfs(options)) => {
                    let octal = !value.is_empty() && value.bytes().all(|b| (b'0'..=b'7').contains(&b));
                    if !octal {
                        return Err(bad_value(text, key, value));
                    }
                    options.push(format!("mode={value}"));
                    true
                }
                _ => false,
            };
            if !known {
                let keys = "the keys are type, source, target, readonly, bind-propagation, bind-recursive, idmap, volume-nocopy, volume-opt, volume-label, tmpfs-size and tmpfs-mode";
                return Err(invalid("mount", text, format!("{key:?} does not belong there")).hint(keys));
            }
        }
        Ok(())
    }
}

fn bad_value(text: &str, key: &str, value: &str) -> tare_error::Error {
    invalid("mount", text, format!("{key} cannot be {value:?}"))
}

/// `readonly`, `readonly=true`, `readonly=1` and their opposites.
fn truth(value: &str) -> Option<bool> {
    match value {
        "" | "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// The text up to the closing quote, and what follows the comma behind it.
fn take_quoted(quoted: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None if after.is_empty() => return Some((field, "")),
            None => return Some((field, after.strip_prefix(',')?)),
        }
    }
}
