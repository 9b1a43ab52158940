//! What is counted of a service, as a registry of metrics shows it.
//!
//! Clones count into the same. Nothing of a request or a command is in a label but which of our own
//! words it came to.

use std::fmt;
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::refusal::Reason;

/// What a command takes, from `true` to a night's backup, in seconds.
const TOOK_BOUNDS: [f64; 12] = [0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1800.0, 14_400.0];
/// How far a caller's clock is off, from what a network's way explains to a wrong time zone, in
/// seconds. They are whole ones in a signature.
const OFFSET_BOUNDS: [f64; 8] = [0.0, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 3600.0];

/// How a request that was done counts, beside the reasons of those that were not.
const DONE: &str = "Ok";
const DELIVERED: &str = "delivered";
const FAILED: &str = "failed";

type Label = [(&'static str, &'static str); 1];

/// The counters of a service.
#[derive(Clone)]
pub struct Tally {
    requests: Family<Label, Counter>,
    running: Gauge,
    took: Histogram,
    callbacks: Family<Label, Counter>,
    offset: Histogram,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            running: Gauge::default(),
            took: Histogram::new(TOOK_BOUNDS),
            callbacks: Family::default(),
            offset: Histogram::new(OFFSET_BOUNDS),
        }
    }
}

impl Tally {
    /// Shows them there.
    pub fn register(&self, registry: &mut Registry) {
        let requests = "Requests for host commands, by the reason they were refused for, or Ok";
        registry.register("hotfn_command_requests", requests, self.requests.clone());
        registry.register("hotfn_command_running", "Host commands that run", self.running.clone());
        let took = "How long host commands took";
        registry.register_with_unit("hotfn_command_duration", took, Unit::Seconds, self.took.clone());
        let callbacks = "Outcomes of host commands that were sent, by whether they were taken";
        registry.register("hotfn_command_callbacks", callbacks, self.callbacks.clone());
        let offset = "How far the clocks of those who sign requests are off, either way";
        registry.register_with_unit("hotfn_command_clock_offset", offset, Unit::Seconds, self.offset.clone());
    }

    /// Requests that were done.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.requests.get_or_create(&[("reason", DONE)]).get()
    }

    /// Requests that were refused with this reason.
    #[must_use]
    pub fn refused(&self, reason: Reason) -> u64 {
        self.requests.get_or_create(&[("reason", reason.code())]).get()
    }

    /// Callbacks that were taken.
    #[must_use]
    pub fn callbacks_delivered(&self) -> u64 {
        self.callbacks.get_or_create(&[("outcome", DELIVERED)]).get()
    }

    /// Callbacks that were given up.
    #[must_use]
    pub fn callbacks_failed(&self) -> u64 {
        self.callbacks.get_or_create(&[("outcome", FAILED)]).get()
    }

    pub(super) fn do_one(&self) {
        self.requests.get_or_create(&[("reason", DONE)]).inc();
    }

    pub(super) fn refuse(&self, reason: Reason) {
        self.requests.get_or_create(&[("reason", reason.code())]).inc();
    }

    /// A request was signed by a clock that is so many seconds off.
    pub(super) fn note_offset(&self, seconds: u64) {
        self.offset.observe(seconds as f64);
    }

    /// A command runs, as long as what this gives lives.
    pub(super) fn begin(&self) -> Running {
        self.running.inc();
        Running { tally: self.clone(), since: Instant::now() }
    }

    pub(super) fn callback_delivered(&self) {
        self.callbacks.get_or_create(&[("outcome", DELIVERED)]).inc();
    }

    pub(super) fn callback_failed(&self) {
        self.callbacks.get_or_create(&[("outcome", FAILED)]).inc();
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").field("running", &self.running.get()).finish_non_exhaustive()
    }
}

/// A command that is counted as running until this is dropped.
pub(super) struct Running {
    tally: Tally,
    since: Instant,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tally.running.dec();
        self.tally.took.observe(self.since.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_shown_by_our_own_words() {
        let (tally, mut registry) = (Tally::default(), Registry::default());
        tally.register(&mut registry);
        tally.do_one();
        tally.refuse(Reason::Replayed);
        tally.refuse(Reason::Replayed);
        tally.note_offset(2);
        tally.callback_failed();
        drop(tally.begin());
        let _running = tally.begin();
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "hotfn_command_requests_total{reason=\"Ok\"} 1",
            "hotfn_command_requests_total{reason=\"Replayed\"} 2",
            "hotfn_command_running 1",
            "hotfn_command_duration_seconds_count 1",
            "hotfn_command_callbacks_total{outcome=\"failed\"} 1",
            "hotfn_command_clock_offset_seconds_bucket{le=\"1.0\"} 0",
            "hotfn_command_clock_offset_seconds_bucket{le=\"5.0\"} 1",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} in\n{text}");
        }
    }
}
