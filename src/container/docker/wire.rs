//! Connections to an engine, over a unix socket or TCP.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};

use hotfn_protocols::Stdin;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

use crate::container::Doing;

/// Where an engine listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Address {
    /// `tcp://HOST:PORT`, without TLS.
    Tcp(String),
    /// `unix:///PATH`.
    Unix(PathBuf),
}

impl Address {
    /// Connects.
    pub(super) async fn dial(&self) -> io::Result<Wire> {
        match self {
            Self::Tcp(place) => {
                let stream = TcpStream::connect(place).await?;
                stream.set_nodelay(true)?;
                Ok(Wire::Tcp(stream))
            }
            Self::Unix(path) => Ok(Wire::Unix(UnixStream::connect(path).await?)),
        }
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("://") {
            Some(("unix", path)) if Path::new(path).is_absolute() => Ok(Self::Unix(path.into())),
            Some(("unix", _)) => Err("is no absolute path; write unix:///PATH"),
            Some(("tcp" | "http", place)) => {
                let place = place.trim_end_matches('/');
                let whole = place.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
                if whole { Ok(Self::Tcp(place.to_owned())) } else { Err("has no port; write tcp://HOST:PORT") }
            }
            Some(_) => Err("is neither unix:///PATH nor tcp://HOST:PORT, which are what is spoken here"),
            None if Path::new(text).is_absolute() => Ok(Self::Unix(text.into())),
            None => Err("is no address; write unix:///PATH or tcp://HOST:PORT"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(place) => write!(f, "tcp://{place}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// Makes connections for requests, wherever their URI points.
#[derive(Clone, Debug)]
pub(super) struct Dialler(pub(super) Address);

impl tower_service::Service<http::Uri> for Dialler {
    type Response = TokioIo<Wire>;
    type Error = io::Error;
    type Future = Doing<'static, io::Result<TokioIo<Wire>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        let address = self.0.clone();
        Box::pin(async move { Ok(TokioIo::new(address.dial().await?)) })
    }
}

/// A connection.
#[derive(Debug)]
pub(super) enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Wire {
    /// Its two halves. Dropping the one that is written to is the end of file for who reads it.
    pub(super) fn split(self) -> (Reader, Writer) {
        match self {
            Self::Tcp(stream) => {
                let (reader, writer) = stream.into_split();
                (Reader::Tcp(reader), Writer::Tcp(writer))
            }
            Self::Unix(stream) => {
                let (reader, writer) = stream.into_split();
                (Reader::Unix(reader), Writer::Unix(writer))
            }
        }
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets hold nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// The half that is read.
#[derive(Debug)]
pub(super) enum Reader {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
}

impl Reader {
    /// Resolves when there may be something to read, or the end.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(half) => half.readable().await,
            Self::Unix(half) => half.readable().await,
        }
    }

    /// Reads what is there now, as far as `buf` has room: `WouldBlock` if nothing is, 0 at the end.
    pub(super) fn read_now(&self, buf: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Tcp(half) => half.try_read_buf(buf),
            Self::Unix(half) => half.try_read_buf(buf),
        }
    }
}

/// The half that is written to: a function's standard input.
#[derive(Debug)]
pub(super) enum Writer {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

impl Stdin for Writer {}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_write(cx, bytes),
            Self::Unix(half) => Pin::new(half).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_write_vectored(cx, slices),
            Self::Unix(half) => Pin::new(half).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_shutdown(cx),
            Self::Unix(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        let check = |text: &str, expected: &str| match text.parse::<Address>() {
            Ok(address) => assert_eq!(address.to_string(), expected, "{text}"),
            Err(why) => assert!(why.contains(expected), "{text}: {why}"),
        };
        check("unix:///var/run/docker.sock", "unix:///var/run/docker.sock");
        check("/run/podman/podman.sock", "unix:///run/podman/podman.sock");
        check("tcp://127.0.0.1:2375", "tcp://127.0.0.1:2375");
        check("http://[::1]:2375/", "tcp://[::1]:2375");
        check("unix://docker.sock", "absolute path");
        check("tcp://localhost", "no port");
        check("ssh://somewhere", "neither");
        check("docker", "no address");
    }
}
