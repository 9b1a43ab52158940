//! What others have for a connection, until it has time.
//!
//! One side puts values in from any thread, the other takes them out on its own. It is bounded
//! both ways that are wanted: a connection that does not keep up refuses, so that whoever sends
//! learns of it; a client that is down forgets the oldest, and counts what it forgot.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use super::codec::Value;

/// Values that wait for one taker.
#[derive(Debug)]
pub(super) struct Mailbox {
    values: Mutex<VecDeque<Value>>,
    values_max: usize,
    forgotten: AtomicU64,
    taker: AtomicWaker,
}

/// It holds as many as it may.
#[derive(Debug)]
pub(super) struct Full;

impl Mailbox {
    pub(super) fn new(values_max: usize) -> Self {
        let values = Mutex::new(VecDeque::new());
        Self { values, values_max, forgotten: AtomicU64::new(0), taker: AtomicWaker::new() }
    }

    /// Puts a value in, if there is room.
    pub(super) fn offer(&self, value: Value) -> Result<(), Full> {
        let mut values = self.lock();
        if values.len() >= self.values_max {
            return Err(Full);
        }
        values.push_back(value);
        drop(values);
        self.taker.wake();
        Ok(())
    }

    /// Puts a value in; if there is no room, the oldest makes some.
    pub(super) fn push(&self, value: Value) {
        let mut values = self.lock();
        if values.len() >= self.values_max {
            values.pop_front();
            self.forgotten.fetch_add(1, Ordering::Relaxed);
        }
        values.push_back(value);
        drop(values);
        self.taker.wake();
    }

    /// The oldest, once there is one. One taker at a time.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Value> {
        if let Some(value) = self.lock().pop_front() {
            return Poll::Ready(value);
        }
        self.taker.register(cx.waker());
        // One may have come before the taker was known.
        self.lock().pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// How many made room for others.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Value>> {
        self.values.lock().expect("no code panics while it holds this lock")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn text(text: &'static str) -> Value {
        Value::Text(text.into())
    }

    async fn take(mailbox: &Mailbox) -> Value {
        std::future::poll_fn(|cx| mailbox.poll_take(cx)).await
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let mailbox = std::sync::Arc::new(Mailbox::new(2));
        let waiting = tokio::spawn({
            let mailbox = mailbox.clone();
            async move { take(&mailbox).await }
        });
        tokio::task::yield_now().await;
        mailbox.offer(text("a")).unwrap();
        assert_eq!(waiting.await.unwrap(), text("a"));
    }

    #[test]
    fn a_full_one_refuses_or_forgets() {
        let mailbox = Mailbox::new(1);
        mailbox.offer(text("a")).unwrap();
        assert!(mailbox.offer(text("b")).is_err());
        mailbox.push(text("c"));
        assert_eq!((mailbox.len(), mailbox.forgotten()), (1, 1));
        assert_eq!(take(&mailbox).now_or_never(), Some(text("c")));
    }
}
