//! Connections: accepting them, keeping them, closing them in order.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io, mem};

use rustix::net::sockopt;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use hotfn_socket::Impatient;

use super::listener::{Accepted, Handed, Listener, OwnPath};
use super::origin::{Origin, Place};
use super::{Address, Front, connection};
use crate::conversation::closing::{Closing, Stage};
use crate::threads::Threads;
use crate::tls::Tls;

/// Listeners and the connections they accepted.
///
/// Dropping it leaves them running; [`close`](Self::close) ends them.
pub struct Server {
    addresses: Vec<Address>,
    /// There as long as connections are accepted.
    listeners: Weak<[Listener]>,
    /// What goes with us, and is there no longer than anybody accepts.
    paths: Mutex<Vec<OwnPath>>,
    accepting: CancellationToken,
    connections: TaskTracker,
    closing: Arc<Closing>,
}

impl Server {
    /// Accepts connections from `listeners`, in a task of its own, and lets `front` answer on
    /// `threads`, which must outlive this; with `tls`, encrypted ones only, but at unix sockets.
    #[must_use]
    pub fn start(
        mut listeners: Vec<Listener>,
        front: Arc<Front>,
        threads: Arc<Threads>,
        tls: Option<Arc<Tls>>,
    ) -> Self {
        let addresses = listeners.iter().map(|listener| listener.address().clone()).collect();
        let paths = listeners.iter_mut().filter_map(Listener::take_path).collect();
        let listeners: Arc<[Listener]> = listeners.into();
        let server = Self {
            addresses,
            listeners: Arc::downgrade(&listeners),
            paths: Mutex::new(paths),
            accepting: CancellationToken::new(),
            connections: TaskTracker::new(),
            closing: Arc::default(),
        };
        let accept = Accept {
            listeners,
            turn: 0,
            room: Arc::new(Semaphore::new(front.config.connections_max)),
            front,
            threads,
            tls,
            connections: server.connections.clone(),
            closing: server.closing.clone(),
        };
        let stop = server.accepting.clone();
        server.connections.spawn(async move { stop.run_until_cancelled_owned(accept.run()).await });
        server
    }

    /// Where it listens, with the ports that were really taken.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The very sockets that it listens at, for a process that is to answer there as well.
    ///
    /// # Errors
    /// When it listens no more, or descriptors have run out.
    pub fn sockets(&self) -> io::Result<Vec<Handed>> {
        let listeners = self.listeners.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        listeners.iter().map(Listener::again).collect()
    }

    /// Leaves the paths of its unix sockets to a process that has them too.
    pub fn leave_paths(&self) {
        self.take_paths().into_iter().for_each(OwnPath::leave);
    }

    /// Has the paths of its unix sockets from a predecessor that has left them, or is gone: they end with us from
    /// now on. One that cannot be had is as good as another until then.
    pub fn adopt_paths(&self) {
        let adopted = self.take_paths().into_iter().filter_map(|path| {
            let adopted = path.adopted().map_err(anyhow::Error::from);
            adopted.inspect_err(|e| tracing::warn!("a socket's path will stay when this process ends: {e:#}")).ok()
        });
        let adopted = adopted.collect();
        *self.paths.lock().unwrap_or_else(PoisonError::into_inner) = adopted;
    }

    fn take_paths(&self) -> Vec<OwnPath> {
        mem::take(&mut self.paths.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Accepts no more: what waits in the backlog is for whoever else has the socket. Paths of its own are gone.
    pub fn stop_accepting(&self) {
        self.accepting.cancel();
        self.connections.close();
        drop(self.take_paths());
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
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

struct Accept {
    listeners: Arc<[Listener]>,
    /// Whose turn it is to be asked first, so that none waits for ever behind a busy one.
    turn: usize,
    room: Arc<Semaphore>,
    front: Arc<Front>,
    threads: Arc<Threads>,
    tls: Option<Arc<Tls>>,
    connections: TaskTracker,
    closing: Arc<Closing>,
}

impl Accept {
    async fn run(mut self) -> Infallible {
        let mut backoff = BACKOFF_MIN;
        loop {
            // At the bound the kernel's backlog holds the rest; nobody is turned away for being early.
            let room = self.room.clone().acquire_owned().await.expect("this semaphore is never closed");
            match poll_fn(|cx| self.poll_accept(cx)).await {
                Ok(stream) => {
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

    /// Whoever connects next, anywhere.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let count = self.listeners.len();
        for _ in 0..count {
            let listener = &self.listeners[self.turn % count];
            self.turn = (self.turn + 1) % count;
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }

    /// Gives the connection to a thread that serves it from now on.
    fn hand_out(&self, stream: Accepted, room: OwnedSemaphorePermit) -> io::Result<()> {
        let (front, closing, place) = (self.front.clone(), self.closing.clone(), self.threads.place());
        let tls = self.tls.clone();
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
    stream: Accepted,
    tls: Option<Arc<Tls>>,
    front: &Front,
    closing: &Closing,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    match stream {
        Accepted::Tcp(stream) => serve_tcp(TcpStream::from_std(stream)?, tls, front, closing).await,
        Accepted::Unix(stream) => {
            // What waits unsent here the kernel does not watch, as it does for TCP.
            let stream = Impatient::new(UnixStream::from_std(stream)?, front.config.head_timeout);
            let from = Origin::new(Place { local: None, scheme: "http" });
            connection::serve(stream, from, front, closing).await;
            Ok(())
        }
    }
}

async fn serve_tcp(
    stream: TcpStream,
    tls: Option<Arc<Tls>>,
    front: &Front,
    closing: &Closing,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // An answer is written whole; waiting to fill a packet only delays it.
    stream.set_nodelay(true)?;
    // Who takes nothing of an answer is not waited for. What waits unsent is the kernel's to watch: it
    // knows of every window that opens.
    let unsent_ms = u32::try_from(front.config.head_timeout.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(&stream, unsent_ms)?;
    let local = Some(stream.local_addr()?);
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
