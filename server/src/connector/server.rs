//! A connector that listens: each connection is a session of its own.
//!
//! The path is claimed as every socket of ours is: never wider than asked for, never over somebody
//! who lives, never over a file. Who connects is known from the kernel. A connection that is one
//! too many waits a moment in the backlog and is then closed; those who are served do not notice.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::SocketFlags;
use tokio::io::unix::AsyncFd;

use hotfn_socket::{Claim, Datagrams, Owner, PacketListener, Peer, SocketError, claim};

use super::definition::{Allowed, Definition, Kind};
use super::desk::Desk;
use super::session::{Ended, Session};
use super::wire::Wire;
use crate::threads::Threads;

/// How long accepting rests after the system had no descriptor or memory for a connection.
const REST: Duration = Duration::from_millis(100);

/// How long a connection beyond the bound waits for another to end before it is closed.
const PATIENCE: Duration = Duration::from_millis(200);

/// A socket that is listened on.
#[derive(Debug)]
pub(super) struct Listener {
    place: Place,
    socket: AsyncFd<OwnedFd>,
}

/// A path that is ours, whatever the kind of socket there.
#[derive(Debug)]
enum Place {
    Datagram(Claim<Datagrams>),
    Seqpacket(Claim<PacketListener>),
    Stream(Claim<UnixListener>),
}

impl Place {
    fn claim(definition: &Definition) -> Result<Self, SocketError> {
        let wanted = &definition.socket;
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
            Self::Seqpacket(claim) => claim.listener().as_fd(),
            Self::Stream(claim) => claim.listener().as_fd(),
        }
    }
}

impl Listener {
    /// Claims the path that a definition names.
    pub(super) fn claim(definition: &Definition) -> Result<Self, SocketError> {
        let place = Place::claim(definition)?;
        let copied = place.socket().try_clone_to_owned().and_then(hotfn_socket::ready);
        let path = || definition.socket.path.clone();
        let socket = copied.map_err(|source| SocketError::Os { what: "listen on", path: path(), source })?;
        Ok(Self { place, socket })
    }

    /// The socket itself, for those who take no connections from it.
    pub(super) fn socket(&self) -> &AsyncFd<OwnedFd> {
        &self.socket
    }

    async fn accept(&self) -> io::Result<OwnedFd> {
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

/// Serves whoever connects, until the connector stops; then the path goes, while sessions go on.
pub(super) async fn serve(desk: Arc<Desk>, listener: Listener, threads: Arc<Threads>) {
    let stop = desk.stop.clone();
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok(socket) => admit(&desk, socket, &threads).await,
                Err(e) => {
                    tracing::warn!(connector = desk.definition.name, "cannot accept: {e}");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = accepting => {}
    }
    drop(listener.place);
}

async fn admit(desk: &Arc<Desk>, socket: OwnedFd, threads: &Threads) {
    let who = Peer::of(&socket).ok();
    if !is_allowed(&desk.definition.socket.allow, who.as_ref()) {
        return refuse(
            desk,
            "not_allowed",
            &who.map_or_else(|| "it cannot be told who it is".to_owned(), |who| format!("{who} is not allowed")),
        );
    }
    if !has_room(desk).await {
        return refuse(desk, "connections", "there are as many connections as there may be");
    }
    // Here, so that the next one is counted with this.
    let present = desk.peers.begin(desk.definition.bounds.write_frames_max);
    let (place, desk) = (threads.place(), desk.clone());
    let tasks = desk.tasks.clone();
    let runtime = place.runtime().clone();
    tasks.spawn_on(
        async move {
            let wire = match desk.definition.socket.kind {
                Kind::Stream => Wire::stream(socket),
                Kind::Datagram | Kind::Seqpacket => Wire::packets(socket),
            };
            match wire {
                Ok(wire) => {
                    let left = Session::new(desk.clone(), wire, who, present).run().await;
                    tell(&desk, &left.how);
                }
                Err(e) => tracing::warn!(connector = desk.definition.name, "cannot serve a connection: {e}"),
            }
            drop(place);
        },
        &runtime,
    );
}

/// Ends that an operator may want to know of.
fn tell(desk: &Desk, how: &Ended) {
    if matches!(how, Ended::Closed(_) | Ended::Stuck)
        && let Some(unsaid) = desk.may_say("closed")
    {
        tracing::warn!(connector = desk.definition.name, unsaid, "connection ended: {how}");
    }
}

fn refuse(desk: &Desk, kind: &'static str, why: &str) {
    desk.counts.refused.add(1);
    if let Some(unsaid) = desk.may_say(kind) {
        tracing::warn!(connector = desk.definition.name, unsaid, "connection refused: {why}");
    }
}

fn is_allowed(allow: &[Allowed], who: Option<&Peer>) -> bool {
    allow.is_empty()
        || who.is_some_and(|who| {
            allow.iter().any(|allowed| match allowed {
                Allowed::Group(gid) => who.gid == Some(*gid) || who.groups.contains(gid),
                Allowed::User(uid) => who.uid == Some(*uid),
            })
        })
}

/// Is there room for one more, or will there be soon?
async fn has_room(desk: &Desk) -> bool {
    let is_full = || desk.peers.len() >= desk.definition.bounds.connections_max;
    if !is_full() {
        return true;
    }
    let left = async {
        while is_full() {
            desk.peers.one_left().await;
        }
    };
    tokio::time::timeout(PATIENCE, left).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_allows_everybody_and_another_those_in_it() {
        let who = Peer { pid: None, pidfd: None, uid: Some(5), gid: Some(6), groups: vec![7] };
        for (allow, expected) in [
            (&[][..], true),
            (&[Allowed::User(5)], true),
            (&[Allowed::Group(6)], true),
            (&[Allowed::Group(7)], true),
            (&[Allowed::User(6), Allowed::Group(5)], false),
        ] {
            assert_eq!(is_allowed(allow, Some(&who)), expected, "{allow:?}");
        }
        assert!(!is_allowed(&[Allowed::User(0)], None));
    }
}
