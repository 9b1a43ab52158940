//! What a child does between fork and exec.
//!
//! Nothing here allocates, locks or touches memory that another thread may have held when we
//! forked: system calls only, on values made ready before.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal};

/// All that is needed to make a freshly forked child fit to become the program.
pub(crate) struct Setup {
    pub(crate) parent: Pid,
    pub(crate) rlimits: Vec<(Resource, Rlimit)>,
    pub(crate) no_new_privs: bool,
    pub(crate) cwd: Option<OwnedFd>,
}

/// Has the child of `command` run `setup` before it becomes the program.
pub(crate) fn prepare(command: &mut Command, setup: Setup) {
    // SAFETY: `Setup::run` makes system calls on values that were built before the fork, and
    // nothing else: it takes no lock and allocates nothing, on success and on failure alike (an
    // `io::Error` of an errno holds no memory).
    unsafe { command.pre_exec(move || setup.run().map_err(io::Error::from)) };
}

impl Setup {
    /// In the order in which nothing undoes what came before: leaving our session first, giving up
    /// descriptors last.
    fn run(&self) -> Result<(), Errno> {
        rustix::process::setsid()?;
        // Set before asking, so that a parent who dies in between is noticed one way or the other.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        if rustix::process::getppid() != Some(self.parent) {
            return Err(Errno::SRCH);
        }
        for (resource, limit) in &self.rlimits {
            rustix::process::setrlimit(*resource, *limit)?;
        }
        if self.no_new_privs {
            rustix::thread::set_no_new_privs(true)?;
        }
        signals_as_at_birth();
        if let Some(cwd) = &self.cwd {
            rustix::process::fchdir(cwd)?;
        }
        close_on_exec_from(3)
    }
}

/// Has every descriptor from `first` on closed by `exec`. Descriptors that we open are marked so
/// anyway; this is for those that we inherited, or that a library was careless with.
fn close_on_exec_from(first: libc::c_uint) -> Result<(), Errno> {
    // SAFETY: the call takes three integers and touches no memory. Marking a descriptor does not
    // close it, so whoever owns one here, as the standard library its error pipe, still has it.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if answer == 0 { Ok(()) } else { Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)) }
}

/// No signal blocked, none ignored: `exec` resets handlers, but hands these two down.
fn signals_as_at_birth() {
    // SAFETY: `set` is a plain set of bits that `sigemptyset` initialises before it is read, and
    // both calls are async-signal-safe. No thread but this one exists in a forked child.
    unsafe {
        let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut());
    }
    // The kernel's own structure and call: the C library's refuses the signals that it keeps for
    // itself, and those are inherited like any other. All zero is the default action, nothing masked.
    let default = [0_u64; 4];
    for signal in 1..=SIGNAL_MAX {
        // SAFETY: `default` is at least as large as the kernel's `sigaction` and lives through the
        // call, which reads it and writes nothing. KILL and STOP are refused without effect.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null::<u64>(), SIGNAL_SET_BYTES);
        }
    }
}

/// The highest signal of Linux.
const SIGNAL_MAX: libc::c_int = 64;
/// A set of them, one bit each.
const SIGNAL_SET_BYTES: usize = 8;
