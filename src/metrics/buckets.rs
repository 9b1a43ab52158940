//! How long things took: counters, one for each span of durations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the spans, in nanoseconds: from what a hot call takes to what a long one may.
const BOUNDS: [u64; 18] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    5_000_000_000,
    10_000_000_000,
    60_000_000_000,
    300_000_000_000,
];
/// One more span for what is longer.
const SPANS: usize = BOUNDS.len() + 1;

const NANOS: u64 = 1_000_000_000;

/// Counts durations.
#[derive(Debug, Default)]
pub struct Buckets {
    spans: [AtomicU64; SPANS],
    nanos: AtomicU64,
}

/// What was counted, added up.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    spans: [u64; SPANS],
    nanos: u64,
}

impl Buckets {
    /// Something took this long.
    pub fn note(&self, took: Duration) {
        // Three hundred years in nanoseconds fit.
        let nanos = took.as_secs().saturating_mul(NANOS).saturating_add(u64::from(took.subsec_nanos()));
        // From the shortest on: that is what most calls are.
        let span = BOUNDS.iter().position(|&bound| nanos <= bound).unwrap_or(BOUNDS.len());
        self.spans[span].fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl Seen {
    /// What all of these have counted.
    pub fn of<'a>(all: impl IntoIterator<Item = &'a Buckets>) -> Self {
        let mut seen = Self::default();
        all.into_iter().for_each(|buckets| seen.add(buckets));
        seen
    }

    /// Adds what these have counted.
    pub fn add(&mut self, buckets: &Buckets) {
        for (sum, span) in self.spans.iter_mut().zip(&buckets.spans) {
            *sum += span.load(Ordering::Relaxed);
        }
        self.nanos = self.nanos.wrapping_add(buckets.nanos.load(Ordering::Relaxed));
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.spans.iter().sum()
    }

    /// All of them together, in seconds times `scale`.
    pub(super) fn sum(&self, scale: f64) -> f64 {
        self.nanos as f64 / NANOS as f64 * scale
    }

    /// Each span's upper bound in seconds times `scale`, and how many were in it.
    pub(super) fn spans(&self, scale: f64) -> Vec<(f64, u64)> {
        // Divided, and not multiplied by what a power of ten has no exact half of: bounds are read by people.
        let unit = NANOS as f64 / scale;
        let bounds = BOUNDS.iter().map(|&bound| bound as f64 / unit).chain([f64::INFINITY]);
        bounds.zip(self.spans).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_span_that_holds_it() {
        let check = |took: Duration, span: usize| {
            let buckets = Buckets::default();
            buckets.note(took);
            let spans = Seen::of([&buckets]).spans;
            assert_eq!(spans.iter().position(|&count| count == 1), Some(span), "{took:?}");
        };
        check(Duration::ZERO, 0);
        check(Duration::from_micros(50), 0);
        check(Duration::from_nanos(50_001), 1);
        check(Duration::from_millis(1), 4);
        check(Duration::from_secs(300), BOUNDS.len() - 1);
        check(Duration::MAX, BOUNDS.len());
    }

    #[test]
    fn what_many_have_counted_is_added_up_and_told_in_any_unit() {
        let (one, other) = (Buckets::default(), Buckets::default());
        one.note(Duration::from_millis(2));
        other.note(Duration::from_millis(3));
        let seen = Seen::of([&one, &other]);
        assert_eq!(seen.count(), 2);
        assert!((seen.sum(1.0) - 0.005).abs() < 1e-12 && (seen.sum(1000.0) - 5.0).abs() < 1e-9);
        assert_eq!(seen.spans(1.0)[..2], [(0.000_05, 0), (0.0001, 0)]);
        assert_eq!(seen.spans(1000.0)[4..6], [(1.0, 0), (2.5, 1)]);
        assert_eq!(seen.spans(1.0).last(), Some(&(f64::INFINITY, 0)));
    }
}
