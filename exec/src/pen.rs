//! Keeping together what a job starts, so that all of it can be ended.
//!
//! A process group is left by whoever makes a session of its own, as every daemon does. What cannot
//! be left is a control group of version 2: where we may make one, a job is born into it, and one
//! write ends all that is in it. Where we may not, as in most containers, a label in the job's
//! environment has to do, see [`strays`]: it finds what is careless, not what hides.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Access, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::{Job, Label, Moment, strays};

/// Whose jobs are kept: what is written on them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark {
    /// What every control group's name begins with.
    pub family: &'static str,
    /// The environment variable that marks processes where there is no control group.
    pub label: &'static str,
}

/// The exec socket's.
pub(crate) const EXEC: Mark = Mark { family: "hotfn-exec", label: "HOTFN_EXEC_JOB" };

/// What ours begin with: our process id, and among whose process ids it is one.
fn ours(family: &str) -> String {
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let number: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    format!("{family}-{number}-{}", std::process::id())
}

/// How long what is left of a dead program may take to be gone, once killed.
const SWEEP_PATIENCE: Duration = Duration::from_secs(2);

/// Groups that could not be removed because something lives in them, and are tried again when others
/// go. Beyond so many the oldest is left to the next program of ours.
const LINGERING_MAX: usize = 4096;
/// How many of them are tried at a time.
const TRIES: usize = 2;

/// Where a job's processes are kept together.
#[derive(Debug)]
pub enum Pen {
    /// In a control group.
    Group(Group),
    /// By a variable in their environment.
    Label {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
        /// What comes of the job is not older.
        since: Moment,
    },
}

/// A control group of ours. Dropped, it is removed as soon as nothing is in it.
#[derive(Debug)]
pub struct Group {
    field: Field,
    name: String,
    dir: Arc<OwnedFd>,
}

/// A place where control groups may be made.
#[derive(Clone, Debug)]
pub struct Field {
    mark: Mark,
    ground: Arc<Ground>,
}

#[derive(Debug)]
struct Ground {
    dir: OwnedFd,
    /// Names of groups that somebody still lived in when they were to be removed.
    lingering: Mutex<VecDeque<String>>,
}

/// What becomes of the processes that a dead program of ours has left in its groups.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Remains {
    /// They are killed.
    End,
    /// They live on. Groups in which there are none are removed.
    Leave,
}

impl Field {
    /// Beneath our own control group of version 2; `None` where there is none or it is not ours to
    /// change. What dead programs of ours left there under this mark becomes of what `remains` says.
    #[must_use]
    pub fn ours(mark: Mark, remains: Remains) -> Option<Self> {
        let field = Self::find(mark)?;
        field.sweep(remains);
        Some(field)
    }

    /// The exec socket's, which is looked for once.
    pub(crate) fn of_exec() -> Option<Self> {
        static FIELD: OnceLock<Option<Field>> = OnceLock::new();
        FIELD.get_or_init(|| Self::ours(EXEC, Remains::End)).clone()
    }

    fn find(mark: Mark) -> Option<Self> {
        let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let beneath = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        let mount = mounts.lines().find_map(mount_of_version_2)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(mount.join(beneath), flags, Mode::empty()).ok()?;
        let field = Self { mark, ground: Arc::new(Ground { dir, lingering: Mutex::default() }) };
        // The only sure way to know whether one may be made is to make one, and it must be one that
        // can be ended as a whole.
        let trial = field.pen(&format!("{}-trial", ours(mark.family))).ok()?;
        rustix::fs::accessat(&trial.dir, "cgroup.kill", Access::WRITE_OK, AtFlags::empty()).ok()?;
        Some(field)
    }

    /// Sees to what programs of ours that were killed have left.
    fn sweep(&self, remains: Remains) {
        let Ok(entries) = rustix::fs::Dir::read_from(&self.ground.dir) else { return };
        let ours = ours(self.mark.family);
        let family = ours.rsplit_once('-').map_or("", |(family, _)| family);
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let rest = name.strip_prefix(family).and_then(|rest| rest.strip_prefix('-'));
            let owner = rest.and_then(|rest| Pid::from_raw(rest.split('-').next()?.parse().ok()?));
            if owner.is_none_or(|owner| rustix::process::test_kill_process(owner) != Err(Errno::SRCH)) {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            if let Ok(dir) = rustix::fs::openat(&self.ground.dir, &*name, flags, Mode::empty()) {
                // Removed when it is dropped, or later. What is still there afterwards is left to the next
                // one.
                let group = Group { field: self.clone(), name, dir: Arc::new(dir) };
                if remains == Remains::End {
                    let _ = group.end(SWEEP_PATIENCE);
                }
            }
        }
    }

    fn pen(&self, name: &str) -> Result<Group, Errno> {
        let ground = &self.ground.dir;
        rustix::fs::mkdirat(ground, name, Mode::from_raw_mode(0o755))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(ground, name, flags, Mode::empty());
        let dir = opened.inspect_err(|_| _ = rustix::fs::unlinkat(ground, name, AtFlags::REMOVEDIR))?;
        Ok(Group { field: self.clone(), name: name.to_owned(), dir: Arc::new(dir) })
    }
}

impl Ground {
    /// Removes a group, and some of those that could not be removed before.
    fn clear(&self, name: String) {
        let mut lingering = self.lingering.lock().unwrap_or_else(PoisonError::into_inner);
        let again = TRIES.min(lingering.len());
        let names: Vec<String> = std::iter::once(name).chain(lingering.drain(..again)).collect();
        for name in names {
            // Whatever else may be wrong with it, it will not be better later.
            if rustix::fs::unlinkat(&self.dir, &*name, AtFlags::REMOVEDIR) == Err(Errno::BUSY) {
                lingering.push_back(name);
            }
        }
        if lingering.len() > LINGERING_MAX {
            lingering.pop_front();
        }
    }
}

impl Pen {
    /// Keeps together what comes of `job`, which is called `name`, unique in this program; in a control
    /// group if `field` has room for one, else by the variable of `mark` in its environment, whatever
    /// it had there.
    #[must_use]
    pub fn make(field: Option<&Field>, mark: Mark, name: &str, job: &mut Job) -> Self {
        let value = format!("{}-{name}", ours(mark.family));
        if let Some(group) = field.and_then(|field| field.pen(&value).ok()) {
            job.cgroup = Some(group.dir.clone());
            return Self::Group(group);
        }
        job.label = Some(Label { name: mark.label, value: value.clone().into() });
        Self::Label { name: mark.label, value, since: Moment::now() }
    }

    /// Kills everything that is in it, and waits until it is gone, but no longer than `patience`.
    /// Says how many processes that were, as far as it can be told. Blocks.
    ///
    /// # Errors
    /// When something is still there after `patience`.
    pub fn end(&self, patience: Duration) -> Result<usize, StillThere> {
        match self {
            Self::Label { name, value, since } => {
                strays::end(name, *since, |found| found == value.as_bytes(), patience).map_err(|_| StillThere)
            }
            Self::Group(group) => group.end(patience),
        }
    }

    /// Is anything in it? With a label, nobody knows without a look at every process, so: yes.
    #[must_use]
    pub fn may_hold(&self) -> bool {
        match self {
            Self::Label { .. } => true,
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
        let until = Instant::now() + patience;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let Ok(events) = rustix::fs::openat(&self.dir, "cgroup.events", flags, Mode::empty()) else { return true };
        loop {
            let mut text = [0; 256];
            let length = rustix::io::pread(events.as_fd(), &mut text, 0).unwrap_or(0);
            if !text[..length].split(|b| *b == b'\n').any(|line| line == b"populated 1") {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
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
        self.field.ground.clear(std::mem::take(&mut self.name));
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
        let pen = Pen::make(field, EXEC, name, &mut job);
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
        let Some(field) = Field::find(EXEC) else {
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

    #[tokio::test]
    async fn a_group_that_somebody_lives_in_goes_when_it_can() {
        let Some(field) = Field::find(EXEC) else {
            eprintln!("SKIPPED: no control group of version 2 may be made here");
            return;
        };
        let exists =
            |name: &str| rustix::fs::accessat(&field.ground.dir, name, Access::EXISTS, AtFlags::empty()).is_ok();
        let name_of = |pen: &Pen| match pen {
            Pen::Group(group) => group.name.clone(),
            Pen::Label { .. } => panic!("there is room for a group"),
        };
        let (pen, spawned, _) = hiding(Some(&field), "lives", "echo there; exec sleep 600").await;
        let name = name_of(&pen);
        drop(pen);
        assert!(exists(&name));
        let exit = spawned.child.exit();
        drop(spawned);
        exit.await;
        let (other, ended, _) = hiding(Some(&field), "other", "echo there").await;
        ended.child.exit().await;
        drop(other);
        assert!(!exists(&name) && field.ground.lingering.lock().unwrap().is_empty());
    }

    #[test]
    fn only_a_whole_tree_of_version_2_will_do() {
        let at = |line| mount_of_version_2(line).map(|path| path.display().to_string());
        assert_eq!(at("30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw").as_deref(), Some("/sys/fs/cgroup"));
        assert_eq!(at("30 23 0:26 /a /sys/fs/cgroup rw - cgroup2 cgroup rw"), None);
        assert_eq!(at("30 23 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"), None);
    }
}
