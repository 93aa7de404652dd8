//! What our own engine asks for in place of the Sandbox service: a pod whose network and group are made here, and which
//! outlives the supervisor that made it.

use super::wish::Wish;
use super::{NAMESPACES, Sandbox, files, maker, nanoseconds};
use crate::own::PodPlan;
use crate::supervisor::process::Process;
use crate::supervisor::service::Service;
use std::time::SystemTime;
use tare_cgroup::{Group, GroupPath, Host};
use tare_error::{Error, Kind, Result};

impl Service {
    /// Makes what containers are to share; what is there already stays.
    pub(in crate::supervisor) fn make_pod(&mut self, plan: &str) -> Result<()> {
        let plan: PodPlan = serde_json::from_str(plan)
            .map_err(|e| Error::new(Kind::Invalid, "read", "the plan of a pod").from_source(e))?;
        self.stay();
        if let Some(sandbox) = &mut self.sandbox {
            if sandbox.record.id != plan.id {
                return Err(Error::new(Kind::Conflict, "make pod", &plan.id)
                    .because(format!("this supervisor is pod {}", sandbox.record.id)));
            }
            if sandbox.record.is_whole() {
                return Ok(());
            }
            // The first process of its pid namespace was killed, or who made it was, over that.
            sandbox.dissolve()?;
            self.sandbox = None;
        }
        let id = plan.id.clone();
        let wish = Wish::of_plan(plan)?;
        let folder = self.journal.pod().path().to_owned();
        tare_failpoint::pass("pod-intended")?;
        let made = self.signals.released(|| Sandbox::make(&id, wish, &folder));
        let sandbox = self.sandbox.insert(made.flatten()?);
        sandbox.record.started = Some(nanoseconds(SystemTime::now()));
        sandbox.write()?;
        tare_failpoint::pass("pod-made")
    }

    /// Binds again what a supervisor before us had bound where nobody else sees it: of a container that lives, else anew.
    pub(in crate::supervisor) fn mend_sandbox(&mut self) {
        if self.arguments.own.is_none() || self.sandbox.is_none() {
            return;
        }
        let firsts = self
            .containers
            .iter()
            .filter_map(|container| container.process(""));
        let members: Vec<i32> = firsts.filter_map(Process::life).map(|life| life.pid()).collect();
        let Service { sandbox, signals, .. } = self;
        let mended = match sandbox {
            Some(sandbox) if sandbox.record.is_whole() => {
                signals.released(|| sandbox.mend_from(&members)).flatten()
            }
            _ => Ok(()),
        };
        self.note_failure(mended);
    }
}

impl Sandbox {
    fn mend_from(&self, members: &[i32]) -> Result<()> {
        for member in members {
            match self.mend(Some(*member)) {
                // It has ended since.
                Err(e) if e.kind() == Kind::NotFound => {}
                mended => return mended,
            }
        }
        self.mend(None)
    }

    fn mend(&self, member: Option<i32>) -> Result<()> {
        let (wish, folder) = (&self.record.wish, &self.folder);
        self.make_group()?;
        let namespaces = maker::mend(wish, &folder.join(NAMESPACES), member);
        namespaces.and(files::mend(wish, folder, member))
    }

    /// Makes the group of all its containers, where that is its own; one that is there and has processes stays as it is.
    pub(super) fn make_group(&self) -> Result<()> {
        let wish = &self.record.wish;
        let Some(own) = &wish.own_group else {
            return Ok(());
        };
        let (path, limits) = (GroupPath::parse(&wish.group)?, own.limits.clone());
        let made = Host::current().and_then(|host| match Group::open(&host, &path) {
            Ok(_) => Ok(()),
            Err(e) if e.kind() == Kind::NotFound => {
                Group::create(&host, &path, &limits.clone().unwrap_or_default()).map(drop)
            }
            Err(e) => Err(e),
        });
        match made {
            // An ordinary user may have none; limits that nobody asked for are not missed.
            Err(e) if limits.is_none() && matches!(e.kind(), Kind::Denied | Kind::Unsupported) => Ok(()),
            made => made,
        }
    }

    pub(super) fn remove_group(&self) -> Result<()> {
        let wish = &self.record.wish;
        if wish.own_group.is_none() {
            return Ok(());
        }
        let path = GroupPath::parse(&wish.group)?;
        match Host::current().and_then(|host| Group::open(&host, &path)) {
            Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Denied | Kind::Unsupported) => Ok(()),
            group => group?.remove(),
        }
    }
}
