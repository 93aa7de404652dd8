//! What our engine asks of a supervisor that several containers share.

use super::Connection;
use crate::own::{POD, PodPlan, SUPERVISOR};
use std::time::{Duration, Instant};
use tare_error::{Error, Kind, Result};
use tare_spec_containerd::sandbox::{ShutdownSandboxRequest, ShutdownSandboxResponse};
use tare_spec_containerd::{SandboxMethod, Service};

/// How long a supervisor may take to leave after its pod was ended.
const LEAVING: Duration = Duration::from_secs(10);

impl Connection {
    /// Has made what the containers of the supervisor are to share; where that is there, it stays as it is.
    ///
    /// # Errors
    /// The supervisor's; nothing of it is left then.
    pub fn make_pod(&mut self, plan: &PodPlan) -> Result<()> {
        let text = serde_json::to_string(plan)
            .map_err(|e| Error::new(Kind::Internal, "describe pod", &plan.id).from_source(e))?;
        self.call(SUPERVISOR, POD, &text, None)
    }

    /// Ends what is left of the pod, with every process of it, and waits until the supervisor has left.
    ///
    /// # Errors
    /// `Unavailable` where it does not leave in time, else the kernel's.
    pub fn end_pod(mut self, id: &str) -> Result<()> {
        let request = ShutdownSandboxRequest {
            sandbox_id: id.to_owned(),
        };
        let method = SandboxMethod::ShutdownSandbox.name();
        let asked = self.call::<ShutdownSandboxResponse>(Service::Sandbox.name(), method, &request, None);
        match asked {
            Err(e) if e.kind() != Kind::Unavailable => return Err(e),
            Ok(_) | Err(_) => {}
        }
        self.await_end(Instant::now() + LEAVING)?;
        match self.pod.path().is_dir() && self.pod.supervisor()?.is_some() {
            true => self.pod.end_orphan(),
            false => Ok(()),
        }
    }
}
