//! The name of a group below the cgroup mounts: parsed once, so that no later step can be led elsewhere.

use std::fmt;
use tare_error::{Error, Kind, Result};

/// The longest name of one directory (`NAME_MAX`).
const NAME_MAX: usize = 255;
/// How deep a group may lie; the kernel itself sets no bound, a hostile document should not use that.
const DEPTH_MAX: usize = 32;

/// The path of a group below the mounts of its hierarchies: absolute, normal, never the root itself.
///
/// A path is relative to what is *mounted*: in a container with a cgroup namespace of its own, `/tare/web` lies
/// below the group that the namespace shows as `/`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupPath {
    /// Without the leading slash: `tare/web`.
    below: String,
}

impl GroupPath {
    /// Reads `/tare/web`; `tare/web` and `/tare//web/` mean the same.
    ///
    /// # Errors
    /// `Invalid` for the root, for `.` and `..`, for NUL and line breaks (the kernel refuses these, as they would
    /// garble `/proc/<pid>/cgroup`), for names over 255 bytes, for names of the kernel's own files (`cgroup.*`),
    /// and for more than 32 levels.
    pub fn parse(text: &str) -> Result<GroupPath> {
        let refuse = |why: &str| {
            Err(Error::new(Kind::Invalid, "read cgroup path", format!("{text:?}"))
                .because(why)
                .hint("a cgroup path looks like /tare/name and has no . or .. in it"))
        };
        let mut names = Vec::new();
        for name in text.split('/').filter(|name| !name.is_empty()) {
            match name {
                "." | ".." => return refuse("a part of it is . or .."),
                _ if name.len() > NAME_MAX => return refuse("a part of it is longer than 255 bytes"),
                _ if name.contains(['\0', '\n']) => return refuse("a part of it has a NUL or a line break"),
                _ if name.starts_with("cgroup.") => {
                    return refuse("a part of it is a name of the kernel's own");
                }
                _ => names.push(name),
            }
        }
        match names.len() {
            0 => refuse("it names the root"),
            1..=DEPTH_MAX => Ok(GroupPath {
                below: names.join("/"),
            }),
            _ => refuse("it has more than 32 levels"),
        }
    }

    /// The group `sub` below this one; `sub` cannot lead out (`/..` is refused, `/x` is `x`).
    ///
    /// # Errors
    /// As [`GroupPath::parse`].
    pub fn join(&self, sub: &str) -> Result<GroupPath> {
        let below = GroupPath::parse(sub)?;
        GroupPath::parse(&format!("{}/{}", self.below, below.below))
    }

    /// The group above; none where that is the root.
    pub fn parent(&self) -> Option<GroupPath> {
        let (above, _) = self.below.rsplit_once('/')?;
        Some(GroupPath {
            below: above.to_owned(),
        })
    }

    /// The last name.
    pub fn name(&self) -> &str {
        self.names().last().unwrap_or_default()
    }

    /// The names from the root downwards.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.below.split('/')
    }

    /// The path without its leading slash, as system calls relative to a held mount take it.
    pub(crate) fn below(&self) -> &str {
        &self.below
    }
}

impl fmt::Display for GroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.below)
    }
}

impl fmt::Debug for GroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupPath(/{})", self.below)
    }
}

impl std::str::FromStr for GroupPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<GroupPath> {
        GroupPath::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_matter() {
        for text in ["/tare/web", "tare/web", "//tare///web/"] {
            assert_eq!(GroupPath::parse(text).unwrap().to_string(), "/tare/web", "{text}");
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        let long = "x".repeat(256);
        let deep = "/x".repeat(33);
        let bad = [
            "",
            "/",
            "..",
            "/tare/..",
            "/tare/../../memory",
            "/./tare",
            "/tare/a\0b",
            "/tare/a\nb",
            "/cgroup.procs",
            &long,
            &deep,
        ];
        for text in bad {
            let e = GroupPath::parse(text).unwrap_err();
            assert_eq!(e.kind(), Kind::Invalid, "{text:?}");
            assert!(e.first_hint().is_some(), "{text:?}");
        }
        assert!(GroupPath::parse(&"/x".repeat(32)).is_ok());
    }

    /// The escape that crun 1.29 closed: a sub-group of an exec that climbs out of its container's group.
    #[test]
    fn a_sub_group_stays_below_its_container() {
        let group = GroupPath::parse("/tare/web").unwrap();
        assert_eq!(group.join("exec/1").unwrap().to_string(), "/tare/web/exec/1");
        assert_eq!(group.join("/exec").unwrap().to_string(), "/tare/web/exec");
        for sub in ["..", "../db", "exec/../../db", "/../db", ""] {
            assert_eq!(group.join(sub).unwrap_err().kind(), Kind::Invalid, "{sub:?}");
        }
    }

    #[test]
    fn parents_end_below_the_root() {
        let group = GroupPath::parse("/tare/web").unwrap();
        assert_eq!(group.name(), "web");
        let above = group.parent().unwrap();
        assert_eq!(above.to_string(), "/tare");
        assert_eq!(above.parent(), None);
    }
}
