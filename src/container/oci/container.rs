//! One container, from its bundle to its end.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use hotfn_exec::{Child, GONE_PATIENCE, Signal, Stdio};
use hotfn_protocols::{Ends, Exit};
use rustix::fs::inotify::WatchFlags;
use rustix::process::{Pid, PidfdFlags};
use tokio::sync::watch;

use super::engine::Engine;
use super::remains::Remains;
use super::runtime;
use crate::container::cgroup::{Accounts, Cgroup};
use crate::container::streams::{self, Logs};
use crate::container::usage::Usage;
use crate::container::{Container, Created, Doing, DriverError, LogLine};

/// A status above this is that of a program which a signal ended, as runtimes and shells tell it.
const SIGNALLED: i32 = 128;
/// The highest signal of Linux.
const SIGNAL_MAX: i32 = 64;
/// What happens to the file that says a container has started: some runtimes write it in place, some
/// give a written one its name.
const SAYS_STARTED: WatchFlags = WatchFlags::CLOSE_WRITE.union(WatchFlags::MOVED_TO);

/// A container that was made and not started: its directory, and no process.
#[derive(Debug)]
pub(super) struct Ready {
    remains: Remains,
    pipes: bool,
}

impl Ready {
    pub(super) fn new(remains: Remains, pipes: bool) -> Self {
        Self { remains, pipes }
    }

    /// Runs it. If the future is dropped, what runs then ends.
    pub(super) async fn run(mut self, log: LogLine) -> Result<Running, DriverError> {
        let parts = self.remains.parts();
        let (engine, bundle, id) = (parts.engine.clone(), parts.bundle.clone(), parts.id.clone());
        let failed = |why: String| DriverError::Engine { what: format!("start container {id}"), why };

        let turn = engine.turns.acquire().await.expect("nobody closes it");
        let armed = engine.watch.arm_for(&bundle, SAYS_STARTED, None).map_err(|e| failed(e.to_string()))?;
        let stdin = if self.pipes { Stdio::Pipe } else { Stdio::Null };
        let job = engine.runtime.run(&parts.root, &bundle, &id, stdin);
        let mut spawned = engine.supervisor.spawn(job).await.map_err(|e| failed(e.to_string()))?;
        let child = spawned.child.clone();
        parts.child = Some(child.clone());
        let exit = watch::Sender::new(None);
        let (pipes, logs) = streams::connect(&mut spawned, self.pipes, ended(exit.subscribe()), log)
            .map_err(|source| DriverError::Os { what: format!("cannot use the pipes of container {id}"), source })?;

        let pid_file = runtime::pid_file(&bundle);
        let started = tokio::select! {
            pid = armed.until(|| pid(&pid_file)) => Some(pid),
            _ = child.exit() => pid(&pid_file),
        };
        let Some(pid) = started else {
            let why = runtime::last_error(&bundle).unwrap_or_else(|| "it gave no reason".to_owned());
            return Err(failed(why));
        };
        drop(turn);
        // The container has what was mounted for it in its own namespace now.
        if let Some(rootfs) = &mut parts.rootfs {
            rootfs.let_go();
        }
        let (first, group) = match child.ended() {
            None => (rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok(), Cgroup::of(number(pid), &id).ok()),
            Some(_) => (None, None),
        };
        let (gone, all_gone) = watch::channel(());
        let running = Running {
            engine: Arc::clone(&engine),
            id,
            // Not reaped before its runtime ended, so that until now the number was no other's.
            first: first.filter(|_| child.ended().is_none()),
            group: group.clone(),
            pid: number(pid),
            accounts: OnceLock::new(),
            exit: exit.subscribe(),
            gone: all_gone,
            pipes: Mutex::new(pipes),
            logs: Mutex::new(logs),
        };
        engine.handle.spawn(outlive(self.remains, child, group, exit, gone));
        Ok(running)
    }
}

impl Created for Ready {
    fn start(self: Box<Self>, log: LogLine) -> Doing<'static, Result<Box<dyn Container>, DriverError>> {
        Box::pin(async move { Ok(Box::new(self.run(log).await?) as Box<dyn Container>) })
    }

    fn discard(self: Box<Self>) -> Doing<'static, ()> {
        Box::pin(self.remains.clear())
    }
}

/// Waits for a container's end, tells it, and removes what is left. `gone` is dropped at last.
async fn outlive(
    remains: Remains,
    child: Child,
    group: Option<Cgroup>,
    exit: watch::Sender<Option<Exit>>,
    gone: watch::Sender<()>,
) {
    let end = child.exit().await;
    let out_of_memory = group.and_then(|group| group.oom_kills()).is_some_and(|kills| kills > 0);
    exit.send_replace(Some(told(end, out_of_memory)));
    remains.clear().await;
    drop(gone);
}

/// How the function ended, by how its runtime did.
fn told(end: hotfn_exec::Exit, out_of_memory: bool) -> Exit {
    match end {
        hotfn_exec::Exit::Code(0) => Exit::Code(0),
        _ if out_of_memory => Exit::OutOfMemory,
        hotfn_exec::Exit::Code(code) if (1..=SIGNAL_MAX).contains(&(code - SIGNALLED)) => {
            Exit::Signal(code - SIGNALLED)
        }
        hotfn_exec::Exit::Code(code) => Exit::Code(code),
        hotfn_exec::Exit::Signal(signal) => Exit::Signal(signal),
    }
}

/// A container that was started. Dropping it kills it, and all that was made for it is removed.
pub(super) struct Running {
    engine: Arc<Engine>,
    id: String,
    /// Its first process, with which all others end; `None` if it had ended by then.
    first: Option<OwnedFd>,
    /// `None` if it had ended, or no control group is its own.
    group: Option<Cgroup>,
    /// The number that its first process had.
    pid: u32,
    /// Found when somebody asks what it uses; `None` inside if there are none.
    accounts: OnceLock<Option<Accounts>>,
    exit: watch::Receiver<Option<Exit>>,
    /// Closed when nothing is left.
    gone: watch::Receiver<()>,
    pipes: Mutex<Option<Ends>>,
    logs: Mutex<Logs>,
}

impl Running {
    fn signal(&self, signal: Signal) {
        if let Some(first) = &self.first {
            // It may have ended, which is no news.
            let _ = rustix::process::pidfd_send_signal(first, signal);
        }
    }

    fn wake(&self) -> io::Result<()> {
        self.group.as_ref().map_or(Ok(()), Cgroup::thaw)
    }

    fn os(&self, what: &str) -> impl FnOnce(io::Error) -> DriverError {
        let what = format!("cannot {what} container {}", self.id);
        |source| DriverError::Os { what, source }
    }
}

impl Container for Running {
    fn pipes(&self) -> Option<Ends> {
        self.pipes.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn exit(&self) -> Doing<'static, Exit> {
        ended(self.exit.clone())
    }

    /// Without a control group it goes on running: it has no call, and little to do.
    fn freeze(&self) -> Doing<'_, Result<(), DriverError>> {
        Box::pin(async {
            match &self.group {
                None => Ok(()),
                Some(group) => group.freeze().await.map_err(self.os("freeze")),
            }
        })
    }

    fn thaw(&self) -> Doing<'_, Result<(), DriverError>> {
        let thawed = self.wake().map_err(self.os("thaw"));
        Box::pin(async { thawed })
    }

    fn usage(&self) -> Doing<'_, Option<Usage>> {
        Box::pin(async {
            let accounts = self.accounts.get_or_init(|| Accounts::of(self.pid, &self.id).ok()).clone()?;
            tokio::task::spawn_blocking(move || accounts.read()).await.ok()
        })
    }

    fn end(&self, grace: Duration) -> Doing<'_, ()> {
        Box::pin(async move {
            self.signal(Signal::TERM);
            // If it is gone by now it needs no waking.
            let _ = self.wake();
            if tokio::time::timeout(grace, self.exit()).await.is_err() {
                self.signal(Signal::KILL);
                let _ = self.wake();
            }
            if tokio::time::timeout(GONE_PATIENCE, all_gone(self.gone.clone())).await.is_err() {
                tracing::warn!(container_id = %self.id, "a killed container is still not gone");
            }
            let logs = std::mem::take(&mut *self.logs.lock().unwrap_or_else(PoisonError::into_inner));
            logs.last_lines().await;
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.exit.borrow().is_none() {
            self.signal(Signal::KILL);
            let _ = self.wake();
        }
        drop(self.engine.remove(all_gone(self.gone.clone())));
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("id", &self.id).field("group", &self.group).finish_non_exhaustive()
    }
}

/// Resolves when the end is told. The one who tells it does so unless the program itself is ending.
fn ended(mut exit: watch::Receiver<Option<Exit>>) -> Doing<'static, Exit> {
    Box::pin(async move {
        let told = exit.wait_for(Option::is_some).await.map(|exit| *exit);
        told.ok().flatten().unwrap_or(Exit::Signal(Signal::KILL.as_raw()))
    })
}

/// Resolves when nothing is left.
async fn all_gone(mut gone: watch::Receiver<()>) {
    while gone.changed().await.is_ok() {}
}

fn pid(file: &Path) -> Option<Pid> {
    Pid::from_raw(fs::read_to_string(file).ok()?.trim().parse().ok()?)
}

fn number(pid: Pid) -> u32 {
    pid.as_raw_pid().unsigned_abs()
}
