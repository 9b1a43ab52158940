//! One answer on its way out.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Served, lock};
use crate::http1::{Length, encode, framing};
use crate::{Body, BodyError};

/// An answer whose head is being written. Nothing is sent before [`Answering::send`].
#[must_use = "an answer is not sent until it is told to"]
pub struct Answering<'a, S> {
    served: &'a mut Served<S>,
    status: StatusCode,
    /// Has a header said how long the body is that is not sent?
    has_length: bool,
    until_left: bool,
}

/// Why an answer was not sent whole. The connection is of no further use.
#[derive(Debug, thiserror::Error)]
pub enum Unsent {
    /// Its body failed. What the peer got of it does not look like the whole.
    #[error("answer could not be completed")]
    Body(#[from] BodyError),
    /// Writing failed: the peer is gone.
    #[error("connection was lost")]
    Lost(#[source] io::Error),
    /// The peer left while its answer was still being made: see [`Answering::until_left`].
    #[error("caller left before its answer was whole")]
    PeerLeft,
}

impl<'a, S> Answering<'a, S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    pub(super) fn new(served: &'a mut Served<S>, status: StatusCode) -> Self {
        debug_assert!(!status.is_informational(), "an interim answer is none");
        let (interim, may_follow) = lock(&served.wire).begin_answer();
        served.asked.keep_alive &= may_follow;
        let out = served.outbox.begin();
        out.extend_from_slice(interim);
        encode::status_line(out, status);
        Self { served, status, has_length: false, until_left: false }
    }

    /// Adds headers. What they say about this connection and the body's length is left out: that is
    /// told by what is sent. Only where no body follows, to `HEAD` and with status 304, does a
    /// `Content-Length` speak for itself.
    pub fn headers(&mut self, headers: &HeaderMap) {
        for (name, value) in headers {
            self.header(name, value);
        }
    }

    /// Adds a header as it came from elsewhere, its name spelled as it was, with the exceptions of
    /// [`Answering::headers`].
    pub fn field(&mut self, name: &[u8], value: &[u8]) {
        if self.lets(name) {
            encode::line(self.served.outbox.head(), name, value);
        }
    }

    /// Adds a header, with the exceptions of [`Answering::headers`].
    pub fn header(&mut self, name: &HeaderName, value: &HeaderValue) {
        if self.lets(name.as_str().as_bytes()) {
            encode::header(self.served.outbox.head(), name, value);
        }
    }

    /// Is a header of this name not ours to say? Of the lengths that speak for themselves the first
    /// one does.
    fn lets(&mut self, name: &[u8]) -> bool {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        if is(b"content-length") {
            let speaks = self.served.asked.head_alone || self.status == StatusCode::NOT_MODIFIED;
            return speaks && !std::mem::replace(&mut self.has_length, true);
        }
        !is(b"transfer-encoding") && !is(b"connection")
    }

    /// Adds a header of the caller's own, its name as it is. Both must be fit for a header, and say
    /// nothing about the connection or the body's length.
    pub fn line(&mut self, name: &str, value: impl AsRef<[u8]>) {
        encode::line(self.served.outbox.head(), name, value);
    }

    /// Where lines of the caller's own are appended, for those who encode them elsewhere; as
    /// [`Answering::line`].
    pub fn lines(&mut self) -> &mut BytesMut {
        self.served.outbox.head()
    }

    /// Lets no request follow.
    pub fn close(&mut self) {
        self.served.asked.keep_alive = false;
    }

    /// Gives up when the peer has finished sending, or is gone, while the body makes us wait: as
    /// [`Served::left`] sees it.
    pub fn until_left(&mut self) {
        self.until_left = true;
    }

    /// Sends the answer: head and body in one write where the body is at hand and small. A body of
    /// known length is announced with it; another goes in chunks, or to a peer of HTTP/1.0 until
    /// the connection ends. Where no body may follow, none is sent, and `body` is dropped unread.
    ///
    /// Not cancel safe: dropped early, the connection can only be closed.
    ///
    /// # Errors
    /// When the body fails, after what there was of it has been written, or the connection does.
    /// The answer is cut, then, so that nobody takes it for the whole.
    pub async fn send(mut self, body: Body) -> Result<(), Unsent> {
        let body = self.end_head(body);
        let Self { served, until_left, .. } = self;
        // Until it is out, nothing can follow: neither a cut answer nor one whose sending is dropped.
        let keep_alive = std::mem::replace(&mut served.asked.keep_alive, false);
        let mut sending = Sending { served, body, failure: None, has_ended: false, until_left };
        poll_fn(|cx| sending.poll(cx)).await?;
        served.asked.keep_alive = keep_alive;
        Ok(())
    }

    /// Writes the rest of the head; the body that is to follow it.
    fn end_head(&mut self, body: Body) -> Body {
        let asked = &mut self.served.asked;
        let is_bodiless = asked.head_alone || framing::is_bodiless(self.status);
        let length = match body.len() {
            Some(bytes) => Length::Exact(bytes),
            None if asked.version == Version::HTTP_10 => Length::UntilClose,
            None => Length::Chunked,
        };
        if length == Length::UntilClose && !is_bodiless {
            asked.keep_alive = false;
        }
        let out = self.served.outbox.head();
        if !is_bodiless {
            encode::length(out, length);
        } else if asked.head_alone && !self.has_length && !framing::is_bodiless(self.status) && !body.is_empty() {
            // What GET would have got; of no body at all there is nothing to be said.
            encode::length(out, length);
        }
        if !asked.keep_alive {
            encode::line(out, "Connection", "close");
        } else if asked.version == Version::HTTP_10 {
            encode::line(out, "Connection", "keep-alive");
        }
        encode::head_end(out);
        self.served.outbox.promise(if is_bodiless { Length::Exact(0) } else { length });
        if is_bodiless { Body::empty() } else { body }
    }
}

impl<S> fmt::Debug for Answering<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").field("status", &self.status).finish_non_exhaustive()
    }
}

/// A body on its way out, behind its head.
struct Sending<'a, S> {
    served: &'a mut Served<S>,
    body: Body,
    /// Told when what was framed before it is written.
    failure: Option<BodyError>,
    has_ended: bool,
    until_left: bool,
}

impl<S> Sending<'_, S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    /// Frames what there is of the body, then writes, so that the head leaves with what follows it.
    /// The connection's lock is not held while the body is polled: it may be reading the connection.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        loop {
            let mut waits = false;
            while !self.has_ended && self.served.outbox.has_room() {
                match self.frame_next(cx) {
                    Poll::Ready(more) => self.has_ended = !more,
                    Poll::Pending => {
                        waits = true;
                        break;
                    }
                }
            }
            ready!(self.poll_write(cx))?;
            if self.has_ended {
                return Poll::Ready(self.failure.take().map_or(Ok(()), |e| Err(e.into())));
            }
            if waits {
                if self.until_left {
                    return self.served.poll_left(cx).map(|()| Err(Unsent::PeerLeft));
                }
                return Poll::Pending;
            }
        }
    }

    /// Frames one more piece; false if there is none.
    fn frame_next(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let framed = match ready!(self.body.poll_next(cx)) {
            Some(piece) => piece.and_then(|piece| self.served.outbox.frame(piece)).map(|()| true),
            None => self.served.outbox.frame_end().map(|()| false),
        };
        Poll::Ready(framed.unwrap_or_else(|e| {
            self.failure = Some(e);
            false
        }))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        let Served { wire, outbox, .. } = &mut *self.served;
        let mut wire = lock(wire);
        match wire.stream() {
            Some(stream) => outbox.poll_write(stream, cx).map_err(Unsent::Lost),
            None => Poll::Ready(Err(Unsent::Lost(io::ErrorKind::NotConnected.into()))),
        }
    }
}
