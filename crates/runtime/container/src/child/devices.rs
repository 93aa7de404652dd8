//! Device nodes, links and the terminal. Nothing here allocates; see [`crate::child`].

use crate::child::{Child, Done};
use crate::report::{self, Detail, Failure};
use crate::step::Node;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::Uid;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use tare_mount::{Target, attach, clone_tree};
use tare_process::{Terminal, leave_line_ends, set_window_size};

impl Child<'_> {
    /// Makes a node below the held root; in a user namespace, binds the host's.
    pub(super) fn make_node(&mut self, node: &Node) -> Done {
        if let Some(slot) = node.slot {
            let source = self
                .slots
                .get_mut(slot)
                .and_then(Option::take)
                .ok_or(Errno::BADF)?;
            let found = rustix::fs::fstat(&source)?;
            if FileType::from_raw_mode(found.st_mode) != node.kind || found.st_rdev != node.device {
                return Err(Failure {
                    errno: Errno::NODEV,
                    detail: Detail::OtherDevice,
                });
            }
            let target = node.target.file(self.root()?)?;
            attach(source.as_fd(), target.as_fd())?;
            return self.settle(&node.target, source.as_fd());
        }
        self.in_parent(&node.target, |parent, name| make_node_in(parent, name, node))?
    }

    /// Makes a link; another link at its place gives way, anything else stays and is an error.
    pub(super) fn make_link(&self, text: &CStr, at: &Target) -> Done {
        self.in_parent(at, |parent, name| make_link_in(parent, name, text))?
    }

    /// Opens a terminal of the container's devpts, shows it as `/dev/console`, and hands its other end over.
    pub(super) fn open_terminal(
        &mut self,
        devpts: &Target,
        console: Option<&Target>,
        size: (u16, u16),
        owner: Uid,
    ) -> Done {
        let devpts = devpts.open_no_links(self.root()?, OFlags::PATH | OFlags::DIRECTORY)?;
        let terminal = Terminal::open_in(devpts.as_fd())?;
        rustix::fs::fchown(&terminal.slave, Some(owner), None)?;
        if self.options.plain_lines {
            leave_line_ends(terminal.slave.as_fd())?;
        }
        if size != (0, 0) {
            set_window_size(terminal.slave.as_fd(), size.0, size.1)?;
        }
        if let Some(console) = console {
            let shown = clone_tree(terminal.slave.as_fd(), false)?;
            let target = console.file(self.root()?)?;
            attach(shown.as_fd(), target.as_fd())?;
            self.settle(console, shown.as_fd())?;
        }
        report::send_terminal(self.channel, terminal.master.as_fd())?;
        self.handles.terminal = Some(terminal.slave);
        Ok(())
    }
}

fn make_node_in(parent: BorrowedFd<'_>, name: &CStr, node: &Node) -> Done {
    let mode = Mode::from_raw_mode(node.mode);
    match rustix::fs::mknodat(parent, name, node.kind, mode, node.device) {
        Err(Errno::EXIST) => return existing(parent, name, node),
        done => done?,
    }
    let (uid, gid) = (Some(node.uid), Some(node.gid));
    Ok(rustix::fs::chownat(
        parent,
        name,
        uid,
        gid,
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}

fn make_link_in(parent: BorrowedFd<'_>, name: &CStr, text: &CStr) -> Done {
    match rustix::fs::symlinkat(text, parent, name) {
        Err(Errno::EXIST) => {}
        done => return Ok(done?),
    }
    let mut now = [MaybeUninit::uninit(); 64];
    if rustix::fs::readlinkat_raw(parent, name, &mut now).is_ok_and(|(now, _)| now == text.to_bytes()) {
        return Ok(());
    }
    rustix::fs::unlinkat(parent, name, AtFlags::empty())?;
    Ok(rustix::fs::symlinkat(text, parent, name)?)
}

/// What is at a node's place already is right where it is the same device.
fn existing(parent: BorrowedFd<'_>, name: &CStr, node: &Node) -> Done {
    let found = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let same = FileType::from_raw_mode(found.st_mode) == node.kind && found.st_rdev == node.device;
    if same || node.kind == FileType::Fifo {
        Ok(())
    } else {
        Err(Errno::EXIST.into())
    }
}
