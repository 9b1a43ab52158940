//! What others leave to us to vouch for.
//!
//! Questions about a peer that `rustix` cannot ask, as it has no room for a process that cannot be
//! seen, and about what that one has not read yet; descriptors that we were started with; one promise about descriptors that `tokio` cannot
//! read off a type; and a read into memory that nobody has cleared first, since clearing it would
//! cost more than a small read does.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, ReadBuf};

/// Process, user and group at the other end of a connected unix socket. The process is `None` if it
/// lives where we cannot see it, as in another pid namespace, for which the kernel says 0.
pub(crate) fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<(Option<u32>, u32, u32)> {
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
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    let pid = u32::try_from(cred.pid).ok().filter(|pid| *pid > 0);
    Ok((pid, cred.uid, cred.gid))
}

/// The supplementary groups at the other end; `None` if the kernel does not tell, or if there are
/// more than anybody has.
pub(crate) fn peer_groups(socket: BorrowedFd<'_>) -> Option<Vec<u32>> {
    const GROUPS_MAX: usize = 1024;
    let mut groups = vec![0_u32; GROUPS_MAX];
    let mut length = size_of_val(groups.as_slice()) as libc::socklen_t;
    // SAFETY: `groups` is alive and ours alone for the call, and `length` is its size in bytes; the
    // kernel writes at most that many.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    groups.truncate(length as usize / size_of::<u32>());
    (answer == 0).then_some(groups)
}

/// The process at the other end as a descriptor; `None` before Linux 6.5, or if it is gone.
pub(crate) fn peer_pidfd(socket: BorrowedFd<'_>) -> Option<OwnedFd> {
    let mut pidfd: libc::c_int = -1;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `pidfd` is an integer, alive and ours alone for the call, and `length` is its size.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERPIDFD,
            (&raw mut pidfd).cast(),
            &raw mut length,
        )
    };
    if answer != 0 || pidfd < 0 {
        return None;
    }
    // SAFETY: the call succeeded, so the kernel has put a new descriptor there that nobody owns.
    Some(unsafe { OwnedFd::from_raw_fd(pidfd) })
}

/// How much of what was written to a unix socket its peer has not read: the memory that the kernel
/// keeps it in, whole pieces of it.
pub(crate) fn unread(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut unread: libc::c_int = 0;
    // SAFETY: `TIOCOUTQ`, which sockets know as `SIOCOUTQ`, has the kernel write one integer; `unread`
    // is one, alive and ours alone for the call.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut unread) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(unread).unwrap_or(0))
}

/// Takes over a descriptor that we were started with, and has it closed on exec.
pub(crate) fn inherited(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes integers alone and says whether the descriptor is open.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and was opened for us by whoever started us, who says so in an
    // environment variable that names this process: nobody else here owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// What owns one descriptor, always the same.
pub(crate) trait Owning: AsRawFd {}

impl Owning for OwnedFd {}
impl Owning for UnixStream {}

/// Has the runtime tell when `socket` is ready for `interest`, and for nothing else.
pub(crate) fn register<S: Owning>(socket: S, interest: Interest) -> io::Result<AsyncFd<S>> {
    // SAFETY: an `Owning` owns its descriptor, always names the same one, and lives in the
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
