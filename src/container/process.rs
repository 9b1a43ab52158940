//! A function as a child process.
//!
//! An image `process:PATH ARG…` names a program, with words quoted as a shell quotes.
//! It runs as the agent's own user, in a session and group of its own, with limits, without new
//! privileges, and dies with the agent. That is supervision and not isolation: it is for functions
//! that are trusted as the agent itself is.
//!
//! What differs from a real container:
//!
//! * Memory is what the node counts, and not held to: a process has no limit of resident memory.
//!   When the kernel's own out-of-memory killer picks one, that cannot be told from any other KILL.
//! * The number of processes is not limited: the kernel counts them per user, and so an honest
//!   function would pay for its neighbours.
//! * A function that leaves its group is found by the label in its environment, which it could wipe.
//!
//! What the process prints, where it is not the format's, is read line by line as it comes, and a
//! line that is longer than [`LINE_BYTES_MAX`](super::LINE_BYTES_MAX) is cut: nothing that reaches the log makes it wait.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hotfn_exec::{Child, Job, Label, Resource, Signal, SpawnError, Supervisor, program};
use hotfn_protocols::{Ends, Exit};

use super::streams::{self, Logs};
use super::usage::Usage;
use super::{Container, Created, Doing, Driver, DriverError, LogLine, Spec, View};
use crate::iofs::LABEL;

pub(super) mod image;
mod strays;
#[cfg(test)]
mod tests;
mod usage;

use strays::Strays;

/// What an image for this driver begins with.
pub const SCHEME: &str = "process:";

/// Descriptors that a function has for itself, however many connections it was told to take.
pub const FILES_BESIDE_CONNECTIONS: u64 = 128;

/// The limits that every function's process has.
///
/// Plain data; the defaults are Fn's. One that is above the agent's own is lowered to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rlimits {
    /// Size of a core file, in bytes. Default: 0, none is written.
    pub core_bytes: u64,
    /// Memory locked against swapping, in bytes. Default 65,536 (`FN_MAX_LOCKED_MEMORY`).
    pub locked_bytes: u64,
    /// Bytes in POSIX message queues, for all of the user's processes. Default 819,200
    /// (`FN_MAX_MESSAGE_QUEUE`).
    pub message_queue_bytes: u64,
    /// Descriptors open at once, but at least [`FILES_BESIDE_CONNECTIONS`] more than it may have
    /// connections. Default 350 (`FN_MAX_OPEN_FILES`).
    pub open_files: u64,
    /// Signals queued, for all of the user's processes. Default 5,000 (`FN_MAX_PENDING_SIGNALS`).
    pub pending_signals: u64,
}

impl Default for Rlimits {
    fn default() -> Self {
        Self {
            core_bytes: 0,
            locked_bytes: 65_536,
            message_queue_bytes: 819_200,
            open_files: 350,
            pending_signals: 5_000,
        }
    }
}

impl Rlimits {
    /// Descriptors for one that may have so many connections.
    pub(super) fn open_files_for(&self, connections_max: u32) -> u64 {
        self.open_files.max(u64::from(connections_max) + FILES_BESIDE_CONNECTIONS)
    }

    /// As the kernel's.
    pub(super) fn list(&self, connections_max: u32) -> Vec<(Resource, u64)> {
        vec![
            (Resource::Core, self.core_bytes),
            (Resource::Memlock, self.locked_bytes),
            (Resource::Msgqueue, self.message_queue_bytes),
            (Resource::Nofile, self.open_files_for(connections_max)),
            (Resource::Sigpending, self.pending_signals),
        ]
    }
}

/// Starts functions as child processes.
#[derive(Debug)]
pub struct ProcessDriver {
    supervisor: Supervisor,
    rlimits: Rlimits,
    strays: Strays,
}

impl ProcessDriver {
    /// With Fn's limits.
    ///
    /// # Errors
    /// When the thread that starts processes cannot be had.
    pub fn new() -> io::Result<Self> {
        Ok(Self { supervisor: Supervisor::start()?, rlimits: Rlimits::default(), strays: Strays::default() })
    }

    /// With other limits.
    #[must_use]
    pub fn rlimits(self, rlimits: Rlimits) -> Self {
        Self { rlimits, ..self }
    }

    fn job(&self, spec: &Spec, label: &OsString) -> Result<Job, DriverError> {
        let words =
            spec.image.strip_prefix(SCHEME).ok_or_else(|| image(&spec.image, "does not begin with process:"))?;
        let mut words = image::words(words).map_err(|why| image(&spec.image, why))?.into_iter();
        let name = words.next().ok_or_else(|| image(&spec.image, "names no program"))?;
        let here = match &spec.dir {
            Some(dir) => std::path::absolute(dir),
            // Of such a name nobody asks where it begins.
            None if Path::new(&name).is_absolute() => Ok(PathBuf::new()),
            None => std::env::current_dir(),
        };
        let here = here.map_err(|e| os("find the directory to start in", e))?;

        let path = spec.env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, path)| OsString::from(path));
        let path = path.or_else(|| std::env::var_os("PATH")).unwrap_or_else(|| program::PATH_DEFAULT.into());
        let program = program::find(Path::new(&name), &path, &here).map_err(|e| refused(&spec.image, e))?;

        let mut job = Job::new(program);
        job.args = words.map(OsString::from).collect();
        job.env = spec.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        job.label = Some(Label { name: LABEL, value: label.clone() });
        job.cwd = spec.dir.as_ref().map(|_| PathBuf::from(&here));
        job.stdin = if spec.pipes { hotfn_exec::Stdio::Pipe } else { hotfn_exec::Stdio::Null };
        job.stdout = hotfn_exec::Stdio::Pipe;
        job.stderr = hotfn_exec::Stdio::Pipe;
        job.rlimits = self.rlimits.list(spec.connections_max);
        Ok(job)
    }
}

impl Driver for ProcessDriver {
    fn name(&self) -> &'static str {
        "process"
    }

    fn view(&self) -> View {
        View::Host
    }

    /// A program is there or not, which its start finds out.
    fn prepare<'a>(&'a self, _image: &'a str) -> Doing<'a, Result<(), DriverError>> {
        Box::pin(async { Ok(()) })
    }

    fn create(&self, spec: Spec) -> Doing<'_, Result<Box<dyn Created>, DriverError>> {
        let label = spec.iofs.as_deref().map_or_else(|| spec.id.clone().into(), |iofs| iofs.as_os_str().to_owned());
        let created = self.job(&spec, &label).map(|job| {
            let (supervisor, strays) = (self.supervisor.clone(), self.strays.clone());
            Box::new(Ready { supervisor, strays, job, label, image: spec.image, pipes: spec.pipes }) as Box<dyn Created>
        });
        Box::pin(async { created })
    }

    /// Processes die with their agent; what got away is found by its iofs directory.
    fn sweep<'a>(&'a self, _node: &'a str) -> Doing<'a, Result<usize, DriverError>> {
        Box::pin(async { Ok(0) })
    }
}

/// A process that could be started: of all that a container is, only its description.
#[derive(Debug)]
struct Ready {
    supervisor: Supervisor,
    strays: Strays,
    job: Job,
    label: OsString,
    image: String,
    pipes: bool,
}

impl Ready {
    async fn spawn(self, log: LogLine) -> Result<Process, DriverError> {
        let mut spawned = self.supervisor.spawn(self.job).await.map_err(|e| refused(&self.image, e))?;
        let child = spawned.child.clone();
        let exit = Box::pin(exit(&child));
        let (pipes, logs) = streams::connect(&mut spawned, self.pipes, exit, log)
            .map_err(|e| os("use the pipes of a new process", e))?;
        Ok(Process { child, pipes: Mutex::new(pipes), logs: Mutex::new(logs), strays: self.strays, label: self.label })
    }
}

impl Created for Ready {
    fn start(self: Box<Self>, log: LogLine) -> Doing<'static, Result<Box<dyn Container>, DriverError>> {
        Box::pin(async move { Ok(Box::new(self.spawn(log).await?) as Box<dyn Container>) })
    }

    fn discard(self: Box<Self>) -> Doing<'static, ()> {
        Box::pin(async {})
    }
}

/// A function's process, and its group.
struct Process {
    child: Child,
    pipes: Mutex<Option<Ends>>,
    logs: Mutex<Logs>,
    strays: Strays,
    label: OsString,
}

impl Container for Process {
    fn pipes(&self) -> Option<Ends> {
        self.pipes.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn exit(&self) -> Doing<'static, Exit> {
        Box::pin(exit(&self.child))
    }

    fn freeze(&self) -> Doing<'_, Result<(), DriverError>> {
        self.child.signal_group(Signal::STOP);
        Box::pin(async { Ok(()) })
    }

    fn thaw(&self) -> Doing<'_, Result<(), DriverError>> {
        self.child.signal_group(Signal::CONT);
        Box::pin(async { Ok(()) })
    }

    fn usage(&self) -> Doing<'_, Option<Usage>> {
        Box::pin(async {
            let child = self.child.clone();
            let read = move || {
                let usage = usage::of(child.pid());
                // Nobody else has its number as long as it has not ended.
                child.ended().is_none().then_some(usage)
            };
            tokio::task::spawn_blocking(read).await.ok().flatten()
        })
    }

    fn end(&self, grace: Duration) -> Doing<'_, ()> {
        Box::pin(async move {
            self.child.end(grace).await;
            self.strays.end(&self.label, self.child.started()).await;
            let logs = std::mem::take(&mut *self.logs.lock().unwrap_or_else(PoisonError::into_inner));
            logs.last_lines().await;
        })
    }
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("pid", &self.child.pid()).field("label", &self.label).finish_non_exhaustive()
    }
}

fn exit(child: &Child) -> impl Future<Output = Exit> + Send + use<> {
    let exit = child.exit();
    async move {
        match exit.await {
            hotfn_exec::Exit::Code(code) => Exit::Code(code),
            hotfn_exec::Exit::Signal(signal) => Exit::Signal(signal),
        }
    }
}

/// Whose fault it is that a process did not start: the image's, or the system's.
fn refused(name: &str, e: SpawnError) -> DriverError {
    match e {
        SpawnError::Os { ref source, .. } => {
            let kind = source.kind();
            os("start a process", io::Error::new(kind, e))
        }
        e => image(name, with_cause(&e)),
    }
}

fn with_cause(e: &dyn std::error::Error) -> String {
    e.source().map_or_else(|| format!("does not start: {e}"), |cause| format!("does not start: {e}: {cause}"))
}

fn image(image: &str, why: impl Into<String>) -> DriverError {
    DriverError::Image { image: image.to_owned(), why: why.into() }
}

fn os(what: &str, source: io::Error) -> DriverError {
    DriverError::Os { what: format!("cannot {what}"), source }
}
