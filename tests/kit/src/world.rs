//! What a test's body is handed: folders, the program under test, an ordinary user, fixtures, a registry.

use crate::command::Tare;
use crate::fixture::Fixture;
use crate::namespace::{PERSON, PROGRAMS, SCRATCH};
use crate::registry::Registry;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// One test's world. Everything in it is private to the test and gone after it.
#[derive(Debug)]
pub struct World {
    keeps_state: AtomicBool,
}

/// The ordinary user `tester` (1500) of a world, with 65,536 subordinate ids from 1,000,000.
#[derive(Debug, Clone, Copy)]
pub struct Person;

impl World {
    pub(crate) fn enter() -> Self {
        for folder in ["tmp", "empty"] {
            fs::create_dir_all(Path::new(SCRATCH).join(folder)).expect("make a folder");
        }
        World {
            keeps_state: AtomicBool::new(false),
        }
    }

    /// A folder on a real filesystem, with a short name.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        Path::new(SCRATCH)
    }

    /// A new folder below the scratch folder.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.scratch().join(name);
        fs::create_dir_all(&path).expect("make a folder");
        path
    }

    /// A new file below the scratch folder.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.scratch().join(name);
        fs::write(&path, contents).expect("write a file");
        path
    }

    /// What survives a reboot: `--root`.
    #[must_use]
    pub fn data_root(&self) -> PathBuf {
        self.scratch().join("data")
    }

    /// What dies with the boot: `--run-root`. On a tmpfs, as on a real host.
    #[must_use]
    pub fn run_root(&self) -> PathBuf {
        PathBuf::from("/run/tare")
    }

    /// Where a program of ours is.
    pub fn program_path(&self, name: &str) -> PathBuf {
        let path = Path::new(PROGRAMS).join(name);
        assert!(
            path.is_file(),
            "{name} is not built: run cargo build --workspace --bins for the same target first"
        );
        path
    }

    /// A program of this build by name.
    ///
    /// # Panics
    /// When it has not been built: `cargo test -p tare-tests` builds no programs, `make test` does.
    #[must_use]
    pub fn program(&self, name: &str) -> Tare {
        Tare::program(self.program_path(name))
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOME", self.folder("root-home"))
            .env("TMPDIR", self.folder("tmp"))
            .directory(self.folder("empty"))
    }

    /// `tare` with this world's folders and these arguments.
    #[must_use]
    pub fn tare<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Tare {
        let roots = [
            OsStr::new("--root").into(),
            self.data_root(),
            OsStr::new("--run-root").into(),
            self.run_root(),
        ];
        self.program("tare").args(roots).args(args)
    }

    /// `tare` as this world's ordinary user, with folders of that user's.
    #[must_use]
    pub fn tare_as<A: AsRef<OsStr>>(&self, person: Person, args: impl IntoIterator<Item = A>) -> Tare {
        person.program(self, "tare").args(args)
    }

    /// The ordinary user.
    #[must_use]
    pub fn person(&self) -> Person {
        Person
    }

    /// A fixture that the test's needs name.
    ///
    /// # Panics
    /// When they do not.
    #[must_use]
    pub fn fixture(&self, name: &'static str) -> PathBuf {
        Fixture::named(name).inside()
    }

    /// Starts a registry on loopback with the images of fixture `registry`, open to all.
    #[must_use]
    pub fn registry(&self) -> Registry {
        Registry::start(self, false)
    }

    /// The same, for user `tester` with password `secret` alone.
    #[must_use]
    pub fn registry_with_password(&self) -> Registry {
        Registry::start(self, true)
    }

    /// Says that this test leaves containers in the state folders on purpose. Processes, mounts and groups still count.
    pub fn keeps_state(&self) {
        self.keeps_state.store(true, Ordering::Relaxed);
    }

    /// What is left in the state folders, one line each.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        let mut folders = vec![self.scratch().join("tmp")];
        if !self.keeps_state.load(Ordering::Relaxed) {
            let home = self.scratch().join("home/.local/share/tare");
            let run = PathBuf::from(format!("/run/user/{PERSON}/tare"));
            for (data, run) in [(self.data_root(), self.run_root()), (home, run)] {
                folders.extend([data.join("containers"), run.join("pods"), run.join("runtime")]);
            }
        }
        let entries = folders
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .flatten();
        entries
            .map(|entry| format!("file {}", entry.path().display()))
            .collect()
    }
}

impl Person {
    /// The user's id, and the group's.
    #[must_use]
    pub fn id(self) -> u32 {
        PERSON
    }

    /// The user's home.
    #[must_use]
    pub fn home(self) -> PathBuf {
        Path::new(SCRATCH).join("home")
    }

    /// A program of this build, run by this user: without groups, capabilities and the way to any.
    #[must_use]
    pub fn program(self, world: &World, name: &str) -> Tare {
        self.run(world, world.program_path(name))
    }

    /// Any program, run by this user.
    #[must_use]
    pub fn run(self, world: &World, path: impl AsRef<OsStr>) -> Tare {
        let ids = [
            format!("--reuid={PERSON}"),
            format!("--regid={PERSON}"),
            "--clear-groups".to_owned(),
        ];
        Tare::program("setpriv")
            .args(ids)
            .args(["--inh-caps=-all", "--bounding-set=+all", "--"])
            .args([path.as_ref()])
            .env("HOME", self.home())
            .env("USER", "tester")
            .env("TMPDIR", "/tmp")
            .env("XDG_RUNTIME_DIR", format!("/run/user/{PERSON}"))
            .directory(world.folder("empty"))
    }
}
