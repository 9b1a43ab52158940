//! Staying awake for the next event.
//!
//! A thread that finds nothing to do goes to sleep, and on a machine with several cores waking it
//! costs more than everything else in a call: tens of microseconds. Yet a hot function's answer is
//! often due sooner than that. So a thread that has just served looks on for a moment before it
//! sleeps.
//!
//! Looking costs processor time that somebody else may want. So whoever else could run on this CPU
//! is let first, at every glance; and if somebody did run, or nothing came, the look was in vain.
//! One in vain and the next few events go without, twice as many each time; one that pays off
//! brings the habit back. With one CPU nobody lingers: whoever would have something for us needs
//! it.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::num::NonZeroUsize;
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// How long a thread looks on after the last event.
const LINGER: Duration = Duration::from_micros(20);

/// A glance that takes longer than this was somebody else's turn.
const GLANCE_MAX: Duration = Duration::from_micros(5);

/// Most events in a row that are not followed by a look.
const SKIPPED_MAX: u32 = 1024;

thread_local! {
    static HERE: Here = const { Here { events: Cell::new(0), due: Cell::new(0), waiting: RefCell::new(None) } };
}

/// What one thread knows of itself.
struct Here {
    /// Counted without end.
    events: Cell<u32>,
    /// The count at which the next look begins.
    due: Cell<u32>,
    waiting: RefCell<Option<Waker>>,
}

/// Notes that something arrived on this thread, so that more may follow soon.
pub fn event() {
    HERE.with(|here| {
        let events = here.events.get().wrapping_add(1);
        here.events.set(events);
        if events == here.due.get()
            && let Some(waiting) = here.waiting.take()
        {
            waiting.wake();
        }
    });
}

/// Keeps the thread that polls it awake for a moment after its events. Never ends; `None` where
/// lingering can only harm.
#[must_use]
pub fn lingering() -> Option<impl Future<Output = ()> + Send> {
    let cpus = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (cpus > 1).then(linger)
}

async fn linger() {
    let mut habit = Habit::default();
    loop {
        next_event(habit.skipped()).await;
        habit.looked(look_on().await);
    }
}

/// Waits until so many events have come that a look is due.
async fn next_event(skipped: u32) {
    let due = HERE.with(|here| {
        let due = here.events.get().wrapping_add(skipped + 1);
        here.due.set(due);
        due
    });
    poll_fn(|cx| {
        HERE.with(|here| {
            if here.events.get().wrapping_sub(due) < u32::MAX / 2 {
                return Poll::Ready(());
            }
            *here.waiting.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
    })
    .await;
}

/// Looks on until nothing came for a while, or somebody else wants the CPU; did anything come, and
/// nobody else?
async fn look_on() -> bool {
    let events = || HERE.with(|here| here.events.get());
    let (mut seen, mut any) = (events(), false);
    let mut since = Instant::now();
    let mut glanced = since;
    loop {
        thread::yield_now();
        // The runtime asks the kernel for news between two polls of a task that yields.
        tokio::task::yield_now().await;
        let (now, at) = (events(), Instant::now());
        if now != seen {
            (seen, since, any) = (now, at, true);
        } else if at - glanced > GLANCE_MAX {
            return false;
        } else if at - since > LINGER {
            return any;
        }
        glanced = at;
    }
}

/// How much looking on has paid off lately.
#[derive(Debug, Default)]
struct Habit {
    skipped: u32,
}

impl Habit {
    /// How many events go without a look from now.
    fn skipped(&self) -> u32 {
        self.skipped
    }

    fn looked(&mut self, paid_off: bool) {
        self.skipped = if paid_off { 0 } else { (self.skipped * 2 + 1).min(SKIPPED_MAX) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_in_vain_makes_the_next_rarer_and_a_good_one_brings_it_back() {
        let mut habit = Habit::default();
        let mut skipped = Vec::new();
        for _ in 0..12 {
            skipped.push(habit.skipped());
            habit.looked(false);
        }
        assert_eq!(skipped[..5], [0, 1, 3, 7, 15]);
        assert_eq!(skipped[11], SKIPPED_MAX);
        habit.looked(true);
        assert_eq!(habit.skipped(), 0);
    }

    #[tokio::test]
    async fn a_thread_without_events_sleeps() {
        let task = tokio::spawn(linger());
        for _ in 0..3 {
            event();
            // The look that follows ends by itself: the runtime goes idle, and time can pass.
            tokio::time::timeout(Duration::from_secs(10), async {
                while HERE.with(|here| here.waiting.borrow().is_none()) {
                    tokio::task::yield_now().await;
                }
            })
            .await
            .expect("the look ends");
        }
        task.abort();
    }
}
