//! The terminal that somebody started us from.
#![allow(unsafe_code)]

use std::os::fd::AsRawFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::last_errno;

/// Makes this process one without a controlling terminal, if it has one. In a process that leads no
/// session that concerns nobody else.
///
/// # Errors
/// When the system refuses to let go of it.
pub fn leave_terminal() -> Result<(), Errno> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let Ok(terminal) = rustix::fs::open(c"/dev/tty", flags, Mode::empty()) else { return Ok(()) };
    // SAFETY: the call takes no memory, and changes this process alone.
    let answer = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCNOTTY) };
    if answer == 0 { Ok(()) } else { Err(last_errno()) }
}
