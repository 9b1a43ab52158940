//! Where a container's end puts an answer, and where the agent picks it up.
//!
//! A bounded pipe between the two halves of one call: a head, then one piece of body at a time.
//! The writer waits while a piece is not taken, so memory does not grow with the answer and a slow
//! caller slows the function down. Whole answers pass through without anybody waiting.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::waiter::Waiter;
use crate::{Body, BodyError, Head};

/// The answer's reader is gone: the caller left.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("caller went away")]
pub struct CallerLeft;

/// Makes both ends of an answer's pipe.
#[must_use]
pub fn reply_pipe() -> (ReplySink, ReplySource) {
    let shared = Arc::new(Mutex::new(Shared::default()));
    (ReplySink { shared: shared.clone(), left: None, is_over: false }, ReplySource { shared })
}

#[derive(Default)]
struct Shared {
    head: Option<(Head, Option<u64>)>,
    piece: Option<Bytes>,
    end: Option<End>,
    reached: Option<Instant>,
    reader_gone: bool,
    reader: Waiter,
    writer: Waiter,
}

enum End {
    Whole,
    Cut(BodyError),
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().expect("no code panics while it holds this lock")
}

/// The writing end. A container's end holds it for the length of one call.
///
/// Dropped before [`ReplySink::finish`], it leaves the answer cut.
pub struct ReplySink {
    shared: Arc<Mutex<Shared>>,
    /// Bytes still owed of a body whose length was announced.
    left: Option<u64>,
    /// It was said how the body ended.
    is_over: bool,
}

impl ReplySink {
    /// Notes when the call reached the function: its first bytes were written. The first time
    /// counts.
    pub fn reached(&self, at: Instant) {
        lock(&self.shared).reached.get_or_insert(at);
    }

    /// Gives the head, once, before any piece. `length` is the body's, where it is known: the
    /// pieces must then add up to it.
    pub fn head(&mut self, head: Head, length: Option<u64>) {
        let mut shared = lock(&self.shared);
        debug_assert!(shared.head.is_none() && shared.piece.is_none(), "one head an answer, and first");
        self.left = length;
        shared.head = Some((head, length));
        shared.reader.wake();
    }

    /// Gives the whole answer at once, instead of head, pieces and end. Never waits, and a caller who
    /// left is not told apart: whoever has a whole answer has nothing more to do either way.
    pub fn whole(mut self, head: Head, body: Bytes) {
        self.is_over = true;
        let mut shared = lock(&self.shared);
        debug_assert!(shared.head.is_none() && shared.piece.is_none(), "one head an answer, and first");
        shared.head = Some((head, Some(body.len() as u64)));
        shared.piece = Some(body).filter(|body| !body.is_empty() && !shared.reader_gone);
        shared.end = Some(End::Whole);
        shared.reader.wake();
    }

    /// Gives a piece of the body; waits while the one before it is not taken. Cancel safe: the
    /// piece is then dropped, and the answer with it.
    ///
    /// # Errors
    /// When the caller left. There is no use in going on.
    pub async fn send(&mut self, piece: Bytes) -> Result<(), CallerLeft> {
        if piece.is_empty() {
            return Ok(());
        }
        if let Some(left) = &mut self.left {
            debug_assert!(*left >= piece.len() as u64, "no more than was announced");
            *left = left.saturating_sub(piece.len() as u64);
        }
        let mut piece = Some(piece);
        std::future::poll_fn(|cx| {
            let mut shared = lock(&self.shared);
            if shared.reader_gone {
                return Poll::Ready(Err(CallerLeft));
            }
            if shared.piece.is_some() {
                shared.writer.register(cx);
                return Poll::Pending;
            }
            shared.piece = piece.take();
            shared.reader.wake();
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Resolves when the caller has left, and not before. Cancel safe.
    pub async fn left(&mut self) {
        std::future::poll_fn(|cx| {
            let mut shared = lock(&self.shared);
            if shared.reader_gone {
                return Poll::Ready(());
            }
            shared.writer.register(cx);
            Poll::Pending
        })
        .await;
    }

    /// Says that the body is whole.
    pub fn finish(mut self) {
        self.end(End::Whole);
    }

    /// Says that the body broke off, and why.
    pub fn cut(mut self, why: BodyError) {
        self.end(End::Cut(why));
    }

    fn end(&mut self, end: End) {
        if !self.is_over {
            self.is_over = true;
            let mut shared = lock(&self.shared);
            shared.end = Some(end);
            shared.reader.wake();
        }
    }
}

impl Drop for ReplySink {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(End::Cut(BodyError::Cut("the container's end gave up".into())));
        }
    }
}

impl fmt::Debug for ReplySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplySink").field("left", &self.left).finish_non_exhaustive()
    }
}

/// The reading end. Dropping it tells the writer that the caller left.
pub struct ReplySource {
    shared: Arc<Mutex<Shared>>,
}

/// An answer as far as it has come when its head is there.
#[derive(Debug)]
pub struct Gathered {
    /// The head.
    pub head: Head,
    /// All of the body if it was there already, else what comes of it.
    pub body: Body,
    /// When the call reached the function, if it has.
    pub reached: Option<Instant>,
}

impl ReplySource {
    /// Is the head there? False if there never will be one; the reason is in the verdict, which may
    /// take a moment longer. Whoever gives the head, or ends without one, wakes this task.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut shared = lock(&self.shared);
        if shared.head.is_some() || shared.end.is_some() {
            return Poll::Ready(shared.head.is_some());
        }
        shared.reader.register(cx);
        Poll::Pending
    }

    /// Is the head there? For whoever drives the writer from the same task, and so needs no waking.
    #[must_use]
    pub fn has_head(&self) -> bool {
        lock(&self.shared).head.is_some()
    }

    /// When the call reached the function, if it has.
    #[must_use]
    pub fn reached(&self) -> Option<Instant> {
        lock(&self.shared).reached
    }

    /// Takes the answer, once its head is there; `None` if there never was one.
    #[must_use]
    pub fn into_reply(self) -> Option<Gathered> {
        let mut shared = lock(&self.shared);
        let (head, length) = shared.head.take()?;
        let reached = shared.reached;
        if matches!(shared.end, Some(End::Whole)) {
            let body = shared.piece.take().map_or_else(Body::empty, Body::from);
            return Some(Gathered { head, body, reached });
        }
        drop(shared);
        Some(Gathered { head, body: Body::stream(Streaming { source: self, left: length }), reached })
    }
}

impl Drop for ReplySource {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.reader_gone = true;
        shared.piece = None;
        shared.writer.wake();
    }
}

impl fmt::Debug for ReplySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplySource")
    }
}

struct Streaming {
    source: ReplySource,
    left: Option<u64>,
}

impl http_body::Body for Streaming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut shared = lock(&self.source.shared);
        let piece = shared.piece.take();
        if let Some(piece) = piece {
            shared.writer.wake();
            drop(shared);
            if let Some(left) = &mut self.left {
                *left = left.saturating_sub(piece.len() as u64);
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match shared.end.take() {
            Some(End::Whole) => {
                shared.end = Some(End::Whole);
                Poll::Ready(None)
            }
            Some(End::Cut(why)) => {
                shared.end = Some(End::Whole);
                Poll::Ready(Some(Err(why)))
            }
            None => {
                shared.reader.register(cx);
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let shared = lock(&self.source.shared);
        shared.piece.is_none() && matches!(shared.end, Some(End::Whole))
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
