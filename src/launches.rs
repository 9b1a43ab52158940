//! How long launches take, phase by phase, as histograms that a registry of metrics shows.
//!
//! A launch is rare beside a call, so that this may take a lock; calls are not counted here.

use std::fmt;
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::Phases;
use crate::metrics::{Buckets, Page, Seen};

/// The name that dashboards know it by, before its unit.
const NAME: &str = "hotfn_launch";
/// From a process that is there at once to an image that comes from far away, in seconds.
const BOUNDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0];

type Labels = [(&'static str, &'static str); 2];

/// One histogram a phase, and those that Fn has.
pub(crate) struct Launches {
    driver: &'static str,
    phases: Family<Labels, Histogram, fn() -> Histogram>,
    waited: Buckets,
    started: Buckets,
    socket: Buckets,
}

impl Launches {
    /// Of containers by this driver.
    pub(crate) fn new(driver: &'static str) -> Self {
        let phases = Family::new_with_constructor(histogram as fn() -> Histogram);
        let (waited, started, socket) = Default::default();
        Self { driver, phases, waited, started, socket }
    }

    /// Shows them there.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "How long each phase of a launch took, of containers that came up";
        registry.register_with_unit(NAME, help, Unit::Seconds, self.phases.clone());
    }

    /// Tells those of Fn's names.
    pub(crate) fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let help = "How long a container on its way up waited for room";
        page.durations("fn_container_wait_duration_seconds", help, &Seen::of([&self.waited]))?;
        let help = "How long a container took to come up, once it had room";
        page.durations("fn_container_start_duration_seconds", help, &Seen::of([&self.started]))?;
        let help = "Milliseconds from a container's start until its socket was there";
        page.milli("fn_container_uds_init_latency", help, &Seen::of([&self.socket]))
    }

    /// A container is started that has waited so long for room.
    pub(crate) fn waited(&self, waited: Duration) {
        self.waited.note(waited);
    }

    /// A container came up.
    pub(crate) fn note(&self, phases: &Phases) {
        self.started.note(phases.total());
        if phases.socket > Duration::ZERO {
            self.socket.note(phases.socket);
        }
        for (phase, took) in phases.each() {
            self.phases.get_or_create(&[("driver", self.driver), ("phase", phase)]).observe(took.as_secs_f64());
        }
    }
}

fn histogram() -> Histogram {
    Histogram::new(BOUNDS)
}

impl fmt::Debug for Launches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launches").field("driver", &self.driver).finish_non_exhaustive()
    }
}
