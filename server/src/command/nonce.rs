//! Nonces that were used: what makes a request that was overheard worthless.
//!
//! A request is good while its timestamp is within the window either way, so a nonce has to be
//! remembered for two windows and not for longer. How many are remembered is bounded, and at the
//! bound the next is refused rather than an old one forgotten early: whoever holds the key can be
//! asked to slow down, but nobody may replay.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The memory. Holds nothing that was not signed with a key.
#[derive(Debug)]
pub(super) struct Nonces {
    seen: HashSet<Arc<str>>,
    /// The same, oldest first.
    order: VecDeque<(Instant, Arc<str>)>,
}

/// What noting a nonce came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Noted {
    /// It is new, and will not be again.
    Fresh,
    /// No room.
    Full,
    /// It was there already.
    Replayed,
}

impl Nonces {
    pub(super) fn new() -> Self {
        Self { seen: HashSet::new(), order: VecDeque::new() }
    }

    /// Looks for `nonce` and remembers it, in one step. Forgets those older than `keep` first; holds
    /// at most `max`.
    pub(super) fn note(&mut self, nonce: &str, now: Instant, keep: Duration, max: usize) -> Noted {
        while let Some((noted, old)) = self.order.front()
            && now.saturating_duration_since(*noted) > keep
        {
            self.seen.remove(old);
            self.order.pop_front();
        }
        if self.seen.contains(nonce) {
            return Noted::Replayed;
        }
        if self.order.len() >= max {
            return Noted::Full;
        }
        let nonce: Arc<str> = nonce.into();
        self.order.push_back((now, nonce.clone()));
        self.seen.insert(nonce);
        Noted::Fresh
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        assert_eq!(self.seen.len(), self.order.len());
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Duration = Duration::from_secs(120);

    #[test]
    fn a_nonce_is_good_once_within_two_windows() {
        let (mut nonces, start) = (Nonces::new(), Instant::now());
        let mut at = |after, nonce| nonces.note(nonce, start + Duration::from_secs(after), KEEP, 10);
        assert_eq!(at(0, "a"), Noted::Fresh);
        assert_eq!(at(0, "a"), Noted::Replayed);
        assert_eq!(at(120, "a"), Noted::Replayed);
        assert_eq!(at(121, "a"), Noted::Fresh);
        assert_eq!(at(241, "a"), Noted::Replayed);
    }

    #[test]
    fn a_full_memory_refuses_and_forgets_nothing_early() {
        let (mut nonces, start) = (Nonces::new(), Instant::now());
        for n in 0..100_000_u32 {
            assert_eq!(nonces.note(&n.to_string(), start, KEEP, 100_000), Noted::Fresh);
        }
        assert_eq!(nonces.note("one more", start, KEEP, 100_000), Noted::Full);
        assert_eq!(nonces.note("0", start, KEEP, 100_000), Noted::Replayed);
        let later = start + KEEP + Duration::from_nanos(1);
        assert_eq!(nonces.note("one more", later, KEEP, 100_000), Noted::Fresh);
        assert_eq!(nonces.len(), 1);
    }
}
