//! What killed commands, dead supervisors and reboots left behind is finished or undone by the next command.
//!
//! Each command pays one listing of the pod folders. The first one after a boot, when there are none, also looks at
//! what survived it: records without an end, tops and folders without a record.

use super::place::{ATTEMPTS, GONE, Pod, Supervised, UNBORN};
use crate::Engine;
use crate::records::containers::{self, ContainerRecord, EndDetail, EndRecord};
use crate::records::life;
use crate::records::seconds;
use std::collections::HashSet;
use std::path::Path;
use std::time::SystemTime;
use tare_error::{Context, Error, Kind, Result};
use tare_shim::{Condition, PodDir, PodDirs};
use tare_store::Durability;

/// In the run folder, once everything that outlived a boot was looked at.
const MARK: &str = "reconciled";

/// Why nobody knows how a container ended that a reboot ended.
const REBOOTED: &str = "the machine was restarted while it ran";

impl Engine {
    /// Clears away what nobody looks after; returns one sentence for each thing that could not be.
    ///
    /// # Errors
    /// Where the run folder cannot be read. What goes wrong with a single container is told and left for later.
    pub fn reconcile(&self) -> Result<Vec<String>> {
        self.reserve().keep();
        self.sweep_claims()?;
        let mut told = Vec::new();
        let mut tell = |name: &str, done: Result<()>| {
            if let Err(e) = done {
                told.push(format!(
                    "{} is not cleared away yet: {}",
                    short(name),
                    tare_error::Report::new(&self.about_storage(e))
                ));
            }
        };
        for id in self.standing_still()? {
            tell(&id, self.finish_commit(&id));
        }
        let pods = PodDirs::open(&self.pod_folders())?;
        let is_kept = |name: &str| {
            pods.as_ref()
                .is_some_and(|pods| pods.has_own_supervisor(name).unwrap_or(false))
        };
        // What has a point in its name is a supervisor's under containerd, whose namespace comes before it.
        let is_ours = |name: &String| name.starts_with('.') || !name.contains('.');
        for name in names(&self.pod_folders())?.into_iter().filter(is_ours) {
            let done = match name.starts_with(UNBORN) || name.starts_with(GONE) {
                true => self.sweep_nameless(&name),
                // Most are looked after: little is asked of them.
                false if is_kept(&name) => Ok(()),
                false => self.reconcile_one(&name),
            };
            tell(&name, done);
        }
        let mark = self.roots().run().join(MARK);
        if !mark.exists() {
            told.extend(self.after_boot()?);
            tare_store::replace(&mark, Durability::Volatile, 0o600, b"")?;
        }
        Ok(told)
    }

    pub(super) fn reconcile_one(&self, id: &str) -> Result<()> {
        // Most are looked after, and are not to be held up.
        if let Ok(pod) = PodDir::open(self.pod_folder(id)) {
            if pod.is_shared() {
                return self.reconcile_pod(&pod, id);
            }
            if pod.supervisor_alive().unwrap_or(false) {
                return self.settle_in_pod(&pod, id);
            }
        }
        match Pod::take(self, id)? {
            Some(pod) => self.reconcile_held(pod, id),
            None => Ok(()),
        }
    }

    fn reconcile_held(&self, pod: Pod, id: &str) -> Result<()> {
        if pod.dir.supervisor_alive()? || self.is_taken_over(&pod, id)? {
            return Ok(());
        }
        self.clear_away(pod, id).map(drop)
    }

    /// Of a container that was recorded by somebody who is not at it any more: what was begun is over then, one way or the other.
    pub(crate) fn finish_or_undo(&self, id: &str) -> Result<()> {
        for _ in 0..ATTEMPTS {
            if let Some(Supervised { connection, state }) = self.find_started(id)? {
                if state.is_ok_and(|(condition, _)| condition != Condition::Stopped) {
                    return Ok(());
                }
                drop(connection);
                return self.settled(id);
            }
            // Somebody else may be about to clear it away: that is waited for.
            let Some(pod) = Pod::await_turn(self, id)? else {
                return Ok(());
            };
            if self.is_looked_after(&pod, id)? {
                continue;
            }
            return self.reconcile_held(pod, id);
        }
        Err(Error::new(Kind::Unavailable, "look after container", id)
            .because(format!("{ATTEMPTS} supervisors of it came and went meanwhile")))
    }

    /// Whether a supervisor looks after a container that is held. One that takes no calls any more is on its way out, and looks after
    /// nothing: its end is waited for.
    pub(super) fn is_looked_after(&self, pod: &Pod, id: &str) -> Result<bool> {
        if !pod.dir.supervisor_alive()? {
            return Ok(false);
        }
        match self.connect(id)? {
            Some(_) => Ok(true),
            None => pod.dir.await_end().map(|()| false),
        }
    }

    /// A supervisor that is shared stays when one of its containers has ended: where whoever was to clear that away has died, we do.
    fn settle_in_pod(&self, pod: &PodDir, id: &str) -> Result<()> {
        if pod.of_pod().is_none() || !self.has_ended(id) {
            return Ok(());
        }
        match Pod::take(self, id)? {
            Some(pod) => self.clear_ended_away(pod, id),
            None => Ok(()),
        }
    }

    /// Whether a container lives that is to live on without its keeper; where its supervisor was killed it has a successor then.
    pub(super) fn is_taken_over(&self, pod: &Pod, id: &str) -> Result<bool> {
        if !pod.dir.outlives_its_keeper()? || !pod.dir.has_containers()? {
            return Ok(false);
        }
        self.records().close();
        for _ in 0..ATTEMPTS {
            let looked = self.in_reserve(|| self.launch(pod)?.state(id));
            match looked {
                Ok((Condition::Running | Condition::Paused, _)) => return Ok(true),
                // Another one was killed: the next one tells.
                Err(e) if e.kind() == Kind::Unavailable => {}
                Err(e) if e.kind() != Kind::NotFound => return Err(e),
                _ => return Ok(false),
            }
        }
        Err(Error::new(Kind::Unavailable, "look after container", id)
            .because(format!("{ATTEMPTS} supervisors of it were killed meanwhile")))
    }

    /// A pod folder whose maker died before it had its name, or who removed it: nothing else exists of that container.
    fn sweep_nameless(&self, name: &str) -> Result<()> {
        let maker = name.rsplit_once('.').and_then(|(_, pid)| pid.parse::<u32>().ok());
        // Another process may have its number by now: then it goes with that one.
        if maker.is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
            return Ok(());
        }
        tare_store::remove_tree(&self.pod_folders().join(name))
    }

    /// What survived a reboot without its pod folder; one sentence for each thing that did not.
    fn after_boot(&self) -> Result<Vec<String>> {
        self.sweep_containers()?;
        let pods: HashSet<String> = names(&self.pod_folders())?.into_iter().collect();
        let (records, lives) = self
            .records()
            .read("list containers", |tx| Ok((containers::all(tx)?, life::all(tx)?)))?;
        for record in records
            .iter()
            .filter(|r| r.end.is_none() && !pods.contains(&r.id))
        {
            match lives.get(&record.id) {
                // It waits to be started.
                Some(life) if life.made && !life.began => {}
                // It was never whole, and nobody has it.
                Some(life) if !life.began => self.remove_everything(&record.id, true)?,
                _ => self.lost(record)?,
            }
        }
        let records = self.records().read("list containers", containers::all)?;
        let told = self.restore_bundles(&records);
        self.resume_after_boot(&records).map(|()| told)
    }

    /// A container that a reboot ended.
    fn lost(&self, record: &ContainerRecord) -> Result<()> {
        if record.remove {
            return self.remove_everything(&record.id, true);
        }
        let end = EndRecord {
            at: seconds(SystemTime::now()),
            code: u8::MAX,
            oom_limit: None,
            unknown: Some(REBOOTED.to_owned()),
            detail: EndDetail::default(),
        };
        self.records()
            .write_in_reserve("record end", |tx| containers::end(tx, &record.id, &end))
    }
}

/// The names in a folder; none where it is not there.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.op("list", folder.display())?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.op("list", folder.display())?.file_name();
        names.extend(name.into_string().ok());
    }
    Ok(names)
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
