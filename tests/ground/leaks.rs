//! A planted leak of each kind is found, and named.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tare_kit::{Need, Tare, World, is_outside, test};

/// Runs a test that sins and returns what the kit says about it; passes through in the inner processes.
fn found(body: impl FnOnce(&World)) -> Option<String> {
    // Only the outer process sees the kit's verdict: inside, the panic is the verdict.
    if !is_outside() {
        test(&[Need::Root], body);
        return None;
    }
    if let Some(reason) = Need::Root.missing() {
        eprintln!("SKIPPED: {reason}");
        return None;
    }
    let verdict = catch_unwind(AssertUnwindSafe(|| test(&[Need::Root], body)));
    let message = verdict.expect_err("the kit did not find the leak");
    Some(message.downcast_ref::<String>().cloned().expect("a message"))
}

fn assert_found(verdict: Option<String>, what: &str) {
    if let Some(text) = verdict {
        assert!(text.contains(what), "expected \"{what}\" in:\n{text}");
    }
}

#[test]
fn a_process() {
    let verdict = found(|_| {
        let _ = Tare::program("sh")
            .args(["-c", "setsid sleep 1000 >/dev/null 2>&1 </dev/null &"])
            .ok();
    });
    assert_found(verdict, "sleep 1000");
}

#[test]
fn a_frozen_process() {
    if Need::Cgroup1.missing().is_some() {
        return;
    }
    let verdict = found(|_| {
        let script = "mkdir /sys/fs/cgroup/freezer/tare; setsid sleep 1000 >/dev/null 2>&1 </dev/null & \
                      cd /sys/fs/cgroup/freezer/tare; until pgrep -x sleep > /mnt/scratch/pid; do :; done; \
                      head -1 /mnt/scratch/pid > cgroup.procs; echo FROZEN > freezer.state";
        let _ = Tare::program("sh").args(["-c", script]).ok();
    });
    // Killed like any other when its test is over: it would hold on to what it inherited for ever.
    assert_found(verdict, "sleep 1000");
}

#[test]
fn a_process_that_ends_soon_is_none() {
    test(&[Need::Root], |_| {
        let _ = Tare::program("sh")
            .args(["-c", "setsid sleep 0.3 >/dev/null 2>&1 </dev/null &"])
            .ok();
    });
}

#[test]
fn a_mount() {
    let verdict = found(|world| {
        let on = world.folder("mounted");
        let _ = Tare::program("mount")
            .args(["-t", "tmpfs", "planted"])
            .args([on])
            .ok();
    });
    assert_found(verdict, "mount /mnt/scratch/mounted (tmpfs planted");
}

#[test]
fn a_lost_mount() {
    let verdict = found(|_| {
        let _ = Tare::program("umount").args(["/mnt/fixtures"]).ok();
    });
    assert_found(verdict, "a mount is gone: /mnt/fixtures");
}

#[test]
fn a_control_group() {
    let verdict = found(|_| {
        let tops = fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
        let top = tops
            .map(|e| e.path())
            .find(|p| p.join("cgroup.procs").exists())
            .unwrap_or("/sys/fs/cgroup".into());
        fs::create_dir_all(top.join("tare/planted")).unwrap();
    });
    assert_found(verdict, "tare/planted");
}

#[test]
fn a_network_link() {
    let verdict = found(|_| {
        let _ = Tare::program("ip")
            .args(["link", "add", "planted0", "type", "bridge"])
            .ok();
    });
    assert_found(verdict, "network link planted0");
}

#[test]
fn an_open_file() {
    let verdict = found(|world| {
        std::mem::forget(File::create(world.scratch().join("planted")).unwrap());
    });
    assert_found(verdict, "/mnt/scratch/planted");
}

#[test]
fn a_container_in_the_state_folders() {
    let verdict = found(|world| fs::create_dir_all(world.run_root().join("pods/planted")).unwrap());
    assert_found(verdict, "file /run/tare/pods/planted");
}

#[test]
fn a_failing_test_fails_with_its_own_words() {
    let verdict = found(|_| panic!("the planted failure"));
    assert_found(verdict, "the planted failure");
}
