//! A group of its own for a process that enters a container, where the container has not divided its tree itself.

use super::Exec;
use crate::annotation::Annotations;
use crate::container::Container;
use rustix::io::Errno;
use rustix::process::Pid;
use std::path::{Path, PathBuf};
use tare_cgroup::{Group, Layout, OwnGroup};
use tare_error::{Error, Result};
use tare_spec_oci::{Mount, NamespaceKind, Spec};

/// What the kernel says where nobody is born into an own group: the container has made it a part of a threaded tree, has
/// removed it, or it lies where the caller has no rights.
const REFUSALS: &[Errno] = &[Errno::BUSY, Errno::OPNOTSUPP, Errno::NODEV, Errno::ACCESS];

/// Whether that is why an own group could not be entered.
pub(super) fn is_refusal(error: &Error) -> bool {
    REFUSALS.iter().any(|e| error.errno() == Some(e.raw_os_error()))
}

/// An own group that nobody keeps yet: it goes with what was to be in it.
#[derive(Debug, Default)]
pub(super) struct Unclaimed(Option<OwnGroup>);

impl Unclaimed {
    pub(super) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn claim(mut self) -> Option<OwnGroup> {
        self.0.take()
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(own) = self.0.take() {
            // It is below the container's, and goes with that at the latest.
            let _ = own.kill();
            let _ = own.remove();
        }
    }
}

impl Container {
    /// The group to enter, and the own one below it where there is one.
    pub(super) fn group_to_enter(&self, exec: &Exec<'_>) -> Result<(Option<Group>, Unclaimed)> {
        let Some(group) = self.group()? else {
            return Ok((None, Unclaimed::default()));
        };
        let delegated = Annotations(&self.record.annotations).delegated()?;
        if let Some(sub) = delegated.filter(|_| exec.sub_groups.is_empty()) {
            let group = Group::open(group.host(), &group.path().join(&sub)?)?;
            return Ok((Some(group), Unclaimed::default()));
        }
        let group = group.below(exec.sub_groups)?;
        let first = self.record.init.as_ref();
        let first = first.and_then(|init| Pid::from_raw(init.pid));
        Ok(match exec.own_group.zip(first) {
            Some((id, first)) if exec.sub_groups.is_empty() => {
                let (group, own) = group.lodge(id, first);
                (Some(group), Unclaimed(own))
            }
            _ => (Some(group), Unclaimed::default()),
        })
    }
}

/// Whether a process in an own group is to have a cgroup namespace that begins there, in place of the container's.
///
/// In the container's its own group would be named `/tare-exec-ID` (`/proc/self/cgroup`), and what looks for its limits
/// there (a JVM, Go, .NET) finds none: no controller is given to it. In its own namespace it is named `/`, and at the
/// mount point there are the container's limits, as ever. Not where the container may divide its groups, as the kernel lets
/// nobody move a process across a namespace's root; nor on version 1, where limits are elsewhere than the freezer.
pub(super) fn wants_own_view(spec: &Spec, group: Option<&Group>) -> bool {
    let is_unified = group.is_some_and(|group| group.host().layout() == Layout::V2);
    is_unified
        && super::has_own(spec.linux.as_ref(), NamespaceKind::Cgroup)
        && !spec.mounts.iter().any(is_divisible)
}

/// Whether a mount shows control groups that can be made and changed there.
fn is_divisible(mount: &Mount) -> bool {
    let kind = mount.kind.as_deref();
    let source = mount.source.as_deref();
    let shows_groups = matches!(kind, Some("cgroup" | "cgroup2"))
        || source.is_some_and(|source| source.starts_with(Path::new("/sys/fs/cgroup")));
    shows_groups && !mount.options.iter().any(|option| option == "ro")
}

/// Has the cgroup namespace be this one, or a new one; what it was.
pub(super) fn set_view(spec: &mut Spec, namespace: Option<PathBuf>) -> Option<PathBuf> {
    let mut all = spec.linux.iter_mut().flat_map(|linux| &mut linux.namespaces);
    let of_groups = all.find(|n| n.kind == NamespaceKind::Cgroup)?;
    std::mem::replace(&mut of_groups.path, namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_that_show_groups_to_be_changed_are_known() {
        let mount = |kind: &str, source: &str, options: &[&str]| Mount {
            kind: Some(kind.to_owned()),
            source: Some(PathBuf::from(source)),
            options: options.iter().map(|&o| o.to_owned()).collect(),
            ..Mount::default()
        };
        for (mount, is) in [
            (mount("cgroup", "cgroup", &["nosuid", "ro"]), false),
            (mount("cgroup", "cgroup", &["nosuid"]), true),
            (mount("cgroup2", "cgroup", &["rw"]), true),
            (mount("bind", "/sys/fs/cgroup", &["rbind"]), true),
            (mount("bind", "/sys/fs/cgroup/x", &["bind", "ro"]), false),
            (mount("bind", "/sys/fs/bpf", &["bind"]), false),
            (mount("tmpfs", "tmpfs", &[]), false),
        ] {
            assert_eq!(is_divisible(&mount), is, "{mount:?}");
        }
    }
}
