//! The HTTP front: what arrives at the port becomes a call, and a reply becomes an answer.
//!
//! A few routes; a router would be longer than the list:
//!
//! | method | path | answer |
//! |---|---|---|
//! | GET | `/` | a greeting, which liveness probes read |
//! | GET | `/version` | ours |
//! | GET | `/healthz` | 200 as long as somebody answers |
//! | GET | `/metrics` | what is measured, as OpenMetrics text |
//! | GET | `/readyz` | 200 when calls are welcome, else 503 and why not |
//! | POST | `/invoke/{id}` | a plain call of the function `id` |
//! | any common one | `/t/{app}` and `/t/{app}/{source…}` | a gateway call, if a trigger has this source, or one with `/*` that it is below |
//! | any | `/v2/…` | the API's, on a node that has one |
//! | any | anything else | 404, or 405 where only the method was wrong |
//!
//! Read on in the order a request walks: [`listen`] accepts connections from each [`listener`] at its
//! `address`, `connection` is asked by one and knows its `origin`, `walk` is a request's way from its head to its answer, [`routes`] finds
//! whom it is for among the `sources` of an app, `door` says what token that takes, `call` makes a [`Call`](hotfn_protocols::Call) of
//! it with `request`, `answer` makes an answer of a [`Reply`](hotfn_protocols::Reply), and `fault` knows
//! which HTTP status a [`Fault`](hotfn_protocols::Fault) is. `management` is the way to the API, `cors`
//! knows which pages of other sites may call, and `meter` counts, by `kits` as well. Callers who do not wait have their
//! calls kept by [`Calls`]. HTTP itself is spoken by the `conversation` that each connection has.
//!
//! The front knows nothing of containers: it holds an [`Invoke`] and hands it calls. A request is
//! read, answered and written by the one task of its connection, on the thread that has the
//! connection: nobody else is woken. A caller who leaves is noticed because the connection is
//! still read while a call is pending; the call's future is then dropped. One simplification:
//! while the bytes of a large body wait unread in the kernel, nothing can be read past them, so
//! that leaving shows only when the function reads on or the deadline passes.
//!
//! Absent on purpose: HTTP/2 (a proxy's work), upgrades (a function answers once), and
//! CONNECT on triggers, whose answer HTTP defines to be a tunnel.

mod address;
mod answer;
mod call;
mod connection;
mod cors;
mod door;
mod fault;
mod kits;
pub mod listen;
pub mod listener;
mod management;
mod meter;
mod origin;
mod request;
pub mod routes;
mod sources;
mod walk;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio_util::task::TaskTracker;

use hotfn::Invoke;

use crate::access::{Access, Tokens};
use crate::api::Api;
use crate::calls::Calls;
use crate::metrics::Metrics;
use crate::readiness::Readiness;

pub use address::{ADDRESSES_MAX, Address, Listen, Nowhere, PATH_BYTES_MAX};
pub use cors::Cors;
pub use listener::Permissions;
pub use routes::{Routes, Trigger};

use meter::Meter;

/// How a front is to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// Most open connections; more wait in the kernel's backlog. Default 16384.
    pub connections_max: usize,
    /// Most bytes of a request's body, refused here where its length is announced; `None` for no
    /// bound. The agent's [`Limits`](hotfn_protocols::Limits) hold the same bound for bodies of
    /// unknown length. Default: none, as in Fn.
    pub request_bytes_max: Option<u64>,
    /// Most bytes of a request's head; beyond it the answer is 431. Default 1 MiB, as in Fn.
    pub request_head_bytes_max: usize,
    /// How long an open connection may take to send a request's head, the idle time before it
    /// included; then it is closed, at the latest after twice as long. It is closed as well when its
    /// peer takes nothing of an answer for so long. Default 60 s.
    pub head_timeout: Duration,
    /// Which pages of other sites may call. Default: none.
    pub cors: Option<Cors>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            request_bytes_max: None,
            request_head_bytes_max: 1 << 20,
            head_timeout: Duration::from_secs(60),
            cors: None,
        }
    }
}

/// Turns requests into calls and replies into answers.
pub struct Front {
    config: Config,
    invoke: Arc<dyn Invoke>,
    routes: Arc<Routes>,
    access: Arc<Access>,
    /// What answers below `/v2/`.
    api: Option<Api>,
    /// A token for each call under way, its answer's last byte included.
    calls: TaskTracker,
    /// What keeps calls whose caller does not wait.
    detached: Option<Arc<Calls>>,
    stage: AtomicU8,
    meter: Arc<Meter>,
    metrics: Metrics,
    readiness: Readiness,
}

/// How welcome calls are.
#[derive(Clone, Copy, Debug, Eq, PartialEq, PartialOrd)]
#[repr(u8)]
enum Stage {
    Open,
    /// Somebody else answers at the same address by now: what comes here is answered once more, and its
    /// connection closed.
    Leaving,
    /// No more calls.
    Refusing,
}

impl Front {
    /// A front before `invoke`, with no triggers yet, that asks nobody for a token and takes no detached
    /// calls.
    #[must_use]
    pub fn new(invoke: Arc<dyn Invoke>, config: Config) -> Arc<Self> {
        Self::with(invoke, Arc::default(), Access::new(Tokens::Off), None, None, config)
    }

    /// The same, and detached calls are kept by `detached`.
    #[must_use]
    pub fn with_calls(invoke: Arc<dyn Invoke>, detached: Arc<Calls>, config: Config) -> Arc<Self> {
        Self::with(invoke, Arc::default(), Access::new(Tokens::Off), None, Some(detached), config)
    }

    /// A front whose triggers and tokens are those of the API's store, and whose detached calls are its
    /// calls.
    #[must_use]
    pub fn with_api(invoke: Arc<dyn Invoke>, api: Api, config: Config) -> Arc<Self> {
        let (routes, access) = (api.mirror().routes().clone(), api.mirror().access().clone());
        let calls = api.calls().clone();
        Self::with(invoke, routes, access, Some(api), Some(calls), config)
    }

    fn with(
        invoke: Arc<dyn Invoke>,
        routes: Arc<Routes>,
        access: Arc<Access>,
        api: Option<Api>,
        detached: Option<Arc<Calls>>,
        config: Config,
    ) -> Arc<Self> {
        let calls = TaskTracker::new();
        let (meter, metrics) = (Arc::new(Meter::default()), Metrics::default());
        metrics.add(|registry| registry.register_collector(Box::new(meter::Told(meter.clone()))));
        Arc::new(Self {
            config,
            invoke,
            routes,
            access,
            api,
            calls,
            detached,
            stage: AtomicU8::new(Stage::Open as u8),
            meter,
            metrics,
            readiness: Readiness::default(),
        })
    }

    /// The triggers, which may change at any time.
    #[must_use]
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// What `/metrics` shows.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What `/readyz` goes by.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Answers each connection once more and then closes it: somebody else is listening by now.
    pub fn leave(&self) {
        self.advance(Stage::Leaving);
    }

    /// Refuses every call from now on, and tells every connection to close after its answer.
    pub fn refuse(&self) {
        self.advance(Stage::Refusing);
        self.calls.close();
    }

    /// Resolves when no call is under way any more that somebody waits for, after
    /// [`refuse`](Self::refuse). Cancel safe.
    pub async fn settled(&self) {
        self.calls.wait().await;
    }

    fn advance(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::Relaxed);
    }

    fn stage(&self) -> u8 {
        self.stage.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").field("config", &self.config).field("routes", &self.routes).finish_non_exhaustive()
    }
}
