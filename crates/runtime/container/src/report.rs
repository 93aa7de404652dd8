//! What the child tells: fixed-size records on a socket of records, each written at once from memory on its stack.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;

/// How much of a file that could not be executed is sent along: enough for an ELF header, its program headers and
/// the name of its interpreter.
pub(crate) const HEAD: usize = 1024;

/// Bytes before the head: kind, detail, step, error number, number, length of the head.
const FIXED: usize = 16;

/// Bytes of a record.
const RECORD: usize = FIXED + HEAD;

/// Why a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) errno: Errno,
    pub(crate) detail: Detail,
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure {
            errno,
            detail: Detail::None,
        }
    }
}

/// What is known besides the error number; some carry a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Detail {
    None,
    /// The source's path ends to exist after the component that ends at this byte.
    Missing(u32),
    /// The source is a file, the target a directory.
    FileOntoDirectory,
    /// The source is a directory, the target a file.
    DirectoryOntoFile,
    /// The file system refused its parameter of this index.
    Parameter(u32),
    /// A link stands where a directory must be.
    Link,
    /// The device of the host is another one.
    OtherDevice,
    /// The candidate of this index exists and could not be executed; the head of the file follows.
    Program(u32),
    /// All of a program's places were tried; none has it.
    NoProgram,
    /// The configuration names no process.
    NoProcess,
    /// A hook ended so (`wait(2)`).
    HookEnded(u32),
    /// A hook took longer than it may.
    HookTimedOut,
    /// Owners of a mount could not be mapped.
    Owners,
    /// The place is the container's root, or one where the kernel shows itself.
    KernelsPlace,
    /// Nothing is mounted there.
    NotMounted,
}

impl Detail {
    fn encode(self) -> (u8, u32) {
        match self {
            Detail::None => (0, 0),
            Detail::Missing(n) => (1, n),
            Detail::FileOntoDirectory => (2, 0),
            Detail::DirectoryOntoFile => (3, 0),
            Detail::Parameter(n) => (4, n),
            Detail::Link => (5, 0),
            Detail::OtherDevice => (6, 0),
            Detail::Program(n) => (7, n),
            Detail::NoProgram => (8, 0),
            Detail::HookEnded(status) => (9, status),
            Detail::HookTimedOut => (10, 0),
            Detail::NoProcess => (32, 0),
            Detail::Owners => (11, 0),
            Detail::KernelsPlace => (12, 0),
            Detail::NotMounted => (13, 0),
        }
    }

    fn decode(code: u8, number: u32) -> Detail {
        match code {
            1 => Detail::Missing(number),
            2 => Detail::FileOntoDirectory,
            3 => Detail::DirectoryOntoFile,
            4 => Detail::Parameter(number),
            5 => Detail::Link,
            6 => Detail::OtherDevice,
            7 => Detail::Program(number),
            8 => Detail::NoProgram,
            9 => Detail::HookEnded(number),
            10 => Detail::HookTimedOut,
            32 => Detail::NoProcess,
            11 => Detail::Owners,
            12 => Detail::KernelsPlace,
            13 => Detail::NotMounted,
            _ => Detail::None,
        }
    }
}

/// One message of the child.
#[derive(Debug)]
pub(crate) enum Message {
    /// The step of this index failed.
    Failed {
        step: usize,
        failure: Failure,
        head: Vec<u8>,
    },
    /// Everything is mounted; it is the turn of the caller's hooks.
    Hooks,
    /// It waits to be moved into a group below its own.
    Delegation,
    /// Everything is ready.
    Created,
    /// The other end of the terminal.
    Terminal(OwnedFd),
    /// The listener of the filter.
    Listener(OwnedFd),
}

const FAILED: u8 = 1;
const CREATED: u8 = 2;
const TERMINAL: u8 = 3;
const HOOKS: u8 = 4;
const LISTENER: u8 = 5;
const DELEGATION: u8 = 6;

/// Tells that a step failed. Allocates nothing.
pub(crate) fn send_failure(channel: BorrowedFd<'_>, step: usize, failure: Failure, head: &[u8]) {
    let mut record = [0; RECORD];
    let (code, number) = failure.detail.encode();
    let head = &head[..head.len().min(HEAD)];
    record[0] = FAILED;
    record[1] = code;
    record[2..4].copy_from_slice(&u16::try_from(step).unwrap_or(u16::MAX).to_ne_bytes());
    record[4..8].copy_from_slice(&failure.errno.raw_os_error().to_ne_bytes());
    record[8..12].copy_from_slice(&number.to_ne_bytes());
    record[12..16].copy_from_slice(&u32::try_from(head.len()).unwrap_or(0).to_ne_bytes());
    record[FIXED..FIXED + head.len()].copy_from_slice(head);
    // Nobody is left to hear of an error here.
    let _ = rustix::net::send(channel, &record, SendFlags::NOSIGNAL);
}

/// Tells that everything is ready. Allocates nothing.
pub(crate) fn send_created(channel: BorrowedFd<'_>) -> Result<()> {
    rustix::net::send(channel, &[CREATED], SendFlags::NOSIGNAL).map(|_| ())
}

/// Tells that it is the turn of the caller's hooks. Allocates nothing.
pub(crate) fn send_hooks(channel: BorrowedFd<'_>) -> Result<()> {
    rustix::net::send(channel, &[HOOKS], SendFlags::NOSIGNAL).map(|_| ())
}

/// Tells that it waits to be moved into a group below its own. Allocates nothing.
pub(crate) fn send_delegation(channel: BorrowedFd<'_>) -> Result<()> {
    rustix::net::send(channel, &[DELEGATION], SendFlags::NOSIGNAL).map(|_| ())
}

/// Hands over the other end of the terminal. Allocates nothing.
pub(crate) fn send_terminal(channel: BorrowedFd<'_>, master: BorrowedFd<'_>) -> Result<()> {
    send_named(channel, master, TERMINAL)
}

/// Hands over the listener of the filter. Allocates nothing.
pub(crate) fn send_listener(channel: BorrowedFd<'_>, listener: BorrowedFd<'_>) -> Result<()> {
    send_named(channel, listener, LISTENER)
}

/// Takes one fd, waiting for it; none where the other end is closed. Allocates nothing.
pub(crate) fn receive_fd(channel: BorrowedFd<'_>) -> Result<Option<OwnedFd>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    loop {
        let flags = RecvFlags::CMSG_CLOEXEC;
        match rustix::net::recvmsg(channel, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, flags) {
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
            Ok(_) => return Ok(first_fd(&mut ancillary)),
        }
    }
}

fn first_fd(ancillary: &mut RecvAncillaryBuffer<'_>) -> Option<OwnedFd> {
    ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    })
}

/// Sends one fd. Allocates nothing.
pub(crate) fn send_fd(channel: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> Result<()> {
    send_named(channel, fd, TERMINAL)
}

fn send_named(channel: BorrowedFd<'_>, fd: BorrowedFd<'_>, name: u8) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = [fd];
    if !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(Errno::NOBUFS);
    }
    rustix::net::sendmsg(
        channel,
        &[IoSlice::new(&[name])],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )
    .map(|_| ())
}

/// What [`receive`] found.
#[derive(Debug)]
pub(crate) enum Received {
    /// A message.
    Message(Message),
    /// Nothing yet.
    Nothing,
    /// The other end is closed.
    End,
}

/// Takes the next message, without waiting.
pub(crate) fn receive(channel: &OwnedFd) -> Result<Received> {
    let mut record = [0; RECORD];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let mut take = || {
        let mut into = [IoSliceMut::new(&mut record)];
        rustix::net::recvmsg(channel.as_fd(), &mut into, &mut ancillary, flags)
    };
    // Neither an end nor a reset is the last word. A child that ends without having read what it was told resets the
    // socket; the kernel says so once, and before what the child had said (unix(7) does not tell; seen on 6.18). And a
    // read that does not wait looks for a message first and for the end then: what is said and ended in between is an
    // end with a message behind it (`unix_dgram_recvmsg`; seen on 6.12 and 6.18).
    let received = match take() {
        Err(Errno::CONNRESET) => take(),
        done => done,
    };
    let received = match received {
        Ok(message) if message.bytes == 0 => take(),
        done => done,
    };
    let length = match received {
        Ok(message) => message.bytes,
        Err(Errno::AGAIN | Errno::INTR) => return Ok(Received::Nothing),
        Err(Errno::CONNRESET) => 0,
        Err(e) => return Err(e),
    };
    let fd = first_fd(&mut ancillary);
    match (record.first().filter(|_| length > 0), fd) {
        (None, _) => Ok(Received::End),
        (Some(&FAILED), _) => Ok(Received::Message(decode_failure(&record))),
        (Some(&CREATED), _) => Ok(Received::Message(Message::Created)),
        (Some(&HOOKS), _) => Ok(Received::Message(Message::Hooks)),
        (Some(&DELEGATION), _) => Ok(Received::Message(Message::Delegation)),
        (Some(&TERMINAL), Some(fd)) => Ok(Received::Message(Message::Terminal(fd))),
        (Some(&LISTENER), Some(fd)) => Ok(Received::Message(Message::Listener(fd))),
        _ => Err(Errno::PROTO),
    }
}

fn decode_failure(record: &[u8; RECORD]) -> Message {
    let four = |at: usize| [record[at], record[at + 1], record[at + 2], record[at + 3]];
    let head = usize::try_from(u32::from_ne_bytes(four(12)))
        .unwrap_or(0)
        .min(HEAD);
    Message::Failed {
        step: usize::from(u16::from_ne_bytes([record[2], record[3]])),
        failure: Failure {
            errno: Errno::from_raw_os_error(i32::from_ne_bytes(four(4))),
            detail: Detail::decode(record[1], u32::from_ne_bytes(four(8))),
        },
        head: record[FIXED..FIXED + head].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn channel() -> (OwnedFd, OwnedFd) {
        socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap()
    }

    #[test]
    fn failures_survive_the_way() {
        for detail in [
            Detail::None,
            Detail::Missing(7),
            Detail::FileOntoDirectory,
            Detail::DirectoryOntoFile,
            Detail::Parameter(499),
            Detail::Link,
            Detail::OtherDevice,
            Detail::Program(3),
            Detail::NoProgram,
            Detail::Owners,
            Detail::HookEnded(0x100),
            Detail::HookTimedOut,
            Detail::NoProcess,
            Detail::KernelsPlace,
            Detail::NotMounted,
        ] {
            let (parent, child) = channel();
            let sent = Failure {
                errno: Errno::ACCESS,
                detail,
            };
            send_failure(child.as_fd(), 41, sent, b"#!/bin/x");
            let Received::Message(Message::Failed { step, failure, head }) = receive(&parent).unwrap() else {
                panic!("no failure");
            };
            assert_eq!(
                (step, failure, head.as_slice()),
                (41, sent, b"#!/bin/x".as_slice())
            );
        }
    }

    #[test]
    fn last_words_are_heard_over_unread_ones() {
        let (parent, child) = channel();
        rustix::net::send(&parent, b"g", SendFlags::empty()).unwrap();
        send_created(child.as_fd()).unwrap();
        drop(child);
        assert!(matches!(
            receive(&parent).unwrap(),
            Received::Message(Message::Created)
        ));
        assert!(matches!(receive(&parent).unwrap(), Received::End));
    }

    #[test]
    fn terminal_end_and_nothing() {
        let (parent, child) = channel();
        assert!(matches!(receive(&parent).unwrap(), Received::Nothing));
        send_terminal(child.as_fd(), std::io::stdin().as_fd()).unwrap();
        send_created(child.as_fd()).unwrap();
        assert!(matches!(
            receive(&parent).unwrap(),
            Received::Message(Message::Terminal(_))
        ));
        assert!(matches!(
            receive(&parent).unwrap(),
            Received::Message(Message::Created)
        ));
        drop(child);
        assert!(matches!(receive(&parent).unwrap(), Received::End));
    }

    /// With one look too few it is lost once in a thousand rounds.
    #[test]
    fn last_words_are_heard_at_the_very_moment_of_the_end() {
        for round in 0..20_000 {
            let (parent, child) = channel();
            let end = std::thread::spawn(move || send_created(child.as_fd()));
            let heard = loop {
                match receive(&parent).unwrap() {
                    Received::Nothing => {}
                    heard => break heard,
                }
            };
            end.join().unwrap().unwrap();
            assert!(
                matches!(heard, Received::Message(Message::Created)),
                "round {round}"
            );
        }
    }
}
