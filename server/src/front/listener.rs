//! A socket that connections come from: opened here, by a service manager, or by a predecessor.
//!
//! Who opened it is whose its path is. A path of ours is claimed as every socket's is, so a dead server's is
//! replaced and a living one's refused, and it goes at the end; a service manager's stays. A predecessor's goes
//! over to us with its socket: it is served from the first moment, and becomes ours to remove when the predecessor
//! has left it.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener as Blocking;
use std::path::PathBuf;
use std::task::{Context, Poll};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use hotfn_socket::{Claim, Owner, SocketError, adopt, claim};

use super::Address;

/// A socket that connections come from, and where it is.
#[derive(Debug)]
pub struct Listener {
    address: Address,
    socket: Socket,
    /// Its path goes where it goes.
    owns_path: bool,
    path: Option<OwnPath>,
}

/// Who may connect at a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Permissions {
    /// The file's mode. Default 0660: its owner and its group.
    pub mode: u32,
    /// The file's group. Default: that of this process.
    pub group: Option<u32>,
}

/// A socket that is there before the node is.
#[derive(Debug)]
pub enum Handed {
    /// A service manager's, or somebody else's whose path stays.
    Managed(OwnedFd),
    /// A predecessor's, whose path is ours when it has left it.
    Left(PathBuf, OwnedFd),
}

/// One place cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct OpenError {
    /// The place.
    pub address: Address,
    /// What is the matter.
    pub source: Unopened,
}

/// What is the matter with a place to listen at.
#[derive(Debug, thiserror::Error)]
pub enum Unopened {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The path cannot be had.
    #[error(transparent)]
    Path(#[from] SocketError),
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A path that goes with us.
#[derive(Debug)]
pub(super) enum OwnPath {
    Claimed(Claim),
    /// A predecessor has it yet.
    Coming(PathBuf, OwnedFd),
}

/// Somebody who connected, bound to no runtime.
#[derive(Debug)]
pub(super) enum Accepted {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Listener {
    /// Listens at `address`; at a path those of `permissions` may connect.
    ///
    /// # Errors
    /// When it is taken, or not ours.
    pub async fn open(address: &Address, permissions: Permissions) -> Result<Self, OpenError> {
        let opened = match address {
            Address::Tcp(address) => TcpListener::bind(address).await.and_then(Self::try_from).map_err(Unopened::from),
            Address::Unix(path) => Self::claim(path.clone(), permissions),
        };
        opened.map_err(|source| OpenError { address: address.clone(), source })
    }

    /// Listens at a socket that is there already.
    ///
    /// # Errors
    /// When it is none that clients could find.
    pub fn handed(handed: Handed) -> io::Result<Self> {
        let address = handed.address()?;
        let (socket, path) = match handed {
            Handed::Managed(socket) => (socket, None),
            Handed::Left(path, socket) => {
                let again = socket.try_clone()?;
                (socket, Some(OwnPath::Coming(path, again)))
            }
        };
        rustix::io::ioctl_fionbio(&socket, true)?;
        let socket = match address {
            Address::Tcp(_) => Socket::Tcp(TcpListener::from_std(socket.into())?),
            Address::Unix(_) => Socket::Unix(UnixListener::from_std(socket.into())?),
        };
        Ok(Self { address, socket, owns_path: path.is_some(), path })
    }

    /// Where it is, with the port that was really taken.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    fn claim(path: PathBuf, Permissions { mode, group }: Permissions) -> Result<Self, Unopened> {
        let claim: Claim = claim(&path, mode, Owner { uid: None, gid: group })?;
        if claim.is_exposed() {
            tracing::warn!(
                "others may put a socket of theirs in the place of {}: they may write there",
                path.display()
            );
        }
        let socket = Socket::Unix(UnixListener::from_std(claim.listener().try_clone()?)?);
        Ok(Self { address: Address::Unix(path), socket, owns_path: true, path: Some(OwnPath::Claimed(claim)) })
    }

    /// Its path, if it is not another's, for whoever sees to that at the end; once.
    pub(super) fn take_path(&mut self) -> Option<OwnPath> {
        self.path.take()
    }

    /// The very socket, for a process that is to listen there as well.
    pub(super) fn again(&self) -> io::Result<Handed> {
        let socket = match &self.socket {
            Socket::Tcp(listener) => listener.as_fd(),
            Socket::Unix(listener) => listener.as_fd(),
        };
        let socket = socket.try_clone_to_owned()?;
        Ok(match &self.address {
            Address::Unix(path) if self.owns_path => Handed::Left(path.clone(), socket),
            _ => Handed::Managed(socket),
        })
    }

    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        match &self.socket {
            Socket::Tcp(listener) => listener.poll_accept(cx).map(|accepted| Accepted::try_from(accepted?.0)),
            Socket::Unix(listener) => listener.poll_accept(cx).map(|accepted| Accepted::try_from(accepted?.0)),
        }
    }
}

impl TryFrom<TcpListener> for Listener {
    type Error = io::Error;

    fn try_from(listener: TcpListener) -> io::Result<Self> {
        let address = Address::Tcp(listener.local_addr()?);
        Ok(Self { address, socket: Socket::Tcp(listener), owns_path: false, path: None })
    }
}

impl Default for Permissions {
    fn default() -> Self {
        Self { mode: 0o660, group: None }
    }
}

impl Handed {
    /// Where it is.
    ///
    /// # Errors
    /// When it is none that clients could find.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Self::Managed(socket) => Address::of(socket),
            Self::Left(path, _) => Ok(Address::Unix(path.clone())),
        }
    }
}

impl OwnPath {
    /// Has it, if the predecessor has left it by now.
    pub(super) fn adopted(self) -> Result<Self, SocketError> {
        match self {
            Self::Claimed(claim) => Ok(Self::Claimed(claim)),
            Self::Coming(path, socket) => adopt::<Blocking>(&path, socket).map(Self::Claimed),
        }
    }

    /// Leaves it to a successor.
    pub(super) fn leave(self) {
        if let Self::Claimed(claim) = self {
            claim.leave();
        }
    }
}

impl TryFrom<TcpStream> for Accepted {
    type Error = io::Error;

    fn try_from(stream: TcpStream) -> io::Result<Self> {
        stream.into_std().map(Self::Tcp)
    }
}

impl TryFrom<UnixStream> for Accepted {
    type Error = io::Error;

    fn try_from(stream: UnixStream) -> io::Result<Self> {
        stream.into_std().map(Self::Unix)
    }
}
