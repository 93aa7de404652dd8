//! What confines a process by Landlock (landlock(7)): what the caller asks for, and what of it a kernel can do.

use std::path::PathBuf;
use tare_sys::{PathRights, PortRights, Scopes};

/// A set of things that the process, and all that come from it, may do and no more, whoever they are. Each process that is
/// confined so, the first one and one that enters, is a domain of its own: it traces and, where that is asked for,
/// signals none of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landlock {
    /// What is forbidden with files, except where a rule allows it.
    pub handled: PathRights,
    /// Where it is allowed. Paths are the container's own.
    pub paths: Vec<PathRule>,
    /// The TCP ports that may be bound, where not all may.
    pub bind: Option<Vec<u16>>,
    /// The TCP ports that may be connected to, where not all may.
    pub connect: Option<Vec<u16>>,
    /// What stays among the confined.
    pub scopes: Scopes,
    /// Whether a kernel that cannot do all of this is an error; if not, it does what it can.
    pub required: bool,
}

/// What is allowed with a file, or with a directory and all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRule {
    /// Where: absolute, inside the container; links are followed there.
    pub path: PathBuf,
    /// What. Of a file, as far as it can be done with files.
    pub rights: PathRights,
}

/// Rights with files by their names: groups first.
const PATH_RIGHTS: &[(&str, PathRights)] = &[
    ("all", PathRights::all()),
    ("read", PathRights::READ_FILE.union(PathRights::READ_DIR)),
    ("write", WRITE),
    ("execute", PathRights::EXECUTE),
    ("writeFile", PathRights::WRITE_FILE),
    ("readFile", PathRights::READ_FILE),
    ("readDir", PathRights::READ_DIR),
    ("removeDir", PathRights::REMOVE_DIR),
    ("removeFile", PathRights::REMOVE_FILE),
    ("makeChar", PathRights::MAKE_CHAR),
    ("makeDir", PathRights::MAKE_DIR),
    ("makeReg", PathRights::MAKE_REG),
    ("makeSock", PathRights::MAKE_SOCK),
    ("makeFifo", PathRights::MAKE_FIFO),
    ("makeBlock", PathRights::MAKE_BLOCK),
    ("makeSym", PathRights::MAKE_SYM),
    ("refer", PathRights::REFER),
    ("truncate", PathRights::TRUNCATE),
    ("ioctlDev", PathRights::IOCTL_DEV),
];

/// All that changes something.
const WRITE: PathRights = PathRights::all()
    .difference(PathRights::READ_FILE)
    .difference(PathRights::READ_DIR)
    .difference(PathRights::EXECUTE);

/// Scopes by their names.
const SCOPES: &[(&str, Scopes)] = &[
    ("abstractUnixSocket", Scopes::ABSTRACT_UNIX_SOCKET),
    ("signal", Scopes::SIGNAL),
];

impl Landlock {
    /// The rights with files of this name, or of this group of them: `all`, `read`, `write`.
    pub fn path_rights(name: &str) -> Option<PathRights> {
        let found = PATH_RIGHTS.iter().find(|(known, _)| *known == name);
        found.map(|(_, rights)| *rights)
    }

    /// The names that [`Landlock::path_rights`] knows.
    pub fn names_of_path_rights() -> impl Iterator<Item = &'static str> {
        PATH_RIGHTS.iter().map(|(name, _)| *name)
    }

    /// The scope of this name.
    pub fn scope(name: &str) -> Option<Scopes> {
        let found = SCOPES.iter().find(|(known, _)| *known == name);
        found.map(|(_, scope)| *scope)
    }

    /// The names that [`Landlock::scope`] knows.
    pub fn names_of_scopes() -> impl Iterator<Item = &'static str> {
        SCOPES.iter().map(|(name, _)| *name)
    }

    /// What of this a kernel with that version of Landlock cannot do, by name; 0 is a kernel without it.
    pub fn lacking(&self, version: u32) -> Vec<&'static str> {
        let known = Known::by(version);
        let rights = self.handled - known.paths;
        let single = PATH_RIGHTS.iter().filter(|(_, r)| r.bits().is_power_of_two());
        let rights = single.filter(|(_, right)| rights.contains(*right));
        let ports = [("tcp.bind", &self.bind), ("tcp.connect", &self.connect)];
        let ports = ports
            .into_iter()
            .filter(|(_, ports)| ports.is_some() && known.ports.is_empty());
        let scopes = self.scopes - known.scopes;
        let scopes = SCOPES.iter().filter(|(_, scope)| scopes.contains(*scope));
        let mut lacking: Vec<&str> = rights.map(|(name, _)| *name).collect();
        lacking.extend(ports.map(|(name, _)| name));
        lacking.extend(scopes.map(|(name, _)| *name));
        lacking
    }

    /// What is done with ports.
    pub(crate) fn ports(&self) -> PortRights {
        let mut ports = PortRights::empty();
        ports.set(PortRights::BIND_TCP, self.bind.is_some());
        ports.set(PortRights::CONNECT_TCP, self.connect.is_some());
        ports
    }
}

/// What a version of Landlock knows (landlock(7), "VERSIONS").
pub(crate) struct Known {
    pub(crate) paths: PathRights,
    pub(crate) ports: PortRights,
    pub(crate) scopes: Scopes,
}

impl Known {
    pub(crate) fn by(version: u32) -> Known {
        let since = |first, rights| {
            if version < first {
                rights
            } else {
                PathRights::empty()
            }
        };
        let unknown = since(1, PathRights::all())
            | since(2, PathRights::REFER)
            | since(3, PathRights::TRUNCATE)
            | since(5, PathRights::IOCTL_DEV);
        Known {
            paths: PathRights::all() - unknown,
            ports: if version < 4 {
                PortRights::empty()
            } else {
                PortRights::all()
            },
            scopes: if version < 6 {
                Scopes::empty()
            } else {
                Scopes::all()
            },
        }
    }
}

/// Rights with files in words, with as few names as there are.
pub(crate) fn in_words(mut rights: PathRights) -> String {
    let mut words = Vec::new();
    for (name, named) in PATH_RIGHTS {
        if rights.contains(*named) {
            words.push(*name);
            rights -= *named;
        }
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_has_one_name() {
        let single = PATH_RIGHTS.iter().filter(|(_, r)| r.bits().is_power_of_two());
        let rights: Vec<PathRights> = single.map(|(_, right)| *right).collect();
        assert_eq!(rights.len(), 16);
        assert_eq!(rights.iter().copied().collect::<PathRights>(), PathRights::all());
        for (name, rights) in PATH_RIGHTS {
            assert_eq!(Landlock::path_rights(name), Some(*rights));
            assert_eq!(in_words(*rights), *name);
        }
        assert_eq!(Landlock::path_rights("nosuch"), None);
        let several = Landlock::path_rights("read").unwrap() | PathRights::EXECUTE | PathRights::REFER;
        assert_eq!(in_words(several), "read, execute, refer");
    }

    #[test]
    fn what_older_kernels_cannot_do_is_named() {
        let mut asked = Landlock {
            handled: PathRights::all(),
            paths: Vec::new(),
            bind: Some(Vec::new()),
            connect: None,
            scopes: Scopes::SIGNAL,
            required: true,
        };
        for (version, lacking) in [
            (1, &["refer", "truncate", "ioctlDev", "tcp.bind", "signal"][..]),
            (2, &["truncate", "ioctlDev", "tcp.bind", "signal"]),
            (3, &["ioctlDev", "tcp.bind", "signal"]),
            (4, &["ioctlDev", "signal"]),
            (5, &["signal"]),
            (6, &[]),
            (7, &[]),
            (99, &[]),
        ] {
            assert_eq!(asked.lacking(version), lacking, "{version}");
        }
        asked.handled = PathRights::EXECUTE;
        assert_eq!(asked.lacking(0), ["execute", "tcp.bind", "signal"]);
    }
}
