//! The unit that packaging installs, under a real systemd: what is to run does so after a boot, and no longer hangs on the unit then.

use crate::shell::{NEEDS, assert_nothing_left, until, wait_until_cleared};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use tare_kit::{Tare, World, test_under_systemd};

const UNIT: &str = "tare-restart.service";
const TEXT: &str = include_str!("../../packaging/systemd/system/tare-restart.service");

fn systemctl(words: &[&str]) -> String {
    Tare::program("systemctl").args(words).ok().trim().to_owned()
}

/// The unit, as `make install` writes it, for the folders of this world.
fn install(world: &World) {
    let tare = world.program_path("tare");
    let roots = format!(
        "{} --root {} --run-root {}",
        tare.display(),
        world.data_root().display(),
        world.run_root().display()
    );
    assert!(TEXT.contains("@BIN@/tare "), "{TEXT}");
    std::fs::write(
        format!("/etc/systemd/system/{UNIT}"),
        TEXT.replace("@BIN@/tare", &roots),
    )
    .expect("write it");
    systemctl(&["daemon-reload"]);
    // The boot asks for it.
    systemctl(&["enable", UNIT]);
    assert_eq!(
        systemctl(&["show", "--value", "-p", "WantedBy", UNIT]),
        "multi-user.target"
    );
}

/// What a power cut leaves: no process, no run folder.
fn cut_the_power(world: &World) {
    let pods = std::fs::read_dir(world.run_root().join("pods"))
        .into_iter()
        .flatten()
        .flatten();
    let mut ends: Vec<Pid> = Vec::new();
    for pod in pods {
        let record = std::fs::read(pod.path().join("supervisor.json")).unwrap_or_default();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap_or_default();
        ends.extend(
            record["pid"]
                .as_i64()
                .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)),
        );
    }
    // Nobody sees the others end.
    for supervisor in &ends {
        kill_process(*supervisor, Signal::STOP).expect("stop a supervisor");
    }
    for name in ["web", "once"] {
        let pid = world.tare(["inspect", "-f", "{{.State.Pid}}", name]).ok();
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
        pid.map(|pid| kill_process(pid, Signal::KILL));
    }
    for supervisor in ends {
        kill_process(supervisor, Signal::KILL).expect("kill a supervisor");
    }
    std::fs::remove_dir_all(world.run_root()).expect("empty the run folder");
}

/// Loads the image; the source by which the kit finds it is not seen in the other root.
fn load(world: &World) {
    let made = std::fs::read_dir("/mnt/fixtures")
        .expect("the fixtures")
        .flatten();
    let mut layouts = made.filter(|entry| entry.file_name().to_string_lossy().starts_with("busybox-"));
    let layout = layouts.find_map(|entry| Some(entry.path().join("oci")).filter(|path| path.is_dir()));
    let _ = world
        .tare(["load", "-q", "--name", "busybox", "-i"])
        .args([layout.expect("the image")])
        .ok();
}

fn status(world: &World, name: &str) -> String {
    let words = [
        "ps",
        "-a",
        "--filter",
        &format!("name={name}"),
        "--format",
        "{{.Status}}",
    ];
    world.tare(words).ok().trim().to_owned()
}

#[test]
fn what_is_to_run_does_so_after_a_boot() {
    test_under_systemd(NEEDS, |world| {
        // The root there is an overlay, and no overlay's top lies on one.
        std::fs::create_dir_all(world.data_root()).expect("make a folder");
        mount("data", world.data_root(), "tmpfs", MountFlags::empty(), None).expect("mount a tmpfs");
        install(world);
        load(world);
        let script = "echo up; while :; do sleep 0.1; done";
        for (name, policy) in [("web", "always"), ("once", "no")] {
            let words = [
                "run",
                "-d",
                "--network",
                "none",
                "--restart",
                policy,
                "--name",
                name,
            ];
            let _ = world.tare(words).args(["busybox", "sh", "-c", script]).ok();
        }
        cut_the_power(world);
        systemctl(&["start", UNIT]);
        assert_eq!(systemctl(&["is-active", UNIT]), "active");
        // It runs before any command of anybody's has looked.
        until("a pod", || {
            std::fs::read_dir(world.run_root().join("pods")).is_ok_and(|pods| pods.count() == 1)
        });
        assert!(
            status(world, "web").starts_with("Up "),
            "{}",
            status(world, "web")
        );
        assert!(
            status(world, "once").starts_with("Exited (255)"),
            "{}",
            status(world, "once")
        );
        // Neither the unit's end nor its group is the container's.
        let pid = world.tare(["inspect", "-f", "{{.State.Pid}}", "web"]).ok();
        let groups =
            std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("cgroup")).expect("its groups");
        assert!(!groups.contains(UNIT), "{groups}");
        systemctl(&["stop", UNIT]);
        assert_eq!(world.tare(["exec", "web", "echo", "in"]).ok(), "in\n");
        let _ = world.tare(["rm", "-f", "web", "once"]).ok();
        wait_until_cleared(world);
        assert_nothing_left(world);
        unmount(world.data_root(), UnmountFlags::DETACH).expect("unmount it");
    });
}
