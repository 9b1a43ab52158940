//! A connector that listens: each connection is a session of its own.
//!
//! Who connects is known from the kernel. A connection that is one too many waits a moment for another
//! to end, and is then closed; those who are served do not notice. As long as nobody leaves, the ones
//! after it are closed at once: ten thousand that should not be here do not hold up the one that
//! should.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotfn_socket::Peer;

use super::definition::{Allowed, Kind};
use super::desk::Desk;
use super::listener::Listener;
use super::session::{Ended, Session};
use super::wire::Wire;
use crate::threads::Threads;

/// How long accepting rests after the system had no descriptor or memory for a connection.
const REST: Duration = Duration::from_millis(100);

/// How long connections beyond the bound wait for another to end before they are closed.
const PATIENCE: Duration = Duration::from_millis(200);

/// Serves whoever connects, until the connector stops; then the path goes, while sessions go on.
pub(super) async fn serve(desk: Arc<Desk>, listener: Listener, threads: Arc<Threads>) {
    let stop = desk.stop.clone();
    let mut door = Door::default();
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok(socket) => admit(&desk, socket, &threads, &mut door).await,
                Err(e) => {
                    if let Some(unsaid) = desk.may_say("accept") {
                        tracing::warn!(connector = desk.definition.name, unsaid, "cannot accept: {e}");
                    }
                    tokio::time::sleep(REST).await;
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = accepting => {}
    }
}

async fn admit(desk: &Arc<Desk>, socket: OwnedFd, threads: &Threads, door: &mut Door) {
    let who = Peer::of(&socket).ok();
    if !is_allowed(&desk.definition.socket.allow, who.as_ref()) {
        return refuse(
            desk,
            "not_allowed",
            &who.map_or_else(|| "it cannot be told who it is".to_owned(), |who| format!("{who} is not allowed")),
        );
    }
    if !door.has_room(desk).await {
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

/// Whether one more fits through.
#[derive(Debug, Default)]
struct Door {
    /// Since when nobody fitted.
    full_since: Option<Instant>,
}

impl Door {
    /// Is there room for one more, or will there be soon?
    async fn has_room(&mut self, desk: &Desk) -> bool {
        let is_full = || desk.peers.len() >= desk.definition.bounds.connections_max;
        if is_full() {
            let until = *self.full_since.get_or_insert_with(Instant::now) + PATIENCE;
            let left = async {
                while is_full() {
                    desk.peers.one_left().await;
                }
            };
            if tokio::time::timeout_at(until.into(), left).await.is_err() {
                return false;
            }
        }
        self.full_since = None;
        true
    }
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
