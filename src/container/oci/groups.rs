//! The control groups of a node's containers: where they are, and what is left of them.
//!
//! The runtime makes and removes a container's own group, `/hotfn/NODE/CONTAINER` in every hierarchy.
//! What lies above it no runtime removes, so a node's are removed here. `/hotfn` itself stays, empty: to
//! remove it would be to remove it under another node's runtime.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal};

use super::rules::Groups;
use crate::cgroup::Mount;

/// The group that all of ours are in.
const TOP: &str = "hotfn";

/// The group of one container, in every hierarchy.
pub(super) fn path(node: &str, id: &str) -> String {
    format!("/{TOP}/{node}/{id}")
}

/// What groups can do here for us.
pub(super) fn ours() -> Groups {
    if !rustix::process::geteuid().is_root() {
        return Groups::None;
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // The old version says in a file whether it counts swap; of the new one it is the runtime that asks.
    let mut memory = Mount::all(&mounts).filter(|mount| mount.has("memory"));
    let swap = memory.all(|mount| mount.top(Path::new("/")).join("memory.memsw.limit_in_bytes").exists());
    Groups::Ours { swap }
}

/// Ends what still runs in a container's group, and removes it.
///
/// A runtime that was killed in the middle of its work leaves helpers of its own there, which find out
/// a moment later and go, or do not.
pub(super) async fn remove_one(node: &str, id: &str) {
    let groups: Vec<_> = tops().into_iter().map(|top| top.join(node).join(id)).collect();
    empty(&groups).await;
}

/// The same for all groups of a node, and then the node's own.
pub(super) async fn remove(node: &str) {
    let inner = tops().into_iter().filter_map(|top| fs::read_dir(top.join(node)).ok()).flatten().flatten();
    let inner: Vec<_> = inner.filter(|entry| entry.path().is_dir()).map(|entry| entry.path()).collect();
    empty(&inner).await;
    remove_empty(node);
}

/// Removes the groups of a node that has none left in them.
pub(super) fn remove_empty(node: &str) {
    for top in tops() {
        let _ = fs::remove_dir(top.join(node));
    }
}

/// How long what was killed in a group may take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

async fn empty(groups: &[PathBuf]) {
    let until = Instant::now() + PATIENCE;
    loop {
        let left: Vec<_> = groups.iter().filter(|group| is_left(group)).collect();
        if left.is_empty() {
            return;
        }
        if Instant::now() > until {
            tracing::warn!(groups = ?left, "what runs in these control groups does not go; they stay until the next start");
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Is a group still there, after another try to be rid of it?
fn is_left(group: &Path) -> bool {
    let gone = || fs::remove_dir(group).is_ok() || !group.exists();
    if gone() {
        return false;
    }
    // One that is frozen would not die.
    let _ = fs::write(group.join("freezer.state"), "THAWED");
    let _ = fs::write(group.join("cgroup.freeze"), "0");
    kill(|| {
        let inside = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        inside.lines().filter_map(|line| line.parse().ok()).filter_map(Pid::from_raw).collect()
    });
    true
}

/// Kills those who are `inside`. A number that was read may be another's when a signal is sent to it. So
/// each is bound to a descriptor first, and only who is still inside then is meant.
fn kill(inside: impl Fn() -> Vec<Pid>) {
    let bind = |pid: Pid| Some((pid, rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?));
    let bound: Vec<(Pid, OwnedFd)> = inside().into_iter().filter_map(bind).collect();
    let still = inside();
    for (_, pidfd) in bound.iter().filter(|(pid, _)| still.contains(pid)) {
        // It may have ended by itself.
        let _ = rustix::process::pidfd_send_signal(pidfd, Signal::KILL);
    }
}

/// The directory of all of ours, in every hierarchy.
fn tops() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    Mount::all(&mounts).map(|mount| mount.top(Path::new("/")).join(TOP)).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_number_that_is_anothers_by_now_is_not_killed() {
        let mut other = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::from_child(&other);
        let looks = Cell::new(0);
        kill(|| if looks.replace(looks.get() + 1) == 0 { vec![pid] } else { Vec::new() });
        assert!(looks.get() == 2 && other.try_wait().unwrap().is_none());
        kill(|| vec![pid]);
        assert_eq!(other.wait().unwrap().signal(), Some(Signal::KILL.as_raw()));
    }
}
