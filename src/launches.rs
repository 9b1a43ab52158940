//! How long launches take, phase by phase, as a histogram that a registry of metrics shows.
//!
//! A launch is rare beside a call, so that this may take a lock; calls are not counted here.

use std::fmt;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::Phases;

/// The name that dashboards know it by, before its unit.
const NAME: &str = "hotfn_launch";
/// From a process that is there at once to an image that comes from far away, in seconds.
const BOUNDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0];

type Labels = [(&'static str, &'static str); 2];

/// One histogram a phase.
#[derive(Clone)]
pub(crate) struct Launches {
    driver: &'static str,
    phases: Family<Labels, Histogram, fn() -> Histogram>,
}

impl Launches {
    /// Of containers by this driver.
    pub(crate) fn new(driver: &'static str) -> Self {
        Self { driver, phases: Family::new_with_constructor(|| Histogram::new(BOUNDS)) }
    }

    /// Shows them there.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "How long each phase of a launch took, of containers that came up";
        registry.register_with_unit(NAME, help, Unit::Seconds, self.phases.clone());
    }

    /// A container came up.
    pub(crate) fn note(&self, phases: &Phases) {
        for (phase, took) in phases.each() {
            self.phases.get_or_create(&[("driver", self.driver), ("phase", phase)]).observe(took.as_secs_f64());
        }
    }
}

impl fmt::Debug for Launches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launches").field("driver", &self.driver).finish_non_exhaustive()
    }
}
