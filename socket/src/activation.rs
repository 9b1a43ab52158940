//! Sockets that somebody opened for us before we were started.
//!
//! A service manager that listens on our behalf hands its sockets over as descriptors from 3 on, and
//! says so in the environment: how many (`LISTEN_FDS`), for which process (`LISTEN_PID`), and under
//! which names (`LISTEN_FDNAMES`). It keeps them itself, so their paths are not ours to remove.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::AddressFamily;

use crate::kind::{Kind, Listener};
use crate::sys;

/// A socket that was handed over.
#[derive(Debug)]
pub struct Inherited {
    /// What whoever opened it calls it; empty if it has no name.
    pub name: String,
    socket: OwnedFd,
}

/// Most sockets that are taken over.
pub const INHERITED_MAX: u32 = 64;

/// Sockets that were handed to this process, if `variable` says that there are any. To be asked for
/// once, before threads are started: the descriptors are then ours.
///
/// # Errors
/// When a descriptor that was announced is not open.
pub fn inherited(variable: impl Fn(&str) -> Option<String>) -> io::Result<Vec<Inherited>> {
    let number = |name: &str| variable(name).and_then(|value| value.parse::<u32>().ok());
    if number("LISTEN_PID") != Some(std::process::id()) {
        return Ok(Vec::new());
    }
    let count = number("LISTEN_FDS").unwrap_or(0).min(INHERITED_MAX);
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    (0..count)
        .map(|nth| {
            let socket = sys::inherited(FIRST + nth.cast_signed())?;
            Ok(Inherited { name: names.next().unwrap_or_default().to_owned(), socket })
        })
        .collect()
}

/// The first descriptor after the standard streams.
const FIRST: i32 = 3;

impl Inherited {
    /// One that came another way, such as from a predecessor.
    #[must_use]
    pub fn new(name: impl Into<String>, socket: OwnedFd) -> Self {
        Self { name: name.into(), socket }
    }

    /// The same socket once more, for somebody who may close it while this stays open.
    ///
    /// # Errors
    /// When the system gives no more descriptors.
    pub fn again(&self) -> io::Result<Self> {
        Ok(Self { name: self.name.clone(), socket: self.socket.try_clone()? })
    }

    /// As it is, of whatever kind.
    #[must_use]
    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// As a listener of the kind `L`, not blocking.
    ///
    /// # Errors
    /// When it is not a unix socket of that kind, or does not listen, as datagrams' need not.
    pub fn into_listener<L: Listener>(self) -> io::Result<L> {
        Ok(L::from(self.into_socket_of(L::KIND)?))
    }

    /// The same, for whoever learns the kind later than the compiler does.
    ///
    /// # Errors
    /// As [`into_listener`](Self::into_listener).
    pub fn into_socket_of(self, kind: Kind) -> io::Result<OwnedFd> {
        let socket = self.socket.as_fd();
        let is_unix = rustix::net::getsockname(socket)?.address_family() == AddressFamily::UNIX;
        let listens = kind == Kind::Datagram || rustix::net::sockopt::socket_acceptconn(socket)?;
        if !is_unix || !listens || rustix::net::sockopt::socket_type(socket)? != kind.socket_type() {
            let what = format!(
                "the socket {:?} that was handed over is not a listening unix socket of the kind {kind}",
                self.name,
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        rustix::io::ioctl_fionbio(socket, true)?;
        Ok(self.socket)
    }
}

impl AsFd for Inherited {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::PacketListener;

    #[test]
    fn what_is_for_another_process_is_not_ours() {
        let variable = |name: &str| Some(if name == "LISTEN_PID" { "1" } else { "3" }.to_owned());
        assert!(inherited(variable).unwrap().is_empty());
        assert!(inherited(|_| None).unwrap().is_empty());
    }

    #[test]
    fn a_socket_of_another_kind_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let socket = || OwnedFd::from(UnixListener::bind(dir.path().join("s")).unwrap());
        let e = Inherited { name: "api".into(), socket: socket() }.into_listener::<PacketListener>().unwrap_err();
        assert!(e.to_string().contains("\"api\"") && e.to_string().contains("seqpacket"), "{e}");
        std::fs::remove_file(dir.path().join("s")).unwrap();
        Inherited { name: String::new(), socket: socket() }.into_listener::<UnixListener>().unwrap();
    }
}
