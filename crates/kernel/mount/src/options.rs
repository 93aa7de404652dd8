//! Mount options as text (fstab's and the OCI specification's) made flags, propagation and parameters.

use crate::{Attributes, Propagation};
use rustix::mount::MountAttrFlags as A;

/// A bind mount, of one mount or of all below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    /// The mount alone.
    Single,
    /// With all mounts below it.
    Recursive,
}

/// What becomes of symbolic links at the ends of a bind mount; all of it is crun's (crun(1), "mount options").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// A source that is a link is not bound: the same link is made at the destination (`copy-symlink`).
    pub copied: bool,
    /// A source that is a link is bound itself, not what it leads to (`src-nofollow`).
    pub bound: bool,
    /// A destination that is a link is covered itself (`dest-nofollow`).
    pub covered: bool,
}

/// One parameter of a file system: `size=64k`, or a name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub key: String,
    /// Its value, where it has one.
    pub value: Option<String>,
}

/// What the options of one mount mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether it is a bind mount.
    pub bind: Option<Bind>,
    /// Attributes of the mount itself.
    pub attributes: Attributes,
    /// Attributes of the mount and all below it (`rro`, `rnosuid` ...).
    pub recursive: Attributes,
    /// How mounts propagate to and from it; what comes later is set later.
    pub propagation: Vec<(Propagation, bool)>,
    /// Flags of the file system itself, not of the mount (`sync`, `dirsync`, `lazytime`, `mand`).
    pub superblock: Vec<&'static str>,
    /// Whether the mount is asked to be idmapped (`idmap`), or with all below it (`ridmap`).
    pub idmap: Option<Bind>,
    /// Whether a tmpfs starts with a copy of what it covers (`tmpcopyup`).
    pub copy_up: bool,
    /// What becomes of symbolic links at both ends of a bind mount.
    pub links: Links,
    /// The rest, for the file system to judge.
    pub parameters: Vec<Parameter>,
}

/// Attributes by name: what is set, what is cleared.
const ATTRIBUTES: &[(&str, A, A)] = &[
    ("ro", A::MOUNT_ATTR_RDONLY, A::empty()),
    ("rw", A::empty(), A::MOUNT_ATTR_RDONLY),
    ("nosuid", A::MOUNT_ATTR_NOSUID, A::empty()),
    ("suid", A::empty(), A::MOUNT_ATTR_NOSUID),
    ("nodev", A::MOUNT_ATTR_NODEV, A::empty()),
    ("dev", A::empty(), A::MOUNT_ATTR_NODEV),
    ("noexec", A::MOUNT_ATTR_NOEXEC, A::empty()),
    ("exec", A::empty(), A::MOUNT_ATTR_NOEXEC),
    ("nodiratime", A::MOUNT_ATTR_NODIRATIME, A::empty()),
    ("diratime", A::empty(), A::MOUNT_ATTR_NODIRATIME),
    ("nosymfollow", A::MOUNT_ATTR_NOSYMFOLLOW, A::empty()),
    ("symfollow", A::empty(), A::MOUNT_ATTR_NOSYMFOLLOW),
    ("noatime", A::MOUNT_ATTR_NOATIME, A::MOUNT_ATTR__ATIME),
    ("strictatime", A::MOUNT_ATTR_STRICTATIME, A::MOUNT_ATTR__ATIME),
    ("relatime", A::MOUNT_ATTR_RELATIME, A::MOUNT_ATTR__ATIME),
    ("atime", A::empty(), A::MOUNT_ATTR__ATIME),
    ("norelatime", A::empty(), A::MOUNT_ATTR__ATIME),
    ("nostrictatime", A::empty(), A::MOUNT_ATTR__ATIME),
];

/// Propagation by name.
const PROPAGATION: &[(&str, Propagation)] = &[
    ("shared", Propagation::Shared),
    ("slave", Propagation::Slave),
    ("private", Propagation::Private),
    ("unbindable", Propagation::Unbindable),
];

/// Flags of the file system itself, by name.
const SUPERBLOCK: &[&str] = &["sync", "dirsync", "lazytime", "mand"];

/// Words that say what is so anyway.
const NOTHING: &[&str] = &[
    "defaults",
    "async",
    "nolazytime",
    "nomand",
    "loud",
    "silent",
    "noiversion",
    "iversion",
    "remount",
    // Flags of a file system have no recursive form; crun takes the words.
    "rsync",
    "rasync",
    "rdirsync",
    "rmand",
    "rnomand",
];

impl Options {
    /// Reads options in order; what is no option of mounts is taken as the file system's own parameter.
    pub fn parse(options: &[String]) -> Options {
        let mut parsed = Options::default();
        for option in options.iter().filter(|o| !o.is_empty()) {
            parsed.take(option);
        }
        parsed
    }

    /// Every option by name that is no file system's own, sorted.
    pub fn names() -> Vec<String> {
        let attributes = ATTRIBUTES.iter().map(|(name, _, _)| *name);
        let propagation = PROPAGATION.iter().map(|(name, _)| *name);
        let recursive = attributes
            .clone()
            .chain(propagation.clone())
            .map(|name| format!("r{name}"));
        let single = attributes.chain(propagation);
        let words = [
            "bind",
            "rbind",
            "idmap",
            "ridmap",
            "tmpcopyup",
            "copy-symlink",
            "src-nofollow",
            "dest-nofollow",
        ];
        let single = single.chain(SUPERBLOCK.iter().chain(NOTHING).chain(&words).copied());
        let mut names: Vec<String> = single.map(str::to_owned).chain(recursive).collect();
        names.sort_unstable();
        names
    }

    fn take(&mut self, option: &str) {
        if let Some((set, clear)) = attribute(option) {
            return self.attributes.change(set, clear);
        }
        if let Some((set, clear)) = option.strip_prefix('r').and_then(attribute) {
            return self.recursive.change(set, clear);
        }
        if let Some(change) = propagation(option) {
            return self.propagation.push(change);
        }
        if let Some(flag) = SUPERBLOCK.iter().find(|f| **f == option) {
            return self.superblock.push(flag);
        }
        match option {
            "bind" => self.bind = Some(Bind::Single),
            "rbind" => self.bind = Some(Bind::Recursive),
            "idmap" => self.idmap = Some(Bind::Single),
            "ridmap" => self.idmap = Some(Bind::Recursive),
            "tmpcopyup" => self.copy_up = true,
            "copy-symlink" => self.links.copied = true,
            "src-nofollow" => self.links.bound = true,
            "dest-nofollow" => self.links.covered = true,
            _ if NOTHING.contains(&option) => {}
            _ => self.parameters.push(parameter(option)),
        }
    }
}

fn attribute(option: &str) -> Option<(A, A)> {
    let (_, set, clear) = ATTRIBUTES.iter().find(|(name, _, _)| *name == option)?;
    Some((*set, *clear))
}

fn propagation(option: &str) -> Option<(Propagation, bool)> {
    let found = |name: &str| PROPAGATION.iter().find(|(n, _)| *n == name).map(|(_, p)| *p);
    match found(option) {
        Some(p) => Some((p, false)),
        None => Some((found(option.strip_prefix('r')?)?, true)),
    }
}

fn parameter(option: &str) -> Parameter {
    match option.split_once('=') {
        Some((key, value)) => Parameter {
            key: key.to_owned(),
            value: Some(value.to_owned()),
        },
        None => Parameter {
            key: option.to_owned(),
            value: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &str) -> Options {
        Options::parse(&options.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn attributes_and_their_opposites() {
        for (text, set, clear) in [
            (
                "ro,nosuid",
                A::MOUNT_ATTR_RDONLY | A::MOUNT_ATTR_NOSUID,
                A::empty(),
            ),
            ("ro,rw", A::empty(), A::MOUNT_ATTR_RDONLY),
            ("rw,ro", A::MOUNT_ATTR_RDONLY, A::empty()),
            ("noatime", A::MOUNT_ATTR_NOATIME, A::MOUNT_ATTR__ATIME),
            (
                "noatime,strictatime",
                A::MOUNT_ATTR_STRICTATIME,
                A::MOUNT_ATTR__ATIME,
            ),
            ("defaults,async", A::empty(), A::empty()),
        ] {
            let got = parse(text).attributes;
            assert_eq!((got.set, got.clear), (set, clear), "{text}");
        }
    }

    #[test]
    fn recursive_forms_are_told_from_names_with_an_r() {
        let got = parse("rro,rnoexec,relatime,rw");
        assert_eq!(got.recursive.set, A::MOUNT_ATTR_RDONLY | A::MOUNT_ATTR_NOEXEC);
        assert_eq!(got.attributes.clear, A::MOUNT_ATTR__ATIME | A::MOUNT_ATTR_RDONLY);
    }

    #[test]
    fn propagation_binds_and_parameters() {
        let got = parse("rbind,rslave,private,size=64k,newinstance,sync,mode=0=1");
        assert_eq!(got.bind, Some(Bind::Recursive));
        assert_eq!(
            got.propagation,
            [(Propagation::Slave, true), (Propagation::Private, false)]
        );
        assert_eq!(got.superblock, ["sync"]);
        assert_eq!(got.links, Links::default());
        let got = parse("src-nofollow,dest-nofollow,copy-symlink,size=64k,newinstance,mode=0=1");
        assert!(got.links.bound && got.links.covered && got.links.copied);
        let parameters: Vec<_> = got
            .parameters
            .iter()
            .map(|p| (&*p.key, p.value.as_deref()))
            .collect();
        assert_eq!(
            parameters,
            [
                ("size", Some("64k")),
                ("newinstance", None),
                ("mode", Some("0=1"))
            ]
        );
    }
}
