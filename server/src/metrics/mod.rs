//! What `/metrics` shows: what every room of the node tells of itself.
//!
//! Rooms count, and this asks them when somebody wants to know. Those that are rooms of this crate
//! have a file here that puts their counts into words: `process` is what the system knows of us,
//! `rooms` the node's own.

mod process;
mod rooms;

use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

pub use rooms::{Pulled, Reached, Stored};

/// Everything that is shown.
pub struct Metrics(Mutex<Registry>);

/// The media type of [`Metrics::text`].
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Default for Metrics {
    /// With what is known of the process and of the program.
    fn default() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process::Process));
        Self(Mutex::new(registry))
    }
}

impl Metrics {
    /// Shows more, from now on.
    pub fn add(&self, more: impl FnOnce(&mut Registry)) {
        more(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// All of it, as text in the form of OpenMetrics.
    #[must_use]
    pub fn text(&self) -> String {
        let mut all = String::new();
        let registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text::encode(&mut all, &registry).expect("writing to a string does not fail");
        all
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
