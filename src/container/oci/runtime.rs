//! The runtime: the program that turns a bundle into a container.
//!
//! `runc`, `crun`, `youki` and `runsc` take the same words. Which of them works on a host is not to be
//! known from its version: one refuses a host with both versions of control groups, another a kernel
//! without a feature. So before any is relied on it runs a container under the very rules that
//! functions will have, and the one that cannot is passed over with its reason.
//!
//! A container's runtime stays beside it for as long as it lives, as its parent: so it knows how the
//! container ended, on any kernel, and the container ends when the runtime does. It sleeps all the
//! while; what it costs is its own memory, 2 MB for `runc`.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use hotfn_exec::{Job, Stdio, Supervisor, program};
use serde::Deserialize;

use super::tool;
use crate::container::DriverError;

/// Those that are looked for if none is named, in this order: the quickest first.
pub(super) const KNOWN: [&str; 4] = ["crun", "runc", "youki", "runsc"];
/// Where a search goes beside `PATH`: users have none of these in theirs, and rootless containers
/// are theirs.
const MORE_PLACES: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// A runtime that was found.
#[derive(Clone, Debug)]
pub(super) struct Runtime {
    program: PathBuf,
    /// Can a container be kept after its end, so that its control group can be asked why it ended?
    keeps: bool,
    /// What every command begins with.
    always: Vec<&'static str>,
    search: std::ffi::OsString,
}

/// A runtime that does not work here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PassedOver {
    /// Its name, or its path.
    pub runtime: String,
    /// What is the matter with it.
    pub why: String,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.runtime, self.why)
    }
}

impl Runtime {
    /// The program `name`, a name or a path. Whether it works is not known then.
    ///
    /// # Errors
    /// When there is none, or it takes no commands of a runtime.
    pub(super) async fn find(name: &str, supervisor: &Supervisor, grouped: bool) -> Result<Self, String> {
        let search = search();
        let program = program::find(Path::new(name), &search, Path::new("/")).map_err(|e| e.to_string())?;
        // Without control groups some have to be told so; the others see it by themselves.
        let is_crun = program.file_name().is_some_and(|name| name == "crun");
        let always = if is_crun && !grouped { vec!["--cgroup-manager=disabled"] } else { Vec::new() };
        let mut runtime = Self { program, keeps: false, always, search };

        let mut help = runtime.job(Path::new("/"));
        help.args = vec!["run".into(), "--help".into()];
        let said = tool::run(supervisor, help, None, "ask the runtime for its options").await;
        let said = said.map_err(|e| e.to_string())?;
        if !said.is_well() {
            return Err(format!("knows no command `run`: {}", said.complaint()));
        }
        runtime.keeps = said.stdout.contains("--keep");
        Ok(runtime)
    }

    /// Can it be told whether a container ended for want of memory?
    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// The name of its folder: runtimes do not read each other's notes.
    pub(super) fn name(&self) -> &OsStr {
        self.program.file_name().expect("a program that was found has a name")
    }

    /// Runs the container `id`, for as long as it lives. What `root` is to it, see [`delete`](Self::delete).
    pub(super) fn run(&self, root: &Path, bundle: &Path, id: &str, stdin: Stdio) -> Job {
        let mut job = self.job(root);
        job.args.extend(["--log".into(), log_file(bundle).into(), "--log-format".into(), "json".into(), "run".into()]);
        if self.keeps {
            job.args.push("--keep".into());
        }
        job.args.extend(["--pid-file".into(), pid_file(bundle).into(), "--bundle".into(), bundle.into(), id.into()]);
        job.stdin = stdin;
        job.stdout = Stdio::Pipe;
        job.stderr = Stdio::Pipe;
        job
    }

    /// Ends what runs of the container `id`, and removes what the runtime has made for it. Its notes
    /// on containers are in `root`. One that is not there is no failure.
    ///
    /// # Errors
    /// When the runtime says no.
    pub(super) async fn delete(&self, supervisor: &Supervisor, root: &Path, id: &str) -> Result<(), DriverError> {
        if !root.join(id).exists() {
            return Ok(());
        }
        let mut job = self.job(root);
        job.args.extend(["delete".into(), "--force".into(), id.into()]);
        let what = format!("remove container {id}");
        let said = tool::run(supervisor, job, None, &what).await?;
        if said.is_well() { Ok(()) } else { Err(DriverError::Engine { what, why: said.complaint() }) }
    }

    fn job(&self, root: &Path) -> Job {
        let mut job = Job::new(&self.program);
        job.args.extend(self.always.iter().map(Into::into));
        job.args.extend(["--root".into(), root.into()]);
        // It looks for helpers there, such as the one that maps users.
        job.env = vec![("PATH".into(), self.search.clone())];
        // That helper gains a privilege; for root there is none to be gained.
        job.no_new_privs = rustix::process::geteuid().is_root();
        job
    }
}

/// `PATH`, and what is for root.
pub(super) fn search() -> std::ffi::OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_else(|| program::PATH_DEFAULT.into());
    path.push(":");
    path.push(MORE_PLACES);
    path
}

/// Where the runtime says which process the container's first is, once that has started.
pub(super) fn pid_file(bundle: &Path) -> PathBuf {
    bundle.join("pid")
}

fn log_file(bundle: &Path) -> PathBuf {
    bundle.join("runtime.log")
}

/// What the runtime noted last when it failed.
pub(super) fn last_error(bundle: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Note {
        level: String,
        msg: String,
    }
    let log = std::fs::read_to_string(log_file(bundle)).ok()?;
    let notes = log.lines().rev().filter_map(|line| serde_json::from_str::<Note>(line).ok());
    notes.into_iter().find(|note| matches!(note.level.as_str(), "error" | "fatal")).map(|note| note.msg)
}
