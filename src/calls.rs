//! What is counted of calls: how they ended, and how long that took.
//!
//! Every call passes here, so that all of it is counters of the thread that serves it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hotfn_protocols::{Fault, Kind, Reply, Timing};

use crate::metrics::{Buckets, Seen, Shards};

/// The counters of all calls.
#[derive(Debug, Default)]
pub(crate) struct Calls(Shards<Counts>);

/// Those of one thread.
#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    answered: AtomicU64,
    left: AtomicU64,
    faults: [AtomicU64; KINDS],
    took: Buckets,
    queued: Buckets,
    busy: Buckets,
    idle: Buckets,
    paused: Buckets,
}

const KINDS: usize = Kind::ALL.len();

/// A call that has begun. Dropped before it was said to have ended, its caller has left.
pub(crate) struct Counted<'a>(Option<&'a Counts>);

/// What was counted, added up.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) begun: u64,
    pub(crate) answered: u64,
    /// Whose callers left before there was an answer.
    pub(crate) left: u64,
    /// By kind.
    faults: [u64; KINDS],
    /// From the arrival to the answer's head, of all that had one.
    pub(crate) took: Seen,
    /// The part of it before a container was given.
    pub(crate) queued: Seen,
    /// The part of it in which a container worked.
    pub(crate) busy: Seen,
    /// How long containers idled before they were given again,
    pub(crate) idle: Seen,
    /// and for how long of it they were frozen.
    pub(crate) paused: Seen,
}

impl Calls {
    /// A call came.
    pub(crate) fn begin(&self) -> Counted<'_> {
        let counts = self.0.here();
        counts.begun.fetch_add(1, Ordering::Relaxed);
        Counted(Some(counts))
    }

    /// The rest of an answer is there, or was cut by `fault`.
    pub(crate) fn rest_ended(&self, fault: Option<&Fault>) {
        let counts = self.0.here();
        let count = fault.map_or(&counts.answered, |fault| &counts.faults[fault.kind() as usize]);
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// A container is given that nobody used for a while, the last part of it frozen.
    pub(crate) fn rested(&self, idle: Duration, paused: Option<Duration>) {
        let counts = self.0.here();
        match paused {
            None => counts.idle.note(idle),
            Some(paused) => {
                counts.idle.note(idle.saturating_sub(paused));
                counts.paused.note(paused);
            }
        }
    }

    pub(crate) fn sums(&self) -> Sums {
        let sum = |of: fn(&Counts) -> &AtomicU64| self.0.all().map(|counts| of(counts).load(Ordering::Relaxed)).sum();
        let seen = |of: fn(&Counts) -> &Buckets| Seen::of(self.0.all().map(of));
        let mut faults = [0; KINDS];
        for counts in self.0.all() {
            for (sum, count) in faults.iter_mut().zip(&counts.faults) {
                *sum += count.load(Ordering::Relaxed);
            }
        }
        Sums {
            begun: sum(|counts| &counts.begun),
            answered: sum(|counts| &counts.answered),
            left: sum(|counts| &counts.left),
            faults,
            took: seen(|counts| &counts.took),
            queued: seen(|counts| &counts.queued),
            busy: seen(|counts| &counts.busy),
            idle: seen(|counts| &counts.idle),
            paused: seen(|counts| &counts.paused),
        }
    }
}

impl Counted<'_> {
    /// It has a whole answer, or a fault.
    pub(crate) fn ended(mut self, outcome: &Result<Reply, Fault>, timing: &Timing) {
        let Some(counts) = self.0.take() else { return };
        let fault = match outcome {
            Ok(_) => {
                counts.answered.fetch_add(1, Ordering::Relaxed);
                None
            }
            Err(fault) => Some(fault.kind()),
        };
        if let Some(kind) = fault {
            counts.faults[kind as usize].fetch_add(1, Ordering::Relaxed);
            if kind == Kind::CallerLeft {
                return;
            }
        }
        counts.note(timing);
    }

    /// It has an answer's head, and the rest is on its way: what became of it is told
    /// [later](Calls::rest_ended).
    pub(crate) fn goes_on(mut self, timing: &Timing) {
        if let Some(counts) = self.0.take() {
            counts.note(timing);
        }
    }
}

impl Counts {
    /// How long the steps to an answer's head took.
    fn note(&self, timing: &Timing) {
        let spent = |step: Option<Duration>| step.unwrap_or_default();
        let (queued, busy) = (spent(timing.queue), spent(timing.dispatch) + spent(timing.function));
        self.queued.note(queued);
        self.took.note(queued + spent(timing.thaw) + busy);
        if timing.function.is_some() {
            self.busy.note(busy);
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if let Some(counts) = self.0 {
            counts.left.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Sums {
    /// How often each kind of fault was.
    pub(crate) fn faults(&self) -> impl Iterator<Item = (Kind, u64)> {
        Kind::ALL.iter().copied().zip(self.faults)
    }

    /// How often faults were that `is`.
    pub(crate) fn faults_that(&self, is: impl Fn(Kind) -> bool) -> u64 {
        self.faults().filter(|(kind, _)| is(*kind)).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_counted_once_however_it_ends() {
        let calls = Calls::default();
        let fault = |kind| Err(Fault::new(kind));
        let timing = Timing { queue: Some(Duration::from_millis(1)), ..Timing::default() };
        calls.begin().ended(&fault(Kind::Busy), &timing);
        calls.begin().ended(&fault(Kind::CallerLeft), &timing);
        drop(calls.begin());
        let under_way = calls.begin();

        let sums = calls.sums();
        assert_eq!((sums.begun, sums.answered, sums.left), (4, 0, 1));
        assert_eq!(sums.faults_that(|kind| kind == Kind::Busy), 1);
        assert_eq!(sums.faults_that(|kind| kind == Kind::CallerLeft), 1);
        assert_eq!((sums.took.count(), sums.queued.count(), sums.busy.count()), (1, 1, 0));
        drop(under_way);
        assert_eq!(calls.sums().left, 2);
    }

    #[test]
    fn a_call_whose_answer_goes_on_is_counted_when_that_has_ended() {
        let calls = Calls::default();
        calls.begin().goes_on(&Timing::default());
        let sums = calls.sums();
        assert_eq!((sums.answered, sums.left, sums.took.count()), (0, 0, 1));
        calls.rest_ended(None);
        calls.rest_ended(Some(&Fault::new(Kind::TimedOut)));
        let sums = calls.sums();
        assert_eq!((sums.answered, sums.faults_that(|kind| kind == Kind::TimedOut)), (1, 1));
    }

    #[test]
    fn each_kind_has_a_counter_of_its_own() {
        for (n, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, n);
        }
    }

    #[test]
    fn a_frozen_container_idled_before_and_was_paused_after() {
        let calls = Calls::default();
        calls.rested(Duration::from_secs(3), Some(Duration::from_secs(2)));
        calls.rested(Duration::from_millis(1), None);
        let sums = calls.sums();
        assert_eq!((sums.idle.count(), sums.paused.count()), (2, 1));
    }
}
