//! Finding processes by what they carry in their environment.
//!
//! A process can leave its group and its session, and its parent may be long dead; what it was
//! started with it cannot easily shed. So whoever starts processes that must not outlive it puts a
//! label into their environment, and the next one finds them by it, and with them all that descends
//! from them.
//!
//! That takes a look at every process there is, and a look at one costs some microseconds. So whoever
//! knows since when what he is looking for can have been there says so, and of what is older nothing
//! is asked but its age; and our own children carry what we gave them, for which nobody need be asked.
//! Numbers tell no age: they come round again, on some machines after an hour.
//!
//! A process that wipes its own environment *and* loses every labelled ancestor is not found: this
//! tidies up after programs that are careless, not after ones that hide.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::children;
use crate::process::{self, Moment, Stat};

/// Bytes of an environment that are read. The kernel allows more; a label comes earlier.
const ENVIRONMENT_BYTES_MAX: u64 = 1 << 20;

/// Some processes were still there when time was up.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{} processes were killed and are still not gone, among them {}", pids.len(), pids[0])]
pub struct StillThere {
    /// Theirs.
    pub pids: Vec<i32>,
}

/// Kills every process whose environment variable `name` has a value that is `ours`, and all that
/// descends from one; ourselves excepted, and what is older than `since`. Says how many there were.
///
/// The children of our [`Supervisor`](crate::Supervisor) are known by the label of their job alone.
///
/// Looks again until a look finds nobody, so that one who was just being born is found too. Blocks
/// for as long as that takes, and for at most `patience`.
///
/// # Errors
/// When some were still there after `patience`.
pub fn end(name: &str, since: Moment, ours: impl Fn(&[u8]) -> bool, patience: Duration) -> Result<usize, StillThere> {
    let until = Instant::now() + patience;
    let mut killed = HashSet::new();
    let mut buffer = Vec::new();
    loop {
        let found = family(name, since, &ours, &mut buffer);
        if found.is_empty() {
            return Ok(killed.len());
        }
        if Instant::now() >= until {
            return Err(StillThere { pids: found.iter().map(|stat| stat.pid.as_raw_pid()).collect() });
        }
        killed.extend(found.iter().map(|stat| (stat.pid, stat.started)));
        let dying: Vec<OwnedFd> = found.iter().filter_map(kill).collect();
        for pidfd in &dying {
            await_end(pidfd, until);
        }
    }
}

/// Those that carry the label, and all that descends from them, as of one look through `/proc`. What
/// descends from a process is not older than it.
fn family(name: &str, since: Moment, ours: &impl Fn(&[u8]) -> bool, buffer: &mut Vec<u8>) -> Vec<Stat> {
    let ourselves = rustix::process::getpid();
    let (mut found, mut rest) = (Vec::new(), Vec::new());
    for pid in process::all().filter(|pid| *pid != ourselves && *pid != Pid::INIT) {
        let is_childs = children::carries(pid, name, ours);
        if is_childs == Some(false) {
            continue;
        }
        let Some(stat) = Stat::read(pid).filter(|stat| stat.started >= since && !stat.has_ended()) else { continue };
        let carries = is_childs.unwrap_or_else(|| carries(pid, name, ours, buffer));
        if carries { found.push(stat) } else { rest.push(stat) }
    }
    let mut known: HashSet<i32> = found.iter().map(|stat| stat.pid.as_raw_pid()).collect();
    loop {
        let children: Vec<Stat> = rest.extract_if(.., |stat| known.contains(&stat.parent)).collect();
        if children.is_empty() {
            return found;
        }
        known.extend(children.iter().map(|stat| stat.pid.as_raw_pid()));
        found.extend(children);
    }
}

/// Does the environment of `pid` carry the label? One that we may not read is none of ours.
fn carries(pid: Pid, name: &str, ours: &impl Fn(&[u8]) -> bool, buffer: &mut Vec<u8>) -> bool {
    buffer.clear();
    let Ok(file) = File::open(format!("/proc/{}/environ", pid.as_raw_pid())) else { return false };
    if file.take(ENVIRONMENT_BYTES_MAX).read_to_end(buffer).is_err() {
        return false;
    }
    buffer
        .split(|b| *b == 0)
        .any(|entry| entry.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")).is_some_and(ours))
}

/// Kills the very process that was seen: the number is bound to a descriptor first, and only then
/// compared with what was seen, so that it cannot pass to another in between.
fn kill(seen: &Stat) -> Option<OwnedFd> {
    let pidfd = rustix::process::pidfd_open(seen.pid, PidfdFlags::empty()).ok()?;
    if Stat::read(seen.pid).is_some_and(|now| now.started == seen.started) {
        rustix::process::pidfd_send_signal(&pidfd, Signal::KILL).ok()?;
        return Some(pidfd);
    }
    None
}

fn await_end(pidfd: &OwnedFd, until: Instant) {
    let left = until.saturating_duration_since(Instant::now());
    let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
    // Whether it ended, time ran out or the wait was interrupted: the next look tells.
    let _ = rustix::event::poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&left));
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::ffi::OsStrExt;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::{Exit, Job, Label, Supervisor};

    /// A shell that starts `script` under the label, and tells a line when it is ready.
    fn start(label: &str, script: &str) -> (std::process::Child, String) {
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .env("HOTFN_STRAYS_TEST", label)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (shell, line.trim().to_owned())
    }

    #[test]
    fn a_labelled_process_dies_with_what_descends_from_it_and_others_live() {
        let label = format!("{}-ours", std::process::id());
        // The grandchild has no label of its own, and a session of its own.
        let (mut ours, grandchild) = start(&label, "env -i setsid sh -c 'echo $$; exec sleep 600' & wait");
        let (mut other, _) = start("another", "echo ready; exec sleep 600");

        let count =
            end("HOTFN_STRAYS_TEST", Moment::BOOT, |value| value == label.as_bytes(), Duration::from_secs(10)).unwrap();
        assert!(count >= 2, "{count}");
        assert!(!ours.wait().unwrap().success());
        let grandchild = Pid::from_raw(grandchild.parse().unwrap()).unwrap();
        assert!(Stat::read(grandchild).is_none_or(|stat| stat.has_ended()));
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn an_orphan_in_another_session_is_found_by_its_label_alone() {
        let label = format!("{}-orphan", std::process::id());
        let (mut shell, orphan) = start(&label, "setsid sh -c 'echo $$; exec sleep 600' &");
        shell.wait().unwrap();
        end("HOTFN_STRAYS_TEST", Moment::BOOT, |value| value == label.as_bytes(), Duration::from_secs(10)).unwrap();
        let orphan = Pid::from_raw(orphan.parse().unwrap()).unwrap();
        assert!(Stat::read(orphan).is_none_or(|stat| stat.has_ended()));
    }

    #[test]
    fn one_that_is_older_than_was_asked_for_lives() {
        let label = format!("{}-older", std::process::id());
        let (mut older, _) = start(&label, "echo ready; exec sleep 600");
        let stat = Stat::read(Pid::from_child(&older)).unwrap();
        let ours = |value: &[u8]| value == label.as_bytes();
        while Moment::now() <= stat.started {
            std::thread::yield_now();
        }
        assert_eq!(end("HOTFN_STRAYS_TEST", Moment::now(), ours, Duration::ZERO), Ok(0));
        assert!(older.try_wait().unwrap().is_none());
        assert_eq!(end("HOTFN_STRAYS_TEST", stat.started, ours, Duration::from_secs(10)), Ok(1));
        older.wait().unwrap();
    }

    #[tokio::test]
    async fn a_child_of_ours_is_known_by_its_label_whatever_it_made_of_its_environment() {
        let label =
            |name: &str| Label { name: "HOTFN_STRAYS_TEST", value: format!("{}-{name}", std::process::id()).into() };
        let start = async |label: Option<Label>| {
            let mut job = Job::new("/usr/bin/env");
            job.args = ["-i", "sleep", "600"].map(Into::into).into();
            job.label = label;
            Supervisor::start().unwrap().spawn(job).await.unwrap().child
        };
        let (ours, other, plain) = (label("ours"), label("other"), start(None).await);
        let (child, neighbour) = (start(Some(ours.clone())).await, start(Some(other)).await);
        let ours = move |value: &[u8]| value == ours.value.as_bytes();
        let killed = move || end("HOTFN_STRAYS_TEST", Moment::BOOT, ours, Duration::from_secs(10));
        assert_eq!(tokio::task::spawn_blocking(killed).await.unwrap(), Ok(1));
        assert_eq!(child.exit().await, Exit::Signal(Signal::KILL.as_raw()));
        assert!(plain.ended().is_none() && neighbour.ended().is_none());
    }

    #[test]
    fn nobody_is_nobody() {
        assert_eq!(end("HOTFN_STRAYS_TEST", Moment::BOOT, |value| value == b"nobody has this", Duration::ZERO), Ok(0));
    }
}
