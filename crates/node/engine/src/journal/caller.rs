//! Who asks: the process itself, for a command; where there is a daemon, the other end of its socket.

use super::Journal;
use serde_json::{Value, json};

/// What the audit system calls nobody (`loginuid` of a process that nobody has logged in for).
const NOBODY: u32 = u32::MAX;

impl Journal {
    /// Looked up once: six small files of `/proc` at most.
    pub(super) fn caller(&self) -> &Value {
        self.caller.get_or_init(|| {
            let uid = outside("/proc/self/uid_map", rustix::process::getuid().as_raw());
            let gid = outside("/proc/self/gid_map", rustix::process::getgid().as_raw());
            let login = std::fs::read_to_string("/proc/self/loginuid").ok();
            let login = login.and_then(|text| text.trim().parse::<u32>().ok());
            let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
            json!({
                "uid": uid,
                "gid": gid,
                "loginuid": login.filter(|login| *login != NOBODY),
                "pid": std::process::id(),
                "program": name("/proc/self/comm"),
                "parent": { "pid": parent, "program": name(&format!("/proc/{parent}/comm")) },
                "door": self.door,
            })
        })
    }
}

fn name(path: &str) -> String {
    let name = tare_store::read(path, 64).unwrap_or_default();
    let name = String::from_utf8_lossy(&name);
    // An ordinary user's command runs from memory.
    let name = name.trim_end();
    name.strip_prefix("memfd:").unwrap_or(name).to_owned()
}

/// An id as the machine knows it, where ours is one of a user namespace's.
fn outside(map: &str, id: u32) -> u32 {
    let text = tare_store::read(map, 4096).unwrap_or_default();
    translate(&String::from_utf8_lossy(&text), id)
}

/// A map's line: first id inside, first id outside, how many (user_namespaces(7)).
fn translate(map: &str, id: u32) -> u32 {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let (inside, out, count) = (
            numbers.next()?.ok()?,
            numbers.next()?.ok()?,
            numbers.next()?.ok()?,
        );
        let offset = id.checked_sub(inside).filter(|offset| *offset < count)?;
        out.checked_add(offset)
    };
    map.lines().find_map(line).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn ids_are_the_machines() {
        let map = "         0       1500          1\n         1     100000      65536\n";
        for (id, outside) in [(0, 1500), (1, 100_000), (65_536, 165_535), (65_537, 65_537)] {
            assert_eq!(translate(map, id), outside);
        }
        assert_eq!(translate("0 0 4294967295", 7), 7);
        assert_eq!(translate("", 7), 7);
    }
}
