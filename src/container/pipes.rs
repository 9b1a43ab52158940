//! A process's standard input and output, as a format wants them.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use hotfn_protocols::{Stdin, Stdout};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe;

/// The end that the process reads from. It does not block.
pub(super) fn writer(pipe: OwnedFd) -> io::Result<Box<dyn Stdin>> {
    Ok(Box::new(Writer(pipe::Sender::from_owned_fd(pipe)?)))
}

/// The end that the process writes to. It does not block.
pub(super) fn reader(pipe: OwnedFd) -> io::Result<Box<dyn Stdout>> {
    Ok(Box::new(Reader(pipe::Receiver::from_owned_fd(pipe)?)))
}

#[derive(Debug)]
struct Writer(pipe::Sender);

impl Stdin for Writer {}

impl AsyncWrite for Writer {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[derive(Debug)]
struct Reader(pipe::Receiver);

impl Stdout for Reader {
    fn has_news(&self) -> bool {
        // Looks at what the runtime has noted, and leaves it as it is.
        self.0.try_io(|| Ok(())).is_ok()
    }

    /// Past the runtime: it may not have heard yet what the kernel has.
    fn read_now(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.0, buf)?)
    }
}

impl AsyncRead for Reader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}
