//! Whose a line of log is, without a list of who is there.

use hotfn_protocols::CallId;

/// The calls in flight in one container, of which nobody asks more than which one it is when there is
/// only one. So no list is kept: all their names added up without carry are the one name that is left
/// when all others have been taken off again.
///
/// What a call writes last is read when the call has ended already, since its answer comes by
/// another way. So a call that was alone is still the one that is meant until the next begins.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    count: u32,
    sum: [u8; CallId::BYTES],
    /// The one that was there last, unless there were others beside it.
    last: Option<CallId>,
}

impl Crowd {
    pub(super) fn enter(&mut self, call: CallId) {
        self.last = (self.count == 0).then_some(call);
        self.count += 1;
        self.add(call);
    }

    pub(super) fn leave(&mut self, call: CallId) {
        self.count -= 1;
        self.add(call);
    }

    /// The call that is or was alone.
    pub(super) fn only(&self) -> Option<CallId> {
        match self.count {
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
        assert_eq!(crowd.only(), None);
        for alone in &calls {
            calls.iter().for_each(|call| crowd.enter(*call));
            assert_eq!(crowd.only(), None);
            calls.iter().filter(|call| *call != alone).for_each(|call| crowd.leave(*call));
            assert_eq!(crowd.only(), Some(*alone));
            crowd.leave(*alone);
            assert_eq!(crowd.only(), None, "who is left when all others went was not alone all the while");
        }
    }

    #[test]
    fn a_call_that_was_alone_is_named_until_the_next_begins() {
        let [one, other] = [CallId::new(), CallId::new()];
        let mut crowd = Crowd::default();
        crowd.enter(one);
        crowd.leave(one);
        assert_eq!(crowd.only(), Some(one));
        crowd.enter(other);
        assert_eq!(crowd.only(), Some(other));
    }
}
