//! The node's memory and CPUs, and the functions that wait for some of it.
//!
//! First come, first served, with one leniency: while the one in front has not waited long, a
//! smaller one behind it may take what is too little for the first. After [`OVERTAKE_MAX`] nobody
//! overtakes any more, so a large function is not starved by small ones.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::rules::Need;

/// How long others may overtake the one in front.
pub const OVERTAKE_MAX: Duration = Duration::from_secs(1);

/// What the budget is told. `K` names who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event<K> {
    /// A container was told to go so that there be room; it still holds `Need`.
    Evicted(Need),
    /// A container is gone, or what was allowed was not wanted after all.
    Freed(Need),
    /// There is nobody to evict for this one.
    NoneToShed(K),
    /// Somebody became idle: look again.
    Nudge,
    /// Takes back the newest wish of this one for so much that was not granted. For so much: what it wishes for
    /// may have changed, and what it says may come in another order than it was said.
    Unwant(K, Need),
    /// Room for one container, please.
    Want(K, Need),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action<K> {
    /// The room is this one's now.
    Allow(K, Need),
    /// There is none, and nobody waits here.
    Deny(K),
    /// Find idle containers of others that make up for what is missing.
    Shed(K, Need),
}

/// The node's room.
#[derive(Debug)]
pub struct Budget<K> {
    total: Need,
    used: Need,
    /// Part of `used` that is on its way out.
    leaving: Need,
    wishes: VecDeque<Wish<K>>,
    refuse_when_full: bool,
}

#[derive(Debug)]
struct Wish<K> {
    key: K,
    need: Need,
    since: Instant,
}

impl<K: Copy + Eq> Budget<K> {
    /// A node with this much room, all of it free.
    #[must_use]
    pub fn new(total: Need, refuse_when_full: bool) -> Self {
        Self { total, used: Need::default(), leaving: Need::default(), wishes: VecDeque::new(), refuse_when_full }
    }

    /// What the node has in all.
    #[must_use]
    pub fn total(&self) -> Need {
        self.total
    }

    /// What is taken.
    #[must_use]
    pub fn used(&self) -> Need {
        self.used
    }

    /// Does anybody wait for room?
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        !self.wishes.is_empty()
    }

    /// Takes note of `event` and says what follows.
    pub fn on(&mut self, event: Event<K>, now: Instant, out: &mut Vec<Action<K>>) {
        match event {
            Event::Evicted(need) => {
                self.leaving += need;
                return;
            }
            Event::Freed(need) => {
                debug_assert!(need.fits(self.used), "nobody gives back more than was taken");
                self.used -= need;
                self.leaving -= need;
            }
            Event::NoneToShed(key) => {
                if self.refuse_when_full
                    && let Some(at) = self.wishes.iter().position(|w| w.key == key)
                {
                    self.wishes.remove(at);
                    out.push(Action::Deny(key));
                }
                return;
            }
            Event::Nudge => {}
            Event::Unwant(key, need) => {
                if let Some(at) = self.wishes.iter().rposition(|w| w.key == key && w.need == need) {
                    self.wishes.remove(at);
                }
            }
            Event::Want(key, need) => self.wishes.push_back(Wish { key, need, since: now }),
        }
        self.grant(now, out);
    }

    fn grant(&mut self, now: Instant, out: &mut Vec<Action<K>>) {
        let mut at = 0;
        while let Some(wish) = self.wishes.get(at) {
            let (key, need) = (wish.key, wish.need);
            if need.fits(self.total - self.used) {
                self.used += need;
                self.wishes.remove(at);
                out.push(Action::Allow(key, need));
                continue;
            }
            let missing = need - (self.total - self.used) - self.leaving;
            if (at == 0 || self.refuse_when_full) && !missing.is_nothing() {
                out.push(Action::Shed(key, missing));
            }
            if at == 0 && now.saturating_duration_since(wish.since) >= OVERTAKE_MAX {
                return;
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: fn(u64) -> Need = |memory_mb| Need { memory_mb, cpu_milli: 0 };

    fn check(budget: &mut Budget<u8>, at: Instant, event: Event<u8>, expected: &[Action<u8>]) {
        let mut out = Vec::new();
        budget.on(event, at, &mut out);
        assert_eq!(out, expected, "after {event:?}");
    }

    #[test]
    fn room_goes_to_who_came_first_and_small_ones_overtake_only_for_a_while() {
        let t = Instant::now();
        let mut b = Budget::new(MB(100), false);
        check(&mut b, t, Event::Want(1, MB(60)), &[Action::Allow(1, MB(60))]);
        check(&mut b, t, Event::Want(2, MB(50)), &[Action::Shed(2, MB(10))]);
        check(&mut b, t, Event::Want(3, MB(10)), &[Action::Shed(2, MB(10)), Action::Allow(3, MB(10))]);
        let late = t + OVERTAKE_MAX;
        check(&mut b, late, Event::Want(4, MB(10)), &[Action::Shed(2, MB(20))]);
        check(&mut b, late, Event::Freed(MB(10)), &[Action::Shed(2, MB(10))]);
        check(&mut b, late, Event::Freed(MB(60)), &[Action::Allow(2, MB(50)), Action::Allow(4, MB(10))]);
        assert!(!b.is_pressed());
    }

    #[test]
    fn what_is_on_its_way_out_is_not_asked_for_twice() {
        let t = Instant::now();
        let mut b = Budget::new(MB(100), false);
        check(&mut b, t, Event::Want(1, MB(100)), &[Action::Allow(1, MB(100))]);
        check(&mut b, t, Event::Want(2, MB(40)), &[Action::Shed(2, MB(40))]);
        check(&mut b, t, Event::Evicted(MB(100)), &[]);
        check(&mut b, t, Event::Nudge, &[]);
        check(&mut b, t, Event::Freed(MB(100)), &[Action::Allow(2, MB(40))]);
    }

    #[test]
    fn a_node_that_refuses_when_full_does_so_once_nobody_can_go() {
        let t = Instant::now();
        let mut b = Budget::new(MB(100), true);
        check(&mut b, t, Event::Want(1, MB(100)), &[Action::Allow(1, MB(100))]);
        check(&mut b, t, Event::Want(2, MB(40)), &[Action::Shed(2, MB(40))]);
        check(&mut b, t, Event::NoneToShed(2), &[Action::Deny(2)]);
        assert!(!b.is_pressed());
    }
}
