//! How many calls came and what became of them, for whoever scrapes metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::record::Status;

type Label = [(&'static str, &'static str); 1];

/// Counts of this node's detached calls.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) accepted: Counter,
    attempts: Family<Label, Counter>,
    /// Of the whole store, as far as this node knows.
    open: Gauge,
    /// Records of calls and logs that the store could not be given.
    pub(super) unrecorded: Counter,
}

impl Tally {
    /// An attempt ended, and its call is now like this.
    pub(super) fn ended(&self, status: Status) {
        self.attempts.get_or_create(&[("status", status.as_str())]).inc();
    }

    pub(super) fn open(&self, calls: u64) {
        self.open.set(i64::try_from(calls).unwrap_or(i64::MAX));
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hotfn_detached_accepted",
            "Detached calls that were written down and answered with 202",
            self.accepted.clone(),
        );
        registry.register(
            "hotfn_detached_attempts",
            "Attempts at detached calls that ended, by what the call was after it",
            self.attempts.clone(),
        );
        registry.register(
            "hotfn_detached_open",
            "Detached calls of the store that wait or run, as this node counts them",
            self.open.clone(),
        );
        registry.register(
            "hotfn_calls_unrecorded",
            "Records of calls and logs that were lost because the store was slower than they came",
            self.unrecorded.clone(),
        );
    }
}
