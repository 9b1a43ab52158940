//! What `/proc` tells of a process.

use std::fs::File;
use std::io::Read;

use rustix::process::Pid;

use crate::sys;

/// One line of `/proc/PID/stat`, as far as we care.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stat {
    pub(crate) pid: Pid,
    /// A letter: `Z` and `X` have ended, though their entry is still there.
    pub(crate) state: u8,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    /// When it was started: with the pid it names one process for good.
    pub(crate) started: Moment,
}

impl Stat {
    /// The process `pid` as it is now; `None` if there is none.
    pub(crate) fn read(pid: Pid) -> Option<Self> {
        let mut line = [0; Self::BYTES_MAX];
        let mut file = File::open(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
        let length = file.read(&mut line).ok()?;
        Self::parse(pid, &line[..length])
    }

    /// Enough for every field up to the start time.
    const BYTES_MAX: usize = 1024;

    /// The second field is the program's own name in brackets, in which it may write what it likes:
    /// the fields count from the last closing bracket on.
    fn parse(pid: Pid, line: &[u8]) -> Option<Self> {
        let name_end = line.iter().rposition(|b| *b == b')')?;
        let mut fields = std::str::from_utf8(&line[name_end + 1..]).ok()?.split_ascii_whitespace();
        let state = fields.next()?.bytes().next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let started = Moment(fields.nth(16)?.parse().ok()?);
        Some(Self { pid, state, parent, group, started })
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }
}

/// When something was started on this machine, as exactly as the kernel tells it of a process: in
/// clock ticks since boot. Numbers of processes come round again, and moments do not.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Moment(u64);

impl Moment {
    /// No process is older.
    pub const BOOT: Self = Self(0);

    /// A process that is started from now on is not older than this.
    #[must_use]
    pub fn now() -> Self {
        let (now, per_second) = (sys::since_boot(), sys::ticks_per_second());
        Self(now.as_secs() * per_second + u64::from(now.subsec_nanos()) * per_second / 1_000_000_000)
    }
}

/// Every process there is.
pub(crate) fn all() -> impl Iterator<Item = Pid> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_pose_as_fields() {
        let pid = Pid::INIT;
        let line = b"1 (a) Z 9 9 (b) S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 1 1 1\n";
        let stat = Stat::parse(pid, line).unwrap();
        assert_eq!(stat, Stat { pid, state: b'S', parent: 7, group: 8, started: Moment(4242) });
    }

    #[test]
    fn we_are_among_all_and_running() {
        let ours = rustix::process::getpid();
        assert!(all().any(|pid| pid == ours));
        let stat = Stat::read(ours).unwrap();
        assert!(!stat.has_ended());
        assert_eq!(stat.parent, rustix::process::getppid().unwrap().as_raw_pid());
    }

    #[test]
    fn a_process_is_as_old_as_the_moment_at_which_it_was_started() {
        let before = Moment::now();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let after = Moment::now();
        let stat = Stat::read(Pid::from_child(&child)).unwrap();
        assert!((before..=after).contains(&stat.started), "{before:?} {:?} {after:?}", stat.started);
        child.wait().unwrap();
    }
}
