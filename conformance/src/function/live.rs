//! What was started and has not ended, so that nothing of it outlives a harness that is interrupted.
//!
//! Each process is in a group of its own, which a terminal's Ctrl-C does not reach.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::check::{Run, Stop};

/// How long what runs may take to end by itself: an agent has containers to end first.
const GRACE: Duration = Duration::from_secs(5);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

static LIVE: Mutex<Live> = Mutex::new(Live { groups: Vec::new(), is_over: false });

struct Live {
    groups: Vec<Pid>,
    /// Nothing more is to be started.
    is_over: bool,
}

/// Ends whatever the harness has started in this process, with SIGTERM and after 5 s with SIGKILL, and
/// starts nothing more: for a program that was asked to end in the middle of a run. Cases at work then
/// come to an end of no meaning.
pub fn interrupt() {
    live().is_over = true;
    end(Signal::TERM);
    let until = Instant::now() + GRACE;
    while !live().groups.is_empty() && Instant::now() < until {
        thread::sleep(LOOK_EVERY);
    }
    end(Signal::KILL);
}

/// May another process be started?
pub(super) fn may_start() -> Run {
    if live().is_over { Err(Stop::untold("the run was interrupted")) } else { Ok(()) }
}

pub(super) fn started(group: Pid) {
    live().groups.push(group);
}

/// Waits for the leader of a group by `reap`, which says whether it had ended. Meanwhile nobody here
/// sends a signal, for from then on the number of the group is free.
pub(super) fn reap(group: Pid, reap: impl FnOnce() -> bool) {
    let mut live = live();
    if reap() {
        live.groups.retain(|live| *live != group);
    }
}

fn end(signal: Signal) {
    for group in &live().groups {
        // It may have ended in this moment.
        let _ = kill_process_group(*group, signal);
    }
}

fn live() -> MutexGuard<'static, Live> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}
