//! What a connector has done, counted, and what it is doing, for whoever shows it.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value as Tree, json};

use super::definition::Side;
use super::trouble::Kind;

/// A connector at one moment, in plain numbers: for metrics.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reading {
    /// Its name.
    pub name: String,
    /// Does it listen, or connect?
    pub side: Side,
    /// What it is doing: `listening`; of a client `connecting`, `connected`, `waiting`, `failed` or
    /// `finished`.
    pub state: &'static str,
    /// Connections that are open.
    pub open: u64,
    /// Calls under way.
    pub in_flight: u64,
    /// Frames that wait for a client's connection.
    pub queue: u64,
    /// Frames that made room for others in that queue.
    pub forgotten: u64,
    /// What it has done since it began.
    pub totals: Totals,
}

/// What a connector has done since it began. Each number only grows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Totals {
    /// Connections that began.
    pub connections: u64,
    /// Connections that were closed at once: not allowed, or one too many.
    pub refused: u64,
    /// Frames that came, whether they could be followed or not.
    pub frames_in: u64,
    /// Frames that were written.
    pub frames_out: u64,
    /// Bytes that came.
    pub bytes_in: u64,
    /// Bytes that were written.
    pub bytes_out: u64,
    /// Times that a client tried again.
    pub reconnects: u64,
    /// Replies that had nobody to go to any more.
    pub undelivered: u64,
    /// Events that went wrong, by where they did.
    pub errors: [(Kind, u64); 4],
}

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

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counts {
    pub(super) fn trouble(&self, kind: Kind) -> &Count {
        &self.troubles[kind as usize]
    }

    pub(super) fn read(&self) -> Totals {
        Totals {
            connections: self.connections.get(),
            refused: self.refused.get(),
            frames_in: self.frames_in.get(),
            frames_out: self.frames_out.get(),
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            reconnects: self.reconnects.get(),
            undelivered: self.undelivered.get(),
            errors: Kind::ALL.map(|kind| (kind, self.trouble(kind).get())),
        }
    }
}

impl Totals {
    /// The same for the API.
    pub(super) fn to_json(self) -> Tree {
        let errors = self.errors.map(|(kind, count)| (kind.as_str().to_owned(), count.into()));
        json!({
            "connections": self.connections,
            "refused": self.refused,
            "frames_in": self.frames_in,
            "frames_out": self.frames_out,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "reconnects": self.reconnects,
            "undelivered": self.undelivered,
            "errors": serde_json::Map::from_iter(errors),
        })
    }
}
