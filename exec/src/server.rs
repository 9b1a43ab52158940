//! A socket by which programs are run.
//!
//! Each connection is one session: a caller asks, [`Rules`] decide, the supervisor
//! starts, and until the program has ended the session passes signals one way and news the other. The
//! program's streams are the caller's own, handed over as open files, or a terminal that is made here
//! and whose other end the caller gets. Not a byte of them passes through here, and not a flag of
//! them is touched: whoever else holds the same open file would notice.
//!
//! What ends a job, in this order of preference: itself; its time; its caller, by going; the server, by
//! ending. Whatever is left of it afterwards goes with it, see [`pen`](crate::pen), unless a rule says
//! otherwise.

mod accept;
mod audit;
mod config;
mod counts;
mod job;
mod session;
mod wire;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hotfn_socket::{AsyncPacketListener, Claim, PacketListener, SocketError, claim};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Supervisor;
use crate::rules::Rules;
use accept::Accept;
use session::Room;

pub use config::{Bounds, Config};
pub use counts::Counts;

/// A listening exec socket and its sessions. Dropping it takes the socket away and ends every job.
#[derive(Debug)]
pub struct Server {
    /// The path is ours as long as we accept.
    claim: Option<Claim<PacketListener>>,
    room: Arc<Room>,
    accepting: CancellationToken,
    sessions: TaskTracker,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The path cannot be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The system has no room.
    #[error("cannot serve programs")]
    Os(#[from] io::Error),
}

impl Server {
    /// Claims the path of `config` and serves there by `rules`. Needs a tokio runtime with time and
    /// I/O, whose tasks the sessions are.
    ///
    /// # Errors
    /// When the path is somebody else's, or the system has no room.
    pub fn start(config: Config, rules: Rules) -> Result<Self, StartError> {
        let claim: Claim<PacketListener> = claim(&config.path, config.mode, config.owner)?;
        if claim.is_exposed() {
            let path = claim.path().display();
            tracing::warn!(%path, "others may write to this socket's directory; make it 0700, or sticky");
        }
        let listener = claim.listener().try_clone()?;
        let mut server = Self::on(listener, config, rules)?;
        server.claim = Some(claim);
        Ok(server)
    }

    /// Serves a listener that somebody else opened; its path stays theirs.
    ///
    /// # Errors
    /// When the system has no room.
    pub fn on(listener: PacketListener, config: Config, rules: Rules) -> Result<Self, StartError> {
        let room = Arc::new(Room::new(config, rules, Supervisor::start()?));
        let (accepting, sessions) = (CancellationToken::new(), TaskTracker::new());
        let accept = Accept::new(AsyncPacketListener::new(listener)?, room.clone(), sessions.clone());
        let stop = accepting.clone();
        tokio::spawn(async move { stop.run_until_cancelled_owned(accept.run()).await });
        Ok(Self { claim: None, room, accepting, sessions })
    }

    /// Resolves when somebody who may has asked for the server's end. Cancel safe.
    pub async fn asked_to_stop(&self) {
        self.room.stop.cancelled().await;
    }

    /// Accepts nobody any more, takes its socket away, lets jobs finish for `patience`, and then ends
    /// them. Resolves when nothing is left. When `hurry` resolves, that is at once.
    pub async fn drain(mut self, patience: Duration, hurry: impl Future<Output = ()>) {
        self.accepting.cancel();
        self.claim = None;
        self.sessions.close();
        tokio::select! {
            () = self.sessions.wait() => return,
            () = tokio::time::sleep(patience) => {}
            () = hurry => {}
        }
        tracing::info!(sessions = self.sessions.len(), "ending jobs that are still running");
        self.room.force.cancel();
        // Bounded by each job's grace, and KILL.
        self.sessions.wait().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.cancel();
        self.room.force.cancel();
    }
}
