//! Signals as something to read, and dying of one.
//!
//! What `rustix` leaves to the C library: a process's signals are the C library's to handle.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

/// Blocks `signals` for this thread, and gives a descriptor to read them from. Those that this process
/// was started to ignore are left ignored.
pub(super) fn readable(signals: impl Iterator<Item = i32>) -> io::Result<OwnedFd> {
    let mut set = empty_set();
    for signal in signals.filter(|signal| !ignored(*signal)) {
        // SAFETY: `set` is an initialised set, and the number is one of a signal.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    // SAFETY: `set` is an initialised set that lives through both calls, which read it.
    let fd = unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
        libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so this is a new descriptor that nobody owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The next signal that is waiting in `from`, if one is.
pub(super) fn next(from: BorrowedFd<'_>) -> Option<i32> {
    let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
    // SAFETY: `info` is ours alone for the call, and as large as is said.
    let read = unsafe { libc::read(from.as_raw_fd(), info.as_mut_ptr().cast(), size_of_val(&info)) };
    if read != size_of_val(&info).cast_signed() {
        return None;
    }
    // SAFETY: the kernel has just written all of it.
    let info = unsafe { info.assume_init() };
    Some(info.ssi_signo.cast_signed())
}

/// The real-time signals that programs may use.
pub(super) fn real_time() -> std::ops::RangeInclusive<i32> {
    libc::SIGRTMIN()..=libc::SIGRTMAX()
}

/// Stops this process, as ^Z does, until somebody has it go on.
pub(super) fn stop() {
    // SAFETY: the call takes integers; the signal has no handler.
    unsafe { libc::raise(libc::SIGSTOP) };
}

/// Dies of `signal`, without a core file of our own. Returns if that is not a signal to die of.
pub(super) fn die_of(signal: i32) {
    let mut set = empty_set();
    let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the calls take integers and structures of ours that live through them; from here on no
    // code of ours handles this signal, which is the point.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
        libc::signal(signal, libc::SIG_DFL);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut());
        libc::raise(signal);
    }
}

fn empty_set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the call initialises the set that it is given.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

fn ignored(number: i32) -> bool {
    crate::sys::signal(number).is_some_and(crate::is_ignored)
}
