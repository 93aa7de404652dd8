//! Who makes a container's cgroup: we ourselves, or systemd at our asking.

use crate::group;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tare_cgroup::{Group, Host, Version};
use tare_error::Result;
use tare_spec_oci::{Resources, Spec};
use tare_systemd::{Bus, Defaults, Process, Start, Systemd, Unit};

/// The prefix of units whose configuration names none.
const PREFIX: &str = "tare";

/// Who makes the cgroup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Driver {
    /// We ourselves, by directories.
    #[default]
    Cgroupfs,
    /// The machine's systemd, as a transient scope.
    Systemd {
        /// `DBUS_SYSTEM_BUS_ADDRESS`, where it is set.
        address: Option<String>,
    },
    /// A user's own systemd.
    UserSystemd {
        /// `DBUS_SESSION_BUS_ADDRESS`, where it is set.
        address: Option<String>,
        /// `XDG_RUNTIME_DIR`, where it is set.
        runtime_folder: Option<PathBuf>,
    },
}

impl Driver {
    /// A unit of this driver by the configuration's path; none without a systemd.
    pub(crate) fn unit(&self, cgroups_path: &str, id: &str) -> Result<Option<ScopedUnit>> {
        let bus = match self {
            Driver::Cgroupfs => return Ok(None),
            Driver::Systemd { address } => Bus::System {
                address: address.clone(),
            },
            Driver::UserSystemd {
                address,
                runtime_folder,
            } => Bus::User {
                address: address.clone(),
                runtime_folder: runtime_folder.clone(),
            },
        };
        let defaults = Defaults {
            id,
            prefix: PREFIX,
            is_user: matches!(bus, Bus::User { .. }),
        };
        let unit = Unit::parse(cgroups_path, defaults)?;
        let description = format!("tare container {id}");
        Ok(Some(ScopedUnit {
            unit,
            bus,
            description,
        }))
    }
}

/// The unit of one container, and the systemd that has it.
#[derive(Debug)]
pub(crate) struct ScopedUnit {
    unit: Unit,
    bus: Bus,
    description: String,
}

impl ScopedUnit {
    /// Has the unit started with a process that waits, and gives its group all the limits; that is the container's group, or
    /// one `below` it with the same limits.
    pub(crate) fn start(&self, process: Pid, spec: &Spec, below: Option<&str>) -> Result<Group> {
        let host = Host::current()?;
        let started = Systemd::connect(&self.bus)?.start(
            &self.unit,
            &Start {
                process: Some(Process {
                    pid: process,
                    pidfd: None,
                }),
                resources: &group::resources(spec),
                annotations: &spec.annotations,
                description: &self.description,
                layout: host.layout(),
            },
        )?;
        let group = Group::adopt(&host, &started.group, &started.resources)?;
        // On version 2 systemd has put it there; the version 1 hierarchies that it does not manage are ours.
        if host
            .hierarchies()
            .iter()
            .any(|hierarchy| hierarchy.version == Version::V1)
        {
            group.attach(process)?;
        }
        group.apply(&started.resources)?;
        let Some(below) = below else {
            return Ok(group);
        };
        group.delegate(below, process, None)?;
        let group = Group::open(&host, &group.path().join(below)?)?;
        group.apply(&started.resources)?;
        Ok(group)
    }

    /// Changes limits in both places.
    pub(crate) fn update(&self, group: &Group, resources: &Resources) -> Result<()> {
        let rounded = Systemd::connect(&self.bus)?.update(&self.unit, group, resources)?;
        group.apply(&rounded)
    }

    /// Has a process moved into the unit's group, or into the group `below` it.
    pub(crate) fn attach(&self, below: Option<&str>, process: Pid) -> Result<()> {
        Systemd::connect(&self.bus)?.attach(&self.unit, below, process)
    }

    /// Has the unit stopped; one that is gone is no error.
    pub(crate) fn stop(&self) -> Result<()> {
        Systemd::connect(&self.bus)?.stop(&self.unit)
    }
}
