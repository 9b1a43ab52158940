//! A connection that hears of room to write only while it waits for it.
//!
//! A runtime's own stream asks the kernel for both directions at once. For a unix socket that means
//! an event each time the peer has read what was written, which nobody waits for: on a busy
//! connection every second wake-up, and on one core a change of processes in the middle of a call.
//! So reading alone is asked for, and writing by a second descriptor of the same connection that
//! lives while a write has found no room.

use std::io::{self, IoSlice, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream as Blocking;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt as _;
use rustix::net::RecvFlags;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use crate::sys;

/// A connected unix socket, to be read and written.
#[derive(Debug)]
pub struct Stream {
    socket: Arc<AsyncFd<Blocking>>,
    /// There while a write waits for room.
    room: Option<AsyncFd<Blocking>>,
}

/// The same connection, to be watched by another.
#[derive(Debug)]
pub struct Watched<S: AsRawFd = Blocking>(Arc<AsyncFd<S>>);

impl<S: AsRawFd> Clone for Watched<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Stream {
    /// Takes a connected socket. Needs a tokio runtime with I/O.
    ///
    /// # Errors
    /// When the socket cannot be made non-blocking, or not registered.
    pub fn new(socket: Blocking) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Self::of_nonblocking(socket)
    }

    /// The same of one that does not block.
    pub(crate) fn of_nonblocking(socket: Blocking) -> io::Result<Self> {
        Ok(Self { socket: Arc::new(sys::register(socket, Interest::READABLE)?), room: None })
    }

    /// The same connection, to be watched.
    #[must_use]
    pub fn watched(&self) -> Watched {
        Watched(self.socket.clone())
    }

    /// May there be something to read, or the end? False if the runtime knows that nothing has come since
    /// the last read took all there was. Costs no system call; what the runtime has not heard of yet
    /// is not known.
    #[must_use]
    pub fn has_news(&self) -> bool {
        // Looks at what the runtime has noted, and leaves it as it is.
        self.socket.try_io(Interest::READABLE, |_| Ok(())).is_ok()
    }

    /// Reads what is there now, straight from the kernel: `WouldBlock` if nothing is, 0 at the end.
    ///
    /// # Errors
    /// As `recv(2)`.
    pub fn read_now(&self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::net::recv(self.socket.get_ref(), buf, RecvFlags::DONTWAIT)?.0)
    }
}

impl<S: AsRawFd> Watched<S> {
    /// One that its user reads and writes by system calls of its own, as [`ready`](crate::ready()) made
    /// it.
    #[must_use]
    pub fn of(socket: &Arc<AsyncFd<S>>) -> Self {
        Self(socket.clone())
    }

    /// Resolves when the peer has closed the connection for good. Cancel safe; takes no bytes.
    ///
    /// Interest in priority data, which unix sockets do not have, wakes up for one other thing only:
    /// that no more will come. That may mean that the peer has just finished sending. Only if
    /// nothing can be sent to it either has it left; one that finishes first and leaves later is not
    /// noticed here, but where it cannot be written to.
    pub async fn peer_left(&self) {
        let ended = self.0.ready(Interest::PRIORITY).await;
        let left = match (ended, self.0.ready(Interest::WRITABLE).now_or_never()) {
            (Err(_), _) | (_, Some(Err(_))) => true,
            (_, Some(Ok(guard))) => guard.ready().is_write_closed(),
            (_, None) => false,
        };
        if !left {
            std::future::pending().await
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.socket.poll_read_ready(cx))?;
            let room_bytes = buf.remaining();
            match sys::read_into(self.socket.get_ref(), buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Poll::Ready(Err(e)),
                Ok(read) => {
                    // That was all there is, and the next bytes will be an event of their own: no
                    // second read just to be told so.
                    if 0 < read && read < room_bytes {
                        guard.clear_ready();
                    }
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send(cx, |mut socket| socket.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send(cx, |mut socket| socket.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.get_ref().shutdown(std::net::Shutdown::Write))
    }
}

impl Stream {
    /// Writes once, as soon as there is room.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        mut send: impl FnMut(&Blocking) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let guard = match &self.room {
                Some(room) => Some(ready!(room.poll_write_ready(cx))?),
                None => None,
            };
            match send(self.socket.get_ref()) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => match guard {
                    Some(mut guard) => guard.clear_ready(),
                    None => {
                        let second = self.socket.get_ref().try_clone()?;
                        self.room = Some(sys::register(second, Interest::WRITABLE)?);
                    }
                },
                written => {
                    self.room = None;
                    return Poll::Ready(written);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn pair() -> (Stream, Stream) {
        let (one, other) = Blocking::pair().unwrap();
        (Stream::new(one).unwrap(), Stream::new(other).unwrap())
    }

    #[tokio::test]
    async fn more_than_the_kernel_holds_passes_both_ways_at_once() {
        let (mut one, mut other) = pair();
        let bytes: Vec<u8> = (0..4 << 20).map(|n| (n % 251) as u8).collect();
        let sent = bytes.clone();
        let echo = tokio::spawn(async move {
            let mut piece = [0; 4096];
            loop {
                match other.read(&mut piece).await.unwrap() {
                    0 => return,
                    n => other.write_all(&piece[..n]).await.unwrap(),
                }
            }
        });
        let (mut read, mut write) = tokio::io::split(&mut one);
        let writing = async {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let mut back = Vec::new();
        tokio::join!(writing, async { read.read_to_end(&mut back).await.unwrap() });
        assert!(back == bytes);
        assert!(one.room.is_none(), "nobody waits any more");
        echo.await.unwrap();
    }

    #[tokio::test]
    async fn byte_by_byte_nothing_is_missed() {
        let (mut one, mut other) = pair();
        let writing = tokio::spawn(async move {
            for n in 0..=255_u8 {
                other.write_all(&[n]).await.unwrap();
                if n % 7 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut all = Vec::new();
        let mut room = [0; 3];
        loop {
            match one.read(&mut room).await.unwrap() {
                0 => break,
                n => all.extend_from_slice(&room[..n]),
            }
        }
        assert_eq!(all, (0..=255).collect::<Vec<u8>>());
        writing.await.unwrap();
    }

    #[tokio::test]
    async fn news_is_what_was_not_read_yet_and_the_end() {
        let (mut one, mut other) = pair();
        for text in [&b"one"[..], b"another"] {
            other.write_all(text).await.unwrap();
            let mut room = [0; 16];
            assert_eq!(one.read(&mut room).await.unwrap(), text.len());
            assert!(!one.has_news());
        }
        other.write_all(b"more").await.unwrap();
        one.socket.readable().await.unwrap().retain_ready();
        assert!(one.has_news());
        assert_eq!(one.read(&mut [0; 16]).await.unwrap(), 4);
        assert!(!one.has_news());
        drop(other);
        one.socket.readable().await.unwrap().retain_ready();
        assert!(one.has_news());
    }

    #[tokio::test]
    async fn a_peer_that_finished_has_not_left_and_one_that_closed_has() {
        let (one, mut other) = pair();
        let watched = one.watched();
        other.shutdown().await.unwrap();
        tokio::task::yield_now().await;
        assert!(watched.peer_left().now_or_never().is_none());

        let (one, other) = pair();
        let watched = one.watched();
        drop(other);
        tokio::time::timeout(std::time::Duration::from_secs(10), watched.peer_left()).await.expect("seen");
    }
}
