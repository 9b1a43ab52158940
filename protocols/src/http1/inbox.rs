//! What was read of a function's answers and not yet understood.
//!
//! One for a connection's life, so that nothing that came with one answer is lost, or taken for the
//! next without being noticed. It is also the one buffer of a connection: heads and bodies are
//! slices of it, and when they are gone its memory is used again.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Room for a read on a connection that carries small answers: what an idle container costs.
const READ_BYTES: usize = 4 << 10;

/// Room for a read while a large answer streams: what is known to come, or doubled whenever a read fills
/// it, up to here.
const READ_BYTES_MAX: usize = 128 << 10;

/// Less room than this is not worth a system call.
const READ_BYTES_MIN: usize = 1 << 10;

/// What was read and not yet understood.
#[derive(Debug)]
pub(crate) struct Inbox {
    bytes: BytesMut,
    room: usize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { bytes: BytesMut::new(), room: READ_BYTES }
    }

    /// Is nothing left of what was read?
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Passes over white space.
    pub(super) fn skip_blank(&mut self) {
        let blank = self.bytes.len() - self.bytes.trim_ascii_start().len();
        self.bytes.advance(blank);
    }

    /// So many bytes of a body are about to come: room for as many of them as one read may take.
    pub(super) fn expect(&mut self, bytes: u64) {
        let missing = usize::try_from(bytes).unwrap_or(READ_BYTES_MAX).saturating_sub(self.bytes.len());
        self.room = self.room.max(missing.min(READ_BYTES_MAX));
    }

    /// What was read, for a decoder to take from.
    pub(super) fn bytes(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Reads once more.
    pub(super) fn poll_read<R>(&mut self, wire: &mut R, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        R: AsyncRead + Unpin,
    {
        if self.bytes.is_empty() {
            // Nobody holds a slice of it any more, as a rule: then the next message comes to lie
            // where the last one did, in memory that is still in the processor's cache.
            let _ = self.bytes.try_reclaim(self.room);
        }
        let free = self.bytes.capacity() - self.bytes.len();
        if free < READ_BYTES_MIN.max(self.room / 4) {
            self.bytes.reserve(self.room);
        }
        let free = self.bytes.capacity() - self.bytes.len();
        let read = pin!(wire.read_buf(&mut self.bytes)).poll(cx);
        if let Poll::Ready(Ok(read)) = read
            && read == free
        {
            self.room = (self.room * 2).min(READ_BYTES_MAX);
        }
        read
    }

    /// Gives back what only a large answer needed.
    pub(super) fn shrink(&mut self) {
        if self.room > READ_BYTES && self.bytes.is_empty() {
            *self = Self::new();
        }
    }
}
