//! Where control groups lie: their file systems, and a process's place in each.
//!
//! There are two versions, and hosts have the old one, the new one, or the two side by side with the
//! controllers shared out between them. So a group is looked up per mount: each mount says which
//! controllers it has, and `/proc/PID/cgroup` says which group the process is in for these.

use std::path::{Path, PathBuf};

/// One mount of a control group file system, from a line of `mountinfo`:
///
/// ```text
/// 31 24 0:27 /docker/x /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory
///            the group that is mounted, and where            the type     its controllers
/// ```
#[derive(Debug)]
pub(crate) struct Mount<'a> {
    group: &'a str,
    place: String,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// Those among the lines of `mountinfo`.
    pub(crate) fn all(mountinfo: &'a str) -> impl Iterator<Item = Self> {
        mountinfo.lines().filter_map(Self::parse)
    }

    fn parse(line: &'a str) -> Option<Self> {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ').skip(3);
        let (group, place) = (front.next()?, front.next()?);
        let mut back = back.split(' ');
        let (kind, options) = (back.next()?, back.nth(1).unwrap_or_default());
        let mount = Self { group, place: unescaped(place), kind, options };
        matches!(kind, "cgroup" | "cgroup2").then_some(mount)
    }

    pub(crate) fn is_v2(&self) -> bool {
        self.kind == "cgroup2"
    }

    /// Has it this controller? The new version's mounts do not say.
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.options.split(',').any(|option| option == controller)
    }

    /// The path of a process's group in this hierarchy, of the process's `/proc/PID/cgroup`; for the
    /// old version only if the hierarchy has one of `controllers`. Lines are
    /// `number:controllers:path`, and the new version's has no controllers.
    pub(crate) fn group_of<'g>(&self, groups: &'g str, controllers: &[&str]) -> Option<&'g str> {
        groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (here, path) = (parts.next()?, parts.next()?);
            let this = match self.is_v2() {
                true => here.is_empty(),
                false => controllers.iter().any(|name| self.has(name) && here.split(',').any(|c| c == *name)),
            };
            this.then_some(path)
        })
    }

    /// Where the mount begins, below `root`.
    pub(crate) fn top(&self, root: &Path) -> PathBuf {
        root.join(self.place.trim_start_matches('/'))
    }

    /// What is below the top of the path of `group`, if the mount shows it.
    ///
    /// In a container the path may be one of the host's, of which the mount shows but the last part, or
    /// one that lies outside of what is shown.
    pub(crate) fn within<'g>(&self, group: &'g str) -> Option<&'g Path> {
        let inside = !group.split('/').any(|part| part == "..");
        inside.then(|| Path::new(group).strip_prefix(self.group).ok()).flatten()
    }
}

/// White space and backslashes come as three octal digits.
fn unescaped(place: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(place.to_owned(), |place, (code, text)| place.replace(code, text))
}
