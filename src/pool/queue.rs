//! One function's calls and containers: who waits, who may be given, what is on its way.
//!
//! Calls are served first come, first served; containers are given newest use first, so that
//! surplus ones age and leave. The queue asks the node for room one container at a time, and only
//! for calls that no container on its way will serve.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use hotfn_protocols::{Fault, Reuse};

use super::count::Count;
use super::event::{Action, Closing, ContainerId, Event, Granted, Refusal, Ticket};
use super::evict::Candidate;
use super::id::Spread;
use super::rules::{Need, Rules, wants_more};

/// How long after a failed warm start the next is tried; doubled each time up to [`WARM_RETRY_MAX`].
pub const WARM_RETRY_MIN: Duration = Duration::from_secs(1);
/// See [`WARM_RETRY_MIN`].
pub const WARM_RETRY_MAX: Duration = Duration::from_secs(60);

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

/// A wish for room for one container.
#[derive(Debug)]
struct Wish {
    /// The call it is for; `None`: to keep one warm.
    ticket: Option<Ticket>,
    since: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// Launches that will serve calls.
    starting: usize,
    /// Containers that take calls or will.
    live: usize,
}

#[derive(Debug)]
struct Waiter<W> {
    ticket: Ticket,
    since: Instant,
    waiter: W,
}

#[derive(Debug)]
struct Container<C> {
    phase: Phase<C>,
    need: Need,
    busy: u32,
    given: u64,
    born: Instant,
    idle_since: Instant,
    /// Takes no more calls; goes when those it has are done.
    retiring: bool,
}

#[derive(Debug)]
enum Phase<C> {
    Leaving,
    Starting {
        ticket: Option<Ticket>,
    },
    /// `None`: a cold call's own.
    Up {
        handle: Option<C>,
        frozen: bool,
    },
}

impl<C> Container<C> {
    fn is_idle(&self) -> bool {
        self.busy == 0 && matches!(self.phase, Phase::Up { .. })
    }

    fn takes_calls(&self) -> bool {
        !self.retiring && matches!(self.phase, Phase::Up { .. })
    }
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
            Event::Left(ticket) => {
                if let Ok(at) = self.waiters.binary_search_by_key(&ticket, |w| w.ticket) {
                    self.waiters.remove(at);
                }
            }
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

    fn allowed(&mut self, need: Need, now: Instant, out: &mut Vec<Action<W, C>>) {
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

    fn denied(&mut self, now: Instant, out: &mut Vec<Action<W, C>>) {
        match self.wishes.pop_front() {
            Some(Wish { ticket: Some(ticket), .. }) => {
                const FULL: Refusal = Refusal::Busy("the node is full and nothing on it is idle");
                if let Ok(at) = self.waiters.binary_search_by_key(&ticket, |w| w.ticket)
                    && let Some(denied) = self.waiters.remove(at)
                {
                    out.push(Action::Refuse(denied.waiter, FULL));
                }
            }
            Some(Wish { ticket: None, .. }) => self.put_off_warming(now, out),
            None => {}
        }
    }

    fn ready(&mut self, id: ContainerId, handle: C, now: Instant, out: &mut Vec<Action<W, C>>) {
        self.tally = None;
        let Some(container) = self.containers.get_mut(&id) else { return };
        debug_assert!(matches!(container.phase, Phase::Starting { .. }), "a container is ready once");
        container.phase = Phase::Up { handle: Some(handle), frozen: false };
        container.idle_since = now;
        self.warm_failures = 0;
        self.warm_not_before = None;
        if container.retiring {
            self.retire(id, out);
        } else {
            self.free.push(id);
            self.wake_for_idle(id, out);
        }
    }

    fn failed(&mut self, id: ContainerId, fault: Fault, now: Instant, out: &mut Vec<Action<W, C>>) {
        self.tally = None;
        let Some(container) = self.containers.get_mut(&id) else { return };
        match std::mem::replace(&mut container.phase, Phase::Leaving) {
            Phase::Starting { ticket: Some(ticket) } => {
                // Only the call that caused the launch hears of it; others get a fresh try.
                if let Ok(at) = self.waiters.binary_search_by_key(&ticket, |w| w.ticket)
                    && let Some(caused) = self.waiters.remove(at)
                {
                    out.push(Action::Refuse(caused.waiter, Refusal::Launch(fault)));
                }
            }
            _ => self.put_off_warming(now, out),
        }
    }

    fn finished(&mut self, id: ContainerId, reuse: Reuse, now: Instant, out: &mut Vec<Action<W, C>>) {
        let Some(container) = self.containers.get_mut(&id) else { return };
        debug_assert!(container.busy > 0, "no slot is given back twice");
        let was_full = container.busy >= self.rules.concurrency;
        container.busy = container.busy.saturating_sub(1);
        container.idle_since = now;
        if matches!(container.phase, Phase::Leaving) {
            return;
        }
        let worn = self.rules.max_age.is_some_and(|max| now.saturating_duration_since(container.born) >= max);
        if reuse == Reuse::Retire || worn || self.rules.cold {
            container.retiring = true;
        }
        if container.retiring {
            self.tally = None;
            let idle = container.busy == 0;
            self.free.retain(|free| *free != id);
            if idle {
                self.retire(id, out);
            }
            return;
        }
        let is_idle = container.busy == 0;
        if was_full {
            self.free.push(id);
        }
        if is_idle {
            self.wake_for_idle(id, out);
        }
    }

    fn died(&mut self, id: ContainerId) {
        self.tally = None;
        self.free.retain(|free| *free != id);
        if let Some(container) = self.containers.get_mut(&id) {
            container.phase = Phase::Leaving;
        }
    }

    fn gone(&mut self, id: ContainerId, out: &mut Vec<Action<W, C>>) {
        self.died(id);
        if let Some(container) = self.containers.remove(&id) {
            out.push(Action::Release(container.need));
        }
    }

    fn replace(&mut self, rules: Rules, now: Instant, out: &mut Vec<Action<W, C>>) {
        self.rules = rules;
        self.warm_failures = 0;
        self.warm_not_before = None;
        out.extend(self.wishes.drain(..).map(|_| Action::Unwant));
        self.let_all_go(out);
        if self.rules.queue_wait_max.is_some() {
            self.wake_at(now, out);
        }
    }

    fn close(&mut self, why: Closing, out: &mut Vec<Action<W, C>>) {
        self.closed = Some(why);
        out.extend(self.wishes.drain(..).map(|_| Action::Unwant));
        out.extend(self.waiters.drain(..).map(|w| Action::Refuse(w.waiter, Refusal::Closed(why))));
        self.let_all_go(out);
    }

    /// Idle containers go now, busy ones when they are done, starting ones when they are up.
    fn let_all_go(&mut self, out: &mut Vec<Action<W, C>>) {
        self.free.clear();
        self.tally = None;
        let mut idle = Vec::new();
        for (id, container) in &mut self.containers {
            container.retiring = true;
            if container.is_idle() {
                idle.push(*id);
            }
        }
        idle.sort_unstable();
        for id in idle {
            self.retire(id, out);
        }
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Action<W, C>>) {
        self.due = None;
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
        let mut live = self.live();
        // From the front: those unused for longest.
        for id in self.free.clone() {
            let Some(container) = self.containers.get_mut(&id) else { continue };
            if container.busy > 0 {
                continue;
            }
            let idle = now.saturating_duration_since(container.idle_since);
            let worn = self.rules.max_age.is_some_and(|max| now.saturating_duration_since(container.born) >= max);
            let surplus = live > self.rules.min_warm as usize && idle >= self.rules.idle_timeout;
            if worn || surplus {
                live -= 1;
                self.retire(id, out);
                continue;
            }
            if let Phase::Up { handle: Some(handle), frozen } = &mut container.phase
                && !*frozen
                && self.rules.freeze_idle.is_some_and(|after| idle >= after)
            {
                *frozen = true;
                out.push(Action::Freeze(id, handle.clone()));
            }
            self.wake_for_idle(id, out);
        }
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
        if self.closed.is_some() {
            return;
        }
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
            out.push(Action::Unwant);
        }
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

    /// Launches that will serve calls.
    fn starting(&mut self) -> usize {
        self.tally().starting
    }

    /// Containers that take calls or will.
    fn live(&mut self) -> usize {
        self.tally().live
    }

    fn tally(&mut self) -> Tally {
        *self.tally.get_or_insert_with(|| {
            let mut tally = Tally::default();
            for container in self.containers.values().filter(|c| !c.retiring) {
                match container.phase {
                    Phase::Leaving => {}
                    Phase::Starting { .. } => {
                        tally.starting += 1;
                        tally.live += 1;
                    }
                    Phase::Up { .. } => tally.live += 1,
                }
            }
            tally
        })
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

    fn retire(&mut self, id: ContainerId, out: &mut Vec<Action<W, C>>) {
        self.tally = None;
        self.free.retain(|free| *free != id);
        if let Some(container) = self.containers.get_mut(&id)
            && let Phase::Up { handle, .. } = std::mem::replace(&mut container.phase, Phase::Leaving)
        {
            out.push(Action::Retire(id, handle));
        }
    }

    fn put_off_warming(&mut self, now: Instant, out: &mut Vec<Action<W, C>>) {
        let wait = WARM_RETRY_MIN.saturating_mul(1 << self.warm_failures.min(16)).min(WARM_RETRY_MAX);
        self.warm_failures += 1;
        self.warm_not_before = Some(now + wait);
        self.wake_at(now + wait, out);
    }

    /// Makes sure a tick comes when this idle container is next due for something.
    fn wake_for_idle(&mut self, id: ContainerId, out: &mut Vec<Action<W, C>>) {
        let spare = self.live() > self.rules.min_warm as usize;
        let Some(container) = self.containers.get(&id) else { return };
        let frozen = matches!(container.phase, Phase::Up { frozen: true, .. });
        let freeze = self.rules.freeze_idle.filter(|_| !frozen).map(|after| container.idle_since + after);
        let expire = spare.then(|| container.idle_since + self.rules.idle_timeout);
        let worn = self.rules.max_age.map(|max| container.born + max);
        if let Some(at) = [freeze, expire, worn].into_iter().flatten().min() {
            self.wake_at(at, out);
        }
    }

    fn wake_at(&mut self, at: Instant, out: &mut Vec<Action<W, C>>) {
        if self.due.is_none_or(|due| at < due) {
            self.due = Some(at);
            out.push(Action::Wake(at));
        }
    }
}
