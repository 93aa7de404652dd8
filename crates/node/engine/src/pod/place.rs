//! A pod's supervisor and what it keeps: made with the first start, ended with the pod, taken over where it was killed.

use super::create::group;
use crate::Engine;
use crate::container::{ATTEMPTS, Pod};
use crate::records::containers;
use crate::records::pods::{self, PodRecord};
use tare_error::{Error, Kind, Result};
use tare_shim::{PodDir, PodPlan};
use tare_store::Id;

impl Engine {
    /// Has what a pod's containers share be there, and somebody who keeps it.
    pub(crate) fn bring_pod_up(&self, id: &str) -> Result<()> {
        let record = self.records().read("read pod", |tx| pods::get(tx, id))?;
        let record = record.ok_or_else(|| {
            Error::new(Kind::NotFound, "start pod", id).because("another command has just removed it")
        })?;
        let (id, plan) = (Id::parse(id)?, self.pod_plan(&record));
        let mut attempts = 1..ATTEMPTS;
        loop {
            let held = match Pod::await_turn(self, id.as_str())? {
                Some(pod) => Ok(pod),
                None => Pod::make_as(self, &id, |dir| dir.plan(&plan)),
            };
            let pod = match held {
                Err(e)
                    if matches!(e.kind(), Kind::Conflict | Kind::NotFound) && attempts.next().is_some() =>
                {
                    continue;
                }
                held => held?,
            };
            tare_failpoint::pass("pod-held")?;
            // No database connection lives while a process is made.
            self.records().close();
            let made = self
                .launch(&pod)
                .and_then(|mut connection| connection.make_pod(&plan));
            match made {
                // It was killed: the next one.
                Err(e) if e.kind() == Kind::Unavailable && attempts.next().is_some() => {}
                Err(error) if !pod.dir.has_sandbox() => {
                    return Err(match pod.dir.end_orphan().and_then(|()| pod.remove()) {
                        // Where it lives still it leaves by itself, and the folder is for the next command.
                        Err(also) if also.kind() != Kind::Conflict => error.also(also),
                        _ => error,
                    });
                }
                made => return made,
            }
        }
    }

    /// Ends what a pod's containers have shared, and who kept it; `false` where one of them is about to begin or to end.
    pub(super) fn take_pod_down(&self, id: &str) -> Result<bool> {
        let Some(pod) = Pod::await_turn(self, id)? else {
            return Ok(true);
        };
        let members = self
            .records()
            .read("list containers", |tx| containers::of_pod(tx, id))?;
        if members.iter().any(|member| self.pod_folder(&member.id).is_dir()) {
            return Ok(false);
        }
        self.end_pod(pod, id).map(|()| true)
    }

    /// A container of a pod has ended: where nothing of that runs any more, and it is to end with that, it does.
    pub(crate) fn end_pod_with_last(&self, id: &str) -> Result<()> {
        let record = self.records().read("read pod", |tx| pods::get(tx, id))?;
        if !record.is_some_and(|record| record.config.stops_with_last) {
            return Ok(());
        }
        let pod = match self.pod(id) {
            Err(e) if e.kind() == Kind::NotFound => return Ok(()),
            pod => pod?,
        };
        match pod.containers.iter().any(|one| one.status.is_up()) {
            true => Ok(()),
            // One that is about to start keeps it.
            false => self.take_pod_down(id).map(drop),
        }
    }

    fn end_pod(&self, pod: Pod, id: &str) -> Result<()> {
        tare_failpoint::pass("pod-ending")?;
        self.records().close();
        let mut attempts = 1..ATTEMPTS;
        // One that is killed meanwhile has a successor that goes on with it.
        while pod.dir.has_sandbox() || pod.dir.supervisor_alive()? || pod.dir.has_listener() {
            match self.launch(&pod).and_then(|connection| connection.end_pod(id)) {
                Err(e) if e.kind() == Kind::Unavailable && attempts.next().is_some() => {}
                Ok(()) if attempts.next().is_some() => {}
                Ok(()) => {
                    return Err(Error::new(Kind::Unavailable, "end pod", id)
                        .because(format!("{ATTEMPTS} supervisors of it were killed meanwhile")));
                }
                ended => return ended,
            }
        }
        pod.dir.end_orphan()?;
        tare_failpoint::pass("pod-ended")?;
        pod.remove()
    }

    /// A pod's folder: where its supervisor is gone a successor takes it over; what nobody knows of is ended.
    pub(crate) fn reconcile_pod(&self, dir: &PodDir, id: &str) -> Result<()> {
        let known = self.records().read("read pod", |tx| pods::get(tx, id))?;
        if known.is_some() && dir.supervisor_alive().unwrap_or(false) {
            return Ok(());
        }
        let Some(pod) = Pod::take(self, id)? else {
            return Ok(());
        };
        // Whoever held it has come to an end of it meanwhile, or has died.
        self.records().settle("look after pod")?;
        let record = self.records().read("read pod", |tx| pods::get(tx, id))?;
        match record {
            Some(_) if pod.dir.supervisor_alive()? => Ok(()),
            Some(record) if pod.dir.has_sandbox() => {
                self.records().close();
                let plan = self.pod_plan(&record);
                self.launch(&pod)
                    .and_then(|mut connection| connection.make_pod(&plan))
            }
            _ => self.end_pod(pod, id),
        }
    }

    /// Whether somebody keeps what a pod's containers share.
    pub(super) fn is_pod_up(&self, id: &str) -> Result<bool> {
        match PodDir::open(self.pod_folder(id)) {
            Ok(pod) => pod.supervisor_alive(),
            Err(_) => Ok(false),
        }
    }

    /// What a pod's supervisor is told.
    fn pod_plan(&self, record: &PodRecord) -> PodPlan {
        let config = &record.config;
        let network = config.shares.network && !config.host_network;
        // As a container without a pod has them.
        let mut parameters = vec![("net.ipv4.ip_unprivileged_port_start", "0")];
        if !self.config().rootless {
            parameters.push(("net.ipv4.ping_group_range", "0 2147483647"));
        }
        parameters.retain(|_| network);
        PodPlan {
            id: record.id.clone(),
            network,
            uts: config.shares.uts,
            ipc: config.shares.ipc,
            pid: config.shares.pid,
            hostname: config.hostname.clone(),
            parameters: parameters
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            group: group(record),
            limits: config.limits.clone(),
        }
    }
}
