//! One connection to a bus, or to a service directly: opened, authenticated, asked; every wait has a deadline.

use super::address::Endpoint;
use super::message::{Call, Malformed, Message, MessageKind, length};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, recv, sendmsg, socket_with,
};
use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

/// How much of the answers to the authentication is read: three short lines.
const GREETING_MAX: usize = 4096;
/// Signals kept while an answer is waited for; where more come, the oldest are let go.
const SIGNALS_MAX: usize = 1024;
/// An error's name and text are shown up to this length.
const SHOWN_MAX: usize = 512;

/// `EXTERNAL` without a name: the bus takes the credentials of the socket, which also holds in a user namespace, where
/// our own number of our user is not the bus's. All of it is sent at once, as sd-bus does.
const AUTHENTICATION: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";

/// A point in time after which waiting ends.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub fn after(time: Duration) -> Deadline {
        let now = Instant::now();
        Deadline(now.checked_add(time).unwrap_or(now))
    }

    fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Why a call has no answer.
#[derive(Debug)]
pub enum Fault {
    /// The kernel's, with what was done.
    Socket(&'static str, Errno),
    /// The deadline passed.
    TimedOut,
    /// The other side closed the connection.
    Closed,
    /// The bus does not let us in: its own line.
    Rejected(String),
    /// What came is no message, or not the one that answers such a call.
    Malformed(Malformed),
    /// What was to be sent is none.
    Unsendable(Malformed),
    /// The other side refused: its error's name and text.
    Refused(String, String),
}

impl Fault {
    /// Whether the other side refused with this error.
    pub fn is(&self, name: &str) -> bool {
        matches!(self, Fault::Refused(refusal, _) if refusal == name)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Socket(what, e) => write!(f, "{what}: {e}"),
            Fault::TimedOut => f.write_str("there is no answer in time"),
            Fault::Closed => f.write_str("the connection was closed by the other side"),
            Fault::Rejected(line) => write!(f, "the bus does not let this user in: {line}"),
            Fault::Malformed(why) => write!(f, "the answer is broken: {why}"),
            Fault::Unsendable(why) => write!(f, "it cannot be sent: {why}"),
            Fault::Refused(name, text) if text.is_empty() => f.write_str(name),
            Fault::Refused(name, text) => write!(f, "{name}: {text}"),
        }
    }
}

impl From<Malformed> for Fault {
    fn from(why: Malformed) -> Fault {
        Fault::Malformed(why)
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    serial: u32,
    received: Vec<u8>,
    signals: VecDeque<Message>,
    passes_fds: bool,
}

impl Connection {
    /// Connects and authenticates.
    ///
    /// # Errors
    /// The kernel's; a bus that does not let us in, or does not speak as one.
    pub fn open(endpoint: &Endpoint, deadline: Deadline) -> Result<Connection, Fault> {
        let address = match endpoint {
            Endpoint::Path(path) => SocketAddrUnix::new(path),
            Endpoint::Abstract(name) => SocketAddrUnix::new_abstract_name(name),
        };
        let address = address.map_err(|e| Fault::Socket("name the socket", e))?;
        let socket = socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        );
        let socket = socket.map_err(|e| Fault::Socket("make a socket", e))?;
        // A full queue of a listener that does not accept is the one thing poll(2) cannot wait for.
        let patience = deadline.left().max(Duration::from_millis(1));
        set_socket_timeout(&socket, Timeout::Send, Some(patience))
            .map_err(|e| Fault::Socket("set a time limit", e))?;
        connect(&socket, &address).map_err(|e| match e {
            Errno::AGAIN => Fault::TimedOut,
            e => Fault::Socket("connect", e),
        })?;
        Connection::over(socket, deadline)
    }

    /// Authenticates on a connected socket.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub fn over(socket: OwnedFd, deadline: Deadline) -> Result<Connection, Fault> {
        rustix::io::ioctl_fionbio(&socket, true).map_err(|e| Fault::Socket("set up the socket", e))?;
        let mut connection = Connection {
            socket,
            serial: 0,
            received: Vec::new(),
            signals: VecDeque::new(),
            passes_fds: false,
        };
        connection.write(AUTHENTICATION, &[], deadline)?;
        loop {
            let line = connection.line(deadline)?;
            match line.split(' ').next().unwrap_or_default() {
                "DATA" => {}
                "OK" => break,
                _ => return Err(Fault::Rejected(line)),
            }
        }
        connection.passes_fds = connection.line(deadline)?.starts_with("AGREE_UNIX_FD");
        Ok(connection)
    }

    /// Whether file descriptors can be sent.
    pub fn passes_fds(&self) -> bool {
        self.passes_fds
    }

    /// Sends a call; the number under which it is answered.
    ///
    /// # Errors
    /// The kernel's, a time-out, a call that is too long.
    pub fn send(
        &mut self,
        call: &Call<'_>,
        fds: &[BorrowedFd<'_>],
        deadline: Deadline,
    ) -> Result<u32, Fault> {
        // Serial numbers are never 0.
        self.serial = self.serial.checked_add(1).unwrap_or(1);
        let bytes = call.encode(self.serial).map_err(Fault::Unsendable)?;
        self.write(&bytes, fds, deadline)?;
        Ok(self.serial)
    }

    /// Waits for the answer to `serial`, which must come from `sender` where one is named.
    ///
    /// # Errors
    /// A refusal of the other side, a time-out, a broken message.
    pub fn answer(
        &mut self,
        serial: u32,
        sender: Option<&str>,
        deadline: Deadline,
    ) -> Result<Message, Fault> {
        loop {
            let message = self.next(deadline)?;
            match message.kind {
                MessageKind::Return | MessageKind::Error if message.answers != Some(serial) => {}
                // The bus answers in the place of one who is gone, under its own name.
                MessageKind::Return if sender.is_some() && message.sender.as_deref() != sender => {}
                MessageKind::Return => return Ok(message),
                MessageKind::Error => return Err(refusal(&message)),
                MessageKind::Signal => {
                    if self.signals.len() >= SIGNALS_MAX {
                        self.signals.pop_front();
                    }
                    self.signals.push_back(message);
                }
                MessageKind::Call | MessageKind::Other => {}
            }
        }
    }

    /// The next signal: one that came while an answer was waited for, or a new one.
    ///
    /// # Errors
    /// As [`Connection::answer`].
    pub fn signal(&mut self, deadline: Deadline) -> Result<Message, Fault> {
        if let Some(signal) = self.signals.pop_front() {
            return Ok(signal);
        }
        loop {
            let message = self.next(deadline)?;
            if message.kind == MessageKind::Signal {
                return Ok(message);
            }
        }
    }

    /// Lets go of signals that came before now.
    pub fn forget_signals(&mut self) {
        self.signals.clear();
    }

    fn next(&mut self, deadline: Deadline) -> Result<Message, Fault> {
        loop {
            match length(&self.received)? {
                Some(length) if self.received.len() >= length => {
                    let rest = self.received.split_off(length);
                    let whole = std::mem::replace(&mut self.received, rest);
                    return Ok(Message::parse(whole)?);
                }
                _ => self.read(deadline)?,
            }
        }
    }

    /// One line of the authentication, without its end.
    fn line(&mut self, deadline: Deadline) -> Result<String, Fault> {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let rest = self.received.split_off(end + 2);
                let line = std::mem::replace(&mut self.received, rest);
                return Ok(shown(&String::from_utf8_lossy(
                    line.get(..end).unwrap_or_default(),
                )));
            }
            if self.received.len() > GREETING_MAX {
                return Err(Fault::Malformed("it does not greet as a bus does"));
            }
            self.read(deadline)?;
        }
    }

    fn read(&mut self, deadline: Deadline) -> Result<(), Fault> {
        let mut chunk = [0_u8; 8192];
        loop {
            // File descriptors that somebody sends along are closed by the kernel, as there is no room for them.
            match recv(&self.socket, &mut chunk, RecvFlags::empty()) {
                Ok((0, _)) => return Err(Fault::Closed),
                Ok((n, _)) => {
                    self.received
                        .extend_from_slice(chunk.get(..n).unwrap_or_default());
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait(PollFlags::IN, deadline)?,
                Err(Errno::CONNRESET) => return Err(Fault::Closed),
                Err(e) => return Err(Fault::Socket("read from the socket", e)),
            }
        }
    }

    fn write(&self, mut bytes: &[u8], fds: &[BorrowedFd<'_>], deadline: Deadline) -> Result<(), Fault> {
        let mut fds = Some(fds).filter(|fds| !fds.is_empty());
        while !bytes.is_empty() {
            let mut space = [const { MaybeUninit::uninit() }; 128];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            if let Some(fds) = fds
                && !ancillary.push(SendAncillaryMessage::ScmRights(fds))
            {
                return Err(Fault::Unsendable("it has too many file descriptors"));
            }
            match sendmsg(
                &self.socket,
                &[IoSlice::new(bytes)],
                &mut ancillary,
                SendFlags::NOSIGNAL,
            ) {
                Ok(n) => {
                    // They go with the first byte.
                    fds = None;
                    bytes = bytes.get(n..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT, deadline)?,
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(Fault::Closed),
                Err(e) => return Err(Fault::Socket("write to the socket", e)),
            }
        }
        Ok(())
    }

    fn wait(&self, event: PollFlags, deadline: Deadline) -> Result<(), Fault> {
        let left = deadline.left();
        if left.is_zero() {
            return Err(Fault::TimedOut);
        }
        let timeout = Timespec::try_from(left).map_err(|_| Fault::TimedOut)?;
        match poll(
            &mut [PollFd::from_borrowed_fd(self.socket.as_fd(), event)],
            Some(&timeout),
        ) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(e) => Err(Fault::Socket("wait for the socket", e)),
        }
    }
}

fn refusal(message: &Message) -> Fault {
    let name = message.error.as_deref().unwrap_or("an error without a name");
    Fault::Refused(shown(name), shown(message.error_text().unwrap_or_default()))
}

/// What another program says, as one line of bounded length.
fn shown(text: &str) -> String {
    let line = text.trim_end().chars().take(SHOWN_MAX);
    line.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Value, answer, header};
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    const CALL: Call<'static> = Call {
        destination: None,
        path: "/",
        interface: "a.b",
        method: "C",
        arguments: &[],
        handles: 0,
    };

    fn soon() -> Deadline {
        Deadline::after(Duration::from_millis(200))
    }

    /// A connection to a bus that says this after the greeting (and then closes, if it is to).
    fn with(greeting: &[u8], then: &[u8], closes: bool) -> (Result<Connection, Fault>, Option<UnixStream>) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(greeting).unwrap();
        theirs.write_all(then).unwrap();
        let connection = Connection::over(ours.into(), soon());
        (connection, (!closes).then_some(theirs))
    }

    const GREETING: &[u8] = b"DATA\r\nOK 0123\r\nAGREE_UNIX_FD\r\n";

    fn returned(serial: u32, sender: &str) -> Vec<u8> {
        let fields = vec![header(5, Value::Uint32(serial)), header(7, Value::text(sender))];
        answer(2, fields, &[Value::text(sender)])
    }

    #[test]
    fn greetings() {
        for (greeting, outcome) in [
            (GREETING, "true"),
            (b"OK 0123\r\nERROR\r\n", "false"),
            (
                b"REJECTED EXTERNAL\r\n",
                "the bus does not let this user in: REJECTED EXTERNAL",
            ),
            (
                b"HTTP/1.1 400\r\n",
                "the bus does not let this user in: HTTP/1.1 400",
            ),
            (b"DATA\r\n", "there is no answer in time"),
            (
                &[b'x'; 5000],
                "the answer is broken: it does not greet as a bus does",
            ),
        ] {
            let (connection, _theirs) = with(greeting, b"", false);
            let told = match connection {
                Ok(connection) => connection.passes_fds().to_string(),
                Err(e) => e.to_string(),
            };
            assert_eq!(told, outcome);
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(matches!(
            Connection::over(ours.into(), soon()),
            Err(Fault::Closed)
        ));
    }

    #[test]
    fn the_right_answer_is_taken() {
        let signal = answer(4, vec![header(3, Value::text("S"))], &[]);
        // Of an older call, of somebody else, a signal, and then the answer.
        let stream = [
            returned(77, ":1.1"),
            returned(1, ":1.9"),
            signal,
            returned(1, ":1.1"),
        ]
        .concat();
        let (connection, mut theirs) = with(GREETING, &stream, false);
        let mut connection = connection.unwrap();
        let serial = connection.send(&CALL, &[], soon()).unwrap();
        let message = connection.answer(serial, Some(":1.1"), soon()).unwrap();
        assert_eq!(message.body("s").unwrap().text(), Ok(":1.1"));
        assert_eq!(connection.signal(soon()).unwrap().member.as_deref(), Some("S"));
        assert!(matches!(connection.signal(soon()), Err(Fault::TimedOut)));
        let mut sent = [0; 512];
        let n = theirs.as_mut().unwrap().read(&mut sent).unwrap();
        assert!(sent[..n].starts_with(AUTHENTICATION));
        assert_eq!(
            length(&sent[AUTHENTICATION.len()..n]),
            Ok(Some(n - AUTHENTICATION.len()))
        );
    }

    #[test]
    fn refusals_are_told_as_one_bounded_line() {
        let text = format!("no\nsuch {}", "x".repeat(2000));
        let fields = vec![header(4, Value::text("a.b.Gone")), header(5, Value::Uint32(1))];
        let (connection, _theirs) = with(GREETING, &answer(3, fields, &[Value::text(text)]), false);
        let mut connection = connection.unwrap();
        let serial = connection.send(&CALL, &[], soon()).unwrap();
        let fault = connection.answer(serial, None, soon()).unwrap_err();
        assert!(fault.is("a.b.Gone"));
        let told = fault.to_string();
        assert!(
            told.starts_with("a.b.Gone: no such xxx") && told.len() < 600,
            "{told}"
        );
    }

    #[test]
    fn garbage_and_endings_are_errors() {
        for (then, expected) in [
            (
                &b"GET / HTTP/1.1\r\n\r\n"[..],
                "the answer is broken: it does not begin as a message",
            ),
            (b"", "the connection was closed by the other side"),
            (b"l\x02\0\x01", "the connection was closed by the other side"),
        ] {
            let (connection, theirs) = with(GREETING, then, false);
            let mut connection = connection.unwrap();
            let serial = connection.send(&CALL, &[], soon()).unwrap();
            drop(theirs);
            let fault = connection.answer(serial, None, soon()).unwrap_err();
            assert_eq!(fault.to_string(), expected);
        }
    }

    #[test]
    fn a_flood_of_signals_is_bounded() {
        let signal = answer(4, vec![header(3, Value::text("S"))], &[]);
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let flood = std::thread::spawn(move || {
            theirs.write_all(GREETING).unwrap();
            for _ in 0..5000 {
                theirs.write_all(&signal).unwrap();
            }
            theirs.write_all(&returned(1, ":1.1")).unwrap();
            theirs
        });
        let deadline = Deadline::after(Duration::from_secs(20));
        let mut connection = Connection::over(ours.into(), deadline).unwrap();
        let serial = connection.send(&CALL, &[], deadline).unwrap();
        connection.answer(serial, None, deadline).unwrap();
        assert_eq!(connection.signals.len(), SIGNALS_MAX);
        drop(flood.join());
    }
}
