//! What an exec has started, ended with it: where a client kills an exec (CRI does, when its time is over), nothing of that is to
//! go on in the container, and hold the exec's streams open.
//!
//! An exec has a group of its own below the container's, in which all that is, daemons among it. It goes with the exec; where
//! somebody is left in it, as an exec that ends by itself may leave one behind, it is tried again when another exec is deleted,
//! and goes with the container's at the latest. Nobody waits for that.
//!
//! Without such a group (the container has divided its tree, a foreign runtime has made it) there is the session: an exec's
//! first process leads one (setsid(2)), to which belongs what it starts, whoever its parent is by then. What has made itself a
//! session of its own and has lost its parent is a daemon, and stays.

use super::container::Container;
use super::process::Process;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use tare_error::Result;
use tare_lifecycle::OwnGroup;

/// The longest `/proc/PID/stat`.
const LONGEST: usize = 4096;
/// How often it is looked for what was started meanwhile.
const ROUNDS: usize = 16;

/// A process of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    pid: i32,
    parent: i32,
    session: i32,
}

impl Process {
    /// Kills everything in its own group; false where it has none, or that cannot be done.
    pub(super) fn end_group(&self) -> bool {
        self.own_group.as_ref().is_some_and(|own| own.kill().is_ok())
    }
}

impl Container {
    /// Removes the own group of an exec that is deleted, and those that could not go before.
    pub(super) fn remove_groups(&mut self, of_exec: Option<OwnGroup>) -> Result<()> {
        let mut done = Ok(());
        self.left_groups.extend(of_exec);
        self.left_groups.retain(|own| match own.remove() {
            Ok(gone) => !gone,
            Err(error) => {
                done = Err(error);
                false
            }
        });
        done
    }

    /// Kills an exec, whose first process this is, with everything that it has started.
    pub(super) fn end_tree(&self, exec: &Process, leader: i32) {
        if !exec.end_group() {
            self.end_session(leader);
        }
    }

    fn end_session(&self, leader: i32) {
        end_session(leader, || match &self.held {
            Some(held) => held.processes().unwrap_or_default(),
            None => self.foreign_pids().into_iter().map(u32::cast_signed).collect(),
        });
    }
}

/// Kills everything in the session that `leader` leads, or led, and whatever descends from that, among these processes.
fn end_session(leader: i32, processes: impl Fn() -> Vec<i32>) {
    for _ in 0..ROUNDS {
        let members: Vec<Member> = processes().into_iter().filter_map(look).collect();
        let ending = of_session(leader, &members);
        let mut killed = 0;
        for pid in ending {
            killed += usize::from(kill(pid, leader, &members));
        }
        // What was killed lists no children any more, but may have made some before.
        if killed == 0 {
            return;
        }
    }
}

/// The members of a session, and their descendants.
fn of_session(leader: i32, members: &[Member]) -> Vec<i32> {
    let mut found: Vec<i32> = vec![leader];
    let mut at = 0;
    found.extend(
        members
            .iter()
            .filter(|m| m.session == leader && m.pid != leader)
            .map(|m| m.pid),
    );
    while let Some(parent) = found.get(at).copied() {
        at += 1;
        let children = members.iter().filter(|member| member.parent == parent);
        let new: Vec<i32> = children
            .map(|child| child.pid)
            .filter(|pid| !found.contains(pid))
            .collect();
        found.extend(new);
    }
    found.retain(|pid| members.iter().any(|member| member.pid == *pid));
    found
}

/// Kills one, if it is still the process that was looked at; false where it is on its way out.
fn kill(pid: i32, leader: i32, members: &[Member]) -> bool {
    let Some(handle) = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
        return false;
    };
    let before = members.iter().find(|member| member.pid == pid);
    let same = look(pid).is_some_and(|now| before.is_some_and(|before| before.session == now.session));
    if !same && pid != leader {
        return false;
    }
    !matches!(
        tare_signal::send(&handle, Signal::KILL.as_raw()),
        Err(Errno::SRCH)
    )
}

/// Reads who it is (proc_pid_stat(5)); none for one that has ended.
fn look(pid: i32) -> Option<Member> {
    let stat = tare_store::read(format!("/proc/{pid}/stat"), LONGEST).ok()?;
    member(pid, &stat)
}

fn member(pid: i32, stat: &[u8]) -> Option<Member> {
    // The name before it may hold any bytes.
    let after = stat.iter().rposition(|byte| *byte == b')')? + 2;
    let text = std::str::from_utf8(stat.get(after..)?).ok()?;
    let mut fields = text.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(Member { pid, parent, session })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_and_its_descendants_are_found() {
        let member = |pid, parent, session| Member { pid, parent, session };
        let members = [
            member(10, 1, 10),
            // The leader, what it started, what lost its parent, a session below it.
            member(20, 1, 20),
            member(21, 20, 20),
            member(22, 10, 20),
            member(23, 21, 23),
            member(24, 23, 23),
            // A daemon that left.
            member(25, 10, 25),
        ];
        let mut found = of_session(20, &members);
        found.sort_unstable();
        assert_eq!(found, [20, 21, 22, 23, 24]);
        let without_leader: Vec<Member> = members.iter().copied().filter(|m| m.pid != 20).collect();
        let mut found = of_session(20, &without_leader);
        found.sort_unstable();
        assert_eq!(found, [21, 22, 23, 24]);
    }

    #[test]
    fn stat_is_read_whatever_the_name_is() {
        assert_eq!(
            member(7, b"7 (a) R 1 (x) S 3 4 5 0 -1"),
            Some(Member {
                pid: 7,
                parent: 3,
                session: 5
            })
        );
        assert_eq!(member(7, b"7 (a) Z 3 4 5 0"), None);
        assert_eq!(member(7, b""), None);
    }
}
