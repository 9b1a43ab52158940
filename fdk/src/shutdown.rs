//! The end of a function: asked for by SIGTERM, or by the end of its standard input.
//!
//! There is one budget, [`ENV_SHUTDOWN_MS`](crate::ENV_SHUTDOWN_MS). Calls in flight may use what
//! is not kept for the function's hook; the hook gets its share and whatever they left. What is not
//! done by then is dropped: the one who asked is about to insist.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, timeout_at};

use crate::report::say;
use crate::settings::Settings;
use crate::{Function, StartError};

/// The part of the budget that is kept for the hook: a quarter.
const HOOK_SHARE: u32 = 4;

/// Waits to be asked to end.
#[derive(Debug)]
pub(crate) struct Asked {
    /// What platforms send.
    terminate: Signal,
    /// What a terminal sends.
    interrupt: Signal,
}

impl Asked {
    pub(crate) fn new() -> Result<Self, StartError> {
        let on = |kind| signal(kind).map_err(StartError::Signals);
        Ok(Self { terminate: on(SignalKind::terminate())?, interrupt: on(SignalKind::interrupt())? })
    }

    /// Resolves when asked. Cancel safe.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// How long the parts of an ending may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// Until when calls in flight may finish.
    pub(crate) calls: Instant,
    /// Until when everything is over.
    all: Instant,
}

impl Ending {
    /// The budget starts now.
    pub(crate) fn begin(settings: &Settings) -> Self {
        let (now, budget) = (Instant::now(), settings.shutdown);
        let all = now + budget;
        Self { calls: all - budget / HOOK_SHARE, all }
    }

    /// Runs the function's hook within what is left.
    pub(crate) async fn run_hook(self, function: &Function) {
        let Some(hook) = function.take_hook() else { return };
        let hook = AssertUnwindSafe(async { hook().await }).catch_unwind();
        match timeout_at(self.all, hook).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => say("the shutdown hook panicked"),
            Err(_) => say("the shutdown hook was still at work when its time was up"),
        }
    }
}
