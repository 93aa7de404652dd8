//! Names in a layer: cleaned of `.` and `..`, told apart from whiteouts, shown safely.

use crate::limits::{Limits, reached};
use std::borrow::Cow;
use tare_error::{Error, Kind, Result};

/// The mark that a name of a lower layer is deleted (OCI image-spec, layer.md#whiteouts).
const WHITEOUT: &[u8] = b".wh.";
/// The mark that a directory hides all of what lower layers have in it.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What aufs kept for itself (`.wh..wh.plnk`, `.wh..wh.aufs`, `.wh..wh.orph`): no content.
const RESERVED: &[u8] = b".wh..wh.";

/// What an entry's name asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The entry itself, at this path; empty is the root.
    Entry(Vec<u8>),
    /// Hide `name` of the lower layers in directory `parent`.
    Whiteout { parent: Vec<u8>, name: Vec<u8> },
    /// Hide everything lower layers have in this directory.
    Opaque(Vec<u8>),
    /// Nothing: aufs's own files.
    Ignored,
}

/// Resolves `.`, `..` and doubled slashes by text, as Go's filepath.Clean does for the tools that make layers.
/// Leading slashes mean nothing: every name is below the root.
///
/// # Errors
/// `Corrupt` where the name leads out of the root or holds a NUL, `Exhausted` for a limit.
pub(crate) fn clean(name: &[u8], limits: &Limits) -> Result<Vec<u8>> {
    if name.len() > limits.path {
        return Err(reached(shown(&name[..64.min(name.len())]), "path", limits.path));
    }
    if name.contains(&0) {
        return Err(hostile(name, "name holds a NUL byte"));
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts
                    .pop()
                    .ok_or_else(|| hostile(name, "name leads out of the layer"))?;
            }
            part if part.len() > 255 => return Err(reached(shown(&name[..64]), "name", 255)),
            part => parts.push(part),
        }
    }
    if parts.len() > limits.depth {
        return Err(reached(shown(&name[..64.min(name.len())]), "depth", limits.depth));
    }
    Ok(parts.join(&b'/'))
}

/// Tells entries from whiteouts.
///
/// # Errors
/// As [`clean`]; `Corrupt` for a whiteout without a base name and for one used as a directory.
pub(crate) fn meaning(name: &[u8], limits: &Limits) -> Result<Meaning> {
    let path = clean(name, limits)?;
    if !path.starts_with(WHITEOUT) && !contains(&path, b"/.wh.") {
        return Ok(Meaning::Entry(path));
    }
    let (parent, base) = split(&path);
    if parent
        .split(|&b| b == b'/')
        .any(|part| part.starts_with(RESERVED))
    {
        return Ok(Meaning::Ignored);
    }
    if parent
        .split(|&b| b == b'/')
        .any(|part| part.starts_with(WHITEOUT))
    {
        return Err(hostile(name, "a whiteout is used as a directory"));
    }
    match base {
        OPAQUE => Ok(Meaning::Opaque(parent.to_vec())),
        _ if base.starts_with(RESERVED) => Ok(Meaning::Ignored),
        _ => match base.strip_prefix(WHITEOUT) {
            Some(b"" | b"." | b"..") => Err(hostile(name, "a whiteout has no base name")),
            Some(hidden) => Ok(Meaning::Whiteout {
                parent: parent.to_vec(),
                name: hidden.to_vec(),
            }),
            None => Ok(Meaning::Entry(path)),
        },
    }
}

/// The directory and the last name of a clean path that is not the root.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&b| b == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// A name for a message: text, control characters escaped.
pub(crate) fn shown(name: &[u8]) -> String {
    let text: Cow<'_, str> = String::from_utf8_lossy(name);
    text.chars()
        .flat_map(|c| {
            let plain = (!c.is_control()).then_some(c);
            let escaped = c.is_control().then(|| c.escape_default());
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect()
}

/// The error of a name or link that asks for something a layer must not have.
pub(crate) fn hostile(name: &[u8], reason: &str) -> Error {
    Error::new(Kind::Corrupt, "unpack", shown(name))
        .because(reason)
        .hint("the image is damaged or hostile: do not use it")
}

fn contains(path: &[u8], part: &[u8]) -> bool {
    path.windows(part.len()).any(|w| w == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning() {
        let l = Limits {
            path: 300,
            depth: 4,
            ..Limits::default()
        };
        let cases: [(&[u8], Option<&[u8]>); 13] = [
            (b"a/b", Some(b"a/b")),
            (b"./a//b/.", Some(b"a/b")),
            (b"/etc/passwd", Some(b"etc/passwd")),
            (b"", Some(b"")),
            (b"./", Some(b"")),
            (b"a/../b", Some(b"b")),
            (b"a/..", Some(b"")),
            (b"..", None),
            (b"/../etc", None),
            (b"a/../../b", None),
            (b"a\0b", None),
            (b"a/b/c/d/e", None),
            (b"a\nb", Some(b"a\nb")),
        ];
        for (name, expected) in cases {
            assert_eq!(clean(name, &l).ok().as_deref(), expected, "{}", shown(name));
        }
        assert_eq!(clean(&[b'a'; 256], &l).unwrap_err().kind(), Kind::Exhausted);
        assert_eq!(clean(&[b'/'; 301], &l).unwrap_err().kind(), Kind::Exhausted);
    }

    #[test]
    fn whiteouts() {
        let w = |parent: &str, name: &str| {
            Some(Meaning::Whiteout {
                parent: parent.into(),
                name: name.into(),
            })
        };
        let cases: [(&str, Option<Meaning>); 17] = [
            ("a/.wh.b", w("a", "b")),
            (".wh.b", w("", "b")),
            (".wh.b/", w("", "b")),
            ("a/.wh..wh..opq", Some(Meaning::Opaque("a".into()))),
            (".wh..wh..opq", Some(Meaning::Opaque("".into()))),
            (".wh..hidden", w("", ".hidden")),
            (".wh...x", w("", "..x")),
            (".wh.", None),
            (".wh..", None),
            (".wh...", None),
            ("a/.wh.", None),
            (".wh.a/../b", Some(Meaning::Entry("b".into()))),
            (".wh.a/b", None),
            (".wh..wh.plnk", Some(Meaning::Ignored)),
            (".wh..wh.plnk/1.2", Some(Meaning::Ignored)),
            ("a.wh.b", Some(Meaning::Entry("a.wh.b".into()))),
            ("a/b.wh./c", Some(Meaning::Entry("a/b.wh./c".into()))),
        ];
        for (name, expected) in cases {
            assert_eq!(
                meaning(name.as_bytes(), &Limits::default()).ok(),
                expected,
                "{name}"
            );
        }
    }
}
