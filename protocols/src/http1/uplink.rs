//! A request on its way to the function.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWrite;

use super::{Length, Outbox};
use crate::{Body, BodyError};

/// As much of a body as is at hand when its call begins leaves in one write with the head, if it
/// is no longer than this. A longer first piece goes as it is.
const AT_HAND_BYTES_MAX: usize = 16 << 10;

/// A call's body: what of it was at hand at the beginning, and the rest.
///
/// The first part stays here while the call lasts, so that as long as nothing more was taken from
/// the caller the request can be sent once more.
#[derive(Debug)]
pub(crate) struct Upload {
    at_hand: Bytes,
    rest: Body,
    /// Bytes of it that were taken, for the bound and the promised length.
    taken: u64,
    max: Option<u64>,
}

impl Upload {
    /// Takes what is at hand, without waiting for more.
    ///
    /// # Errors
    /// When the body is known already to be too large, or broke off. Nothing was sent yet.
    pub(crate) async fn open(body: Body, max: Option<u64>) -> Result<Self, BodyError> {
        if let Some(max) = max
            && http_body::Body::size_hint(&body).lower() > max
        {
            return Err(BodyError::TooLarge { max });
        }
        let mut upload = Self { at_hand: Bytes::new(), rest: body, taken: 0, max };
        std::future::poll_fn(|cx| Poll::Ready(upload.take_at_hand(cx))).await?;
        Ok(upload)
    }

    /// Is the whole of it at hand?
    fn is_whole(&self) -> bool {
        self.rest.is_empty()
    }

    /// Its length, where it is known.
    pub(crate) fn len(&self) -> Option<u64> {
        Some(self.at_hand.len() as u64 + self.rest.len()?)
    }

    /// The whole body once more, where all that was taken of it is still here.
    pub(crate) fn into_body(self) -> Option<Body> {
        match (self.at_hand.is_empty(), self.is_whole()) {
            _ if !self.is_replayable() => None,
            (true, _) => Some(self.rest),
            (false, true) => Some(self.at_hand.into()),
            // Its rest is still the caller's to give; two parts are no body.
            (false, false) => None,
        }
    }

    /// Was nothing taken from the caller that is not still here?
    fn is_replayable(&self) -> bool {
        self.taken == self.at_hand.len() as u64
    }

    fn take_at_hand(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        let Poll::Ready(Some(first)) = self.poll_next(cx)? else { return Ok(()) };
        self.at_hand = first;
        let mut joined = BytesMut::new();
        while self.at_hand.len() + joined.len() < AT_HAND_BYTES_MAX {
            let Poll::Ready(Some(piece)) = self.poll_next(cx)? else { break };
            joined.extend_from_slice(&piece);
        }
        if !joined.is_empty() {
            let mut all = BytesMut::from(&self.at_hand[..]);
            all.unsplit(joined);
            self.at_hand = all.freeze();
        }
        Ok(())
    }

    /// The next piece; an end comes as `None`, and again whenever it is asked for.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let Some(piece) = ready!(self.rest.poll_next(cx)?) else { return Poll::Ready(None) };
        self.taken += piece.len() as u64;
        match self.max {
            Some(max) if self.taken > max => Poll::Ready(Some(Err(BodyError::TooLarge { max }))),
            _ => Poll::Ready(Some(Ok(piece))),
        }
    }
}

/// Writes one request, as far as the function takes it and the caller gives it.
///
/// A failed write is no verdict: the function may have answered before it hung up, so whoever
/// drives this goes on reading, and asks [`Uplink::failure`] when nothing came.
#[derive(Debug)]
pub(super) struct Uplink<'a> {
    upload: &'a mut Upload,
    outbox: &'a mut Outbox,
    /// Was the end of the body queued?
    is_framed: bool,
    /// Was all that is queued written?
    is_written: bool,
    first_write: Option<Instant>,
    failure: Option<io::Error>,
    /// Bytes that were queued at the beginning: the head, and what was at hand.
    begun_bytes: usize,
    /// Was more queued since?
    has_grown: bool,
}

impl<'a> Uplink<'a> {
    /// Begins with the head in `outbox`, which announced `length`, and what is at hand of the body.
    pub(super) fn new(outbox: &'a mut Outbox, length: Length, upload: &'a mut Upload) -> Self {
        outbox.promise(length);
        let is_framed = length == Length::Exact(0);
        let (first_write, failure, begun_bytes, has_grown) = Default::default();
        let mut uplink =
            Self { upload, outbox, is_framed, is_written: false, first_write, failure, begun_bytes, has_grown };
        let at_hand = uplink.upload.at_hand.clone();
        if !at_hand.is_empty() {
            // Promised lengths are kept by what is at hand: they were made of it.
            let framed = uplink.frame(at_hand);
            debug_assert!(framed.is_ok(), "what is at hand is within the promise");
        }
        uplink.begun_bytes = uplink.outbox.queued();
        uplink
    }

    /// How many bytes the request has so far, if all of them were queued at the beginning: few of them
    /// leave in one write.
    pub(super) fn bytes_at_once(&self) -> Option<usize> {
        (!self.has_grown).then_some(self.begun_bytes)
    }

    /// Goes on. Ready when the request is written or writing has failed.
    pub(super) fn poll<W>(&mut self, wire: &mut W, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>>
    where
        W: AsyncWrite + Unpin,
    {
        loop {
            if let Err(failure) = ready!(self.poll_write(wire, cx)) {
                self.failure = Some(failure);
                self.outbox.begin();
                self.is_framed = true;
            }
            self.is_written = true;
            if self.is_framed {
                return Poll::Ready(Ok(()));
            }
            let next = ready!(self.upload.poll_next(cx)?);
            self.has_grown = true;
            match next {
                Some(piece) => self.frame(piece)?,
                None => self.frame_end()?,
            }
        }
    }

    /// Is the request written whole?
    pub(super) fn is_whole(&self) -> bool {
        self.is_framed && self.is_written && self.failure.is_none()
    }

    /// Why writing failed, if it did.
    pub(super) fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// Is what was taken of the body still here?
    pub(super) fn is_replayable(&self) -> bool {
        self.upload.is_replayable()
    }

    /// When the first bytes were written.
    pub(super) fn first_write(&self) -> Option<Instant> {
        self.first_write
    }

    fn poll_write<W>(&mut self, wire: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        if self.is_written {
            return Poll::Ready(Ok(()));
        }
        let written = self.outbox.poll_write(wire, cx);
        if self.first_write.is_none() && self.outbox.is_begun() {
            self.first_write = Some(Instant::now());
        }
        written
    }

    /// Queues a piece, and the end with it if that is known already: they leave together.
    fn frame(&mut self, piece: Bytes) -> Result<(), BodyError> {
        self.is_written = false;
        self.outbox.frame(piece)?;
        if self.outbox.is_kept() || self.upload.is_whole() { self.frame_end() } else { Ok(()) }
    }

    fn frame_end(&mut self) -> Result<(), BodyError> {
        self.is_written = false;
        self.is_framed = true;
        self.outbox.frame_end()
    }
}
