//! A connection that is read and written by one and watched by another.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// A connection, to be read and written.
#[derive(Debug)]
pub(super) struct Wire {
    /// Read through its own half: that way a read which takes all there is, as most do, is known to
    /// have done so, and no second one follows just to hear it.
    read: OwnedReadHalf,
    write: Watched,
}

/// The same connection, to be watched.
#[derive(Clone, Debug)]
pub(super) struct Watched(Arc<OwnedWriteHalf>);

impl Wire {
    pub(super) fn new(stream: UnixStream) -> (Self, Watched) {
        let (read, write) = stream.into_split();
        let watched = Watched(Arc::new(write));
        (Self { read, write: watched.clone() }, watched)
    }
}

impl Watched {
    /// Resolves when the peer has closed the connection for good. Cancel safe; takes no bytes.
    ///
    /// Interest in priority data, which unix sockets do not have, wakes up for one other thing only:
    /// that no more will come. That may mean that the peer has just finished sending. Only if
    /// nothing can be sent to it either has it left; one that finishes first and leaves later is not
    /// noticed here, but where the answer cannot be written.
    pub(super) async fn peer_left(&self) {
        let stream: &UnixStream = self.0.as_ref().as_ref();
        let ended = stream.ready(Interest::PRIORITY).await;
        let left = match (ended, stream.ready(Interest::WRITABLE).now_or_never()) {
            (Err(_), _) | (_, Some(Err(_))) => true,
            (_, Some(Ok(ready))) => ready.is_write_closed(),
            (_, None) => false,
        };
        if !left {
            std::future::pending().await
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream: &UnixStream = self.write.0.as_ref().as_ref();
        loop {
            ready!(stream.poll_write_ready(cx))?;
            match stream.try_write_vectored(bufs) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The connection is about to be dropped, which closes both ways at once.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
