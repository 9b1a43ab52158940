//! A process's entry, which is taken away by asking how it ended.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::io::Errno;

use super::last_errno;
use crate::child::{Ended, Exit};

/// How a process ended and what it took, once it has. Takes its entry away.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) -> Result<Option<Ended>, Errno> {
    // SAFETY: both are plain structures of integers, for which all zero is a value.
    let (mut info, mut usage): (libc::siginfo_t, libc::rusage) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    // SAFETY: the kernel's own call, because the C library's does not tell what was used. Both
    // structures are alive and ours alone for the call, and as large as the kernel's.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            libc::P_PIDFD,
            pidfd.as_raw_fd(),
            &raw mut info,
            libc::WEXITED | libc::WNOHANG,
            &raw mut usage,
        )
    };
    if answer != 0 {
        return Err(last_errno());
    }
    // SAFETY: the call succeeded, so these are the fields of a child's state, or zero if there is none.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    let exit = if info.si_code == libc::CLD_EXITED { Exit::Code(status) } else { Exit::Signal(status) };
    Ok((pid != 0).then(|| Ended {
        exit,
        core: info.si_code == libc::CLD_DUMPED,
        user: time(usage.ru_utime),
        system: time(usage.ru_stime),
        memory_max_kb: usage.ru_maxrss.unsigned_abs(),
    }))
}
