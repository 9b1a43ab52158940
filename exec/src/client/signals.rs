//! Which signals go on to the program.
//!
//! Those that somebody meant for it: a person's keys, an operator's `kill`. Not those that tell of
//! this process's own affairs, such as an ended child, a closed pipe or a fault; and KILL and STOP
//! nobody can see. A killed caller is a gone caller, which the server notices by itself.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::sys;

/// Signals that go on, besides the real-time ones.
const PASSED: [i32; 14] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGWINCH,
    libc::SIGCONT,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGIO,
    libc::SIGPWR,
];

/// The signals that this process gets, to be read.
#[derive(Debug)]
pub(super) struct Signals {
    from: OwnedFd,
}

impl Signals {
    /// All that go on to a program with our own streams.
    pub(super) fn for_streams() -> io::Result<Self> {
        Self::of(|_| true)
    }

    /// All that matter to a program with a terminal of its own. What stops those who touch a terminal
    /// from the background is for us, who touch it.
    pub(super) fn for_terminal() -> io::Result<Self> {
        Self::of(|signal| !matches!(signal, libc::SIGTTIN | libc::SIGTTOU))
    }

    fn of(wanted: impl Fn(i32) -> bool) -> io::Result<Self> {
        let all = PASSED.into_iter().chain(sys::real_time()).filter(|signal| wanted(*signal));
        Ok(Self { from: sys::readable(all)? })
    }

    /// The next one that waits, if any.
    pub(super) fn next(&self) -> Option<i32> {
        sys::next(self.from.as_fd())
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }
}
