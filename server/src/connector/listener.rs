//! A socket that is listened on: at a path of ours, or opened for us by a service manager.
//!
//! A path is claimed as every socket of ours is: never wider than asked for, never over somebody who
//! lives, never over a file, and at the end it goes if it is still ours. A socket that was handed over
//! (`path = "systemd:NAME"`) is its opener's: its mode is, and its path stays.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;

use rustix::net::SocketFlags;
use tokio::io::unix::AsyncFd;

use hotfn_socket::{Claim, Datagrams, Inherited, Owner, PacketListener, SocketError, claim};

use super::definition::{Definition, Kind};

/// A socket that is listened on, as long as this lives.
#[derive(Debug)]
pub(super) struct Listener {
    socket: AsyncFd<OwnedFd>,
    _place: Place,
}

/// Sockets that a service manager opened for us, by the names it gives them. They stay open while
/// connectors on them come and go.
#[derive(Debug, Default)]
pub(super) struct Handed(BTreeMap<String, Inherited>);

/// Whose the socket's path is, whatever its kind.
#[derive(Debug)]
enum Place {
    Datagram(Claim<Datagrams>),
    /// Somebody else's.
    Handed(OwnedFd),
    Seqpacket(Claim<PacketListener>),
    Stream(Claim<UnixListener>),
}

impl Handed {
    pub(super) fn new(sockets: Vec<Inherited>) -> Self {
        Self(sockets.into_iter().map(|socket| (socket.name.clone(), socket)).collect())
    }

    fn socket(&self, name: &str, kind: Kind) -> io::Result<OwnedFd> {
        let socket = self.0.get(name).ok_or_else(|| {
            let names: Vec<_> = self.0.keys().map(String::as_str).collect();
            let what = format!("no socket {name:?} was handed over; there are: {}", names.join(", "));
            io::Error::new(io::ErrorKind::NotFound, what)
        })?;
        socket.again()?.into_socket_of(kind.into())
    }
}

impl Place {
    fn claim(definition: &Definition, handed: &Handed) -> Result<Self, SocketError> {
        let wanted = &definition.socket;
        if let Some(name) = wanted.handed_over_as() {
            let failed = |source| SocketError::Os { what: "listen on", path: wanted.path.clone(), source };
            return Ok(Self::Handed(handed.socket(name, wanted.kind).map_err(failed)?));
        }
        let owner = Owner { uid: wanted.owner, gid: wanted.group };
        Ok(match wanted.kind {
            Kind::Datagram => Self::Datagram(claim(&wanted.path, wanted.mode, owner)?),
            Kind::Seqpacket => Self::Seqpacket(claim(&wanted.path, wanted.mode, owner)?),
            Kind::Stream => Self::Stream(claim(&wanted.path, wanted.mode, owner)?),
        })
    }

    fn socket(&self) -> BorrowedFd<'_> {
        match self {
            Self::Datagram(claim) => claim.listener().as_fd(),
            Self::Handed(socket) => socket.as_fd(),
            Self::Seqpacket(claim) => claim.listener().as_fd(),
            Self::Stream(claim) => claim.listener().as_fd(),
        }
    }
}

impl Listener {
    /// Claims the path that a definition names, or takes the socket that was handed over for it.
    pub(super) fn claim(definition: &Definition, handed: &Handed) -> Result<Self, SocketError> {
        let place = Place::claim(definition, handed)?;
        let copied = place.socket().try_clone_to_owned().and_then(hotfn_socket::ready);
        let path = || definition.socket.path.clone();
        let socket = copied.map_err(|source| SocketError::Os { what: "listen on", path: path(), source })?;
        Ok(Self { socket, _place: place })
    }

    /// The socket itself, for those who take no connections from it.
    pub(super) fn socket(&self) -> &AsyncFd<OwnedFd> {
        &self.socket
    }

    /// The next who connects. Cancel safe.
    pub(super) async fn accept(&self) -> io::Result<OwnedFd> {
        loop {
            let mut guard = self.socket.readable().await?;
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match guard.try_io(|socket| Ok(rustix::net::accept_with(socket, flags)?)) {
                Ok(Err(e)) if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {}
                Ok(accepted) => return accepted,
                Err(_would_block) => {}
            }
        }
    }
}
