//! **What.** The systemd cgroup driver: a container's group as a transient scope (or slice) of systemd, of the whole
//! machine or of one user, asked for over a small D-Bus client.
//!
//! **Not.** No control files: what systemd has no property for, and freezing and killing, is [`tare_cgroup::Group`]'s,
//! with the path that a start returns. No executor, no thread. No environment: addresses are handed in.
//!
//! **Words.** *Unit*: what systemd manages; a *scope* holds processes that others started, a *slice* holds units
//! (`systemd.scope(5)`, `systemd.slice(5)`). *Transient*: made by a call, gone when stopped. *Job*: the work of starting
//! or stopping a unit; its end is a signal, `JobRemoved`. *Manager*: the systemd that is asked, the machine's or a
//! user's. *Delegate*: systemd leaves what is below the unit's group to us.
//!
//! **Life.**
//! ```text
//! Unit::parse("machine.slice:tare:web") -> Systemd::connect(Bus::of(environment))
//!   the process is made and waits
//!   -> start(unit, process, limits, annotations)      StartTransientUnit, and the end of its job
//!   -> Group::adopt(group), attach(process) on v1, apply(resources)     what systemd has no words for
//!   the process goes on
//!   -> update(unit, group, limits), then Group::apply  SetUnitProperties
//!   -> attach(unit, process)                           a process of an exec, where the user may not move it itself
//!   -> stop(unit), Group::remove                       StopUnit; no unit of the name is no error
//!
//! runs_machine() -> Systemd::connect_within(bus, a moment) -> enter(unit)      a scope for the asking process itself
//! ```
//!
//! **Rules.** Every limit that is written into the group is told to systemd as well, as far as it has a property: it
//! writes its own idea of the group again whenever it reloads. Conversions are runc's, but for weights of block devices (crun's); where they round, the
//! group is given the rounded value ([`Started::resources`]). What a bus says is outside bytes: bounded, and told in an
//! error as one line with the call's name and systemd's own error. Every call ends within [`PATIENCE`]. What systemd's
//! version knows is asked once, when connecting. Signals are taken from systemd's own
//! name alone.
//!
//! ```no_run
//! # fn main() -> tare_error::Result<()> {
//! use tare_cgroup::{Group, Host};
//! use tare_spec_oci::Resources;
//! use tare_systemd::{Bus, Defaults, Process, Start, Systemd, Unit};
//!
//! let host = Host::current()?;
//! let unit = Unit::parse("", Defaults { id: "web", prefix: "tare", is_user: false })?;
//! let mut systemd = Systemd::connect(&Bus::System { address: None })?;
//! let limits = Resources::default();
//! let started = systemd.start(&unit, &Start {
//!     process: Some(Process { pid: rustix::process::getpid(), pidfd: None }),
//!     resources: &limits,
//!     annotations: &Default::default(),
//!     description: "container web",
//!     layout: host.layout(),
//! })?;
//! let group = Group::adopt(&host, &started.group, &started.resources)?;
//! group.apply(&started.resources)?;
//! systemd.stop(&unit)
//! # }
//! ```

mod unit;

mod annotation;
mod properties;

pub mod dbus;
mod driver;

pub use annotation::read as read_annotation;
pub use driver::{Bus, PATIENCE, Process, Start, Started, Systemd, runs_machine};
pub use properties::Property;
pub use unit::{Defaults, Unit, escape};
