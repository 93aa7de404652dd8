//! Pods: containers that share a network, a host name, queues and memory, and one supervisor.
//!
//! ```text
//! pod create ─▶ record                                              (nothing else: a pod that never started is a row)
//! the first start in it ─▶ <run>/pods/<pod>, locked, with its plan ─▶ supervisor ─▶ namespaces, group
//!   ─▶ <run>/pods/<container>, with a link to the pod's ─▶ the same supervisor makes the container
//! pod stop ─▶ every container stopped ─▶ supervisor, namespaces and group gone ─▶ folder removed
//! pod rm ─▶ every container removed ─▶ record removed ─▶ as above
//! ```
//! Whoever makes or ends what a pod's containers share holds the pod's folder; whoever has a container's folder may wait for
//! that, and never the other way round. What a killed supervisor kept a successor takes over; what a killed command began with a pod
//! the next one of the kind goes on with.

mod act;
mod create;
mod inspect;
mod list;
mod place;
mod remove;

pub use list::{ListedPod, PodFilter, PodStatus};

use crate::container::living;
use crate::container::names;
use crate::journal::Subject;
use crate::records::pods::PodRecord;
use tare_shim::PodDir;
use tare_store::Roots;

/// What tells a pod's folder from a container's.
const PLAN: &str = "pod.json";

/// A process of this user's pods, where there are any: who stands in its user namespace can join all that they share, and so can a
/// supervisor that it starts. Nothing is made or cleared away for it.
pub fn neighbour(roots: &Roots) -> Option<u32> {
    let folder = roots.run().join("pods");
    let names: Vec<String> = names(&folder).ok()?;
    let pods = names.iter().filter_map(|name| {
        let dir = folder.join(name);
        let is_pod = dir.join(PLAN).exists();
        is_pod.then(|| PodDir::open(dir).ok()).flatten()
    });
    let pods: Vec<PodDir> = pods.collect();
    let supervised = |pod: &PodDir| {
        let lives = pod.supervisor_alive().unwrap_or(false);
        let record = lives.then(|| pod.supervisor().ok().flatten()).flatten()?;
        u32::try_from(record.stamp.pid).ok()
    };
    if let Some(pid) = pods.iter().find_map(supervised) {
        return Some(pid);
    }
    // A supervisor was killed: its containers are where it was.
    let is_of = |id: &&String| {
        let of = PodDir::open(folder.join(id.as_str())).ok();
        let of = of.as_ref().and_then(PodDir::of_pod);
        pods.iter()
            .any(|pod| of.is_some() && pod.path().file_name().and_then(|name| name.to_str()) == of)
    };
    match pods.is_empty() {
        true => None,
        false => names.iter().filter(is_of).find_map(|id| living(roots, id)),
    }
}

/// A pod as the journal names it.
fn subject(record: &PodRecord) -> Subject {
    Subject {
        kind: "pod",
        id: record.id.clone(),
        name: record.name.clone(),
        labels: record.config.labels.clone(),
        ..Subject::default()
    }
}
