//! What the tests start from: a world in which the busybox image is loaded and tare has told what it tells once.

use tare_kit::{Need, Tare, World};

/// What a test that runs containers needs.
pub(crate) const NEEDS: &[Need] = &[Need::Root, Need::Overlay, Need::Fixture("busybox")];

/// Loads the image.
pub(crate) fn load(world: &World) {
    let layout = world.fixture("busybox").join("oci");
    let _ = world
        .tare(["load", "-q", "--name", "busybox", "-i"])
        .args([layout])
        .ok();
}

/// Loads the image and runs it once, so that warnings about the machine are told.
pub(crate) fn ready(world: &World) {
    load(world);
    let _ = world.tare(["run", "--rm", "busybox", "true"]).ok();
}

/// How `tare` is called with this world's folders, for a shell.
pub(crate) fn words(world: &World) -> String {
    format!(
        "'{}' --root '{}' --run-root '{}'",
        world.program_path("tare").display(),
        world.data_root().display(),
        world.run_root().display()
    )
}

/// `tare run --rm WORDS`.
pub(crate) fn run(world: &World, words: &[&str]) -> Tare {
    world.tare(["run", "--rm"]).args(words)
}

/// What a shell script prints in a container with these options.
pub(crate) fn sh(world: &World, options: &[&str], script: &str) -> String {
    run(world, options).args(["busybox", "sh", "-c", script]).ok()
}

/// How long what has to come may take, with everything else going on.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Waits until it is so, a minute at most.
pub(crate) fn until(what: &str, is: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

/// Waits until a container's log is this: what it writes is written down a moment later.
pub(crate) fn until_said(world: &World, name: &str, text: &str) {
    until(text, || world.tare(["logs", name]).ok() == text);
}

/// Waits until no supervisor lives: that of a killed client which had not made its container yet leaves by itself.
pub(crate) fn until_unsupervised() {
    let is_one = |process: std::fs::DirEntry| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("containerd-shim-tare-v2\0-pod\0")
    };
    until("a supervisor lives", || {
        let mut processes = std::fs::read_dir("/proc").expect("/proc").flatten();
        !processes.any(is_one)
    });
}

/// Waits until nothing of any container is left: the supervisor of a killed client clears away by itself.
pub(crate) fn wait_until_cleared(world: &World) {
    let began = std::time::Instant::now();
    let pods = world.run_root().join("pods");
    let is_empty = || std::fs::read_dir(&pods).is_ok_and(|mut entries| entries.next().is_none());
    while !is_empty() && began.elapsed() < PATIENCE {
        let _ = world.tare(["ps"]).ok();
    }
}

/// Nothing of any container is left: no record, no folder, no top, no pod.
pub(crate) fn assert_nothing_left(world: &World) {
    assert_eq!(world.tare(["ps", "-aq"]).ok(), "", "a record is left");
    let names = |path: std::path::PathBuf| -> Vec<String> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect()
    };
    assert_eq!(
        names(world.data_root().join("containers")),
        [""; 0],
        "a bundle is left"
    );
    // Whoever clears one away takes its name first: a command that comes then does not wait for the rest.
    let pods = || names(world.run_root().join("pods"));
    until("a pod is going", || {
        !pods().iter().any(|name| name.starts_with(".gone-"))
    });
    assert_eq!(pods(), [""; 0], "a pod is left");
    let tops = names(world.data_root().join("snapshots"))
        .into_iter()
        .filter(|n| !n.starts_with("sha256-") && n != ".ground");
    assert_eq!(tops.collect::<Vec<_>>(), [""; 0], "a top is left");
}
