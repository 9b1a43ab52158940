//! A connection that fails when its peer takes nothing of what is written.
//!
//! Over TCP the kernel can be told how long what was sent may wait at the other end, and gives the
//! connection up by itself. A unix socket has nothing of the kind: whoever asks for much and reads
//! none of it keeps its writer waiting for ever. So a write that finds no room sets a timer here, and
//! when it rings the kernel is asked how much lies unread: less than before, and the peer is slow but
//! there, and has as long again; as much, and writing fails with `TimedOut`. A write that finds room
//! costs nothing more than it did.
//!
//! The kernel counts what is unread in the pieces that it was written in, of some hundred KiB at
//! most. A peer that takes less than one in that time counts as one that takes nothing.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::sys;

/// A connection whose writes fail when the peer takes nothing for so long, at the latest after twice
/// as long. Needs a tokio runtime with time.
#[derive(Debug)]
pub struct Impatient<S> {
    stream: S,
    patience: Duration,
    /// There while a write finds no room.
    stuck: Option<Stuck>,
}

/// A write that found no room.
#[derive(Debug)]
struct Stuck {
    /// What the peer had not read by then, as the kernel counts it.
    unread: usize,
    alarm: Pin<Box<Sleep>>,
}

impl<S: AsFd> Impatient<S> {
    /// Has a connected unix socket fail when its peer takes nothing for as long as `patience`.
    #[must_use]
    pub fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, stuck: None }
    }

    /// What comes of a write that was tried: waiting for room has an end.
    fn watch<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let stuck = match &mut self.stuck {
            Some(stuck) => stuck,
            none => {
                let unread = sys::unread(self.stream.as_fd())?;
                none.insert(Stuck { unread, alarm: Box::pin(sleep(self.patience)) })
            }
        };
        loop {
            ready!(stuck.alarm.as_mut().poll(cx));
            let unread = sys::unread(self.stream.as_fd())?;
            if unread >= stuck.unread {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            stuck.unread = unread;
            stuck.alarm.as_mut().reset(Instant::now() + self.patience);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + AsFd + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);
    /// Much more than lies between two sockets.
    const MUCH: usize = 8 << 20;

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_given_up() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut ours = Impatient::new(ours, PATIENCE);
        let began = Instant::now();
        let failed = ours.write_all(&vec![0; MUCH]).await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        let waited = began.elapsed();
        assert!(waited >= PATIENCE && waited < PATIENCE * 2, "{waited:?}");
        drop(theirs);
    }

    /// A piece each time, which makes no room to write yet.
    #[tokio::test(start_paused = true)]
    async fn who_takes_some_now_and_then_is_waited_for() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut ours = Impatient::new(ours, PATIENCE);
        let reading = async {
            let (mut left, mut room) = (MUCH, vec![0; 128 << 10]);
            while left > 0 {
                tokio::time::sleep(PATIENCE * 3 / 4).await;
                left -= theirs.read(&mut room).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(ours.write_all(&[0; MUCH]), reading);
        written.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nothing_is_written_does_not_count() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut ours = Impatient::new(ours, PATIENCE);
        for _ in 0..3 {
            ours.write_all(b"some").await.unwrap();
            tokio::time::sleep(PATIENCE * 10).await;
        }
        let mut all = [0; 12];
        theirs.read_exact(&mut all).await.unwrap();
        assert_eq!(&all, b"somesomesome");
    }
}
