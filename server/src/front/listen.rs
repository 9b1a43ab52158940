//! Connections: accepting them, keeping them, closing them in order.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Front;

/// A listener and the connections it accepted.
///
/// Dropping it leaves them running; [`close`](Self::close) ends them.
pub struct Server {
    local: SocketAddr,
    accepting: CancellationToken,
    connections: TaskTracker,
    closing: Arc<Closing>,
}

impl Server {
    /// Accepts connections from `listener`, in a task of its own, and lets `front` answer.
    ///
    /// # Errors
    /// When the listener does not know its own address.
    pub fn start(listener: TcpListener, front: Arc<Front>) -> io::Result<Self> {
        let server = Self {
            local: listener.local_addr()?,
            accepting: CancellationToken::new(),
            connections: TaskTracker::new(),
            closing: Arc::default(),
        };
        let accept = Accept {
            listener,
            room: Arc::new(Semaphore::new(front.config.connections_max)),
            http: builder(&front.config),
            front,
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

    /// Stops accepting, closes idle connections, lets busy ones finish their answer, and after
    /// `grace` cuts what is left.
    pub async fn close(self, grace: Duration) {
        self.accepting.cancel();
        self.connections.close();
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
    listener: TcpListener,
    room: Arc<Semaphore>,
    http: http1::Builder,
    front: Arc<Front>,
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
                    let connection = serve(stream, self.http.clone(), self.front.clone(), self.closing.clone());
                    self.connections.spawn(async move {
                        connection.await;
                        drop(room);
                    });
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
}

const BACKOFF_MIN: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// The peer gave up between connecting and being accepted.
fn is_of_one_connection(e: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(e.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn builder(config: &super::Config) -> http1::Builder {
    let mut http = http1::Builder::new();
    // The number of headers is bounded by hyper's own default of 100, which it can hold on the stack.
    // Heads have a time limit of ours: hyper's would set a timer for each.
    http.header_read_timeout(None)
        .max_header_size(config.request_head_bytes_max)
        .max_buf_size(config.request_head_bytes_max.saturating_add(READ_BYTES_SPARE));
    http
}

/// hyper's buffer must hold the largest head and then some; hyper wants 8 KiB at least.
const READ_BYTES_SPARE: usize = 16 << 10;

async fn serve(stream: TcpStream, http: http1::Builder, front: Arc<Front>, closing: Arc<Closing>) {
    // An answer is written whole; waiting to fill a packet only delays it.
    if let Err(e) = stream.set_nodelay(true) {
        tracing::debug!("cannot set TCP_NODELAY: {e}");
    }
    let Ok(local) = stream.local_addr() else { return };
    let requests = Requests::default();
    let service = service_fn(|request| {
        let under_way = requests.begin();
        let answer = front.answer(request, local);
        async move {
            let _under_way = under_way;
            answer.await
        }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    // These two are polled once, to leave this task's waker with them. From then on a look at an
    // atomic is enough, and no connection takes a lock shared by all of them when it wakes.
    let mut told = pin!(closing.told.cancelled());
    let mut cut = pin!(closing.cut.cancelled());
    // One timer for a connection's life instead of one for each head, at the price that a silent
    // one may last up to twice as long.
    let mut silence = pin!(tokio::time::sleep(front.config.head_timeout));
    let mut registered = false;
    let mut seen = Stage::Open;
    let ended = poll_fn(|cx| {
        if !registered {
            registered = true;
            let _ = told.as_mut().poll(cx);
            let _ = cut.as_mut().poll(cx);
            let _ = silence.as_mut().poll(cx);
        }
        if silence.is_elapsed() {
            match requests.since_last_asked() {
                Heard::Nothing => return Poll::Ready(Ok(())),
                Heard::NothingNew => connection.as_mut().graceful_shutdown(),
                Heard::Something => {}
            }
            silence.as_mut().reset(Instant::now() + front.config.head_timeout);
            let _ = silence.as_mut().poll(cx);
        }
        match closing.stage() {
            stage if stage == seen => {}
            Stage::Cut => return Poll::Ready(Ok(())),
            stage => {
                seen = stage;
                connection.as_mut().graceful_shutdown();
            }
        }
        connection.as_mut().poll(cx)
    })
    .await;
    if let Err(e) = ended {
        // Callers come and go; what matters of it was told to the call.
        tracing::debug!("connection ended: {e}");
    }
}

/// The requests of one connection.
#[derive(Debug, Default)]
struct Requests {
    begun: AtomicU64,
    begun_when_asked: AtomicU64,
    under_way: AtomicBool,
}

/// What came of a connection since it was last asked.
enum Heard {
    /// Never a whole request.
    Nothing,
    /// No further request, and none is being answered.
    NothingNew,
    /// A request, or one is being answered.
    Something,
}

impl Requests {
    fn begin(&self) -> UnderWay<'_> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.under_way.store(true, Ordering::Relaxed);
        UnderWay(self)
    }

    fn since_last_asked(&self) -> Heard {
        let begun = self.begun.load(Ordering::Relaxed);
        let before = self.begun_when_asked.swap(begun, Ordering::Relaxed);
        if begun == 0 {
            Heard::Nothing
        } else if begun != before || self.under_way.load(Ordering::Relaxed) {
            Heard::Something
        } else {
            Heard::NothingNew
        }
    }
}

/// A request that is being answered.
struct UnderWay<'a>(&'a Requests);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.store(false, Ordering::Relaxed);
    }
}

/// What every connection is told, once.
#[derive(Default)]
struct Closing {
    stage: AtomicU8,
    told: CancellationToken,
    cut: CancellationToken,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
enum Stage {
    /// Serve on.
    Open,
    /// Close when the answer under way is out.
    Closing,
    /// Close now.
    Cut,
}

impl Closing {
    fn advance(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
        if stage == Stage::Cut { self.cut.cancel() } else { self.told.cancel() }
    }

    fn stage(&self) -> Stage {
        const CLOSING: u8 = Stage::Closing as u8;
        const CUT: u8 = Stage::Cut as u8;
        match self.stage.load(Ordering::Acquire) {
            CLOSING => Stage::Closing,
            CUT => Stage::Cut,
            _ => Stage::Open,
        }
    }
}
