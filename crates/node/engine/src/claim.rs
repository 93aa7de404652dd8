//! Requests that are repeated: whoever asks again by the same key waits for the one that is under way, and gets what it came to.
//!
//! A request is claimed by a lock on a file of its own in the run folder, which its holder names each step in that is done, and
//! the key is written down in the commit that records what is made. So of any number of them one makes it; where that one dies, the
//! kernel hands the lock to the next, who finishes or undoes what was begun, and makes it where nothing stayed.

use crate::Engine;
use crate::container::request::{Key, PodRequest, RunRequest};
use crate::container::{make_folder, names};
use crate::records::keys::{self, Asked, Made};
use std::fmt::Debug;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tare_content::Hasher;
use tare_error::{Error, Kind, Result};
use tare_store::Lock;

/// How long it is waited for another one before the first word about it.
const FIRST_WORD: Duration = Duration::from_secs(1);
/// How long until each further one.
const NEXT_WORD: Duration = Duration::from_secs(10);
/// The longest note of a holder that is read.
const LONGEST: usize = 256;

/// What a request came to that may have been made before.
#[derive(Debug)]
pub enum Claimed {
    /// Nobody has made it: it is to be made while this is held.
    Free(Claim),
    /// It was made, and this is the id.
    Made(String),
}

/// A request that is made by nobody else meanwhile.
#[derive(Debug)]
pub struct Claim {
    /// None for one without a key, which nobody can repeat.
    held: Option<(PathBuf, Lock)>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((path, _lock)) = self.held.take() {
            // Before the lock goes: whoever waits for it looks whether the file is still that one.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Who is at a request that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process, in our pid namespace.
    pub pid: u32,
    /// The last step that it has done.
    pub stage: Option<String>,
    /// How long ago that was, or that it began.
    pub since: Duration,
}

impl Engine {
    /// Claims the making of a container: one without a key is free. `waiting` hears who is waited for, after a second and then
    /// every ten.
    ///
    /// # Errors
    /// `Conflict` where another request was made by this key; the file system's and the database's.
    pub fn claim_container(&self, request: &RunRequest, waiting: &mut dyn FnMut(&Holder)) -> Result<Claimed> {
        match asked_of(request)? {
            None => Ok(Claimed::Free(Claim { held: None })),
            Some(asked) => self.claim(Made::Container, &asked, waiting),
        }
    }

    /// The same of a pod.
    ///
    /// # Errors
    /// As [`Engine::claim_container`].
    pub fn claim_pod(&self, request: &PodRequest, waiting: &mut dyn FnMut(&Holder)) -> Result<Claimed> {
        match asked_of_pod(request)? {
            None => Ok(Claimed::Free(Claim { held: None })),
            Some(asked) => self.claim(Made::Pod, &asked, waiting),
        }
    }

    fn claim(&self, made: Made, asked: &Asked, waiting: &mut dyn FnMut(&Holder)) -> Result<Claimed> {
        let key = &asked.key;
        make_folder(&self.claims())?;
        let path = self.claim_of(made, key)?;
        let lock = match Lock::try_exclusive(&path)? {
            Some(lock) => lock,
            None => {
                self.records().close();
                wait_for(&path, waiting)?
            }
        };
        let claim = Claim {
            held: Some((path.clone(), lock)),
        };
        note(&path, "");
        tare_failpoint::pass("claimed")?;
        if made == Made::Container
            && let Some(known) = self
                .records()
                .read("find request", |tx| keys::find(tx, made, key))?
        {
            // Who was at it may have died.
            self.finish_or_undo(&known.id)?;
        }
        let known = self
            .records()
            .read("find request", |tx| keys::find(tx, made, key))?;
        match known {
            None => Ok(Claimed::Free(claim)),
            Some(known) if is_same(&known.request, &asked.request) => Ok(Claimed::Made(known.id)),
            Some(known) => {
                let (word, name) = (made.word(), known.name);
                Err(Error::new(Kind::Conflict, "use key", key)
                    .because(format!(
                        "{word} {name} was made with it, and another one is asked for now"
                    ))
                    .hint("a key is free again when what was made with it is removed"))
            }
        }
    }

    /// Removes the files of claims whose holders were killed.
    pub(crate) fn sweep_claims(&self) -> Result<()> {
        for name in names(&self.claims())? {
            let path = self.claims().join(name);
            let lock = Lock::try_exclusive(&path)?;
            drop(lock.map(|lock| Claim {
                held: Some((path, lock)),
            }));
        }
        Ok(())
    }

    fn claims(&self) -> PathBuf {
        self.roots().run().join("requests")
    }

    /// Where the request of this key is claimed.
    fn claim_of(&self, made: Made, key: &str) -> Result<PathBuf> {
        let name = format!("{}-{}", made.word(), hash(key)?);
        Ok(self.claims().join(name))
    }

    /// Where the holder of a container's claim says how far it is.
    pub(crate) fn claim_of_container(&self, request: &RunRequest) -> Result<Option<PathBuf>> {
        let key = request.life.key.as_ref();
        key.map(|key| self.claim_of(Made::Container, key.as_str()))
            .transpose()
    }
}

/// What a container's request is written down as, where it has a key.
pub(crate) fn asked_of(request: &RunRequest) -> Result<Option<Asked>> {
    // Most have none: nothing of them is copied.
    if request.life.key.is_none() {
        return Ok(None);
    }
    let mut plain = request.clone();
    // That of whoever asks, and not the container's.
    plain.life.size = None;
    asked(plain.life.key.as_ref(), &plain)
}

/// The same of a pod's.
pub(crate) fn asked_of_pod(request: &PodRequest) -> Result<Option<Asked>> {
    asked(request.key.as_ref(), request)
}

fn asked(key: Option<&Key>, request: &impl Debug) -> Result<Option<Asked>> {
    let Some(key) = key else { return Ok(None) };
    Ok(Some(Asked {
        key: key.to_string(),
        request: fingerprint(request)?,
    }))
}

/// What two askings of one version of this program have in common only where they ask for the same.
fn fingerprint(request: &impl Debug) -> Result<String> {
    let digest = hash(&format!("{request:?}"))?;
    Ok(format!("{} {digest}", env!("CARGO_PKG_VERSION")))
}

/// Whether two fingerprints are of the same request: those of two versions cannot be compared.
fn is_same(one: &str, other: &str) -> bool {
    let version = |text: &str| text.split_once(' ').map(|(version, _)| version.to_owned());
    one == other || version(one) != version(other)
}

fn hash(text: &str) -> Result<String> {
    let mut hasher = Hasher::sha256();
    hasher.update(text.as_bytes());
    Ok(hasher.finish()?.digest().to_owned())
}

/// Waits for the lock, and says meanwhile for whom.
fn wait_for(path: &Path, waiting: &mut dyn FnMut(&Holder)) -> Result<Lock> {
    let (done, locked) = channel();
    let owned = path.to_owned();
    // A thread of its own: the kernel says who is next, and what is said meanwhile has its own time.
    let waiter = std::thread::spawn(move || {
        // Nobody listens any more where a signal has ended us.
        let _ = done.send(Lock::exclusive(&owned));
    });
    let mut patience = FIRST_WORD;
    let lock = loop {
        match locked.recv_timeout(patience) {
            Ok(lock) => break lock,
            Err(RecvTimeoutError::Timeout) => holder(path).iter().for_each(&mut *waiting),
            Err(RecvTimeoutError::Disconnected) => {
                break Err(Error::new(Kind::Internal, "lock", path.display())
                    .because("nobody waits for it any more"));
            }
        }
        patience = NEXT_WORD;
    };
    // Nothing but us runs when processes are made.
    let _ = waiter.join();
    lock
}

/// Says how far a request is: for people, so that nothing depends on it.
pub(crate) fn note(path: &Path, stage: &str) {
    let text = format!("{} {} {stage}", std::process::id(), milliseconds());
    let file = std::fs::OpenOptions::new().write(true).truncate(true).open(path);
    let _ = file.and_then(|mut file| file.write_all(text.as_bytes()));
}

fn holder(path: &Path) -> Option<Holder> {
    let bytes = tare_store::read(path, LONGEST).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let mut words = text.split(' ');
    let (pid, at) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Holder {
        pid,
        stage: words.next().filter(|stage| !stage.is_empty()).map(str::to_owned),
        since: Duration::from_millis(milliseconds().saturating_sub(at)),
    })
}

fn milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_one_version_has_written_is_compared() {
        assert!(is_same("0.1.0 aa", "0.1.0 aa"));
        assert!(!is_same("0.1.0 aa", "0.1.0 bb"));
        assert!(is_same("0.1.0 aa", "0.2.0 bb"));
    }

    #[test]
    fn the_size_of_a_terminal_makes_no_other_request() {
        let mut request = RunRequest::new("busybox");
        assert!(asked_of(&request).unwrap().is_none());
        request.life.key = Some(Key::parse("k").unwrap());
        let first = asked_of(&request).unwrap();
        request.life.size = Some((24, 80));
        assert_eq!(asked_of(&request).unwrap(), first);
        request.command = vec!["true".to_owned()];
        assert_ne!(asked_of(&request).unwrap(), first);
    }
}
