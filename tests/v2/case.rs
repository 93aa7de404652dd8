//! What these tests start from: a bundle, who runs it, and by whom its cgroup is made.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tare_kit::{Finished, Running, Tare, World};

/// Who makes the cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    Cgroupfs,
    Systemd,
}

/// Who runs the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Root,
    /// The ordinary user, as a login leaves them: in a group that is not theirs, with a user manager.
    Person,
    /// The same as root of a user namespace, as podman runs a runtime.
    Podman,
}

/// A container to be, called `v`.
pub(crate) struct Case<'a> {
    world: &'a World,
    pub(crate) by: By,
    pub(crate) driver: Driver,
    /// Who keeps podman's user namespace.
    keeper: Option<Running>,
    /// Which runtime: ours, or `runc` and `crun`.
    pub(crate) runtime: &'static str,
    pub(crate) bundle: PathBuf,
    pub(crate) config: Value,
}

/// A script that ends when it is asked to. A first process does not hear what it has not said that it hears, which takes a moment.
pub(crate) const HEARING: &str = "trap 'exit 0' TERM; : >/dev/shm/up; while :; do sleep 0.1; done";

/// Ours.
pub(crate) const TARE: &str = "tare-runtime";

impl<'a> Case<'a> {
    /// A container of this shell script, with the configuration that `spec` writes.
    pub(crate) fn new(world: &'a World, by: By, driver: Driver, script: &str) -> Case<'a> {
        let bundle = world.folder("bundle");
        let bin = bundle.join("rootfs/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::copy("/usr/bin/busybox", bin.join("busybox")).unwrap();
        let root = bundle.join("rootfs");
        let _ = Tare::program("chroot")
            .args([root.to_str().unwrap(), "/bin/busybox", "--install", "-s", "/bin"])
            .ok();
        let _ = fs::remove_file(bundle.join("config.json"));
        if by != By::Root {
            start_user_manager();
            let _ = Tare::program("chown")
                .args(["-R", "tester:tester"])
                .args([&bundle])
                .ok();
        }
        let keeper = (by == By::Podman).then(|| {
            let words = [
                "--user",
                "--map-root-user",
                "--map-auto",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
            ];
            let mut keeper = as_tester(world, "unshare")
                .args(words)
                .args(["echo; exec cat"])
                .start();
            let _ = keeper.line();
            keeper
        });
        let mut case = Case {
            keeper,
            world,
            by,
            driver,
            runtime: TARE,
            bundle,
            config: Value::Null,
        };
        let path = case.bundle.to_str().unwrap().to_owned();
        let rootless = ["spec", "--rootless=true", "--bundle", &path];
        let words = if by == By::Root {
            &["spec", "--bundle", &path]
        } else {
            &rootless[..]
        };
        let _ = case.run_by(words).ok();
        case.config = serde_json::from_slice(&fs::read(case.bundle.join("config.json")).unwrap()).unwrap();
        case.set("/process/terminal", json!(false));
        case.set("/process/args", json!(["sh", "-c", script]));
        if by == By::Root {
            case.set("/linux/cgroupsPath", json!(""));
        }
        case
    }

    /// One that sleeps.
    pub(crate) fn sleeping(world: &'a World, by: By, driver: Driver) -> Case<'a> {
        Case::new(world, by, driver, "sleep 1000")
    }

    /// Sets a member of the configuration; its parent must be there.
    pub(crate) fn set(&mut self, pointer: &str, value: Value) {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        self.config.pointer_mut(parent).unwrap()[name] = value;
        fs::write(self.bundle.join("config.json"), self.config.to_string()).unwrap();
    }

    /// Limits besides the device rules that there are.
    pub(crate) fn limit(&mut self, resources: &Value) {
        let mut all = self.config["linux"]["resources"].clone();
        if !all.is_object() {
            all = json!({});
        }
        for (name, value) in resources.as_object().unwrap() {
            all[name] = value.clone();
        }
        self.set("/linux/resources", all);
    }

    /// The runtime with these words, its options for all verbs in front.
    pub(crate) fn runtime(&self, words: &[&str]) -> Tare {
        self.run_by(words)
    }

    fn run_by(&self, words: &[&str]) -> Tare {
        let home = self.home();
        let mut all = vec!["--root", home.to_str().unwrap()];
        if self.driver == Driver::Systemd {
            all.push("--systemd-cgroup");
        }
        all.extend(words);
        let ours = self.runtime == TARE;
        match self.by {
            By::Root if ours => self.world.program(TARE).args(all),
            By::Root => Tare::program("peer").args([self.runtime]).args(all),
            By::Person => self.world.person().program(self.world, TARE).args(all),
            By::Podman => {
                let keeper = self.keeper.as_ref().expect("started with the case").id();
                Tare::program("nsenter")
                    .args(["--user", "--mount", "--target"])
                    .args([keeper.as_raw_nonzero().to_string()])
                    .args(["/mnt/bin/tare-runtime"])
                    .args(all)
                    .env("HOME", self.world.person().home())
                    .env("XDG_RUNTIME_DIR", "/run/user/1500")
            }
        }
    }

    pub(crate) fn home(&self) -> PathBuf {
        match self.by {
            By::Root => self.world.folder("containers").join(self.runtime),
            _ => self.world.person().home().join("containers"),
        }
    }

    /// `run v`, in the foreground.
    pub(crate) fn run(&self) -> Finished {
        self.runtime(&["run", "--bundle", self.bundle.to_str().unwrap(), "v"])
            .run()
    }

    pub(crate) fn create(&self) {
        let path = self.bundle.to_str().unwrap();
        let _ = self.runtime(&["create", "--bundle", path, "v"]).ok();
    }

    /// `create`, which is refused: what is said. Nothing is left.
    pub(crate) fn refused(&self) -> String {
        let path = self.bundle.to_str().unwrap();
        let said = self.runtime(&["create", "--bundle", path, "v"]).fails(1);
        assert!(!self.home().join("v").exists(), "{said}");
        said
    }

    pub(crate) fn start(&self) {
        self.create();
        let _ = self.runtime(&["start", "v"]).ok();
    }

    pub(crate) fn exec(&self, script: &str) -> Finished {
        self.runtime(&["exec", "v", "sh", "-c", script]).run()
    }

    pub(crate) fn delete(&self) {
        let _ = self.runtime(&["delete", "--force", "v"]).ok();
    }

    fn state(&self) -> Value {
        serde_json::from_str(&self.runtime(&["state", "v"]).ok()).unwrap()
    }

    pub(crate) fn status(&self) -> String {
        self.state()["status"].as_str().unwrap().to_owned()
    }

    /// The first process.
    pub(crate) fn pid(&self) -> i64 {
        self.state()["pid"].as_i64().unwrap()
    }

    /// Waits until a container of [`HEARING`] would end if it were asked to.
    pub(crate) fn wait_until_it_hears(&self) {
        let up = format!("/proc/{}/root/dev/shm/up", self.pid());
        while !Path::new(&up).exists() {}
    }

    /// Waits until the container has stopped.
    pub(crate) fn wait_until_stopped(&self) {
        while self.status() != "stopped" {}
    }

    /// The group of the first process.
    pub(crate) fn group(&self) -> PathBuf {
        group_of(self.pid())
    }

    /// A control file's text, without the line's end.
    pub(crate) fn file(&self, name: &str) -> String {
        text(&self.group().join(name))
    }
}

pub(crate) fn group_of(pid: i64) -> PathBuf {
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = own
        .trim_end()
        .strip_prefix("0::/")
        .unwrap_or_else(|| panic!("{own}"));
    Path::new("/sys/fs/cgroup").join(path)
}

/// A file's text; what went wrong where it cannot be read.
pub(crate) fn text(path: &Path) -> String {
    match fs::read_to_string(path) {
        Ok(text) => text.trim_end().to_owned(),
        Err(e) => format!("({})", e.kind()),
    }
}

/// A program as the ordinary user.
pub(crate) fn as_tester(world: &World, program: &str) -> Tare {
    world.person().run(world, program)
}

/// A unit's property.
pub(crate) fn property(unit: &str, name: &str) -> String {
    properties(unit, &[name]).remove(name).unwrap_or_default()
}

/// Several properties of a unit: one call, as each takes its time on an emulated processor.
pub(crate) fn properties(unit: &str, names: &[&str]) -> BTreeMap<String, String> {
    let shown = Tare::program("systemctl")
        .args(["show", "-p", &names.join(","), unit])
        .ok();
    let pairs = shown.lines().filter_map(|line| line.split_once('='));
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in pairs {
        // One that is a list has a line for each.
        let known = all.entry(name.to_owned()).or_default();
        *known = [&**known, value]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(";");
    }
    all
}

/// Waits until systemd knows no unit of this name any more; it forgets one that has ended a moment later.
pub(crate) fn await_forgotten(unit: &str) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        if property(unit, "LoadState") == "not-found" {
            return;
        }
    }
    panic!("{unit} is {}", property(unit, "ActiveState"));
}

fn start_user_manager() {
    let _ = Tare::program("systemctl")
        .args(["start", "user@1500.service"])
        .ok();
}
