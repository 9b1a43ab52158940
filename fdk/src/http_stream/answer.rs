//! One request on a connection, and its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Cx, Poll};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::sleep_until;

use hotfn_protocols::{Arrival, Body, BodyError, CallerLeft, Deadline, Intent, gateway};
use hotfn_socket::Watched;

use super::rest;
use crate::settings::Settings;
use crate::turn::{Outcome, Wanted, turn};
use crate::{Context, Function, Reply, signature};

/// Answers a request. Its method and path mean nothing: whatever comes is a call.
///
/// The error closes the connection, as do those of the answer's body.
pub(super) async fn answer(
    request: Request<Incoming>,
    connection: Watched,
    function: Arc<Function>,
    settings: Arc<Settings>,
) -> Result<Response<Body>, CallerLeft> {
    let (head, incoming) = request.into_parts();
    let (body, rest) = tokio::select! {
        biased;
        lent = rest::lend(incoming) => lent.map_err(|_| CallerLeft)?,
        () = connection.peer_left() => return Err(CallerLeft),
    };
    let arrival = Arrival { body, ..gateway::decode_call(&head.headers, Instant::now(), SystemTime::now()) };
    let (ctx, body) = Context::new(arrival, settings);
    let (intent, deadline) = (ctx.intent(), ctx.deadline());

    let outcome = tokio::select! {
        biased;
        outcome = turn(&function, ctx, body, Wanted::Streamed) => outcome,
        () = connection.peer_left() => return Err(CallerLeft),
    };
    rest.drain().await;

    Ok(seal(outcome, intent).map(|body| match body.as_bytes() {
        Some(_) => body,
        None => Body::stream(Streaming { body, cut: None, terms: Some((connection, deadline)) }),
    }))
}

/// What goes over the wire: an answer's status is 200, and its own travels in a header if at all.
fn seal(outcome: Outcome, intent: Intent) -> Response<Body> {
    let answered = outcome.is_answer();
    let Reply { status, headers, body, .. } = outcome.into_reply();
    let mut response = Response::new(body);
    *response.headers_mut() = if answered {
        gateway::encode_answer(status, &headers, intent)
    } else {
        *response.status_mut() = status;
        headers
    };
    signature::sign(response.headers_mut());
    response
}

/// A body under way: it is cut when the caller leaves, and at the deadline, for after its head
/// there is no other way to say that it came too late.
struct Streaming {
    body: Body,
    /// Made when the body makes us wait for the first time; many never do.
    cut: Option<Pin<Box<dyn Future<Output = &'static str> + Send>>>,
    terms: Option<(Watched, Option<Deadline>)>,
}

impl http_body::Body for Streaming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let ready @ Poll::Ready(_) = Pin::new(&mut this.body).poll_frame(cx) {
            return ready;
        }
        if let Some((connection, deadline)) = this.terms.take() {
            this.cut = Some(Box::pin(cut(connection, deadline)));
        }
        let Some(cut) = &mut this.cut else { return Poll::Pending };
        cut.as_mut().poll(cx).map(|why| {
            (this.body, this.cut) = (Body::empty(), None);
            Some(Err(BodyError::Cut(why.into())))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn cut(connection: Watched, deadline: Option<Deadline>) -> &'static str {
    let late = async {
        match deadline {
            Some(deadline) => sleep_until(deadline.at().into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = connection.peer_left() => "caller went away",
        () = late => "deadline passed",
    }
}
