//! A hot container, as the calls that use it see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hotfn_protocols::{Exit, Reuse};
use tokio::sync::{Notify, watch};

use crate::Function;
use crate::container::Container;
use crate::ends::Ends;
use crate::exec::Calls;
use crate::log::Log;
use crate::phases::Phases;

/// A container that is up.
pub(crate) struct Hot {
    /// The container's own name, unique on this node.
    pub(crate) name: String,
    /// The function as it was when this container was started.
    pub(crate) function: Arc<Function>,
    pub(crate) log: Arc<Log>,
    /// Its calls, where it may run programs of this host on their behalf.
    pub(crate) calls: Option<Arc<Calls>>,
    /// When it could take its first call, and what that took.
    pub(crate) ready_at: Instant,
    pub(crate) phases: Phases,
    pub(crate) ends: Ends,
    container: Box<dyn Container>,
    used: AtomicBool,
    /// Is it frozen? Freezing and thawing take turns.
    frozen: tokio::sync::Mutex<bool>,
    leave: Notify,
    ended: watch::Sender<Option<Exit>>,
}

impl Hot {
    pub(crate) fn new(
        name: String,
        function: Arc<Function>,
        log: Arc<Log>,
        calls: Option<Arc<Calls>>,
        container: Box<dyn Container>,
        ends: Ends,
        phases: Phases,
    ) -> Self {
        Self {
            name,
            function,
            log,
            calls,
            ready_at: Instant::now(),
            phases,
            ends,
            container,
            used: AtomicBool::new(false),
            frozen: tokio::sync::Mutex::new(false),
            leave: Notify::new(),
            ended: watch::Sender::new(None),
        }
    }

    pub(crate) fn container(&self) -> &dyn Container {
        &*self.container
    }

    /// Is this the first call that tries it?
    pub(crate) fn first_use(&self) -> bool {
        // Looked at first: most calls are not, and need not take the line from other cores.
        !self.used.load(Ordering::Relaxed) && !self.used.swap(true, Ordering::Relaxed)
    }

    /// What becomes of the container when a call's end was lost in the middle of the call: with
    /// other calls in it only that one suffers.
    pub(crate) fn without_an_end(&self) -> Reuse {
        if self.ends.are_many() && self.function.concurrency > 1 { Reuse::Keep } else { Reuse::Retire }
    }

    /// Freezes it, if `still_wanted` once it is our turn. A container that cannot be frozen stays
    /// as it is: that costs CPU, not correctness.
    pub(crate) async fn freeze(&self, within: Duration, still_wanted: impl FnOnce() -> bool) {
        let mut frozen = self.frozen.lock().await;
        if *frozen || !still_wanted() {
            return;
        }
        // Set first: should this future be dropped or time out, thawing is tried and harmless.
        *frozen = true;
        match tokio::time::timeout(within, self.container.freeze()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(container_id = %self.name, %error, "container cannot be frozen"),
            Err(_) => {
                tracing::warn!(container_id = %self.name, "container did not freeze within {within:?}; it is ended");
                self.leave();
            }
        }
    }

    /// Lets it run again, if it is frozen.
    pub(crate) async fn thaw(&self, within: Duration) -> Result<(), String> {
        let mut frozen = self.frozen.lock().await;
        if !*frozen {
            return Ok(());
        }
        match tokio::time::timeout(within, self.container.thaw()).await {
            Ok(Ok(())) => {
                *frozen = false;
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("container did not thaw within {within:?}")),
        }
    }

    /// Asks its keeper to end it. May be asked often.
    pub(crate) fn leave(&self) {
        self.leave.notify_one();
    }

    /// Resolves once somebody asked. For its one keeper.
    pub(crate) async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Tells whoever asks how it ended.
    pub(crate) fn ended(&self, exit: Exit) {
        self.ended.send_replace(Some(exit));
    }

    /// How it ended, if it ends within so long.
    pub(crate) async fn exit_within(&self, wait: Duration) -> Option<Exit> {
        let mut ended = self.ended.subscribe();
        let known = tokio::time::timeout(wait, ended.wait_for(Option::is_some)).await;
        known.ok()?.ok().and_then(|exit| *exit)
    }
}

impl std::fmt::Debug for Hot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hot").field("name", &self.name).field("function", &self.function.id).finish_non_exhaustive()
    }
}
