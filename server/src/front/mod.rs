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
//! Read on in the order a request walks: [`listen`] accepts connections, `connection` is asked by
//! one, [`routes`] finds whom a request is for, `door` says what token that takes, `request` makes a
//! [`Call`] of it, `answer` makes an answer of a [`Reply`](hotfn_protocols::Reply), and `fault` knows
//! which HTTP status a [`Fault`] is. `management` is the way to the API, and `cors` knows which pages
//! of other sites may call. Callers who do not wait have their calls kept by [`Calls`]. HTTP itself is
//! spoken by the `conversation` that each connection has.
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

mod answer;
mod body;
mod connection;
mod cors;
mod door;
mod fault;
pub mod listen;
mod management;
mod meter;
mod request;
pub mod routes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant, SystemTime};

use http::header::{AUTHORIZATION, HOST};
use http::{Method, StatusCode, Uri};
use tokio_util::task::TaskTracker;

use hotfn::Invoke;
use hotfn_protocols::http1::{Length, RequestHead};
use hotfn_protocols::{Body, Call, CallId, Fault, FunctionId, Headers, Intent, Kind, names};

use crate::access::{Access, Caller, Denied, Need, Role, Shown, Tokens};
use crate::api::Api;
use crate::calls::Calls;
use crate::conversation::Hangup;
use crate::metrics::Metrics;
use crate::readiness::Readiness;

pub use cors::Cors;
pub use routes::{Routes, Trigger};

use answer::Answer;
use meter::Meter;
use routes::{Last, Route};

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

/// Where requests come from: what one connection knows of itself.
struct Origin {
    at: Place,
    last: Last,
    shown: Shown,
}

/// Our end of a connection.
#[derive(Clone, Copy)]
struct Place {
    local: SocketAddr,
    /// What URLs that lead here begin with.
    scheme: &'static str,
}

impl Origin {
    fn new(at: Place) -> Self {
        Self { at, last: Last::default(), shown: Shown::default() }
    }
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

    /// Answers one request; `from` is what its connection knows of itself.
    ///
    /// Dropping this future, or later the answer's body, is the caller's leaving.
    ///
    /// # Errors
    /// When nothing is to be sent and the connection closed instead.
    async fn answer(&self, head: RequestHead, body: Body, from: &mut Origin) -> Result<Answer, Hangup> {
        let cors = self.config.cors.as_ref();
        let guest = cors.and_then(|cors| cors.guest(&head));
        if let (Some(cors), Some(guest)) = (cors, &guest)
            && let Some(answer) = cors.preflight(&head, guest)
        {
            return Ok(answer);
        }
        let mut answer = match from.last.find(&head.method, head.target()) {
            Some(function) if !request::wants_websocket(&head.lines) => {
                let url = request::url(None, head.target(), head.lines.first(&HOST), from.at);
                let function = function.clone();
                match self.admit_call(&function, &head, from) {
                    Ok(caller) => {
                        let answer = self.call(caller, function, Intent::Invoke, url, head, body).await;
                        self.meter.invoked(&answer);
                        answer?
                    }
                    Err(denied) => {
                        let answer = Ok(answer::denied(&denied));
                        self.meter.invoked(&answer);
                        answer?
                    }
                }
            }
            _ => self.route(head, body, from).await?,
        };
        answer.closes |= self.stage() >= Stage::Leaving as u8;
        if let Some(cors) = cors {
            cors.mark(&mut answer.headers, guest.as_ref());
        }
        Ok(answer)
    }

    async fn route(&self, head: RequestHead, body: Body, from: &mut Origin) -> Result<Answer, Hangup> {
        let began = Instant::now();
        let method = head.method.clone();
        let Ok(uri) = Uri::from_maybe_shared(head.shared_target().into_bytes()) else {
            let message = format!("Request cannot be read: {:?} is not the target of a request", head.target());
            let answer = Ok(answer::refusal(StatusCode::BAD_REQUEST, &message));
            self.meter.note(meter::NOWHERE, &method, &answer, began.elapsed());
            return answer;
        };
        let route = self.routes.find(&method, &uri);
        let place = route.place(uri.path());
        let answer = self.follow(route, &uri, head, body, from).await;
        self.meter.note(place, &method, &answer, began.elapsed());
        answer
    }

    async fn follow(
        &self,
        route: Route,
        uri: &Uri,
        head: RequestHead,
        body: Body,
        from: &mut Origin,
    ) -> Result<Answer, Hangup> {
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let at = from.at;
        let url =
            |head: &RequestHead| request::url(uri.authority().map(|a| a.as_str()), path, head.lines.first(&HOST), at);
        let caller = match self.admit(&route, &head, uri, from) {
            Ok(caller) => caller,
            Err(denied) => return Ok(answer::denied(&denied)),
        };
        Ok(match route {
            // In a box, so that calls do not carry the room for it.
            Route::Api => match &self.api {
                Some(api) => {
                    let base = request::url(uri.authority().map(|a| a.as_str()), "", head.lines.first(&HOST), at);
                    let cors = self.config.cors.as_ref();
                    Box::pin(management::answer(api, cors, &head, uri, &base, caller, body)).await?
                }
                None => answer::unknown_path(&head.method, uri.path()),
            },
            Route::Greeting => answer::json(StatusCode::OK, GREETING.to_owned()),
            Route::Health => answer::json(StatusCode::OK, HEALTHY.to_owned()),
            Route::Metrics => answer::metrics(&self.metrics),
            Route::Ready => self.ready(),
            Route::Version => answer::json(StatusCode::OK, VERSION.to_owned()),
            Route::Invoke(_) | Route::Trigger(_) if request::wants_websocket(&head.lines) => answer::refusal(
                StatusCode::NOT_IMPLEMENTED,
                "Upgrade not supported: a function answers once, so its connection cannot become a websocket",
            ),
            Route::Invoke(function) => {
                let url = url(&head);
                if path == head.target() {
                    from.last.note(path, &function);
                }
                self.call(caller, function, Intent::Invoke, url, head, body).await?
            }
            Route::Trigger(function) => {
                let url = url(&head);
                self.call(caller, function, Intent::Gateway, url, head, body).await?
            }
            Route::Redirect(location) => answer::redirect(location),
            Route::UnknownTrigger { app, source } => answer::refusal(
                StatusCode::NOT_FOUND,
                &format!("Trigger not found: app {app:?} has no trigger with source {source:?}"),
            ),
            Route::WrongMethod { allow } => answer::wrong_method(&head.method, uri.path(), allow),
            Route::Unknown => answer::unknown_path(&head.method, uri.path()),
        })
    }

    async fn call(
        &self,
        caller: Caller,
        function: FunctionId,
        intent: Intent,
        url: String,
        head: RequestHead,
        body: Body,
    ) -> Result<Answer, Hangup> {
        let id = CallId::new();
        let under_way = self.calls.token();
        let RequestHead { method, lines, length, .. } = head;
        let answered = match self.within_bounds(length) {
            Ok(()) => {
                // A token opens more than this function: it is not the function's to see.
                let headers = match caller {
                    Caller::Anybody if !self.access.names_token(lines.all(&AUTHORIZATION)) => Headers::of(lines),
                    Caller::Anybody | Caller::Holder(_) => Headers::without(lines, &["authorization"]),
                };
                let headers = request::honest(headers);
                let call = Call { id, function, intent, method, url, headers, body, deadline: None };
                self.outcome(call).await
            }
            Err(fault) => Err(fault),
        };
        let mut answer = match answered {
            Ok(answer) => answer,
            Err(fault) if fault.kind() == Kind::CallerLeft => return Err(Hangup),
            Err(fault) => fault::answer(&fault, id),
        };
        (answer.call, answer.under_way) = (Some(id), Some(under_way));
        Ok(answer)
    }

    async fn outcome(&self, call: Call) -> Result<Answer, Fault> {
        if is_detached(&call) {
            // In a box, as what is rare.
            return Box::pin(self.detach(call)).await;
        }
        if let Some(calls) = self.detached.as_ref().filter(|calls| calls.records_all()) {
            return Box::pin(self.recorded(call, calls)).await;
        }
        self.waited_for(call).await
    }

    async fn waited_for(&self, call: Call) -> Result<Answer, Fault> {
        let bodiless = call.method == Method::HEAD;
        let reply = self.invoke.invoke(call).await?;
        answer::of_reply(reply, bodiless).await
    }

    async fn detach(&self, call: Call) -> Result<Answer, Fault> {
        match &self.detached {
            Some(calls) => calls.accept(call).await.map(|()| answer::accepted()),
            None => Ok(answer::refusal(
                StatusCode::NOT_IMPLEMENTED,
                "Detached calls not supported: there is nothing here that keeps them",
            )),
        }
    }

    /// The same as [`waited_for`](Self::waited_for), and a record of it. A call is over for its record
    /// when the answer's head is there, or its fault, or nobody waits for it any more.
    async fn recorded(&self, call: Call, calls: &Calls) -> Result<Answer, Fault> {
        let mut noted =
            Noted { calls, id: call.id, function: call.function.clone(), came: SystemTime::now(), is: false };
        let answer = self.waited_for(call).await;
        noted.note(answer.as_ref().map(drop));
        answer
    }

    /// May whoever sent `head` have what is at `route`? Known before anything of the body is read.
    fn admit(&self, route: &Route, head: &RequestHead, uri: &Uri, from: &mut Origin) -> Result<Caller, Denied> {
        if !self.access.is_required() {
            return Ok(Caller::Anybody);
        }
        match route {
            Route::Invoke(function) => self.admit_call(function, head, from),
            Route::Trigger(function) if !self.access.is_open_to_triggers() => self.admit_call(function, head, from),
            route => {
                let need = door::need(route, &head.method, uri.path(), self.access.is_open_to_triggers());
                self.access.admit(head.lines.first(&AUTHORIZATION), need, &mut from.shown)
            }
        }
    }

    /// May whoever sent `head` call this function?
    fn admit_call(&self, function: &FunctionId, head: &RequestHead, from: &mut Origin) -> Result<Caller, Denied> {
        if !self.access.is_required() {
            return Ok(Caller::Anybody);
        }
        let token = head.lines.first(&AUTHORIZATION);
        let caller = self.access.admit(token, Need::SomeApp(Role::Invoke), &mut from.shown)?;
        // Most tokens are for all apps, and whose a function is need not be looked up for them.
        if caller.is_of_some_apps()
            && let Some(app) = self.access.app(function)
        {
            caller.check(Need::App(Role::Invoke, &app))?;
        }
        Ok(caller)
    }

    fn ready(&self) -> Answer {
        let mut missing = self.readiness.missing();
        if self.stage() > Stage::Open as u8 {
            missing.push("the node is ending");
        }
        let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let told = serde_json::json!({ "ready": missing.is_empty(), "missing": missing });
        answer::json(status, format!("{told}\n"))
    }

    fn advance(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::Relaxed);
    }

    fn stage(&self) -> u8 {
        self.stage.load(Ordering::Relaxed)
    }

    /// What can be refused by the head alone.
    fn within_bounds(&self, length: Length) -> Result<(), Fault> {
        if self.stage() >= Stage::Refusing as u8 {
            return Err(Fault::new(Kind::Draining));
        }
        request::within(length, self.config.request_bytes_max)
    }
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").field("config", &self.config).field("routes", &self.routes).finish_non_exhaustive()
    }
}

/// A call of which there will be a record, whatever becomes of it.
struct Noted<'a> {
    calls: &'a Calls,
    id: CallId,
    function: FunctionId,
    came: SystemTime,
    is: bool,
}

impl Noted<'_> {
    fn note(&mut self, outcome: Result<(), &Fault>) {
        self.is = true;
        self.calls.note(self.id, &self.function, self.came, outcome);
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if !self.is {
            self.note(Err(&Fault::new(Kind::CallerLeft)));
        }
    }
}

/// Triggers are always synchronous: there the header is the function's.
fn is_detached(call: &Call) -> bool {
    call.intent == Intent::Invoke && call.headers.first(&names::FN_INVOKE_TYPE).is_some_and(|t| t == b"detached")
}

/// Fn's own greeting, which probes of Fn look for.
const GREETING: &str = "{\"goto\":\"https://github.com/fnproject/fn\",\"hello\":\"world!\"}\n";

const HEALTHY: &str = "{\"status\":\"ok\"}\n";

const VERSION: &str = concat!("{\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}\n");
