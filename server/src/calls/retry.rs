//! When a call that failed is tried again, and when not any more.
//!
//! A rule of four numbers: so many attempts, a wait before the second, a factor by which each wait
//! is longer than the one before, and a cap on that. Where the function says nothing the node's
//! numbers count, and where neither does these here. There is no chance in it: attempts are spread
//! by the moments at which calls fail, and by the bound on how many run at once.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How calls are tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retry {
    /// Attempts in all, the first included. Default 3.
    pub attempts: u32,
    /// The wait before the second. Default 1 s.
    pub delay: Duration,
    /// How many times the one before each further wait is. Default 3.
    pub growth: u32,
    /// No wait is longer. Default 5 min.
    pub delay_max: Duration,
}

/// What of a [`Retry`] somebody says; `None` leaves it to who is asked next.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Retries {
    /// Attempts in all.
    #[serde(rename = "retry_attempts", skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// ms before the second.
    #[serde(rename = "retry_delay_ms", skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// The factor from wait to wait.
    #[serde(rename = "retry_growth", skip_serializing_if = "Option::is_none")]
    pub growth: Option<u32>,
    /// ms of the longest wait.
    #[serde(rename = "retry_delay_max_ms", skip_serializing_if = "Option::is_none")]
    pub delay_max_ms: Option<u64>,
}

/// Attempts that may be asked for.
pub const ATTEMPTS: RangeInclusive<u64> = 1..=100;
/// Waits that may be asked for, in ms: up to a day.
pub const DELAY_MS: RangeInclusive<u64> = 0..=24 * 3600 * 1000;
/// Factors that may be asked for.
pub const GROWTH: RangeInclusive<u64> = 1..=100;

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, delay: Duration::from_secs(1), growth: 3, delay_max: Duration::from_secs(300) }
    }
}

impl Retry {
    /// How long to wait after so many attempts have failed; `None` when that was the last.
    #[must_use]
    pub fn wait_after(&self, attempts: u32) -> Option<Duration> {
        (attempts < self.attempts).then(|| {
            let growth = self.growth.saturating_pow(attempts.saturating_sub(1));
            self.delay.saturating_mul(growth).min(self.delay_max)
        })
    }
}

impl Retries {
    /// This, and where it says nothing what `below` says.
    #[must_use]
    pub fn or(self, below: Self) -> Self {
        Self {
            attempts: self.attempts.or(below.attempts),
            delay_ms: self.delay_ms.or(below.delay_ms),
            growth: self.growth.or(below.growth),
            delay_max_ms: self.delay_max_ms.or(below.delay_max_ms),
        }
    }

    /// The rule, with our numbers where nothing is said.
    #[must_use]
    pub fn rule(self) -> Retry {
        let usual = Retry::default();
        Retry {
            attempts: self.attempts.unwrap_or(usual.attempts),
            delay: self.delay_ms.map_or(usual.delay, Duration::from_millis),
            growth: self.growth.unwrap_or(usual.growth),
            delay_max: self.delay_max_ms.map_or(usual.delay_max, Duration::from_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_grow_up_to_a_cap_and_end() {
        let waits = |said: Retries| {
            let rule = said.rule();
            let millis = (1..).map_while(|n| rule.wait_after(n)).map(|wait| wait.as_millis());
            millis.collect::<Vec<_>>()
        };
        assert_eq!(waits(Retries::default()), [1000, 3000]);
        assert_eq!(waits(Retries { attempts: Some(1), ..Retries::default() }), [0_u128; 0]);
        assert_eq!(waits(Retries { delay_ms: Some(0), ..Retries::default() }), [0, 0]);
        let node = Retries { attempts: Some(6), growth: Some(2), delay_max_ms: Some(5000), ..Retries::default() };
        assert_eq!(waits(node), [1000, 2000, 4000, 5000, 5000]);
        let function = Retries { attempts: Some(4), growth: Some(1), ..Retries::default() };
        assert_eq!(waits(function.or(node)), [1000, 1000, 1000]);
    }

    proptest! {
        #[test]
        fn whatever_the_numbers_it_ends_and_no_wait_is_beyond_the_cap(
            attempts in 1..=100_u32, delay in 0..=u64::MAX, growth in 1..=u32::MAX, cap in 0..=u64::MAX,
        ) {
            let said = Retries {
                attempts: Some(attempts), delay_ms: Some(delay), growth: Some(growth), delay_max_ms: Some(cap),
            };
            let waits: Vec<_> = (1..).map_while(|n| said.rule().wait_after(n)).collect();
            prop_assert_eq!(waits.len(), attempts as usize - 1);
            prop_assert!(waits.is_sorted());
            prop_assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(cap)));
        }
    }
}
