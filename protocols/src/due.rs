//! When a call must have ended, as its function was told.

use std::time::{Instant, SystemTime};

use bytes::Bytes;

use crate::Deadline;

/// A deadline as it came, understood when somebody asks.
///
/// Most calls end long before anybody wants to know, so a wire's reader neither looks at a clock nor
/// at what the text says.
#[derive(Clone, Debug, Default)]
pub enum Due {
    /// At this moment.
    At(Deadline),
    /// Nobody said.
    #[default]
    Never,
    /// RFC 3339, or nonsense, which means that nobody said.
    Told(Bytes),
}

impl Due {
    /// What a platform wrote.
    #[must_use]
    pub fn told(text: String) -> Self {
        Self::Told(text.into())
    }

    /// The moment. `at` and `wall` are the two clocks' readings of now.
    #[must_use]
    pub fn deadline(&self, at: Instant, wall: SystemTime) -> Option<Deadline> {
        match self {
            Self::At(deadline) => Some(*deadline),
            Self::Never => None,
            Self::Told(text) => Deadline::parse(std::str::from_utf8(text).ok()?, at, wall),
        }
    }
}
