//! What a function's process uses, as the kernel tells it of any process.
//!
//! Of the process alone, and not of others that it started: they have no control group in common that is theirs alone.
//! Its network is the host's, and what of the traffic there is its own nobody counts.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::container::usage::Usage;

/// Of process `pid`; of one that is gone, nothing.
pub(super) fn of(pid: u32) -> Usage {
    let place = Path::new("/proc").join(pid.to_string());
    let read = |file: &str| fs::read_to_string(place.join(file)).unwrap_or_default();
    let page_bytes = rustix::param::page_size() as u64;
    parsed(&read("stat"), &read("io"), rustix::param::clock_ticks_per_second(), page_bytes)
}

/// Of the texts of `/proc/PID/stat` and `/proc/PID/io`.
fn parsed(stat: &str, io: &str, ticks_per_second: u64, page_bytes: u64) -> Usage {
    // The program's name may hold anything, so that reading begins behind it, with the third field of the manual's list.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks = |n| Some(Duration::from_nanos(field(n)?.saturating_mul(1_000_000_000 / ticks_per_second.max(1))));
    let counter = |name: &str| io.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    let (cpu_user, cpu_kernel) = (ticks(14), ticks(15));
    Usage {
        cpu_total: cpu_user.zip(cpu_kernel).map(|(user, kernel)| user + kernel),
        cpu_user,
        cpu_kernel,
        memory_bytes: field(24).map(|pages| pages * page_bytes),
        read_bytes: counter("read_bytes:"),
        written_bytes: counter("write_bytes:"),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_it_is_called() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 10 0 0 0 150 50 0 0 20 0 3 0 1000 8192000 25 18446744073709551615";
        let io = "rchar: 9\nwchar: 9\nread_bytes: 4096\nwrite_bytes: 512\ncancelled_write_bytes: 0\n";
        let usage = parsed(stat, io, 100, 4096);
        assert_eq!(usage.cpu_user, Some(Duration::from_millis(1500)));
        assert_eq!(
            (usage.cpu_kernel, usage.cpu_total),
            (Some(Duration::from_millis(500)), Some(Duration::from_secs(2)))
        );
        assert_eq!(usage.memory_bytes, Some(25 * 4096));
        assert_eq!((usage.read_bytes, usage.written_bytes), (Some(4096), Some(512)));
        assert_eq!(parsed("", "", 100, 4096), Usage::default());
    }

    #[test]
    fn we_use_something_ourselves() {
        let usage = of(std::process::id());
        assert!(usage.memory_bytes.is_some_and(|bytes| bytes > 0) && usage.cpu_total.is_some(), "{usage:?}");
    }
}
