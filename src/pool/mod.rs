//! The scheduler: which call gets which container, what is started, frozen and ended, and when.
//!
//! It owns no task, socket or clock: events and `now` go in, actions come out, and a simulated hour
//! runs in a millisecond. Three machines, each with one noun:
//!
//! * [`queue`]: one function's waiting calls and its containers;
//! * [`budget`]: the node's memory and CPUs, and the functions that wait for some;
//! * [`evict`]: whose idle containers go when there is no room.
//!
//! [`Pool`] joins them. A function's queue has a lock of its own and the budget another, so a call
//! that meets a hot container takes no lock that calls of other functions take. No two locks are
//! ever held at once.

pub mod budget;
mod count;
pub mod event;
pub mod evict;
mod id;
pub mod queue;
pub mod rules;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Instant;

use budget::Budget;
pub use count::Count;
pub use event::{Action, Closing, ContainerId, Event, Granted, Refusal, Ticket};
use hotfn_protocols::Reuse;
use queue::Queue;
pub use rules::{Need, Rules};

/// All functions' queues and the node's budget.
#[derive(Debug)]
pub struct Pool<W, C> {
    lines: RwLock<HashMap<LineId, Arc<Line<W, C>>>>,
    lines_made: AtomicU64,
    budget: Mutex<Budget<LineId>>,
    /// Somebody waits for room: a container that becomes idle may have to go.
    pressed: AtomicBool,
    evicted: AtomicU64,
}

/// One function's place in the pool.
#[derive(Debug)]
pub struct Line<W, C> {
    id: LineId,
    tickets: AtomicU64,
    queue: Mutex<Queue<W, C>>,
}

/// The name of a line, never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LineId(u64);

/// What is to be done, and for whom.
pub type Todo<W, C> = Vec<(Arc<Line<W, C>>, Action<W, C>)>;

impl<W, C: Clone> Line<W, C> {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> LineId {
        self.id
    }

    /// Calls in flight.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.queue().busy()
    }

    /// What it looks like now.
    #[must_use]
    pub fn count(&self) -> Count {
        self.queue().count()
    }

    /// The handles of its containers that are up. A cold function's are not among them.
    #[must_use]
    pub fn handles(&self) -> Vec<C> {
        self.queue().handles().cloned().collect()
    }

    /// Are as many containers up as are to be kept warm, or is there no more that could be done for it?
    #[must_use]
    pub fn is_warm(&self) -> bool {
        self.queue().is_warm()
    }

    fn queue(&self) -> MutexGuard<'_, Queue<W, C>> {
        self.queue.lock().expect("the queue keeps its invariants or fails the test that broke them")
    }
}

impl<W, C: Clone> Pool<W, C> {
    /// A pool with this much room.
    #[must_use]
    pub fn new(total: Need, refuse_when_full: bool) -> Self {
        Self {
            lines: RwLock::default(),
            lines_made: AtomicU64::new(0),
            budget: Mutex::new(Budget::new(total, refuse_when_full)),
            pressed: AtomicBool::new(false),
            evicted: AtomicU64::new(0),
        }
    }

    /// What the node has in all.
    #[must_use]
    pub fn total(&self) -> Need {
        self.budget().total()
    }

    /// What of it is taken.
    #[must_use]
    pub fn used(&self) -> Need {
        self.budget().used()
    }

    /// How many idle containers went to make room for others.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Makes a line for a function.
    pub fn open(&self, rules: Rules, now: Instant, todo: &mut Todo<W, C>) -> Arc<Line<W, C>> {
        let id = LineId(self.lines_made.fetch_add(1, Ordering::Relaxed));
        let line = Arc::new(Line { id, tickets: AtomicU64::new(0), queue: Mutex::new(Queue::new(rules)) });
        self.lines.write().expect("no code panics while it holds this lock").insert(id, line.clone());
        self.on(&line, Event::Tick, now, todo);
        line
    }

    /// Closes a line. It is forgotten once it has no containers left.
    pub fn close(&self, line: &Arc<Line<W, C>>, why: Closing, now: Instant, todo: &mut Todo<W, C>) {
        self.on(line, Event::Closed(why), now, todo);
        self.lines.write().expect("no code panics while it holds this lock").remove(&line.id);
    }

    /// Is this container idle and frozen, as far as the pool is concerned?
    pub fn is_frozen(&self, line: &Line<W, C>, id: ContainerId) -> bool {
        line.queue().is_frozen(id)
    }

    /// Every open line.
    #[must_use]
    pub fn lines(&self) -> Vec<Arc<Line<W, C>>> {
        let lines = self.lines.read().expect("no code panics while it holds this lock");
        let mut lines: Vec<_> = lines.values().cloned().collect();
        lines.sort_by_key(|line| line.id);
        lines
    }

    /// A slot at once, if one is free and nobody waits: the hot path.
    pub fn take(&self, line: &Line<W, C>, now: Instant) -> Option<Granted<C>> {
        line.queue().take(now)
    }

    /// A call waits; `waiter` is what it left behind to be reached by.
    pub fn arrive(&self, line: &Arc<Line<W, C>>, waiter: W, now: Instant, todo: &mut Todo<W, C>) -> Ticket {
        let mut actions = Vec::new();
        let ticket = {
            let mut queue = line.queue();
            // Numbered under the queue's lock, so that tickets arrive in order.
            let ticket = Ticket(line.tickets.fetch_add(1, Ordering::Relaxed));
            queue.on(Event::Arrived(ticket, waiter), now, &mut actions);
            ticket
        };
        self.carry(line, actions, now, todo);
        ticket
    }

    /// A call gives its slot back: the hot path's other end.
    pub fn finish(&self, line: &Arc<Line<W, C>>, id: ContainerId, reuse: Reuse, now: Instant, todo: &mut Todo<W, C>) {
        self.on(line, Event::Finished(id, reuse), now, todo);
        if self.pressed.load(Ordering::Relaxed) {
            self.spend(budget::Event::Nudge, now, todo);
        }
    }

    /// Tells one line of one event.
    pub fn on(&self, line: &Arc<Line<W, C>>, event: Event<W, C>, now: Instant, todo: &mut Todo<W, C>) {
        let made_idle = matches!(event, Event::Ready(..));
        let mut actions = Vec::new();
        line.queue().on(event, now, &mut actions);
        self.carry(line, actions, now, todo);
        if made_idle && self.pressed.load(Ordering::Relaxed) {
            self.spend(budget::Event::Nudge, now, todo);
        }
    }

    /// What the queue asks of the node goes to the budget; the rest is the caller's to do.
    fn carry(&self, line: &Arc<Line<W, C>>, actions: Vec<Action<W, C>>, now: Instant, todo: &mut Todo<W, C>) {
        for action in actions {
            match action {
                Action::Release(need) => self.spend(budget::Event::Freed(need), now, todo),
                Action::Unwant(need) => self.spend(budget::Event::Unwant(line.id, need), now, todo),
                Action::Want(need) => self.spend(budget::Event::Want(line.id, need), now, todo),
                other => todo.push((line.clone(), other)),
            }
        }
    }

    fn spend(&self, event: budget::Event<LineId>, now: Instant, todo: &mut Todo<W, C>) {
        let mut actions = Vec::new();
        {
            let mut budget = self.budget();
            budget.on(event, now, &mut actions);
            self.pressed.store(budget.is_pressed(), Ordering::Relaxed);
        }
        for action in actions {
            match action {
                budget::Action::Allow(id, need) => match self.line(id) {
                    Some(line) => self.on(&line, Event::Allowed(need), now, todo),
                    None => self.spend(budget::Event::Freed(need), now, todo),
                },
                budget::Action::Deny(id) => {
                    if let Some(line) = self.line(id) {
                        self.on(&line, Event::Denied, now, todo);
                    }
                }
                budget::Action::Shed(id, missing) => self.shed(id, missing, now, todo),
            }
        }
    }

    /// Ends idle containers of other lines, if that makes up for what is missing.
    fn shed(&self, wanting: LineId, missing: Need, now: Instant, todo: &mut Todo<W, C>) {
        let mut candidates = Vec::new();
        for line in self.lines() {
            if line.id != wanting {
                let evictable = line.queue().evictable().collect::<Vec<_>>();
                candidates.extend(evictable.into_iter().map(|c| evict::Candidate {
                    key: (line.clone(), c.key),
                    born: c.born,
                    need: c.need,
                }));
            }
        }
        let mut any = false;
        for chosen in evict::choose(candidates, missing) {
            let (line, container) = chosen.key;
            let mut actions = Vec::new();
            line.queue().on(Event::Evict(container), now, &mut actions);
            // It may have been given a call since we looked.
            if actions.iter().any(|a| matches!(a, Action::Retire(id, _) if *id == container)) {
                any = true;
                self.evicted.fetch_add(1, Ordering::Relaxed);
                self.spend(budget::Event::Evicted(chosen.need), now, todo);
            }
            self.carry(&line, actions, now, todo);
        }
        if !any {
            self.spend(budget::Event::NoneToShed(wanting), now, todo);
        }
    }

    fn line(&self, id: LineId) -> Option<Arc<Line<W, C>>> {
        self.lines.read().expect("no code panics while it holds this lock").get(&id).cloned()
    }

    fn budget(&self) -> MutexGuard<'_, Budget<LineId>> {
        self.budget.lock().expect("the budget keeps its invariants or fails the test that broke them")
    }
}
