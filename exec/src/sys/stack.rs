//! What a child stands on.
#![allow(unsafe_code)]

use std::io;
use std::ptr;

/// A child's stack, until it has become its program.
pub(crate) struct Stack {
    base: *mut libc::c_void,
}

// SAFETY: the mapping is owned by this value alone and tied to no thread.
unsafe impl Send for Stack {}

impl Stack {
    /// A debug build is the one that needs some of it.
    pub(super) const BYTES: usize = 256 << 10;
    /// Not to be touched: what grows too far ends there and not in somebody's memory.
    const GUARD_BYTES: usize = 64 << 10;

    pub(crate) fn new() -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        // SAFETY: asks for new pages wherever the kernel has room; nothing of ours is there.
        let base = unsafe { libc::mmap(ptr::null_mut(), Self::GUARD_BYTES + Self::BYTES, protection, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Self { base };
        // SAFETY: the lower end of the mapping just made, whole pages of any size in use.
        if unsafe { libc::mprotect(base, Self::GUARD_BYTES, libc::PROT_NONE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(stack)
    }

    /// The lowest byte that may be used.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn base_of_use(&mut self) -> *mut libc::c_void {
        // SAFETY: within the mapping.
        unsafe { self.base.byte_add(Self::GUARD_BYTES) }
    }

    /// Where it starts: stacks grow down. As aligned as a page.
    pub(super) fn top(&mut self) -> *mut libc::c_void {
        // SAFETY: one past the end of the mapping.
        unsafe { self.base.byte_add(Self::GUARD_BYTES + Self::BYTES) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the very mapping that `new` made, which nobody else knows of.
        unsafe { libc::munmap(self.base, Self::GUARD_BYTES + Self::BYTES) };
    }
}
