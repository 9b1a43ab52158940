//! A connection as a session sees it: read some, write some, whatever the socket's kind.
//!
//! A stream has bytes and no frames; on a socket of packets each read is a packet and each frame
//! that goes out is one. An empty packet on a connection cannot be told from its end, and is taken
//! for it. Where only datagrams are sent, nothing ever comes back, and no end either.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, Bytes, BytesMut};
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use tokio::io::AsyncWrite as _;
use tokio::io::unix::AsyncFd;
use tokio_util::io::poll_read_buf;

use hotfn_socket::Watched;

use super::outbox::Outbox;

/// A connection.
#[derive(Debug)]
pub(super) enum Wire {
    /// Each read is a packet.
    Packets {
        socket: Arc<AsyncFd<OwnedFd>>,
        /// Nothing can come: the other end has nowhere to send it to.
        is_deaf: bool,
    },
    /// Bytes without an end but the last.
    Stream(hotfn_socket::Stream),
}

/// Something that will happen once.
pub(super) type Leaving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a read brought.
#[derive(Debug)]
pub(super) struct Read {
    /// Empty at the end.
    pub(super) bytes: Bytes,
    /// It was longer than the buffer, and the rest of it is lost.
    pub(super) is_cut: bool,
}

impl Wire {
    pub(super) fn packets(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self::Packets { socket: Arc::new(hotfn_socket::ready(socket)?), is_deaf: false })
    }

    /// One on which datagrams are sent to one receiver.
    pub(super) fn datagrams(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self::Packets { socket: Arc::new(hotfn_socket::ready(socket)?), is_deaf: true })
    }

    pub(super) fn stream(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self::Stream(hotfn_socket::Stream::new(socket.into())?))
    }

    /// Does nothing ever come?
    pub(super) fn is_deaf(&self) -> bool {
        matches!(self, Self::Packets { is_deaf: true, .. })
    }

    /// Reads once, at most `bytes_max`. `buf` is kept for its memory.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut BytesMut,
        bytes_max: usize,
    ) -> Poll<io::Result<Read>> {
        match self {
            Self::Packets { is_deaf: true, .. } => Poll::Pending,
            Self::Packets { socket, .. } => {
                buf.resize(bytes_max, 0);
                let length = ready!(poll_receive(socket, cx, buf))?;
                Poll::Ready(Ok(Read {
                    bytes: Bytes::copy_from_slice(&buf[..length.min(bytes_max)]),
                    is_cut: length > bytes_max,
                }))
            }
            Self::Stream(stream) => {
                buf.reserve(bytes_max);
                ready!(poll_read_buf(Pin::new(stream), cx, &mut (&mut *buf).limit(bytes_max)))?;
                Poll::Ready(Ok(Read { bytes: buf.split().freeze(), is_cut: false }))
            }
        }
    }

    /// Writes once of what waits; how many frames have left with it, and bytes.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<(u64, u64)>> {
        match self {
            Self::Packets { socket, .. } => loop {
                let Some(packet) = out.first() else { return Poll::Ready(Ok((0, 0))) };
                let mut guard = ready!(socket.poll_write_ready(cx))?;
                match guard.try_io(|socket| Ok(rustix::net::send(socket, packet, SendFlags::NOSIGNAL)?)) {
                    Ok(Err(e)) if e.kind() == io::ErrorKind::Interrupted => {}
                    Ok(sent) => {
                        let bytes = sent? as u64;
                        out.advance_packet();
                        return Poll::Ready(Ok((1, bytes)));
                    }
                    Err(_would_block) => {}
                }
            },
            // Empty frames are nothing on a stream.
            Self::Stream(_) if out.bytes().is_empty() => Poll::Ready(Ok((out.advance(0), 0))),
            Self::Stream(stream) => {
                let written = ready!(Pin::new(stream).poll_write(cx, out.bytes()))?;
                Poll::Ready(Ok((out.advance(written), written as u64)))
            }
        }
    }

    /// Says that no more will be sent.
    pub(super) fn finish(&self) {
        let socket = match self {
            Self::Packets { socket, .. } => socket.as_fd(),
            Self::Stream(stream) => stream.as_fd(),
        };
        // A peer that has left does not care.
        let _ = rustix::net::shutdown(socket, Shutdown::Write);
    }

    /// Resolves when its peer has left for good; takes no bytes. `None` where nobody would know.
    pub(super) fn leaving(&self) -> Option<Leaving> {
        Some(match self {
            Self::Packets { is_deaf: true, .. } => return None,
            Self::Packets { socket, .. } => {
                let watched = Watched::of(socket);
                Box::pin(async move { watched.peer_left().await })
            }
            Self::Stream(stream) => {
                let watched = stream.watched();
                Box::pin(async move { watched.peer_left().await })
            }
        })
    }
}

/// Takes one packet; its length, which may be more than there was room for.
fn poll_receive(socket: &AsyncFd<OwnedFd>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
    loop {
        let mut guard = ready!(socket.poll_read_ready(cx))?;
        match guard.try_io(|socket| Ok(rustix::net::recv(socket, &mut *buf, RecvFlags::TRUNC)?.1)) {
            Ok(Err(e)) if e.kind() == io::ErrorKind::Interrupted => {}
            Ok(received) => return Poll::Ready(received),
            Err(_would_block) => {}
        }
    }
}
