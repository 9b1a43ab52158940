//! The threads that connections are served on.
//!
//! Each thread owns what it was given: a client's connection, the call it brings and the
//! connection to the function stay on it, so that a call wakes nobody else. A runtime that shares
//! one pool of tasks does the opposite, and pays for each hop with the wake-up of a core.
//!
//! New connections go to the thread that has fewest. Nothing moves later: connections that turn
//! out busy may meet on one thread while another idles. With many connections that evens out; with
//! few, one thread is more than fast enough.
//!
//! The first of the threads is the one that the node itself runs on, so a node with one thread is
//! a process with one thread that matters.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::{fmt, io};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// Some threads, each with a runtime of its own. Dropping this ends those it started, and whatever
/// still runs on them.
pub struct Threads {
    homes: Vec<Arc<Home>>,
    others: Vec<JoinHandle<()>>,
    end: CancellationToken,
}

/// One thread's runtime.
struct Home {
    runtime: Handle,
    guests: AtomicUsize,
}

/// A place on a thread; given back when dropped.
pub struct Place(Arc<Home>);

impl Threads {
    /// The thread that calls this, which runs a runtime, and as many others as make `number`.
    ///
    /// # Errors
    /// When the system gives no thread or no epoll instance.
    pub fn start(number: NonZeroUsize) -> io::Result<Self> {
        let end = CancellationToken::new();
        let first = vec![Home::new(Handle::current())];
        let mut threads = Self { homes: first, others: Vec::new(), end };
        for n in 1..number.get() {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            threads.homes.push(Home::new(runtime.handle().clone()));
            let end = threads.end.clone();
            let thread = thread::Builder::new().name(format!("hotfn-{n}"));
            threads.others.push(thread.spawn(move || runtime.block_on(end.cancelled()))?);
        }
        Ok(threads)
    }

    /// How many they should be where nobody says so: half as many as there are CPUs, because the
    /// functions need theirs too.
    #[must_use]
    pub fn usual() -> NonZeroUsize {
        let cpus = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        NonZeroUsize::new(cpus / 2).unwrap_or(NonZeroUsize::MIN)
    }

    /// Resolves when each thread has done a piece of work that was just given to it: none hangs.
    pub async fn answered(&self) {
        for home in &self.homes {
            // Fails only where the thread is gone, as when the node ends.
            let _ = home.runtime.spawn(async {}).await;
        }
    }

    /// A place on the thread with fewest guests.
    #[must_use]
    pub fn place(&self) -> Place {
        let home = self.homes.iter().min_by_key(|home| home.guests.load(Ordering::Relaxed));
        let home = home.expect("there is always the first thread");
        home.guests.fetch_add(1, Ordering::Relaxed);
        Place(home.clone())
    }
}

impl Home {
    fn new(runtime: Handle) -> Arc<Self> {
        Arc::new(Self { runtime, guests: AtomicUsize::new(0) })
    }
}

impl Place {
    /// The thread's runtime: what is spawned there stays there.
    #[must_use]
    pub fn runtime(&self) -> &Handle {
        &self.0.runtime
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.guests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end.cancel();
        for thread in self.others.drain(..) {
            // One that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let guests: Vec<_> = self.homes.iter().map(|home| home.guests.load(Ordering::Relaxed)).collect();
        f.debug_struct("Threads").field("guests", &guests).finish_non_exhaustive()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn guests_spread_evenly_and_stay_where_they_are() {
        let threads = Threads::start(NonZeroUsize::new(3).unwrap()).unwrap();
        let places: Vec<_> = (0..6).map(|_| threads.place()).collect();
        let mut seen = Vec::new();
        for place in &places {
            let thread = place.runtime().spawn(async {
                let before = thread::current().id();
                tokio::task::yield_now().await;
                assert_eq!(before, thread::current().id());
                before
            });
            seen.push(thread.await.unwrap());
        }
        assert_eq!(seen[..3], seen[3..]);
        assert_eq!(seen[0], thread::current().id(), "the first is the one that asked");
        assert!(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2]);

        drop(places);
        assert_eq!(format!("{threads:?}"), "Threads { guests: [0, 0, 0], .. }");
    }
}
