//! What functions write: the last lines of each in memory, and those of some calls for the store.
//!
//! The agent puts every line into a pipe and waits for nobody. At the pipe's end a task of its own
//! puts them into the `Book`, which is bounded in every direction, and tells those who
//! follow. No call is touched by any of this: what it writes takes another way than its answer.
//!
//! Last lines are this node's and of its containers. What was written during a call that is recorded
//! goes into the store with the call, a moment after its end, for every node to read.

mod book;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use hotfn::log::Line;
use hotfn_protocols::{CallId, FunctionId};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, timeout_at};

pub use book::Kept;
pub(super) use book::LAST_LINES_WAIT;

use book::{Book, Bounds};

/// Lines that are taken out of the pipe at a time.
const TURN_LINES: usize = 64;

/// What functions write.
#[derive(Debug)]
pub struct Logs {
    book: Mutex<Book>,
    /// The number that the next line will have.
    grown: watch::Sender<u64>,
    /// A call that is gathered has ended.
    ended: Notify,
}

/// Some lines of a function.
#[derive(Debug)]
pub struct Lines {
    /// In their order.
    pub lines: Vec<Kept>,
    /// From which number on to ask for more.
    pub next: u64,
}

impl Logs {
    pub(super) fn new(call_bytes_max: usize, calls_max: usize, gathers_all: bool) -> Arc<Self> {
        let bounds = Bounds { call_bytes_max, calls_max, ..Bounds::default() };
        let book = Book::new(bounds, gathers_all, SystemTime::now());
        let grown = watch::Sender::new(book.next());
        Arc::new(Self { book: Mutex::new(book), grown, ended: Notify::new() })
    }

    /// Takes lines out of the pipe until nobody puts any in.
    pub(super) async fn hear(self: Arc<Self>, mut lines: mpsc::Receiver<Line>) {
        let mut turn = Vec::with_capacity(TURN_LINES);
        while lines.recv_many(&mut turn, TURN_LINES).await > 0 {
            let next = {
                let mut book = self.book();
                turn.drain(..).for_each(|line| book.add(line));
                book.next()
            };
            self.grown.send_replace(next);
        }
    }

    /// The last lines of `function`, `count_max` at most.
    #[must_use]
    pub fn last(&self, function: &FunctionId, count_max: usize) -> Lines {
        let book = self.book();
        Lines { lines: book.last(function, count_max), next: book.next() }
    }

    /// Its lines from the number `from` on, `count_max` at most; if there are none yet, the first that
    /// come within `patience`. Cancel safe.
    pub async fn from(&self, function: &FunctionId, from: u64, count_max: usize, patience: Duration) -> Lines {
        let until = Instant::now() + patience;
        let mut grown = self.grown.subscribe();
        loop {
            let next = *grown.borrow_and_update();
            let lines = self.book().from(function, from, count_max);
            let is_late = lines.is_empty() && timeout_at(until, grown.changed()).await.is_err();
            match lines.last() {
                Some(last) => return Lines { next: last.n + 1, lines },
                None if is_late => return Lines { next: next.max(from), lines },
                None => {}
            }
        }
    }

    /// What is gathered here of `call`; nothing if it is not, or not any more.
    #[must_use]
    pub fn of_call(&self, call: CallId) -> Option<String> {
        self.book().of_call(call).map(str::to_owned)
    }

    pub(super) fn begin(&self, call: CallId) {
        self.book().begin(call);
    }

    pub(super) fn end(&self, call: CallId) {
        if self.book().end(call, SystemTime::now()) {
            self.ended.notify_one();
        }
    }

    /// Resolves when there are calls that ended, as long as not all were [taken](Self::take_ended). Cancel safe.
    pub(super) async fn some_ended(&self) {
        self.ended.notified().await;
    }

    /// What is to go into the store, of calls that ended long enough before `now`.
    pub(super) fn take_ended(&self, now: SystemTime) -> Vec<(CallId, String)> {
        let mut book = self.book();
        let taken = book.take_ended(now);
        if book.some_ended() {
            self.ended.notify_one();
        }
        taken
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no code panics while it holds this lock")
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use hotfn::container::Stdio;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_follows_is_woken_by_the_next_line_of_the_function_he_follows() {
        let logs = Logs::new(1000, 10, false);
        let (sender, receiver) = mpsc::channel(10);
        tokio::spawn(logs.clone().hear(receiver));
        let (f, minute) = ("f".into(), Duration::from_secs(60));
        let none = logs.last(&f, 10);
        assert!(none.lines.is_empty());
        let began = Instant::now();
        let nothing = logs.from(&f, none.next, 10, minute).await;
        assert!(nothing.lines.is_empty() && began.elapsed() == minute);

        let follower = tokio::spawn({
            let (logs, f) = (logs.clone(), f.clone());
            async move { logs.from(&f, nothing.next, 10, minute).await }
        });
        for function in ["g", "f"] {
            let line = Line {
                function: function.into(),
                call: None,
                stdio: Stdio::Out,
                text: "hi".to_owned(),
                at: UNIX_EPOCH,
                lost: 0,
            };
            sender.send(line).await.unwrap();
        }
        let seen = follower.await.unwrap();
        assert_eq!(seen.lines.len(), 1);
        assert!(logs.from(&f, seen.next, 10, Duration::ZERO).await.lines.is_empty());
    }
}
