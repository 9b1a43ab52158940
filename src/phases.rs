//! Where the time of a launch goes.

use std::time::{Duration, Instant};

/// How long each phase of a launch took.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Phases {
    /// Finding the image, or fetching it. Zero for a container from stock.
    pub image: Duration,
    /// Making the container. Zero for a container from stock.
    pub create: Duration,
    /// Starting it.
    pub start: Duration,
    /// From there until its socket was there. Zero for formats without one.
    pub socket: Duration,
}

impl Phases {
    /// The phases by name, in order.
    #[must_use]
    pub fn each(&self) -> [(&'static str, Duration); 4] {
        [("image", self.image), ("create", self.create), ("start", self.start), ("socket", self.socket)]
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.each().iter().map(|(_, took)| *took).sum()
    }
}

/// Takes the time from one note to the next.
pub(crate) struct Lap(Instant);

impl Lap {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Puts what has passed since the last note into `phase`.
    pub(crate) fn note(&mut self, phase: &mut Duration) {
        let now = Instant::now();
        *phase = now - self.0;
        self.0 = now;
    }
}
