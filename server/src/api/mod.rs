//! The v2 API: apps, functions and triggers, as the Fn CLI makes and changes them.
//!
//! Read in this order:
//!
//! * `router`: a method and a path become an endpoint, or a refusal.
//! * `apps`, `calls`, `connectors`, `functions`, `logs`, `triggers`: what each endpoint does.
//! * `input`: JSON as Fn reads it: what is absent, `null` or of no value are one.
//! * `rights`: what of a token each endpoint takes.
//! * `tokens`: those who may.
//! * `rules`: what members may say; what `config::function` has no rule for.
//! * `annotations`: those that are given, and those that we add.
//! * `page`: cursors and the answers that lists give.
//! * `problem`: which status an error is.
//!
//! Nothing here knows connections: a [`Request`] is what was read whole from one, and an [`Answer`]
//! what is to be written. The front is the one who does both. `openapi.yaml`, which the node
//! serves, says the same as the router, and a test holds them to each other.
//!
//! An answer to a write is given when this node serves what was written: who makes a function and
//! then calls it, finds it. Other nodes with the same store follow by themselves, within a second.
//!
//! Absent on purpose: JSON that streams: no answer has more than a hundred objects, but for tokens,
//! of which there are at most a thousand.

mod annotations;
mod apps;
mod calls;
mod connectors;
mod functions;
mod input;
mod log_level;
mod logs;
mod page;
mod problem;
mod rights;
mod router;
mod rules;
mod tokens;
mod triggers;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Serialize;

use crate::access::Caller;
use crate::calls::Calls;
use crate::config::Driver;
use crate::connector::Connectors;
use crate::mirror::Mirror;
use crate::store::Store;

pub use problem::Problem;
pub use rights::need;
pub(crate) use router::template;

use page::Query;
use router::{Endpoint, Found};

/// Most bytes of a request's body. The largest that makes sense is a function with a hundred
/// annotations and a config that still fits into an environment.
pub const BODY_BYTES_MAX: u64 = 1 << 20;

/// Answers requests below `/v2/`.
#[derive(Debug)]
pub struct Api {
    store: Arc<Store>,
    mirror: Arc<Mirror>,
    connectors: Arc<Connectors>,
    calls: Arc<Calls>,
    /// Whose images functions may have.
    driver: Driver,
    /// What functions are called by from outside, if that is not where requests come to.
    public_url: Option<String>,
}

/// A request that was read whole.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path, as it came.
    pub path: &'a str,
    /// What stands behind the `?`.
    pub query: &'a str,
    /// Where it came to: `http://HOST`.
    pub base: &'a str,
    /// The page it comes from, which browsers say.
    pub origin: Option<&'a [u8]>,
    /// Who asks. They have the role that [`need`] says; whether their token is for the app that this
    /// turns out to be about is looked at here.
    pub caller: Caller,
    /// At most [`BODY_BYTES_MAX`] bytes.
    pub body: Bytes,
}

/// What is to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its `Content-Type`; none where there is no body.
    pub content_type: Option<&'static str>,
    /// Its body.
    pub body: Bytes,
}

impl Api {
    /// Over `mirror`'s store, on a node with this driver. Functions are told to be called at
    /// `public_url`, or else at the host that the request was sent to.
    #[must_use]
    pub fn new(
        mirror: Arc<Mirror>,
        connectors: Arc<Connectors>,
        calls: Arc<Calls>,
        driver: Driver,
        public_url: Option<String>,
    ) -> Self {
        Self { store: mirror.store().clone(), mirror, connectors, calls, driver, public_url }
    }

    /// What follows the store.
    #[must_use]
    pub fn mirror(&self) -> &Arc<Mirror> {
        &self.mirror
    }

    /// What keeps detached calls.
    #[must_use]
    pub fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// Answers one request. Dropping this future leaves a write done or not done, never in part.
    ///
    /// # Errors
    /// When what was asked for cannot be done.
    pub async fn answer(&self, request: Request<'_>) -> Result<Answer, Problem> {
        let (endpoint, captured) = match router::find(request.method, request.path) {
            Found::Endpoint(endpoint, captured) => (endpoint, captured),
            Found::Nothing => return Err(Problem::unknown_path(request.method, request.path)),
            Found::WrongMethod { allow } => {
                return Err(Problem::wrong_method(request.method, request.path, allow));
            }
        };
        let writes = *request.method != Method::GET;
        if writes && let Some(origin) = request.origin {
            rules::origin(origin, request.base, &request.caller, self.public_url.as_deref())?;
        }
        self.check_app(endpoint, &captured, &request).await?;
        let answer = self.at(endpoint, &captured, &request).await?;
        if writes {
            self.mirror.catch_up().await;
        }
        Ok(answer)
    }

    async fn at(&self, endpoint: Endpoint, captured: &[String], request: &Request<'_>) -> Result<Answer, Problem> {
        let base = self.public_url.as_deref().unwrap_or(request.base);
        let query = Query(request.query);
        let (body, caller) = (&request.body, &request.caller);
        let id = captured.first().map_or("", String::as_str);
        match endpoint {
            Endpoint::AppCreate => self.create_app(body).await,
            Endpoint::AppDelete => self.delete_app(id).await,
            Endpoint::AppGet => self.app(id, caller).await,
            Endpoint::AppList => self.apps(query, caller).await,
            Endpoint::AppUpdate => self.update_app(id, body).await,
            Endpoint::CallGet | Endpoint::CallLog | Endpoint::CallRetry => {
                let [function, call] = captured else { unreachable!("the path has two variables") };
                match endpoint {
                    Endpoint::CallGet => self.call(function, call).await,
                    Endpoint::CallLog => self.call_log(function, call).await,
                    _ => self.retry_call(function, call).await,
                }
            }
            Endpoint::CallList => self.list_calls(id, query).await,
            Endpoint::ConnectorCreate => self.create_connector(body),
            Endpoint::ConnectorDelete => self.delete_connector(id).await,
            Endpoint::ConnectorGet => self.connector(id),
            Endpoint::ConnectorList => Ok(self.list_connectors()),
            Endpoint::ConnectorSend => {
                let [name, peer] = captured else { unreachable!("the path has two variables") };
                self.send_by_connector(name, peer, body)
            }
            Endpoint::Description => Ok(Answer::description()),
            Endpoint::FunctionCreate => self.create_function(body, base).await,
            Endpoint::FunctionDelete => self.delete_function(id).await,
            Endpoint::FunctionGet => self.function(id, base, caller).await,
            Endpoint::FunctionList => self.functions(query, base, caller).await,
            Endpoint::FunctionLogs => self.function_logs(id, query).await,
            Endpoint::FunctionUpdate => self.update_function(id, body).await,
            Endpoint::LogLevelGet => log_level::get(),
            Endpoint::LogLevelSet => log_level::set(body),
            Endpoint::TokenCreate => self.create_token(body).await,
            Endpoint::TokenDelete => self.delete_token(id).await,
            Endpoint::TokenList => self.list_tokens().await,
            Endpoint::TriggerBySource => {
                let [app, kind, source] = captured else { unreachable!("the path has three variables") };
                self.trigger_by_source(app, kind, source).await
            }
            Endpoint::TriggerCreate => self.create_trigger(body, base).await,
            Endpoint::TriggerDelete => self.delete_trigger(id).await,
            Endpoint::TriggerGet => self.trigger(id, base).await,
            Endpoint::TriggerList => self.triggers(query, base).await,
            Endpoint::TriggerUpdate => self.update_trigger(id, body).await,
        }
    }
}

impl Answer {
    /// 200, with `document` as JSON.
    fn json(document: &impl Serialize) -> Self {
        let mut text = serde_json::to_string(document).expect("our documents have text for keys");
        text.push('\n');
        Self { status: StatusCode::OK, content_type: Some("application/json; charset=utf-8"), body: text.into() }
    }

    /// 200, with `text` as it is.
    fn text(text: String) -> Self {
        Self { status: StatusCode::OK, content_type: Some("text/plain; charset=utf-8"), body: text.into() }
    }

    fn empty(status: StatusCode) -> Self {
        Self { status, content_type: None, body: Bytes::new() }
    }

    fn description() -> Self {
        let body = Bytes::from_static(DESCRIPTION.as_bytes());
        Self { status: StatusCode::OK, content_type: Some("application/yaml; charset=utf-8"), body }
    }
}

/// This API in the words of OpenAPI.
const DESCRIPTION: &str = include_str!("../../../openapi.yaml");
