//! The three folders everything lives in, made private and stamped with the boot.

use crate::{BootId, Durability, Lock, remove_contents, replace};
use rustix::fs::{Mode, fchmod, fstat};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use tare_error::{Context, Error, Kind, Result, While};

/// Names in the run folder that outlive the emptying after a reboot.
const BOOT_STAMP: &str = "boot-id";
const BOOT_LOCK: &str = "boot.lock";

/// Where data, run and configuration files live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    data: PathBuf,
    run: PathBuf,
    config: PathBuf,
}

impl Roots {
    /// The machine's folders, for root: `/var/lib/tare`, `/run/tare`, `/etc/tare`.
    pub fn system() -> Roots {
        Roots::at("/var/lib/tare", "/run/tare", "/etc/tare")
    }

    /// An ordinary user's folders (XDG Base Directory Specification 0.8): `tare` in the data, run and config homes.
    ///
    /// `data_home`, `runtime_dir` and `config_home` are the values of `XDG_DATA_HOME`, `XDG_RUNTIME_DIR` and
    /// `XDG_CONFIG_HOME` where set; a relative one counts as not set, as the specification asks.
    ///
    /// # Errors
    /// `Unsupported` where there is no runtime folder: it has no default.
    pub fn user(
        home: &Path,
        data_home: Option<&Path>,
        runtime_dir: Option<&Path>,
        config_home: Option<&Path>,
    ) -> Result<Roots> {
        let set = |path: Option<&Path>| path.filter(|p| p.is_absolute()).map(|p| p.join("tare"));
        let run = set(runtime_dir).ok_or_else(|| {
            Error::new(Kind::Unsupported, "find", "the runtime folder")
                .because("XDG_RUNTIME_DIR is not set")
                .hint("log in through a session manager, or set it to a private folder on a tmpfs")
        })?;
        Ok(Roots {
            data: set(data_home).unwrap_or_else(|| home.join(".local/share/tare")),
            run,
            config: set(config_home).unwrap_or_else(|| home.join(".config/tare")),
        })
    }

    /// Folders chosen by a person or a test.
    pub fn at(data: impl Into<PathBuf>, run: impl Into<PathBuf>, config: impl Into<PathBuf>) -> Roots {
        Roots {
            data: data.into(),
            run: run.into(),
            config: config.into(),
        }
    }

    /// What survives a reboot.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What dies with the boot.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// What people write; it need not exist.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Makes the data and run folders (0700) and empties a run folder that another boot left behind.
    ///
    /// # Errors
    /// `Denied` where a folder belongs to another user; `Conflict` where something is mounted in a stale run
    /// folder; else the kernel's.
    pub fn prepare(&self) -> Result<()> {
        private_folder(&self.data)?;
        private_folder(&self.run)?;
        self.stamp(&BootId::current()?)
    }

    /// Empties the run folder unless it carries the stamp of this boot, then stamps it.
    fn stamp(&self, boot: &BootId) -> Result<()> {
        let stamp = self.run.join(BOOT_STAMP);
        let fresh = || std::fs::read_to_string(&stamp).is_ok_and(|s| s.trim_end() == boot.to_string());
        if fresh() {
            return Ok(());
        }
        let _alone = Lock::exclusive(&self.run.join(BOOT_LOCK))?;
        if fresh() {
            return Ok(());
        }
        // The stamp goes last: a crash half-way leaves a folder that is emptied again.
        remove_contents(&self.run, &[BOOT_LOCK])
            .during("empty", format!("{} of an earlier boot", self.run.display()))?;
        replace(
            &stamp,
            Durability::Volatile,
            0o600,
            format!("{boot}\n").as_bytes(),
        )
    }
}

/// Makes `path` and what is missing above it; it must be ours, and is closed to everyone else.
fn private_folder(path: &Path) -> Result<()> {
    let shown = path.display();
    if let Some(parent) = path.parent() {
        // Folders above ours keep the ordinary mode: they may be shared with other programs.
        std::fs::create_dir_all(parent).op("make folder", parent.display())?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Error::os("make folder", shown, e));
        }
        _ => {}
    }
    // The folder itself may be a link an administrator made; what it leads to is what counts.
    let folder = std::fs::File::open(path).op("open folder", &shown)?;
    let stat = fstat(&folder).op("stat", &shown)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::Directory {
        return Err(Error::new(Kind::Invalid, "use folder", &shown).because("not a folder"));
    }
    let us = rustix::process::geteuid();
    if stat.st_uid != us.as_raw() {
        let reason = format!("it belongs to uid {}, we are uid {us}", stat.st_uid);
        return Err(Error::new(Kind::Denied, "use folder", &shown).because(reason));
    }
    if stat.st_mode & 0o077 != 0 {
        fchmod(&folder, Mode::RWXU).op("close to others", &shown)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::os::unix::fs::PermissionsExt;

    fn roots(scratch: &Scratch) -> Roots {
        let base = scratch.path();
        Roots::at(
            base.join("lib/tare"),
            base.join("run/tare"),
            base.join("etc/tare"),
        )
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn folders_are_private_even_if_they_were_open() {
        let scratch = Scratch::new("roots");
        let roots = roots(&scratch);
        std::fs::create_dir_all(roots.data()).unwrap();
        std::fs::set_permissions(roots.data(), std::fs::Permissions::from_mode(0o755)).unwrap();
        roots.prepare().unwrap();
        assert_eq!((mode(roots.data()), mode(roots.run())), (0o700, 0o700));
        assert!(!roots.config().exists());
    }

    #[test]
    fn a_run_folder_of_an_earlier_boot_is_emptied_once() {
        let scratch = Scratch::new("boot");
        let roots = roots(&scratch);
        roots.prepare().unwrap();
        let pod = roots.run().join("pods/1");
        std::fs::create_dir_all(&pod).unwrap();
        roots.prepare().unwrap();
        assert!(pod.exists(), "the same boot keeps its state");
        std::fs::write(roots.run().join(BOOT_STAMP), format!("{}\n", "0".repeat(36))).unwrap();
        roots.prepare().unwrap();
        assert!(!pod.exists(), "another boot's state is void");
        assert!(roots.run().join(BOOT_STAMP).exists());
        std::fs::remove_file(roots.run().join(BOOT_STAMP)).unwrap();
        std::fs::create_dir_all(&pod).unwrap();
        roots.prepare().unwrap();
        assert!(!pod.exists(), "a folder without a stamp was being emptied");
    }

    #[test]
    fn a_file_in_the_way_is_said() {
        let scratch = Scratch::new("file");
        let roots = roots(&scratch);
        std::fs::create_dir_all(scratch.path().join("lib")).unwrap();
        std::fs::write(roots.data(), "").unwrap();
        let error = roots.prepare().unwrap_err();
        assert!(error.to_string().ends_with("lib/tare: not a folder"), "{error}");
    }

    #[test]
    fn the_users_folders_follow_xdg() {
        let home = Path::new("/home/u");
        let run = Some(Path::new("/run/user/1000"));
        let plain = Roots::user(home, None, run, None).unwrap();
        assert_eq!(
            plain,
            Roots::at(
                "/home/u/.local/share/tare",
                "/run/user/1000/tare",
                "/home/u/.config/tare"
            )
        );
        let set = Roots::user(home, Some(Path::new("/d")), run, Some(Path::new("rel"))).unwrap();
        assert_eq!(
            set,
            Roots::at("/d/tare", "/run/user/1000/tare", "/home/u/.config/tare")
        );
        assert_eq!(
            Roots::user(home, None, None, None).unwrap_err().kind(),
            Kind::Unsupported
        );
    }
}
