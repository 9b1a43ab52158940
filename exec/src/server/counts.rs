//! What sessions have come to, counted. Several sockets may share the counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted since it was made.
#[derive(Debug, Default)]
pub struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
    refused: AtomicU64,
}

/// A program that runs, until this is dropped.
#[derive(Debug)]
pub(super) struct Running<'a>(&'a Counts);

impl Counts {
    /// Programs that were started.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Requests that were not followed.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Programs that run now.
    #[must_use]
    pub fn running(&self) -> u64 {
        // In this order, or one that ends in between would be missing twice.
        let ended = self.ended.load(Ordering::Acquire);
        self.begun().saturating_sub(ended)
    }

    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn begin(&self) -> Running<'_> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Running(self)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_has_begun_and_not_ended() {
        let counts = Counts::default();
        let (one, other) = (counts.begin(), counts.begin());
        drop(one);
        counts.refuse();
        assert_eq!((counts.begun(), counts.running(), counts.refused()), (2, 1, 1));
        drop(other);
        assert_eq!(counts.running(), 0);
    }
}
