//! Room for open files, had before a call needs it.
//!
//! The kernel keeps a process's descriptors in a table that doubles when one more is opened than it
//! holds. Where the process has several threads, whoever opens that one then waits until no
//! processor can still be reading the old table: 5 to 15 ms, at the 64th descriptor, the 128th, the
//! 256th and so on. Each container takes five, so now and then a first call would take the
//! time of ten. The table never shrinks: it is made large once, when the agent starts.
//!
//! A common default lets a process have 1,024 descriptors and raise that itself by far: programs that
//! still use `select` break beyond it. Nothing here does, and 200 containers would be all.

use std::fs::File;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that there is room for: some 2,000 containers and as many connections twice over. The
/// table takes 8 bytes of the kernel's memory for each, so 128 KiB.
const ROOM: u64 = 16 << 10;

/// Makes room for [`ROOM`] descriptors, or for as many as we may have, and lets us have all that are
/// ours to take. Without it all works, slower at times, as far as the limit goes. Functions have limits
/// of their own.
pub(crate) fn make_room() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let is_raised = current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let allowed = if is_raised { maximum } else { current }.unwrap_or(ROOM);
    let Ok(last) = i32::try_from(ROOM.min(allowed).saturating_sub(1)) else { return };
    let Ok(any) = File::open("/dev/null") else { return };
    // The table reaches as far as the highest number that was ever in it.
    let _closed_at_once = rustix::io::fcntl_dupfd_cloexec(any, last);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_have_what_is_ours_to_take_and_room_for_it() {
        let hard = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: hard }).unwrap();
        let table_size = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap();
            size.trim().parse::<u64>().unwrap()
        };
        make_room();
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
        let allowed = hard.unwrap_or(ROOM);
        assert!(table_size() >= ROOM.min(allowed), "{} of {allowed}", table_size());
    }
}
