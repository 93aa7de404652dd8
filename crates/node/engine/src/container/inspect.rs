//! One container in full, in the shape of docker's `container inspect`.

use super::list::{Listed, Status};
use super::request::DRIVER;
use super::settings::Settings;
use crate::Engine;
use crate::records::containers::{self, ContainerRecord};
use serde_json::{Map, Value, json};
use tare_error::{Kind, Result};
use tare_logs::Moment;
use tare_shim::Health;
use tare_spec_oci::{Mount, Spec};

/// What docker writes where there is no time.
const NEVER: &str = "0001-01-01T00:00:00Z";

impl Engine {
    /// One container in full, as docker shows it, with its specification as `Spec` besides.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` where several ids begin so; the database's.
    pub fn inspect_container(&self, typed: &str) -> Result<Value> {
        let listed = self.container(typed)?;
        let id = listed.record.id.clone();
        let settings = self.settings_of(&id)?;
        let spec = match self.spec_of(&id) {
            Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Corrupt) => Spec::default(),
            spec => spec?,
        };
        let process = spec.process.clone().unwrap_or_default();
        let args = super::draft::init::after(&process.args);
        let folder = self.container_folder(&id);
        let file = |name: &str| json!(folder.join(name));
        let record = &listed.record;
        let log = self.log_of(&id);
        Ok(json!({
            "Id": id,
            "Created": moment(record.created),
            "Path": args.first(),
            "Args": args.get(1..).unwrap_or_default(),
            "State": state(&listed, self.health(&id)?.as_ref()),
            "Image": record.image,
            "ResolvConfPath": file("resolv.conf"),
            "HostnamePath": file("hostname"),
            "HostsPath": file("hosts"),
            "LogPath": if log.exists() { json!(log) } else { json!("") },
            "Name": format!("/{}", record.name),
            "RestartCount": listed.life.restarts,
            "Driver": "overlay2",
            "Platform": "linux",
            "MountLabel": "",
            "ProcessLabel": "",
            "AppArmorProfile": "",
            "ExecIDs": Value::Null,
            "HostConfig": host_config(&listed, &settings, &spec),
            "GraphDriver": { "Name": "overlay2", "Data": self.layers(&id) },
            "Mounts": mounts(&settings, &spec),
            "Config": config(&listed, &settings, &spec),
            "NetworkSettings": network(&settings),
            "ImageName": record.reference,
            "Pod": record.pod.as_deref().unwrap_or_default(),
            "Spec": spec,
        }))
    }

    /// Bytes on disk of what a container has written, and of its image.
    ///
    /// # Errors
    /// The file system's and the database's.
    pub fn container_size(&self, record: &ContainerRecord) -> Result<(u64, u64)> {
        let own = self.snapshots().usage(&record.id)?.bytes;
        let image = self.images()?.into_iter().find(|image| image.id == record.image);
        Ok((own, image.map_or(0, |image| image.size)))
    }

    /// What a container was told to be, and where each setting came from; empty for one that an older program made.
    ///
    /// # Errors
    /// As [`Engine::inspect_container`].
    pub fn explain_container(&self, typed: &str) -> Result<Settings> {
        let record = self.find_container(typed)?;
        self.settings_of(&record.id)
    }

    fn settings_of(&self, id: &str) -> Result<Settings> {
        let text = self
            .records()
            .read("read settings", |tx| containers::settings(tx, id))?;
        Ok(text.map_or_else(Settings::default, |text| Settings::from_json(&text)))
    }

    /// The folders its root is made of, in docker's names; nothing where they cannot be told.
    fn layers(&self, id: &str) -> Value {
        let mounts = self.snapshots().mounts(id).unwrap_or_default();
        let options: Vec<&String> = mounts.iter().flat_map(|mount| &mount.options).collect();
        let option = |name: &str| {
            let found = options.iter().find_map(|option| option.strip_prefix(name));
            found.unwrap_or_default()
        };
        json!({
            "LowerDir": option("lowerdir="),
            "UpperDir": option("upperdir="),
            "WorkDir": option("workdir="),
        })
    }
}

/// Docker's `State`.
fn state(listed: &Listed, health: Option<&Health>) -> Value {
    let end = listed.record.end.as_ref();
    let detail = end.map(|end| end.detail.clone()).unwrap_or_default();
    let lives = listed.status.lives();
    let code = match (&listed.status, end) {
        (Status::Exited(code), _) => *code,
        (Status::Unknown(_), _) => u8::MAX,
        (_, Some(end)) if !lives => end.code,
        _ => 0,
    };
    let error = match &listed.status {
        Status::Unknown(why) => why.clone(),
        _ => detail.error.clone().unwrap_or_default(),
    };
    let killed = detail.oom.as_ref().is_some_and(|oom| oom.first_process);
    let started = match listed.started.as_str() {
        "" => NEVER,
        started => started,
    };
    let finished = detail.finished.or_else(|| end.map(|end| moment(end.at)));
    let mut state = json!({
        "Status": listed.status.word(),
        "Running": listed.status.is_up(),
        "Paused": listed.status == Status::Paused,
        "Restarting": matches!(listed.status, Status::Restarting(_)),
        "OOMKilled": killed && !lives,
        "Dead": false,
        "Pid": listed.pid.unwrap_or(0),
        "ExitCode": code,
        "Error": error,
        "StartedAt": started,
        "FinishedAt": finished.unwrap_or_else(|| NEVER.to_owned()),
    });
    if let (Some(health), Some(members)) = (health, state.as_object_mut()) {
        members.insert("Health".to_owned(), json!(health));
    }
    // Beyond docker's: what it was killed for.
    if let (Some(oom), false, Some(members)) = (&detail.oom, lives, state.as_object_mut()) {
        members.insert("OOMLimit".to_owned(), json!(oom.limit));
        members.insert("OOMGroup".to_owned(), json!(oom.group));
    }
    state
}

/// Docker's `HostConfig`: what was asked, with the limits as they are now.
fn host_config(listed: &Listed, settings: &Settings, spec: &Spec) -> Value {
    let mut members = tree(settings, "HostConfig.");
    for name in ["Devices", "Ulimits"] {
        let list: Vec<Value> = match members.remove(name) {
            Some(Value::Object(by_name)) => by_name.into_iter().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        };
        members.insert(name.to_owned(), list.into());
    }
    let binds: Vec<Value> = match members.remove("Mounts") {
        Some(Value::Object(by_target)) => by_target
            .iter()
            .filter_map(|(target, value)| {
                let (source, access) = value.as_str()?.rsplit_once(':')?;
                (source != "tmpfs").then(|| json!(format!("{source}:{target}:{access}")))
            })
            .collect(),
        _ => Vec::new(),
    };
    members.insert("Binds".to_owned(), binds.into());
    let resources = spec
        .linux
        .clone()
        .unwrap_or_default()
        .resources
        .unwrap_or_default();
    let mut now = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    let memory = resources.memory.unwrap_or_default();
    now("Memory", memory.limit.map(Value::from));
    now("MemorySwap", memory.swap.map(Value::from));
    now("MemoryReservation", memory.reservation.map(Value::from));
    let cpu = resources.cpu.unwrap_or_default();
    now("CpuShares", cpu.shares.map(Value::from));
    now("CpusetCpus", cpu.cpus.map(Value::from));
    now("CpusetMems", cpu.mems.map(Value::from));
    now("CpuQuota", cpu.quota.map(Value::from));
    now("CpuPeriod", cpu.period.map(Value::from));
    let weight = resources.block_io.and_then(|block| block.weight);
    now("BlkioWeight", weight.map(Value::from));
    now(
        "PidsLimit",
        resources.pids.and_then(|pids| pids.limit).map(Value::from),
    );
    let linux = spec.linux.clone().unwrap_or_default();
    now("MaskedPaths", Some(json!(linux.masked_paths)));
    now("ReadonlyPaths", Some(json!(linux.readonly_paths)));
    let process = spec.process.clone().unwrap_or_default();
    now("OomScoreAdj", Some(json!(process.oom_score_adj.unwrap_or(0))));
    now("CgroupParent", Some(json!("")));
    now("LogConfig", Some(json!({ "Type": "json-file", "Config": {} })));
    now("ContainerIDFile", Some(json!("")));
    let restart = listed.life.restart();
    let policy = json!({ "Name": restart.word(), "MaximumRetryCount": restart.most() });
    now("RestartPolicy", Some(policy));
    for (name, value) in [
        ("PortBindings", json!({})),
        ("Links", Value::Null),
        ("Dns", json!([])),
        ("ExtraHosts", Value::Null),
        ("VolumesFrom", Value::Null),
    ] {
        members.entry(name).or_insert(value);
    }
    members.into()
}

/// Docker's `Config`.
fn config(listed: &Listed, settings: &Settings, spec: &Spec) -> Value {
    let mut members = tree(settings, "Config.");
    let process = spec.process.clone().unwrap_or_default();
    members.insert("Env".to_owned(), json!(process.env));
    members.insert("Labels".to_owned(), json!(listed.labels));
    members.insert("Image".to_owned(), json!(listed.record.reference));
    for (name, value) in [
        ("Hostname", json!(spec.hostname.clone().unwrap_or_default())),
        ("Domainname", json!("")),
        ("User", json!("")),
        ("Tty", json!(process.terminal)),
        ("OpenStdin", json!(listed.record.interactive)),
        ("StdinOnce", json!(false)),
        ("AttachStdin", json!(false)),
        ("AttachStdout", json!(false)),
        ("AttachStderr", json!(false)),
        ("WorkingDir", json!(process.cwd)),
        ("Volumes", Value::Null),
        ("OnBuild", Value::Null),
    ] {
        members.entry(name).or_insert(value);
    }
    members.into()
}

/// Docker's `NetworkSettings`, as far as there are networks.
fn network(settings: &Settings) -> Value {
    let mode = settings.value("HostConfig.NetworkMode");
    // What a pod has is loopback alone, where it has not the machine's.
    let mode = mode.as_str().filter(|mode| !mode.starts_with("pod:"));
    let mode = mode.unwrap_or("none");
    json!({
        "Ports": {},
        "IPAddress": "",
        "Gateway": "",
        "MacAddress": "",
        "Networks": { mode: { "IPAddress": "", "Gateway": "", "MacAddress": "", "Aliases": Value::Null } },
    })
}

/// Docker's `Mounts`: what was asked for, as it was mounted.
fn mounts(settings: &Settings, spec: &Spec) -> Value {
    let asked = tree(settings, "HostConfig.");
    let asked = asked
        .get("Mounts")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let of = |mount: &Mount| {
        let target = mount.destination.display().to_string();
        let kind = mount.kind.clone().unwrap_or_default();
        asked.contains_key(&target).then(|| {
            let has = |word: &str| mount.options.iter().any(|option| option == word);
            let propagation = ["rprivate", "rslave", "rshared", "private", "slave", "shared"];
            let propagation = propagation.into_iter().find(|word| has(word)).unwrap_or_default();
            // A volume is known by its name, a directory of this machine by its path.
            let source = asked.get(&target).and_then(Value::as_str).unwrap_or_default();
            let source = source.rsplit_once(':').map_or("", |(source, _)| source);
            let volume = kind == "bind" && !source.starts_with('/');
            let mut shown = json!({
                "Type": if volume { "volume" } else { &kind },
                "Source": if kind == "tmpfs" { json!("") } else { json!(mount.source) },
                "Destination": target,
                "Mode": "",
                "RW": !has("ro") && !has("rro"),
                "Propagation": propagation,
            });
            if volume {
                shown["Name"] = json!(source);
                shown["Driver"] = json!(DRIVER);
                shown["Propagation"] = json!("");
            }
            shown
        })
    };
    spec.mounts.iter().filter_map(of).collect::<Vec<Value>>().into()
}

/// The settings below a place: `A.B.c.d` is the member `c.d` of the member `B`.
fn tree(settings: &Settings, place: &str) -> Map<String, Value> {
    let mut members = Map::new();
    for setting in &settings.0 {
        let Some(name) = setting.name.strip_prefix(place) else {
            continue;
        };
        match name.split_once('.') {
            None => {
                members.insert(name.to_owned(), setting.value.clone());
            }
            Some((above, below)) => {
                let inner = members.entry(above).or_insert_with(|| json!({}));
                if let Some(inner) = inner.as_object_mut() {
                    inner.insert(below.to_owned(), setting.value.clone());
                }
            }
        }
    }
    members
}

/// RFC 3339 of seconds since 1970.
pub(super) fn moment(seconds: i64) -> String {
    Moment {
        seconds,
        nanoseconds: 0,
    }
    .to_string()
}
