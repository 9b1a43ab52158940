//! What a connector has done, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value as Tree, json};

use super::trouble::Kind;

/// Counted since the connector began.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) connections: Count,
    pub(super) refused: Count,
    pub(super) frames_in: Count,
    pub(super) frames_out: Count,
    pub(super) bytes_in: Count,
    pub(super) bytes_out: Count,
    pub(super) reconnects: Count,
    /// Replies that had nobody to go to any more.
    pub(super) undelivered: Count,
    troubles: [Count; 4],
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counts {
    pub(super) fn trouble(&self, kind: Kind) -> &Count {
        &self.troubles[kind as usize]
    }

    pub(super) fn to_json(&self) -> Tree {
        let errors = [Kind::Decode, Kind::Fault, Kind::Frame, Kind::Write];
        let errors = errors.map(|kind| (kind.as_str().to_owned(), self.trouble(kind).get().into()));
        json!({
            "connections": self.connections.get(),
            "refused": self.refused.get(),
            "frames_in": self.frames_in.get(),
            "frames_out": self.frames_out.get(),
            "bytes_in": self.bytes_in.get(),
            "bytes_out": self.bytes_out.get(),
            "reconnects": self.reconnects.get(),
            "undelivered": self.undelivered.get(),
            "errors": serde_json::Map::from_iter(errors),
        })
    }
}
