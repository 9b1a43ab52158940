//! The limits of the control groups that we are in.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cgroup::Mount;

/// The narrowest limits; `None` where there is none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Limits {
    pub(super) memory_bytes: Option<u64>,
    pub(super) cpu_milli: Option<u64>,
}

/// Reads them from the files below `root`. What cannot be read is no limit: without a mount of
/// their file system, groups do not show.
pub(super) fn limits(root: &Path) -> Limits {
    let text = |name| fs::read_to_string(root.join(name)).unwrap_or_default();
    let (groups, mounts) = (text("proc/self/cgroup"), text("proc/self/mountinfo"));
    let mut limits = Limits::default();
    for mount in Mount::all(&mounts) {
        let Some(group) = mount.group_of(&groups, &["memory", "cpu"]) else { continue };
        for level in levels(root, &mount, group) {
            let read = |name| fs::read_to_string(level.join(name)).ok();
            if mount.is_v2() {
                limits.narrow(read("memory.max").and_then(|text| bytes(&text)), None);
                limits.narrow(None, read("cpu.max").and_then(|text| v2_milli(&text)));
            } else {
                limits.narrow(read("memory.limit_in_bytes").and_then(|text| bytes(&text)), None);
                let quota = read("cpu.cfs_quota_us").zip(read("cpu.cfs_period_us"));
                limits.narrow(None, quota.and_then(|(quota, period)| milli(&quota, &period)));
            }
        }
    }
    limits
}

impl Limits {
    fn narrow(&mut self, memory_bytes: Option<u64>, cpu_milli: Option<u64>) {
        let narrower = |now: Option<u64>, new: Option<u64>| now.into_iter().chain(new).min();
        self.memory_bytes = narrower(self.memory_bytes, memory_bytes);
        self.cpu_milli = narrower(self.cpu_milli, cpu_milli);
    }
}

/// The directories of our group and of all above it, as far as the mount shows them; of one that lies
/// outside of what is shown, the mount's own group, which is the nearest there is.
fn levels(root: &Path, mount: &Mount<'_>, group: &str) -> Vec<PathBuf> {
    let top = mount.top(root);
    let within = mount.within(group).unwrap_or_else(|| Path::new(""));
    within.ancestors().map(|part| top.join(part)).collect()
}

/// A number of bytes; `max` is no limit, and so is the old version's, which no memory reaches.
fn bytes(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// `QUOTA PERIOD`, both in microseconds, or `max PERIOD`.
fn v2_milli(text: &str) -> Option<u64> {
    let (quota, period) = text.trim().split_once(' ')?;
    milli(quota, period)
}

/// A quota of time in each period, as thousandths of a CPU; a negative quota is none.
fn milli(quota: &str, period: &str) -> Option<u64> {
    let (quota, period): (u64, u64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    quota.checked_mul(1000)?.checked_div(period)
}
