//! What runs on this machine, as the kernel tells it.
//!
//! A story marks the functions it starts with a variable of their environment. The mark is found
//! again whoever their parent is by then, so also after their node was killed.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal};

/// The unit in which the kernel tells of processor time.
const TICK_MS: u64 = 10;

/// The processes whose environment has the word `mark`, such as `STORY=42`.
#[must_use]
pub fn marked(mark: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        // Gone, or a zombie, or somebody else's: then it is none of ours that runs.
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environ| environ.split(|&b| b == 0).any(|word| word == mark.as_bytes()))
    })
    .collect()
}

/// What `pid` holds in memory now, in bytes.
///
/// # Panics
/// When it does not run.
#[must_use]
pub fn rss_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_else(|e| panic!("process {pid}: {e}"));
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.map(|kib: u64| kib * 1024).unwrap_or_else(|| panic!("process {pid} has no memory; is it a zombie?"))
}

/// The processor time that `pid` has used so far, all its threads together.
///
/// # Panics
/// When it does not run.
#[must_use]
pub fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_else(|e| panic!("process {pid}: {e}"));
    // Behind the name, which may have anything in it: the 14th and 15th are counted from the front.
    let after = stat.rsplit_once(')').expect("a process has a name").1;
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * TICK_MS)
}

/// How many open descriptors of `pid` are of the `kind` that the kernel names them by, such as
/// `anon_inode:inotify` or `socket:`.
///
/// # Panics
/// When it does not run.
#[must_use]
pub fn descriptors(pid: u32, kind: &str) -> usize {
    let folder = fs::read_dir(format!("/proc/{pid}/fd")).unwrap_or_else(|e| panic!("process {pid}: {e}"));
    let targets = folder.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with(kind)).count()
}

/// Sends `signal` to `pid`.
///
/// # Panics
/// When there is no such process.
pub fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id is above 0");
    rustix::process::kill_process(pid, signal).unwrap_or_else(|e| panic!("process {pid:?}: {e}"));
}
