//! The namespaces there are, as the processes that can be looked at show them: what `lsns(8)` lists.
//!
//! Names of processes come from whoever runs: what is handed out has no control character, and has an end.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::path::Path;
use tare_error::{Context, Result};

/// The kinds, by their names in `/proc/PID/ns` (namespaces(7)).
pub const NAMESPACE_KINDS: &[&str] = &["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// The most of a command line that is read, in bytes.
const COMMAND: usize = 1024;
/// The longest `/etc/passwd` that names are looked for in.
const PASSWD: usize = 16 << 20;
/// The longest link of a namespace: `cgroup:[4026531835]`.
const LINK: usize = 64;

/// One namespace, and who is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its number: the inode of what `/proc/PID/ns/KIND` leads to.
    pub number: u64,
    /// One of [`NAMESPACE_KINDS`].
    pub kind: &'static str,
    /// How many of the processes that can be looked at are in it.
    pub processes: u32,
    /// The lowest number of these, in the pid namespace of `/proc`.
    pub pid: u32,
    /// Who owns that process: a name, or a number without one.
    pub user: String,
    /// The command line of that process, or its name where it has none.
    pub command: String,
}

/// Every namespace that has a process which this one may look at, by number. Processes that end meanwhile do not count.
///
/// # Errors
/// Where `/proc` cannot be read.
pub fn namespaces() -> Result<Vec<Namespace>> {
    let mut found: BTreeMap<(u64, &'static str), (u32, u32)> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").op("read", "/proc")? {
        let Ok(entry) = entry else { continue };
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        for (kind, number) in namespaces_of(pid) {
            let (processes, lowest) = found.entry((number, kind)).or_insert((0, pid));
            *processes += 1;
            *lowest = pid.min(*lowest);
        }
    }
    let passwd = tare_store::read("/etc/passwd", PASSWD).unwrap_or_default();
    let passwd = String::from_utf8_lossy(&passwd);
    let named = |((number, kind), (processes, pid))| {
        let (user, command) = describe(pid, &passwd);
        Namespace {
            number,
            kind,
            processes,
            pid,
            user,
            command,
        }
    };
    Ok(found.into_iter().map(named).collect())
}

/// The namespaces of one process; none of one that is gone, or may not be looked at.
pub fn namespaces_of(pid: u32) -> Vec<(&'static str, u64)> {
    let Ok(folder) = open(&format!("/proc/{pid}/ns")) else {
        return Vec::new();
    };
    let number = |kind: &&'static str| Some((*kind, number(folder.as_fd(), kind)?));
    NAMESPACE_KINDS.iter().filter_map(number).collect()
}

fn open(path: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
}

/// The number in `mnt:[4026531840]`.
fn number(folder: BorrowedFd<'_>, kind: &str) -> Option<u64> {
    let link = rustix::fs::readlinkat(folder, kind, Vec::with_capacity(LINK)).ok()?;
    let text = link.to_str().ok()?;
    let number = text.strip_prefix(kind)?.strip_prefix(":[")?.strip_suffix(']')?;
    number.parse().ok()
}

/// Who owns a process, and what it is called; a process that is gone has no words.
fn describe(pid: u32, passwd: &str) -> (String, String) {
    let Ok(folder) = open(&format!("/proc/{pid}")) else {
        return (String::new(), String::new());
    };
    let user = rustix::fs::fstat(&folder).map(|of| user(of.st_uid, passwd));
    let line = read(folder.as_fd(), "cmdline").unwrap_or_default();
    let line = if line.is_empty() {
        read(folder.as_fd(), "comm").unwrap_or_default()
    } else {
        line
    };
    (user.unwrap_or_default(), plain(&line))
}

fn user(uid: u32, passwd: &str) -> String {
    let name = crate::rootless::user_name(passwd, uid);
    name.map_or_else(|| uid.to_string(), |name| plain(name.as_bytes()))
}

/// The beginning of a file of a process.
fn read(folder: BorrowedFd<'_>, name: &str) -> rustix::io::Result<Vec<u8>> {
    let file = rustix::fs::openat(
        folder,
        Path::new(name),
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut bytes = vec![0; COMMAND];
    loop {
        match rustix::io::read(&file, bytes.as_mut_slice()) {
            Err(Errno::INTR) => {}
            read => {
                bytes.truncate(read?);
                return Ok(bytes);
            }
        }
    }
}

/// The text as one line: the arguments apart by spaces, and a question mark for each character that would do something to a
/// terminal or a table, or turns around what is written after it.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches(['\0', '\n']);
    let turns = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| match c {
            '\0' => ' ',
            c if c.is_control() || turns(c) => '?',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_in_one_of_each() {
        let own = namespaces_of(std::process::id());
        assert!(own.len() >= 7, "{own:?}");
        let all = namespaces().unwrap();
        for (kind, number) in own {
            let found = all.iter().find(|n| n.number == number).unwrap();
            assert_eq!(found.kind, kind);
            assert!(found.processes >= 1 && found.pid <= std::process::id());
        }
    }

    #[test]
    fn who_is_gone_is_nowhere() {
        assert_eq!(namespaces_of(u32::MAX), []);
        assert_eq!(describe(u32::MAX, ""), (String::new(), String::new()));
    }

    #[test]
    fn names_are_one_plain_line() {
        for (bytes, line) in [
            (&b"sleep\x001000\0"[..], "sleep 1000"),
            (b"kthreadd\n", "kthreadd"),
            (b"a\nb\tc\x1b[2J\0", "a?b?c?[2J"),
            (b"\xff\0", "\u{fffd}"),
            ("a\u{202e}b\u{9b}c".as_bytes(), "a?b?c"),
            (b"", ""),
        ] {
            assert_eq!(plain(bytes), line);
        }
        assert_eq!(user(7, "root:x:0:0::/:\nann:x:7:7::/:\n"), "ann");
        assert_eq!(user(8, "root:x:0:0::/:\n"), "8");
    }
}
