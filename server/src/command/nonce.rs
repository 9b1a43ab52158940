//! Nonces that were used: what makes a request that was overheard worthless.
//!
//! A request is good while its timestamp is within the window either way, so a nonce has to be
//! remembered for two windows and not for longer. How many are remembered is bounded, and at the
//! bound the next is refused rather than an old one forgotten early: whoever holds the key can be
//! asked to slow down, but nobody may replay.
//!
//! Nonces are forgotten by a steady clock and timestamps are written by one that people set. When that
//! is set back, timestamps whose nonces are forgotten would be within the window once more. So of what is
//! forgotten the latest timestamp stays, and nothing that is not later is new.
//!
//! Of each the first half of a hash is kept, 48 bytes in all: a nonce may be three times as long. Two
//! that look alike are nobody's gain, since both were signed.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

/// The memory. Holds nothing that was not signed with a key.
#[derive(Debug)]
pub(super) struct Nonces {
    began: Instant,
    seen: HashSet<Trace>,
    /// The same, oldest first.
    order: VecDeque<Noting>,
    /// The latest timestamp of a nonce that is forgotten, in Unix seconds.
    forgotten_s: u64,
}

/// A nonce that somebody used, signed along with the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used<'a> {
    pub(super) nonce: &'a str,
    pub(super) timestamp_s: u64,
}

/// What is kept of a nonce.
type Trace = [u8; 16];

/// When one was noted. As a number, which is half as large as the moment itself.
#[derive(Debug)]
struct Noting {
    after_ns: u64,
    timestamp_s: u64,
    trace: Trace,
}

/// What noting a nonce came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Noted {
    /// It is new, and will not be again.
    Fresh,
    /// Its timestamp is no later than one whose nonce is forgotten: it may have been there.
    Forgotten,
    /// No room.
    Full,
    /// It was there already.
    Replayed,
}

impl Nonces {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, seen: HashSet::new(), order: VecDeque::new(), forgotten_s: 0 }
    }

    /// Looks for a nonce and remembers it, in one step. Forgets those older than `keep` first; holds
    /// at most `max`.
    pub(super) fn note(&mut self, used: Used<'_>, now: Instant, keep: Duration, max: usize) -> Noted {
        let Used { nonce, timestamp_s } = used;
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (after_ns, keep_ns) = (nanos(now.saturating_duration_since(self.began)), nanos(keep));
        while let Some(oldest) = self.order.front()
            && after_ns.saturating_sub(oldest.after_ns) > keep_ns
        {
            self.forgotten_s = self.forgotten_s.max(oldest.timestamp_s);
            self.seen.remove(&oldest.trace);
            self.order.pop_front();
        }
        let hash: [u8; 32] = Sha256::digest(nonce).into();
        let trace = *hash.first_chunk().expect("it is longer");
        if self.seen.contains(&trace) {
            return Noted::Replayed;
        }
        if timestamp_s <= self.forgotten_s {
            return Noted::Forgotten;
        }
        if self.order.len() >= max {
            return Noted::Full;
        }
        self.order.push_back(Noting { after_ns, timestamp_s, trace });
        self.seen.insert(trace);
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

    /// Signed so many seconds after some moment.
    fn used(nonce: &str, after: u64) -> Used<'_> {
        Used { nonce, timestamp_s: 1_700_000_000 + after }
    }

    #[test]
    fn a_nonce_is_good_once_within_two_windows() {
        let start = Instant::now();
        let mut nonces = Nonces::new(start);
        let mut at = |after, nonce| nonces.note(used(nonce, after), start + Duration::from_secs(after), KEEP, 10);
        assert_eq!(at(0, "a"), Noted::Fresh);
        assert_eq!(at(0, "a"), Noted::Replayed);
        assert_eq!(at(120, "a"), Noted::Replayed);
        assert_eq!(at(121, "a"), Noted::Fresh);
        assert_eq!(at(241, "a"), Noted::Replayed);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nothing_new_again() {
        let start = Instant::now();
        let mut nonces = Nonces::new(start);
        let mut at =
            |after, nonce, signed| nonces.note(used(nonce, signed), start + Duration::from_secs(after), KEEP, 10);
        assert_eq!(at(0, "a", 50), Noted::Fresh);
        assert_eq!(at(1, "b", 60), Noted::Fresh);
        // Forgotten by now, and five minutes later it is the same time once more.
        assert_eq!(at(300, "c", 300), Noted::Fresh);
        assert_eq!(at(301, "a", 50), Noted::Forgotten);
        assert_eq!(at(301, "b", 60), Noted::Forgotten);
        assert_eq!(at(302, "d", 61), Noted::Fresh, "what was signed later cannot have been there");
        assert_eq!(at(303, "d", 61), Noted::Replayed);
    }

    #[test]
    fn a_full_memory_refuses_and_forgets_nothing_early() {
        let start = Instant::now();
        let mut nonces = Nonces::new(start);
        for n in 0..100_000_u32 {
            assert_eq!(nonces.note(used(&n.to_string(), 0), start, KEEP, 100_000), Noted::Fresh);
        }
        assert_eq!(nonces.note(used("one more", 0), start, KEEP, 100_000), Noted::Full);
        assert_eq!(nonces.note(used("0", 0), start, KEEP, 100_000), Noted::Replayed);
        let later = start + KEEP + Duration::from_nanos(1);
        assert_eq!(nonces.note(used("one more", 120), later, KEEP, 100_000), Noted::Fresh);
        assert_eq!(nonces.len(), 1);
    }
}
