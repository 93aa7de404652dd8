//! Mounts that come to a container that runs, or go (crun(1), "mounts add", "mounts remove"). No record of them is kept:
//! the kernel lists what is mounted, and with the container's mount namespace all of it goes.

use crate::annotation::Annotations;
use crate::container::{Condition, Container};
use crate::exec::{has_own, namespaces_of};
use rustix::fd::AsFd;
use tare_container::{Change, Creation, HostFacts, Options, Request, Stdio};
use tare_error::{Context, Error, Kind, Result};
use tare_spec_oci::{Linux, Mount, NamespaceKind, Process, Spec};

/// What is joined: the mounts' namespace, and the one whose root owns it.
const JOINED: &[(NamespaceKind, &str)] = &[(NamespaceKind::User, "user"), (NamespaceKind::Mount, "mnt")];

impl Container {
    /// Mounts what the list says, in its order; where one fails, those before it are unmounted. Relative sources start at
    /// the bundle.
    ///
    /// # Errors
    /// `Conflict` where it does not run, `Unsupported` where its mounts are not its own, `Invalid` for what cannot come to
    /// a running container, `Denied` where its links lead to the kernel's own places; the step that failed.
    pub fn add_mounts(&self, mounts: &[Mount]) -> Result<()> {
        for (done, mount) in mounts.iter().enumerate() {
            if let Err(e) = self.change(mount, Change::Add) {
                let added = mounts.get(..done).unwrap_or_default();
                return Err(match self.remove_mounts(added) {
                    Ok(()) => e,
                    Err(also) => e.also(also),
                });
            }
        }
        Ok(())
    }

    /// Unmounts what is on top at the destinations of the list, the last one first; one that fails keeps no other.
    ///
    /// # Errors
    /// As [`Container::add_mounts`]; `NotFound` where nothing is mounted.
    pub fn remove_mounts(&self, mounts: &[Mount]) -> Result<()> {
        let changes = mounts
            .iter()
            .rev()
            .map(|mount| self.change(mount, Change::Remove));
        match changes.filter_map(Result::err).reduce(Error::also) {
            None => Ok(()),
            Some(e) => Err(e),
        }
    }

    fn change(&self, mount: &Mount, change: Change) -> Result<()> {
        let stopped = || {
            Error::new(Kind::Conflict, "change mounts of container", &self.id)
                .because("container not running")
        };
        if !matches!(
            self.condition()?,
            Condition::Created | Condition::Running | Condition::Paused
        ) {
            return Err(stopped());
        }
        let spec = self.with_mount(mount, self.pid()?.ok_or_else(stopped)?)?;
        let null = std::fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .op("open", "/dev/null")?;
        let request = Request {
            id: self.id.as_str(),
            spec: &spec,
            bundle: &self.record.bundle,
            rootfs: &[],
            stdio: Stdio::Fds {
                stdin: null.as_fd(),
                stdout: null.as_fd(),
                stderr: null.as_fd(),
            },
            group: None,
            entrances: &[],
            seccomp: None,
            options: Options {
                enters: true,
                change: Some(change),
                shared_keyring: true,
                label_option: Annotations(&self.record.annotations).label_option()?,
                ..Options::default()
            },
        };
        // The namespaces were opened by the number of the first process: that it still lives shows whose they were.
        let mut creation = Creation::begin(&request, &HostFacts::read()?, |_| match self.pid()? {
            Some(_) => Ok(()),
            None => Err(stopped()),
        })?;
        creation.wait_created()
    }

    /// A configuration that joins what has the mounts of the process `pid`, with one mount.
    fn with_mount(&self, mount: &Mount, pid: i32) -> Result<Spec> {
        let own = self.bundle()?.spec;
        let linux = own.linux.unwrap_or_default();
        if !has_own(Some(&linux), NamespaceKind::Mount) {
            return Err(
                Error::new(Kind::Unsupported, "change mounts of container", &self.id)
                    .because("it has no mount namespace of its own"),
            );
        }
        Ok(Spec {
            oci_version: own.oci_version,
            process: Some(Process {
                cwd: "/".into(),
                ..Process::default()
            }),
            mounts: vec![mount.clone()],
            linux: Some(Linux {
                namespaces: namespaces_of(pid, &linux, JOINED),
                uid_mappings: linux.uid_mappings,
                gid_mappings: linux.gid_mappings,
                mount_label: linux.mount_label,
                ..Linux::default()
            }),
            ..Spec::default()
        })
    }
}
