//! What a node can be told by signals.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::signals;
use crate::log;

/// The signals that a node hears.
pub(super) struct Signals {
    end: signals::Signals,
    log: Signal,
    reload: Signal,
    successor: Signal,
}

/// What one of them means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wish {
    /// Drain, and end.
    End,
    /// Log more, or as before.
    Log,
    /// Read certificates again.
    Reload,
    /// Start a process that takes over.
    Successor,
}

impl Signals {
    /// From now on these signals end nothing by themselves.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            end: signals::Signals::new()?,
            log: signal(SignalKind::user_defined1())?,
            reload: signal(SignalKind::hangup())?,
            successor: signal(SignalKind::user_defined2())?,
        })
    }

    /// The next one. Cancel safe.
    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            () = self.end.next() => Wish::End,
            _ = self.log.recv() => Wish::Log,
            _ = self.reload.recv() => Wish::Reload,
            _ = self.successor.recv() => Wish::Successor,
        }
    }

    /// Resolves when the end is wished for; what is said of the log is done meanwhile. Cancel safe.
    pub(super) async fn asked_to_end(&mut self) {
        loop {
            match self.next().await {
                Wish::End => return,
                Wish::Log => log::toggle_level(),
                // Who is ending needs no new one.
                Wish::Reload => {}
                Wish::Successor => tracing::warn!("this is no time for a successor; try again when this node is ready"),
            }
        }
    }

    /// Waits for `work`; `None` if the end is wished for first.
    pub(super) async fn until<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.asked_to_end() => None,
        }
    }
}
