//! How far a pull is.

use std::fmt;
use std::sync::Mutex;

use crate::Reference;

/// How far a pull is: a snapshot, of which only the latest counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// What is being done.
    pub phase: Phase,
    /// How many layers the image has; 0 until that is known.
    pub layers: usize,
    /// How many of them are whole: fetched and unpacked.
    pub layers_done: usize,
    /// How many bytes are to be fetched, of layers that were not here; 0 until that is known.
    pub bytes_total: u64,
    /// How many of them are fetched.
    pub bytes: u64,
}

/// What is being done for a pull, in this order.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Phase {
    /// Asking what the reference stands for.
    #[default]
    Resolving,
    /// Fetching layers, and unpacking those that are fetched.
    Fetching,
    /// Everything is fetched, some layers are still being unpacked.
    Unpacking,
    /// The image is here.
    Done,
}

/// Somebody who wants to know how far a pull is.
///
/// Called in the task of the one who waits, some ten times a second at most and once at the end; a
/// slow one delays nobody but itself. `()` does not want to know.
pub trait Progress: fmt::Debug + Send + Sync {
    /// The pull of `image` is this far.
    fn at(&self, image: &Reference, snapshot: Snapshot);
}

impl Progress for () {
    fn at(&self, _image: &Reference, _snapshot: Snapshot) {}
}

/// Where a pull writes down how far it is.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    snapshot: Mutex<Snapshot>,
}

impl Meter {
    pub(crate) fn snapshot(&self) -> Snapshot {
        *self.snapshot.lock().expect("no holder panics")
    }

    pub(crate) fn fetching(&self, layers: usize, bytes_total: u64) {
        self.update(|now| *now = Snapshot { phase: Phase::Fetching, layers, bytes_total, ..*now });
    }

    /// So many bytes more are there.
    pub(crate) fn add(&self, bytes: u64) {
        self.update(|now| now.bytes += bytes);
    }

    /// So many bytes were worth nothing.
    #[cfg(feature = "registry")]
    pub(crate) fn take_back(&self, bytes: u64) {
        self.update(|now| now.bytes = now.bytes.saturating_sub(bytes));
    }

    pub(crate) fn unpacking(&self) {
        self.update(|now| now.phase = Phase::Unpacking);
    }

    pub(crate) fn layer_done(&self) {
        self.update(|now| now.layers_done += 1);
    }

    pub(crate) fn done(&self) {
        self.update(|now| now.phase = Phase::Done);
    }

    fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.snapshot.lock().expect("no holder panics"));
    }
}
