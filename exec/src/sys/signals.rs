//! Numbers of signals, and what a thread or a child does with them.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ptr;

use rustix::io::Errno;
use rustix::process::Signal;

use super::last_errno;

/// The signal of this number, if programs may use it.
pub(crate) fn signal(number: i32) -> Option<Signal> {
    let real_time = libc::SIGRTMIN()..=libc::SIGRTMAX();
    // SAFETY: it is one of the range that the C library leaves to programs.
    let unnamed = || real_time.contains(&number).then(|| unsafe { Signal::from_raw_unchecked(number) });
    Signal::from_named_raw(number).or_else(unnamed)
}

/// Does this program ignore `signal`? Before it has handled any itself: was it started so, as by `nohup`?
#[must_use]
pub fn is_ignored(signal: Signal) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: asks for the present action only, and writes it to a place that is large enough; the
    // value is read only if that went well.
    unsafe {
        libc::sigaction(signal.as_raw(), ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// The highest signal of Linux.
const SIGNAL_MAX: libc::c_int = 64;
/// A set of them, one bit each.
const SIGNAL_SET_BYTES: usize = 8;

/// No signal ignored and none blocked, in this order: with our handlers gone, one that has waited
/// cannot run code of ours.
pub(super) fn signals_as_at_birth(ignored: &[Signal]) -> Result<(), Errno> {
    // The kernel's own structure and call: the C library's refuses the signals that it keeps for
    // itself, and those are inherited like any other. All zero is the default action, nothing masked.
    let default = [0_u64; 4];
    let ignore = [libc::SIG_IGN as u64, 0, 0, 0];
    for signal in 1..=SIGNAL_MAX {
        let action = if ignored.iter().any(|other| other.as_raw() == signal) { &ignore } else { &default };
        // SAFETY: `action` is at least as large as the kernel's `sigaction` and lives through the
        // call, which reads it and writes nothing. KILL and STOP are refused without effect.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), ptr::null::<u64>(), SIGNAL_SET_BYTES);
        }
    }
    set_blocked(0)
}

/// Blocks every signal for the calling thread. The thread that launches needs that: a handler that
/// ran in a child which still has our memory would do our work a second time.
pub(crate) fn block_all_signals() -> Result<(), Errno> {
    set_blocked(u64::MAX)
}

fn set_blocked(set: u64) -> Result<(), Errno> {
    // SAFETY: `set` is as large as is said and lives through the call, which reads it and writes
    // nothing. Only the calling thread's mask changes.
    let answer = unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const set, ptr::null::<u64>(), SIGNAL_SET_BYTES)
    };
    if answer == 0 { Ok(()) } else { Err(last_errno()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_told_from_what_is_not() {
        // The standard library sees to the one, and nobody to the other.
        assert!(is_ignored(Signal::PIPE) && !is_ignored(Signal::USR1));
    }
}
