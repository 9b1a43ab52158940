//! A process that was started.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::sync::watch;

use crate::group;

/// How long a killed group may take to be gone before [`Child::end`] gives up on it, with a
/// warning. Only a process that hangs inside the kernel takes longer.
pub const GONE_PATIENCE: Duration = Duration::from_secs(5);

/// How a process ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// A process that was started, the leader of a group of its own. Clones are the same process; when
/// the last one is dropped, the group is killed.
#[derive(Clone, Debug)]
pub struct Child {
    leash: Arc<Leash>,
}

impl Child {
    pub(crate) fn new(process: Arc<Process>) -> Self {
        Self { leash: Arc::new(Leash(process)) }
    }

    /// Its process id, which is its group's and session's too.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process().pid.as_raw_pid().unsigned_abs()
    }

    /// How it ends. May be asked by many, and late; holds nothing of the child alive. Cancel safe.
    pub fn exit(&self) -> impl Future<Output = Exit> + Send + use<> {
        let mut exit = self.process().exit.subscribe();
        async move {
            let ended = exit.wait_for(Option::is_some).await.map(|exit| *exit);
            ended.ok().flatten().expect("the supervisor holds the process until it has told its end")
        }
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Exit> {
        *self.process().exit.borrow()
    }

    /// Sends `signal` to its group. Dropped silently if it has ended: its number may be another's
    /// by now.
    pub fn signal_group(&self, signal: Signal) {
        self.process().signal_group(signal);
    }

    /// Ends its group: asks (TERM, and CONT so that a stopped one hears it), and after `grace`
    /// insists (KILL). Resolves when nothing of the group runs. May be called by many.
    ///
    /// When the leader ends within its grace, what it left behind in the group is killed at once.
    /// Cancel safe, but what was not yet done is then not done.
    pub async fn end(&self, grace: Duration) {
        self.signal_group(Signal::TERM);
        self.signal_group(Signal::CONT);
        if tokio::time::timeout(grace, self.exit()).await.is_err() {
            self.signal_group(Signal::KILL);
        }
        let gone = async {
            self.exit().await;
            group::gone(self.process().pid).await;
        };
        if tokio::time::timeout(GONE_PATIENCE, gone).await.is_err() {
            tracing::warn!(pid = self.pid(), "a killed process group is still not gone");
        }
    }

    fn process(&self) -> &Process {
        &self.leash.0
    }
}

/// Kills the group when nobody holds the child any more.
#[derive(Debug)]
struct Leash(Arc<Process>);

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.signal_group(Signal::KILL);
    }
}

/// The process itself, which the supervisor holds until it is reaped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pidfd: OwnedFd,
    /// Locked around every use of the pid as a number, and true once it may mean somebody else.
    reaped: Mutex<bool>,
    exit: watch::Sender<Option<Exit>>,
}

impl Process {
    pub(crate) fn new(pid: Pid, pidfd: OwnedFd) -> Self {
        Self { pid, pidfd, reaped: Mutex::new(false), exit: watch::Sender::new(None) }
    }

    pub(crate) fn pidfd(&self) -> impl AsFd {
        self.pidfd.as_fd()
    }

    /// Ends it without anybody having heard of it. Called by the supervisor's thread alone.
    pub(crate) fn abandon(&self) {
        self.signal_group(Signal::KILL);
        let mut reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
        *reaped = true;
    }

    fn signal_group(&self, signal: Signal) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            // Nothing but "no such group" can happen, and that is no news.
            let _ = rustix::process::kill_process_group(self.pid, signal);
        }
    }

    /// Reaps it if it has ended, and tells everybody. Called by the supervisor's thread alone.
    ///
    /// What is left of the group is killed first: until the leader is reaped its number is certain
    /// to be this group's.
    pub(crate) fn reap(&self) -> bool {
        let mut reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), peek) {
            Ok(None) | Err(Errno::INTR) => return false,
            Ok(Some(_)) | Err(_) => {}
        }
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), options);
        *reaped = true;
        drop(reaped);

        let exit = match status {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Exit::Code(code),
                (None, Some(signal)) => Exit::Signal(signal),
                (None, None) => Exit::Signal(Signal::KILL.as_raw()),
            },
            // Somebody else of this program reaped it, against the rules: how it ended is lost.
            Ok(None) | Err(_) => {
                let e = status.err().map(io::Error::from);
                tracing::warn!(pid = self.pid.as_raw_pid(), error = ?e, "a child was reaped by a stranger");
                Exit::Signal(Signal::KILL.as_raw())
            }
        };
        self.exit.send_replace(Some(exit));
        true
    }
}
