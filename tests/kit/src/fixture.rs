//! Images and registry contents, made once by programs that are not ours.
//!
//! ```text
//! tests/fixtures/NAME              the recipe, a program: makes the fixture in the folder that is its argument.
//!                                  A line "# from: A B" names fixtures it starts from, handed over as $A and $B;
//!                                  a line "# programs: a b" what it calls, a line "# files: a b" what it reads below tests/
//! target/fixtures/NAME-KEY/        what it made; KEY follows from the recipe and those it starts from
//! target/fixtures/NAME-KEY.log     what it printed
//! ```

use crate::need::program;
use crate::stage::target_folder;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One fixture, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fixture(&'static str);

impl Fixture {
    /// The fixture that tests/fixtures/`name` makes.
    pub(crate) fn named(name: &'static str) -> Self {
        Fixture(name)
    }

    /// Makes it where it is not there yet; otherwise says why it cannot be had. Runs outside a test's namespaces,
    /// since it may need Debian's packages.
    pub(crate) fn missing(self) -> Option<String> {
        Recipe::read(self.0).and_then(|recipe| recipe.make()).err()
    }

    /// Where it is on this machine.
    pub(crate) fn folder(self) -> PathBuf {
        Recipe::read(self.0).unwrap_or_else(|e| panic!("{e}")).folder()
    }

    /// Where a test finds it.
    pub(crate) fn inside(self) -> PathBuf {
        let recipe = Recipe::read(self.0).unwrap_or_else(|e| panic!("{e}"));
        let path = Path::new(crate::namespace::FIXTURES).join(recipe.folder_name());
        assert!(
            path.is_dir(),
            "fixture {} is not made: name it in the test's needs",
            self.0
        );
        path
    }
}

struct Recipe {
    name: String,
    path: PathBuf,
    text: String,
    files: Vec<Vec<u8>>,
    from: Vec<Recipe>,
}

impl Recipe {
    fn read(name: &str) -> Result<Self, String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../fixtures")
            .join(name);
        let text = fs::read_to_string(&path).map_err(|e| format!("read {}: {e}", path.display()))?;
        let from = list(&text, "# from: ")
            .map(Recipe::read)
            .collect::<Result<_, _>>()?;
        let read = |file: &str| {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
            fs::read(&file).map_err(|e| format!("read {}: {e}", file.display()))
        };
        let files = list(&text, "# files: ").map(read).collect::<Result<_, _>>()?;
        Ok(Recipe {
            name: name.to_owned(),
            path,
            text,
            files,
            from,
        })
    }

    /// FNV-1a over all that decides what comes out.
    fn key(&self) -> u64 {
        let below: Vec<u64> = self.from.iter().map(Recipe::key).collect();
        let bytes = self
            .text
            .bytes()
            .chain(self.files.iter().flatten().copied())
            .chain(below.iter().flat_map(|key| key.to_le_bytes()));
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    fn folder_name(&self) -> String {
        format!("{}-{:016x}", self.name, self.key())
    }

    fn folder(&self) -> PathBuf {
        target_folder().join("fixtures").join(self.folder_name())
    }

    fn make(&self) -> Result<(), String> {
        let folder = self.folder();
        if folder.is_dir() {
            return Ok(());
        }
        for recipe in &self.from {
            recipe.make()?;
        }
        if let Some(lacking) = list(&self.text, "# programs: ").find(|name| program(name).is_none()) {
            return Err(format!(
                "fixture {} is made with {lacking}, which is not here",
                self.name
            ));
        }
        let log = folder.with_extension("log");
        fs::create_dir_all(target_folder().join("fixtures"))
            .map_err(|e| format!("make target/fixtures: {e}"))?;
        let lock = File::create(folder.with_extension("lock")).map_err(|e| format!("make a lock: {e}"))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|e| format!("lock {}: {e}", self.name))?;
        if folder.is_dir() {
            // Another test made it meanwhile.
            return Ok(());
        }
        self.cook(&folder, &log)
    }

    /// Runs the recipe in mount, pid and network namespaces of its own; the last only where it asks for no network.
    fn cook(&self, folder: &Path, log: &Path) -> Result<(), String> {
        let work = folder.with_extension("new");
        let _ = fs::remove_dir_all(&work);
        fs::create_dir(&work).map_err(|e| format!("make {}: {e}", work.display()))?;
        let output = File::create(log).map_err(|e| format!("make {}: {e}", log.display()))?;
        let errors = output.try_clone().map_err(|e| format!("dup: {e}"))?;
        let networked = list(&self.text, "# network: ").next().is_some();
        let status = Command::new("unshare")
            .args([
                "--mount",
                "--propagation",
                "private",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
            ])
            .args((!networked).then_some("--net"))
            .arg("--")
            .arg(&self.path)
            .arg(&work)
            .envs(
                self.from
                    .iter()
                    .map(|recipe| (recipe.name.clone(), recipe.folder())),
            )
            .current_dir(&work)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .status()
            .map_err(|e| format!("run unshare: {e}"))?;
        if !status.success() {
            let text = fs::read_to_string(log).unwrap_or_default();
            let last: Vec<&str> = text.lines().rev().take(5).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            return Err(format!(
                "fixture {} cannot be made ({status}), see {}: {}",
                self.name,
                log.display(),
                last.join(" / ")
            ));
        }
        self.drop_older(folder);
        fs::rename(&work, folder).map_err(|e| format!("rename {}: {e}", work.display()))
    }

    /// Removes what earlier states of this recipe made.
    fn drop_older(&self, folder: &Path) {
        let Some(entries) = folder.parent().and_then(|all| fs::read_dir(all).ok()) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let key = name
                .to_str()
                .and_then(|n| n.strip_prefix(&self.name)?.strip_prefix('-'));
            if key.is_some_and(|key| key.len() == 16 && !folder.ends_with(&name)) {
                // Only room on the disk is lost where this fails.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// The words of the comment line that begins so.
fn list<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(mark))
        .unwrap_or_default()
        .split_whitespace()
}
