//! Keeping together what a job starts, so that all of it can be ended.
//!
//! A process group is left by whoever makes a session of its own, as every daemon does. What cannot
//! be left is a control group of version 2: where we may make one, a job is born into it, and one
//! write ends all that is in it. Where we may not, as in most containers, a label in the job's
//! environment has to do, see [`strays`]: it finds what is careless, not what hides.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::{Job, strays};

/// The environment variable that marks a job's processes where there is no control group.
pub const LABEL: &str = "HOTFN_EXEC_JOB";

/// What every job's control group and label begins with.
const PREFIX: &str = "hotfn-exec";

/// What ours begin with: our process id, and among whose process ids it is one.
fn ours() -> String {
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let number: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    format!("{PREFIX}-{number}-{}", std::process::id())
}

/// How long what is left of a dead program may take to be gone, once killed.
const SWEEP_PATIENCE: Duration = Duration::from_secs(2);

/// Where a job's processes are kept together.
#[derive(Debug)]
pub enum Pen {
    /// In a control group.
    Group(Group),
    /// By a label of this value.
    Label(String),
}

/// A control group of ours. Dropped, it is removed if nothing is in it.
#[derive(Debug)]
pub struct Group {
    parent: Arc<OwnedFd>,
    name: String,
    dir: Arc<OwnedFd>,
}

/// A place where control groups may be made.
#[derive(Clone, Debug)]
pub struct Field {
    dir: Arc<OwnedFd>,
}

impl Field {
    /// Beneath our own control group of version 2; `None` where there is none or it is not ours to
    /// change. What dead programs of ours left there is ended the first time this is asked.
    #[must_use]
    pub fn ours() -> Option<Self> {
        static OURS: OnceLock<Option<Field>> = OnceLock::new();
        OURS.get_or_init(|| Self::find().inspect(Self::sweep)).clone()
    }

    fn find() -> Option<Self> {
        let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let beneath = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        let mount = mounts.lines().find_map(mount_of_version_2)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(mount.join(beneath), flags, Mode::empty()).ok()?;
        let field = Self { dir: Arc::new(dir) };
        // The only sure way to know whether one may be made is to make one, and it must be one that
        // can be ended as a whole.
        let trial = field.pen(&format!("{}-trial", ours())).ok()?;
        rustix::fs::accessat(&trial.dir, "cgroup.kill", rustix::fs::Access::WRITE_OK, AtFlags::empty()).ok()?;
        Some(field)
    }

    /// Ends what programs of ours that were killed have left.
    fn sweep(&self) {
        let Ok(entries) = rustix::fs::Dir::read_from(&self.dir) else { return };
        let ours = ours();
        let family = ours.rsplit_once('-').map_or("", |(family, _)| family);
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let rest = name.strip_prefix(family).and_then(|rest| rest.strip_prefix('-'));
            let owner = rest.and_then(|rest| Pid::from_raw(rest.split('-').next()?.parse().ok()?));
            if owner.is_none_or(|owner| rustix::process::test_kill_process(owner) != Err(Errno::SRCH)) {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            if let Ok(dir) = rustix::fs::openat(&self.dir, &*name, flags, Mode::empty()) {
                // What is still there afterwards is left to the next one.
                let _ = Group { parent: self.dir.clone(), name, dir: Arc::new(dir) }.end(SWEEP_PATIENCE);
            }
        }
    }

    fn pen(&self, name: &str) -> Result<Group, Errno> {
        rustix::fs::mkdirat(&self.dir, name, Mode::from_raw_mode(0o755))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.dir, name, flags, Mode::empty());
        let dir = opened.inspect_err(|_| _ = rustix::fs::unlinkat(&self.dir, name, AtFlags::REMOVEDIR))?;
        Ok(Group { parent: self.dir.clone(), name: name.to_owned(), dir: Arc::new(dir) })
    }
}

impl Pen {
    /// Keeps together what comes of `job`, which is called `name`, unique in this program; in a control
    /// group if `field` has room for one.
    #[must_use]
    pub fn make(field: Option<&Field>, name: &str, job: &mut Job) -> Self {
        let unique = format!("{}-{name}", ours());
        match field.and_then(|field| field.pen(&unique).ok()) {
            Some(group) => {
                job.cgroup = Some(group.dir.clone());
                Self::Group(group)
            }
            None => {
                job.env.push((LABEL.into(), unique.clone().into()));
                Self::Label(unique)
            }
        }
    }

    /// Kills everything that is in it, and waits until it is gone, but no longer than `patience`.
    /// Says how many processes that were, as far as it can be told. Blocks.
    ///
    /// # Errors
    /// When something is still there after `patience`.
    pub fn end(&self, patience: Duration) -> Result<usize, StillThere> {
        match self {
            Self::Label(label) => {
                strays::end(LABEL, |value| value == label.as_bytes(), patience).map_err(|_| StillThere)
            }
            Self::Group(group) => group.end(patience),
        }
    }

    /// Is anything in it? With a label, nobody knows without a look at every process, so: yes.
    #[must_use]
    pub fn may_hold(&self) -> bool {
        match self {
            Self::Label(_) => true,
            Self::Group(group) => group.is_populated(),
        }
    }
}

/// Something that was killed is still there.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("processes of a job were killed and are still not gone")]
pub struct StillThere;

impl Group {
    fn end(&self, patience: Duration) -> Result<usize, StillThere> {
        let procs = self.read("cgroup.procs");
        let count = procs.lines().count();
        if !self.is_populated() {
            return Ok(0);
        }
        let kill = rustix::fs::openat(&self.dir, "cgroup.kill", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
        if let Ok(kill) = kill {
            // Fails only where the group is gone, and then nothing is in it.
            let _ = rustix::io::write(kill, b"1");
        }
        if self.is_empty_within(patience) { Ok(count) } else { Err(StillThere) }
    }

    fn is_populated(&self) -> bool {
        self.read("cgroup.events").lines().any(|line| line == "populated 1")
    }

    /// The kernel announces a change of this file by a condition of priority on it.
    fn is_empty_within(&self, patience: Duration) -> bool {
        let until = std::time::Instant::now() + patience;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let Ok(events) = rustix::fs::openat(&self.dir, "cgroup.events", flags, Mode::empty()) else { return true };
        loop {
            let mut text = [0; 256];
            let length = rustix::io::pread(events.as_fd(), &mut text, 0).unwrap_or(0);
            if !text[..length].split(|b| *b == b'\n').any(|line| line == b"populated 1") {
                return true;
            }
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return false;
            }
            let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            let _ = rustix::event::poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&left));
        }
    }

    fn read(&self, name: &str) -> String {
        let file = rustix::fs::openat(&self.dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let Ok(file) = file else { return String::new() };
        std::io::read_to_string(std::fs::File::from(file)).unwrap_or_default()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // One in which something is left, as it may be by rule, stays until that has ended.
        let _ = rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR);
    }
}

/// Where a line of `mountinfo` says that the control groups of version 2 are, if they are all there.
fn mount_of_version_2(line: &str) -> Option<PathBuf> {
    let (mount, kind) = line.split_once(" - ")?;
    let mut fields = mount.split(' ');
    let (root, at) = (fields.nth(3)?, fields.next()?);
    (kind.starts_with("cgroup2 ") && root == "/").then(|| Path::new(at).to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;
    use crate::{Stdio, Supervisor};

    /// A job whose child has a session of its own and nothing of its environment, and says its pid.
    async fn hiding(field: Option<&Field>, name: &str, script: &str) -> (Pen, crate::Spawned, String) {
        let mut job = Job::new("/bin/sh");
        job.args = vec!["-c".into(), script.into()];
        job.env = vec![("PATH".into(), std::env::var_os("PATH").unwrap())];
        job.stdout = Stdio::Pipe;
        let pen = Pen::make(field, name, &mut job);
        let mut spawned = Supervisor::start().unwrap().spawn(job).await.unwrap();
        let stdout = spawned.stdout.take().unwrap();
        rustix::io::ioctl_fionbio(&stdout, false).unwrap();
        let mut line = String::new();
        BufReader::new(std::fs::File::from(stdout)).read_line(&mut line).unwrap();
        (pen, spawned, line.trim().to_owned())
    }

    fn runs(pid: &str) -> bool {
        let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
        crate::process::Stat::read(pid).is_some_and(|stat| !stat.has_ended())
    }

    #[tokio::test]
    async fn what_left_its_group_is_found_by_its_label() {
        let (pen, spawned, pid) = hiding(None, "label", "setsid sh -c 'echo $$; exec sleep 600' & wait").await;
        drop(spawned);
        assert!(runs(&pid) && pen.may_hold());
        assert!(pen.end(Duration::from_secs(10)).unwrap() >= 1);
        assert!(!runs(&pid));
    }

    #[tokio::test]
    async fn a_control_group_holds_also_what_hides() {
        let Some(field) = Field::find() else {
            eprintln!("SKIPPED: no control group of version 2 may be made here");
            return;
        };
        let script = "env -i setsid sh -c 'echo $$; exec sleep 600' & disown 2>/dev/null; sleep 600";
        let (pen, spawned, pid) = hiding(Some(&field), "group", script).await;
        assert!(matches!(pen, Pen::Group(_)));
        drop(spawned);
        assert!(runs(&pid) && pen.may_hold());
        assert!(pen.end(Duration::from_secs(10)).is_ok());
        assert!(!runs(&pid) && !pen.may_hold());
    }

    #[test]
    fn only_a_whole_tree_of_version_2_will_do() {
        let at = |line| mount_of_version_2(line).map(|path| path.display().to_string());
        assert_eq!(at("30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw").as_deref(), Some("/sys/fs/cgroup"));
        assert_eq!(at("30 23 0:26 /a /sys/fs/cgroup rw - cgroup2 cgroup rw"), None);
        assert_eq!(at("30 23 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"), None);
    }
}
