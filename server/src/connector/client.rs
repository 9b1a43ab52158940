//! A connector that connects: one session after another, with waits between them.
//!
//! What is sent to it while it is down waits, up to a bound, and leaves first when it is up again.
//! A frame of which the lost connection had taken nothing is sent again; one of which it had taken
//! some is lost, since nobody could tell how much was read, and is told of.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value as Tree, json};

use hotfn_socket::Peer;

use super::definition::Kind;
use super::desk::Desk;
use super::feed::Feed;
use super::mailbox::Mailbox;
use super::outbox::Outbox;
use super::reconnect::{Attempts, Next};
use super::session::{Ended, Session};
use super::trouble::{self, Trouble};
use super::wire::Wire;

/// A client's connection, for those who ask.
#[derive(Debug, Default)]
pub(super) struct State(Mutex<Now>);

#[derive(Clone, Debug, Default)]
struct Now {
    phase: Phase,
    /// Failures since the last success.
    attempts: u64,
    last_error: Option<String>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Phase {
    #[default]
    Connecting,
    Connected,
    /// It gave up.
    Failed,
    /// All was sent, and the peer had no more either.
    Finished,
    Waiting {
        until: Instant,
    },
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Failed => "failed",
            Self::Finished => "finished",
            Self::Waiting { .. } => "waiting",
        }
    }
}

impl State {
    fn set(&self, phase: Phase) {
        self.0.lock().expect("no code panics while it holds this lock").phase = phase;
    }

    fn failed(&self, attempts: u64, error: &str) {
        let mut now = self.0.lock().expect("no code panics while it holds this lock");
        (now.attempts, now.last_error) = (attempts, Some(error.to_owned()));
    }

    fn connected(&self) {
        let mut now = self.0.lock().expect("no code panics while it holds this lock");
        (now.phase, now.attempts) = (Phase::Connected, 0);
    }

    /// Did it give up?
    pub(super) fn is_failed(&self) -> bool {
        matches!(self.0.lock().expect("no code panics while it holds this lock").phase, Phase::Failed)
    }

    /// The word for what it is doing.
    pub(super) fn name(&self) -> &'static str {
        self.0.lock().expect("no code panics while it holds this lock").phase.name()
    }

    pub(super) fn to_json(&self) -> Tree {
        let now = self.0.lock().expect("no code panics while it holds this lock").clone();
        let next_ms = match now.phase {
            Phase::Waiting { until } => {
                let left = until.saturating_duration_since(Instant::now());
                u64::try_from(left.as_millis()).ok()
            }
            _ => None,
        };
        json!({
            "state": now.phase.name(),
            "attempts": now.attempts,
            "next_attempt_ms": next_ms,
            "last_error": now.last_error,
        })
    }
}

/// Connects, and comes back, until it may not or the connector stops.
pub(super) async fn run(desk: Arc<Desk>, mailbox: Arc<Mailbox>, state: Arc<State>, mut feed: Option<Feed>) {
    let mut attempts = Attempts::new(desk.definition.reconnect);
    let mut outbox = Outbox::default();
    loop {
        state.set(Phase::Connecting);
        let connected = tokio::select! {
            connected = connect(&desk.definition.socket.path, desk.definition.socket.kind) => connected,
            // A listener whose backlog is full may never make room.
            () = desk.stop.cancelled() => return,
        };
        let next = match connected {
            Ok((wire, who)) => {
                attempts.succeeded();
                state.connected();
                let present = desk.peers.begin_again(mailbox.clone());
                let session = Session::new(desk.clone(), wire, who, present).resume(outbox, feed);
                let left = session.run().await;
                (outbox, feed) = (left.outbox, left.feed);
                if desk.stop.is_cancelled() {
                    return;
                }
                if feed.as_ref().is_some_and(Feed::is_over) && matches!(left.how, Ended::Finished) {
                    return state.set(Phase::Finished);
                }
                state.failed(0, &left.how.to_string());
                tracing::info!(connector = desk.definition.name, "disconnected: {}", left.how);
                lose_begun(&desk, &mut outbox).await;
                attempts.lost()
            }
            Err(e) => {
                let next = attempts.failed(chance());
                state.failed(attempts.failures(), &e.to_string());
                tracing::info!(connector = desk.definition.name, attempts = attempts.failures(), "cannot connect: {e}");
                next
            }
        };
        let Next::TryAfter(wait) = next else { break };
        state.set(Phase::Waiting { until: Instant::now() + wait });
        tokio::select! {
            () = desk.stop.cancelled() => return,
            () = tokio::time::sleep(wait) => desk.counts.reconnects.add(1),
        }
    }
    tracing::error!(connector = desk.definition.name, attempts = attempts.failures(), "connection given up");
    state.set(Phase::Failed);
}

/// The frame of which the lost connection had taken a part.
async fn lose_begun(desk: &Desk, outbox: &mut Outbox) {
    if outbox.drop_begun() {
        desk.counts.undelivered.add(1);
        let what = "frame was lost with the connection that had taken a part of it";
        desk.report(&Trouble::new(trouble::Kind::Write, what), 0, 0);
        desk.flush().await;
    }
}

async fn connect(path: &Path, kind: Kind) -> io::Result<(Wire, Option<Peer>)> {
    let socket = hotfn_socket::connect_of(path, kind.into()).await?;
    let who = Peer::of(&socket).ok();
    let wire = match kind {
        Kind::Datagram => Wire::datagrams(socket),
        Kind::Seqpacket => Wire::packets(socket),
        Kind::Stream => Wire::stream(socket),
    };
    Ok((wire?, who))
}

/// Any number from 0 to 1; two clients of one server get different ones.
fn chance() -> f64 {
    let any = RandomState::new().hash_one(Instant::now());
    f64::from(u32::try_from(any >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}
