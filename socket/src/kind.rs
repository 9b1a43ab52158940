//! The two kinds of unix socket that we speak over.

use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use rustix::net::SocketType;

use crate::packet::PacketListener;

/// A listener that a path can be claimed for.
pub trait Listener: From<OwnedFd> + fmt::Debug {
    /// Does it keep the bounds of what is sent?
    const PACKETS: bool;
}

impl Listener for UnixListener {
    const PACKETS: bool = false;
}

impl Listener for PacketListener {
    const PACKETS: bool = true;
}

/// What the kernel calls the kind of `L`.
pub(crate) const fn socket_type<L: Listener>() -> SocketType {
    if L::PACKETS { SocketType::SEQPACKET } else { SocketType::STREAM }
}
