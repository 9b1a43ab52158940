//! What becomes of a container: it comes up, takes calls, idles, is frozen, grows old, and goes.

use std::time::Instant;

use hotfn_protocols::{Fault, Reuse};

use super::Queue;
use super::container::Phase;
use crate::pool::event::{Action, ContainerId, Refusal};

/// Containers by how far they have come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Launches that will serve calls.
    starting: usize,
    /// Containers that take calls or will.
    live: usize,
}

impl<W, C: Clone> Queue<W, C> {
    /// A launched container can take calls.
    pub(super) fn ready(&mut self, id: ContainerId, handle: C, now: Instant, out: &mut Vec<Action<W, C>>) {
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

    /// A launch came to nothing.
    pub(super) fn failed(&mut self, id: ContainerId, fault: Fault, now: Instant, out: &mut Vec<Action<W, C>>) {
        self.tally = None;
        let Some(container) = self.containers.get_mut(&id) else { return };
        match std::mem::replace(&mut container.phase, Phase::Leaving) {
            Phase::Starting { ticket: Some(ticket) } => {
                // Only the call that caused the launch hears of it; others get a fresh try.
                out.extend(self.leaving(ticket).map(|caused| Action::Refuse(caused, Refusal::Launch(fault))));
            }
            _ => self.put_off_warming(now, out),
        }
    }

    /// A call is done with its slot.
    pub(super) fn finished(&mut self, id: ContainerId, reuse: Reuse, now: Instant, out: &mut Vec<Action<W, C>>) {
        let Some(container) = self.containers.get_mut(&id) else { return };
        debug_assert!(container.busy > 0, "no slot is given back twice");
        let was_full = container.busy >= self.rules.concurrency;
        container.busy = container.busy.saturating_sub(1);
        container.idle_since = now;
        if matches!(container.phase, Phase::Leaving) {
            return;
        }
        let worn = container.is_worn(&self.rules, now);
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

    /// A container ended by itself.
    pub(super) fn died(&mut self, id: ContainerId) {
        self.tally = None;
        self.free.retain(|free| *free != id);
        if let Some(container) = self.containers.get_mut(&id) {
            container.phase = Phase::Leaving;
        }
    }

    /// Nothing is left of a container.
    pub(super) fn gone(&mut self, id: ContainerId, out: &mut Vec<Action<W, C>>) {
        self.died(id);
        if let Some(container) = self.containers.remove(&id) {
            out.push(Action::Release(container.need));
        }
    }

    /// Time has passed for those that idle.
    pub(super) fn age(&mut self, now: Instant, out: &mut Vec<Action<W, C>>) {
        let mut live = self.live();
        // From the front: those unused for longest.
        for id in self.free.clone() {
            let Some(container) = self.containers.get_mut(&id) else { continue };
            if container.busy > 0 {
                continue;
            }
            let idle = now.saturating_duration_since(container.idle_since);
            let worn = container.is_worn(&self.rules, now);
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
    }

    /// Idle containers go now, busy ones when they are done, starting ones when they are up.
    pub(super) fn let_all_go(&mut self, out: &mut Vec<Action<W, C>>) {
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

    /// Takes its slots away, and has it ended.
    pub(super) fn retire(&mut self, id: ContainerId, out: &mut Vec<Action<W, C>>) {
        self.tally = None;
        self.free.retain(|free| *free != id);
        if let Some(container) = self.containers.get_mut(&id)
            && let Phase::Up { handle, .. } = std::mem::replace(&mut container.phase, Phase::Leaving)
        {
            out.push(Action::Retire(id, handle));
        }
    }

    /// Launches that will serve calls.
    pub(super) fn starting(&mut self) -> usize {
        self.tally().starting
    }

    /// Containers that take calls or will.
    pub(super) fn live(&mut self) -> usize {
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
}
