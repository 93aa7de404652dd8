//! What was meant by a `run`: each subject is read by its own function, with the engine's own readers.

use crate::low::Low;
use crate::session::Session;
use std::path::Path;
use tare_engine::container::Execute;
use tare_engine::container::request::{
    CapabilityChange, CgroupMode, CpuSet, Cpus, DeviceRequest, ExitPolicy, FilesRequest, HealthRequest,
    Hostname, IdOrName, IpcMode, Key, LifeRequest, MountRequest, Name, NamespacesRequest, NetworkMode,
    PidMode, PidsLimit, PodRequest, PodWish, ProcessRequest, PullPolicy, ResourcesRequest, RestartPolicy,
    RunRequest, SecurityOption, SecurityRequest, SelectionRequest, SwapLimit, Sysctl, Test, Ulimit, UserMode,
    UserRequest, UtsMode, Variable, VolumesFrom, parse_environment_file, parse_label, parse_seconds,
    parse_shares, parse_signal, parse_size,
};
use tare_error::{Context, Error, Kind, Result};

/// Reads everything `tare run` was told.
///
/// # Errors
/// `Invalid` or `Unsupported`, naming the option.
pub(crate) fn run_request(low: &Low<'_>, session: &Session) -> Result<RunRequest> {
    let mut operands = low.operands()?.into_iter().map(str::to_owned);
    let directory = session.directory()?;
    Ok(RunRequest {
        image: operands.next().unwrap_or_default(),
        command: operands.collect(),
        name: low.parsed("name", Name::parse)?,
        life: life(low)?,
        selection: selection(low, session)?,
        process: process(low, session)?,
        security: security(low, &directory)?,
        files: files(low, &directory)?,
        devices: low.all_parsed("device", DeviceRequest::parse)?,
        resources: resources(low)?,
        health: health(low)?,
        namespaces: namespaces(low)?,
        labels: low.all_parsed("label", parse_label)?.into_iter().collect(),
        annotations: low.all_parsed("annotation", parse_label)?.into_iter().collect(),
    })
}

fn life(low: &Low<'_>) -> Result<LifeRequest> {
    Ok(LifeRequest {
        remove: low.switch("rm"),
        detached: low.switch("detach"),
        restart: restart(low)?,
        later: low.verb() == "create",
        stop_signal: low.parsed("stop-signal", parse_signal)?,
        handler: low.text("runtime")?.map(str::to_owned),
        pod: pod(low)?,
        key: key(low)?,
        stop_timeout: low.parsed("stop-timeout", parse_seconds)?,
        interactive: low.switch("interactive"),
        terminal: low.switch("tty"),
        size: None,
    })
}

fn health(low: &Low<'_>) -> Result<HealthRequest> {
    let test = low.text("health-cmd")?.filter(|line| !line.is_empty());
    let time = |long| Ok::<_, Error>(low.parsed(long, HealthRequest::parse_time)?.flatten());
    let asked = HealthRequest {
        test: test.map(|line| Test::Shell(line.to_owned())),
        interval: time("health-interval")?,
        timeout: time("health-timeout")?,
        start_period: time("health-start-period")?,
        start_interval: time("health-start-interval")?,
        retries: low
            .parsed("health-retries", HealthRequest::parse_retries)?
            .flatten(),
    };
    match (low.switch("no-healthcheck"), asked == HealthRequest::default()) {
        (false, _) => Ok(asked),
        (true, true) => Ok(HealthRequest {
            test: Some(Test::None),
            ..asked
        }),
        (true, false) => Err(Error::new(Kind::Invalid, "read option", "--no-healthcheck")
            .because("--no-healthcheck conflicts with --health-* options")),
    }
}

/// The key by which it may be asked for again: not by who waits for its end.
fn key(low: &Low<'_>) -> Result<Option<Key>> {
    let key = low.parsed("key", Key::parse)?;
    if key.is_some() && low.verb() == "run" && !low.switch("detach") {
        return Err(Error::new(Kind::Invalid, "read option", "--key")
            .because("what runs in the foreground ends with whoever asked for it")
            .hint("it goes with `run -d`, `create` and `pod create`"));
    }
    Ok(key)
}

/// The pod that a container is in: that one's network, and not another.
fn pod(low: &Low<'_>) -> Result<Option<PodWish>> {
    let named = low.parsed("pod", PodWish::parse)?;
    let pod = match low.text("pod-id-file")? {
        Some(path) => Some(PodWish::Known(crate::verbs::pod_id_of_file(path)?)),
        None => named,
    };
    for option in ["network", "ipc", "uts"] {
        if pod.is_some() && low.text(option)?.is_some() {
            return Err(Error::new(Kind::Invalid, "read option", format!("--{option}"))
                .because("it conflicts with --pod: what the containers of a pod share is the pod's")
                .hint("`tare pod create` has --network, and --share for what is shared"));
        }
    }
    Ok(pod)
}

/// Reads everything `tare pod create` was told.
///
/// # Errors
/// `Invalid` or `Unsupported`, naming the option.
pub(crate) fn pod_request(low: &Low<'_>) -> Result<PodRequest> {
    if let Some(infra) = low.text("infra")?.filter(|infra| *infra != "false") {
        return Err(
            Error::new(Kind::Unsupported, "read option", format!("--infra {infra}"))
                .because("a pod has no infra container: its supervisor keeps what its containers share"),
        );
    }
    let operand = low.operands()?.pop().map(Name::parse).transpose()?;
    Ok(PodRequest {
        name: low.parsed("name", Name::parse)?.or(operand),
        hostname: low.parsed("hostname", Hostname::parse)?,
        network: low.parsed("network", NetworkMode::parse)?.unwrap_or_default(),
        shares: low.parsed("share", parse_shares)?.unwrap_or_default(),
        labels: low.all_parsed("label", parse_label)?.into_iter().collect(),
        exit_policy: low.parsed("exit-policy", ExitPolicy::parse)?.unwrap_or_default(),
        cgroup_parent: low.text("cgroup-parent")?.map(str::to_owned),
        resources: resources(low)?,
        key: low.parsed("key", Key::parse)?,
    })
}

/// Whether it is started again: not what goes with its end.
fn restart(low: &Low<'_>) -> Result<RestartPolicy> {
    let policy = low.parsed("restart", RestartPolicy::parse)?.unwrap_or_default();
    if policy != RestartPolicy::No && low.switch("rm") {
        return Err(Error::new(Kind::Invalid, "read option", "--restart")
            .because("conflicting options: cannot specify both --restart and --rm"));
    }
    Ok(policy)
}

/// Reads everything `tare exec` was told but the container.
///
/// # Errors
/// As [`run_request`]'s.
pub(crate) fn execute(low: &Low<'_>, session: &Session) -> Result<Execute> {
    let environment = environment(low, session)?;
    Ok(Execute {
        command: low.operands()?.into_iter().skip(1).map(str::to_owned).collect(),
        process: ProcessRequest {
            environment,
            directory: low.text("workdir")?.map(str::to_owned),
            user: low.parsed("user", UserRequest::parse)?,
            ..ProcessRequest::default()
        },
        privileged: low.switch("privileged"),
        interactive: low.switch("interactive"),
        terminal: low.switch("tty"),
        size: None,
    })
}

/// The platform of an image; it may come from the environment, as docker's does.
pub(crate) fn platform(low: &Low<'_>, session: &Session) -> Result<Option<String>> {
    let of_environment = || {
        session
            .environment
            .text("TARE_PLATFORM")
            .filter(|p| !p.is_empty())
    };
    Ok(low.text("platform")?.map(str::to_owned).or_else(of_environment))
}

fn selection(low: &Low<'_>, session: &Session) -> Result<SelectionRequest> {
    Ok(SelectionRequest {
        platform: platform(low, session)?,
        pull: low.parsed("pull", PullPolicy::parse)?.unwrap_or_default(),
    })
}

fn environment(low: &Low<'_>, session: &Session) -> Result<Vec<Variable>> {
    let own = |name: &str| session.environment.text(name);
    let mut environment = Vec::new();
    for file in low.texts("env-file")? {
        let text = std::fs::read(file).op("read environment file", file)?;
        environment.extend(parse_environment_file(
            file,
            &String::from_utf8_lossy(&text),
            own,
        )?);
    }
    environment.extend(low.all_parsed("env", |text| Variable::parse(text, own))?);
    Ok(environment)
}

fn process(low: &Low<'_>, session: &Session) -> Result<ProcessRequest> {
    let environment = environment(low, session)?;
    let entrypoint = low.text("entrypoint")?;
    Ok(ProcessRequest {
        entrypoint: entrypoint.map(|e| {
            if e.is_empty() {
                Vec::new()
            } else {
                vec![e.to_owned()]
            }
        }),
        environment,
        directory: low.text("workdir")?.map(str::to_owned),
        user: low.parsed("user", UserRequest::parse)?,
        groups: low.all_parsed("group-add", IdOrName::parse)?,
        ulimits: low.all_parsed("ulimit", Ulimit::parse)?,
        init: low.switch("init"),
    })
}

fn security(low: &Low<'_>, directory: &Path) -> Result<SecurityRequest> {
    let mut security = SecurityRequest {
        add: low.all_parsed("cap-add", CapabilityChange::parse)?,
        drop: low.all_parsed("cap-drop", CapabilityChange::parse)?,
        privileged: low.switch("privileged"),
        ..SecurityRequest::default()
    };
    for option in low.all_parsed("security-opt", |text| SecurityOption::parse(text, directory))? {
        security.apply(option);
    }
    Ok(security)
}

fn files(low: &Low<'_>, directory: &Path) -> Result<FilesRequest> {
    let mut mounts = low.all_parsed("volume", |text| MountRequest::parse_volume(text, directory))?;
    mounts.extend(low.all_parsed("mount", |text| MountRequest::parse_mount(text, directory))?);
    mounts.extend(low.all_parsed("tmpfs", MountRequest::parse_tmpfs)?);
    Ok(FilesRequest {
        mounts,
        volumes_from: low.all_parsed("volumes-from", VolumesFrom::parse)?,
        read_only: low.switch("read-only"),
        shm_size: low.parsed("shm-size", parse_size)?,
    })
}

/// Reads the limits that a container is to have.
///
/// # Errors
/// `Invalid`, naming the option.
pub(crate) fn resources(low: &Low<'_>) -> Result<ResourcesRequest> {
    Ok(ResourcesRequest {
        memory: low.parsed("memory", ResourcesRequest::parse_memory)?.flatten(),
        swap: low.parsed("memory-swap", SwapLimit::parse)?.flatten(),
        reservation: low
            .parsed("memory-reservation", ResourcesRequest::parse_memory)?
            .flatten(),
        quota: low.parsed("cpu-quota", ResourcesRequest::parse_quota)?.flatten(),
        period: low
            .parsed("cpu-period", ResourcesRequest::parse_period)?
            .flatten(),
        block_weight: low
            .parsed("blkio-weight", ResourcesRequest::parse_block_weight)?
            .flatten(),
        memory_nodes: low.parsed("cpuset-mems", CpuSet::parse)?,
        cpus: low.parsed("cpus", Cpus::parse)?.flatten(),
        cpu_shares: low
            .parsed("cpu-shares", ResourcesRequest::parse_shares)?
            .flatten(),
        cpuset: low.parsed("cpuset-cpus", CpuSet::parse)?,
        pids: low.parsed("pids-limit", PidsLimit::parse)?,
    })
}

fn namespaces(low: &Low<'_>) -> Result<NamespacesRequest> {
    Ok(NamespacesRequest {
        pid: low.parsed("pid", PidMode::parse)?.unwrap_or_default(),
        ipc: low.parsed("ipc", IpcMode::parse)?.unwrap_or_default(),
        uts: low.parsed("uts", UtsMode::parse)?.unwrap_or_default(),
        user: low.parsed("userns", UserMode::parse)?.unwrap_or_default(),
        cgroup: low.parsed("cgroupns", CgroupMode::parse)?.unwrap_or_default(),
        network: low.parsed("network", NetworkMode::parse)?.unwrap_or_default(),
        hostname: low.parsed("hostname", Hostname::parse)?,
        sysctls: low.all_parsed("sysctl", Sysctl::parse)?,
        pod: None,
    })
}
