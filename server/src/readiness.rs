//! Are calls welcome here? What a balancer, a service manager and a successor want to know.
//!
//! A node answers `/readyz` with 503 until the containers are up that are to be kept warm, while its
//! store is away, when a connector has given up, and when it ends. Calls are served meanwhile as well
//! as they can be: not being ready is a wish to be spared, and no refusal.
//!
//! One function whose containers are slow to come up must not keep a whole node from its work: after
//! [`WARM_PATIENCE`] the node counts as warm whatever is missing. It stays so: functions that come
//! later warm up while the node works.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hotfn::Agent;

use crate::connector::Connectors;
use crate::mirror::Mirror;

/// How long a node waits for containers that are to be kept warm before it is ready without them.
pub const WARM_PATIENCE: Duration = Duration::from_secs(60);

/// How often [`Readiness::reached`] looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a node needs before calls are welcome. Ready from the beginning, until it is told what there is.
#[derive(Default)]
pub struct Readiness {
    means: OnceLock<Means>,
    was_warm: AtomicBool,
}

/// What there is to look at.
pub struct Means {
    /// Has containers to keep warm.
    pub agent: Agent,
    /// Follows a store, if there is one.
    pub mirror: Option<Arc<Mirror>>,
    /// Those of a node that has any.
    pub connectors: Option<Arc<Connectors>>,
    /// When the node began.
    pub since: Instant,
}

impl Readiness {
    /// Looks at these from now on; the first that are given count.
    pub fn look_at(&self, means: Means) {
        let _ = self.means.set(means);
    }

    /// What is missing, a sentence each.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        let Some(means) = self.means.get() else { return missing };
        if !self.is_warm(means) {
            missing.push("containers that are to be kept warm are not up yet");
        }
        if means.mirror.as_ref().is_some_and(|mirror| !mirror.is_up()) {
            missing.push("the store is away");
        }
        if means.connectors.as_ref().is_some_and(|connectors| !connectors.is_ready()) {
            missing.push("a connector has given up");
        }
        missing
    }

    /// Resolves when nothing is missing for the first time. Cancel safe.
    pub async fn reached(&self) {
        while !self.missing().is_empty() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn is_warm(&self, means: &Means) -> bool {
        if self.was_warm.load(Ordering::Relaxed) {
            return true;
        }
        let is_warm = means.agent.is_warm() || means.since.elapsed() >= WARM_PATIENCE;
        self.was_warm.store(is_warm, Ordering::Relaxed);
        is_warm
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("missing", &self.missing()).finish()
    }
}

impl fmt::Debug for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Means").field("since", &self.since).finish_non_exhaustive()
    }
}
