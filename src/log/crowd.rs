//! Whose a line of log is, without a list of who is there.

use std::time::{Duration, Instant};

use hotfn_protocols::CallId;

/// How long a call that has ended is still meant: what it wrote last is read when it has ended
/// already, since its answer comes by another way. What is read later was written later, but for a
/// machine that is very late.
const LAST_LINES_WITHIN: Duration = Duration::from_millis(100);

/// The calls in flight in one container, of which nobody asks more than which one it is when there is
/// only one. So no list is kept: all their names added up without carry are the one name that is left
/// when all others have been taken off again.
///
/// A call that was alone is still the one that is meant for a moment after its end, unless the next
/// begins before.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    count: u32,
    sum: [u8; CallId::BYTES],
    /// The one that was there last, unless there were others beside it.
    last: Option<CallId>,
    /// When it left.
    left: Option<Instant>,
}

impl Crowd {
    pub(super) fn enter(&mut self, call: CallId) {
        self.last = (self.count == 0).then_some(call);
        self.count += 1;
        self.add(call);
    }

    pub(super) fn leave(&mut self, call: CallId, now: Instant) {
        self.count -= 1;
        self.left = Some(now);
        self.add(call);
    }

    /// The call that is alone, or was until a moment before `now`.
    pub(super) fn only(&self, now: Instant) -> Option<CallId> {
        match self.count {
            0 if now.saturating_duration_since(self.left?) > LAST_LINES_WITHIN => None,
            0 => self.last,
            1 => std::str::from_utf8(&self.sum).ok()?.parse().ok(),
            _ => None,
        }
    }

    fn add(&mut self, call: CallId) {
        for (sum, byte) in self.sum.iter_mut().zip(call.as_bytes()) {
            *sum ^= byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_while_it_is_alone() {
        let calls: Vec<_> = (0..5).map(|_| CallId::new()).collect();
        let mut crowd = Crowd::default();
        let now = Instant::now();
        assert_eq!(crowd.only(now), None);
        for alone in &calls {
            calls.iter().for_each(|call| crowd.enter(*call));
            assert_eq!(crowd.only(now), None);
            calls.iter().filter(|call| *call != alone).for_each(|call| crowd.leave(*call, now));
            assert_eq!(crowd.only(now), Some(*alone));
            crowd.leave(*alone, now);
            assert_eq!(crowd.only(now), None, "who is left when all others went was not alone all the while");
        }
    }

    #[test]
    fn a_call_that_was_alone_is_named_for_a_moment_or_until_the_next_begins() {
        let [one, other] = [CallId::new(), CallId::new()];
        let mut crowd = Crowd::default();
        let now = Instant::now();
        crowd.enter(one);
        assert_eq!(crowd.only(now + 10 * LAST_LINES_WITHIN), Some(one), "while it runs there is no hurry");
        crowd.leave(one, now);
        assert_eq!(crowd.only(now + LAST_LINES_WITHIN), Some(one));
        assert_eq!(crowd.only(now + 2 * LAST_LINES_WITHIN), None);
        crowd.enter(other);
        assert_eq!(crowd.only(now), Some(other));
    }
}
