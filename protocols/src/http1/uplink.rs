//! A request on its way to the function.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::AsyncWrite;

use super::{Length, encode};
use crate::{Body, BodyError};

/// As much of a body as is at hand when its call begins leaves in one write with the head, if it
/// is no longer than this. A longer first piece goes as it is.
const AT_HAND_BYTES_MAX: usize = 16 << 10;

/// A piece no longer than this is copied behind its chunk's line: cheaper than a second slice.
const COPY_BYTES_MAX: usize = 8 << 10;

/// The end of a chunk that is followed by the last one.
const LAST_CHUNK_END: &[u8] = b"\r\n0\r\n\r\n";

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
    /// How many bytes of the body were promised and not yet framed; `None` in chunks.
    owed: Option<u64>,
    /// The head, small pieces, and the lines before large ones.
    lead: &'a mut BytesMut,
    /// A large piece, written from where it is.
    piece: Bytes,
    /// What closes it.
    tail: &'static [u8],
    is_framed: bool,
    is_flushed: bool,
    first_write: Option<Instant>,
    failure: Option<io::Error>,
}

impl<'a> Uplink<'a> {
    /// Begins with `head`, which announced `length`, and what is at hand of the body.
    pub(super) fn new(head: &'a mut BytesMut, length: Length, upload: &'a mut Upload) -> Self {
        let owed = length.exact();
        let mut uplink = Self {
            upload,
            owed,
            lead: head,
            piece: Bytes::new(),
            tail: b"",
            is_framed: owed == Some(0),
            is_flushed: false,
            first_write: None,
            failure: None,
        };
        let at_hand = uplink.upload.at_hand.clone();
        if !at_hand.is_empty() {
            // Promised lengths are kept by what is at hand: they were made of it.
            let framed = uplink.frame(at_hand);
            debug_assert!(framed.is_ok(), "what is at hand is within the promise");
        }
        uplink
    }

    /// Goes on. Ready when the request is written or writing has failed.
    pub(super) fn poll<W>(&mut self, wire: &mut W, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>>
    where
        W: AsyncWrite + Unpin,
    {
        loop {
            if let Err(failure) = ready!(self.poll_write(wire, cx)) {
                self.failure = Some(failure);
                self.drop_rest();
            }
            if self.is_over() {
                return Poll::Ready(Ok(()));
            }
            if let Some(piece) = ready!(self.upload.poll_next(cx)?) {
                self.frame(piece)?;
            } else {
                self.frame_end()?;
            }
        }
    }

    /// Is the request written whole?
    pub(super) fn is_whole(&self) -> bool {
        self.is_over() && self.failure.is_none()
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

    fn is_over(&self) -> bool {
        self.is_framed && self.is_flushed
    }

    fn poll_write<W>(&mut self, wire: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        while !(self.lead.is_empty() && self.piece.is_empty() && self.tail.is_empty()) {
            let slices = [IoSlice::new(self.lead), IoSlice::new(&self.piece), IoSlice::new(self.tail)];
            let written = if wire.is_write_vectored() && !self.piece.is_empty() {
                ready!(Pin::new(&mut *wire).poll_write_vectored(cx, &slices))?
            } else {
                let first = slices.iter().find(|s| !s.is_empty()).expect("one of them has bytes");
                ready!(Pin::new(&mut *wire).poll_write(cx, first))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.first_write.get_or_insert_with(Instant::now);
            self.advance(written);
        }
        if !self.is_flushed {
            ready!(Pin::new(wire).poll_flush(cx))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, written: usize) {
        let of_lead = written.min(self.lead.len());
        if of_lead == self.lead.len() {
            // The next request is written where this one was, in memory that is warm.
            self.lead.clear();
        } else {
            self.lead.advance(of_lead);
        }
        let of_piece = (written - of_lead).min(self.piece.len());
        self.piece.advance(of_piece);
        self.tail = &self.tail[written - of_lead - of_piece..];
    }

    fn drop_rest(&mut self) {
        self.lead.clear();
        self.piece.clear();
        self.tail = b"";
        self.is_framed = true;
        self.is_flushed = true;
    }

    /// Queues a piece, and the end with it if that is known already: they leave together.
    fn frame(&mut self, piece: Bytes) -> Result<(), BodyError> {
        self.is_flushed = false;
        if let Some(owed) = &mut self.owed {
            let left = owed.checked_sub(piece.len() as u64);
            *owed = left.ok_or_else(|| BodyError::Cut("body is longer than it was announced".into()))?;
            self.is_framed = *owed == 0;
        } else {
            encode::chunk_start(self.lead, piece.len());
            self.is_framed = self.upload.is_whole();
            self.tail = if self.is_framed { LAST_CHUNK_END } else { encode::CHUNK_END };
        }
        if piece.len() <= COPY_BYTES_MAX {
            self.lead.extend_from_slice(&piece);
            self.lead.extend_from_slice(std::mem::take(&mut self.tail));
        } else {
            self.piece = piece;
        }
        Ok(())
    }

    fn frame_end(&mut self) -> Result<(), BodyError> {
        if self.owed.is_some() {
            return Err(BodyError::Cut("body is shorter than it was announced".into()));
        }
        self.lead.extend_from_slice(encode::LAST_CHUNK);
        self.is_framed = true;
        self.is_flushed = false;
        Ok(())
    }
}
