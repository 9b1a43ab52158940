//! What is counted: requests by how they were answered, commands, callbacks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::refusal::Reason;

/// The counters of a service.
#[derive(Debug, Default)]
pub struct Tally {
    refused: Mutex<BTreeMap<Reason, u64>>,
    ended: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    /// Requests that were refused with this reason.
    #[must_use]
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).get(&reason).copied().unwrap_or(0)
    }

    /// Commands that have ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Callbacks that were taken.
    #[must_use]
    pub fn callbacks_delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Callbacks that were given up.
    #[must_use]
    pub fn callbacks_failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn refuse(&self, reason: Reason) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    pub(super) fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn callback_delivered(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn callback_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}
