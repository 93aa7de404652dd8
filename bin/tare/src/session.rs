//! Where things are, for one call of the program.

use crate::environment::Environment;
use crate::low::Low;
use crate::options;
use crate::output;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;
use std::time::SystemTime;
use tare_engine::container::Programs;
use tare_engine::{Config, Engine};
use tare_error::{Context, Error, Kind, Result};
use tare_store::Roots;
use tare_telemetry::{Format, Level};

/// Everything a verb may need beside its own options.
#[derive(Debug)]
pub(crate) struct Session {
    /// The variables of this process.
    pub(crate) environment: Environment,
    /// When the program started.
    pub(crate) started: SystemTime,
    /// How much is logged.
    pub(crate) log_level: Level,
    /// In which form.
    pub(crate) log_format: Format,
    /// By which door whoever asks has come.
    door: &'static str,
    root: Option<PathBuf>,
    run_root: Option<PathBuf>,
    config: Option<PathBuf>,
}

impl Session {
    /// Reads the options of all verbs: from the command line, else the environment.
    pub(crate) fn open(low: &Low<'_>, environment: Environment, started: SystemTime) -> Result<Session> {
        let text = |long: &'static str| -> Result<Option<String>> {
            if let Some(text) = low.text(long)? {
                return Ok(Some(text.to_owned()));
            }
            let variable = options::of_all()
                .find(|o| o.long == long)
                .map_or("", |o| o.variable);
            Ok(environment.text(variable).filter(|t| !t.is_empty()))
        };
        let path = |long| Ok::<_, Error>(text(long)?.map(PathBuf::from));
        Ok(Session {
            log_level: text("log-level")?.map_or(Ok(Level::DEFAULT), |word| Level::parse(&word))?,
            log_format: text("log-format")?.map_or(Ok(Format::default()), |word| Format::parse(&word))?,
            door: match low.verb() {
                "reap" | "health" => "supervisor",
                _ => "command",
            },
            root: path("root")?,
            run_root: path("run-root")?,
            config: path("config")?,
            environment,
            started,
        })
    }

    /// The folders: as told, else the machine's for root, else the user's own.
    ///
    /// # Errors
    /// `Unsupported` where an ordinary user has no runtime folder and named none.
    pub(crate) fn roots(&self) -> Result<Roots> {
        if let (Some(root), Some(run_root)) = (&self.root, &self.run_root) {
            let config = self.config.as_deref().and_then(|file| file.parent());
            let config = config.map_or_else(|| self.usual_config(), PathBuf::from);
            return Ok(Roots::at(self.absolute(root)?, self.absolute(run_root)?, config));
        }
        let usual = if owns_the_machine() {
            Roots::system()
        } else {
            self.user_roots()?
        };
        let or = |told: &Option<PathBuf>, usual: &std::path::Path| match told {
            Some(told) => self.absolute(told),
            None => Ok(usual.to_owned()),
        };
        Ok(Roots::at(
            or(&self.root, usual.data())?,
            or(&self.run_root, usual.run())?,
            usual.config(),
        ))
    }

    fn user_roots(&self) -> Result<Roots> {
        let path = |name| self.environment.path(name);
        let home = path("HOME").ok_or_else(|| {
            Error::new(Kind::Invalid, "find home folder", "")
                .because("HOME is not set")
                .hint("give --root and --run-root")
        })?;
        let runtime = path("XDG_RUNTIME_DIR").map_or_else(runtime_folder, Ok)?;
        Roots::user(
            &home,
            path("XDG_DATA_HOME").as_deref(),
            Some(&runtime),
            path("XDG_CONFIG_HOME").as_deref(),
        )
    }

    /// Where the configuration is when nobody says.
    fn usual_config(&self) -> PathBuf {
        if owns_the_machine() {
            return Roots::system().config().to_owned();
        }
        let told = self.environment.path("XDG_CONFIG_HOME");
        let home = || self.environment.path("HOME").unwrap_or_default().join(".config");
        told.unwrap_or_else(home).join("tare")
    }

    /// A path as seen from here: the supervisor and others have another working directory.
    fn absolute(&self, path: &std::path::Path) -> Result<PathBuf> {
        Ok(self.directory()?.join(path).components().collect())
    }

    /// When the program started, in seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        let since = self
            .started
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }

    /// The directory this was started in.
    ///
    /// # Errors
    /// The kernel's, where it is gone.
    #[expect(
        clippy::unused_self,
        reason = "what a verb knows of its surroundings comes from the session"
    )]
    pub(crate) fn directory(&self) -> Result<PathBuf> {
        std::env::current_dir().op("find", "the current directory")
    }

    /// The engine over the folders, with what killed commands left behind cleared away.
    ///
    /// # Errors
    /// The configuration's and the file system's.
    pub(crate) fn engine(&self) -> Result<Engine> {
        let engine = self.engine_as_it_is()?;
        for text in engine.reconcile()? {
            output::warn(&text);
        }
        engine.look_after_due()?;
        Ok(engine)
    }

    /// The engine without clearing away: for the command that clears away.
    ///
    /// # Errors
    /// As [`Session::engine`].
    pub(crate) fn engine_as_it_is(&self) -> Result<Engine> {
        if let Some(text) = self.environment.text(tare_failpoint::VARIABLE) {
            tare_failpoint::arm(&text)?;
        }
        let roots = self.roots()?;
        let mut config = match &self.config {
            Some(file) => {
                let text = std::fs::read_to_string(file).op("read", file.display())?;
                Config::parse(&text, &file.display().to_string())?
            }
            None => Config::load(roots.config())?,
        };
        config.logins = self.logins();
        config.rootless = in_user_namespace();
        config.started = Some(self.started);
        config.door = Some(self.door);
        let programs = self.programs(&roots, &config)?;
        Engine::open(roots, config, programs)
    }

    /// An error, with what there is to say of our folders where it comes from their file systems.
    pub(crate) fn about_storage(&self, error: Error) -> Error {
        match self.roots() {
            Ok(roots) => tare_engine::about_storage(&roots, error),
            Err(_) => error,
        }
    }

    /// Where docker keeps this person's logins.
    fn logins(&self) -> Option<PathBuf> {
        let folder = self.environment.path("DOCKER_CONFIG");
        let folder = folder.or_else(|| Some(self.environment.path("HOME")?.join(".docker")));
        folder.map(|folder| folder.join("config.json"))
    }

    /// The supervisor and the reaper: as configured, else beside this program, else where programs are.
    fn programs(&self, roots: &Roots, config: &Config) -> Result<Programs> {
        let own = self.own_path()?;
        let mut reaper = vec![own.display().to_string()];
        for (option, folder) in [("--root", roots.data()), ("--run-root", roots.run())] {
            reaper.extend([option.to_owned(), folder.display().to_string()]);
        }
        reaper.push("reap".to_owned());
        let supervisor = match &config.supervisor {
            Some(configured) => configured.clone(),
            None => self.find_supervisor(&own),
        };
        Ok(Programs { supervisor, reaper })
    }

    /// Where this program lies. One that runs from memory, as an ordinary user's does, was told so before.
    fn own_path(&self) -> Result<PathBuf> {
        let shown = std::env::current_exe().op("find", "this program")?;
        let told = self.environment.path(tare_process::seal::PROGRAM);
        Ok(told.filter(|_| !shown.exists()).unwrap_or(shown))
    }

    /// Where the supervisor lies, or should: who needs it then says that it does not.
    fn find_supervisor(&self, own: &std::path::Path) -> PathBuf {
        let mut folders: Vec<PathBuf> = Vec::new();
        if let Some(beside) = own.parent() {
            folders.push(beside.to_owned());
            folders.extend(beside.parent().map(|prefix| prefix.join("libexec/tare")));
        }
        let path = self.environment.text("PATH").unwrap_or_default();
        folders.extend(std::env::split_paths(&path).filter(|p| p.is_absolute()));
        let mut places = folders.iter().map(|folder| folder.join(SUPERVISOR));
        let beside = own.with_file_name(SUPERVISOR);
        places.find(|file| file.is_file()).unwrap_or(beside)
    }
}

/// The supervisor's program.
const SUPERVISOR: &str = "containerd-shim-tare-v2";

/// Whether this is root of the machine, or of a container that has a root of its own: then `/` belongs to it. Inside an
/// ordinary user's namespace it belongs to somebody who does not exist there.
fn owns_the_machine() -> bool {
    rustix::process::geteuid().is_root() && rustix::fs::stat("/").is_ok_and(|root| root.st_uid == 0)
}

/// A user's runtime folder where no session manager named one: the usual place, else one of our own in `/tmp`,
/// used only where it is this user's alone.
fn runtime_folder() -> Result<PathBuf> {
    let map = std::fs::read_to_string("/proc/self/uid_map").op("read", "/proc/self/uid_map")?;
    let own = rustix::process::geteuid().as_raw();
    // "0 1000 1": inside a user namespace, the first line says who root is outside of it.
    let outside = map
        .split_whitespace()
        .nth(1)
        .filter(|_| own == 0)
        .map(str::to_owned);
    let user = outside.unwrap_or_else(|| own.to_string());
    let usual = PathBuf::from(format!("/run/user/{user}"));
    if usual.is_dir() {
        return Ok(usual);
    }
    let folder = PathBuf::from(format!("/tmp/tare-run-{user}"));
    let shown = folder.display();
    match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Error::os("make folder", shown, e));
        }
        _ => {}
    }
    let found = std::fs::symlink_metadata(&folder).op("look at", &shown)?;
    if found.is_dir() && found.uid() == own && found.mode() & 0o077 == 0 {
        return Ok(folder);
    }
    Err(Error::new(Kind::Denied, "use folder", shown)
        .because("it is not a folder of this user's alone")
        .hint("set XDG_RUNTIME_DIR to a private folder, on a tmpfs if possible"))
}

/// Whether the ids of this process are not the machine's: the map of the machine's own namespace is the identity.
fn in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    !map.split_whitespace().eq(["0", "0", "4294967295"])
}
