//! What a node finds to stand on: a predecessor's sockets, or those of a service manager, or nothing.

use std::io;
use std::path::PathBuf;

use anyhow::Context as _;

use hotfn_socket::Inherited;

use crate::config::{Settings, env};
use crate::front::listener::Handed;
use crate::front::{Address, Listen};
use crate::takeover::{self, Taken};

/// What is there before the node is.
pub(super) struct Ground {
    /// What was taken over, and from whom: somebody who is still at work.
    pub(super) taken: Option<Taken>,
    /// Those for calls, which listen already.
    pub(super) sockets: Vec<Handed>,
    /// Others that were opened for us, or for our predecessor.
    pub(super) others: Vec<Inherited>,
    /// With what is known better by who was there before us.
    pub(super) settings: Settings,
}

impl Ground {
    /// Looks around. `predecessor` is where somebody offers to be taken over, if somebody is to be; without a
    /// path it is the place of a node with these settings.
    pub(super) async fn find(predecessor: Option<Option<PathBuf>>, mut settings: Settings) -> anyhow::Result<Self> {
        let mut others = hotfn_socket::inherited(env::process)?;
        let mut sockets = for_calls(&mut others);
        let mut taken = None;
        if let Some(place) = predecessor {
            let place = place.unwrap_or_else(|| takeover::place(&settings.state_dir(), settings.listen().first()));
            let mut whole = Taken::ask(&place).await?;
            sockets = whole.for_calls();
            anyhow::ensure!(!sockets.is_empty(), "the node at {} has no socket for calls", place.display());
            // Its containers are still there, and hold what is soon ours.
            let room = whole.room();
            settings.memory_mb = settings.memory_mb.filter(|&mb| mb > 0).or(Some(room.memory_mb));
            settings.cpu_milli = settings.cpu_milli.filter(|&milli| milli > 0).or(Some(room.cpu_milli));
            others.extend(whole.others());
            taken = Some(whole);
        }
        let there = sockets.iter().map(Handed::address).collect::<io::Result<Vec<Address>>>();
        let there = there.with_context(|| format!("the socket called {:?} cannot be used", takeover::HTTP))?;
        if let Ok(there) = Listen::try_from(there) {
            if let (Some(wanted), true) = (&settings.listen, taken.is_some()) {
                warn_of_unheeded(wanted, &there);
            }
            // Who may call depends on who can reach it, and that is where it really listens.
            settings.listen = Some(there);
        }
        Ok(Self { taken, sockets, others, settings })
    }
}

/// The sockets for calls among those that a service manager opened for us: those called `http`, or else the
/// first for TCP. The others are connectors'.
fn for_calls(sockets: &mut Vec<Inherited>) -> Vec<Handed> {
    let is_named = |socket: &Inherited| socket.name == takeover::HTTP;
    let is_tcp = |socket: &Inherited| Address::of(socket).is_ok_and(|address| address.tcp().is_some());
    let managed = |socket: Inherited| Handed::Managed(socket.into_socket());
    if sockets.iter().any(is_named) {
        return sockets.extract_if(.., |socket| is_named(socket)).map(managed).collect();
    }
    let first = sockets.iter().position(is_tcp).map(|at| sockets.remove(at));
    first.into_iter().map(managed).collect()
}

/// A successor listens where its predecessor does. Whoever has changed that in the config would wonder.
fn warn_of_unheeded(wanted: &Listen, there: &Listen) {
    // A port that was left to the system is another one each time.
    let is_there = |wanted: &Address| match wanted.tcp() {
        Some(address) if address.port() == 0 => true,
        _ => there.addresses().contains(wanted),
    };
    for address in wanted.addresses().iter().filter(|address| !is_there(address)) {
        tracing::warn!("not listening at {address}: who takes over listens at {there}; stop and start to change that");
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn of_the_managers_sockets_those_for_calls_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let (first, path) = (TcpListener::bind("127.0.0.1:0").unwrap(), folder.path().join("s"));
        let (tcp, unix) = (Address::Tcp(first.local_addr().unwrap()), Address::Unix(path.clone()));
        let check = |names: [&str; 3], expected: &[&Address]| {
            std::fs::remove_file(&path).ok();
            let sockets: [OwnedFd; 3] = [
                UnixListener::bind(&path).unwrap().into(),
                first.try_clone().unwrap().into(),
                TcpListener::bind("127.0.0.1:0").unwrap().into(),
            ];
            let mut sockets = names.into_iter().zip(sockets).map(|(name, s)| Inherited::new(name, s)).collect();
            let found: Vec<_> = for_calls(&mut sockets).iter().map(|handed| handed.address().unwrap()).collect();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{names:?}");
            assert_eq!(sockets.len(), 3 - expected.len());
        };
        check(["", "", ""], &[&tcp]);
        check(["http", "", ""], &[&unix]);
        check(["http", "http", "lines"], &[&unix, &tcp]);
        check(["lines", "http", ""], &[&tcp]);
    }
}
