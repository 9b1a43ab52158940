//! What rustix leaves to the C library or to the kernel itself.
//!
//! [`mod@launch`] makes a process of a job, on a [`stack`] of its own; [`descriptors`], [`signals`] and
//! [`terminal`] are what it sees to on the way, and [`mod@reap`] is its end; [`clock`] dates it. Each is one module for one
//! matter of the kernel's, and all that is unsafe in this room but for the client's own.

use std::io;

use rustix::io::Errno;

mod clock;
mod descriptors;
mod launch;
mod reap;
mod signals;
mod stack;
mod terminal;

pub(crate) use clock::{since_boot, ticks_per_second};
pub(crate) use launch::{Launch, Step, launch};
pub(crate) use reap::reap;
pub use signals::is_ignored;
pub(crate) use signals::{block_all_signals, signal};
pub(crate) use stack::Stack;
pub use terminal::leave_terminal;

fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}
