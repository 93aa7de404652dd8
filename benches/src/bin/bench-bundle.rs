//! `bench-bundle realistic|plain FOLDER GROUP ARG...`: writes FOLDER/config.json, and for the realistic one also the
//! compiled seccomp filter (FOLDER/filter) and the /etc files. The root is `../rootfs`; GROUP is the path of its cgroups.
//! The plain one is what `runc spec` writes, without a terminal; it reads that document from standard input.

use serde_json::{Value, json};
use std::path::Path;
use tare_benches::realistic as real;
use tare_seccomp::{Facts, Kernel, compile, default_profile, native};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, folder, group, command @ ..] = arguments.as_slice() else {
        return Err("usage: bench-bundle realistic|plain FOLDER GROUP ARG...".into());
    };
    let folder = Path::new(folder);
    std::fs::create_dir_all(folder)?;
    let mut config = match kind.as_str() {
        "plain" => serde_json::from_reader(std::io::stdin())?,
        "realistic" => realistic(folder)?,
        other => return Err(format!("no bundle is called {other}").into()),
    };
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(command);
    config["root"]["path"] = json!("../rootfs");
    config["linux"]["cgroupsPath"] = json!(group);
    std::fs::write(folder.join("config.json"), config.to_string())?;
    Ok(())
}

fn realistic(folder: &Path) -> Outcome<Value> {
    let folder = std::path::absolute(folder)?;
    let capabilities: Vec<String> = real::CAPABILITIES
        .iter()
        .map(|(name, _)| (*name).into())
        .collect();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let facts = Facts {
        capabilities: &capabilities,
        arch: native()?,
        kernel: Kernel::parse(&release).ok_or("a kernel without a version")?,
    };
    let policy = default_profile(&facts)?;
    std::fs::write(folder.join("filter"), compile(&policy, facts.arch)?.as_bytes())?;
    let (shares, period, quota) = real::CPU;
    Ok(json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "env": real::ENVIRONMENT,
            "cwd": "/",
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        },
        "root": {},
        "hostname": real::HOST_NAME,
        "mounts": mounts(&folder)?,
        "linux": {
            "sysctl": real::PARAMETERS.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
            "namespaces": (["mount", "network", "uts", "pid", "ipc"].map(|kind| json!({"type": kind}))),
            "resources": {
                "devices": real::DEVICE_RULES.iter().map(rule).collect::<Vec<_>>(),
                "memory": {"limit": real::MEMORY},
                "cpu": {"shares": shares, "period": period, "quota": quota},
                "pids": {"limit": real::PIDS},
            },
            "maskedPaths": real::MASKED,
            "readonlyPaths": real::READ_ONLY,
            "seccomp": policy,
        },
    }))
}

/// Docker's mounts, and the three files that it keeps for a container.
fn mounts(folder: &Path) -> Outcome<Vec<Value>> {
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        ),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &["ro", "nosuid", "noexec", "nodev"],
        ),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"],
        ),
    ];
    for name in real::FILES {
        let file = folder.join(name);
        std::fs::write(&file, format!("# {name}\n"))?;
        mounts.push(json!({
            "destination": format!("/etc/{name}"), "type": "bind", "source": file, "options": ["rbind", "rprivate"],
        }));
    }
    Ok(mounts)
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Value {
    json!({"destination": destination, "type": kind, "source": source, "options": options})
}

fn rule(&(allow, kind, major, minor, access): &real::DeviceRule) -> Value {
    let mut rule = json!({"allow": allow, "access": access});
    if kind != 'a' {
        rule["type"] = json!(kind);
        rule["major"] = json!(major);
        rule["minor"] = json!(minor);
    }
    rule
}
