//! Listening at several places at once, each of which may come later.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{AddressFamily, sockopt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use hotfn_socket::{Claim, Owner, SocketError, claim};

use super::bind::{self, Bind};
use super::connection;
use super::peer::Peer;
use super::service::Service;
use crate::conversation::closing::{Closing, Stage};
use crate::tls::{Refused, Tls};

/// The listeners of a command service, and the connections they accepted.
///
/// Dropping it leaves them running; [`close`](Self::close) ends them.
pub struct Listening {
    /// Those that are there, in the order they came.
    local: Arc<Mutex<Vec<SocketAddr>>>,
    accepting: CancellationToken,
    connections: TaskTracker,
    closing: Arc<Closing>,
}

/// Nothing can be listened at.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// No place of those that were asked for.
    #[error("cannot listen anywhere: {0}")]
    Nowhere(String),
}

/// Why one place cannot be listened at.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// How long until a place that cannot be listened at is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(2);
/// A socket's file is for its owner and its group.
const SOCKET_MODE: u32 = 0o660;
/// The pause after a failure to accept, which passes when something else closes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Listening {
    /// Listens at `places` and has `service` answer; with `tls` on encrypted connections only, but at
    /// unix sockets. Handed over are the sockets that a service
    /// manager opened, for the place `systemd`. A place that fails is tried again as long as another
    /// works. Needs a tokio runtime.
    ///
    /// # Errors
    /// When none works.
    pub fn start(
        places: &[Bind],
        handed_over: Vec<Handed>,
        service: &Arc<Service>,
        tls: Option<Arc<Tls>>,
    ) -> Result<Self, ListenError> {
        let listening = Self {
            local: Arc::default(),
            accepting: CancellationToken::new(),
            connections: TaskTracker::new(),
            closing: Arc::default(),
        };
        let accept = Accept {
            service: service.clone(),
            tls,
            room: Arc::new(Semaphore::new(service.bounds().connections_max)),
            connections: listening.connections.clone(),
            closing: listening.closing.clone(),
            local: listening.local.clone(),
        };
        let mut handed_over = Some(handed_over);
        let (mut works, mut failed) = (false, Vec::new());
        for place in places {
            let listeners = match place {
                Bind::Systemd => handed_over.take().unwrap_or_default().into_iter().map(Listener::of_handed).collect(),
                place => Listener::open(place).map(|listener| vec![listener]),
            };
            match listeners {
                Ok(listeners) => {
                    for listener in listeners {
                        works = true;
                        listening.spawn(accept.clone().run(listener));
                    }
                }
                Err(e) => failed.push((place, e)),
            }
        }
        if !works {
            let all: Vec<String> = failed.iter().map(|(place, e)| format!("{place}: {e}")).collect();
            return Err(ListenError::Nowhere(all.join("; ")));
        }
        for (place, e) in failed {
            tracing::warn!("cannot listen at {place}: {e}; trying again every {RETRY_EVERY:?}");
            listening.spawn(accept.clone().insist(place.clone()));
        }
        Ok(listening)
    }

    /// The addresses that are listened at, with the ports that were really taken.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops accepting, closes idle connections, lets busy ones finish their answer, and after
    /// `grace` cuts what is left.
    pub async fn close(self, grace: Duration) {
        self.accepting.cancel();
        self.connections.close();
        self.closing.advance(Stage::Closing);
        if tokio::time::timeout(grace, self.connections.wait()).await.is_err() {
            self.closing.advance(Stage::Cut);
            self.connections.wait().await;
        }
    }

    fn spawn(&self, accept: impl Future<Output = Infallible> + Send + 'static) {
        let stop = self.accepting.clone();
        self.connections.spawn(async move { stop.run_until_cancelled_owned(accept).await });
    }
}

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listening").field("local", &self.local_addrs()).finish_non_exhaustive()
    }
}

/// A socket that somebody opened for us.
#[derive(Debug)]
pub enum Handed {
    /// Of TCP.
    Tcp(std::net::TcpListener),
    /// A unix socket.
    Unix(std::os::unix::net::UnixListener),
}

impl Handed {
    /// Whichever it is.
    ///
    /// # Errors
    /// When it is no socket that we can listen at.
    pub fn of(socket: OwnedFd) -> io::Result<Self> {
        let family = rustix::net::getsockname(&socket)?.address_family();
        match family {
            AddressFamily::UNIX => Ok(Self::Unix(socket.into())),
            AddressFamily::INET | AddressFamily::INET6 => Ok(Self::Tcp(socket.into())),
            other => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, format!("handed over socket of family {other:?}")))
            }
        }
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// The path is ours as long as this lives; of one that was handed over it is another's.
        _claim: Option<Claim>,
    },
}

impl Listener {
    fn open(place: &Bind) -> Result<Self, Failed> {
        match place {
            Bind::Address(address) => Ok(Self::Tcp(TcpListener::from_std(bind::address(*address)?)?)),
            Bind::Unix(path) => {
                let claim: Claim = claim(path, SOCKET_MODE, Owner::default())?;
                let listener = UnixListener::from_std(claim.listener().try_clone()?)?;
                Ok(Self::Unix { listener, _claim: Some(claim) })
            }
            Bind::Systemd => unreachable!("what is handed over is not opened"),
        }
    }

    fn of_handed(handed: Handed) -> Result<Self, Failed> {
        Ok(match handed {
            Handed::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Self::Tcp(TcpListener::from_std(listener)?)
            }
            Handed::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Self::Unix { listener: UnixListener::from_std(listener)?, _claim: None }
            }
        })
    }
}

#[derive(Clone)]
struct Accept {
    service: Arc<Service>,
    tls: Option<Arc<Tls>>,
    room: Arc<Semaphore>,
    connections: TaskTracker,
    closing: Arc<Closing>,
    local: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Accept {
    /// Tries again until the place can be listened at.
    async fn insist(self, place: Bind) -> Infallible {
        loop {
            tokio::time::sleep(RETRY_EVERY).await;
            if let Ok(listener) = Listener::open(&place) {
                tracing::info!("listening at {place} now");
                return self.run(listener).await;
            }
        }
    }

    async fn run(self, listener: Listener) -> Infallible {
        if let Listener::Tcp(listener) = &listener
            && let Ok(address) = listener.local_addr()
        {
            self.local.lock().unwrap_or_else(PoisonError::into_inner).push(address);
        }
        loop {
            let accepted = match &listener {
                Listener::Tcp(listener) => self.accept_tcp(listener).await,
                Listener::Unix { listener, .. } => self.accept_unix(listener).await,
            };
            if let Err(e) = accepted {
                tracing::warn!("cannot accept connections: {e}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    async fn accept_tcp(&self, listener: &TcpListener) -> io::Result<()> {
        let (stream, from) = listener.accept().await?;
        if let Err(e) = stream.set_nodelay(true) {
            tracing::debug!("cannot set TCP_NODELAY: {e}");
        }
        let unsent_ms = u32::try_from(connection::SILENCE_MAX.as_millis()).unwrap_or(u32::MAX);
        if let Err(e) = sockopt::set_tcp_user_timeout(&stream, unsent_ms) {
            tracing::debug!("cannot set TCP_USER_TIMEOUT: {e}");
        }
        let peer = Peer::Address(from.ip().to_canonical());
        match self.tls.clone() {
            Some(tls) => self.serve(peer, async move { tls.accept(stream).await }),
            None => self.serve(peer, async { Ok(stream) }),
        }
        Ok(())
    }

    async fn accept_unix(&self, listener: &UnixListener) -> io::Result<()> {
        let (stream, _) = listener.accept().await?;
        let peer = hotfn_socket::Peer::of(&stream)?;
        // Who is nobody that we know is in particular nobody who is trusted.
        let uid = peer.uid.unwrap_or(hotfn_socket::OVERFLOW_ID);
        self.serve(Peer::Process { uid, pid: peer.pid.unwrap_or(0) }, async { Ok(stream) });
        Ok(())
    }

    /// Serves what `stream` comes to in a task; at the bound closes it instead.
    fn serve<S>(&self, peer: Peer, stream: impl Future<Output = Result<S, Refused>> + Send + 'static)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let Ok(place) = self.room.clone().try_acquire_owned() else {
            tracing::debug!(%peer, "closed a connection: there are as many as there may be");
            return;
        };
        let (service, closing) = (self.service.clone(), self.closing.clone());
        self.connections.spawn(async move {
            let stream = tokio::select! {
                stream = stream => stream,
                () = closing.told() => return,
            };
            match stream {
                Ok(stream) => connection::serve(stream, peer, &service, &closing).await,
                Err(e) => tracing::debug!(%peer, "connection cannot be served: {e}"),
            }
            drop(place);
        });
    }
}
