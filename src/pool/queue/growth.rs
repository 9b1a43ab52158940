//! Whether there should be more containers: wishes for room, and what the node says to them.

use std::time::{Duration, Instant};

use super::Queue;
use super::container::{Container, Phase};
use crate::pool::event::{Action, ContainerId, Refusal, Ticket};
use crate::pool::rules::{Need, wants_more};

/// How long after a failed warm start the next is tried; doubled each time up to [`WARM_RETRY_MAX`].
pub const WARM_RETRY_MIN: Duration = Duration::from_secs(1);
/// See [`WARM_RETRY_MIN`].
pub const WARM_RETRY_MAX: Duration = Duration::from_secs(60);

/// A wish for room for one container.
#[derive(Debug)]
pub(super) struct Wish {
    /// The call it is for; `None`: to keep one warm.
    pub(super) ticket: Option<Ticket>,
    pub(super) since: Instant,
}

impl<W, C: Clone> Queue<W, C> {
    /// Makes wishes match what is still needed.
    pub(super) fn wish(&mut self, now: Instant, out: &mut Vec<Action<W, C>>) {
        loop {
            let coming = self.starting() + self.wishes.len();
            if wants_more(self.waiters.len(), coming, self.rules.concurrency) && self.may_grow() {
                // The first call that nothing on its way will serve hears of it should it fail.
                let unserved = coming.saturating_mul(self.rules.concurrency as usize);
                let ticket = self.waiters.get(unserved).map(|w| w.ticket);
                self.wishes.push_back(Wish { ticket, since: now });
            } else if self.live() + self.wishes.len() < self.rules.min_warm as usize
                && self.warm_not_before.is_none_or(|at| at <= now)
                && !self.rules.cold
                && self.may_grow()
            {
                self.wishes.push_back(Wish { ticket: None, since: now });
            } else {
                break;
            }
            out.push(Action::Want(self.rules.need));
        }
        while self.has_surplus_wish() {
            self.wishes.pop_back();
            out.push(Action::Unwant(self.rules.need));
        }
    }

    /// The node grants room for one container.
    pub(super) fn allowed(&mut self, need: Need, now: Instant, out: &mut Vec<Action<W, C>>) {
        if need != self.rules.need {
            // Granted to a wish of before a change; the wish after it is still under way.
            out.push(Action::Release(need));
            return;
        }
        let Some(Wish { ticket, since }) = self.wishes.pop_front() else {
            out.push(Action::Release(need));
            return;
        };
        if self.rules.cold && self.waiters.is_empty() {
            out.push(Action::Release(need));
            return;
        }
        self.tally = None;
        self.containers_made += 1;
        let id = ContainerId(self.containers_made);
        let cold = self.rules.cold;
        let phase = if cold { Phase::Up { handle: None, frozen: false } } else { Phase::Starting { ticket } };
        self.containers
            .insert(id, Container { phase, need, busy: 0, given: 0, born: now, idle_since: now, retiring: false });
        if cold {
            self.free.push(id);
        } else {
            out.push(Action::Launch(id, now.saturating_duration_since(since)));
        }
    }

    /// The node has no room for one.
    pub(super) fn denied(&mut self, now: Instant, out: &mut Vec<Action<W, C>>) {
        match self.wishes.pop_front() {
            Some(Wish { ticket: Some(ticket), .. }) => {
                const FULL: Refusal = Refusal::Busy("the node is full and nothing on it is idle");
                out.extend(self.leaving(ticket).map(|denied| Action::Refuse(denied, FULL)));
            }
            Some(Wish { ticket: None, .. }) => self.put_off_warming(now, out),
            None => {}
        }
    }

    /// Tries to keep one warm again after a while.
    pub(super) fn put_off_warming(&mut self, now: Instant, out: &mut Vec<Action<W, C>>) {
        let wait = WARM_RETRY_MIN.saturating_mul(1 << self.warm_failures.min(16)).min(WARM_RETRY_MAX);
        self.warm_failures += 1;
        self.warm_not_before = Some(now + wait);
        self.wake_at(now + wait, out);
    }

    fn has_surplus_wish(&mut self) -> bool {
        let Some(fewer) = self.wishes.len().checked_sub(1) else { return false };
        let coming = self.starting() + fewer;
        let served = !wants_more(self.waiters.len(), coming, self.rules.concurrency);
        let warm = self.live() + fewer >= self.rules.min_warm as usize || self.rules.cold;
        served && warm
    }

    fn may_grow(&self) -> bool {
        self.rules.max_containers.is_none_or(|max| self.containers.len() + self.wishes.len() < max as usize)
    }
}
