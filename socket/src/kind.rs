//! The kinds of unix socket that we speak over.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;

use rustix::net::SocketType;

use crate::packet::PacketListener;

/// A listener that a path can be claimed for.
pub trait Listener: From<OwnedFd> + fmt::Debug {
    /// How it cuts what is sent.
    const KIND: Kind;
}

/// How a socket cuts what is sent through it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Into packets, from whomever.
    Datagram,
    /// Into packets, on connections.
    Seqpacket,
    /// Not at all.
    Stream,
}

impl Kind {
    /// What the kernel calls it.
    pub(crate) const fn socket_type(self) -> SocketType {
        match self {
            Self::Datagram => SocketType::DGRAM,
            Self::Seqpacket => SocketType::SEQPACKET,
            Self::Stream => SocketType::STREAM,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Datagram => "dgram",
            Self::Seqpacket => "seqpacket",
            Self::Stream => "stream",
        })
    }
}

/// A socket that packets come to without a connection. It does not block.
#[derive(Debug)]
pub struct Datagrams(OwnedFd);

impl From<OwnedFd> for Datagrams {
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl AsFd for Datagrams {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Listener for Datagrams {
    const KIND: Kind = Kind::Datagram;
}

impl Listener for UnixListener {
    const KIND: Kind = Kind::Stream;
}

impl Listener for PacketListener {
    const KIND: Kind = Kind::Seqpacket;
}
