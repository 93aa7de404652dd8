//! The client's terminal in raw mode, and back on every way out.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::sync::{Mutex, Once, PoisonError};
use tare_error::{Context, Result};

/// The terminal that is raw now, for the panic hook: a program built with `panic = "abort"` runs no destructors.
static RAW: Mutex<Option<(OwnedFd, Termios)>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// A terminal in raw mode; dropping it restores the mode it had.
#[derive(Debug)]
pub(super) struct Raw(());

impl Raw {
    /// Puts the terminal into raw mode (cfmakeraw(3)).
    pub(super) fn enter(terminal: BorrowedFd<'_>) -> Result<Raw> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                before(panic);
            }));
        });
        let handle = rustix::io::fcntl_dupfd_cloexec(terminal, 3).op("duplicate", "the terminal")?;
        let saved = tcgetattr(&handle).op("read the mode of", "the terminal")?;
        set_raw(&handle, &saved).op("set the mode of", "the terminal")?;
        *RAW.lock().unwrap_or_else(PoisonError::into_inner) = Some((handle, saved));
        Ok(Raw(()))
    }

    /// Makes the terminal raw again, after a shell may have changed its mode while we were stopped.
    pub(super) fn again(&self) {
        if let Some((handle, saved)) = &*RAW.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = set_raw(handle, saved);
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

fn set_raw(terminal: &OwnedFd, saved: &Termios) -> rustix::io::Result<()> {
    let mut raw = saved.clone();
    raw.make_raw();
    tcsetattr(terminal, OptionalActions::Now, &raw)
}

fn restore() {
    if let Some((handle, saved)) = RAW.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // Output that is still on its way keeps the mode it was written for.
        let _ = tcsetattr(handle, OptionalActions::Drain, &saved);
    }
}

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Lines.
    pub(super) rows: u16,
    /// Characters on a line.
    pub(super) columns: u16,
}

/// The size of a terminal; `None` where it has none or is none.
pub(super) fn size(terminal: impl AsFd) -> Option<Size> {
    let size = tcgetwinsize(terminal).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some(Size {
        rows: size.ws_row,
        columns: size.ws_col,
    })
}
