//! The successor's side.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hotfn_socket::{AsyncPackets, Inherited, Kind};

use super::Room;
use super::wire::{self, Said};
use crate::front::listener::Handed;

/// How long a predecessor may take to hand over its sockets. It does nothing else for another successor.
const SOCKETS_PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to let go of what cannot be shared; then we take it, or find that we cannot.
const RELEASE_PATIENCE: Duration = Duration::from_secs(120);

/// Most sockets that are taken over, as many as a service manager may hand over.
const SOCKETS_MAX: usize = hotfn_socket::INHERITED_MAX as usize;

/// What was taken over. The predecessor goes on answering until it is told that we do, and for good if
/// this is dropped before.
#[derive(Debug)]
pub struct Taken {
    packets: AsyncPackets,
    sockets: Vec<(String, OwnedFd)>,
    room: Room,
}

/// Nothing was taken over.
#[derive(Debug, thiserror::Error)]
pub enum Untaken {
    /// There is nobody.
    #[error("no node can be taken over at {}; is one running?", path.display())]
    Nobody {
        /// Where it should be.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// There is somebody who does not do what was agreed.
    #[error("the node at {} does not hand over", path.display())]
    Refused {
        /// Where it is.
        path: PathBuf,
        /// What is the matter.
        source: io::Error,
    },
}

impl Taken {
    /// Asks the process that offers itself at `path`.
    ///
    /// # Errors
    /// When there is none, or it does not answer.
    pub async fn ask(path: &Path) -> Result<Self, Untaken> {
        let nobody = |source| Untaken::Nobody { path: path.to_owned(), source };
        let refused = |source| Untaken::Refused { path: path.to_owned(), source };
        let asked = async {
            // It waits while others wait before us, and the thread meanwhile has other things to do.
            let connected = hotfn_socket::connect_of(path, Kind::Seqpacket).await;
            let packets = connected.and_then(|socket| AsyncPackets::new(socket.into())).map_err(nobody)?;
            let want = Said::Want { version: env!("CARGO_PKG_VERSION").to_owned() };
            wire::say(&packets, &want, &[]).await.map_err(refused)?;
            let (sockets, room) = gather(&packets).await.map_err(refused)?;
            Ok(Self { packets, sockets, room })
        };
        let late = || io::Error::new(io::ErrorKind::TimedOut, "it says nothing; does another take over already?");
        tokio::time::timeout(SOCKETS_PATIENCE, asked).await.unwrap_or_else(|_| Err(refused(late())))
    }

    /// The sockets for calls, in the predecessor's order; once.
    pub fn for_calls(&mut self) -> Vec<Handed> {
        let mut found = Vec::new();
        for (name, socket) in std::mem::take(&mut self.sockets) {
            match wire::for_calls(&name, socket) {
                Ok(handed) => found.push(handed),
                Err(socket) => self.sockets.push((name, socket)),
            }
        }
        found
    }

    /// All sockets that are left, after [those for calls](Self::for_calls).
    pub fn others(&mut self) -> Vec<Inherited> {
        self.sockets.drain(..).map(|(name, socket)| Inherited::new(name, socket)).collect()
    }

    /// What the predecessor's containers have, all together.
    #[must_use]
    pub fn room(&self) -> Room {
        self.room
    }

    /// Says that we answer calls.
    ///
    /// # Errors
    /// When the predecessor is gone. Then nobody else answers them.
    pub async fn ready(&self) -> io::Result<()> {
        wire::say(&self.packets, &Said::Ready, &[]).await
    }

    /// Resolves when the predecessor holds nothing any more that cannot be shared.
    ///
    /// # Errors
    /// When it is gone without a word, or takes too long: what it held may be free or not.
    pub async fn released(self) -> io::Result<()> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("it holds on for {RELEASE_PATIENCE:?}"));
        match tokio::time::timeout(RELEASE_PATIENCE, wire::hear(&self.packets)).await.map_err(late)?? {
            (Said::Released, _) => Ok(()),
            (other, _) => Err(wire::unexpected(&other)),
        }
    }
}

/// All sockets that the predecessor has, however many packets they take.
async fn gather(packets: &AsyncPackets) -> io::Result<(Vec<(String, OwnedFd)>, Room)> {
    let mut all = Vec::new();
    loop {
        match wire::hear(packets).await? {
            (Said::Sockets { names, memory_mb, cpu_milli, has_more }, sockets) if names.len() == sockets.len() => {
                all.extend(names.into_iter().zip(sockets));
                if !has_more {
                    return Ok((all, Room { memory_mb, cpu_milli }));
                }
                if all.len() > SOCKETS_MAX {
                    let what = format!("it has more than {SOCKETS_MAX} sockets");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                }
            }
            (other, _) => return Err(wire::unexpected(&other)),
        }
    }
}
