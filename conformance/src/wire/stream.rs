//! Bytes to a function's socket or to a server's port: the same but for how they begin.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// One of the two.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Does the same to whichever it is.
macro_rules! either {
    ($stream:expr, $it:ident => $does:expr) => {
        match $stream {
            Stream::Tcp($it) => $does,
            Stream::Unix($it) => $does,
        }
    };
}

impl Stream {
    pub(super) fn tcp(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    pub(super) fn unix(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path).map(Self::Unix)
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    pub(super) fn set_read_timeout(&self, bound: Option<Duration>) -> io::Result<()> {
        either!(self, stream => stream.set_read_timeout(bound))
    }

    pub(super) fn set_write_timeout(&self, bound: Option<Duration>) -> io::Result<()> {
        either!(self, stream => stream.set_write_timeout(bound))
    }

    /// Ends it for every clone. That it had ended is no news.
    pub(super) fn shutdown(&self) {
        let _ = either!(self, stream => stream.shutdown(Shutdown::Both));
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => stream.read(buf))
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        either!(self, stream => stream.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
