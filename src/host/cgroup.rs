//! The limits of the control groups that we are in.

use std::fs;
use std::path::{Path, PathBuf};

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
    for mount in mounts.lines().filter_map(Mount::parse) {
        let Some(group) = group_of(&groups, &mount) else { continue };
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

/// One mount of a control group file system, from a line of `mountinfo`:
///
/// ```text
/// 31 24 0:27 /docker/x /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory
///            the group that is mounted, and where            the type     its controllers
/// ```
#[derive(Debug)]
struct Mount<'a> {
    group: &'a str,
    place: String,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ').skip(3);
        let (group, place) = (front.next()?, front.next()?);
        let mut back = back.split(' ');
        let (kind, options) = (back.next()?, back.nth(1).unwrap_or_default());
        let mount = Self { group, place: unescaped(place), kind, options };
        matches!(kind, "cgroup" | "cgroup2").then_some(mount)
    }

    fn is_v2(&self) -> bool {
        self.kind == "cgroup2"
    }

    fn has(&self, controller: &str) -> bool {
        self.options.split(',').any(|option| option == controller)
    }
}

/// The path of our group in the hierarchy of `mount`, if it is one that limits memory or CPU. Lines
/// of `/proc/self/cgroup` are `number:controllers:path`, and the new version's has no controllers.
fn group_of<'a>(groups: &'a str, mount: &Mount<'_>) -> Option<&'a str> {
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let ours = match mount.is_v2() {
            true => controllers.is_empty(),
            false => ["memory", "cpu"].iter().any(|name| mount.has(name) && controllers.split(',').any(|c| c == *name)),
        };
        ours.then_some(path)
    })
}

/// The directories of our group and of all above it, as far as the mount shows them.
///
/// In a container the path may be one of the host's, of which the mount shows but the last part, or
/// one that lies outside of what is shown: then the mount's own group is the nearest there is.
fn levels(root: &Path, mount: &Mount<'_>, group: &str) -> Vec<PathBuf> {
    let top = root.join(mount.place.trim_start_matches('/'));
    let within = Path::new(group).strip_prefix(mount.group).unwrap_or_else(|_| Path::new(""));
    let within = if group.split('/').any(|part| part == "..") { Path::new("") } else { within };
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

/// White space and backslashes come as three octal digits.
fn unescaped(place: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(place.to_owned(), |place, (code, text)| place.replace(code, text))
}
