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
//!    │  answer calls, write its functions    │
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

use std::path::{Path, PathBuf};

use crate::front::Address;
use crate::percent;

pub use offer::{Heir, Offer};
pub use take::{Taken, Untaken};

/// What a socket for calls over HTTP is called, by service managers as well. Between processes one whose path goes
/// over with it is called by that instead, as `unix:/PATH`.
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
pub fn place(state: &Path, address: &Address) -> PathBuf {
    let name = match address {
        Address::Tcp(address) => address.to_string(),
        // As one name, from which no other path comes.
        Address::Unix(path) => percent::encode(&path.to_string_lossy()),
    };
    state.join(format!("node-{name}.sock"))
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::fd::OwnedFd;

    use hotfn_socket::{Claim, Inherited, Owner, PacketListener};

    use super::*;
    use crate::front::listener::Handed;

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
        let path = place(dir.path(), &Address::Tcp(address));
        let another = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
        let for_calls = vec![Handed::Managed(listener.into()), Handed::Left("/run/x".into(), another())];
        let offer = Offer::make(&path, for_calls, vec![Inherited::new("lines", another())], room).unwrap();
        let predecessor = tokio::spawn(async move { offer.taken().await });

        let mut taken = Taken::ask(&path).await.unwrap();
        assert_eq!(taken.room(), room);
        let mut for_calls = taken.for_calls();
        assert!(matches!(&for_calls[1], Handed::Left(path, _) if path == Path::new("/run/x")), "{for_calls:?}");
        let Handed::Managed(taken_over) = for_calls.swap_remove(0) else { panic!("{for_calls:?}") };
        let taken_over = TcpListener::from(taken_over);
        assert!(taken.for_calls().is_empty(), "they are given once");
        assert_eq!(taken.others().iter().map(|other| &*other.name).collect::<Vec<_>>(), ["lines"]);
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
        let path = place(dir.path(), &Address::Tcp(address));
        let socket = Handed::Managed(listener.try_clone().unwrap().into());
        let offer = Offer::make(&path, vec![socket], Vec::new(), Room::default()).unwrap();
        let predecessor = tokio::spawn(async move { offer.taken().await });
        drop(Taken::ask(&path).await.unwrap());

        let taken = Taken::ask(&path).await.unwrap();
        taken.ready().await.unwrap();
        predecessor.await.unwrap();
        assert!(TcpStream::connect(address).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_behind_others_holds_no_thread_and_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.sock");
        let claimed: Claim<PacketListener> = hotfn_socket::claim(&path, 0o600, Owner::default()).unwrap();
        rustix::net::listen(claimed.listener(), 0).unwrap();
        let _first = hotfn_socket::connect_packets(&path).unwrap();
        // The clock goes on only while the thread is free.
        let asked = Taken::ask(&path).await;
        let Err(Untaken::Refused { source, .. }) = asked else { panic!("{asked:?}") };
        assert_eq!(source.kind(), std::io::ErrorKind::TimedOut, "{source}");
    }

    #[test]
    fn every_address_has_a_place_of_its_own() {
        let check = |address: &str, name: &str| {
            assert_eq!(place(Path::new("/state"), &address.parse().unwrap()), Path::new("/state").join(name));
        };
        check("127.0.0.1:80", "node-127.0.0.1:80.sock");
        check("unix:/run/a-b.sock", "node-%2Frun%2Fa-b.sock.sock");
        check("unix:/run/a%2Fb", "node-%2Frun%2Fa%252Fb.sock");
    }

    #[tokio::test]
    async fn where_nobody_offers_that_is_said() {
        let e = Taken::ask(Path::new("/nowhere/node-127.0.0.1:1.sock")).await.unwrap_err();
        assert_eq!(e.to_string(), "no node can be taken over at /nowhere/node-127.0.0.1:1.sock; is one running?");
    }
}
