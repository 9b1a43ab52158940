//! A process that was started.

use std::fmt;
use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::sync::watch;

use crate::{Job, Label, Leftovers, Moment, group, sys};

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

/// How a process ended, and what it took.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ended {
    /// How.
    pub exit: Exit,
    /// It left a core file.
    pub core: bool,
    /// Time of the processor in the program itself, and in those of its children it waited for.
    pub user: Duration,
    /// Time of the processor in the kernel on their behalf.
    pub system: Duration,
    /// The most memory one of them held, in KiB.
    pub memory_max_kb: u64,
}

/// What became of a process that has not ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// It goes on.
    Continued,
    /// It was stopped by this signal.
    Stopped(i32),
}

/// A process that was started, the leader of a group of its own. Clones are the same process; when
/// the last one is dropped, the group is killed, unless its job may outlive us.
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

    /// When it was started, or a moment before.
    #[must_use]
    pub fn started(&self) -> Moment {
        self.process().started
    }

    /// How it ends. May be asked by many, and late; holds nothing of the child alive. Cancel safe.
    pub fn exit(&self) -> impl Future<Output = Exit> + Send + use<> {
        let end = self.end_of_it();
        async move { end.await.exit }
    }

    /// How it ends, and what it took until then. As [`exit`](Self::exit).
    pub fn end_of_it(&self) -> impl Future<Output = Ended> + Send + use<> {
        let mut ended = self.process().ended.subscribe();
        async move {
            let ended = ended.wait_for(Option::is_some).await.map(|ended| *ended);
            ended.ok().flatten().expect("the supervisor holds the process until it has told its end")
        }
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Exit> {
        self.process().ended.borrow().map(|ended| ended.exit)
    }

    /// What became of it since this was last asked, if it was stopped or goes on. Nobody announces
    /// it but the signal CHLD, which goes to the whole program.
    #[must_use]
    pub fn change(&self) -> Option<Change> {
        let process = self.process();
        let _reaped = process.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        let options = WaitIdOptions::STOPPED | WaitIdOptions::CONTINUED | WaitIdOptions::NOHANG;
        let status = rustix::process::waitid(WaitId::PidFd(process.pidfd.as_fd()), options).ok().flatten()?;
        match status.stopping_signal() {
            Some(signal) => Some(Change::Stopped(signal)),
            None => status.continued().then_some(Change::Continued),
        }
    }

    /// Sends `signal` to it alone. Dropped silently if it has ended.
    pub fn signal(&self, signal: Signal) {
        // By its descriptor, which can mean nobody else.
        let _ = rustix::process::pidfd_send_signal(&self.process().pidfd, signal);
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

/// Kills the group when nobody holds the child any more, unless it may outlive us.
#[derive(Debug)]
struct Leash(Arc<Process>);

impl Drop for Leash {
    fn drop(&mut self) {
        if !self.0.outlives_us {
            self.0.signal_group(Signal::KILL);
        }
    }
}

/// The process itself, which the supervisor holds until it is reaped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pidfd: OwnedFd,
    started: Moment,
    label: Option<Label>,
    /// Locked around every use of the pid as a number, and true once it may mean somebody else.
    reaped: Mutex<bool>,
    ended: watch::Sender<Option<Ended>>,
    leftovers: Leftovers,
    outlives_us: bool,
}

impl Process {
    pub(crate) fn new(pid: Pid, pidfd: OwnedFd, started: Moment, job: &Job) -> Self {
        let Job { leftovers, outlives_us, ref label, .. } = *job;
        let (label, reaped, ended) = (label.clone(), Mutex::new(false), watch::Sender::new(None));
        Self { pid, pidfd, started, label, reaped, ended, leftovers, outlives_us }
    }

    pub(crate) fn pidfd(&self) -> impl AsFd {
        self.pidfd.as_fd()
    }

    /// Asks about its label, as long as its number is certain to be its own.
    pub(crate) fn unless_reaped<T>(&self, ask: impl FnOnce(Option<&Label>) -> T) -> Option<T> {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        (!*reaped).then(|| ask(self.label.as_ref()))
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
    /// What is left of the group is killed first, unless it is to be left: until the leader is reaped its number is certain
    /// to be this group's.
    pub(crate) fn reap(&self) -> bool {
        let mut reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), peek) {
            Ok(None) | Err(Errno::INTR) => return false,
            Ok(Some(_)) | Err(_) => {}
        }
        if self.leftovers == Leftovers::Kill {
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        }
        let ended = sys::reap(self.pidfd.as_fd());
        *reaped = true;
        // If it is not there, somebody else of this program reaped it, against the rules: how it ended
        // is lost.
        let ended = ended.ok().flatten().unwrap_or_else(|| {
            tracing::warn!(pid = self.pid.as_raw_pid(), "a child was reaped by a stranger");
            let exit = Exit::Signal(Signal::KILL.as_raw());
            Ended { exit, core: false, user: Duration::ZERO, system: Duration::ZERO, memory_max_kb: 0 }
        });
        drop(reaped);
        self.ended.send_replace(Some(ended));
        true
    }
}
