//! A container's control group, by which it is frozen, its deaths for want of memory are counted, and
//! what it uses is known ([`Accounts`]).
//!
//! An engine has a way of its own to do either, at the price of a request through one or two daemons:
//! 13 ms for a thaw that takes the kernel 0.1 ms. So whoever may writes to the group itself.
//!
//! A group is found by a process in it, and a process id may have gone to somebody else by then. So a
//! group is taken only if the container's name is part of its path; that also keeps us from freezing
//! ourselves.
//!
//! Both versions freeze in the background: what a process does in the kernel at that moment is
//! finished first. So freezing waits until the kernel says that all of them stand still. Thawing takes
//! effect at once.

mod accounts;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cgroup::Mount;

pub use accounts::Accounts;

/// How often a group that is freezing is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// How long freezing may take: a process that the kernel holds for longer is stuck.
const FREEZE_PATIENCE: Duration = Duration::from_secs(5);

/// A container's control group.
#[derive(Clone, Debug)]
pub struct Cgroup {
    freezer: Freezer,
    /// The file that counts kills.
    oom: Option<PathBuf>,
}

/// The directory of a group that can be frozen.
#[derive(Clone, Debug)]
enum Freezer {
    V1(PathBuf),
    V2(PathBuf),
}

impl Cgroup {
    /// The group of process `pid`, of the container `name`.
    ///
    /// # Errors
    /// `NotFound` when the process is gone, or the path of its group does not contain `name`; when
    /// the files of its group cannot be written to, or lie outside of what we see.
    pub fn of(pid: u32, name: &str) -> io::Result<Self> {
        Self::below(Path::new("/"), pid, name)
    }

    /// The same on the files below `root`.
    fn below(root: &Path, pid: u32, name: &str) -> io::Result<Self> {
        let groups = fs::read_to_string(root.join(format!("proc/{pid}/cgroup")))?;
        let mounts = fs::read_to_string(root.join("proc/self/mountinfo"))?;
        let place = |mount: &Mount<'_>, controller| at(root, mount, &groups, controller, name);
        let (mut freezer, mut oom) = (None, None);
        for mount in Mount::all(&mounts) {
            if let Some(place) = place(&mount, "freezer") {
                let found = if mount.is_v2() { Freezer::V2(place) } else { Freezer::V1(place) };
                // Where both are there, the old one is the one that engines use.
                let better = !mount.is_v2() || freezer.is_none();
                if better && found.may_be_written() {
                    freezer = Some(found);
                }
            }
            if let Some(place) = place(&mount, "memory") {
                let file = place.join(if mount.is_v2() { "memory.events" } else { "memory.oom_control" });
                if file.exists() {
                    oom = Some(file);
                }
            }
        }
        let freezer = freezer.ok_or_else(|| {
            let groups = groups.trim().replace('\n', ", ");
            let why = format!("process {pid} is in no group of {name:?} that we could freeze, but in {groups:?}");
            io::Error::new(io::ErrorKind::NotFound, why)
        })?;
        Ok(Self { freezer, oom })
    }

    /// Stops all its processes; resolves when they stand still. If that fails, or the future is
    /// dropped, they run or may be about to stop: [`thaw`](Self::thaw) settles it.
    ///
    /// # Errors
    /// When the group is gone or may not be written to; `TimedOut` when a process does not stand
    /// still within 5 s.
    pub async fn freeze(&self) -> io::Result<()> {
        self.freezer.set(State::Frozen)?;
        let still = async {
            while !self.freezer.is_frozen()? {
                tokio::time::sleep(LOOK_EVERY).await;
                // The old version forgets the wish now and then, when processes are born meanwhile.
                self.freezer.set(State::Frozen)?;
            }
            Ok(())
        };
        let late =
            || io::Error::new(io::ErrorKind::TimedOut, format!("does not stand still within {FREEZE_PATIENCE:?}"));
        tokio::time::timeout(FREEZE_PATIENCE, still).await.unwrap_or_else(|_| Err(late()))
    }

    /// Lets its processes run again.
    ///
    /// # Errors
    /// When the group is gone or may not be written to.
    pub fn thaw(&self) -> io::Result<()> {
        self.freezer.set(State::Thawed)
    }

    /// How many of its processes the kernel has ended for want of memory; `None` if that cannot be told,
    /// as after the last of them.
    #[must_use]
    pub fn oom_kills(&self) -> Option<u64> {
        let text = fs::read_to_string(self.oom.as_ref()?).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
    }
}

/// The directory in `mount` of a process in `groups`, if the mount has the controller and the group is of
/// the container `name`.
fn at(root: &Path, mount: &Mount<'_>, groups: &str, controller: &str, name: &str) -> Option<PathBuf> {
    let group = mount.group_of(groups, &[controller])?;
    let place = mount.top(root).join(mount.within(group)?);
    (!name.is_empty() && group.contains(name)).then_some(place)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Frozen,
    Thawed,
}

impl Freezer {
    /// The file that is written to.
    fn file(&self) -> PathBuf {
        match self {
            Self::V1(group) => group.join("freezer.state"),
            Self::V2(group) => group.join("cgroup.freeze"),
        }
    }

    fn may_be_written(&self) -> bool {
        self.open().is_ok()
    }

    fn open(&self) -> io::Result<fs::File> {
        fs::File::options().write(true).open(self.file())
    }

    fn set(&self, state: State) -> io::Result<()> {
        let word = match (self, state) {
            (Self::V1(_), State::Frozen) => "FROZEN",
            (Self::V1(_), State::Thawed) => "THAWED",
            (Self::V2(_), State::Frozen) => "1",
            (Self::V2(_), State::Thawed) => "0",
        };
        self.open()?.write_all(word.as_bytes())
    }

    /// Do all its processes stand still?
    fn is_frozen(&self) -> io::Result<bool> {
        Ok(match self {
            Self::V1(_) => fs::read_to_string(self.file())?.trim() == "FROZEN",
            Self::V2(group) => fs::read_to_string(group.join("cgroup.events"))?.lines().any(|line| line == "frozen 1"),
        })
    }
}

#[cfg(test)]
mod tests;
