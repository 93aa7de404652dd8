//! What a container was told to be, setting by setting, and where each came from: for people, never read back as a command.

use super::draft::Draft;
use super::facts::ImageFacts;
use super::handler::OWN;
use super::request::{
    CapabilityChange, CgroupMode, Cpus, HealthRequest, IpcMode, MountKind, NetworkMode, PidMode, PidsLimit,
    ResourcesRequest, RunRequest, SeccompChoice, SwapLimit, UtsMode, Variable,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// One setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Its place in what docker's `inspect` shows: `HostConfig.Memory`, `Config.Env.PATH`.
    pub name: String,
    /// What it is.
    pub value: Value,
    /// Where that came from: `--memory`, `image`, `default`.
    pub from: String,
}

/// Every setting of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(pub Vec<Setting>);

const IMAGE: &str = "image";
const DEFAULT: &str = "default";

impl Settings {
    /// What follows from a request and an image; the draft is what they came to.
    pub(super) fn of(request: &RunRequest, image: &ImageFacts, draft: &Draft) -> Settings {
        let mut settings = Settings::default();
        settings.process(request, image, draft);
        settings.life(request, image);
        settings.resources(request);
        settings.namespaces(request);
        settings.security(request);
        settings.files(request);
        for (key, value) in &image.labels {
            if !request.labels.contains_key(key) {
                settings.add(&format!("Config.Labels.{key}"), json!(value), IMAGE);
            }
        }
        for (key, value) in &request.labels {
            settings.add(&format!("Config.Labels.{key}"), json!(value), "--label");
        }
        for (key, value) in &request.annotations {
            settings.add(
                &format!("HostConfig.Annotations.{key}"),
                json!(value),
                "--annotation",
            );
        }
        settings
    }

    /// What comes of what was asked and what the image says of its health.
    pub(super) fn with_health(mut self, asked: &HealthRequest, value: Value) -> Settings {
        if !value.is_null() {
            let from = if *asked == HealthRequest::default() {
                IMAGE
            } else {
                "--health-cmd"
            };
            self.add("Config.Healthcheck", value, from);
        }
        self
    }

    /// Reads what [`Settings::to_json`] wrote; what is none is nothing.
    pub(super) fn from_json(text: &str) -> Settings {
        serde_json::from_str(text).unwrap_or_default()
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// With the limits that were changed later.
    pub(super) fn updated(mut self, asked: &ResourcesRequest) -> Settings {
        let mut later = Settings::default();
        later.resources(&RunRequest {
            resources: asked.clone(),
            ..RunRequest::new("")
        });
        for setting in later.0.into_iter().filter(|setting| setting.from != DEFAULT) {
            self.0.retain(|known| known.name != setting.name);
            self.0.push(Setting {
                from: format!("update {}", setting.from),
                ..setting
            });
        }
        self
    }

    /// With who makes it.
    pub(super) fn with_handler(mut self, name: &str, asked: Option<&str>) -> Settings {
        let from = match (asked, name) {
            (Some(_), _) => "--runtime",
            (None, OWN) => DEFAULT,
            (None, _) => "config.toml",
        };
        self.add("HostConfig.Runtime", json!(name), from);
        self
    }

    /// The value of a setting; nothing where it is not there.
    pub fn value(&self, name: &str) -> Value {
        let found = self.0.iter().find(|setting| setting.name == name);
        found.map(|setting| setting.value.clone()).unwrap_or_default()
    }

    fn add(&mut self, name: &str, value: Value, from: &str) {
        self.0.push(Setting {
            name: name.to_owned(),
            value,
            from: from.to_owned(),
        });
    }

    /// One that was asked for, else is the default.
    fn asked(&mut self, name: &str, value: Option<Value>, flag: &str, default: Value) {
        match value {
            Some(value) => self.add(name, value, flag),
            None => self.add(name, default, DEFAULT),
        }
    }

    fn process(&mut self, request: &RunRequest, image: &ImageFacts, draft: &Draft) {
        let process = &request.process;
        match &process.entrypoint {
            Some(entrypoint) => self.add("Config.Entrypoint", json!(entrypoint), "--entrypoint"),
            None if image.entrypoint.is_empty() => self.add("Config.Entrypoint", Value::Null, DEFAULT),
            None => self.add("Config.Entrypoint", json!(image.entrypoint), IMAGE),
        }
        match (request.command.is_empty(), &process.entrypoint) {
            (false, _) => self.add("Config.Cmd", json!(request.command), "command line"),
            (true, Some(_)) => self.add("Config.Cmd", Value::Null, "--entrypoint"),
            (true, None) => self.add("Config.Cmd", json!(image.command), IMAGE),
        }
        self.of_either(
            "Config.WorkingDir",
            (process.directory.as_deref(), "--workdir"),
            image.directory.as_deref(),
            "/",
        );
        let user = process.user.as_ref().map(|_| {
            let user = &draft.process.user;
            format!("{}:{}", user.uid, user.gid)
        });
        self.of_either(
            "Config.User",
            (user.as_deref(), "--user"),
            image.user.as_deref(),
            "",
        );
        if !process.groups.is_empty() {
            self.add(
                "HostConfig.GroupAdd",
                json!(draft.process.user.additional_gids),
                "--group-add",
            );
        }
        if process.init {
            self.add("HostConfig.Init", json!(true), "--init");
        }
        self.environment(request, image, draft);
        for limit in &process.ulimits {
            let value = json!({"Name": limit.kind, "Soft": limit.soft, "Hard": limit.hard});
            self.add(&format!("HostConfig.Ulimits.{}", limit.kind), value, "--ulimit");
        }
    }

    /// A text that was asked for, else is the image's, else the default.
    fn of_either(&mut self, name: &str, asked: (Option<&str>, &str), image: Option<&str>, default: &str) {
        let image = image.filter(|text| !text.is_empty());
        match (asked.0, image) {
            (Some(text), _) => self.add(name, json!(text), asked.1),
            (None, Some(text)) => self.add(name, json!(text), IMAGE),
            (None, None) => self.add(name, json!(default), DEFAULT),
        }
    }

    fn environment(&mut self, request: &RunRequest, image: &ImageFacts, draft: &Draft) {
        let of_image: BTreeSet<&str> = image.environment.iter().map(|line| name_of(line)).collect();
        let asked: BTreeSet<&str> = request
            .process
            .environment
            .iter()
            .map(|variable| match variable {
                Variable::Set(name, _) | Variable::Unset(name) => name.as_str(),
            })
            .collect();
        for line in &draft.process.env {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            let from = match () {
                () if asked.contains(name) => "--env",
                () if of_image.contains(name) => IMAGE,
                () => DEFAULT,
            };
            self.add(&format!("Config.Env.{name}"), json!(value), from);
        }
    }

    fn life(&mut self, request: &RunRequest, image: &ImageFacts) {
        let life = &request.life;
        self.switch("Config.Tty", life.terminal, "--tty");
        self.switch("Config.OpenStdin", life.interactive, "--interactive");
        self.switch("HostConfig.AutoRemove", life.remove, "--rm");
        let signal = life.stop_signal.map(signal_name);
        self.of_either(
            "Config.StopSignal",
            (signal.as_deref(), "--stop-signal"),
            image.stop_signal.as_deref(),
            "SIGTERM",
        );
        self.asked(
            "Config.StopTimeout",
            life.stop_timeout.map(Value::from),
            "--stop-timeout",
            json!(10),
        );
    }

    fn switch(&mut self, name: &str, is_set: bool, flag: &str) {
        self.asked(name, is_set.then_some(json!(true)), flag, json!(false));
    }

    fn resources(&mut self, request: &RunRequest) {
        let limits = &request.resources;
        self.asked(
            "HostConfig.Memory",
            limits.memory.map(Value::from),
            "--memory",
            json!(0),
        );
        let swap = match limits.swap {
            Some(SwapLimit::Unlimited) => Some(json!(-1)),
            Some(SwapLimit::Total(bytes)) => Some(json!(bytes)),
            None => None,
        };
        let twice = limits
            .memory
            .map_or(json!(0), |memory| json!(memory.saturating_mul(2)));
        self.asked("HostConfig.MemorySwap", swap, "--memory-swap", twice);
        let cpus = limits
            .cpus
            .map(|Cpus(thousandths)| json!(thousandths * 1_000_000));
        self.asked("HostConfig.NanoCpus", cpus, "--cpus", json!(0));
        self.asked(
            "HostConfig.CpuShares",
            limits.cpu_shares.map(Value::from),
            "--cpu-shares",
            json!(0),
        );
        let cpuset = limits.cpuset.as_ref().map(|set| json!(set.as_str()));
        self.asked("HostConfig.CpusetCpus", cpuset, "--cpuset-cpus", json!(""));
        let pids = limits.pids.map(|limit| match limit {
            PidsLimit::Unlimited => json!(-1),
            PidsLimit::Max(n) => json!(n),
        });
        self.asked("HostConfig.PidsLimit", pids, "--pids-limit", Value::Null);
    }

    fn namespaces(&mut self, request: &RunRequest) {
        let asked = &request.namespaces;
        let mut mode = |name: &str, is_hosts: bool, flag: &str, default: &str| {
            let host = is_hosts.then(|| json!("host"));
            self.asked(&format!("HostConfig.{name}"), host, flag, json!(default));
        };
        mode(
            "NetworkMode",
            asked.network == NetworkMode::Host,
            "--network",
            "none",
        );
        mode("PidMode", asked.pid == PidMode::Host, "--pid", "");
        mode("IpcMode", asked.ipc == IpcMode::Host, "--ipc", "private");
        mode("UTSMode", asked.uts == UtsMode::Host, "--uts", "");
        mode(
            "CgroupnsMode",
            asked.cgroup == CgroupMode::Host,
            "--cgroupns",
            "private",
        );
        mode("UsernsMode", false, "--userns", "");
        if let Some(pod) = &asked.pod {
            let shared = [
                (pod.shares.network, "NetworkMode"),
                (pod.shares.pid, "PidMode"),
                (pod.shares.ipc, "IpcMode"),
                (pod.shares.uts, "UTSMode"),
            ];
            for (_, name) in shared.into_iter().filter(|(is, _)| *is) {
                let name = format!("HostConfig.{name}");
                self.0.retain(|known| known.name != name);
                self.add(&name, json!(format!("pod:{}", pod.id)), "--pod");
            }
            self.add("HostConfig.CgroupParent", json!(pod.group), "--pod");
            if pod.shares.uts {
                self.add("Config.Hostname", json!(pod.hostname), "--pod");
            }
        }
        if let Some(name) = &asked.hostname {
            self.add("Config.Hostname", json!(name.as_str()), "--hostname");
        }
        for sysctl in &asked.sysctls {
            let name = format!("HostConfig.Sysctls.{}", sysctl.name());
            self.add(&name, json!(sysctl.value()), "--sysctl");
        }
    }

    fn security(&mut self, request: &RunRequest) {
        let security = &request.security;
        self.switch("HostConfig.Privileged", security.privileged, "--privileged");
        let name = |change: &CapabilityChange| match change {
            CapabilityChange::All => "ALL".to_owned(),
            CapabilityChange::One(capability) => capability.to_string(),
        };
        let names = |changes: &[CapabilityChange]| -> Vec<String> { changes.iter().map(name).collect() };
        let some = |list: Vec<String>| (!list.is_empty()).then(|| json!(list));
        self.asked(
            "HostConfig.CapAdd",
            some(names(&security.add)),
            "--cap-add",
            Value::Null,
        );
        self.asked(
            "HostConfig.CapDrop",
            some(names(&security.drop)),
            "--cap-drop",
            Value::Null,
        );
        let mut options = Vec::new();
        match &security.seccomp {
            SeccompChoice::Default => {}
            SeccompChoice::Unconfined => options.push("seccomp=unconfined".to_owned()),
            SeccompChoice::File(path) => options.push(format!("seccomp={}", path.display())),
        }
        options.extend(security.no_new_privileges.then(|| "no-new-privileges".to_owned()));
        options.extend(
            security
                .apparmor
                .iter()
                .map(|profile| format!("apparmor={profile}")),
        );
        options.extend(security.labels.iter().map(|label| format!("label={label}")));
        options.extend(
            security
                .open_system_paths
                .then(|| "systempaths=unconfined".to_owned()),
        );
        self.asked(
            "HostConfig.SecurityOpt",
            some(options),
            "--security-opt",
            Value::Null,
        );
    }

    fn files(&mut self, request: &RunRequest) {
        self.switch(
            "HostConfig.ReadonlyRootfs",
            request.files.read_only,
            "--read-only",
        );
        self.asked(
            "HostConfig.ShmSize",
            request.files.shm_size.map(Value::from),
            "--shm-size",
            json!(64 << 20),
        );
        for mount in &request.files.mounts {
            let (source, flag) = match &mount.kind {
                MountKind::Bind(source) => (source.path.display().to_string(), "--volume or --mount"),
                MountKind::Volume(volume) => {
                    let name = volume.path.parent().and_then(|folder| folder.file_name());
                    (
                        name.unwrap_or_default().to_string_lossy().into_owned(),
                        "--volume or --mount",
                    )
                }
                MountKind::Tmpfs(_) => ("tmpfs".to_owned(), "--tmpfs or --mount"),
            };
            let access = if mount.read_only { "ro" } else { "rw" };
            let name = format!("HostConfig.Mounts.{}", mount.target.display());
            self.add(&name, json!(format!("{source}:{access}")), flag);
        }
        for device in &request.devices {
            let name = format!("HostConfig.Devices.{}", device.target.display());
            let value = json!({
                "PathOnHost": device.source,
                "PathInContainer": device.target,
                "CgroupPermissions": device.access,
            });
            self.add(&name, value, "--device");
        }
    }
}

fn name_of(line: &str) -> &str {
    line.split_once('=').map_or(line, |(name, _)| name)
}

fn signal_name(number: i32) -> String {
    tare_signal::name(number).map_or_else(|| number.to_string(), |name| format!("SIG{name}"))
}
