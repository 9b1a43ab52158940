//! What others leave to us to vouch for.
//!
//! One question that `rustix` cannot ask, as it has no room for a process that cannot be seen; one
//! promise about descriptors that `tokio` cannot read off a type; and a read into memory that nobody
//! has cleared first, since clearing it would cost more than a small read does.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, ReadBuf};

/// The process at the other end of a connected unix socket; `None` if it lives where we cannot see
/// it, as in another pid namespace, for which the kernel says 0.
pub(crate) fn peer_pid(socket: BorrowedFd<'_>) -> Option<u32> {
    let mut cred = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `cred` is a plain structure of integers, alive and ours alone for the call, and
    // `length` is its size; the kernel writes at most that many bytes.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut cred).cast(),
            &raw mut length,
        )
    };
    if answer != 0 || cred.pid <= 0 { None } else { u32::try_from(cred.pid).ok() }
}

/// Has the runtime tell when `socket` is ready for `interest`, and for nothing else.
pub(crate) fn register(socket: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    // SAFETY: a `UnixStream` owns its descriptor, always names the same one, and lives in the
    // `AsyncFd` from here on, out of which nobody of ours takes it.
    unsafe { AsyncFd::register_with_interest(socket, interest) }.map_err(io::Error::from)
}

/// Reads once into what is free of `buf`; 0 at the end.
pub(crate) fn read_into(socket: &UnixStream, buf: &mut ReadBuf<'_>) -> io::Result<usize> {
    // SAFETY: the slice is only handed to the kernel to write to, which un-initialises nothing.
    let room = unsafe { buf.unfilled_mut() };
    let read = rustix::io::read(socket, room)?.0.len();
    // SAFETY: the kernel has just written so many bytes to the beginning of that slice.
    unsafe { buf.assume_init(read) };
    buf.advance(read);
    Ok(read)
}
