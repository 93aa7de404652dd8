//! The calls to a systemd: connect, start, update, attach, stop.

mod refusal;

use crate::annotation;
use crate::dbus::{Call, Connection, Deadline, Endpoint, Fault, Message, Value};
use crate::properties::{self, Property, Terms};
use crate::unit::Unit;
use refusal::Refusals as _;
use rustix::fd::BorrowedFd;
use rustix::process::{Pid, geteuid};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tare_cgroup::{Group, GroupPath, Layout};
use tare_error::{Error, Kind, Result};
use tare_spec_oci::Resources;

/// How long one of the calls here may take, the end of its job included.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often a scope that is joined may end before it is.
const ENTERING: u32 = 3;
/// Where systemd says that it runs the machine (`sd_booted(3)`).
const BOOTED: &str = "/run/systemd/system";

const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";
/// Where systemd itself listens, for root alone; a user's has the same below the user's runtime folder.
const PRIVATE: &str = "systemd/private";

const NAME: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const INTERFACE: &str = "org.freedesktop.systemd1.Manager";
const UNIT_EXISTS: &str = "org.freedesktop.systemd1.UnitExists";
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";
const JOBS: &str = "type='signal',sender='org.freedesktop.systemd1',path='/org/freedesktop/systemd1',\
                    interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";

/// Whether this machine is run by systemd.
pub fn runs_machine() -> bool {
    Path::new(BOOTED).is_dir()
}

/// Which systemd is asked.
#[derive(Clone, Debug)]
pub enum Bus {
    /// The machine's.
    System {
        /// `DBUS_SYSTEM_BUS_ADDRESS`, where it is set; otherwise the socket is where the specification puts it.
        address: Option<String>,
    },
    /// A user's own.
    User {
        /// `DBUS_SESSION_BUS_ADDRESS`, where it is set.
        address: Option<String>,
        /// `XDG_RUNTIME_DIR`, where it is set: the socket is `bus` in it.
        runtime_folder: Option<PathBuf>,
    },
}

/// A process to be put into a unit.
#[derive(Clone, Copy, Debug)]
pub struct Process<'a> {
    /// Its id, in the pid namespace of systemd.
    pub pid: Pid,
    /// Its pidfd: systemd 255 takes that instead, whatever the id has become meanwhile.
    pub pidfd: Option<BorrowedFd<'a>>,
}

/// What a unit is started with.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The process of a scope; a slice has none.
    pub process: Option<Process<'a>>,
    /// The limits and device rules.
    pub resources: &'a Resources,
    /// The container's annotations; those called `org.systemd.property.NAME` are properties.
    pub annotations: &'a BTreeMap<String, String>,
    /// What `systemctl status` shows.
    pub description: &'a str,
    /// How this machine lays its control groups out.
    pub layout: Layout,
}

/// A unit that runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// Its group below the cgroup mounts.
    pub group: GroupPath,
    /// The limits as the group is to be given them: as asked, rounded where systemd rounds.
    pub resources: Resources,
}

/// A connection to a systemd.
///
/// For one command: a connection that breaks (the bus restarts, say) is not made again.
#[derive(Debug)]
pub struct Systemd {
    connection: Connection,
    /// systemd's own name on the bus; none without a bus between.
    peer: Option<String>,
    version: u32,
    /// The group of the manager itself: empty for the machine's.
    group: String,
    /// How long one call may take.
    patience: Duration,
}

impl Systemd {
    /// Connects to the bus of that systemd; where there is none, to systemd directly (for the machine's, as root).
    ///
    /// # Errors
    /// `Unavailable` where nobody listens or systemd is not there, `Denied`, `Invalid` for an address that is none.
    pub fn connect(bus: &Bus) -> Result<Systemd> {
        Systemd::connect_within(bus, PATIENCE)
    }

    /// As [`Systemd::connect`], where this and every later call may take so long and no longer.
    ///
    /// # Errors
    /// As [`Systemd::connect`].
    pub fn connect_within(bus: &Bus, patience: Duration) -> Result<Systemd> {
        let deadline = Deadline::after(patience);
        let mut refused: Option<Error> = None;
        for (endpoint, has_bus) in bus.endpoints()? {
            let opened = Connection::open(&endpoint, deadline);
            match opened.and_then(|connection| Systemd::greet(connection, has_bus, deadline)) {
                Ok(systemd) => return Ok(Systemd { patience, ..systemd }),
                Err(fault) => {
                    let error = fault.of("connect to systemd at", endpoint);
                    refused = Some(match refused {
                        Some(first) => first.also(error),
                        None => error,
                    });
                }
            }
        }
        let none = || Error::new(Kind::Unavailable, "connect to systemd", "").because("no socket is known");
        Err(refused.unwrap_or_else(none).hint(bus.hint()))
    }

    /// Says hello and asks what must be known, all at once: one turn of the other side answers everything.
    fn greet(mut connection: Connection, has_bus: bool, deadline: Deadline) -> Result<Systemd, Fault> {
        let mut ask = |path: &str, interface: &str, method: &str, arguments: &[Value]| {
            let destination = match (has_bus, interface) {
                (false, _) => None,
                (true, "org.freedesktop.DBus") => Some(interface),
                (true, _) => Some(NAME),
            };
            let call = Call {
                destination,
                path,
                interface,
                method,
                arguments,
                handles: 0,
            };
            connection.send(&call, &[], deadline)
        };
        let mut of_bus = Vec::new();
        if has_bus {
            let mut ask = |method, arguments: &[Value]| {
                ask("/org/freedesktop/DBus", "org.freedesktop.DBus", method, arguments)
            };
            of_bus = vec![ask("Hello", &[])?, ask("AddMatch", &[Value::text(JOBS)])?];
        }
        let mut property = |name: &str| {
            let arguments = [Value::text(INTERFACE), Value::text(name)];
            ask(PATH, "org.freedesktop.DBus.Properties", "Get", &arguments)
        };
        let (version, group) = (property("Version")?, property("ControlGroup")?);
        for serial in of_bus {
            connection.answer(serial, Some("org.freedesktop.DBus"), deadline)?;
        }
        // The bus lets nobody answer but the owner of the name that was called: so this is systemd's own name. (A bus
        // that has just been started has no owner of it yet, and keeps the call until there is one.)
        let version = connection.answer(version, None, deadline)?;
        let peer = version.sender.clone().filter(|_| has_bus);
        let group = connection.answer(group, peer.as_deref(), deadline)?;
        let version = version.body("v")?.text_in_variant()?.to_owned();
        let group = group.body("v")?.text_in_variant()?.to_owned();
        Ok(Systemd {
            version: number_of(&version).ok_or(Fault::Malformed("its version has no number"))?,
            group: group.trim_end_matches('/').to_owned(),
            connection,
            peer,
            patience: PATIENCE,
        })
    }

    /// systemd's version: 252.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Where the group of a unit of this manager is, whether it runs or not.
    ///
    /// # Errors
    /// `Invalid` where that is no path of a group.
    pub fn group(&self, unit: &Unit) -> Result<GroupPath> {
        unit.group(&self.group)
    }

    /// Starts the unit with its process in it and its limits set, and waits until it runs.
    ///
    /// A failed unit of the same name is a leftover: it is reset, and the start tried once more. A slice that is there
    /// already is what was asked for (an engine makes sure of its slices so).
    ///
    /// # Errors
    /// `AlreadyExists` where a unit of this name runs; systemd's refusals by its own names; `Invalid` for limits and
    /// annotations that are none; `Unavailable` where systemd does not answer within [`PATIENCE`].
    pub fn start(&mut self, unit: &Unit, start: &Start<'_>) -> Result<Started> {
        let group = self.group(unit)?;
        let (properties, pidfd) = self.properties_of(unit, start)?;
        let fds: Vec<BorrowedFd<'_>> = pidfd.into_iter().collect();
        let is_slice = start.process.is_none() && unit.is_slice();
        self.begin(unit, properties, &fds, is_slice)?;
        Ok(Started {
            group,
            resources: properties::settled(start.resources),
        })
    }

    /// Starts a scope with the asking process in it and no limits, whose group is delegated, and which systemd forgets when
    /// its last process has ended, however it ended. Where a scope of this name runs, the asking process joins it.
    /// The scope's group.
    ///
    /// Which process asks is what the kernel tells systemd of the connection: it holds in another pid namespace too.
    ///
    /// # Errors
    /// As [`Systemd::start`], but for the first.
    pub fn enter(&mut self, unit: &Unit, description: &str) -> Result<GroupPath> {
        let group = self.group(unit)?;
        // A process id of 0 stands for who asks.
        let asking = || Value::Array("u".to_owned(), vec![Value::Uint32(0)]);
        let mut again = 0;
        loop {
            let properties = vec![
                Property::new("Description", Value::text(description)),
                Property::new("Slice", Value::text(unit.slice())),
                Property::new("Delegate", Value::Bool(true)),
                Property::new("CollectMode", Value::text("inactive-or-failed")),
                Property::new("TasksMax", Value::Uint64(u64::MAX)),
                Property::new("DefaultDependencies", Value::Bool(false)),
                Property::new("PIDs", asking()),
            ];
            match self.begin(unit, properties, &[], false) {
                Err(error) if error.kind() == Kind::AlreadyExists => {}
                done => return done.map(|()| group),
            }
            match self.attach_all(unit, None, asking()) {
                // It goes with its last process, or is gone.
                Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Invalid) && again < ENTERING => {
                    again += 1;
                }
                done => return done.map(|()| group),
            }
        }
    }

    /// The start itself, until its job has ended. A slice that is there already has been started.
    fn begin(
        &mut self,
        unit: &Unit,
        properties: Vec<Property>,
        fds: &[BorrowedFd<'_>],
        is_slice: bool,
    ) -> Result<()> {
        let deadline = Deadline::after(self.patience);
        let arguments = [
            Value::text(unit.name()),
            Value::text("replace"),
            list(properties),
            // Units that come with it: none.
            Value::Array("(sa(sv))".to_owned(), Vec::new()),
        ];
        let operation = "StartTransientUnit";
        let mut run = || self.job(operation, &arguments, fds, deadline);
        let result = match run() {
            Err(fault) if fault.is(UNIT_EXISTS) && is_slice => Ok("done".to_owned()),
            Err(fault) if fault.is(UNIT_EXISTS) => {
                self.reset(unit, deadline);
                self.job(operation, &arguments, fds, deadline)
            }
            result => result,
        };
        match result {
            Ok(result) if result == "done" => Ok(()),
            Ok(result) => {
                self.reset(unit, deadline);
                Err(Error::new(Kind::Conflict, operation, unit.name())
                    .because(format!("its job ended as {result:?}"))
                    .hint(format!(
                        "systemctl status {} and systemd's journal say why",
                        unit.name()
                    )))
            }
            Err(fault) => {
                if matches!(fault, Fault::TimedOut) {
                    self.reset(unit, Deadline::after(Duration::from_secs(1)));
                }
                Err(fault.of(operation, unit.name()))
            }
        }
    }

    /// All properties of a start, and the pidfd that one of them stands for.
    fn properties_of<'a>(
        &self,
        unit: &Unit,
        start: &Start<'a>,
    ) -> Result<(Vec<Property>, Option<BorrowedFd<'a>>)> {
        let terms = self.terms(start.layout);
        let yes = |name| Property::new(name, Value::Bool(true));
        let mut all = vec![Property::new("Description", Value::text(start.description))];
        if unit.is_slice() {
            all.push(Property::new("Wants", Value::texts([unit.slice()])));
        } else {
            all.push(Property::new("Slice", Value::text(unit.slice())));
            all.push(yes("Delegate"));
        }
        let mut pidfd = None;
        if let Some(process) = start.process {
            pidfd = process
                .pidfd
                .filter(|_| terms.knows_pidfds() && self.connection.passes_fds());
            all.push(match pidfd {
                Some(_) => Property::new("PIDFDs", Value::Array("h".to_owned(), vec![Value::Handle(0)])),
                None => Property::new("PIDs", Value::Array("u".to_owned(), vec![id(process.pid)])),
            });
        }
        let io = if terms.is_v2() {
            "IOAccounting"
        } else {
            "BlockIOAccounting"
        };
        all.extend(["MemoryAccounting", "CPUAccounting", io, "TasksAccounting"].map(yes));
        all.push(Property::new("DefaultDependencies", Value::Bool(false)));
        all.extend(annotation::properties(start.annotations)?);
        all.extend(properties::oom_policy(start.resources, terms));
        all.extend(properties::of_resources(start.resources, terms)?);
        Ok((all, pidfd))
    }

    /// Changes the limits of a running unit, until it is stopped; what is absent stays as it is. The limits as the
    /// group is to be given them next, by [`Group::apply`].
    ///
    /// On version 1 systemd takes every device away before it gives some back: the group is frozen meanwhile.
    ///
    /// # Errors
    /// `NotFound` where there is no such unit; `Conflict` for a memory limit below what is in use, if that is to be
    /// checked first; systemd's refusals; the freezer's.
    pub fn update(&mut self, unit: &Unit, group: &Group, resources: &Resources) -> Result<Resources> {
        let terms = self.terms(group.host().layout());
        let resources = &*group.completed(resources);
        let properties = properties::of_resources(resources, terms)?;
        check_usage(group, resources)?;
        if !properties.is_empty() {
            let freezes = !terms.is_v2() && !resources.devices.is_empty() && !group.is_frozen()?;
            if freezes {
                group.freeze()?;
            }
            let done = self.set(unit, properties);
            let thawed = if freezes { group.thaw() } else { Ok(()) };
            match (done, thawed) {
                (Err(e), Err(also)) => return Err(e.also(also)),
                (done, thawed) => done.and(thawed)?,
            }
        }
        Ok(properties::settled(resources))
    }

    fn set(&mut self, unit: &Unit, properties: Vec<Property>) -> Result<()> {
        // The second: until the unit is stopped, not for ever.
        let arguments = [Value::text(unit.name()), Value::Bool(true), list(properties)];
        let operation = "SetUnitProperties";
        self.call(operation, &arguments, &[], Deadline::after(self.patience))
            .map_err(|fault| fault.of(operation, unit.name()))?;
        Ok(())
    }

    /// Has systemd move a process into the group of a running unit, or into the group `below` it. A user's manager can
    /// where the user cannot: from a group that is not the user's to one that is (since systemd 238).
    ///
    /// # Errors
    /// `NotFound` where there is no such unit; systemd's refusals.
    pub fn attach(&mut self, unit: &Unit, below: Option<&str>, process: Pid) -> Result<()> {
        self.attach_all(unit, below, Value::Array("u".to_owned(), vec![id(process)]))
    }

    fn attach_all(&mut self, unit: &Unit, below: Option<&str>, processes: Value) -> Result<()> {
        let below = below.map_or_else(String::new, |path| format!("/{}", path.trim_start_matches('/')));
        let arguments = [Value::text(unit.name()), Value::text(below), processes];
        let operation = "AttachProcessesToUnit";
        self.call(operation, &arguments, &[], Deadline::after(self.patience))
            .map_err(|fault| fault.of(operation, unit.name()))?;
        Ok(())
    }

    /// Stops the unit and waits until it is gone; systemd ends what is still in it. A unit that is not there, or has
    /// failed, is gone afterwards too.
    ///
    /// systemd sends SIGTERM and waits for the unit's `TimeoutStopSec` (90 seconds by default) before it kills: what is
    /// not to be waited for is ended before, by [`Group::kill`].
    ///
    /// # Errors
    /// systemd's refusals; `Unavailable` where it does not stop within [`PATIENCE`].
    pub fn stop(&mut self, unit: &Unit) -> Result<()> {
        let deadline = Deadline::after(self.patience);
        let operation = "StopUnit";
        let arguments = [Value::text(unit.name()), Value::text("replace")];
        let done = self.job(operation, &arguments, &[], deadline);
        self.reset(unit, deadline);
        match done {
            // Canceled: another stop has taken over.
            Ok(result) if matches!(result.as_str(), "done" | "canceled" | "skipped") => Ok(()),
            Ok(result) => Err(Error::new(Kind::Conflict, operation, unit.name())
                .because(format!("its job ended as {result:?}"))),
            Err(fault) if fault.is(NO_SUCH_UNIT) => Ok(()),
            Err(fault) => Err(fault.of(operation, unit.name())),
        }
    }

    /// Lets systemd forget a failed unit. One that is not there, or has not failed, is fine.
    fn reset(&mut self, unit: &Unit, deadline: Deadline) {
        let _ = self.call("ResetFailedUnit", &[Value::text(unit.name())], &[], deadline);
    }

    fn terms(&self, layout: Layout) -> Terms {
        Terms {
            layout,
            version: self.version,
        }
    }

    fn call(
        &mut self,
        method: &str,
        arguments: &[Value],
        fds: &[BorrowedFd<'_>],
        deadline: Deadline,
    ) -> Result<Message, Fault> {
        let call = Call {
            destination: self.peer.as_ref().map(|_| NAME),
            path: PATH,
            interface: INTERFACE,
            method,
            arguments,
            handles: u32::try_from(fds.len()).unwrap_or(u32::MAX),
        };
        let serial = self.connection.send(&call, fds, deadline)?;
        let answer = self.connection.answer(serial, None, deadline)?;
        // After `systemctl daemon-reexec` it has another name than before.
        self.peer = answer.sender.clone().filter(|_| self.peer.is_some());
        Ok(answer)
    }

    /// A call that makes a job; how that ended.
    fn job(
        &mut self,
        method: &str,
        arguments: &[Value],
        fds: &[BorrowedFd<'_>],
        deadline: Deadline,
    ) -> Result<String, Fault> {
        self.connection.forget_signals();
        let answer = self.call(method, arguments, fds, deadline)?;
        let job = answer.body("o")?.text()?.to_owned();
        loop {
            let signal = self.connection.signal(deadline)?;
            if let Some(result) = self.end_of(&job, &signal)? {
                return Ok(result);
            }
        }
    }

    /// What `signal` says of this job's end. Anybody on a bus may send us a signal: systemd's own name decides.
    fn end_of(&self, job: &str, signal: &Message) -> Result<Option<String>, Fault> {
        let is_systemds = signal.path.as_deref() == Some(PATH)
            && signal.interface.as_deref() == Some(INTERFACE)
            && signal.member.as_deref() == Some("JobRemoved")
            && (self.peer.is_none() || signal.sender == self.peer);
        if !is_systemds {
            return Ok(None);
        }
        let mut body = signal.body("uoss")?;
        body.u32()?;
        let (path, _unit, result) = (body.text()?, body.text()?, body.text()?);
        Ok((path == job).then(|| result.to_owned()))
    }
}

impl Bus {
    /// The one that the environment names; `variable` looks a variable of it up.
    pub fn of(is_user: bool, variable: impl Fn(&str) -> Option<String>) -> Bus {
        if is_user {
            Bus::User {
                address: variable("DBUS_SESSION_BUS_ADDRESS"),
                runtime_folder: variable("XDG_RUNTIME_DIR").map(PathBuf::from),
            }
        } else {
            Bus::System {
                address: variable("DBUS_SYSTEM_BUS_ADDRESS"),
            }
        }
    }

    /// Where to connect, and whether a bus is there.
    fn endpoints(&self) -> Result<Vec<(Endpoint, bool)>> {
        let path = |path: &Path| Endpoint::Path(path.to_owned());
        let named = |variable: &'static str, address: &Option<String>| {
            let Some(address) = address.as_deref().filter(|address| !address.is_empty()) else {
                return Ok(Vec::new());
            };
            Endpoint::parse(address).map_err(|why| {
                Error::new(Kind::Invalid, "read", format!("{variable}={address:.200?}")).because(why)
            })
        };
        let (mut buses, folder) = match self {
            Bus::System { address } => {
                let folder = geteuid().is_root().then_some(Path::new("/run"));
                (named("DBUS_SYSTEM_BUS_ADDRESS", address)?, folder)
            }
            Bus::User {
                address,
                runtime_folder,
            } => (
                named("DBUS_SESSION_BUS_ADDRESS", address)?,
                runtime_folder.as_deref(),
            ),
        };
        if buses.is_empty() {
            buses.extend(match self {
                Bus::System { .. } => Some(path(Path::new(SYSTEM_BUS))),
                Bus::User { .. } => folder.map(|folder| path(&folder.join("bus"))),
            });
        }
        let direct = folder.map(|folder| (path(&folder.join(PRIVATE)), false));
        let found = buses.into_iter().map(|endpoint| (endpoint, true));
        let found = found.chain(direct).collect();
        Ok(found)
    }

    fn hint(&self) -> &'static str {
        match self {
            Bus::System { .. } => {
                "is this machine run by systemd? Without it, use the cgroupfs driver (no --systemd-cgroup)"
            }
            Bus::User { .. } => {
                "log in as that user (or loginctl enable-linger), so that XDG_RUNTIME_DIR and the user's systemd are there"
            }
        }
    }
}

/// `checkBeforeUpdate`: systemd would set the limit, and the kernel kill for it, before the group's own check came.
fn check_usage(group: &Group, resources: &Resources) -> Result<()> {
    let memory = resources.memory.as_ref();
    let checked = memory.filter(|memory| memory.check_before_update == Some(true));
    let limit = checked.and_then(|memory| u64::try_from(memory.limit?).ok());
    if let Some(limit) = limit.filter(|limit| *limit > 0) {
        let report = group.memory_report()?;
        let used = report.groups.first().and_then(|own| own.usage);
        if let Some(used) = used.filter(|used| *used > limit) {
            return Err(
                Error::new(Kind::Conflict, "set the memory limit of", group.path())
                    .because(format!("{used} bytes are in use, which is more than {limit}")),
            );
        }
    }
    Ok(())
}

fn list(properties: Vec<Property>) -> Value {
    Value::Array(
        "(sv)".to_owned(),
        properties.into_iter().map(Property::pair).collect(),
    )
}

fn id(process: Pid) -> Value {
    Value::Uint32(process.as_raw_nonzero().get().unsigned_abs())
}

/// `252.38-1~deb12u1`, `v245.4-1.fc32`, `257`: the first number.
fn number_of(version: &str) -> Option<u32> {
    let digits = version.trim_start_matches(['"', 'v']);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests;
