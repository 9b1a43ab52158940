//! Wakes lines of the pool when they are due.
//!
//! One task for the node. A line asks for an earlier moment only rarely, so calls hardly ever come
//! here; a tick too many is harmless.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Mutex;
use std::time::Instant;

use tokio::sync::Notify;

use crate::pool::LineId;

/// The moments lines asked for.
#[derive(Debug, Default)]
pub(crate) struct Ticker {
    due: Mutex<BinaryHeap<Reverse<(Instant, LineId)>>>,
    sooner: Notify,
}

impl Ticker {
    /// Asks for a tick of this line at this moment, or soon after.
    pub(crate) fn wake_at(&self, at: Instant, line: LineId) {
        let mut due = self.due();
        let is_first = due.peek().is_none_or(|Reverse((first, _))| at < *first);
        due.push(Reverse((at, line)));
        drop(due);
        if is_first {
            self.sooner.notify_one();
        }
    }

    /// The next line that is due, when it is. For the one task that drives this. Cancel safe.
    pub(crate) async fn next(&self) -> LineId {
        loop {
            let first = self.due().peek().map(|Reverse((at, _))| *at);
            match first {
                None => self.sooner.notified().await,
                Some(at) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(at.into()) => {
                            let mut due = self.due();
                            if due.peek().is_some_and(|Reverse((first, _))| *first <= at)
                                && let Some(Reverse((_, line))) = due.pop()
                            {
                                return line;
                            }
                        }
                        () = self.sooner.notified() => {}
                    }
                }
            }
        }
    }

    fn due(&self) -> std::sync::MutexGuard<'_, BinaryHeap<Reverse<(Instant, LineId)>>> {
        self.due.lock().expect("no code panics while it holds this lock")
    }
}
