//! What an image may still cost.

use super::UnpackError;
use crate::{EXPANSION_FREE_BYTES, Limits};

/// What the layers of one image may still cost, together. Made once an image, spent by its layers.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    bytes: u64,
    entries: u64,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { bytes: limits.unpacked_bytes_max, entries: limits.entries_max }
    }

    /// What is left.
    pub(crate) fn left(&self) -> (u64, u64) {
        (self.bytes, self.entries)
    }

    /// Spends one entry.
    pub(super) fn spend_entry(&mut self) -> Result<(), UnpackError> {
        self.spend(0, 1)
    }

    /// Spends what was counted elsewhere, by a reader that knew the bound.
    pub(super) fn spend_bytes(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Spends what a layer cost that is here already.
    pub(crate) fn spend(&mut self, bytes: u64, entries: u64) -> Result<(), UnpackError> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(UnpackError::Bound("unpacked_bytes_max"))?;
        self.entries = self.entries.checked_sub(entries).ok_or(UnpackError::Bound("entries_max"))?;
        Ok(())
    }

    /// The most that a blob of `length` bytes may become, and the bound that says so.
    pub(super) fn expansion(&self, length: u64, limits: &Limits) -> (u64, &'static str) {
        let expanded = length.saturating_mul(limits.expansion_max).max(EXPANSION_FREE_BYTES);
        if expanded < self.bytes { (expanded, "expansion_max") } else { (self.bytes, "unpacked_bytes_max") }
    }
}
