//! What a node finds to stand on: a predecessor's sockets, or those of a service manager, or nothing.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::net::AddressFamily;

use hotfn_socket::Inherited;

use crate::config::{Settings, env};
use crate::takeover::{self, Taken};

/// What is there before the node is.
pub(super) struct Ground {
    /// What was taken over, and from whom: somebody who is still at work.
    pub(super) taken: Option<Taken>,
    /// Listens already.
    pub(super) socket: Option<OwnedFd>,
    /// Others that were opened for us, or for our predecessor.
    pub(super) others: Vec<Inherited>,
    /// With what the predecessor knows better than we can.
    pub(super) settings: Settings,
}

impl Ground {
    /// Looks around. `predecessor` is where somebody offers to be taken over, if somebody is to be; without a
    /// path it is the place of a node with these settings.
    pub(super) async fn find(predecessor: Option<Option<PathBuf>>, mut settings: Settings) -> anyhow::Result<Self> {
        let mut others = hotfn_socket::inherited(env::process)?;
        let handed_over = for_calls(&mut others)?;
        let Some(place) = predecessor else { return Ok(Self { taken: None, socket: handed_over, others, settings }) };
        let place = place.unwrap_or_else(|| takeover::place(&settings.state_dir(), settings.listen()));
        let mut taken = Taken::ask(&place).await?;
        let socket = taken.socket(takeover::HTTP);
        anyhow::ensure!(socket.is_some(), "the node at {} has no socket for calls", place.display());
        // Its containers are still there, and hold what is soon ours.
        let room = taken.room();
        settings.memory_mb = settings.memory_mb.filter(|&mb| mb > 0).or(Some(room.memory_mb));
        settings.cpu_milli = settings.cpu_milli.filter(|&milli| milli > 0).or(Some(room.cpu_milli));
        others.extend(taken.others());
        Ok(Self { taken: Some(taken), socket, others, settings })
    }
}

/// The socket for calls among those that a service manager opened for us: the one called `http`, or else the
/// first for TCP. The others are connectors'.
fn for_calls(sockets: &mut Vec<Inherited>) -> anyhow::Result<Option<OwnedFd>> {
    let is_tcp = |socket: &Inherited| {
        let family = rustix::net::getsockname(socket).map(|address| address.address_family());
        let listens = rustix::net::sockopt::socket_acceptconn(socket).unwrap_or_default();
        listens && family.is_ok_and(|family| [AddressFamily::INET, AddressFamily::INET6].contains(&family))
    };
    let named = sockets.iter().position(|socket| socket.name == takeover::HTTP);
    let Some(at) = named.or_else(|| sockets.iter().position(is_tcp)) else { return Ok(None) };
    anyhow::ensure!(
        is_tcp(&sockets[at]),
        "the socket called {:?} does not listen for TCP connections; use ListenStream= with an address",
        takeover::HTTP
    );
    Ok(Some(sockets.swap_remove(at).into_socket()))
}
