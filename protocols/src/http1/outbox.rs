//! A message on its way out: its head, and its body as it comes.
//!
//! Sans-IO but for the one write: pieces are framed as they are handed in, and what is queued goes
//! out as few writes as the kernel takes. Small pieces are copied behind the head or behind one
//! another, so that a short message is one plain write; a large one is written from where it is.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::AsyncWrite;

use super::{Length, encode};
use crate::BodyError;

/// A piece no longer than this is copied behind what is queued: cheaper than a second slice.
const COPY_BYTES_MAX: usize = 8 << 10;

/// With so much queued no more is asked for before it is written.
const QUEUED_BYTES_MAX: usize = 16 << 10;

/// What a connection keeps of the buffer between two messages.
const KEPT_BYTES_MAX: usize = 4 << 10;

/// One message after another.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// The head, small pieces, and the lines before large ones.
    lead: BytesMut,
    /// A large piece, written from where it is.
    piece: Bytes,
    /// What closes it.
    tail: &'static [u8],
    /// How many bytes of the body were promised and not yet framed; `None` if that was not told.
    owed: Option<u64>,
    in_chunks: bool,
    /// Has a byte of the message been written?
    is_begun: bool,
}

impl Outbox {
    /// Begins a message: an empty buffer for its head.
    pub(crate) fn begin(&mut self) -> &mut BytesMut {
        if self.lead.capacity() > KEPT_BYTES_MAX {
            self.lead = BytesMut::new();
        }
        self.lead.clear();
        self.piece = Bytes::new();
        self.tail = b"";
        self.is_begun = false;
        &mut self.lead
    }

    /// The head, which is being written.
    pub(super) fn head(&mut self) -> &mut BytesMut {
        &mut self.lead
    }

    /// The head is whole, and said this of the body.
    pub(super) fn promise(&mut self, length: Length) {
        self.owed = length.exact();
        self.in_chunks = length == Length::Chunked;
    }

    /// Has a byte of the message been written?
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Was all that was promised framed? Then there is no need to ask for more.
    pub(super) fn is_kept(&self) -> bool {
        self.owed == Some(0)
    }

    /// Bytes that wait.
    pub(super) fn queued(&self) -> usize {
        self.lead.len() + self.piece.len() + self.tail.len()
    }

    /// Is there room for one more piece?
    pub(super) fn has_room(&self) -> bool {
        self.piece.is_empty() && self.lead.len() < QUEUED_BYTES_MAX
    }

    /// Queues a piece of the body, which is not empty. There must be no large one before it.
    ///
    /// # Errors
    /// When it is more than was promised.
    pub(super) fn frame(&mut self, piece: Bytes) -> Result<(), BodyError> {
        debug_assert!(self.piece.is_empty() && !piece.is_empty(), "pieces come one by one");
        if let Some(owed) = &mut self.owed {
            let left = owed.checked_sub(piece.len() as u64);
            *owed = left.ok_or_else(|| BodyError::Cut("body is longer than it was announced".into()))?;
        }
        if self.in_chunks {
            encode::chunk_start(&mut self.lead, piece.len());
            self.tail = encode::CHUNK_END;
        }
        if piece.len() <= COPY_BYTES_MAX {
            self.lead.extend_from_slice(&piece);
            self.lead.extend_from_slice(std::mem::take(&mut self.tail));
        } else {
            self.piece = piece;
        }
        Ok(())
    }

    /// The body is over.
    ///
    /// # Errors
    /// When more was promised.
    pub(super) fn frame_end(&mut self) -> Result<(), BodyError> {
        if self.owed.is_some_and(|owed| owed > 0) {
            return Err(BodyError::Cut("body is shorter than it was announced".into()));
        }
        if !self.in_chunks {
            return Ok(());
        }
        if self.piece.is_empty() {
            self.lead.extend_from_slice(encode::LAST_CHUNK);
        } else {
            self.tail = LAST_CHUNK_END;
        }
        Ok(())
    }

    /// Writes what is queued. Ready when nothing is.
    pub(super) fn poll_write<W>(&mut self, wire: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        while !self.is_empty() {
            let wire = Pin::new(&mut *wire);
            let written = if self.piece.is_empty() {
                ready!(wire.poll_write(cx, &self.lead))?
            } else if wire.is_write_vectored() {
                let slices = [IoSlice::new(&self.lead), IoSlice::new(&self.piece), IoSlice::new(self.tail)];
                ready!(wire.poll_write_vectored(cx, &slices))?
            } else {
                ready!(wire.poll_write(cx, if self.lead.is_empty() { &self.piece } else { &self.lead }))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        Pin::new(wire).poll_flush(cx)
    }

    /// Is nothing queued?
    pub(super) fn is_empty(&self) -> bool {
        self.lead.is_empty() && self.piece.is_empty()
    }

    fn advance(&mut self, written: usize) {
        self.is_begun = true;
        let of_lead = written.min(self.lead.len());
        if of_lead == self.lead.len() {
            self.lead.clear();
        } else {
            self.lead.advance(of_lead);
        }
        let of_piece = (written - of_lead).min(self.piece.len());
        self.piece.advance(of_piece);
        self.tail = &self.tail[written - of_lead - of_piece..];
        if self.piece.is_empty() {
            // A short line is no piece to be written from where it is.
            self.lead.extend_from_slice(std::mem::take(&mut self.tail));
        }
    }
}

/// The end of a chunk that is followed by the last one.
const LAST_CHUNK_END: &[u8] = b"\r\n0\r\n\r\n";
