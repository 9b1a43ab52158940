//! The HTTP front: what arrives at the port becomes a call, and a reply becomes an answer.
//!
//! Five routes, spoken by hyper alone; a router would be longer than the list:
//!
//! | method | path | answer |
//! |---|---|---|
//! | GET | `/` | a greeting, which liveness probes read |
//! | GET | `/version` | ours |
//! | POST | `/invoke/{id}` | a plain call of the function `id` |
//! | any common one | `/t/{app}` and `/t/{app}/{source…}` | a gateway call, if a trigger has exactly this source |
//! | any | anything else | 404, or 405 where only the method was wrong |
//!
//! Read on in the order a request walks: [`listen`] accepts connections and closes them,
//! [`routes`] finds whom a request is for, `request` makes a [`Call`] of it, `answer` makes a
//! response of a [`Reply`](hotfn_protocols::Reply), and `fault` knows which HTTP status a
//! [`Fault`] is. `detached` is for callers who do not wait.
//!
//! The front knows nothing of containers: it holds an [`Invoke`] and hands it calls. A caller who
//! leaves is noticed because hyper reads on while a call is pending, and drops the call's future
//! at the end of the stream. One simplification: while the bytes of a large body wait unread in
//! the kernel, nothing can be read past them, so that leaving shows only when the function reads
//! on or the deadline passes.
//!
//! Absent on purpose: TLS and HTTP/2 (a proxy's work), upgrades (a function answers once), and
//! CONNECT on triggers, whose answer HTTP defines to be a tunnel.

mod answer;
mod body;
mod detached;
mod fault;
pub mod listen;
mod request;
pub mod routes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tokio_util::task::TaskTracker;

use hotfn::Invoke;
use hotfn_protocols::{Call, CallId, Fault, FunctionId, Intent, Kind, names};

pub use answer::Answer;
pub use routes::{Routes, Trigger};

use detached::Detached;
use routes::Route;

/// How a front is to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// Most open connections; more wait in the kernel's backlog. Default 16384.
    pub connections_max: usize,
    /// Most detached calls at a time; the next is refused as busy. Default 1024.
    pub detached_max: usize,
    /// Most bytes of a detached call's body, which is held in memory. Default 16 MiB.
    pub detached_body_bytes_max: u64,
    /// Most bytes of a request's body, refused here where its length is announced; `None` for no
    /// bound. The agent's [`Limits`](hotfn_protocols::Limits) hold the same bound for bodies of
    /// unknown length. Default: none, as in Fn.
    pub request_bytes_max: Option<u64>,
    /// Most bytes of a request's head; beyond it the answer is 431. Default 1 MiB, as in Fn.
    pub request_head_bytes_max: usize,
    /// How long an open connection may take to send a request's head, the idle time before it
    /// included; then it is closed, at the latest after twice as long. Default 60 s.
    pub head_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            detached_max: 1024,
            detached_body_bytes_max: 16 << 20,
            request_bytes_max: None,
            request_head_bytes_max: 1 << 20,
            head_timeout: Duration::from_secs(60),
        }
    }
}

/// Turns requests into calls and replies into answers.
pub struct Front {
    config: Config,
    invoke: Arc<dyn Invoke>,
    routes: Routes,
    /// A token for each call under way, its answer's last byte included.
    calls: TaskTracker,
    detached: Detached,
    draining: AtomicBool,
}

/// The connection is to be closed without an answer: nobody would read it.
#[derive(Debug, thiserror::Error)]
#[error("caller went away")]
pub struct Hangup;

impl Front {
    /// A front before `invoke`, with no triggers yet.
    #[must_use]
    pub fn new(invoke: Arc<dyn Invoke>, config: Config) -> Arc<Self> {
        let calls = TaskTracker::new();
        let detached = Detached::new(invoke.clone(), calls.clone(), &config);
        Arc::new(Self { config, invoke, routes: Routes::default(), calls, detached, draining: AtomicBool::new(false) })
    }

    /// The triggers, which may change at any time.
    #[must_use]
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Refuses every call from now on, and tells every connection to close after its answer.
    pub fn refuse(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.calls.close();
    }

    /// Resolves when no call is under way any more, detached ones included, after
    /// [`refuse`](Self::refuse). Cancel safe.
    pub async fn settled(&self) {
        self.calls.wait().await;
    }

    /// Answers one request that came in at `local`.
    ///
    /// Dropping this future, or later the answer's body, is the caller's leaving.
    ///
    /// # Errors
    /// When nothing is to be sent and the connection closed instead.
    pub async fn answer(&self, request: Request<Incoming>, local: SocketAddr) -> Result<Response<Answer>, Hangup> {
        let mut response = match self.routes.find(request.method(), request.uri()) {
            Route::Greeting => answer::json(StatusCode::OK, GREETING.to_owned()),
            Route::Version => answer::json(StatusCode::OK, VERSION.to_owned()),
            Route::Invoke(_) | Route::Trigger(_) if request::wants_websocket(request.headers()) => answer::refusal(
                StatusCode::NOT_IMPLEMENTED,
                "Upgrade not supported: a function answers once, so its connection cannot become a websocket",
            ),
            Route::Invoke(function) => self.call(function, Intent::Invoke, request, local).await?,
            Route::Trigger(function) => self.call(function, Intent::Gateway, request, local).await?,
            Route::Redirect(location) => answer::redirect(location),
            Route::UnknownTrigger { app, source } => answer::refusal(
                StatusCode::NOT_FOUND,
                &format!("Trigger not found: app {app:?} has no trigger with source {source:?}"),
            ),
            Route::WrongMethod { allow } => answer::wrong_method(request.method(), request.uri().path(), allow),
            Route::Unknown => answer::refusal(
                StatusCode::NOT_FOUND,
                &format!("Path not found: {} {}", request.method(), request.uri().path()),
            ),
        };
        if self.draining.load(Ordering::Relaxed) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    async fn call(
        &self,
        function: FunctionId,
        intent: Intent,
        request: Request<Incoming>,
        local: SocketAddr,
    ) -> Result<Response<Answer>, Hangup> {
        let id = CallId::new();
        let under_way = self.calls.token();
        let answered = match self.admit(request.headers()) {
            Ok(()) => self.outcome(request::call(id, function, intent, request, local)).await,
            Err(fault) => Err(fault),
        };
        let mut response = match answered {
            Ok(response) => response,
            Err(fault) if fault.kind() == Kind::CallerLeft => return Err(Hangup),
            Err(fault) => fault::response(&fault, id),
        };
        let name = HeaderValue::from_str(id.as_str()).expect("a call's name is ASCII");
        response.headers_mut().insert(names::FN_CALL_ID, name);
        response.body_mut().hold(under_way);
        Ok(response)
    }

    async fn outcome(&self, call: Call) -> Result<Response<Answer>, Fault> {
        if is_detached(&call) {
            return self.detached.start(call).await.map(|()| answer::accepted());
        }
        let bodiless = call.method == Method::HEAD;
        let reply = self.invoke.invoke(call).await?;
        answer::of_reply(reply, bodiless).await
    }

    /// What can be refused by the head alone.
    fn admit(&self, headers: &HeaderMap) -> Result<(), Fault> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(Fault::new(Kind::Draining));
        }
        request::within(headers, self.config.request_bytes_max)
    }
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").field("config", &self.config).field("routes", &self.routes).finish_non_exhaustive()
    }
}

/// Triggers are always synchronous: there the header is the function's.
fn is_detached(call: &Call) -> bool {
    call.intent == Intent::Invoke && call.headers.get(names::FN_INVOKE_TYPE).is_some_and(|t| t == "detached")
}

/// Fn's own greeting, which probes of Fn look for.
const GREETING: &str = "{\"goto\":\"https://github.com/fnproject/fn\",\"hello\":\"world!\"}\n";

const VERSION: &str = concat!("{\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}\n");
