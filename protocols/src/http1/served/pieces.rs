//! A stream that arrives in given pieces and takes what it is sent a little at a time, for tests.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Makes its reader wait before each piece, and its writer before each write. After the last piece
/// the peer has finished sending.
pub(crate) struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    written: Arc<Mutex<Vec<u8>>>,
    write_bytes_max: usize,
    is_readable: bool,
    is_writable: bool,
}

impl Pieces {
    pub(crate) fn new(pieces: &[&[u8]]) -> Self {
        let pieces = pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| piece.to_vec()).collect();
        let written = Arc::default();
        Self { pieces, written, write_bytes_max: usize::MAX, is_readable: false, is_writable: false }
    }

    /// Takes so few bytes at a time.
    #[cfg(test)]
    pub(crate) fn slowly(self, write_bytes_max: usize) -> Self {
        Self { write_bytes_max, ..self }
    }

    /// All that was written.
    pub(crate) fn written(&self) -> Arc<Mutex<Vec<u8>>> {
        self.written.clone()
    }
}

/// Runs to its end what waits for nothing but [`Pieces`].
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.is_readable = !self.is_readable;
        if self.is_readable {
            return Poll::Pending;
        }
        if let Some(mut piece) = self.pieces.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.pieces.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.is_writable = !self.is_writable;
        if self.is_writable {
            return Poll::Pending;
        }
        let taken = &bytes[..bytes.len().min(self.write_bytes_max)];
        self.written.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(taken);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
