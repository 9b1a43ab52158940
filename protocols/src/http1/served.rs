//! The serving side of a connection: requests in, answers out, one after another.
//!
//! A thin shell around the codec, for whoever serves HTTP/1.x: a node's front over TCP, a function
//! over a unix socket. It owns the stream and two buffers that outlive each request, and nothing
//! else: no task, no timer, no clock. How long a peer may take, and when a connection has to end,
//! is for the caller to say, who drops what takes too long.
//!
//! The two halves of the work meet in the stream alone. A body that is not wholly here when its
//! head is becomes a [`Body`] that reads the connection when it is polled, by whoever holds it;
//! meanwhile an answer is written through the same stream, so that bodies pass both ways at once.
//! A lock keeps the two apart, held within one poll and never across one.
//!
//! A caller's rounds look like this:
//!
//! ```
//! # use hotfn_protocols::http1::{Limits, Served};
//! # async fn converse<S>(stream: S) -> Result<(), Box<dyn std::error::Error>>
//! # where S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static {
//! let mut served = Served::new(stream, Limits::default());
//! while let Some(request) = served.next().await {
//!     let (head, body) = request?;
//!     let mut answer = served.answer(http::StatusCode::OK);
//!     answer.line("Content-Type", "text/plain");
//!     answer.send(body).await?;
//!     served.recycle(head.lines);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Absent on purpose: `Date` and hop-by-hop headers, which are the caller's to write and to strip,
//! and answers out of order: a pipelined request waits until the one before it was answered.

mod answering;
mod incoming;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod pieces;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use http::{Method, StatusCode, Version};
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::answering::{Answering, Unsent};
use self::incoming::Incoming;
use self::wire::Wire;
use super::{Invalid, Limits, Lines, Outbox, RequestHead};
use crate::Body;

/// A connection on which requests are served.
pub struct Served<S> {
    wire: Shared<S>,
    outbox: Outbox,
    asked: Asked,
}

/// A connection that a request's body may read while an answer is written.
type Shared<S> = Arc<Mutex<Wire<S>>>;

/// What the request under way wants of its answer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// `HEAD`: an answer without its body.
    head_alone: bool,
    version: Version,
    /// May another request follow?
    keep_alive: bool,
}

/// Why there is no next request, nor another after it. An answer can still tell so.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// What came is not a request, or ended within one.
    #[error("request cannot be read: {0}")]
    Invalid(#[from] Invalid),
    /// Reading failed: the peer is gone.
    #[error("connection was lost")]
    Lost(#[source] io::Error),
}

impl<S> Served<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    /// Serves `stream`, on which a peer sends requests. Nothing is read yet.
    #[must_use]
    pub fn new(stream: S, limits: Limits) -> Self {
        Self::of(Wire::new(stream, limits, false))
    }

    /// Serves a stream that ends with its container alone, such as a process's standard input and
    /// output. Whatever a request says of its connection was meant for another; nobody is asked to
    /// go on, and what is left of a body is read away however long it is.
    #[must_use]
    pub fn endless(stream: S, limits: Limits) -> Self {
        Self::of(Wire::new(stream, limits, true))
    }

    fn of(wire: Wire<S>) -> Self {
        Self { wire: Arc::new(Mutex::new(wire)), outbox: Outbox::default(), asked: Asked::NONE }
    }

    /// The next request; `None` when no more will come, because the peer finished between two, or
    /// because the one before was to be the last. Cancel safe.
    ///
    /// The request before must have been answered. What its handler left of its body is read away
    /// first, if it is little; this waits while somebody still holds that body.
    ///
    /// # Errors
    /// When the bytes are not a request, or reading failed. It was the last one, then.
    pub async fn next(&mut self) -> Option<Result<(RequestHead, Body), Refused>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`Served::next`], for those who poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(RequestHead, Body), Refused>>> {
        if !self.asked.keep_alive {
            return Poll::Ready(None);
        }
        let mut wire = lock(&self.wire);
        if !ready!(wire.poll_rest(cx)) {
            self.asked.keep_alive = false;
            return Poll::Ready(None);
        }
        let head = match ready!(wire.poll_head(cx)) {
            Some(Ok(head)) => head,
            Some(Err(refused)) => {
                self.asked = Asked { keep_alive: false, ..Asked::NONE };
                return Poll::Ready(Some(Err(refused)));
            }
            None => {
                self.asked.keep_alive = false;
                return Poll::Ready(None);
            }
        };
        let head_alone = head.method == Method::HEAD;
        self.asked = match wire.is_endless() {
            true => Asked { head_alone, ..Asked::NONE },
            false => Asked { head_alone, version: head.version, keep_alive: head.keep_alive },
        };
        let whole = wire.begin_body(&head);
        drop(wire);
        let body = match whole {
            Some(bytes) => bytes.into(),
            None => Body::stream(Incoming::new(self.wire.clone(), head.length.exact())),
        };
        Poll::Ready(Some(Ok((head, body))))
    }

    /// Has a byte of the next request come? If not, nobody is harmed when the connection ends.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        lock(&self.wire).has_bytes()
    }

    /// Resolves when the peer has finished sending, or is gone, while its request is being worked
    /// on. Cancel safe.
    ///
    /// Whoever sends the next request ahead has not left: this reads no further than to that, and
    /// not before the body of the request under way was read. What a handler left of that body,
    /// having dropped it, is read away if it is little.
    pub async fn left(&mut self) {
        poll_fn(|cx| self.poll_left(cx)).await;
    }

    /// As [`Served::left`], for those who poll.
    pub fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        lock(&self.wire).poll_left(cx)
    }

    /// Reads away what a handler left of its request's body, having dropped it: true if the next
    /// request can follow, false if there is too much of it, or nobody knows how much. Cancel safe.
    ///
    /// [`Served::next`] does this as well; this is for those who want to give it a time of its own.
    pub async fn rest(&mut self) -> bool {
        poll_fn(|cx| lock(&self.wire).poll_rest(cx)).await
    }

    /// Begins the answer to the request under way, or to bytes that were none.
    pub fn answer(&mut self, status: StatusCode) -> Answering<'_, S> {
        Answering::new(self, status)
    }

    /// Takes lines that nobody needs any more: their memory serves the next request's.
    pub fn recycle(&mut self, lines: Lines) {
        lock(&self.wire).recycle(lines);
    }

    /// Ends a conversation so that the last answer arrives: says that no more will come, and reads
    /// away what the peer is still sending, until it ends too or has sent too much. How long that
    /// may take is the caller's to bound.
    ///
    /// A TCP connection that is closed while bytes of its peer are unread is reset, and a reset
    /// overtakes what was sent before it.
    pub async fn end(mut self) {
        self.asked.keep_alive = false;
        poll_fn(|cx| lock(&self.wire).poll_end(cx)).await;
    }
}

impl<S> Drop for Served<S> {
    fn drop(&mut self) {
        // Whoever still holds a body holds no connection by that.
        lock(&self.wire).hang_up();
    }
}

impl<S> fmt::Debug for Served<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Asked {
    /// Before the first request.
    const NONE: Self = Self { head_alone: false, version: Version::HTTP_11, keep_alive: true };
}

/// The lock is held within a poll, and what it guards is in order between any two of its steps.
fn lock<S>(wire: &Shared<S>) -> MutexGuard<'_, Wire<S>> {
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}
