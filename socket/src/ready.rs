//! Sockets whose users make the system calls themselves.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys;

/// Has the runtime tell when a socket is ready: a listener of any kind, or one of packets, which
/// its user accepts from, reads and writes by system calls of its own.
///
/// # Errors
/// When it cannot be made non-blocking, or not registered.
pub fn ready(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    rustix::io::ioctl_fionbio(&socket, true)?;
    sys::register(socket, Interest::READABLE | Interest::WRITABLE)
}
