//! One command: what it is called, what it has printed, how it ended.
//!
//! A job is written by the one task that runs it and read by anybody: whoever waits for it, follows
//! it or looks it up. Readers hold nothing up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hotfn_exec::Exit;
use hotfn_protocols::CallId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::capture::Capture;
use super::refusal::Refusal;

/// A command that was taken on.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: CallId,
    /// The name of whoever asked for it.
    pub(super) caller: Arc<str>,
    pub(super) began: Instant,
    progress: Mutex<Progress>,
    /// Told at each piece of output and at the end.
    changed: watch::Sender<()>,
    /// Cancelled by whoever wants it to end.
    pub(super) stop: CancellationToken,
}

/// How far it has come.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) stdout: Capture,
    pub(super) stderr: Capture,
    pub(super) stage: Stage,
}

/// Where in its life a job is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Stage {
    /// It is being started.
    #[default]
    Accepted,
    Ended(Outcome),
    /// It could not be started.
    Refused(Refusal),
    Running,
}

/// How it ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Outcome {
    pub(super) exit: Exit,
    /// It took longer than it may, and was ended.
    pub(super) timed_out: bool,
    pub(super) took: Duration,
}

impl Job {
    pub(super) fn new(id: CallId, caller: Arc<str>, output_bytes_max: usize) -> Arc<Self> {
        let capture = || Capture::new(output_bytes_max);
        let progress = Progress { stdout: capture(), stderr: capture(), stage: Stage::Accepted };
        Arc::new(Self {
            id,
            caller,
            began: Instant::now(),
            progress: Mutex::new(progress),
            changed: watch::Sender::new(()),
            stop: CancellationToken::new(),
        })
    }

    /// What it has come to. Held for a moment, and never across a wait.
    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what it has come to, and tells everybody.
    pub(super) fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress());
        self.changed.send_replace(());
    }

    /// From now on each change is seen.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Resolves when it has been started. Cancel safe.
    ///
    /// # Errors
    /// When it could not be.
    pub(super) async fn started(&self) -> Result<(), Refusal> {
        self.reached(|stage| match stage {
            Stage::Accepted => None,
            Stage::Refused(refusal) => Some(Err(refusal.clone())),
            Stage::Running | Stage::Ended(_) => Some(Ok(())),
        })
        .await
    }

    /// Resolves when it has ended. Cancel safe.
    ///
    /// # Errors
    /// When it could not be started.
    pub(super) async fn ended(&self) -> Result<Outcome, Refusal> {
        self.reached(|stage| match stage {
            Stage::Accepted | Stage::Running => None,
            Stage::Refused(refusal) => Some(Err(refusal.clone())),
            Stage::Ended(outcome) => Some(Ok(*outcome)),
        })
        .await
    }

    async fn reached<T>(&self, seen: impl Fn(&Stage) -> Option<T>) -> T {
        let mut changes = self.changes();
        loop {
            if let Some(seen) = seen(&self.progress().stage) {
                return seen;
            }
            changes.changed().await.expect("the job that is held holds the sender");
        }
    }

    /// May this caller look at it and end it?
    pub(super) fn is_of(&self, caller: &str) -> bool {
        *self.caller == *caller
    }
}

impl Progress {
    /// How it ended, if it has.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        match self.stage {
            Stage::Ended(outcome) => Some(outcome),
            Stage::Accepted | Stage::Refused(_) | Stage::Running => None,
        }
    }
}

impl Outcome {
    /// As a shell tells it: a signal's number, 128 added, if it was one.
    pub(super) fn code(&self) -> i32 {
        match self.exit {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }

    /// The signal's name, if it was one.
    pub(super) fn signal(&self) -> Option<String> {
        match self.exit {
            Exit::Code(_) => None,
            Exit::Signal(signal) => Some(signal_name(signal)),
        }
    }

    pub(super) fn is_success(&self) -> bool {
        self.exit == Exit::Code(0)
    }
}

/// Those of Linux from 1 on, in their order.
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

fn signal_name(signal: i32) -> String {
    let name = usize::try_from(signal - 1).ok().and_then(|at| SIGNALS.get(at));
    name.map_or_else(|| format!("SIG{signal}"), |name| format!("SIG{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_a_code_as_in_a_shell() {
        let of = |exit| Outcome { exit, timed_out: false, took: Duration::ZERO };
        assert_eq!((of(Exit::Code(3)).code(), of(Exit::Code(3)).signal()), (3, None));
        assert_eq!((of(Exit::Signal(9)).code(), of(Exit::Signal(9)).signal()), (137, Some("SIGKILL".to_owned())));
        assert_eq!(signal_name(15), "SIGTERM");
        assert_eq!(signal_name(31), "SIGSYS");
        assert_eq!(signal_name(40), "SIG40");
    }

    #[tokio::test]
    async fn the_end_is_heard_by_who_waits_and_by_who_comes_late() {
        let job = Job::new(CallId::new(), "caller".into(), 8);
        let outcome = Outcome { exit: Exit::Code(0), timed_out: false, took: Duration::ZERO };
        let waiting = tokio::spawn({
            let job = job.clone();
            async move { job.ended().await }
        });
        tokio::task::yield_now().await;
        job.update(|progress| progress.stdout.push(b"x"));
        job.update(|progress| progress.stage = Stage::Ended(outcome));
        assert_eq!(waiting.await.unwrap(), Ok(outcome));
        assert_eq!(job.ended().await, Ok(outcome));
        assert!(job.is_of("caller") && !job.is_of("other"));
    }
}
