//! Descriptors, all at once.
#![allow(unsafe_code)]

use rustix::io::Errno;

use super::last_errno;

/// Makes the descriptors below `end` this process's own, and drops its part in all others: what it shared
/// them with keeps them all.
pub(super) fn take_descriptors_below(end: libc::c_uint) -> Result<(), Errno> {
    close_range(end, libc::CLOSE_RANGE_UNSHARE)
}

/// Has every descriptor from `first` on closed by `exec`. Descriptors that we open are marked so
/// anyway; this is for those that we inherited, or that a library was careless with.
pub(super) fn close_on_exec_from(first: libc::c_uint) -> Result<(), Errno> {
    close_range(first, libc::CLOSE_RANGE_CLOEXEC)
}

fn close_range(first: libc::c_uint, flags: libc::c_uint) -> Result<(), Errno> {
    // SAFETY: the call takes three integers and touches no memory. With either flag nobody's descriptors
    // are closed but those of a process that has, or gets by it, a table of its own.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) };
    if answer == 0 { Ok(()) } else { Err(last_errno()) }
}
