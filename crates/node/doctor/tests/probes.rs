//! The real probes: as root, as an ordinary user, on a kernel that lacks the newer calls; and what they leave behind.
//!
//! This program has one thread and no harness, as probes that fork ask for that.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "this program is tests from end to end"
)]

use std::fs;
use std::path::Path;
use tare_doctor::{CHECKS, examine};
use tare_kit::{Need, Tare, is_outside, test};
use tare_store::Roots;
use tare_sys::{FilterFlags, load_filter};

const CASES: &[(&str, fn())] = &[
    ("root_finds_what_is_there", root_finds_what_is_there),
    (
        "an_ordinary_user_finds_what_is_there",
        an_ordinary_user_finds_what_is_there,
    ),
    (
        "an_old_kernel_is_described_as_one",
        an_old_kernel_is_described_as_one,
    ),
    ("folders_and_tools_are_looked_at", folders_and_tools_are_looked_at),
];

/// `PROGRAM examine DATA RUN PATH [NUMBERS]` prints a report as JSON; NUMBERS are system calls to deny first.
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, data, run, path, denied @ ..] = arguments.as_slice()
        && verb == "examine"
    {
        for numbers in denied {
            deny(numbers);
        }
        let report = examine(&Roots::at(data, run, "/nowhere"), path);
        println!("{}", serde_json::to_string(&report).unwrap());
        return;
    }
    let wanted = arguments.first().filter(|word| !word.starts_with('-'));
    let chosen = CASES
        .iter()
        .filter(|(name, _)| wanted.is_none_or(|wanted| name.contains(wanted.as_str())));
    for (name, case) in chosen {
        case();
        if is_outside() {
            println!("test {name} ... ok");
        }
    }
}

/// Makes system calls fail with ENOSYS, as on a kernel that does not know them.
fn deny(numbers: &str) {
    let mut program: Vec<(u16, u8, u8, u32)> = vec![(0x20, 0, 0, 0)];
    for number in numbers.split(',') {
        program.push((0x15, 0, 1, number.parse().unwrap()));
        program.push((0x06, 0, 0, 0x0005_0000 | 38));
    }
    program.push((0x06, 0, 0, 0x7fff_0000));
    let bytes: Vec<u8> = program
        .iter()
        .flat_map(|(code, yes, no, value)| {
            let [a, b] = code.to_ne_bytes();
            let [c, d, e, f] = value.to_ne_bytes();
            [a, b, *yes, *no, c, d, e, f]
        })
        .collect();
    load_filter(&bytes, FilterFlags::empty()).unwrap();
}

/// The verdicts of a run of this program.
struct Seen(serde_json::Value);

impl Seen {
    fn of(out: &str) -> Seen {
        Seen(serde_json::from_str(out).unwrap())
    }

    fn check(&self, name: &str) -> &serde_json::Value {
        let checks = self.0["checks"].as_array().unwrap();
        let found = checks.iter().find(|check| check["name"] == name);
        found.unwrap_or_else(|| panic!("no check {name}"))
    }

    fn is(&self, name: &str, present: &str) {
        let check = self.check(name);
        assert_eq!(check["present"], present, "{check}");
    }

    /// What holds of every report.
    fn holds_together(&self) {
        assert_eq!(self.0["checks"].as_array().unwrap().len(), CHECKS.len());
        for check in self.0["checks"].as_array().unwrap() {
            let is_whole = check["present"] == "yes";
            assert_eq!(check.get("lost").is_none(), is_whole, "{check}");
            assert_eq!(check.get("mend").is_none(), is_whole, "{check}");
            let detail = check["detail"].as_str().unwrap();
            assert!(is_whole || detail.len() > 2, "says why: {check}");
            assert!(!detail.contains('\n') && !detail.contains("os error"), "{check}");
        }
    }
}

fn program() -> String {
    let exe = std::env::current_exe().unwrap();
    format!("/mnt/bin/deps/{}", exe.file_name().unwrap().to_str().unwrap())
}

fn examined(data: &str, run: &str, path: &str, denied: Option<&str>) -> Seen {
    let arguments = ["examine", data, run, path].into_iter().chain(denied);
    let seen = Seen::of(&Tare::program(program()).args(arguments).ok());
    seen.holds_together();
    seen
}

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

fn empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

fn root_finds_what_is_there() {
    test(
        &[Need::Root, Need::Overlay, Need::Cgroup1, Need::Cgroup2],
        |world| {
            let data = world.folder("data");
            let seen = examined(data.to_str().unwrap(), "/run", PATH, None);
            for name in [
                "kernel",
                "namespaces",
                "openat2",
                "mount-api",
                "overlay",
                "data-folder",
                "run-folder",
                "id-mapped-mounts",
                "cgroup-layout",
                "cgroup-groups",
                "cgroup-memory",
                "cgroup-cpu",
                "cgroup-cpuset",
                "cgroup-pids",
                "cgroup-freezer",
                "cgroup-devices",
                "cgroup-device-program",
                "clone-into-cgroup",
                "seccomp",
                "user-namespaces",
                "subordinate-ids",
                "overlay-of-user",
                "clock",
            ] {
                seen.is(name, "yes");
            }
            assert!(
                seen.check("cgroup-layout")["detail"]
                    .as_str()
                    .unwrap()
                    .starts_with("hybrid: ")
            );
            assert_eq!(seen.0["user"], 0);
            assert!(empty(&data), "the probes leave no folder behind");

            let capabilities = fs::read_to_string("/proc/self/status").unwrap();
            let effective = capabilities
                .lines()
                .find_map(|line| line.strip_prefix("CapEff:\t"))
                .unwrap();
            let bits = u64::from_str_radix(effective, 16).unwrap();
            seen.is("sys-resource", if bits & 1 << 24 == 0 { "no" } else { "yes" });
        },
    );
}

fn an_ordinary_user_finds_what_is_there() {
    test(
        &[Need::Root, Need::Userns, Need::Overlay, Need::Cgroup1],
        |world| {
            let person = world.person();
            let home = person.home();
            let run = format!("/run/user/{}", person.id());
            let arguments = ["examine", home.to_str().unwrap(), &run, PATH];
            let seen = Seen::of(&person.run(world, program()).args(arguments).ok());
            seen.holds_together();
            assert_eq!(seen.0["user"], 1500);
            for name in [
                "openat2",
                "mount-api",
                "overlay-of-user",
                "user-namespaces",
                "subordinate-ids",
                "map-helpers",
                "run-folder",
                "seccomp",
            ] {
                seen.is(name, "yes");
            }
            for name in ["overlay", "id-mapped-mounts", "overlay-layers"] {
                seen.is(name, "unknown");
            }
            for name in ["cgroup-groups", "cgroup-memory", "sys-resource"] {
                seen.is(name, "no");
            }
            let groups = seen.check("cgroup-groups");
            assert_eq!(groups["detail"], "this user has no control groups of its own");
            assert!(groups["mend"].as_str().unwrap().contains("Delegate"));
            assert!(empty(&home), "the probes leave no folder behind");
        },
    );
}

/// Each newer call denied as an old kernel would: said, and survived.
fn an_old_kernel_is_described_as_one() {
    test(&[Need::Root, Need::Cgroup1, Need::Cgroup2], |world| {
        let data = world.folder("data");
        let data = data.to_str().unwrap();
        // System call numbers from 424 on are the same on every architecture.
        for (numbers, name, present) in [
            ("437", "openat2", "no"),
            ("434", "pidfd", "no"),
            ("430", "mount-api", "no"),
            ("442", "mount-api", "partly"),
            ("442", "id-mapped-mounts", "no"),
            ("435", "clone-into-cgroup", "no"),
        ] {
            let seen = examined(data, "/run", PATH, Some(numbers));
            seen.is(name, present);
        }
        let all = examined(data, "/run", PATH, Some("430,434,435,437,442"));
        all.is("cgroup-groups", "no");
        all.is("overlay", "no");
        assert!(empty(Path::new(data)));
    });
}

fn folders_and_tools_are_looked_at() {
    test(&[Need::Root], |world| {
        let data = world.folder("data");
        let tools = world.folder("tools");
        let tool = world.file("tools/criu", "");
        assert!(tool.is_file());
        let seen = examined(
            "/run/no/such/folder/yet",
            data.to_str().unwrap(),
            tools.to_str().unwrap(),
            None,
        );
        seen.is("data-folder", "partly");
        seen.is("run-folder", "no");
        seen.is("criu", "yes");
        let seen = examined("/proc", data.to_str().unwrap(), "relative:", None);
        seen.is("criu", "no");
        seen.is("id-mapped-mounts", "unknown");
    });
}
