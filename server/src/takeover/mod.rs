//! One process takes over from another, and no call is lost.
//!
//! A node offers what it listens with at a socket of its own in the state directory, to its own user and to
//! root. A successor, which may be a later version with another config, takes it there:
//!
//! ```text
//! successor                               predecessor
//!    │  want ───────────────────────────────►│
//!    │◄───────────────── sockets, with their │  both hold them; one answers
//!    │  open the store, start containers     │
//!    │  answer calls                         │
//!    │  ready ──────────────────────────────►│  stop accepting; each connection is
//!    │                                       │  answered once more and then closed
//!    │◄──────────────────────────── released │  connectors and host commands have let go
//!    │  start connectors and host commands   │
//! ```
//!
//! Until it is told `ready`, the predecessor goes on as if nobody had asked: a successor that fails takes
//! nothing along. The sockets are the very same ones, so what waits in their backlog waits for whoever
//! accepts next, and no connection is refused in between. Containers are not passed on: the successor has
//! its own, warm before it says that it is ready, and the predecessor's end with their last calls. For that
//! while a machine holds both.
//!
//! What is kept in memory goes with its process: a store of the kind `memory`, and connectors that were made
//! by the API and stand in no config file.

mod offer;
mod take;
mod wire;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use offer::{Heir, Offer};
pub use take::{Taken, Untaken};

/// What the socket for calls over HTTP is called.
pub const HTTP: &str = "http";

/// What a process passes on beside its sockets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Room {
    /// Its containers' memory, in MB. A successor that would look for itself would find only what the
    /// predecessor's containers leave.
    pub memory_mb: u64,
    /// Its containers' CPUs, in thousandths.
    pub cpu_milli: u64,
}

/// Where a node that listens at `address` and keeps its state in `state` can be taken over.
#[must_use]
pub fn place(state: &Path, address: SocketAddr) -> PathBuf {
    state.join(format!("node-{address}.sock"))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;

    use super::*;

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test]
    async fn a_socket_goes_over_with_those_who_wait_at_it() {
        let dir = tempfile::tempdir().unwrap();
        let (listener, address) = listener();
        let _waiting = TcpStream::connect(address).unwrap();
        let room = Room { memory_mb: 5, cpu_milli: 7 };
        let path = place(dir.path(), address);
        let offer = Offer::make(&path, vec![(HTTP.to_owned(), OwnedFd::from(listener))], room).unwrap();
        let predecessor = tokio::spawn(async move { offer.taken().await });

        let mut taken = Taken::ask(&path).await.unwrap();
        assert_eq!(taken.room(), room);
        let taken_over = TcpListener::from(taken.socket(HTTP).unwrap());
        assert!(taken.socket(HTTP).is_none(), "it is given once");
        assert!(taken_over.accept().is_ok(), "who came before is served");
        taken.ready().await.unwrap();

        let heir = predecessor.await.unwrap();
        assert_eq!(heir.pid(), Some(std::process::id()));
        assert!(!path.exists(), "the place is free for the successor's own offer");
        heir.release().await;
        taken.released().await.unwrap();
    }

    #[tokio::test]
    async fn a_successor_that_gives_up_takes_nothing_along() {
        let dir = tempfile::tempdir().unwrap();
        let (listener, address) = listener();
        let path = place(dir.path(), address);
        let offer =
            Offer::make(&path, vec![(HTTP.to_owned(), listener.try_clone().unwrap().into())], Room::default()).unwrap();
        let predecessor = tokio::spawn(async move { offer.taken().await });
        drop(Taken::ask(&path).await.unwrap());

        let taken = Taken::ask(&path).await.unwrap();
        taken.ready().await.unwrap();
        predecessor.await.unwrap();
        assert!(TcpStream::connect(address).is_ok());
    }

    #[tokio::test]
    async fn where_nobody_offers_that_is_said() {
        let e = Taken::ask(Path::new("/nowhere/node-127.0.0.1:1.sock")).await.unwrap_err();
        assert_eq!(e.to_string(), "no node can be taken over at /nowhere/node-127.0.0.1:1.sock; is one running?");
    }
}
