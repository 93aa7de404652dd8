//! Where things are, for one call of the program.

use crate::environment::Environment;
use crate::low::Low;
use crate::options;
use std::path::PathBuf;
use std::time::SystemTime;
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
            let config = config.map_or_else(|| root.join("config"), PathBuf::from);
            return Ok(Roots::at(self.absolute(root)?, self.absolute(run_root)?, config));
        }
        let usual = if rustix::process::geteuid().is_root() {
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
        Roots::user(
            &home,
            path("XDG_DATA_HOME").as_deref(),
            path("XDG_RUNTIME_DIR").as_deref(),
            path("XDG_CONFIG_HOME").as_deref(),
        )
    }

    /// A path as seen from here: the supervisor and others have another working directory.
    fn absolute(&self, path: &std::path::Path) -> Result<PathBuf> {
        Ok(self.directory()?.join(path).components().collect())
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
}
