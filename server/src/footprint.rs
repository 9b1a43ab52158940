//! What a start leaves in memory, given back.
//!
//! A start walks once through much of a large program: flags, config, certificates, the database, the
//! drivers. For each place it touches the kernel maps what lies around it too, 64 KiB at a time, and
//! leaves that there, so that of all a node has resident when it is ready more than half is code which
//! nobody will run again. Dropping it costs nothing: the pages stay in the kernel's cache of files, and
//! one that is run after all is mapped again where it is touched, in a microsecond and without reading.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::time::Duration;
use std::{ptr, slice};

use rustix::mm::{Advice, madvise};

/// How long a start goes on after the process is ready: what it put off runs then, such as a first look at
/// what the store holds.
const SETTLED: Duration = Duration::from_secs(1);

/// Gives back what the start of a process that is ready has left, as soon as that has settled.
///
/// Ends with the runtime, if that comes first.
pub(crate) fn give_back_soon() {
    tokio::spawn(async {
        tokio::time::sleep(SETTLED).await;
        give_back();
    });
}

/// Drops what is mapped of the program and its libraries, and of the heap what is free.
///
/// There is no harm in it at any time, but that breakpoints which a debugger has set are dropped too.
fn give_back() {
    // SAFETY: the function has the signature that is asked for, and needs no data.
    unsafe { libc::dl_iterate_phdr(Some(unmap), ptr::null_mut()) };
    // SAFETY: the call takes a number, and touches only what nobody has allocated.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Drops what is mapped of one object: of its segments those that cannot be written.
unsafe extern "C" fn unmap(object: *mut libc::dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
    // SAFETY: the loader passes an object that stays loaded during the call, with as many headers as it
    // says.
    let (object, headers) = unsafe {
        let object = &*object;
        (object, slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()))
    };
    // SAFETY: the call takes a number and touches no memory. Not rustix's, which looks where valgrind has nothing.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let page = usize::try_from(page).expect("a page has a size");
    for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0) {
        let begin = address(object.dlpi_addr + header.p_vaddr);
        let end = begin + address(header.p_memsz);
        let (begin, end) = (begin.next_multiple_of(page), end / page * page);
        if begin < end {
            // Where the kernel refuses, everything stays as it is.
            // SAFETY: whole pages of a loaded segment that nobody may write: all that is in them is in
            // the file that they are mapped from, and will be read from there.
            let _ = unsafe { madvise(ptr::with_exposed_provenance_mut(begin), end - begin, Advice::LinuxDontNeed) };
        }
    }
    0
}

/// The loader's number as one of ours: both are as wide as a pointer.
fn address(number: u64) -> usize {
    usize::try_from(number).expect("an address of this process fits a pointer")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// KiB that are mapped of files.
    fn mapped() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    #[test]
    fn less_of_the_program_is_mapped_and_it_runs_on() {
        let before = mapped();
        give_back();
        let after = mapped();
        assert!(after < before, "{before} KiB, and then {after}");
        // Whatever is needed again comes back by being used.
        assert_eq!(format!("{:?}", "1 2".split(' ').collect::<Vec<_>>()), "[\"1\", \"2\"]");
    }
}
