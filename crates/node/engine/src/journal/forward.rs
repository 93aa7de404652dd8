//! Handing records on, to journald or syslog: by one datagram each, and to nobody who would have to be waited for.

use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendto, socket_with};
use std::path::{Path, PathBuf};

/// Where records go besides the journal. What the other side does not take at once it does not get: the journal has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Forward {
    /// Nowhere.
    #[default]
    Nobody,
    /// systemd's journal, by its native protocol.
    Journald(PathBuf),
    /// syslog(3)'s socket.
    Syslog(PathBuf),
}

impl Forward {
    /// Every word a person may use for it.
    pub const WORDS: [&str; 3] = ["none", "journald", "syslog"];

    /// The place of that name.
    pub fn named(word: &str) -> Option<Forward> {
        match word {
            "none" => Some(Forward::Nobody),
            "journald" => Some(Forward::Journald("/run/systemd/journal/socket".into())),
            "syslog" => Some(Forward::Syslog("/dev/log".into())),
            _ => None,
        }
    }

    pub(super) fn send(&self, line: &[u8]) {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        match self {
            Forward::Nobody => {}
            Forward::Journald(path) => {
                let mut entry = b"PRIORITY=6\nSYSLOG_IDENTIFIER=tare\nMESSAGE=".to_vec();
                entry.extend_from_slice(text);
                entry.push(b'\n');
                send(path, &entry);
            }
            Forward::Syslog(path) => {
                // Facility 3 (daemon), severity 6 (informational): RFC 3164.
                let mut message = format!("<30>tare[{}]: ", std::process::id()).into_bytes();
                message.extend_from_slice(text);
                send(path, &message);
            }
        }
    }
}

fn send(path: &Path, bytes: &[u8]) {
    let kind = (SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
    let socket = socket_with(AddressFamily::UNIX, kind.0, kind.1, None);
    if let (Ok(socket), Ok(address)) = (socket, SocketAddrUnix::new(path)) {
        let _ = sendto(
            &socket,
            bytes,
            SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
            &address,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn records_are_handed_on_in_each_form() {
        let folder = std::env::temp_dir().join(format!("tare-forward-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("socket");
        let heard = UnixDatagram::bind(&path).unwrap();
        let mut room = [0; 256];
        let mut said = |forward: Forward| {
            forward.send(b"{\"a\":1}\n");
            let count = heard.recv(&mut room).unwrap();
            String::from_utf8_lossy(&room[..count]).into_owned()
        };
        assert_eq!(
            said(Forward::Journald(path.clone())),
            "PRIORITY=6\nSYSLOG_IDENTIFIER=tare\nMESSAGE={\"a\":1}\n"
        );
        let pid = std::process::id();
        assert_eq!(
            said(Forward::Syslog(path.clone())),
            format!("<30>tare[{pid}]: {{\"a\":1}}")
        );
        // Where nobody listens nothing happens.
        drop(heard);
        std::fs::remove_dir_all(folder).unwrap();
        Forward::Syslog(path).send(b"x\n");
        assert_eq!(Forward::named("journal"), None);
    }
}
