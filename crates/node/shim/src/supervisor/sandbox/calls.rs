//! What containerd asks of the Sandbox service (`docs/design/shim-v2.md`, section 7).

use super::wish::Wish;
use super::{NAMESPACES, Sandbox, nanoseconds, time};
use crate::supervisor::calls::{Outcome, encoded, refused};
use crate::supervisor::connection::Asked;
use crate::supervisor::life::Life;
use crate::supervisor::process::Process;
use crate::supervisor::service::Service;
use crate::supervisor::stats;
use rustix::process::Signal;
use std::time::SystemTime;
use tare_cgroup::{Group, GroupPath, Host};
use tare_error::{Error, Kind, Report, Result};
use tare_spec_containerd::SandboxMethod;
use tare_spec_containerd::sandbox::{
    CreateSandboxRequest, CreateSandboxResponse, PingResponse, PlatformResponse, SandboxMetricsRequest,
    SandboxMetricsResponse, SandboxStatusRequest, SandboxStatusResponse, ShutdownSandboxResponse,
    StartSandboxRequest, StartSandboxResponse, StopSandboxRequest, StopSandboxResponse, WaitSandboxRequest,
    WaitSandboxResponse,
};
use tare_spec_containerd::types::{Metric, Platform};
use tare_ttrpc::Call;

const READY: &str = "SANDBOX_READY";
const NOT_READY: &str = "SANDBOX_NOTREADY";

impl Service {
    /// Does what is asked of the sandbox.
    pub(in crate::supervisor) fn call_sandbox(
        &mut self,
        asked: Asked,
        method: SandboxMethod,
        call: &Call,
    ) -> Outcome {
        match method {
            SandboxMethod::CreateSandbox => self.create_sandbox(&call.message()?).map(encoded),
            SandboxMethod::StartSandbox => self.start_sandbox(&call.message()?).map(encoded),
            SandboxMethod::Platform => Ok(encoded(platform())),
            SandboxMethod::StopSandbox => self.stop_sandbox(&call.message()?).map(encoded),
            SandboxMethod::WaitSandbox => return self.wait_sandbox(asked, &call.message()?),
            SandboxMethod::SandboxStatus => self.sandbox_status(&call.message()?).map(encoded),
            SandboxMethod::PingSandbox => Ok(encoded(PingResponse {})),
            SandboxMethod::ShutdownSandbox => {
                self.shut_sandbox_down();
                Ok(encoded(ShutdownSandboxResponse {}))
            }
            SandboxMethod::SandboxMetrics => self.sandbox_metrics(&call.message()?).map(encoded),
        }
        .map(Some)
        .map_err(refused)
    }

    fn sandbox(&mut self, id: &str) -> Result<&mut Sandbox> {
        let found = self.sandbox.as_mut().filter(|sandbox| sandbox.record.id == id);
        found.ok_or_else(|| {
            Error::new(Kind::NotFound, "find sandbox", id).because("this supervisor has none of this name")
        })
    }

    fn create_sandbox(&mut self, request: &CreateSandboxRequest) -> Result<CreateSandboxResponse> {
        let id = &request.sandbox_id;
        if self.sandbox.is_some() {
            return Err(Error::new(Kind::AlreadyExists, "create sandbox", id)
                .because("this supervisor is a sandbox already"));
        }
        let wish = Wish::read(request)?;
        let folder = self.journal.pod().path().to_owned();
        let made = self.signals.released(|| Sandbox::make(id, wish, &folder));
        self.sandbox = Some(made.flatten()?);
        Ok(CreateSandboxResponse {})
    }

    fn start_sandbox(&mut self, request: &StartSandboxRequest) -> Result<StartSandboxResponse> {
        let sandbox = self.sandbox(&request.sandbox_id)?;
        if sandbox.record.ended.is_some() {
            return Err(
                Error::new(Kind::Conflict, "start sandbox", &request.sandbox_id).because("it has ended")
            );
        }
        let started = *sandbox
            .record
            .started
            .get_or_insert_with(|| nanoseconds(SystemTime::now()));
        sandbox.write()?;
        Ok(StartSandboxResponse {
            pid: sandbox.pid(),
            created_at: Some(time(started).into()),
            spec: None,
        })
    }

    fn sandbox_status(&mut self, request: &SandboxStatusRequest) -> Result<SandboxStatusResponse> {
        let sandbox = self.sandbox(&request.sandbox_id)?;
        let record = &sandbox.record;
        let ready = record.started.is_some() && record.ended.is_none();
        let info = request.verbose.then(|| {
            let namespaces = sandbox.folder.join(NAMESPACES);
            let text = serde_json::json!({
                "pid": sandbox.pid(),
                "runtimeType": "io.containerd.tare.v2",
                "namespaces": namespaces,
                "network": record.wish.network,
                "sharesPids": record.wish.pid,
            });
            ("info".to_owned(), text.to_string())
        });
        Ok(SandboxStatusResponse {
            sandbox_id: record.id.clone(),
            pid: sandbox.pid(),
            state: if ready { READY } else { NOT_READY }.to_owned(),
            info: info.into_iter().collect(),
            created_at: record.started.map(|at| time(at).into()),
            exited_at: record.ended.map(|at| time(at).into()),
            extra: None,
        })
    }

    fn wait_sandbox(&mut self, asked: Asked, request: &WaitSandboxRequest) -> Outcome {
        let sandbox = self.sandbox(&request.sandbox_id).map_err(refused)?;
        if sandbox.record.ended.is_some() {
            return Ok(Some(encoded(sandbox.exit())));
        }
        sandbox.waiters.push(asked);
        Ok(None)
    }

    /// Ends it; its containers were ended before, and are now where they were not.
    fn stop_sandbox(&mut self, request: &StopSandboxRequest) -> Result<StopSandboxResponse> {
        self.sandbox(&request.sandbox_id)?;
        self.end_containers();
        self.end_sandbox()?;
        Ok(StopSandboxResponse {})
    }

    fn end_containers(&mut self) {
        let firsts = self
            .containers
            .iter()
            .filter_map(|container| container.process(""));
        for life in firsts.filter_map(Process::life) {
            // One that has ended meanwhile is what was wanted.
            let _ = life.signal(Signal::KILL.as_raw());
        }
    }

    /// Ends the sandbox, and tells whoever waits for that.
    pub(in crate::supervisor) fn end_sandbox(&mut self) -> Result<()> {
        let Some(sandbox) = &mut self.sandbox else {
            return Ok(());
        };
        let ended = sandbox.end();
        let (exit, waiters) = (sandbox.exit(), std::mem::take(&mut sandbox.waiters));
        for asked in waiters {
            self.answer(asked, Ok(encoded(exit)));
        }
        ended
    }

    /// The first process of the pod's pid namespace has ended, with everything in it.
    pub(in crate::supervisor) fn look_at_sandbox(&mut self) {
        let ended = |sandbox: &Sandbox| sandbox.init.as_ref().is_some_and(Life::has_ended);
        if !self.sandbox.as_ref().is_some_and(ended) {
            return;
        }
        self.journal
            .note("the first process of the pod's pid namespace has ended");
        if let Err(error) = self.end_sandbox() {
            self.journal.note(Report::new(&error));
        }
    }

    /// Nobody is to wait for the sandbox whose call is over.
    pub(in crate::supervisor) fn forget_sandbox_waiters(&mut self, gone: impl Fn(&Asked) -> bool) {
        if let Some(sandbox) = &mut self.sandbox {
            sandbox.waiters.retain(|asked| !gone(asked));
        }
    }

    /// Ends the supervisor with its sandbox; the second time as well as the first.
    fn shut_sandbox_down(&mut self) {
        self.end_containers();
        let ended = self.end_sandbox();
        let dissolved = self
            .sandbox
            .take()
            .map_or(Ok(()), |mut sandbox| sandbox.dissolve());
        if let Err(error) = ended.and(dissolved) {
            self.journal.note(Report::new(&error));
        }
        self.begin_to_leave();
    }

    fn sandbox_metrics(&mut self, request: &SandboxMetricsRequest) -> Result<SandboxMetricsResponse> {
        let group = &self.sandbox(&request.sandbox_id)?.record.wish.group;
        if !group.starts_with('/') {
            return Err(Error::new(Kind::NotFound, "measure", &request.sandbox_id)
                .because("its group is not known by a path"));
        }
        let group = Group::open(&Host::current()?, &GroupPath::parse(group)?)?;
        Ok(SandboxMetricsResponse {
            metrics: Some(Metric {
                timestamp: Some(SystemTime::now().into()),
                id: request.sandbox_id.clone(),
                data: Some(stats::metrics(&group.usage())),
            }),
        })
    }
}

impl Sandbox {
    fn exit(&self) -> WaitSandboxResponse {
        WaitSandboxResponse {
            exit_status: 0,
            exited_at: self.record.ended.map(|at| time(at).into()),
        }
    }
}

/// What containers run on, in the words of Go.
fn platform() -> PlatformResponse {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    PlatformResponse {
        platform: Some(Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            ..Platform::default()
        }),
    }
}
