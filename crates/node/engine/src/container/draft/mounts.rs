//! Mounts: docker's default ones, the generated files, and those asked for.

use super::{Draft, Input};
use crate::container::facts::FileKind;
use crate::container::request::{
    BindSource, IpcMode, MountKind, MountRequest, NetworkMode, PidMode, Propagation,
};
use std::path::Path;
use tare_error::{Error, Kind, Result};
use tare_spec_oci::Mount;

/// Bytes of /dev/shm when nobody says.
const SHM: u64 = 64 << 20;

/// `mount_setattr(2)` makes a whole tree read-only since Linux 5.12.
const READ_ONLY_TREES: (u32, u32) = (5, 12);

pub(super) fn contribute(input: &Input<'_>, draft: &mut Draft) -> Result<()> {
    let mut asked: Vec<&MountRequest> = input.request.files.mounts.iter().collect();
    asked.sort_by_key(|m| m.target.components().count());
    check_targets(&asked)?;

    let mut mounts = file_systems(input);
    for file in &draft.files {
        let source = input.folder.join(file.name);
        mounts.push(mount(
            format!("/etc/{}", file.name),
            "bind",
            source,
            &["rbind", "rprivate"],
        ));
    }
    mounts.retain(|default| {
        !asked
            .iter()
            .any(|own| default.destination.starts_with(&own.target))
    });
    for own in asked {
        mounts.push(requested(input, own)?);
    }
    draft.mounts = mounts;
    Ok(())
}

/// What every container sees, in docker's order.
fn file_systems(input: &Input<'_>) -> Vec<Mount> {
    let asked = &input.request.namespaces;
    let rootless = input.host.rootless;
    let access = if input.request.security.privileged {
        "rw"
    } else {
        "ro"
    };
    let shm_size = format!("size={}", input.request.files.shm_size.unwrap_or(SHM));
    let mut pts = vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
    // Group 5 is `tty` by custom; where ids are few it does not exist.
    pts.extend((input.host.ids > 5).then_some("gid=5"));

    // A new procfs needs a pid namespace of the mounter's own user namespace, a new sysfs such a network namespace.
    let proc = match asked.pid {
        PidMode::Host if rootless => mount("/proc", "bind", "/proc", &["rbind", "nosuid", "noexec", "nodev"]),
        _ => mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
    };
    let sys = match asked.network {
        NetworkMode::Host if rootless => mount(
            "/sys",
            "bind",
            "/sys",
            &["rbind", "nosuid", "noexec", "nodev", "ro"],
        ),
        _ => mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", access]),
    };
    let shm = match asked.ipc {
        IpcMode::Host => mount(
            "/dev/shm",
            "bind",
            "/dev/shm",
            &["rbind", "nosuid", "noexec", "nodev"],
        ),
        IpcMode::Private => mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &["nosuid", "noexec", "nodev", "mode=1777", &shm_size],
        ),
    };
    let mut mounts = vec![
        proc,
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount("/dev/pts", "devpts", "devpts", &pts),
        sys,
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", access],
        ),
    ];
    if !(rootless && asked.ipc == IpcMode::Host) {
        mounts.push(mount(
            "/dev/mqueue",
            "mqueue",
            "mqueue",
            &["nosuid", "noexec", "nodev"],
        ));
    }
    mounts.push(shm);
    mounts
}

/// Two mounts on one place are a mistake of the person's.
fn check_targets(sorted: &[&MountRequest]) -> Result<()> {
    for (i, mount) in sorted.iter().enumerate() {
        if sorted[..i].iter().any(|other| other.target == mount.target) {
            return Err(Error::new(Kind::Invalid, "mount on", mount.target.display())
                .because("two mounts were asked for at this place"));
        }
    }
    Ok(())
}

/// One mount that was asked for.
fn requested(input: &Input<'_>, own: &MountRequest) -> Result<Mount> {
    match &own.kind {
        MountKind::Tmpfs(options) => {
            let mut all: Vec<String> = own.flags.iter().map(|f| (*f).to_owned()).collect();
            all.push(if own.read_only { "ro" } else { "rw" }.to_owned());
            all.extend(options.iter().cloned());
            Ok(mount(&own.target, "tmpfs", "tmpfs", &all))
        }
        MountKind::Volume(source) => {
            check_place(input, FileKind::Directory, &source.path, own)?;
            let mut all = vec!["rbind", "rprivate"];
            all.extend(own.flags.iter().copied());
            all.extend(own.read_only.then_some("ro"));
            all.extend(own.owners.as_deref());
            Ok(mount(&own.target, "bind", &source.path, &all))
        }
        MountKind::Bind(source) => {
            check_kinds(input, source, own)?;
            let mut all: Vec<&str> = vec![if source.recursive { "rbind" } else { "bind" }];
            all.push(match source.propagation {
                Propagation::Private => "rprivate",
                Propagation::Slave => "rslave",
                Propagation::Shared => "rshared",
            });
            all.extend(own.flags.iter().copied());
            all.extend(own.read_only.then(|| {
                let whole_tree =
                    source.recursive && !source.read_only_top && input.host.kernel >= READ_ONLY_TREES;
                if whole_tree { "rro" } else { "ro" }
            }));
            all.extend(own.owners.as_deref());
            Ok(mount(&own.target, "bind", &source.path, &all))
        }
    }
}

/// A file goes on a file, a directory on a directory.
fn check_kinds(input: &Input<'_>, source: &BindSource, own: &MountRequest) -> Result<()> {
    let from = input
        .found
        .sources
        .get(&source.path)
        .copied()
        .unwrap_or(FileKind::Directory);
    check_place(input, from, &source.path, own)
}

fn check_place(input: &Input<'_>, from: FileKind, path: &Path, own: &MountRequest) -> Result<()> {
    match input.found.target(&own.target) {
        Some(onto) if onto != from => {
            let (path, target) = (path.display(), own.target.display());
            Err(Error::new(Kind::Invalid, "mount", &path)
                .because(format!(
                    "{path} is {}, {target} in the image is {}",
                    from.noun(),
                    onto.noun()
                ))
                .hint("mount a file on a file and a directory on a directory"))
        }
        _ => Ok(()),
    }
}

pub(super) fn mount(
    target: impl AsRef<Path>,
    kind: &str,
    source: impl AsRef<Path>,
    options: &[impl AsRef<str>],
) -> Mount {
    Mount {
        destination: target.as_ref().to_owned(),
        kind: Some(kind.to_owned()),
        source: Some(source.as_ref().to_owned()),
        options: options.iter().map(|o| o.as_ref().to_owned()).collect(),
        ..Mount::default()
    }
}
