//! When to try again, after a connection could not be made or was lost.
//!
//! The first try comes at once, the next after `interval`, and each one later than the one before
//! by the growth rate. Where it is randomized, the wait is anything between the last one and that:
//! many clients of one server then do not come back all at once. After a success everything begins
//! anew. Rules only, no clock: what is told here is how long to wait.

use std::time::Duration;

/// How to come back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// The first wait.
    pub interval: Duration,
    /// What each wait is multiplied with to get the next. Default 1.5.
    pub growth_rate: f64,
    /// No wait is longer. Default 30 s.
    pub interval_max: Duration,
    /// Failures in a row after which it stays down; `None`: never. Default none.
    pub retries_max: Option<u64>,
    /// Is a wait anything between the last one and the next? Default true.
    pub is_randomized: bool,
}

impl Rules {
    /// These, beginning with `interval`, and everything else as it usually is.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        Self {
            interval,
            growth_rate: 1.5,
            interval_max: Duration::from_secs(30),
            retries_max: None,
            is_randomized: true,
        }
    }
}

/// After a loss, where there are no rules: one try, after this long.
pub const ONCE_AFTER: Duration = Duration::from_secs(1);

/// What to do now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Stay down: it failed as often as it may.
    GiveUp,
    /// Try after this long.
    TryAfter(Duration),
}

/// How often it failed, and what comes next.
#[derive(Clone, Debug)]
pub struct Attempts {
    rules: Option<Rules>,
    /// Failures since the last success.
    failures: u64,
    wait: Duration,
}

impl Attempts {
    /// Before the first try. Without rules a first failure is final, and a loss is tried once.
    #[must_use]
    pub fn new(rules: Option<Rules>) -> Self {
        Self { rules, failures: 0, wait: Duration::ZERO }
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// A try succeeded.
    pub fn succeeded(&mut self) {
        *self = Self::new(self.rules);
    }

    /// The connection was lost after it had been there.
    pub fn lost(&mut self) -> Next {
        match self.rules {
            None => Next::TryAfter(ONCE_AFTER),
            Some(rules) => {
                self.wait = rules.interval.min(rules.interval_max);
                Next::TryAfter(self.wait)
            }
        }
    }

    /// A try failed. `chance` is any number from 0 to 1, for waits that are randomized.
    pub fn failed(&mut self, chance: f64) -> Next {
        self.failures += 1;
        let Some(rules) = self.rules else { return Next::GiveUp };
        if rules.retries_max.is_some_and(|max| self.failures >= max) {
            return Next::GiveUp;
        }
        let (least, most) = if self.wait.is_zero() {
            (rules.interval, rules.interval)
        } else {
            (self.wait, floor_ms(self.wait.mul_f64(rules.growth_rate)))
        };
        let wait = if rules.is_randomized { least + most.saturating_sub(least).mul_f64(chance) } else { most };
        self.wait = wait.min(rules.interval_max);
        Next::TryAfter(self.wait)
    }
}

fn floor_ms(wait: Duration) -> Duration {
    Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn rules() -> Rules {
        Rules { growth_rate: 2.0, is_randomized: false, ..Rules::every(MS(100)) }
    }

    fn waits(attempts: &mut Attempts, tries: usize) -> Vec<Next> {
        (0..tries).map(|_| attempts.failed(0.5)).collect()
    }

    /// Case 32.
    #[test]
    fn waits_grow_and_end() {
        let mut attempts = Attempts::new(Some(Rules { retries_max: Some(3), ..rules() }));
        // Tries at 0, 100 and 300 ms.
        assert_eq!(waits(&mut attempts, 3), [Next::TryAfter(MS(100)), Next::TryAfter(MS(200)), Next::GiveUp]);
        // After a loss: tries at 100, 300 and 700 ms.
        attempts.succeeded();
        assert_eq!(attempts.lost(), Next::TryAfter(MS(100)));
        assert_eq!(waits(&mut attempts, 3), [Next::TryAfter(MS(200)), Next::TryAfter(MS(400)), Next::GiveUp]);
    }

    /// Case 35.
    #[test]
    fn a_success_begins_anew() {
        let mut attempts = Attempts::new(Some(rules()));
        waits(&mut attempts, 5);
        assert_eq!(attempts.failures(), 5);
        attempts.succeeded();
        assert_eq!((attempts.failures(), attempts.lost()), (0, Next::TryAfter(MS(100))));
    }

    /// Case 33.
    #[test]
    fn no_wait_is_longer_than_the_longest() {
        let mut attempts = Attempts::new(Some(Rules { interval_max: MS(300), ..rules() }));
        assert_eq!(waits(&mut attempts, 4).last(), Some(&Next::TryAfter(MS(300))));
    }

    /// Case 33.
    #[test]
    fn randomized_waits_lie_between_the_last_and_the_next() {
        for chance in [0.0, 0.3, 1.0] {
            let mut attempts = Attempts::new(Some(Rules { is_randomized: true, ..rules() }));
            let mut last = match attempts.failed(chance) {
                Next::TryAfter(wait) => wait,
                Next::GiveUp => panic!("it has no bound"),
            };
            assert_eq!(last, MS(100));
            for _ in 0..6 {
                let Next::TryAfter(wait) = attempts.failed(chance) else { panic!("it has no bound") };
                assert!(wait >= last && wait <= last * 2, "{last:?} {wait:?}");
                last = wait;
            }
        }
    }

    #[test]
    fn without_rules_a_first_failure_is_final_and_a_loss_is_tried_once() {
        let mut attempts = Attempts::new(None);
        assert_eq!(attempts.failed(0.0), Next::GiveUp);
        let mut attempts = Attempts::new(None);
        attempts.succeeded();
        assert_eq!((attempts.lost(), attempts.failed(0.0)), (Next::TryAfter(ONCE_AFTER), Next::GiveUp));
    }
}
