//! One function's calls and containers: who waits, who may be given, what is on its way.
//!
//! Calls are served first come, first served; containers are given newest use first, so that
//! surplus ones age and leave. The queue asks the node for room one container at a time, and only
//! for calls that no container on its way will serve.
//!
//! What follows an event is told by noun: here what becomes of calls, in `life` what becomes of a
//! `container`, and in `growth` whether there should be more of them.

mod container;
mod growth;
mod life;

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use super::count::Count;
use super::event::{Action, Closing, ContainerId, Event, Granted, Refusal, Ticket};
use super::evict::Candidate;
use super::id::Spread;
use super::rules::{Need, Rules};

use container::{Container, Phase};
use growth::Wish;
pub use growth::{WARM_RETRY_MAX, WARM_RETRY_MIN};
use life::Tally;

/// One function's calls and containers.
#[derive(Debug)]
pub struct Queue<W, C> {
    rules: Rules,
    closed: Option<Closing>,
    waiters: VecDeque<Waiter<W>>,
    containers: HashMap<ContainerId, Container<C>, Spread>,
    containers_made: u64,
    /// Containers with a free slot, the one used last at the end.
    free: Vec<ContainerId>,
    wishes: VecDeque<Wish>,
    warm_failures: u32,
    warm_not_before: Option<Instant>,
    /// When the next tick is due, as far as anybody was told.
    due: Option<Instant>,
    /// Counted anew after a container changed its phase, so that a call that only takes a slot and
    /// gives it back costs the same with one container and with a thousand.
    tally: Option<Tally>,
}

#[derive(Debug)]
struct Waiter<W> {
    ticket: Ticket,
    since: Instant,
    waiter: W,
}

impl<W, C: Clone> Queue<W, C> {
    /// An empty queue.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            closed: None,
            waiters: VecDeque::new(),
            containers: HashMap::default(),
            containers_made: 0,
            free: Vec::new(),
            wishes: VecDeque::new(),
            warm_failures: 0,
            warm_not_before: None,
            due: None,
            tally: None,
        }
    }

    /// A slot at once, if one is free and nobody came before: what most calls of a hot function
    /// meet. Otherwise send [`Event::Arrived`].
    pub fn take(&mut self, now: Instant) -> Option<Granted<C>> {
        if self.waiters.is_empty() { self.give(now) } else { None }
    }

    /// Is this container idle and frozen?
    #[must_use]
    pub fn is_frozen(&self, id: ContainerId) -> bool {
        matches!(self.containers.get(&id), Some(Container { phase: Phase::Up { frozen: true, .. }, .. }))
    }

    /// Calls in flight.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.containers.values().map(|c| c.busy as usize).sum()
    }

    /// Containers, those on their way in and out included.
    #[must_use]
    pub fn containers(&self) -> usize {
        self.containers.len()
    }

    /// The handles of containers that are up.
    pub fn handles(&self) -> impl Iterator<Item = &C> {
        self.containers.values().filter_map(|container| match &container.phase {
            Phase::Up { handle, .. } => handle.as_ref(),
            Phase::Leaving | Phase::Starting { .. } => None,
        })
    }

    /// What it looks like now.
    #[must_use]
    pub fn count(&self) -> Count {
        let number = |n: usize| n as u64;
        let (waiting, wanted) = (number(self.waiters.len()), number(self.wishes.len()));
        let mut count = Count { waiting, wanted, calls: number(self.busy()), ..Count::default() };
        for container in self.containers.values() {
            *match &container.phase {
                Phase::Leaving => &mut count.leaving,
                Phase::Starting { .. } => &mut count.starting,
                Phase::Up { .. } if container.busy > 0 => &mut count.busy,
                Phase::Up { frozen: true, .. } => &mut count.frozen,
                Phase::Up { .. } => &mut count.idle,
            } += 1;
        }
        count
    }

    /// Are as many containers up as are to be kept warm? Also if it was tried and one does not start:
    /// waiting longer would not help.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        let up = self.containers.values().filter(|container| container.takes_calls()).count();
        self.rules.cold || self.warm_failures > 0 || up >= self.rules.min_warm as usize
    }

    /// What its containers hold of the node.
    #[must_use]
    pub fn held(&self) -> Need {
        self.containers.values().fold(Need::default(), |sum, c| sum + c.need)
    }

    /// The containers that may be ended to make room for another function.
    pub fn evictable(&self) -> impl Iterator<Item = Candidate<ContainerId>> {
        let mut spared = self.rules.min_warm as usize;
        let mut idle: Vec<_> = self.containers.iter().filter(|(_, c)| c.is_idle()).collect();
        // Those used last are spared, as they are the next to be given.
        idle.sort_by_key(|(_, c)| std::cmp::Reverse(c.idle_since));
        idle.into_iter()
            .filter(move |_| spared.checked_sub(1).map(|left| spared = left).is_none())
            .map(|(id, c)| Candidate { key: *id, born: c.born, need: c.need })
    }

    /// Takes note of `event` and says what follows.
    pub fn on(&mut self, event: Event<W, C>, now: Instant, out: &mut Vec<Action<W, C>>) {
        match event {
            Event::Allowed(need) => self.allowed(need, now, out),
            Event::Arrived(ticket, waiter) => self.arrived(ticket, waiter, now, out),
            Event::Closed(why) => self.close(why, out),
            Event::Denied => self.denied(now, out),
            Event::Died(id) => self.died(id),
            Event::Evict(id) => {
                if self.containers.get(&id).is_some_and(Container::is_idle) {
                    self.retire(id, out);
                }
            }
            Event::Failed(id, fault) => self.failed(id, fault, now, out),
            Event::Finished(id, reuse) => self.finished(id, reuse, now, out),
            Event::Gone(id) => self.gone(id, out),
            Event::Left(ticket) => drop(self.leaving(ticket)),
            Event::Ready(id, handle) => self.ready(id, handle, now, out),
            Event::Replaced(rules) => self.replace(rules, now, out),
            Event::Tick => self.tick(now, out),
        }
        self.settle(now, out);
    }

    fn arrived(&mut self, ticket: Ticket, waiter: W, now: Instant, out: &mut Vec<Action<W, C>>) {
        debug_assert!(self.waiters.back().is_none_or(|last| last.ticket < ticket), "tickets grow");
        if let Some(why) = self.closed {
            out.push(Action::Refuse(waiter, Refusal::Closed(why)));
        } else if self.rules.queue_max.is_some_and(|max| self.waiters.len() >= max) && self.free.is_empty() {
            out.push(Action::Refuse(waiter, Refusal::Busy("the function's queue is full")));
        } else {
            self.waiters.push_back(Waiter { ticket, since: now, waiter });
            if let Some(max) = self.rules.queue_wait_max {
                self.wake_at(now + max, out);
            }
        }
    }

    /// The call with this ticket, if it still waits; it does so no longer.
    fn leaving(&mut self, ticket: Ticket) -> Option<W> {
        let at = self.waiters.binary_search_by_key(&ticket, |w| w.ticket).ok()?;
        self.waiters.remove(at).map(|left| left.waiter)
    }

    fn replace(&mut self, rules: Rules, now: Instant, out: &mut Vec<Action<W, C>>) {
        let need = std::mem::replace(&mut self.rules, rules).need;
        self.warm_failures = 0;
        self.warm_not_before = None;
        out.extend(self.wishes.drain(..).map(|_| Action::Unwant(need)));
        self.let_all_go(out);
        if self.rules.queue_wait_max.is_some() {
            self.wake_at(now, out);
        }
    }

    fn close(&mut self, why: Closing, out: &mut Vec<Action<W, C>>) {
        self.closed = Some(why);
        out.extend(self.wishes.drain(..).map(|_| Action::Unwant(self.rules.need)));
        out.extend(self.waiters.drain(..).map(|w| Action::Refuse(w.waiter, Refusal::Closed(why))));
        self.let_all_go(out);
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Action<W, C>>) {
        // One that was asked for and put off since comes too early: what is due is still to come, and to ask
        // for it again each time would be to ask for ever more of them.
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
        }
        if let Some(max) = self.rules.queue_wait_max {
            while let Some(first) = self.waiters.front()
                && now.saturating_duration_since(first.since) >= max
                && let Some(first) = self.waiters.pop_front()
            {
                out.push(Action::Refuse(first.waiter, Refusal::Busy("the call waited too long for a slot")));
            }
            if let Some(first) = self.waiters.front() {
                self.wake_at(first.since + max, out);
            }
        }
        self.age(now, out);
        if let Some(at) = self.warm_not_before
            && at > now
        {
            self.wake_at(at, out);
        }
    }

    /// What follows whatever happened: free slots meet waiting calls, and wishes match what is
    /// still needed.
    fn settle(&mut self, now: Instant, out: &mut Vec<Action<W, C>>) {
        while !self.waiters.is_empty()
            && let Some(granted) = self.give(now)
            && let Some(first) = self.waiters.pop_front()
        {
            out.push(Action::Give(first.waiter, granted));
        }
        if self.closed.is_none() {
            self.wish(now, out);
        }
    }

    fn give(&mut self, now: Instant) -> Option<Granted<C>> {
        let id = *self.free.last()?;
        let container = self.containers.get_mut(&id).expect("a free container is a known one");
        debug_assert!(container.takes_calls() && container.busy < self.rules.concurrency, "free means free");
        let idle = (container.busy == 0).then(|| now.saturating_duration_since(container.idle_since));
        container.busy += 1;
        container.given += 1;
        container.idle_since = now;
        container.retiring = self.rules.max_calls.is_some_and(|max| container.given >= max);
        if container.retiring {
            self.tally = None;
        }
        if container.retiring || container.busy >= self.rules.concurrency {
            self.free.pop();
        }
        let Phase::Up { handle, frozen } = &mut container.phase else { unreachable!("free means up") };
        Some(Granted { container: id, handle: handle.clone(), thaw: std::mem::take(frozen), idle })
    }

    fn wake_at(&mut self, at: Instant, out: &mut Vec<Action<W, C>>) {
        if self.due.is_none_or(|due| at < due) {
            self.due = Some(at);
            out.push(Action::Wake(at));
        }
    }
}
