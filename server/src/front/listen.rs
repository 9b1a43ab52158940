//! Connections: accepting them, keeping them, closing them in order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Weak};
use std::time::Duration;
use std::{fmt, io};

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::origin::{Origin, Place};
use super::{Front, connection};
use crate::conversation::closing::{Closing, Stage};
use crate::threads::Threads;
use crate::tls::Tls;

/// A listener and the connections it accepted.
///
/// Dropping it leaves them running; [`close`](Self::close) ends them.
pub struct Server {
    local: SocketAddr,
    /// There as long as connections are accepted.
    listener: Weak<TcpListener>,
    accepting: CancellationToken,
    connections: TaskTracker,
    closing: Arc<Closing>,
}

impl Server {
    /// Accepts connections from `listener`, in a task of its own, and lets `front` answer on
    /// `threads`, which must outlive this; with `tls`, encrypted ones only.
    ///
    /// # Errors
    /// When the listener does not know its own address.
    pub fn start(
        listener: TcpListener,
        front: Arc<Front>,
        threads: Arc<Threads>,
        tls: Option<Arc<Tls>>,
    ) -> io::Result<Self> {
        let listener = Arc::new(listener);
        let server = Self {
            local: listener.local_addr()?,
            listener: Arc::downgrade(&listener),
            accepting: CancellationToken::new(),
            connections: TaskTracker::new(),
            closing: Arc::default(),
        };
        let accept = Accept {
            listener,
            room: Arc::new(Semaphore::new(front.config.connections_max)),
            front,
            threads,
            tls,
            connections: server.connections.clone(),
            closing: server.closing.clone(),
        };
        let stop = server.accepting.clone();
        server.connections.spawn(async move { stop.run_until_cancelled_owned(accept.run()).await });
        Ok(server)
    }

    /// Where it listens, with the port that was really taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The very socket that it listens at, for a process that is to answer there as well.
    ///
    /// # Errors
    /// When it listens no more, or descriptors have run out.
    pub fn socket(&self) -> io::Result<OwnedFd> {
        let listener = self.listener.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        listener.as_fd().try_clone_to_owned()
    }

    /// Accepts no more: what waits in the backlog is for whoever else has the socket.
    pub fn stop_accepting(&self) {
        self.accepting.cancel();
        self.connections.close();
    }

    /// Resolves when no connection is left, after [`stop_accepting`](Self::stop_accepting). Cancel safe.
    pub async fn emptied(&self) {
        self.connections.wait().await;
    }

    /// Stops accepting, closes idle connections, lets busy ones finish their answer, and after
    /// `grace` cuts what is left.
    pub async fn close(self, grace: Duration) {
        self.stop_accepting();
        self.closing.advance(Stage::Closing);
        if tokio::time::timeout(grace, self.connections.wait()).await.is_err() {
            tracing::warn!(
                connections = self.connections.len(),
                "cutting connections that did not end within {grace:?}"
            );
            self.closing.advance(Stage::Cut);
            self.connections.wait().await;
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("local", &self.local).finish_non_exhaustive()
    }
}

struct Accept {
    listener: Arc<TcpListener>,
    room: Arc<Semaphore>,
    front: Arc<Front>,
    threads: Arc<Threads>,
    tls: Option<Arc<Tls>>,
    connections: TaskTracker,
    closing: Arc<Closing>,
}

impl Accept {
    async fn run(self) -> Infallible {
        let mut backoff = BACKOFF_MIN;
        loop {
            // At the bound the kernel's backlog holds the rest; nobody is turned away for being early.
            let room = self.room.clone().acquire_owned().await.expect("this semaphore is never closed");
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    backoff = BACKOFF_MIN;
                    if let Err(e) = self.hand_out(stream, room) {
                        tracing::debug!("connection cannot be served: {e}");
                    }
                }
                Err(e) if is_of_one_connection(&e) => {}
                // Out of descriptors or memory: what is open will close in time, and trying again
                // at once would only burn the processor.
                Err(e) => {
                    tracing::warn!("cannot accept connections: {e}; trying again in {backoff:?}");
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
        }
    }

    /// Gives the connection to a thread that serves it from now on.
    fn hand_out(&self, stream: TcpStream, room: OwnedSemaphorePermit) -> io::Result<()> {
        let (front, closing, place) = (self.front.clone(), self.closing.clone(), self.threads.place());
        let tls = self.tls.clone();
        // Free of the runtime that accepted it.
        let stream = stream.into_std()?;
        let runtime = place.runtime().clone();
        let served = async move {
            if let Err(e) = serve(stream, tls, &front, &closing).await {
                tracing::debug!("connection cannot be served: {e}");
            }
            drop((room, place));
        };
        self.connections.spawn_on(served, &runtime);
        Ok(())
    }
}

/// Serves one connection to its end, on the thread that it belongs to.
async fn serve(
    stream: std::net::TcpStream,
    tls: Option<Arc<Tls>>,
    front: &Front,
    closing: &Closing,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::from_std(stream)?;
    // An answer is written whole; waiting to fill a packet only delays it.
    stream.set_nodelay(true)?;
    // Who takes nothing of an answer is not waited for. What waits unsent is the kernel's to watch: it
    // knows of every window that opens.
    let unsent_ms = u32::try_from(front.config.head_timeout.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(&stream, unsent_ms)?;
    let local = stream.local_addr()?;
    let Some(tls) = tls else {
        connection::serve(stream, Origin::new(Place { local, scheme: "http" }), front, closing).await;
        return Ok(());
    };
    // In a box, so that plain connections do not carry the room for it.
    let encrypted = Box::pin(async {
        let stream = tokio::select! {
            accepted = tls.accept(stream) => accepted?,
            () = closing.told() => return Ok(()),
        };
        connection::serve(stream, Origin::new(Place { local, scheme: "https" }), front, closing).await;
        Ok(())
    });
    encrypted.await
}

const BACKOFF_MIN: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// The peer gave up between connecting and being accepted.
fn is_of_one_connection(e: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(e.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
