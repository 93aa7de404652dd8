//! Where a created container waits to be started. Nothing here allocates; see [`crate::child`].

use crate::child::{Child, Done};
use crate::report;
use crate::step::Signal;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags};

impl Child<'_> {
    /// Says that everything is ready, and waits for whoever starts it.
    pub(super) fn wait_for_start(&mut self) -> Done {
        self.release()?;
        let Some(gate) = self.options.gate else {
            report::send_created(self.channel)?;
            return self.wait_for(Signal::Start);
        };
        // Who made it may be gone; a signal is all that can reach it, besides the start.
        tare_sys::end_when_asked();
        report::send_created(self.channel)?;
        loop {
            let starter = match rustix::net::accept_with(gate, SocketFlags::CLOEXEC) {
                Ok(starter) => starter,
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(e) => return Err(e.into()),
            };
            let mut word = [0];
            // Whoever goes away without the word has not started it.
            if let Ok((1, _)) = rustix::net::recv(&starter, &mut word, RecvFlags::empty())
                && word == [Signal::Start as u8]
            {
                self.starter = Some(starter);
                return Ok(());
            }
        }
    }

    /// Who hears of a failure now.
    pub(super) fn listener(&self) -> BorrowedFd<'_> {
        self.starter.as_ref().map_or(self.channel, AsFd::as_fd)
    }
}
