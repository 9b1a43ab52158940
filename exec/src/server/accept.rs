//! Taking connections, and turning away those for whom there is no room.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hotfn_socket::{AsyncPacketListener, AsyncPackets, Backoff};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::session::{self, Room};

/// Callers who are being told at a time that there is no room; one more is not even told.
const REFUSALS_MAX: usize = 64;

/// Pauses while the system has no descriptors or memory for another connection.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));

pub(super) struct Accept {
    listener: AsyncPacketListener,
    room: Arc<Room>,
    sessions: TaskTracker,
    slots: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

impl Accept {
    pub(super) fn new(listener: AsyncPacketListener, room: Arc<Room>, sessions: TaskTracker) -> Self {
        let slots = Arc::new(Semaphore::new(room.config.sessions_max));
        Self { listener, room, sessions, slots, refusals: Arc::new(Semaphore::new(REFUSALS_MAX)) }
    }

    pub(super) async fn run(self) -> Infallible {
        let mut backoff = BACKOFF;
        loop {
            match self.listener.accept().await {
                Ok(packets) => {
                    backoff.reset();
                    self.hand_out(packets);
                }
                Err(e) => {
                    let pause = backoff.pause();
                    tracing::warn!("cannot accept callers: {e}; trying again in {pause:?}");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    fn hand_out(&self, packets: AsyncPackets) {
        let room = self.room.clone();
        if let Ok(slot) = self.slots.clone().try_acquire_owned() {
            let free = self.slots.available_permits();
            self.sessions.spawn(session::serve(room, packets, slot, free));
        } else if let Ok(turn) = self.refusals.clone().try_acquire_owned() {
            self.sessions.spawn(async move {
                session::turn_away(&room, packets).await;
                drop(turn);
            });
        }
    }
}
