//! A request's way, from its head to an answer.

use std::time::Instant;

use http::header::HOST;
use http::{StatusCode, Uri};

use hotfn_protocols::http1::RequestHead;
use hotfn_protocols::{Body, Intent};

use super::answer::{self, Answer};
use super::origin::Origin;
use super::routes::Route;
use super::{Front, Stage, management, meter, request};
use crate::conversation::Hangup;

impl Front {
    /// Answers one request; `from` is what its connection knows of itself.
    ///
    /// Dropping this future, or later the answer's body, is the caller's leaving.
    ///
    /// # Errors
    /// When nothing is to be sent and the connection closed instead.
    pub(super) async fn answer(&self, head: RequestHead, body: Body, from: &mut Origin) -> Result<Answer, Hangup> {
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
                let answer = match self.admit_call(&function, &head, from) {
                    Ok(caller) => self.call(caller, function, Intent::Invoke, url, head, body).await,
                    Err(denied) => Ok(answer::denied(&denied)),
                };
                self.meter.invoked(&answer);
                answer?
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
            // In a box, as what follows, so that calls do not carry the room for it.
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
            Route::Metrics => answer::metrics(Box::pin(self.metrics.text()).await),
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

    fn ready(&self) -> Answer {
        let mut missing = self.readiness.missing();
        if self.stage() > Stage::Open as u8 {
            missing.push("the node is ending");
        }
        let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let told = serde_json::json!({ "ready": missing.is_empty(), "missing": missing });
        answer::json(status, format!("{told}\n"))
    }
}

/// Fn's own greeting, which probes of Fn look for.
const GREETING: &str = "{\"goto\":\"https://github.com/fnproject/fn\",\"hello\":\"world!\"}\n";

const HEALTHY: &str = "{\"status\":\"ok\"}\n";

const VERSION: &str = concat!("{\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}\n");
