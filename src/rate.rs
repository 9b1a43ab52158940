//! How often a function may be called: so many calls a second, and so many at once.
//!
//! A bucket that fills at the rate and holds a burst, told as one moment: when it would be full
//! again. Each call moves that moment by what one call takes; a call that would move it further
//! ahead than a burst is refused, and told how long until it would not. Nothing ticks, and what is
//! asked for and refused costs those after it nothing.
//!
//! Each agent counts its own calls. Several nodes that serve one function let through as much each.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a function may be called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// Calls a second, in the long run.
    pub per_second: NonZeroU32,
    /// Calls at once, after a pause.
    pub burst: NonZeroU32,
}

/// What is left of a rate.
#[derive(Debug)]
struct Bucket {
    rate: Rate,
    /// When it will be full, if nobody calls. In the past: it is.
    full_at: Instant,
}

impl Bucket {
    fn full(rate: Rate, now: Instant) -> Self {
        Self { rate, full_at: now }
    }

    /// Takes a call's worth.
    ///
    /// # Errors
    /// With how long it will take until there is that much.
    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let one = Duration::from_secs(1) / self.rate.per_second.get();
        let full_at = self.full_at.max(now) + one;
        let most = now + one * self.rate.burst.get();
        if full_at > most {
            return Err(full_at - most);
        }
        self.full_at = full_at;
        Ok(())
    }
}

/// What a function may still be called, at any time and from any thread.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    /// Most functions have no rate: these are spared the lock.
    is_limited: AtomicBool,
    bucket: Mutex<Option<Bucket>>,
}

impl Allowance {
    /// From now on it is this. A rate that stays begins no new burst.
    pub(crate) fn set(&self, rate: Option<Rate>, now: Instant) {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if bucket.as_ref().map(|bucket| bucket.rate) != rate {
            *bucket = rate.map(|rate| Bucket::full(rate, now));
        }
        self.is_limited.store(rate.is_some(), Ordering::Relaxed);
    }

    /// Takes a call's worth.
    ///
    /// # Errors
    /// With the rate, and how long it will take until there is that much.
    pub(crate) fn take(&self, now: Instant) -> Result<(), (Rate, Duration)> {
        if !self.is_limited.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        match bucket.as_mut() {
            Some(bucket) => bucket.take(now).map_err(|wait| (bucket.rate, wait)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(per_second: u32, burst: u32) -> Rate {
        Rate { per_second: NonZeroU32::new(per_second).unwrap(), burst: NonZeroU32::new(burst).unwrap() }
    }

    #[test]
    fn a_burst_is_let_through_and_then_one_at_a_time() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut bucket = Bucket::full(rate(10, 3), start);
        let refused = |ms: u64| Err(Duration::from_millis(ms));
        for (now, expected) in [
            (0, Ok(())),
            (0, Ok(())),
            (0, Ok(())),
            (0, refused(100)),
            (40, refused(60)),
            (100, Ok(())),
            (100, refused(100)),
            // After a pause, however long, a burst and no more.
            (10_000, Ok(())),
            (10_000, Ok(())),
            (10_000, Ok(())),
            (10_000, refused(100)),
        ] {
            assert_eq!(bucket.take(at(now)), expected, "at {now} ms");
        }
    }

    #[test]
    fn a_rate_that_stays_begins_no_new_burst() {
        let now = Instant::now();
        let allowance = Allowance::default();
        assert_eq!(allowance.take(now), Ok(()));
        allowance.set(Some(rate(1, 1)), now);
        assert_eq!(allowance.take(now), Ok(()));
        allowance.set(Some(rate(1, 1)), now);
        assert_eq!(allowance.take(now), Err((rate(1, 1), Duration::from_secs(1))));
        allowance.set(Some(rate(2, 1)), now);
        assert_eq!(allowance.take(now), Ok(()));
        allowance.set(None, now);
        assert_eq!(allowance.take(now), Ok(()));
    }

    proptest! {
        /// Whatever happened before, in no stretch of time more calls pass than a burst and the
        /// rate allow, and who waits as long as they were told passes.
        #[test]
        fn no_more_pass_than_burst_and_rate(
            per_second in 1u32..2000,
            burst in 1u32..50,
            pauses in prop::collection::vec(0u64..20_000, 1..300),
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::full(rate(per_second, burst), start);
            let one = Duration::from_secs(1) / per_second;
            let (mut now, mut passed) = (start, Vec::new());
            for pause in pauses {
                now += Duration::from_micros(pause);
                match bucket.take(now) {
                    Ok(()) => passed.push(now),
                    Err(wait) => {
                        let mut later = Bucket { rate: bucket.rate, full_at: bucket.full_at };
                        prop_assert!(later.take(now + wait).is_ok());
                    }
                }
            }
            for (n, first) in passed.iter().enumerate() {
                for (m, last) in passed.iter().enumerate().skip(n) {
                    let allowed = burst as u128 + (*last - *first).as_nanos() / one.as_nanos();
                    prop_assert!((m - n + 1) as u128 <= allowed, "{} within {:?}", m - n + 1, *last - *first);
                }
            }
        }
    }
}
