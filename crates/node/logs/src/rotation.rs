//! Older files of a log: `x.log.1` is the newest of them, and those that are compressed have `.gz` behind the number, as docker's.

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use tare_process::{Child, spawn_worker};

/// What the name of one ends with that is being compressed.
const UNFINISHED: &str = ".part";
/// How much is read at once to be compressed.
const CHUNK: usize = 64 * 1024;
/// What the compressor's process is called.
const NAME: &std::ffi::CStr = c"tare-log-gzip";

/// The path of an older file.
pub(crate) fn older(path: &Path, number: u32, compressed: bool) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    if compressed {
        name.push(".gz");
    }
    PathBuf::from(name)
}

/// Moves every older file one further, and the file itself to the first of them; the last one goes. Of `files` there are, with
/// the one that is written to. May be done again where it was interrupted: a number without a file does no harm.
pub(crate) fn shift(path: &Path, files: u32) -> Result<(), Errno> {
    let last = files.saturating_sub(1);
    for number in (1..=last).rev() {
        let (plain, compressed) = (older(path, number, false), older(path, number, true));
        if number == last {
            gone(rustix::fs::unlink(&plain))?;
            gone(rustix::fs::unlink(&compressed))?;
            continue;
        }
        match rustix::fs::rename(&compressed, older(path, number + 1, true)) {
            // Whoever compressed it was killed before it removed what it had read.
            Ok(()) => gone(rustix::fs::unlink(&plain))?,
            Err(Errno::NOENT) => gone(rustix::fs::rename(&plain, older(path, number + 1, false)))?,
            Err(e) => return Err(e),
        }
    }
    gone(rustix::fs::rename(path, older(path, 1, false)))
}

fn gone(done: Result<(), Errno>) -> Result<(), Errno> {
    match done {
        Err(Errno::NOENT) => Ok(()),
        done => done,
    }
}

/// A process that compresses a file.
#[derive(Debug)]
pub(crate) struct Compressor(Child);

impl Compressor {
    /// Starts it, and leaves it the lock that nobody renames the file under it; none where there is no process to be had: the
    /// file stays as it is, which is read as well.
    pub(crate) fn start(path: &Path, lock: Option<OwnedFd>) -> Option<Compressor> {
        let body = |_lock: Option<OwnedFd>| {
            let _ = rustix::thread::set_name(NAME);
            let _ = rustix::process::nice(10);
            i32::from(compress(path).is_err())
        };
        spawn_worker(lock, |lock| lock.iter().map(AsFd::as_fd).collect(), body)
            .ok()
            .map(Compressor)
    }

    pub(crate) fn wait(self) {
        let _ = self.0.wait();
    }
}

/// Compresses a file: its copy has the name only when it is whole.
fn compress(path: &Path) -> std::io::Result<()> {
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let (finished, unfinished) = (with(".gz"), with(&format!(".gz{UNFINISHED}")));
    let written = copy(path, &unfinished).and_then(|()| std::fs::rename(&unfinished, finished));
    if written.is_err() {
        let _ = std::fs::remove_file(unfinished);
        return written;
    }
    let _ = tare_failpoint::pass("log-compressed");
    std::fs::remove_file(path)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut from = BufReader::with_capacity(CHUNK, File::open(from)?);
    let mode = std::os::unix::fs::PermissionsExt::mode(&from.get_ref().metadata()?.permissions());
    let mut options = File::options();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode & 0o777);
    let file = options.write(true).create(true).truncate(true).open(to)?;
    let mut encoder = GzEncoder::new(file, Compression::fast());
    let mut room = vec![0; CHUNK];
    loop {
        match from.read(&mut room)? {
            0 => break,
            n => encoder.write_all(room.get(..n).unwrap_or_default())?,
        }
    }
    encoder.finish()?.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_move_up_and_the_last_one_goes() {
        let folder = std::env::temp_dir().join(format!("tare-logs-shift-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("x");
        let names = || {
            let entries = std::fs::read_dir(&folder).unwrap();
            let mut names: Vec<String> = entries
                .map(|entry| {
                    let entry = entry.unwrap();
                    let text = std::fs::read_to_string(entry.path()).unwrap();
                    format!("{}={text}", entry.file_name().display())
                })
                .collect();
            names.sort();
            names.join(" ")
        };
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write("x", "a");
        shift(&path, 3).unwrap();
        write("x", "b");
        assert_eq!(names(), "x.1=a x=b");
        std::fs::rename(folder.join("x.1"), folder.join("x.1.gz")).unwrap();
        // Its copy is whole, and it is there still.
        write("x.1", "torn");
        shift(&path, 3).unwrap();
        assert_eq!(names(), "x.1=b x.2.gz=a");
        shift(&path, 3).unwrap();
        assert_eq!(names(), "x.2=b");
        shift(&path, 3).unwrap();
        assert_eq!(names(), "");
        write("y", &"text\n".repeat(100_000));
        compress(&folder.join("y")).unwrap();
        let mut text = String::new();
        let file = File::open(folder.join("y.gz")).unwrap();
        flate2::read::MultiGzDecoder::new(file)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "text\n".repeat(100_000));
        assert!(!folder.join("y").exists());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
