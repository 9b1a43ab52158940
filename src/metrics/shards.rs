//! A set of counters for each thread.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many sets there are. More threads than these share some.
const SETS: usize = 16;

/// Counters `T`, as many times over as there are threads that count, up to a bound.
#[derive(Debug)]
pub struct Shards<T>(Box<[Apart<T>]>);

/// On cache lines of its own, and on those that a processor fetches along with them.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

impl<T: Default> Default for Shards<T> {
    fn default() -> Self {
        Self((0..SETS).map(|_| Apart::default()).collect())
    }
}

impl<T> Shards<T> {
    /// The set of the thread that asks.
    #[must_use]
    pub fn here(&self) -> &T {
        &self.0[number() % SETS].0
    }

    /// All sets, to be added up.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|set| &set.0)
    }
}

/// The number of this thread, in the order in which threads first asked.
fn number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.with(|number| {
        number.get().unwrap_or_else(|| {
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            number.set(Some(new));
            new
        })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn threads_count_apart_and_nothing_is_lost() {
        let shards = Shards::<AtomicU64>::default();
        let count = || {
            for _ in 0..1000 {
                shards.here().fetch_add(1, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| (0..2 * SETS).for_each(|_| drop(scope.spawn(count))));
        assert_eq!(shards.all().map(|set| set.load(Ordering::Relaxed)).sum::<u64>(), 2000 * SETS as u64);
        assert!(shards.all().all(|set| set.load(Ordering::Relaxed) > 0), "each set has threads of its own");
    }

    #[test]
    fn a_thread_has_one_set_for_all_its_life() {
        let shards = Shards::<AtomicU64>::default();
        assert!(std::ptr::eq(shards.here(), shards.here()));
    }
}
