//! Pauses that grow.

use std::time::Duration;

/// Pauses between attempts, each twice as long as the one before, up to a longest one.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    next: Duration,
    min: Duration,
    max: Duration,
}

impl Backoff {
    /// From `min` to `max`.
    #[must_use]
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { next: min, min, max }
    }

    /// How long to wait before the next attempt.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.max);
        pause
    }

    /// It went well: the next pause is a short one again.
    pub fn reset(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(1), ms(5));
        let mut pauses = Vec::from_iter((0..4).map(|_| backoff.pause()));
        backoff.reset();
        pauses.push(backoff.pause());
        assert_eq!(pauses, [ms(1), ms(2), ms(4), ms(5), ms(1)]);
    }
}
