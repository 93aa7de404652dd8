//! Mounts as `-v`, `--mount` and `--tmpfs` write them.

mod fields;

use super::invalid;
use super::volume::{VolumeSource, parse_volume_name};
use fields::Fields;
use std::path::{Component, Path, PathBuf};
use tare_error::Result;

/// One mount asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct MountRequest {
    /// Where inside: absolute, without `.` and `..`.
    pub target: PathBuf,
    /// Whether it cannot be written.
    pub read_only: bool,
    /// What is mounted.
    pub kind: MountKind,
    /// Flags in mount(8)'s words, from a closed set: `noexec`, `nosuid`, `nodev` and their opposites.
    pub flags: Vec<&'static str>,
    /// How the owners of its files are mapped, in crun's words: `idmap` or `ridmap` with its maps.
    pub owners: Option<String>,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq)]
pub enum MountKind {
    /// A file or directory of the host.
    Bind(BindSource),
    /// A volume.
    Volume(VolumeSource),
    /// A file system in memory; the options are tmpfs(5)'s, from a closed set.
    Tmpfs(Vec<String>),
}

/// A file or directory of the host.
#[derive(Clone, Debug, PartialEq)]
pub struct BindSource {
    /// Absolute.
    pub path: PathBuf,
    /// Whether mounts below it come along.
    pub recursive: bool,
    /// Whether `read_only` stops at mounts below it.
    pub read_only_top: bool,
    /// How later mounts pass between the two sides.
    pub propagation: Propagation,
}

/// How later mounts pass between the two sides (mount_namespaces(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// Not at all.
    #[default]
    Private,
    /// From the host inwards.
    Slave,
    /// Both ways.
    Shared,
}

/// Flags that a person may set on a mount.
const FLAGS: [&str; 6] = ["noexec", "exec", "nosuid", "suid", "nodev", "dev"];

impl MountRequest {
    /// Reads `-v [SOURCE:]TARGET[:OPTION,...]`; a source that begins with `.` is below `directory`, a word is a volume's name, and
    /// none is a volume without one.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn parse_volume(text: &str, directory: &Path) -> Result<MountRequest> {
        let how = "a volume is SOURCE:TARGET, with :ro behind it or not, as in -v /srv/data:/data:ro or -v name:/data";
        let mut parts = text.splitn(3, ':');
        let (source, target, options) = (parts.next().unwrap_or(""), parts.next(), parts.next());
        let Some(target) = target else {
            let target = target_path(text, text).map_err(|e| e.hint(how))?;
            return Ok(MountRequest::volume(VolumeSource::default(), target));
        };
        let mut mount = match source.starts_with(['/', '.']) || source.is_empty() {
            true => MountRequest::bind(source_path(text, source, directory)?, target_path(text, target)?),
            false => MountRequest::volume(named(source)?, target_path(text, target)?),
        };
        for option in options.unwrap_or_default().split(',').filter(|o| !o.is_empty()) {
            mount.apply(text, option).map_err(|e| match e.own_hint() {
                Some(_) => e,
                None => e.hint(how),
            })?;
        }
        Ok(mount)
    }

    /// Reads `--tmpfs TARGET[:OPTION,...]`; without options it is `noexec`, `nosuid` and `nodev`, as docker's.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn parse_tmpfs(text: &str) -> Result<MountRequest> {
        let (target, options) = text.split_once(':').unwrap_or((text, ""));
        let mut mount = MountRequest::tmpfs(target_path(text, target)?);
        for option in options.split(',').filter(|o| !o.is_empty()) {
            mount.apply(text, option)?;
        }
        Ok(mount)
    }

    /// Reads `--mount type=bind,source=/a,target=/b,readonly` and `type=tmpfs,target=/b,tmpfs-size=64m`.
    ///
    /// # Errors
    /// `Invalid`; `Unsupported` for a volume's options that are not there.
    pub fn parse_mount(text: &str, directory: &Path) -> Result<MountRequest> {
        let fields = Fields::parse(text)?;
        let target = fields.needed(text, "target")?;
        let target = target_path(text, target)?;
        let mut mount = match fields.get("type").unwrap_or("volume") {
            "bind" => MountRequest::bind(
                source_path(text, fields.needed(text, "source")?, directory)?,
                target,
            ),
            "tmpfs" => MountRequest::tmpfs(target),
            "volume" => {
                let name = fields.get("source").filter(|name| !name.is_empty());
                MountRequest::volume(name.map(named).transpose()?.unwrap_or_default(), target)
            }
            other => {
                let why = format!("there is no mount type {other:?}");
                return Err(invalid("mount", text, why).hint("the types are volume, bind and tmpfs"));
            }
        };
        fields.apply(text, &mut mount)?;
        Ok(mount)
    }

    fn bind(path: PathBuf, target: PathBuf) -> MountRequest {
        let source = BindSource {
            path,
            recursive: true,
            read_only_top: false,
            propagation: Propagation::Private,
        };
        MountRequest {
            target,
            read_only: false,
            kind: MountKind::Bind(source),
            flags: Vec::new(),
            owners: None,
        }
    }

    /// A volume at `target`.
    pub(crate) fn volume(source: VolumeSource, target: PathBuf) -> MountRequest {
        MountRequest {
            target,
            read_only: false,
            kind: MountKind::Volume(source),
            flags: Vec::new(),
            owners: None,
        }
    }

    fn tmpfs(target: PathBuf) -> MountRequest {
        MountRequest {
            target,
            read_only: false,
            kind: MountKind::Tmpfs(Vec::new()),
            flags: vec!["noexec", "nosuid", "nodev"],
            owners: None,
        }
    }

    /// One option word of `-v` or `--tmpfs`.
    fn apply(&mut self, text: &str, option: &str) -> Result<()> {
        match option {
            "ro" => self.read_only = true,
            "rw" => self.read_only = false,
            _ if is_owners(option) && !matches!(self.kind, MountKind::Tmpfs(_)) => {
                self.owners = Some(owners(text, option)?);
            }
            _ => {
                if let Some(flag) = FLAGS.iter().find(|flag| **flag == option) {
                    self.set_flag(flag);
                    return Ok(());
                }
                let known = match &mut self.kind {
                    MountKind::Bind(source) => source.apply(option),
                    MountKind::Volume(source) => match option {
                        "nocopy" => {
                            source.no_copy = true;
                            true
                        }
                        // SELinux relabelling: without meaning here, in many scripts.
                        _ => matches!(option, "z" | "Z"),
                    },
                    MountKind::Tmpfs(options) => {
                        let known = tmpfs_option(option);
                        options.extend(known.then(|| option.to_owned()));
                        known
                    }
                };
                if !known {
                    return Err(invalid("mount", text, format!("there is no option {option:?}")));
                }
            }
        }
        Ok(())
    }

    /// Sets a flag and takes its opposite away: the last one wins.
    fn set_flag(&mut self, flag: &'static str) {
        let bare = |f: &str| f.strip_prefix("no").unwrap_or(f).to_owned();
        self.flags.retain(|other| bare(other) != bare(flag));
        self.flags.push(flag);
    }
}

impl BindSource {
    /// One option word that is about binds; says whether it knew it.
    fn apply(&mut self, option: &str) -> bool {
        match option {
            "rprivate" | "private" => self.propagation = Propagation::Private,
            "rslave" | "slave" => self.propagation = Propagation::Slave,
            "rshared" | "shared" => self.propagation = Propagation::Shared,
            "rbind" => self.recursive = true,
            "bind" => self.recursive = false,
            // SELinux relabelling and docker for Mac's consistency words: without meaning here, in many scripts.
            "z" | "Z" | "cached" | "delegated" | "consistent" => {}
            _ => return false,
        }
        true
    }
}

/// Whether an option says how owners are mapped.
fn is_owners(option: &str) -> bool {
    matches!(
        option.split_once('=').map_or(option, |(name, _)| name),
        "idmap" | "ridmap"
    )
}

/// `idmap=uids=0-1000-1#1-2000-5;gids=0-1000-1`, podman's and crun's words: ids of the file system, of the machine, and how many.
/// There is no user namespace of the container's own whose maps could be meant.
fn owners(text: &str, option: &str) -> Result<String> {
    let how = "write idmap=uids=1500-0-1;gids=1500-0-1: what belongs to 1500 there belongs to root in the container";
    let wrong = |why: String| Err(invalid("mount", text, why).hint(how));
    let Some((name, maps)) = option.split_once('=').filter(|(_, maps)| !maps.is_empty()) else {
        return wrong(format!(
            "{option} needs maps: the container has no user namespace of its own"
        ));
    };
    let mut kinds: Vec<&str> = Vec::new();
    for part in maps.split(';') {
        let (kind, ranges) = part.split_once('=').unwrap_or((part, ""));
        if !matches!(kind, "uids" | "gids") || kinds.contains(&kind) {
            return wrong(format!("{part:?} is neither uids= nor gids=, or is there twice"));
        }
        kinds.push(kind);
        let is_range = |range: &str| {
            let numbers: Vec<Option<u32>> = range.split('-').map(|number| number.parse().ok()).collect();
            matches!(numbers.as_slice(), [Some(_), Some(_), Some(1..)])
        };
        if let Some(bad) = ranges.split('#').find(|range| !is_range(range)) {
            return wrong(format!("{bad:?} is no range: it is FIRST-FIRST-COUNT"));
        }
    }
    if kinds.len() < 2 {
        return wrong(format!("{name} needs both uids= and gids="));
    }
    Ok(option.to_owned())
}

/// Whether `option` is one of tmpfs(5) with a value that holds no separator.
fn tmpfs_option(option: &str) -> bool {
    let Some((name, value)) = option.split_once('=') else {
        return false;
    };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    match name {
        "size" => digits(value.trim_end_matches(['k', 'm', 'g', 'K', 'M', 'G', '%'])),
        "nr_blocks" | "nr_inodes" => digits(value.trim_end_matches(['k', 'm', 'g', 'K', 'M', 'G'])),
        "mode" => !value.is_empty() && value.bytes().all(|b| (b'0'..=b'7').contains(&b)),
        "uid" | "gid" => value.parse::<u32>().is_ok(),
        _ => false,
    }
}

/// Where inside: absolute, made plain by words alone (the file system inside is asked later, by fd).
pub(crate) fn target_path(text: &str, target: &str) -> Result<PathBuf> {
    let path = Path::new(target);
    if !path.is_absolute() || target.contains('\0') {
        let why = format!("the target {target:?} is not an absolute path");
        return Err(invalid("mount", text, why).hint("give the place inside the container as /path"));
    }
    let mut plain = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => {
                plain.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    if plain == Path::new("/") {
        return Err(invalid("mount", text, "the root itself cannot be mounted over"));
    }
    Ok(plain)
}

/// A path of the host: absolute, or below `directory` where it begins with a dot.
fn source_path(text: &str, source: &str, directory: &Path) -> Result<PathBuf> {
    if source.is_empty() {
        return Err(invalid("mount", text, "the source is empty"));
    }
    let path = Path::new(source);
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    if source.starts_with('.') {
        return Ok(directory.join(path).components().collect());
    }
    Err(invalid("mount", text, "the source is no path").hint(format!(
        "for a directory of this machine write ./{source} or its whole path"
    )))
}

/// A volume of that name.
fn named(name: &str) -> Result<VolumeSource> {
    Ok(VolumeSource {
        name: Some(parse_volume_name(name)?),
        ..VolumeSource::default()
    })
}
