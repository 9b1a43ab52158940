//! The clock that processes are dated by.
//!
//! Asked for by the C library: rustix looks for it where the kernel has put it for us, and under valgrind
//! that is no place at all.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::time::Duration;

/// How long ago the machine started, sleep included.
pub(crate) fn since_boot() -> Duration {
    let mut now = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the kernel writes a time of this shape to where it may be written, and zeros are one.
    let now = unsafe {
        libc::clock_gettime(libc::CLOCK_BOOTTIME, now.as_mut_ptr());
        now.assume_init()
    };
    let nanoseconds = u32::try_from(now.tv_nsec).expect("a part of a second");
    Duration::new(now.tv_sec.unsigned_abs(), nanoseconds)
}

/// How many ticks a second has, in which the kernel tells it.
pub(crate) fn ticks_per_second() -> u64 {
    // SAFETY: the call takes a number and touches no memory.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).expect("a second has ticks")
}
