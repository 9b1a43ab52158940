//! A request's body that is read from the connection while somebody asks for it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Shared, lock};
use crate::BodyError;

/// Reads the connection when it is polled. Dropped early, it leaves the rest to whoever serves the
/// connection.
pub(super) struct Incoming<S> {
    wire: Shared<S>,
    /// Bytes still to come, where that is known.
    left: Option<u64>,
    has_ended: bool,
}

impl<S> Incoming<S> {
    pub(super) fn new(wire: Shared<S>, left: Option<u64>) -> Self {
        Self { wire, left, has_ended: false }
    }
}

impl<S> Drop for Incoming<S> {
    fn drop(&mut self) {
        if !self.has_ended {
            lock(&self.wire).let_go(self.left);
        }
    }
}

impl<S> Body for Incoming<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let piece = ready!(lock(&self.wire).poll_data(cx));
        match &piece {
            Some(Ok(piece)) => self.left = self.left.map(|left| left - piece.len() as u64),
            Some(Err(_)) | None => self.has_ended = true,
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
