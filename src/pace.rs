//! How slowly a call's body may come.
//!
//! A bucket of time that is full at first. Waiting empties it, and bytes fill it again, each with
//! what it may take at the least pace. So who sends steadily at that pace or faster is waited for
//! as long as the call may last, who pauses now and then has the whole grace each time it was
//! earned back, and who sends a byte each ten seconds to keep a container is found out.
//!
//! Only time in which we waited for the caller counts: not that in which the call stood in a queue,
//! nor that in which the function took its time to read. Who waits says so; there is no clock here.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use hotfn_protocols::BodyError;

/// How slowly a call's body may come, and for how long slower than that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    /// Bytes a second, in the long run. Default 256.
    pub bytes_per_second: NonZeroU32,
    /// How long a body that is slower, or does not come at all, is waited for; beyond a year it is a
    /// year. Default 10 s.
    pub grace: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { bytes_per_second: NonZeroU32::new(256).expect("256 is not 0"), grace: Duration::from_secs(10) }
    }
}

impl Pace {
    /// What a body fails with that did not keep it.
    pub(crate) fn missed(self) -> BodyError {
        BodyError::TooSlow { bytes_per_second: self.bytes_per_second.get(), grace: self.grace }
    }
}

/// No clock has to count further than this.
const GRACE_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// What is left of the grace of one body.
#[derive(Debug)]
pub(crate) struct Patience {
    pace: Pace,
    left: Duration,
    /// When nothing will be left of it, while somebody waits.
    until: Option<Instant>,
}

impl Patience {
    pub(crate) fn new(pace: Pace) -> Self {
        let pace = Pace { grace: pace.grace.min(GRACE_MAX), ..pace };
        Self { pace, left: pace.grace, until: None }
    }

    /// Nothing of the body is there at `now`, and somebody waits: until when he may. Waiting lasts
    /// until something [came](Self::came).
    pub(crate) fn wait(&mut self, now: Instant) -> Instant {
        *self.until.get_or_insert(now + self.left)
    }

    /// So many bytes are there at `now`.
    pub(crate) fn came(&mut self, bytes: usize, now: Instant) {
        if let Some(until) = self.until.take() {
            self.left = until.saturating_duration_since(now);
        }
        self.left = (self.left + self.worth(bytes)).min(self.pace.grace);
    }

    /// How long so many bytes may take.
    fn worth(&self, bytes: usize) -> Duration {
        let (bytes, pace) = (bytes as u64, u64::from(self.pace.bytes_per_second.get()));
        Duration::from_secs(bytes / pace) + Duration::from_nanos(bytes % pace * 1_000_000_000 / pace)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn patience(bytes_per_second: u32, grace_ms: u64) -> Patience {
        let bytes_per_second = NonZeroU32::new(bytes_per_second).unwrap();
        Patience::new(Pace { bytes_per_second, grace: Duration::from_millis(grace_ms) })
    }

    /// Waits so many ms, then so many bytes come, over and over: at which of these waits it is over.
    fn check(bytes_per_second: u32, grace_ms: u64, pieces: &[(u64, usize)], expected: Option<usize>) {
        let mut patience = patience(bytes_per_second, grace_ms);
        let mut now = Instant::now();
        let over = pieces.iter().position(|&(wait_ms, bytes)| {
            let until = patience.wait(now);
            now += Duration::from_millis(wait_ms);
            let is_over = until <= now;
            patience.came(bytes, now);
            is_over
        });
        assert_eq!(over, expected, "{bytes_per_second} B/s, {grace_ms} ms: {pieces:?}");
    }

    #[test]
    fn a_body_is_waited_for_as_long_as_it_keeps_the_pace() {
        check(100, 1000, &[(999, 1)], None);
        check(100, 1000, &[(1000, 1)], Some(0));
        // Just the pace, for ever; then a little less.
        check(100, 1000, &[(500, 50); 1000], None);
        check(100, 1000, &[(500, 49); 200], Some(50));
        // A byte now and then earns next to nothing.
        check(100, 1000, &[(300, 1); 10], Some(3));
        // Much at once earns no more than the whole grace.
        check(100, 1000, &[(10, 1 << 30), (1000, 1)], Some(1));
        check(100, 1000, &[(900, 1 << 30), (999, 1)], None);
        check(u32::MAX, 1000, &[(500, u32::MAX as usize), (999, 0)], None);
    }

    #[test]
    fn who_asks_again_while_nothing_comes_waits_no_longer_for_it() {
        let mut patience = patience(100, 1000);
        let began = Instant::now();
        let until = patience.wait(began);
        assert_eq!(patience.wait(began + Duration::from_millis(700)), until);
    }

    #[test]
    fn time_in_which_nobody_waits_costs_nothing() {
        let mut patience = patience(100, 1000);
        let began = Instant::now();
        let later = began + Duration::from_secs(3600);
        patience.came(1, began);
        patience.came(1, later);
        assert_eq!(patience.wait(later), later + Duration::from_secs(1));
    }

    #[test]
    fn no_grace_is_too_long_to_count() {
        let mut patience = Patience::new(Pace { grace: Duration::MAX, ..Pace::default() });
        let now = Instant::now();
        assert_eq!(patience.wait(now), now + GRACE_MAX);
        patience.came(usize::MAX, now);
        assert_eq!(patience.wait(now), now + GRACE_MAX);
    }

    proptest! {
        /// However it is cut into pieces: nobody waits longer than the grace, and what the bytes that came may take.
        #[test]
        fn waiting_is_paid_for(pieces in prop::collection::vec((0..2000u64, 0..300usize), 0..50)) {
            let mut patience = patience(100, 1000);
            let began = Instant::now();
            let (mut now, mut bytes) = (began, 0);
            for (wait_ms, came) in pieces {
                let until = patience.wait(now);
                prop_assert!(until <= now + Duration::from_secs(1));
                now += Duration::from_millis(wait_ms);
                if until <= now {
                    break;
                }
                prop_assert!(now - began <= Duration::from_millis(1000 + bytes as u64 * 10));
                bytes += came;
                patience.came(came, now);
            }
        }
    }
}
