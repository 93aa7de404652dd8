//! Pods that are made, and containers that are made in them.

use super::subject;
use crate::Engine;
use crate::claim::{Claimed, asked_of_pod};
use crate::container::request::{
    ExitPolicy, Hostname, JoinedPod, NetworkMode, PodRequest, PodWish, RunRequest,
};
use crate::container::{GROUP, host_facts, together};
use crate::journal::Event;
use crate::records::keys::{self, Made};
use crate::records::pods::{self, PodConfig, PodRecord, Shares};
use crate::records::seconds;
use std::borrow::Cow;
use std::time::SystemTime;
use tare_cgroup::GroupPath;
use tare_error::{Error, Kind, Result};
use tare_store::Id;

/// Whom a pod's supervisor has the first process of a shared pid namespace be.
const NOBODY: u64 = 65534;

impl Engine {
    /// Makes a pod: a record, in which containers can be. Its id, and what the person should know.
    ///
    /// # Errors
    /// `AlreadyExists` for a name in use; `Invalid` for limits that contradict each other.
    pub fn create_pod(&self, request: &PodRequest) -> Result<(String, Vec<String>)> {
        let id = Id::random()?;
        let name = request
            .name
            .as_ref()
            .map_or_else(|| id.short().to_owned(), ToString::to_string);
        let host = host_facts(
            &RunRequest {
                resources: request.resources.clone(),
                ..RunRequest::new("")
            },
            self.config().rootless,
        )?;
        if request.shares.pid && host.ids <= NOBODY {
            return Err(Error::new(Kind::Unsupported, "share process ids in pod", &name)
                .because(format!("the first process of a shared pid namespace is user {NOBODY}, and you have {} ids", host.ids))
                .hint("subordinate ids in /etc/subuid and /etc/subgid give you more, or leave pid out of --share"));
        }
        let (limits, told) = together(&request.resources, &host)?;
        let record = PodRecord {
            config: PodConfig {
                labels: request.labels.clone(),
                shares: request.shares,
                host_network: request.network == NetworkMode::Host,
                hostname: hostname(request, &name, &id),
                stops_with_last: request.exit_policy == ExitPolicy::Stop,
                cgroup_parent: parent(request.cgroup_parent.as_deref())?,
                limits,
            },
            id: id.to_string(),
            name,
            created: seconds(SystemTime::now()),
        };
        let asked = asked_of_pod(request)?;
        let added = self.records().write("record pod", |tx| {
            pods::add(tx, &record)?;
            match &asked {
                None => Ok(()),
                Some(asked) => keys::put(tx, Made::Pod, &record.id, asked),
            }
        });
        self.note(&Event::new(subject(&record), "create").came_to(&added));
        added.map(|()| (record.id, told))
    }

    /// The pod that a container is to be in, made where that is asked for; whether it was.
    pub(crate) fn pod_of_request(&self, request: &RunRequest) -> Result<Option<(PodRecord, bool)>> {
        match &request.life.pod {
            None => Ok(None),
            Some(PodWish::Known(typed)) => self.find_pod(typed).map(|pod| Some((pod, false))),
            Some(PodWish::New(name)) => {
                let wish = PodRequest {
                    name: Some(name.clone()),
                    key: request.life.key.clone(),
                    ..PodRequest::default()
                };
                let id = match self.claim_pod(&wish, &mut |_| ())? {
                    // Whoever asked for both before died in between.
                    Claimed::Made(id) => id,
                    Claimed::Free(_claim) => self.create_pod(&wish)?.0,
                };
                self.find_pod(&id).map(|pod| Some((pod, true)))
            }
        }
    }

    /// The request of a container that is in a pod.
    pub(crate) fn in_pod<'r>(
        &self,
        request: &'r RunRequest,
        pod: Option<&PodRecord>,
    ) -> Result<Cow<'r, RunRequest>> {
        let Some(pod) = pod else {
            return Ok(Cow::Borrowed(request));
        };
        let config = &pod.config;
        if request.namespaces.hostname.is_some() && config.shares.uts {
            return Err(Error::new(Kind::Invalid, "set host name", &pod.name)
                .because("cannot set hostname when joining the pod UTS namespace")
                .hint("`tare pod create --hostname` sets that of all its containers"));
        }
        let mut request = request.clone();
        request.namespaces.pod = Some(JoinedPod {
            id: pod.id.clone(),
            namespaces: self.pod_folder(&pod.id).join("ns"),
            shares: Shares {
                network: config.shares.network && !config.host_network,
                ..config.shares
            },
            hostname: config.hostname.clone(),
            group: group(pod),
        });
        if config.shares.network && config.host_network {
            request.namespaces.network = NetworkMode::Host;
        }
        Ok(Cow::Owned(request))
    }
}

/// The cgroup above those of a pod's containers.
pub(super) fn group(pod: &PodRecord) -> String {
    format!("{}/{}", pod.config.cgroup_parent, pod.id)
}

/// As podman's: the pod's name, where a host may be called so.
fn hostname(request: &PodRequest, name: &str, id: &Id) -> String {
    match &request.hostname {
        Some(name) => name.as_str().to_owned(),
        None => match Hostname::parse(name) {
            Ok(name) => name.as_str().to_owned(),
            Err(_) => id.short().to_owned(),
        },
    }
}

/// The cgroup above a pod's own.
fn parent(asked: Option<&str>) -> Result<String> {
    match asked {
        None | Some("") => Ok(GROUP.to_owned()),
        Some(path) => Ok(GroupPath::parse(path)?.to_string()),
    }
}
