//! What `/metrics` shows: what every room of the node tells of itself.
//!
//! Rooms count, and this asks them when somebody wants to know. What containers use is looked at first,
//! and not while the page is written: that takes its time, and the page's lock is everybody's. Those that are rooms of this crate
//! have a file here that puts their counts into words: `process` is what the system knows of us,
//! `rooms` the node's own.

mod process;
mod rooms;

use std::sync::{Mutex, OnceLock, PoisonError};

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use hotfn::Agent;

pub use rooms::{Pulled, Reached, Stored};

/// Everything that is shown.
pub struct Metrics {
    registry: Mutex<Registry>,
    /// Whose containers are looked at.
    agent: OnceLock<Agent>,
}

/// The media type of [`Metrics::text`].
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Default for Metrics {
    /// With what is known of the process and of the program.
    fn default() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process::Process));
        Self { registry: Mutex::new(registry), agent: OnceLock::new() }
    }
}

impl Metrics {
    /// Shows more, from now on.
    pub fn add(&self, more: impl FnOnce(&mut Registry)) {
        more(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Shows what `agent` counts, and has it look at its containers whenever somebody asks. Once.
    pub fn add_agent(&self, agent: &Agent) {
        self.add(|registry| agent.register(registry));
        let is_first = self.agent.set(agent.clone()).is_ok();
        debug_assert!(is_first, "a node has one agent");
    }

    /// All of it, as text in the form of OpenMetrics. Cancel safe.
    pub async fn text(&self) -> String {
        if let Some(agent) = self.agent.get() {
            agent.look().await;
        }
        let mut all = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        text::encode(&mut all, &registry).expect("writing to a string does not fail");
        all
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
