//! The processes in which one test runs; see the crate page.

use crate::bed;
use crate::cgroups::Groups;
use crate::leaks;
use crate::machine;
use crate::need::{Need, skip};
use crate::rounds::limit;
use crate::world::World;
use crate::{command, namespace};
use rustix::process::{Pid, WaitOptions, getpid, wait};
use std::any::type_name;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Which of them this process is; unset outside.
pub(crate) const STAGE: &str = "TARE_KIT_STAGE";

/// Runs `body` in a world of its own, or says which of `needs` is missing. Called from a `#[test]` function with a
/// closure written there: the closure's type is named after that function.
///
/// # Panics
/// When the body panics, leaves something behind, or takes longer than four minutes (an hour in the soak); the message has its output.
pub fn test<F: FnOnce(&World)>(needs: &[Need], body: F) {
    let name = test_name(type_name::<F>());
    match std::env::var(STAGE).as_deref() {
        Ok("inside") => inside(body),
        Ok("init") => init(name),
        _ if machine::is_asked_for() => in_machine_if(name, &[]),
        _ => outside_if(name, needs),
    }
}

/// As [`test`], in a virtual machine with cgroup version 2, every controller of it, and a systemd with a user manager for `tester`:
/// one boot serves all tests of a program that are run. The body runs there as root in the root group, beside no other test; it
/// finds sid's runc and crun as `peer runc` and `peer crun`, and a disk of its own at /dev/vdc.
///
/// # Panics
/// As [`test`].
pub fn test_in_machine<F: FnOnce(&World)>(needs: &[Need], body: F) {
    let name = test_name(type_name::<F>());
    match std::env::var(STAGE).as_deref() {
        Ok(machine::STAGE) => machine::inside(body),
        _ => in_machine_if(name, needs),
    }
}

/// As [`test`], on a machine run by systemd: one is booted for the test alone, with cgroup v2, a bus, and the user `tester`.
/// The body runs there as root, in systemd's own scope; the world's scratch folder is there too.
///
/// # Panics
/// As [`test`].
pub fn test_under_systemd<F: FnOnce(&World)>(needs: &[Need], body: F) {
    let needs = [&[Need::Systemd], needs].concat();
    under_systemd(test_name(type_name::<F>()), &needs, bed::FIXTURE, body);
}

/// As [`test_under_systemd`], under a systemd of 2022 with the version 1 hierarchies, as a hybrid machine has them.
///
/// # Panics
/// As [`test`].
pub fn test_under_systemd_v1<F: FnOnce(&World)>(needs: &[Need], body: F) {
    let needs = [&[Need::SystemdV1], needs].concat();
    under_systemd(test_name(type_name::<F>()), &needs, bed::FIXTURE_V1, body);
}

fn under_systemd(name: &str, needs: &[Need], fixture: &'static str, body: impl FnOnce(&World)) {
    match std::env::var(STAGE).as_deref() {
        Ok(bed::STAGE) => body(&World::enter()),
        // That machine is run by systemd already.
        Ok(machine::STAGE) if fixture == bed::FIXTURE => machine::inside(body),
        Ok("inside") => inside(|_world| bed::run(name, fixture)),
        Ok("init") => init(name),
        _ if machine::is_asked_for() => in_machine_if(name, &[]),
        _ => outside_if(name, needs),
    }
}

fn in_machine_if(name: &str, needs: &[Need]) {
    for need in [Need::Root, Need::Vm].iter().chain(needs) {
        if let Some(reason) = need.missing() {
            return skip(name, *need, &reason);
        }
    }
    machine::verdict(name);
}

fn outside_if(name: &str, needs: &[Need]) {
    let everywhere = [Need::Root, Need::Program("unshare"), Need::Program("ip")];
    for need in everywhere.iter().chain(needs) {
        if let Some(reason) = need.missing() {
            return skip(name, *need, &reason);
        }
    }
    outside(name);
}

/// True in the process that libtest started, where the verdict on a test comes together.
#[must_use]
pub fn is_outside() -> bool {
    std::env::var_os(STAGE).is_none()
}

/// `run::memory::limit_holds::{{closure}}` → `memory::limit_holds`, as libtest calls it.
fn test_name(closure: &'static str) -> &'static str {
    let function = closure
        .strip_suffix("::{{closure}}")
        .expect("the body is a closure, written in the test function");
    function
        .split_once("::")
        .expect("a path of a crate and a function")
        .1
}

fn outside(name: &str) {
    let label = format!("{}-{}", std::process::id(), name.replace("::", "-"));
    let scratch = Scratch::make(&label);
    let groups = Groups::make(&label);
    let log = scratch.0.join("output");
    // One open file for both streams, so that they keep their order.
    let output = File::options()
        .append(true)
        .create(true)
        .open(&log)
        .expect("make the output file");
    let child = Command::new("sh")
        .args(["-c", ENTER, "sh"])
        .arg(std::env::current_exe().expect("this program's path"))
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env("KIT_GROUPS", groups.procs_files())
        .env("KIT_LEAF", groups.leaf())
        .env("TARE_KIT_SCRATCH", &scratch.0)
        .env("TARE_KIT_SKIPS", "/dev/null")
        .env(STAGE, "init")
        // The line that panicked is in the message; the frames below it are libtest's and the kit's.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("dup"))
        .stderr(output)
        .spawn()
        .expect("start unshare");
    let limit = limit();
    let outcome = command::wait_at_most(child, limit);
    let output = std::fs::read(&log)
        .map(|b| String::from_utf8_lossy(&b).into_owned())
        .unwrap_or_default();
    let groups_left = groups.remove();
    match outcome {
        Ok(status) if status.success() && groups_left.is_empty() => {}
        Ok(status) if status.success() => panic!("control groups cannot be removed: {groups_left:?}"),
        Ok(status) => panic!("{name} failed ({status}):\n{output}"),
        Err(standing) => {
            panic!("{name} did not end within {limit:?} and was killed:\n{output}\n{standing}")
        }
    }
}

/// Ends with the thread that waits for it, however that ends. Joins the groups first, so that they are the root of the new cgroup namespace. On version 2 alone all of this then
/// moves into a group below, as one that has processes cannot hand controllers on. `--kill-child` ends the whole pid
/// namespace with unshare, which the outer process kills when time is up.
const ENTER: &str = r#"for f in $KIT_GROUPS; do echo $$ > "$f" || exit 97; done
exec unshare --cgroup -- sh -c 'if [ -n "$KIT_LEAF" ]; then mkdir "$KIT_LEAF" && echo $$ > "$KIT_LEAF/cgroup.procs" || exit 97; fi
unset KIT_GROUPS KIT_LEAF
exec setpriv --pdeathsig KILL -- unshare --mount --propagation private --pid --fork --kill-child --mount-proc --net --ipc --uts -- "$@"' sh "$@""#;

fn init(name: &str) {
    assert_eq!(getpid(), Pid::INIT, "stage init runs as pid 1");
    namespace::furnish();
    let before = leaks::Picture::take();
    #[expect(
        clippy::zombie_processes,
        reason = "waited for below, among all that pid 1 inherits"
    )]
    let child = Command::new(std::env::current_exe().expect("this program's path"))
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(STAGE, "inside")
        .spawn()
        .expect("start the test again");
    let id = Pid::from_child(&child);
    // As pid 1 this process inherits every orphan: it reaps all until the test itself has ended.
    let status = loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == id => break status,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => panic!("wait: {e}"),
        }
    };
    let leaks = leaks::after(&before);
    // A frozen process would outlive its killing, and hold up the end of this namespace.
    crate::cgroups::thaw(std::path::Path::new("/sys/fs/cgroup"));
    assert!(leaks.is_empty(), "left behind:\n  {}", leaks.join("\n  "));
    assert!(status.exit_status() == Some(0), "the test itself failed");
}

fn inside<F: FnOnce(&World)>(body: F) {
    let world = World::enter();
    let before = leaks::open_files();
    body(&world);
    let mut leaks = leaks::files_left_open(&before);
    leaks.extend(leaks::at_last(|| world.left_behind()));
    assert!(leaks.is_empty(), "left behind:\n  {}", leaks.join("\n  "));
}

/// Removes scratch folders whose outer process was killed: `PID-NAME` without that process.
fn sweep(all: &Path) {
    for entry in std::fs::read_dir(all).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|n| n.split('-').next())
            .unwrap_or_default();
        if owner.parse::<u32>().is_ok() && !Path::new("/proc").join(owner).exists() {
            // Another test may sweep at the same time.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The folder of one test on the disk, removed with its owner.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn make(label: &str) -> Self {
        let all = target_folder().join("scratch");
        sweep(&all);
        let path = all.join(label);
        std::fs::create_dir_all(&path).expect("make a scratch folder");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_dir_all(&self.0) {
            eprintln!("kit: cannot remove {}: {e}", self.0.display());
        }
    }
}

/// Cargo's target folder: this program is `target[/TRIPLE]/PROFILE/deps/NAME`. The outermost that is marked so,
/// which all triples share.
pub(crate) fn target_folder() -> PathBuf {
    let exe = std::env::current_exe().expect("this program's path");
    let found = exe
        .ancestors()
        .filter(|folder| folder.join("CACHEDIR.TAG").is_file())
        .last();
    found
        .map(Path::to_path_buf)
        .expect("a cargo target folder above this program")
}

#[cfg(test)]
mod tests {
    use super::test_name;

    #[test]
    fn names_are_libtests() {
        assert_eq!(
            test_name("run::memory::limit_holds::{{closure}}"),
            "memory::limit_holds"
        );
        assert_eq!(test_name("run::limit_holds::{{closure}}"), "limit_holds");
    }
}
