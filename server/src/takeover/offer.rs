//! The predecessor's side.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use hotfn_socket::{
    AsyncPacketListener, AsyncPackets, Claim, Inherited, Owner, PacketListener, Peer, SocketError, claim,
};

use super::Room;
use super::wire::{self, SOCKETS_MAX, Said};
use crate::front::listener::Handed;

/// How long a successor may take to say what it wants.
const WANT_PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take from there until it answers calls: its images may come from far away.
const START_PATIENCE: Duration = Duration::from_secs(600);
/// The rest after accepting failed, which passes when something else closes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The socket is ours alone.
const MODE: u32 = 0o600;

/// What can be taken over, and where. Dropping it takes the offer back.
#[derive(Debug)]
pub struct Offer {
    claim: Claim<PacketListener>,
    listener: AsyncPacketListener,
    names: Vec<String>,
    sockets: Vec<OwnedFd>,
    room: Room,
}

/// A successor that answers calls, and waits for what cannot be shared.
#[derive(Debug)]
pub struct Heir {
    packets: AsyncPackets,
    pid: Option<u32>,
}

impl Offer {
    /// Offers the sockets `for_calls` and the `others` at `path`. Needs a tokio runtime with I/O.
    ///
    /// # Errors
    /// When the path cannot be had.
    pub fn make(path: &Path, for_calls: Vec<Handed>, others: Vec<Inherited>, room: Room) -> Result<Self, SocketError> {
        let claim: Claim<PacketListener> = claim(path, MODE, Owner::default())?;
        let listener = claim.listener().try_clone().and_then(AsyncPacketListener::new);
        let listener =
            listener.map_err(|source| SocketError::Os { what: "listen on", path: path.to_owned(), source })?;
        let others = others.into_iter().map(|socket| (socket.name.clone(), socket.into_socket()));
        let (names, sockets) = for_calls.into_iter().map(wire::name).chain(others).unzip();
        Ok(Self { claim, listener, names, sockets, room })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.claim.path()
    }

    /// Resolves when somebody has taken over and answers calls. The offer is gone then, and its path free
    /// for the successor's own.
    ///
    /// Cancel safe: a successor that is on its way loses its connection and gives up.
    pub async fn taken(self) -> Heir {
        loop {
            let packets = match self.listener.accept().await {
                Ok(packets) => packets,
                Err(e) => {
                    tracing::warn!("cannot accept a successor: {e}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            match self.pass_on(packets).await {
                Ok(heir) => return heir,
                Err(e) => tracing::warn!("a successor did not take over, this process goes on: {e}"),
            }
        }
    }

    async fn pass_on(&self, packets: AsyncPackets) -> io::Result<Heir> {
        let peer = Peer::of(&packets)?;
        let ours = rustix::process::geteuid().as_raw();
        if peer.uid != Some(ours) && peer.uid != Some(0) {
            let what = format!("{peer} is neither this process's user nor root");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
        }
        let want = within(WANT_PATIENCE, "say what it wants", wire::hear(&packets)).await?;
        let (Said::Want { version }, _) = want else { return Err(wire::unexpected(&want.0)) };
        tracing::info!(version, pid = peer.pid, "a successor starts");
        let Room { memory_mb, cpu_milli } = self.room;
        let mut left = self.sockets.len();
        for (names, sockets) in self.names.chunks(SOCKETS_MAX).zip(self.sockets.chunks(SOCKETS_MAX)) {
            left -= sockets.len();
            let told = Said::Sockets { names: names.to_vec(), memory_mb, cpu_milli, has_more: left > 0 };
            wire::say(&packets, &told, sockets).await?;
        }
        match within(START_PATIENCE, "answer calls", wire::hear(&packets)).await? {
            (Said::Ready, _) => Ok(Heir { packets, pid: peer.pid }),
            (other, _) => Err(wire::unexpected(&other)),
        }
    }
}

impl Heir {
    /// Its process, if it can be seen from here.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Says that nothing is held any more that cannot be shared.
    pub async fn release(self) {
        if let Err(e) = wire::say(&self.packets, &Said::Released, &[]).await {
            tracing::warn!("the successor is gone: {e}");
        }
    }
}

async fn within<T>(patience: Duration, what: &str, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("it did not {what} within {patience:?}"));
    tokio::time::timeout(patience, work).await.map_err(late)?
}
