//! The book of jobs: who runs how many, which can be looked up, which answer an idempotency key has.
//!
//! Every table is bounded. Running jobs are bounded by the slots that they hold, ended ones by their
//! number, their age and the bytes of their output; the oldest go.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::config::{Bounds, Caller};
use super::job::Job;
use super::peer::Origin;
use super::refusal::Refusal;

/// All jobs that are known.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    running: usize,
    by_peer: HashMap<Origin, usize>,
    by_caller: HashMap<Arc<str>, usize>,
    jobs: HashMap<String, Arc<Job>>,
    /// Oldest first, with the bytes each holds.
    ended: VecDeque<(Instant, String, usize)>,
    ended_bytes: usize,
    /// By the caller's name and the key that it made up.
    repeats: HashMap<(Arc<str>, String), Repeat>,
}

/// What a caller's idempotency key stands for.
#[derive(Debug)]
struct Repeat {
    job: String,
    request: Digest,
}

/// Of a request: two with the same one ask for the same.
pub(super) type Digest = [u8; 32];

/// A caller's idempotency key, and what came with it.
#[derive(Clone, Debug)]
pub(super) struct Once {
    pub(super) name: String,
    pub(super) request: Digest,
}

/// A right to run one command; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    book: Arc<Book>,
    origin: Origin,
    caller: Arc<str>,
}

/// What an idempotency key was found to be.
#[derive(Debug)]
pub(super) enum Known {
    /// The same request came before, and this is its job.
    Before(Arc<Job>),
    /// Another request came with it.
    Different,
    /// Nothing of it is known.
    New,
}

impl Book {
    /// A slot for one more command.
    pub(super) fn slot(self: &Arc<Self>, bounds: &Bounds, origin: Origin, caller: &Caller) -> Result<Slot, Refusal> {
        let mut pages = self.pages();
        let of_peer = pages.by_peer.get(&origin).copied().unwrap_or(0);
        let of_caller = pages.by_caller.get(&caller.name).copied().unwrap_or(0);
        let refuse = |whose, max| Err(Refusal::too_many(format!("{whose} has {max} commands running, its most"), 1));
        if pages.running >= bounds.concurrent_max {
            return refuse("service", bounds.concurrent_max);
        }
        if of_peer >= bounds.per_peer_max {
            return refuse("your address", bounds.per_peer_max);
        }
        if let Some(max) = caller.concurrent_max.filter(|max| of_caller >= *max) {
            return refuse("your name", max);
        }
        pages.running += 1;
        *pages.by_peer.entry(origin).or_default() += 1;
        *pages.by_caller.entry(caller.name.clone()).or_default() += 1;
        Ok(Slot { book: self.clone(), origin, caller: caller.name.clone() })
    }

    /// Enters a job that is about to be started, unless its caller's idempotency key is known: looking
    /// and entering are one step.
    pub(super) fn enter(&self, job: &Arc<Job>, once: Option<&Once>) -> Known {
        let mut pages = self.pages();
        if let Some(once) = once {
            match pages.known(&job.caller, once) {
                Known::New => {}
                known => return known,
            }
            let repeat = Repeat { job: job.id.to_string(), request: once.request };
            pages.repeats.insert((job.caller.clone(), once.name.clone()), repeat);
        }
        pages.jobs.insert(job.id.to_string(), job.clone());
        Known::New
    }

    /// Takes out a job that could not be started: it may be asked for again.
    pub(super) fn strike_out(&self, job: &Job) {
        let mut pages = self.pages();
        pages.jobs.remove(job.id.as_str());
        pages.repeats.retain(|_, repeat| repeat.job != job.id.as_str());
    }

    /// Notes that a job has ended, and forgets older ones beyond the bounds.
    pub(super) fn ended(&self, job: &Job, now: Instant, bounds: &Bounds) {
        let held = {
            let progress = job.progress();
            progress.stdout.held() + progress.stderr.held()
        };
        let mut pages = self.pages();
        pages.ended.push_back((now, job.id.to_string(), held));
        pages.ended_bytes += held;
        pages.forget(now, bounds);
    }

    /// The job of that id which `caller` may see.
    pub(super) fn find(&self, id: &str, caller: &str) -> Option<Arc<Job>> {
        self.pages().jobs.get(id).filter(|job| job.is_of(caller)).cloned()
    }

    /// What the caller's idempotency key stands for.
    pub(super) fn known(&self, caller: &Arc<str>, once: &Once, now: Instant, bounds: &Bounds) -> Known {
        let mut pages = self.pages();
        pages.forget(now, bounds);
        pages.known(caller, once)
    }

    /// How many commands run.
    pub(super) fn running(&self) -> usize {
        self.pages().running
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn known(&self, caller: &Arc<str>, once: &Once) -> Known {
        match self.repeats.get(&(caller.clone(), once.name.clone())) {
            None => Known::New,
            Some(repeat) if repeat.request != once.request => Known::Different,
            Some(repeat) => self.jobs.get(&repeat.job).map_or(Known::New, |job| Known::Before(job.clone())),
        }
    }

    fn forget(&mut self, now: Instant, bounds: &Bounds) {
        let mut gone = Vec::new();
        while let Some((ended, id, held)) = self.ended.front()
            && (self.ended.len() > bounds.remembered_max
                || self.ended_bytes > bounds.remembered_bytes_max
                || now.saturating_duration_since(*ended) > bounds.remembered_for)
        {
            self.jobs.remove(id);
            self.ended_bytes -= held;
            gone.extend(self.ended.pop_front().map(|(_, id, _)| id));
        }
        // Few callers send such keys; with none there is nothing to look through.
        if !gone.is_empty() && !self.repeats.is_empty() {
            self.repeats.retain(|_, repeat| !gone.contains(&repeat.job));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut pages = self.book.pages();
        pages.running -= 1;
        if let Some(count) = pages.by_peer.get_mut(&self.origin) {
            *count -= 1;
            if *count == 0 {
                pages.by_peer.remove(&self.origin);
            }
        }
        if let Some(count) = pages.by_caller.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                pages.by_caller.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hotfn_protocols::CallId;

    use super::*;
    use crate::command::refusal::Reason;

    fn caller(name: &str, concurrent_max: Option<usize>) -> Caller {
        Caller { concurrent_max, ..Caller::new(name) }
    }

    fn origin(last: u8) -> Origin {
        Origin::of_ip([10, 0, 0, last].into())
    }

    fn job(output: &str) -> Arc<Job> {
        let job = Job::new(CallId::new(), "a".into(), 1 << 10);
        job.update(|progress| progress.stdout.push(output.as_bytes()));
        job
    }

    #[test]
    fn slots_are_bounded_for_all_for_each_caller_and_for_each_name() {
        let book = Arc::new(Book::default());
        let bounds = Bounds { concurrent_max: 3, per_peer_max: 2, ..Bounds::default() };
        let (a, b) = (caller("a", None), caller("b", Some(1)));
        let refused = |slot: Result<Slot, Refusal>| slot.unwrap_err().reason == Reason::TooMany;
        let one = book.slot(&bounds, origin(1), &a).unwrap();
        let _two = book.slot(&bounds, origin(1), &a).unwrap();
        assert!(refused(book.slot(&bounds, origin(1), &a)));
        let three = book.slot(&bounds, origin(2), &b).unwrap();
        assert!(refused(book.slot(&bounds, origin(3), &a)));
        drop(one);
        assert!(refused(book.slot(&bounds, origin(2), &b)));
        drop(three);
        assert!(book.slot(&bounds, origin(1), &b).is_ok());
        assert_eq!(book.running(), 1);
    }

    #[test]
    fn ended_jobs_go_by_number_by_age_and_by_bytes() {
        let (book, start) = (Book::default(), Instant::now());
        let bounds = Bounds { remembered_max: 3, remembered_bytes_max: 10, ..Bounds::default() };
        let jobs: Vec<_> = (0..4).map(|_| job("x")).collect();
        for job in &jobs {
            book.enter(job, None);
            book.ended(job, start, &bounds);
        }
        let known = |job: &Arc<Job>| book.find(job.id.as_str(), "a").is_some();
        assert_eq!(jobs.iter().map(known).collect::<Vec<_>>(), [false, true, true, true]);
        assert!(book.find(jobs[3].id.as_str(), "b").is_none());
        let long = job("123456789");
        book.enter(&long, None);
        book.ended(&long, start + Duration::from_secs(1), &bounds);
        assert!(known(&long) && known(&jobs[3]) && !known(&jobs[2]));
        let late = job("");
        book.enter(&late, None);
        book.ended(&late, start + Duration::from_secs(3602), &bounds);
        assert!(known(&late) && !known(&long));
    }

    #[test]
    fn an_idempotency_key_stands_for_one_request_of_one_caller() {
        let (book, bounds, now) = (Book::default(), Bounds::default(), Instant::now());
        let once = |name: &str, request| Once { name: name.to_owned(), request: [request; 32] };
        let job = job("x");
        assert!(matches!(book.enter(&job, Some(&once("once", 1))), Known::New));
        let known = |key: &str, name, request| book.known(&key.into(), &once(name, request), now, &bounds);
        assert!(matches!(known("a", "once", 1), Known::Before(found) if found.id == job.id));
        assert!(matches!(known("a", "once", 2), Known::Different));
        assert!(matches!(known("b", "once", 1), Known::New));
        assert!(matches!(known("a", "twice", 1), Known::New));
        let second = super::tests::job("y");
        assert!(matches!(book.enter(&second, Some(&once("once", 1))), Known::Before(found) if found.id == job.id));
        book.ended(&job, now, &bounds);
        let later = now + bounds.remembered_for + Duration::from_secs(1);
        assert!(matches!(book.known(&"a".into(), &once("once", 1), later, &bounds), Known::New));
        assert!(matches!(book.enter(&second, Some(&once("once", 1))), Known::New));
        book.strike_out(&second);
        assert!(matches!(known("a", "once", 1), Known::New));
    }
}
