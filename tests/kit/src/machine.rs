//! A virtual machine with cgroup version 2 and every controller: tests/vm-bed boots it once for a test program, whose tests run
//! in it one after the other.
//!
//! ```text
//! outside   the first test that is run boots it with this program, its arguments and what it tests; each takes its verdict
//!           from what the same program printed there
//! machine   the same program as root under the machine's systemd: runs a body with a [`World`], looks for leaks after it
//! ```

use crate::fixture::Fixture;
use crate::namespace::{PERSON, PROGRAMS, SCRATCH};
use crate::need::program;
use crate::rounds::limit;
use crate::stage::{STAGE as VARIABLE, Scratch, target_folder};
use crate::world::World;
use crate::{command, leaks};
use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;

/// What is booted.
pub(crate) const FIXTURE: &str = "machine";

/// The name of the stage in which a body runs there.
pub(crate) const STAGE: &str = "machine";

/// Names the place where all tests are to run: `machine`, or none for this machine.
const PLACE: &str = "TARE_KIT_IN";

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../vm-bed");

/// What is tested.
const SHIPPED: &[&str] = &["tare", "tare-runtime", "containerd-shim-tare-v2"];

/// Fixtures that are taken along where they are made.
const TAKEN: &[&str] = &["busybox"];

/// Whether tests that could run here are to run in the machine.
pub(crate) fn is_asked_for() -> bool {
    std::env::var(PLACE).is_ok_and(|place| place == STAGE)
}

/// The verdict on one test from the machine, which is booted for the first that asks.
pub(crate) fn verdict(name: &str) {
    static REPORT: OnceLock<Report> = OnceLock::new();
    let report = REPORT.get_or_init(run);
    match report.outcome(name) {
        Some("ok") => {}
        Some(_) => panic!("{name} failed in the machine:\n{}", report.section(name)),
        None => panic!(
            "{name} has no verdict ({}); the machine's last words:\n{}",
            report.status,
            report.tail()
        ),
    }
}

/// What the program printed in the machine, and how that ended.
struct Report {
    status: ExitStatus,
    output: String,
}

impl Report {
    /// `test NAME ... ok`.
    fn outcome(&self, name: &str) -> Option<&str> {
        let lines = self.output.lines().filter_map(|line| line.strip_prefix("test "));
        let own = lines.filter_map(|line| line.strip_prefix(name)?.split_once(" ... "));
        own.map(|(_, outcome)| outcome).next()
    }

    /// What a failed test printed.
    fn section(&self, name: &str) -> &str {
        let begins = format!("---- {name} stdout ----\n");
        let text = self.output.split_once(&begins).map_or("", |(_, rest)| rest);
        let end = text
            .find("\n---- ")
            .or_else(|| text.find("\nfailures:\n"))
            .unwrap_or(text.len());
        text.get(..end).unwrap_or_default()
    }

    fn tail(&self) -> &str {
        let from = self.output.len().saturating_sub(4000);
        let from = (from..).find(|at| self.output.is_char_boundary(*at));
        from.and_then(|from| self.output.get(from..)).unwrap_or_default()
    }
}

fn run() -> Report {
    let label = format!("{}-machine", std::process::id());
    let scratch = Scratch::make(&label);
    let [programs, work] = ["programs", "work"].map(|name| scratch.0.join(name));
    for folder in [&programs, &work] {
        fs::create_dir(folder).expect("make a folder");
    }
    pack(&programs);
    let exe = std::env::current_exe().expect("this program's path");
    let stem = exe.file_stem().unwrap_or_default().to_string_lossy();
    let log = target_folder().join(format!(
        "machine-{}.log",
        stem.rsplit_once('-').map_or(&*stem, |(n, _)| n)
    ));
    let output = File::create(&log).expect("make the log of the machine");
    // With the thread that waits for it, however that ends.
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--", SCRIPT])
        .arg(Fixture::named(FIXTURE).folder())
        .arg(&programs)
        .env("TMPDIR", &work)
        .env("VM_SECONDS", (limit() * 3).as_secs().to_string())
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("dup"))
        .stderr(output)
        .spawn()
        .expect("start vm-bed");
    let status = command::wait_at_most(child, limit() * 4).expect("vm-bed ends in time");
    let bytes = fs::read(&log).expect("read the log of the machine");
    let output = String::from_utf8_lossy(&bytes).into_owned();
    pass_on_skips(&output);
    Report { status, output }
}

/// What the machine is booted with: this program, what it tests, fixtures, and the job.
fn pack(folder: &Path) {
    let exe = std::env::current_exe().expect("this program's path");
    let built = exe.ancestors().nth(2).expect("a folder of programs");
    let own = Path::new("deps").join(exe.file_name().expect("a file name"));
    for below in ["deps", "fixtures", "recipes"] {
        fs::create_dir(folder.join(below)).expect("make a folder");
    }
    for name in SHIPPED.iter().map(Path::new).chain([own.as_path()]) {
        if built.join(name).is_file() {
            without_symbols(&built.join(name), &folder.join(name));
        }
    }
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    copy(&recipes, &folder.join("recipes"));
    for fixture in TAKEN.iter().map(|name| Fixture::named(name).folder()) {
        if let (true, Some(name)) = (fixture.is_dir(), fixture.file_name()) {
            copy(&fixture, &folder.join("fixtures").join(name));
        }
    }
    let job = folder.join("job");
    fs::write(&job, script(&own)).expect("write the job");
    fs::set_permissions(&job, Permissions::from_mode(0o755)).expect("make the job a program");
}

/// Most of a program that was built for tests is what debuggers read; an emulated disk is slow.
fn without_symbols(from: &Path, to: &Path) {
    let stripped = program("strip").map(|strip| Command::new(strip).arg("-o").args([to, from]).status());
    if !stripped.is_some_and(|ran| ran.is_ok_and(|status| status.success())) {
        fs::copy(from, to).expect("copy a program");
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .args(["-a", "--"])
        .args([from.join("."), to.to_owned()])
        .status();
    assert!(
        copied.is_ok_and(|status| status.success()),
        "copy {}",
        from.display()
    );
}

/// The job: a target folder as this one, and the program in the root group, whose groups below have every controller.
fn script(own: &Path) -> String {
    let mut text = "#!/bin/sh\nmkdir -p /target/debug /target/fixtures\nmount --bind /mnt/bin /target/debug\n\
        echo 'Signature: 8a477f597d28d172789f06886806bc55' > /target/CACHEDIR.TAG\n\
        cp -a /mnt/bin/fixtures/. /target/fixtures/\n\
        echo $$ > /sys/fs/cgroup/cgroup.procs\n\
        for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo +$c > /sys/fs/cgroup/cgroup.subtree_control; done\n\
        export TARE_KIT_SKIPS=/tmp/skips RUST_TEST_THREADS=1 RUST_BACKTRACE=0\n"
        .to_owned();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a folder above the kit's");
    let kit = env!("CARGO_MANIFEST_DIR");
    let quoted: Vec<String> = arguments(std::env::args().skip(1))
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
        .collect();
    write!(
        text,
        "mkdir -p '{kit}'\nln -s /mnt/bin/recipes '{}/fixtures'\n\
         {VARIABLE}={STAGE} /target/debug/{} {} 2>/tmp/errors\nstatus=$?\n\
         echo '--- errors'\ncat /tmp/errors\necho '--- skips'\ncat /tmp/skips 2>/dev/null\nexit $status\n",
        tests.display(),
        own.display(),
        quoted.join(" ")
    )
    .expect("write to memory");
    text
}

/// libtest's arguments that choose tests; how results are shown is no matter of the machine's.
fn arguments(given: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut given = given.peekable();
    while let Some(word) = given.next() {
        match word.as_str() {
            "--test-threads" | "--format" | "--color" | "--logfile" => {
                given.next();
            }
            "-q" | "--quiet" | "--nocapture" | "--no-capture" | "--show-output" => {}
            long if ["--test-threads=", "--format=", "--color=", "--logfile="]
                .iter()
                .any(|begin| long.starts_with(begin)) => {}
            _ => kept.push(word),
        }
    }
    kept
}

/// What was skipped there counts here.
fn pass_on_skips(output: &str) {
    let skips = output.split_once("--- skips\n").map_or("", |(_, skips)| skips);
    let Some(path) = std::env::var_os("TARE_KIT_SKIPS") else {
        return;
    };
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(path)
        .expect("open the list of skipped tests");
    for line in skips.lines().filter(|line| line.contains('\t')) {
        file.write_all(format!("{line} (in the machine)\n").as_bytes())
            .expect("write the list of skipped tests");
    }
}

/// In the machine: runs the body, and finds what it leaves behind.
pub(crate) fn inside<F: FnOnce(&World)>(body: F) {
    end_what_is_left();
    clear_scratch();
    let world = World::enter();
    let before = (leaks::open_files(), groups(), processes());
    let begun = std::time::Instant::now();
    body(&world);
    let mut left = leaks::files_left_open(&before.0);
    left.extend(leaks::at_last(|| {
        let groups = groups().into_iter().filter(|group| !before.1.contains(group));
        let processes = processes().into_iter().filter(|one| !before.2.contains(one));
        groups.chain(processes).chain(world.left_behind()).collect()
    }));
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    // Past libtest, which would keep it for a test that fails.
    let _ = writeln!(
        std::io::stderr(),
        "{name} took {:.2} s",
        begun.elapsed().as_secs_f64()
    );
    assert!(left.is_empty(), "left behind:\n  {}", left.join("\n  "));
}

/// Ends containers that a failed test has left.
fn end_what_is_left() {
    for name in groups() {
        let group = Path::new(name.trim_start_matches("control group "));
        crate::cgroups::thaw(group);
        // It may be gone with the one above.
        let _ = fs::write(group.join("cgroup.kill"), "1");
    }
    let stopped = Command::new("systemctl")
        .args(["stop", "tare-*.scope", "runc-*.scope", "crun-*.scope"])
        .status();
    assert!(stopped.is_ok(), "run systemctl");
    for group in groups().iter().rev() {
        let _ = fs::remove_dir(group.trim_start_matches("control group "));
    }
}

/// A folder as after boot: what a failed test has left there may be in the way.
fn clear_scratch() {
    for entry in fs::read_dir(SCRATCH).expect("list the scratch folder").flatten() {
        let path = entry.path();
        // Something of it may be mounted still; that stays.
        let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
    }
    let home = Path::new(SCRATCH).join("home");
    fs::create_dir_all(&home).expect("make a home");
    chown(&home, Some(PERSON), Some(PERSON)).expect("give it to the user");
}

/// The control groups that are ours, by name.
fn groups() -> Vec<String> {
    fn walk(group: &Path, found: &mut Vec<String>) {
        for child in crate::cgroups::children(group) {
            let name = child.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("tare-") || group.ends_with("tare") {
                found.push(format!("control group {}", child.display()));
            }
            walk(&child, found);
        }
    }
    let mut found = Vec::new();
    walk(Path::new("/sys/fs/cgroup"), &mut found);
    found
}

/// Processes that run a program of ours or of a container's root, but for this one.
fn processes() -> Vec<String> {
    let own = PathBuf::from(format!("/proc/{}", std::process::id()));
    let entries = fs::read_dir("/proc").expect("read /proc").flatten();
    let others = entries.map(|entry| entry.path()).filter(|path| *path != own);
    let ours = others.filter_map(|path| {
        let exe = fs::read_link(path.join("exe")).ok()?;
        let is_ours = [PROGRAMS, SCRATCH, "/target"]
            .iter()
            .any(|top| exe.starts_with(top));
        is_ours.then(|| format!("process {} {}", path.display(), exe.display()))
    });
    ours.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    #[test]
    fn verdicts_are_libtests() {
        let output = "running 2 tests\ntest a::b ... ok\ntest a::bc ... FAILED\ntest a::d ... ignored, in the soak\n\n\
            failures:\n\n---- a::bc stdout ----\nso\nit was\n\nfailures:\n    a::bc\n";
        let report = Report {
            status: ExitStatus::from_raw(0),
            output: output.to_owned(),
        };
        assert_eq!(report.outcome("a::b"), Some("ok"));
        assert_eq!(report.outcome("a::bc"), Some("FAILED"));
        assert_eq!(report.outcome("a::x"), None);
        assert_eq!(report.section("a::bc"), "so\nit was\n");
    }

    #[test]
    fn what_chooses_tests_is_passed_on() {
        let given = [
            "memory",
            "--test-threads",
            "2",
            "-q",
            "--format=json",
            "--skip",
            "x",
            "--ignored",
        ];
        let kept = arguments(given.iter().map(|word| (*word).to_owned()));
        assert_eq!(kept, ["memory", "--skip", "x", "--ignored"]);
    }
}
